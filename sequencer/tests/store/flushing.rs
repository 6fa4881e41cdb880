//! Flushes that others do not wait for, and flushes that are cut short.

use super::{
    CHAIN_ID, Model, assert_state, check, flushed,
    gate::GatedStore,
    support::{Changes, ModelState, genesis},
};
use std::{collections::BTreeMap, sync::Arc};
use tributary_protocol::block::{L1BlockId, L2BlockNumber};
use tributary_sequencer::store::{
    ChainWriter, Durability, MemoryStore, Store, StoreError, StoreSettings, Table,
};

/// A flush every three blocks, in many small portions.
fn settings() -> StoreSettings {
    StoreSettings {
        history_blocks: 2,
        cache_bytes: 1_000,
        trie_nodes_max: 4,
        flush_blocks: 3,
        flush_writes: 2,
        ..StoreSettings::default()
    }
}

fn open(store: &Arc<dyn Store>, settings: StoreSettings) -> Result<ChainWriter, StoreError> {
    let (outcome, state) = genesis();
    ChainWriter::open(store.clone(), CHAIN_ID, &outcome, state.reference, settings)
}

/// A chain, and what it has to be.
struct Story {
    writer: ChainWriter,
    model: Model,
}

impl Story {
    fn begin(store: &Arc<dyn Store>, settings: StoreSettings) -> Self {
        Self {
            writer: open(store, settings).unwrap(),
            model: Model::new(),
        }
    }

    /// Commits a block that changes some accounts and slots again and others for the first time.
    fn commit(&mut self) {
        let number = self.model.blocks.len() as u64;
        let byte = |value: u64| u8::try_from(value % 6).unwrap();
        let changes = Changes {
            accounts: vec![(0, Some(number)), (byte(number), Some(number))],
            slots: vec![
                (0, byte(number), number % 3),
                (0, 1, number),
                (byte(number), 2, number),
            ],
        };
        self.commit_block(&changes);
    }

    fn commit_block(&mut self, changes: &Changes) {
        let number = self.model.blocks.len() as u64;
        let (outcome, state) = self.model.blocks.last().unwrap().next(number, changes);
        self.writer.commit(&outcome, state.reference).unwrap();
        self.model.blocks.push(state);
        self.model.longest = self.model.longest.max(self.model.blocks.len() - 1);
    }

    fn commit_and_flush_if_due(&mut self, blocks: usize) {
        for _ in 0..blocks {
            self.commit();
            self.writer.flush_if_due().unwrap();
        }
    }

    fn revert(&mut self, blocks: usize) {
        let kept = self.model.blocks.len() - blocks;
        self.writer.revert_to(L2BlockNumber(kept as u64 - 1)).unwrap();
        self.model.blocks.truncate(kept);
    }

    fn finalize(&mut self, number: usize) {
        let reference = self.model.blocks[number].reference;
        self.writer.set_safe(reference, L1BlockId::default()).unwrap();
        self.writer.set_finalized(reference).unwrap();
        (self.model.safe, self.model.finalized) = (number, number);
    }

    fn check(&self) {
        check(
            &self.writer.reader().unwrap(),
            &self.model,
            settings().history_blocks,
        );
    }

    /// Another process takes over.
    fn reopen(self, store: &Arc<dyn Store>, settings: StoreSettings) -> Self {
        let Self { writer, model } = self;
        drop(writer);
        Self {
            writer: open(store, settings).unwrap(),
            model,
        }
    }
}

/// Everything the store holds.
fn contents(store: &dyn Store) -> BTreeMap<(Table, Vec<u8>), Vec<u8>> {
    let snapshot = store.snapshot();
    let mut contents = BTreeMap::new();
    for table in Table::ALL {
        let mut from = Vec::new();
        while let Some((key, value)) = snapshot.first_at_or_after(*table, &from).unwrap() {
            from = [&key[..], &[0]].concat();
            contents.insert((*table, key.to_vec()), value.to_vec());
        }
    }
    contents
}

#[test]
fn nobody_waits_for_a_flush() {
    let gated = GatedStore::for_flushes();
    let store: Arc<dyn Store> = gated.clone();
    let mut story = Story::begin(&store, settings());
    story.commit_and_flush_if_due(3);
    gated.wait_for_write();
    let held = story.writer.reader().unwrap();
    let held_state: ModelState = story.model.blocks[3].clone();
    // Before it, in the middle of each of its tables, and after it.
    for number in 4..=9 {
        story.commit_and_flush_if_due(1);
        story.check();
        story.finalize(number - 2);
        story.check();
        assert_eq!(flushed(&*store).0, 0);
        gated.let_through(4);
        gated.wait_for_write();
        assert_eq!(flushed(&*store), (0, Some(3)));
        story.check();
    }
    gated.release();
    story.writer.flush().unwrap();
    assert_eq!(flushed(&*store), (9, None));
    story.check();
    assert_state(&held.state_at(L2BlockNumber(3)).unwrap(), &held_state);
    let mut story = story.reopen(&store, settings());
    story.check();
    story.revert(2);
    story.check();
}

#[test]
fn blocks_are_taken_back_after_the_flush_under_way() {
    let gated = GatedStore::for_flushes();
    let store: Arc<dyn Store> = gated.clone();
    let mut story = Story::begin(&store, settings());
    story.commit_and_flush_if_due(4);
    gated.wait_for_write();
    let before = gated.writes().len();
    std::thread::scope(|scope| {
        scope.spawn(|| gated.release());
        // One of those that are flushed, too.
        story.revert(2);
    });
    let writes = gated.writes();
    let reverts = writes[before..]
        .iter()
        .position(|write| *write == Durability::Synced);
    let flushes = writes[before..]
        .iter()
        .rposition(|write| *write == Durability::Lazy);
    assert!(flushes.unwrap() > 5, "{flushes:?}");
    assert!(flushes < reverts, "{flushes:?}, {reverts:?}");
    assert_eq!(flushed(&*store), (2, None));
    story.check();
    story.commit_and_flush_if_due(4);
    story.check();
    story.reopen(&store, settings()).check();
}

