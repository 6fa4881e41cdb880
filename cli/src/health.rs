//! `/livez`, `/readyz` and `/metrics` of the roles that serve nothing else.

use axum::{Json, Router, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use std::{net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Tells why a role is not ready, or nothing if it is.
pub(crate) type Readiness = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// The three routes. `/livez` says the process runs, `/readyz` that it can do its work, and if not, why.
pub(crate) fn router(metrics: PrometheusHandle, readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(move || async move { ready(readiness().as_deref()) }),
        )
        .route("/metrics", get(move || async move { metrics.render() }))
}

/// Serves `router` on `address` until `shutdown`.
pub(crate) async fn serve(
    address: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
) -> eyre::Result<SocketAddr> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| eyre::eyre!("cannot listen on {address} (--metrics-addr): {error}"))?;
    let bound = listener.local_addr()?;
    tokio::spawn(async move {
        let served = axum::serve(listener, router)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "the health server ended");
        }
    });
    Ok(bound)
}

fn ready(cause: Option<&str>) -> (StatusCode, Json<serde_json::Value>) {
    match cause {
        None => (StatusCode::OK, Json(json!({ "ready": true }))),
        Some(cause) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({ "ready": false, "cause": cause })),
        ),
    }
}
