//! The batcher's loop: load blocks, build channels, disperse, submit, confirm; and start again after the safe head when what was
//! posted did not count.

use crate::{
    channel_builder::{BuildError, BuiltChannel, ChannelBuilder},
    channel_manager::{ChannelManager, ChannelPolicy, Discontinuity, PendingBlock},
    l1::{Call, L1Error, Submitter},
    node::{NodeClient, NodeError, SyncStatus},
};
use alloy::primitives::{Address, Bytes, U256};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use tributary_da_client::{DaLayer, PutError};
use tributary_protocol::{
    batcher_tx::BatcherTx,
    block::{L1BlockNumber, L2BlockNumber, L2BlockRef},
    config::RollupConfig,
};

/// Blocks loaded between two looks at the clock, so that a long backlog does not delay a channel that is due.
const BLOCKS_PER_LOAD: usize = 256;

/// How long to wait at the start for our own earlier transactions to be mined.
const QUIET_PATIENCE: Duration = Duration::from_secs(60);

/// Failed puts of one payload after which it goes to L1 as calldata: a DA layer that is down never stops posting.
const PUTS_BEFORE_FAILOVER: u32 = 5;

/// Longest calldata of one batcher transaction when frames go to L1 themselves: under every client's 128 KiB pool limit.
const CALLDATA_BYTES_MAX: usize = 120_000;

/// What the batcher needs to run.
#[derive(Clone, Debug)]
pub struct BatcherConfig {
    /// Pause between two rounds.
    pub poll_interval: Duration,
    /// When channels close; the window's length is taken from the rollup config.
    pub policy: ChannelPolicy,
    /// Brotli quality, 0 to 11.
    pub brotli_quality: u8,
    /// Post frames as calldata when the DA layer keeps failing.
    pub calldata_failover: bool,
}

/// Why the batcher cannot go on by itself.
#[derive(Debug, thiserror::Error)]
pub enum BatcherError {
    /// See [`NodeError`]; retried.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// See [`L1Error`]; retried after a fresh look at the chain.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// See [`Discontinuity`]; starts again after the safe head.
    #[error(transparent)]
    Discontinuity(#[from] Discontinuity),
    /// A channel that does not come out as it went in; nothing of it is posted.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The DA layer refuses the payload, and it may not go to L1 instead.
    #[error("the DA layer refuses a payload of {bytes} bytes: {source}")]
    Da {
        /// Size of the payload.
        bytes: usize,
        /// Its word.
        source: PutError,
    },
}

/// What others may know of the batcher at any time.
#[derive(Clone, Debug, Default)]
pub struct BatcherStatus {
    /// Why nothing moves, if nothing does.
    pub problem: Option<String>,
    /// Last L2 block posted since the start.
    pub posted: Option<L2BlockRef>,
    /// Blocks waiting to be posted.
    pub pending_blocks: usize,
}

/// What was posted last, to be compared with what derivation makes of it.
#[derive(Clone, Copy, Debug)]
struct Posted {
    last: L2BlockRef,
    included_in: L1BlockNumber,
}

/// The batcher.
pub struct Batcher {
    config: BatcherConfig,
    rollup: RollupConfig,
    node: NodeClient,
    da: Arc<dyn DaLayer>,
    l1: Submitter,
    status: watch::Sender<BatcherStatus>,
    started: Instant,
}

impl Batcher {
    /// A batcher for the chain of `node`.
    #[must_use]
    pub fn new(
        config: BatcherConfig,
        rollup: RollupConfig,
        node: NodeClient,
        da: Arc<dyn DaLayer>,
        l1: Submitter,
    ) -> Self {
        let (status, _) = watch::channel(BatcherStatus::default());
        Self {
            config,
            rollup,
            node,
            da,
            l1,
            status,
            started: Instant::now(),
        }
    }

    /// Follows what the batcher is doing.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<BatcherStatus> {
        self.status.subscribe()
    }

