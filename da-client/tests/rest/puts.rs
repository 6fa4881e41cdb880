//! What answers to a put mean to the batcher.

use super::{Running, client, client_with_timeout, eigenda_commitment, payload};
use alloy_primitives::Bytes;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tributary_da_client::{DaLayer, PAYLOAD_SIZE_MAX, PutError, server::Fault};
use tributary_protocol::commitment::Commitment;

#[tokio::test]
async fn each_status_says_what_to_do() {
    let server = Running::start().await;
    for (status, expected, retryable) in [
        (503, "fail over", true),
        (429, "slow down", true),
        (400, "HTTP 400 Bad Request: because", false),
        (403, "HTTP 403 Forbidden: because", false),
        (413, "at most 16252897", false),
        (418, "HTTP 418 I'm a teapot: because", false),
        (302, "HTTP 302 Found: because", true),
        (500, "HTTP 500 Internal Server Error: because", true),
        (502, "HTTP 502 Bad Gateway: because", true),
    ] {
        server.faults.push(Fault::Status(status, "because"));
        let error = server.client().put(payload()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{status}: {error}");
        assert_eq!(error.is_retryable(), retryable, "{status}");
        assert_eq!(matches!(error, PutError::Failover { .. }), status == 503);
        assert_eq!(matches!(error, PutError::RateLimited { .. }), status == 429);
    }
}

#[tokio::test]
async fn no_answer_is_worth_another_try() {
    let server = Running::start().await;
    server.faults.push(Fault::Delay(Duration::from_secs(60)));
    let hasty = client_with_timeout(&[&server.url], Duration::from_millis(50));
    let error = hasty.put(payload()).await.unwrap_err();
    assert!(
        matches!(error, PutError::Transient { .. }) && error.to_string().contains("timed out"),
        "{error}"
    );
    let error = client(&["http://user:hush@127.0.0.1:9/hush"])
        .put(payload())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, PutError::Transient { .. }), "{text}");
    assert!(
        text.contains("http://127.0.0.1:9") && !text.contains("hush"),
        "{text}"
    );
}

#[tokio::test]
async fn a_commitment_readers_would_not_accept_is_refused() {
    let server = Running::start().await;
    let mine = Commitment::local(&payload()).unwrap().encode();
    let other = Commitment::local(b"other").unwrap().encode();
    let put = async |body: &[u8]| {
        server.faults.push(Fault::Body(body.to_vec()));
        server.client().put(payload()).await
    };
    let error = put(&other).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, PutError::WrongCommitment { .. }), "{text}");
    assert!(
        text.contains(&mine.to_string()) && text.contains(&other.to_string()),
        "{text}"
    );
    assert!(!error.is_retryable());
    for body in [
        &b"nonsense"[..],
        b"",
        &mine[..38],
        &[1, 0, 2, 0xc0],
        &[1, 0, 9],
        &[1, 0x0c, 1],
    ] {
        let error = put(body).await.unwrap_err();
        assert!(matches!(error, PutError::Rejected { .. }), "{body:02x?}: {error}");
    }
    assert_eq!(
        put(&eigenda_commitment().encode()).await,
        Ok(eigenda_commitment())
    );
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let server = Running::start().await;
    server.faults.push(Fault::Body(vec![1; 4 << 20]));
    let error = server.client().put(payload()).await.unwrap_err();
    assert!(error.to_string().contains("longer than 131072 bytes"), "{error}");
}

#[tokio::test]
async fn a_payload_that_is_too_large_is_not_sent() {
    let server = Running::start().await;
    let too_large = Bytes::from(vec![0; PAYLOAD_SIZE_MAX + 1]);
    let error = server.client().put(too_large.clone()).await.unwrap_err();
    assert_eq!(
        error,
        PutError::TooLarge {
            size: PAYLOAD_SIZE_MAX + 1,
            max: PAYLOAD_SIZE_MAX
        }
    );
    let largest = too_large.slice(1..);
    assert!(server.client().put(largest).await.is_ok());
}

#[tokio::test]
async fn puts_beyond_the_limit_are_told_to_slow_down() {
    let server = Running::start().await;
    let address = server.url.strip_prefix("http://").unwrap();
    let mut halfway = Vec::new();
    for _ in 0..16 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "POST /put HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server asks for the body once it has given the put a place.
        assert_eq!(&read::<25>(&mut stream).await, b"HTTP/1.1 100 Continue\r\n\r\n");
        halfway.push(stream);
    }
    let error = server.client().put(payload()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)), "{error}");
    assert!(matches!(error, PutError::RateLimited { .. }), "{error}");
    let mut one = halfway.pop().unwrap();
    one.write_all(b"ok").await.unwrap();
    assert_eq!(&read::<12>(&mut one).await, b"HTTP/1.1 200");
    assert!(server.client().put(payload()).await.is_ok());
}

async fn read<const SIZE: usize>(stream: &mut TcpStream) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}
