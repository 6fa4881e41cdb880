//! Payloads: which are still to be had, and what was found in them.

use super::{
    DbResult, Store, Tx,
    rows::{decode_error, signed, unsigned},
};
use crate::decode::{ChannelSummary, payload_frames};
use alloy::primitives::Bytes;
use sqlx::{Row, sqlite::SqliteRow};
use std::collections::BTreeSet;
use tributary_protocol::{
    block::L1BlockNumber,
    commitment::Commitment,
    frame::{ChannelId, Frame},
};

/// Longest pause between two attempts to get a payload, in seconds.
const RETRY_SECS_MAX: i64 = 60;

/// A posted batch whose payload has not been read.
#[derive(Clone, Debug)]
pub(crate) struct PendingPayload {
    pub(crate) number: i64,
    pub(crate) commitment: Option<Commitment>,
    /// The payload, if it came with the transaction.
    pub(crate) bytes: Option<Bytes>,
    /// The L1 block that carries it.
    pub(crate) l1_block: L1BlockNumber,
}

/// What reading a payload gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PayloadOutcome {
    /// Nothing now; the cause, for people.
    Unavailable(String),
    /// Nothing ever; the cause, for people.
    Invalid(String),
    /// Frames of channels of which others are still missing.
    Partial,
    /// Whole channels. With the batches that carry other frames of them, which are read by this too.
    Read {
        summary: ChannelSummary,
        completes: BTreeSet<i64>,
    },
}

impl Store {
    /// Payloads whose turn it is, oldest first.
    pub(crate) async fn pending_payloads(&self, now: i64, limit: u32) -> DbResult<Vec<PendingPayload>> {
        let rows = sqlx::query(
            "SELECT number, commitment, l1_block, bytes \
             FROM posted_batches LEFT JOIN payloads ON batch_number = number \
             WHERE payload_state = 'pending' AND retry_at <= ? AND status != 'orphaned' ORDER BY number LIMIT ?",
        )
        .bind(now)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(pending_payload).collect()
    }

    /// Frames of a channel in batches other than this one, with the batch that carries each, in the order of the inbox.
    pub(crate) async fn other_frames(&self, id: ChannelId, number: i64) -> DbResult<Vec<(i64, Frame)>> {
        let rows = sqlx::query(
            "SELECT DISTINCT number, bytes FROM frames \
             JOIN posted_batches ON number = frames.batch_number JOIN payloads ON payloads.batch_number = number \
             WHERE channel_id = ? AND number != ? AND status != 'orphaned' ORDER BY number",
        )
        .bind(id.to_string())
        .bind(number)
        .fetch_all(&self.readers)
        .await?;
        let mut found = Vec::new();
        for row in rows {
            let batch: i64 = row.try_get("number")?;
            let payload = Bytes::from(row.try_get::<Vec<u8>, _>("bytes")?);
            let frames = payload_frames(&payload).map_err(decode_error)?;
            let frames = frames.into_iter().filter(|frame| frame.id == id);
            found.extend(frames.map(|frame| (batch, frame)));
        }
        Ok(found)
    }

    /// Writes down what reading a payload gave, with the payload if there is one.
    pub(crate) async fn save_payload(
        &self,
        number: i64,
        payload: Option<(&Bytes, &[Frame])>,
        outcome: &PayloadOutcome,
        now: i64,
    ) -> DbResult<()> {
        let mut tx = self.writer.begin().await?;
        if let Some((bytes, frames)) = payload {
            insert_payload(&mut tx, number, bytes, frames).await?;
        }
        match outcome {
            PayloadOutcome::Unavailable(cause) => postpone(&mut tx, number, cause, now).await?,
            PayloadOutcome::Invalid(cause) => set_state(&mut tx, number, "invalid", Some(cause)).await?,
            PayloadOutcome::Partial => set_state(&mut tx, number, "partial", None).await?,
            PayloadOutcome::Read { summary, completes } => {
                for other in completes {
                    set_range(&mut tx, *other, summary).await?;
                }
                set_range(&mut tx, number, summary).await?;
                set_sizes(&mut tx, number, summary).await?;
            }
        }
        tx.commit().await
    }
}

fn pending_payload(row: &SqliteRow) -> DbResult<PendingPayload> {
    let commitment: Option<Vec<u8>> = row.try_get("commitment")?;
    let commitment = commitment.map(|bytes| Commitment::decode(&bytes).map_err(decode_error));
    Ok(PendingPayload {
        number: row.try_get("number")?,
        commitment: commitment.transpose()?,
        bytes: row.try_get::<Option<Vec<u8>>, _>("bytes")?.map(Bytes::from),
        l1_block: L1BlockNumber(unsigned(row.try_get("l1_block")?)?),
    })
}

async fn insert_payload(tx: &mut Tx<'_>, number: i64, bytes: &Bytes, frames: &[Frame]) -> DbResult<()> {
    sqlx::query("INSERT INTO payloads (batch_number, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind(number)
        .bind(bytes.as_ref())
        .execute(&mut **tx)
        .await?;
    sqlx::query("UPDATE posted_batches SET payload_bytes = ? WHERE number = ?")
        .bind(signed(bytes.len() as u64)?)
        .bind(number)
        .execute(&mut **tx)
        .await?;
    for (position, frame) in frames.iter().enumerate() {
        sqlx::query(
            "INSERT INTO frames (batch_number, position, channel_id, frame_number, is_last) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(number)
        .bind(signed(position as u64)?)
        .bind(frame.id.to_string())
        .bind(i64::from(frame.number))
        .bind(i64::from(frame.is_last))
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// The pause doubles from one second to [`RETRY_SECS_MAX`].
async fn postpone(tx: &mut Tx<'_>, number: i64, cause: &str, now: i64) -> DbResult<()> {
    sqlx::query(
        "UPDATE posted_batches SET payload_cause = ?1, attempts = attempts + 1, \
         retry_at = ?2 + min(?3, 1 << min(attempts, 6)) WHERE number = ?4",
    )
    .bind(cause)
    .bind(now)
    .bind(RETRY_SECS_MAX)
    .bind(number)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn set_state(tx: &mut Tx<'_>, number: i64, state: &str, cause: Option<&String>) -> DbResult<()> {
    sqlx::query("UPDATE posted_batches SET payload_state = ?, payload_cause = ? WHERE number = ?")
        .bind(state)
        .bind(cause)
        .bind(number)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn set_range(tx: &mut Tx<'_>, number: i64, summary: &ChannelSummary) -> DbResult<()> {
    let blocks = summary
        .blocks
        .map(|(first, last)| Ok::<_, sqlx::Error>((signed(first)?, signed(last)?)));
    let (first, last) = blocks.transpose()?.unzip();
    sqlx::query(
        "UPDATE posted_batches SET payload_state = ?, payload_cause = ?, first_l2_block = ?, last_l2_block = ? WHERE number = ?",
    )
    .bind(if first.is_some() { "read" } else { "invalid" })
    .bind(summary.cause.as_ref().map(ToString::to_string))
    .bind(first)
    .bind(last)
    .bind(number)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn set_sizes(tx: &mut Tx<'_>, number: i64, summary: &ChannelSummary) -> DbResult<()> {
    sqlx::query("UPDATE posted_batches SET raw_bytes = ?, tx_count = ? WHERE number = ?")
        .bind(signed(summary.raw_bytes as u64)?)
        .bind(signed(summary.tx_count as u64)?)
        .bind(number)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
