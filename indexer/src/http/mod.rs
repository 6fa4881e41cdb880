//! REST, health, metrics and the page, on one port.

mod batches;
mod probes;
mod problem;
mod query;
mod records;
mod status;
#[cfg(test)]
mod tests;

pub(crate) use problem::Problem;
pub(crate) use query::number;
pub(crate) use status::{StatusReport, report};

use crate::{error::IndexerError, health::Health, page, store::Store};
use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, Uri, header},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use core::time::Duration;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::{cors::CorsLayer, set_header::SetResponseHeaderLayer, timeout::TimeoutLayer};
use tributary_protocol::config::RollupConfig;

/// Longest an answer may take; the slowest reads are lists of a thousand records.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long answers on their way may take to finish once the indexer ends.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Everything the page needs comes from here; nothing else may load, whatever found its way into a field.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What handlers read from.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) store: Store,
    pub(crate) health: Health,
    pub(crate) rollup: Arc<RollupConfig>,
    pub(crate) metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// Serves until told to end.
pub(crate) async fn serve(
    listener: TcpListener,
    state: AppState,
    shutdown: CancellationToken,
) -> Result<(), IndexerError> {
    let server =
        axum::serve(listener, router(state)).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        result = server.into_future() => result.map_err(IndexerError::Serve),
        () = drained => Ok(()),
    }
}

/// Every route.
pub(crate) fn router(state: AppState) -> Router {
    let fixed = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    Router::new()
        .route("/", get(page::home))
        .route("/batch/{number}", get(page::batch))
        .route("/record/{id}", get(page::record))
        .route("/assets/page.css", get(page::style))
        .route("/assets/page.js", get(page::script))
        .route("/assets/mark.svg", get(page::mark))
        .route("/v1/status", get(status::status))
        .route("/v1/batches", get(batches::list))
        .route("/v1/batches/{number}", get(batches::one))
        .route("/v1/batches/{number}/raw", get(batches::raw))
        .route("/v1/batches/by-block/{block}", get(batches::by_block))
        .route("/v1/records", get(records::list))
        .route("/v1/records/{id}", get(records::one))
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(probes::metrics))
        .fallback(no_such_path)
        .method_not_allowed_fallback(only_get)
        .layer(fixed(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(fixed(header::CACHE_CONTROL, "no-cache"))
        // Everything here is public and read-only.
        .layer(CorsLayer::new().allow_origin(tower_http::cors::Any))
        .layer(middleware::from_fn(count))
        .layer(TimeoutLayer::with_status_code(axum::http::StatusCode::SERVICE_UNAVAILABLE, ANSWER_TIMEOUT))
        .with_state(state)
}

async fn no_such_path(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {}", uri.path()))
}

async fn only_get(request: Request) -> Problem {
    Problem::method_not_allowed(request.method())
}

async fn count(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::counter!("tributary_indexer_http_responses_total", "status" => status).increment(1);
    response
}
