//! Rows of the table of bad input that need a server of their own: one whose limits are small, that has forgotten states, or that is stopped.

use crate::{
    PAYEE,
    abuse::after,
    bad_input::{request, send, with_code},
    chain::{World, transfer},
    history::finalize,
    server::Server,
    signing::{delegating, raw, signed},
};
use core::time::Duration;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};
use tokio::net::TcpStream;
use tributary_sequencer::{engine::StoreSettings, pool::PoolLimits, rpc::RpcSettings, store::MemoryStore};

/// Status and body.
type Said = (u16, String);

/// What is said for each row.
pub(crate) async fn answers() -> BTreeMap<&'static str, Said> {
    [
        small_answers().await,
        connections().await,
        ranges().await,
        pools().await,
        delegations().await,
        states().await,
    ]
    .concat()
    .into_iter()
    .collect()
}

/// What a server with these settings says to the last of these bodies.
async fn asked(change: impl FnOnce(&mut RpcSettings), bodies: &[String]) -> Said {
    let server = Server::with(change).await;
    let mut said = Said::default();
    for body in bodies {
        said = server.post_text(body).await;
    }
    said
}

/// Status and body of what was said on a bare connection.
fn parsed(said: &str) -> Said {
    let status = said.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = said.split_once("\r\n\r\n").unwrap();
    (status, body.to_owned())
}

fn post(headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
        .into_bytes()
}

async fn small_answers() -> Vec<(&'static str, Said)> {
    let config = request("optimism_rollupConfig", json!([]));
    let filter = request("eth_newBlockFilter", json!([]));
    let mut units = vec![request("eth_chainId", json!([])); 5];
    units.push(request("eth_getLogs", json!([{}])));
    let ended = Duration::from_millis(30);
    vec![
        (
            "an answer that is too long",
            asked(
                |limits| limits.response_bytes_max = 100,
                std::slice::from_ref(&config),
            )
            .await,
        ),
        (
            "a batch whose answers are too long",
            asked(
                |limits| limits.batch_response_bytes_max = 100,
                &[format!("[{config},{config}]")],
            )
            .await,
        ),
        (
            "more filters",
            asked(|limits| limits.filters_max = 1, &[filter.clone(), filter]).await,
        ),
        (
            "more units",
            asked(
                |limits| (limits.limit_loopback, limits.units_per_second_per_ip) = (true, 1),
                &units,
            )
            .await,
        ),
        (
            "a call that takes too long",
            asked(
                |limits| (limits.call_gas_max, limits.call_timeout) = (1 << 50, ended),
                &[with_code("0x5b5f56")],
            )
            .await,
        ),
        (
            "a call that takes too much memory",
            asked(
                |limits| limits.call_memory_bytes_max = 1 << 20,
                &[with_code("0x5f6220000052")],
            )
            .await,
        ),
    ]
}

async fn connections() -> Vec<(&'static str, Said)> {
    let server = Server::with(|limits| {
        limits.connections_max = 1;
        limits.body_timeout = Duration::from_millis(50);
        limits.cors_origins = vec!["https://app.example".into()];
    })
    .await;
    let foreign = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, close\r\nupgrade: websocket\r\norigin: https://evil.example\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    let slow = "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{";
    let mut rows = vec![
        (
            "a name that is not ours",
            parsed(&after(&server, &post("host: evil.example\r\n", "{}")).await),
        ),
        (
            "a page of a foreign origin",
            parsed(&after(&server, foreign.as_bytes()).await),
        ),
        (
            "a body that does not come",
            parsed(&after(&server, slow.as_bytes()).await),
        ),
    ];
    // Whoever is hung up on may be counted for a moment longer; the one that is held is counted for sure.
    let held = TcpStream::connect(server.address()).await.unwrap();
    let refused = loop {
        let said = after(&server, &post("host: localhost\r\n", "{}")).await;
        if said.starts_with("HTTP/1.1 503") {
            break parsed(&said);
        }
        tokio::task::yield_now().await;
    };
    drop(held);
    rows.push(("more connections", refused));
    let server = Server::with(|limits| limits.ws_subscriptions_max = 1).await;
    let mut socket = server.socket().await;
    socket.ok("eth_subscribe", json!(["newHeads"])).await;
    let error = socket.error("eth_subscribe", json!(["newHeads"])).await;
    rows.push(("more subscriptions", (101, json!({"error": error}).to_string())));
    rows
}

