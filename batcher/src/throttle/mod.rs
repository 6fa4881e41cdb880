//! Slowing the sequencer down while batches do not get to L1 as fast as blocks are built.
//!
//! ```text
//!  bytes not on L1 --Throttle (pure)--> limits --Throttler (one call at a time, beside the turn)--> miner_setMaxDASize
//! ```
//! The limits fall with the square of the backlog, as op-batcher's do by default, in steps; a step back is taken only when the backlog
//! has clearly fallen, so that limits do not flutter. Without a backlog the sequencer is told that nothing is limited. While limits hold
//! they are told again and again, since a restarted sequencer has forgotten them. A call that fails stops nothing: it is shown in the
//! status and made again.

mod throttler;

pub(crate) use throttler::Throttler;

use serde::Serialize;
use std::{future::Future, pin::Pin};

/// Steps from the mildest limits to the strictest. Enough for a smooth curve, few enough that calls are rare.
const STEPS: u64 = 16;

/// Steps by which the backlog must have fallen before limits are loosened.
const STEPS_BACK: u64 = 2;

/// The share of the lower threshold, in per cent, under which the backlog counts as gone.
const RELEASE_PERCENT: u64 = 75;

/// Limits in bytes for the sequencer's blocks; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DaSizes {
    /// Of one transaction.
    pub transaction_bytes_max: u64,
    /// Of one block.
    pub block_bytes_max: u64,
}

/// When and how much the sequencer is slowed down. The defaults are op-batcher's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottlePolicy {
    /// Backlog in bytes above which blocks are limited.
    pub lower_bytes: u64,
    /// Backlog in bytes at which the limits are strictest.
    pub upper_bytes: u64,
    /// Bytes of a block when limits begin.
    pub block_bytes_upper: u64,
    /// Bytes of a block at the strictest.
    pub block_bytes_lower: u64,
    /// Bytes of a transaction when limits begin.
    pub transaction_bytes_upper: u64,
    /// Bytes of a transaction at the strictest.
    pub transaction_bytes_lower: u64,
}

impl Default for ThrottlePolicy {
    fn default() -> Self {
        Self {
            lower_bytes: 3_200_000,
            upper_bytes: 12_800_000,
            block_bytes_upper: 130_000,
            block_bytes_lower: 2_000,
            transaction_bytes_upper: 20_000,
            transaction_bytes_lower: 150,
        }
    }
}

/// Thresholds or limits that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThrottlePolicyError {
    /// A lower value above its upper one.
    #[error("the lower {what}, {lower}, is above the upper one, {upper}")]
    Order {
        /// Which pair.
        what: &'static str,
        /// The lower value.
        lower: u64,
        /// The upper value.
        upper: u64,
    },
    /// A limit of 0, which would be no limit at all.
    #[error("the lower {what} must be at least 1: 0 means no limit")]
    Zero {
        /// Which limit.
        what: &'static str,
    },
}

impl ThrottlePolicy {
    /// Checks that thresholds and limits make sense together.
    ///
    /// # Errors
    /// [`ThrottlePolicyError`] naming the first that does not.
    pub const fn check(&self) -> Result<(), ThrottlePolicyError> {
        let pairs = [
            ("threshold", self.lower_bytes, self.upper_bytes),
            ("block limit", self.block_bytes_lower, self.block_bytes_upper),
            (
                "transaction limit",
                self.transaction_bytes_lower,
                self.transaction_bytes_upper,
            ),
        ];
        let mut index = 0;
        while index < pairs.len() {
            let (what, lower, upper) = pairs[index];
            if lower > upper {
                return Err(ThrottlePolicyError::Order { what, lower, upper });
            }
            if index > 0 && lower == 0 {
                return Err(ThrottlePolicyError::Zero { what });
            }
            index += 1;
        }
        Ok(())
    }

    /// The step for a backlog: 0 to [`STEPS`].
    fn step(&self, backlog_bytes: u64) -> u64 {
        let span = self.upper_bytes.saturating_sub(self.lower_bytes).max(1);
        let above = backlog_bytes.saturating_sub(self.lower_bytes).min(span);
        // Below 2^64 for any span up to 2^60 bytes; beyond that the product saturates towards the strictest.
        above.saturating_mul(STEPS).div_ceil(span).min(STEPS)
    }

    fn sizes(&self, step: u64) -> DaSizes {
        let between = |upper: u64, lower: u64| {
            let fall = u128::from(upper.saturating_sub(lower)) * u128::from(step * step);
            let fall = fall / u128::from(STEPS * STEPS);
            upper - u64::try_from(fall).expect("at most the difference of two limits")
        };
        DaSizes {
            transaction_bytes_max: between(self.transaction_bytes_upper, self.transaction_bytes_lower),
            block_bytes_max: between(self.block_bytes_upper, self.block_bytes_lower),
        }
    }
}

/// The limits for the backlog of the moment, with a memory of the last ones.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    policy: ThrottlePolicy,
    /// The step that holds, while there is a backlog.
    step: Option<u64>,
}

