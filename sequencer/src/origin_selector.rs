//! Which L1 block the next L2 block builds on, by the same rules by which derivation would accept it.
//!
//! ```text
//!  L1:   ... current ---- next ---- ...      next is adopted as soon as it is known, confirmed,
//!               ^            ^               and not later than the new L2 block
//!  L2:   ... parent      new block?
//! ```
//! A block's origin is its parent's or the one after it, never later than the block, and at most [`MAX_SEQUENCER_DRIFT_SECS`]
//! before it; beyond that a block may hold deposits only, and must adopt the next origin if that is not later than it. While L1
//! cannot be reached the current origin serves on, until the drift is used up.
//!
//! A chain that was down comes back with an old origin, whose batches may be too late already: derivation then puts empty blocks in
//! their place. So while an origin is older than half its sequencing window blocks hold deposits only. They equal what derivation
//! would put there, so whether their batch lands in time or not, nothing is taken back; and they get the chain out of the old epochs.

use tributary_protocol::{
    block::{L1BlockRef, L2BlockRef},
    config::MAX_SEQUENCER_DRIFT_SECS,
};

/// What to build on, or why not to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginChoice {
    /// The parent's origin.
    Current {
        /// True when the block must hold deposits only.
        deposits_only: bool,
    },
    /// The L1 block after the parent's origin.
    Next {
        /// True when the block must hold deposits only.
        deposits_only: bool,
    },
    /// Nothing that derivation would accept for certain.
    Wait(WaitReason),
}

/// Why no block can be built now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitReason {
    /// The L1 block our chain builds on has not been read yet.
    OriginUnknown,
    /// The L1 block our chain builds on is not on L1 any more; derivation will take our blocks back.
    OriginReorged,
    /// The drift is used up and whether a next origin exists is not known.
    DriftUsedUp,
    /// The sequencing window of the origin is over: derivation decides what this block is.
    WindowOver,
}

impl WaitReason {
    /// For logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OriginUnknown => "origin_unknown",
            Self::OriginReorged => "origin_reorged",
            Self::DriftUsedUp => "drift_used_up",
            Self::WindowOver => "window_over",
        }
    }
}

/// What is known of L1 when the choice is made.
#[derive(Clone, Copy, Debug)]
pub struct KnownL1 {
    /// The canonical L1 block at the parent's origin's number.
    pub current: Option<L1BlockRef>,
    /// The block after it.
    pub next: Option<L1BlockRef>,
    /// Number of the newest L1 block heard of.
    pub head_number: u64,
}

/// Chooses the origin of the block after `parent`, whose timestamp will be `timestamp`.
///
/// `confirmations` is how many L1 blocks must be built on an origin before it is adopted.
#[must_use]
pub fn choose_origin(
    parent: &L2BlockRef,
    timestamp: u64,
    known: &KnownL1,
    confirmations: u64,
    window_l1_blocks: u64,
) -> OriginChoice {
    let Some(current) = known.current else {
        return OriginChoice::Wait(WaitReason::OriginUnknown);
    };
    let reorged = known.next.is_some_and(|next| next.parent_hash != current.hash);
    if current.hash != parent.l1_origin.hash || reorged {
        return OriginChoice::Wait(WaitReason::OriginReorged);
    }
    let choice = choose_linked(timestamp, &current, known, confirmations);
    let (epoch, deposits_only) = match choice {
        OriginChoice::Wait(_) => return choice,
        OriginChoice::Current { deposits_only } => (current.number.0, deposits_only),
        OriginChoice::Next { deposits_only } => (current.number.0 + 1, deposits_only),
    };
    let age = known.head_number.saturating_sub(epoch);
    if age >= window_l1_blocks {
        return OriginChoice::Wait(WaitReason::WindowOver);
    }
    let deposits_only = deposits_only || age > window_l1_blocks / 2;
    match choice {
        OriginChoice::Current { .. } => OriginChoice::Current { deposits_only },
        _ => OriginChoice::Next { deposits_only },
    }
}