async fn ranges() -> Vec<(&'static str, Said)> {
    let server = Server::with(|limits| {
        limits.logs_blocks_max = 2;
        limits.trace_filter_blocks_max = 2;
        limits.simulate_blocks_max = 2;
        limits.trace_steps_max = 10;
        limits.search_blocks_max = 1;
    })
    .await;
    for nonce in 0..4 {
        server.send(&raw(&transfer(1, nonce))).await;
        server.build().await;
    }
    let all = json!([{"fromBlock": "0x0", "toBlock": "latest"}]);
    let endless = json!({PAYEE.to_string(): {"code": "0x5b5f56"}});
    let mut rows = Vec::new();
    for (input, body) in [
        ("logs of too many blocks", request("eth_getLogs", all.clone())),
        ("traces of too many blocks", request("trace_filter", all)),
        (
            "too many simulated blocks",
            request(
                "eth_simulateV1",
                json!([{"blockStateCalls": [{}, {}, {}]}, "latest"]),
            ),
        ),
        (
            "a trace that is too long",
            request(
                "debug_traceCall",
                json!([{"to": PAYEE}, "latest", {"stateOverrides": endless}]),
            ),
        ),
    ] {
        rows.push((input, server.post_text(&body).await));
    }
    rows
}

async fn pools() -> Vec<(&'static str, Said)> {
    let full = Server::with_pool(PoolLimits {
        transactions_max: 1,
        ..PoolLimits::default()
    })
    .await;
    full.send(&raw(&transfer(1, 0))).await;
    let crowded = Server::with_pool(PoolLimits {
        sender_transactions_max: 1,
        sender_queued_max: 1,
        ..PoolLimits::default()
    })
    .await;
    crowded.send(&raw(&transfer(1, 0))).await;
    let behind = Server::with_pool(PoolLimits {
        sender_queued_max: 1,
        ..PoolLimits::default()
    })
    .await;
    behind.send(&raw(&transfer(1, 5))).await;
    let stopped = Server::sequencer().await;
    stopped.stop_sequencing();
    vec![
        (
            "a transaction to a full pool",
            full.post_text(&send(raw(&transfer(2, 0)))).await,
        ),
        (
            "too many transactions of one sender",
            crowded.post_text(&send(signed(|tx| tx.nonce = 1))).await,
        ),
        (
            "too many transactions behind a gap",
            behind.post_text(&send(signed(|tx| tx.nonce = 6))).await,
        ),
        (
            "a transaction to a stopped sequencer",
            stopped.post_text(&send(raw(&transfer(1, 0)))).await,
        ),
    ]
}

async fn delegations() -> Vec<(&'static str, Said)> {
    let second = |nonce| send(signed(move |tx| tx.nonce = nonce));
    let one_waits = Server::sequencer().await;
    one_waits.send(&delegating()).await;
    one_waits.send(&raw(&transfer(1, 0))).await;
    let none_waits = Server::sequencer().await;
    none_waits.send(&delegating()).await;
    let several_wait = Server::sequencer().await;
    several_wait.send(&raw(&transfer(1, 0))).await;
    several_wait.send(&raw(&transfer(1, 1))).await;
    vec![
        (
            "a second transaction of a delegated account",
            one_waits.post_text(&second(1)).await,
        ),
        (
            "a transaction of a delegated account behind a gap",
            none_waits.post_text(&second(1)).await,
        ),
        (
            "a delegation of an account with several waiting",
            several_wait.post_text(&send(delegating())).await,
        ),
    ]
}

async fn states() -> Vec<(&'static str, Said)> {
    let settings = StoreSettings {
        history_blocks: 1,
        flush_blocks: 1,
        flush_in_background: false,
        ..StoreSettings::default()
    };
    let server = Server::on(World::with(Arc::new(MemoryStore::default()), settings)).await;
    for _ in 0..8 {
        server.build().await;
        finalize(&server.world).await;
    }
    let body = request("eth_getBalance", json!([PAYEE, "0x0"]));
    vec![("a state that is forgotten", server.post_text(&body).await)]
}
