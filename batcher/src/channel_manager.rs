//! Which blocks go into the next channel, and when it closes. Pure: the driver brings blocks and the time.

use std::{collections::VecDeque, time::Duration};
use tributary_protocol::{
    batch::SingularBatch,
    block::{L1BlockNumber, L2BlockId, L2BlockNumber, L2BlockRef},
    execute::estimated_da_bytes,
};

/// Blocks held while earlier channels are on their way to L1. At one block a second this is over an hour of backlog; the driver
/// loads no more until some are posted.
pub const PENDING_BLOCKS_MAX: usize = 4_096;

/// Batch data held at which no more blocks are taken, in bytes: far more than all channels that may be under way hold, far less than
/// 4,096 full blocks.
pub const PENDING_BYTES_MAX: usize = 256 << 20;

/// When a channel closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelPolicy {
    /// Longest time between taking a channel's first block and closing it.
    pub max_duration: Duration,
    /// Batch data, before compression, above which a channel closes, in bytes.
    pub max_input_bytes: usize,
    /// A channel closes early when this many L1 blocks or fewer are left of its first block's sequencing window.
    pub safety_margin_l1_blocks: u64,
    /// Length of the sequencing window, in L1 blocks.
    pub seq_window_l1_blocks: u64,
}

/// A block waiting to be posted.
#[derive(Clone, Debug)]
pub struct PendingBlock {
    /// The block.
    pub block: L2BlockRef,
    /// Its batch.
    pub batch: SingularBatch,
}

impl PendingBlock {
    /// Bytes of its batch before compression, about.
    pub(crate) fn input_bytes(&self) -> usize {
        // Fixed fields of a batch; exactness does not matter for a threshold.
        const BATCH_OVERHEAD: usize = 100;
        BATCH_OVERHEAD
            + self
                .batch
                .transactions
                .iter()
                .map(|transaction| transaction.len())
                .sum::<usize>()
    }

    /// What its transactions will take on the DA layer, as the sequencer estimates it.
    fn da_bytes(&self) -> u64 {
        let transactions = self.batch.transactions.iter();
        transactions
            .map(|transaction| estimated_da_bytes(transaction))
            .sum()
    }
}

/// Why a channel closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// It holds as much as a channel may.
    Full,
    /// Its first block has waited long enough.
    Duration,
    /// Its first block's sequencing window is nearly over.
    WindowMargin,
    /// The operator asked, or the process ends.
    Flush,
}

impl CloseReason {
    /// Name for logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Duration => "duration",
            Self::WindowMargin => "window_margin",
            Self::Flush => "flush",
        }
    }
}

/// A block that does not continue what we hold: the node replaced blocks, and the driver must start again after the safe head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {found} has parent {parent}, but the block before it here is {expected}", found = .found.0)]
pub struct Discontinuity {
    /// Height of the block offered.
    pub found: L2BlockNumber,
    /// Its parent.
    pub parent: alloy::primitives::B256,
    /// The last block we hold.
    pub expected: alloy::primitives::B256,
}

/// What is asked of a waiting block often.
#[derive(Clone, Copy, Debug)]
struct Mark {
    da_bytes: u64,
    input_bytes: usize,
    /// When it was taken, in the driver's time.
    taken_at: Duration,
}

/// A channel that it is time to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// How many of the waiting blocks may go in, at least one.
    pub count: usize,
    /// Why now.
    pub reason: CloseReason,
}

/// Blocks from the first that is not on L1 on, in order.
#[derive(Debug)]
pub struct ChannelManager {
    policy: ChannelPolicy,
    /// Last block handed out or held; the next one must follow it.
    tip: L2BlockId,
    blocks: VecDeque<PendingBlock>,
    /// One for each of `blocks`.
    marks: VecDeque<Mark>,
    /// Sums over `marks`.
    da_bytes: u64,
    input_bytes: usize,
    /// Batch data above which a channel is full; at most the policy's.
    input_bytes_max: usize,
}

impl ChannelManager {
    /// A manager that goes on after `after`.
    #[must_use]
    pub const fn new(policy: ChannelPolicy, after: L2BlockId) -> Self {
        Self {
            policy,
            tip: after,
            blocks: VecDeque::new(),
            marks: VecDeque::new(),
            da_bytes: 0,
            input_bytes: 0,
            input_bytes_max: policy.max_input_bytes,
        }
    }

    /// Height of the block to bring next, or `None` while enough are waiting.
    #[must_use]
    pub fn next_wanted(&self) -> Option<L2BlockNumber> {
        let has_room = self.blocks.len() < PENDING_BLOCKS_MAX && self.input_bytes < PENDING_BYTES_MAX;
        has_room.then(|| self.tip.number.next())
    }

