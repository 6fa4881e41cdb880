//! The client against the server over loopback: routes, status codes, faults.

use alloy_primitives::{Bytes, hex};
use std::{net::SocketAddr, path::Path, time::Duration};
use tempfile::TempDir;
use tributary_da_client::{
    DaLayer, DropReason, Fetched, PutError, Unavailable,
    proxy::{Proxy, ProxySettings, SettingsError},
    server::{Fault, Faults, PAYLOAD_SIZE_MAX, Server},
};
use tributary_protocol::{
    block::L1BlockNumber,
    commitment::{Commitment, EIGENDA_LAYER},
};

const L1: L1BlockNumber = L1BlockNumber(7);

struct Running {
    url: String,
    faults: Faults,
    folder: TempDir,
}

async fn serve(folder: &Path, faults: Faults) -> String {
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind_with_faults(folder, address, axum::Router::new(), faults)
        .await
        .unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    tokio::spawn(server.serve(std::future::pending()));
    url
}

async fn running() -> Running {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let url = serve(folder.path(), faults.clone()).await;
    Running { url, faults, folder }
}

fn client(urls: &[&str]) -> Proxy {
    let settings = ProxySettings {
        get_timeout: Duration::from_millis(400),
        put_timeout: Duration::from_millis(400),
        ..ProxySettings::new(urls.iter().map(|url| (*url).to_owned()).collect())
    };
    Proxy::new(settings).unwrap()
}

fn payload() -> Bytes {
    Bytes::from_static(b"frames of a channel")
}

#[tokio::test]
async fn a_payload_comes_back_also_after_a_restart() {
    let running = running().await;
    let commitment = client(&[&running.url]).put(payload()).await.unwrap();
    assert_eq!(commitment, Commitment::local(&payload()).unwrap());
    let again = serve(running.folder.path(), Faults::default()).await;
    for url in [&running.url, &again] {
        let fetched = client(&[url]).get(&commitment, L1).await;
        assert_eq!(fetched, Ok(Fetched::Data(payload())));
    }
    client(&[&running.url]).health().await.unwrap();
}

