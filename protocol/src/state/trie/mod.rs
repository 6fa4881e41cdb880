//! The Merkle Patricia trie, kept incrementally: a block's changes in, the new root and the nodes that changed out.
//!
//! ```text
//!  StateChanges --update--> TrieOutcome { state_root, storage_roots, changes }
//!       nodes are read through TrieReader, one by one, only on the way to a change
//! ```
//!
//! Invariants: after any sequence of updates the stored nodes are exactly those a fresh build of the same state would store, and
//! every node read is checked against the hash its parent names, so that a half-written state is an error and never a root.

mod node;
mod proof;
mod update;

#[cfg(test)]
mod tests;

pub use proof::{AccountProof, StorageProof, account_proof, storage_proof};

use super::{StateChanges, TrieChanges, TrieReader};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use core::fmt;
use node::Nodes;

/// What [`update`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrieOutcome {
    /// Root of the account trie after the changes.
    pub state_root: B256,
    /// Storage root of every account the changes name and that still exists.
    pub storage_roots: BTreeMap<Address, B256>,
    /// Stored nodes that appeared, changed or went away.
    pub changes: TrieChanges,
}

/// Where a node belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeAt {
    /// Hashed address of the storage trie; `None` for the account trie.
    pub owner: Option<B256>,
    /// Nibbles from the root of that trie.
    pub path: Nibbles,
}

impl fmt::Display for NodeAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner {
            None => write!(f, "account trie node at /")?,
            Some(owner) => write!(f, "storage trie node of {owner} at /")?,
        }
        self.path.iter().try_for_each(|nibble| write!(f, "{nibble:x}"))
    }
}

/// Why the trie could not be read or changed. All of these mean that the store is damaged or failing: halt.
#[derive(Debug, thiserror::Error)]
pub enum TrieError {
    /// The reader failed; whether there is a node is unknown.
    #[error("{at} could not be read")]
    Read {
        /// Where the node belongs.
        at: Box<NodeAt>,
        /// The reader's error.
        #[source]
        source: Box<dyn core::error::Error + Send + Sync>,
    },
    /// A parent names a node that is not there.
    #[error("{at} is missing, its parent names {hash}")]
    MissingNode {
        /// Where the node belongs.
        at: Box<NodeAt>,
        /// What its parent says it hashes to.
        hash: B256,
    },
    /// The node at a path is not the one its parent names: the state is half written.
    #[error("{at} hashes to {found}, its parent names {expected}")]
    WrongNode {
        /// Where the node belongs.
        at: Box<NodeAt>,
        /// What its parent says it hashes to.
        expected: B256,
        /// What it hashes to.
        found: B256,
    },
    /// A node has the right hash but is not a node of a trie with 32-byte keys.
    #[error("{at} is malformed")]
    MalformedNode {
        /// Where the node belongs.
        at: Box<NodeAt>,
    },
    /// A leaf does not hold an account or a storage value.
    #[error("trie value of {owner:?} under {key} is malformed")]
    MalformedValue {
        /// Hashed address of the storage trie; `None` for the account trie.
        owner: Option<B256>,
        /// Hashed key of the leaf.
        key: B256,
    },
    /// Storage was written under an account that does not exist.
    #[error("storage of {address} changed, but there is no such account")]
    StorageWithoutAccount {
        /// The account that is not there.
        address: Address,
    },
    /// An account went away while slots of it remain; EIP-6780 and EIP-161 rule that out.
    #[error("account {address} was removed, but its storage is not empty")]
    RemovedWithStorage {
        /// The removed account.
        address: Address,
    },
}

/// Applies one block's changes to the state with root `prev_root`. Reads through `reader`, writes nothing.
///
/// # Errors
/// If a node cannot be read, is missing or is not the one its parent names, or if `changes` contradict themselves.
pub fn update<R: TrieReader>(
    reader: &R,
    prev_root: B256,
    changes: &StateChanges,
) -> Result<TrieOutcome, TrieError> {
    let nodes = Nodes::new(reader, None);
    let mut storage_roots = BTreeMap::new();
    let mut storage_changes = BTreeMap::new();
    let mut leaves = BTreeMap::new();
    let named: BTreeSet<&Address> = changes.accounts.keys().chain(changes.storage.keys()).collect();

    for &address in named {
        let owner = keccak256(address);
        let before = proof::walk(&nodes, prev_root, owner, drop)?
            .map(|rlp| decode_account(&rlp, address))
            .transpose()?;
        let mut storage_root = before.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        if let Some(slots) = changes.storage.get(&address) {
            let storage = Nodes::new(reader, Some(owner));
            let (root, nodes) = update::update(&storage, storage_root, storage_leaves(slots))?;
            storage_root = root;
            if !nodes.is_empty() {
                storage_changes.insert(owner, nodes);
            }
        }
        let after = match changes.accounts.get(&address) {
            None => Some(TrieAccount {
                storage_root,
                ..before.ok_or(TrieError::StorageWithoutAccount { address })?
            }),
            Some(None) if storage_root == EMPTY_ROOT_HASH => None,
            Some(None) => return Err(TrieError::RemovedWithStorage { address }),
            Some(Some(account)) => Some(TrieAccount {
                nonce: account.nonce,
                balance: account.balance,
                storage_root,
                code_hash: account.code_hash,
            }),
        };
        if after.is_some() {
            storage_roots.insert(address, storage_root);
        }
        leaves.insert(owner, after.map(alloy_rlp::encode));
    }

    let (state_root, accounts) = update::update(&nodes, prev_root, leaves)?;
    Ok(TrieOutcome {
        state_root,
        storage_roots,
        changes: TrieChanges {
            accounts,
            storage: storage_changes,
        },
    })
}

fn storage_leaves(slots: &BTreeMap<U256, U256>) -> BTreeMap<B256, Option<Vec<u8>>> {
    slots
        .iter()
        .map(|(slot, value)| {
            let value = (!value.is_zero()).then(|| alloy_rlp::encode(value));
            (keccak256(slot.to_be_bytes::<32>()), value)
        })
        .collect()
}

fn decode_account(mut rlp: &[u8], address: Address) -> Result<TrieAccount, TrieError> {
    TrieAccount::decode(&mut rlp)
        .ok()
        .filter(|_| rlp.is_empty())
        .ok_or_else(|| TrieError::MalformedValue {
            owner: None,
            key: keccak256(address),
        })
}
