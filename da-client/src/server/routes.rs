//! The routes, and what each answers; see the table of [`super`].

use super::{PAYLOAD_SIZE_MAX, disk::PayloadStore};
use alloy_primitives::{Bytes, hex};
use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tributary_protocol::commitment::{Commitment, GENERIC_TYPE, LOCAL_LAYER};

/// Type byte of keccak commitments, which are not served.
const KECCAK_TYPE: u8 = 0x00;

/// A wrong answer, for tests.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answer with this status and body.
    Status(u16, &'static str),
    /// Answer after this long.
    Delay(Duration),
    /// Flip a bit in the first byte of the body.
    FlipBit,
}

/// Faults of the next requests, in order.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<VecDeque<Fault>>>);

impl Faults {
    /// Adds a fault behind those that wait.
    pub fn push(&self, fault: Fault) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(fault);
    }

    fn pop(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

#[derive(Debug, Default, Deserialize)]
struct Parameters {
    commitment_mode: Option<String>,
    l1_inclusion_block_number: Option<String>,
}

impl Parameters {
    fn is_standard(&self) -> bool {
        self.commitment_mode.as_deref() == Some("standard")
    }
}

/// A refusal: status and what was wrong.
type Refusal = (StatusCode, String);

/// The server's routes over `store`.
pub fn router(store: PayloadStore, faults: Faults) -> Router {
    Router::new()
        .route("/put", post(put))
        .route("/put/", post(put))
        .route("/put/{key}", post(|| async { keccak_disabled() }))
        .route("/get/{key}", get(get_payload))
        .route("/health", get(|| async {}))
        .route("/config", get(|| async { Json(config()) }))
        .layer(DefaultBodyLimit::max(PAYLOAD_SIZE_MAX))
        .layer(from_fn_with_state(faults, inject))
        .with_state(store)
}

async fn put(
    State(store): State<PayloadStore>,
    Query(parameters): Query<Parameters>,
    payload: axum::body::Bytes,
) -> Result<Vec<u8>, Refusal> {
    let stored = tokio::task::spawn_blocking(move || store.put(&payload)).await;
    let commitment = stored.map_err(internal)?.map_err(internal)?.encode();
    // Standard mode leaves out the commitment type and the layer.
    let skipped = if parameters.is_standard() { 2 } else { 0 };
    Ok(commitment[skipped..].to_vec())
}

async fn get_payload(
    State(store): State<PayloadStore>,
    Path(key): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Payload, Refusal> {
    if let Some(number) = &parameters.l1_inclusion_block_number {
        number
            .parse::<u64>()
            .map_err(|_| bad(format!("l1_inclusion_block_number `{number}` is no number")))?;
    }
    let commitment = parse_key(&key, parameters.is_standard())?;
    let Commitment::Local(local) = commitment else {
        return Err(bad(format!(
            "layer 0x{:02x} is not served here, only 0x{LOCAL_LAYER:02x}",
            commitment.layer()
        )));
    };
    let name = local.payload_hash;
    let read = tokio::task::spawn_blocking(move || store.get(&local)).await;
    match read.map_err(internal)?.map_err(internal)? {
        Some(payload) => Ok(Payload(payload)),
        None => Err((StatusCode::NOT_FOUND, format!("payload {name} is not here"))),
    }
}

/// A payload as a response body.
struct Payload(Bytes);

impl IntoResponse for Payload {
    fn into_response(self) -> Response {
        Body::from(self.0.0).into_response()
    }
}

fn parse_key(key: &str, standard: bool) -> Result<Commitment, Refusal> {
    let bytes = hex::decode(key).map_err(|error| bad(format!("the commitment is not hex: {error}")))?;
    if !standard && bytes.first() == Some(&KECCAK_TYPE) {
        return Err(keccak_disabled());
    }
    let whole = if standard {
        [&[GENERIC_TYPE, LOCAL_LAYER], &bytes[..]].concat()
    } else {
        bytes
    };
    Commitment::decode(&whole).map_err(|error| bad(error.to_string()))
}

fn config() -> serde_json::Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "chain_id": "",
        "directory_address": "",
        "cert_verifier_address": "",
        "max_payload_size_bytes": PAYLOAD_SIZE_MAX,
        "apis_enabled": ["standard", "op-generic"],
        "read_only_mode": false,
        "layer": LOCAL_LAYER,
    })
}

fn bad(reason: String) -> Refusal {
    (StatusCode::BAD_REQUEST, reason)
}

fn internal(error: impl std::fmt::Display) -> Refusal {
    tracing::error!(%error, "a request failed");
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

fn keccak_disabled() -> Refusal {
    (
        StatusCode::FORBIDDEN,
        "keccak commitments are not served here; use generic ones".to_owned(),
    )
}

async fn inject(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    match faults.pop() {
        None => next.run(request).await,
        Some(Fault::Status(status, body)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, body).into_response()
        }
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            next.run(request).await
        }
        Some(Fault::FlipBit) => flip(next.run(request).await).await,
    }
}

async fn flip(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, PAYLOAD_SIZE_MAX)
        .await
        .unwrap_or_default();
    let mut bytes = bytes.to_vec();
    if let Some(first) = bytes.first_mut() {
        *first ^= 1;
    }
    Response::from_parts(parts, Body::from(bytes))
}
