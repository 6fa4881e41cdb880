//! What strangers may try on the public port. After each attempt the server answers honest clients as before.

use crate::{
    PAYEE,
    chain::transfer,
    server::{Server, Socket, story},
    signing::{high_s, raw, signed},
};
use alloy::primitives::{Address, hex};
use core::time::Duration;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The server is as it was.
async fn is_unharmed(server: &Server) {
    assert_eq!(server.ok("eth_chainId", json!([])).await, "0x385");
}

/// What the server says on a connection on which only `bytes` are sent, until it closes it.
pub(crate) async fn after(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    // A server that has closed already resets what is still being sent.
    stream.write_all(bytes).await.ok();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.ok();
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn f47_malformed_bodies_are_refused_by_what_is_wrong_with_them() {
    story(async {
        let server = Server::sequencer().await;
        assert_eq!(server.post(&" ".repeat((2 << 20) + 1)).await.0, 413);
        for (body, code) in [
            ("[".repeat(100_000), -32700),
            (format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), -32600),
            (
                format!(r#"{{"a":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000)),
                -32600,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","method":"eth_chainId"}"#.into(),
                -32600,
            ),
            (
                format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x{}"]}}"#,
                    "f".repeat(10_000)
                ),
                -32602,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":[1e400]}"#.into(),
                -32602,
            ),
        ] {
            let (status, answer) = server.post(&body).await;
            // A list is a batch, and its answers are a list.
            let answer = answer.get(0).unwrap_or(&answer);
            assert_eq!(
                (status, &answer["error"]["code"]),
                (200, &json!(code)),
                "{body:.80}: {answer:.200}"
            );
        }
        let head = "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: 3\r\n\r\n";
        let said = after(&server, &[head.as_bytes(), &[b'"', 0xff, b'"']].concat()).await;
        assert!(said.contains("-32700") || said.contains("-32600"), "{said}");
        is_unharmed(&server).await;
    });
}

#[test]
fn f48_a_batch_of_ten_thousand_is_refused_whole() {
    story(async {
        let server = Server::sequencer().await;
        let one = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"});
        let (status, answer) = server.post(&json!(vec![one; 10_000]).to_string()).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert_eq!((status, &answer["error"]["code"]), (200, &json!(-32600)));
        assert!(
            message.starts_with("batch too large") && message.contains("rpc-batch-items-max"),
            "{message}"
        );
    });
}

#[test]
fn f49_silent_clients_are_hung_up_on_and_others_are_served() {
    story(async {
        let server = Server::with(|settings| {
            settings.header_timeout = Duration::from_millis(200);
            settings.idle_timeout = Duration::from_millis(400);
            settings.body_timeout = Duration::from_millis(200);
        })
        .await;
        let half_a_header = "POST / HTTP/1.1\r\nhost: localhost\r\nx-slow: ";
        let half_a_body =
            "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{";
        let half_a_handshake = "GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n";
        let slow = (0..500).map(|index| {
            after(
                &server,
                [half_a_header, half_a_handshake, ""][index % 3].as_bytes(),
            )
        });
        let (slow, answers) = tokio::join!(
            join_all(slow),
            join_all((0..50).map(|_| server.ok("eth_blockNumber", json!([]))))
        );
        assert!(slow.iter().all(String::is_empty), "no answer to half a request");
        assert!(answers.iter().all(|answer| answer == "0x0"));
        let said = after(&server, half_a_body.as_bytes()).await;
        assert!(
            said.starts_with("HTTP/1.1 408") && said.contains("rpc-body-timeout"),
            "{said}"
        );
        is_unharmed(&server).await;
    });
}

