//! Property: on random blocks, every tracer says what the receipts and the state say.

use super::{DEPOSITOR, deploy, deposit, programs::step, receipts, send};
use crate::{
    chain::key,
    quantity,
    server::{Server, story},
};
use alloy::primitives::{Address, B256, Bytes, TxKind};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Sender, which program, and how much gas.
type Sent = (u8, u8, u64);

async fn random_chain(programs: &[Vec<super::programs::Step>], sent: &[Sent]) -> Server {
    let server = Server::sequencer().await;
    let to = |index: u8| TxKind::Call(super::program_address(usize::from(index) % programs.len()));
    server.world.l1.mine_with(
        0,
        vec![
            deposit(to(0), 5, 3, 400_000, Bytes::new()),
            // More than there is.
            deposit(to(1), 1, 1_000_000, 400_000, Bytes::new()),
            // Less gas than it costs before it runs.
            deposit(TxKind::Create, 7, 0, 21_000, Bytes::from(vec![1; 100])),
            deposit(TxKind::Call(DEPOSITOR), 9, 1, 21_000, Bytes::new()),
        ],
    );
    server.world.poll_l1().await;
    let addresses = deploy(&server, programs).await;
    let mut nonces = BTreeMap::new();
    for (sender, program, gas) in sent {
        let nonce = nonces.entry(*sender).or_insert(0);
        let to = addresses[usize::from(*program) % addresses.len()];
        send(&server, *sender, *nonce, to, *gas).await;
        *nonce += 1;
    }
    server.build().await;
    server.build().await;
    server
}

/// The sums of the root frame, and the logs of all frames that took effect, in order.
fn logs_of(frame: &Value, found: &mut Vec<(u64, Value)>) {
    for log in frame["logs"].as_array().into_iter().flatten() {
        let index = u64::try_from(quantity(&log["index"])).unwrap();
        found.push((
            index,
            json!([log["index"], log["address"], log["topics"], log["data"]]),
        ));
    }
    for call in frame["calls"].as_array().into_iter().flatten() {
        logs_of(call, found);
    }
}

