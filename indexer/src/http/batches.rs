//! `/v1/batches`.

use super::{
    AppState,
    problem::Problem,
    query::{ListQuery, number},
};
use crate::store::{BatchFilter, BatchRow};
use axum::{
    Json,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// A page of posted batches in rising order.
#[derive(Debug, Serialize)]
pub(super) struct BatchList {
    batches: Vec<BatchJson>,
    /// What to ask after next; null at the end of what there is.
    next_after: Option<i64>,
}

/// A posted batch with what follows from its row.
#[derive(Debug, Serialize)]
pub(super) struct BatchJson {
    #[serde(flatten)]
    row: BatchRow,
    /// Wei, rounded down; null without records.
    l1_fee_wei_per_record: Option<String>,
}

impl From<BatchRow> for BatchJson {
    fn from(row: BatchRow) -> Self {
        let l1_fee_wei_per_record = row.l1_fee_wei_per_record().map(|wei| wei.to_string());
        Self {
            row,
            l1_fee_wei_per_record,
        }
    }
}

pub(super) async fn list(
    State(state): State<AppState>,
    query: ListQuery,
) -> Result<Json<BatchList>, Problem> {
    let filter = BatchFilter {
        after: query.after,
        status: query.status,
    };
    let rows = state.store.batches(filter, query.limit).await?;
    let is_full = rows.len() == query.limit as usize;
    let next_after = rows.last().filter(|_| is_full).map(|row| row.number);
    let batches = rows.into_iter().map(BatchJson::from).collect();
    Ok(Json(BatchList { batches, next_after }))
}

pub(super) async fn one(
    State(state): State<AppState>,
    Path(text): Path<String>,
) -> Result<Json<BatchJson>, Problem> {
    Ok(Json(find(&state, &text).await?.into()))
}

/// The bytes as posted: what stands on the DA layer, or the calldata.
pub(super) async fn raw(
    State(state): State<AppState>,
    Path(text): Path<String>,
) -> Result<Response, Problem> {
    let row = find(&state, &text).await?;
    if let Some(bytes) = state.store.payload(row.number).await? {
        let name = format!("attachment; filename=\"batch-{}.bin\"", row.number);
        let headers = [
            (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
            (header::CONTENT_DISPOSITION, name),
        ];
        return Ok((headers, bytes).into_response());
    }
    let cause = row.payload_cause.unwrap_or_else(|| "not fetched yet".to_owned());
    let detail = format!("posted batch {}: {cause}", row.number);
    Err(match row.payload_state.as_str() {
        "invalid" => Problem::not_found(detail),
        _ => Problem::payload_unavailable(detail),
    })
}

pub(super) async fn by_block(
    State(state): State<AppState>,
    Path(text): Path<String>,
) -> Result<Json<BatchJson>, Problem> {
    let block = number("block", &text)?;
    if let Some(row) = state.store.batch_of_block(block).await? {
        return Ok(Json(row.into()));
    }
    let heads = state.store.heads().await?;
    let head = heads.unsafe_head.map_or(0, |head| head.number);
    Err(
        if block == state.rollup.genesis.l2.number.0.try_into().unwrap_or(0) {
            Problem::not_found(format!("L2 block {block} is genesis, which is never posted"))
        } else if block <= head {
            Problem::not_yet(format!(
                "L2 block {block} is in no posted batch that has been read"
            ))
        } else {
            Problem::not_yet(format!(
                "L2 block {block} does not exist yet; the unsafe head is {head}"
            ))
        },
    )
}

async fn find(state: &AppState, text: &str) -> Result<BatchRow, Problem> {
    let number = number("batch", text)?;
    let row = state.store.batch(number).await?;
    row.ok_or_else(|| Problem::not_found(format!("there is no posted batch {number}")))
}
