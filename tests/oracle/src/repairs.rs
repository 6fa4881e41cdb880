//! Where kona-derive 0.4.5 departs from the rules in ways every history would run into, put right between its stages.
//!
//! Each repair only makes kona stricter or more patient, never more lenient; what it derives is still its own work. The list, with
//! reasons, is in `docs/oracle.md`:
//!
//! | repair               | kona 0.4.5                                                    | rule                              |
//! | -------------------- | ------------------------------------------------------------- | --------------------------------- |
//! | [`FramesInOrder`]    | keeps frames of a channel that come early in a later transaction | Holocene: they are dropped       |
//! | [`SpansAgree`]       | takes the new blocks of a span whose other blocks contradict the safe chain | the span is refused |
//! | [`BatchesInOrder`]   | says "end of L1 block" for a refused span batch, skipping data | it is only that batch's end       |
//! | [`BatchesInOrder`]   | lets a batch skip an epoch that is about to get an empty block, and resets over it | it is refused |
//! | [`BatchesInOrder`]   | overwrites the parent hash of a singular batch before checking | the batch's own is checked        |

use crate::{alt_da::Drained, coverage::Counters, providers::SafeChain};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, FixedBytes};
use async_trait::async_trait;
use kona_derive::{
    BatchStreamProvider, NextBatchProvider, NextFrameProvider, OriginAdvancer, OriginProvider, PipelineError,
    PipelineResult, Signal, SignalReceiver,
};
use kona_protocol::{Batch, BlockInfo, Frame, L2BlockInfo, SpanBatchElement};
use std::sync::Arc;

/// Whether kona is put right, and what it took.
#[derive(Clone, Debug)]
pub struct Repairs {
    /// False: kona derives as published.
    pub are_made: bool,
    /// Counts each repair.
    pub counters: Arc<Counters>,
}

/// The other sides of a stage are those of the stage before it.
macro_rules! pass_through {
    ($stage:ident) => {
        #[async_trait]
        impl<P: OriginAdvancer + Send> OriginAdvancer for $stage<P> {
            async fn advance_origin(&mut self) -> PipelineResult<()> {
                self.prev.advance_origin().await
            }
        }

        impl<P: OriginProvider> OriginProvider for $stage<P> {
            fn origin(&self) -> Option<BlockInfo> {
                self.prev.origin()
            }
        }

        #[async_trait]
        impl<P: SignalReceiver + Send> SignalReceiver for $stage<P> {
            async fn signal(&mut self, signal: Signal) -> PipelineResult<()> {
                self.prev.signal(signal).await
            }
        }
    };
}
pub(crate) use pass_through;

/// Between frame queue and channel assembler: drops frames that do not continue the channel where it stands.
#[derive(Debug)]
pub struct FramesInOrder<P> {
    prev: P,
    /// The channel that began last, and the number its next frame must have.
    expected: Option<([u8; 16], u16)>,
    repairs: Repairs,
}

impl<P> FramesInOrder<P> {
    /// Stands after `prev`.
    pub const fn new(prev: P, repairs: Repairs) -> Self {
        Self {
            prev,
            expected: None,
            repairs,
        }
    }
}

#[async_trait]
impl<P: NextFrameProvider + Send> NextFrameProvider for FramesInOrder<P> {
    async fn next_frame(&mut self) -> PipelineResult<Frame> {
        let frame = self.prev.next_frame().await?;
        let continues = frame.number == 0 || self.expected == Some((frame.id, frame.number));
        if !continues && self.repairs.are_made {
            self.repairs.counters.frames_dropped.add();
            return Err(PipelineError::NotEnoughData.temp());
        }
        self.expected = frame.number.checked_add(1).map(|next| (frame.id, next));
        Ok(frame)
    }
}

/// Between channel reader and batch stream: compares a span with the safe blocks it repeats (specs#928, after kona 0.4.5).
#[derive(Debug)]
pub struct SpansAgree<P> {
    prev: P,
    safe: SafeChain,
    repairs: Repairs,
}

