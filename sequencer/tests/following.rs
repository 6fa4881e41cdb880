//! Derivation into a real store: a chain built elsewhere and posted to a simulated L1 comes out block for block, through restarts,
//! L1 reorgs and unsafe blocks that turn out to be others.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "support/story.rs"]
mod story;

use alloy::primitives::Bytes;
use std::{future::Future, ops::RangeInclusive, path::Path, sync::Arc};
use tokio_util::sync::CancellationToken;
use tributary_derivation::{
    driver::{Driver, DriverSettings, memory::MinedTransaction},
    testing::{BatchKind, TestNet, TestNetOptions, channel_with, frames},
};
use tributary_protocol::block::{L1BlockNumber, L2BlockNumber, L2BlockRef};
use tributary_sequencer::{
    engine::{Engine, StoreSettings},
    store::{FjallStore, MemoryStore, Store, StoreError},
};

fn story(story: impl Future<Output = ()>) {
    story::on_one_thread(30, story);
}

/// Both chains and the layer between them.
struct World {
    net: TestNet,
}

impl World {
    fn new(is_jovian: bool) -> Self {
        let options = TestNetOptions {
            is_jovian,
            ..TestNetOptions::default()
        };
        Self {
            net: TestNet::new(options),
        }
    }

    /// Builds `count` blocks with a transfer each, on an L1 that grows with them.
    fn build(&mut self, count: u64) {
        for _ in 0..count {
            let transfer = self.net.transfer(0, 1);
            let block = self.net.build_block(vec![transfer]);
            if block.number.0.is_multiple_of(2) {
                self.net.l1.mine_empty(1);
            }
        }
    }

    /// Posts blocks as a commitment to a payload on the layer, and mines it.
    async fn post(&mut self, range: RangeInclusive<u64>, kind: BatchKind) {
        let id = u8::try_from(*range.end()).unwrap();
        let channel = self.net.channel(range, kind);
        let (transaction, _) = self.net.post_commitment(&frames(id, &channel, 1_000)).await;
        self.net.l1.mine(vec![MinedTransaction::from(transaction)]);
    }

    fn engine(&self, store: Arc<dyn Store>) -> Engine {
        Engine::start(
            store,
            self.net.config.clone(),
            &self.net.genesis,
            StoreSettings::default(),
        )
        .unwrap()
    }

    /// Derives until L1 has nothing more.
    async fn derive(&self, engine: &Engine) {
        let driver = Driver::new(
            self.net.config.clone(),
            self.net.l1_config.clone(),
            Arc::new(self.net.l1.clone()),
            self.net.da.clone(),
            Arc::new(engine.clone()),
            DriverSettings::default(),
        );
        let mut status = driver.status();
        let stop = CancellationToken::new();
        let reached = async {
            status
                .wait_for(|status| status.is_caught_up || status.halted.is_some())
                .await
                .unwrap();
            stop.cancel();
        };
        let (result, ()) = tokio::join!(driver.run(stop.clone()), reached);
        result.unwrap();
    }

    /// The sequencer's blocks up to `number`.
    fn blocks(&self, number: u64) -> Vec<L2BlockRef> {
        self.net.sequencer.chain()[..=usize::try_from(number).unwrap()].to_vec()
    }
}

/// Every canonical block the engine holds up to its safe head.
fn safe_chain(engine: &Engine) -> Vec<L2BlockRef> {
    let safe = engine.chain().heads().safe_head.number.0;
    (0..=safe)
        .map(|number| engine.chain().block_ref(L2BlockNumber(number)).unwrap().unwrap())
        .collect()
}

#[test]
fn what_was_posted_is_derived_block_for_block_in_both_profiles() {
    for is_jovian in [true, false] {
        story(async {
            let mut world = World::new(is_jovian);
            world.build(12);
            world.post(1..=5, BatchKind::Span).await;
            world.post(6..=12, BatchKind::Singular).await;
            let engine = world.engine(Arc::new(MemoryStore::default()));
            world.derive(&engine).await;
            assert_eq!(safe_chain(&engine), world.blocks(12));
            let state = engine.chain().state_at(L2BlockNumber(12)).unwrap();
            let sender = tributary_derivation::testing::user(0).address();
            assert_eq!(state.account(sender).unwrap().unwrap().nonce, 12);
        });
    }
}

#[test]
fn a_follower_that_restarts_goes_on_deriving() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(true);
    story(async {
        world.build(6);
        world.post(1..=6, BatchKind::Span).await;
        let engine = world.engine(open_free(folder.path()));
        world.derive(&engine).await;
        assert_eq!(safe_chain(&engine), world.blocks(6));
    });
    story(async {
        let engine = world.engine(open_free(folder.path()));
        assert_eq!(
            safe_chain(&engine),
            world.blocks(6),
            "nothing is lost by the restart"
        );
        world.build(6);
        world.post(7..=12, BatchKind::Span).await;
        world.derive(&engine).await;
        assert_eq!(safe_chain(&engine), world.blocks(12));
    });
}

