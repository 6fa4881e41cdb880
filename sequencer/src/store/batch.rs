//! A block as writes: what goes into the batch that commits it, and into the one that takes it back.
//!
//! ```text
//!  commit   new values -> flat tables, old values -> history, which keys -> changes
//!  revert   changes of the block -> history -> flat tables as they were
//! ```
//! Invariant: after commit and revert of the same block every table holds what it held before.

use super::{
    Snapshot, StoreError, Table, Write, WriteBatch, codec,
    reader::{corrupt, required},
};
use tributary_protocol::{
    block::{L2BlockNumber, L2BlockRef},
    execute::BlockOutcome,
    state::{StateChanges, TrieChanges},
};

pub(super) fn put_block(batch: &mut WriteBatch, outcome: &BlockOutcome, reference: &L2BlockRef) {
    let key = codec::number_key(reference.number);
    let block = codec::encode_block(reference, &outcome.senders, &outcome.block);
    batch.put(Table::Blocks, key, block);
    batch.put(Table::Receipts, key, codec::encode_receipts(&outcome.receipts));
    batch.put(Table::BlockNumbers, reference.hash.as_slice(), key);
    for (transaction, index) in outcome.block.body.transactions.iter().zip(0..) {
        batch.put(
            Table::Transactions,
            transaction.tx_hash().as_slice(),
            codec::encode_position(reference.number, index),
        );
    }
}

/// Writes the new values and, beside them, the old ones. What did not really change leaves no trace.
pub(super) fn put_changes(
    batch: &mut WriteBatch,
    snapshot: &dyn Snapshot,
    outcome: &BlockOutcome,
    number: L2BlockNumber,
) -> Result<(), StoreError> {
    let mut prefixes = Vec::new();
    for (table, key, value) in flat_writes(&outcome.changes, &outcome.trie) {
        let previous = snapshot.get(table, &key)?;
        let previous = previous.as_ref().map(AsRef::as_ref);
        if previous == value.as_deref() {
            continue;
        }
        let prefix = codec::history_prefix(table, &key);
        batch.put(
            Table::History,
            codec::history_key(&prefix, number),
            codec::encode_previous(previous),
        );
        batch.set(table, key, value);
        prefixes.push(prefix);
    }
    put_codes(batch, &outcome.changes);
    batch.put(
        Table::Changes,
        codec::number_key(number),
        codec::encode_changes(&prefixes),
    );
    Ok(())
}

pub(super) fn put_codes(batch: &mut WriteBatch, changes: &StateChanges) {
    for (hash, code) in &changes.codes {
        batch.put(Table::Codes, hash.as_slice(), code.to_vec());
    }
}

/// The entries of the flat tables that a block sets.
pub(super) fn flat_writes<'a>(
    changes: &'a StateChanges,
    trie: &'a TrieChanges,
) -> impl Iterator<Item = Write> + 'a {
    let accounts = changes.accounts.iter().map(|(address, account)| {
        let value = account
            .as_ref()
            .map(|account| codec::encode_account(account).to_vec());
        (Table::Accounts, address.to_vec(), value)
    });
    let slots = changes.storage.iter().flat_map(|(address, slots)| {
        slots.iter().map(|(slot, value)| {
            let key = codec::slot_key(*address, *slot).to_vec();
            (Table::Storage, key, codec::encode_slot(*value))
        })
    });
    let account_nodes = trie.accounts.iter().map(|(path, node)| {
        let value = node.as_ref().map(|node| node.to_vec());
        (Table::Nodes, codec::node_key(None, path), value)
    });
    let storage_nodes = trie.storage.iter().flat_map(|(owner, nodes)| {
        nodes.iter().map(|(path, node)| {
            let value = node.as_ref().map(|node| node.to_vec());
            (Table::Nodes, codec::node_key(Some(*owner), path), value)
        })
    });
    accounts.chain(slots).chain(account_nodes).chain(storage_nodes)
}

pub(super) fn changes_of(snapshot: &dyn Snapshot, number: L2BlockNumber) -> Result<Vec<Vec<u8>>, StoreError> {
    required(
        snapshot,
        Table::Changes,
        &codec::number_key(number),
        codec::decode_changes,
    )
}

pub(super) fn restore_state(
    batch: &mut WriteBatch,
    snapshot: &dyn Snapshot,
    number: L2BlockNumber,
) -> Result<(), StoreError> {
    for prefix in changes_of(snapshot, number)? {
        let history_key = codec::history_key(&prefix, number);
        let previous = required(snapshot, Table::History, &history_key, |value| {
            codec::decode_previous(value).map(|previous| previous.map(<[u8]>::to_vec))
        })?;
        let (table, key) = codec::history_target(&prefix)
            .map_err(|what| corrupt(Table::Changes, &codec::number_key(number), what))?;
        batch.set(table, key, previous);
        batch.delete(Table::History, history_key);
    }
    batch.delete(Table::Changes, codec::number_key(number));
    Ok(())
}
