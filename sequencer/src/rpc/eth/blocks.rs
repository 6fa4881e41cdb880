//! Blocks and headers.

use crate::{
    engine::PendingBlock,
    rpc::{Rpc, args::Args, block_id::Named, convert, error::RpcError},
};
use alloy::{
    consensus::{EMPTY_OMMER_ROOT_HASH, Header as ConsensusHeader, Sealed, TxReceipt, proofs},
    eips::{BlockId, BlockNumberOrTag},
    primitives::{B256, Bloom, U64},
    rpc::types::Header,
};
use serde_json::{Value, json};

pub(in crate::rpc) fn by_number(rpc: &Rpc, mut args: Args) -> Result<Value, RpcError> {
    let (number, full): (BlockNumberOrTag, _) = (args.required()?, args.optional()?);
    args.end()?;
    block(rpc, number.into(), full.unwrap_or(false))
}

pub(in crate::rpc) fn by_hash(rpc: &Rpc, mut args: Args) -> Result<Value, RpcError> {
    let (hash, full): (B256, _) = (args.required()?, args.optional()?);
    args.end()?;
    block(rpc, hash.into(), full.unwrap_or(false))
}

fn block(rpc: &Rpc, id: BlockId, full: bool) -> Result<Value, RpcError> {
    match rpc.find(id)? {
        Some(Named::Committed(reference)) => {
            let block = rpc.committed(&reference)?;
            to_value(&convert::block(&block, full))
        }
        Some(Named::Pending(pending)) => {
            // The one right after the latest, so that whoever walks from block to block finds no gap.
            let blocks = rpc.chain().pending_blocks();
            pending_block(blocks.first().unwrap_or(&pending), full)
        }
        None => Ok(Value::Null),
    }
}

/// The block being built, as far as it is known; what only sealing decides is null, as geth has it.
fn pending_block(pending: &PendingBlock, full: bool) -> Result<Value, RpcError> {
    let mut value = to_value(&pending_header(pending))?;
    let transactions = pending.transactions_from(0);
    let listed = transactions.iter().map(|transaction| {
        if full {
            to_value(&convert::pending_transaction(transaction, pending.base_fee()))
        } else {
            Ok(json!(transaction.transaction.inner().tx_hash()))
        }
    });
    value["transactions"] = listed.collect::<Result<Vec<_>, _>>()?.into();
    value["uncles"] = json!([]);
    value["withdrawals"] = json!([]);
    for unknown in ["hash", "nonce", "miner"] {
        value[unknown] = Value::Null;
    }
    Ok(value)
}

fn pending_header(pending: &PendingBlock) -> Header {
    let attributes = pending.attributes();
    let transactions = pending.transactions_from(0);
    let envelopes: Vec<_> = transactions
        .iter()
        .map(|transaction| transaction.transaction.inner())
        .collect();
    let header = ConsensusHeader {
        parent_hash: pending.parent().hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: attributes.fee_recipient,
        number: pending.number().0,
        timestamp: attributes.timestamp,
        gas_limit: attributes.gas_limit,
        gas_used: transactions
            .last()
            .map_or(0, |last| last.receipt.cumulative_gas_used()),
        base_fee_per_gas: Some(pending.base_fee()),
        mix_hash: attributes.prev_randao,
        parent_beacon_block_root: Some(attributes.parent_beacon_block_root),
        transactions_root: proofs::calculate_transaction_root(&envelopes),
        logs_bloom: transactions
            .iter()
            .fold(Bloom::ZERO, |bloom, tx| bloom | tx.receipt.bloom()),
        ..ConsensusHeader::default()
    };
    Header::from_consensus(Sealed::new_unchecked(header, B256::ZERO), None, None)
}

pub(in crate::rpc) fn header_by_number(rpc: &Rpc, mut args: Args) -> Result<Option<Header>, RpcError> {
    let number: BlockNumberOrTag = args.required()?;
    args.end()?;
    header(rpc, number.into())
}

pub(in crate::rpc) fn header_by_hash(rpc: &Rpc, mut args: Args) -> Result<Option<Header>, RpcError> {
    let hash: B256 = args.required()?;
    args.end()?;
    header(rpc, hash.into())
}

fn header(rpc: &Rpc, id: BlockId) -> Result<Option<Header>, RpcError> {
    Ok(rpc.find_block(id)?.map(|block| convert::header(&block)))
}

pub(in crate::rpc) fn count_by_number(rpc: &Rpc, mut args: Args) -> Result<Option<U64>, RpcError> {
    let number: BlockNumberOrTag = args.required()?;
    args.end()?;
    count(rpc, number.into())
}

pub(in crate::rpc) fn count_by_hash(rpc: &Rpc, mut args: Args) -> Result<Option<U64>, RpcError> {
    let hash: B256 = args.required()?;
    args.end()?;
    count(rpc, hash.into())
}

fn count(rpc: &Rpc, id: BlockId) -> Result<Option<U64>, RpcError> {
    let count = match rpc.find(id)? {
        None => return Ok(None),
        Some(Named::Pending(pending)) => pending.tip().transactions,
        Some(Named::Committed(reference)) => rpc.committed(&reference)?.block.body.transactions.len(),
    };
    Ok(Some(U64::from(count)))
}

pub(in crate::rpc) fn uncle_count_by_number(rpc: &Rpc, args: Args) -> Result<Option<U64>, RpcError> {
    Ok(count_by_number(rpc, args)?.map(|_| U64::ZERO))
}

pub(in crate::rpc) fn uncle_count_by_hash(rpc: &Rpc, args: Args) -> Result<Option<U64>, RpcError> {
    Ok(count_by_hash(rpc, args)?.map(|_| U64::ZERO))
}

/// There are no uncles on a rollup.
pub(in crate::rpc) fn uncle(_: &Rpc, mut args: Args) -> Result<(), RpcError> {
    let (_, _): (BlockId, U64) = (args.required()?, args.required()?);
    args.end()
}

fn to_value<T: serde::Serialize>(value: &T) -> Result<Value, RpcError> {
    serde_json::to_value(value).map_err(RpcError::internal)
}
