//! A follower that listens to its sequencer: real nodes on one simulated L1, over real sockets.
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

use alloy::primitives::{Address, B256};
use chain::{GENESIS_TIME, SimulatedL1, World, key, transfer};
use core::{future::Future, time::Duration};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, LazyLock},
};
use tokio_util::sync::CancellationToken;
use tributary_protocol::{
    block::L2BlockNumber,
    execute::attributes_of,
    preconfirmation::{Conflict, Evidence},
};
use tributary_sequencer::{
    clock::ManualClock, config::NodeConfig, engine::EngineError, node::Node, preconfirmation::Signing,
    store::MemoryStore,
};

/// One recorder for all tests of this process; each looks at a counter of its own.
static METRICS: LazyLock<PrometheusHandle> =
    LazyLock::new(|| PrometheusBuilder::new().install_recorder().unwrap());

fn story(story: impl Future<Output = ()>) {
    LazyLock::force(&METRICS);
    story::on_threads(100, story);
}

struct Network {
    l1: Arc<SimulatedL1>,
    clock: ManualClock,
}

struct Running {
    node: Node,
    stop: CancellationToken,
}

impl Running {
    async fn end(self) -> SocketAddr {
        let address = self.node.http_address();
        self.stop.cancel();
        self.node.join().await.unwrap();
        address
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let url = format!("http://{}", self.node.http_address());
        let request = reqwest::Client::new().post(url).json(&body);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["result"].clone()
    }

    /// Waits until the unsafe head is this block.
    async fn reaches(&self, hash: B256) {
        let mut heads = self.node.chain().subscribe();
        heads
            .wait_for(|heads| heads.unsafe_head.hash == hash)
            .await
            .unwrap();
    }
}

impl Network {
    fn new() -> Self {
        let l1 = SimulatedL1::new();
        l1.set_unsafe_block_signer(key(200).address());
        Self {
            l1: Arc::new(l1),
            clock: ManualClock::new(GENESIS_TIME),
        }
    }

    async fn start(&self, data_dir: &Path, change: impl FnOnce(&mut NodeConfig)) -> Running {
        let mut config = NodeConfig {
            data_dir: data_dir.into(),
            ..whole_node::config(&self.l1)
        };
        change(&mut config);
        let stop = CancellationToken::new();
        let parts = whole_node::parts(&self.l1, &self.clock, MemoryStore::default());
        let node = Node::start(config, parts, stop.clone()).await.unwrap();
        Running { node, stop }
    }

    /// A sequencer that signs with key `seed`.
    async fn sequencer(&self, seed: u8, epoch: u64, address: Option<SocketAddr>) -> Running {
        self.start(Path::new("unused"), |config| {
            config.sequencing = true;
            config.signing = Signing::new(&key(seed).to_bytes(), epoch);
            config.http_addr = address.unwrap_or(config.http_addr);
        })
        .await
    }

    async fn follower(&self, data_dir: &Path, sequencer: &Running) -> Running {
        let url = format!("http://{}", sequencer.node.http_address());
        self.start(data_dir, |config| config.sequencer_rpc = Some(url))
            .await
    }

    /// Lets the sequencer seal the next block with a transfer by key `seed`; its hash.
    async fn build(&self, sequencer: &Running, seed: u8, nonce: u64) -> B256 {
        let pool = sequencer.node.pool().unwrap();
        pool.submit(transfer(seed, nonce).encoded_bytes().clone())
            .await
            .unwrap();
        let number = sequencer.node.chain().heads().unsafe_head.number.0 + 1;
        let mut tips = sequencer.node.chain().subscribe_pending();
        self.clock.set(GENESIS_TIME + number - 1);
        tips.wait_for(|tip| tip.number.0 == number && tip.transactions == 2)
            .await
            .unwrap();
        self.clock.set(GENESIS_TIME + number);
        let mut heads = sequencer.node.chain().subscribe();
        let built = heads.wait_for(|heads| heads.unsafe_head.number.0 >= number).await;
        built.unwrap().unsafe_head.hash
    }
}

async fn counted(label: &str) {
    while !METRICS.render().contains(label) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn head(node: &Running) -> u64 {
    node.node.chain().heads().unsafe_head.number.0
}

#[test]
fn a_follower_has_the_sequencers_blocks_before_l1_does() {
    story(async {
        let network = Network::new();
        let sequencer = network.sequencer(200, 1, None).await;
        let before = network.build(&sequencer, 1, 0).await;
        let data = tempfile::tempdir().unwrap();
        let follower = network.follower(data.path(), &sequencer).await;
        let mut last = before;
        for nonce in 1..4 {
            last = network.build(&sequencer, 1, nonce).await;
        }
        follower.reaches(last).await;
        let heads = follower.node.chain().heads();
        assert_eq!((heads.unsafe_head.number.0, heads.safe_head.number.0), (4, 0));
        let hash = transfer(1, 2).1.inner().tx_hash();
        assert_eq!(
            follower.ask("eth_getTransactionReceipt", json!([hash])).await,
            sequencer.ask("eth_getTransactionReceipt", json!([hash])).await
        );
        assert!(data.path().join("seen-epoch").exists());
        assert_eq!(follower.ask("rollup_evidence", json!([])).await, json!([]));
        follower.end().await;
        sequencer.end().await;
    });
}

#[test]
fn a_stranger_is_not_believed_until_l1_names_it() {
    story(async {
        let network = Network::new();
        let sequencer = network.sequencer(201, 1, None).await;
        let data = tempfile::tempdir().unwrap();
        let follower = network.follower(data.path(), &sequencer).await;
        let first = network.build(&sequencer, 1, 0).await;
        counted("unsafe_feed_refused_total{reason=\"wrong_signer\"}").await;
        assert_eq!(head(&follower), 0);
        network.l1.set_unsafe_block_signer(key(201).address());
        follower.reaches(first).await;
        follower.end().await;
        sequencer.end().await;
    });
}

#[test]
fn an_epoch_that_is_over_is_refused_even_after_a_restart() {
    story(async {
        let network = Network::new();
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("seen-epoch"), "9\n").unwrap();
        let old = network.sequencer(200, 8, None).await;
        let follower = network.follower(data.path(), &old).await;
        network.build(&old, 1, 0).await;
        counted("unsafe_feed_refused_total{reason=\"stale_epoch\"}").await;
        assert_eq!(head(&follower), 0);
        let address = old.end().await;
        network.clock.set(GENESIS_TIME);
        let new = network.sequencer(200, 10, Some(address)).await;
        let hash = network.build(&new, 1, 0).await;
        follower.reaches(hash).await;
        let seen = std::fs::read_to_string(data.path().join("seen-epoch")).unwrap();
        assert_eq!(seen.trim(), "10");
        follower.end().await;
        new.end().await;
    });
}

