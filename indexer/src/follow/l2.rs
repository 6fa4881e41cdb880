//! Follows the node: its blocks, receipts and heads.

use super::{
    BLOCKS_PER_TICK, FETCHES_AT_ONCE, FollowError, Pace, check_identity, fork_below_tip, linked, wait,
};
use crate::{
    clock::unix_now_secs,
    decode::{BlockRow, block_row},
    error::{IndexerError, Side},
    health::{Check, Health, Progress},
    rpc::{Rpc, RpcBlock, RpcError, RpcReceipt},
    store::{BlockId, Store},
};
use core::time::Duration;
use futures::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tributary_protocol::config::RollupConfig;

/// Follows the node.
pub(crate) struct L2Follower {
    pub(crate) rpc: Rpc,
    pub(crate) store: Store,
    pub(crate) health: Health,
    pub(crate) rollup: Arc<RollupConfig>,
    /// Whether the node has been seen to be of this chain.
    pub(crate) is_identified: bool,
}

impl L2Follower {
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
            self.health.update(|facts| facts.node = Check::of(&result));
            let pace = match result {
                Ok(pace) => pace,
                Err(error) => {
                    tracing::warn!(target: "indexer", %error, "the node cannot be followed now");
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

    /// One look at the node, and at most [`BLOCKS_PER_TICK`] blocks.
    pub(crate) async fn tick(&mut self) -> Result<Pace, FollowError> {
        if !self.is_identified {
            check_identity(&self.rpc, Side::L2, &self.rollup).await?;
            self.is_identified = true;
        }
        let status = self.rpc.sync_status().await?;
        let head = status.unsafe_l2.number.0;
        let tip = self.store.tip(Side::L2).await?;
        if let Some(ancestor) = fork_below_tip(&self.rpc, &self.store, Side::L2, tip, head).await? {
            let depth = tip.number - ancestor;
            tracing::warn!(target: "indexer", ancestor, depth, "the node abandoned blocks; taking them back");
            metrics::counter!("tributary_indexer_reorgs_total", "chain" => "l2").increment(1);
            self.store.roll_back(Side::L2, ancestor, unix_now_secs()).await?;
            return Ok(Pace::Again);
        }
        let added = self.add_blocks(tip, head).await?;
        self.store.set_heads(&status, unix_now_secs()).await?;
        let indexed = tip.number + added;
        self.report(Progress { indexed, head });
        Ok(if added > 0 && indexed < head {
            Pace::Again
        } else {
            Pace::Wait
        })
    }

    /// Adds what follows the tip, and says how many blocks that were.
    async fn add_blocks(&self, tip: BlockId, head: u64) -> Result<u64, FollowError> {
        let last = head.min(tip.number.saturating_add(BLOCKS_PER_TICK));
        let fetched: Vec<_> = stream::iter(tip.number + 1..=last)
            .map(|number| fetch(&self.rpc, number))
            .buffered(FETCHES_AT_ONCE)
            .try_collect()
            .await?;
        // A hole means that the chain got shorter meanwhile.
        let fetched = fetched.into_iter().map_while(|block| block).collect();
        let blocks = linked(tip.hash, fetched, |(block, _)| block);
        let rows: Vec<BlockRow> = blocks
            .iter()
            .map(|(block, receipts)| block_row(block, receipts))
            .collect();
        if !rows.is_empty() {
            self.store.append_blocks(&rows).await?;
            count(&rows);
        }
        Ok(rows.len() as u64)
    }

    fn report(&self, progress: Progress) {
        self.health.update(|facts| {
            facts.l2_progress = progress;
            facts.database = Check::Working;
        });
        gauge("l2", progress);
    }
}

async fn fetch(rpc: &Rpc, number: u64) -> Result<Option<(RpcBlock, Vec<RpcReceipt>)>, RpcError> {
    let Some(block) = rpc.block(number).await? else {
        return Ok(None);
    };
    let receipts = rpc.receipts(&block).await?;
    Ok(Some((block, receipts)))
}

fn count(rows: &[BlockRow]) {
    let records = rows.iter().map(|row| row.records.len() as u64).sum();
    let unreadable = rows.iter().map(|row| row.unreadable_logs as u64).sum();
    metrics::counter!("tributary_indexer_records_total").increment(records);
    metrics::counter!("tributary_indexer_unreadable_logs_total").increment(unreadable);
    if unreadable > 0 {
        tracing::warn!(target: "indexer", unreadable, "logs of the attribution contracts that cannot be read were left out");
    }
}

/// Gauges of one chain. Block numbers stay far below what an f64 holds exactly.
pub(super) fn gauge(chain: &'static str, progress: Progress) {
    metrics::gauge!("tributary_indexer_block", "chain" => chain).set(progress.indexed as f64);
    metrics::gauge!("tributary_indexer_lag_blocks", "chain" => chain).set(progress.lag_blocks() as f64);
}
