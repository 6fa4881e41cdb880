//! The seam to L1: checked blocks and the head, from one server at a time.

use super::BoxFuture;
use crate::l1_block::{L1Block, L1BlockError};
use alloy::transports::TransportError;
use alloy_primitives::{Address, B256, Bytes};
use core::time::Duration;
use tributary_protocol::block::{L1BlockNumber, L1BlockRef};

/// Which head of L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum L1Tag {
    /// Newest block.
    Latest,
    /// Newest block that a majority of validators has voted for.
    Safe,
    /// Newest block that cannot be reorged out.
    Finalized,
}

/// Why L1 gave no answer. Always a stall: the same question is asked again.
#[derive(Debug, thiserror::Error)]
pub enum L1Error {
    /// The server failed, refused, or answered what cannot be read.
    #[error("L1 request {request} failed")]
    Transport {
        /// JSON-RPC method.
        request: &'static str,
        /// What the transport says.
        #[source]
        source: TransportError,
    },
    /// The server did not answer in time.
    #[error("L1 request {request} was not answered within {after:?}")]
    Timeout {
        /// JSON-RPC method.
        request: &'static str,
        /// How long we waited.
        after: Duration,
    },
    /// The answer is not the block it claims to be.
    #[error(transparent)]
    Block(#[from] L1BlockError),
    /// The block came back under another number than was asked for.
    #[error("L1 answered block {found} when asked for block {expected}")]
    WrongNumber {
        /// Number asked for.
        expected: L1BlockNumber,
        /// Number of the block given.
        found: L1BlockNumber,
    },
    /// The server knows the block but not its receipts.
    #[error("L1 has no receipts for block {block}")]
    NoReceipts {
        /// Hash of the block.
        block: B256,
    },
    /// The in-memory L1 was told to fail.
    #[error("the simulated L1 is down")]
    Down,
}

/// Reads L1. "Not there" is `None`; an error says nothing about the chain.
///
/// One implementation asks a JSON-RPC server, the other is a simulated chain for tests. Origin selection uses it too.
pub trait L1Source: Send + Sync + 'static {
    /// EIP-155 chain id of L1.
    fn chain_id(&self) -> BoxFuture<'_, Result<u64, L1Error>>;

    /// The newest block under `tag`; `None` while L1 has none (before its first finalized block).
    fn head(&self, tag: L1Tag) -> BoxFuture<'_, Result<Option<L1BlockRef>, L1Error>>;

    /// Reference of the canonical block at `number`; `None` above the head. Cheaper than the whole block.
    fn block_ref(&self, number: L1BlockNumber) -> BoxFuture<'_, Result<Option<L1BlockRef>, L1Error>>;

    /// The canonical block at `number`; `None` above the head.
    fn block_by_number(&self, number: L1BlockNumber) -> BoxFuture<'_, Result<Option<L1Block>, L1Error>>;

    /// The block with `hash`, canonical or not; `None` if the source does not know it (any more).
    fn block_by_hash(&self, hash: B256) -> BoxFuture<'_, Result<Option<L1Block>, L1Error>>;

    /// What the contract at `to` answers in L1's newest state; `None` if it refuses or the source has no state. Nothing that is
    /// derived depends on it: it serves alarms.
    fn call(&self, _to: Address, _input: Bytes) -> BoxFuture<'_, Result<Option<Bytes>, L1Error>> {
        Box::pin(async { Ok(None) })
    }
}
