//! Calls of the methods that trace, with every tracer, of simulations and of Otterscan's.

use crate::{calls::Call, node::Facts};
use serde_json::{Value, json};

type Row = (&'static str, Value, Option<&'static str>);

pub(crate) fn calls(facts: &Facts) -> Vec<Call> {
    let rows = [debug(facts), parity(facts), simulations(facts), otterscan(facts)].concat();
    rows.into_iter()
        .map(|(method, params, schema)| Call {
            method,
            params,
            schema,
        })
        .collect()
}

fn debug(facts: &Facts) -> Vec<Row> {
    let call = json!({"from": facts.sender, "to": facts.contract, "input": facts.word});
    let block = (&facts.block_number, &facts.block_hash);
    let calls = json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}});
    let before = json!({"tracer": "prestateTracer"});
    let difference = json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}});
    let both = json!({"tracer": "muxTracer", "tracerConfig": {"callTracer": {}, "prestateTracer": {}}});
    let everything = json!({"enableMemory": true, "enableReturnData": true});
    let mut rows = vec![
        ("debug_traceBlockByNumber", json!([block.0]), None),
        (
            "debug_traceBlockByNumber",
            json!([block.0, calls]),
            Some("CallFramesOfBlock"),
        ),
        ("debug_traceBlockByHash", json!([block.1, everything]), None),
        ("debug_traceCall", json!([call, "latest"]), None),
        (
            "debug_traceCall",
            json!([call, block.0, calls]),
            Some("CallFrame"),
        ),
        (
            "debug_traceCall",
            json!([call, "pending", difference]),
            Some("PrestateDiff"),
        ),
    ];
    for hash in &facts.included {
        for (options, schema) in [
            (json!({}), None),
            (everything.clone(), None),
            (calls.clone(), Some("CallFrame")),
            (before.clone(), Some("Prestate")),
            (difference.clone(), Some("PrestateDiff")),
            (both.clone(), Some("MuxTrace")),
            (json!({"tracer": "4byteTracer"}), Some("FourByteCounts")),
            (json!({"tracer": "noopTracer"}), Some("NoopTrace")),
        ] {
            rows.push(("debug_traceTransaction", json!([hash, options]), schema));
        }
    }
    rows
}

fn parity(facts: &Facts) -> Vec<Row> {
    let call = json!({"from": facts.sender, "to": facts.contract, "input": facts.word});
    let all = json!(["trace", "stateDiff", "vmTrace"]);
    let mut rows = vec![
        ("trace_block", json!([facts.block_number]), None),
        ("trace_block", json!(["0xffffff"]), None),
        ("trace_transaction", json!([facts.zero_hash]), None),
        ("trace_get", json!([facts.included[1], ["0x0"]]), None),
        ("trace_get", json!([facts.included[1], ["0xff"]]), None),
        ("trace_filter", json!([{"fromBlock": facts.block_number}]), None),
        ("trace_call", json!([call, all, "latest"]), None),
        ("trace_call", json!([call, ["trace"]]), None),
        (
            "trace_callMany",
            json!([[[call, ["trace"]], [call, all]], "latest"]),
            None,
        ),
        ("trace_rawTransaction", json!([facts.unsent[0], all]), None),
        (
            "trace_replayBlockTransactions",
            json!([facts.block_number, all]),
            None,
        ),
    ];
    for hash in &facts.included {
        rows.push(("trace_transaction", json!([hash]), None));
        rows.push(("trace_replayTransaction", json!([hash, all]), None));
    }
    rows
}

fn simulations(facts: &Facts) -> Vec<Row> {
    let call = json!({"from": facts.sender, "to": facts.contract, "input": facts.word});
    // Reverts, runs out of gas, moves wei, creates.
    let calls = json!([
        call,
        {"to": facts.contract},
        {"from": facts.sender, "to": facts.contract, "input": facts.word, "gas": "0x5a00"},
        {"from": facts.sender, "to": facts.nobody, "value": "0x1", "gasPrice": "0x0"},
        {"from": facts.sender, "input": "0x60015ff3", "accessList": [], "gasPrice": "0x0"}
    ]);
    let limits = json!({"gasLimit": "0x1c9c380", "feeRecipient": facts.nobody});
    let blocks = json!([{"calls": calls}, {"blockOverrides": limits}]);
    let mut rows = Vec::new();
    for (transfers, full) in [(false, false), (true, true)] {
        let payload = json!({
            "blockStateCalls": blocks, "traceTransfers": transfers, "returnFullTransactions": full
        });
        rows.push(("eth_simulateV1", json!([payload, "latest"]), None));
        rows.push(("eth_simulateV1", json!([payload, "pending"]), None));
    }
    let fee = "0x3b9aca00";
    let strict = json!({"from": facts.sender, "to": facts.nobody, "maxFeePerGas": fee});
    let payload =
        json!({"blockStateCalls": [{"calls": [strict]}], "validation": true, "returnFullTransactions": true});
    rows.push(("eth_simulateV1", json!([payload]), None));
    rows
}

fn otterscan(facts: &Facts) -> Vec<Row> {
    let mut rows = vec![
        ("ots_getApiLevel", json!([]), None),
        ("ots_hasCode", json!([facts.contract, "latest"]), None),
        ("ots_hasCode", json!([facts.nobody, "0x0"]), None),
        ("ots_getInternalOperations", json!([facts.zero_hash]), None),
        ("ots_getTransactionError", json!([facts.zero_hash]), None),
        ("ots_traceTransaction", json!([facts.zero_hash]), None),
        ("ots_getBlockDetails", json!([facts.block_number]), None),
        ("ots_getBlockDetails", json!(["0xffffff"]), None),
        ("ots_getBlockDetailsByHash", json!([facts.block_hash]), None),
        (
            "ots_getBlockTransactions",
            json!([facts.block_number, 0, 25]),
            None,
        ),
        ("ots_getBlockTransactions", json!(["0xffffff", 0, 25]), None),
        ("ots_searchTransactionsBefore", json!([facts.sender, 0, 25]), None),
        ("ots_searchTransactionsBefore", json!([facts.nobody, 0, 25]), None),
        ("ots_searchTransactionsAfter", json!([facts.contract, 0, 1]), None),
        (
            "ots_getTransactionBySenderAndNonce",
            json!([facts.sender, 0]),
            None,
        ),
        (
            "ots_getTransactionBySenderAndNonce",
            json!([facts.nobody, 0]),
            None,
        ),
        ("ots_getContractCreator", json!([facts.contract]), None),
        ("ots_getContractCreator", json!([facts.nobody]), None),
    ];
    for hash in &facts.included {
        rows.push(("ots_getInternalOperations", json!([hash]), None));
        rows.push(("ots_getTransactionError", json!([hash]), None));
        rows.push(("ots_traceTransaction", json!([hash]), None));
    }
    rows
}
