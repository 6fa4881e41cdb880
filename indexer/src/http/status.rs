//! `/v1/status`: where the chain stands and how far it is indexed.

use super::{AppState, problem::Problem};
use crate::{
    clock::unix_now_secs,
    health::Progress,
    store::{Counts, Head, Heads},
};
use axum::{Json, extract::State};
use serde::Serialize;

/// Where the chain stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct StatusReport {
    pub(crate) l2_chain_id: u64,
    pub(crate) l1_chain_id: u64,
    pub(crate) heads: Heads,
    /// Seconds since the unsafe head's timestamp; null before there is one.
    pub(crate) head_age_secs: Option<i64>,
    /// L2 blocks between the unsafe head and the safe one.
    pub(crate) unsafe_blocks: i64,
    pub(crate) l2: ProgressReport,
    pub(crate) l1: ProgressReport,
    pub(crate) counts: Counts,
}

/// How far one chain has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ProgressReport {
    #[serde(flatten)]
    pub(crate) progress: Progress,
    pub(crate) lag_blocks: u64,
}

impl From<Progress> for ProgressReport {
    fn from(progress: Progress) -> Self {
        Self {
            progress,
            lag_blocks: progress.lag_blocks(),
        }
    }
}

pub(super) async fn status(State(state): State<AppState>) -> Result<Json<StatusReport>, Problem> {
    Ok(Json(report(&state).await?))
}

/// Where the chain stands now, for REST and the page alike.
pub(crate) async fn report(state: &AppState) -> Result<StatusReport, sqlx::Error> {
    let heads = state.store.heads().await?;
    let facts = state.health.facts();
    let number = |head: &Option<Head>| head.as_ref().map_or(0, |head| head.number);
    Ok(StatusReport {
        l2_chain_id: state.rollup.l2_chain_id,
        l1_chain_id: state.rollup.l1_chain_id,
        head_age_secs: heads
            .unsafe_head
            .as_ref()
            .map(|head| (unix_now_secs() - head.timestamp).max(0)),
        unsafe_blocks: number(&heads.unsafe_head) - number(&heads.safe_head),
        l2: facts.l2_progress.into(),
        l1: facts.l1_progress.into(),
        counts: state.store.counts().await?,
        heads,
    })
}
