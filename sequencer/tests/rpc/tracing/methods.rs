//! Each method's own parameters and answers.

use super::{
    deploy, deposit,
    programs::{CallKind, End, Step},
    receipts, send,
};
use crate::{
    PAYEE,
    chain::{call_with, key, transfer},
    server::{Server, story},
    signing::raw,
};
use alloy::primitives::{B256, Bytes, TxKind, U256, b256};
use serde_json::{Value, json};

const STORES_SEVEN: [Step; 1] = [Step::Store { slot: 1, value: 7 }];

#[test]
fn what_is_not_there_is_said_in_geths_and_paritys_ways() {
    story(async {
        let server = Server::sequencer().await;
        server.build().await;
        let nothing = B256::repeat_byte(9);
        let kinds = json!(["trace"]);
        for (method, params, message) in [
            (
                "debug_traceTransaction",
                json!([nothing]),
                "transaction not found".to_owned(),
            ),
            (
                "debug_traceBlockByNumber",
                json!(["0x63"]),
                "block #99 not found".into(),
            ),
            (
                "debug_traceBlockByHash",
                json!([nothing]),
                format!("block {nothing} not found"),
            ),
            (
                "debug_traceBlockByNumber",
                json!(["earliest"]),
                "genesis is not traceable".into(),
            ),
            ("debug_traceCall", json!([{}, "0x63"]), "header not found".into()),
            (
                "debug_traceCall",
                json!([{}, "0x1", {"txIndex": "0x5"}]),
                "transaction index 5 out of range for block with 1 transactions".into(),
            ),
            (
                "trace_replayTransaction",
                json!([nothing, kinds]),
                "transaction not found".into(),
            ),
            (
                "trace_rawTransaction",
                json!(["0x7ec0", kinds]),
                "not a transaction".into(),
            ),
        ] {
            let error = server.error(method, params).await;
            assert!(
                error["message"].as_str().unwrap().contains(&message),
                "{method}: {error}"
            );
        }
        let script = server
            .error(
                "debug_traceTransaction",
                json!([nothing, {"tracer": "{step: function() {}}"}]),
            )
            .await;
        let message = script["message"].as_str().unwrap();
        assert!(
            message.contains("is not available: there are callTracer"),
            "{message}"
        );
        for (method, params, nothing) in [
            ("trace_transaction", json!([nothing]), Value::Null),
            ("trace_get", json!([nothing, ["0x0"]]), Value::Null),
            ("trace_block", json!(["0x63"]), Value::Null),
            ("trace_block", json!(["earliest"]), json!([])),
            (
                "trace_replayBlockTransactions",
                json!(["0x63", kinds]),
                Value::Null,
            ),
            (
                "trace_replayBlockTransactions",
                json!(["earliest", kinds]),
                json!([]),
            ),
        ] {
            assert_eq!(server.ok(method, params).await, nothing, "{method}");
        }
    });
}

#[test]
fn traced_calls_change_what_they_are_told_to_and_nothing_else() {
    story(async {
        let server = Server::sequencer().await;
        let programs = deploy(&server, &[STORES_SEVEN.to_vec()]).await;
        let diff = json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}});
        let request = json!({"from": key(3).address(), "to": programs[0]});
        let answer = server
            .ok("debug_traceCall", json!([request, "latest", diff]))
            .await;
        let program = programs[0].to_string().to_lowercase();
        assert_eq!(
            answer["post"][&program]["storage"],
            json!({B256::with_last_byte(1).to_string(): B256::with_last_byte(7)})
        );
        // The state it starts from is the caller's to change, block and all.
        let returns_number = json!({
            "tracer": "callTracer",
            "stateOverrides": {PAYEE.to_string(): {"code": "0x435f5260205ff3"}},
            "blockOverrides": {"number": "0x63"}
        });
        let answer = server
            .ok(
                "debug_traceCall",
                json!([{"to": PAYEE}, "latest", returns_number]),
            )
            .await;
        assert_eq!(answer["output"], json!(B256::with_last_byte(0x63)));
        let none = server.ok("debug_traceCall", json!([{"to": PAYEE}])).await;
        assert_eq!(none["structLogs"], json!([]));

        let parity = server
            .ok("trace_call", json!([request, ["stateDiff", "trace"], "latest"]))
            .await;
        let slot = &parity["stateDiff"][&program]["storage"][B256::with_last_byte(1).to_string()];
        assert_eq!(
            slot["*"],
            json!({"from": B256::ZERO, "to": B256::with_last_byte(7)})
        );
        assert_eq!(parity["trace"][0]["action"]["callType"], "call");
        let held = server
            .ok("eth_getStorageAt", json!([programs[0], "0x1", "latest"]))
            .await;
        assert_eq!(held, json!(B256::ZERO));

        // The second call finds what the first one left.
        let again = json!([request, ["stateDiff"]]);
        let many = server
            .ok("trace_callMany", json!([[again, again], "latest"]))
            .await;
        assert!(!many[0]["stateDiff"][&program].is_null());
        assert!(many[1]["stateDiff"][&program].is_null(), "{many}");
    });
}

