//! Who gets how much of a fee: an independent model of the ledger's arithmetic, in integers, exact to the wei.
//!
//! ```text
//!  fee = tokens in × rate in + tokens out × rate out
//!  amount = fee + what rounding left over the last time under the same policy
//!  platform, gateway, model, adapter, contributors' pool = floor(amount × part / 10,000)
//!  share of contributor i = floor(pool × weight i / sum of weights)
//!  left over = amount − all of these; it waits for the next fee
//! ```
//!
//! So, whatever the inputs: sum of fees = sum of what was given + sum of what is left over. What is left over under one policy stays
//! below 10 wei: five parts lose less than 5 together, five shares less than 5.

use super::bundle::Row;
use alloc::{collections::BTreeMap, vec::Vec};
use alloy_primitives::U256;

/// What the parts of a policy sum to.
pub const FEE_PARTS_TOTAL: u32 = 10_000;

/// How a fee is divided, in 1/10,000; the parts sum to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeePolicy {
    platform: u16,
    gateway: u16,
    model: u16,
    adapter: u16,
    contributors: u16,
}

/// Why numbers are not a policy. The registry reverts for the same reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parts of a fee policy sum to {found}, expected {FEE_PARTS_TOTAL}")]
pub struct FeePolicyError {
    /// The sum.
    pub found: u32,
}

/// An adapter's prices, wei per token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// For a token of the prompt.
    pub tokens_in: u64,
    /// For a token of the answer.
    pub tokens_out: u64,
}

/// One fee divided, wei.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The platform's part.
    pub platform: U256,
    /// The gateway's part.
    pub gateway: U256,
    /// The model owner's part.
    pub model: U256,
    /// The adapter owner's part.
    pub adapter: U256,
    /// One for each weight, in order.
    pub contributors: Vec<U256>,
    /// Left over by rounding.
    pub remainder: U256,
}

impl FeePolicy {
    /// Parts of the platform, the gateway, the model, the adapter and the contributors.
    ///
    /// # Errors
    /// If they do not sum to 10,000.
    pub fn new(
        platform: u16,
        gateway: u16,
        model: u16,
        adapter: u16,
        contributors: u16,
    ) -> Result<Self, FeePolicyError> {
        let found = [platform, gateway, model, adapter, contributors]
            .map(u32::from)
            .iter()
            .sum();
        if found != FEE_PARTS_TOTAL {
            return Err(FeePolicyError { found });
        }
        Ok(Self {
            platform,
            gateway,
            model,
            adapter,
            contributors,
        })
    }
}

impl Rates {
    /// Fee of an inference, wei. At most 2^97, so it never overflows.
    #[must_use]
    pub fn fee(&self, tokens_in: u32, tokens_out: u32) -> U256 {
        U256::from(self.tokens_in) * U256::from(tokens_in)
            + U256::from(self.tokens_out) * U256::from(tokens_out)
    }
}

impl Split {
    /// Everything given, without the remainder.
    #[must_use]
    pub fn given(&self) -> U256 {
        let pools = [self.platform, self.gateway, self.model, self.adapter];
        pools
            .iter()
            .chain(&self.contributors)
            .fold(U256::ZERO, |sum, part| sum + part)
    }
}

/// Divides an amount below 2^200 wei. Weights that sum to zero get nothing; the contract refuses such rows.
#[must_use]
pub fn divide(amount: U256, policy: &FeePolicy, weights: &[u16]) -> Split {
    let part = |part: u16| amount * U256::from(part) / U256::from(FEE_PARTS_TOTAL);
    let pool = part(policy.contributors);
    let total: u64 = weights.iter().copied().map(u64::from).sum();
    let share = |weight: &u16| {
        (pool * U256::from(*weight))
            .checked_div(U256::from(total))
            .unwrap_or_default()
    };
    let mut split = Split {
        platform: part(policy.platform),
        gateway: part(policy.gateway),
        model: part(policy.model),
        adapter: part(policy.adapter),
        contributors: weights.iter().map(share).collect(),
        remainder: U256::ZERO,
    };
    split.remainder = amount - split.given();
    split
}

/// What rounding left over so far, by fee policy; the model's counterpart of the ledger's `carriedRemainder`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carry(BTreeMap<u32, U256>);

