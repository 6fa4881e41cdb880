//! Alt-DA commitments: the tagged reference to a payload that stands in the inbox in place of the payload itself.
//!
//! Behind the version byte 01 of the batcher transaction ([`crate::batcher_tx`]):
//!
//! | offset | bytes | field                                                           |
//! | ------ | ----- | --------------------------------------------------------------- |
//! | 0      | 1     | type: 01, generic                                               |
//! | 1      | 1     | DA layer: 7a ours, 00 EigenDA                                   |
//! | 2      | rest  | the layer's own bytes; EigenDA: certificate version, RLP of the certificate |
//!
//! and of our own layer:
//!
//! | offset | bytes | field                                      |
//! | ------ | ----- | ------------------------------------------ |
//! | 0      | 1     | type: 01                                   |
//! | 1      | 1     | layer: 7a                                  |
//! | 2      | 1     | version: 00                                |
//! | 3      | 32    | keccak-256 of the payload                  |
//! | 35     | 4     | length of the payload, u32                 |
//!
//! so that the whole inbox calldata is 40 bytes. Anyone can recompute it: wrong bytes from a DA server show at once and are a stall,
//! never a drop. A commitment that does not decode is dropped: it is on L1, the same for everyone, forever.
//! Spec: OP Stack, experimental/alt-da. Type 00 (keccak with challenges) does not exist on a chain of generic commitments.

use alloc::vec::Vec;
use alloy_primitives::{B256, Bytes, keccak256};

/// Type byte of generic commitments.
pub const GENERIC_TYPE: u8 = 0x01;
/// Layer byte of EigenDA.
pub const EIGENDA_LAYER: u8 = 0x00;
/// Layer byte of our own DA.
pub const LOCAL_LAYER: u8 = 0x7a;
/// The only version of our own commitments.
pub const LOCAL_VERSION: u8 = 0x00;
/// Bytes of one of our own commitments, type byte included.
pub const LOCAL_COMMITMENT_SIZE: usize = 39;
/// Longest payload of our own layer: EigenDA's largest blob, 16 MiB, so that a channel fits either layer. Nobody has to fetch more.
pub const LOCAL_PAYLOAD_SIZE_MAX: u32 = 16 << 20;
/// Longest commitment: what an L1 node relays in one transaction. Certificates are hundreds to some thousands of bytes.
pub const COMMITMENT_SIZE_MAX: usize = 128 << 10;

/// A commitment, without the version byte of the batcher transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commitment {
    /// Of our own layer.
    Local(LocalCommitment),
    /// Of any other layer: bytes only that layer's client understands.
    Other {
        /// Layer byte; never [`LOCAL_LAYER`] in a decoded commitment.
        layer: u8,
        /// What follows it; not empty.
        bytes: Bytes,
    },
}

/// Names one payload: its hash and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalCommitment {
    /// Keccak-256 of the payload.
    pub payload_hash: B256,
    /// Length of the payload; at most [`LOCAL_PAYLOAD_SIZE_MAX`].
    pub payload_size: u32,
}

/// Why bytes are not a commitment. What to do: drop the batcher transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitmentError {
    /// No type and layer byte, or nothing behind them.
    #[error("commitment has {found} bytes, expected at least 3")]
    Short {
        /// Bytes of the commitment.
        found: usize,
    },
    /// More than [`COMMITMENT_SIZE_MAX`].
    #[error("commitment has {found} bytes, more than {COMMITMENT_SIZE_MAX}")]
    Long {
        /// Bytes of the commitment.
        found: usize,
    },
    /// Only generic commitments count.
    #[error("commitment has type {found:02x}, expected {GENERIC_TYPE:02x}")]
    Type {
        /// The type byte.
        found: u8,
    },
    /// Our own layer has one version.
    #[error("commitment of layer 7a has version {found:02x}, expected {LOCAL_VERSION:02x}")]
    LocalVersion {
        /// The version byte.
        found: u8,
    },
    /// Our own commitments have one length.
    #[error("commitment of layer 7a has {found} bytes, expected {LOCAL_COMMITMENT_SIZE}")]
    LocalSize {
        /// Bytes of the commitment.
        found: usize,
    },
    /// It names a payload nobody may have to fetch.
    #[error("payload of {found} bytes, more than {LOCAL_PAYLOAD_SIZE_MAX}")]
    PayloadSize {
        /// Bytes of the payload, as claimed or as given; saturated.
        found: u64,
    },
}

