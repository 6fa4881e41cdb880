//! What interrupts the driver, sorted by what it does about it: ask again, reset, or halt.

use super::{
    BlobFetchError, Cause, EngineError, L1Error, Proposal, restart::RestartError, status::StallKind,
};
use crate::{
    epoch::EpochError,
    pipeline::{NothingToReject, ResetCause},
};
use alloy_primitives::B256;
use tributary_da_client::Unavailable;
use tributary_protocol::block::{L1BlockId, L2BlockId, L2BlockNumber};

/// Why derivation waits. Each is asked again until it has an answer; none can make derivation skip anything.
#[derive(Debug, thiserror::Error)]
pub enum StallCause {
    /// L1 gave no answer.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// L1 no longer answers for a block it answered for before, yet has nothing else in its place.
    #[error("L1 does not know block {hash} at height {number} any more", hash = .0.hash, number = .0.number)]
    UnknownL1Block(L1BlockId),
    /// The DA layer gave no answer.
    #[error(transparent)]
    Da(#[from] Unavailable),
    /// The source of blobs gave no answer.
    #[error(transparent)]
    Blobs(#[from] BlobFetchError),
    /// The batcher posted blobs, and this node has no source of blobs.
    #[error("{count} blobs in L1 block {number} cannot be read: name a beacon node with --l1-beacon", number = l1_inclusion.number)]
    NoBlobSource {
        /// How many.
        count: usize,
        /// L1 block that includes them.
        l1_inclusion: L1BlockId,
    },
    /// The engine could not, this time.
    #[error("the engine could not answer: {0}")]
    Engine(#[source] Cause),
    /// No point to restart from could be found yet.
    #[error(transparent)]
    Restart(RestartError),
}

impl StallCause {
    /// Whose answer is missing.
    #[must_use]
    pub const fn kind(&self) -> StallKind {
        match self {
            Self::L1(_) | Self::UnknownL1Block(_) | Self::Restart(_) => StallKind::L1,
            Self::Da(_) | Self::Blobs(_) | Self::NoBlobSource { .. } => StallKind::Da,
            Self::Engine(_) => StallKind::Engine,
        }
    }
}

/// Why derivation has stopped for good.
#[derive(Debug, thiserror::Error)]
pub enum HaltCause {
    /// The engine has stopped.
    #[error("the engine has stopped: {0}")]
    Engine(#[source] Cause),
    /// There is no point to restart from.
    #[error(transparent)]
    Restart(RestartError),
    /// An epoch cannot be read.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// A block of deposits alone is invalid.
    #[error(transparent)]
    NothingToReject(#[from] NothingToReject),
    /// The engine made another block than the next one.
    #[error("the engine made block {hash} at height {number} after block {after}", hash = found.hash, number = found.number, after = parent.hash)]
    NotNext {
        /// The block it was to follow.
        parent: L2BlockId,
        /// The block made.
        found: L2BlockId,
    },
    /// The root posted of a block is not the derived one, and it is one that counts.
    #[error(
        "the output root of block {block} was posted as {posted} by {by} {proposer} (game {game}), but {derived} is derived",
        block = proposal.block, posted = proposal.root, proposer = proposal.proposer, game = proposal.game,
        by = if *is_own { "our own proposer" } else { "a proposer whose game has resolved," }
    )]
    OutputRoot {
        /// What was posted.
        proposal: Proposal,
        /// Output root of the derived block.
        derived: B256,
        /// Whether our own proposer did it; else the game has resolved for its proposer.
        is_own: bool,
    },
    /// The engine lacks a block of the safe chain.
    #[error("the engine has no block {0} of the safe chain")]
    MissingBlock(L2BlockNumber),
}

/// Why a turn of the loop did not finish.
#[derive(Debug)]
pub(super) enum Interrupt {
    Stall(StallCause),
    Reset(ResetCause),
    Halt(HaltCause),
}

impl From<StallCause> for Interrupt {
    fn from(cause: StallCause) -> Self {
        Self::Stall(cause)
    }
}

impl From<HaltCause> for Interrupt {
    fn from(cause: HaltCause) -> Self {
        Self::Halt(cause)
    }
}

impl From<L1Error> for Interrupt {
    fn from(error: L1Error) -> Self {
        Self::Stall(error.into())
    }
}

impl From<EngineError> for Interrupt {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Retry(cause) => Self::Stall(StallCause::Engine(cause)),
            EngineError::Halt(cause) => Self::Halt(HaltCause::Engine(cause)),
        }
    }
}

impl From<RestartError> for Interrupt {
    fn from(error: RestartError) -> Self {
        match error {
            RestartError::L1(error) => error.into(),
            RestartError::Engine(error) => error.into(),
            RestartError::L1Behind { .. } => Self::Stall(StallCause::Restart(error)),
            RestartError::MissingBlock { .. }
            | RestartError::OtherL1 { .. }
            | RestartError::FinalityBroken { .. } => Self::Halt(HaltCause::Restart(error)),
        }
    }
}
