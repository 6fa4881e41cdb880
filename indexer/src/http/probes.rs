//! `/livez`, `/readyz`, `/metrics`: what operators' tools ask.

use super::AppState;
use crate::health::{Check, Facts, Progress};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;

/// `/readyz`.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    /// What is failing, one sentence each.
    causes: Vec<String>,
    node: Check,
    l1: Check,
    da: Check,
    database: Check,
    l2_progress: Progress,
    l1_progress: Progress,
}

pub(super) async fn livez() -> &'static str {
    "ok\n"
}

pub(super) async fn readyz(State(state): State<AppState>) -> impl IntoResponse {
    // The database is asked on the spot: its state is otherwise known only from the last write.
    if let Err(error) = state.store.heads().await {
        state
            .health
            .update(|facts| facts.database = Check::Failing(error.to_string()));
    }
    let facts = state.health.facts();
    let causes = facts.causes();
    let ready = causes.is_empty();
    let Facts {
        node,
        l1,
        da,
        database,
        l2_progress,
        l1_progress,
    } = facts;
    let body = Readiness {
        ready,
        causes,
        node,
        l1,
        da,
        database,
        l2_progress,
        l1_progress,
    };
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body))
}

pub(super) async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (headers, (state.metrics)())
}