#[test]
fn a_writer_is_gone_when_its_flush_is_over() {
    let gated = GatedStore::for_flushes();
    let store: Arc<dyn Store> = gated.clone();
    let mut story = Story::begin(&store, settings());
    story.commit_and_flush_if_due(3);
    gated.wait_for_write();
    gated.release();
    drop(story.writer);
    assert_eq!(flushed(&*store), (3, None));
    assert_eq!(Arc::strong_count(&gated), 2, "nobody else can write");
}

#[test]
fn commits_wait_when_far_too_much_is_in_memory() {
    let gated = GatedStore::for_flushes();
    let store: Arc<dyn Store> = gated.clone();
    let mut story = Story::begin(&store, settings());
    // Four times three blocks are too many. The gate opens with the last of them, and not before: none of the others waits.
    gated.open_after(12);
    story.commit_and_flush_if_due(11);
    assert_eq!(flushed(&*store).0, 0);
    story.commit_and_flush_if_due(1);
    assert!(flushed(&*store).0 >= 3, "{:?}", flushed(&*store));
    story.check();
    story.writer.flush().unwrap();
    assert_eq!(flushed(&*store), (12, None));
    story.check();
}

#[test]
fn a_failed_flush_is_told_once_it_is_over() {
    let gated = GatedStore::for_flushes();
    let store: Arc<dyn Store> = gated.clone();
    let mut story = Story::begin(&store, settings());
    story.commit_and_flush_if_due(3);
    gated.let_through(20);
    gated.wait_for_write();
    story.commit_and_flush_if_due(1);
    gated.fail();
    let error = story.writer.flush().unwrap_err();
    assert!(matches!(error, StoreError::Injected(_)), "{error}");
    gated.release();
    let story = story.reopen(&store, settings());
    assert_eq!(flushed(&*store), (3, None), "what was cut short is done first");
    story.check();
}

#[test]
fn what_a_flush_lets_go_of_is_gone_from_the_blocks_after_it() {
    let gated = GatedStore::for_flushes();
    let store: Arc<dyn Store> = gated.clone();
    let mut story = Story::begin(&store, settings());
    let many = Changes {
        accounts: (0..100).map(|seed| (seed, Some(1))).collect(),
        ..Changes::default()
    };
    story.commit_block(&many);
    story.commit_and_flush_if_due(3);
    gated.wait_for_write();
    let nodes_in_memory = |story: &Story| {
        let head = story.writer.heads().unsafe_head.number;
        let view = story.writer.reader().unwrap().state_at(head).unwrap();
        view.state_trie().unwrap().nodes_in_memory()
    };
    assert!(nodes_in_memory(&story) > 100);
    gated.release();
    while !story.writer.install_flush().unwrap() {
        std::thread::yield_now();
    }
    assert_eq!(flushed(&*store), (3, None), "block 4 is above it");
    assert!(nodes_in_memory(&story) < 20, "{}", nodes_in_memory(&story));
    story.check();
}

/// Seven blocks of which three are flushed, and much to forget.
fn before_the_crash(store: &Arc<dyn Store>, settings: StoreSettings) -> Story {
    let mut story = Story::begin(store, settings);
    story.commit_and_flush_if_due(3);
    for _ in 0..4 {
        story.commit();
    }
    story.finalize(5);
    assert_eq!(flushed(&**store), (3, None));
    story
}

/// What may come after it; the blocks that are taken back were flushed.
fn after_the_crash(story: &mut Story, reverted: usize) {
    story.writer.flush().unwrap();
    story.check();
    story.revert(reverted);
    story.check();
    story.commit();
    story.check();
    story.writer.flush().unwrap();
    story.check();
    // With this one the rest of what was pruned goes, wherever pruning ended.
    story.commit();
    story.writer.flush().unwrap();
    story.check();
}

#[test]
fn a_flush_cut_short_at_any_write_is_done_again_and_leaves_no_trace() {
    let settings = StoreSettings {
        flush_in_background: false,
        ..settings()
    };
    for reverted in [0, 2] {
        let whole: Arc<dyn Store> = Arc::new(MemoryStore::default());
        after_the_crash(&mut before_the_crash(&whole, settings), reverted);
        let mut cut_short = 0;
        for writes in 0.. {
            let memory = MemoryStore::default();
            let store: Arc<dyn Store> = Arc::new(memory.clone());
            let mut story = before_the_crash(&store, settings);
            memory.fail_after(writes);
            if story.writer.flush().is_ok() {
                break;
            }
            drop(story.writer);
            // Finishing it is cut short as well.
            memory.heal();
            memory.fail_after(writes / 2);
            let is_under_way = flushed(&*store).1.is_some();
            cut_short += usize::from(is_under_way);
            if is_under_way {
                assert!(open(&store, settings).is_err(), "after {writes} writes");
            }
            memory.heal();
            story.writer = open(&store, settings).unwrap();
            story.check();
            after_the_crash(&mut story, reverted);
            let (found, expected) = (contents(&*store), contents(&*whole));
            assert!(found == expected, "after {writes} writes");
        }
        assert!(cut_short > 20, "{cut_short}");
    }
}
