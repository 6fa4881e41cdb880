//! Flushing: state that was in memory goes to the flat tables and the nodes, and what was there before goes to history.
//!
//! ```text
//!  flush     where it leads; for each block, values before -> history; nodes before -> history
//!            layers -> flat tables; nodes that differ -> nodes; that it is done; then history that nobody may read any more goes
//!  unflush   the newest flushed block is taken back: values before -> flat tables, and the tries with them
//! ```
//! A flush is written in portions, in this order. So until it is done the state before it can be read as any old state is: what is in
//! history was changed by the flush, perhaps, and what is not has not been. That is how [`super::opening`] reads a flush that was cut
//! short and does it again, which writes the same. Readers in this process look at a snapshot from before.
//!
//! Invariants: after a flush or an unflush the tables hold exactly the state of the block the base names; nodes have history for each
//! flush, as if it had been flushed up to that block and never further. A block whose changes are there still has its history.

use super::{
    Store, StoreError, Table, Write, WriteBatch,
    base::Base,
    codec::{self, meta},
    layer::{BlockChanges, Layer},
    portions::{Pace, Portions},
    reader::{optional, required},
};
use alloy::primitives::{Address, U256};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tributary_protocol::{
    block::L2BlockNumber,
    state::{
        Account, StateChanges,
        trie::{NodeChange, StateTrie},
    },
};

/// All that a flush needs, on whatever thread it runs.
#[derive(Clone)]
pub(super) struct Flush {
    pub(super) store: Arc<dyn Store>,
    pub(super) base: Arc<Base>,
    /// The block whose state the base's tries are, which is that of the base unless a flush is done again.
    pub(super) from: L2BlockNumber,
    /// Of all blocks above that, up to the last to be flushed; not empty.
    pub(super) layers: Vec<Arc<Layer>>,
    /// The oldest block whose state can be read, before and after.
    pub(super) history: [L2BlockNumber; 2],
    /// Trie nodes in memory after it.
    pub(super) nodes_max: usize,
    /// Writes in a portion.
    pub(super) writes_max: usize,
    pub(super) pace: Pace,
}

/// What a flush has come to.
pub(super) struct Flushed {
    pub(super) base: Arc<Base>,
    /// How many layers are in the base now.
    pub(super) layers: usize,
    /// The oldest block whose state can be read.
    pub(super) history_from: L2BlockNumber,
    /// How long it took.
    pub(super) took: Duration,
}

impl Flush {
    /// Writes the state after the last layer, and forgets history.
    pub(super) fn run(&self) -> Result<Flushed, StoreError> {
        let started = Instant::now();
        let newest = self.layers.last().expect("a flush has something to write");
        let number = newest.block.number;
        let nodes = self.base.nodes_at(self.from)?;
        let nodes = newest.trie.node_changes(&self.base.trie, &nodes)?;
        let mut portions = Portions::new(&*self.store, self.writes_max, &self.pace);
        self.write(&mut portions, number, nodes)?;
        self.prune(&mut portions)?;
        portions.finish()?;
        self.refresh_cache(number);
        let base = Base {
            number,
            snapshot: self.store.snapshot(),
            trie: bounded(&newest.trie, self.nodes_max),
            cache: self.base.cache.clone(),
        };
        let [before, after] = self.history;
        Ok(Flushed {
            base: Arc::new(base),
            layers: self.layers.len(),
            history_from: before.max(after),
            took: started.elapsed(),
        })
    }

    fn write(
        &self,
        portions: &mut Portions<'_>,
        number: L2BlockNumber,
        nodes: Vec<NodeChange>,
    ) -> Result<(), StoreError> {
        let flushing = codec::encode_flushing(self.from, number);
        portions.write([put(Table::Meta, meta::FLUSHED, flushing)])?;
        // Oldest block first: of what a value was, the first entry after a block counts.
        for layer in &self.layers {
            portions.write(history(layer.block.number, &layer.changes))?;
        }
        portions.write(nodes.iter().map(|node| node_history(number, node)))?;
        let slots = self.layers.iter().flat_map(|layer| &layer.changes.slots);
        portions.write(slot_writes(newest(
            slots.map(|(key, change)| (*key, change.after)),
        )))?;
        let accounts = self.layers.iter().flat_map(|layer| &layer.changes.accounts);
        portions.write(account_writes(newest(
            accounts.map(|(key, change)| (*key, change.after)),
        )))?;
        let prefixes: Vec<_> = nodes.iter().map(|node| node_keys(node).1).collect();
        portions.write(nodes.into_iter().map(node_write))?;
        portions.write(flushed(number, &prefixes))
    }

