//! Reading posted batches.

use super::{DbResult, Store, rows::BatchRow};
use sqlx::Row;

/// The columns of [`BatchRow`]; `concat!` because statements are static text.
macro_rules! select_batches {
    ($rest:literal) => {
        concat!(
            "SELECT number, status, first_l2_block, last_l2_block, tx_count, ",
            "(SELECT sum(record_count) FROM blocks WHERE blocks.number BETWEEN first_l2_block AND last_l2_block) AS record_count, ",
            "raw_bytes, payload_bytes, payload_state, payload_cause, da_kind, layer, commitment, l1_tx_hash, l1_tx_index, l1_block, ",
            "l1_block_hash, l1_gas_used, l1_fee_wei, submitted_at, safe_at, finalized_at, orphaned_at FROM posted_batches ",
            $rest
        )
    };
}

/// Which posted batches are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BatchFilter {
    /// Only numbers above this one.
    pub(crate) after: i64,
    /// Only this status.
    pub(crate) status: Option<&'static str>,
}

impl Store {
    /// Posted batches in rising order.
    pub(crate) async fn batches(&self, filter: BatchFilter, limit: u32) -> DbResult<Vec<BatchRow>> {
        sqlx::query_as(select_batches!(
            "WHERE number > ?1 AND (?2 IS NULL OR status = ?2) ORDER BY number LIMIT ?3"
        ))
        .bind(filter.after)
        .bind(filter.status)
        .bind(limit)
        .fetch_all(&self.readers)
        .await
    }

    /// The newest posted batches, newest first.
    pub(crate) async fn latest_batches(&self, limit: u32) -> DbResult<Vec<BatchRow>> {
        sqlx::query_as(select_batches!("ORDER BY number DESC LIMIT ?"))
            .bind(limit)
            .fetch_all(&self.readers)
            .await
    }

    /// The posted batch of this number.
    pub(crate) async fn batch(&self, number: i64) -> DbResult<Option<BatchRow>> {
        sqlx::query_as(select_batches!("WHERE number = ?"))
            .bind(number)
            .fetch_optional(&self.readers)
            .await
    }

    /// The posted batch that carries an L2 block: the earliest, should several.
    pub(crate) async fn batch_of_block(&self, block: i64) -> DbResult<Option<BatchRow>> {
        sqlx::query_as(select_batches!(
            "WHERE first_l2_block <= ?1 AND last_l2_block >= ?1 AND status != 'orphaned' ORDER BY number LIMIT 1"
        ))
        .bind(block)
        .fetch_optional(&self.readers)
        .await
    }

    /// The bytes of a posted batch, if they are here.
    pub(crate) async fn payload(&self, number: i64) -> DbResult<Option<Vec<u8>>> {
        let row = sqlx::query("SELECT bytes FROM payloads WHERE batch_number = ?").bind(number);
        let row = row.fetch_optional(&self.readers).await?;
        row.map(|row| row.try_get("bytes")).transpose()
    }
}
