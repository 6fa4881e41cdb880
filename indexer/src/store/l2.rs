//! Writing L2: blocks with what they say, and the node's heads.
//!
//! A bundle makes thousands of rows in one block. They go in as one JSON array per table, which SQLite takes apart itself: a
//! statement per row costs ten times as much in crossings between threads.

use super::{
    DbResult, Store, Tx,
    rows::{hex, signed},
};
use crate::{
    decode::{BlockRow, RecordRow},
    rpc::SyncStatus,
};
use serde_json::{Value, json};
use tributary_protocol::block::L2BlockRef;

impl Store {
    /// Adds blocks, each the child of the one before; the first is the child of the tip. The caller has checked that.
    pub(crate) async fn append_blocks(&self, blocks: &[BlockRow]) -> DbResult<()> {
        let mut tx = self.writer.begin().await?;
        for block in blocks {
            insert_block(&mut tx, block).await?;
            insert_parties(&mut tx, block).await?;
            insert_transactions(&mut tx, block).await?;
            insert_records(&mut tx, block).await?;
        }
        tx.commit().await
    }

    /// Sets the three heads, and from them how far each posted batch has come.
    pub(crate) async fn set_heads(&self, status: &SyncStatus, now: i64) -> DbResult<()> {
        let mut tx = self.writer.begin().await?;
        let heads = [
            ("unsafe", &status.unsafe_l2),
            ("safe", &status.safe_l2),
            ("finalized", &status.finalized_l2),
        ];
        for (name, head) in heads {
            set_head(&mut tx, name, head).await?;
        }
        let safe = signed(status.safe_l2.number.0)?;
        let finalized = signed(status.finalized_l2.number.0)?;
        advance_batches(&mut tx, safe, finalized, now).await?;
        tx.commit().await
    }
}

