//! The store against a plain model: whatever is committed, taken back or marked safe, every kept block's state reads as the
//! model says, in both implementations.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "store/flushing.rs"]
mod flushing;
#[path = "support/gate.rs"]
mod gate;
mod support;

use alloy::primitives::{B256, U256, keccak256};
use gate::GatedStore;
use proptest::prelude::*;
use revm::database_interface::DatabaseRef;
use std::sync::Arc;
use support::{Changes, ModelState, address, genesis};
use tributary_protocol::{
    block::{L1BlockId, L1BlockNumber, L2BlockNumber, L2BlockRef},
    state::trie::{StateTrie, TrieError},
};
use tributary_sequencer::store::{
    ChainReader, ChainWriter, Durability, FjallStore, MemoryStore, StateView, Store, StoreError,
    StoreSettings, Table, WriteBatch, codec,
};

const CHAIN_ID: u64 = 901;

#[derive(Clone, Debug)]
enum Move {
    Commit(Changes),
    Revert(u64),
    Safe(u64),
    Finalize(u64),
    Flush,
    /// This many more portions of a flush go to disk.
    LetThrough(u64),
    Reopen,
    /// A flush under way is cut short.
    Crash,
}

fn changes() -> impl Strategy<Value = Changes> {
    let accounts = prop::collection::vec((0u8..6, prop::option::of(0u64..5)), 0..4);
    let slots = prop::collection::vec((0u8..4, 0u8..4, 0u64..3), 0..5);
    (accounts, slots).prop_map(|(accounts, slots)| Changes { accounts, slots })
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let step = prop_oneof![
        6 => changes().prop_map(Move::Commit),
        2 => (0u64..4).prop_map(Move::Revert),
        1 => (0u64..4).prop_map(Move::Safe),
        1 => (0u64..4).prop_map(Move::Finalize),
        2 => Just(Move::Flush),
        4 => (0u64..20).prop_map(Move::LetThrough),
        1 => Just(Move::Reopen),
        1 => Just(Move::Crash),
    ];
    prop::collection::vec(step, 1..40)
}

/// One entry per canonical block: the state after it.
struct Model {
    blocks: Vec<ModelState>,
    safe: usize,
    finalized: usize,
    /// The highest the head has been.
    longest: usize,
}

impl Model {
    fn new() -> Self {
        Self {
            blocks: vec![genesis().1],
            safe: 0,
            finalized: 0,
            longest: 0,
        }
    }
}

fn open(store: &Arc<dyn Store>, history_blocks: u64) -> ChainWriter {
    open_with(store, settings(history_blocks))
}

fn settings(history_blocks: u64) -> StoreSettings {
    StoreSettings {
        history_blocks,
        // So small that entries are pushed out.
        cache_bytes: 1_000,
        ..StoreSettings::default()
    }
}

fn open_with(store: &Arc<dyn Store>, settings: StoreSettings) -> ChainWriter {
    let (outcome, state) = genesis();
    ChainWriter::open(store.clone(), CHAIN_ID, &outcome, state.reference, settings)
        .expect("a folder of this chain opens")
}

/// The block whose state the tables hold, as the store says, and the one it is on the way to.
fn flushed(store: &dyn Store) -> (u64, Option<u64>) {
    let value = store.snapshot().get(Table::Meta, b"flushed").unwrap().unwrap();
    let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
    (
        number(&value[..8]),
        (value.len() > 8).then(|| number(&value[8..])),
    )
}

/// Settings with flushes as they may be: every few blocks, cut into portions of any size, with few or many nodes left in memory.
fn flushing() -> impl Strategy<Value = StoreSettings> {
    let parts = (0u64..6, 1usize..5, 1usize..30, any::<bool>(), any::<bool>());
    parts.prop_map(
        |(history_blocks, flush_blocks, flush_writes, is_trimmed, flush_in_background)| StoreSettings {
            flush_blocks,
            flush_writes,
            flush_in_background,
            trie_nodes_max: if is_trimmed { 5 } else { 1_000 },
            ..settings(history_blocks)
        },
    )
}

