//! What an operator may ask of a running node: to stop building without losing anything that was answered, to start again on the head
//! both agree on, to derive anew; and that it is remembered.
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

use alloy::primitives::{B256, Bytes};
use chain::{GENESIS_TIME, SimulatedL1, transfer};
use op_alloy_consensus::OpTxEnvelope;
use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use tributary_derivation::driver::DriverSettings;
use tributary_protocol::block::L2BlockNumber;
use tributary_sequencer::{
    clock::ManualClock,
    config::{NodeConfig, NodeParts},
    journal::testing::MemoryDisk,
    node::Node,
    pool::PoolError,
    store::MemoryStore,
};

fn story(story: impl Future<Output = ()>) {
    story::on_threads(60, story);
}

/// What outlives a node.
struct Machine {
    l1: Arc<SimulatedL1>,
    clock: ManualClock,
    store: MemoryStore,
    disk: MemoryDisk,
    folder: tempfile::TempDir,
}

struct Life {
    node: Node,
    stop: CancellationToken,
}

impl Machine {
    fn new() -> Self {
        Self {
            l1: Arc::new(SimulatedL1::new()),
            clock: ManualClock::new(GENESIS_TIME),
            store: MemoryStore::default(),
            disk: MemoryDisk::default(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn state_file(&self) -> PathBuf {
        self.folder.path().join("admin-state.json")
    }

    async fn boot(&self, sequencing: bool, sequencer_stopped: bool) -> Life {
        let config = NodeConfig {
            sequencing,
            sequencer_stopped,
            admin_state: Some(self.state_file()),
            journal: tributary_sequencer::journal::Settings {
                free_bytes_min: 0,
                ..tributary_sequencer::journal::Settings::default()
            },
            derivation: DriverSettings {
                poll_interval: Duration::from_millis(10),
                ..DriverSettings::default()
            },
            ..whole_node::config(&self.l1)
        };
        let stop = CancellationToken::new();
        let parts = NodeParts {
            journal: Some(Box::new(self.disk.clone())),
            ..whole_node::parts(&self.l1, &self.clock, self.store.clone())
        };
        let node = Node::start(config, parts, stop.clone()).await.unwrap();
        Life { node, stop }
    }
}

impl Life {
    async fn end(self) {
        self.stop.cancel();
        self.node.join().await.unwrap();
    }

    fn head(&self) -> (u64, B256) {
        let head = self.node.chain().heads().unsafe_head;
        (head.number.0, head.hash)
    }

    async fn send(&self, sender: u8, nonce: u64) -> Result<B256, PoolError> {
        let raw: Bytes = transfer(sender, nonce).encoded_bytes().clone();
        self.node.pool().unwrap().submit(raw).await
    }

    async fn shown(&self, transactions: usize) {
        let mut tips = self.node.chain().subscribe_pending();
        tips.wait_for(|tip| tip.transactions == transactions)
            .await
            .unwrap();
    }

    async fn reaches(&self, number: u64) {
        let mut heads = self.node.chain().subscribe();
        heads
            .wait_for(|heads| heads.unsafe_head.number.0 >= number)
            .await
            .unwrap();
    }

    async fn holds(&self, transaction: B256) {
        let mut heads = self.node.chain().subscribe();
        while self.node.chain().transaction(transaction).unwrap().is_none() {
            heads.changed().await.unwrap();
        }
    }

    /// Hashes of the users' transactions of a block.
    fn users(&self, number: u64) -> Vec<B256> {
        let block = self.node.chain().block_by_number(L2BlockNumber(number)).unwrap();
        let transactions = &block.unwrap().block.body.transactions;
        transactions.iter().skip(1).map(OpTxEnvelope::tx_hash).collect()
    }
}

#[test]
fn a_stop_seals_what_was_answered_and_a_start_needs_that_head() {
    story(async {
        let machine = Machine::new();
        let life = machine.boot(true, false).await;
        let admin = life.node.admin().clone();
        assert!(admin.is_sequencing());
        let first = life.send(1, 0).await.unwrap();
        life.shown(2).await;
        // The block is open, and sealed only when its time has come.
        let stopping = tokio::spawn({
            let admin = admin.clone();
            async move { admin.stop_sequencer().await }
        });
        while admin.is_sequencing() {
            tokio::task::yield_now().await;
        }
        assert!(!stopping.is_finished());
        let refused = life.send(2, 0).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the sequencer is stopped and takes no transactions: admin_startSequencer starts it"
        );
        machine.clock.set(GENESIS_TIME + 1);
        let hash = stopping.await.unwrap().unwrap();
        assert_eq!(life.head(), (1, hash));
        assert_eq!(life.users(1), [first]);
        assert!(life.node.health().report(0).sequencer_stopped);
        // Time passes and nothing is built.
        machine.clock.set(GENESIS_TIME + 60);
        assert_eq!(
            admin.stop_sequencer().await.unwrap_err().to_string(),
            "sequencer not running"
        );
        assert_eq!(life.head().0, 1);
        let other = B256::repeat_byte(9);
        let refused = admin.start_sequencer(other).await.unwrap_err().to_string();
        assert_eq!(
            refused,
            format!("block hash does not match: head {hash}:1, received {other}")
        );
        assert!(!admin.is_sequencing());
        admin.start_sequencer(hash).await.unwrap();
        assert!(admin.is_sequencing());
        let again = admin.start_sequencer(hash).await.unwrap_err().to_string();
        assert_eq!(again, "sequencer already running");
        let second = life.send(2, 0).await.unwrap();
        machine.clock.set(GENESIS_TIME + 90);
        life.holds(second).await;
        life.end().await;
    });
}

#[test]
fn a_stopped_sequencer_stays_stopped_over_a_crash_and_keeps_what_waits() {
    story(async {
        let machine = Machine::new();
        let life = machine.boot(true, false).await;
        // A nonce too far: acknowledged, journaled, and in no block.
        let waiting = life.send(1, 1).await.unwrap();
        machine.clock.set(GENESIS_TIME + 1);
        life.reaches(1).await;
        let admin = life.node.admin();
        let time_passes = async {
            while admin.is_sequencing() {
                tokio::task::yield_now().await;
            }
            machine.clock.set(GENESIS_TIME + 10);
        };
        let (hash, ()) = tokio::join!(admin.stop_sequencer(), time_passes);
        let hash = hash.unwrap();
        life.end().await;
        machine.disk.power_up(|_| 0);

        // The flag says otherwise, and what was asked counts.
        let life = machine.boot(true, false).await;
        let admin = life.node.admin();
        assert!(!admin.is_sequencing());
        machine.clock.set(GENESIS_TIME + 30);
        let mut derivation = life.node.derivation().clone();
        derivation.wait_for(|status| status.is_caught_up).await.unwrap();
        assert_eq!(life.head().1, hash, "it builds nothing");
        assert!(life.send(2, 0).await.is_err());
        assert!(life.node.pool().unwrap().get(waiting).is_some());
        admin.start_sequencer(hash).await.unwrap();
        let below = life.send(1, 0).await.unwrap();
        machine.clock.set(GENESIS_TIME + 60);
        life.holds(waiting).await;
        let found: Vec<_> = (1..=life.head().0)
            .flat_map(|number| life.users(number))
            .collect();
        assert_eq!(found, [below, waiting]);
        life.end().await;
        let life = machine.boot(true, true).await;
        assert!(life.node.admin().is_sequencing(), "and so does a start");
        life.end().await;
    });
}

#[test]
fn the_flag_starts_it_stopped() {
    story(async {
        let machine = Machine::new();
        let life = machine.boot(true, true).await;
        machine.clock.set(GENESIS_TIME + 5);
        let mut derivation = life.node.derivation().clone();
        derivation.wait_for(|status| status.is_caught_up).await.unwrap();
        assert!(!life.node.admin().is_sequencing());
        let (number, hash) = life.head();
        assert_eq!(number, 0);
        life.node.admin().start_sequencer(hash).await.unwrap();
        life.reaches(5).await;
        life.end().await;
    });
}

#[test]
fn a_reset_starts_derivation_anew_and_leaves_the_chain() {
    story(async {
        let machine = Machine::new();
        let life = machine.boot(true, false).await;
        machine.clock.set(GENESIS_TIME + 3);
        life.reaches(3).await;
        let admin = life.node.admin();
        let resets = || life.node.derivation().borrow().resets;
        for expected in 1..=3 {
            admin.reset_derivation_pipeline().await.unwrap();
            assert_eq!(resets(), expected);
        }
        let mut derivation = life.node.derivation().clone();
        derivation.wait_for(|status| status.is_caught_up).await.unwrap();
        assert!(life.head().0 >= 3 && life.node.health().halted().is_none());
        life.end().await;
    });
}

#[test]
fn a_follower_and_a_halted_node_say_so() {
    story(async {
        let machine = Machine::new();
        let life = machine.boot(false, false).await;
        let admin = life.node.admin();
        assert!(!admin.is_sequencing() && !admin.is_conductor_enabled());
        let told = [
            admin.stop_sequencer().await.unwrap_err().to_string(),
            admin.start_sequencer(B256::ZERO).await.unwrap_err().to_string(),
            admin.override_leader().unwrap_err().to_string(),
        ];
        assert_eq!(told, ["sequencer is not enabled"; 3]);
        admin.reset_derivation_pipeline().await.unwrap();
        life.node.health().halt("a reason".to_owned());
        let refused = admin.reset_derivation_pipeline().await.unwrap_err().to_string();
        assert_eq!(refused, "the node has halted and needs a restart: a reason");
        life.end().await;

        let life = machine.boot(true, true).await;
        life.node.admin().override_leader().unwrap();
        life.node.health().halt("a reason".to_owned());
        let refused = life
            .node
            .admin()
            .start_sequencer(life.head().1)
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("halted"), "{refused}");
        life.end().await;
    });
}
