//! Whether a batch of one block may be the next block. Spec: OP Stack, protocol/derivation (batch queue) as changed by Holocene.
//!
//! Checks that concern forks not active from genesis have no counterpart here: every fork we know is active from the first block,
//! so there is no block that activates one.

use super::epochs::Epochs;
use crate::discard::DiscardReason;
use alloy_primitives::Bytes;
use op_alloy_consensus::DEPOSIT_TX_TYPE_ID;
use tributary_protocol::{
    batch::SingularBatch,
    block::{L1BlockNumber, L1BlockRef, L2BlockRef},
    config::{MAX_SEQUENCER_DRIFT_SECS, RollupConfig},
};

/// What a check says of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is next.
    Accept,
    /// It says nothing new: go on with the batch after it.
    Skip(DiscardReason),
    /// It is wrong: the rest of its span and channel goes with it.
    Drop(DiscardReason),
}

/// Checks `batch`, read from the L1 block at `inclusion`, as the block after `parent`.
#[must_use]
pub(super) fn check_singular(
    config: &RollupConfig,
    epochs: &Epochs,
    parent: &L2BlockRef,
    inclusion: L1BlockNumber,
    batch: &SingularBatch,
) -> Verdict {
    let next_timestamp = parent.timestamp.saturating_add(config.block_time);
    if batch.timestamp < next_timestamp {
        return Verdict::Skip(DiscardReason::BatchPast);
    }
    match check_next(config, epochs, parent, inclusion, batch, next_timestamp) {
        Ok(()) => Verdict::Accept,
        Err(reason) => Verdict::Drop(reason),
    }
}

fn check_next(
    config: &RollupConfig,
    epochs: &Epochs,
    parent: &L2BlockRef,
    inclusion: L1BlockNumber,
    batch: &SingularBatch,
    next_timestamp: u64,
) -> Result<(), DiscardReason> {
    if batch.timestamp > next_timestamp {
        return Err(DiscardReason::BatchFuture);
    }
    if batch.parent_hash != parent.hash {
        return Err(DiscardReason::BatchParent);
    }
    if batch.epoch_number.0.saturating_add(config.seq_window_size) < inclusion.0 {
        return Err(DiscardReason::BatchTooLate);
    }
    let epoch = epoch_of(epochs, parent, batch.epoch_number)?;
    if batch.epoch_hash != epoch.hash {
        return Err(DiscardReason::EpochHash);
    }
    if batch.timestamp < epoch.timestamp {
        return Err(DiscardReason::BatchBeforeEpochTime);
    }
    check_drift(epochs, parent, batch, epoch)?;
    batch.transactions.iter().try_for_each(check_transaction)
}

/// The epoch the batch names, which must be its parent's or the one after.
fn epoch_of(
    epochs: &Epochs,
    parent: &L2BlockRef,
    number: L1BlockNumber,
) -> Result<L1BlockRef, DiscardReason> {
    if number < parent.l1_origin.number {
        return Err(DiscardReason::EpochTooOld);
    }
    if number.0 - parent.l1_origin.number.0 > 1 {
        return Err(DiscardReason::EpochTooNew);
    }
    // Both are among the epochs once derivation has read past the parent's.
    epochs.at(number).ok_or(DiscardReason::EpochTooNew)
}

/// Too far ahead of its epoch a batch may only be empty, and only if it could not have taken up the next epoch instead.
fn check_drift(
    epochs: &Epochs,
    parent: &L2BlockRef,
    batch: &SingularBatch,
    epoch: L1BlockRef,
) -> Result<(), DiscardReason> {
    if batch.timestamp <= epoch.timestamp.saturating_add(MAX_SEQUENCER_DRIFT_SECS) {
        return Ok(());
    }
    let opens_epoch = epoch.number != parent.l1_origin.number;
    let next_was_possible = || {
        epochs
            .at(epoch.number.next())
            .is_some_and(|next| batch.timestamp >= next.timestamp)
    };
    if batch.transactions.is_empty() && (opens_epoch || !next_was_possible()) {
        Ok(())
    } else {
        Err(DiscardReason::SequencerDrift)
    }
}

