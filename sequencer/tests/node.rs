//! A whole node on a simulated L1: what it refuses to start on, what it waits for, and that it builds and ends.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "support/chain.rs"]
mod chain;
#[path = "support/story.rs"]
mod story;
#[path = "support/whole_node.rs"]
mod whole_node;

use alloy::primitives::{Address, B256, Bytes};
use chain::{GENESIS_TIME, SimulatedL1, World, transfer};
use serde_json::{Value, json};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tributary_protocol::config::{L1ChainConfig, RollupConfig};
use tributary_sequencer::{
    clock::ManualClock,
    config::NodeConfig,
    health::Check,
    node::{Node, NodeError},
    store::{MemoryStore, StoreError},
};

fn story(story: impl Future<Output = ()>) {
    story::on_threads(30, story);
}

/// What one node needs; stories change a part before they start it.
struct Setup {
    config: NodeConfig,
    l1: Arc<SimulatedL1>,
    clock: ManualClock,
    store: MemoryStore,
    stop: CancellationToken,
}

impl Setup {
    fn new(sequencing: bool) -> Self {
        let l1 = Arc::new(SimulatedL1::new());
        Self {
            config: NodeConfig {
                sequencing,
                ..whole_node::config(&l1)
            },
            l1,
            clock: ManualClock::new(GENESIS_TIME),
            store: MemoryStore::default(),
            stop: CancellationToken::new(),
        }
    }

    fn change(mut self, change: impl FnOnce(&mut RollupConfig)) -> Self {
        change(&mut self.config.rollup);
        self
    }

    async fn start(&self) -> Result<Node, NodeError> {
        let parts = whole_node::parts(&self.l1, &self.clock, self.store.clone());
        Node::start(self.config.clone(), parts, self.stop.clone()).await
    }

    async fn refusal(&self) -> NodeError {
        match self.start().await {
            Err(error) => error,
            Ok(_) => panic!("it started"),
        }
    }
}

async fn stop(setup: &Setup, node: Node) {
    setup.stop.cancel();
    node.join().await.unwrap();
}

#[test]
fn a_sequencer_builds_with_the_clock_verifies_and_ends() {
    story(async {
        let setup = Setup::new(true);
        let node = setup.start().await.unwrap();
        let raw: Bytes = transfer(1, 0).encoded_bytes().clone();
        let hash = node.pool().unwrap().add_raw(&raw).unwrap();
        let mut tips = node.chain().subscribe_pending();
        tips.wait_for(|tip| tip.transactions == 2).await.unwrap();
        let mut heads = node.chain().subscribe();
        for second in 1..=5 {
            setup.clock.set(GENESIS_TIME + second);
            heads
                .wait_for(|heads| heads.unsafe_head.number.0 == second)
                .await
                .unwrap();
        }
        let (number, index) = node.chain().transaction(hash).unwrap().unwrap();
        assert_eq!((number.0, index), (1, 1));
        let mut verified = node.verified_head().unwrap().clone();
        verified
            .wait_for(|verified| verified.number.0 == 5)
            .await
            .unwrap();
        stop(&setup, node).await;
    });
}

#[test]
fn a_follower_builds_nothing() {
    story(async {
        let setup = Setup::new(false);
        let node = setup.start().await.unwrap();
        setup.clock.set(GENESIS_TIME + 10);
        let mut derivation = node.derivation().clone();
        derivation.wait_for(|status| status.is_caught_up).await.unwrap();
        assert_eq!(node.chain().heads().unsafe_head.number.0, 0);
        assert!(node.verified_head().is_none());
        stop(&setup, node).await;
    });
}

