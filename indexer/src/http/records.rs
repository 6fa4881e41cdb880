//! `/v1/records`.

use super::{
    AppState,
    problem::Problem,
    query::{ListQuery, number},
};
use crate::store::{RecordDetail, RecordSummary};
use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;

/// A page of records in rising order.
#[derive(Debug, Serialize)]
pub(super) struct RecordList {
    records: Vec<RecordSummary>,
    /// What to ask after next; null at the end of what there is.
    next_after: Option<i64>,
}

pub(super) async fn list(
    State(state): State<AppState>,
    query: ListQuery,
) -> Result<Json<RecordList>, Problem> {
    if query.status.is_some() {
        return Err(Problem::bad_request(
            "records have no status to ask for; each says its finality".to_owned(),
        ));
    }
    let records = state.store.records(query.after, query.limit).await?;
    let is_full = records.len() == query.limit as usize;
    let next_after = records
        .last()
        .filter(|_| is_full)
        .map(|summary| summary.record.id);
    Ok(Json(RecordList { records, next_after }))
}

pub(super) async fn one(
    State(state): State<AppState>,
    Path(text): Path<String>,
) -> Result<Json<RecordDetail>, Problem> {
    let id = number("record", &text)?;
    let record = state.store.record(id).await?;
    record
        .map(Json)
        .ok_or_else(|| Problem::not_found(format!("there is no record {id}")))
}
