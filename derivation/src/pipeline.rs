//! The derivation pipeline: the stages wired in the order data flows, driven by one `step`.
//!
//! ```text
//!  step() -> NeedL1Block ---> provide_l1_block ---> l1_traversal -> l1_retrieval
//!            NeedData ------> provide_data -------------------------> l1_retrieval -> frame_queue -> channel_assembler
//!            NeedSafeBlock -> provide_safe_block --> batch_stage <- channel_reader <------------------------+
//!            NeedEpoch -----> provide_epoch -------> attributes_queue <- batch_stage
//!            Attributes ----> confirm or reject ---> the safe head moves, or deposits alone are offered
//! ```
//! It is pure: it asks for data and never fetches it, and a question stays until it is answered, so nothing that fails outside can
//! become a decision in here. Everything one L1 block yields is derived before the next one is asked for.

use crate::{
    discard::{DiscardReason, Discarded, Discards},
    epoch::EpochError,
    l1_block::L1Block,
    reset::ResetPoint,
    stages::{
        attributes_queue::{AttributesOutput, AttributesQueue, DerivedAttributes},
        batch_stage::{BatchOutput, BatchStage, SafeBlock},
        channel_assembler::ChannelAssembler,
        channel_reader::ChannelReaderStage,
        frame_queue::FrameQueue,
        l1_retrieval::{DataAnswer, DataRequest, L1Retrieval, Retrieved},
        l1_traversal::{L1Reorg, L1Traversal},
    },
};
use alloc::{boxed::Box, sync::Arc};
use tributary_protocol::{
    batch::SpanParameters,
    block::{L1BlockId, L1BlockNumber, L1BlockRef, L2BlockNumber, L2BlockRef},
    config::{L1ChainConfig, RollupConfig, SystemConfig},
};

/// What the pipeline did or needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It moved on. Step again.
    Progress,
    /// It threw something away. Step again.
    Discarded(Discarded),
    /// It needs the canonical L1 block at this height: [`Pipeline::provide_l1_block`].
    NeedL1Block(L1BlockNumber),
    /// It needs data that is not in the L1 block: [`Pipeline::provide_data`].
    NeedData(DataRequest),
    /// It needs the block of the safe chain at this height: [`Pipeline::provide_safe_block`].
    NeedSafeBlock(L2BlockNumber),
    /// It needs this L1 block, which it has read before, again: [`Pipeline::provide_epoch`].
    NeedEpoch(L1BlockId),
    /// The next block. Execute it, then [`Pipeline::confirm`] or [`Pipeline::reject`].
    Attributes(Box<DerivedAttributes>),
}

/// The pipeline no longer stands on the L1 chain it was given: reset it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResetCause {
    /// L1 has reorganised below the current block.
    #[error(transparent)]
    L1Reorg(#[from] L1Reorg),
    /// The safe head's L1 origin is not on the L1 chain being read.
    #[error("the safe head's L1 origin is {expected}, but L1 has {found} at that height")]
    ForeignOrigin {
        /// Hash of the safe head's L1 origin.
        expected: alloy_primitives::B256,
        /// Hash at that height.
        found: alloy_primitives::B256,
    },
    /// Whoever builds unsafe blocks has seen that L1 no longer holds the origin of the last one.
    #[error("the L1 origin of the unsafe head is not on L1 any more")]
    UnsafeOrigin,
    /// An operator wants it.
    #[error("an operator asked for it")]
    Operator,
}

/// Even the deposits alone make no valid block. That cannot happen while the rules hold: halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is nothing left to leave out of the attributes after block {parent}")]
pub struct NothingToReject {
    /// Height of the block they follow.
    pub parent: L2BlockNumber,
}

/// L1 and DA data in, attributes of L2 blocks out.
#[derive(Debug)]
pub struct Pipeline {
    config: Arc<RollupConfig>,
    traversal: L1Traversal,
    retrieval: L1Retrieval,
    frames: FrameQueue,
    assembler: ChannelAssembler,
    reader: ChannelReaderStage,
    batches: BatchStage,
    attributes: AttributesQueue,
    safe_head: L2BlockRef,
    system_config: SystemConfig,
    discards: Discards,
}

impl Pipeline {
    /// Starts at a point found by [`crate::reset`].
    #[must_use]
    pub fn new(config: Arc<RollupConfig>, l1_config: Arc<L1ChainConfig>, start: &ResetPoint) -> Self {
        Self {
            traversal: L1Traversal::new(
                config.l1_system_config_address,
                start.l1_start,
                start.l1_system_config,
            ),
            retrieval: L1Retrieval::new(config.batch_inbox_address, config.alt_da.is_some()),
            frames: FrameQueue::default(),
            assembler: ChannelAssembler::default(),
            reader: ChannelReaderStage::new(SpanParameters::from(&*config)),
            batches: BatchStage::new(config.clone(), start.resume_at),
            attributes: AttributesQueue::new(config.clone(), l1_config),
            safe_head: start.safe_head,
            system_config: start.system_config,
            discards: Discards::default(),
            config,
        }
    }

    /// Starts again at `start`. What has been counted stays counted.
    pub fn reset(&mut self, start: &ResetPoint) {
        let discards = core::mem::take(&mut self.discards);
        let l1_config = self.attributes.l1_config().clone();
        *self = Self {
            discards,
            ..Self::new(self.config.clone(), l1_config, start)
        };
    }

