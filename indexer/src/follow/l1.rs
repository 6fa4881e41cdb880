//! Follows L1: every block, for the batcher's transactions in it.

use super::{
    BLOCKS_PER_TICK, FETCHES_AT_ONCE, FollowError, Pace, check_identity, fork_below_tip, l2::gauge, linked,
    wait,
};
use crate::{
    clock::unix_now_secs,
    decode::{may_matter, posted_batches},
    error::{IndexerError, Side},
    health::{Check, Health, Progress},
    rpc::{Rpc, RpcBlock, RpcError, RpcReceipt},
    store::{BlockId, L1BlockRow, Store},
};
use alloy::primitives::Address;
use core::time::Duration;
use futures::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tributary_protocol::config::RollupConfig;

/// Follows L1.
pub(crate) struct L1Follower {
    pub(crate) rpc: Rpc,
    pub(crate) store: Store,
    pub(crate) health: Health,
    pub(crate) rollup: Arc<RollupConfig>,
    /// Whether L1 has been seen to be the one of this chain.
    pub(crate) is_identified: bool,
}

impl L1Follower {
    /// Ticks until told to end, or until it cannot go on.
    pub(crate) async fn run(
        mut self,
        interval: Duration,
        shutdown: CancellationToken,
    ) -> Result<(), IndexerError> {
        loop {
            // A tick that is dropped halfway has committed a whole number of writes.
            let result = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                result = self.tick() => result,
            };
            self.health.update(|facts| facts.l1 = Check::of(&result));
            let pace = match result {
                Ok(pace) => pace,
                Err(error) => {
                    tracing::warn!(target: "indexer", %error, "L1 cannot be followed now");
                    if let Some(fatal) = error.fatal(&self.store) {
                        return Err(fatal);
                    }
                    Pace::Wait
                }
            };
            if pace == Pace::Wait && wait(&shutdown, interval).await {
                return Ok(());
            }
        }
    }

    /// One look at L1, and at most [`BLOCKS_PER_TICK`] blocks.
    pub(crate) async fn tick(&mut self) -> Result<Pace, FollowError> {
        if !self.is_identified {
            check_identity(&self.rpc, Side::L1, &self.rollup).await?;
            self.is_identified = true;
        }
        let head = self.rpc.block_number().await?;
        let tip = self.store.tip(Side::L1).await?;
        if let Some(ancestor) = fork_below_tip(&self.rpc, &self.store, Side::L1, tip, head).await? {
            let depth = tip.number - ancestor;
            tracing::warn!(target: "indexer", ancestor, depth, "L1 reorg; what was posted above becomes orphaned");
            metrics::counter!("tributary_indexer_reorgs_total", "chain" => "l1").increment(1);
            self.store.roll_back(Side::L1, ancestor, unix_now_secs()).await?;
            return Ok(Pace::Again);
        }
        let added = self.add_blocks(tip, head).await?;
        let progress = Progress {
            indexed: tip.number + added,
            head,
        };
        self.health.update(|facts| facts.l1_progress = progress);
        gauge("l1", progress);
        Ok(if added > 0 && progress.lag_blocks() > 0 {
            Pace::Again
        } else {
            Pace::Wait
        })
    }

    /// Adds what follows the tip, and says how many blocks that were.
    async fn add_blocks(&self, tip: BlockId, head: u64) -> Result<u64, FollowError> {
        let last = head.min(tip.number.saturating_add(BLOCKS_PER_TICK));
        let fetched: Vec<_> = stream::iter(tip.number + 1..=last)
            .map(|number| fetch(&self.rpc, &self.rollup, number))
            .buffered(FETCHES_AT_ONCE)
            .try_collect()
            .await?;
        let fetched = fetched.into_iter().map_while(|block| block).collect();
        let blocks = linked(tip.hash, fetched, |(block, _)| block);
        let first_batcher = self.rollup.genesis.system_config.batcher_address;
        let mut batcher = self.store.batcher().await?.unwrap_or(first_batcher);
        let rows = blocks
            .iter()
            .map(|(block, receipts)| self.row(block, receipts, &mut batcher));
        let rows: Vec<L1BlockRow> = rows.collect();
        if !rows.is_empty() {
            self.store.append_l1_blocks(&rows).await?;
            let posted = rows.iter().map(|row| row.posted.len() as u64).sum();
            metrics::counter!("tributary_indexer_posted_batches_total").increment(posted);
        }
        Ok(rows.len() as u64)
    }

    fn row(&self, block: &RpcBlock, receipts: &[RpcReceipt], batcher: &mut Address) -> L1BlockRow {
        let posted = posted_batches(&self.rollup, block, receipts, batcher);
        L1BlockRow {
            number: block.number.to(),
            hash: block.hash,
            parent_hash: block.parent_hash,
            timestamp: block.timestamp.to(),
            batcher: *batcher,
            posted,
        }
    }
}

/// A block, with its receipts if they can matter.
async fn fetch(
    rpc: &Rpc,
    rollup: &RollupConfig,
    number: u64,
) -> Result<Option<(RpcBlock, Vec<RpcReceipt>)>, RpcError> {
    let Some(block) = rpc.block(number).await? else {
        return Ok(None);
    };
    let receipts = if may_matter(rollup, &block) {
        rpc.receipts(&block).await?
    } else {
        Vec::new()
    };
    Ok(Some((block, receipts)))
}
