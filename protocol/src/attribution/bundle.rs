//! A bundle: many inferences in the calldata of one transaction, `AttributionLedger.recordBundle(bytes)`.
//!
//! Integers are big-endian.
//!
//! | offset | bytes | field                                  |
//! | ------ | ----- | -------------------------------------- |
//! | 0      | 1     | version: 01                            |
//! | 1      | 2     | number of rows, at least 1             |
//! | 3      | rest  | rows, one after the other              |
//!
//! A row:
//!
//! | offset | bytes | field                                  |
//! | ------ | ----- | -------------------------------------- |
//! | 0      | 4     | payer                                  |
//! | 4      | 4     | adapter                                |
//! | 8      | 4     | tokens in                              |
//! | 12     | 4     | tokens out                             |
//! | 16     | 1     | n, number of shares: 1 to 5            |
//! | 17     | 6 n   | shares: contribution (4), weight (2), which is not 0 |
//!
//! Every byte is accounted for and each field has one encoding, so a bundle decodes to rows that encode to the same bundle. Whether
//! payers, adapters and contributions exist is for the contract to say.

use crate::contracts::RECORD_SHARES_MAX;
use alloc::vec::Vec;
use alloy_primitives::Bytes;

/// Version byte.
pub const BUNDLE_VERSION: u8 = 1;
/// Bytes of the header.
pub const BUNDLE_HEADER_SIZE: usize = 3;
/// Bytes of a row without its shares.
pub const ROW_HEAD_SIZE: usize = 17;
/// Bytes of one share.
pub const SHARE_SIZE: usize = 6;
/// Most rows of a bundle: what the count field holds. The limits of a transaction come first in practice.
pub const BUNDLE_ROWS_MAX: usize = u16::MAX as usize;

/// One inference: who paid for which tokens, and whose contributions stood behind the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// Index of the payer.
    pub payer: u32,
    /// Index of the adapter that answered.
    pub adapter: u32,
    /// Tokens of the prompt.
    pub tokens_in: u32,
    /// Tokens of the answer.
    pub tokens_out: u32,
    /// 1 to 5 of them.
    pub shares: Vec<Share>,
}

/// A contribution's share of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Share {
    /// Index of the contribution.
    pub contribution: u32,
    /// Relative to the sum of the row's weights; not 0.
    pub weight: u16,
}

/// Why bytes are not a bundle, or rows do not make one. The contract reverts for the same reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// No rows, or not even a header.
    #[error("bundle has no rows")]
    Empty,
    /// Another layout.
    #[error("bundle has version {found}, expected {BUNDLE_VERSION}")]
    Version {
        /// The first byte.
        found: u8,
    },
    /// More rows than allowed.
    #[error("bundle has {found} rows, at most {max} are allowed")]
    TooManyRows {
        /// Rows announced or given.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// The bytes end within a row.
    #[error("bundle ends within row {row}: {expected} bytes are needed, there are {found}")]
    Truncated {
        /// Index of the row.
        row: usize,
        /// Bytes the bundle needs up to where the row's next field ends.
        expected: usize,
        /// Bytes of the bundle.
        found: usize,
    },
    /// Bytes follow the last row.
    #[error("bundle has {found} bytes, its rows end after {expected}")]
    TrailingBytes {
        /// Where the rows end.
        expected: usize,
        /// Bytes of the bundle.
        found: usize,
    },
    /// No shares, or more than five.
    #[error("row {row} has {found} shares, 1 to {RECORD_SHARES_MAX} are allowed")]
    ShareCount {
        /// Index of the row.
        row: usize,
        /// Shares of the row.
        found: usize,
    },
    /// A share of nothing.
    #[error("row {row} gives contribution {contribution} weight 0")]
    ZeroWeight {
        /// Index of the row.
        row: usize,
        /// The contribution.
        contribution: u32,
    },
}

impl Row {
    /// Bytes of this row in a bundle.
    #[must_use]
    pub fn size(&self) -> usize {
        ROW_HEAD_SIZE + self.shares.len() * SHARE_SIZE
    }

