//! What derivation decides, carried out: keep our block, or put the derived one in its place.
//!
//! ```text
//!  attributes for n, parent n-1
//!    we hold n with equal inputs        -> keep it (consolidate)
//!    no block has these attributes      -> refuse, the chain stays as it was
//!    we hold another n, and it is safe  -> halt
//!    we hold another n, or none         -> execute, then abandon n and what follows, then commit
//! ```
//! Execution comes before anything is abandoned, so attributes that turn out invalid cost nothing.

use super::{
    recovery::recover_all,
    writer::{EngineError, Owner},
};
use crate::store::{SafeDerivation, StoreError, StoredBlock};
use alloy::{consensus::Sealed, eips::eip2718::Encodable2718};
use tributary_derivation::driver::Applied;
use tributary_protocol::{
    attributes::BlockAttributes,
    block::{L2Block, L2BlockRef},
    config::{RollupConfig, SystemConfig},
    execute::{BlockOutcome, ExecuteError, execute_recovered, extra_data},
};

impl Owner {
    pub(super) fn apply(
        &mut self,
        attributes: &BlockAttributes,
        parent: &L2BlockRef,
    ) -> Result<Applied, EngineError> {
        let number = parent.number.next();
        let reader = self.writer.reader()?;
        let held_parent = reader.block_by_number(parent.number)?;
        let Some(held_parent) = held_parent.filter(|held| held.hash == parent.hash) else {
            return Err(EngineError::UnknownParent {
                number: parent.number,
                parent: parent.hash,
            });
        };
        let held = self.chain.block_by_number(number)?;
        if let Some(held) = &held
            && same_inputs(&self.config, &held.block, attributes)
        {
            return self.applied(held.reference, &held.block, true);
        }
        let outcome = self.execute(attributes, &held_parent)?;
        // Only now: a batch that made no valid block is offered again after a restart, before the deposits that took its place.
        if number <= self.writer.heads().safe_head.number {
            return Err(EngineError::ContradictsSafe { number });
        }
        let block = outcome.block.clone();
        self.revert_to(parent.number)?;
        let reference = self.commit(outcome)?;
        if let Some(held) = held {
            tell_replaced(&held.reference, &reference);
        }
        self.applied(reference, &block, false)
    }

    pub(super) fn reset_to(
        &mut self,
        unsafe_head: &L2BlockRef,
        safe: SafeDerivation,
    ) -> Result<(), EngineError> {
        let held = self.writer.reader()?.block_ref(unsafe_head.number)?;
        if held.map(|held| held.hash) != Some(unsafe_head.hash) {
            return Err(StoreError::NotCanonical {
                number: unsafe_head.number,
                hash: unsafe_head.hash,
                canonical: held.unwrap_or_default().hash,
            }
            .into());
        }
        self.writer.set_safe(safe.safe_head, safe.l1)?;
        self.revert_to(unsafe_head.number)
    }

    pub(super) fn execute(
        &self,
        attributes: &BlockAttributes,
        parent: &StoredBlock,
    ) -> Result<BlockOutcome, EngineError> {
        let number = parent.reference.number.next();
        let state = self.writer.reader()?.state_at(parent.reference.number)?;
        let header = Sealed::new_unchecked(parent.block.header.clone(), parent.hash);
        let transactions = recover_all(&attributes.transactions);
        execute_recovered(&self.config, &header, attributes, transactions, &state).map_err(|error| {
            let invalid = matches!(
                error,
                ExecuteError::Header(_) | ExecuteError::InvalidTransaction { .. }
            );
            let source = Box::new(error);
            if invalid {
                EngineError::InvalidAttributes { number, source }
            } else {
                EngineError::Execution { number, source }
            }
        })
    }

    fn applied(
        &self,
        reference: L2BlockRef,
        block: &L2Block,
        consolidated: bool,
    ) -> Result<Applied, EngineError> {
        Ok(Applied {
            block: reference,
            system_config: SystemConfig::from_l2_block(&self.config, block)?,
            consolidated,
        })
    }
}

/// What we promised with `held` L1 does not keep: followers and users saw another block than the one that counts.
fn tell_replaced(held: &L2BlockRef, derived: &L2BlockRef) {
    metrics::counter!("engine_unsafe_blocks_replaced_total").increment(1);
    tracing::warn!(
        target: "sequencer",
        number = held.number.0,
        unsafe_hash = %held.hash,
        derived_hash = %derived.hash,
        "an unsafe block was replaced by the one derived from L1"
    );
}

/// True if `block` was built from these attributes and nothing else. Its parent is the caller's to compare.
fn same_inputs(config: &RollupConfig, block: &L2Block, attributes: &BlockAttributes) -> bool {
    let header = &block.header;
    let transactions = &block.body.transactions;
    header.timestamp == attributes.timestamp
        && header.mix_hash == attributes.prev_randao
        && header.beneficiary == attributes.fee_recipient
        && header.parent_beacon_block_root == Some(attributes.parent_beacon_block_root)
        && header.gas_limit == attributes.gas_limit
        && extra_data(config, attributes).is_ok_and(|expected| header.extra_data == expected)
        && transactions.len() == attributes.transactions.len()
        && transactions
            .iter()
            .zip(&attributes.transactions)
            .all(|(ours, derived)| ours.encoded_2718() == **derived)
}
