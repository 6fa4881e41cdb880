//! The HTTP side: one port for JSON-RPC, health and metrics.

use super::{Rpc, jsonrpc};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use std::{
    io,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::{
    cors::{Any, CorsLayer},
    timeout::TimeoutLayer,
};

/// Serves until `stopped` is cancelled; requests that are under way are finished.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, rpc: Rpc, stopped: CancellationToken) -> io::Result<()> {
    // Small answers, one at a time: waiting to fill a packet would only add latency.
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        stream.set_nodelay(true).ok();
    });
    axum::serve(listener, router(rpc))
        .with_graceful_shutdown(stopped.cancelled_owned())
        .await
}

fn router(rpc: Rpc) -> Router {
    // Reads are public and there are no cookies, so pages of any origin may ask.
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE]);
    let settings = rpc.settings();
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, settings.request_timeout);
    let limit = DefaultBodyLimit::max(settings.body_bytes_max);
    Router::new()
        .route("/", post(call).get(hint))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .layer(limit)
        .layer(timeout)
        .layer(cors)
        .with_state(rpc)
}

async fn call(State(rpc): State<Rpc>, body: Bytes) -> Response {
    match jsonrpc::handle(&rpc, &body).await {
        Some(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn hint() -> &'static str {
    "JSON-RPC: POST to /. Health: /livez, /readyz. Metrics: /metrics.\n"
}

/// 200 when ready, 503 when not; the body names every failing cause either way.
async fn ready(State(rpc): State<Rpc>) -> Response {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let report = rpc.shared.health.report(now.map_or(0, |now| now.as_secs()));
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let causes = report.causes();
    let body = serde_json::json!({ "ready": report.ready, "causes": causes, "report": report });
    (status, Json(body)).into_response()
}

async fn metrics(State(rpc): State<Rpc>) -> Response {
    let text = (rpc.shared.metrics_text)();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