    /// Runs until `shutdown`. Whatever goes wrong is told in the status and tried again from the safe head.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let round = tokio::select! {
                () = shutdown.cancelled() => break,
                round = self.run_from_safe_head() => round,
            };
            if let Err(error) = round {
                warn!(%error, "starting again after the safe head");
                metrics::counter!("op_batcher_default_resets_total").increment(1);
                self.status
                    .send_modify(|status| status.problem = Some(error.to_string()));
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(self.config.poll_interval) => {}
            }
        }
        info!("stopped");
    }

    /// Posts block after block until something does not fit.
    async fn run_from_safe_head(&self) -> Result<(), BatcherError> {
        let safe = self.settled_safe_head().await?;
        info!(block = safe.number.0, hash = %safe.hash, "posting after the safe head");
        let policy = ChannelPolicy {
            seq_window_l1_blocks: self.rollup.seq_window_size,
            ..self.config.policy
        };
        let mut manager = ChannelManager::new(policy, safe.id());
        let mut posted: Option<Posted> = None;
        loop {
            let sync = self.node.sync_status().await?;
            if let Some(lost) = posted.filter(|posted| was_lost(*posted, &sync)) {
                warn!(
                    posted = lost.last.number.0,
                    l1_block = lost.included_in.0,
                    safe = sync.safe_l2.number.0,
                    "what was posted did not become safe"
                );
                return Ok(());
            }
            self.load_blocks(&mut manager, sync.cross_unsafe_l2.number)
                .await?;
            self.report(&manager, posted);
            while let Some((blocks, reason)) =
                manager.close(self.started.elapsed(), sync.head_l1.number, false)
            {
                let channel = ChannelBuilder::new(&self.rollup, self.config.brotli_quality).build(&blocks)?;
                debug!(
                    reason = reason.name(),
                    blocks = blocks.len(),
                    bytes = channel.data.len(),
                    "closed a channel"
                );
                metrics::counter!("op_batcher_default_channel_closed_total", "reason" => reason.name())
                    .increment(1);
                posted = Some(self.post(&channel).await?);
                self.report(&manager, posted);
            }
            tokio::time::sleep(self.config.poll_interval).await;
        }
    }

    /// The safe head once the node has read all that we have on L1.
    async fn settled_safe_head(&self) -> Result<L2BlockRef, BatcherError> {
        if !self.l1.wait_for_quiet(QUIET_PATIENCE).await? {
            warn!("an earlier transaction of ours is still in L1's pool; the next one replaces it");
        }
        let target = self.node.sync_status().await?.head_l1.number;
        loop {
            let sync = self.node.sync_status().await?;
            // Every L1 block before the one being read has been read whole.
            if sync.current_l1.number >= target {
                return Ok(sync.safe_l2);
            }
            self.status.send_modify(|status| {
                status.problem = Some(format!(
                    "the node has read L1 up to {} of {target}",
                    sync.current_l1.number
                ));
            });
            tokio::time::sleep(self.config.poll_interval).await;
        }
    }

    async fn load_blocks(
        &self,
        manager: &mut ChannelManager,
        head: L2BlockNumber,
    ) -> Result<(), BatcherError> {
        for _ in 0..BLOCKS_PER_LOAD {
            let Some(number) = manager.next_wanted().filter(|number| *number <= head) else {
                break;
            };
            let (block, hash) = self.node.block(number).await?;
            let pending = PendingBlock::from_block(&block, hash, &self.rollup)
                .map_err(|reason| NodeError::BadBlock { number, reason })?;
            manager.push(pending, self.started.elapsed())?;
        }
        Ok(())
    }

    async fn post(&self, channel: &BuiltChannel) -> Result<Posted, BatcherError> {
        let began = Instant::now();
        let mut included_in = L1BlockNumber(0);
        for calldata in self.disperse(channel).await? {
            let call = Call {
                to: self.rollup.batch_inbox_address,
                data: calldata,
                value: U256::ZERO,
            };
            let receipt = self.l1.send(&call).await?;
            included_in = L1BlockNumber(receipt.block_number.unwrap_or_default());
            metrics::counter!("op_batcher_default_l1_gas_total").increment(receipt.gas_used);
            info!(first = channel.first.number.0, last = channel.last.number.0, bytes = channel.data.len(),
                l1_block = included_in.0, l1_tx = %receipt.transaction_hash, "posted a channel");
        }
        metrics::histogram!("op_batcher_default_post_seconds").record(began.elapsed().as_secs_f64());
        metrics::counter!("op_batcher_default_input_bytes_total").increment(channel.input_bytes as u64);
        metrics::counter!("op_batcher_default_output_bytes_total").increment(channel.data.len() as u64);
        Ok(Posted {
            last: channel.last,
            included_in,
        })
    }

    /// Stores the channel with the DA layer and returns the calldata of the batcher transactions that anchor it.
    async fn disperse(&self, channel: &BuiltChannel) -> Result<Vec<Bytes>, BatcherError> {
        let payload = channel.payload().map_err(BuildError::from)?;
        let mut failures = 0;
        loop {
            let error = match self.da.put(payload.clone()).await {
                Ok(commitment) => return Ok(vec![BatcherTx::Commitment(commitment).encode()]),
                Err(error) => error,
            };
            failures += 1;
            warn!(%error, failures, bytes = payload.len(), "the DA layer did not take a payload");
            metrics::counter!("op_batcher_default_da_put_failures_total").increment(1);
            self.status
                .send_modify(|status| status.problem = Some(error.to_string()));
            if failures >= PUTS_BEFORE_FAILOVER || !error.is_retryable() {
                if !self.config.calldata_failover {
                    return Err(BatcherError::Da {
                        bytes: payload.len(),
                        source: error,
                    });
                }
                warn!(bytes = payload.len(), "posting the channel as calldata instead");
                metrics::counter!("op_batcher_default_failovers_total").increment(1);
                return Ok(channel.calldata(CALLDATA_BYTES_MAX).map_err(BuildError::from)?);
            }
            tokio::time::sleep(error.retry_after().unwrap_or(self.config.poll_interval)).await;
        }
    }

    fn report(&self, manager: &ChannelManager, posted: Option<Posted>) {
        metrics::gauge!("op_batcher_default_pending_blocks_count").set(manager.pending() as f64);
        self.status.send_replace(BatcherStatus {
            problem: None,
            posted: posted.map(|posted| posted.last),
            pending_blocks: manager.pending(),
        });
    }

    /// Address our transactions come from; derivation counts only those of the system configuration's batcher.
    #[must_use]
    pub fn account(&self) -> Address {
        self.l1.account()
    }
}

/// True once the node has read the L1 block that holds what was posted, and its safe head is still below it.
fn was_lost(posted: Posted, sync: &SyncStatus) -> bool {
    sync.current_l1.number > posted.included_in && sync.safe_l2.number < posted.last.number
}

/// Checks at the start that `account` is the batcher the chain listens to.
///
/// # Errors
/// A sentence naming both accounts.
pub fn check_account(account: Address, rollup: &RollupConfig) -> Result<(), String> {
    let expected = rollup.genesis.system_config.batcher_address;
    if account == expected {
        return Ok(());
    }
    Err(format!(
        "the key is of {account}, but the chain's batcher at genesis is {expected}; unless SystemConfig has changed it since, \
         nothing this batcher posts will count"
    ))
}
