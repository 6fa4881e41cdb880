//! The batcher's loop: load blocks, build channels, disperse, post, follow them until they are final; and start again after the safe
//! head when what was posted did not count.
//!
//! ```text
//!            blocks                 channels                       routes             nonces, transactions
//!  node ------------> ChannelManager ------> Journal <---- Dispersal ----> Journal <---- Poster ----> L1
//! ```
//! One turn looks at node and L1, then moves each part as far as it goes without waiting. If blocks were replaced, or what was posted
//! did not become safe, the batcher drains: nothing new is begun, what has a nonce is posted to its end (derivation drops it), and
//! then it starts again after the safe head. A nonce is never used for anything else.

mod building;
mod loading;
mod status;

pub use self::status::{BatcherConfig, BatcherError, BatcherStatus};

use self::loading::LoadError;
use crate::{
    channel_manager::{ChannelManager, ChannelPolicy},
    control::BatcherControl,
    dispersal::Dispersal,
    encoding::{Encoder, EncodingPolicy},
    journal::{Journal, JournalError, JournaledChannel},
    l1::{L1Port, PostError, Poster, Urgency},
    node::{NodePort, SyncStatus},
    payload_size::PayloadSizer,
    throttle::{BlockLimiter, ThrottlePolicy, Throttler},
};
use alloy::primitives::Address;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use tributary_protocol::{block::L1BlockNumber, config::RollupConfig};

/// How long to wait at the start for transactions that an earlier process left in L1's pool.
const QUIET_PATIENCE: Duration = Duration::from_secs(60);

/// Channels begun and not on L1 at which no more are built; blocks wait in the manager then, and after that at the node.
const CHANNELS_BEGUN_MAX: usize = 32;

/// Channels begun and not on L1 at which what is offered for them rises.
const CHANNELS_URGENT: usize = 8;

/// What the batcher is at.
#[derive(Debug)]
enum Phase {
    /// Waiting until the chain shows all that was posted, to find out where to go on.
    Settling {
        /// Since when L1's pool is waited for.
        since: Instant,
        /// The L1 block up to which the node must have read; known once L1's pool is quiet.
        target: Option<L1BlockNumber>,
    },
    /// Posting what the manager brings.
    Posting(Box<ChannelManager>),
    /// Beginning nothing, posting what has a nonce to its end.
    Draining,
}

impl Phase {
    fn settling() -> Self {
        Self::Settling {
            since: Instant::now(),
            target: None,
        }
    }
}

/// What the status says while the operator wants nothing begun.
const STOPPED: &str = "stopped by the operator; nothing is begun until `tributary batcher admin start`";

/// The batcher.
#[derive(Debug)]
pub struct Batcher<N, L> {
    config: BatcherConfig,
    rollup: RollupConfig,
    node: N,
    journal: Journal,
    dispersal: Dispersal,
    poster: Poster<L>,
    phase: Phase,
    status: watch::Sender<BatcherStatus>,
    control: BatcherControl,
    throttler: Option<Throttler>,
    sizer: PayloadSizer,
    encoder: Encoder,
    started: Instant,
}

impl<N: NodePort, L: L1Port> Batcher<N, L> {
    /// A batcher for the chain of `node` that goes on with what `journal` holds.
    #[must_use]
    pub fn new(
        config: BatcherConfig,
        rollup: RollupConfig,
        node: N,
        journal: Journal,
        dispersal: Dispersal,
        poster: Poster<L>,
    ) -> Self {
        let policy = ChannelPolicy {
            seq_window_l1_blocks: rollup.seq_window_size,
            ..config.policy
        };
        let config = BatcherConfig { policy, ..config };
        let phase = match journal.channels().last() {
            Some(channel) => {
                info!(
                    channels = journal.channels().len(),
                    block = channel.last.number.0,
                    "going on after the journal's last block"
                );
                Phase::Posting(Box::new(ChannelManager::new(policy, channel.last)))
            }
            None => Phase::settling(),
        };
        let (status, _) = watch::channel(BatcherStatus::default());
        let encoder = Encoder::new(EncodingPolicy::span(config.brotli_quality));
        Self {
            config,
            rollup,
            node,
            journal,
            dispersal,
            poster,
            phase,
            status,
            control: BatcherControl::default(),
            throttler: None,
            sizer: PayloadSizer::unaware(),
            encoder,
            started: Instant::now(),
        }
    }

    /// Slows whoever builds blocks down while too much waits for L1.
    #[must_use]
    pub fn with_throttle(mut self, policy: ThrottlePolicy, limiter: Arc<dyn BlockLimiter>) -> Self {
        self.throttler = Some(Throttler::new(policy, limiter));
        self
    }

    /// Cuts channels where they fill what the DA layer bills.
    #[must_use]
    pub const fn with_payload_sizes(mut self, sizer: PayloadSizer) -> Self {
        self.sizer = sizer;
        self
    }

    /// Encodes channels as `policy` says, in place of span batches at the configured quality.
    #[must_use]
    pub fn with_encoding(mut self, policy: EncodingPolicy) -> Self {
        self.encoder = Encoder::new(policy);
        self
    }

