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

/// Why a commitment does not count; the numbers up to 4 are EigenDA's derivation status codes.
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
    /// The shards are no encoding of one payload. Our own layer's verdict, once it is erasure-coded; no proxy may give it.
    #[error("the shards do not encode one payload")]
    BadEncoding = 5,
}

impl DropReason {
    /// The status code.
    #[must_use]
    pub const fn status_code(self) -> u64 {
        self as u64
    }

    /// The reason a proxy gives with this status code.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_gives_the_four_reasons_of_eigenda_and_no_other() {
        for code in 1..=4 {
            assert_eq!(
                DropReason::from_status_code(code).map(DropReason::status_code),
                Some(code)
            );
        }
        for code in [0, DropReason::BadEncoding.status_code(), 6, u64::MAX] {
            assert_eq!(DropReason::from_status_code(code), None);
        }
    }
}