    /// History of flushed blocks that nobody may read any more. Which state is the oldest moves first, what a block changed goes last: if this
    /// is cut short, the next flush goes on with that block.
    fn prune(&self, portions: &mut Portions<'_>) -> Result<(), StoreError> {
        let [L2BlockNumber(oldest), L2BlockNumber(target)] = self.history;
        for number in (oldest..=target).map(L2BlockNumber) {
            let key = codec::number_key(number);
            let snapshot = &*self.base.snapshot;
            let Some(changes) = optional(snapshot, Table::Changes, &key, codec::decode_changes)? else {
                continue;
            };
            portions.write([put(Table::Meta, meta::HISTORY_FROM, key)])?;
            portions.write(history_deletes(number, prefixes_of(&changes)))?;
            portions.write(history_deletes(number, flushed_nodes(&self.base, number)?))?;
            portions.write([
                (Table::Flushes, key.to_vec(), None),
                (Table::Changes, key.to_vec(), None),
            ])?;
        }
        Ok(())
    }

    /// Tells the cache what the flush has changed, before anyone reads the new state.
    fn refresh_cache(&self, number: L2BlockNumber) {
        let cache = &self.base.cache;
        cache.begin_flush(number);
        for layer in &self.layers {
            for (address, change) in &layer.changes.accounts {
                cache.flush_account(*address, change.after);
            }
            for (key, change) in &layer.changes.slots {
                cache.flush_slot(*key, change.after);
            }
        }
    }
}

/// Of values from the oldest layer to the newest, the last of each key, in order of keys.
fn newest<K: Copy + Ord, V: Copy>(values: impl Iterator<Item = (K, V)>) -> Vec<(K, V)> {
    let mut values: Vec<_> = values.collect();
    values.sort_by_key(|(key, _)| *key);
    values.dedup_by(|later, kept| {
        let is_same = later.0 == kept.0;
        if is_same {
            kept.1 = later.1;
        }
        is_same
    });
    values
}

/// Takes the newest flushed block back. Returns the tries of the new base, which is the block before it.
pub(super) fn unflush(batch: &mut WriteBatch, base: &Base) -> Result<StateTrie, StoreError> {
    let number = base.number;
    let changes = base.changes_of(number)?;
    batch.extend(history_deletes(number, prefixes_of(&changes)));
    let accounts = changes.accounts.iter();
    batch.extend(account_writes(
        accounts.map(|(key, change)| (*key, change.before)),
    ));
    let slots = changes.slots.iter();
    batch.extend(slot_writes(slots.map(|(key, change)| (*key, change.before))));

    let nodes = base.nodes_at(number)?;
    let update = base.trie.update(&nodes, &changes.backward())?;
    let changed = update.after.node_changes(&base.trie, &nodes)?;
    move_flush_back(batch, base, &changed)?;
    batch.extend(changed.into_iter().map(node_write));
    Ok(update.after)
}

/// Makes the node history of the newest flush that of a flush one block shorter.
fn move_flush_back(batch: &mut WriteBatch, base: &Base, changed: &[NodeChange]) -> Result<(), StoreError> {
    let (from, to) = (base.number, base.number.saturating_sub(1));
    let nodes = flushed_nodes(base, from)?;
    batch.delete(Table::Flushes, codec::number_key(from));
    let has_flush = base
        .snapshot
        .get(Table::Flushes, &codec::number_key(to))?
        .is_some();
    let mut prefixes: BTreeSet<_> = nodes.iter().cloned().collect();
    for prefix in nodes {
        let key = codec::history_key(&prefix, from);
        if !has_flush {
            let previous = base.snapshot.get(Table::History, &key)?;
            batch.set(
                Table::History,
                codec::history_key(&prefix, to),
                previous.map(|value| value.to_vec()),
            );
        }
        batch.delete(Table::History, key);
    }
    if has_flush {
        // The flush before ended one block earlier, so the tables are as it left them.
        batch.put(Table::Meta, meta::FLUSHED, codec::number_key(to));
        return Ok(());
    }
    for node in changed {
        // Made and removed again within the flush: as the flush before left it, it was not there, or as it is now.
        if prefixes.insert(node_keys(node).1) {
            batch.extend([node_history(to, node)]);
        }
    }
    batch.extend(flushed(to, &prefixes.into_iter().collect::<Vec<_>>()));
    Ok(())
}

/// State where there was none.
pub(super) fn put_state(batch: &mut WriteBatch, changes: &StateChanges, nodes: Vec<NodeChange>) {
    let accounts = changes.accounts.iter();
    batch.extend(account_writes(
        accounts.map(|(address, account)| (*address, *account)),
    ));
    for (address, slots) in &changes.storage {
        let slots = slots.iter();
        batch.extend(slot_writes(
            slots.map(|(slot, value)| ((*address, *slot), *value)),
        ));
    }
    batch.extend(nodes.into_iter().map(node_write));
}

