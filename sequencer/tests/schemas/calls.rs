//! One or more calls of every method. A method's every shape of answer should be among them: found and not found, old and new types of
//! transaction, empty and full.

use crate::{node::Facts, tracing};
use serde_json::{Value, json};

/// One call and, where the Execution APIs have another idea of it, the schema its answer follows instead.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) params: Value,
    /// Name of a schema in `testdata/rpc-schemas.json`, with the reason there.
    pub(crate) schema: Option<&'static str>,
}

/// All calls, in an order in which they can be made.
pub(crate) fn calls(facts: &Facts) -> Vec<Call> {
    [
        state(facts),
        fees_and_execution(facts),
        transactions(facts),
        blocks(facts),
        filters(facts),
        small_namespaces(facts),
        debug(facts),
        rollup(facts),
    ]
    .concat()
    .into_iter()
    .map(|(method, params)| Call {
        method,
        schema: instead(method, &params, facts),
        params,
    })
    .chain(tracing::calls(facts))
    .collect()
}

/// Answers about what no block holds yet: geth leaves out, or sets to null, what only sealing decides.
fn instead(method: &str, params: &Value, facts: &Facts) -> Option<&'static str> {
    match method {
        "eth_getBlockByNumber" if params[0] == "pending" => Some("PendingBlock"),
        "eth_getTransactionByHash" if params[0] == facts.queued_hash => Some("PendingTransactionInfo"),
        _ => None,
    }
}

/// Stands for the subscription that was made last.
pub(crate) const SUBSCRIPTION: &str = "the subscription made last";

