//! Writing L1: its blocks, and the posted batches in them.

use super::{
    DbResult, Store, Tx,
    rows::{address, hex, signed},
};
use crate::decode::PostedRow;
use alloy::primitives::{Address, B256};
use sqlx::Row;

/// An L1 block with the batches in it.
#[derive(Clone, Debug)]
pub(crate) struct L1BlockRow {
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) parent_hash: B256,
    pub(crate) timestamp: u64,
    /// Whose inbox transactions count after this block.
    pub(crate) batcher: Address,
    pub(crate) posted: Vec<PostedRow>,
}

impl Store {
    /// Whose inbox transactions count after the L1 tip; `None` before the first block.
    pub(crate) async fn batcher(&self) -> DbResult<Option<Address>> {
        let row = sqlx::query("SELECT batcher FROM l1_blocks ORDER BY number DESC LIMIT 1");
        let row = row.fetch_optional(&self.writer).await?;
        row.map(|row| address(row.try_get("batcher")?)).transpose()
    }

    /// Adds L1 blocks, each the child of the one before; the first is the child of the tip. The caller has checked that.
    pub(crate) async fn append_l1_blocks(&self, blocks: &[L1BlockRow]) -> DbResult<()> {
        let mut tx = self.writer.begin().await?;
        for block in blocks {
            insert_block(&mut tx, block).await?;
            for posted in &block.posted {
                insert_posted(&mut tx, block, posted).await?;
            }
        }
        tx.commit().await
    }
}

async fn insert_block(tx: &mut Tx<'_>, block: &L1BlockRow) -> DbResult<()> {
    sqlx::query(
        "INSERT INTO l1_blocks (number, hash, parent_hash, timestamp, batcher) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(signed(block.number)?)
    .bind(hex(block.hash))
    .bind(hex(block.parent_hash))
    .bind(signed(block.timestamp)?)
    .bind(hex(block.batcher))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Adds a posted batch, or brings it back under its old number if its L1 block had only been gone for a while.
async fn insert_posted(tx: &mut Tx<'_>, block: &L1BlockRow, posted: &PostedRow) -> DbResult<()> {
    let row = sqlx::query(
        "INSERT INTO posted_batches (l1_tx_hash, l1_tx_index, l1_block, l1_block_hash, l1_gas_used, l1_fee_wei, \
         da_kind, layer, commitment, payload_state, payload_cause, status, submitted_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'submitted', ?) \
         ON CONFLICT (l1_block_hash, l1_tx_hash) DO UPDATE SET status = 'submitted', orphaned_at = NULL RETURNING number",
    )
    .bind(hex(posted.l1_tx_hash))
    .bind(signed(posted.l1_tx_index as u64)?)
    .bind(signed(block.number)?)
    .bind(hex(block.hash))
    .bind(signed(posted.l1_gas_used)?)
    .bind(posted.l1_fee.to_string())
    .bind(posted.da_kind)
    .bind(posted.commitment.as_ref().map(|commitment| i64::from(commitment.layer())))
    .bind(posted.commitment.as_ref().map(|commitment| commitment.encode().to_vec()))
    .bind(if posted.invalid.is_some() { "invalid" } else { "pending" })
    .bind(posted.invalid.as_ref().map(ToString::to_string))
    .bind(signed(block.timestamp)?)
    .fetch_one(&mut **tx)
    .await?;
    if let Some(payload) = &posted.payload {
        sqlx::query("INSERT INTO payloads (batch_number, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(row.try_get::<i64, _>("number")?)
            .bind(payload.as_ref())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Takes back blocks above `ancestor`; their posted batches stay, as orphans.
pub(super) async fn roll_back(tx: &mut Tx<'_>, ancestor: i64, now: i64) -> DbResult<()> {
    sqlx::query(
        "UPDATE posted_batches SET status = 'orphaned', orphaned_at = ?1, safe_at = NULL, finalized_at = NULL \
         WHERE l1_block > ?2 AND status != 'orphaned'",
    )
    .bind(now)
    .bind(ancestor)
    .execute(&mut **tx)
    .await?;
    sqlx::query("DELETE FROM l1_blocks WHERE number > ?")
        .bind(ancestor)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
