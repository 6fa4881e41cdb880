//! REST and page over a real socket.

use super::serve;
use crate::testing::{World, recording_tx, registering_tx, span_payload};
use alloy::primitives::{Address, hex};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tributary_da_client::DaLayer;

struct Site {
    url: String,
    world: World,
    _server: DropGuard,
}

/// Four blocks with three records, one posted batch that is read, one whose payload is missing, one that is garbage.
async fn site() -> Site {
    let world = World::new().await;
    {
        let mut l2 = world.l2.lock();
        l2.push(0, &[registering_tx(Address::repeat_byte(1))]);
        l2.push(0, &[recording_tx(1..=2)]);
        l2.push(0, &[]);
        l2.push(0, &[recording_tx(3..=3)]);
        l2.set_heads(3, 1);
    }
    let payload = span_payload(1, 3);
    world.da.put(payload.clone()).await.unwrap();
    let posts = [
        world.commitment_tx(&payload),
        world.commitment_tx(&span_payload(4, 4)),
        world.inbox_tx(vec![7].into()),
    ];
    world.l1.lock().push(0, &posts);
    let mut parts = world.open().await;
    parts.settle().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    tokio::spawn(serve(listener, parts.state, shutdown.clone()));
    Site {
        url,
        world,
        _server: shutdown.drop_guard(),
    }
}

impl Site {
    async fn get(&self, path: &str) -> Response {
        Client::new()
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }
}

