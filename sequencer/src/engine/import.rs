//! Taking a block that somebody else has sealed as unsafe: only if it executes to the hash it is said to have.
//!
//! As in [`super::apply`] execution comes before anything is abandoned, so a block that is refused costs nothing but the work.

use super::writer::{EngineError, Owner, block_ref};
use crate::store::StoredBlock;
use alloy::primitives::B256;
use tributary_protocol::{
    attributes::BlockAttributes,
    block::{L2BlockNumber, L2BlockRef},
};

impl Owner {
    pub(super) fn import(
        &mut self,
        attributes: &BlockAttributes,
        parent: B256,
        hash: B256,
    ) -> Result<L2BlockRef, EngineError> {
        let reader = self.writer.reader()?;
        let held = |hash: B256| match reader.block_number(hash)? {
            Some(number) => reader.block_by_number(number),
            None => Ok(None),
        };
        if let Some(ours) = held(hash)? {
            return Ok(ours.reference);
        }
        let Some(parent) = held(parent)? else {
            return Err(EngineError::UnknownParent {
                number: L2BlockNumber(0),
                parent,
            });
        };
        self.check_above_safe(&parent)?;
        let outcome = self.execute(attributes, &parent)?;
        let number = parent.reference.number.next();
        if outcome.hash != hash {
            return Err(EngineError::OtherHash {
                number,
                claimed: hash,
                executed: outcome.hash,
            });
        }
        // Whatever commit would refuse must be refused before the blocks above the parent are gone.
        block_ref(&self.config, &outcome)?;
        if self.writer.heads().unsafe_head.number >= number {
            self.revert_to(parent.reference.number)?;
        }
        self.commit(outcome)
    }

    fn check_above_safe(&self, parent: &StoredBlock) -> Result<(), EngineError> {
        let number = parent.reference.number.next();
        if number <= self.writer.heads().safe_head.number {
            return Err(EngineError::BelowSafe { number });
        }
        Ok(())
    }
}