#[test]
fn a_call_can_start_between_two_transactions_of_a_block() {
    story(async {
        let server = Server::sequencer().await;
        for nonce in 0..2 {
            server.send(&raw(&transfer(1, nonce))).await;
        }
        server.build().await;
        // Returns the balance of the payee.
        let mut seen = Vec::new();
        for index in 0..3 {
            let options = json!({
                "tracer": "callTracer",
                "txIndex": format!("{index:#x}"),
                "stateOverrides": {key(9).address().to_string(): {"code": "0x60aa315f5260205ff3"}}
            });
            let request = json!({"to": key(9).address()});
            let answer = server
                .ok("debug_traceCall", json!([request, "0x1", options]))
                .await;
            seen.push(answer["output"].clone());
        }
        // Attributes, first transfer, second transfer.
        assert_eq!(seen, [0, 0, 1].map(|wei| json!(B256::with_last_byte(wei))));
    });
}

#[test]
fn a_signed_transaction_is_traced_where_it_would_land() {
    story(async {
        let server = Server::sequencer().await;
        let programs = deploy(&server, &[STORES_SEVEN.to_vec()]).await;
        let signed = call_with(3, 0, programs[0], 60_000, Bytes::new());
        let traced = server
            .ok(
                "trace_rawTransaction",
                json!([raw(&signed), ["trace", "stateDiff"]]),
            )
            .await;
        server.send(&raw(&signed)).await;
        server.build().await;
        let hash = signed.1.inner().tx_hash();
        let replayed = server
            .ok("trace_replayTransaction", json!([hash, ["trace", "stateDiff"]]))
            .await;
        assert_eq!(traced["trace"], replayed["trace"]);
        let program = programs[0].to_string().to_lowercase();
        assert_eq!(traced["stateDiff"][&program], replayed["stateDiff"][&program]);
    });
}

#[test]
fn filters_select_by_sender_receiver_and_position() {
    story(async {
        let server = Server::sequencer().await;
        let call = Step::Call {
            target: 0,
            value: 1,
            kind: CallKind::Call,
        };
        let programs = deploy(&server, &[vec![], vec![call]]).await;
        for nonce in 0..2 {
            send(&server, 2, nonce, programs[1], 200_000).await;
        }
        send(&server, 3, 0, programs[0], 200_000).await;
        server.build().await;
        let count = async |filter: Value| {
            let found = server.ok("trace_filter", json!([filter])).await;
            found.as_array().unwrap().len()
        };
        let from = "0x2";
        assert_eq!(count(json!({"fromBlock": from})).await, 1 + 2 * 2 + 1);
        assert_eq!(
            count(json!({"fromBlock": from, "fromAddress": [key(2).address()]})).await,
            2
        );
        assert_eq!(
            count(json!({"fromBlock": from, "toAddress": [programs[0]]})).await,
            3
        );
        let both = json!({"fromBlock": from, "fromAddress": [programs[1]], "toAddress": [programs[0]]});
        assert_eq!(count(both).await, 2);
        let either = json!({
            "fromBlock": from, "mode": "union",
            "fromAddress": [key(3).address()], "toAddress": [programs[1]]
        });
        assert_eq!(count(either).await, 3);
        let all = server.ok("trace_filter", json!([{"fromBlock": from}])).await;
        let page = server
            .ok(
                "trace_filter",
                json!([{"fromBlock": from, "after": 2, "count": 2}]),
            )
            .await;
        assert_eq!(page, json!(all.as_array().unwrap()[2..4]));
        let hash = &receipts(&server, 2).await[1]["transactionHash"];
        let second = server.ok("trace_get", json!([hash, ["0x1"]])).await;
        assert_eq!(second["traceAddress"], json!([0]));
        assert!(server.ok("trace_get", json!([hash, ["0x2"]])).await.is_null());
        assert!(
            server
                .ok("trace_get", json!([hash, ["0x0", "0x0"]]))
                .await
                .is_null()
        );
    });
}

