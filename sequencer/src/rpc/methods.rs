//! The table of methods: what is served, what one call of it costs, and where it runs.
//!
//! Nothing is served that is not in this table, and a test calls everything that is and checks the answers against schemas. A new
//! method is a function, a row here, and a row there (`tests/schemas/calls.rs`).
//!
//! `cost` is in units of about ten microseconds of one core, for an ordinary call: the limits count units, not requests.

use super::{
    Rpc,
    args::Args,
    counted::Counted,
    debug,
    dispatch::{Read, encode},
    error::Answer,
    eth::{blocks, call, estimate, fees, fill, logs, node, proof, send, state, transactions},
    filters, optimism, rollup, signatures, simulate,
    subscriptions::{self, Subscriptions},
    tools, tracing, txpool,
};
use futures::future::BoxFuture;
use serde_json::value::RawValue;
use std::{collections::HashMap, sync::LazyLock};

/// A method that gives its transaction to the pool or to the sequencer; the latter gets the request as it came.
type Send = for<'a> fn(&'a Rpc, &'static str, Option<&'a RawValue>) -> BoxFuture<'a, Answer>;

/// A method about the subscriptions of the connection it came on.
type Subscription = fn(&Rpc, Option<&Subscriptions>, Args) -> Answer;

/// Where a method runs.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// On the spot: it takes microseconds.
    Quick(Read),
    /// On the spot if its block is in memory, as the last ones are; else as [`Self::Read`].
    Item(Read),
    /// On the spot if it is small, as most are; else as [`Self::Heavy`].
    Brief(Read),
    /// On a thread that may block: it may read a block from disk.
    Read(Read),
    /// As [`Self::Read`], and only as many at a time as there are cores: it may take one for a while.
    Heavy(Read),
    /// As [`Self::Heavy`], with bounds of its own: it executes blocks and writes down what they did.
    Trace(Read),
    /// Takes a transaction.
    Send(Send),
    /// Speaks of the connection's subscriptions, where it can have some.
    Subscription(Subscription),
}

/// A row of the table.
pub(super) struct Method {
    /// As requests call it.
    pub(super) name: &'static str,
    /// Units one call takes from its caller's allowance.
    pub(super) cost: u32,
    pub(super) run: Run,
}

macro_rules! methods {
    ($($run:ident $cost:literal $name:literal => $function:path,)*) => {
        &[$(Method { name: $name, cost: $cost, run: methods!(@$run $function) },)*]
    };
    (@quick $function:path) => { Run::Quick(|rpc, args| encode(&$function(rpc, args)?)) };
    (@item $function:path) => { Run::Item(|rpc, args| encode(&$function(rpc, args)?)) };
    (@brief $function:path) => { Run::Brief(|rpc, args| encode(&$function(rpc, args)?)) };
    (@read $function:path) => { Run::Read(|rpc, args| encode(&$function(rpc, args)?)) };
    (@heavy $function:path) => { Run::Heavy(|rpc, args| encode(&$function(rpc, args)?)) };
    (@trace $function:path) => { Run::Trace(|rpc, args| encode(&$function(rpc, args)?)) };
    (@subscription $function:path) => { Run::Subscription($function) };
    (@send $function:path) => {
        Run::Send(|rpc, method, params| Box::pin($function(rpc, method, params)))
    };
}