#[test]
fn f40_two_blocks_at_one_height_are_kept_as_evidence_and_published() {
    story(async {
        let network = Network::new();
        let data = tempfile::tempdir().unwrap();
        let one = network.sequencer(200, 1, None).await;
        let follower = network.follower(data.path(), &one).await;
        let first = network.build(&one, 1, 0).await;
        follower.reaches(first).await;
        let address = one.end().await;
        // The same key, the same height, other contents.
        network.clock.set(GENESIS_TIME);
        let other = network.sequencer(200, 1, Some(address)).await;
        let second = network.build(&other, 2, 0).await;
        assert_ne!(first, second);
        follower.reaches(second).await;

        let published = follower.ask("rollup_evidence", json!([])).await;
        let found = published.as_array().unwrap();
        assert!(!found.is_empty(), "{published}");
        let mut at_one_height = false;
        for piece in found {
            let evidence: Evidence = serde_json::from_value(piece["evidence"].clone()).unwrap();
            let verdict = evidence.verify().unwrap();
            // The open block on top contradicts itself too: it stands on two parents.
            assert!((1..=2).contains(&verdict.number.0), "{verdict:?}");
            assert_eq!(verdict.signers, [key(200).address(); 2]);
            assert_eq!(json!(verdict), piece["verdict"]);
            at_one_height |= verdict.number == L2BlockNumber(1)
                && matches!(
                    verdict.conflict,
                    Conflict::TwoBlocks { .. } | Conflict::TwoOrders { .. }
                );
        }
        assert!(at_one_height, "{published}");
        let files: Vec<_> = std::fs::read_dir(data.path().join("evidence")).unwrap().collect();
        assert_eq!(files.len(), found.len());
        counted("preconfirmation_equivocations_total").await;
        follower.end().await;

        // It is there after a restart, and does not depend on the sequencer.
        let again = network.follower(data.path(), &other).await;
        assert_eq!(again.ask("rollup_evidence", json!([])).await, published);
        again.end().await;
        other.end().await;
    });
}

#[test]
fn a_block_that_does_not_execute_to_what_was_signed_changes_nothing() {
    story(async {
        let (ours, theirs) = (World::new(), World::new());
        theirs.poll_l1().await;
        theirs.list.push(transfer(1, 0));
        theirs.clock.set(GENESIS_TIME + 1);
        theirs.builder(0).step().await.unwrap();
        let head = theirs.head();
        let block = theirs.chain().block_by_hash(head.hash).unwrap().unwrap();
        let attributes = attributes_of(&theirs.config, &block.block).unwrap();
        let import = |parent, hash| ours.engine.import_unsafe(attributes.clone(), parent, hash);
        let wrong = import(head.parent_hash, B256::repeat_byte(1)).await.unwrap_err();
        assert!(
            matches!(wrong, EngineError::OtherHash { executed, .. } if executed == head.hash),
            "{wrong}"
        );
        let nowhere = import(B256::repeat_byte(2), head.hash).await.unwrap_err();
        assert!(matches!(nowhere, EngineError::UnknownParent { .. }), "{nowhere}");
        assert!(wrong.is_refusal() && nowhere.is_refusal());
        assert_eq!(ours.head().number.0, 0);
        assert_eq!(import(head.parent_hash, head.hash).await.unwrap().hash, head.hash);
        assert_eq!(
            import(head.parent_hash, head.hash).await.unwrap().hash,
            head.hash,
            "twice"
        );
        assert_eq!(ours.head(), head);
        let safe = ours.chain().block_ref(L2BlockNumber(1)).unwrap().unwrap();
        ours.engine.set_safe(safe, safe.l1_origin).await.unwrap();
        let below = import(head.parent_hash, B256::repeat_byte(1)).await.unwrap_err();
        assert!(matches!(below, EngineError::BelowSafe { .. }), "{below}");
    });
}

/// What L1 answers when asked who signs.
#[test]
fn nobody_is_believed_while_l1_names_nobody() {
    story(async {
        let network = Network::new();
        network.l1.set_unsafe_block_signer(Address::ZERO);
        let sequencer = network.sequencer(202, 1, None).await;
        let data = tempfile::tempdir().unwrap();
        let follower = network.follower(data.path(), &sequencer).await;
        network.build(&sequencer, 1, 0).await;
        counted("unsafe_feed_refused_total{reason=\"wrong_signer\"}").await;
        assert_eq!(head(&follower), 0);
        follower.end().await;
        sequencer.end().await;
    });
}
