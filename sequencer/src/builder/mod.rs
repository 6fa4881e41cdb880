//! Builds unsafe blocks: opens a block, executes transactions as they arrive, seals on time.
//!
//! ```text
//!  L1View --origin--> attributes --> OpenBlock <--- pool (best first, as they arrive)
//!                                        | wall clock reaches the block's timestamp
//!                                        v
//!                                     closed --> engine (roots, on disk, then announced)
//! ```
//! While the engine seals block n, block n+1 is open and executes on what n has executed: all it lacks is the hash of n. One block at most is
//! being sealed. Block n is open from n-1's timestamp to its own. A sequencer that is behind builds back to back, each block with what the pool
//! holds, until it has caught up with the clock. If the unsafe head moves under an open block (derivation put another block
//! there), the block is abandoned and the next one starts on the new head; what it had executed comes again from the pool. A block that a crash
//! interrupted is opened again as it was, and goes on.

mod attributes;
mod da_limits;
mod filling;
mod open_block;
mod parent;
pub mod reserve;
mod sealing;
pub mod source;

pub use da_limits::{DaLimits, DaSizes};
pub use source::{BlockTransactions, PoolTransaction, TransactionSource};

use self::{
    open_block::{OpenBlock, Opening},
    parent::Parent,
    sealing::{Sealing, Settled},
};
use crate::{
    clock::Clock,
    engine::{Chain, Engine, EngineError, Ground},
    journal::{Journal, RecoveredBlock},
    l1_view::L1View,
    origin_selector::WaitReason,
    sequencing::Sequencing,
    store::StoreError,
};
use alloy::eips::eip2718::Decodable2718;
use core::time::Duration;
use op_alloy_consensus::OpTxEnvelope;
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc, time::Instant};
use tributary_protocol::{
    attributes::BlockAttributes,
    block::{BlockRefError, L1BlockId, L1BlockNumber, L2BlockNumber, L2BlockRef},
    config::{L1ChainConfig, RollupConfig, SystemConfigReadError},
    execute::ExecuteError,
    l1_info::L1Info,
};

/// How long a builder that cannot build waits before it looks again, if nothing wakes it before.
const IDLE_RECHECK: Duration = Duration::from_secs(1);

/// Pause before it is told once more that the unsafe head's origin is lost.
const LOST_ORIGIN_INTERVAL: Duration = Duration::from_secs(10);

/// What the operator chooses about building.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuilderSettings {
    /// L1 blocks that must follow an L1 block before it is adopted as origin.
    pub l1_confirmations: u64,
}

/// Why building had to stop for good.
#[derive(Debug, thiserror::Error)]
pub enum BuilderError {
    /// The engine refused for good or has stopped.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The chain could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A block of ours does not say which system configuration it was built under.
    #[error(transparent)]
    SystemConfig(#[from] SystemConfigReadError),
    /// A block of attributes that we made ourselves could not be built.
    #[error("block {number} could not be built: {source}")]
    Execute {
        /// Number of the block.
        number: L2BlockNumber,
        /// What failed.
        source: Box<ExecuteError>,
    },
    /// A block of ours cannot be placed on L1.
    #[error(transparent)]
    BlockRef(#[from] BlockRefError),
    /// The unsafe head is not in the store.
    #[error("the unsafe head {0} is not in the store")]
    MissingHead(L2BlockNumber),
}

/// What one step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A block was committed.
    Built(L2BlockRef),
    /// No block can be built now.
    Waiting(WaitReason),
    /// The unsafe head moved, or building was stopped; nothing was committed.
    Abandoned,
}

/// How far a block has come.
enum Progress {
    /// It takes no more transactions and is being sealed.
    Closed,
    /// See [`Step::Waiting`].
    Waiting(WaitReason),
    /// See [`Step::Abandoned`].
    Abandoned,
}

/// The sequencing loop. Runs on a thread of its own, since executing must not hold up anyone else.
pub struct Builder {
    engine: Engine,
    l1: L1View,
    l1_config: Arc<L1ChainConfig>,
    source: Arc<dyn TransactionSource>,
    clock: Arc<dyn Clock>,
    settings: BuilderSettings,
    da_limits: DaLimits,
    journal: Option<Journal>,
    /// The blocks that a crash interrupted, until they have been dealt with, lowest first.
    interrupted: Mutex<VecDeque<RecoveredBlock>>,
    /// The block that the engine seals.
    sealing: Mutex<Option<Sealing>>,
    sequencing: Sequencing,
    stopped: tokio_util::sync::CancellationToken,
    on_lost_origin: Option<Box<dyn Fn() + Send + Sync>>,
}

impl core::fmt::Debug for Builder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

impl Builder {
    /// A builder that stops when `stopped` is cancelled.
    #[must_use]
    pub fn new(
        engine: Engine,
        l1: L1View,
        l1_config: Arc<L1ChainConfig>,
        source: Arc<dyn TransactionSource>,
        clock: Arc<dyn Clock>,
        settings: BuilderSettings,
        stopped: tokio_util::sync::CancellationToken,
    ) -> Self {
        Self {
            engine,
            l1,
            l1_config,
            source,
            clock,
            settings,
            da_limits: DaLimits::default(),
            journal: None,
            interrupted: Mutex::default(),
            sealing: Mutex::default(),
            sequencing: Sequencing::default(),
            stopped,
            on_lost_origin: None,
        }
    }