#[test]
fn unsafe_blocks_that_were_posted_as_they_are_stay_and_others_go() {
    story(async {
        let mut world = World::new(true);
        world.build(6);
        world.post(1..=6, BatchKind::Span).await;
        let posted = world.engine(Arc::new(MemoryStore::default()));
        world.derive(&posted).await;

        // Another node holds blocks 1 to 3 as they are, and 4 with other contents.
        let engine = world.engine(Arc::new(MemoryStore::default()));
        for number in 1..=4 {
            let block = posted
                .chain()
                .block_by_number(L2BlockNumber(number))
                .unwrap()
                .unwrap();
            let mut attributes =
                tributary_protocol::execute::attributes_of(&world.net.config, &block.block).unwrap();
            if number == 4 {
                attributes.transactions.truncate(1);
            }
            let parent = engine.chain().heads().unsafe_head;
            engine.apply(attributes, parent).await.unwrap();
        }
        let mut abandoned = engine.chain().subscribe_abandoned();
        let ours = engine.chain().heads().unsafe_head;
        world.derive(&engine).await;
        assert_eq!(safe_chain(&engine), world.blocks(6));
        let given_back = abandoned.try_recv().unwrap();
        assert_eq!(given_back.len(), 1);
        assert_eq!(given_back[0].reference, ours);
        assert!(abandoned.try_recv().is_err(), "blocks 1 to 3 were kept");
    });
}

#[test]
fn an_l1_reorg_takes_back_what_only_the_old_l1_said() {
    story(async {
        let mut world = World::new(true);
        world.build(4);
        world.post(1..=4, BatchKind::Span).await;
        let fork = world.net.l1.head_block().number();
        let engine = world.engine(Arc::new(MemoryStore::default()));
        world.build(4);
        world.post(5..=8, BatchKind::Span).await;
        world.derive(&engine).await;
        assert_eq!(safe_chain(&engine), world.blocks(8));

        world.net.l1.reorg_to(fork);
        world.net.l1.mine_empty(3);
        world.derive(&engine).await;
        let safe = engine.chain().heads().safe_head;
        assert_eq!(
            safe_chain(&engine),
            world.blocks(4),
            "the second channel is not on this L1"
        );
        let at = engine
            .chain()
            .safe_head_at(L1BlockNumber(u64::MAX))
            .unwrap()
            .unwrap();
        assert_eq!(at.safe_head, safe);
    });
}

#[test]
fn a_layer_that_is_down_stalls_and_loses_nothing() {
    story(async {
        let mut world = World::new(true);
        world.build(4);
        world.post(1..=4, BatchKind::Span).await;
        world.net.da.fail_gets(2);
        let engine = world.engine(Arc::new(MemoryStore::default()));
        world.derive(&engine).await;
        assert_eq!(safe_chain(&engine), world.blocks(4));
    });
}

/// A batch with a transaction that cannot execute, and what takes its place, come again when the L1 block they are from is read again.
#[test]
fn a_follower_restarts_on_a_block_of_deposits_that_took_the_place_of_an_invalid_one() {
    story(async {
        let mut world = World::new(true);
        world.build(4);
        let mut batches: Vec<_> = (1..=4).map(|number| world.net.batch(number)).collect();
        let first = batches[2].transactions[0].clone();
        batches[2].transactions.push(first);
        let channel = channel_with(&world.net.batches_of(&batches, BatchKind::Singular));
        let transaction = world.net.post_calldata(&frames(1, &channel, 1_000));
        world.net.l1.mine(vec![transaction.into()]);
        let store = Arc::new(MemoryStore::default());
        let engine = world.engine(store.clone());
        world.derive(&engine).await;
        let derived = safe_chain(&engine);
        assert_eq!((derived.len(), &derived[..3]), (4, &world.blocks(2)[..]));

        let engine = world.engine(store);
        world.derive(&engine).await;
        assert_eq!(safe_chain(&engine), derived);
    });
}

/// Opens a folder whose last owner is about to let go of it: the engine's thread ends a moment after its last handle.
fn open_free(folder: &Path) -> Arc<dyn Store> {
    loop {
        match FjallStore::open(folder) {
            Ok(store) => return Arc::new(store),
            Err(StoreError::Locked { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn rubbish_in_the_inbox_changes_nothing() {
    story(async {
        let mut world = World::new(true);
        world.build(4);
        let rubbish = world.net.batcher_transaction(Bytes::from_static(&[0, 1, 2, 3]));
        world.net.l1.mine(vec![MinedTransaction::from(rubbish)]);
        world.post(1..=4, BatchKind::Span).await;
        let engine = world.engine(Arc::new(MemoryStore::default()));
        world.derive(&engine).await;
        assert_eq!(safe_chain(&engine), world.blocks(4));
    });
}
