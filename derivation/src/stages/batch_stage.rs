//! Decides which batch becomes the next L2 block.
//!
//! Batches come strictly in order (Holocene): each is accepted, skipped because it says nothing new, or refused, and a refused one
//! takes the rest of its span and channel with it. When the sequencing window of an epoch has passed and nothing came, the stage
//! makes the empty batches that every node makes alike.
//!
//! The stage holds at most one span batch, or what is left of one; its size is bounded by that of a channel.

use super::{
    batch_check::{Verdict, check_singular},
    epochs::Epochs,
    span_check::{SpanBlocks, SpanCheck, SpanProgress},
};
use crate::discard::{DiscardReason, Discards};
use alloc::{sync::Arc, vec::Vec};
use alloy_primitives::Bytes;
use tributary_protocol::{
    batch::{Batch, SingularBatch},
    block::{L1BlockNumber, L1BlockRef, L2BlockNumber, L2BlockRef},
    config::RollupConfig,
};

/// A batch that is the next block, and whether it is the last of what it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextBatch {
    /// The block's inputs.
    pub batch: SingularBatch,
    /// True for the last block of a span, for a batch that came alone and for an empty one made here.
    pub concluding: bool,
}

/// A block of the safe chain, to compare a span batch with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeBlock {
    /// Where it stands.
    pub reference: L2BlockRef,
    /// EIP-2718 bytes of its transactions, deposits included.
    pub transactions: Vec<Bytes>,
}

/// What the stage has next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchOutput {
    /// The next block.
    Next(NextBatch),
    /// Nothing until this block of the safe chain has been given.
    NeedSafeBlock(L2BlockNumber),
    /// A batch was refused: the rest of its channel must go.
    Flush,
    /// Nothing: give it a batch.
    WantBatch,
}

/// The batch stage.
#[derive(Clone, Debug)]
pub struct BatchStage {
    config: Arc<RollupConfig>,
    /// Batches that were read from L1 before this block are known to have been dealt with.
    resume_at: L1BlockNumber,
    origin: Option<L1BlockRef>,
    epochs: Epochs,
    offered: Option<SingularBatch>,
    span: Option<SpanCheck>,
    rest: Option<SpanBlocks>,
}

impl BatchStage {
    /// Starts before any L1 block. Batches from L1 blocks before `resume_at` are not considered: all that was in them is in the safe
    /// chain already.
    #[must_use]
    pub fn new(config: Arc<RollupConfig>, resume_at: L1BlockNumber) -> Self {
        Self {
            config,
            resume_at,
            origin: None,
            epochs: Epochs::default(),
            offered: None,
            span: None,
            rest: None,
        }
    }

    /// Derivation has moved on to `origin`.
    pub fn advance_origin(&mut self, origin: L1BlockRef, parent: &L2BlockRef) {
        self.origin = Some(origin);
        self.epochs.push(origin, parent);
        self.epochs.prune(parent);
    }

    /// The L1 block that stands where the parent's L1 origin should stand, if it is another one.
    #[must_use]
    pub fn foreign_epoch(&self, parent: &L2BlockRef) -> Option<L1BlockRef> {
        self.epochs
            .at(parent.l1_origin.number)
            .filter(|block| block.hash != parent.l1_origin.hash)
    }

    /// True while derivation is still behind the point where something new can come: a batch posted in the L1 origin of the safe
    /// head or earlier was posted before the safe head existed.
    #[must_use]
    pub fn is_draining(&self, parent: &L2BlockRef) -> bool {
        self.origin
            .is_none_or(|origin| origin.number <= parent.l1_origin.number || origin.number < self.resume_at)
    }

    /// Gives the stage a batch; it has asked for one.
    pub fn offer(&mut self, batch: Batch) {
        match batch {
            Batch::Singular(batch) => self.offered = Some(batch),
            Batch::Span(batch) => self.span = Some(SpanCheck::new(batch)),
        }
    }

    /// Gives the stage the block of the safe chain it has asked for.
    pub fn provide_safe_block(&mut self, block: SafeBlock) {
        if let Some(span) = &mut self.span {
            span.provide(block);
        }
    }

    /// What comes after `parent`.
    pub fn pull(&mut self, parent: &L2BlockRef, discards: &mut Discards) -> BatchOutput {
        self.epochs.prune(parent);
        let Some(origin) = self.origin else {
            return BatchOutput::WantBatch;
        };
        if let Some(span) = &mut self.span {
            match span.check(&self.config, &self.epochs, parent, origin.number) {
                SpanProgress::NeedSafeBlock(number) => return BatchOutput::NeedSafeBlock(number),
                SpanProgress::Decided(verdict) => {
                    if let Some(output) = self.decide_span(verdict, discards) {
                        return output;
                    }
                }
            }
        }
        let (batch, concluding) = match self.take_candidate(parent) {
            None => return BatchOutput::WantBatch,
            Some(Ok(candidate)) => candidate,
            Some(Err(reason)) => return self.refuse(reason, discards),
        };
        match check_singular(&self.config, &self.epochs, parent, origin.number, &batch) {
            Verdict::Accept => BatchOutput::Next(NextBatch { batch, concluding }),
            Verdict::Skip(reason) => {
                discards.add(reason);
                BatchOutput::WantBatch
            }
            Verdict::Drop(reason) => self.refuse(reason, discards),
        }
    }

