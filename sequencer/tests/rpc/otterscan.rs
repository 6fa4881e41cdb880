//! What Otterscan's explorer asks.

use crate::{
    PAYEE,
    chain::{key, transfer},
    quantity,
    server::{Server, story},
    signing::{raw, signed},
    tracing::{
        deploy,
        programs::{CallKind, End, Step},
        receipts, send,
    },
};
use alloy::primitives::{Bytes, TxKind, U256};
use serde_json::{Value, json};

const NOBODY: &str = "0x00000000000000000000000000000000000000f1";

/// A program that sends a wei on, and one that creates, reverts or goes away.
fn programs() -> Vec<Vec<Step>> {
    let call = Step::Call {
        target: 0,
        value: 1,
        kind: CallKind::Call,
    };
    let ask = Step::Call {
        target: 0,
        value: 0,
        kind: CallKind::Static,
    };
    vec![
        vec![],
        vec![call, ask, Step::Create { fails: false }],
        vec![Step::End(End::Revert)],
        vec![Step::End(End::SelfDestruct)],
    ]
}

#[test]
fn a_transaction_shows_its_inside() {
    story(async {
        let server = Server::sequencer().await;
        let programs = deploy(&server, &programs()).await;
        for (index, program) in programs.iter().enumerate().skip(1) {
            send(&server, 2, index as u64 - 1, *program, 300_000).await;
        }
        server.build().await;
        let receipts = receipts(&server, 2).await;
        let hash = |index: usize| json!([receipts[index]["transactionHash"]]);

        let inside = server.ok("ots_getInternalOperations", hash(1)).await;
        let created = programs[1].create(1);
        assert_eq!(
            inside,
            json!([
                {"type": 0, "from": programs[1], "to": programs[0], "value": "0x1"},
                // What is created without wei has moved none.
            ]),
            "{created}"
        );
        let gone = server.ok("ots_getInternalOperations", hash(3)).await;
        assert_eq!(
            (&gone[0]["type"], &gone[0]["from"]),
            (&json!(1), &json!(programs[3]))
        );

        let entries = server.ok("ots_traceTransaction", hash(1)).await;
        let shown: Vec<_> = entries
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| json!([entry["type"], entry["depth"], entry["to"], entry["value"]]))
            .collect();
        assert_eq!(
            shown,
            [
                json!(["CALL", 0, programs[1], "0x1"]),
                json!(["CALL", 1, programs[0], "0x1"]),
                json!(["STATICCALL", 1, programs[0], null]),
                json!(["CREATE", 1, created, "0x0"]),
            ]
        );
        assert_eq!(server.ok("ots_getTransactionError", hash(1)).await, "0x");
        let error = server.ok("ots_getTransactionError", hash(2)).await;
        assert_eq!(quantity(&error), 7);
        assert_eq!(
            server.ok("ots_hasCode", json!([programs[0], "latest"])).await,
            true
        );
        assert_eq!(server.ok("ots_hasCode", json!([programs[0], "0x0"])).await, false);
        assert_eq!(server.ok("ots_hasCode", json!([NOBODY, "latest"])).await, false);

        let creator = server.ok("ots_getContractCreator", json!([created])).await;
        assert_eq!(
            creator,
            json!({"hash": receipts[1]["transactionHash"], "creator": programs[1]})
        );
        let deployed = super::tracing::receipts(&server, 1).await;
        let creator = server.ok("ots_getContractCreator", json!([programs[2]])).await;
        assert_eq!(
            creator,
            json!({"hash": deployed[3]["transactionHash"], "creator": key(1).address()})
        );
        // From genesis, and not at all.
        let system = "0x4200000000000000000000000000000000000015";
        assert!(
            server
                .ok("ots_getContractCreator", json!([system]))
                .await
                .is_null()
        );
        assert!(
            server
                .ok("ots_getContractCreator", json!([NOBODY]))
                .await
                .is_null()
        );
    });
}

#[test]
fn blocks_are_shown_in_pages_from_their_end() {
    story(async {
        let server = Server::sequencer().await;
        for nonce in 0..4 {
            server
                .send(&signed(|tx| {
                    (tx.nonce, tx.input, tx.gas_limit) = (nonce, vec![9; 40].into(), 60_000);
                }))
                .await;
        }
        server.build().await;
        let receipts = receipts(&server, 1).await;
        let page = server.ok("ots_getBlockTransactions", json!(["0x1", 0, 3])).await;
        let hashes = |list: &Value, name: &str| -> Vec<Value> {
            list.as_array()
                .unwrap()
                .iter()
                .map(|entry| entry[name].clone())
                .collect()
        };
        let all = hashes(&json!(receipts), "transactionHash");
        assert_eq!(hashes(&page["fullblock"]["transactions"], "hash"), all[2..]);
        assert_eq!(hashes(&page["receipts"], "transactionHash"), all[2..]);
        assert_eq!(page["fullblock"]["transactionCount"], 5);
        assert_eq!(page["fullblock"]["transactions"][0]["input"], "0x09090909");
        let last = server.ok("ots_getBlockTransactions", json!(["0x1", 1, 3])).await;
        assert_eq!(hashes(&last["receipts"], "transactionHash"), all[..2]);
        let beyond = server.ok("ots_getBlockTransactions", json!(["0x1", 2, 3])).await;
        assert_eq!(beyond["receipts"], json!([]));

        let details = server.ok("ots_getBlockDetails", json!(["0x1"])).await;
        let fees = |receipt: &Value| {
            let gas = quantity(&receipt["gasUsed"]) * quantity(&receipt["effectiveGasPrice"]);
            gas + receipt["l1Fee"]
                .as_str()
                .map_or(0, |_| quantity(&receipt["l1Fee"]))
        };
        let paid: u128 = receipts.iter().map(fees).sum();
        assert_eq!(quantity(&details["totalFees"]), paid);
        assert_eq!(details["block"]["transactionCount"], 5);
        assert!(details["block"].get("transactions").is_none());
        let hash = details["block"]["hash"].clone();
        assert_eq!(
            server.ok("ots_getBlockDetailsByHash", json!([hash])).await,
            details
        );
        for size in [0, 101] {
            let error = server
                .error("ots_getBlockTransactions", json!(["0x1", 0, size]))
                .await;
            assert_eq!(error["message"], "page size must be 1 to 100");
        }
    });
}