impl<P> SpansAgree<P> {
    /// Stands after `prev`.
    pub const fn new(prev: P, safe: SafeChain, repairs: Repairs) -> Self {
        Self { prev, safe, repairs }
    }
}

#[async_trait]
impl<P: BatchStreamProvider + OriginProvider + Send> BatchStreamProvider for SpansAgree<P> {
    async fn next_batch(&mut self) -> PipelineResult<Batch> {
        let mut batch = self.prev.next_batch().await?;
        match batch {
            Batch::Span(_) => self.repairs.counters.span.add(),
            Batch::Single(_) => self.repairs.counters.singular.add(),
        }
        if let Batch::Span(span) = &mut batch {
            let origin = self.prev.origin().unwrap_or_default();
            // A span whose last epoch is still unknown is forgotten, not refused.
            let is_decidable = span
                .batches
                .last()
                .is_some_and(|last| last.epoch_num <= origin.number);
            let contradicts = span.batches.iter().any(|block| self.safe.contradicts(block));
            if is_decidable && contradicts && self.repairs.are_made {
                self.repairs.counters.spans_refused.add();
                // kona then refuses the span, for its parent instead of its content.
                span.parent_check = FixedBytes::ZERO;
            }
        }
        Ok(batch)
    }

    fn flush(&mut self) {
        self.prev.flush();
    }
}

impl SafeChain {
    /// Whether the safe chain has a block at the time of this one that says something else.
    fn contradicts(&self, block: &SpanBatchElement) -> bool {
        let Some((safe, place)) = self.at_time(block.timestamp) else {
            return false;
        };
        let transactions = safe.body.transactions.iter().filter(|tx| !tx.is_deposit());
        let is_same = transactions
            .map(|tx| tx.encoded_2718())
            .eq(block.transactions.iter().map(|tx| tx.to_vec()));
        !is_same || place.l1_origin.number != block.epoch_num
    }
}

/// Between batch stream and batch validator.
#[derive(Debug)]
pub struct BatchesInOrder<P> {
    prev: P,
    drained: Drained,
    repairs: Repairs,
}

impl<P> BatchesInOrder<P> {
    /// Stands after `prev`; `drained` knows how far the data source has come.
    pub const fn new(prev: P, drained: Drained, repairs: Repairs) -> Self {
        Self {
            prev,
            drained,
            repairs,
        }
    }
}

#[async_trait]
impl<P: NextBatchProvider + OriginProvider + Send> NextBatchProvider for BatchesInOrder<P> {
    async fn next_batch(&mut self, parent: L2BlockInfo, l1_origins: &[BlockInfo]) -> PipelineResult<Batch> {
        let mut next = self.prev.next_batch(parent, l1_origins).await;
        if !self.repairs.are_made {
            return next;
        }
        let is_end = next
            .as_ref()
            .is_err_and(|error| *error == PipelineError::Eof.temp());
        let is_drained = self
            .prev
            .origin()
            .is_some_and(|origin| self.drained.is(origin.number));
        if is_end && !is_drained {
            self.repairs.counters.ends_taken_back.add();
            return Err(PipelineError::NotEnoughData.temp());
        }
        if let Ok(Batch::Single(batch)) = &mut next {
            // Blocks out of a span have no parent hash of their own; kona has checked their span's.
            let is_singular = batch.parent_hash != B256::ZERO;
            let has_other_parent = is_singular && batch.parent_hash != parent.block_info.hash;
            let skips_epoch = batch.epoch_num > parent.l1_origin.number + 1;
            if has_other_parent || skips_epoch {
                self.repairs.counters.batches_refused.add();
                // kona then refuses it in the same place, for the hash of its epoch.
                batch.epoch_hash = B256::ZERO;
            }
        }
        next
    }

    fn span_buffer_size(&self) -> usize {
        self.prev.span_buffer_size()
    }

    fn flush(&mut self) {
        self.prev.flush();
    }
}

pass_through!(FramesInOrder);
pass_through!(SpansAgree);
pass_through!(BatchesInOrder);
