//! The page a person looks at: rendered here, with no build step, no third party and nothing a policy of "only from this host" forbids.
//!
//! A few lines of script fetch the page again every two seconds and swap its middle; without script it reloads every five. All text
//! goes through `maud`, which escapes it.

mod detail;
mod format;
mod home;
mod parts;

use crate::{
    clock::unix_now_secs,
    http::{AppState, Problem, number, report},
};
use axum::{
    extract::{Path, State},
    http::{HeaderName, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};

/// Rows of each list on the first page.
const ROWS: u32 = 8;

/// A problem as a page.
pub(crate) struct PageProblem(Problem);

impl<E: Into<Problem>> From<E> for PageProblem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for PageProblem {
    fn into_response(self) -> Response {
        let problem = self.0;
        let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = html! {
            section.problem {
                h1 { (problem.title()) }
                p { (problem.detail()) }
                p { a href="/" { "Back to the chain" } }
            }
        };
        (status, Html(layout(problem.title(), &body).into_string())).into_response()
    }
}

pub(crate) async fn home(State(state): State<AppState>) -> Result<Html<String>, PageProblem> {
    let view = home::HomeView {
        status: report(&state).await?,
        batches: state.store.latest_batches(ROWS).await?,
        records: state.store.latest_records(ROWS).await?,
        causes: state.health.facts().causes(),
        now: unix_now_secs(),
    };
    Ok(Html(layout("Tributary", &home::render(&view)).into_string()))
}

pub(crate) async fn batch(
    State(state): State<AppState>,
    Path(text): Path<String>,
) -> Result<Html<String>, PageProblem> {
    let number = number("batch", &text)?;
    let batch = state.store.batch(number).await?;
    let batch = batch.ok_or_else(|| Problem::not_found(format!("There is no posted batch {number}.")))?;
    let title = format!("Posted batch {number}");
    Ok(Html(
        layout(&title, &detail::batch(&batch, unix_now_secs())).into_string(),
    ))
}

pub(crate) async fn record(
    State(state): State<AppState>,
    Path(text): Path<String>,
) -> Result<Html<String>, PageProblem> {
    let id = number("record", &text)?;
    let record = state.store.record(id).await?;
    let record = record.ok_or_else(|| Problem::not_found(format!("There is no record {id}.")))?;
    let title = format!("Record {id}");
    Ok(Html(
        layout(&title, &detail::record(&record, unix_now_secs())).into_string(),
    ))
}

pub(crate) async fn style() -> impl IntoResponse {
    asset("text/css; charset=utf-8", include_str!("page.css"))
}

pub(crate) async fn script() -> impl IntoResponse {
    asset("text/javascript; charset=utf-8", include_str!("page.js"))
}

pub(crate) async fn mark() -> impl IntoResponse {
    asset("image/svg+xml", include_str!("mark.svg"))
}

fn asset(content_type: &'static str, body: &'static str) -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, content_type)], body)
}

/// The frame of every page.
fn layout(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" type="image/svg+xml" href="/assets/mark.svg";
                link rel="stylesheet" href="/assets/page.css";
                script src="/assets/page.js" defer {}
                noscript { meta http-equiv="refresh" content="5"; }
            }
            body {
                header.top {
                    a.brand href="/" {
                        img src="/assets/mark.svg" alt="" width="28" height="28";
                        span { "Tributary" }
                    }
                    p.tagline { "who stood behind an answer, and what they earned" }
                    nav aria-label="For programs" {
                        a href="/v1/status" { "status" }
                        a href="/v1/batches" { "batches" }
                        a href="/v1/records" { "records" }
                        a href="/readyz" { "health" }
                    }
                }
                main #live { (body) }
            }
        }
    }
}