    /// Takes the next block at time `now`.
    ///
    /// # Errors
    /// [`Discontinuity`] if it does not follow the last one; nothing changes then.
    pub fn push(&mut self, pending: PendingBlock, now: Duration) -> Result<(), Discontinuity> {
        if pending.block.parent_hash != self.tip.hash || pending.block.number != self.tip.number.next() {
            return Err(Discontinuity {
                found: pending.block.number,
                parent: pending.block.parent_hash,
                expected: self.tip.hash,
            });
        }
        self.tip = pending.block.id();
        let (da_bytes, input_bytes) = (pending.da_bytes(), pending.input_bytes());
        self.da_bytes += da_bytes;
        self.input_bytes += input_bytes;
        self.blocks.push_back(pending);
        self.marks.push_back(Mark {
            da_bytes,
            input_bytes,
            taken_at: now,
        });
        Ok(())
    }

    /// Calls a channel full at fewer bytes than the policy does.
    pub fn set_input_bytes_max(&mut self, bytes: usize) {
        self.input_bytes_max = bytes.min(self.policy.max_input_bytes);
    }

    /// Whether it is time to close a channel.
    #[must_use]
    pub fn due(&self, now: Duration, l1_head: L1BlockNumber, flush: bool) -> Option<Due> {
        let (first, mark) = self.blocks.front().zip(self.marks.front())?;
        let (count, full) = self.fitting();
        let origin = first.block.l1_origin.number.0;
        let window_end = origin.saturating_add(self.policy.seq_window_l1_blocks);
        let margin_reached = l1_head.0.saturating_add(self.policy.safety_margin_l1_blocks) >= window_end;
        let waited = now.saturating_sub(mark.taken_at);
        let reason = if full {
            CloseReason::Full
        } else if waited >= self.policy.max_duration {
            CloseReason::Duration
        } else if margin_reached {
            CloseReason::WindowMargin
        } else if flush {
            CloseReason::Flush
        } else {
            return None;
        };
        Some(Due { count, reason })
    }

    /// The first `count` waiting blocks.
    pub fn first(&mut self, count: usize) -> &[PendingBlock] {
        let blocks = self.blocks.make_contiguous();
        &blocks[..count.min(blocks.len())]
    }

    /// Hands out the first `count` waiting blocks.
    pub fn take(&mut self, count: usize) -> Vec<PendingBlock> {
        let count = count.min(self.blocks.len());
        for mark in self.marks.drain(..count) {
            self.da_bytes -= mark.da_bytes;
            self.input_bytes -= mark.input_bytes;
        }
        self.blocks.drain(..count).collect()
    }

    /// The blocks of the next channel, if it is time to close one.
    pub fn close(
        &mut self,
        now: Duration,
        l1_head: L1BlockNumber,
        flush: bool,
    ) -> Option<(Vec<PendingBlock>, CloseReason)> {
        let Due { count, reason } = self.due(now, l1_head, flush)?;
        Some((self.take(count), reason))
    }

