//! How many bytes for DA a block may hold, as the batcher asks for while it cannot post as fast as blocks are built.
//!
//! ```text
//!  batcher --miner_setMaxDASize(transaction, block)--> DaLimits (shared) --one reading per block--> DaBudget --> OpenBlock
//! ```
//! Bytes are estimated per transaction ([`estimated_da_bytes`]), as op-geth does. Limits shrink blocks and refuse nobody for good: a
//! transaction that no block under these limits could ever hold (a full bundle of records is one) goes in all the same, one a block.
//! What does not fit stays in the pool. They are this node's choice alone: derivation knows nothing of them.

use parking_lot::RwLock;
use std::sync::Arc;
use tributary_protocol::execute::estimated_da_bytes;

/// Limits in bytes; 0 is no limit, as with op-geth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaSizes {
    /// Of one transaction.
    pub transaction_bytes_max: u64,
    /// Of one block's transactions together, deposits apart.
    pub block_bytes_max: u64,
}

impl DaSizes {
    /// True if anything is limited.
    #[must_use]
    pub const fn is_limit(&self) -> bool {
        self.transaction_bytes_max != 0 || self.block_bytes_max != 0
    }
}

/// The limits now. Cheap to clone; clones share them. They are not kept over a restart: the batcher tells them again.
#[derive(Clone, Debug, Default)]
pub struct DaLimits(Arc<RwLock<DaSizes>>);

impl DaLimits {
    /// The limits that the next block will have.
    #[must_use]
    pub fn get(&self) -> DaSizes {
        *self.0.read()
    }

    /// Sets them, from the next block on.
    pub fn set(&self, sizes: DaSizes) {
        let before = core::mem::replace(&mut *self.0.write(), sizes);
        metrics::gauge!("sequencer_da_transaction_bytes_max").set(sizes.transaction_bytes_max as f64);
        metrics::gauge!("sequencer_da_block_bytes_max").set(sizes.block_bytes_max as f64);
        if before.is_limit() && !sizes.is_limit() {
            tracing::info!(target: "sequencer", "blocks are not limited in bytes for DA any more");
        } else if !before.is_limit() && sizes.is_limit() {
            tracing::warn!(
                target: "sequencer",
                transaction_bytes_max = sizes.transaction_bytes_max,
                block_bytes_max = sizes.block_bytes_max,
                "blocks are limited in bytes for DA"
            );
        }
    }
}

/// What is left of the limits in one block.
#[derive(Clone, Copy, Debug)]
pub(super) struct DaBudget {
    sizes: DaSizes,
    used: u64,
    has_oversized: bool,
}

impl DaBudget {
    pub(super) const fn new(sizes: DaSizes) -> Self {
        Self {
            sizes,
            used: 0,
            has_oversized: false,
        }
    }

    /// The estimate of a transaction; nothing is computed without a limit.
    pub(super) fn size(&self, encoded: &[u8]) -> u64 {
        if self.sizes.is_limit() {
            estimated_da_bytes(encoded)
        } else {
            0
        }
    }

    /// Whether a transaction of `size` bytes still fits.
    pub(super) const fn admits(&self, size: u64) -> bool {
        if self.is_oversized(size) {
            return !self.has_oversized;
        }
        let block = self.sizes.block_bytes_max;
        block == 0 || self.used.saturating_add(size) <= block
    }

    /// A transaction of `size` bytes is in the block.
    pub(super) const fn count(&mut self, size: u64) {
        self.used = self.used.saturating_add(size);
        self.has_oversized = self.has_oversized || self.is_oversized(size);
    }

    /// True if even an empty block under these limits could not hold it.
    const fn is_oversized(&self, size: u64) -> bool {
        let (transaction, block) = (self.sizes.transaction_bytes_max, self.sizes.block_bytes_max);
        transaction != 0 && size > transaction || block != 0 && size > block
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn budget(transaction_bytes_max: u64, block_bytes_max: u64) -> DaBudget {
        DaBudget::new(DaSizes {
            transaction_bytes_max,
            block_bytes_max,
        })
    }

    /// What goes into a block of `sizes` offered in this order.
    fn filled(mut budget: DaBudget, sizes: &[u64]) -> Vec<u64> {
        let mut taken = Vec::new();
        for size in sizes {
            if budget.admits(*size) {
                budget.count(*size);
                taken.push(*size);
            }
        }
        taken
    }

    #[test]
    fn zero_is_no_limit() {
        assert_eq!(filled(budget(0, 0), &[u64::MAX, u64::MAX]), [u64::MAX, u64::MAX]);
        assert_eq!(filled(budget(0, 0), &[7]), [7]);
        assert_eq!(budget(0, 0).size(&[1; 300]), 0);
        assert!(budget(0, 1).size(&[1; 300]) >= 100);
    }

    #[test]
    fn one_transaction_over_the_limits_goes_into_each_block_wherever_it_comes() {
        assert_eq!(filled(budget(150, 2_000), &[300_000, 100, 300_000]), [300_000]);
        assert_eq!(filled(budget(150, 2_000), &[100, 300_000, 100]), [100, 300_000]);
        assert_eq!(filled(budget(150, 0), &[300, 300, 100]), [300, 100]);
    }

    #[test]
    fn what_does_not_fit_leaves_room_for_what_does() {
        assert_eq!(filled(budget(0, 250), &[100, 200, 150, 1]), [100, 150]);
    }

    proptest! {
        #[test]
        fn a_block_holds_at_most_its_limit_and_one_transaction_more(
            sizes in prop::collection::vec(100_u64..600_000, 0..200),
            transaction in 0_u64..30_000,
            block in 1_u64..200_000,
        ) {
            let taken = filled(budget(transaction, block), &sizes);
            let largest = taken.iter().max().copied().unwrap_or_default();
            prop_assert!(taken.iter().sum::<u64>() <= block.max(largest) + largest);
            prop_assert_eq!(taken.is_empty(), sizes.is_empty(), "a block that could hold something is not empty");
        }
    }
}