    /// Acts on what the check of the span said; `None` if its new blocks are now next.
    fn decide_span(&mut self, verdict: Verdict, discards: &mut Discards) -> Option<BatchOutput> {
        let span = self.span.take()?;
        match verdict {
            Verdict::Accept => {
                self.rest = Some(span.into_new_blocks());
                None
            }
            Verdict::Skip(reason) => {
                discards.add(reason);
                Some(BatchOutput::WantBatch)
            }
            Verdict::Drop(reason) => Some(self.refuse(reason, discards)),
        }
    }

    /// The batch to look at next, and whether it is the last of what it came in.
    fn take_candidate(
        &mut self,
        parent: &L2BlockRef,
    ) -> Option<Result<(SingularBatch, bool), DiscardReason>> {
        if let Some(batch) = self.offered.take() {
            return Some(Ok((batch, true)));
        }
        let rest = self.rest.as_mut()?;
        let block = rest.pop()?;
        let concluding = rest.peek().is_none();
        // A span names only the parent of its first block, and that has been checked; and only the hash of its last epoch.
        let epoch = self
            .epochs
            .at(block.epoch_number)
            .ok_or(DiscardReason::EpochTooOld);
        Some(epoch.map(|epoch| (block.into_singular(parent.hash, epoch.hash), concluding)))
    }

    fn refuse(&mut self, reason: DiscardReason, discards: &mut Discards) -> BatchOutput {
        discards.add(reason);
        self.flush();
        BatchOutput::Flush
    }

    /// Drops what is left of the current span.
    pub fn flush(&mut self) {
        self.offered = None;
        self.span = None;
        self.rest = None;
    }

