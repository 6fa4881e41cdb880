//! What a trace may cost: every bound refuses with its name.

use super::{
    deploy,
    programs::{CallKind, End, Step},
    receipts, send,
};
use crate::{
    PAYEE,
    server::{Server, story},
};
use serde_json::{Value, json};
use tributary_sequencer::rpc::RpcSettings;

/// A block whose last transaction loops until its gas is gone.
async fn looping(change: impl FnOnce(&mut RpcSettings)) -> (Server, Value) {
    let server = Server::with(change).await;
    let programs = deploy(&server, &[vec![Step::End(End::Forever)]]).await;
    send(&server, 2, 0, programs[0], 100_000).await;
    server.build().await;
    let hash = receipts(&server, 2).await[1]["transactionHash"].clone();
    (server, hash)
}

#[test]
fn steps_are_bounded_for_the_struct_logger_and_vm_traces_and_free_for_others() {
    story(async {
        let (server, hash) = looping(|settings| settings.trace_steps_max = 1_000).await;
        let message = json!("trace exceeds max struct logs 1000 (rpc-trace-steps-max)");
        let vm = json!(["vmTrace"]);
        for (method, params) in [
            ("debug_traceTransaction", json!([hash])),
            ("debug_traceBlockByNumber", json!(["latest"])),
            ("trace_replayTransaction", json!([hash, vm])),
            ("trace_replayBlockTransactions", json!(["latest", vm])),
            (
                "debug_traceTransaction",
                json!([hash, {"tracer": "erc7562Tracer"}]),
            ),
        ] {
            let error = server.error(method, params).await;
            assert_eq!(
                (&error["code"], &error["message"]),
                (&json!(-32005), &message),
                "{method}"
            );
        }
        let frame = server
            .ok("debug_traceTransaction", json!([hash, {"tracer": "callTracer"}]))
            .await;
        assert_eq!(
            (&frame["gasUsed"], &frame["error"]),
            (&json!("0x186a0"), &json!("out of gas"))
        );
        // Who asks for no more than there may be gets it.
        let trace = server
            .ok("debug_traceTransaction", json!([hash, {"limit": 10}]))
            .await;
        assert_eq!(trace["structLogs"].as_array().unwrap().len(), 10);
        assert_eq!((&trace["gas"], &trace["failed"]), (&json!(100_000), &json!(true)));
    });
}

#[test]
fn bytes_are_bounded_over_all_transactions_of_a_request() {
    story(async {
        let (server, hash) = looping(|settings| settings.trace_bytes_max = 4 << 20).await;
        let error = server.error("debug_traceTransaction", json!([hash])).await;
        assert_eq!(
            error["message"],
            "trace exceeds max size 4194304 bytes (rpc-trace-bytes-max)"
        );
        let lean = json!({"limit": 1_000});
        server.ok("debug_traceTransaction", json!([hash, lean])).await;

        // A megabyte of input passed to an address without code, again and again.
        let code = [
            &[0x5b][..],
            &[0x5f, 0x5f, 0x62, 0x10, 0, 0, 0x5f, 0x5f, 0x60, 0xaa, 0x5a, 0xf1],
            &[0x50, 0x5f, 0x56],
        ]
        .concat();
        let overrides = json!({PAYEE.to_string(): {"code": alloy::primitives::Bytes::from(code)}});
        let options = json!({"tracer": "callTracer", "stateOverrides": overrides});
        let error = server
            .error("debug_traceCall", json!([{"to": PAYEE}, "latest", options]))
            .await;
        assert_eq!(
            error["message"],
            "trace exceeds max size 4194304 bytes (rpc-trace-bytes-max)"
        );
    });
}

#[test]
fn no_trace_runs_where_none_may() {
    story(async {
        let (server, hash) =
            looping(|settings| (settings.traces_running_max, settings.traces_waiting_max) = (0, 0)).await;
        for (method, params) in [
            ("debug_traceTransaction", json!([hash])),
            ("trace_transaction", json!([hash])),
            ("trace_filter", json!([{}])),
        ] {
            let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
            let (status, answer) = server.post(&request.to_string()).await;
            let message = "limit exceeded: rpc-traces-waiting-max is 0 requests of this kind already wait";
            assert_eq!(
                (status, &answer["error"]["message"]),
                (429, &json!(message)),
                "{method}"
            );
        }
    });
}

#[test]
fn filters_are_bounded_in_blocks_results_and_addresses() {
    story(async {
        let server = Server::with(|settings| {
            (
                settings.trace_filter_blocks_max,
                settings.trace_filter_results_max,
            ) = (2, 1);
        })
        .await;
        for _ in 0..3 {
            server.build().await;
        }
        for (filter, message) in [
            (
                json!({"fromBlock": "0x1", "toBlock": "0x3"}),
                "query exceeds max block range 2 (rpc-trace-filter-blocks-max)",
            ),
            (
                json!({"fromBlock": "earliest"}),
                "query exceeds max block range 2 (rpc-trace-filter-blocks-max)",
            ),
            (
                json!({"fromBlock": "0x3", "toBlock": "0x1"}),
                "invalid block range params",
            ),
            (
                json!({"fromBlock": "0x1", "toBlock": "0x2"}),
                "query exceeds max results 1, retry with the range 1-1 (rpc-trace-filter-results-max)",
            ),
            (
                json!({"fromAddress": vec![PAYEE; 1_001]}),
                "exceed max addresses: rpc-filter-alternatives-max is 1000",
            ),
        ] {
            let error = server.error("trace_filter", json!([filter])).await;
            assert_eq!(
                (&error["code"], &error["message"]),
                (&json!(-32602), &json!(message))
            );
        }
        let last = server
            .ok("trace_filter", json!([{"fromBlock": "0x3", "toBlock": "0xffff"}]))
            .await;
        assert_eq!(last.as_array().unwrap().len(), 1);
    });
}

#[test]
fn a_trace_as_deep_as_gas_allows_is_written() {
    story(async {
        let server = Server::sequencer().await;
        let calls_itself = "0x5f5f5f5f5f305af100";
        let options = json!({
            "tracer": "callTracer",
            "stateOverrides": {PAYEE.to_string(): {"code": calls_itself}},
            "blockOverrides": {"gasLimit": "0xbebc200"}
        });
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "debug_traceCall",
            "params": [{"to": PAYEE}, "latest", options]
        });
        let (_, text) = server.post_text(&body.to_string()).await;
        let depth = text.matches("\"calls\":").count();
        assert!(depth > 300, "{depth} {}", &text[..200]);
    });
}

#[test]
fn calls_in_one_request_share_the_gas_of_one() {
    story(async {
        let server = Server::with(|settings| settings.call_gas_max = 200_000).await;
        let programs = deploy(
            &server,
            &[
                vec![],
                vec![
                    Step::Call {
                        target: 0,
                        value: 0,
                        kind: CallKind::Call,
                    },
                    Step::End(End::Forever),
                ],
            ],
        )
        .await;
        let forever = json!([{"to": programs[1]}, ["trace"]]);
        let quick = json!([{"to": programs[0]}, ["trace"]]);
        let error = server
            .error("trace_callMany", json!([[forever.clone(), quick], "latest"]))
            .await;
        assert_eq!(
            error["message"],
            "calls exceed max gas 200000 of one request (rpc-gas-cap)"
        );
        let one = server.ok("trace_callMany", json!([[forever], "latest"])).await;
        assert_eq!(one[0]["trace"][0]["error"], "Out of gas");
    });
}
