//! The seam to the node: what derivation asks of whoever executes blocks and keeps the chain.

use super::BoxFuture;
use crate::fork_choice::{Heads, SafeDerivation};
use alloy_primitives::{B256, Bytes};
use tributary_protocol::{
    attributes::BlockAttributes,
    block::{L1BlockId, L1BlockNumber, L2BlockNumber, L2BlockRef},
    config::SystemConfig,
};

/// What an engine says went wrong. Engines differ in how they fail; what the driver does depends only on the variant around it.
pub type Cause = Box<dyn core::error::Error + Send + Sync + 'static>;

/// Why the engine did not do something.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// For a passing reason: ask again.
    #[error("the engine could not answer: {0}")]
    Retry(#[source] Cause),
    /// For good (a failed write, a broken invariant): stop deriving and say so.
    #[error("the engine has stopped: {0}")]
    Halt(#[source] Cause),
}

/// Why attributes did not become a block.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// No block has these attributes: a transaction is invalid, or a header rule is broken. The rules decide what comes instead.
    #[error("the attributes make no valid block: {0}")]
    InvalidPayload(#[source] Cause),
    /// For a passing reason: ask again.
    #[error("the engine could not apply the attributes: {0}")]
    Retry(#[source] Cause),
    /// For good: stop deriving and say so.
    #[error("the engine has stopped: {0}")]
    Halt(#[source] Cause),
}

impl From<EngineError> for ApplyError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Retry(cause) => Self::Retry(cause),
            EngineError::Halt(cause) => Self::Halt(cause),
        }
    }
}

/// The canonical block that has the attributes asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The block.
    pub block: L2BlockRef,
    /// System configuration in force in it, from its own L1-attributes transaction and header.
    pub system_config: SystemConfig,
    /// True if the block was there already with equal inputs; false if it was executed now, in place of whatever followed the
    /// parent before.
    pub consolidated: bool,
}

/// The chain as derivation drives it. All lookups speak of the canonical (unsafe) chain.
pub trait Engine: Send + Sync + 'static {
    /// The three heads.
    fn heads(&self) -> BoxFuture<'_, Result<Heads, EngineError>>;

    /// Makes the block with these attributes the child of `parent` in the canonical chain: keeps the one that is there if its
    /// inputs are equal, else executes the attributes and abandons what followed `parent`. Moves no safe or finalized head.
    ///
    /// It never abandons a safe block: then it halts.
    fn apply(
        &self,
        attributes: BlockAttributes,
        parent: L2BlockRef,
    ) -> BoxFuture<'_, Result<Applied, ApplyError>>;

    /// Moves the safe head to a canonical block derived from L1 up to `derived_from`, and remembers both, durably, as
    /// [`SafeDerivation`] for `derived_from.number`; entries above that number are forgotten.
    fn set_safe(&self, block: L2BlockRef, derived_from: L1BlockId) -> BoxFuture<'_, Result<(), EngineError>>;

    /// Moves the finalized head to a canonical block at or below the safe head.
    fn set_finalized(&self, block: L2BlockRef) -> BoxFuture<'_, Result<(), EngineError>>;

    /// After an L1 reorg: moves the safe head back to `safe`, forgetting safe derivations above its L1 block, and abandons every
    /// block above `unsafe_head`. Acknowledged transactions of abandoned blocks are the engine's to re-enter.
    fn reset_to(
        &self,
        unsafe_head: L2BlockRef,
        safe: SafeDerivation,
    ) -> BoxFuture<'_, Result<(), EngineError>>;

    /// The last safe derivation at or below `l1_block`; `None` before the first.
    fn safe_head_at(
        &self,
        l1_block: L1BlockNumber,
    ) -> BoxFuture<'_, Result<Option<SafeDerivation>, EngineError>>;

    /// Reference of the block at `number`; `None` above the unsafe head.
    fn block_ref(&self, number: L2BlockNumber) -> BoxFuture<'_, Result<Option<L2BlockRef>, EngineError>>;

    /// System configuration in force in the block at `number`; `None` above the unsafe head.
    fn system_config(
        &self,
        number: L2BlockNumber,
    ) -> BoxFuture<'_, Result<Option<SystemConfig>, EngineError>>;

    /// Output root of the block at `number`; `None` above the unsafe head.
    fn output_root(&self, number: L2BlockNumber) -> BoxFuture<'_, Result<Option<B256>, EngineError>>;

    /// EIP-2718 bytes of the transactions of the block at `number`, deposits included; `None` above the unsafe head.
    fn transactions(&self, number: L2BlockNumber) -> BoxFuture<'_, Result<Option<Vec<Bytes>>, EngineError>>;
}
