//! Flushing: state that was in memory goes to the flat tables and the nodes, and what was there before goes to history.
//!
//! ```text
//!  flush     layers -> flat tables; for each block, values before -> history; nodes that differ -> nodes; nodes before -> history
//!  unflush   the newest flushed block is taken back: values before -> flat tables, and the tries with them
//! ```
//! Invariants: after a flush or an unflush the tables hold exactly the state of the block the base names; nodes have history for each
//! flush, as if it had been flushed up to that block and never further.

use super::{
    StoreError, Table, WriteBatch,
    base::Base,
    codec::{self, meta},
    layer::{BlockChanges, Layer},
    reader::required,
};
use alloy::primitives::{Address, U256};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tributary_protocol::{
    block::L2BlockNumber,
    state::{
        Account, StateChanges,
        trie::{NodeChange, StateTrie},
    },
};

/// Writes the state of `layers`, which are those of all blocks above `base`. Returns the tries of the new base, of which at most `nodes_max`
/// nodes are in memory.
pub(super) fn flush(
    batch: &mut WriteBatch,
    base: &Base,
    layers: &[Arc<Layer>],
    nodes_max: usize,
) -> Result<Option<(L2BlockNumber, StateTrie)>, StoreError> {
    let Some(newest) = layers.last() else {
        return Ok(None);
    };
    let number = newest.block.number;
    let (mut accounts, mut slots) = (BTreeMap::new(), BTreeMap::new());
    for layer in layers {
        put_history(batch, layer.block.number, &layer.changes);
        accounts.extend(
            layer
                .changes
                .accounts
                .iter()
                .map(|(key, change)| (*key, change.after)),
        );
        slots.extend(
            layer
                .changes
                .slots
                .iter()
                .map(|(key, change)| (*key, change.after)),
        );
    }
    put_accounts(batch, accounts);
    put_slots(batch, slots);
    let nodes = base.nodes_at(base.number)?;
    let changed = newest.trie.node_changes(&base.trie, &nodes)?;
    let mut prefixes = Vec::with_capacity(changed.len());
    for node in changed {
        let (key, prefix) = node_keys(&node);
        let history_key = codec::history_key(&prefix, number);
        batch.put(
            Table::History,
            history_key,
            codec::encode_previous(node.before.as_ref().map(AsRef::as_ref)),
        );
        batch.set(Table::Nodes, key, node.after.map(Into::into));
        prefixes.push(prefix);
    }
    put_flushed(batch, number, &prefixes);
    Ok(Some((number, bounded(&newest.trie, nodes_max))))
}

/// Tells the cache what a flush has changed, before anyone reads the new state.
pub(super) fn refresh_cache(base: &Base, layers: &[Arc<Layer>], number: L2BlockNumber) {
    base.cache.begin_flush(number);
    for layer in layers {
        for (address, change) in &layer.changes.accounts {
            base.cache.flush_account(*address, change.after);
        }
        for (key, change) in &layer.changes.slots {
            base.cache.flush_slot(*key, change.after);
        }
    }
}

/// Takes the newest flushed block back. Returns the tries of the new base, which is the block before it.
pub(super) fn unflush(batch: &mut WriteBatch, base: &Base) -> Result<StateTrie, StoreError> {
    let number = base.number;
    let changes = base.changes_of(number)?;
    for prefix in prefixes_of(&changes) {
        batch.delete(Table::History, codec::history_key(&prefix, number));
    }
    let accounts = changes.accounts.iter();
    put_accounts(batch, accounts.map(|(key, change)| (*key, change.before)));
    let slots = changes.slots.iter();
    put_slots(batch, slots.map(|(key, change)| (*key, change.before)));

    let nodes = base.nodes_at(number)?;
    let update = base.trie.update(&nodes, &changes.backward())?;
    let changed = update.after.node_changes(&base.trie, &nodes)?;
    move_flush_back(batch, base, &changed)?;
    for node in changed {
        let (key, _) = node_keys(&node);
        batch.set(Table::Nodes, key, node.after.map(Into::into));
    }
    Ok(update.after)
}

