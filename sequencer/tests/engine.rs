//! Derivation and the builder meet in the engine: equal blocks stay, others are replaced, and nothing is lost on the way.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "support/chain.rs"]
mod chain;
#[path = "support/gate.rs"]
mod gate;
#[path = "support/story.rs"]
mod story;

use alloy::{eips::eip2718::Encodable2718, primitives::Bytes};
use chain::{World, transfer};
use gate::GatedStore;
use std::{future::Future, path::Path, pin::pin, sync::Arc};
use tributary_derivation::driver::{ApplyError, Engine as _, EngineError as DerivationError};
use tributary_protocol::{
    attributes::BlockAttributes,
    block::{L1BlockId, L1BlockNumber, L2BlockNumber, L2BlockRef},
};
use tributary_sequencer::{
    engine::{EngineError, StoreSettings},
    store::{FjallStore, MemoryStore, SafeDerivation, Store, StoreError, Table},
};

fn story(story: impl Future<Output = ()>) {
    story::on_one_thread(20, story);
}

/// Builds `count` blocks, each with one transfer.
async fn grow(world: &World, count: u64) -> Vec<L2BlockRef> {
    world.poll_l1().await;
    let mut blocks = vec![world.head()];
    for _ in 0..count {
        world.list.push(transfer(1, world.head().number.0));
        world.clock.set(world.head().timestamp + 1);
        world.builder(0).step().await.unwrap();
        blocks.push(world.head());
    }
    blocks
}

/// What derivation would derive for our own block `number`.
fn attributes_of(world: &World, number: u64) -> BlockAttributes {
    let block = world
        .chain()
        .block_by_number(L2BlockNumber(number))
        .unwrap()
        .unwrap();
    let parent = world
        .chain()
        .block_ref(L2BlockNumber(number - 1))
        .unwrap()
        .unwrap();
    let epoch = world.view.epoch(block.reference.l1_origin).unwrap();
    let mut attributes = epoch.attributes(
        &world.config,
        &world.l1_config,
        &parent,
        &world.config.genesis.system_config,
    );
    attributes.transactions = block
        .block
        .body
        .transactions
        .iter()
        .map(|transaction| Bytes::from(transaction.encoded_2718()))
        .collect();
    attributes
}

#[test]
fn equal_inputs_consolidate() {
    story(async {
        let world = World::new();
        let blocks = grow(&world, 3).await;
        for number in 1..=3 {
            let attributes = attributes_of(&world, number);
            let parent = blocks[usize::try_from(number - 1).unwrap()];
            let applied = world.engine.apply(attributes, parent).await.unwrap();
            assert!(applied.consolidated);
            assert_eq!(applied.block, blocks[usize::try_from(number).unwrap()]);
        }
        assert_eq!(world.head(), blocks[3]);
    });
}

#[test]
fn a_block_with_other_inputs_is_replaced_and_its_transactions_are_given_back() {
    story(async {
        let world = World::new();
        let blocks = grow(&world, 3).await;
        let mut abandoned = world.chain().subscribe_abandoned();
        let mut attributes = attributes_of(&world, 2);
        attributes.transactions.pop();
        let applied = world.engine.apply(attributes, blocks[1]).await.unwrap();
        assert!(!applied.consolidated);
        assert_ne!(applied.block.hash, blocks[2].hash);
        assert_eq!(world.head(), applied.block);
        assert!(world.chain().block_by_hash(blocks[3].hash).unwrap().is_none());
        let lost = transfer(1, 1).1.inner().tx_hash();
        assert_eq!(world.chain().transaction(lost).unwrap(), None);
        let given_back = abandoned.recv().await.unwrap();
        let numbers: Vec<_> = given_back.iter().map(|block| block.reference).collect();
        assert_eq!(numbers, blocks[2..]);
        let state = world.chain().state_at(applied.block.number).unwrap();
        assert_eq!(state.account(chain::key(1).address()).unwrap().unwrap().nonce, 1);
    });
}

