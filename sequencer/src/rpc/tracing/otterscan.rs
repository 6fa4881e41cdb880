//! Otterscan's methods: what its explorer shows of blocks, transactions and addresses. Shapes and paging as its documentation has them.
//!
//! Who created a contract and which transaction had a nonce is found by halving the range of blocks, on states of the past; so it goes back
//! as far as they do. Searching an address reads blocks one after the other, so many and no more: those an address appears in are not
//! indexed, for an index would cost every transfer two writes.

use super::{
    budget::Steps,
    replay::Replay,
    search::{self, first_state_where},
};
use crate::{
    rpc::{
        Rpc,
        args::Args,
        convert::{self, RpcBlock},
        error::RpcError,
        eth::transactions::spec,
        evm::Outcome,
    },
    store::StoredBlock,
};
use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    network::primitives::BlockTransactions,
    primitives::{Address, B256, Bytes, U64, U256},
    rpc::types::{
        Header,
        trace::{
            geth::{CallConfig, CallFrame},
            otterscan::{
                BlockDetails, ContractCreator, InternalIssuance, InternalOperation, OperationType, OtsBlock,
            },
        },
    },
};
use alloy_evm::Evm;
use op_alloy_consensus::OpTxEnvelope;
use op_alloy_rpc_types::{OpTransactionReceipt, Transaction};
use revm::database_interface::DatabaseRef;
use revm_inspectors::{
    tracing::{TracingInspector, TracingInspectorConfig},
    transfer::{TransferInspector, TransferKind},
};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use tributary_protocol::state::Account;

/// The version of Otterscan's API this is.
const API_LEVEL: u64 = 8;

/// Transactions of one page; as Otterscan's largest.
const PAGE_MAX: usize = 100;

pub(in crate::rpc) fn api_level(_: &Rpc, args: Args) -> Result<u64, RpcError> {
    args.end()?;
    Ok(API_LEVEL)
}

pub(in crate::rpc) fn has_code(rpc: &Rpc, mut args: Args) -> Result<bool, RpcError> {
    let (address, id): (Address, Option<BlockId>) = (args.required()?, args.optional()?);
    args.end()?;
    let account = rpc.state(id)?.basic_ref(address)?;
    Ok(account.is_some_and(|account| !account.is_empty_code_hash()))
}

/// Wei that moved, contracts that came and went, below the transaction itself.
pub(in crate::rpc) fn internal_operations(
    rpc: &Rpc,
    mut args: Args,
) -> Result<Option<Vec<InternalOperation>>, RpcError> {
    let hash = args.required()?;
    args.end()?;
    let Some((replay, index)) = Replay::of_transaction(rpc, hash)? else {
        return Ok(None);
    };
    let inspector = TransferInspector::internal_only();
    let operations = replay.one(rpc, index, inspector, Steps::default(), |_, evm, _| {
        let transfers = evm.inspector_mut().inner().transfers();
        let operations = transfers.iter().map(|transfer| InternalOperation {
            r#type: match transfer.kind {
                TransferKind::Call => OperationType::OpTransfer,
                TransferKind::Create => OperationType::OpCreate,
                TransferKind::Create2 => OperationType::OpCreate2,
                TransferKind::SelfDestruct => OperationType::OpSelfDestruct,
            },
            from: transfer.from,
            to: transfer.to,
            value: transfer.value,
        });
        Ok(operations.collect())
    })?;
    Ok(Some(operations))
}

/// What a transaction that was reverted returned; empty for one that was not.
pub(in crate::rpc) fn transaction_error(rpc: &Rpc, mut args: Args) -> Result<Option<Bytes>, RpcError> {
    let hash = args.required()?;
    args.end()?;
    let Some((replay, index)) = Replay::of_transaction(rpc, hash)? else {
        return Ok(None);
    };
    let quiet = TracingInspector::new(TracingInspectorConfig::none());
    let output = replay.one(rpc, index, quiet, Steps::default(), |_, _, outcome: &Outcome| {
        let output = outcome.result.output().cloned().unwrap_or_default();
        Ok(if outcome.result.is_success() {
            Bytes::new()
        } else {
            output
        })
    })?;
    Ok(Some(output))
}

/// One call of a transaction, in the order they were made.
#[derive(Debug, Serialize)]
pub(in crate::rpc) struct Entry {
    r#type: String,
    depth: u64,
    from: Address,
    to: Option<Address>,
    /// None where a call cannot carry wei.
    value: Option<U256>,
    input: Bytes,
    output: Bytes,
}