    /// Keeps every block under what `limits` say when it is opened.
    #[must_use]
    pub fn with_da_limits(mut self, limits: DaLimits) -> Self {
        self.da_limits = limits;
        self
    }

    /// Remembers in `journal` what is executed before anyone is shown it. `interrupted` are the blocks that were not committed when the
    /// process ended, the transactions of which are first in line.
    #[must_use]
    pub fn with_journal(mut self, journal: Journal, interrupted: Vec<RecoveredBlock>) -> Self {
        self.journal = Some(journal);
        self.interrupted = Mutex::new(interrupted.into());
        self
    }

    /// Builds while `sequencing` says so: what it is told to stop at is the end of a block.
    #[must_use]
    pub fn with_sequencing(mut self, sequencing: Sequencing) -> Self {
        self.sequencing = sequencing;
        self
    }

    /// Calls `tell` when the unsafe head's L1 origin has left L1. Nothing can be built on it, and derivation may never come across that
    /// origin itself: somebody has to take the head back.
    #[must_use]
    pub fn on_lost_origin(mut self, tell: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_lost_origin = Some(Box::new(tell));
        self
    }

    /// Builds until stopped.
    ///
    /// # Errors
    /// When building cannot go on; the node halts then.
    pub async fn run(self) -> Result<(), BuilderError> {
        let mut waiting = None;
        let mut told: Option<Instant> = None;
        let mut turn = None;
        while !self.stopped.is_cancelled() {
            if turn.is_none() {
                turn = self.sequencing.turn();
            }
            if turn.is_none() {
                tokio::select! {
                    () = self.sequencing.started() => {}
                    () = self.stopped.cancelled() => {}
                }
                continue;
            }
            match self.advance().await? {
                Progress::Waiting(reason) => {
                    if waiting.replace(reason) != Some(reason) {
                        tracing::warn!(target: "sequencer", reason = reason.name(), "not building");
                    }
                    if reason == WaitReason::OriginReorged
                        && told.is_none_or(|at| at.elapsed() >= LOST_ORIGIN_INTERVAL)
                        && let Some(tell) = &self.on_lost_origin
                    {
                        told = Some(Instant::now());
                        tell();
                    }
                    self.idle().await;
                }
                Progress::Closed => (waiting, told) = (None, None),
                Progress::Abandoned => {}
            }
            if !self.sequencing.is_active() {
                // Whoever asked for the stop is answered when the turn ends.
                self.settle().await?;
                turn = None;
            }
        }
        self.settle().await?;
        Ok(())
    }

    /// Builds the next block, or says why not. Returns once the block is committed, which is not before its timestamp.
    ///
    /// # Errors
    /// See [`Self::run`].
    pub async fn step(&self) -> Result<Step, BuilderError> {
        Ok(match self.advance().await? {
            Progress::Waiting(reason) => Step::Waiting(reason),
            Progress::Abandoned => Step::Abandoned,
            Progress::Closed => match self.settle().await? {
                Settled::Committed(reference) => Step::Built(reference),
                Settled::Nothing | Settled::Lost => Step::Abandoned,
            },
        })
    }

    /// Builds the next block up to where the engine seals it, while the one before it may still be being sealed.
    async fn advance(&self) -> Result<Progress, BuilderError> {
        let parent = self.parent().await?;
        let opens_at = Duration::from_secs(parent.reference().timestamp);
        let may_open = tokio::select! {
            () = self.sequencing.asked_to_stop() => false,
            reached = self.reached(opens_at, &parent) => reached?,
        };
        if !may_open {
            return Ok(Progress::Abandoned);
        }
        if let Some(interrupted) = self.interrupted(&parent) {
            let attributes = &interrupted.opened.attributes;
            let built = self.build(&parent, attributes, Some(&interrupted));
            let built = Box::pin(built).await;
            if !matches!(built, Ok(Progress::Closed)) {
                // What followed it cannot be as it was.
                self.interrupted.lock().clear();
            }
            self.close(&built);
            return built;
        }
        let attributes = match self.attributes(&parent).await? {
            Ok(attributes) => attributes,
            Err(reason) => {
                self.settle().await?;
                return Ok(Progress::Waiting(reason));
            }
        };
        // Large: it holds the EVM.
        let built = Box::pin(self.build(&parent, &attributes, None)).await;
        self.close(&built);
        built
    }

