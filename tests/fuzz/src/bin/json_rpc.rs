//! JSON-RPC bodies to the node: each gets the answer that JSON-RPC 2.0 asks for, within the limits, and no read changes the chain.
#![no_main]

use alloy_primitives::Bytes;
use serde_json::{Value, json};
use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};
use tributary_derivation::{
    epoch::Epoch,
    fork_choice::Heads,
    testing::{TestNet, TestNetOptions},
};
use tributary_fuzz::{
    seeds::{Seeds, add},
    target,
};
use tributary_sequencer::{
    engine::{Engine, StoreSettings},
    health::Health,
    pool::{Pool, PoolLimits},
    rpc::{NodeStatus, Rpc, RpcSettings, TransactionTarget},
    store::MemoryStore,
};

target!(run, seeds);

struct Node {
    runtime: Runtime,
    engine: Engine,
    rpc: Rpc,
    settings: RpcSettings,
}

static NODE: LazyLock<Node> = LazyLock::new(start);

/// A node with a block that holds a transaction.
fn start() -> Node {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut net = TestNet::new(TestNetOptions::default());
    let engine = Engine::start(
        Arc::new(MemoryStore::default()),
        net.config.clone(),
        &net.genesis,
        StoreSettings::default(),
    )
    .expect("an empty store");
    let transfer = net.transfer(0, 5);
    runtime.block_on(apply(&net, &engine, transfer));
    let chain = engine.chain().clone();
    // Nothing is built here, so a wait for inclusion can only end in a timeout.
    let settings = RpcSettings {
        sync_timeout: Duration::ZERO,
        sync_timeout_max: Duration::ZERO,
        ..RpcSettings::default()
    };
    let _guard = runtime.enter();
    let pool = Pool::new(chain.clone(), PoolLimits::default());
    let rpc = Rpc::new(
        chain.clone(),
        TransactionTarget::Pool(pool),
        Health::new(chain),
        Arc::new(NodeStatus::default),
        Arc::new(String::new),
        settings.clone(),
    );
    drop(_guard);
    Node {
        runtime,
        engine,
        rpc,
        settings,
    }
}

async fn apply(net: &TestNet, engine: &Engine, transaction: Bytes) {
    let parent = engine.chain().heads().unsafe_head;
    let epoch = Epoch::of(&net.l1.head_block(), &net.config).expect("there are no deposits");
    let system_config = net.config.genesis.system_config;
    let mut attributes = epoch.attributes(&net.config, &net.l1_config, &parent, &system_config);
    attributes.transactions.push(transaction);
    engine
        .apply(attributes, parent)
        .await
        .expect("the block is valid");
}

fn run(data: &[u8]) {
    let before: Heads = NODE.engine.chain().heads();
    let answer = NODE.runtime.block_on(NODE.rpc.handle(data));
    assert_eq!(NODE.engine.chain().heads(), before, "reading changes nothing");
    let Some(answer) = answer else { return };
    let answer: Value = serde_json::from_str(&answer).expect("an answer is JSON");
    match &answer {
        Value::Array(answers) => {
            assert!((1..=NODE.settings.batch_items_max).contains(&answers.len()));
            answers.iter().for_each(check);
        }
        one => check(one),
    }
}

fn check(answer: &Value) {
    assert_eq!(answer["jsonrpc"], json!("2.0"));
    assert!(answer.get("id").is_some());
    assert!(
        answer.get("result").is_some() != answer.get("error").is_some(),
        "a result or an error: {answer}"
    );
    if let Some(error) = answer.get("error") {
        assert!(error["message"].is_string());
        let code = error["code"].as_i64().expect("a code");
        assert_ne!(code, -32603, "an internal error: {answer}");
    }
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let who = "0x4200000000000000000000000000000000000015";
    let call = json!({ "to": who, "data": "0x8381f58a", "gas": "0x20000" });
    let raw = "0x02f86a8203850180018252089400000000000000000000000000000000000000aa0180c080a00101010101010101010101010101010101010101010101010101010101010101a00202020202020202020202020202020202020202020202020202020202020202";
    let requests = [
        (
            "chain-id",
            json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" }),
        ),
        (
            "block",
            json!({ "jsonrpc": "2.0", "id": "a", "method": "eth_getBlockByNumber", "params": ["latest", true] }),
        ),
        (
            "receipts",
            json!({ "jsonrpc": "2.0", "id": 2, "method": "eth_getBlockReceipts", "params": ["0x1"] }),
        ),
        (
            "balance",
            json!({ "jsonrpc": "2.0", "id": 3, "method": "eth_getBalance", "params": [who, { "blockNumber": "0x0" }] }),
        ),
        (
            "call",
            json!({ "jsonrpc": "2.0", "id": 4, "method": "eth_call", "params": [call, "latest", { who: { "balance": "0x1" } }] }),
        ),
        (
            "estimate",
            json!({ "jsonrpc": "2.0", "id": 5, "method": "eth_estimateGas", "params": [call] }),
        ),
        (
            "logs",
            json!({ "jsonrpc": "2.0", "id": 6, "method": "eth_getLogs", "params": [{ "fromBlock": "0x0", "toBlock": "latest", "topics": [null] }] }),
        ),
        (
            "proof",
            json!({ "jsonrpc": "2.0", "id": 7, "method": "eth_getProof", "params": [who, ["0x0"], "latest"] }),
        ),
        (
            "fees",
            json!({ "jsonrpc": "2.0", "id": 8, "method": "eth_feeHistory", "params": ["0x2", "latest", [10, 50.5]] }),
        ),
        (
            "send",
            json!({ "jsonrpc": "2.0", "id": 9, "method": "eth_sendRawTransaction", "params": [raw] }),
        ),
        (
            "output",
            json!({ "jsonrpc": "2.0", "id": 10, "method": "optimism_outputAtBlock", "params": ["0x1"] }),
        ),
        (
            "sync-status",
            json!({ "jsonrpc": "2.0", "id": 11, "method": "optimism_syncStatus", "params": [] }),
        ),
        (
            "filter",
            json!({ "jsonrpc": "2.0", "id": 12, "method": "eth_newFilter", "params": [{}] }),
        ),
        (
            "changes",
            json!({ "jsonrpc": "2.0", "id": 13, "method": "eth_getFilterChanges", "params": ["0x1"] }),
        ),
        (
            "raw-block",
            json!({ "jsonrpc": "2.0", "id": 14, "method": "debug_getRawBlock", "params": ["0x1"] }),
        ),
        (
            "notification",
            json!({ "jsonrpc": "2.0", "method": "eth_blockNumber" }),
        ),
        (
            "batch",
            json!([{ "jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber" }, 1, {}]),
        ),
    ];
    for (name, request) in requests {
        let body = request.to_string();
        seeds.push((name.to_owned(), body.into()));
    }
    add(
        &mut seeds,
        "version",
        br#"{"jsonrpc":"2.0","id":1,"method":"web3_clientVersion"}"#,
    );
    seeds
}
