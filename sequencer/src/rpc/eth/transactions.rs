//! Transactions and receipts.

use crate::{
    rpc::{Rpc, args::Args, convert, error::RpcError, tracing::otterscan},
    store::StoredBlock,
};
use alloy::{
    consensus::{Header, transaction::TransactionInfo},
    eips::{BlockId, BlockNumberOrTag, eip2718::Encodable2718},
    primitives::{B256, Bytes, U64},
};
use op_alloy_consensus::transaction::OpTransactionInfo;
use op_alloy_rpc_types::{OpTransactionReceipt, Transaction};
use std::sync::Arc;
use tributary_protocol::execute::evm_env;

pub(in crate::rpc) fn by_hash(rpc: &Rpc, mut args: Args) -> Result<Option<Transaction>, RpcError> {
    let hash = args.required()?;
    args.end()?;
    known(rpc, hash)
}

/// A transaction, wherever it is.
pub(in crate::rpc) fn known(rpc: &Rpc, hash: B256) -> Result<Option<Transaction>, RpcError> {
    // In the order a transaction travels: whoever leaves one place has reached the next before.
    if let Some(waiting) = rpc.pool().and_then(|pool| pool.get(hash)) {
        let recovered = waiting.transaction().clone();
        let info = TransactionInfo::default();
        return Ok(Some(Transaction::from_transaction(
            recovered,
            OpTransactionInfo::new(info, Default::default()),
        )));
    }
    if let Some((pending, transaction)) = rpc.chain().pending_blocks().transaction(hash) {
        return Ok(Some(convert::pending_transaction(
            &transaction,
            pending.base_fee(),
        )));
    }
    Ok(located(rpc, hash)?.and_then(|(block, index)| convert::transaction(&block, index)))
}

/// The canonical block a transaction is in, and its index.
pub(in crate::rpc) fn located(rpc: &Rpc, hash: B256) -> Result<Option<(Arc<StoredBlock>, usize)>, RpcError> {
    let Some((number, index)) = rpc.chain().transaction(hash)? else {
        return Ok(None);
    };
    let block = rpc.chain().block_by_number(number)?;
    // A reorg in between may have put another block there.
    let index = index as usize;
    let is_it = |block: &Arc<StoredBlock>| {
        block
            .block
            .body
            .transactions
            .get(index)
            .is_some_and(|transaction| transaction.tx_hash() == hash)
    };
    Ok(block.filter(is_it).map(|block| (block, index)))
}

pub(in crate::rpc) fn by_block_hash(rpc: &Rpc, mut args: Args) -> Result<Option<Transaction>, RpcError> {
    let (hash, index): (B256, U64) = (args.required()?, args.required()?);
    args.end()?;
    at(rpc, hash.into(), index)
}

pub(in crate::rpc) fn by_block_number(rpc: &Rpc, mut args: Args) -> Result<Option<Transaction>, RpcError> {
    let (number, index): (BlockNumberOrTag, U64) = (args.required()?, args.required()?);
    args.end()?;
    at(rpc, number.into(), index)
}

fn at(rpc: &Rpc, id: BlockId, index: U64) -> Result<Option<Transaction>, RpcError> {
    let block = rpc.find_block(id)?;
    Ok(block.and_then(|block| convert::transaction(&block, index.to())))
}

/// reth's: the transaction with which the sender used the nonce.
pub(in crate::rpc) fn by_sender_and_nonce(rpc: &Rpc, args: Args) -> Result<Option<Transaction>, RpcError> {
    match otterscan::by_sender_and_nonce(rpc, args)? {
        Some(hash) => known(rpc, hash),
        None => Ok(None),
    }
}

pub(in crate::rpc) fn raw_by_block_hash(rpc: &Rpc, mut args: Args) -> Result<Bytes, RpcError> {
    let (hash, index): (B256, U64) = (args.required()?, args.required()?);
    args.end()?;
    raw_at(rpc, hash.into(), index)
}

pub(in crate::rpc) fn raw_by_block_number(rpc: &Rpc, mut args: Args) -> Result<Bytes, RpcError> {
    let (number, index): (BlockNumberOrTag, U64) = (args.required()?, args.required()?);
    args.end()?;
    raw_at(rpc, number.into(), index)
}

/// Empty for a transaction that is not there, as geth.
fn raw_at(rpc: &Rpc, id: BlockId, index: U64) -> Result<Bytes, RpcError> {
    let block = rpc.find_block(id)?;
    let found = block.and_then(|block| block.block.body.transactions.get(index.to::<usize>()).cloned());
    Ok(found.map(|found| found.encoded_2718().into()).unwrap_or_default())
}

pub(in crate::rpc) fn receipt(rpc: &Rpc, mut args: Args) -> Result<Option<OpTransactionReceipt>, RpcError> {
    let hash = args.required()?;
    args.end()?;
    receipt_of(rpc, hash)
}

/// The receipt of a transaction in a sealed block.
pub(in crate::rpc) fn receipt_of(rpc: &Rpc, hash: B256) -> Result<Option<OpTransactionReceipt>, RpcError> {
    let located = located(rpc, hash)?;
    Ok(located.and_then(|(block, index)| convert::receipt(&block, index, spec(rpc, &block))))
}

/// The receipt of a transaction, sealed or in the block being built: the earliest there is.
pub(in crate::rpc) fn earliest_receipt(
    rpc: &Rpc,
    hash: B256,
) -> Result<Option<OpTransactionReceipt>, RpcError> {
    // In the order a transaction travels: a block is committed before it stops being pending.
    if let Some((pending, transaction)) = rpc.chain().pending_blocks().transaction(hash) {
        let header = Header {
            number: pending.number().0,
            timestamp: pending.attributes().timestamp,
            ..Header::default()
        };
        let spec = evm_env(rpc.chain().config(), &header).cfg_env.spec;
        return Ok(Some(convert::pending_receipt(pending, &transaction, spec)));
    }
    receipt_of(rpc, hash)
}

pub(in crate::rpc) fn block_receipts(
    rpc: &Rpc,
    mut args: Args,
) -> Result<Option<Vec<OpTransactionReceipt>>, RpcError> {
    let id = args.required()?;
    args.end()?;
    let block = rpc.find_block(id)?;
    Ok(block.map(|block| convert::receipts(&block, spec(rpc, &block))))
}

pub(in crate::rpc) fn spec(rpc: &Rpc, block: &StoredBlock) -> op_revm::OpSpecId {
    evm_env(rpc.chain().config(), &block.block.header).cfg_env.spec
}