fn play(store: Arc<dyn Store>, gate: Option<&GatedStore>, moves: &[Move], settings: StoreSettings) {
    let mut writer = open_with(&store, settings);
    let mut model = Model::new();
    // Blocks that are in memory, if no flush has ended since this was certain.
    let mut unflushed_max = 0;
    // Whoever waits for a flush waits for the gate.
    let free = |waits: bool| match gate {
        Some(gate) if waits => gate.release(),
        Some(gate) => gate.hold(),
        None => {}
    };
    for (salt, step) in (1..).zip(moves) {
        let held = writer.reader().unwrap();
        let held_state = model.blocks.last().unwrap().clone();
        let head = model.blocks.len() - 1;
        let is_too_much = unflushed_max + 1 >= 4 * settings.flush_blocks as u64;
        let is_commit = matches!(step, Move::Commit(_)) && settings.flush_in_background;
        if !matches!(step, Move::LetThrough(_) | Move::Crash) {
            free(!is_commit || is_too_much);
        }
        match step {
            Move::Commit(changes) => {
                let (outcome, state) = model.blocks.last().unwrap().next(salt, changes);
                writer.commit(&outcome, state.reference).unwrap();
                writer.flush_if_due().unwrap();
                model.blocks.push(state);
                model.longest = model.longest.max(model.blocks.len() - 1);
            }
            Move::Revert(count) => {
                let target = head.saturating_sub(usize::try_from(*count).unwrap());
                let result = writer.revert_to(L2BlockNumber(target as u64));
                if target < model.safe {
                    assert!(matches!(result, Err(StoreError::HeadOrder { .. })));
                } else {
                    result.unwrap();
                    model.blocks.truncate(target + 1);
                }
            }
            Move::Safe(ahead) => {
                model.safe = head.min(model.safe + usize::try_from(*ahead).unwrap());
                let l1 = L1BlockId {
                    hash: keccak256(salt.to_be_bytes()),
                    number: L1BlockNumber(salt),
                };
                writer.set_safe(model.blocks[model.safe].reference, l1).unwrap();
            }
            Move::Finalize(ahead) => {
                model.finalized = model.safe.min(model.finalized + usize::try_from(*ahead).unwrap());
                writer
                    .set_finalized(model.blocks[model.finalized].reference)
                    .unwrap();
            }
            Move::Flush => writer.flush().unwrap(),
            Move::LetThrough(portions) => {
                if let Some(gate) = gate {
                    gate.let_through(*portions);
                }
                writer.install_flush().unwrap();
            }
            Move::Reopen => {
                drop(writer);
                writer = open_with(&store, settings);
            }
            Move::Crash => {
                if let Some(gate) = gate {
                    gate.fail();
                }
                drop(writer);
                if let Some(gate) = gate {
                    gate.release();
                }
                writer = open_with(&store, settings);
            }
        }
        match step {
            Move::Commit(_) => unflushed_max += 1,
            Move::Flush | Move::Reopen | Move::Crash => {
                unflushed_max = model.blocks.len() as u64 - 1 - flushed(&*store).0;
            }
            _ => {}
        }
        check(&writer.reader().unwrap(), &model, settings.history_blocks);
        assert_state(
            &held.state_at(held.heads().unsafe_head.number).unwrap(),
            &held_state,
        );
    }
    free(true);
}

fn check(reader: &ChainReader, model: &Model, history_blocks: u64) {
    let head = model.blocks.len() - 1;
    assert_eq!(reader.heads().unsafe_head, model.blocks[head].reference);
    assert_eq!(reader.heads().safe_head, model.blocks[model.safe].reference);
    assert_eq!(
        reader.heads().finalized_head,
        model.blocks[model.finalized].reference
    );
    assert!(reader.history_from().0 <= model.finalized as u64);
    // Pruning waits for a flush and may never go back, but what is above the window is always kept.
    assert!(
        reader.history_from().0
            <= u64::try_from(model.longest)
                .unwrap()
                .saturating_sub(history_blocks)
    );
    for (number, state) in (0..).zip(&model.blocks) {
        let number = L2BlockNumber(number);
        let reference = &state.reference;
        let block = reader.block_by_number(number).unwrap().unwrap();
        assert_eq!(block.reference, *reference);
        assert_eq!(reader.block_number(reference.hash).unwrap(), Some(number));
        let transaction = block.block.body.transactions[0].tx_hash();
        assert_eq!(reader.transaction(transaction).unwrap(), Some((number, 0)));
        match reader.state_at(number) {
            Ok(view) => assert_state(&view, state),
            Err(StoreError::StateUnavailable { oldest, .. }) => assert!(number < oldest),
            Err(error) => panic!("{error}"),
        }
    }
    let above = L2BlockNumber(head as u64 + 1);
    assert!(reader.block_by_number(above).unwrap().is_none());
    assert!(matches!(
        reader.state_at(above),
        Err(StoreError::StateUnavailable { .. })
    ));
}

