//! The table of methods.

use super::{
    Rpc,
    args::Args,
    debug,
    error::{Answer, RpcError},
    eth::{blocks, call, estimate, fees, logs, proof, send, state, transactions},
    filters, optimism, tools,
};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// A method that only computes or reads.
type Read<T> = fn(&Rpc, Args) -> Result<T, RpcError>;

/// Carries out one request.
pub(super) async fn call(rpc: &Rpc, method: &str, params: Option<&RawValue>) -> Answer {
    let args = Args::parse(params)?;
    match method {
        "eth_chainId" => quick(rpc, args, state::chain_id),
        "eth_blockNumber" => quick(rpc, args, state::block_number),
        "eth_syncing" => quick(rpc, args, state::syncing),
        "eth_accounts" => quick(rpc, args, state::accounts),
        "eth_getBalance" => quick(rpc, args, state::balance),
        "eth_getCode" => quick(rpc, args, state::code),
        "eth_getStorageAt" => quick(rpc, args, state::storage_at),
        "eth_getTransactionCount" => quick(rpc, args, state::transaction_count),
        "eth_getProof" => heavy(rpc, args, proof::proof).await,

        "eth_gasPrice" => quick(rpc, args, fees::gas_price),
        "eth_maxPriorityFeePerGas" => quick(rpc, args, fees::max_priority_fee),
        "eth_baseFee" => quick(rpc, args, fees::base_fee),
        "eth_blobBaseFee" => quick(rpc, args, fees::blob_base_fee),
        "eth_feeHistory" => heavy(rpc, args, fees::history).await,

        "eth_call" => heavy(rpc, args, call::call).await,
        "eth_estimateGas" => heavy(rpc, args, estimate::estimate).await,
        "eth_createAccessList" => heavy(rpc, args, call::create_access_list).await,

        "eth_sendRawTransaction" => send::send(rpc, method, params, args).await,
        "eth_sendRawTransactionSync" => send::send_sync(rpc, method, params, args).await,

        "eth_getTransactionByHash" => read(rpc, args, transactions::by_hash).await,
        "eth_getTransactionByBlockHashAndIndex" => read(rpc, args, transactions::by_block_hash).await,
        "eth_getTransactionByBlockNumberAndIndex" => read(rpc, args, transactions::by_block_number).await,
        "eth_getTransactionReceipt" => read(rpc, args, transactions::receipt).await,
        "eth_getBlockReceipts" => read(rpc, args, transactions::block_receipts).await,

        "eth_getBlockByNumber" => read(rpc, args, blocks::by_number).await,
        "eth_getBlockByHash" => read(rpc, args, blocks::by_hash).await,
        "eth_getHeaderByNumber" => read(rpc, args, blocks::header_by_number).await,
        "eth_getHeaderByHash" => read(rpc, args, blocks::header_by_hash).await,
        "eth_getBlockTransactionCountByNumber" => read(rpc, args, blocks::count_by_number).await,
        "eth_getBlockTransactionCountByHash" => read(rpc, args, blocks::count_by_hash).await,
        "eth_getUncleCountByBlockNumber" => read(rpc, args, blocks::uncle_count_by_number).await,
        "eth_getUncleCountByBlockHash" => read(rpc, args, blocks::uncle_count_by_hash).await,
        "eth_getUncleByBlockNumberAndIndex" | "eth_getUncleByBlockHashAndIndex" => {
            quick(rpc, args, blocks::uncle)
        }

        "eth_getLogs" => heavy(rpc, args, logs::logs).await,
        "eth_newFilter" => quick(rpc, args, filters::new_log_filter),
        "eth_newBlockFilter" => quick(rpc, args, filters::new_block_filter),
        "eth_getFilterChanges" => heavy(rpc, args, filters::changes).await,
        "eth_getFilterLogs" => heavy(rpc, args, filters::logs).await,
        "eth_uninstallFilter" => quick(rpc, args, filters::uninstall),

        "net_version" => quick(rpc, args, tools::net_version),
        "net_listening" => quick(rpc, args, tools::net_listening),
        "net_peerCount" => quick(rpc, args, tools::net_peer_count),
        "web3_clientVersion" => quick(rpc, args, tools::client_version),
        "web3_sha3" => quick(rpc, args, tools::sha3),
        "rpc_modules" => quick(rpc, args, tools::modules),
        "txpool_status" => quick(rpc, args, tools::txpool_status),

        "debug_getRawBlock" => read(rpc, args, debug::raw_block).await,
        "debug_getRawHeader" => read(rpc, args, debug::raw_header).await,
        "debug_getRawReceipts" => read(rpc, args, debug::raw_receipts).await,
        "debug_getRawTransaction" => read(rpc, args, debug::raw_transaction).await,

        "optimism_syncStatus" => quick(rpc, args, optimism::sync_status),
        "optimism_rollupConfig" => quick(rpc, args, optimism::rollup_config),
        "optimism_outputAtBlock" => read(rpc, args, optimism::output_at_block).await,
        "optimism_safeHeadAtL1Block" => quick(rpc, args, optimism::safe_head_at_l1_block),
        "optimism_version" => quick(rpc, args, optimism::version),

        unknown => Err(RpcError::unknown_method(unknown)),
    }
}

/// Microseconds: on the spot.
fn quick<T: Serialize>(rpc: &Rpc, args: Args, method: Read<T>) -> Answer {
    encode(&method(rpc, args)?)
}

/// May read a whole block from disk: on a thread that may block.
async fn read<T: Serialize + 'static>(rpc: &Rpc, args: Args, method: Read<T>) -> Answer {
    let rpc = rpc.clone();
    tokio::task::spawn_blocking(move || encode(&method(&rpc, args)?))
        .await
        .map_err(RpcError::internal)?
}

/// May take a core for a while: as [`read`], and only so many at a time.
async fn heavy<T: Serialize + 'static>(rpc: &Rpc, args: Args, method: Read<T>) -> Answer {
    let permit = rpc.shared.heavy.clone().acquire_owned().await;
    // Held by the work itself: a client that hangs up does not free the core.
    let permit = permit.map_err(RpcError::internal)?;
    let rpc = rpc.clone();
    tokio::task::spawn_blocking(move || {
        let answer = encode(&method(&rpc, args)?);
        drop(permit);
        answer
    })
    .await
    .map_err(RpcError::internal)?
}

pub(super) fn encode<T: Serialize>(value: &T) -> Answer {
    to_raw_value(value).map_err(RpcError::internal)
}