/// History keys of the nodes that the flush up to block `number` changed; none if no flush ended there.
fn flushed_nodes(base: &Base, number: L2BlockNumber) -> Result<Vec<Vec<u8>>, StoreError> {
    let key = codec::number_key(number);
    if base.snapshot.get(Table::Flushes, &key)?.is_none() {
        return Ok(Vec::new());
    }
    required(&*base.snapshot, Table::Flushes, &key, codec::decode_keys)
}

/// That the tables hold the state of block `number`, and which nodes the flush has changed.
pub(super) fn flushed(number: L2BlockNumber, prefixes: &[Vec<u8>]) -> [Write; 2] {
    let key = codec::number_key(number);
    [
        put(Table::Flushes, &key, codec::encode_keys(prefixes)),
        put(Table::Meta, meta::FLUSHED, key),
    ]
}

fn put(table: Table, key: &[u8], value: impl Into<Vec<u8>>) -> Write {
    (table, key.to_vec(), Some(value.into()))
}

fn history(number: L2BlockNumber, changes: &BlockChanges) -> impl Iterator<Item = Write> {
    let accounts = changes.accounts.iter().map(move |(address, change)| {
        let prefix = codec::history_prefix(Table::Accounts, address.as_slice());
        let before = change.before.as_ref().map(codec::encode_account);
        let previous = codec::encode_previous(before.as_deref());
        put(Table::History, &codec::history_key(&prefix, number), previous)
    });
    let slots = changes.slots.iter().map(move |((address, slot), change)| {
        let prefix = codec::history_prefix(Table::Storage, &codec::slot_key(*address, *slot));
        let previous = codec::encode_previous(codec::encode_slot(change.before).as_deref());
        put(Table::History, &codec::history_key(&prefix, number), previous)
    });
    accounts.chain(slots)
}

fn history_deletes(
    number: L2BlockNumber,
    prefixes: impl IntoIterator<Item = Vec<u8>>,
) -> impl Iterator<Item = Write> {
    let keys = prefixes.into_iter();
    keys.map(move |prefix| (Table::History, codec::history_key(&prefix, number), None))
}

fn prefixes_of(changes: &BlockChanges) -> impl Iterator<Item = Vec<u8>> {
    let accounts = changes.accounts.keys();
    let accounts = accounts.map(|address| codec::history_prefix(Table::Accounts, address.as_slice()));
    let slots = changes.slots.keys();
    let slots =
        slots.map(|(address, slot)| codec::history_prefix(Table::Storage, &codec::slot_key(*address, *slot)));
    accounts.chain(slots)
}

fn account_writes(
    accounts: impl IntoIterator<Item = (Address, Option<Account>)>,
) -> impl Iterator<Item = Write> {
    accounts.into_iter().map(|(address, account)| {
        let value = account.as_ref().map(codec::encode_account);
        (Table::Accounts, address.to_vec(), value)
    })
}

fn slot_writes(slots: impl IntoIterator<Item = ((Address, U256), U256)>) -> impl Iterator<Item = Write> {
    slots.into_iter().map(|((address, slot), value)| {
        let key = codec::slot_key(address, slot);
        (Table::Storage, key.to_vec(), codec::encode_slot(value))
    })
}

fn node_write(node: NodeChange) -> Write {
    let (key, _) = node_keys(&node);
    (Table::Nodes, key, node.after.map(Into::into))
}

/// What a node was before the flush up to block `number`.
fn node_history(number: L2BlockNumber, node: &NodeChange) -> Write {
    let (_, prefix) = node_keys(node);
    let previous = codec::encode_previous(node.before.as_ref().map(AsRef::as_ref));
    put(Table::History, &codec::history_key(&prefix, number), previous)
}

/// Key of a node, and its history key without number.
fn node_keys(node: &NodeChange) -> (Vec<u8>, Vec<u8>) {
    let key = codec::node_key(node.at.owner, &node.at.path);
    let prefix = codec::history_prefix(Table::Nodes, &key);
    (key, prefix)
}

/// The tries with no more nodes in memory than there may be.
fn bounded(trie: &StateTrie, nodes_max: usize) -> StateTrie {
    if trie.nodes_in_memory() <= nodes_max {
        return trie.clone();
    }
    let depths = (1..64).rev().map(|depth| trie.trimmed(depth));
    let mut depths = depths.skip_while(|trimmed| trimmed.nodes_in_memory() > nodes_max / 2);
    depths.next().unwrap_or_else(|| StateTrie::at(trie.root()))
}