#[tokio::test]
async fn batches_are_listed_in_rising_order() {
    let site = site().await;
    let list = site.json("/v1/batches?limit=2").await;
    assert_eq!(list["next_after"], 2);
    let first = &list["batches"][0];
    let expected = json!({
        "number": 1, "status": "safe", "first_l2_block": 1, "last_l2_block": 3, "tx_count": 0, "record_count": 2,
        "payload_state": "read", "da_kind": "in_alt_da", "layer": 0x7a, "l1_gas_used": 21_000,
        "l1_fee_wei": "21000000000000", "l1_fee_wei_per_record": "10500000000000", "l1_tx_index": 0, "orphaned_at": null,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&first[field], value, "{field}");
    }
    let rest = site.json("/v1/batches?after=2").await;
    assert_eq!(
        (rest["batches"].as_array().unwrap().len(), &rest["next_after"]),
        (1, &Value::Null)
    );
    assert_eq!(
        site.json("/v1/batches?status=safe").await["batches"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(&site.json("/v1/batches/1").await, first);
    assert_eq!(&site.json("/v1/batches/by-block/3").await, first);
}

#[tokio::test]
async fn raw_is_every_byte_that_was_posted() {
    let site = site().await;
    let response = site.get("/v1/batches/1/raw").await;
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    assert_eq!(
        response.bytes().await.unwrap().as_ref(),
        span_payload(1, 3).as_ref()
    );
}

#[tokio::test]
async fn a_record_says_who_got_what() {
    let site = site().await;
    let record = site.json("/v1/records/1").await;
    let payee = hex::encode_prefixed([1; 20]);
    let expected = json!({
        "id": 1, "block_number": 2, "payer": 1, "adapter": 2, "gateway": 3, "tokens_in": 1_434, "tokens_out": 154,
        "fee_wei": "1000000000000", "platform_wei": "100000000000", "gateway_wei": "150000000000", "model_wei": "300000000000",
        "adapter_wei": "150000000000", "finality": "safe", "batch": 1,
        "shares": [
            {"contribution": 1, "weight": 2, "amount_wei": "200000000000", "payee": payee},
            {"contribution": 2, "weight": 1, "amount_wei": "100000000000", "payee": payee},
        ],
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&record[field], value, "{field}");
    }
    let list = site.json("/v1/records?after=1&limit=1").await;
    assert_eq!(
        (&list["records"][0]["id"], &list["next_after"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(site.json("/v1/records/3").await["finality"], "unsafe");
}

#[tokio::test]
async fn status_shows_the_three_heads() {
    let site = site().await;
    let status = site.json("/v1/status").await;
    let number = |name: &str| status["heads"][name]["number"].as_i64().unwrap();
    assert_eq!((number("unsafe"), number("safe"), number("finalized")), (4, 3, 1));
    assert_eq!(
        status["counts"],
        json!({"transactions": 3, "records": 3, "batches": 3})
    );
    assert_eq!(
        (&status["l2"]["lag_blocks"], &status["l2_chain_id"]),
        (&json!(0), &json!(901))
    );
}

#[tokio::test]
async fn what_cannot_be_answered_is_a_problem_with_a_reason() {
    let site = site().await;
    let cases = [
        ("/v1/batches?limit=0", 400, "limit is 0"),
        ("/v1/batches?limit=ten", 400, "limit is \"ten\""),
        ("/v1/batches?after=-1", 400, "after is \"-1\""),
        ("/v1/batches?from=1", 400, "unknown parameter \"from\""),
        ("/v1/batches?status=lost", 400, "status is \"lost\""),
        ("/v1/batches/x", 400, "batch is \"x\""),
        ("/v1/batches/99", 404, "no posted batch 99"),
        ("/v1/batches/99/raw", 404, "no posted batch 99"),
        ("/v1/batches/2/raw", 503, "posted batch 2: "),
        (
            "/v1/batches/3/raw",
            404,
            "posted batch 3: batcher data has version 07",
        ),
        ("/v1/batches/by-block/x", 400, "block is \"x\""),
        ("/v1/batches/by-block/0", 404, "genesis"),
        ("/v1/batches/by-block/4", 404, "in no posted batch"),
        ("/v1/batches/by-block/5", 404, "the unsafe head is 4"),
        ("/v1/records/4", 404, "no record 4"),
        ("/v1/records/1e3", 400, "record is \"1e3\""),
        ("/v1/records?status=safe", 400, "records have no status"),
        ("/v2/batches", 404, "nothing at /v2/batches"),
    ];
    for (path, status, detail) in cases {
        let response = site.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json",
            "{path}"
        );
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["status"], status, "{path}");
        assert!(
            problem["detail"].as_str().unwrap().contains(detail),
            "{path}: {problem}"
        );
        assert!(
            problem["type"].as_str().unwrap().starts_with("/problems/"),
            "{path}: {problem}"
        );
    }
    let response = Client::new()
        .post(format!("{}/v1/batches", site.url))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 405);
}

#[tokio::test]
async fn readyz_names_what_fails() {
    let site = site().await;
    // Nobody has written down whether node and L1 answer: in this test the followers' loops do not run.
    let response = site.get("/readyz").await;
    assert_eq!(response.status(), 503);
    let report: Value = response.json().await.unwrap();
    let causes: Vec<_> = report["causes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(causes.contains(&"node: not reached yet"), "{causes:?}");
    assert!(causes.iter().any(|cause| cause.starts_with("da: ")), "{causes:?}");
    assert_eq!(site.get("/livez").await.text().await.unwrap(), "ok\n");
    assert_eq!(
        site.get("/metrics").await.text().await.unwrap(),
        "tributary_up 1\n"
    );
}

#[tokio::test]
async fn pages_show_everything_and_load_nothing_from_elsewhere() {
    let site = site().await;
    let pages = [
        (
            "/",
            ["unsafe head", "#1", "payload to come", "1\u{2009}434 tokens in"],
        ),
        (
            "/batch/1",
            ["Posted batch 1", "on the DA layer", "0x017a00", "21000"],
        ),
        (
            "/record/1",
            ["Record 1", "contribution 2", "0x0101010101010101", "safe"],
        ),
        (
            "/record/77",
            ["Not found", "There is no record 77.", "/assets/page.css", "<main"],
        ),
    ];
    for (path, texts) in pages {
        let response = site.get(path).await;
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        let page = response.text().await.unwrap();
        for text in texts {
            assert!(
                page.replace('\u{2009}', "")
                    .contains(&text.replace('\u{2009}', "")),
                "{path} lacks {text}: {page}"
            );
        }
        for forbidden in ["http:", "https:", "//cdn", "style=", "<script>", "onload="] {
            assert!(!page.contains(forbidden), "{path} has {forbidden}");
        }
    }
    for asset in ["/assets/page.css", "/assets/page.js", "/assets/mark.svg"] {
        let text = site.get(asset).await.text().await.unwrap();
        let outside = text.replace("http://www.w3.org/2000/svg", "");
        assert!(
            !outside.contains("http") && !outside.contains("@import") && !outside.contains("url("),
            "{asset}"
        );
    }
}

#[tokio::test]
async fn what_a_stranger_wrote_is_text_not_markup() {
    let site = site().await;
    let page = site
        .get("/record/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
        .await
        .text()
        .await
        .unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(site.world.folder.path().exists());
}
