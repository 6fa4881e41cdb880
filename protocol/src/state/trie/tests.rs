//! The trie against alloy's `HashBuilder`, which builds a root from all leaves at once and shares no code with ours.

use super::*;
use crate::state::{Account, memory::MemoryState};
use alloc::{string::ToString, vec};
use alloy_primitives::{Bytes, address, b256};
use alloy_trie::{HashBuilder, KECCAK_EMPTY, proof::verify_proof, root};
use core::convert::Infallible;
use proptest::{collection::vec as many, prelude::*, sample::select};

type NodesByPath = BTreeMap<Nibbles, Bytes>;

/// One trie's nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OneTrie(NodesByPath);

impl TrieReader for OneTrie {
    type Error = Infallible;
    fn trie_node(&self, _: Option<B256>, path: &Nibbles, _: B256) -> Result<Option<Bytes>, Infallible> {
        Ok(self.0.get(path).cloned())
    }
}

/// Whoever owns the one trie; a storage trie's leaves may hold anything.
const OWNER: Option<B256> = Some(B256::ZERO);

fn sorted(changes: BTreeMap<B256, Option<Vec<u8>>>) -> Vec<Change> {
    let changes = changes.into_iter();
    let value = |rlp: Vec<u8>| Value {
        rlp: rlp.into(),
        storage: None,
    };
    changes
        .map(|(key, rlp)| Change::new(key, rlp.map(value)))
        .collect()
}

impl OneTrie {
    fn source(&self) -> Source<'_, Self> {
        Source {
            reader: self,
            owner: OWNER,
        }
    }

    fn update(&mut self, root: B256, changes: BTreeMap<B256, Option<Vec<u8>>>) -> Result<B256, TrieError> {
        let before = Link::root(root);
        let after = edit::edit(&self.source(), before.as_ref(), &sorted(changes))?;
        // Leaves here are no accounts, so both are walked as a storage trie.
        let mut nodes = Vec::new();
        changes::between(&*self, OWNER, [before.as_ref(), after.as_ref()], &mut nodes)?;
        let root = after.as_ref().and_then(Link::hash).unwrap_or(EMPTY_ROOT_HASH);
        for NodeChange { at, before, after } in nodes {
            assert_ne!(before, after, "a node that did not change was reported");
            let held = match after {
                Some(rlp) => self.0.insert(at.path, rlp),
                None => self.0.remove(&at.path),
            };
            assert_eq!(held, before);
        }
        Ok(root)
    }
}

fn rebuilt_root(leaves: &BTreeMap<B256, Vec<u8>>) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root()
}

/// Keys that share prefixes of any length, down to the last nibble, so that forks happen at every depth.
fn crowded_key() -> impl Strategy<Value = B256> {
    let stem = select(vec![0x00u8, 0x01, 0x10, 0x11, 0xff]);
    (stem.clone(), 0usize..32, stem).prop_map(|(first, place, other)| {
        let mut key = B256::ZERO;
        key[0] = first;
        key[place] ^= other;
        key
    })
}

