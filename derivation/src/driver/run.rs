//! The loop: step, fetch what is asked for, apply what comes out; wait and ask again when something fails.

use super::{
    Applied, ApplyError, BlobSource, Cause, Engine, L1Source,
    data::fetch_data,
    error::{HaltCause, Interrupt, StallCause},
    outputs::{OutputWatch, OutputWatchSettings},
    restart::{RestartError, find_restart},
    settings::DriverSettings,
    status::{DerivationStatus, Stall},
};
use crate::{
    l1_block::L1Block,
    pipeline::{Pipeline, ResetCause, Step},
    stages::{attributes_queue::DerivedAttributes, batch_stage::SafeBlock},
};
use alloc::{collections::VecDeque, sync::Arc};
use core::sync::atomic::{AtomicBool, Ordering};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tributary_da_client::DaLayer;
use tributary_protocol::{
    block::{L1BlockId, L1BlockRef, L2BlockNumber, L2BlockRef},
    config::{L1ChainConfig, RollupConfig},
};

/// Derived blocks after which the engine is told that they are safe even though their span goes on. Telling it is a durable write, as
/// dear as committing a block; what it has not been told is derived again after a restart.
const UNTOLD_BLOCKS_MAX: u32 = 64;

/// The driver of one chain.
pub struct Driver {
    pub(super) config: Arc<RollupConfig>,
    pub(super) l1_config: Arc<L1ChainConfig>,
    pub(super) l1: Arc<dyn L1Source>,
    pub(super) da: Arc<dyn DaLayer>,
    blobs: Option<Arc<dyn BlobSource>>,
    pub(super) outputs: Option<OutputWatch>,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) settings: DriverSettings,
    pub(super) status: watch::Sender<DerivationStatus>,
    pub(super) pipeline: Option<Pipeline>,
    /// True once the pipeline no longer stands on L1 as it is.
    pub(super) must_restart: bool,
    /// L1 block the safe head was derived from when we last restarted: what is read there must still be it, or blocks derived before
    /// the restart would be derived anew from another L1.
    pub(super) resumed_on: Option<L1BlockId>,
    /// Failures since something last moved.
    failures: u32,
    /// Derived blocks the engine does not know to be safe: how many, the last, and the L1 block it was derived from.
    untold: Option<(u32, L2BlockRef, L1BlockId)>,
    pub(super) recent: VecDeque<Arc<L1Block>>,
    /// Which L1 blocks were read, each the parent of the next.
    pub(super) read: VecDeque<L1BlockId>,
    /// What L1 calls finalized and we have not read yet.
    pub(super) unread_finality: Option<L1BlockRef>,
    pub(super) heads_refreshed: Option<Instant>,
    /// How often in a row L1 has shown another chain below what was final.
    finality_doubts: u32,
    reset_request: ResetRequest,
}

/// How often L1 must show in a row that it has another chain below what was final before that is believed: one of several servers behind
/// a name may serve an abandoned fork for a while, and nothing but an operator undoes a halt. It takes under two minutes.
const FINALITY_DOUBTS_MAX: u32 = 20;

/// Asks a driver to look at both chains again and to take back what L1 no longer supports. Clones ask the same driver.
#[derive(Clone, Debug, Default)]
pub struct ResetRequest(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    origin_lost: AtomicBool,
    by_operator: AtomicBool,
}

impl ResetRequest {
    /// Asks, because the unsafe head has lost its origin. The driver does so in its next turn; asking again before that changes nothing.
    pub fn ask(&self) {
        self.0.origin_lost.store(true, Ordering::Release);
    }

    /// As [`Self::ask`], for no reason but that an operator wants it.
    pub fn ask_as_operator(&self) {
        self.0.by_operator.store(true, Ordering::Release);
    }

    /// Why it was asked, once for each time it was.
    fn take(&self) -> Option<ResetCause> {
        let origin_lost = self.0.origin_lost.swap(false, Ordering::AcqRel);
        let by_operator = self.0.by_operator.swap(false, Ordering::AcqRel);
        match (origin_lost, by_operator) {
            (true, _) => Some(ResetCause::UnsafeOrigin),
            (false, true) => Some(ResetCause::Operator),
            (false, false) => None,
        }
    }
}