#[tokio::test]
async fn routes_answer_with_the_documented_status() {
    let running = running().await;
    let http = reqwest::Client::new();
    let get = async |path: String| {
        http.get(format!("{}{path}", running.url))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    let post = async |path: &str, body: Vec<u8>| {
        http.post(format!("{}{path}", running.url))
            .body(body)
            .send()
            .await
            .unwrap()
    };
    let generic = post("/put", payload().to_vec()).await.bytes().await.unwrap();
    let standard = post("/put?commitment_mode=standard", payload().to_vec())
        .await
        .bytes()
        .await
        .unwrap();
    assert_eq!(generic[..2], [0x01, 0x7a]);
    assert_eq!(generic[2..], standard[..]);
    let generic = hex::encode(generic);
    let standard = hex::encode(standard);
    let absent = hex::encode(Commitment::local(b"absent").unwrap().encode());
    for (path, status) in [
        (format!("/get/{generic}"), 200),
        (format!("/get/0x{generic}"), 200),
        (format!("/get/0x{generic}?l1_inclusion_block_number=5"), 200),
        (format!("/get/0x{standard}?commitment_mode=standard"), 200),
        (format!("/get/0x{generic}?l1_inclusion_block_number=x"), 400),
        (format!("/get/0x{generic}00"), 400),
        ("/get/0xzz".to_owned(), 400),
        ("/get/0x01".to_owned(), 400),
        ("/get/0x010a00".to_owned(), 400),
        (format!("/get/0x00{}", "11".repeat(32)), 403),
        (format!("/get/0x{absent}"), 404),
        ("/put".to_owned(), 405),
        ("/health".to_owned(), 200),
        ("/config".to_owned(), 200),
    ] {
        assert_eq!(get(path.clone()).await, status, "GET {path}");
    }
    assert_eq!(post("/put/", payload().to_vec()).await.status(), 200);
    assert_eq!(post("/put/0x00", payload().to_vec()).await.status(), 403);
    assert_eq!(post("/put", vec![0; PAYLOAD_SIZE_MAX + 1]).await.status(), 413);
}

#[tokio::test]
async fn refused_puts_say_what_to_do() {
    let running = running().await;
    let client = client(&[&running.url]);
    for (status, expected) in [
        (503, "fail over"),
        (429, "slow down"),
        (400, "refuses"),
        (500, "did not answer"),
    ] {
        running.faults.push(Fault::Status(status, "because"));
        let error = client.put(payload()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{status}: {error}");
        assert_eq!(error.is_retryable(), status != 400, "{status}");
    }
    running.faults.push(Fault::Delay(Duration::from_secs(5)));
    assert!(matches!(
        client.put(payload()).await,
        Err(PutError::Transient { .. })
    ));
}

#[tokio::test]
async fn a_server_that_returns_another_commitment_is_refused() {
    let running = running().await;
    running.faults.push(Fault::Status(200, "nonsense"));
    assert!(matches!(
        client(&[&running.url]).put(payload()).await,
        Err(PutError::Rejected { .. })
    ));
}

#[tokio::test]
async fn wrong_bytes_from_one_server_are_asked_from_the_next_and_never_returned() {
    let (first, second) = (running().await, running().await);
    let commitment = client(&[&first.url]).put(payload()).await.unwrap();
    client(&[&second.url]).put(payload()).await.unwrap();
    first.faults.push(Fault::FlipBit);
    let both = client(&[&first.url, &second.url]);
    assert_eq!(both.get(&commitment, L1).await, Ok(Fetched::Data(payload())));
    first.faults.push(Fault::FlipBit);
    second.faults.push(Fault::FlipBit);
    assert!(matches!(
        both.get(&commitment, L1).await,
        Err(Unavailable::WrongPayload { .. })
    ));
}

#[tokio::test]
async fn what_cannot_be_read_now_is_a_stall_that_names_the_payload() {
    let running = running().await;
    let client = client(&[&running.url]);
    let commitment = Commitment::local(&payload()).unwrap();
    for fault in [
        None,
        Some(Fault::Status(500, "")),
        Some(Fault::Status(503, "")),
        // A verdict about our own layer is not the server's to give.
        Some(Fault::Status(418, "{\"StatusCode\":3,\"Msg\":\"\"}")),
        Some(Fault::Delay(Duration::from_secs(5))),
    ] {
        running.faults.push(fault.unwrap_or(Fault::Delay(Duration::ZERO)));
        let error = client.get(&commitment, L1).await.unwrap_err().to_string();
        assert!(error.contains(&commitment.encode().to_string()), "{error}");
    }
    let gone = self::client(&["http://127.0.0.1:9"]);
    assert!(gone.get(&commitment, L1).await.is_err());
    assert!(gone.health().await.is_err());
}

#[tokio::test]
async fn a_damaged_file_is_a_stall_and_not_other_bytes() {
    let running = running().await;
    let client = client(&[&running.url]);
    let commitment = client.put(payload()).await.unwrap();
    let file = std::fs::read_dir(running.folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    std::fs::write(&file, b"other").unwrap();
    let error = client.get(&commitment, L1).await.unwrap_err().to_string();
    assert!(error.contains("damaged"), "{error}");
}

#[tokio::test]
async fn verdicts_of_eigenda_are_drops_and_malformed_ones_are_stalls() {
    let running = running().await;
    let client = client(&[&running.url]);
    let commitment = Commitment::Other {
        layer: EIGENDA_LAYER,
        bytes: Bytes::from_static(&[2, 0xc0]),
    };
    for (body, reason) in [
        ("{\"StatusCode\":1,\"Msg\":\"a\"}", DropReason::Parse),
        ("{\"StatusCode\":2,\"Msg\":\"a\"}", DropReason::Recency),
        ("{\"StatusCode\":3,\"Msg\":\"a\"}", DropReason::InvalidCert),
        ("{\"StatusCode\":4,\"Msg\":\"a\"}", DropReason::Decode),
    ] {
        running.faults.push(Fault::Status(418, body));
        assert_eq!(client.get(&commitment, L1).await, Ok(Fetched::Drop(reason)));
    }
    for body in ["", "{\"StatusCode\":5}", "{\"StatusCode\":0}", "teapot"] {
        running.faults.push(Fault::Status(418, body));
        assert!(client.get(&commitment, L1).await.is_err(), "{body}");
    }
}

#[test]
fn a_client_without_a_usable_url_is_refused() {
    assert!(matches!(
        Proxy::new(ProxySettings::new(vec![])),
        Err(SettingsError::NoUrl)
    ));
    for url in ["", "127.0.0.1:3100", "ftp://x"] {
        let error = Proxy::new(ProxySettings::new(vec![url.to_owned()]))
            .unwrap_err()
            .to_string();
        assert!(error.contains(url), "{error}");
    }
}
