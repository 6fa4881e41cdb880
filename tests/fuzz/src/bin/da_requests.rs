//! Requests to the DA server: any path, query and body gets one of the documented answers, and what is served is what was committed to.
//!
//! Input: method u8 (its top bits: which payload is put), path and query with their length, the body of a put.
#![no_main]

use alloy_primitives::Bytes;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, Uri},
};
use std::sync::LazyLock;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;
use tributary_da_client::{
    PAYLOAD_SIZE_MAX,
    server::{Faults, PayloadStore, router},
};
use tributary_fuzz::{
    input::Input,
    seeds::{Seeds, add},
    target,
};
use tributary_protocol::commitment::Commitment;

target!(run, seeds);

struct Server {
    runtime: Runtime,
    router: Router,
    _folder: TempDir,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a folder for payloads");
    let store = PayloadStore::open(folder.path()).expect("an empty folder");
    store.put(b"hello").expect("the first payload is stored");
    Server {
        runtime: Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime"),
        router: router(store, Faults::default()),
        _folder: folder,
    }
});

/// Few, since each becomes a file.
const PAYLOADS: [&[u8]; 3] = [b"", b"hello", &[0; 300]];

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let method = input.byte();
    let Ok(path) = std::str::from_utf8(input.bytes()) else {
        return;
    };
    let Ok(uri) = format!("http://da{path}").parse::<Uri>() else {
        return;
    };
    let is_put = method & 1 == 1;
    let payload = PAYLOADS[usize::from(method >> 1) % PAYLOADS.len()];
    let request = Request::builder()
        .method(if is_put { "POST" } else { "GET" })
        .uri(uri.clone())
        .header(
            "content-length",
            if method >= 0x80 {
                u64::from_str_radix(&hex_digits(input.rest()), 16).unwrap_or(0)
            } else {
                payload.len() as u64
            },
        )
        .body(if is_put {
            Body::from(payload)
        } else {
            Body::empty()
        });
    let Ok(request) = request else { return };
    let (status, body) = answer(request);
    assert!(
        matches!(status.as_u16(), 200 | 400 | 403 | 404 | 405),
        "{status}: {body:?}"
    );
    if status != StatusCode::OK {
        return;
    }
    match (uri.path(), is_put) {
        ("/put" | "/put/", true) => check_put(&body, payload),
        ("/health" | "/config", false) => {}
        (path, false) => check_get(path, uri.query().unwrap_or_default(), &body),
        (path, true) => panic!("{path} takes no puts"),
    }
}

fn answer(request: Request<Body>) -> (StatusCode, Bytes) {
    SERVER.runtime.block_on(async {
        let Ok(response) = SERVER.router.clone().oneshot(request).await;
        let status = response.status();
        let body = to_bytes(response.into_body(), PAYLOAD_SIZE_MAX)
            .await
            .expect("bodies are in memory");
        (status, body.into())
    })
}

fn check_put(answer: &[u8], payload: &[u8]) {
    let committed = Commitment::local(payload).expect("a small payload").encode();
    assert!(
        *answer == *committed || *answer == committed[2..],
        "a commitment to another payload"
    );
}

/// Whatever a path names, the body is the payload whose hash is in it.
fn check_get(path: &str, query: &str, payload: &[u8]) {
    let committed = Commitment::local(payload).expect("a small payload").encode();
    let digits = hex::encode(&committed[2..]);
    let path = path.to_ascii_lowercase();
    // A path may also be percent-encoded, and then names it in other letters.
    assert!(
        path.ends_with(&digits) || path.contains('%'),
        "{path}?{query} serves another payload"
    );
}

fn hex_digits(bytes: &[u8]) -> String {
    hex::encode(&bytes[..bytes.len().min(8)])
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let committed = Commitment::local(b"hello").expect("a small payload").encode();
    let requests = [
        ("get", 0, format!("/get/0x{}", hex::encode(&committed))),
        (
            "get-standard",
            0,
            format!("/get/{}?commitment_mode=standard", hex::encode(&committed[2..])),
        ),
        (
            "get-included",
            0,
            format!("/get/0x{}?l1_inclusion_block_number=7", hex::encode(&committed)),
        ),
        (
            "get-encoded",
            0,
            format!("/get/0x{}?return_encoded_payload=true", hex::encode(&committed)),
        ),
        ("get-keccak", 0, format!("/get/0x00{}", hex::encode([7; 32]))),
        (
            "get-eigenda",
            0,
            format!(
                "/get/0x0100{}",
                hex::encode(tributary_fuzz::seeds::vector("eigenda-certificate"))
            ),
        ),
        ("put", 3, "/put".to_owned()),
        ("put-standard", 5, "/put/?commitment_mode=standard".to_owned()),
        ("put-key", 3, "/put/0x00".to_owned()),
        ("put-announced", 0x83, "/put".to_owned()),
        ("config", 0, "/config".to_owned()),
    ];
    for (name, method, path) in requests {
        let size = u16::try_from(path.len()).expect("a short path");
        add(
            &mut seeds,
            name,
            &[&[method], &size.to_be_bytes()[..], path.as_bytes()].concat(),
        );
    }
    seeds
}
