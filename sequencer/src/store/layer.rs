//! What one block changed, in memory until it is flushed.
//!
//! ```text
//!  base (flushed)  <-  layer n+1  <-  layer n+2  <-  ... <-  layer of the unsafe head
//! ```
//! A layer never changes, so whoever holds some of them on their base holds one state, whatever is committed or taken back later.

use super::StoreError;
use alloy::primitives::{Address, U256, map::HashMap};
use std::{collections::BTreeMap, sync::Arc};
use tributary_protocol::{
    block::L2BlockRef,
    state::{Account, StateChanges, trie::StateTrie},
};

/// A value before a block and after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change<T> {
    /// Before the block.
    pub before: T,
    /// After the block; never the same.
    pub after: T,
}

/// Everything a block changed in flat state, in key order. A slot that is zero is one that is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockChanges {
    /// Accounts that appeared, changed or ceased to exist.
    pub accounts: BTreeMap<Address, Change<Option<Account>>>,
    /// Slots whose value changed.
    pub slots: BTreeMap<(Address, U256), Change<U256>>,
}

impl BlockChanges {
    /// What really changed of what execution says it wrote, given the state before.
    ///
    /// # Errors
    /// When the state before cannot be read.
    pub fn new(
        written: &StateChanges,
        account: impl Fn(Address) -> Result<Option<Account>, StoreError>,
        slot: impl Fn(Address, U256) -> Result<U256, StoreError>,
    ) -> Result<Self, StoreError> {
        let mut changes = Self::default();
        for (&address, &after) in &written.accounts {
            let before = account(address)?;
            if before != after {
                changes.accounts.insert(address, Change { before, after });
            }
        }
        for (&address, slots) in &written.storage {
            for (&index, &after) in slots {
                let before = slot(address, index)?;
                if before != after {
                    changes.slots.insert((address, index), Change { before, after });
                }
            }
        }
        Ok(changes)
    }

    /// True if `written`, which has no value that stayed the same, is what changed here, given the state before.
    ///
    /// # Errors
    /// When the state before cannot be read.
    pub fn is_of(
        &self,
        written: &StateChanges,
        account: impl Fn(Address) -> Result<Option<Account>, StoreError>,
        slot: impl Fn(Address, U256) -> Result<U256, StoreError>,
    ) -> Result<bool, StoreError> {
        let written_slots: usize = written.storage.values().map(BTreeMap::len).sum();
        if written.accounts.len() != self.accounts.len() || written_slots != self.slots.len() {
            return Ok(false);
        }
        for ((address, after), (changed, change)) in written.accounts.iter().zip(&self.accounts) {
            if address != changed || *after != change.after || account(*address)? != change.before {
                return Ok(false);
            }
        }
        let slots = written.storage.iter();
        let slots =
            slots.flat_map(|(address, slots)| slots.iter().map(|(index, after)| (*address, *index, after)));
        for ((address, index, after), (changed, change)) in slots.zip(&self.slots) {
            if (address, index) != *changed
                || *after != change.after
                || slot(address, index)? != change.before
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What leads from the state before to the state after. Without codes, which are never taken back.
    #[must_use]
    pub fn forward(&self) -> StateChanges {
        self.towards(|change| change.after, |change| change.after)
    }

    /// What leads back.
    #[must_use]
    pub fn backward(&self) -> StateChanges {
        self.towards(|change| change.before, |change| change.before)
    }

    fn towards(
        &self,
        account: impl Fn(&Change<Option<Account>>) -> Option<Account>,
        slot: impl Fn(&Change<U256>) -> U256,
    ) -> StateChanges {
        let accounts = self.accounts.iter();
        let mut changes = StateChanges {
            accounts: accounts
                .map(|(address, change)| (*address, account(change)))
                .collect(),
            ..StateChanges::default()
        };
        for (&(address, index), change) in &self.slots {
            let slots = changes.storage.entry(address).or_default();
            slots.insert(index, slot(change));
        }
        changes
    }
}

/// The changes of one block and the tries after it, ready to be looked up.
///
/// A look-up that went through the layers one by one would cost more the longer nothing is flushed. So each also holds what some of those
/// right below it changed, as the nodes of a Fenwick tree do: the layer at position `p` (the first above the base has position 1) covers as
/// many as the lowest set bit of `p` says, itself included. A value is found in at most as many maps as `p` has bits set.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) block: L2BlockRef,
    pub(super) changes: Arc<BlockChanges>,
    accounts: HashMap<Address, Option<Account>>,
    slots: HashMap<(Address, U256), U256>,
    pub(super) trie: StateTrie,
}

impl Layer {
    /// The layer right above `below`, which are all layers above the base.
    pub(super) fn new(
        below: &[Arc<Self>],
        block: L2BlockRef,
        changes: BlockChanges,
        trie: StateTrie,
    ) -> Arc<Self> {
        let position = below.len() + 1;
        let uncovered = position - covered_by(position);
        let mut covered: Vec<_> = lookups(below)
            .take_while(|(position, _)| *position > uncovered)
            .map(|(_, layer)| layer)
            .collect();
        // Oldest first: what came later is what counts. The oldest covers the most.
        let oldest = covered.pop();
        let (mut accounts, mut slots) = oldest
            .map(|layer| (layer.accounts.clone(), layer.slots.clone()))
            .unwrap_or_default();
        for layer in covered.into_iter().rev() {
            accounts.extend(&layer.accounts);
            slots.extend(&layer.slots);
        }
        accounts.extend(changes.accounts.iter().map(|(key, change)| (*key, change.after)));
        slots.extend(changes.slots.iter().map(|(key, change)| (*key, change.after)));
        Arc::new(Self {
            block,
            changes: Arc::new(changes),
            accounts,
            slots,
            trie,
        })
    }

    /// Accounts and slots the block changed.
    pub(super) fn len(&self) -> usize {
        self.changes.accounts.len() + self.changes.slots.len()
    }
}

/// The account after the last of `layers`, which begin right above the base, if one of them has it.
pub(super) fn account(layers: &[Arc<Layer>], address: Address) -> Option<Option<Account>> {
    lookups(layers).find_map(|(_, layer)| layer.accounts.get(&address).copied())
}

/// As [`account`], of a slot.
pub(super) fn slot(layers: &[Arc<Layer>], address: Address, slot: U256) -> Option<U256> {
    lookups(layers).find_map(|(_, layer)| layer.slots.get(&(address, slot)).copied())
}

/// The layers that together cover all, newest first, with their positions.
fn lookups(layers: &[Arc<Layer>]) -> impl Iterator<Item = (usize, &Layer)> {
    let mut position = layers.len();
    core::iter::from_fn(move || {
        let layer = layers.get(position.checked_sub(1)?)?;
        let found = (position, &**layer);
        position -= covered_by(position);
        Some(found)
    })
}

/// How many layers the one at `position` covers.
const fn covered_by(position: usize) -> usize {
    position & position.wrapping_neg()
}