    /// What an operator may ask of this batcher.
    #[must_use]
    pub fn control(&self) -> BatcherControl {
        self.control.clone()
    }

    /// Follows what the batcher is doing.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<BatcherStatus> {
        self.status.subscribe()
    }

    /// Address our transactions come from; derivation counts only those of the system configuration's batcher.
    #[must_use]
    pub fn address(&self) -> Address {
        self.poster.address()
    }

    /// Channels begun and not final.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Runs until `shutdown`. Whatever passes is told in the status and tried again.
    ///
    /// # Errors
    /// When only an operator can help; everything begun is in the journal.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), BatcherError> {
        info!(account = %self.address(), channels = self.journal.channels().len(), "batcher started");
        while !shutdown.is_cancelled() {
            let turn = tokio::select! {
                // A turn that is dropped has written whole changes only.
                () = shutdown.cancelled() => break,
                turn = self.turn() => turn,
            };
            if let Err(error) = turn {
                warn!(%error, "this turn ended early");
                if error.is_fatal() {
                    return Err(error);
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = self.control.changed() => {}
                () = self.dispersal.wait(self.config.poll_interval) => {}
            }
        }
        info!(
            channels = self.journal.channels().len(),
            "stopped; what is begun is in the journal"
        );
        Ok(())
    }

    /// Moves everything as far as it goes now.
    ///
    /// # Errors
    /// [`BatcherError`]; what was done until then is in the journal.
    pub async fn turn(&mut self) -> Result<(), BatcherError> {
        let moved = self.advance().await;
        // Also when L1 does not answer: that is when a backlog grows.
        self.throttle().await;
        match moved {
            Ok(problem) => {
                self.report(problem);
                Ok(())
            }
            Err(error) => {
                self.report(Some(error.to_string()));
                Err(error)
            }
        }
    }

    /// Moves everything; returns why something stands still, if so.
    async fn advance(&mut self) -> Result<Option<String>, BatcherError> {
        let sync = self.node.sync_status().await?;
        if let Err(error) = self.poster.look(&mut self.journal).await {
            self.watch_blocks(&sync).await;
            return Err(error.into());
        }
        if let Some(nonce) = self.poster.foreign_nonce() {
            return Ok(Some(format!(
                "L1 says that nonce {nonce} is used, and shows none of our transactions that used it"
            )));
        }
        self.forget_final(&sync)?;
        let problem = match &self.phase {
            // What has a nonce is offered below; the journal keeps the rest.
            _ if self.control.is_stopped() => Some(STOPPED.to_owned()),
            Phase::Settling { since, target } => self.settle(*since, *target, &sync).await?,
            Phase::Posting(_) => self.post(&sync).await?,
            Phase::Draining => self.drain()?,
        };
        let urgency = self.urgency(sync.head_l1.number);
        self.poster.offer(&mut self.journal, urgency).await?;
        Ok(problem.or_else(|| self.dispersal.problem().map(str::to_owned)))
    }

    /// Channels of finalized blocks are done.
    fn forget_final(&mut self, sync: &SyncStatus) -> Result<(), JournalError> {
        let finalized = sync.finalized_l2.number;
        self.journal.change(|channels| {
            let is_done =
                |channel: &JournaledChannel| channel.is_included() && channel.last.number <= finalized;
            let done = channels.iter().take_while(|channel| is_done(channel)).count();
            channels.drain(..done);
        })
    }

    /// Finds the safe head once the node has read all that we have on L1. Returns what is waited for.
    async fn settle(
        &mut self,
        since: Instant,
        target: Option<L1BlockNumber>,
        sync: &SyncStatus,
    ) -> Result<Option<String>, BatcherError> {
        let Some(target) = target else {
            let is_quiet = self.poster.is_quiet().await.map_err(PostError::from)?;
            if !is_quiet && since.elapsed() < QUIET_PATIENCE {
                return Ok(Some(
                    "waiting for earlier transactions of ours in L1's pool".to_owned(),
                ));
            }
            if !is_quiet {
                warn!("an earlier transaction of ours is still in L1's pool; the next one replaces it");
            }
            let target = Some(sync.head_l1.number);
            self.phase = Phase::Settling { since, target };
            return Ok(None);
        };
        // Every L1 block before the one being read has been read whole.
        if sync.current_l1.number < target {
            return Ok(Some(format!(
                "the node has read L1 up to {} of {target}",
                sync.current_l1.number
            )));
        }
        let safe = sync.safe_l2;
        info!(block = safe.number.0, hash = %safe.hash, "posting after the safe head");
        let manager = ChannelManager::new(self.config.policy, safe.id());
        self.phase = Phase::Posting(Box::new(manager));
        Ok(None)
    }

    /// One turn of posting. Returns why it is not posting any more, if so.
    async fn post(&mut self, sync: &SyncStatus) -> Result<Option<String>, BatcherError> {
        if let Some(problem) = self.lost(sync) {
            return self.start_over(problem);
        }
        let loaded = self.load_blocks(sync.cross_unsafe_l2.number).await;
        match loaded {
            Ok(()) => {}
            Err(LoadError::Node(error)) => return Err(error.into()),
            Err(LoadError::Discontinuity(error)) => return self.start_over(error.to_string()),
        }
        self.encoder.take_trials().await;
        self.build_channels(sync.head_l1.number)?;
        if self.dispersal.needs_prices() {
            let prices = self.poster.market().await.map_err(PostError::from)?;
            self.dispersal.set_prices(prices);
        }
        self.dispersal.advance(&mut self.journal)?;
        self.poster.assign(&mut self.journal).await?;
        Ok(None)
    }

    /// What of the journal did not become safe, though the node has read it; or what has become safe otherwise.
    fn lost(&self, sync: &SyncStatus) -> Option<String> {
        let safe = sync.safe_l2.number;
        self.journal.channels().iter().find_map(|channel| {
            let last = channel.last.number;
            match channel.included_in() {
                Some(l1_block) if sync.current_l1.number > l1_block && safe < last => Some(format!(
                    "blocks up to {last}, posted in L1 block {l1_block}, did not become safe: the safe head is {safe}"
                )),
                // Somebody else posted them, or deposits alone took their place.
                None if channel.transactions.is_empty() && safe >= last => {
                    Some(format!("blocks up to {last} became safe before we posted them"))
                }
                _ => None,
            }
        })
    }

    fn start_over(&mut self, problem: String) -> Result<Option<String>, BatcherError> {
        warn!(problem, "starting again after the safe head");
        metrics::counter!("op_batcher_default_resets_total").increment(1);
        self.phase = Phase::Draining;
        // What has no nonce has no effect yet, and will have none.
        self.journal
            .change(|channels| channels.retain(|channel| !channel.transactions.is_empty()))?;
        Ok(Some(problem))
    }

    /// Waits until L1 holds everything that has a nonce.
    fn drain(&mut self) -> Result<Option<String>, BatcherError> {
        let open = self
            .journal
            .channels()
            .iter()
            .filter(|channel| !channel.is_included())
            .count();
        if open > 0 {
            return Ok(Some(format!(
                "{open} channels that no longer count are still on their way to L1"
            )));
        }
        self.journal.change(Vec::clear)?;
        self.phase = Phase::settling();
        Ok(None)
    }

    /// Bytes that are not on L1; `None` while it is not known which blocks wait.
    fn backlog_bytes(&self) -> Option<u64> {
        let Phase::Posting(manager) = &self.phase else {
            return None;
        };
        let begun = self
            .journal
            .channels()
            .iter()
            .filter(|channel| !channel.is_included());
        let begun: u64 = begun.map(|channel| u64::from(channel.payload_size)).sum();
        Some(begun + manager.pending_da_bytes())
    }

    /// Tells the sequencer how large its blocks may be.
    async fn throttle(&mut self) {
        let backlog = self.backlog_bytes();
        if let (Some(throttler), Some(backlog)) = (&mut self.throttler, backlog) {
            throttler.advance(backlog).await;
        }
    }

    /// How pressing the oldest channel that is not on L1 is.
    fn urgency(&self, l1_head: L1BlockNumber) -> Urgency {
        let open = self.journal.channels().iter();
        let Some(oldest) = open.into_iter().find(|channel| !channel.is_included()) else {
            return Urgency::None;
        };
        let left = oldest.deadline.0.saturating_sub(l1_head.0);
        if left <= self.config.policy.safety_margin_l1_blocks {
            Urgency::Deadline
        } else if left <= self.rollup.seq_window_size / 2 || begun(&self.journal) >= CHANNELS_URGENT {
            Urgency::Raised
        } else {
            Urgency::None
        }
    }

    fn report(&self, problem: Option<String>) {
        let pending_blocks = match &self.phase {
            Phase::Posting(manager) => manager.pending(),
            Phase::Settling { .. } | Phase::Draining => 0,
        };
        let channels = self.journal.channels();
        let included = channels.iter().take_while(|channel| channel.is_included());
        // What is final is forgotten by the journal, and still posted.
        let posted = match channels.first() {
            Some(_) => included.last().map(|channel| channel.last),
            None => self.status.borrow().posted,
        };
        metrics::gauge!("op_batcher_default_pending_blocks_count").set(pending_blocks as f64);
        metrics::gauge!("tributary_batcher_channels").set(channels.len() as f64);
        let backlog_bytes = self.backlog_bytes().unwrap_or_default();
        metrics::gauge!("op_batcher_default_unsafe_da_bytes").set(backlog_bytes as f64);
        let throttler = self.throttler.as_ref();
        self.status.send_replace(BatcherStatus {
            problem,
            posted,
            pending_blocks,
            channels: channels.len(),
            backlog_bytes,
            is_stopped: self.control.is_stopped(),
            limits: throttler.map(Throttler::sizes),
            limits_problem: throttler.and_then(|throttler| throttler.problem().map(str::to_owned)),
        });
    }
}

/// Channels that L1 does not hold yet.
fn begun(journal: &Journal) -> usize {
    let channels = journal.channels().iter();
    channels.filter(|channel| !channel.is_included()).count()
}
