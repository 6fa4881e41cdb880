//! Whether a span batch may be read on top of the safe chain. Spec: OP Stack, protocol/holocene/derivation (span batch checks).
//!
//! ```text
//!  safe chain:   ... [ parent ][ safe ][ safe head ]
//!  span batch:                 [  0   ][  1        ][  2  ][  3  ]
//!                    ^ hash    ^ overlap: same epochs and transactions   ^ hash of the last epoch
//! ```
//! Only what concerns the span as a whole is decided here; each new block in it is then checked like a batch that came alone. A span
//! that overlaps the safe chain must agree with it, block by block; those blocks are asked for one at a time.

use super::{batch_check::Verdict, batch_stage::SafeBlock, epochs::Epochs};
use crate::discard::DiscardReason;
use alloc::collections::VecDeque;
use op_alloy_consensus::DEPOSIT_TX_TYPE_ID;
use tributary_protocol::{
    batch::{SpanBatch, SpanBlock},
    block::{L1BlockNumber, L2BlockNumber, L2BlockRef},
    config::RollupConfig,
};

/// How far the check has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpanProgress {
    /// This block of the safe chain must be given first.
    NeedSafeBlock(L2BlockNumber),
    /// Done.
    Decided(Verdict),
}

/// Blocks of a span taken out of it at a time. A span of empty blocks is small, all its blocks at once are not.
const BLOCKS_AT_A_TIME: usize = 512;

/// The blocks of a span, one after the other.
#[derive(Clone, Debug)]
pub(super) struct SpanBlocks {
    span: SpanBatch,
    taken_out: usize,
    ahead: VecDeque<SpanBlock>,
}

impl SpanBlocks {
    fn new(span: SpanBatch) -> Self {
        Self {
            span,
            taken_out: 0,
            ahead: VecDeque::new(),
        }
    }

    /// The next block, which stays.
    pub(super) fn peek(&mut self) -> Option<&SpanBlock> {
        if self.ahead.is_empty() {
            let blocks = self.span.blocks().skip(self.taken_out);
            self.ahead.extend(blocks.take(BLOCKS_AT_A_TIME));
            self.taken_out += self.ahead.len();
        }
        self.ahead.front()
    }

    /// The next block.
    pub(super) fn pop(&mut self) -> Option<SpanBlock> {
        self.peek()?;
        self.ahead.pop_front()
    }
}

/// A span batch and what has been found out about it.
#[derive(Clone, Debug)]
pub(super) struct SpanCheck {
    /// Those that have been compared with the safe chain are gone.
    blocks: SpanBlocks,
    /// The safe block the span follows, once known.
    parent: Option<L2BlockRef>,
    provided: Option<SafeBlock>,
}

impl SpanCheck {
    pub(super) fn new(span: SpanBatch) -> Self {
        Self {
            blocks: SpanBlocks::new(span),
            parent: None,
            provided: None,
        }
    }

    pub(super) fn provide(&mut self, block: SafeBlock) {
        self.provided = Some(block);
    }

    /// Goes on with the check: `safe_head` is the safe head, `inclusion` the L1 block the span was read from.
    pub(super) fn check(
        &mut self,
        config: &RollupConfig,
        epochs: &Epochs,
        safe_head: &L2BlockRef,
        inclusion: L1BlockNumber,
    ) -> SpanProgress {
        match self.progress(config, epochs, safe_head, inclusion) {
            Ok(()) => SpanProgress::Decided(Verdict::Accept),
            Err(progress) => progress,
        }
    }

    fn progress(
        &mut self,
        config: &RollupConfig,
        epochs: &Epochs,
        safe_head: &L2BlockRef,
        inclusion: L1BlockNumber,
    ) -> Result<(), SpanProgress> {
        if self.parent.is_none() {
            let parent = self.find_parent(config, safe_head)?;
            check_prefix(config, epochs, &self.blocks.span, &parent, inclusion)?;
            self.parent = Some(parent);
        }
        self.compare_overlap(config, safe_head)
    }

    /// The block the span follows, by its timestamp: the safe head or one below it.
    fn find_parent(
        &mut self,
        config: &RollupConfig,
        safe_head: &L2BlockRef,
    ) -> Result<L2BlockRef, SpanProgress> {
        let next_timestamp = safe_head.timestamp.saturating_add(config.block_time);
        let span = &self.blocks.span;
        let (first, last) = (span.first_timestamp(), span.last_timestamp());
        if first > next_timestamp {
            return Err(drop_for(DiscardReason::BatchFuture));
        }
        if last < next_timestamp {
            return Err(skip_for(DiscardReason::BatchPast));
        }
        if first == next_timestamp {
            return Ok(*safe_head);
        }
        let ahead = safe_head.timestamp.checked_sub(first);
        let overlap = ahead
            .filter(|ahead| ahead % config.block_time == 0)
            .map(|ahead| ahead / config.block_time + 1)
            .ok_or(drop_for(DiscardReason::BatchMisaligned))?;
        // A span that claims to begin at or before genesis has no parent on this chain.
        let number = safe_head
            .number
            .0
            .checked_sub(overlap)
            .ok_or(skip_for(DiscardReason::SpanEpochUnknown))?;
        let number = L2BlockNumber(number);
        self.provided
            .take()
            .filter(|safe| safe.reference.number == number)
            .map(|safe| safe.reference)
            .ok_or(SpanProgress::NeedSafeBlock(number))
    }

