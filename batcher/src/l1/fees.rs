//! What an L1 transaction offers to pay.

use serde::{Deserialize, Serialize};

/// Ceilings on what one L1 transaction may offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeLimits {
    /// Wei per gas, base fee included; a price above it is waited out.
    pub max_fee_per_gas: u128,
    /// Wei per gas to the block's producer.
    pub max_priority_fee_per_gas: u128,
    /// Wei per gas of blobs.
    pub max_fee_per_blob_gas: u128,
}

impl Default for FeeLimits {
    /// 500 gwei, 10 gwei and 100 gwei: above what L1 has asked for in all but a few hours of its history.
    fn default() -> Self {
        Self {
            max_fee_per_gas: 500_000_000_000,
            max_priority_fee_per_gas: 10_000_000_000,
            max_fee_per_blob_gas: 100_000_000_000,
        }
    }
}

/// How pressing it is that a transaction is mined. Raises what is offered, never the ceilings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// The market's price will do.
    #[default]
    None,
    /// Channels are piling up, or half of the sequencing window is over.
    Raised,
    /// The sequencing window is nearly over; missing it would replace the chain's blocks with empty ones.
    Deadline,
}

impl Urgency {
    /// What the tip is multiplied with.
    const fn tip_factor(self) -> u128 {
        match self {
            Self::None => 1,
            Self::Raised => 2,
            Self::Deadline => 5,
        }
    }
}

/// Fees of one transaction, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fees {
    /// Most that is paid, base fee included.
    pub max_fee_per_gas: u128,
    /// Most that goes to the block's producer.
    pub max_priority_fee_per_gas: u128,
    /// Most that is paid per gas of blobs; only of transactions that carry some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_fee_per_blob_gas: Option<u128>,
}

impl Fees {
    /// These fees under `limits`.
    pub(super) fn within(self, limits: FeeLimits) -> Self {
        let max_fee_per_gas = self.max_fee_per_gas.min(limits.max_fee_per_gas);
        let tip = self.max_priority_fee_per_gas.min(limits.max_priority_fee_per_gas);
        Self {
            max_fee_per_gas,
            max_priority_fee_per_gas: tip.min(max_fee_per_gas),
            max_fee_per_blob_gas: self
                .max_fee_per_blob_gas
                .map(|fee| fee.min(limits.max_fee_per_blob_gas)),
        }
    }

    /// The market's fees for a transaction of this urgency.
    pub(super) const fn urgent(self, urgency: Urgency) -> Self {
        let tip = self.max_priority_fee_per_gas.saturating_mul(urgency.tip_factor());
        let more = tip - self.max_priority_fee_per_gas;
        Self {
            max_fee_per_gas: self.max_fee_per_gas.saturating_add(more),
            max_priority_fee_per_gas: tip,
            ..self
        }
    }

    /// The same without a price for blobs.
    pub(super) const fn without_blobs(self) -> Self {
        Self {
            max_fee_per_blob_gas: None,
            ..self
        }
    }

    /// The least that replaces a transaction with these fees, and no less than what L1 asks `now`.
    ///
    /// Execution clients want 10 % more on both fields, of which an eighth leaves room for their rounding; and twice as much on all
    /// three of a transaction with blobs.
    pub(super) fn bumped(self, now: Self) -> Self {
        let has_blobs = self.max_fee_per_blob_gas.is_some();
        let bump = |fee: u128| {
            let more = if has_blobs { fee } else { fee.div_ceil(8) };
            fee.saturating_add(more.max(1))
        };
        Self {
            max_fee_per_blob_gas: self
                .max_fee_per_blob_gas
                .map(|fee| bump(fee).max(now.max_fee_per_blob_gas.unwrap_or_default())),
            max_fee_per_gas: bump(self.max_fee_per_gas).max(now.max_fee_per_gas),
            max_priority_fee_per_gas: bump(self.max_priority_fee_per_gas).max(now.max_priority_fee_per_gas),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: FeeLimits = FeeLimits {
        max_fee_per_gas: 1_000,
        max_priority_fee_per_gas: 100,
        max_fee_per_blob_gas: 10,
    };

    fn fees(max_fee_per_gas: u128, max_priority_fee_per_gas: u128) -> Fees {
        Fees {
            max_fee_per_gas,
            max_priority_fee_per_gas,
            max_fee_per_blob_gas: None,
        }
    }

    #[test]
    fn a_replacement_with_blobs_pays_twice_as_much_and_stays_under_its_ceiling() {
        let blobs = |fee, tip, blob| Fees {
            max_fee_per_blob_gas: Some(blob),
            ..fees(fee, tip)
        };
        assert_eq!(blobs(100, 10, 3).bumped(blobs(0, 0, 0)), blobs(200, 20, 6));
        assert_eq!(blobs(100, 10, 3).bumped(blobs(0, 0, 9)), blobs(200, 20, 9));
        assert_eq!(blobs(200, 20, 60).within(LIMITS), blobs(200, 20, 10));
        assert_eq!(blobs(1, 1, 1).without_blobs(), fees(1, 1));
    }

    #[test]
    fn fees_stay_under_both_ceilings_and_the_tip_under_the_fee() {
        assert_eq!(fees(5_000, 500).within(LIMITS), fees(1_000, 100));
        assert_eq!(fees(50, 90).within(LIMITS), fees(50, 50));
    }

    #[test]
    fn a_replacement_pays_at_least_a_tenth_more_on_both_fields() {
        for fee in [0, 1, 7, 8, 9, 1_000_000_007] {
            let bumped = fees(fee, fee).bumped(fees(0, 0));
            assert!(bumped.max_fee_per_gas * 10 >= fee * 11 && bumped.max_fee_per_gas > fee);
            assert!(bumped.max_priority_fee_per_gas * 10 >= fee * 11);
        }
    }

    #[test]
    fn urgency_raises_the_tip_and_leaves_the_base_fee_its_room() {
        assert_eq!(fees(100, 10).urgent(Urgency::None), fees(100, 10));
        assert_eq!(fees(100, 10).urgent(Urgency::Deadline), fees(140, 50));
        let most = fees(u128::MAX, u128::MAX).urgent(Urgency::Raised);
        assert_eq!(most, fees(u128::MAX, u128::MAX));
        assert!(Urgency::Deadline > Urgency::Raised && Urgency::Raised > Urgency::None);
    }

    #[test]
    fn a_replacement_follows_a_market_that_rose_more() {
        assert_eq!(fees(100, 1).bumped(fees(400, 50)), fees(400, 50));
    }
}