pub(in crate::rpc) fn trace_transaction(rpc: &Rpc, mut args: Args) -> Result<Option<Vec<Entry>>, RpcError> {
    let hash = args.required()?;
    args.end()?;
    let Some((replay, index)) = Replay::of_transaction(rpc, hash)? else {
        return Ok(None);
    };
    let config = CallConfig::default();
    let recorder = TracingInspector::new(TracingInspectorConfig::from_geth_call_config(&config));
    let root = replay.one(rpc, index, recorder, Steps::default(), |_, evm, outcome| {
        let recorder = evm.inspector_mut().inner();
        Ok(recorder
            .geth_builder()
            .geth_call_traces(config, outcome.result.tx_gas_used()))
    })?;
    let mut entries = Vec::new();
    flatten(root, 0, &mut entries);
    Ok(Some(entries))
}

fn flatten(frame: CallFrame, depth: u64, entries: &mut Vec<Entry>) {
    let carries_wei = !matches!(frame.typ.as_str(), "STATICCALL" | "DELEGATECALL");
    entries.push(Entry {
        value: carries_wei.then(|| frame.value.unwrap_or_default()),
        r#type: frame.typ,
        depth,
        from: frame.from,
        to: frame.to,
        input: frame.input,
        output: frame.output.unwrap_or_default(),
    });
    for call in frame.calls {
        flatten(call, depth + 1, entries);
    }
}

pub(in crate::rpc) fn block_details(
    rpc: &Rpc,
    mut args: Args,
) -> Result<Option<BlockDetails<Header>>, RpcError> {
    let tag: BlockNumberOrTag = args.required()?;
    args.end()?;
    details(rpc, tag.into())
}

pub(in crate::rpc) fn block_details_by_hash(
    rpc: &Rpc,
    mut args: Args,
) -> Result<Option<BlockDetails<Header>>, RpcError> {
    let hash: B256 = args.required()?;
    args.end()?;
    details(rpc, hash.into())
}

fn details(rpc: &Rpc, id: BlockId) -> Result<Option<BlockDetails<Header>>, RpcError> {
    let Some(block) = rpc.find_block(id)? else {
        return Ok(None);
    };
    let receipts = convert::receipts(&block, spec(rpc, &block));
    // Everything senders paid: gas at its price, and what L1 cost.
    let fees = receipts.iter().map(|receipt| {
        let gas = U256::from(receipt.inner.gas_used) * U256::from(receipt.inner.effective_gas_price);
        gas + U256::from(receipt.l1_block_info.l1_fee.unwrap_or_default())
    });
    let fees = fees.sum();
    // Nothing is issued here: wei comes from L1.
    let issuance = InternalIssuance::default();
    Ok(Some(BlockDetails::new(
        convert::block(&block, false),
        issuance,
        fees,
    )))
}

/// A page of a block's transactions, cut to what a list shows.
#[derive(Debug, Serialize)]
pub(in crate::rpc) struct BlockPage {
    fullblock: OtsBlock<Transaction, Header>,
    receipts: Vec<Value>,
}

/// Page 0 holds the last transactions of the block.
pub(in crate::rpc) fn block_transactions(rpc: &Rpc, mut args: Args) -> Result<Option<BlockPage>, RpcError> {
    let tag: BlockNumberOrTag = args.required()?;
    let (page, size): (Count, Count) = (args.required()?, args.required()?);
    args.end()?;
    let size = page_size(size)?;
    let Some(block) = rpc.find_block(tag.into())? else {
        return Ok(None);
    };
    let count = block.block.body.transactions.len();
    let end = count.saturating_sub(page.0.saturating_mul(size));
    let shown = end.saturating_sub(size)..end;
    let receipts = convert::receipts(&block, spec(rpc, &block));
    let receipts = receipts.get(shown.clone()).unwrap_or_default();
    let mut full: RpcBlock = convert::block(&block, true);
    if let BlockTransactions::Full(transactions) = &mut full.transactions {
        transactions.truncate(shown.end);
        transactions.drain(..shown.start);
    }
    Ok(Some(BlockPage {
        fullblock: OtsBlock {
            block: full,
            transaction_count: count,
        },
        receipts: receipts
            .iter()
            .map(|receipt| slim(receipt, None))
            .collect::<Result<_, _>>()?,
    }))
}

/// A plain number, or a quantity.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(from = "NumberOrQuantity")]
struct Count(usize);

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum NumberOrQuantity {
    Number(u64),
    Quantity(U64),
}

impl From<NumberOrQuantity> for Count {
    fn from(count: NumberOrQuantity) -> Self {
        let count = match count {
            NumberOrQuantity::Number(count) => count,
            NumberOrQuantity::Quantity(count) => count.to(),
        };
        Self(usize::try_from(count).unwrap_or(usize::MAX))
    }
}

fn page_size(size: Count) -> Result<usize, RpcError> {
    if size.0 == 0 || size.0 > PAGE_MAX {
        return Err(RpcError::params(format!("page size must be 1 to {PAGE_MAX}")));
    }
    Ok(size.0)
}

/// A receipt without its logs, which lists do not show.
fn slim(receipt: &OpTransactionReceipt, timestamp: Option<u64>) -> Result<Value, RpcError> {
    let mut receipt = serde_json::to_value(receipt).map_err(RpcError::internal)?;
    receipt["logs"] = Value::Null;
    receipt["logsBloom"] = Value::Null;
    if let Some(timestamp) = timestamp {
        receipt["timestamp"] = format!("{timestamp:#x}").into();
    }
    Ok(receipt)
}