    /// Every block of the span that is safe already must say what the safe chain says.
    fn compare_overlap(&mut self, config: &RollupConfig, safe_head: &L2BlockRef) -> Result<(), SpanProgress> {
        while let Some(block) = self.blocks.peek() {
            let Some(behind) = safe_head.timestamp.checked_sub(block.timestamp) else {
                break;
            };
            let number = safe_head.number.saturating_sub(behind / config.block_time);
            let safe = self
                .provided
                .take()
                .filter(|safe| safe.reference.number == number)
                .ok_or(SpanProgress::NeedSafeBlock(number))?;
            if !says_the_same(block, &safe) {
                return Err(drop_for(DiscardReason::SpanContradictsSafe));
            }
            self.blocks.pop();
        }
        Ok(())
    }

    /// The blocks of an accepted span after the safe head.
    pub(super) fn into_new_blocks(self) -> SpanBlocks {
        self.blocks
    }
}

fn check_prefix(
    config: &RollupConfig,
    epochs: &Epochs,
    span: &SpanBatch,
    parent: &L2BlockRef,
    inclusion: L1BlockNumber,
) -> Result<(), SpanProgress> {
    if !span.matches_parent(&parent.hash) {
        return Err(drop_for(DiscardReason::BatchParent));
    }
    let first_epoch = span.first_epoch();
    if first_epoch.0.saturating_add(config.seq_window_size) < inclusion.0 {
        return Err(drop_for(DiscardReason::BatchTooLate));
    }
    if first_epoch.0 > parent.l1_origin.number.0.saturating_add(1) {
        return Err(drop_for(DiscardReason::EpochTooNew));
    }
    // op-node and kona call this undecided, forget the span and read on in the same channel. So must we, or chains would part.
    let last_epoch = epochs
        .at(span.last_epoch())
        .ok_or(skip_for(DiscardReason::SpanEpochUnknown))?;
    if !span.matches_l1_origin(&last_epoch.hash) {
        return Err(drop_for(DiscardReason::EpochHash));
    }
    if first_epoch < parent.l1_origin.number {
        return Err(drop_for(DiscardReason::EpochTooOld));
    }
    Ok(())
}

/// Whether a block of the span has the epoch and the transactions of a block that is safe. The span lacks its deposits.
fn says_the_same(block: &SpanBlock, safe: &SafeBlock) -> bool {
    let transactions = safe
        .transactions
        .iter()
        .skip_while(|tx| tx.first() == Some(&DEPOSIT_TX_TYPE_ID));
    block.epoch_number == safe.reference.l1_origin.number && transactions.eq(&block.transactions)
}

const fn drop_for(reason: DiscardReason) -> SpanProgress {
    SpanProgress::Decided(Verdict::Drop(reason))
}