fn check_frame(receipt: &Value, trace: &Value) {
    let what = format!("{trace}\n{receipt}");
    assert_eq!(trace["txHash"], receipt["transactionHash"], "{what}");
    let frame = &trace["result"];
    assert_eq!(frame["gasUsed"], receipt["gasUsed"], "{what}");
    assert_eq!(frame["from"], receipt["from"], "{what}");
    let to = if receipt["to"].is_null() {
        "contractAddress"
    } else {
        "to"
    };
    if receipt["status"] == "0x1" || to == "to" {
        assert_eq!(frame["to"], receipt[to], "{what}");
    }
    assert_eq!(frame["error"].is_null(), receipt["status"] == "0x1", "{what}");
    let mut found = Vec::new();
    logs_of(frame, &mut found);
    found.sort_by_key(|(index, _)| *index);
    let logs: Vec<Value> = found.into_iter().map(|(_, log)| log).collect();
    let sealed: Vec<Value> = receipt["logs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|log| json!([log["logIndex"], log["address"], log["topics"], log["data"]]))
        .collect();
    assert_eq!(logs, sealed, "{what}");
}

/// Parity's traces of one transaction: a tree, whose root fails when the transaction does.
fn check_traces(receipt: &Value, traces: &[Value]) {
    assert_eq!(traces[0]["traceAddress"], json!([]), "the root is first");
    assert_eq!(
        traces[0]["error"].is_null(),
        receipt["status"] == "0x1",
        "{traces:?} {receipt}"
    );
    for trace in traces {
        assert_eq!(trace["transactionHash"], receipt["transactionHash"]);
        assert_eq!(trace["blockNumber"], json!(quantity(&receipt["blockNumber"])));
        let address = trace["traceAddress"].as_array().unwrap();
        let children = traces.iter().filter(|other| {
            let other = other["traceAddress"].as_array().unwrap();
            other.len() == address.len() + 1 && other.starts_with(address)
        });
        assert_eq!(trace["subtraces"], json!(children.count()), "{trace}");
    }
}

/// What an account holds by the diffs seen so far.
#[derive(Default)]
struct Known {
    balance: Option<String>,
    nonce: Option<u64>,
    slots: BTreeMap<String, String>,
}

async fn check_state(server: &Server, number: u64, diffs: &[Value]) {
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    for diff in diffs {
        // A slot that became zero is before and not after, as in geth.
        for (address, account) in diff["result"]["pre"].as_object().unwrap() {
            let seen = known.entry(address.clone()).or_default();
            for slot in account["storage"]
                .as_object()
                .into_iter()
                .flat_map(|slots| slots.keys())
            {
                seen.slots.insert(slot.clone(), B256::ZERO.to_string());
            }
        }
        for (address, account) in diff["result"]["post"].as_object().unwrap() {
            let seen = known.entry(address.clone()).or_default();
            seen.balance = account["balance"]
                .as_str()
                .map(str::to_owned)
                .or(seen.balance.take());
            seen.nonce = account["nonce"].as_u64().or(seen.nonce);
            for (slot, value) in account["storage"].as_object().into_iter().flatten() {
                seen.slots
                    .insert(slot.clone(), value.as_str().unwrap().to_owned());
            }
        }
    }
    let at = format!("{number:#x}");
    assert!(!known.is_empty());
    for (address, seen) in known {
        if let Some(balance) = seen.balance {
            let held = server.ok("eth_getBalance", json!([address, at])).await;
            assert_eq!(held, balance, "{address} after block {number}");
        }
        if let Some(nonce) = seen.nonce {
            let held = server.ok("eth_getTransactionCount", json!([address, at])).await;
            assert_eq!(quantity(&held), u128::from(nonce), "{address}");
        }
        for (slot, value) in seen.slots {
            let held = server.ok("eth_getStorageAt", json!([address, slot, at])).await;
            assert_eq!(held, value, "{address} {slot}");
        }
    }
}

async fn check_block(server: &Server, number: u64) {
    let receipts = receipts(server, number).await;
    let at = format!("{number:#x}");
    let with_logs = json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}});
    let frames = server
        .ok("debug_traceBlockByNumber", json!([at, with_logs]))
        .await;
    let frames = frames.as_array().unwrap();
    assert_eq!(frames.len(), receipts.len());
    let hash = &receipts[0]["blockHash"];
    assert_eq!(
        server
            .ok("debug_traceBlockByHash", json!([hash, with_logs]))
            .await,
        json!(frames)
    );
    let structs = server.ok("debug_traceBlockByNumber", json!([at])).await;
    let traces = server.ok("trace_block", json!([at])).await;
    let traces = traces.as_array().unwrap();
    let kinds = json!(["trace", "stateDiff", "vmTrace"]);
    let replayed = server
        .ok("trace_replayBlockTransactions", json!([at, kinds]))
        .await;
    for (index, receipt) in receipts.iter().enumerate() {
        check_frame(receipt, &frames[index]);
        let hash = &receipt["transactionHash"];
        assert_eq!(
            server
                .ok("debug_traceTransaction", json!([hash, with_logs]))
                .await,
            frames[index]["result"]
        );
        let logger = &structs[index]["result"];
        assert_eq!(json!(quantity(&receipt["gasUsed"])), logger["gas"]);
        assert_eq!(logger["failed"], json!(receipt["status"] == "0x0"));
        let own: Vec<Value> = traces
            .iter()
            .filter(|trace| trace["transactionHash"] == *hash)
            .cloned()
            .collect();
        check_traces(receipt, &own);
        assert_eq!(server.ok("trace_transaction", json!([hash])).await, json!(own));
        assert_eq!(server.ok("trace_get", json!([hash, ["0x0"]])).await, own[0]);
        let replay = server.ok("trace_replayTransaction", json!([hash, kinds])).await;
        let mut in_block = replayed[index].clone();
        assert_eq!(
            in_block.as_object_mut().unwrap().remove("transactionHash"),
            Some(hash.clone())
        );
        assert_eq!(replay, in_block);
        assert_eq!(replay["trace"].as_array().unwrap().len(), own.len());
    }
    assert_eq!(
        traces.len(),
        replayed
            .as_array()
            .unwrap()
            .iter()
            .map(|replay| replay["trace"].as_array().unwrap().len())
            .sum::<usize>()
    );
    let diff = json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}});
    let diffs = server.ok("debug_traceBlockByNumber", json!([at, diff])).await;
    check_state(server, number, diffs.as_array().unwrap()).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn every_tracer_agrees_with_receipts_and_state(
        programs in prop::collection::vec(prop::collection::vec(step(), 0..8), 1..6),
        sent in prop::collection::vec((2..6_u8, any::<u8>(), prop_oneof![Just(25_000), Just(60_000), Just(400_000)]), 1..12),
    ) {
        story(async {
            let server = random_chain(&programs, &sent).await;
            let deposits = receipts(&server, 2).await;
            let from: Vec<Address> = deposits.iter().filter_map(|receipt| receipt["from"].as_str()?.parse().ok()).collect();
            assert_eq!(from.iter().filter(|from| **from == DEPOSITOR).count(), 4);
            assert!(from.contains(&key(sent[0].0).address()));
            for number in 1..=3 {
                check_block(&server, number).await;
            }
        });
    }
}
