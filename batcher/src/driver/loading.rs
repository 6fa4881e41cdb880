//! Blocks from the node into the manager, as far as there is room.

use super::{Batcher, Phase};
use crate::{
    channel_manager::{Discontinuity, PendingBlock},
    l1::L1Port,
    node::{NodeError, NodePort, SyncStatus},
};
use tracing::debug;
use tributary_protocol::block::L2BlockNumber;

/// Blocks loaded between two looks at the clock, so that a long backlog does not delay a channel that is due.
const BLOCKS_PER_LOAD: usize = 256;

impl<N: NodePort, L: L1Port> Batcher<N, L> {
    /// Takes blocks although nothing can be posted, so that the backlog is known. What is wrong with them the next whole turn says.
    pub(super) async fn watch_blocks(&mut self, sync: &SyncStatus) {
        if self.control.is_stopped() {
            return;
        }
        match self.load_blocks(sync.cross_unsafe_l2.number).await {
            Ok(()) => {}
            Err(LoadError::Node(error)) => debug!(%error, "no blocks while L1 is away"),
            Err(LoadError::Discontinuity(error)) => debug!(%error, "other blocks while L1 is away"),
        }
    }

    /// Takes blocks up to `head`, a bounded number at a time.
    pub(super) async fn load_blocks(&mut self, head: L2BlockNumber) -> Result<(), LoadError> {
        let Phase::Posting(manager) = &mut self.phase else {
            return Ok(());
        };
        for _ in 0..BLOCKS_PER_LOAD {
            let Some(number) = manager.next_wanted().filter(|number| *number <= head) else {
                break;
            };
            let (block, hash) = self.node.block(number).await?;
            let pending = PendingBlock::from_block(&block, hash, &self.rollup)
                .map_err(|reason| NodeError::BadBlock { number, reason })?;
            manager.push(pending, self.started.elapsed())?;
        }
        Ok(())
    }
}

/// Why blocks could not be loaded.
pub(super) enum LoadError {
    Node(NodeError),
    Discontinuity(Discontinuity),
}

impl From<NodeError> for LoadError {
    fn from(error: NodeError) -> Self {
        Self::Node(error)
    }
}

impl From<Discontinuity> for LoadError {
    fn from(error: Discontinuity) -> Self {
        Self::Discontinuity(error)
    }
}
