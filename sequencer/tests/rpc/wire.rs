//! Malformed requests, bounds, small methods, health.

use crate::server::{Server, story};
use alloy::primitives::{B256, keccak256};
use serde_json::{Value, json};

#[test]
fn malformed_requests_are_answered_with_the_right_error() {
    story(async {
        let server = Server::sequencer().await;
        let table = [
            ("", -32700, "parse error"),
            ("{", -32700, "parse error"),
            ("nonsense", -32700, "parse error"),
            ("[1,", -32700, "parse error"),
            ("[]", -32600, "empty batch"),
            ("1", -32600, "invalid request"),
            ("null", -32600, "invalid request"),
            ("{}", -32600, "invalid request"),
            (
                r#"{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}"#,
                -32600,
                "invalid request",
            ),
            (
                r#"{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}"#,
                -32600,
                "invalid request",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
                -32600,
                "invalid request",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"eth_foo"}"#,
                -32601,
                "the method eth_foo does not exist/is not available",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[1]}"#,
                -32602,
                "too many arguments, want at most 0",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{"a":1}}"#,
                -32602,
                "non-array args",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":[]}"#,
                -32602,
                "missing value for required argument 0",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x12"]}"#,
                -32602,
                "invalid argument 0",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0xzz",false]}"#,
                -32602,
                "invalid argument 0",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0xabc"]}"#,
                -32602,
                "invalid argument 0",
            ),
        ];
        for (body, code, text) in table {
            let (status, answer) = server.post(body).await;
            assert_eq!(status, 200, "{body}");
            assert_eq!(answer["error"]["code"], code, "{body}: {answer}");
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.starts_with(text), "{body}: {message}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(server.post(&deep).await.1["error"]["code"], -32700);
        let long = "m".repeat(1_000_000);
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": long}).to_string();
        assert!(
            server.post(&body).await.1.to_string().len() < 500,
            "a long method name is not echoed whole"
        );
    });
}

#[test]
fn bodies_and_batches_are_bounded() {
    story(async {
        let server = Server::sequencer().await;
        let (status, _) = server.post(&" ".repeat((2 << 20) + 1)).await;
        assert_eq!(status, 413);
        let one = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"});
        let (_, answer) = server.post(&json!(vec![&one; 1_001]).to_string()).await;
        assert_eq!(
            (&answer["error"]["code"], &answer["error"]["message"]),
            (
                &json!(-32600),
                &json!("batch too large: 1001 requests, rpc-batch-items-max is 1000")
            )
        );
        let (_, answers) = server.post(&json!(vec![&one; 1_000]).to_string()).await;
        assert_eq!(answers.as_array().unwrap().len(), 1_000);

        let mixed = json!([
            {"jsonrpc": "2.0", "id": "a", "method": "eth_chainId"},
            {"jsonrpc": "2.0", "method": "eth_chainId"},
            {"jsonrpc": "2.0", "id": null, "method": "net_version", "params": null},
            7
        ]);
        let (_, answers) = server.post(&mixed.to_string()).await;
        let expected = json!([
            {"jsonrpc": "2.0", "id": "a", "result": "0x385"},
            {"jsonrpc": "2.0", "id": null, "result": "901"},
            {"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": "invalid request"}}
        ]);
        assert_eq!(answers, expected, "in order, a notification without an answer");
        let (status, _) = server.post(r#"{"jsonrpc":"2.0","method":"eth_chainId"}"#).await;
        assert_eq!(status, 204);
    });
}

#[test]
fn small_methods_answer_as_geth_does() {
    story(async {
        let server = Server::sequencer().await;
        let table = [
            ("eth_chainId", json!([]), json!("0x385")),
            ("eth_blockNumber", json!([]), json!("0x0")),
            ("eth_syncing", json!([]), json!(false)),
            ("eth_accounts", json!([]), json!([])),
            ("eth_blobBaseFee", json!([]), json!("0x1")),
            ("net_version", json!([]), json!("901")),
            ("net_listening", json!([]), json!(true)),
            ("net_peerCount", json!([]), json!("0x0")),
            ("web3_sha3", json!(["0x68656c6c6f"]), json!(keccak256("hello"))),
            ("eth_getBlockByHash", json!([B256::ZERO, false]), Value::Null),
            ("eth_getTransactionByHash", json!([B256::ZERO]), Value::Null),
            ("eth_getTransactionReceipt", json!([B256::ZERO]), Value::Null),
            ("eth_getBlockReceipts", json!(["0x5"]), Value::Null),
        ];
        for (method, params, expected) in table {
            assert_eq!(server.ok(method, params).await, expected, "{method}");
        }
        let version = server.ok("web3_clientVersion", json!([])).await;
        assert!(version.as_str().unwrap().starts_with("tributary/v"));
        assert!(server.ok("rpc_modules", json!([])).await["eth"].is_string());
    });
}

#[test]
fn health_is_told_over_http() {
    story(async {
        let server = Server::sequencer().await;
        assert_eq!(server.get("/livez").await, (200, "ok\n".into()));
        assert_eq!(server.get("/metrics").await, (200, "up 1\n".into()));
        let (status, body) = server.get("/readyz").await;
        let report: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &report["ready"]), (503, &json!(false)));
        let causes = report["causes"].to_string();
        assert!(causes.contains("l1") && causes.contains("da"), "{causes}");
        server.everything_works();
        assert_eq!(server.get("/readyz").await.0, 200);
    });
}