async fn insert_block(tx: &mut Tx<'_>, block: &BlockRow) -> DbResult<()> {
    sqlx::query(
        "INSERT INTO blocks (number, hash, parent_hash, timestamp, gas_used, l1_origin, tx_count, record_count, \
         tx_total) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, \
         ?7 + coalesce((SELECT tx_total FROM blocks WHERE number = ?1 - 1), 0))",
    )
    .bind(signed(block.number)?)
    .bind(hex(block.hash))
    .bind(hex(block.parent_hash))
    .bind(signed(block.timestamp)?)
    .bind(signed(block.gas_used)?)
    .bind(signed(block.l1_origin)?)
    .bind(signed(block.transactions.len() as u64)?)
    .bind(signed(block.records.len() as u64)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn insert_parties(tx: &mut Tx<'_>, block: &BlockRow) -> DbResult<()> {
    let rows = block.parties.iter();
    let rows = rows.map(|party| {
        json!([
            party.kind,
            party.id,
            party.log_index,
            hex(party.address),
            party.parent
        ])
    });
    insert_many(
        tx,
        "INSERT INTO parties (kind, id, block_number, log_index, address, parent) \
         SELECT value ->> 0, value ->> 1, ?1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?2)",
        block,
        rows.collect(),
    )
    .await
}

async fn insert_transactions(tx: &mut Tx<'_>, block: &BlockRow) -> DbResult<()> {
    let rows = block.transactions.iter().enumerate().map(|(index, transaction)| {
        json!([
            index,
            hex(transaction.hash),
            transaction.tx_type,
            hex(transaction.sender),
            transaction.recipient.map(hex),
            transaction.value.to_string(),
            transaction.input_bytes,
            transaction.gas_used,
            u8::from(transaction.succeeded),
        ])
    });
    insert_many(
        tx,
        "INSERT INTO transactions (block_number, tx_index, hash, tx_type, sender, recipient, value_wei, input_bytes, gas_used, \
         succeeded) SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, \
         value ->> 7, value ->> 8 FROM json_each(?2)",
        block,
        rows.collect(),
    )
    .await
}

async fn insert_records(tx: &mut Tx<'_>, block: &BlockRow) -> DbResult<()> {
    let rows = block.records.iter().map(|record| {
        json!([
            record.id,
            hex(record.tx_hash),
            record.log_index,
            record.payer,
            record.adapter,
            record.gateway,
            record.tokens_in,
            record.tokens_out,
            record.fee.to_string(),
            record.platform.to_string(),
            record.gateway_part.to_string(),
            record.model.to_string(),
            record.adapter_part.to_string(),
        ])
    });
    insert_many(
        tx,
        "INSERT INTO records (id, block_number, tx_hash, log_index, payer, adapter, gateway, tokens_in, tokens_out, fee_wei, \
         platform_wei, gateway_wei, model_wei, adapter_wei) SELECT value ->> 0, ?1, value ->> 1, value ->> 2, value ->> 3, \
         value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12 \
         FROM json_each(?2)",
        block,
        rows.collect(),
    )
    .await?;
    // The payee is the one that held when the record was made: the latest before its log, in this block or an earlier one.
    insert_many(
        tx,
        "INSERT INTO record_shares (record_id, position, contribution, weight, amount_wei, payee) \
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, \
         (SELECT address FROM parties WHERE kind = 'contribution' AND id = value ->> 2 \
          AND (block_number, log_index) < (?1, value ->> 5) ORDER BY block_number DESC, log_index DESC LIMIT 1) \
         FROM json_each(?2)",
        block,
        block.records.iter().flat_map(share_rows).collect(),
    )
    .await
}

fn share_rows(record: &RecordRow) -> impl Iterator<Item = Value> + '_ {
    record.shares.iter().enumerate().map(|(position, share)| {
        let amount = share.amount.to_string();
        json!([
            record.id,
            position,
            share.contribution,
            share.weight,
            amount,
            record.log_index
        ])
    })
}

/// Runs an `INSERT … SELECT … FROM json_each(?2)` with the block's number as `?1`.
async fn insert_many(tx: &mut Tx<'_>, sql: &'static str, block: &BlockRow, rows: Vec<Value>) -> DbResult<()> {
    if !rows.is_empty() {
        sqlx::query(sql)
            .bind(signed(block.number)?)
            .bind(Value::Array(rows).to_string())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

async fn set_head(tx: &mut Tx<'_>, name: &str, head: &L2BlockRef) -> DbResult<()> {
    sqlx::query("INSERT OR REPLACE INTO heads (name, number, hash, timestamp) VALUES (?, ?, ?, ?)")
        .bind(name)
        .bind(signed(head.number.0)?)
        .bind(hex(head.hash))
        .bind(signed(head.timestamp)?)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// A batch is as safe as its last block. Heads can move back when L1 does, and batches with them.
async fn advance_batches(tx: &mut Tx<'_>, safe: i64, finalized: i64, now: i64) -> DbResult<()> {
    sqlx::query(
        "UPDATE posted_batches SET status = 'submitted', safe_at = NULL, finalized_at = NULL \
         WHERE status IN ('safe', 'finalized') AND last_l2_block > ?",
    )
    .bind(safe)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "UPDATE posted_batches SET status = 'safe', safe_at = ?1 WHERE status = 'submitted' AND last_l2_block <= ?2",
    )
    .bind(now)
    .bind(safe)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "UPDATE posted_batches SET status = 'finalized', finalized_at = ?1 WHERE status = 'safe' AND last_l2_block <= ?2",
    )
    .bind(now)
    .bind(finalized)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes back blocks above `ancestor`.
pub(super) async fn roll_back(tx: &mut Tx<'_>, ancestor: i64) -> DbResult<()> {
    let deletes = [
        // Takes the shares with it.
        "DELETE FROM records WHERE block_number > ?",
        "DELETE FROM parties WHERE block_number > ?",
        "DELETE FROM transactions WHERE block_number > ?",
        "DELETE FROM blocks WHERE number > ?",
    ];
    for sql in deletes {
        sqlx::query(sql).bind(ancestor).execute(&mut **tx).await?;
    }
    Ok(())
}