/// What the process logs. The engine has a thread of its own, so only the process' own subscriber hears it.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_replaced_block_is_told_with_both_hashes_and_counted() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new()
        .install_recorder()
        .unwrap();
    story(async {
        let world = World::new();
        let blocks = grow(&world, 3).await;
        let mut attributes = attributes_of(&world, 2);
        attributes.transactions.pop();
        let applied = world.engine.apply(attributes, blocks[1]).await.unwrap();
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let line = text
            .lines()
            .find(|line| line.contains(&blocks[2].hash.to_string()) && line.contains("replaced"))
            .unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains(&applied.block.hash.to_string()), "{line}");
    });
    // Other stories of this process may replace blocks as well.
    let counted = |name: &str| {
        let text = metrics.render();
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line
            .and_then(|line| line.split(' ').nth(1))
            .map(str::parse::<u64>);
        value.unwrap_or_else(|| panic!("{text}")).unwrap()
    };
    assert!(counted("engine_unsafe_blocks_replaced_total") >= 1);
    assert!(counted("engine_unsafe_blocks_taken_back_total") >= 2);
}

#[test]
fn the_same_attributes_make_the_same_block_on_another_node() {
    story(async {
        let world = World::new();
        let blocks = grow(&world, 4).await;
        let follower = World::new();
        assert_eq!(follower.head(), blocks[0]);
        for number in 1..=4 {
            let attributes = attributes_of(&world, number);
            let applied = follower.engine.apply(attributes, follower.head()).await.unwrap();
            assert_eq!(applied.block, blocks[usize::try_from(number).unwrap()]);
        }
    });
}

#[test]
fn attributes_that_make_no_block_leave_the_chain_as_it_was() {
    story(async {
        let world = World::new();
        let blocks = grow(&world, 3).await;
        let mut attributes = attributes_of(&world, 2);
        attributes
            .transactions
            .push(transfer(1, 77).encoded_bytes().clone());
        let refused = tributary_derivation::driver::Engine::apply(&world.engine, attributes, blocks[1]).await;
        assert!(
            matches!(refused, Err(ApplyError::InvalidPayload(_))),
            "{refused:?}"
        );
        assert_eq!(world.head(), blocks[3]);
        // And the engine goes on.
        assert!(
            world
                .engine
                .apply(attributes_of(&world, 2), blocks[1])
                .await
                .unwrap()
                .consolidated
        );
    });
}

#[test]
fn a_safe_block_is_never_replaced() {
    story(async {
        let world = World::new();
        let blocks = grow(&world, 3).await;
        world
            .engine
            .set_safe(blocks[2], L1BlockId::default())
            .await
            .unwrap();
        let mut attributes = attributes_of(&world, 2);
        attributes.transactions.pop();
        let refused = tributary_derivation::driver::Engine::apply(&world.engine, attributes, blocks[1]).await;
        assert!(matches!(refused, Err(ApplyError::Halt(_))), "{refused:?}");
        world.engine.stopped().await;
        let head = world.engine.revert_unsafe_to(L2BlockNumber(2)).await;
        assert!(
            matches!(head, Err(EngineError::Stopped)),
            "a halted engine writes nothing more"
        );
        assert_eq!(world.head(), blocks[3]);
    });
}

#[test]
fn an_l1_reorg_takes_safe_blocks_back_too() {
    story(async {
        let world = World::new();
        let blocks = grow(&world, 5).await;
        let l1 = |number| L1BlockId {
            number: L1BlockNumber(number),
            ..L1BlockId::default()
        };
        world.engine.set_safe(blocks[2], l1(3)).await.unwrap();
        world.engine.set_safe(blocks[4], l1(5)).await.unwrap();
        let safe = SafeDerivation {
            l1: l1(3),
            safe_head: blocks[2],
        };
        world.engine.reset_to(blocks[3], safe).await.unwrap();
        let heads = world.chain().heads();
        assert_eq!((heads.unsafe_head, heads.safe_head), (blocks[3], blocks[2]));
        let at = world
            .engine
            .safe_head_at(L1BlockNumber(9))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(at, safe);
        // The builder goes on from there.
        world.list.push(transfer(1, 3));
        world.clock.set(world.head().timestamp + 1);
        world.builder(0).step().await.unwrap();
        assert_eq!(world.head().parent_hash, blocks[3].hash);
    });
}