#[test]
fn an_address_is_found_wherever_it_appears_page_by_page_in_both_directions() {
    story(async {
        let server = Server::sequencer().await;
        let log = vec![Step::Log { topic: 1, bytes: 0 }];
        let programs = deploy(&server, &[log]).await;
        let mut sent = vec![receipts(&server, 1).await[1]["transactionHash"].clone()];
        for nonce in 0..3 {
            send(&server, 2, nonce, programs[0], 100_000).await;
            server.send(&raw(&transfer(3, nonce))).await;
            server.build().await;
            server.build().await;
            let block = receipts(&server, 2 + 2 * nonce).await;
            let call = block.iter().find(|receipt| receipt["to"] == json!(programs[0]));
            sent.push(call.unwrap()["transactionHash"].clone());
        }
        sent.reverse();
        let search = async |method: &str, from: u64| {
            let page = server.ok(method, json!([programs[0], from, 2])).await;
            let hashes: Vec<Value> = page["txs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|tx| tx["hash"].clone())
                .collect();
            let times = page["receipts"].as_array().unwrap();
            assert!(
                times
                    .iter()
                    .all(|receipt| receipt["timestamp"].is_string() && receipt["logs"].is_null())
            );
            (
                hashes,
                page["firstPage"].as_bool().unwrap(),
                page["lastPage"].as_bool().unwrap(),
            )
        };
        assert_eq!(
            search("ots_searchTransactionsBefore", 0).await,
            (sent[..2].to_vec(), true, false)
        );
        assert_eq!(
            search("ots_searchTransactionsBefore", 4).await,
            (sent[2..].to_vec(), false, false)
        );
        assert_eq!(
            search("ots_searchTransactionsBefore", 1).await,
            (vec![], false, true)
        );
        assert_eq!(
            search("ots_searchTransactionsAfter", 0).await,
            (sent[2..].to_vec(), false, true)
        );
        assert_eq!(
            search("ots_searchTransactionsAfter", 2).await,
            (sent[..2].to_vec(), false, false)
        );
        assert_eq!(
            search("ots_searchTransactionsAfter", 6).await,
            (vec![], true, false)
        );
    });
}

#[test]
fn a_search_ends_at_its_limit_and_says_where() {
    story(async {
        let server = Server::with(|settings| settings.search_blocks_max = 3).await;
        server.send(&raw(&transfer(2, 0))).await;
        for _ in 0..5 {
            server.build().await;
        }
        let error = server
            .error("ots_searchTransactionsBefore", json!([key(2).address(), 0, 25]))
            .await;
        assert_eq!(
            error["message"],
            "search exceeds max block range 3 (rpc-search-blocks-max): nothing found before block 2"
        );
        let page = server
            .ok("ots_searchTransactionsBefore", json!([key(2).address(), 4, 25]))
            .await;
        assert_eq!(
            (page["txs"].as_array().unwrap().len(), &page["lastPage"]),
            (1, &json!(false))
        );
    });
}

#[test]
fn a_nonce_leads_to_its_transaction() {
    story(async {
        let server = Server::sequencer().await;
        let mut hashes = Vec::new();
        for nonce in 0..5 {
            hashes.push(server.send(&raw(&transfer(2, nonce))).await);
            if nonce % 2 == 0 {
                server.build().await;
            }
        }
        server.build().await;
        let sender = key(2).address();
        for (nonce, hash) in hashes.iter().enumerate() {
            for nonce in [json!(nonce), json!(format!("{nonce:#x}"))] {
                let found = server
                    .ok("ots_getTransactionBySenderAndNonce", json!([sender, nonce]))
                    .await;
                assert_eq!(found, *hash);
            }
        }
        for (sender, nonce) in [(sender, 5), (PAYEE, 0)] {
            let none = server
                .ok("ots_getTransactionBySenderAndNonce", json!([sender, nonce]))
                .await;
            assert!(none.is_null());
        }
        // Deployed by nobody, so its nonce is no transaction's.
        server
            .send(&signed(|tx| {
                (tx.to, tx.input, tx.value, tx.gas_limit) = (
                    TxKind::Create,
                    Bytes::from_static(&[0x60, 0x01, 0x5f, 0xf3]),
                    U256::ZERO,
                    100_000,
                );
            }))
            .await;
        server.build().await;
        let contract = key(1).address().create(0);
        let none = server
            .ok("ots_getTransactionBySenderAndNonce", json!([contract, 0]))
            .await;
        assert!(none.is_null());
    });
}
