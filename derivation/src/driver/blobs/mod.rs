//! The seam to blobs: the contents of EIP-4844 transactions, which L1's execution clients do not keep.

use super::BoxFuture;
use alloc::{string::String, vec::Vec};
use alloy_primitives::B256;
use tributary_protocol::{
    blob::{Blob, BlobSizeError},
    block::{L1BlockId, L1BlockRef},
};

mod beacon;
mod kzg;

pub use self::{beacon::BeaconBlobs, kzg::versioned_hash};

/// Why there are no blobs. Always a stall: the same question is asked again.
#[derive(Debug, thiserror::Error)]
pub enum BlobFetchError {
    /// The server did not answer, or not in time.
    #[error("the beacon node did not answer {path}: {cause}")]
    Transport {
        /// What was asked for.
        path: String,
        /// What the transport says.
        cause: String,
    },
    /// The server refused.
    #[error("the beacon node answered {path} with status {status}: {body}")]
    Status {
        /// What was asked for.
        path: String,
        /// HTTP status.
        status: u16,
        /// Beginning of the answer's body.
        body: String,
    },
    /// The server answered what cannot be read.
    #[error("the beacon node's answer to {path} cannot be read: {cause}")]
    Unreadable {
        /// What was asked for.
        path: String,
        /// Why not.
        cause: String,
    },
    /// The server answered more than any L1 block can hold.
    #[error("the beacon node's answer to {path} exceeds {limit} bytes")]
    TooLong {
        /// What was asked for.
        path: String,
        /// Bytes read before giving up.
        limit: usize,
    },
    /// What the server has is no blob.
    #[error(transparent)]
    Size(#[from] BlobSizeError),
    /// The server has no such blob, or other bytes in its place.
    #[error(
        "the beacon node has {served} blobs for L1 block {number}, none of them is {hash}: it may be behind, serve other bytes, or have \
         pruned them (after 18 days; then name one that keeps blobs)",
        number = l1_inclusion.number
    )]
    Missing {
        /// Versioned hash of the blob asked for.
        hash: B256,
        /// How many blobs came back.
        served: usize,
        /// L1 block that includes it.
        l1_inclusion: L1BlockId,
    },
    /// The L1 block is older than the beacon chain.
    #[error("L1 block {number} is older than the beacon chain, which began at {genesis_time}", number = l1_inclusion.number)]
    BeforeGenesis {
        /// Unix seconds of the beacon chain's first slot.
        genesis_time: u64,
        /// The L1 block.
        l1_inclusion: L1BlockId,
    },
}

/// Reads blobs. Whatever it answers has been checked against the versioned hashes; an error says nothing about the blobs.
///
/// One implementation asks a beacon node, the other keeps them in memory for tests.
pub trait BlobSource: Send + Sync + 'static {
    /// The blobs with these versioned hashes, all of them and in this order, of the L1 block that includes them.
    fn blobs<'a>(
        &'a self,
        hashes: &'a [B256],
        l1_inclusion: L1BlockRef,
    ) -> BoxFuture<'a, Result<Vec<Blob>, BlobFetchError>>;
}
