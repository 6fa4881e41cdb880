//! The batch of a single block.
//!
//! | offset | bytes | field                                                                         |
//! | ------ | ----- | ----------------------------------------------------------------------------- |
//! | 0      | 1     | type: 00                                                                      |
//! | 1      | rest  | `rlp[parent hash, epoch number, epoch hash, timestamp, [transaction, …]]`     |
//!
//! Each transaction is an RLP string with its EIP-2718 bytes. RLP is canonical, with nothing behind it.

use crate::block::L1BlockNumber;
use alloc::vec::Vec;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};

/// Type byte of singular batches.
pub const SINGULAR_BATCH_TYPE: u8 = 0x00;

/// What one L2 block was made from, deposits aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SingularBatch {
    /// Hash of the block before it.
    pub parent_hash: B256,
    /// Number of its L1 origin.
    pub epoch_number: L1BlockNumber,
    /// Hash of its L1 origin.
    pub epoch_hash: B256,
    /// Unix seconds.
    pub timestamp: u64,
    /// EIP-2718 bytes, in order. Decoding does not look into them.
    pub transactions: Vec<Bytes>,
}

/// Why bytes are not a singular batch. What to do: drop them and the rest of their channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SingularError {
    /// Empty, or of another type.
    #[error("starts with {found:02x?}, expected type 00")]
    Type {
        /// The first byte.
        found: Option<u8>,
    },
    /// Not the RLP of a batch.
    #[error("{0}")]
    Rlp(alloy_rlp::Error),
    /// Something behind the batch.
    #[error("{found} bytes behind the batch")]
    Trailing {
        /// How many.
        found: usize,
    },
}

#[derive(RlpEncodable)]
struct BodyRef<'a> {
    parent_hash: &'a B256,
    epoch_number: u64,
    epoch_hash: &'a B256,
    timestamp: u64,
    transactions: &'a Vec<Bytes>,
}

#[derive(RlpDecodable)]
struct Body {
    parent_hash: B256,
    epoch_number: u64,
    epoch_hash: B256,
    timestamp: u64,
    transactions: Vec<Bytes>,
}

impl SingularBatch {
    /// Reads a batch, type byte included.
    pub fn decode(bytes: &[u8]) -> Result<Self, SingularError> {
        let Some((&SINGULAR_BATCH_TYPE, mut rest)) = bytes.split_first() else {
            return Err(SingularError::Type {
                found: bytes.first().copied(),
            });
        };
        let body = Body::decode(&mut rest).map_err(SingularError::Rlp)?;
        if !rest.is_empty() {
            return Err(SingularError::Trailing { found: rest.len() });
        }
        Ok(Self {
            parent_hash: body.parent_hash,
            epoch_number: L1BlockNumber(body.epoch_number),
            epoch_hash: body.epoch_hash,
            timestamp: body.timestamp,
            transactions: body.transactions,
        })
    }

    /// Writes the batch, type byte included.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let body = BodyRef {
            parent_hash: &self.parent_hash,
            epoch_number: self.epoch_number.0,
            epoch_hash: &self.epoch_hash,
            timestamp: self.timestamp,
            transactions: &self.transactions,
        };
        let mut out = Vec::with_capacity(1 + body.length());
        out.push(SINGULAR_BATCH_TYPE);
        body.encode(&mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloy_primitives::hex;
    use proptest::prelude::*;

    const GOLDEN: [u8; 82] = hex!(
        "00" "f84f"
        "a0" "1111111111111111111111111111111111111111111111111111111111111111"
        "820101"
        "a0" "2222222222222222222222222222222222222222222222222222222222222222"
        "846553f100"
        "c401" "82c0fe"
    );

    fn golden() -> SingularBatch {
        SingularBatch {
            parent_hash: B256::repeat_byte(0x11),
            epoch_number: L1BlockNumber(0x101),
            epoch_hash: B256::repeat_byte(0x22),
            timestamp: 1_700_000_000,
            transactions: vec![hex!("01").into(), hex!("c0fe").into()],
        }
    }

    #[test]
    fn golden_batch() {
        assert_eq!(hex::encode(golden().encode()), hex::encode(GOLDEN));
        assert_eq!(SingularBatch::decode(&GOLDEN), Ok(golden()));
    }

    #[test]
    fn malformed_batches_are_rejected() {
        use alloy_rlp::Error;
        let changed = |offset: usize, byte: u8| {
            let mut bytes = GOLDEN;
            bytes[offset] = byte;
            bytes.to_vec()
        };
        let cases: Vec<(&str, Vec<u8>, SingularError)> = vec![
            ("empty", vec![], SingularError::Type { found: None }),
            ("span type", changed(0, 1), SingularError::Type { found: Some(1) }),
            ("type alone", vec![0], SingularError::Rlp(Error::InputTooShort)),
            (
                "cut",
                GOLDEN[..81].to_vec(),
                SingularError::Rlp(Error::InputTooShort),
            ),
            (
                "trailing byte",
                [&GOLDEN[..], &[0]].concat(),
                SingularError::Trailing { found: 1 },
            ),
            (
                "a string",
                hex!("0080").to_vec(),
                SingularError::Rlp(Error::UnexpectedString),
            ),
            (
                "no fields",
                hex!("00c0").to_vec(),
                SingularError::Rlp(Error::InputTooShort),
            ),
            (
                "hash of 31 bytes",
                changed(3, 0x9f),
                SingularError::Rlp(Error::UnexpectedLength),
            ),
            (
                "epoch with a leading zero",
                changed(37, 0),
                SingularError::Rlp(Error::LeadingZero),
            ),
            (
                "transactions as a string",
                changed(77, 0x83),
                SingularError::Rlp(Error::UnexpectedString),
            ),
        ];
        for (name, bytes, expected) in cases {
            let found = SingularBatch::decode(&bytes);
            assert!(found.is_err(), "{name}");
            assert_eq!(found, Err(expected), "{name}");
        }
    }

    #[test]
    fn additional_field_is_rejected() {
        let mut bytes = GOLDEN.to_vec();
        bytes[2] += 1;
        bytes.push(0x80);
        assert!(SingularBatch::decode(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn batches_survive_the_round_trip(
            parent in any::<[u8; 32]>(),
            epoch in any::<u64>(),
            timestamp in any::<u64>(),
            transactions in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..6),
        ) {
            let batch = SingularBatch {
                parent_hash: parent.into(),
                epoch_number: L1BlockNumber(epoch),
                epoch_hash: B256::repeat_byte(parent[0]),
                timestamp,
                transactions: transactions.into_iter().map(Bytes::from).collect(),
            };
            prop_assert_eq!(SingularBatch::decode(&batch.encode()), Ok(batch));
        }

        #[test]
        fn changed_bytes_decode_only_to_themselves(offset in 0usize..82, byte in any::<u8>()) {
            let mut bytes = GOLDEN;
            bytes[offset] = byte;
            if let Ok(batch) = SingularBatch::decode(&bytes) {
                prop_assert_eq!(batch.encode(), bytes);
            }
        }
    }
}