impl core::fmt::Debug for Driver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Driver")
            .field("settings", &self.settings)
            .field("status", &*self.status.borrow())
            .finish_non_exhaustive()
    }
}

/// What one step of a driver came to, for whoever drives it by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverStep {
    /// It moved on. Step again.
    Moved,
    /// L1 has nothing more for now.
    CaughtUp,
    /// Something could not be answered; the status says what. Step again to ask again.
    Stalled,
    /// L1 has another chain than was read; the next step starts again from what still holds.
    Reset,
}

/// What a turn of the loop came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Moved,
    /// L1 has nothing more for now.
    CaughtUp,
}

impl Driver {
    /// Puts a driver together. Nothing happens before [`Self::run`].
    #[must_use]
    pub fn new(
        config: Arc<RollupConfig>,
        l1_config: Arc<L1ChainConfig>,
        l1: Arc<dyn L1Source>,
        da: Arc<dyn DaLayer>,
        engine: Arc<dyn Engine>,
        settings: DriverSettings,
    ) -> Self {
        Self {
            config,
            l1_config,
            l1,
            da,
            blobs: None,
            outputs: None,
            engine,
            settings,
            status: watch::Sender::default(),
            pipeline: None,
            must_restart: true,
            resumed_on: None,
            failures: 0,
            untold: None,
            recent: VecDeque::new(),
            read: VecDeque::new(),
            unread_finality: None,
            heads_refreshed: None,
            finality_doubts: 0,
            reset_request: ResetRequest::default(),
        }
    }

    /// For whoever learns sooner than derivation that an unsafe block has lost its L1 origin.
    #[must_use]
    pub fn reset_request(&self) -> ResetRequest {
        self.reset_request.clone()
    }

    /// Reads blobs from `blobs`. Without a source, a batcher transaction with blobs is waited at.
    #[must_use]
    pub fn with_blobs(mut self, blobs: Arc<dyn BlobSource>) -> Self {
        self.blobs = Some(blobs);
        self
    }

    /// Compares output roots posted on L1 with what is derived.
    #[must_use]
    pub fn with_outputs(mut self, settings: OutputWatchSettings) -> Self {
        self.outputs = Some(OutputWatch::new(settings));
        self
    }

