//! Batcher transactions: what the batcher sends to the inbox on L1, and the payload a DA layer keeps for it.
//!
//! | offset | bytes | inbox calldata, content of a blob ([`crate::blob`])    | payload on a DA layer |
//! | ------ | ----- | ------------------------------------------------------ | --------------------- |
//! | 0      | 1     | version: 00 frames, 01 commitment                      | version: 00           |
//! | 1      | rest  | 00: frames ([`crate::frame`]); 01: [`Commitment`]      | frames                |
//!
//! Frames in calldata are legal on a chain with DA commitments: that is how the batcher goes on when no layer takes payloads.
//! A transaction that does not decode is dropped as a whole. Spec: OP Stack, protocol/derivation and experimental/alt-da.

use crate::commitment::{Commitment, CommitmentError};
use alloc::vec::Vec;
use alloy_primitives::Bytes;

/// Version byte of frames.
pub const FRAMES_VERSION: u8 = 0x00;
/// Version byte of DA commitments.
pub const COMMITMENT_VERSION: u8 = 0x01;

/// What a batcher transaction carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatcherTx {
    /// Frames, without the version byte. Whether they parse is for the frame decoder to say.
    Frames(Bytes),
    /// A reference to a payload of frames.
    Commitment(Commitment),
}

/// Why bytes are not a batcher transaction or a payload. What to do: drop them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatcherTxError {
    /// Not even a version byte.
    #[error("batcher data is empty")]
    Empty,
    /// No such version.
    #[error("batcher data has version {found:02x}")]
    Version {
        /// The first byte.
        found: u8,
    },
    /// Version 01 with something else behind it.
    #[error(transparent)]
    Commitment(#[from] CommitmentError),
}

impl BatcherTx {
    /// Reads inbox calldata or the content of a blob. Frames share the memory of `calldata`.
    pub fn decode(calldata: &Bytes) -> Result<Self, BatcherTxError> {
        match calldata.first() {
            None => Err(BatcherTxError::Empty),
            Some(&FRAMES_VERSION) => Ok(Self::Frames(calldata.slice(1..))),
            Some(&COMMITMENT_VERSION) => Ok(Self::Commitment(Commitment::decode(&calldata[1..])?)),
            Some(&found) => Err(BatcherTxError::Version { found }),
        }
    }

    /// Writes inbox calldata.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Frames(frames) => with_version(FRAMES_VERSION, frames),
            Self::Commitment(commitment) => with_version(COMMITMENT_VERSION, &commitment.encode()),
        }
    }
}

/// Takes the frames out of a DA payload. A payload cannot refer to another payload.
pub fn decode_payload(payload: &Bytes) -> Result<Bytes, BatcherTxError> {
    match payload.first() {
        None => Err(BatcherTxError::Empty),
        Some(&FRAMES_VERSION) => Ok(payload.slice(1..)),
        Some(&found) => Err(BatcherTxError::Version { found }),
    }
}

/// Makes a DA payload of encoded frames; also the calldata that carries the same frames without a DA layer.
#[must_use]
pub fn encode_payload(frames: &[u8]) -> Bytes {
    with_version(FRAMES_VERSION, frames)
}

fn with_version(version: u8, rest: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(1 + rest.len());
    out.push(version);
    out.extend_from_slice(rest);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;
    use proptest::prelude::*;

    #[test]
    fn golden_calldata() {
        let frames = BatcherTx::Frames(hex!("abcd").into());
        assert_eq!(frames.encode().as_ref(), hex!("00abcd"));
        let commitment = BatcherTx::Commitment(Commitment::local(b"hello").unwrap());
        let calldata = hex!(
            "01" "017a00" "1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8" "00000005"
        );
        assert_eq!(calldata.len(), 40);
        assert_eq!(commitment.encode().as_ref(), calldata);
        assert_eq!(BatcherTx::decode(&calldata.into()), Ok(commitment));
    }

    #[test]
    fn malformed_calldata_is_rejected() {
        let cases = [
            ("empty", Bytes::new(), BatcherTxError::Empty),
            (
                "version 2",
                hex!("02").into(),
                BatcherTxError::Version { found: 2 },
            ),
            (
                "no commitment",
                hex!("01").into(),
                CommitmentError::Short { found: 0 }.into(),
            ),
            (
                "keccak commitment",
                hex!("010000").into(),
                CommitmentError::Type { found: 0 }.into(),
            ),
        ];
        for (name, calldata, expected) in cases {
            assert_eq!(BatcherTx::decode(&calldata), Err(expected), "{name}");
        }
    }

    #[test]
    fn payload_cannot_refer_to_a_payload() {
        let commitment = BatcherTx::Commitment(Commitment::local(b"hello").unwrap()).encode();
        assert_eq!(
            decode_payload(&commitment),
            Err(BatcherTxError::Version { found: 1 })
        );
        assert_eq!(decode_payload(&Bytes::new()), Err(BatcherTxError::Empty));
    }

    proptest! {
        #[test]
        fn frames_survive_the_round_trip(frames in proptest::collection::vec(any::<u8>(), 0..200)) {
            let frames = Bytes::from(frames);
            let tx = BatcherTx::Frames(frames.clone());
            prop_assert_eq!(BatcherTx::decode(&tx.encode()), Ok(tx.clone()));
            prop_assert_eq!(encode_payload(&frames), tx.encode());
            prop_assert_eq!(decode_payload(&tx.encode()), Ok(frames));
        }

        #[test]
        fn arbitrary_calldata_decodes_only_to_itself(calldata in proptest::collection::vec(any::<u8>(), 0..64)) {
            let calldata = Bytes::from(calldata);
            if let Ok(tx) = BatcherTx::decode(&calldata) {
                prop_assert_eq!(tx.encode(), calldata);
            }
        }
    }
}
