//! What the next block is made of besides users' transactions: its L1 origin, and what follows from it.

use super::{Builder, BuilderError, parent::Parent};
use crate::origin_selector::{OriginChoice, WaitReason, choose_origin};
use core::time::Duration;
use tributary_protocol::{attributes::BlockAttributes, block::L2BlockRef, config::SystemConfig};

/// How long a builder that is behind waits for an L1 block it knows to exist before it goes on with the origin it has.
const NEXT_ORIGIN_PATIENCE: Duration = Duration::from_secs(2);

impl Builder {
    /// Attributes of the block after `parent`, or why there are none that derivation would accept for certain.
    pub(super) async fn attributes(
        &self,
        parent: &Parent,
    ) -> Result<Result<BlockAttributes, WaitReason>, BuilderError> {
        let reference = parent.reference();
        let timestamp = reference.timestamp + self.config().block_time;
        if self.clock.now() > Duration::from_secs(timestamp) {
            self.wait_for_next_origin(reference).await;
        }
        let known = self.l1.around(reference.l1_origin.number);
        let choice = choose_origin(
            reference,
            timestamp,
            &known,
            self.settings.l1_confirmations,
            self.config().seq_window_size,
        );
        let (origin, deposits_only) = match choice {
            OriginChoice::Current { deposits_only } => (known.current, deposits_only),
            OriginChoice::Next { deposits_only } => (known.next, deposits_only),
            OriginChoice::Wait(reason) => return Ok(Err(reason)),
        };
        // A poll in between may have dropped it after a reorg.
        let Some(epoch) = origin.and_then(|origin| self.l1.epoch(origin.id())) else {
            return Ok(Err(WaitReason::OriginUnknown));
        };
        let in_force = SystemConfig::from_l2_block(self.config(), parent.block())?;
        let attributes = epoch.attributes(self.config(), &self.l1_config, reference, &in_force);
        let first_jovian =
            self.config().is_jovian(timestamp) && !self.config().is_jovian(reference.timestamp);
        Ok(Ok(BlockAttributes {
            no_tx_pool: deposits_only || first_jovian,
            ..attributes
        }))
    }

    /// While behind, an origin that is about to be read is worth a moment: building on without it makes the epochs ever older.
    async fn wait_for_next_origin(&self, parent: &L2BlockRef) {
        let mut changes = self.l1.subscribe();
        let missing = || {
            let known = self.l1.around(parent.l1_origin.number);
            known.next.is_none() && parent.l1_origin.number.0 < known.head_number
        };
        let arrival = async { while missing() && changes.changed().await.is_ok() {} };
        tokio::time::timeout(NEXT_ORIGIN_PATIENCE, arrival).await.ok();
    }
}
