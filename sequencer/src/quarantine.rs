//! Transactions that made a block which does not execute to itself. They are not let in again: whatever they trigger, they would
//! trigger it once more.
//!
//! The list lives as long as the process. After a restart the verifier meets the same block again and writes the same list; once L1 has
//! decided on other blocks in its place, the list is not needed.

use alloy::primitives::B256;
use parking_lot::RwLock;
use std::{collections::BTreeSet, sync::Arc};

/// Transactions kept. A block that goes wrong halts the node, so there are few.
const KEPT_MAX: usize = 100_000;

/// The list. Cheap to clone; all clones are the same list.
#[derive(Clone, Debug, Default)]
pub struct Quarantine {
    hashes: Arc<RwLock<BTreeSet<B256>>>,
}

impl Quarantine {
    /// Puts transactions on the list.
    pub fn add(&self, hashes: impl IntoIterator<Item = B256>) {
        let mut list = self.hashes.write();
        for hash in hashes {
            if list.len() < KEPT_MAX {
                list.insert(hash);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, exact up to 2^53")]
        metrics::gauge!("sequencer_quarantined_transactions").set(list.len() as f64);
    }

    /// True if the transaction with this hash is on the list.
    #[must_use]
    pub fn contains(&self, hash: B256) -> bool {
        self.hashes.read().contains(&hash)
    }

    /// The list, for `readyz`.
    #[must_use]
    pub fn hashes(&self) -> Vec<B256> {
        self.hashes.read().iter().copied().collect()
    }
}