/// Why a payload is not the one committed to. What to do: ask again, ask another server; the payload exists or it does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadMismatch {
    /// Of another length.
    #[error("payload has {found} bytes, the commitment says {expected}")]
    Size {
        /// Length in the commitment.
        expected: u32,
        /// Length of the payload.
        found: usize,
    },
    /// Of other content.
    #[error("payload hashes to {found}, the commitment says {expected}")]
    Hash {
        /// Hash in the commitment.
        expected: B256,
        /// Hash of the payload.
        found: B256,
    },
    /// Only that layer's client can tell.
    #[error("a commitment of layer {layer:02x} cannot be checked against its payload alone")]
    OtherLayer {
        /// Layer byte.
        layer: u8,
    },
}

impl Commitment {
    /// Commits to a payload on our own layer.
    pub fn local(payload: &[u8]) -> Result<Self, CommitmentError> {
        let payload_size = u32::try_from(payload.len())
            .ok()
            .filter(|size| *size <= LOCAL_PAYLOAD_SIZE_MAX)
            .ok_or(CommitmentError::PayloadSize {
                found: payload.len() as u64,
            })?;
        Ok(Self::Local(LocalCommitment {
            payload_hash: keccak256(payload),
            payload_size,
        }))
    }

    /// Reads a commitment: what stands behind the version byte of a batcher transaction, to its end.
    pub fn decode(bytes: &[u8]) -> Result<Self, CommitmentError> {
        let [commitment_type, layer, rest @ ..] = bytes else {
            return Err(CommitmentError::Short { found: bytes.len() });
        };
        if bytes.len() > COMMITMENT_SIZE_MAX {
            return Err(CommitmentError::Long { found: bytes.len() });
        }
        if *commitment_type != GENERIC_TYPE {
            return Err(CommitmentError::Type {
                found: *commitment_type,
            });
        }
        if rest.is_empty() {
            return Err(CommitmentError::Short { found: bytes.len() });
        }
        if *layer == LOCAL_LAYER {
            return LocalCommitment::decode_rest(rest).map(Self::Local);
        }
        Ok(Self::Other {
            layer: *layer,
            bytes: Bytes::copy_from_slice(rest),
        })
    }

    /// The bytes behind the version byte; also the key under which a DA server keeps the payload.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(LOCAL_COMMITMENT_SIZE);
        out.extend_from_slice(&[GENERIC_TYPE, self.layer()]);
        match self {
            Self::Local(local) => {
                out.push(LOCAL_VERSION);
                out.extend_from_slice(local.payload_hash.as_slice());
                out.extend_from_slice(&local.payload_size.to_be_bytes());
            }
            Self::Other { bytes, .. } => out.extend_from_slice(bytes),
        }
        out.into()
    }

    /// Layer byte.
    #[must_use]
    pub const fn layer(&self) -> u8 {
        match self {
            Self::Local(_) => LOCAL_LAYER,
            Self::Other { layer, .. } => *layer,
        }
    }

    /// Whether this is the payload committed to. Everything read from our own layer goes through here before it is used.
    pub fn verify(&self, payload: &[u8]) -> Result<(), PayloadMismatch> {
        match self {
            Self::Local(local) => local.verify(payload),
            Self::Other { layer, .. } => Err(PayloadMismatch::OtherLayer { layer: *layer }),
        }
    }
}

impl LocalCommitment {
    /// Reads what follows the layer byte.
    fn decode_rest(rest: &[u8]) -> Result<Self, CommitmentError> {
        let [version, body @ ..] = rest else {
            return Err(CommitmentError::Short { found: 2 });
        };
        if *version != LOCAL_VERSION {
            return Err(CommitmentError::LocalVersion { found: *version });
        }
        let size = || CommitmentError::LocalSize {
            found: rest.len() + 2,
        };
        let (hash, length) = body.split_first_chunk::<32>().ok_or_else(size)?;
        let payload_size = u32::from_be_bytes(length.try_into().map_err(|_| size())?);
        if payload_size > LOCAL_PAYLOAD_SIZE_MAX {
            return Err(CommitmentError::PayloadSize {
                found: payload_size.into(),
            });
        }
        Ok(Self {
            payload_hash: B256::from(*hash),
            payload_size,
        })
    }

