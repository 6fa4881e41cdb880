//! What a batcher is started with, what it tells, and why a turn of it ends early.

use crate::{
    channel_builder::BuildError,
    channel_manager::ChannelPolicy,
    journal::JournalError,
    l1::{L1Error, PostError},
    node::NodeError,
    throttle::DaSizes,
};
use std::time::Duration;
use tributary_protocol::block::L2BlockId;

/// What the batcher needs to run.
#[derive(Clone, Debug)]
pub struct BatcherConfig {
    /// Pause between two turns.
    pub poll_interval: Duration,
    /// When channels close; the window's length is taken from the rollup config.
    pub policy: ChannelPolicy,
    /// Brotli quality, 0 to 11.
    pub brotli_quality: u8,
}

/// Why a turn ended early. What is not [fatal](Self::is_fatal) is tried again in the next one.
#[derive(Debug, thiserror::Error)]
pub enum BatcherError {
    /// See [`NodeError`].
    #[error(transparent)]
    Node(#[from] NodeError),
    /// See [`PostError`].
    #[error(transparent)]
    Post(#[from] PostError),
    /// See [`JournalError`].
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A channel that does not come out as it went in; nothing of it is posted.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl BatcherError {
    /// True if only an operator can help: the journal cannot be written, or another process posts with our key.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::Journal(_)
                | Self::Build(_)
                | Self::Post(
                    PostError::Journal(_)
                        | PostError::Build(_)
                        | PostError::L1(L1Error::NonceTaken { .. } | L1Error::Signer(_))
                )
        )
    }
}

impl BatcherError {
    /// True if a nonce of ours was used by somebody else: a second process posts with our key.
    #[must_use]
    pub const fn is_foreign_nonce(&self) -> bool {
        matches!(self, Self::Post(PostError::L1(L1Error::NonceTaken { .. })))
    }
}

/// What others may know of the batcher at any time.
#[derive(Clone, Debug, Default)]
pub struct BatcherStatus {
    /// Why nothing moves, if nothing does.
    pub problem: Option<String>,
    /// Last L2 block on L1, as far as we posted it.
    pub posted: Option<L2BlockId>,
    /// Blocks waiting to be posted.
    pub pending_blocks: usize,
    /// Channels begun and not final.
    pub channels: usize,
    /// Bytes not on L1 yet: of waiting blocks as estimated, of channels as they are.
    pub backlog_bytes: u64,
    /// True if the operator stopped it.
    pub is_stopped: bool,
    /// What the sequencer's blocks are limited to, if the batcher may limit them.
    pub limits: Option<DaSizes>,
    /// Why the sequencer does not know its limits, if so. Posting goes on.
    pub limits_problem: Option<String>,
}
