//! `InferenceRecorded.shares`: who got what of one record, packed by the ledger so that an indexer needs nothing else.
//!
//! Integers are big-endian, amounts are wei of 12 bytes (all ether there is takes 11).
//!
//! | offset | bytes | field                                             |
//! | ------ | ----- | ------------------------------------------------- |
//! | 0      | 12    | platform                                          |
//! | 12     | 12    | gateway                                           |
//! | 24     | 12    | model owner                                       |
//! | 36     | 12    | adapter owner                                     |
//! | 48     | 18 n  | shares, 1 to 5: contribution (4), weight (2), amount (12) |

use crate::contracts::RECORD_SHARES_MAX;
use alloc::vec::Vec;
use alloy_primitives::Bytes;

/// Bytes of an amount.
const AMOUNT_SIZE: usize = 12;
/// Bytes before the shares.
const POOLS_SIZE: usize = 4 * AMOUNT_SIZE;
/// Bytes of one share.
const SHARE_SIZE: usize = 4 + 2 + AMOUNT_SIZE;

/// Who got what of one record; amounts in wei, below 2^96.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordShares {
    /// The platform's part.
    pub platform: u128,
    /// The gateway's part.
    pub gateway: u128,
    /// The model owner's part.
    pub model: u128,
    /// The adapter owner's part.
    pub adapter: u128,
    /// The contributors' shares, in the row's order.
    pub contributors: Vec<ContributorShare>,
}

/// One contributor's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContributorShare {
    /// Index of the contribution.
    pub contribution: u32,
    /// Weight the row gave it.
    pub weight: u16,
    /// Wei, below 2^96.
    pub amount: u128,
}

/// Why bytes are not the shares of a record, or shares have no encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordSharesError {
    /// A length the ledger never emits.
    #[error(
        "shares of a record have {found} bytes, expected 48 + 18 for each of 1 to {RECORD_SHARES_MAX} shares"
    )]
    Size {
        /// Bytes there are.
        found: usize,
    },
    /// None, or more than five.
    #[error("record has {found} shares, 1 to {RECORD_SHARES_MAX} are allowed")]
    Count {
        /// Shares there are.
        found: usize,
    },
    /// More wei than 12 bytes hold, and than there are.
    #[error("amount of {found} wei does not fit 12 bytes")]
    Amount {
        /// The amount.
        found: u128,
    },
}

impl RecordShares {
    /// Reads the `shares` of an `InferenceRecorded` event.
    ///
    /// # Errors
    /// If the length is none the ledger emits.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordSharesError> {
        let error = RecordSharesError::Size { found: bytes.len() };
        let (pools, shares) = bytes.split_first_chunk::<POOLS_SIZE>().ok_or(error)?;
        let (shares, trailing) = shares.as_chunks::<SHARE_SIZE>();
        if !trailing.is_empty() || !(1..=RECORD_SHARES_MAX).contains(&shares.len()) {
            return Err(error);
        }
        Ok(Self {
            platform: amount(pools, 0),
            gateway: amount(pools, AMOUNT_SIZE),
            model: amount(pools, 2 * AMOUNT_SIZE),
            adapter: amount(pools, 3 * AMOUNT_SIZE),
            contributors: shares.iter().map(contributor).collect(),
        })
    }

    /// Writes the bytes the ledger would emit.
    ///
    /// # Errors
    /// If there are no shares or more than five, or an amount has more than 96 bits.
    pub fn encode(&self) -> Result<Bytes, RecordSharesError> {
        let found = self.contributors.len();
        if !(1..=RECORD_SHARES_MAX).contains(&found) {
            return Err(RecordSharesError::Count { found });
        }
        let mut out = Vec::with_capacity(POOLS_SIZE + found * SHARE_SIZE);
        for pool in [self.platform, self.gateway, self.model, self.adapter] {
            out.extend_from_slice(&amount_bytes(pool)?);
        }
        for share in &self.contributors {
            out.extend_from_slice(&share.contribution.to_be_bytes());
            out.extend_from_slice(&share.weight.to_be_bytes());
            out.extend_from_slice(&amount_bytes(share.amount)?);
        }
        Ok(out.into())
    }

    /// Everything given, wei.
    #[must_use]
    pub fn total(&self) -> u128 {
        let contributors = self.contributors.iter().map(|share| share.amount);
        self.platform + self.gateway + self.model + self.adapter + contributors.sum::<u128>()
    }
}