/// Short values make nodes that are embedded in their parents.
fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        2 => Just(None),
        2 => many(any::<u8>(), 1..3).prop_map(Some),
        1 => many(any::<u8>(), 30..40).prop_map(Some),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_sequence_of_changes_ends_at_the_rebuilt_root_and_node_set(
        rounds in many(many((crowded_key(), value()), 0..12), 1..12)
    ) {
        let mut trie = OneTrie::default();
        let mut leaves = BTreeMap::new();
        let mut root = EMPTY_ROOT_HASH;
        for round in rounds {
            let changes: BTreeMap<_, _> = round.into_iter().collect();
            for (key, value) in &changes {
                match value {
                    Some(value) => leaves.insert(*key, value.clone()),
                    None => leaves.remove(key),
                };
            }
            root = trie.update(root, changes).unwrap();
            prop_assert_eq!(root, rebuilt_root(&leaves));

            let mut fresh = OneTrie::default();
            let all = leaves.iter().map(|(key, value)| (*key, Some(value.clone()))).collect();
            fresh.update(EMPTY_ROOT_HASH, all).unwrap();
            prop_assert_eq!(&trie, &fresh);
        }
    }

    #[test]
    fn every_key_proves_its_presence_or_absence(
        entries in many((crowded_key(), many(any::<u8>(), 1..40)), 0..20),
        probes in many(crowded_key(), 1..10),
    ) {
        let leaves: BTreeMap<_, _> = entries.into_iter().collect();
        let mut trie = OneTrie::default();
        let all = leaves.iter().map(|(key, value)| (*key, Some(value.clone()))).collect();
        let root = trie.update(EMPTY_ROOT_HASH, all).unwrap();
        for key in probes.iter().chain(leaves.keys()) {
            let mut proof = Vec::new();
            let root_link = Link::root(root);
            let found = proof::find(&trie.source(), root_link.as_ref(), *key, |rlp| proof.push(rlp)).unwrap();
            let found = found.map(|leaf| leaf.value.rlp.to_vec());
            prop_assert_eq!(found.as_ref(), leaves.get(key));
            prop_assert!(verify_proof(root, Nibbles::unpack(key), found, &proof).is_ok());
        }
    }
}

/// What one block does to one account of a small state.
#[derive(Clone, Debug)]
enum Act {
    Set(Account),
    Remove,
    Write(Vec<(u8, u8)>),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0u64..4, 0u64..4).prop_map(|(nonce, balance)| Act::Set(Account {
            nonce,
            balance: U256::from(balance),
            code_hash: KECCAK_EMPTY,
        })),
        Just(Act::Remove),
        many((0u8..12, 0u8..3), 1..8).prop_map(Act::Write),
    ]
}

/// Turns acts into changes that are consistent with `state`: storage only under accounts that exist, all cleared on removal.
fn changes_for(state: &MemoryState, acts: &[(u8, Act)]) -> StateChanges {
    let mut changes = StateChanges::default();
    for (who, act) in acts {
        let address = Address::repeat_byte(*who);
        let existing = changes.accounts.get(&address).copied();
        let exists = existing
            .unwrap_or_else(|| state.accounts().get(&address).copied())
            .is_some();
        match act {
            Act::Set(account) => {
                changes.accounts.insert(address, Some(*account));
            }
            Act::Remove => {
                changes.accounts.insert(address, None);
                let slots = changes.storage.entry(address).or_default();
                slots.values_mut().for_each(|value| *value = U256::ZERO);
                let stored = state.storage().get(&address).into_iter().flatten();
                slots.extend(stored.map(|(slot, _)| (*slot, U256::ZERO)));
            }
            Act::Write(writes) if exists => {
                let slots = changes.storage.entry(address).or_default();
                slots.extend(
                    writes
                        .iter()
                        .map(|(slot, value)| (U256::from(*slot), U256::from(*value))),
                );
            }
            Act::Write(_) => {}
        }
    }
    changes
}

/// Nodes of two states, told apart by their hash.
struct Either<'a>(&'a MemoryState, &'a MemoryState);

impl TrieReader for Either<'_> {
    type Error = Infallible;
    fn trie_node(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, Infallible> {
        let found = [self.0, self.1].map(|state| state.trie_node(owner, path, hash));
        let mut found = found
            .into_iter()
            .filter_map(Result::transpose)
            .map(Result::unwrap);
        Ok(found.find(|node| keccak256(node) == hash))
    }
}

