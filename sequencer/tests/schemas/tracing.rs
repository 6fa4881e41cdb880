//! Calls of the methods that trace, with every tracer.

use crate::{calls::Call, node::Facts};
use serde_json::{Value, json};

type Row = (&'static str, Value, Option<&'static str>);

pub(crate) fn calls(facts: &Facts) -> Vec<Call> {
    let rows = [debug(facts), parity(facts)].concat();
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