    /// Blocks waiting.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.blocks.len()
    }

    /// Bytes that the waiting blocks will take on the DA layer, as the sequencer estimates them: more than they will take compressed together.
    #[must_use]
    pub const fn pending_da_bytes(&self) -> u64 {
        self.da_bytes
    }

    /// How many of the waiting blocks fit into one channel (at least one), and whether that fills it.
    fn fitting(&self) -> (usize, bool) {
        let mut bytes = 0;
        for (index, mark) in self.marks.iter().enumerate() {
            bytes += mark.input_bytes;
            if bytes >= self.input_bytes_max {
                let overshoots = bytes > self.input_bytes_max && index > 0;
                return (if overshoots { index } else { index + 1 }, true);
            }
        }
        (self.blocks.len(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{B256, Bytes};
    use tributary_protocol::block::L1BlockId;

    const POLICY: ChannelPolicy = ChannelPolicy {
        max_duration: Duration::from_secs(10),
        max_input_bytes: 1_000,
        safety_margin_l1_blocks: 5,
        seq_window_l1_blocks: 30,
    };

    fn hash(number: u64) -> B256 {
        B256::with_last_byte(u8::try_from(number).unwrap())
    }

    fn block(number: u64, transaction_bytes: usize) -> PendingBlock {
        let transactions = vec![Bytes::from(vec![1; transaction_bytes])];
        PendingBlock {
            block: L2BlockRef {
                hash: hash(number),
                number: L2BlockNumber(number),
                parent_hash: hash(number - 1),
                timestamp: number,
                l1_origin: L1BlockId {
                    number: L1BlockNumber(100),
                    hash: B256::ZERO,
                },
                sequence_number: 0,
            },
            batch: SingularBatch {
                parent_hash: hash(number - 1),
                epoch_number: L1BlockNumber(100),
                epoch_hash: B256::ZERO,
                timestamp: number,
                transactions,
            },
        }
    }

    fn manager(blocks: impl IntoIterator<Item = PendingBlock>) -> ChannelManager {
        let mut manager = ChannelManager::new(
            POLICY,
            L2BlockId {
                number: L2BlockNumber(0),
                hash: hash(0),
            },
        );
        for block in blocks {
            manager.push(block, Duration::ZERO).unwrap();
        }
        manager
    }

    fn numbers(closed: Option<(Vec<PendingBlock>, CloseReason)>) -> Option<(Vec<u64>, CloseReason)> {
        closed.map(|(blocks, reason)| (blocks.iter().map(|block| block.block.number.0).collect(), reason))
    }

    #[test]
    fn a_channel_stays_open_until_there_is_a_reason() {
        let mut manager = manager([block(1, 10)]);
        assert!(
            manager
                .close(Duration::from_secs(9), L1BlockNumber(100), false)
                .is_none()
        );
        let closed = manager.close(Duration::from_secs(10), L1BlockNumber(100), false);
        assert_eq!(numbers(closed), Some((vec![1], CloseReason::Duration)));
        assert!(
            manager
                .close(Duration::from_secs(99), L1BlockNumber(200), true)
                .is_none()
        );
    }

    #[test]
    fn a_full_channel_leaves_the_block_that_does_not_fit() {
        let mut manager = manager([block(1, 300), block(2, 300), block(3, 300)]);
        let closed = manager.close(Duration::ZERO, L1BlockNumber(100), false);
        assert_eq!(numbers(closed), Some((vec![1, 2], CloseReason::Full)));
        assert_eq!(manager.pending(), 1);
    }

    #[test]
    fn the_backlog_counts_what_waits_and_the_age_of_its_first_block() {
        let mut manager = manager([block(1, 300), block(2, 300)]);
        let late = Duration::from_secs(7);
        manager.push(block(3, 300), late).unwrap();
        assert_eq!(manager.pending_da_bytes(), 300, "three of the least estimate");
        manager.close(late, L1BlockNumber(100), false).unwrap();
        assert_eq!(manager.pending_da_bytes(), 100);
        assert!(
            manager
                .close(Duration::from_secs(16), L1BlockNumber(100), false)
                .is_none()
        );
        let closed = manager.close(Duration::from_secs(17), L1BlockNumber(100), false);
        assert_eq!(numbers(closed), Some((vec![3], CloseReason::Duration)));
        assert_eq!(manager.pending_da_bytes(), 0);
    }

    #[test]
    fn no_more_is_taken_than_is_held() {
        let mut manager = manager([]);
        let huge = Bytes::from(vec![0; PENDING_BYTES_MAX / 4]);
        for number in 1..=4 {
            assert_eq!(manager.next_wanted(), Some(L2BlockNumber(number)));
            let mut pending = block(number, 0);
            // Clones share the bytes.
            pending.batch.transactions = vec![huge.clone()];
            manager.push(pending, Duration::ZERO).unwrap();
        }
        assert_eq!(manager.next_wanted(), None);
        manager.take(1);
        assert_eq!(manager.next_wanted(), Some(L2BlockNumber(5)));
    }

    #[test]
    fn a_block_larger_than_a_channel_goes_alone() {
        let mut manager = manager([block(1, 5_000), block(2, 10)]);
        let closed = manager.close(Duration::ZERO, L1BlockNumber(100), false);
        assert_eq!(numbers(closed), Some((vec![1], CloseReason::Full)));
    }

    #[test]
    fn a_window_that_nearly_ends_closes_the_channel() {
        let mut manager = manager([block(1, 10)]);
        assert!(manager.close(Duration::ZERO, L1BlockNumber(124), false).is_none());
        let closed = manager.close(Duration::ZERO, L1BlockNumber(125), false);
        assert_eq!(numbers(closed), Some((vec![1], CloseReason::WindowMargin)));
    }

    #[test]
    fn a_block_that_does_not_follow_is_refused_and_changes_nothing() {
        let mut manager = manager([block(1, 10)]);
        assert!(manager.push(block(3, 10), Duration::ZERO).is_err());
        let mut fork = block(2, 10);
        fork.block.parent_hash = hash(77);
        assert!(manager.push(fork, Duration::ZERO).is_err());
        assert_eq!(manager.next_wanted(), Some(L2BlockNumber(2)));
        manager.push(block(2, 10), Duration::ZERO).unwrap();
    }
}
