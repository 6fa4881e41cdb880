//! Requests, batches and subscriptions over a WebSocket.

use crate::{
    PAYEE,
    chain::{call, key, transfer},
    server::{Server, Socket, story},
    signing::{raw, signed},
};
use alloy::primitives::{Address, B256, Bytes, TxKind, U256, hex};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tributary_protocol::block::L2BlockNumber;

/// Init code of a contract that logs the first word of its input under the topic 1.
fn logger() -> Bytes {
    let runtime = hex!("5f355f52600160205fa100");
    [&hex!("600b600a5f39600b5ff3")[..], &runtime].concat().into()
}

/// Deploys it; its address.
async fn deploy_logger(server: &Server) -> Value {
    server
        .send(&signed(|tx| {
            (tx.to, tx.input, tx.value, tx.gas_limit) = (TxKind::Create, logger(), U256::ZERO, 100_000);
        }))
        .await;
    server.build().await;
    json!(key(1).address().create(0))
}

#[test]
fn a_websocket_answers_requests_and_batches_as_http_does() {
    story(async {
        let server = Server::sequencer().await;
        let mut socket = server.socket().await;
        let bodies = [
            r#"{"jsonrpc":"2.0","id":7,"method":"eth_chainId"}"#,
            r#"[{"jsonrpc":"2.0","id":"a","method":"eth_chainId"},{"jsonrpc":"2.0","method":"eth_chainId"},7]"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_foo"}"#,
            "nonsense",
            "[]",
        ];
        for body in bodies {
            socket.tell(body).await;
            assert_eq!(socket.told().await, server.post(body).await.1, "{body}");
        }
        let version = socket.ok("web3_clientVersion", json!([])).await;
        assert_eq!(version, server.ok("web3_clientVersion", json!([])).await);
    });
}

#[test]
fn requests_of_one_socket_start_in_order_and_answer_when_they_are_done() {
    story(async {
        let server = Server::sequencer().await;
        let mut socket = server.socket().await;
        let sync = json!({"jsonrpc": "2.0", "id": "sync", "method": "eth_sendRawTransactionSync", "params": [raw(&transfer(1, 0))]});
        socket.tell(&sync.to_string()).await;
        for nonce in 1..50 {
            let send = json!({"jsonrpc": "2.0", "id": nonce, "method": "eth_sendRawTransaction", "params": [raw(&transfer(1, nonce))]});
            socket.tell(&send.to_string()).await;
        }
        let mut answered = BTreeSet::new();
        for _ in 1..50 {
            let answer = socket.told().await;
            assert!(answer["result"].is_string(), "{answer}");
            answered.insert(answer["id"].as_u64().unwrap());
        }
        assert_eq!(
            answered,
            (1..50).collect(),
            "all, and before the one that waits for a block"
        );
        assert_eq!(server.ok("txpool_status", json!([])).await["pending"], "0x32");
        server.build().await;
        let answer = socket.told().await;
        assert_eq!(
            (&answer["id"], &answer["result"]["status"]),
            (&json!("sync"), &json!("0x1"))
        );
    });
}

#[test]
fn new_heads_are_told_block_by_block() {
    story(async {
        let server = Server::sequencer().await;
        let mut socket = server.socket().await;
        let id = socket.ok("eth_subscribe", json!(["newHeads"])).await;
        for number in ["0x1", "0x2", "0x3"] {
            server.build().await;
            let header = server.ok("eth_getHeaderByNumber", json!([number])).await;
            assert_eq!(socket.notified(&id).await, header);
        }
        assert_eq!(socket.ok("eth_unsubscribe", json!([id])).await, true);
        server.build().await;
        let error = socket.error("eth_unsubscribe", json!([id])).await;
        assert_eq!(
            error["message"], "subscription not found",
            "and nothing was told in between"
        );
    });
}

#[test]
fn logs_are_told_and_taken_back_when_their_block_is() {
    story(async {
        let server = Server::sequencer().await;
        let logger = deploy_logger(&server).await;
        let mut socket = server.socket().await;
        let id = socket
            .ok("eth_subscribe", json!(["logs", {"address": logger}]))
            .await;
        let others = socket
            .ok("eth_subscribe", json!(["logs", {"address": PAYEE}]))
            .await;
        let heads = socket.ok("eth_subscribe", json!(["newHeads"])).await;
        for nonce in [1, 2] {
            let to = key(1).address().create(0);
            server
                .send(&signed(|tx| {
                    (tx.nonce, tx.to, tx.value, tx.gas_limit) = (nonce, TxKind::Call(to), U256::ZERO, 60_000);
                    tx.input = B256::with_last_byte(u8::try_from(nonce).unwrap()).to_vec().into();
                }))
                .await;
        }
        server.build().await;
        let (first, second) = (socket.notified(&id).await, socket.notified(&id).await);
        let found = server.ok("eth_getLogs", json!([{"address": logger}])).await;
        assert_eq!(found, json!([first, second]));
        assert_eq!(first["removed"], false);
        let head = socket.notified(&heads).await;
        assert_eq!(head["hash"], first["blockHash"]);

        server
            .world
            .engine
            .revert_unsafe_to(L2BlockNumber(1))
            .await
            .unwrap();
        for gone in [first, second] {
            let mut expected = gone;
            expected["removed"] = json!(true);
            assert_eq!(socket.notified(&id).await, expected);
        }
        server.build().await;
        let again = socket.notified(&id).await;
        assert_eq!(
            (&again["removed"], &again["blockNumber"]),
            (&json!(false), &json!("0x2"))
        );
        assert_eq!(socket.ok("eth_unsubscribe", json!([others])).await, true);
    });
}