#[test]
fn attributes_on_a_parent_we_do_not_have_are_asked_again() {
    story(async {
        let world = World::new();
        let blocks = grow(&world, 2).await;
        let attributes = attributes_of(&world, 2);
        let stranger = L2BlockRef {
            hash: Default::default(),
            ..blocks[1]
        };
        let refused = tributary_derivation::driver::Engine::apply(&world.engine, attributes, stranger).await;
        assert!(matches!(refused, Err(ApplyError::Retry(_))), "{refused:?}");
    });
}

#[test]
fn a_failed_write_stops_the_engine_and_shows_nothing() {
    story(async {
        let store = MemoryStore::default();
        let world = World::on(Arc::new(store.clone()));
        let blocks = grow(&world, 2).await;
        store.fail_after(0);
        let failed = world.engine.set_safe(blocks[1], L1BlockId::default()).await;
        assert!(
            matches!(failed, Err(EngineError::Store(StoreError::Injected(_)))),
            "{failed:?}"
        );
        assert_eq!(world.chain().heads().safe_head, blocks[0]);
        world.engine.stopped().await;
        let halted = tributary_derivation::driver::Engine::set_finalized(&world.engine, blocks[0]).await;
        assert!(matches!(halted, Err(DerivationError::Halt(_))));
    });
}

/// A world whose flushes come every two blocks and wait at the gate.
fn gated_world() -> (Arc<GatedStore>, World) {
    let gated = GatedStore::for_flushes();
    let settings = StoreSettings {
        flush_blocks: 2,
        flush_writes: 1,
        ..StoreSettings::default()
    };
    let world = World::with(gated.clone(), settings);
    (gated, world)
}

#[test]
fn an_engine_ends_after_its_flush() {
    story(async {
        let (gated, world) = gated_world();
        let blocks = grow(&world, 3).await;
        gated.wait_for_write();
        let l1 = L1BlockId::default();
        world.engine.set_safe(blocks[2], l1).await.unwrap();
        let state = world.chain().state_at(blocks[1].number).unwrap();
        assert_eq!(state.account(chain::key(1).address()).unwrap().unwrap().nonce, 1);
        let mut attributes = attributes_of(&world, 2);
        attributes.transactions.pop();
        let halted = world.engine.apply(attributes, blocks[1]).await;
        assert!(
            matches!(halted, Err(EngineError::ContradictsSafe { .. })),
            "{halted:?}"
        );
        // However often one looks: it cannot have ended.
        let mut stopped = pin!(world.engine.stopped());
        for _ in 0..1_000 {
            assert!(futures::poll!(&mut stopped).is_pending());
            std::thread::yield_now();
        }
        gated.release();
        stopped.await;
        assert_eq!(Arc::strong_count(&gated), 1, "nobody writes any more");
        let flushed = gated.snapshot().get(Table::Meta, b"flushed").unwrap().unwrap();
        assert_eq!(flushed[..], 2_u64.to_be_bytes());
    });
}

#[test]
fn a_failed_flush_stops_the_engine() {
    story(async {
        let (gated, world) = gated_world();
        let blocks = grow(&world, 2).await;
        gated.wait_for_write();
        world.engine.set_finalized(blocks[0]).await.unwrap();
        gated.fail();
        // The command after it has failed, which is a moment later.
        let stopped = loop {
            if let Err(error) = world.engine.set_finalized(blocks[0]).await {
                break error;
            }
        };
        assert!(matches!(stopped, EngineError::Stopped), "{stopped}");
        world.engine.stopped().await;
        assert_eq!(world.head(), blocks[2]);
    });
}

#[test]
fn a_node_that_restarts_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Vec::new();
    story(async {
        let world = World::on(open_free(folder.path()));
        first = grow(&world, 4).await;
        world
            .engine
            .set_safe(first[2], L1BlockId::default())
            .await
            .unwrap();
    });
    story(async {
        let world = World::on(open_free(folder.path()));
        assert_eq!(world.head(), first[4]);
        assert_eq!(world.chain().heads().safe_head, first[2]);
        grow(&world, 2).await;
        let other = World::new();
        let whole = grow(&other, 6).await;
        assert_eq!(
            world.head(),
            whole[6],
            "the same inputs make the same chain, restart or not"
        );
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