static METHODS: &[Method] = methods! {
    quick 1 "eth_chainId" => state::chain_id,
    quick 1 "eth_blockNumber" => state::block_number,
    quick 1 "eth_syncing" => state::syncing,
    quick 1 "eth_accounts" => state::accounts,
    quick 1 "eth_getBalance" => state::balance,
    quick 1 "eth_getCode" => state::code,
    quick 1 "eth_getStorageAt" => state::storage_at,
    quick 1 "eth_getTransactionCount" => state::transaction_count,
    heavy 10 "eth_getStorageValues" => state::storage_values,
    quick 2 "eth_getAccountInfo" => state::account_info,
    heavy 20 "eth_getProof" => proof::proof,

    quick 1 "eth_gasPrice" => fees::gas_price,
    quick 1 "eth_maxPriorityFeePerGas" => fees::max_priority_fee,
    quick 1 "eth_baseFee" => fees::base_fee,
    quick 1 "eth_blobBaseFee" => fees::blob_base_fee,
    heavy 10 "eth_feeHistory" => fees::history,

    quick 2 "eth_config" => node::config,
    quick 1 "eth_capabilities" => node::capabilities,

    heavy 30 "eth_fillTransaction" => fill::fill,
    brief 10 "eth_call" => call::call,
    heavy 30 "eth_estimateGas" => estimate::estimate,
    heavy 20 "eth_createAccessList" => call::create_access_list,
    heavy 100 "eth_simulateV1" => simulate::simulate,

    send 5 "eth_sendRawTransaction" => send::send,
    send 5 "eth_sendRawTransactionSync" => send::send_sync,

    item 1 "eth_getTransactionByHash" => transactions::by_hash,
    item 2 "eth_getTransactionByBlockHashAndIndex" => transactions::by_block_hash,
    item 2 "eth_getTransactionByBlockNumberAndIndex" => transactions::by_block_number,
    heavy 10 "eth_getTransactionBySenderAndNonce" => transactions::by_sender_and_nonce,
    item 1 "eth_getRawTransactionByHash" => debug::raw_transaction,
    item 2 "eth_getRawTransactionByBlockHashAndIndex" => transactions::raw_by_block_hash,
    item 2 "eth_getRawTransactionByBlockNumberAndIndex" => transactions::raw_by_block_number,
    item 1 "eth_getTransactionReceipt" => transactions::receipt,
    read 20 "eth_getBlockReceipts" => transactions::block_receipts,

    read 5 "eth_getBlockByNumber" => blocks::by_number,
    read 5 "eth_getBlockByHash" => blocks::by_hash,
    item 2 "eth_getHeaderByNumber" => blocks::header_by_number,
    item 2 "eth_getHeaderByHash" => blocks::header_by_hash,
    item 2 "erigon_getHeaderByNumber" => blocks::header_by_number,
    item 2 "eth_getBlockTransactionCountByNumber" => blocks::count_by_number,
    item 2 "eth_getBlockTransactionCountByHash" => blocks::count_by_hash,
    read 2 "eth_getUncleCountByBlockNumber" => blocks::uncle_count_by_number,
    read 2 "eth_getUncleCountByBlockHash" => blocks::uncle_count_by_hash,
    quick 1 "eth_getUncleByBlockNumberAndIndex" => blocks::uncle,
    quick 1 "eth_getUncleByBlockHashAndIndex" => blocks::uncle,

    heavy 50 "eth_getLogs" => logs::logs,
    quick 1 "eth_newFilter" => filters::new_log_filter,
    quick 1 "eth_newBlockFilter" => filters::new_block_filter,
    quick 1 "eth_newPendingTransactionFilter" => filters::new_pending_transaction_filter,
    heavy 5 "eth_getFilterChanges" => filters::changes,
    heavy 50 "eth_getFilterLogs" => filters::logs,
    quick 1 "eth_uninstallFilter" => filters::uninstall,

    subscription 5 "eth_subscribe" => subscriptions::subscribe,
    subscription 1 "eth_unsubscribe" => subscriptions::unsubscribe,

    quick 1 "net_version" => tools::net_version,
    quick 1 "net_listening" => tools::net_listening,
    quick 1 "net_peerCount" => tools::net_peer_count,
    quick 1 "web3_clientVersion" => tools::client_version,
    quick 1 "web3_sha3" => tools::sha3,
    quick 1 "rpc_modules" => tools::modules,
    quick 1 "txpool_status" => txpool::status,
    heavy 100 "txpool_content" => txpool::content,
    heavy 50 "txpool_contentFrom" => txpool::content_from,
    heavy 100 "txpool_inspect" => txpool::inspect,

    read 5 "debug_getRawBlock" => debug::raw_block,
    item 2 "debug_getRawHeader" => debug::raw_header,
    read 5 "debug_getRawReceipts" => debug::raw_receipts,
    item 1 "debug_getRawTransaction" => debug::raw_transaction,

    trace 100 "debug_traceTransaction" => tracing::debug::transaction,
    trace 500 "debug_traceBlockByNumber" => tracing::debug::block_by_number,
    trace 500 "debug_traceBlockByHash" => tracing::debug::block_by_hash,
    trace 100 "debug_traceCall" => tracing::debug::call,
    trace 500 "trace_block" => tracing::parity::block,
    trace 100 "trace_transaction" => tracing::parity::transaction,
    trace 100 "trace_get" => tracing::parity::get,
    trace 5000 "trace_filter" => tracing::parity::filter,
    trace 100 "trace_call" => tracing::parity::call,
    trace 200 "trace_callMany" => tracing::parity::call_many,
    trace 100 "trace_rawTransaction" => tracing::parity::raw_transaction,
    trace 100 "trace_replayTransaction" => tracing::parity::replay_transaction,
    trace 500 "trace_replayBlockTransactions" => tracing::parity::replay_block,

    quick 1 "ots_getApiLevel" => tracing::otterscan::api_level,
    quick 1 "ots_hasCode" => tracing::otterscan::has_code,
    trace 100 "ots_getInternalOperations" => tracing::otterscan::internal_operations,
    trace 100 "ots_getTransactionError" => tracing::otterscan::transaction_error,
    trace 100 "ots_traceTransaction" => tracing::otterscan::trace_transaction,
    read 20 "ots_getBlockDetails" => tracing::otterscan::block_details,
    read 20 "ots_getBlockDetailsByHash" => tracing::otterscan::block_details_by_hash,
    read 20 "ots_getBlockTransactions" => tracing::otterscan::block_transactions,
    heavy 1000 "ots_searchTransactionsBefore" => tracing::otterscan::search_before,
    heavy 1000 "ots_searchTransactionsAfter" => tracing::otterscan::search_after,
    heavy 10 "ots_getTransactionBySenderAndNonce" => tracing::otterscan::by_sender_and_nonce,
    trace 500 "ots_getContractCreator" => tracing::otterscan::contract_creator,

    quick 1 "optimism_syncStatus" => optimism::sync_status,
    quick 1 "optimism_rollupConfig" => optimism::rollup_config,
    read 2 "optimism_outputAtBlock" => optimism::output_at_block,
    quick 1 "optimism_safeHeadAtL1Block" => optimism::safe_head_at_l1_block,
    quick 1 "optimism_version" => optimism::version,

    read 2 "rollup_orderProof" => rollup::order_proof,
    read 2 "rollup_preconfirmation" => signatures::preconfirmation,
    read 20 "rollup_blockSignature" => signatures::block_signature,
    read 100 "rollup_evidence" => signatures::evidence,
};

