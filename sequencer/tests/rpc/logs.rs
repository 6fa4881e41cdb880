//! `eth_getLogs` through the index against a scan of every receipt, on chains that reorganise.

use crate::{
    server::{Server, story},
    tracing::{
        deploy, program_address,
        programs::{CallKind, End, Step},
        receipts, send,
    },
};
use alloy::primitives::{Address, B256, keccak256};
use op_alloy_consensus::OpReceiptEnvelope;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Instant;
use tributary_protocol::block::L2BlockNumber;
use tributary_sequencer::store::LogQuery;

/// Programs that log under topic 0, under topic 1, both through another, and not at all after all.
fn programs() -> Vec<Vec<Step>> {
    let log = |topic| Step::Log { topic, bytes: 3 };
    let call = |target| Step::Call {
        target,
        value: 0,
        kind: CallKind::Call,
    };
    vec![
        vec![log(0)],
        vec![log(1)],
        vec![call(0), call(1), log(2)],
        vec![log(1), Step::End(End::Revert)],
        vec![],
    ]
}

async fn scan(server: &Server, from: u64, to: u64, addresses: &[Address], topics: &[B256]) -> Vec<Value> {
    let mut found = Vec::new();
    for number in from..=to {
        for receipt in receipts(server, number).await {
            for log in receipt["logs"].as_array().unwrap() {
                let has = |list: &[Value], value: &Value| list.is_empty() || list.contains(value);
                let addresses: Vec<Value> = addresses.iter().map(|address| json!(address)).collect();
                let topics: Vec<Value> = topics.iter().map(|topic| json!(topic)).collect();
                if has(&addresses, &log["address"]) && has(&topics, &log["topics"][0]) {
                    found.push(log.clone());
                }
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_index_answers_what_a_scan_of_every_block_answers(
        blocks in prop::collection::vec(prop::collection::vec(0..5_usize, 0..4), 4..14),
        reorgs in prop::collection::vec((1..8_u64, prop::collection::vec(0..5_usize, 0..4)), 0..4),
        filters in prop::collection::vec(
            (prop::collection::vec(0..5_usize, 0..3), prop::collection::vec(0..4_u8, 0..3), 0..6_u64), 6),
    ) {
        story(async {
            let server = Server::sequencer().await;
            let addresses = deploy(&server, &programs()).await;
            let mut sender = 2;
            let mut nonces = [0; 10];
            let mut fill = async |calls: &[usize]| {
                for call in calls {
                    sender = if sender == 9 { 2 } else { sender + 1 };
                    send(&server, sender, nonces[usize::from(sender)], addresses[*call], 300_000).await;
                    nonces[usize::from(sender)] += 1;
                }
                server.build().await;
            };
            for calls in &blocks {
                fill(calls).await;
            }
            for (depth, calls) in &reorgs {
                let head = server.world.head().number.0;
                // The deployment stays; what is taken off comes again, in other blocks.
                let to = head.saturating_sub(*depth).max(1);
                server.world.engine.revert_unsafe_to(L2BlockNumber(to)).await.unwrap();
                fill(calls).await;
            }
            let head = server.world.head().number.0;
            for (programs, topics, from) in &filters {
                let from = (*from).min(head);
                let addresses: Vec<Address> = programs.iter().map(|index| program_address(*index)).collect();
                let topics: Vec<B256> = topics.iter().map(|topic| B256::with_last_byte(*topic)).collect();
                let filter = json!({
                    "fromBlock": format!("{from:#x}"), "toBlock": "latest",
                    "address": addresses, "topics": [topics]
                });
                let answer = server.ok("eth_getLogs", json!([filter])).await;
                assert_eq!(answer, json!(scan(&server, from, head, &addresses, &topics).await), "{filter}");
            }
        });
    }
}

#[test]
fn blocks_read_are_bounded_and_the_error_says_how_far_it_came() {
    story(async {
        let server = Server::with(|settings| settings.logs_blocks_read_max = 2).await;
        let addresses = deploy(&server, &programs()).await;
        for nonce in 0..3 {
            send(&server, 2, nonce, addresses[0], 100_000).await;
            server.build().await;
            server.build().await;
        }
        let error = server
            .error(
                "eth_getLogs",
                json!([{"fromBlock": "0x0", "address": addresses[0]}]),
            )
            .await;
        assert_eq!(
            error["message"],
            "query exceeds max blocks read 2, retry with the range 0-5 (rpc-logs-blocks-read-max)"
        );
        let fits = server
            .ok(
                "eth_getLogs",
                json!([{"fromBlock": "0x0", "toBlock": "0x5", "address": addresses[0]}]),
            )
            .await;
        assert_eq!(fits.as_array().unwrap().len(), 2);
        // What is not there costs no block.
        let other = keccak256("nothing");
        let none = server
            .ok("eth_getLogs", json!([{"fromBlock": "0x0", "topics": [other]}]))
            .await;
        assert_eq!(none, json!([]));
    });
}

/// The ratio in one run, with so much room that no busy machine makes it fail.
#[test]
fn a_sparse_search_costs_a_fraction_of_reading_every_block() {
    story(async {
        const BLOCKS: u64 = 600;
        let server = Server::sequencer().await;
        let addresses = deploy(&server, &programs()).await;
        for nonce in 0..BLOCKS {
            let rare = nonce % 200 == 100;
            send(&server, 2, nonce, addresses[usize::from(rare)], 100_000).await;
            server.build().await;
        }
        let chain = server.world.chain().clone();
        let reader = chain.reader();
        let started = Instant::now();
        let mut scanned = 0;
        for number in 0..=BLOCKS {
            let block = reader.block_by_number(L2BlockNumber(number)).unwrap().unwrap();
            let logs = block.receipts.iter().flat_map(OpReceiptEnvelope::logs);
            scanned += logs.filter(|log| log.address == addresses[1]).count();
        }
        let scan = started.elapsed();
        let mut query = LogQuery::new([&addresses[1]], Vec::<[&B256; 0]>::new());
        let (mut found, mut next) = (0, 0);
        let started = Instant::now();
        while let Some(number) = query
            .next(
                &**reader.snapshot(),
                L2BlockNumber(next),
                L2BlockNumber(BLOCKS + 1),
            )
            .unwrap()
        {
            let block = reader.block_by_number(number).unwrap().unwrap();
            let logs = block.receipts.iter().flat_map(OpReceiptEnvelope::logs);
            found += logs.filter(|log| log.address == addresses[1]).count();
            next = number.0 + 1;
        }
        let index = started.elapsed();
        assert_eq!((found, scanned), (3, 3));
        let ratio = scan.as_secs_f64() / index.as_secs_f64();
        println!("3 of {BLOCKS} blocks: scan {scan:?}, index {index:?}, ratio {ratio:.0}");
        assert!(ratio > 5.0, "{ratio}");
    });
}