/// Makes the node history of the newest flush that of a flush one block shorter.
fn move_flush_back(batch: &mut WriteBatch, base: &Base, changed: &[NodeChange]) -> Result<(), StoreError> {
    let (from, to) = (base.number, base.number.saturating_sub(1));
    let flushed = flushed_nodes(base, from)?;
    batch.delete(Table::Flushes, codec::number_key(from));
    let has_flush = base
        .snapshot
        .get(Table::Flushes, &codec::number_key(to))?
        .is_some();
    let mut prefixes: BTreeSet<_> = flushed.iter().cloned().collect();
    for prefix in flushed {
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
        let (_, prefix) = node_keys(node);
        // Made and removed again within the flush: as the flush before left it, it was not there, or as it is now.
        if prefixes.insert(prefix.clone()) {
            let previous = codec::encode_previous(node.before.as_ref().map(AsRef::as_ref));
            batch.put(Table::History, codec::history_key(&prefix, to), previous);
        }
    }
    put_flushed(batch, to, &prefixes.into_iter().collect::<Vec<_>>());
    Ok(())
}

/// State where there was none.
pub(super) fn put_state(batch: &mut WriteBatch, changes: &StateChanges, nodes: Vec<NodeChange>) {
    put_accounts(
        batch,
        changes.accounts.iter().map(|(key, account)| (*key, *account)),
    );
    for (address, slots) in &changes.storage {
        put_slots(
            batch,
            slots.iter().map(|(slot, value)| ((*address, *slot), *value)),
        );
    }
    for node in nodes {
        let (key, _) = node_keys(&node);
        batch.set(Table::Nodes, key, node.after.map(Into::into));
    }
}

/// History of a flushed block that nobody may read any more.
pub(super) fn prune_block(
    batch: &mut WriteBatch,
    base: &Base,
    number: L2BlockNumber,
) -> Result<(), StoreError> {
    for prefix in prefixes_of(&base.changes_of(number)?) {
        batch.delete(Table::History, codec::history_key(&prefix, number));
    }
    batch.delete(Table::Changes, codec::number_key(number));
    for prefix in flushed_nodes(base, number)? {
        batch.delete(Table::History, codec::history_key(&prefix, number));
    }
    batch.delete(Table::Flushes, codec::number_key(number));
    Ok(())
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
pub(super) fn put_flushed(batch: &mut WriteBatch, number: L2BlockNumber, prefixes: &[Vec<u8>]) {
    let key = codec::number_key(number);
    batch.put(Table::Flushes, key, codec::encode_keys(prefixes));
    batch.put(Table::Meta, meta::FLUSHED, key);
}

fn put_history(batch: &mut WriteBatch, number: L2BlockNumber, changes: &BlockChanges) {
    for (address, change) in &changes.accounts {
        let prefix = codec::history_prefix(Table::Accounts, address.as_slice());
        let before = change.before.as_ref().map(codec::encode_account);
        let previous = codec::encode_previous(before.as_ref().map(|account| &account[..]));
        batch.put(Table::History, codec::history_key(&prefix, number), previous);
    }
    for ((address, slot), change) in &changes.slots {
        let prefix = codec::history_prefix(Table::Storage, &codec::slot_key(*address, *slot));
        let previous = codec::encode_previous(codec::encode_slot(change.before).as_deref());
        batch.put(Table::History, codec::history_key(&prefix, number), previous);
    }
}

fn prefixes_of(changes: &BlockChanges) -> impl Iterator<Item = Vec<u8>> {
    let accounts = changes.accounts.keys();
    let accounts = accounts.map(|address| codec::history_prefix(Table::Accounts, address.as_slice()));
    let slots = changes.slots.keys();
    let slots =
        slots.map(|(address, slot)| codec::history_prefix(Table::Storage, &codec::slot_key(*address, *slot)));
    accounts.chain(slots)
}

fn put_accounts(batch: &mut WriteBatch, accounts: impl IntoIterator<Item = (Address, Option<Account>)>) {
    for (address, account) in accounts {
        let value = account
            .as_ref()
            .map(|account| codec::encode_account(account).to_vec());
        batch.set(Table::Accounts, address.to_vec(), value);
    }
}

fn put_slots(batch: &mut WriteBatch, slots: impl IntoIterator<Item = ((Address, U256), U256)>) {
    for ((address, slot), value) in slots {
        let key = codec::slot_key(address, slot);
        batch.set(Table::Storage, key, codec::encode_slot(value));
    }
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