fn assert_state(view: &StateView, model: &ModelState) {
    let trie = view.state_trie().unwrap();
    assert_eq!(trie.root(), model.root);
    for seed in 0..6 {
        let address = address(seed);
        assert_eq!(view.account(address).unwrap(), model.account(address));
        let proven = trie.account_proof(view, address).unwrap();
        let expected = StateTrie::at(model.root).account_proof(&model.memory, address);
        assert_eq!(proven, expected.unwrap());
        for slot in 0..4 {
            let slot = U256::from(slot);
            let expected = model.slot(address, slot);
            assert_eq!(view.storage_ref(address, slot).unwrap(), expected);
            let proven = trie.storage_proof(view, address, slot).unwrap();
            let model = StateTrie::at(model.root).storage_proof(&model.memory, address, slot);
            assert_eq!(proven, model.unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn memory_store_answers_like_the_model(moves in moves(), settings in flushing()) {
        let gated = GatedStore::for_flushes();
        play(gated.clone(), Some(&gated), &moves, settings);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn fjall_store_answers_like_the_model(moves in moves(), settings in flushing()) {
        let folder = tempfile::tempdir().unwrap();
        play(Arc::new(FjallStore::open(folder.path()).unwrap()), None, &moves, settings);
    }
}

/// Commits `count` plain blocks to a new chain and returns the states, genesis first.
fn grow(writer: &mut ChainWriter, count: u64) -> Vec<ModelState> {
    let mut states = vec![genesis().1];
    for salt in 0..count {
        let changes = Changes {
            accounts: vec![(1, Some(salt))],
            ..Changes::default()
        };
        let (outcome, state) = states.last().unwrap().next(salt, &changes);
        writer.commit(&outcome, state.reference).unwrap();
        states.push(state);
    }
    states
}

fn references(states: &[ModelState]) -> Vec<L2BlockRef> {
    states.iter().map(|state| state.reference).collect()
}

#[test]
fn a_folder_survives_closing() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = {
        let store: Arc<dyn Store> = Arc::new(FjallStore::open(folder.path()).unwrap());
        references(&grow(&mut open(&store, 10), 20))
    };
    let store: Arc<dyn Store> = Arc::new(FjallStore::open(folder.path()).unwrap());
    let writer = open(&store, 10);
    assert_eq!(writer.heads().unsafe_head, *blocks.last().unwrap());
    let view = writer.reader().unwrap().state_at(L2BlockNumber(5)).unwrap();
    assert_eq!(view.account(address(1)).unwrap().unwrap().nonce, 4);
}

#[test]
fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = FjallStore::open(folder.path()).unwrap();
    let error = FjallStore::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("in use by another process"), "{error}");
    assert!(error.to_string().contains(folder.path().to_str().unwrap()));
}

#[test]
fn a_folder_of_another_chain_is_refused_naming_both() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    open(&store, 10);
    let (outcome, state) = genesis();
    let settings = StoreSettings::default();
    let error = ChainWriter::open(store, 902, &outcome, state.reference, settings).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("chain id 901") && text.contains("chain id 902"),
        "{text}"
    );
}