#[test]
fn f49_connections_are_counted_and_the_limit_is_named() {
    story(async {
        let server = Server::with(|settings| {
            settings.connections_max = 8;
            settings.ws_connections_max = 1;
        })
        .await;
        let first: Socket = server.socket().await;
        let handshake = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        let mut second = TcpStream::connect(server.address()).await.unwrap();
        second.write_all(handshake.as_bytes()).await.unwrap();
        let mut said = vec![0; 512];
        let length = second.read(&mut said).await.unwrap();
        let said = String::from_utf8_lossy(&said[..length]).into_owned();
        assert!(
            said.starts_with("HTTP/1.1 503") && said.contains("rpc-ws-connections-max is 1"),
            "{said}"
        );
        let mut held = Vec::new();
        let refused = loop {
            let mut stream = TcpStream::connect(server.address()).await.unwrap();
            stream
                .write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
                .await
                .ok();
            let mut said = vec![0; 512];
            let length = stream.read(&mut said).await.unwrap_or_default();
            held.push(stream);
            let said = String::from_utf8_lossy(&said[..length]).into_owned();
            if !said.starts_with("HTTP/1.1 200") {
                break said;
            }
            assert!(held.len() < 20, "the limit holds");
        };
        assert!(
            refused.starts_with("HTTP/1.1 503") && refused.contains("rpc-connections-max is 8"),
            "{refused}"
        );
        drop((first, second, held));
    });
}

/// The other side of a half-open WebSocket is gone without a word: it answers nothing, no ping either. Every wave only fits in if the
/// places of the one before it are free again.
#[test]
fn f49_a_thousand_half_open_websockets_are_hung_up_on_and_leave_their_places() {
    const WAVE: usize = 250;
    story(async {
        let server = Server::with(|settings| {
            settings.ws_connections_max = WAVE;
            settings.idle_timeout = Duration::from_millis(300);
        })
        .await;
        let handshake = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        for wave in 0..4 {
            let said = join_all((0..WAVE).map(|_| after(&server, handshake.as_bytes()))).await;
            let upgraded = said
                .iter()
                .filter(|said| said.starts_with("HTTP/1.1 101"))
                .count();
            // The server may still be about to count one of them off when its client has seen the end.
            let late = if wave == 0 { 0 } else { WAVE / 10 };
            assert!(upgraded >= WAVE - late, "wave {wave}: {upgraded} of {WAVE}");
            is_unharmed(&server).await;
        }
        let mut honest = server.socket().await;
        assert_eq!(honest.ok("eth_chainId", json!([])).await, "0x385");
    });
}

#[test]
fn f49_a_storm_of_subscriptions_is_held_to_the_limit_and_all_of_them_are_told() {
    const SOCKETS: usize = 50;
    story(async {
        let server = Server::sequencer().await;
        let mut sockets = Vec::new();
        for _ in 0..SOCKETS {
            let mut socket = server.socket().await;
            let mut ids = Vec::new();
            for _ in 0..32 {
                ids.push(socket.ok("eth_subscribe", json!(["newHeads"])).await);
            }
            for _ in 0..8 {
                let error = socket.error("eth_subscribe", json!(["newHeads"])).await;
                let text = "limit exceeded: rpc-ws-subscriptions-max is 32";
                assert_eq!(
                    (&error["code"], &error["message"]),
                    (&json!(-32005), &json!(text))
                );
            }
            sockets.push((socket, ids));
        }
        // Coming and going does not add up.
        let (busy, ids) = &mut sockets[0];
        for _ in 0..2_000 {
            let last = ids.pop().unwrap();
            assert_eq!(busy.ok("eth_unsubscribe", json!([last])).await, true);
            ids.push(busy.ok("eth_subscribe", json!(["newHeads"])).await);
        }
        server.build().await;
        for (socket, ids) in &mut sockets {
            for id in ids {
                assert_eq!(socket.notified(id).await["number"], "0x1");
            }
        }
    });
}