/// Requests of a client: status and body.
async fn ask(client: &reqwest::Client, node: &Node, method: &str, params: Value) -> (u16, Value) {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let url = format!("http://{}", node.http_address());
    let answer = client.post(url).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Readers want ten times what is served, for as long as it takes to build twenty blocks. Requests have a runtime of their own, and the
/// builder a thread, so every transaction that is sent meanwhile has its receipt and its block.
#[test]
fn f60_ten_times_the_reads_that_can_be_served_hold_up_neither_blocks_nor_receipts() {
    const BLOCKS: u64 = 20;
    story(async {
        let mut setup = Setup::new(true);
        let rpc = &mut setup.config.rpc;
        (rpc.heavy_max, rpc.heavy_waiting_max) = (1, 4);
        (rpc.call_gas_max, rpc.call_timeout) = (1 << 50, Duration::from_millis(20));
        let readers = 10 * (rpc.heavy_max + rpc.heavy_waiting_max);
        let node = Arc::new(setup.start().await.unwrap());
        let (answered, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut flood = JoinSet::new();
        for _ in 0..readers {
            let (node, answered, refused) = (node.clone(), answered.clone(), refused.clone());
            flood.spawn(async move {
                let client = reqwest::Client::new();
                let endless = json!({Address::ZERO.to_string(): {"code": "0x5b5f56"}});
                let call = json!([{"to": Address::ZERO}, "latest", endless]);
                loop {
                    let (status, answer) = ask(&client, &node, "eth_call", call.clone()).await;
                    match answer["error"]["code"].as_i64() {
                        Some(-32000) => answered.fetch_add(1, Ordering::Relaxed),
                        Some(-32005) if status == 429 => refused.fetch_add(1, Ordering::Relaxed),
                        other => panic!("{other:?}: {answer}"),
                    };
                }
            });
        }
        // It has begun when readers are being turned away.
        while refused.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let client = reqwest::Client::new();
        let mut heads = node.chain().subscribe();
        let (mut receipts, mut blocks) = (Vec::new(), Vec::new());
        for number in 1..=BLOCKS {
            let raw = transfer(1, number - 1).encoded_bytes().clone();
            let sent = Instant::now();
            let (_, answer) = ask(&client, &node, "eth_sendRawTransactionSync", json!([raw])).await;
            receipts.push(sent.elapsed());
            let receipt = &answer["result"];
            assert_eq!(receipt["status"], "0x1", "{answer}");
            assert_eq!(receipt["blockNumber"], json!(format!("{number:#x}")));
            let due = Instant::now();
            setup.clock.set(GENESIS_TIME + number);
            heads
                .wait_for(|heads| heads.unsafe_head.number.0 == number)
                .await
                .unwrap();
            blocks.push(due.elapsed());
        }
        let (answered, refused) = (answered.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
        assert!(
            !flood.is_empty() && flood.try_join_next().is_none(),
            "every reader is still at it"
        );
        assert!(answered > 0, "the flood is served as far as it goes");
        receipts.sort_unstable();
        blocks.sort_unstable();
        println!(
            "{readers} readers, {answered} answered, {refused} refused; receipts p50 {:?} worst {:?}; blocks p50 {:?} worst {:?}",
            receipts[receipts.len() / 2],
            receipts[receipts.len() - 1],
            blocks[blocks.len() / 2],
            blocks[blocks.len() - 1]
        );
        #[cfg(target_os = "linux")]
        for thread in ["rpc", "builder", "engine"] {
            let mut threads = std::fs::read_dir("/proc/self/task").unwrap();
            let is_there = threads.any(|task| {
                let name = std::fs::read_to_string(task.unwrap().path().join("comm"));
                name.is_ok_and(|name| name.trim() == thread)
            });
            assert!(is_there, "{thread} has a thread of its own");
        }
        flood.shutdown().await;
        stop(&setup, Arc::into_inner(node).unwrap()).await;
    });
}

#[test]
fn l1_on_another_chain_id_is_refused_naming_both() {
    story(async {
        let mut setup = Setup::new(true).change(|rollup| rollup.l1_chain_id = 1);
        setup.config.l1_chain = L1ChainConfig::preset(1).unwrap();
        let text = setup.refusal().await.to_string();
        assert_eq!(text, "L1 has chain id 900, rollup.json says 1");
    });
}

#[test]
fn l1_with_another_history_is_refused_naming_both() {
    story(async {
        let expected = B256::repeat_byte(5);
        let setup = Setup::new(true).change(|rollup| rollup.genesis.l1.hash = expected);
        let found = setup.l1.get(0).unwrap().hash();
        let text = setup.refusal().await.to_string();
        assert!(
            text.contains(&expected.to_string()) && text.contains(&found.to_string()),
            "{text}"
        );
    });
}

#[test]
fn a_genesis_of_another_chain_is_refused_naming_both() {
    story(async {
        let setup = Setup::new(true).change(|rollup| rollup.l2_chain_id = 77);
        let text = setup.refusal().await.to_string();
        assert!(text.contains("77") && text.contains("901"), "{text}");
    });
}

#[test]
fn an_l1_that_is_down_at_the_start_is_waited_for() {
    story(async {
        let setup = Setup::new(true);
        setup.l1.set_down(true);
        let node = setup.start().await.unwrap();
        setup.clock.set(GENESIS_TIME + 1);
        while !matches!(node.health().report(GENESIS_TIME).l1, Check::Failing(_)) {
            tokio::task::yield_now().await;
        }
        assert_eq!(node.chain().heads().unsafe_head.number.0, 0);
        setup.l1.set_down(false);
        let mut heads = node.chain().subscribe();
        heads
            .wait_for(|heads| heads.unsafe_head.number.0 == 1)
            .await
            .unwrap();
        assert!(node.health().report(GENESIS_TIME).halted.is_none());
        stop(&setup, node).await;
    });
}

#[test]
fn a_node_whose_store_fails_ends_and_says_so() {
    story(async {
        let setup = Setup::new(true);
        let node = setup.start().await.unwrap();
        setup.store.fail_after(0);
        setup.clock.set(GENESIS_TIME + 1);
        setup.stop.cancelled().await;
        let health = node.health().clone();
        let error = node.join().await.unwrap_err();
        assert!(error.to_string().contains("stopped"), "{error}");
        assert!(matches!(health.report(GENESIS_TIME).store, Check::Failing(_)));
    });
}

#[test]
fn a_store_of_another_chain_is_refused() {
    let setup = Setup::new(true);
    let other = World::on(Arc::new(setup.store.clone()));
    drop(other);
    story(async {
        let mut setup = Setup {
            store: setup.store.clone(),
            ..Setup::new(true)
        };
        let mut json = setup.config.genesis.take().unwrap().as_json().clone();
        json.timestamp += 1;
        let genesis = tributary_protocol::genesis::Genesis::new(json).unwrap();
        setup.config.rollup.genesis.l2_time += 1;
        setup.config.rollup.genesis.l2.hash = genesis.seal().hash;
        setup.config.genesis = Some(genesis);
        let error = setup.refusal().await;
        let NodeError::Engine(tributary_sequencer::engine::EngineError::Store(StoreError::OtherChain {
            ..
        })) = error
        else {
            panic!("{error}")
        };
    });
}