fn rebuilt_state_root(state: &MemoryState) -> B256 {
    root::state_root_unhashed(state.accounts().iter().map(|(address, account)| {
        let slots = state.storage().get(address).into_iter().flatten();
        let storage_root =
            root::storage_root_unhashed(slots.map(|(slot, value)| (B256::from(*slot), *value)));
        let account = TrieAccount {
            nonce: account.nonce,
            balance: account.balance,
            storage_root,
            code_hash: account.code_hash,
        };
        (*address, account)
    }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_state_root_of_any_chain_of_blocks_equals_a_rebuild(
        blocks in many(many((0u8..10, act()), 0..10), 1..10)
    ) {
        let mut state = MemoryState::default();
        let mut root = EMPTY_ROOT_HASH;
        for acts in blocks {
            let changes = changes_for(&state, &acts);
            let outcome = StateTrie::at(root).update(&state, &changes).unwrap();
            state.apply_changes(&changes, &outcome.changes(&state).unwrap());
            root = outcome.after.root();
            prop_assert_eq!(root, rebuilt_state_root(&state));

            let all = StateChanges {
                accounts: state.accounts().iter().map(|(address, account)| (*address, Some(*account))).collect(),
                storage: state.storage().clone(),
                codes: BTreeMap::new(),
            };
            let mut fresh = MemoryState::default();
            let fresh_outcome = StateTrie::default().update(&fresh, &all).unwrap();
            fresh.apply_changes(&all, &fresh_outcome.changes(&fresh).unwrap());
            prop_assert_eq!(&state, &fresh);
            for (address, storage_root) in &outcome.storage_roots {
                prop_assert_eq!(fresh_outcome.storage_roots.get(address), Some(storage_root));
            }
        }
    }

    #[test]
    fn every_version_of_a_trie_in_memory_stays_what_it_was(
        blocks in many(many((0u8..10, act()), 0..10), 1..10),
        trims in many(0usize..4, 10),
    ) {
        let mut states = Vec::from([MemoryState::default()]);
        let mut versions = Vec::from([StateTrie::default()]);
        for (acts, trim) in blocks.into_iter().zip(trims) {
            let mut state = states.last().unwrap().clone();
            let changes = changes_for(&state, &acts);
            let update = versions.last().unwrap().update(&state, &changes).unwrap();
            state.apply_changes(&changes, &update.changes(&state).unwrap());
            prop_assert_eq!(update.after.root(), rebuilt_state_root(&state));
            // As a node does that may keep only so much: what was cut off is read again.
            versions.push(match trim {
                0 => update.after,
                depth => update.after.trimmed(depth),
            });
            states.push(state);
        }
        for (state, version) in states.iter().zip(&versions) {
            prop_assert_eq!(version.root(), rebuilt_state_root(state));
            for who in 0u8..11 {
                let address = Address::repeat_byte(who);
                let proven = version.account_proof(state, address).unwrap();
                prop_assert_eq!(proven.account.map(|account| account.nonce), state.accounts().get(&address).map(|a| a.nonce));
                let key = Nibbles::unpack(keccak256(address));
                let rlp = proven.account.map(alloy_rlp::encode);
                prop_assert!(verify_proof(version.root(), key, rlp, &proven.proof).is_ok());
            }
        }
        // From any version to any later one, as a store does that writes several blocks at once.
        for (from, before) in versions.iter().enumerate() {
            for (to, after) in versions.iter().enumerate().skip(from) {
                let changes = after.changes_since(before, &Either(&states[from], &states[to])).unwrap();
                let mut nodes = states[from].clone();
                nodes.apply_changes(&StateChanges::default(), &changes);
                prop_assert_eq!(nodes.account_nodes(), states[to].account_nodes());
                prop_assert_eq!(nodes.storage_nodes(), states[to].storage_nodes());
            }
        }
    }

    /// As when a store has flushed one version and may keep only so much of it: the versions after it, which were made from all of it, let
    /// go of the same, and what they let go of is what was flushed.
    #[test]
    fn versions_made_from_a_whole_trie_are_trimmed_like_it(
        blocks in many(many((0u8..10, act()), 1..10), 2..8),
        depth in 1usize..4,
        flushed in 1usize..7,
    ) {
        let mut states = Vec::from([MemoryState::default()]);
        let mut versions = Vec::from([StateTrie::default()]);
        for acts in blocks {
            let mut state = states.last().unwrap().clone();
            let changes = changes_for(&state, &acts);
            let update = versions.last().unwrap().update(&state, &changes).unwrap();
            state.apply_changes(&changes, &update.changes(&state).unwrap());
            versions.push(update.after);
            states.push(state);
        }
        let flushed = flushed.min(versions.len() - 1);
        let mut trimmed = Vec::from([versions[flushed].trimmed(depth)]);
        for pair in versions[flushed..].windows(2) {
            trimmed.push(pair[1].trimmed_like(&pair[0], trimmed.last().unwrap()));
        }
        let same = versions[flushed].trimmed_like(&versions[flushed], &trimmed[0]);
        prop_assert_eq!(same.nodes_in_memory(), trimmed[0].nodes_in_memory());
        for ((state, whole), trimmed) in states[flushed..].iter().zip(&versions[flushed..]).zip(&trimmed) {
            prop_assert_eq!(whole.root(), trimmed.root());
            prop_assert!(trimmed.nodes_in_memory() <= whole.nodes_in_memory());
            // Reads every node.
            let all = trimmed.changes_since(&StateTrie::default(), &states[flushed]).unwrap();
            let mut nodes = MemoryState::default();
            nodes.apply_changes(&StateChanges::default(), &all);
            prop_assert_eq!(nodes.account_nodes(), state.account_nodes());
            prop_assert_eq!(nodes.storage_nodes(), state.storage_nodes());
        }
    }

    #[test]
    fn account_and_storage_proofs_verify(acts in many((0u8..10, act()), 1..30)) {
        let mut state = MemoryState::default();
        let mut root = EMPTY_ROOT_HASH;
        for act in acts.chunks(5) {
            let changes = changes_for(&state, act);
            let outcome = StateTrie::at(root).update(&state, &changes).unwrap();
            state.apply_changes(&changes, &outcome.changes(&state).unwrap());
            root = outcome.after.root();
        }
        for who in 0u8..11 {
            let address = Address::repeat_byte(who);
            let proven = StateTrie::at(root).account_proof(&state, address).unwrap();
            prop_assert_eq!(proven.account.map(|account| account.nonce), state.accounts().get(&address).map(|a| a.nonce));
            let key = Nibbles::unpack(keccak256(address));
            prop_assert!(verify_proof(root, key, proven.account.map(alloy_rlp::encode), &proven.proof).is_ok());

            let storage_root = proven.account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
            for slot in (0u64..13).map(U256::from) {
                let proven = StateTrie::at(root).storage_proof(&state, address, slot).unwrap();
                let stored = state.storage().get(&address).and_then(|slots| slots.get(&slot)).copied();
                prop_assert_eq!(proven.value, stored.unwrap_or_default());
                let key = Nibbles::unpack(keccak256(slot.to_be_bytes::<32>()));
                let expected = stored.map(alloy_rlp::encode);
                prop_assert!(verify_proof(storage_root, key, expected, &proven.proof).is_ok());
            }
        }
    }
}

fn two_leaves() -> (OneTrie, B256, B256) {
    let mut trie = OneTrie::default();
    let (left, right) = (B256::repeat_byte(0x11), B256::repeat_byte(0x22));
    let leaf = |byte| Some(vec![byte; 40]);
    let root = trie
        .update(
            EMPTY_ROOT_HASH,
            BTreeMap::from([(left, leaf(1)), (right, leaf(2))]),
        )
        .unwrap();
    (trie, root, left)
}

#[test]
fn empty_changes_keep_the_root_and_read_nothing() {
    let root = b256!("1111111111111111111111111111111111111111111111111111111111111111");
    let state = MemoryState::default();
    let outcome = StateTrie::at(root)
        .update(&state, &StateChanges::default())
        .unwrap();
    assert_eq!(outcome.after.root(), root);
    assert_eq!(outcome.changes(&state).unwrap(), TrieChanges::default());
}

#[test]
fn missing_node_is_an_error_and_not_an_empty_place() {
    let (mut trie, root, left) = two_leaves();
    let path = Nibbles::from_nibbles([1]);
    let removed = trie.0.remove(&path).unwrap();
    let error = trie
        .clone()
        .update(root, BTreeMap::from([(left, None)]))
        .unwrap_err();
    let TrieError::MissingNode { at, hash } = error else {
        panic!("{error}");
    };
    assert_eq!((*at, hash), (NodeAt { owner: OWNER, path }, keccak256(&removed)));
    assert_eq!(
        NodeAt { owner: None, path }.to_string(),
        "account trie node at /1"
    );
}

#[test]
fn sibling_missing_on_collapse_is_an_error() {
    let (mut trie, root, left) = two_leaves();
    trie.0.remove(&Nibbles::from_nibbles([2]));
    let error = trie.update(root, BTreeMap::from([(left, None)])).unwrap_err();
    assert!(matches!(error, TrieError::MissingNode { .. }), "{error}");
}

#[test]
fn node_of_another_version_is_an_error() {
    let (mut trie, root, left) = two_leaves();
    let path = Nibbles::from_nibbles([1]);
    let before = trie.0[&path].clone();
    trie.update(root, BTreeMap::from([(left, Some(vec![9; 40]))]))
        .unwrap();
    // The root goes back, the leaf does not: what a store shows that answers from a half-written block.
    let (old, _, _) = two_leaves();
    trie.0.insert(Nibbles::new(), old.0[&Nibbles::new()].clone());
    let error = trie.update(root, BTreeMap::from([(left, None)])).unwrap_err();
    let TrieError::WrongNode { at, expected, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((at.path, expected), (path, keccak256(&before)));
}

#[test]
fn node_that_is_no_trie_node_is_an_error() {
    for rlp in ["0x83646f67", "0xc0", "0xc3808080", "0xc22080", "0xc2208000"] {
        let rlp: Bytes = rlp.parse().unwrap();
        let mut trie = OneTrie::default();
        trie.0.insert(Nibbles::new(), rlp.clone());
        let changes = BTreeMap::from([(B256::ZERO, None)]);
        let error = trie.update(keccak256(&rlp), changes).unwrap_err();
        assert!(matches!(error, TrieError::MalformedNode { .. }), "{rlp}: {error}");
    }
}

#[derive(Debug, thiserror::Error)]
#[error("disk on fire")]
struct DiskError;

struct FailingReader;

impl TrieReader for FailingReader {
    type Error = DiskError;
    fn trie_node(&self, _: Option<B256>, _: &Nibbles, _: B256) -> Result<Option<Bytes>, DiskError> {
        Err(DiskError)
    }
}

#[test]
fn failed_read_carries_its_cause() {
    let error = StateTrie::at(B256::repeat_byte(1))
        .account_proof(&FailingReader, Address::ZERO)
        .unwrap_err();
    assert_eq!(
        core::error::Error::source(&error).unwrap().to_string(),
        "disk on fire"
    );
}

#[test]
fn changes_that_contradict_themselves_are_refused() {
    let address = address!("00000000000000000000000000000000000000aa");
    let slots = BTreeMap::from([(U256::ONE, U256::ONE)]);
    let mut changes = StateChanges::default();
    changes.storage.insert(address, slots);
    let state = MemoryState::default();
    let error = StateTrie::default().update(&state, &changes).unwrap_err();
    assert!(
        matches!(error, TrieError::StorageWithoutAccount { .. }),
        "{error}"
    );

    changes.accounts.insert(address, None);
    let error = StateTrie::default().update(&state, &changes).unwrap_err();
    assert!(matches!(error, TrieError::RemovedWithStorage { .. }), "{error}");
}
