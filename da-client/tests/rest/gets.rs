//! What answers to a get mean to derivation: data, a verdict, or a stall.

use super::{L1, Running, client, client_with_timeout, eigenda_commitment, payload};
use alloy_primitives::Bytes;
use axum::{extract::Path, response::Redirect, routing::get};
use std::time::Duration;
use tributary_da_client::{DaLayer, DropReason, Fetched, Unavailable, server::Fault};
use tributary_protocol::commitment::{Commitment, EIGENDA_LAYER, PayloadMismatch};

#[tokio::test]
async fn a_payload_comes_back_also_after_a_restart() {
    let server = Running::start().await;
    let commitment = server.client().put(payload()).await.unwrap();
    assert_eq!(commitment, Commitment::local(&payload()).unwrap());
    assert_eq!(
        server.client().put(payload()).await,
        Ok(commitment.clone()),
        "again"
    );
    assert_eq!(
        server.client().get(&commitment, L1).await,
        Ok(Fetched::Data(payload()))
    );
    let server = server.restart().await;
    assert_eq!(
        server.client().get(&commitment, L1).await,
        Ok(Fetched::Data(payload()))
    );
    server.client().health().await.unwrap();
}

#[tokio::test]
async fn an_empty_payload_comes_back_too() {
    let server = Running::start().await;
    let commitment = server.client().put(Bytes::new()).await.unwrap();
    assert_eq!(
        server.client().get(&commitment, L1).await,
        Ok(Fetched::Data(Bytes::new()))
    );
}

#[tokio::test]
async fn wrong_bytes_from_one_server_are_asked_from_the_next_and_never_returned() {
    let (first, second) = (Running::start().await, Running::start().await);
    let commitment = first.client().put(payload()).await.unwrap();
    second.client().put(payload()).await.unwrap();
    let both = client(&[&first.url, &second.url]);
    for fault in [
        Fault::FlipBit,
        Fault::Body(vec![]),
        Fault::Body(vec![0; 19]),
        Fault::Status(500, ""),
    ] {
        first.faults.push(fault);
        assert_eq!(both.get(&commitment, L1).await, Ok(Fetched::Data(payload())));
    }
    first.faults.push(Fault::FlipBit);
    second.faults.push(Fault::Status(404, ""));
    let error = both.get(&commitment, L1).await.unwrap_err();
    let Unavailable::WrongPayload { url, mismatch, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(url, &first.url);
    assert!(matches!(**mismatch, PayloadMismatch::Hash { .. }), "{error}");
    first.faults.push(Fault::Body(b"short".to_vec()));
    second.faults.push(Fault::Body(vec![0; 20]));
    let text = both.get(&commitment, L1).await.unwrap_err().to_string();
    assert!(
        text.contains("payload has 5 bytes, the commitment says 19"),
        "{text}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_now_is_a_stall_that_names_the_payload() {
    let server = Running::start().await;
    let commitment = Commitment::local(&payload()).unwrap();
    for (fault, expected) in [
        (Fault::Delay(Duration::ZERO), "HTTP 404 Not Found: payload"),
        (
            Fault::Status(400, "no\nsuch\x1bthing"),
            "HTTP 400 Bad Request: no such thing",
        ),
        (Fault::Status(429, ""), "HTTP 429"),
        (
            Fault::Status(500, ""),
            "HTTP 500 Internal Server Error: no reason given",
        ),
        (Fault::Status(503, ""), "HTTP 503"),
        // A verdict about our own layer is not the server's to give.
        (Fault::Status(418, "{\"StatusCode\":3,\"Msg\":\"\"}"), "HTTP 418"),
        (Fault::Body(vec![0; 20]), "longer than 19 bytes"),
    ] {
        server.faults.push(fault);
        let text = server
            .client()
            .get(&commitment, L1)
            .await
            .unwrap_err()
            .to_string();
        assert!(text.contains(&commitment.encode().to_string()), "{text}");
        assert!(text.contains(expected), "{text}");
    }
    server.faults.push(Fault::Delay(Duration::from_secs(60)));
    let hasty = client_with_timeout(&[&server.url], Duration::from_millis(50));
    let text = hasty.get(&commitment, L1).await.unwrap_err().to_string();
    assert!(text.contains("timed out"), "{text}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_stall_without_secrets() {
    let gone = client(&["http://user:hush@127.0.0.1:9/hush"]);
    let commitment = Commitment::local(&payload()).unwrap();
    for error in [
        gone.get(&commitment, L1).await.unwrap_err(),
        gone.health().await.unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(
            text.contains("http://127.0.0.1:9") && !text.contains("hush"),
            "{text}"
        );
    }
    let server = Running::start().await;
    client(&["http://127.0.0.1:9", &server.url])
        .health()
        .await
        .unwrap();
}

#[tokio::test]
async fn https_is_spoken_where_the_url_says_so() {
    let server = Running::start().await;
    let url = server.url.replace("http://", "https://");
    let commitment = Commitment::local(&payload()).unwrap();
    // The server answers the handshake in plain HTTP, which is no TLS record.
    let text = client(&[&url])
        .get(&commitment, L1)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        text.contains(&url) && text.contains("InvalidContentType"),
        "{text}"
    );
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = Running::start().await;
    let commitment = server.client().put(payload()).await.unwrap();
    let target = server.url.clone();
    let redirect = axum::Router::new().route(
        "/get/{key}",
        get(async move |Path(key): Path<String>| Redirect::temporary(&format!("{target}/get/{key}"))),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, redirect).into_future());
    let text = client(&[&url])
        .get(&commitment, L1)
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains("HTTP 307"), "{text}");
}

