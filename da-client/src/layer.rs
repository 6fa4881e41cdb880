//! The seam between those who need data availability and those who give it.

use crate::verdict::Fetched;
use alloy_primitives::Bytes;
use core::{future::Future, pin::Pin, time::Duration};
use tributary_protocol::{
    block::L1BlockNumber,
    commitment::{Commitment, CommitmentError, PayloadMismatch},
};

/// Longest payload, in bytes: the largest that fits into EigenDA's largest blob of 16 MiB. One limit for all layers, so that a
/// channel may go to any of them.
pub const PAYLOAD_SIZE_MAX: usize = 16_252_897;

/// A future behind a pointer: which layer is used is chosen at run time.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A data-availability layer.
pub trait DaLayer: Send + Sync {
    /// What can be expected of it.
    fn capabilities(&self) -> Capabilities;

    /// Stores `payload`; once this returns, anyone with the commitment can read it.
    fn put(&self, payload: Bytes) -> BoxFuture<'_, Result<Commitment, PutError>>;

    /// The payload behind `commitment`, which L1 included in block `l1_inclusion`. An error means: not now, ask again.
    fn get<'a>(
        &'a self,
        commitment: &'a Commitment,
        l1_inclusion: L1BlockNumber,
    ) -> BoxFuture<'a, Result<Fetched, Unavailable>>;

    /// Fails if the layer cannot be used now.
    fn health(&self) -> BoxFuture<'_, Result<(), Unavailable>>;
}

/// What a layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Name for people.
    pub name: &'static str,
    /// Longest payload, in bytes.
    pub payload_size_max: usize,
}

/// Why a payload was not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// The layer cannot store anything now; another one should be used.
    #[error("the DA layer at {url} asks to fail over: {reason}")]
    Failover {
        /// Endpoint.
        url: String,
        /// Its word.
        reason: String,
        /// When to try again, if it says so.
        retry_after: Option<Duration>,
    },
    /// Too many requests.
    #[error("the DA layer at {url} asks to slow down")]
    RateLimited {
        /// Endpoint.
        url: String,
        /// When to try again, if it says so.
        retry_after: Option<Duration>,
    },
    /// The payload is too large for the layer.
    #[error("the payload has {size} bytes, the DA layer takes at most {max}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The layer refuses this payload, and will again.
    #[error("the DA layer at {url} refuses the payload: {reason}")]
    Rejected {
        /// Endpoint.
        url: String,
        /// Its word.
        reason: String,
    },
    /// The layer answered with a commitment to something else.
    #[error("the DA layer at {url} returned {found}, the payload's commitment is {expected}")]
    WrongCommitment {
        /// Endpoint.
        url: String,
        /// What the payload commits to.
        expected: Bytes,
        /// What came back.
        found: Bytes,
    },
    /// No usable answer.
    #[error("the DA layer at {url} did not answer: {reason}")]
    Transient {
        /// Endpoint.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The payload cannot be committed to.
    #[error(transparent)]
    Commitment(#[from] CommitmentError),
}

impl PutError {
    /// True if the same payload may be accepted later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Failover { .. } | Self::RateLimited { .. } | Self::Transient { .. }
        )
    }

    /// When to try again, if the layer says so.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Failover { retry_after, .. } | Self::RateLimited { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Why a payload cannot be read now. Never a verdict: whoever asks stalls and asks again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No endpoint gave a usable answer; the last one's word.
    #[error("payload {commitment} is not available: {url}: {reason}")]
    NoAnswer {
        /// Commitment asked for.
        commitment: Bytes,
        /// Endpoint.
        url: String,
        /// What happened.
        reason: String,
    },
    /// Other bytes than the commitment is to.
    #[error("payload {commitment} is not available: {url} serves other bytes: {mismatch}")]
    WrongPayload {
        /// Commitment asked for.
        commitment: Bytes,
        /// Endpoint.
        url: String,
        /// How they differ.
        mismatch: Box<PayloadMismatch>,
    },
    /// A commitment of a layer that is not configured.
    #[error("commitment {commitment} is of DA layer 0x{layer:02x}, which is not configured")]
    UnknownLayer {
        /// Commitment asked for.
        commitment: Bytes,
        /// Its layer byte.
        layer: u8,
    },
    /// The layer as a whole does not answer.
    #[error("the DA layer at {url} does not answer: {reason}")]
    Down {
        /// Endpoint.
        url: String,
        /// What happened.
        reason: String,
    },
}