    /// Whether this is the payload committed to; the length is compared before anything is hashed.
    pub fn verify(&self, payload: &[u8]) -> Result<(), PayloadMismatch> {
        if u32::try_from(payload.len()) != Ok(self.payload_size) {
            return Err(PayloadMismatch::Size {
                expected: self.payload_size,
                found: payload.len(),
            });
        }
        let found = keccak256(payload);
        if found != self.payload_hash {
            return Err(PayloadMismatch::Hash {
                expected: self.payload_hash,
                found,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;
    use proptest::prelude::*;

    const PAYLOAD: &[u8] = b"hello";
    /// `01 7a 00 ‖ keccak("hello") ‖ 5`.
    const GOLDEN: [u8; LOCAL_COMMITMENT_SIZE] =
        hex!("017a00" "1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8" "00000005");

    #[test]
    fn golden_commitment() {
        let commitment = Commitment::local(PAYLOAD).unwrap();
        assert_eq!(commitment.encode().as_ref(), GOLDEN);
        assert_eq!(Commitment::decode(&GOLDEN), Ok(commitment));
    }

    #[test]
    fn only_the_committed_payload_verifies() {
        let commitment = Commitment::local(PAYLOAD).unwrap();
        assert_eq!(commitment.verify(PAYLOAD), Ok(()));
        assert_eq!(
            commitment.verify(b"hell"),
            Err(PayloadMismatch::Size {
                expected: 5,
                found: 4
            })
        );
        assert!(matches!(
            commitment.verify(b"hallo"),
            Err(PayloadMismatch::Hash { .. })
        ));
        let other = Commitment::Other {
            layer: EIGENDA_LAYER,
            bytes: hex!("02c0").into(),
        };
        assert_eq!(
            other.verify(PAYLOAD),
            Err(PayloadMismatch::OtherLayer { layer: 0 })
        );
    }

    #[test]
    fn oversized_payload_is_refused_before_it_is_posted() {
        let payload = alloc::vec![0u8; LOCAL_PAYLOAD_SIZE_MAX as usize + 1];
        let found = u64::from(LOCAL_PAYLOAD_SIZE_MAX) + 1;
        assert_eq!(
            Commitment::local(&payload),
            Err(CommitmentError::PayloadSize { found })
        );
        assert!(Commitment::local(&payload[1..]).is_ok());
    }

    #[test]
    fn malformed_commitments_are_rejected() {
        let with = |change: fn(&mut Vec<u8>)| {
            let mut bytes = GOLDEN.to_vec();
            change(&mut bytes);
            bytes
        };
        let over = u64::from(LOCAL_PAYLOAD_SIZE_MAX) + 1;
        let cases = [
            ("empty", Vec::new(), CommitmentError::Short { found: 0 }),
            (
                "type alone",
                hex!("01").to_vec(),
                CommitmentError::Short { found: 1 },
            ),
            (
                "nothing behind the layer",
                hex!("0100").to_vec(),
                CommitmentError::Short { found: 2 },
            ),
            (
                "nothing behind our layer",
                hex!("017a").to_vec(),
                CommitmentError::Short { found: 2 },
            ),
            (
                "keccak type",
                with(|b| b[0] = 0),
                CommitmentError::Type { found: 0 },
            ),
            (
                "version 1",
                with(|b| b[2] = 1),
                CommitmentError::LocalVersion { found: 1 },
            ),
            (
                "short",
                with(|b| b.truncate(38)),
                CommitmentError::LocalSize { found: 38 },
            ),
            (
                "hash cut",
                with(|b| b.truncate(20)),
                CommitmentError::LocalSize { found: 20 },
            ),
            (
                "trailing",
                with(|b| b.push(0)),
                CommitmentError::LocalSize { found: 40 },
            ),
            (
                "payload over the limit",
                with(|b| b[35..].copy_from_slice(&[1, 0, 0, 1])),
                CommitmentError::PayloadSize { found: over },
            ),
            (
                "longer than a transaction",
                alloc::vec![GENERIC_TYPE; COMMITMENT_SIZE_MAX + 1],
                CommitmentError::Long {
                    found: COMMITMENT_SIZE_MAX + 1,
                },
            ),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(Commitment::decode(&bytes), Err(expected), "{name}");
        }
    }

    proptest! {
        #[test]
        fn commitments_survive_the_round_trip(
            payload in proptest::collection::vec(any::<u8>(), 0..200),
            layer in any::<u8>().prop_filter("ours has its own form", |layer| *layer != LOCAL_LAYER),
            bytes in proptest::collection::vec(any::<u8>(), 1..200),
        ) {
            let local = Commitment::local(&payload).unwrap();
            prop_assert_eq!(Commitment::decode(&local.encode()), Ok(local));
            let other = Commitment::Other { layer, bytes: bytes.into() };
            prop_assert_eq!(Commitment::decode(&other.encode()), Ok(other));
        }

        #[test]
        fn arbitrary_bytes_decode_only_to_themselves(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(commitment) = Commitment::decode(&bytes) {
                prop_assert_eq!(commitment.encode(), Bytes::from(bytes));
            }
        }
    }
}