#[tokio::test]
async fn a_damaged_file_is_a_stall_and_not_other_bytes() {
    let server = Running::start().await;
    let commitment = server.client().put(payload()).await.unwrap();
    let mut files = std::fs::read_dir(server.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let file = files
        .find(|path| path.to_string_lossy().ends_with("-19"))
        .unwrap();
    std::fs::write(&file, b"other").unwrap();
    let text = server
        .client()
        .get(&commitment, L1)
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains("HTTP 500") && text.contains("damaged"), "{text}");
}

#[tokio::test]
async fn verdicts_of_eigenda_are_drops_and_malformed_ones_are_stalls() {
    let server = Running::start().await;
    let commitment = eigenda_commitment();
    let ask = async |status, body| {
        server.faults.push(Fault::Status(status, body));
        server.client().get(&commitment, L1).await
    };
    for (body, reason) in [
        ("{\"StatusCode\":1,\"Msg\":\"a\"}", DropReason::Parse),
        ("{\"StatusCode\":2,\"Msg\":\"a\"}", DropReason::Recency),
        ("{\"StatusCode\":3,\"Msg\":\"a\"}", DropReason::InvalidCert),
        ("{\"StatusCode\":4,\"Msg\":\"a\"}", DropReason::Decode),
    ] {
        assert_eq!(ask(418, body).await, Ok(Fetched::Drop(reason)));
    }
    for body in [
        "",
        "{\"StatusCode\":5}",
        "{\"StatusCode\":0}",
        "{\"StatusCode\":-1}",
        "{}",
        "teapot",
    ] {
        assert!(
            matches!(ask(418, body).await, Err(Unavailable::NoAnswer { .. })),
            "{body}"
        );
    }
    for status in [400, 404, 500, 503] {
        let answer = ask(status, "{\"StatusCode\":1,\"Msg\":\"a\"}").await;
        assert!(matches!(answer, Err(Unavailable::NoAnswer { .. })), "{status}");
    }
    assert_eq!(
        ask(200, "payload").await,
        Ok(Fetched::Data(Bytes::from_static(b"payload")))
    );
}

#[tokio::test]
async fn a_certificate_without_form_is_dropped_and_a_strange_layer_stalls_unasked() {
    let nobody = client(&["http://127.0.0.1:9"]);
    let other = |layer, bytes: &'static [u8]| Commitment::Other {
        layer,
        bytes: Bytes::from_static(bytes),
    };
    for bytes in [&[0, 0xc0][..], &[4, 0xc0], &[2, 0xc0], &[2]] {
        let answer = nobody.get(&other(EIGENDA_LAYER, bytes), L1).await;
        assert_eq!(answer, Ok(Fetched::Drop(DropReason::Parse)), "{bytes:02x?}");
    }
    let answer = nobody.get(&other(0x0c, &[1]), L1).await;
    assert!(
        matches!(answer, Err(Unavailable::UnknownLayer { layer: 0x0c, .. })),
        "{answer:?}"
    );
}