    fn check(&self, row: usize) -> Result<(), BundleError> {
        check_count(self.shares.len(), row)?;
        match self.shares.iter().find(|share| share.weight == 0) {
            Some(&Share { contribution, .. }) => Err(BundleError::ZeroWeight { row, contribution }),
            None => Ok(()),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        for field in [self.payer, self.adapter, self.tokens_in, self.tokens_out] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        out.push(u8::try_from(self.shares.len()).expect("checked: at most five shares"));
        for share in &self.shares {
            out.extend_from_slice(&share.contribution.to_be_bytes());
            out.extend_from_slice(&share.weight.to_be_bytes());
        }
    }
}

/// Writes a bundle.
///
/// # Errors
/// If there are no rows or more than [`BUNDLE_ROWS_MAX`], or a row is out of range.
pub fn encode_bundle(rows: &[Row]) -> Result<Bytes, BundleError> {
    if rows.is_empty() {
        return Err(BundleError::Empty);
    }
    let count = u16::try_from(rows.len()).map_err(|_| BundleError::TooManyRows {
        found: rows.len(),
        max: BUNDLE_ROWS_MAX,
    })?;
    let size = BUNDLE_HEADER_SIZE + rows.iter().map(Row::size).sum::<usize>();
    let mut out = Vec::with_capacity(size);
    out.push(BUNDLE_VERSION);
    out.extend_from_slice(&count.to_be_bytes());
    for (index, row) in rows.iter().enumerate() {
        row.check(index)?;
        row.encode(&mut out);
    }
    Ok(out.into())
}

/// Reads a bundle of at most `rows_max` rows.
///
/// # Errors
/// If the bytes are not exactly one bundle within the limits.
pub fn decode_bundle(bundle: &[u8], rows_max: usize) -> Result<Vec<Row>, BundleError> {
    let &[version, high, low, ..] = bundle else {
        return Err(BundleError::Empty);
    };
    if version != BUNDLE_VERSION {
        return Err(BundleError::Version { found: version });
    }
    let count = usize::from(u16::from_be_bytes([high, low]));
    if count == 0 {
        return Err(BundleError::Empty);
    }
    if count > rows_max {
        return Err(BundleError::TooManyRows {
            found: count,
            max: rows_max,
        });
    }
    let mut reader = Reader {
        bundle,
        offset: BUNDLE_HEADER_SIZE,
    };
    // Rows are not reserved ahead: the count is the sender's claim, the bytes are what it paid for.
    let mut rows = Vec::new();
    for index in 0..count {
        rows.push(reader.row(index)?);
    }
    if reader.offset == bundle.len() {
        Ok(rows)
    } else {
        Err(BundleError::TrailingBytes {
            expected: reader.offset,
            found: bundle.len(),
        })
    }
}

/// What is left of a bundle.
struct Reader<'a> {
    bundle: &'a [u8],
    offset: usize,
}

impl Reader<'_> {
    fn row(&mut self, index: usize) -> Result<Row, BundleError> {
        let head: [u8; ROW_HEAD_SIZE] = self.take(index)?;
        let count = usize::from(head[ROW_HEAD_SIZE - 1]);
        check_count(count, index)?;
        let mut row = Row {
            payer: word(&head, 0),
            adapter: word(&head, 4),
            tokens_in: word(&head, 8),
            tokens_out: word(&head, 12),
            shares: Vec::with_capacity(count),
        };
        for _ in 0..count {
            let share: [u8; SHARE_SIZE] = self.take(index)?;
            row.shares.push(Share {
                contribution: word(&share, 0),
                weight: u16::from_be_bytes([share[4], share[5]]),
            });
        }
        row.check(index)?;
        Ok(row)
    }

    fn take<const N: usize>(&mut self, row: usize) -> Result<[u8; N], BundleError> {
        let bytes = self.bundle[self.offset..]
            .first_chunk::<N>()
            .ok_or(BundleError::Truncated {
                row,
                expected: self.offset + N,
                found: self.bundle.len(),
            })?;
        self.offset += N;
        Ok(*bytes)
    }
}

fn check_count(found: usize, row: usize) -> Result<(), BundleError> {
    if (1..=RECORD_SHARES_MAX).contains(&found) {
        Ok(())
    } else {
        Err(BundleError::ShareCount { row, found })
    }
}

