//! Blobs from a beacon node: an honest one in its two ways of answering, broken ones, and anvil.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use alloy_primitives::{B256, Bytes, hex};
use axum::{
    Router,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tributary_derivation::driver::{BeaconBlobs, BlobFetchError, BlobSource, versioned_hash};
use tributary_protocol::{
    blob::Blob,
    block::{L1BlockNumber, L1BlockRef},
};

/// How the server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Honest,
    /// Serves sidecars and knows nothing of the newer way.
    OnlySidecars,
    /// Has forgotten the blobs.
    Pruned,
    /// One byte of each blob differs.
    WrongBytes,
    /// A byte is missing at the end of each blob.
    Short,
    Html,
    Busy,
}

#[derive(Clone)]
struct Server {
    mood: Arc<Mutex<Mood>>,
    blobs: Arc<Vec<Blob>>,
    asked: Arc<Mutex<Vec<String>>>,
}

const GENESIS_TIME: u64 = 1_000_000;

impl Server {
    async fn start(blobs: Vec<Blob>) -> (Self, BeaconBlobs) {
        let server = Self {
            mood: Arc::new(Mutex::new(Mood::Honest)),
            blobs: Arc::new(blobs),
            asked: Arc::default(),
        };
        let genesis =
            || async { json_body(&json!({ "data": { "genesis_time": GENESIS_TIME.to_string() } })) };
        let spec = || async { json_body(&json!({ "data": { "SECONDS_PER_SLOT": "12", "OTHER": ["x"] } })) };
        let app = Router::new()
            .route("/key/eth/v1/beacon/genesis", get(genesis))
            .route("/key/eth/v1/config/spec", get(spec))
            .route("/key/eth/v1/beacon/blobs/{slot}", get(blobs_route))
            .route("/key/eth/v1/beacon/blob_sidecars/{slot}", get(sidecars_route))
            .with_state(server.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/key/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (server, BeaconBlobs::new(&url.parse().unwrap()))
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }

    fn served(&self) -> Vec<Bytes> {
        let change = |blob: &Blob| {
            let mut bytes = blob.bytes().to_vec();
            match self.mood() {
                Mood::WrongBytes => bytes[40] ^= 1,
                Mood::Short => {
                    bytes.pop();
                }
                _ => {}
            }
            bytes.into()
        };
        match self.mood() {
            Mood::Pruned => Vec::new(),
            _ => self.blobs.iter().map(change).collect(),
        }
    }
}

fn json_body(value: &Value) -> Response {
    value.to_string().into_response()
}

async fn blobs_route(State(server): State<Server>, Path(slot): Path<String>, request: Request) -> Response {
    server
        .asked
        .lock()
        .unwrap()
        .push(format!("{slot}?{}", request.uri().query().unwrap_or_default()));
    match server.mood() {
        Mood::OnlySidecars => StatusCode::NOT_FOUND.into_response(),
        Mood::Html => "<html>gateway</html>".into_response(),
        Mood::Busy => (StatusCode::TOO_MANY_REQUESTS, "slow down").into_response(),
        _ => json_body(&json!({ "execution_optimistic": false, "finalized": true, "data": server.served() })),
    }
}

async fn sidecars_route(State(server): State<Server>) -> Response {
    let served = server.served();
    let sidecar = |blob: &Bytes| {
        let settings = c_kzg::ethereum_kzg_settings(0);
        let commitment = settings.blob_to_kzg_commitment(&c_kzg::Blob::from_bytes(blob).unwrap());
        json!({ "index": "0", "blob": blob, "kzg_commitment": hex::encode_prefixed(commitment.unwrap().as_slice()) })
    };
    json_body(&json!({ "data": served.iter().map(sidecar).collect::<Vec<_>>() }))
}

fn blob(content: &[u8]) -> Blob {
    Blob::encode(content).unwrap()
}

fn hash_of(content: &[u8]) -> B256 {
    versioned_hash(&blob(content)).unwrap()
}

fn block() -> L1BlockRef {
    L1BlockRef {
        hash: B256::repeat_byte(9),
        number: L1BlockNumber(77),
        timestamp: GENESIS_TIME + 12 * 500,
        ..L1BlockRef::default()
    }
}

#[tokio::test]
async fn blobs_come_in_the_order_asked_for_in_either_way() {
    let (server, source) = Server::start(Vec::from([blob(b"\0a"), blob(b"\0b"), blob(b"\0c")])).await;
    let hashes = [hash_of(b"\0c"), hash_of(b"\0a"), hash_of(b"\0a")];
    for mood in [Mood::Honest, Mood::OnlySidecars] {
        server.set(mood);
        let blobs = source.blobs(&hashes, block()).await.unwrap();
        assert_eq!(blobs, [blob(b"\0c"), blob(b"\0a"), blob(b"\0a")], "{mood:?}");
    }
    let asked = server.asked.lock().unwrap().clone();
    assert!(asked[0].starts_with("500?versioned_hashes=0x01"), "{asked:?}");
    assert!(asked[0].ends_with(&hash_of(b"\0a").to_string()), "{asked:?}");
}

#[tokio::test]
async fn broken_server_is_an_error_and_never_a_blob() {
    let (server, source) = Server::start(Vec::from([blob(b"\0a")])).await;
    let hashes = [hash_of(b"\0a")];
    let cases = [
        (Mood::Pruned, "has 0 blobs for L1 block 77"),
        (Mood::WrongBytes, "none of them is 0x01"),
        (Mood::Short, "a blob has 131072 bytes, these are 131071"),
        (Mood::Html, "cannot be read"),
        (Mood::Busy, "status 429: slow down"),
    ];
    for (mood, expected) in cases {
        server.set(mood);
        let error = source.blobs(&hashes, block()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{mood:?}: {error}");
    }
    server.set(Mood::Honest);
    assert_eq!(
        source.blobs(&hashes, block()).await.unwrap(),
        [blob(b"\0a")],
        "what went wrong before is not remembered"
    );
    let early = L1BlockRef {
        timestamp: GENESIS_TIME - 1,
        ..block()
    };
    let error = source.blobs(&hashes, early).await.unwrap_err();
    assert!(matches!(error, BlobFetchError::BeforeGenesis { .. }), "{error}");
}

#[tokio::test]
async fn dead_server_is_an_error_that_keeps_the_key_to_itself() {
    let source = BeaconBlobs::new(&"http://127.0.0.1:9/secret".parse().unwrap());
    let error = source.blobs(&[B256::ZERO], block()).await.unwrap_err();
    assert!(matches!(error, BlobFetchError::Transport { .. }), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}
