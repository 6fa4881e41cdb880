//! The server's routes as any client sees them.

use super::{Running, bind, payload};
use alloy_primitives::hex;
use axum::{Router, routing::get};
use reqwest::{Client, Method, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tributary_da_client::{
    PAYLOAD_SIZE_MAX,
    server::{Faults, Server, ServerError},
};
use tributary_protocol::commitment::Commitment;

async fn ask(server: &Running, method: Method, path: &str, body: Vec<u8>) -> Response {
    let url = format!("{}{path}", server.url);
    Client::new()
        .request(method, url)
        .body(body)
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn routes_answer_with_the_documented_status() {
    let server = Running::start().await;
    let put = async |path| {
        ask(&server, Method::POST, path, payload().to_vec())
            .await
            .bytes()
            .await
            .unwrap()
    };
    let generic = put("/put").await;
    let standard = put("/put?commitment_mode=standard").await;
    assert_eq!(generic, put("/put/?commitment_mode=optimism_generic").await);
    assert_eq!(generic, Commitment::local(&payload()).unwrap().encode().0);
    assert_eq!(generic[2..], standard[..]);
    let (g, s) = (hex::encode(generic), hex::encode(standard));
    let absent = hex::encode(Commitment::local(b"absent").unwrap().encode());
    let keccak = "11".repeat(32);
    let cases = [
        (Method::GET, format!("/get/{g}"), 200),
        (Method::GET, format!("/get/0x{g}"), 200),
        (Method::GET, format!("/get/0x{}", g.to_uppercase()), 200),
        (
            Method::GET,
            format!("/get/0x{g}?l1_inclusion_block_number=5"),
            200,
        ),
        (Method::GET, format!("/get/0x{g}?l1_inclusion_block_number="), 200),
        (
            Method::GET,
            format!("/get/0x{g}?return_encoded_payload=false"),
            200,
        ),
        (Method::GET, format!("/get/0x{s}?commitment_mode=standard"), 200),
        (
            Method::GET,
            format!("/get/0x{s}?commitment_mode=optimism_generic"),
            403,
        ),
        (Method::GET, format!("/get/0x{g}?commitment_mode=standard"), 400),
        (
            Method::GET,
            format!("/get/0x{g}?l1_inclusion_block_number=x"),
            400,
        ),
        (
            Method::GET,
            format!("/get/0x{g}?l1_inclusion_block_number=-1"),
            400,
        ),
        (
            Method::GET,
            format!("/get/0x{g}?l1_inclusion_block_number=%2B1"),
            400,
        ),
        (
            Method::GET,
            format!("/get/0x{g}?l1_inclusion_block_number=18446744073709551616"),
            400,
        ),
        (Method::GET, format!("/get/0x{g}?return_encoded_payload"), 400),
        (
            Method::GET,
            format!("/get/0x{g}?return_encoded_payload=True"),
            400,
        ),
        (Method::GET, format!("/get/0x{g}00"), 400),
        (Method::GET, format!("/get/0x{}", &g[..76]), 400),
        (Method::GET, format!("/get/0x{}", &g[..77]), 400),
        (Method::GET, "/get/0xzz".to_owned(), 400),
        (Method::GET, "/get/0x".to_owned(), 400),
        (Method::GET, "/get/0x01".to_owned(), 400),
        (Method::GET, "/get/0x02007a".to_owned(), 400),
        (Method::GET, "/get/0x010002c0".to_owned(), 400),
        (Method::GET, format!("/get/0x00{keccak}"), 403),
        (Method::GET, format!("/get/0x{absent}"), 404),
        (Method::GET, "/get/".to_owned(), 404),
        (Method::GET, "/memstore/config".to_owned(), 404),
        (Method::GET, "/put".to_owned(), 405),
        (Method::POST, format!("/get/{g}"), 405),
        (Method::POST, "/put/".to_owned(), 200),
        (Method::POST, format!("/put/0x00{keccak}"), 403),
        (Method::GET, "/health".to_owned(), 200),
        (Method::GET, "/config".to_owned(), 200),
    ];
    for (method, path, status) in cases {
        let answer = ask(&server, method.clone(), &path, vec![]).await;
        assert_eq!(answer.status(), status, "{method} {path}");
        if status == 400 {
            assert!(!answer.text().await.unwrap().is_empty(), "{path} gives no reason");
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_announced_or_not() {
    let server = Running::start().await;
    let answer = ask(&server, Method::POST, "/put", vec![0; PAYLOAD_SIZE_MAX + 1]).await;
    assert_eq!(answer.status(), 400);
    assert!(
        answer
            .text()
            .await
            .unwrap()
            .contains("has 16252898 bytes, at most 16252897")
    );
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    let size = PAYLOAD_SIZE_MAX + 1;
    let head = format!("POST /put HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![0; size]).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    assert_eq!(
        std::fs::read_dir(server.folder.path()).unwrap().count(),
        1,
        "only the lock"
    );
}

#[tokio::test]
async fn the_configuration_states_limits_and_apis() {
    let server = Running::start().await;
    let config: serde_json::Value = ask(&server, Method::GET, "/config", vec![])
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(config["max_payload_size_bytes"], PAYLOAD_SIZE_MAX);
    assert_eq!(
        config["apis_enabled"],
        serde_json::json!(["standard", "op-generic"])
    );
    assert_eq!(
        (&config["read_only_mode"], &config["layer"]),
        (&false.into(), &0x7a.into())
    );
}

#[tokio::test]
async fn routes_of_the_caller_are_served_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = bind(folder.path(), Faults::default()).await;
    let store = server.store().clone();
    let ready = get(async move || store.problem().unwrap_or_else(|| "ready".to_owned()));
    let server = server.merge(Router::new().route("/readyz", ready));
    let url = format!("http://{}/readyz", server.local_addr().unwrap());
    tokio::spawn(server.serve(std::future::pending()));
    assert_eq!(reqwest::get(&url).await.unwrap().text().await.unwrap(), "ready");
    std::fs::remove_dir_all(folder.path()).unwrap();
    let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
    assert!(text.contains(&folder.path().display().to_string()), "{text}");
}

#[tokio::test]
async fn an_address_or_folder_in_use_is_named() {
    let first = Running::start().await;
    let address = first.url.strip_prefix("http://").unwrap().parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error = Server::bind(folder.path(), address, Router::new())
        .await
        .unwrap_err();
    assert!(matches!(error, ServerError::Listen { .. }) && error.to_string().contains(&address.to_string()));
    let error = Server::bind(first.folder.path(), address, Router::new())
        .await
        .unwrap_err();
    let folder = first.folder.path().display().to_string();
    assert!(
        matches!(error, ServerError::Disk(_)) && error.to_string().contains(&folder),
        "{error}"
    );
}