impl Carry {
    /// Divides the fee of one row under a policy, with what was left over before, and keeps what is left over now.
    pub fn divide(&mut self, index: u32, policy: &FeePolicy, rates: &Rates, row: &Row) -> Split {
        let weights: Vec<u16> = row.shares.iter().map(|share| share.weight).collect();
        let amount = rates.fee(row.tokens_in, row.tokens_out) + self.remainder(index);
        let split = divide(amount, policy, &weights);
        self.0.insert(index, split.remainder);
        split
    }

    /// Left over under one policy, wei.
    #[must_use]
    pub fn remainder(&self, index: u32) -> U256 {
        self.0.get(&index).copied().unwrap_or_default()
    }

    /// Left over in all, wei.
    #[must_use]
    pub fn total(&self) -> U256 {
        self.0.values().fold(U256::ZERO, |sum, part| sum + part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribution::bundle::Share;
    use proptest::prelude::*;

    fn policy() -> FeePolicy {
        FeePolicy::new(500, 1_500, 2_500, 2_500, 3_000).unwrap()
    }

    #[test]
    fn divides_a_typical_fee_to_the_wei() {
        let split = divide(U256::from(106_001_u64), &policy(), &[3, 1, 65_535]);
        let wei = |amount: U256| amount.to::<u64>();
        assert_eq!(wei(split.platform), 5_300);
        assert_eq!(wei(split.gateway), 15_900);
        assert_eq!(wei(split.model), 26_500);
        assert_eq!(wei(split.adapter), 26_500);
        let contributors: Vec<u64> = split.contributors.iter().copied().map(wei).collect();
        assert_eq!(contributors, [1, 0, 31_798]);
        assert_eq!(wei(split.remainder), 2);
    }

    #[test]
    fn parts_must_sum_to_the_whole() {
        assert_eq!(
            FeePolicy::new(1, 2, 3, 4, 9_991),
            Err(FeePolicyError { found: 10_001 })
        );
        assert_eq!(
            FeePolicy::new(u16::MAX, u16::MAX, u16::MAX, u16::MAX, u16::MAX),
            Err(FeePolicyError { found: 327_675 })
        );
    }

    #[test]
    fn what_is_left_over_is_given_with_the_next_fee() {
        let row = Row {
            payer: 1,
            adapter: 1,
            tokens_in: 1,
            tokens_out: 0,
            shares: vec![Share {
                contribution: 1,
                weight: 1,
            }],
        };
        let rates = Rates {
            tokens_in: 1,
            tokens_out: 0,
        };
        let halves = FeePolicy::new(5_000, 0, 0, 0, 5_000).unwrap();
        let mut carry = Carry::default();
        assert_eq!(carry.divide(7, &halves, &rates, &row).given(), U256::ZERO);
        assert_eq!(carry.remainder(7), U256::from(1));
        assert_eq!(carry.remainder(8), U256::ZERO);
        assert_eq!(carry.divide(7, &halves, &rates, &row).given(), U256::from(2));
        assert_eq!(carry.total(), U256::ZERO);
    }

    fn any_policy() -> impl Strategy<Value = FeePolicy> {
        proptest::collection::vec(0..=10_000_u16, 4).prop_map(|mut cuts| {
            cuts.sort_unstable();
            let [a, b, c, d] = cuts[..] else {
                unreachable!("four cuts")
            };
            FeePolicy::new(a, b - a, c - b, d - c, 10_000 - d).unwrap()
        })
    }

    proptest! {
        #[test]
        fn nothing_is_lost(
            policy in any_policy(),
            fees in proptest::collection::vec((any::<u32>(), any::<u32>(), proptest::collection::vec(1..=u16::MAX, 1..=5)), 1..30),
            rates in any::<(u64, u64)>(),
        ) {
            let rates = Rates { tokens_in: rates.0, tokens_out: rates.1 };
            let (mut carry, mut paid, mut given) = (Carry::default(), U256::ZERO, U256::ZERO);
            for (tokens_in, tokens_out, weights) in fees {
                let shares = weights.into_iter().map(|weight| Share { contribution: 1, weight }).collect();
                let row = Row { payer: 1, adapter: 1, tokens_in, tokens_out, shares };
                paid += rates.fee(tokens_in, tokens_out);
                given += carry.divide(1, &policy, &rates, &row).given();
                prop_assert!(carry.total() < U256::from(10));
            }
            prop_assert_eq!(paid, given + carry.total());
        }
    }
}