#[test]
fn a_failed_write_changes_nothing() {
    let memory = MemoryStore::default();
    let store: Arc<dyn Store> = Arc::new(memory.clone());
    let mut writer = open(&store, 10);
    let states = grow(&mut writer, 3);
    memory.fail_after(0);
    let (outcome, state) = states[3].next(99, &Changes::default());
    let error = writer.commit(&outcome, state.reference).unwrap_err();
    assert!(matches!(error, StoreError::Injected(_)));
    assert!(!error.is_refusal());
    memory.heal();
    let reopened = open(&store, 10);
    assert_eq!(reopened.heads().unsafe_head, states[3].reference);
    assert!(
        reopened
            .reader()
            .unwrap()
            .block_number(state.reference.hash)
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_block_that_does_not_continue_the_head_is_refused() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let mut writer = open(&store, 10);
    let states = grow(&mut writer, 3);
    let (outcome, state) = states[1].next(50, &Changes::default());
    assert!(matches!(
        writer.commit(&outcome, state.reference),
        Err(StoreError::NotNext { .. })
    ));
    assert_eq!(writer.heads().unsafe_head, states[3].reference);
}

#[test]
fn heads_stay_in_order_and_on_the_chain() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let mut writer = open(&store, 10);
    let states = grow(&mut writer, 5);
    let blocks = references(&states);
    writer.set_safe(blocks[3], L1BlockId::default()).unwrap();
    assert!(matches!(
        writer.set_finalized(blocks[4]),
        Err(StoreError::HeadOrder { .. })
    ));
    writer.set_finalized(blocks[2]).unwrap();
    assert!(matches!(
        writer.set_safe(blocks[1], L1BlockId::default()),
        Err(StoreError::HeadOrder { .. })
    ));
    let (_, stranger) = states[3].next(77, &Changes::default());
    assert!(matches!(
        writer.set_safe(stranger.reference, L1BlockId::default()),
        Err(StoreError::NotCanonical { .. })
    ));
    assert_eq!(writer.heads().safe_head, blocks[3]);
}

#[test]
fn a_safe_head_moved_back_forgets_what_came_after() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let mut writer = open(&store, 10);
    let blocks = references(&grow(&mut writer, 6));
    let l1 = |number| L1BlockId {
        hash: B256::repeat_byte(u8::try_from(number).unwrap()),
        number: L1BlockNumber(number),
    };
    for (block, number) in [(1, 10), (3, 12), (5, 15)] {
        writer.set_safe(blocks[block], l1(number)).unwrap();
    }
    let at = |writer: &ChainWriter, number| {
        let reader = writer.reader().unwrap();
        let found = reader.safe_head_at(L1BlockNumber(number)).unwrap();
        found.map(|found| (found.l1.number.0, found.safe_head.number.0))
    };
    assert_eq!(at(&writer, 9), None);
    assert_eq!(at(&writer, 11), Some((10, 1)));
    assert_eq!(at(&writer, 99), Some((15, 5)));
    writer.set_safe(blocks[2], l1(11)).unwrap();
    assert_eq!(at(&writer, 99), Some((11, 2)));
}

#[test]
fn what_was_not_flushed_is_worked_out_again_and_must_lead_to_the_header() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let states = grow(&mut open(&store, 10), 3);
    let key = 2_u64.to_be_bytes();
    let changes = store.snapshot().get(Table::Changes, &key).unwrap().unwrap();
    let mut forged = codec::decode_changes(&changes).unwrap();
    let account = forged
        .accounts
        .values_mut()
        .find_map(|change| change.after.as_mut());
    account.unwrap().balance ^= U256::ONE;
    let mut batch = WriteBatch::default();
    batch.put(Table::Changes, key, codec::encode_changes(&forged));
    store.write(batch, Durability::Synced).unwrap();
    let (outcome, genesis) = genesis();
    let opened = ChainWriter::open(
        store,
        CHAIN_ID,
        &outcome,
        genesis.reference,
        StoreSettings::default(),
    );
    let Err(StoreError::StateRoot { number, expected, .. }) = opened else {
        panic!("a block that leads to another state must be found");
    };
    assert_eq!((number, expected), (L2BlockNumber(2), states[2].root));
}

#[test]
fn a_damaged_node_is_found_by_whoever_needs_it() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    open(&store, 10);
    let mut batch = WriteBatch::default();
    batch.put(Table::Nodes, [0, 0], [0x80; 40]);
    let at_fork = |nibble: u8| store.snapshot().get(Table::Nodes, &[0, nibble]).unwrap();
    let nibble = (0..16).find(|nibble| at_fork(*nibble).is_some()).unwrap();
    batch.put(Table::Nodes, [0, nibble], [0x80; 40]);
    store.write(batch, Durability::Synced).unwrap();
    let view = open(&store, 10)
        .reader()
        .unwrap()
        .state_at(L2BlockNumber(0))
        .unwrap();
    let trie = view.state_trie().unwrap();
    let error = trie.changes_since(&StateTrie::default(), &view).unwrap_err();
    assert!(matches!(error, TrieError::WrongNode { .. }), "{error}");
}