fn choose_linked(timestamp: u64, current: &L1BlockRef, known: &KnownL1, confirmations: u64) -> OriginChoice {
    let over_drift =
        |origin: &L1BlockRef| timestamp > origin.timestamp.saturating_add(MAX_SEQUENCER_DRIFT_SECS);
    let over = over_drift(current);
    match known.next {
        Some(next) if next.timestamp <= timestamp => {
            let confirmed = next.number.0.saturating_add(confirmations) <= known.head_number;
            if confirmed || over {
                OriginChoice::Next {
                    deposits_only: over_drift(&next),
                }
            } else {
                OriginChoice::Current { deposits_only: false }
            }
        }
        None if over => OriginChoice::Wait(WaitReason::DriftUsedUp),
        _ => OriginChoice::Current { deposits_only: over },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::B256;
    use tributary_protocol::block::{L1BlockId, L1BlockNumber};

    const WINDOW: u64 = 30;

    fn l1(number: u64, timestamp: u64) -> L1BlockRef {
        let hash = |number: u64| B256::from(alloy::primitives::U256::from(number + 1));
        L1BlockRef {
            hash: hash(number),
            number: L1BlockNumber(number),
            parent_hash: hash(number.wrapping_sub(1)),
            timestamp,
        }
    }

    fn parent(origin: &L1BlockRef) -> L2BlockRef {
        L2BlockRef {
            l1_origin: L1BlockId {
                hash: origin.hash,
                number: origin.number,
            },
            ..L2BlockRef::default()
        }
    }

    fn choose(
        timestamp: u64,
        next: Option<L1BlockRef>,
        head_number: u64,
        confirmations: u64,
    ) -> OriginChoice {
        let current = l1(10, 1_000);
        let known = KnownL1 {
            current: Some(current),
            next,
            head_number,
        };
        choose_origin(&parent(&current), timestamp, &known, confirmations, WINDOW)
    }

    const CURRENT: OriginChoice = OriginChoice::Current { deposits_only: false };
    const NEXT: OriginChoice = OriginChoice::Next { deposits_only: false };

    #[test]
    fn next_origin_is_adopted_once_it_is_not_later_than_the_block() {
        let next = Some(l1(11, 1_012));
        assert_eq!(choose(1_011, next, 11, 0), CURRENT);
        assert_eq!(choose(1_012, next, 11, 0), NEXT);
    }

    #[test]
    fn next_origin_waits_for_its_confirmations() {
        let next = Some(l1(11, 1_012));
        assert_eq!(choose(1_020, next, 13, 3), CURRENT);
        assert_eq!(choose(1_020, next, 14, 3), NEXT);
    }

    #[test]
    fn without_l1_the_current_origin_serves_until_the_drift_is_used_up() {
        let last = 1_000 + MAX_SEQUENCER_DRIFT_SECS;
        assert_eq!(choose(last, None, 10, 0), CURRENT);
        assert_eq!(
            choose(last + 1, None, 10, 0),
            OriginChoice::Wait(WaitReason::DriftUsedUp)
        );
    }

    #[test]
    fn beyond_the_drift_blocks_hold_deposits_only_and_adopt_what_they_must() {
        let late = 1_000 + MAX_SEQUENCER_DRIFT_SECS + 5;
        let far_next = Some(l1(11, late + 1));
        assert_eq!(
            choose(late, far_next, 11, 0),
            OriginChoice::Current { deposits_only: true }
        );
        // Confirmations give way: not adopting it would make the block invalid.
        assert_eq!(choose(late, Some(l1(11, late)), 11, 4), NEXT);
        let old_next = Some(l1(11, 1_002));
        assert_eq!(
            choose(late, old_next, 11, 0),
            OriginChoice::Next { deposits_only: true }
        );
    }

    #[test]
    fn a_reorged_origin_is_not_built_on() {
        let current = l1(10, 1_000);
        let other = L1BlockRef {
            hash: B256::repeat_byte(7),
            ..current
        };
        let known = KnownL1 {
            current: Some(other),
            next: None,
            head_number: 10,
        };
        let choice = choose_origin(&parent(&current), 1_001, &known, 0, WINDOW);
        assert_eq!(choice, OriginChoice::Wait(WaitReason::OriginReorged));
        let stray = L1BlockRef {
            parent_hash: B256::repeat_byte(9),
            ..l1(11, 1_001)
        };
        assert_eq!(
            choose(1_001, Some(stray), 11, 0),
            OriginChoice::Wait(WaitReason::OriginReorged)
        );
    }

    #[test]
    fn an_epoch_whose_window_is_over_is_left_to_derivation() {
        let next = Some(l1(11, 1_100));
        let deposits_only = OriginChoice::Current { deposits_only: true };
        assert_eq!(choose(1_001, next, 25, 0), CURRENT);
        assert_eq!(choose(1_001, next, 26, 0), deposits_only);
        assert_eq!(choose(1_001, next, 39, 0), deposits_only);
        assert_eq!(
            choose(1_001, next, 40, 0),
            OriginChoice::Wait(WaitReason::WindowOver)
        );
    }
}