#[test]
fn f49_a_client_that_never_reads_is_hung_up_on() {
    story(async {
        let server = Server::with(|settings| {
            settings.write_timeout = Duration::from_millis(200);
            settings.ws_queue_bytes_max = 64 << 10;
        })
        .await;
        let mut socket = server.socket().await;
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "optimism_rollupConfig"}).to_string();
        let refused = async {
            loop {
                let message = tokio_tungstenite::tungstenite::Message::Text(body.clone().into());
                if futures::SinkExt::send(&mut socket.stream, message).await.is_err() {
                    return;
                }
            }
        };
        refused.await;
        is_unharmed(&server).await;
    });
}

#[test]
fn f50_log_queries_are_bounded_in_blocks_and_alternatives() {
    story(async {
        let server = Server::with(|settings| settings.logs_blocks_max = 2).await;
        for _ in 0..4 {
            server.build().await;
        }
        let error = server
            .error(
                "eth_getLogs",
                json!([{"fromBlock": "earliest", "toBlock": "latest"}]),
            )
            .await;
        assert_eq!(
            error["message"],
            "query exceeds max block range 2 (rpc-logs-blocks-max)"
        );
        let addresses: Vec<Address> = (0..1_001_u64)
            .map(|seed| Address::left_padding_from(&seed.to_be_bytes()))
            .collect();
        let error = server.error("eth_getLogs", json!([{"address": addresses}])).await;
        assert_eq!(
            (&error["code"], &error["message"]),
            (
                &json!(-32602),
                &json!("exceed max addresses: rpc-filter-alternatives-max is 1000")
            )
        );
    });
}

/// Calls code that is put in place for the call.
async fn run_code(server: &Server, code: &str) -> Value {
    let overrides = json!({PAYEE.to_string(): {"code": code}});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [{"to": PAYEE}, "latest", overrides]});
    server.post(&body.to_string()).await.1
}

#[test]
fn f51_calls_end_by_gas_time_or_memory() {
    story(async {
        let endless = "0x5b5f56";
        let server = Server::sequencer().await;
        let exhausted = json!("out of gas (rpc-gas-cap)");
        assert_eq!(run_code(&server, endless).await["error"]["message"], exhausted);
        // MSTORE at 2^32; MODEXP with operands of 2^64 bytes.
        assert_eq!(
            run_code(&server, "0x5f64010000000052").await["error"]["message"],
            exhausted
        );
        let modexp = format!(
            "0x{}5f5f60605f5f60055afa00",
            [0, 32, 64]
                .map(|at| format!("67ffffffffffffffff60{at:02x}52"))
                .concat()
        );
        let answer = run_code(&server, &modexp).await;
        assert!(
            answer["error"]["message"] == exhausted || answer["result"] == "0x",
            "{answer}"
        );
        // A pairing of a megabyte of zeros, again and again: every pair costs 34,000 gas, so few fit.
        let pairing = "0x5b5f5f620f000060005f60085af1505f56";
        assert_eq!(run_code(&server, pairing).await["error"]["message"], exhausted);
        let giant = format!("0x00{}", "5b".repeat(900_000));
        assert_eq!(run_code(&server, &giant).await["result"], "0x");

        let server = Server::with(|settings| {
            settings.call_gas_max = 1 << 50;
            settings.call_timeout = Duration::from_millis(50);
            settings.call_memory_bytes_max = 1 << 20;
        })
        .await;
        let message = run_code(&server, endless).await["error"]["message"].clone();
        assert!(
            message
                .as_str()
                .unwrap()
                .starts_with("execution aborted (timeout = 50ms)"),
            "{message}"
        );
        // Writes two megabytes, then goes on.
        let message = run_code(&server, "0x5f62200000525b600856").await["error"]["message"].clone();
        assert!(
            message.as_str().unwrap().contains("rpc-call-memory-max"),
            "{message}"
        );
        is_unharmed(&server).await;
    });
}

