//! Is L1 there, and is it the one this chain was started on?

use super::NodeError;
use std::sync::Arc;
use tributary_derivation::driver::{L1Error, L1Source, L1Tag};
use tributary_protocol::config::RollupConfig;

/// Asks L1 who it is.
#[derive(Clone)]
pub(super) struct L1Check {
    l1: Arc<dyn L1Source>,
    rollup: Arc<RollupConfig>,
}

impl L1Check {
    pub(super) const fn new(l1: Arc<dyn L1Source>, rollup: Arc<RollupConfig>) -> Self {
        Self { l1, rollup }
    }

    /// Asks for the head if L1 has `passed` before, else for everything that tells it from another chain. The outer result says
    /// whether L1 answered, the inner one whether it is ours.
    pub(super) async fn probe(&self, passed: bool) -> Result<Result<(), NodeError>, L1Error> {
        if passed {
            self.l1.head(L1Tag::Latest).await?;
            return Ok(Ok(()));
        }
        let (expected, found) = (self.rollup.l1_chain_id, self.l1.chain_id().await?);
        if found != expected {
            return Ok(Err(NodeError::L1ChainId { expected, found }));
        }
        let expected = self.rollup.genesis.l1;
        let found = self.l1.block_ref(expected.number).await?;
        let found = found.map(|block| block.hash);
        if found != Some(expected.hash) {
            return Ok(Err(NodeError::L1Genesis { expected, found }));
        }
        Ok(Ok(()))
    }
}
