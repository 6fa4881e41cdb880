//! Batches: what L2 blocks were made from, on the way to L1 and back.
//!
//! | offset | bytes | field                                                            |
//! | ------ | ----- | ---------------------------------------------------------------- |
//! | 0      | 1     | type: 00 singular, 01 span                                       |
//! | 1      | rest  | [`SingularBatch`] for one block; [`SpanBatch`] for a run of them |
//!
//! Deposits are not in batches: derivation takes them from L1. Whether a batch fits the chain (its parent, epoch, time) is for
//! derivation to decide; here is only what the bytes say. Spec: OP Stack, protocol/derivation, batch format, and protocol/delta.

mod singular;
mod span;

pub use singular::{SINGULAR_BATCH_TYPE, SingularBatch, SingularError};
pub use span::{
    BlockTransactionError, MAX_SPAN_BATCH_ELEMENT_COUNT, MissingL1Origin, SPAN_BATCH_TYPE, SpanBatch,
    SpanBlock, SpanBlocks, SpanEncodeError, SpanError, SpanParameters, TransactionError,
};

use alloc::vec::Vec;

/// A batch of either type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Batch {
    /// One block.
    Singular(SingularBatch),
    /// A run of consecutive blocks.
    Span(SpanBatch),
}

/// Why bytes are not a batch. What to do: drop them and the rest of their channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Not even a type byte.
    #[error("batch is empty")]
    Empty,
    /// No such type.
    #[error("batch has type {found:02x}")]
    Type {
        /// The first byte.
        found: u8,
    },
    /// Type 00 with something else behind it.
    #[error("singular batch: {0}")]
    Singular(#[from] SingularError),
    /// Type 01 with something else behind it.
    #[error("span batch: {0}")]
    Span(#[from] SpanError),
}

impl Batch {
    /// Reads a batch, type byte included: the content of one RLP string of a channel. Its size was bounded there; nothing is
    /// allocated that the bytes do not pay for.
    pub fn decode(bytes: &[u8], parameters: &SpanParameters) -> Result<Self, BatchError> {
        match bytes.first() {
            None => Err(BatchError::Empty),
            Some(&SINGULAR_BATCH_TYPE) => Ok(Self::Singular(SingularBatch::decode(bytes)?)),
            Some(&SPAN_BATCH_TYPE) => Ok(Self::Span(SpanBatch::decode(bytes, parameters)?)),
            Some(&found) => Err(BatchError::Type { found }),
        }
    }

    /// Writes the batch, type byte included.
    pub fn encode(&self) -> Result<Vec<u8>, SpanEncodeError> {
        match self {
            Self::Singular(batch) => Ok(batch.encode()),
            Self::Span(batch) => batch.encode(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARAMETERS: SpanParameters = SpanParameters {
        genesis_time: 100,
        block_time_secs: 2,
        chain_id: 901,
    };

    #[test]
    fn batch_without_a_known_type_is_rejected() {
        assert_eq!(Batch::decode(&[], &PARAMETERS), Err(BatchError::Empty));
        for found in [0x02, 0x7f, 0x80, 0xff] {
            assert_eq!(
                Batch::decode(&[found, 0, 0], &PARAMETERS),
                Err(BatchError::Type { found })
            );
        }
    }

    #[test]
    fn type_byte_chooses_the_decoder() {
        let singular = SingularBatch {
            timestamp: 100,
            ..SingularBatch::default()
        };
        let span = SpanBatch::from_singular(core::slice::from_ref(&singular), 0, PARAMETERS).unwrap();
        for batch in [Batch::Singular(singular), Batch::Span(span)] {
            assert_eq!(Batch::decode(&batch.encode().unwrap(), &PARAMETERS), Ok(batch));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(kind in 0u8..2, mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            bytes.insert(0, kind);
            let _ = Batch::decode(&bytes, &PARAMETERS);
        }
    }
}
