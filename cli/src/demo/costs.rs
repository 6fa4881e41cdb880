//! What the chain's data cost: batcher transactions on L1 and the payloads they refer to, read from L1 itself.

use crate::devnet::l1;
use alloy::{consensus::Transaction, providers::Provider};
use eyre::OptionExt;
use tributary_protocol::{
    batcher_tx::BatcherTx,
    commitment::{Commitment, LocalCommitment},
    config::RollupConfig,
};

/// Batcher transactions of a run of L1 blocks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Costs {
    pub(crate) l1_txs: u64,
    pub(crate) l1_bytes: u64,
    pub(crate) l1_gas: u64,
    /// Payloads on DA, in the order of their commitments.
    pub(crate) payloads: Vec<LocalCommitment>,
    /// Frames that went to L1 themselves, in bytes.
    pub(crate) calldata_bytes: u64,
}

impl Costs {
    /// Bytes of all payloads, wherever they went.
    pub(crate) fn payload_bytes(&self) -> u64 {
        self.calldata_bytes
            + self
                .payloads
                .iter()
                .map(|payload| u64::from(payload.payload_size))
                .sum::<u64>()
    }
}

/// A batcher transaction in an L1 block.
#[derive(Clone, Debug)]
pub(crate) struct PostedTx {
    /// Unix seconds of its L1 block.
    pub(crate) timestamp: u64,
    /// Bytes of its calldata.
    pub(crate) bytes: u64,
    pub(crate) gas: u64,
    pub(crate) content: BatcherTx,
}

/// Costs of the L1 blocks after `after` up to and with `last`.
pub(crate) async fn between(
    l1_rpc: &str,
    rollup: &RollupConfig,
    after: u64,
    last: u64,
) -> eyre::Result<Costs> {
    let mut costs = Costs::default();
    for posted in posted(l1_rpc, rollup, after, last).await? {
        costs.l1_txs += 1;
        costs.l1_bytes += posted.bytes;
        costs.l1_gas += posted.gas;
        match posted.content {
            BatcherTx::Commitment(Commitment::Local(payload)) => costs.payloads.push(payload),
            BatcherTx::Commitment(_) => {}
            BatcherTx::Frames(frames) => costs.calldata_bytes += frames.len() as u64 + 1,
        }
    }
    Ok(costs)
}

/// The batcher's transactions in the L1 blocks after `after` up to and with `last`, in order.
pub(crate) async fn posted(
    l1_rpc: &str,
    rollup: &RollupConfig,
    after: u64,
    last: u64,
) -> eyre::Result<Vec<PostedTx>> {
    let provider = l1::provider(l1_rpc)?;
    let mut list = Vec::new();
    for number in after + 1..=last {
        let block = provider
            .get_block_by_number(number.into())
            .full()
            .await?
            .ok_or_eyre(format!("L1 has no block {number}"))?;
        for transaction in block.transactions.txns() {
            let from_batcher = transaction.inner.signer() == rollup.genesis.system_config.batcher_address;
            if !from_batcher || transaction.to() != Some(rollup.batch_inbox_address) {
                continue;
            }
            let receipt = provider
                .get_transaction_receipt(*transaction.inner.tx_hash())
                .await?
                .ok_or_eyre(format!("L1 has no receipt of {}", transaction.inner.tx_hash()))?;
            list.push(PostedTx {
                timestamp: block.header.timestamp,
                bytes: transaction.input().len() as u64,
                gas: receipt.gas_used,
                content: BatcherTx::decode(transaction.input())?,
            });
        }
    }
    Ok(list)
}

/// L1's latest block number.
pub(crate) async fn l1_head(l1_rpc: &str) -> eyre::Result<u64> {
    Ok(l1::provider(l1_rpc)?.get_block_number().await?)
}
