//! What an operator may ask of a running node; the admin RPC (cli/src/admin) speaks these in op-node's words.

use crate::{
    builder::DaLimits,
    engine::Chain,
    health::Health,
    pool::{Pool, PoolError},
    sequencing::{Sequencing, SequencingError},
};
use alloy::primitives::B256;
use core::time::Duration;
use tokio::sync::watch;
use tributary_derivation::driver::{DerivationStatus, ResetRequest};

/// How much longer than a block's time a stop waits for the open block: sealing and writing it take a fraction of that.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// How long a reset waits for derivation to come round to it; it may be in the middle of asking L1 or DA for something.
const RESET_PATIENCE: Duration = Duration::from_secs(10);

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// This node is a follower.
    #[error("sequencer is not enabled")]
    NotEnabled,
    /// It is not to be stopped or started so.
    #[error(transparent)]
    Sequencing(#[from] SequencingError),
    /// The node has stopped for good.
    #[error("the node has halted and needs a restart: {0}")]
    Halted(String),
    /// The journal does not have on disk what was answered.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// Derivation does not get round to it.
    #[error("derivation was asked to reset and has not done so within {patience:?}; it will")]
    NoReset {
        /// How long was waited.
        patience: Duration,
    },
}

/// The handle. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NodeAdmin {
    pub(super) chain: Chain,
    pub(super) health: Health,
    /// Of a sequencer.
    pub(super) sequencer: Option<(Sequencing, Pool)>,
    pub(super) da_limits: DaLimits,
    pub(super) derivation: watch::Receiver<DerivationStatus>,
    pub(super) reset: ResetRequest,
}

impl NodeAdmin {
    /// True if blocks are built: a follower never does, and a halted node does no more.
    #[must_use]
    pub fn is_sequencing(&self) -> bool {
        let sequencer = self.sequencer.as_ref();
        sequencer.is_some_and(|(sequencing, _)| sequencing.is_active()) && self.halted().is_none()
    }

    /// Opens no more blocks; the hash of the last one, which holds everything that was executed, is on disk.
    ///
    /// # Errors
    /// When it is no sequencer or is stopped already, or the open block is not sealed in good time.
    pub async fn stop_sequencer(&self) -> Result<B256, AdminError> {
        let (sequencing, pool) = self.sequencer()?;
        let block_time = Duration::from_secs(self.chain.config().block_time);
        sequencing.stop(block_time + STOP_PATIENCE).await?;
        // What waits in the pool was acknowledged too.
        pool.durable().await?;
        Ok(self.chain.heads().unsafe_head.hash)
    }

    /// Builds on from the unsafe head, if that is `head`.
    ///
    /// # Errors
    /// When it is no sequencer, runs already, has halted, or has another head; the text names both.
    pub async fn start_sequencer(&self, head: B256) -> Result<(), AdminError> {
        let (sequencing, _) = self.sequencer()?;
        if let Some(cause) = self.halted() {
            return Err(AdminError::Halted(cause));
        }
        let ours = self.chain.heads().unsafe_head.id();
        Ok(sequencing.start(ours, head).await?)
    }

    /// Derives again from where L1 and the chain agree, and returns once that has begun.
    ///
    /// # Errors
    /// When the node has halted, or derivation is too busy to begin.
    pub async fn reset_derivation_pipeline(&self) -> Result<(), AdminError> {
        if let Some(cause) = self.halted() {
            return Err(AdminError::Halted(cause));
        }
        let mut status = self.derivation.clone();
        let before = status.borrow_and_update().resets;
        self.reset.ask_as_operator();
        let reset = status.wait_for(|status| status.resets > before);
        match tokio::time::timeout(RESET_PATIENCE, reset).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(AdminError::NoReset {
                patience: RESET_PATIENCE,
            }),
        }
    }

    /// Lets this sequencer go on without its conductor. There is none, so nothing changes.
    ///
    /// # Errors
    /// When it is no sequencer.
    pub fn override_leader(&self) -> Result<(), AdminError> {
        self.sequencer().map(|_| ())
    }

    /// True if another program decides which of several sequencers builds. There is none to ask.
    #[must_use]
    pub const fn is_conductor_enabled(&self) -> bool {
        false
    }

    /// What limits the bytes of blocks.
    #[must_use]
    pub const fn da_limits(&self) -> &DaLimits {
        &self.da_limits
    }

    fn sequencer(&self) -> Result<&(Sequencing, Pool), AdminError> {
        self.sequencer.as_ref().ok_or(AdminError::NotEnabled)
    }

    fn halted(&self) -> Option<String> {
        self.health.halted()
    }
}