/// A page of what an address had to do with.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::rpc) struct Found {
    txs: Vec<Transaction>,
    receipts: Vec<Value>,
    first_page: bool,
    last_page: bool,
}

/// The newest transactions below a block; below the head if it is zero. Newest first.
pub(in crate::rpc) fn search_before(rpc: &Rpc, mut args: Args) -> Result<Found, RpcError> {
    let (address, number, size): (Address, Count, Count) =
        (args.required()?, args.required()?, args.required()?);
    args.end()?;
    let first = rpc.chain().config().genesis.l2.number.0;
    let head = rpc.chain().heads().unsafe_head.number.0;
    let end = if number.0 == 0 {
        head + 1
    } else {
        (number.0 as u64).min(head + 1)
    };
    let page = search::appearances(rpc, address, (first..end).rev(), page_size(size)?)?;
    found(rpc, page.hits, number.0 == 0, page.is_exhausted)
}

/// The oldest transactions above a block; above nothing if it is zero. Newest first all the same.
pub(in crate::rpc) fn search_after(rpc: &Rpc, mut args: Args) -> Result<Found, RpcError> {
    let (address, number, size): (Address, Count, Count) =
        (args.required()?, args.required()?, args.required()?);
    args.end()?;
    let first = rpc.chain().config().genesis.l2.number.0;
    let head = rpc.chain().heads().unsafe_head.number.0;
    let start = if number.0 == 0 {
        first
    } else {
        (number.0 as u64).saturating_add(1)
    };
    let mut page = search::appearances(rpc, address, start..=head, page_size(size)?)?;
    page.hits.reverse();
    found(rpc, page.hits, page.is_exhausted, number.0 == 0)
}

fn found(
    rpc: &Rpc,
    hits: Vec<(Arc<StoredBlock>, Vec<usize>)>,
    first_page: bool,
    last_page: bool,
) -> Result<Found, RpcError> {
    let (mut txs, mut receipts) = (Vec::new(), Vec::new());
    for (block, indices) in hits {
        let all = convert::receipts(&block, spec(rpc, &block));
        let timestamp = Some(block.block.header.timestamp);
        for index in indices.into_iter().rev() {
            let (Some(tx), Some(receipt)) = (convert::transaction(&block, index), all.get(index)) else {
                continue;
            };
            txs.push(tx);
            receipts.push(slim(receipt, timestamp)?);
        }
    }
    Ok(Found {
        txs,
        receipts,
        first_page,
        last_page,
    })
}

pub(in crate::rpc) fn by_sender_and_nonce(rpc: &Rpc, mut args: Args) -> Result<Option<B256>, RpcError> {
    let (sender, nonce): (Address, Count) = (args.required()?, args.required()?);
    args.end()?;
    let nonce = nonce.0 as u64;
    let is_used = |account: Option<Account>| account.is_some_and(|account| account.nonce > nonce);
    let Some(block) = first_state_where(rpc, sender, is_used)? else {
        return Ok(None);
    };
    let transactions = &block.block.body.transactions;
    let mine = (0..transactions.len()).filter(|index| block.senders.get(*index) == Some(&sender));
    // Not there if an authorization used the nonce: that is no transaction of the account's.
    let found = mine
        .into_iter()
        .find(|index| search::nonce(&block, *index) == Some(nonce));
    Ok(found
        .and_then(|index| transactions.get(index))
        .map(OpTxEnvelope::tx_hash))
}

pub(in crate::rpc) fn contract_creator(
    rpc: &Rpc,
    mut args: Args,
) -> Result<Option<ContractCreator>, RpcError> {
    let address = args.required()?;
    args.end()?;
    let has_code =
        |account: Option<Account>| account.is_some_and(|account| !account.to_info().is_empty_code_hash());
    let Some(block) = first_state_where(rpc, address, has_code)? else {
        return Ok(None);
    };
    if block.block.body.transactions.is_empty() {
        // There from the start.
        return Ok(None);
    }
    let replay = Replay::new(rpc, block)?;
    let recorder = TracingInspector::new(TracingInspectorConfig::none());
    let creators = replay.all(rpc, recorder, Steps::default(), |index, evm, _| {
        let recorder = evm.inspector_mut().inner();
        let creation = recorder.traces().nodes().iter().find(|node| {
            node.trace.kind.is_any_create() && node.trace.success && node.trace.address == address
        });
        let creator = creation.map(|node| ContractCreator {
            hash: replay.place(index).hash.unwrap_or_default(),
            creator: node.trace.caller,
        });
        recorder.fuse();
        Ok(creator)
    })?;
    // A delegation (EIP-7702) is code that nobody created.
    Ok(creators.into_iter().flatten().last())
}