const fn skip_for(reason: DiscardReason) -> SpanProgress {
    SpanProgress::Decided(Verdict::Skip(reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::fixture::{BLOCK_TIME, Fixture, PARENT_TIME, l1_hash, l2_hash, safe_block};
    use DiscardReason as R;
    use alloc::vec::Vec;
    use alloy_primitives::Bytes;
    use tributary_protocol::batch::{SingularBatch, SpanParameters};

    /// A span of empty blocks: the height of its parent by time, and the epoch of each block.
    fn batches(parent: u64, epochs: &[u64]) -> Vec<SingularBatch> {
        (parent + 1..)
            .zip(epochs)
            .map(|(number, epoch)| SingularBatch {
                parent_hash: l2_hash(number - 1),
                epoch_number: L1BlockNumber(*epoch),
                epoch_hash: l1_hash(*epoch),
                timestamp: PARENT_TIME + number * BLOCK_TIME - 50 * BLOCK_TIME,
                transactions: Vec::new(),
            })
            .collect()
    }

    fn join(batches: &[SingularBatch]) -> SpanBatch {
        let parameters = SpanParameters {
            genesis_time: 0,
            block_time_secs: BLOCK_TIME,
            chain_id: 901,
        };
        SpanBatch::from_singular(batches, 1, parameters).unwrap()
    }

    fn span(parent: u64, epochs: &[u64]) -> SpanBatch {
        join(&batches(parent, epochs))
    }

    /// Checks to the end, with safe blocks that hold a deposit and nothing else. Returns which were asked for.
    fn run(fixture: &Fixture, inclusion: u64, span: SpanBatch, asked: &mut Vec<u64>) -> (Verdict, SpanCheck) {
        let mut check = SpanCheck::new(span);
        loop {
            let inclusion = L1BlockNumber(inclusion);
            match check.check(&fixture.config, &fixture.epochs, &fixture.parent, inclusion) {
                SpanProgress::Decided(verdict) => return (verdict, check),
                SpanProgress::NeedSafeBlock(number) => {
                    asked.push(number.0);
                    check.provide(SafeBlock {
                        reference: safe_block(number.0),
                        transactions: Vec::from([Bytes::from_static(b"\x7edeposit")]),
                    });
                }
            }
        }
    }

    fn check(fixture: &Fixture, inclusion: u64, span: SpanBatch) -> (Verdict, Vec<u64>) {
        let mut asked = Vec::new();
        let (verdict, _) = run(fixture, inclusion, span, &mut asked);
        (verdict, asked)
    }

    #[test]
    fn span_on_the_safe_head_is_accepted_without_questions() {
        let fixture = Fixture::new();
        assert_eq!(
            check(&fixture, 12, span(50, &[10, 10, 11])),
            (Verdict::Accept, Vec::new())
        );
    }

    #[test]
    fn overlapping_span_is_compared_block_by_block() {
        let fixture = Fixture::new();
        let found = check(&fixture, 12, span(47, &[9, 10, 10, 10, 11]));
        assert_eq!(found, (Verdict::Accept, Vec::from([47, 48, 49, 50])));
    }

    #[test]
    fn each_rule_has_its_verdict() {
        let fixture = Fixture::new();
        let changed = |parent, epochs: &[u64], change: &dyn Fn(&mut [SingularBatch])| {
            let mut batches = batches(parent, epochs);
            change(&mut batches);
            join(&batches)
        };
        let later = |batches: &mut [SingularBatch]| batches.iter_mut().for_each(|batch| batch.timestamp += 1);
        let transaction = Bytes::from_static(b"\x02");
        let cases = [
            (12, span(51, &[10]), Verdict::Drop(R::BatchFuture)),
            (12, span(48, &[10, 10]), Verdict::Skip(R::BatchPast)),
            (
                12,
                changed(49, &[10, 10], &later),
                Verdict::Drop(R::BatchMisaligned),
            ),
            (
                12,
                changed(48, &[10, 10, 10], &later),
                Verdict::Drop(R::BatchMisaligned),
            ),
            (
                12,
                changed(50, &[10], &|batches| batches[0].parent_hash.0[0] ^= 1),
                Verdict::Drop(R::BatchParent),
            ),
            (
                12,
                changed(48, &[10, 10, 10], &|batches| batches[0].parent_hash.0[0] ^= 1),
                Verdict::Drop(R::BatchParent),
            ),
            (16, span(50, &[10, 11]), Verdict::Drop(R::BatchTooLate)),
            (12, span(50, &[12]), Verdict::Drop(R::EpochTooNew)),
            (
                12,
                span(50, &[10, 11, 12, 13]),
                Verdict::Skip(R::SpanEpochUnknown),
            ),
            (
                12,
                changed(50, &[10, 11], &|batches| batches[1].epoch_hash.0[19] ^= 1),
                Verdict::Drop(R::EpochHash),
            ),
            // Its last epoch is known, its first is older than its parent's.
            (12, span(50, &[9, 10]), Verdict::Drop(R::EpochTooOld)),
            (
                12,
                changed(48, &[10, 10, 10], &|batches| {
                    batches[1].transactions.push(transaction.clone());
                }),
                Verdict::Drop(R::SpanContradictsSafe),
            ),
            // Block 49 opened epoch 10; here it is still in 9.
            (12, span(48, &[9, 10, 10]), Verdict::Drop(R::SpanContradictsSafe)),
            (
                12,
                changed(48, &[10, 10, 10], &|batches| {
                    batches[2].transactions.push(transaction.clone());
                }),
                Verdict::Accept,
            ),
        ];
        for (index, (inclusion, span, expected)) in cases.into_iter().enumerate() {
            assert_eq!(check(&fixture, inclusion, span).0, expected, "case {index}");
        }
    }

    #[test]
    fn only_blocks_after_the_safe_head_are_new() {
        let fixture = Fixture::new();
        let (verdict, check) = run(&fixture, 12, span(48, &[10, 10, 10, 11]), &mut Vec::new());
        assert_eq!(verdict, Verdict::Accept);
        let mut blocks = check.into_new_blocks();
        let found: Vec<_> = core::iter::from_fn(|| blocks.pop())
            .map(|block| (block.timestamp, block.epoch_number.0))
            .collect();
        assert_eq!(found, [(PARENT_TIME + 2, 10), (PARENT_TIME + 4, 11)]);
    }

    #[test]
    fn long_span_gives_every_block_once() {
        let count = 2 * BLOCKS_AT_A_TIME + 3;
        let mut blocks = SpanBlocks::new(span(50, &alloc::vec![10; count]));
        let times: Vec<_> = core::iter::from_fn(|| blocks.pop())
            .map(|block| block.timestamp)
            .collect();
        let expected: Vec<_> = (0..count as u64)
            .map(|index| PARENT_TIME + (index + 1) * BLOCK_TIME)
            .collect();
        assert_eq!(times, expected);
    }
}
