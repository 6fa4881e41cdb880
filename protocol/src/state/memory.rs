//! State held in memory: the same two seams the node's store implements, for the simulator and for tests.
//!
//! It is deliberately plain. A clone is a full copy, and nothing is ever forgotten that a block did not remove.

use super::{Account, StateChanges, TrieChanges, TrieReader};
use crate::execute::BlockOutcome;
use alloc::collections::BTreeMap;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::{KECCAK_EMPTY, Nibbles};
use core::convert::Infallible;
use revm::{DatabaseRef, bytecode::Bytecode, database_interface::DBErrorMarker, state::AccountInfo};

/// Flat state, trie nodes and block hashes of one chain at one block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryState {
    accounts: BTreeMap<Address, Account>,
    storage: BTreeMap<Address, BTreeMap<U256, U256>>,
    codes: BTreeMap<B256, Bytes>,
    account_nodes: BTreeMap<Nibbles, Bytes>,
    storage_nodes: BTreeMap<B256, BTreeMap<Nibbles, Bytes>>,
    block_hashes: BTreeMap<u64, B256>,
}

/// What execution asked for and this state should have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryStateError {
    /// An account names code that was never written.
    #[error("no code with hash {0}")]
    MissingCode(B256),
    /// `BLOCKHASH` of a block that was never applied.
    #[error("no block {0}")]
    MissingBlock(u64),
}

impl DBErrorMarker for MemoryStateError {}

impl MemoryState {
    /// Moves on by one block.
    ///
    /// # Panics
    /// If the block was not executed on this state.
    pub fn apply(&mut self, outcome: &BlockOutcome) {
        let trie = outcome.trie.changes(self);
        self.apply_changes(&outcome.changes, &trie.expect("the update read its nodes here"));
        self.insert_block_hash(outcome.block.header.number, outcome.hash);
    }

    /// Writes changes that do not come from a block, such as the genesis state.
    pub fn apply_changes(&mut self, changes: &StateChanges, trie: &TrieChanges) {
        for (address, account) in &changes.accounts {
            set(&mut self.accounts, *address, *account);
        }
        for (address, slots) in &changes.storage {
            let storage = self.storage.entry(*address).or_default();
            for (slot, value) in slots {
                set(storage, *slot, (!value.is_zero()).then_some(*value));
            }
            if storage.is_empty() {
                self.storage.remove(address);
            }
        }
        self.codes.extend(changes.codes.clone());

        apply_nodes(&mut self.account_nodes, &trie.accounts);
        for (owner, changes) in &trie.storage {
            let nodes = self.storage_nodes.entry(*owner).or_default();
            apply_nodes(nodes, changes);
            if nodes.is_empty() {
                self.storage_nodes.remove(owner);
            }
        }
    }

    /// Makes the hash of a block known to `BLOCKHASH`.
    pub fn insert_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
    }

    /// All accounts, by address.
    #[must_use]
    pub const fn accounts(&self) -> &BTreeMap<Address, Account> {
        &self.accounts
    }

    /// All storage that is not zero.
    #[must_use]
    pub const fn storage(&self) -> &BTreeMap<Address, BTreeMap<U256, U256>> {
        &self.storage
    }

    /// All code, by hash.
    #[must_use]
    pub const fn codes(&self) -> &BTreeMap<B256, Bytes> {
        &self.codes
    }

    /// Stored nodes of the account trie, by path.
    #[must_use]
    pub const fn account_nodes(&self) -> &BTreeMap<Nibbles, Bytes> {
        &self.account_nodes
    }

    /// Stored nodes of the storage tries, by hashed address and path.
    #[must_use]
    pub const fn storage_nodes(&self) -> &BTreeMap<B256, BTreeMap<Nibbles, Bytes>> {
        &self.storage_nodes
    }
}

fn apply_nodes(nodes: &mut BTreeMap<Nibbles, Bytes>, changes: &BTreeMap<Nibbles, Option<Bytes>>) {
    for (path, rlp) in changes {
        set(nodes, *path, rlp.clone());
    }
}

fn set<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

impl TrieReader for MemoryState {
    type Error = Infallible;

    fn trie_node(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
        _hash: B256,
    ) -> Result<Option<Bytes>, Infallible> {
        let nodes = match owner {
            None => Some(&self.account_nodes),
            Some(owner) => self.storage_nodes.get(&owner),
        };
        Ok(nodes.and_then(|nodes| nodes.get(path)).cloned())
    }
}

impl DatabaseRef for MemoryState {
    type Error = MemoryStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        Ok(self.accounts.get(&address).map(|account| account.to_info()))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        if code_hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        self.codes
            .get(&code_hash)
            .map(|code| Bytecode::new_raw(code.clone()))
            .ok_or(MemoryStateError::MissingCode(code_hash))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        let value = self.storage.get(&address).and_then(|slots| slots.get(&slot));
        Ok(value.copied().unwrap_or_default())
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        self.block_hashes
            .get(&number)
            .copied()
            .ok_or(MemoryStateError::MissingBlock(number))
    }
}