/// A row, and how often it was used.
pub(super) struct Found {
    pub(super) method: &'static Method,
    pub(super) counted: Counted,
}

/// The table by name.
static BY_NAME: LazyLock<HashMap<&'static str, Found>> = LazyLock::new(|| {
    let found = |method: &'static Method| Found {
        method,
        counted: Counted::new(),
    };
    METHODS
        .iter()
        .map(|method| (method.name, found(method)))
        .collect()
});

/// The method of this name.
pub(super) fn find(name: &str) -> Option<&'static Found> {
    BY_NAME.get(name)
}

/// Names of every method served, in the order of the table.
pub fn method_names() -> impl Iterator<Item = &'static str> {
    METHODS.iter().map(|method| method.name)
}

/// Namespaces of the table: what comes before the underscore.
pub(super) fn namespaces() -> impl Iterator<Item = &'static str> {
    method_names().filter_map(|name| name.split_once('_').map(|(namespace, _)| namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once_and_has_a_namespace() {
        assert_eq!(BY_NAME.len(), METHODS.len());
        assert_eq!(namespaces().count(), METHODS.len());
        assert!(METHODS.iter().all(|method| method.cost > 0));
    }

    /// What operators do is on another port (cli/src/admin).
    #[test]
    fn nothing_of_operators_or_consensus_clients_is_in_the_table() {
        for namespace in namespaces() {
            assert!(
                !["admin", "engine", "miner", "personal"].contains(&namespace),
                "{namespace}"
            );
        }
    }
}
