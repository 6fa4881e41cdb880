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
/// right below it changed, as the nodes of a Fenwick tree do: the layer of block `n` covers as many as the lowest set bit of `n` says, itself
/// included, as far as they were in memory when it was made. That counts from block 0 and not from the base, so a base that moves up
/// leaves the layers above it as they are. A value is found in at most as many maps as the number of layers has bits, and one more.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) block: L2BlockRef,
    pub(super) changes: Arc<BlockChanges>,
    values: Arc<Values>,
    pub(super) trie: StateTrie,
}

/// The values after the layers one covers.
#[derive(Clone, Debug, Default)]
struct Values {
    accounts: HashMap<Address, Option<Account>>,
    slots: HashMap<(Address, U256), U256>,
}

impl Layer {
    /// The layer right above `below`, which are all layers above the base.
    pub(super) fn new(
        below: &[Arc<Self>],
        block: L2BlockRef,
        changes: BlockChanges,
        trie: StateTrie,
    ) -> Arc<Self> {
        let number = block.number.0;
        let uncovered = number - covered_by(number);
        let mut covered: Vec<_> = lookups(below)
            .take_while(|layer| layer.block.number.0 > uncovered)
            .map(|layer| &*layer.values)
            .collect();
        // Oldest first: what came later is what counts. The oldest covers the most.
        let mut values = covered.pop().cloned().unwrap_or_default();
        for newer in covered.into_iter().rev() {
            values.accounts.extend(&newer.accounts);
            values.slots.extend(&newer.slots);
        }
        let accounts = changes.accounts.iter();
        values
            .accounts
            .extend(accounts.map(|(key, change)| (*key, change.after)));
        let slots = changes.slots.iter();
        values
            .slots
            .extend(slots.map(|(key, change)| (*key, change.after)));
        Arc::new(Self {
            block,
            changes: Arc::new(changes),
            values: Arc::new(values),
            trie,
        })
    }

    /// The same with another trie of the same root.
    pub(super) fn with_trie(&self, trie: StateTrie) -> Arc<Self> {
        Arc::new(Self {
            block: self.block,
            changes: self.changes.clone(),
            values: self.values.clone(),
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
    lookups(layers).find_map(|layer| layer.values.accounts.get(&address).copied())
}

/// As [`account`], of a slot.
pub(super) fn slot(layers: &[Arc<Layer>], address: Address, slot: U256) -> Option<U256> {
    lookups(layers).find_map(|layer| layer.values.slots.get(&(address, slot)).copied())
}

/// The layers that together cover all, newest first.
fn lookups(layers: &[Arc<Layer>]) -> impl Iterator<Item = &Layer> {
    let first = layers.first().map_or(0, |layer| layer.block.number.0);
    let mut number = layers.last().map_or(0, |layer| layer.block.number.0);
    core::iter::from_fn(move || {
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        let layer = layers.get(index)?;
        number -= covered_by(number);
        Some(&**layer)
    })
}

/// How many layers that of block `number` covers. Block 0 has none: it is flushed from the beginning.
const fn covered_by(number: u64) -> u64 {
    number & number.wrapping_neg()
}