#[test]
fn pending_logs_are_told_before_the_block_is_sealed_and_taken_back_if_it_never_is() {
    story(async {
        let server = Server::sequencer().await;
        let logger = deploy_logger(&server).await;
        server.build().await;
        let mut socket = server.socket().await;
        let id = socket
            .ok("eth_subscribe", json!(["pendingLogs", {"address": logger}]))
            .await;
        let sent = signed(|tx| {
            let to = key(1).address().create(0);
            (tx.nonce, tx.to, tx.value, tx.gas_limit) = (1, TxKind::Call(to), U256::ZERO, 60_000);
            tx.input = B256::with_last_byte(1).to_vec().into();
        });
        server.send(&sent).await;
        let mut told = Value::Null;
        server
            .abandon_after(async {
                told = socket.notified(&id).await;
                let engine = &server.world.engine;
                engine.revert_unsafe_to(L2BlockNumber(1)).await.unwrap();
            })
            .await;
        assert_eq!(
            (&told["blockHash"], &told["blockNumber"]),
            (&json!(B256::ZERO), &json!("0x3"))
        );
        let mut removed = told;
        removed["removed"] = json!(true);
        assert_eq!(socket.notified(&id).await, removed);

        server.build().await;
        let again = socket.notified(&id).await;
        let mut sealed = server.ok("eth_getLogs", json!([{"address": logger}])).await[0].take();
        sealed["blockHash"] = json!(B256::ZERO);
        assert_eq!(again, sealed);
    });
}

#[test]
fn transactions_are_told_as_they_are_taken() {
    story(async {
        let server = Server::sequencer().await;
        let mut socket = server.socket().await;
        let filter = server.ok("eth_newPendingTransactionFilter", json!([])).await;
        let hashes = socket
            .ok("eth_subscribe", json!(["newPendingTransactions"]))
            .await;
        let whole = socket
            .ok("eth_subscribe", json!(["newPendingTransactions", true]))
            .await;
        let sent = server.send(&raw(&transfer(1, 0))).await;
        assert_eq!(socket.notified(&hashes).await, sent);
        let told = socket.notified(&whole).await;
        assert_eq!(told, server.ok("eth_getTransactionByHash", json!([sent])).await);
        assert_eq!(told["blockHash"], Value::Null);
        server
            .error("eth_sendRawTransaction", json!([raw(&transfer(1, 0))]))
            .await;
        let later = server.send(&raw(&call(2, 0, PAYEE, 21_000))).await;
        assert_eq!(
            socket.notified(&hashes).await,
            later,
            "what is refused is not told"
        );
        assert_eq!(
            server.ok("eth_getFilterChanges", json!([filter])).await,
            json!([sent, later])
        );
        assert_eq!(
            server.ok("eth_getFilterChanges", json!([filter])).await,
            json!([])
        );
    });
}

#[test]
fn subscriptions_that_cannot_be_had_are_refused_in_geths_words() {
    story(async {
        let server = Server::with(|settings| settings.ws_subscriptions_max = 2).await;
        let over_http = server.error("eth_subscribe", json!(["newHeads"])).await;
        assert_eq!(
            over_http,
            json!({"code": -32601, "message": "notifications not supported"})
        );
        let mut socket = server.socket().await;
        let unknown = socket.error("eth_subscribe", json!(["newMoons"])).await;
        assert_eq!(
            unknown,
            json!({"code": -32601, "message": "no \"newMoons\" subscription in eth namespace"})
        );
        let id = socket.ok("eth_subscribe", json!(["syncing"])).await;
        assert_eq!(socket.notified(&id).await, false);
        socket.ok("eth_subscribe", json!(["newHeads"])).await;
        let error = socket.error("eth_subscribe", json!(["newHeads"])).await;
        assert_eq!(
            error,
            json!({"code": -32005, "message": "limit exceeded: rpc-ws-subscriptions-max is 2"})
        );
        socket.ok("eth_unsubscribe", json!([id])).await;
        socket.ok("eth_subscribe", json!(["logs"])).await;
        let addresses: Vec<Address> = (0..=1_000u64)
            .map(|seed| Address::left_padding_from(&seed.to_be_bytes()))
            .collect();
        let error = socket.error("eth_unsubscribe", json!(["0x1"])).await;
        assert_eq!(error["message"], "subscription not found");
        let mut other = server.socket().await;
        let error = other
            .error("eth_subscribe", json!(["logs", {"address": addresses}]))
            .await;
        assert_eq!(
            error["message"],
            "exceed max addresses: rpc-filter-alternatives-max is 1000"
        );
    });
}

#[test]
fn a_socket_is_closed_when_the_server_stops() {
    story(async {
        let server = Server::sequencer().await;
        let mut socket: Socket = server.socket().await;
        socket.ok("eth_subscribe", json!(["newHeads"])).await;
        server.stop();
        assert!(socket.is_closed().await);
    });
}