fn contributor(bytes: &[u8; SHARE_SIZE]) -> ContributorShare {
    ContributorShare {
        contribution: u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
        weight: u16::from_be_bytes([bytes[4], bytes[5]]),
        amount: amount(bytes, 6),
    }
}

fn amount(bytes: &[u8], offset: usize) -> u128 {
    bytes[offset..offset + AMOUNT_SIZE]
        .iter()
        .fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

fn amount_bytes(amount: u128) -> Result<[u8; AMOUNT_SIZE], RecordSharesError> {
    match amount.to_be_bytes() {
        [0, 0, 0, 0, bytes @ ..] => Ok(bytes),
        _ => Err(RecordSharesError::Amount { found: amount }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;
    use proptest::prelude::*;

    const TWO_SHARES: &[u8] = &hex!(
        "000000000000000000000001" "000000000000000000000002" "000000000000000000000300" "0a0000000000000000000000"
        "00000007" "0003" "0000000000000000000000ff"
        "fffffffe" "ffff" "ffffffffffffffffffffffff"
    );

    #[test]
    fn golden_shares() {
        let shares = RecordShares::decode(TWO_SHARES).unwrap();
        assert_eq!(
            (shares.platform, shares.gateway, shares.model, shares.adapter),
            (1, 2, 768, 10 << 88)
        );
        let expected = [(7, 3, 255), (u32::MAX - 1, u16::MAX, (1 << 96) - 1)];
        let found: Vec<_> = shares
            .contributors
            .iter()
            .map(|share| (share.contribution, share.weight, share.amount))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(shares.total(), 1 + 2 + 768 + (10 << 88) + 255 + (1 << 96) - 1);
    }

    #[test]
    fn other_lengths_are_rejected() {
        let mut six = TWO_SHARES[..POOLS_SIZE].to_vec();
        six.extend([0; 6 * SHARE_SIZE]);
        let mut trailing = TWO_SHARES.to_vec();
        trailing.push(0);
        let cases: [(&str, &[u8]); 6] = [
            ("empty", &[]),
            ("half the pools", &TWO_SHARES[..47]),
            ("no shares", &TWO_SHARES[..48]),
            ("half a share", &TWO_SHARES[..65]),
            ("trailing byte", &trailing),
            ("six shares", &six),
        ];
        for (name, bytes) in cases {
            let found = bytes.len();
            assert_eq!(
                RecordShares::decode(bytes),
                Err(RecordSharesError::Size { found }),
                "{name}"
            );
        }
    }

    #[test]
    fn shares_out_of_range_do_not_encode() {
        let mut shares = RecordShares::decode(TWO_SHARES).unwrap();
        shares.gateway = 1 << 96;
        assert_eq!(shares.encode(), Err(RecordSharesError::Amount { found: 1 << 96 }));
        shares.contributors.clear();
        assert_eq!(shares.encode(), Err(RecordSharesError::Count { found: 0 }));
    }

    proptest! {
        #[test]
        fn shares_survive_the_round_trip(count in 1..=RECORD_SHARES_MAX, bytes in any::<[u8; POOLS_SIZE + 5 * SHARE_SIZE]>()) {
            let bytes = &bytes[..POOLS_SIZE + count * SHARE_SIZE];
            let shares = RecordShares::decode(bytes).unwrap();
            prop_assert_eq!(shares.encode().unwrap().to_vec(), bytes);
        }
    }
}