    /// The empty batch that follows `parent` because the sequencing window has passed; `None` if it has not. Only to be asked once
    /// everything posted up to the current L1 block has been read.
    #[must_use]
    pub fn empty_batch(&self, parent: &L2BlockRef) -> Option<NextBatch> {
        let origin = self.origin?;
        let (epoch, next_epoch) = self.epochs.current_and_next()?;
        let expired =
            |epoch: L1BlockRef| epoch.number.0.saturating_add(self.config.seq_window_size) <= origin.number.0;
        let timestamp = parent.timestamp.checked_add(self.config.block_time)?;
        // Blocks of one epoch go on until the time of the next, so that L2 time never falls behind L1 time; every epoch has one.
        let epoch = match timestamp < next_epoch.timestamp {
            true if expired(epoch) => epoch,
            false if expired(next_epoch) => next_epoch,
            _ => return None,
        };
        Some(NextBatch {
            batch: SingularBatch {
                parent_hash: parent.hash,
                epoch_number: epoch.number,
                epoch_hash: epoch.hash,
                timestamp,
                transactions: Vec::new(),
            },
            concluding: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::fixture::{BLOCK_TIME, Fixture, PARENT_TIME, l1_block, l1_hash};
    use DiscardReason as R;
    use tributary_protocol::batch::{SpanBatch, SpanParameters};

    /// A stage that has read L1 up to the block at `origin`.
    fn stage(fixture: &Fixture, resume_at: u64, origin: u64) -> BatchStage {
        let mut stage = BatchStage::new(fixture.config.clone(), L1BlockNumber(resume_at));
        for number in 8..=origin {
            stage.advance_origin(l1_block(number), &fixture.parent);
        }
        stage
    }

    fn child(parent: &L2BlockRef, batch: &SingularBatch) -> L2BlockRef {
        L2BlockRef {
            hash: alloy_primitives::keccak256(parent.hash),
            number: parent.number.next(),
            parent_hash: parent.hash,
            timestamp: batch.timestamp,
            l1_origin: tributary_protocol::block::L1BlockId {
                hash: batch.epoch_hash,
                number: batch.epoch_number,
            },
            sequence_number: 0,
        }
    }

    fn span(fixture: &Fixture, epochs: &[u64]) -> Batch {
        let batches: Vec<_> = (1..)
            .zip(epochs)
            .map(|(index, epoch)| SingularBatch {
                timestamp: fixture.parent.timestamp + index * BLOCK_TIME,
                ..fixture.next(*epoch)
            })
            .collect();
        let parameters = SpanParameters::from(&*fixture.config);
        let parameters = SpanParameters {
            genesis_time: 0,
            ..parameters
        };
        Batch::Span(SpanBatch::from_singular(&batches, 1, parameters).unwrap())
    }

    #[test]
    fn nothing_counts_before_l1_has_passed_the_parents_origin_and_the_resume_point() {
        let fixture = Fixture::new();
        let draining = |resume_at, origin| stage(&fixture, resume_at, origin).is_draining(&fixture.parent);
        assert!(BatchStage::new(fixture.config.clone(), L1BlockNumber(0)).is_draining(&fixture.parent));
        assert!(draining(0, 10));
        assert!(!draining(0, 11));
        assert!(draining(13, 12));
        assert!(!draining(13, 13));
    }

    #[test]
    fn span_is_handed_out_block_by_block_each_on_the_one_before() {
        let fixture = Fixture::new();
        let mut stage = stage(&fixture, 0, 12);
        let mut discards = Discards::default();
        let epochs = [10, 10, 11];
        stage.offer(span(&fixture, &epochs));
        let mut parent = fixture.parent;
        for (index, epoch) in epochs.into_iter().enumerate() {
            let BatchOutput::Next(next) = stage.pull(&parent, &mut discards) else {
                panic!("block {index} is next");
            };
            assert_eq!(next.batch.parent_hash, parent.hash);
            assert_eq!(next.batch.epoch_hash, l1_hash(epoch));
            assert_eq!(next.concluding, index == 2);
            parent = child(&parent, &next.batch);
        }
        assert_eq!(stage.pull(&parent, &mut discards), BatchOutput::WantBatch);
        assert_eq!(discards.counts().iter().count(), 0);
    }

    #[test]
    fn refused_block_takes_the_rest_of_its_span_with_it() {
        let fixture = Fixture::new();
        let mut stage = stage(&fixture, 0, 12);
        let mut discards = Discards::default();
        // The last block is of epoch 12, whose time is long after the block's.
        stage.offer(span(&fixture, &[10, 11, 12, 12]));
        let mut parent = fixture.parent;
        for _ in 0..2 {
            let BatchOutput::Next(next) = stage.pull(&parent, &mut discards) else {
                panic!("the first two blocks are valid");
            };
            parent = child(&parent, &next.batch);
        }
        assert_eq!(stage.pull(&parent, &mut discards), BatchOutput::Flush);
        assert_eq!(discards.counts().get(R::BatchBeforeEpochTime), 1);
        assert_eq!(stage.pull(&parent, &mut discards), BatchOutput::WantBatch);
    }

    #[test]
    fn past_batch_is_skipped_and_wrong_one_flushes() {
        let fixture = Fixture::new();
        let mut stage = stage(&fixture, 0, 12);
        let mut discards = Discards::default();
        let offer = |stage: &mut BatchStage, discards: &mut Discards, timestamp| {
            let batch = SingularBatch {
                timestamp,
                ..fixture.next(10)
            };
            stage.offer(Batch::Singular(batch));
            stage.pull(&fixture.parent, discards)
        };
        assert_eq!(
            offer(&mut stage, &mut discards, PARENT_TIME),
            BatchOutput::WantBatch
        );
        assert_eq!(
            offer(&mut stage, &mut discards, PARENT_TIME + 2 * BLOCK_TIME),
            BatchOutput::Flush
        );
        assert!(matches!(
            offer(&mut stage, &mut discards, PARENT_TIME + BLOCK_TIME),
            BatchOutput::Next(_)
        ));
    }

    #[test]
    fn empty_batches_come_when_the_window_has_passed_and_not_before() {
        let fixture = Fixture::new();
        let window = fixture.config.seq_window_size;
        let empty = |origin, parent: &L2BlockRef| {
            let next = stage(&fixture, 0, origin).empty_batch(parent);
            next.map(|next| (next.batch.epoch_number.0, next.batch.timestamp))
        };
        // Epoch 11 begins at the time of the next block, so that block must be the one that opens it.
        assert_eq!(empty(10 + window, &fixture.parent), None);
        assert_eq!(empty(11 + window, &fixture.parent), Some((11, PARENT_TIME + 2)));
        // One block time earlier there is still room in epoch 10.
        let earlier = L2BlockRef {
            timestamp: PARENT_TIME - BLOCK_TIME,
            ..fixture.parent
        };
        assert_eq!(empty(9 + window, &earlier), None);
        assert_eq!(empty(10 + window, &earlier), Some((10, PARENT_TIME)));
    }

    #[test]
    fn foreign_origin_is_noticed() {
        let fixture = Fixture::new();
        let stage = stage(&fixture, 0, 11);
        assert_eq!(stage.foreign_epoch(&fixture.parent), None);
        let mut parent = fixture.parent;
        parent.l1_origin.hash.0[0] ^= 1;
        assert_eq!(stage.foreign_epoch(&parent), Some(l1_block(10)));
    }
}
