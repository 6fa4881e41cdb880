//! What became of a commitment, as far as it is the same for everybody.

use alloy_primitives::Bytes;

/// An answer that every honest reader gets alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The payload; it matches the commitment.
    Data(Bytes),
    /// The commitment does not count.
    Drop(DropReason),
}

/// Why a commitment does not count; numbers are EigenDA's derivation status codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum DropReason {
    /// The certificate does not parse.
    #[error("the certificate does not parse")]
    Parse = 1,
    /// It was included on L1 too long after its reference block.
    #[error("the certificate came too late to L1")]
    Recency = 2,
    /// Its signatures or thresholds do not hold.
    #[error("the certificate is invalid")]
    InvalidCert = 3,
    /// The blob is no encoding of a payload.
    #[error("the blob does not decode to a payload")]
    Decode = 4,
}

impl DropReason {
    /// The reason with this status code.
    #[must_use]
    pub const fn from_status_code(code: u64) -> Option<Self> {
        match code {
            1 => Some(Self::Parse),
            2 => Some(Self::Recency),
            3 => Some(Self::InvalidCert),
            4 => Some(Self::Decode),
            _ => None,
        }
    }
}