impl Throttle {
    /// Nothing limited yet.
    #[must_use]
    pub const fn new(policy: ThrottlePolicy) -> Self {
        Self { policy, step: None }
    }

    /// Takes the backlog of the moment and says what should hold now.
    pub fn update(&mut self, backlog_bytes: u64) -> DaSizes {
        let wanted = self.policy.step(backlog_bytes);
        let release = u128::from(self.policy.lower_bytes) * u128::from(RELEASE_PERCENT) / 100;
        self.step = match self.step {
            None if backlog_bytes > self.policy.lower_bytes => Some(wanted),
            None => None,
            Some(_) if u128::from(backlog_bytes) <= release => None,
            Some(held) if wanted > held || wanted + STEPS_BACK <= held => Some(wanted),
            held => held,
        };
        self.sizes()
    }

    /// What holds now.
    #[must_use]
    pub fn sizes(&self) -> DaSizes {
        self.step.map(|step| self.policy.sizes(step)).unwrap_or_default()
    }
}

/// Why the sequencer did not take the limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sequencer did not take the limits: {reason}")]
pub struct LimitError {
    /// What happened.
    pub reason: String,
}

/// A call on its way.
pub type LimitFuture = Pin<Box<dyn Future<Output = Result<(), LimitError>> + Send>>;

/// Whoever builds blocks.
pub trait BlockLimiter: Send + Sync {
    /// `miner_setMaxDASize`: limits the blocks from the next one on.
    fn set_max_da_size(&self, sizes: DaSizes) -> LimitFuture;
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const POLICY: ThrottlePolicy = ThrottlePolicy {
        lower_bytes: 1_000,
        upper_bytes: 2_600,
        block_bytes_upper: 130_000,
        block_bytes_lower: 2_000,
        transaction_bytes_upper: 20_000,
        transaction_bytes_lower: 150,
    };

    pub(super) const NONE: DaSizes = DaSizes {
        transaction_bytes_max: 0,
        block_bytes_max: 0,
    };

    #[test]
    fn limits_begin_mild_and_end_strict() {
        let mut throttle = Throttle::new(POLICY);
        assert_eq!(throttle.update(1_000), NONE);
        let mild = throttle.update(1_001);
        assert!(
            mild.block_bytes_max > 129_000 && mild.block_bytes_max < 130_000,
            "{mild:?}"
        );
        let mut last = mild;
        for backlog in (1_001..4_000).step_by(7) {
            let sizes = throttle.update(backlog);
            assert!(
                sizes.block_bytes_max <= last.block_bytes_max,
                "{backlog}: {sizes:?}"
            );
            assert!(sizes.transaction_bytes_max <= last.transaction_bytes_max);
            last = sizes;
        }
        assert_eq!((last.block_bytes_max, last.transaction_bytes_max), (2_000, 150));
    }

    #[test]
    fn the_fall_is_quadratic() {
        let mut throttle = Throttle::new(POLICY);
        // Half way: a quarter of the fall.
        assert_eq!(throttle.update(1_800).block_bytes_max, 130_000 - 128_000 / 4);
    }

    #[test]
    fn limits_do_not_flutter_and_end_only_when_the_backlog_is_gone() {
        let mut throttle = Throttle::new(POLICY);
        let held = throttle.update(1_850);
        for backlog in [1_849, 1_780, 1_810, 1_760, 1_850] {
            assert_eq!(throttle.update(backlog), held, "{backlog}");
        }
        assert!(throttle.update(1_650).block_bytes_max > held.block_bytes_max);
        let mildest = throttle.update(990);
        assert_ne!(mildest, NONE, "a little below the threshold is not gone");
        for backlog in [1_010, 990, 751] {
            assert_ne!(throttle.update(backlog), NONE, "{backlog}");
        }
        assert_eq!(throttle.update(750), NONE);
        assert_eq!(throttle.update(999), NONE);
    }

    #[test]
    fn no_limit_is_ever_zero_by_accident_and_extremes_do_not_overflow() {
        let wide = ThrottlePolicy {
            lower_bytes: 0,
            upper_bytes: u64::MAX,
            block_bytes_upper: u64::MAX,
            block_bytes_lower: 1,
            ..POLICY
        };
        for policy in [POLICY, wide, ThrottlePolicy::default()] {
            policy.check().unwrap();
            let mut throttle = Throttle::new(policy);
            for backlog in [policy.lower_bytes + 1, policy.upper_bytes / 2 + 1, u64::MAX] {
                let sizes = throttle.update(backlog);
                assert!(sizes == NONE && backlog <= policy.lower_bytes || sizes.block_bytes_max > 0);
            }
        }
    }

    #[test]
    fn a_policy_that_contradicts_itself_is_refused() {
        let upside_down = ThrottlePolicy {
            lower_bytes: 3_000,
            ..POLICY
        };
        assert!(upside_down.check().unwrap_err().to_string().contains("3000"));
        let zero = ThrottlePolicy {
            block_bytes_lower: 0,
            ..POLICY
        };
        assert!(zero.check().unwrap_err().to_string().contains("block limit"));
    }
}