/// Other types that no chain of ours has are left to execution, which refuses the block; that is how op-node and kona divide it.
fn check_transaction(transaction: &Bytes) -> Result<(), DiscardReason> {
    match transaction.first() {
        None => Err(DiscardReason::TransactionEmpty),
        Some(&DEPOSIT_TX_TYPE_ID) => Err(DiscardReason::TransactionDeposit),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::fixture::{BLOCK_TIME, Fixture};
    use DiscardReason as R;
    use alloc::vec::Vec;

    fn check(fixture: &Fixture, inclusion: u64, batch: &SingularBatch) -> Verdict {
        check_singular(
            &fixture.config,
            &fixture.epochs,
            &fixture.parent,
            L1BlockNumber(inclusion),
            batch,
        )
    }

    #[test]
    fn next_block_in_the_same_or_the_next_epoch_is_accepted() {
        let fixture = Fixture::new();
        for epoch in [10, 11] {
            assert_eq!(check(&fixture, 12, &fixture.next(epoch)), Verdict::Accept);
        }
    }

    #[test]
    fn each_rule_has_its_reason() {
        let fixture = Fixture::new();
        let transactions = |bytes: &'static [u8]| Vec::from([Bytes::from_static(bytes)]);
        let next = |change: &dyn Fn(&mut SingularBatch)| {
            let mut batch = fixture.next(10);
            change(&mut batch);
            batch
        };
        let cases = [
            (next(&|batch| batch.timestamp -= 1), Verdict::Skip(R::BatchPast)),
            (next(&|batch| batch.timestamp = 0), Verdict::Skip(R::BatchPast)),
            (next(&|batch| batch.timestamp += 1), Verdict::Drop(R::BatchFuture)),
            (
                next(&|batch| batch.timestamp = u64::MAX),
                Verdict::Drop(R::BatchFuture),
            ),
            (
                next(&|batch| batch.parent_hash.0[31] ^= 1),
                Verdict::Drop(R::BatchParent),
            ),
            (
                next(&|batch| batch.epoch_number = L1BlockNumber(9)),
                Verdict::Drop(R::EpochTooOld),
            ),
            (
                next(&|batch| batch.epoch_number = L1BlockNumber(12)),
                Verdict::Drop(R::EpochTooNew),
            ),
            (
                next(&|batch| batch.epoch_number = L1BlockNumber(u64::MAX)),
                Verdict::Drop(R::EpochTooNew),
            ),
            (
                next(&|batch| batch.epoch_hash.0[0] ^= 1),
                Verdict::Drop(R::EpochHash),
            ),
            (
                next(&|batch| batch.transactions = transactions(b"")),
                Verdict::Drop(R::TransactionEmpty),
            ),
            (
                next(&|batch| batch.transactions = transactions(b"\x7e")),
                Verdict::Drop(R::TransactionDeposit),
            ),
            // Execution refuses these: the block is then one of deposits alone.
            (
                next(&|batch| batch.transactions = transactions(b"\x03")),
                Verdict::Accept,
            ),
            (
                next(&|batch| batch.transactions = transactions(b"\x7d")),
                Verdict::Accept,
            ),
        ];
        for (batch, expected) in cases {
            assert_eq!(check(&fixture, 12, &batch), expected, "{batch:?}");
        }
    }

    #[test]
    fn batch_lands_up_to_the_end_of_its_window() {
        let fixture = Fixture::new();
        let last = 10 + fixture.config.seq_window_size;
        assert_eq!(check(&fixture, last, &fixture.next(10)), Verdict::Accept);
        assert_eq!(
            check(&fixture, last + 1, &fixture.next(10)),
            Verdict::Drop(R::BatchTooLate)
        );
        assert_eq!(check(&fixture, last + 1, &fixture.next(11)), Verdict::Accept);
    }

    #[test]
    fn batch_is_never_earlier_than_its_epoch() {
        let mut fixture = Fixture::new();
        fixture.set_epoch_time(11, fixture.parent.timestamp + BLOCK_TIME + 1);
        assert_eq!(
            check(&fixture, 12, &fixture.next(11)),
            Verdict::Drop(R::BatchBeforeEpochTime)
        );
    }

    #[test]
    fn beyond_the_drift_only_empty_blocks_that_had_no_choice_are_accepted() {
        let mut fixture = Fixture::new();
        let timestamp = fixture.parent.timestamp + BLOCK_TIME;
        let full = |mut batch: SingularBatch| {
            batch.transactions.push(Bytes::from_static(b"\x02"));
            batch
        };
        // Exactly at the limit.
        fixture.set_epoch_time(10, timestamp - MAX_SEQUENCER_DRIFT_SECS);
        assert_eq!(check(&fixture, 12, &full(fixture.next(10))), Verdict::Accept);
        // One second beyond it, with the next epoch still to come.
        fixture.set_epoch_time(10, timestamp - MAX_SEQUENCER_DRIFT_SECS - 1);
        fixture.set_epoch_time(11, timestamp + 1);
        assert_eq!(
            check(&fixture, 12, &full(fixture.next(10))),
            Verdict::Drop(R::SequencerDrift)
        );
        assert_eq!(check(&fixture, 12, &fixture.next(10)), Verdict::Accept);
        // The next epoch could have been taken up.
        fixture.set_epoch_time(11, timestamp);
        assert_eq!(
            check(&fixture, 12, &fixture.next(10)),
            Verdict::Drop(R::SequencerDrift)
        );
        // Taking it up is allowed although it is as old.
        fixture.set_epoch_time(11, timestamp - MAX_SEQUENCER_DRIFT_SECS - 1);
        assert_eq!(check(&fixture, 12, &fixture.next(11)), Verdict::Accept);
        assert_eq!(
            check(&fixture, 12, &full(fixture.next(11))),
            Verdict::Drop(R::SequencerDrift)
        );
    }
}
