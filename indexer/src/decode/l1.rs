//! An L1 block and its receipts into posted batches.

use super::Unreadable;
use crate::rpc::{RpcBlock, RpcReceipt, RpcTransaction};
use alloy::primitives::{Address, B256, Bytes, Log, LogData, U256};
use tributary_protocol::{
    batcher_tx::BatcherTx,
    commitment::{Commitment, EIGENDA_LAYER},
    config::{ConfigUpdate, RollupConfig, SystemConfig},
};

/// EIP-2718 type of transactions with blobs.
const BLOB_TX_TYPE: u64 = 3;

/// A batcher transaction in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PostedRow {
    pub(crate) l1_tx_hash: B256,
    pub(crate) l1_tx_index: usize,
    pub(crate) l1_gas_used: u64,
    pub(crate) l1_fee: U256,
    /// Where the payload is, in Blockscout's words.
    pub(crate) da_kind: &'static str,
    pub(crate) commitment: Option<Commitment>,
    /// The payload itself, if it is here: calldata of frames is a payload byte for byte.
    pub(crate) payload: Option<Bytes>,
    /// Why there will never be anything to read.
    pub(crate) invalid: Option<Unreadable>,
}

/// Finds the batcher transactions of a block. `batcher` is whose transactions counted before it, and counts after it on return:
/// an update holds for the block that carries it.
pub(crate) fn posted_batches(
    rollup: &RollupConfig,
    block: &RpcBlock,
    receipts: &[RpcReceipt],
    batcher: &mut Address,
) -> Vec<PostedRow> {
    if let Some(update) = last_batcher(rollup, receipts) {
        *batcher = update;
    }
    let ours = |transaction: &RpcTransaction| {
        transaction.to == Some(rollup.batch_inbox_address) && transaction.from == *batcher
    };
    let transactions = block.transactions.iter().enumerate().zip(receipts);
    transactions
        .filter(|((_, transaction), _)| ours(transaction))
        .map(|((index, transaction), receipt)| posted_row(index, transaction, receipt))
        .collect()
}

/// Whether a block can have anything to say; if not, its receipts need not be fetched.
pub(crate) fn may_matter(rollup: &RollupConfig, block: &RpcBlock) -> bool {
    let to_inbox = |transaction: &RpcTransaction| transaction.to == Some(rollup.batch_inbox_address);
    block.transactions.iter().any(to_inbox)
        || block
            .logs_bloom
            .contains_input(alloy::primitives::BloomInput::Raw(rollup.l1_system_config_address.as_slice()))
}

/// Who may post, as the last update in these receipts has it.
fn last_batcher(rollup: &RollupConfig, receipts: &[RpcReceipt]) -> Option<Address> {
    // Only the batcher is of interest, so the rest of the configuration may start from anywhere.
    let mut scratch: SystemConfig = rollup.genesis.system_config.clone();
    let succeeded = receipts.iter().filter(|receipt| !receipt.status.is_zero());
    let logs = succeeded.flat_map(|receipt| &receipt.logs);
    let logs = logs.filter(|log| log.address == rollup.l1_system_config_address);
    let updates = logs.filter_map(|log| {
        let data = LogData::new(log.topics.clone(), log.data.clone())?;
        match scratch.apply(&Log { address: log.address, data }) {
            Ok(ConfigUpdate::Batcher(batcher)) => Some(batcher),
            _ => None,
        }
    });
    updates.last()
}

fn posted_row(l1_tx_index: usize, transaction: &RpcTransaction, receipt: &RpcReceipt) -> PostedRow {
    let mut row = PostedRow {
        l1_tx_hash: transaction.hash,
        l1_tx_index,
        l1_gas_used: receipt.gas_used.to(),
        l1_fee: receipt.fee_wei(),
        da_kind: "unknown",
        commitment: None,
        payload: None,
        invalid: None,
    };
    if transaction.tx_type.to::<u64>() == BLOB_TX_TYPE {
        row.da_kind = "in_blob4844";
        row.invalid = Some(Unreadable::Blobs);
        return row;
    }
    match BatcherTx::decode(&transaction.input) {
        Ok(BatcherTx::Frames(_)) => {
            row.da_kind = "in_calldata";
            row.payload = Some(transaction.input.clone());
        }
        Ok(BatcherTx::Commitment(commitment)) => {
            row.da_kind = match commitment.layer() {
                EIGENDA_LAYER => "in_eigenda",
                _ => "in_alt_da",
            };
            row.commitment = Some(commitment);
        }
        Err(error) => row.invalid = Some(error.into()),
    }
    row
}
