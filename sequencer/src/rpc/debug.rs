//! The `debug` namespace: blocks, receipts and transactions as the bytes they hash to. The batcher reads blocks this way.

use super::{Rpc, args::Args, error::RpcError, eth::transactions};
use crate::store::StoredBlock;
use alloy::{
    eips::{BlockId, eip2718::Encodable2718},
    primitives::Bytes,
    rlp,
};
use std::sync::Arc;

fn named(rpc: &Rpc, mut args: Args) -> Result<Arc<StoredBlock>, RpcError> {
    let id: BlockId = args.required()?;
    args.end()?;
    rpc.find_block(id)?
        .ok_or_else(|| RpcError::server(format!("block {id} not found")))
}

pub(super) fn raw_block(rpc: &Rpc, args: Args) -> Result<Bytes, RpcError> {
    Ok(rlp::encode(&named(rpc, args)?.block).into())
}

pub(super) fn raw_header(rpc: &Rpc, args: Args) -> Result<Bytes, RpcError> {
    Ok(rlp::encode(&named(rpc, args)?.block.header).into())
}

pub(super) fn raw_receipts(rpc: &Rpc, args: Args) -> Result<Vec<Bytes>, RpcError> {
    let block = named(rpc, args)?;
    Ok(block
        .receipts
        .iter()
        .map(|receipt| receipt.encoded_2718().into())
        .collect())
}

/// Empty for a transaction that is not known, as geth.
pub(super) fn raw_transaction(rpc: &Rpc, mut args: Args) -> Result<Bytes, RpcError> {
    let hash = args.required()?;
    args.end()?;
    if let Some(waiting) = rpc.pool().and_then(|pool| pool.get(hash)) {
        return Ok(waiting.inner.encoded_bytes().clone());
    }
    if let Some((_, transaction)) = rpc.chain().pending_blocks().transaction(hash) {
        return Ok(transaction.transaction.encoded_2718().into());
    }
    let located = transactions::located(rpc, hash)?;
    let transaction = located.and_then(|(block, index)| block.block.body.transactions.get(index).cloned());
    Ok(transaction
        .map(|transaction| transaction.encoded_2718().into())
        .unwrap_or_default())
}