type Row = (&'static str, Value);

fn state(facts: &Facts) -> Vec<Row> {
    let (address, contract) = (&facts.sender, &facts.contract);
    vec![
        ("eth_chainId", json!([])),
        ("eth_blockNumber", json!([])),
        ("eth_syncing", json!([])),
        ("eth_accounts", json!([])),
        ("eth_getBalance", json!([address, "latest"])),
        (
            "eth_getBalance",
            json!([address, {"blockHash": facts.block_hash}]),
        ),
        ("eth_getCode", json!([contract, "latest"])),
        ("eth_getCode", json!([address, "pending"])),
        ("eth_getStorageAt", json!([contract, "0x0", "latest"])),
        ("eth_getTransactionCount", json!([address, "pending"])),
        ("eth_getProof", json!([contract, ["0x0", "0x1"], "latest"])),
        (
            "eth_getStorageValues",
            json!([{contract.to_string().trim_matches('"'): ["0x0", "0x1"]}, "latest"]),
        ),
        ("eth_getAccountInfo", json!([contract, "latest"])),
        ("eth_config", json!([])),
        ("eth_capabilities", json!([])),
        ("eth_getProof", json!([facts.nobody, [], "latest"])),
    ]
}

fn fees_and_execution(facts: &Facts) -> Vec<Row> {
    let call = json!({"from": facts.sender, "to": facts.contract, "input": facts.word});
    vec![
        ("eth_gasPrice", json!([])),
        ("eth_maxPriorityFeePerGas", json!([])),
        ("eth_baseFee", json!([])),
        ("eth_blobBaseFee", json!([])),
        ("eth_feeHistory", json!(["0x3", "latest", [10, 50.5, 100]])),
        ("eth_feeHistory", json!(["0x1", "0x1", []])),
        ("eth_fillTransaction", json!([call])),
        (
            "eth_fillTransaction",
            json!([{"from": facts.sender, "input": "0x00", "gasPrice": "0x3b9aca00"}]),
        ),
        ("eth_call", json!([call, "latest"])),
        ("eth_estimateGas", json!([call])),
        ("eth_createAccessList", json!([call, "latest"])),
    ]
}

fn transactions(facts: &Facts) -> Vec<Row> {
    let mut rows = vec![
        ("eth_sendRawTransaction", json!([facts.unsent[0]])),
        ("eth_sendRawTransactionSync", json!([facts.unsent[1]])),
        ("eth_getTransactionByHash", json!([facts.queued_hash])),
        ("eth_getTransactionByHash", json!([facts.zero_hash])),
        ("eth_getTransactionReceipt", json!([facts.zero_hash])),
        ("eth_getTransactionBySenderAndNonce", json!([facts.sender, "0x1"])),
        ("eth_getTransactionBySenderAndNonce", json!([facts.nobody, "0x1"])),
        ("eth_getRawTransactionByHash", json!([facts.included[1]])),
        (
            "eth_getRawTransactionByBlockHashAndIndex",
            json!([facts.block_hash, "0x0"]),
        ),
        (
            "eth_getRawTransactionByBlockNumberAndIndex",
            json!([facts.block_number, "0xff"]),
        ),
        ("eth_getBlockReceipts", json!([facts.block_hash])),
        ("eth_getBlockReceipts", json!(["0x0"])),
        ("eth_getBlockReceipts", json!(["0xffffff"])),
        (
            "eth_getTransactionByBlockHashAndIndex",
            json!([facts.block_hash, "0x0"]),
        ),
        (
            "eth_getTransactionByBlockNumberAndIndex",
            json!([facts.block_number, "0x1"]),
        ),
        (
            "eth_getTransactionByBlockNumberAndIndex",
            json!(["latest", "0xffff"]),
        ),
    ];
    for hash in &facts.included {
        rows.push(("eth_getTransactionByHash", json!([hash])));
        rows.push(("eth_getTransactionReceipt", json!([hash])));
    }
    rows
}

fn blocks(facts: &Facts) -> Vec<Row> {
    let mut rows = vec![
        ("eth_getBlockByNumber", json!(["pending", true])),
        ("eth_getBlockByNumber", json!(["0xffffff", false])),
        ("eth_getBlockByHash", json!([facts.block_hash, true])),
        ("eth_getBlockByHash", json!([facts.zero_hash, true])),
        ("eth_getHeaderByNumber", json!(["latest"])),
        ("erigon_getHeaderByNumber", json!(["latest"])),
        ("eth_getHeaderByHash", json!([facts.block_hash])),
        ("eth_getHeaderByHash", json!([facts.zero_hash])),
        ("eth_getBlockTransactionCountByNumber", json!(["latest"])),
        ("eth_getBlockTransactionCountByHash", json!([facts.block_hash])),
        ("eth_getBlockTransactionCountByHash", json!([facts.zero_hash])),
        ("eth_getUncleCountByBlockNumber", json!(["latest"])),
        ("eth_getUncleCountByBlockHash", json!([facts.block_hash])),
        ("eth_getUncleByBlockNumberAndIndex", json!(["latest", "0x0"])),
        (
            "eth_getUncleByBlockHashAndIndex",
            json!([facts.block_hash, "0x0"]),
        ),
    ];
    for tag in ["earliest", "latest", "safe", "finalized", "0x1"] {
        rows.push(("eth_getBlockByNumber", json!([tag, false])));
        rows.push(("eth_getBlockByNumber", json!([tag, true])));
    }
    rows
}

fn filters(facts: &Facts) -> Vec<Row> {
    vec![
        (
            "eth_getLogs",
            json!([{"fromBlock": "0x0", "toBlock": "latest", "address": facts.contract}]),
        ),
        (
            "eth_getLogs",
            json!([{"blockHash": facts.block_hash, "address": facts.nobody}]),
        ),
        ("eth_newFilter", json!([{"address": facts.contract}])),
        ("eth_newBlockFilter", json!([])),
        ("eth_newPendingTransactionFilter", json!([])),
        ("eth_subscribe", json!(["newFlashblocks"])),
        ("eth_subscribe", json!(["newHeads"])),
        ("eth_subscribe", json!(["logs", {"address": facts.contract}])),
        ("eth_subscribe", json!(["newPendingTransactions", true])),
        (
            "eth_subscribe",
            json!(["pendingLogs", {"address": facts.contract}]),
        ),
        ("eth_subscribe", json!(["syncing"])),
        ("eth_unsubscribe", json!([SUBSCRIPTION])),
        ("eth_getFilterChanges", json!([facts.log_filter])),
        ("eth_getFilterChanges", json!([facts.block_filter])),
        ("eth_getFilterLogs", json!([facts.log_filter])),
        ("eth_uninstallFilter", json!([facts.block_filter])),
    ]
}

fn small_namespaces(facts: &Facts) -> Vec<Row> {
    vec![
        ("net_version", json!([])),
        ("net_listening", json!([])),
        ("net_peerCount", json!([])),
        ("web3_clientVersion", json!([])),
        ("web3_sha3", json!(["0x68656c6c6f"])),
        ("rpc_modules", json!([])),
        ("txpool_status", json!([])),
        ("txpool_content", json!([])),
        ("txpool_contentFrom", json!([facts.queued_sender])),
        ("txpool_contentFrom", json!([facts.nobody])),
        ("txpool_inspect", json!([])),
    ]
}

fn debug(facts: &Facts) -> Vec<Row> {
    vec![
        ("debug_getRawBlock", json!([facts.block_number])),
        ("debug_getRawHeader", json!(["latest"])),
        ("debug_getRawReceipts", json!([facts.block_number])),
        ("debug_getRawTransaction", json!([facts.included[0]])),
        ("debug_getRawTransaction", json!([facts.queued_hash])),
    ]
}

fn rollup(facts: &Facts) -> Vec<Row> {
    vec![
        ("optimism_syncStatus", json!([])),
        ("optimism_rollupConfig", json!([])),
        ("optimism_outputAtBlock", json!([facts.block_number])),
        ("optimism_safeHeadAtL1Block", json!(["0x23"])),
        ("optimism_version", json!([])),
        ("rollup_orderProof", json!([facts.included[0]])),
        ("rollup_preconfirmation", json!([facts.included[1]])),
        ("rollup_preconfirmation", json!([facts.included[0]])),
        ("rollup_preconfirmation", json!([facts.zero_hash])),
        ("rollup_evidence", json!([])),
        ("rollup_evidence", json!(["0x1"])),
        ("rollup_blockSignature", json!(["latest"])),
        ("rollup_blockSignature", json!([facts.block_hash])),
        ("rollup_blockSignature", json!(["0x0"])),
        ("rollup_blockSignature", json!(["0xffffff"])),
    ]
}