/// Four bytes of a fixed-size field list.
fn word(bytes: &[u8], offset: usize) -> u32 {
    let bytes = bytes[offset..offset + 4]
        .try_into()
        .expect("four bytes were sliced");
    u32::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;
    use proptest::prelude::*;

    fn two_rows() -> Vec<Row> {
        let share = |contribution, weight| Share { contribution, weight };
        vec![
            Row {
                payer: 1,
                adapter: 2,
                tokens_in: 1434,
                tokens_out: 154,
                shares: vec![share(7, 0xffff)],
            },
            Row {
                payer: 0x0102_0304,
                adapter: 0x0506_0708,
                tokens_in: 0,
                tokens_out: u32::MAX,
                shares: vec![share(1, 1), share(u32::MAX, 258)],
            },
        ]
    }

    const TWO_ROWS: &[u8] = &hex!(
        "01" "0002"
        "00000001" "00000002" "0000059a" "0000009a" "01" "00000007ffff"
        "01020304" "05060708" "00000000" "ffffffff" "02" "000000010001" "ffffffff0102"
    );

    #[test]
    fn golden_bundle() {
        assert_eq!(encode_bundle(&two_rows()).unwrap().as_ref(), TWO_ROWS);
        assert_eq!(decode_bundle(TWO_ROWS, 2), Ok(two_rows()));
    }

    #[test]
    fn malformed_bundles_are_rejected() {
        let mut long = TWO_ROWS.to_vec();
        long.push(0);
        let found = TWO_ROWS.len();
        let head = "0000000100000002000000030000000";
        let cases: Vec<(&str, Vec<u8>, BundleError)> = vec![
            ("empty", vec![], BundleError::Empty),
            ("half a header", vec![1, 0], BundleError::Empty),
            ("no rows", vec![1, 0, 0], BundleError::Empty),
            ("version 0", vec![0, 0, 1], BundleError::Version { found: 0 }),
            ("version 2", vec![2, 0, 1], BundleError::Version { found: 2 }),
            (
                "over the limit",
                vec![1, 0, 3],
                BundleError::TooManyRows { found: 3, max: 2 },
            ),
            (
                "no row",
                vec![1, 0, 1],
                BundleError::Truncated {
                    row: 0,
                    expected: 20,
                    found: 3,
                },
            ),
            (
                "half a share",
                TWO_ROWS[..found - 1].to_vec(),
                BundleError::Truncated {
                    row: 1,
                    expected: found,
                    found: found - 1,
                },
            ),
            (
                "trailing byte",
                long,
                BundleError::TrailingBytes {
                    expected: found,
                    found: found + 1,
                },
            ),
            (
                "no shares",
                hex::decode(["010001", head, "400"].concat()).unwrap(),
                BundleError::ShareCount { row: 0, found: 0 },
            ),
            (
                "six shares",
                hex::decode(["010001", head, "406", &"000000010001".repeat(6)].concat()).unwrap(),
                BundleError::ShareCount { row: 0, found: 6 },
            ),
            (
                "weight 0",
                hex::decode(["010001", head, "401", "000000050000"].concat()).unwrap(),
                BundleError::ZeroWeight {
                    row: 0,
                    contribution: 5,
                },
            ),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(decode_bundle(&bytes, 2), Err(expected), "{name}");
        }
    }

    #[test]
    fn rows_out_of_range_do_not_encode() {
        assert_eq!(encode_bundle(&[]), Err(BundleError::Empty));
        let mut rows = two_rows();
        rows[1].shares.clear();
        assert_eq!(
            encode_bundle(&rows),
            Err(BundleError::ShareCount { row: 1, found: 0 })
        );
        rows[1].shares = vec![Share {
            contribution: 9,
            weight: 0,
        }];
        assert_eq!(
            encode_bundle(&rows),
            Err(BundleError::ZeroWeight {
                row: 1,
                contribution: 9
            })
        );
        let too_many = vec![two_rows().remove(0); BUNDLE_ROWS_MAX + 1];
        assert_eq!(
            encode_bundle(&too_many),
            Err(BundleError::TooManyRows {
                found: BUNDLE_ROWS_MAX + 1,
                max: BUNDLE_ROWS_MAX
            })
        );
    }

    fn any_row() -> impl Strategy<Value = Row> {
        let share =
            (any::<u32>(), 1..=u16::MAX).prop_map(|(contribution, weight)| Share { contribution, weight });
        let shares = proptest::collection::vec(share, 1..=RECORD_SHARES_MAX);
        (any::<[u32; 4]>(), shares).prop_map(|(fields, shares)| Row {
            payer: fields[0],
            adapter: fields[1],
            tokens_in: fields[2],
            tokens_out: fields[3],
            shares,
        })
    }

    proptest! {
        #[test]
        fn rows_survive_the_round_trip(rows in proptest::collection::vec(any_row(), 1..40)) {
            let bundle = encode_bundle(&rows).unwrap();
            prop_assert_eq!(decode_bundle(&bundle, BUNDLE_ROWS_MAX), Ok(rows));
        }

        #[test]
        fn what_decodes_encodes_to_the_same_bytes(
            rows in proptest::collection::vec(any_row(), 1..4), at in any::<prop::sample::Index>(), flip in 1..=u8::MAX,
        ) {
            let mut bundle = encode_bundle(&rows).unwrap().to_vec();
            let at = at.index(bundle.len());
            bundle[at] ^= flip;
            if let Ok(rows) = decode_bundle(&bundle, BUNDLE_ROWS_MAX) {
                prop_assert_eq!(encode_bundle(&rows).unwrap().to_vec(), bundle);
            }
        }
    }
}