#[test]
fn the_other_built_in_tracers_answer() {
    story(async {
        let server = Server::sequencer().await;
        let programs = deploy(&server, &[vec![Step::End(End::Return)]]).await;
        send(&server, 2, 0, programs[0], 100_000).await;
        server.build().await;
        let hash = receipts(&server, 2).await[1]["transactionHash"].clone();
        let traced = async |tracer: &str, config: Value| {
            let options = json!({"tracer": tracer, "tracerConfig": config});
            server.ok("debug_traceTransaction", json!([hash, options])).await
        };
        assert_eq!(traced("noopTracer", json!(null)).await, json!({}));
        assert_eq!(
            traced("4byteTracer", json!(null)).await,
            json!({"0x02020202-28": 1})
        );
        let flat = traced("flatCallTracer", json!({})).await;
        let mut parity = server.ok("trace_transaction", json!([hash])).await;
        // geth's counts what the transaction cost before it ran.
        parity[0]["action"]["gas"] = json!("0x186a0");
        assert_eq!(flat, parity);
        let mux = traced(
            "muxTracer",
            json!({"callTracer": {"withLog": true}, "4byteTracer": null}),
        )
        .await;
        let alone = traced("callTracer", json!({"withLog": true})).await;
        assert_eq!(mux["callTracer"], alone);
        assert_eq!(mux["4byteTracer"], json!({"0x02020202-28": 1}));
        let before = traced("prestateTracer", json!({})).await;
        let sender = key(2).address().to_string().to_lowercase();
        assert_eq!(
            before[&sender]["balance"],
            json!(U256::from(10).pow(U256::from(20)))
        );
    });
}

/// A creation from L1 whose gas does not cover its first instruction: included, failed, and never seen by the EVM.
#[test]
fn a_deposit_that_never_ran_has_a_root_frame() {
    story(async {
        let server = Server::sequencer().await;
        let input = Bytes::from(vec![1; 100]);
        server
            .world
            .l1
            .mine_with(0, vec![deposit(TxKind::Create, 7, 0, 21_000, input.clone())]);
        server.world.poll_l1().await;
        for _ in 0..2 {
            server.build().await;
        }
        let receipt = receipts(&server, 2).await[1].clone();
        assert_eq!(receipt["status"], "0x0");
        let hash = &receipt["transactionHash"];
        let frame = server
            .ok("debug_traceTransaction", json!([hash, {"tracer": "callTracer"}]))
            .await;
        assert_eq!(
            [
                &frame["type"],
                &frame["from"],
                &frame["input"],
                &frame["gasUsed"],
                &frame["error"]
            ],
            [
                &json!("CREATE"),
                &receipt["from"],
                &json!(input),
                &receipt["gasUsed"],
                &json!("out of gas")
            ]
        );
        let trace = server.ok("trace_transaction", json!([hash])).await;
        assert_eq!(trace[0]["action"]["from"], receipt["from"]);
        assert_eq!(trace[0]["error"], "Out of gas");
    });
}

#[test]
fn code_hashes_of_nothing_are_not_invented() {
    // keccak256 of nothing, which accounts without code have and traces must not show as code.
    let empty = b256!("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    story(async {
        let server = Server::sequencer().await;
        server.send(&raw(&transfer(1, 0))).await;
        server.build().await;
        let all = json!(["trace", "stateDiff", "vmTrace"]);
        let replayed = server
            .ok("trace_replayBlockTransactions", json!(["latest", all]))
            .await;
        assert!(!replayed.to_string().contains(&empty.to_string()));
    });
}
