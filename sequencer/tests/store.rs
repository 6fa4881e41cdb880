//! The store against a plain model: whatever is committed, taken back or marked safe, every kept block's state reads as the
//! model says, in both implementations.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

mod support;

use alloy::primitives::{B256, U256, keccak256};
use proptest::prelude::*;
use revm::database_interface::DatabaseRef;
use std::sync::Arc;
use support::{Changes, ModelState, address, genesis, make_block, node};
use tributary_protocol::{
    block::{L1BlockId, L1BlockNumber, L2BlockNumber, L2BlockRef},
    state::TrieReader,
};
use tributary_sequencer::store::{
    ChainReader, ChainWriter, FjallStore, MemoryStore, StateView, Store, StoreError,
};

const CHAIN_ID: u64 = 901;

#[derive(Clone, Debug)]
enum Move {
    Commit(Changes),
    Revert(u64),
    Safe(u64),
    Finalize(u64),
    Reopen,
}

fn changes() -> impl Strategy<Value = Changes> {
    let accounts = prop::collection::vec((0u8..6, prop::option::of(0u64..5)), 0..4);
    let slots = prop::collection::vec((0u8..4, 0u8..4, 0u64..3), 0..5);
    let path = prop::collection::vec(0u8..3, 0..3);
    let nodes = prop::collection::vec((prop::option::of(0u8..3), path, prop::option::of(0u8..5)), 0..5);
    (accounts, slots, nodes).prop_map(|(accounts, slots, nodes)| Changes {
        accounts,
        slots,
        nodes,
    })
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let step = prop_oneof![
        6 => changes().prop_map(Move::Commit),
        2 => (0u64..4).prop_map(Move::Revert),
        1 => (0u64..4).prop_map(Move::Safe),
        1 => (0u64..4).prop_map(Move::Finalize),
        1 => Just(Move::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

/// One entry per canonical block: its reference and the state after it.
struct Model {
    blocks: Vec<(L2BlockRef, ModelState)>,
    safe: usize,
    finalized: usize,
    /// The highest the head has been.
    longest: usize,
}

fn open(store: &Arc<dyn Store>, history_blocks: u64) -> ChainWriter {
    let (outcome, reference) = genesis();
    ChainWriter::open(store.clone(), CHAIN_ID, &outcome, reference, history_blocks)
        .expect("a folder of this chain opens")
}

fn play(store: Arc<dyn Store>, moves: &[Move], history_blocks: u64) {
    let mut writer = open(&store, history_blocks);
    let (outcome, reference) = genesis();
    let mut state = ModelState::default();
    state.apply(&outcome);
    let mut model = Model {
        blocks: vec![(reference, state)],
        safe: 0,
        finalized: 0,
        longest: 0,
    };
    for (salt, step) in (1..).zip(moves) {
        let held = writer.reader().unwrap();
        let held_state = model.blocks.last().unwrap().1.clone();
        let head = model.blocks.len() - 1;
        match step {
            Move::Commit(changes) => {
                let (parent, mut state) = model.blocks.last().unwrap().clone();
                let (outcome, reference) = make_block(&parent, salt, changes);
                state.apply(&outcome);
                writer.commit(&outcome, reference).unwrap();
                model.blocks.push((reference, state));
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
                writer.set_safe(model.blocks[model.safe].0, l1).unwrap();
            }
            Move::Finalize(ahead) => {
                model.finalized = model.safe.min(model.finalized + usize::try_from(*ahead).unwrap());
                writer.set_finalized(model.blocks[model.finalized].0).unwrap();
            }
            Move::Reopen => {
                drop(writer);
                writer = open(&store, history_blocks);
            }
        }
        check(&writer.reader().unwrap(), &model, history_blocks);
        assert_state(
            &held.state_at(held.heads().unsafe_head.number).unwrap(),
            &held_state,
        );
    }
}

fn check(reader: &ChainReader, model: &Model, history_blocks: u64) {
    let head = model.blocks.len() - 1;
    assert_eq!(reader.heads().unsafe_head, model.blocks[head].0);
    assert_eq!(reader.heads().safe_head, model.blocks[model.safe].0);
    assert_eq!(reader.heads().finalized_head, model.blocks[model.finalized].0);
    assert!(reader.history_from().0 <= model.finalized as u64);
    // Pruning may lag and may never go back, but what is above the window is always kept.
    assert!(
        reader.history_from().0
            <= u64::try_from(model.longest)
                .unwrap()
                .saturating_sub(history_blocks)
    );
    for (number, (reference, state)) in (0..).zip(&model.blocks) {
        let number = L2BlockNumber(number);
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
    for seed in 0..6 {
        let address = address(seed);
        assert_eq!(
            view.account(address).unwrap(),
            model.accounts.get(&address).copied()
        );
        for slot in 0..4 {
            let slot = U256::from(slot);
            let expected = model.slots.get(&(address, slot)).copied().unwrap_or_default();
            assert_eq!(view.storage_ref(address, slot).unwrap(), expected);
        }
    }
    for ((owner, path), node) in &model.nodes {
        let found = view.trie_node(*owner, path, keccak256(node)).unwrap();
        assert_eq!(found.as_ref(), Some(node));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn memory_store_answers_like_the_model(moves in moves(), history in 0u64..6) {
        play(Arc::new(MemoryStore::default()), &moves, history);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn fjall_store_answers_like_the_model(moves in moves(), history in 0u64..6) {
        let folder = tempfile::tempdir().unwrap();
        play(Arc::new(FjallStore::open(folder.path()).unwrap()), &moves, history);
    }
}

/// Commits `count` plain blocks and returns their references, genesis first.
fn grow(writer: &mut ChainWriter, count: u64) -> Vec<L2BlockRef> {
    let mut blocks = vec![writer.heads().unsafe_head];
    for salt in 0..count {
        let changes = Changes {
            accounts: vec![(1, Some(salt))],
            ..Changes::default()
        };
        let (outcome, reference) = make_block(blocks.last().unwrap(), salt, &changes);
        writer.commit(&outcome, reference).unwrap();
        blocks.push(reference);
    }
    blocks
}

#[test]
fn a_folder_survives_closing() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = {
        let store: Arc<dyn Store> = Arc::new(FjallStore::open(folder.path()).unwrap());
        grow(&mut open(&store, 10), 20)
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
    let (outcome, reference) = genesis();
    let error = ChainWriter::open(store, 902, &outcome, reference, 10).unwrap_err();
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
    let blocks = grow(&mut writer, 3);
    memory.fail_after(0);
    let (outcome, reference) = make_block(&blocks[3], 99, &Changes::default());
    let error = writer.commit(&outcome, reference).unwrap_err();
    assert!(matches!(error, StoreError::Injected(_)));
    assert!(!error.is_refusal());
    memory.heal();
    let reopened = open(&store, 10);
    assert_eq!(reopened.heads().unsafe_head, blocks[3]);
    assert!(
        reopened
            .reader()
            .unwrap()
            .block_number(reference.hash)
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_block_that_does_not_continue_the_head_is_refused() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let mut writer = open(&store, 10);
    let blocks = grow(&mut writer, 3);
    let (outcome, reference) = make_block(&blocks[1], 50, &Changes::default());
    assert!(matches!(
        writer.commit(&outcome, reference),
        Err(StoreError::NotNext { .. })
    ));
    assert_eq!(writer.heads().unsafe_head, blocks[3]);
}

#[test]
fn heads_stay_in_order_and_on_the_chain() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let mut writer = open(&store, 10);
    let blocks = grow(&mut writer, 5);
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
    let (_, stranger) = make_block(&blocks[3], 77, &Changes::default());
    assert!(matches!(
        writer.set_safe(stranger, L1BlockId::default()),
        Err(StoreError::NotCanonical { .. })
    ));
    assert_eq!(writer.heads().safe_head, blocks[3]);
}

#[test]
fn a_safe_head_moved_back_forgets_what_came_after() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let mut writer = open(&store, 10);
    let blocks = grow(&mut writer, 6);
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
fn a_trie_node_that_differs_from_its_parents_word_is_corruption() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let writer = open(&store, 10);
    let view = writer.reader().unwrap().state_at(L2BlockNumber(0)).unwrap();
    let path = alloy_trie::Nibbles::from_nibbles([1]);
    let stored = view.trie_node(None, &path, keccak256(node(3, 0))).unwrap();
    assert_eq!(stored, Some(node(3, 0)));
    assert!(matches!(
        view.trie_node(None, &path, B256::repeat_byte(9)),
        Err(StoreError::NodeHash { .. })
    ));
}