#[test]
fn f52_an_estimate_with_64_mib_of_calldata_is_refused_unread() {
    story(async {
        let server = Server::sequencer().await;
        let length = 64 << 20;
        let head = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        let said = after(&server, head.as_bytes()).await;
        assert!(
            said.starts_with("HTTP/1.1 413") && said.contains("rpc-body-bytes-max"),
            "{said}"
        );
        is_unharmed(&server).await;
    });
}

#[test]
fn f58_transactions_of_the_wrong_kind_are_refused() {
    story(async {
        let server = Server::sequencer().await;
        for (sent, text) in [
            (
                signed(|tx| tx.chain_id = 1),
                "invalid sender: invalid chain id for signer",
            ),
            (high_s(), "invalid sender: invalid transaction v, r, s values"),
            (signed(|tx| tx.gas_limit = 0), "intrinsic gas too low"),
            ("0x7ec0".into(), "transaction type not supported"),
            ("0x03c0".into(), "transaction type not supported"),
        ] {
            let error = server.error("eth_sendRawTransaction", json!([sent])).await;
            let message = error["message"].as_str().unwrap();
            assert!(message.starts_with(text), "{message} is not {text}");
        }
        server.send(&raw(&transfer(1, 0))).await;
    });
}

#[test]
fn f59_operators_methods_and_other_names_are_not_served() {
    story(async {
        let server = Server::with(|settings| {
            settings.cors_origins = vec!["https://app.example".into()];
            settings.namespaces = ["eth", "net", "web3", "rpc"].map(str::to_owned).into();
        })
        .await;
        for method in [
            "admin_stopSequencer",
            "admin_startSequencer",
            "miner_setMaxDASize",
            "engine_newPayloadV4",
            "personal_unlockAccount",
            "debug_traceBlockByNumber",
            "txpool_content",
        ] {
            let error = server.error(method, json!([])).await;
            let expected = format!("the method {method} does not exist/is not available");
            assert_eq!(
                (&error["code"], &error["message"]),
                (&json!(-32601), &json!(expected))
            );
        }
        let rebound =
            "POST / HTTP/1.1\r\nhost: evil.example:8545\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
        let said = after(&server, rebound.as_bytes()).await;
        assert!(
            said.starts_with("HTTP/1.1 403") && said.contains("invalid host specified"),
            "{said}"
        );
        let page = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, close\r\nupgrade: websocket\r\norigin: https://evil.example\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        let said = after(&server, page.as_bytes()).await;
        assert!(
            said.starts_with("HTTP/1.1 403") && said.contains("rpc-cors-origins"),
            "{said}"
        );
    });
}

/// Blocks are built by whoever builds them while every reader is busy; a reader is answered or told that there is no room.
#[test]
fn f60_a_flood_of_reads_does_not_stop_blocks() {
    story(async {
        let server = Server::with(|settings| {
            settings.heavy_max = 1;
            settings.heavy_waiting_max = 4;
        })
        .await;
        let overrides =
            json!({PAYEE.to_string(): {"code": format!("0x{}", hex::encode([0x5b, 0x5f, 0x56]))}});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [{"to": PAYEE}, "latest", overrides]});
        let body = body.to_string();
        let flood = join_all((0..64).map(|_| server.post(&body)));
        let blocks = async {
            for nonce in 0..10 {
                server.send(&raw(&transfer(1, nonce))).await;
                server.build().await;
            }
        };
        let (answers, ()) = tokio::join!(flood, blocks);
        assert_eq!(server.ok("eth_blockNumber", json!([])).await, "0xa");
        let (mut answered, mut refused) = (0, 0);
        for (status, answer) in answers {
            match answer["error"]["code"].as_i64() {
                Some(-32000) => answered += 1,
                Some(-32005) => {
                    assert_eq!(status, 429);
                    refused += 1;
                }
                other => panic!("{other:?}: {answer}"),
            }
        }
        assert!(
            answered >= 1 && refused >= 1,
            "{answered} answered, {refused} refused"
        );
    });
}