    /// What the next block is opened on: the block that is being sealed, if that is possible, else the unsafe head.
    async fn parent(&self) -> Result<Parent, BuilderError> {
        let sealing = self.sealing.lock().as_ref().map(|sealing| sealing.block.clone());
        if let Some(parent) = sealing {
            let next = parent.reference().timestamp + self.config().block_time;
            let is_behind = self.clock.now() > Duration::from_secs(next);
            let has_interrupted = !self.interrupted.lock().is_empty();
            let is_possible = !is_behind && !has_interrupted && self.is_wanted(&parent);
            if is_possible && parent.can_be_built_on()? {
                return Ok(parent);
            }
            self.settle().await?;
        }
        let head = self.chain().heads().unsafe_head;
        let block = self.chain().block_by_hash(head.hash)?;
        block
            .map(Parent::Committed)
            .ok_or(BuilderError::MissingHead(head.number))
    }

    /// The block that a crash interrupted, if it can be opened again on `parent`.
    fn interrupted(&self, parent: &Parent) -> Option<RecoveredBlock> {
        let interrupted = self.interrupted.lock().pop_front()?;
        let opened = &interrupted.opened;
        let origin = attributes_origin(&opened.attributes);
        let is_gone = origin.is_some_and(|origin| {
            let known = self.l1.around(origin.number);
            known.current.is_some_and(|current| current.hash != origin.hash)
        });
        // The one before it was being sealed when it was opened: by now that has been built again.
        let is_next = opened.parent.is_zero() && opened.number == parent.reference().number.next();
        if (is_next || opened.parent == parent.reference().hash) && !is_gone {
            return Some(interrupted);
        }
        // Its transactions are first in line all the same.
        tracing::warn!(target: "sequencer", number = opened.number.0, "the block that was open cannot be opened again");
        self.interrupted.lock().clear();
        if let Some(journal) = &self.journal {
            journal.abandoned();
        }
        None
    }

    /// A block is not open any more, built or not.
    fn close(&self, built: &Result<Progress, BuilderError>) {
        if matches!(built, Ok(Progress::Closed)) {
            return;
        }
        // If the node stops or halts, the next life goes on with it, as after a crash: what was said of it stays true.
        if let Some(journal) = &self.journal
            && built.is_ok()
            && !self.stopped.is_cancelled()
        {
            journal.abandoned();
        }
        self.chain().publish_pending(None);
    }

    fn chain(&self) -> &Chain {
        self.engine.chain()
    }

    fn config(&self) -> &RollupConfig {
        self.chain().config()
    }

    async fn build(
        &self,
        parent: &Parent,
        attributes: &BlockAttributes,
        interrupted: Option<&RecoveredBlock>,
    ) -> Result<Progress, BuilderError> {
        let number = parent.reference().number.next();
        let failed = |source: ExecuteError| BuilderError::Execute {
            number,
            source: Box::new(source),
        };
        let ground = match self.ground(parent) {
            Ok(ground) if self.is_wanted(parent) => ground,
            Ok(_) | Err(StoreError::StateUnavailable { .. }) => return Ok(Progress::Abandoned),
            Err(error) => return Err(error.into()),
        };
        let opening = interrupted.map_or(Opening::New, |_| Opening::Again);
        let journal = self.journal.as_ref();
        let opened = OpenBlock::open(self.chain(), journal, opening, parent, ground, attributes);
        let mut block = match opened {
            // What it asked for was the hash of a block that will not be.
            Err(_) if parent.is_lost() => return Ok(Progress::Abandoned),
            opened => opened.map_err(failed)?,
        };
        block.limit_da(self.da_limits.get());
        let still_wanted = match self.fill(&mut block, parent, attributes, interrupted).await {
            Err(BuilderError::Execute { .. }) if parent.is_lost() => false,
            filled => filled?,
        };
        if !still_wanted || matches!(self.settle().await?, Settled::Lost) {
            return Ok(Progress::Abandoned);
        }
        self.seal(block).await
    }

    fn ground(&self, parent: &Parent) -> Result<Ground, StoreError> {
        match parent.pending() {
            Some(pending) => Ok(Ground::executed(pending.clone())),
            None => {
                let state = self.chain().state_at(parent.reference().number)?;
                Ok(Ground::committed(state))
            }
        }
    }

    async fn idle(&self) {
        let mut l1 = self.l1.subscribe();
        let mut heads = self.chain().subscribe();
        tokio::select! {
            _ = l1.changed() => {}
            _ = heads.changed() => {}
            () = self.sequencing.asked_to_stop() => {}
            () = self.stopped.cancelled() => {}
            () = tokio::time::sleep(IDLE_RECHECK) => {}
        }
    }
}

/// The L1 block that attributes were made from, as their first transaction has it.
fn attributes_origin(attributes: &BlockAttributes) -> Option<L1BlockId> {
    let first = OpTxEnvelope::decode_2718_exact(attributes.transactions.first()?).ok()?;
    let info = L1Info::decode(&first.as_deposit()?.inner().input).ok()?;
    Some(L1BlockId {
        hash: info.block_hash,
        number: L1BlockNumber(info.number),
    })
}