    /// The block derived last and confirmed.
    #[must_use]
    pub const fn safe_head(&self) -> &L2BlockRef {
        &self.safe_head
    }

    /// The L1 block being read; `None` before the first.
    #[must_use]
    pub const fn origin(&self) -> Option<L1BlockRef> {
        self.traversal.current()
    }

    /// What has been thrown away so far.
    #[must_use]
    pub const fn discards(&self) -> &Discards {
        &self.discards
    }

    /// Does a bounded piece of work, or says what is needed first.
    pub fn step(&mut self) -> Step {
        if let Some(discarded) = self.discards.take_listed() {
            return Step::Discarded(discarded);
        }
        match self.attributes.pull(&self.safe_head, &self.system_config) {
            AttributesOutput::Attributes(attributes) => Step::Attributes(attributes),
            AttributesOutput::NeedEpoch(id) => Step::NeedEpoch(id),
            AttributesOutput::WantBatch => self.step_batches(),
        }
    }

    fn step_batches(&mut self) -> Step {
        let Some(origin) = self.traversal.current() else {
            return Step::NeedL1Block(self.traversal.next_number());
        };
        match self.batches.pull(&self.safe_head, &mut self.discards) {
            BatchOutput::Next(next) => {
                self.attributes.load(next, origin);
                Step::Progress
            }
            BatchOutput::NeedSafeBlock(number) => Step::NeedSafeBlock(number),
            BatchOutput::Flush => {
                self.reader.flush(&mut self.discards);
                Step::Progress
            }
            BatchOutput::WantBatch => self.step_reader(origin),
        }
    }

    fn step_reader(&mut self, origin: L1BlockRef) -> Step {
        let Some(batch) = self.reader.pull(&mut self.discards) else {
            return self.step_frames(origin);
        };
        if self.batches.is_draining(&self.safe_head) {
            self.discards.add(DiscardReason::BatchBeforeOrigin);
        } else {
            self.batches.offer(batch);
        }
        Step::Progress
    }

    fn step_frames(&mut self, origin: L1BlockRef) -> Step {
        let Some(frame) = self.frames.pop() else {
            return self.step_retrieval(origin);
        };
        if let Some(channel) = self.assembler.ingest(frame, origin.number, &mut self.discards) {
            self.reader.load(channel);
        }
        Step::Progress
    }

    fn step_retrieval(&mut self, origin: L1BlockRef) -> Step {
        match self.retrieval.pull() {
            Retrieved::Frames(data) => {
                self.frames.load(&data, &mut self.discards);
                Step::Progress
            }
            Retrieved::Need(request) => Step::NeedData(request),
            Retrieved::Exhausted => self.step_exhausted(origin),
        }
    }

    /// Everything up to the current L1 block has been read.
    fn step_exhausted(&mut self, origin: L1BlockRef) -> Step {
        if !self.batches.is_draining(&self.safe_head)
            && let Some(empty) = self.batches.empty_batch(&self.safe_head)
        {
            self.attributes.load(empty, origin);
            return Step::Progress;
        }
        Step::NeedL1Block(self.traversal.next_number())
    }

    /// Gives the L1 block asked for.
    ///
    /// # Errors
    /// When it does not follow what was read before; the pipeline must then be reset.
    pub fn provide_l1_block(&mut self, block: &L1Block) -> Result<(), ResetCause> {
        self.traversal.advance(block, &mut self.discards)?;
        let origin = block.reference();
        self.discards.set_l1_block(origin.number);
        let batcher = self.traversal.system_config().batcher_address;
        self.retrieval.load(block, batcher, &mut self.discards);
        self.assembler.advance_origin(origin.number, &mut self.discards);
        self.batches.advance_origin(origin, &self.safe_head);
        match self.batches.foreign_epoch(&self.safe_head) {
            None => Ok(()),
            Some(found) => Err(ResetCause::ForeignOrigin {
                expected: self.safe_head.l1_origin.hash,
                found: found.hash,
            }),
        }
    }

    /// Gives the data asked for.
    pub fn provide_data(&mut self, answer: DataAnswer) {
        self.retrieval.answer(answer, &mut self.discards);
    }

    /// Gives the block of the safe chain asked for.
    pub fn provide_safe_block(&mut self, block: SafeBlock) {
        self.batches.provide_safe_block(block);
    }

    /// Gives the epoch asked for.
    ///
    /// # Errors
    /// When the block cannot be read as the epoch: halt.
    pub fn provide_epoch(&mut self, block: &L1Block) -> Result<(), EpochError> {
        self.attributes.provide_epoch(block)
    }

    /// The attributes offered have become `block`, in which `system_config` is in force.
    pub fn confirm(&mut self, block: L2BlockRef, system_config: SystemConfig) {
        assert!(
            self.attributes.is_waiting() && block.parent_hash == self.safe_head.hash,
            "only the block made of the attributes offered can be confirmed"
        );
        self.attributes.confirm();
        self.safe_head = block;
        self.system_config = system_config;
    }

    /// The attributes offered make no valid block: the rest of their span and channel goes, and deposits alone are offered.
    ///
    /// # Errors
    /// When they already were deposits alone.
    pub fn reject(&mut self) -> Result<(), NothingToReject> {
        if !self.attributes.reject() {
            return Err(NothingToReject {
                parent: self.safe_head.number,
            });
        }
        self.discards.add(DiscardReason::PayloadInvalid);
        self.batches.flush();
        self.reader.flush(&mut self.discards);
        Ok(())
    }
}
