//! A block as writes: what goes into the batch that commits it, and into the one that takes it back.

use super::{BlockChanges, StoredBlock, Table, WriteBatch, codec, log_index};
use tributary_protocol::{
    block::{L2BlockNumber, L2BlockRef},
    execute::BlockOutcome,
    state::StateChanges,
};

/// Everything but state: block, receipts, where its transactions are, new code.
pub(super) fn put_block(batch: &mut WriteBatch, outcome: &BlockOutcome, reference: &L2BlockRef) {
    let key = codec::number_key(reference.number);
    let block = &outcome.block;
    batch.put(
        Table::Headers,
        key,
        codec::encode_header(reference, &block.header),
    );
    batch.put(
        Table::Bodies,
        key,
        codec::encode_body(&outcome.senders, &block.body),
    );
    batch.put(Table::Receipts, key, codec::encode_receipts(&outcome.receipts));
    batch.put(Table::BlockNumbers, reference.hash.as_slice(), key);
    log_index::put(batch, reference.number, &outcome.receipts);
    for (transaction, index) in block.body.transactions.iter().zip(0..) {
        batch.put(
            Table::Transactions,
            transaction.tx_hash().as_slice(),
            codec::encode_position(reference.number, index),
        );
    }
    put_codes(batch, &outcome.changes);
}

/// What the block changed, from which its state can be worked out until it is flushed, and taken back afterwards.
pub(super) fn put_changes(batch: &mut WriteBatch, number: L2BlockNumber, changes: &BlockChanges) {
    batch.put(
        Table::Changes,
        codec::number_key(number),
        codec::encode_changes(changes),
    );
}

pub(super) fn put_codes(batch: &mut WriteBatch, changes: &StateChanges) {
    for (hash, code) in &changes.codes {
        batch.put(Table::Codes, hash.as_slice(), code.to_vec());
    }
}

/// Undoes [`put_block`] and [`put_changes`], except for code, which is never deleted.
pub(super) fn delete_block(batch: &mut WriteBatch, block: &StoredBlock) {
    let key = codec::number_key(block.reference.number);
    for table in [Table::Headers, Table::Bodies, Table::Receipts, Table::Changes] {
        batch.delete(table, key);
    }
    batch.delete(Table::BlockNumbers, block.hash.as_slice());
    log_index::delete(batch, block.reference.number, &block.receipts);
    for transaction in &block.block.body.transactions {
        batch.delete(Table::Transactions, transaction.tx_hash().as_slice());
    }
}
