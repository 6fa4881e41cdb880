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

/// The changes of one block, ready to be looked up, and the tries after it.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) block: L2BlockRef,
    pub(super) changes: BlockChanges,
    accounts: HashMap<Address, Option<Account>>,
    slots: HashMap<(Address, U256), U256>,
    pub(super) trie: StateTrie,
}

impl Layer {
    pub(super) fn new(block: L2BlockRef, changes: BlockChanges, trie: StateTrie) -> Arc<Self> {
        let accounts = changes.accounts.iter();
        let slots = changes.slots.iter();
        Arc::new(Self {
            block,
            accounts: accounts.map(|(key, change)| (*key, change.after)).collect(),
            slots: slots.map(|(key, change)| (*key, change.after)).collect(),
            changes,
            trie,
        })
    }

    pub(super) fn account(&self, address: Address) -> Option<Option<Account>> {
        self.accounts.get(&address).copied()
    }

    pub(super) fn slot(&self, address: Address, slot: U256) -> Option<U256> {
        self.slots.get(&(address, slot)).copied()
    }

    /// Accounts and slots in it.
    pub(super) fn len(&self) -> usize {
        self.accounts.len() + self.slots.len()
    }
}
