//! The routes, and what each answers; see the table of [`super`].

use super::{
    disk::PayloadStore,
    faults::{Faults, inject},
};
use crate::PAYLOAD_SIZE_MAX;
use alloy_primitives::{Bytes, hex};
use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Path, Query, Request, State},
    http::{
        StatusCode,
        header::{CONTENT_LENGTH, RETRY_AFTER},
    },
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use tributary_protocol::commitment::{Commitment, GENERIC_TYPE, LOCAL_LAYER};

/// Type byte of keccak commitments, which are not served.
const KECCAK_TYPE: u8 = 0x00;

/// Puts at once. Each may hold a payload of 16 MiB in memory; one batcher has a few under way.
const PUTS_AT_ONCE: usize = 16;

/// Longest time a payload may take to arrive: 16 MiB at about 1 Mbit/s. A sender that stops halfway must not keep its place.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(120);

/// What the handlers share.
#[derive(Clone, Debug)]
struct Shared {
    store: PayloadStore,
    puts: Arc<Semaphore>,
}

#[derive(Debug, Default, Deserialize)]
struct Parameters {
    commitment_mode: Option<String>,
    l1_inclusion_block_number: Option<String>,
    return_encoded_payload: Option<String>,
}

impl Parameters {
    fn is_standard(&self) -> bool {
        self.commitment_mode.as_deref() == Some("standard")
    }

    /// The block number is checked, as EigenDA's proxy does, although nothing here depends on it: our commitments do not age.
    fn check(&self) -> Result<(), Refusal> {
        let number = self.l1_inclusion_block_number.as_deref().unwrap_or_default();
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit()) && number.parse::<u64>().is_ok();
        if !number.is_empty() && !is_number {
            return Err(Refusal::Bad(format!(
                "l1_inclusion_block_number `{number}` is not a block number"
            )));
        }
        match self
            .return_encoded_payload
            .as_deref()
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            Some("" | "true" | "1") => Err(Refusal::Bad(
                "payloads of this layer have no encoded form".to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

/// Why a request was refused.
#[derive(Debug)]
enum Refusal {
    /// The request is wrong and will stay so.
    Bad(String),
    /// This API is not enabled.
    Disabled(&'static str),
    /// The payload is not here.
    Absent(String),
    /// Too much at once.
    Busy,
    /// Our fault.
    Internal(String),
}

impl Refusal {
    fn internal(error: impl fmt::Display) -> Self {
        tracing::error!(target: "da_server", %error, "a request failed");
        Self::Internal(error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Bad(reason) => (StatusCode::BAD_REQUEST, reason).into_response(),
            Self::Disabled(reason) => (StatusCode::FORBIDDEN, reason).into_response(),
            Self::Absent(reason) => (StatusCode::NOT_FOUND, reason).into_response(),
            Self::Busy => {
                let reason = format!("{PUTS_AT_ONCE} payloads are arriving already");
                (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "1")], reason).into_response()
            }
            Self::Internal(reason) => (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response(),
        }
    }
}

/// The server's routes over `store`.
pub fn router(store: PayloadStore, faults: Faults) -> Router {
    Router::new()
        .route("/put", post(put))
        .route("/put/", post(put))
        .route("/put/{key}", post(|| async { keccak_disabled() }))
        .route("/get/{key}", get(get_payload))
        .route("/health", get(|| async {}))
        .route("/config", get(|| async { Json(config()) }))
        .layer(from_fn_with_state(faults, inject))
        .with_state(Shared {
            store,
            puts: Arc::new(Semaphore::new(PUTS_AT_ONCE)),
        })
}

async fn put(
    State(shared): State<Shared>,
    Query(parameters): Query<Parameters>,
    request: Request,
) -> Result<Vec<u8>, Refusal> {
    let _place = shared
        .puts
        .clone()
        .try_acquire_owned()
        .map_err(|_| Refusal::Busy)?;
    let payload = receive(request).await?;
    let store = shared.store;
    let stored = tokio::task::spawn_blocking(move || store.put(&payload)).await;
    let commitment = stored
        .map_err(Refusal::internal)?
        .map_err(Refusal::internal)?
        .encode();
    // Standard mode leaves out the commitment type and the layer.
    let skipped = if parameters.is_standard() { 2 } else { 0 };
    Ok(commitment[skipped..].to_vec())
}

/// The body of `request`. What is announced as too long is refused unread.
async fn receive(request: Request) -> Result<axum::body::Bytes, Refusal> {
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if let Some(size) = announced.filter(|size: &u64| *size > PAYLOAD_SIZE_MAX as u64) {
        return Err(Refusal::Bad(format!(
            "the payload has {size} bytes, at most {PAYLOAD_SIZE_MAX} are taken"
        )));
    }
    let body = to_bytes(request.into_body(), PAYLOAD_SIZE_MAX);
    let received = tokio::time::timeout(RECEIVE_TIMEOUT, body).await.map_err(|_| {
        Refusal::Bad(format!(
            "the payload did not arrive within {} seconds",
            RECEIVE_TIMEOUT.as_secs()
        ))
    })?;
    received.map_err(|error| {
        Refusal::Bad(format!(
            "cannot read the payload, of which {PAYLOAD_SIZE_MAX} bytes are taken: {error}"
        ))
    })
}

async fn get_payload(
    State(shared): State<Shared>,
    Path(key): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Payload, Refusal> {
    parameters.check()?;
    let commitment = parse_key(&key, parameters.is_standard())?;
    let Commitment::Local(local) = commitment else {
        return Err(Refusal::Bad(format!(
            "layer 0x{:02x} is not served here, only 0x{LOCAL_LAYER:02x}",
            commitment.layer()
        )));
    };
    let read = tokio::task::spawn_blocking(move || shared.store.get(&local)).await;
    let payload = read.map_err(Refusal::internal)?.map_err(Refusal::internal)?;
    payload
        .map(Payload)
        .ok_or_else(|| Refusal::Absent(format!("payload {} is not here", local.payload_hash)))
}

/// A payload as a response body.
struct Payload(Bytes);

impl IntoResponse for Payload {
    fn into_response(self) -> Response {
        Body::from(self.0.0).into_response()
    }
}

fn parse_key(key: &str, standard: bool) -> Result<Commitment, Refusal> {
    let bytes =
        hex::decode(key).map_err(|error| Refusal::Bad(format!("the commitment is not hex: {error}")))?;
    if !standard && bytes.first() == Some(&KECCAK_TYPE) {
        return Err(keccak_disabled());
    }
    let whole = if standard {
        [&[GENERIC_TYPE, LOCAL_LAYER], &bytes[..]].concat()
    } else {
        bytes
    };
    Commitment::decode(&whole).map_err(|error| Refusal::Bad(error.to_string()))
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

const fn keccak_disabled() -> Refusal {
    Refusal::Disabled("keccak commitments are not served here; use generic ones")
}