    /// Follows where derivation stands.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<DerivationStatus> {
        self.status.subscribe()
    }

    /// Derives until `shutdown` is cancelled.
    ///
    /// # Errors
    /// When derivation cannot go on without an operator; the status says so too.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), HaltCause> {
        loop {
            let step = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                step = self.step() => step?,
            };
            let pause = match step {
                DriverStep::Moved => {
                    tokio::task::yield_now().await;
                    continue;
                }
                DriverStep::CaughtUp => self.settings.poll_interval,
                DriverStep::Reset | DriverStep::Stalled => self.settings.retry_pause(self.failures),
            };
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One step of [`Self::run`], without its pauses: what a simulation drives node by node.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn step(&mut self) -> Result<DriverStep, HaltCause> {
        match self.turn().await {
            Ok(turn) => {
                self.failures = 0;
                self.report_turn(turn);
                Ok(match turn {
                    Turn::Moved => DriverStep::Moved,
                    Turn::CaughtUp => DriverStep::CaughtUp,
                })
            }
            Err(Interrupt::Halt(cause)) => Err(self.halt(cause)),
            Err(Interrupt::Reset(cause)) => {
                self.failures = self.failures.saturating_add(1);
                self.forget(&cause);
                Ok(DriverStep::Reset)
            }
            Err(Interrupt::Stall(cause)) => {
                self.failures = self.failures.saturating_add(1);
                self.report_stall(&cause, self.failures);
                Ok(DriverStep::Stalled)
            }
        }
    }

    async fn turn(&mut self) -> Result<Turn, Interrupt> {
        if let Some(cause) = self.reset_request.take()
            && (!self.must_restart || cause == ResetCause::Operator)
        {
            return Err(Interrupt::Reset(cause));
        }
        if self.must_restart {
            self.restart().await?;
        }
        let Some(pipeline) = &mut self.pipeline else {
            return Ok(Turn::Moved);
        };
        let step = pipeline.step();
        match step {
            Step::Progress | Step::Discarded(_) | Step::Attributes(_) => {}
            // What comes next may take a while, or come from another L1 block.
            _ => self.tell_safe().await?,
        }
        self.carry_out(step).await
    }

    async fn carry_out(&mut self, step: Step) -> Result<Turn, Interrupt> {
        match step {
            Step::Progress => Ok(Turn::Moved),
            Step::Discarded(discarded) => {
                tracing::info!(
                    target: "derivation",
                    reason = discarded.reason.label(),
                    l1_block = discarded.l1_block.0,
                    "discarded"
                );
                Ok(Turn::Moved)
            }
            Step::NeedL1Block(number) => self.read_l1_block(number).await,
            Step::NeedData(request) => {
                let answer = fetch_data(&*self.da, self.blobs.as_deref(), &request).await?;
                if let Some(pipeline) = &mut self.pipeline {
                    pipeline.provide_data(answer);
                }
                Ok(Turn::Moved)
            }
            Step::NeedSafeBlock(number) => self.read_safe_block(number).await,
            Step::NeedEpoch(id) => self.read_epoch(id).await,
            Step::Attributes(attributes) => self.apply(*attributes).await,
        }
    }

    /// Finds where to go on, takes back what no longer holds, and starts a pipeline there.
    async fn restart(&mut self) -> Result<(), Interrupt> {
        let restart = match find_restart(&self.config, &*self.l1, &*self.engine).await {
            Err(error @ RestartError::FinalityBroken { .. })
                if self.finality_doubts < FINALITY_DOUBTS_MAX =>
            {
                self.finality_doubts += 1;
                return Err(StallCause::Restart(error).into());
            }
            found => found?,
        };
        self.finality_doubts = 0;
        if restart.abandons_blocks() {
            tracing::warn!(
                target: "derivation",
                unsafe_head = restart.unsafe_head.number.0,
                safe_head = restart.safe.safe_head.number.0,
                was_unsafe = restart.heads.unsafe_head.number.0,
                was_safe = restart.heads.safe_head.number.0,
                "abandoning blocks L1 no longer supports"
            );
            self.engine.reset_to(restart.unsafe_head, restart.safe).await?;
        }
        tracing::info!(
            target: "derivation",
            l1_start = restart.point.l1_start.number.0,
            resume_at = restart.point.resume_at.0,
            from_block = restart.point.safe_head.number.0,
            "deriving"
        );
        let heads = self.engine.heads().await?;
        match &mut self.pipeline {
            Some(pipeline) => pipeline.reset(&restart.point),
            None => {
                let (config, l1_config) = (self.config.clone(), self.l1_config.clone());
                self.pipeline = Some(Pipeline::new(config, l1_config, &restart.point));
            }
        }
        self.must_restart = false;
        self.resumed_on = Some(restart.safe.l1);
        self.status.send_modify(|status| status.heads = heads);
        Ok(())
    }

    async fn read_safe_block(&mut self, number: L2BlockNumber) -> Result<Turn, Interrupt> {
        let missing = || HaltCause::MissingBlock(number);
        let reference = self.engine.block_ref(number).await?.ok_or_else(missing)?;
        let transactions = self.engine.transactions(number).await?.ok_or_else(missing)?;
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.provide_safe_block(SafeBlock {
                reference,
                transactions,
            });
        }
        Ok(Turn::Moved)
    }

    async fn apply(&mut self, derived: DerivedAttributes) -> Result<Turn, Interrupt> {
        let DerivedAttributes {
            attributes,
            parent,
            derived_from,
            concluding,
            ..
        } = derived;
        let applied = match self.engine.apply(attributes, parent).await {
            Ok(applied) => applied,
            Err(ApplyError::InvalidPayload(cause)) => return self.reject(&parent, &cause),
            Err(ApplyError::Retry(cause)) => return Err(StallCause::Engine(cause).into()),
            Err(ApplyError::Halt(cause)) => return Err(HaltCause::Engine(cause).into()),
        };
        let Applied {
            block,
            system_config,
            consolidated,
        } = applied;
        if block.parent_hash != parent.hash || block.number != parent.number.next() {
            return Err(HaltCause::NotNext {
                parent: parent.id(),
                found: block.id(),
            }
            .into());
        }
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.confirm(block, system_config);
        }
        tracing::debug!(
            target: "derivation",
            block = block.number.0,
            hash = %block.hash,
            l1_block = derived_from.number.0,
            consolidated,
            "derived"
        );
        // After a restart the first blocks are derived a second time; they are safe already.
        if block.number > self.status.borrow().heads.safe_head.number {
            let count = self.untold.map_or(0, |(count, ..)| count) + 1;
            self.untold = Some((count, block, derived_from.id()));
            if concluding || count >= UNTOLD_BLOCKS_MAX {
                self.tell_safe().await?;
            }
        }
        Ok(Turn::Moved)
    }

    /// Makes what has been derived the safe head.
    async fn tell_safe(&mut self) -> Result<(), Interrupt> {
        let Some((_, block, derived_from)) = self.untold else {
            return Ok(());
        };
        self.engine.set_safe(block, derived_from).await?;
        self.untold = None;
        let heads = self.engine.heads().await?;
        self.status.send_modify(|status| status.heads = heads);
        Ok(())
    }

    fn reject(&mut self, parent: &L2BlockRef, cause: &Cause) -> Result<Turn, Interrupt> {
        tracing::warn!(
            target: "derivation",
            parent = parent.number.0,
            cause = with_causes(&**cause),
            "the batch makes no valid block, deposits alone take its place"
        );
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.reject().map_err(HaltCause::from)?;
        }
        Ok(Turn::Moved)
    }

    fn report_turn(&self, turn: Turn) {
        let pipeline = self.pipeline.as_ref();
        let current_l1 = pipeline.and_then(Pipeline::origin);
        let discards = pipeline.map(|pipeline| *pipeline.discards().counts());
        self.status.send_if_modified(|status| {
            let before = (
                status.current_l1,
                status.discards,
                status.is_caught_up,
                status.stall.is_some(),
            );
            status.current_l1 = current_l1;
            status.discards = discards.unwrap_or(status.discards);
            status.is_caught_up = turn == Turn::CaughtUp;
            status.stall = None;
            before != (status.current_l1, status.discards, status.is_caught_up, false)
        });
    }

    fn report_stall(&self, cause: &StallCause, attempts: u32) {
        let (kind, cause) = (cause.kind(), with_causes(cause));
        // The first failure and then every power of two: a long outage must not fill the disk with its log.
        if attempts.is_power_of_two() {
            tracing::warn!(target: "derivation", cause, attempts, "derivation waits");
        }
        self.status.send_modify(|status| {
            status.stall = Some(Stall {
                kind,
                cause,
                attempts,
            });
        });
    }

    fn forget(&mut self, cause: &ResetCause) {
        tracing::warn!(target: "derivation", cause = with_causes(cause), "resetting");
        self.must_restart = true;
        // It may be of an L1 block that is no more; if not, it is derived again.
        self.untold = None;
        self.recent.clear();
        self.read.clear();
        self.unread_finality = None;
        if let Some(outputs) = &mut self.outputs {
            outputs.clear();
        }
        self.heads_refreshed = None;
        self.status.send_modify(|status| {
            status.head_l1 = None;
            status.is_caught_up = false;
            status.resets += 1;
        });
    }

    fn halt(&self, cause: HaltCause) -> HaltCause {
        let text = with_causes(&cause);
        tracing::error!(target: "derivation", cause = text, "derivation halts");
        self.status.send_modify(|status| status.halted = Some(text));
        cause
    }
}

/// An error and what it says caused it, in one line.
fn with_causes(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Transparent variants and messages that quote their source would say it twice.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
