//! The Merkle Patricia trie, kept incrementally: a block's changes in, the next version of the trie out.
//!
//! ```text
//!  StateTrie --update(StateChanges)--> TrieUpdate { before, after, storage_roots }
//!       nodes are read through TrieReader, one by one, only on the way to a change, and stay in memory
//!  TrieUpdate --changes--> TrieChanges: what to write so that the stored nodes are those of `after`
//! ```
//!
//! Versions share what did not change, so an old one costs what has changed since, and reads the same while newer ones are made.
//!
//! Invariants: after any sequence of updates the stored nodes are exactly those a fresh build of the same state would store, and
//! every node read is checked against the hash its parent names, so that a half-written state is an error and never a root.

mod changes;
mod edit;
mod node;
mod proof;

#[cfg(test)]
mod tests;

pub use proof::{AccountProof, StorageProof};

use super::{StateChanges, TrieChanges, TrieReader};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use core::fmt;
use edit::Change;
use node::{Link, Node, Source, Value};

/// One version of the state trie: as much of it as was ever needed. A clone shares everything.
///
/// What is not in memory yet is read when it is needed, through a reader that knows the nodes of this very version.
#[derive(Clone, Default)]
pub struct StateTrie {
    root: Option<Link>,
}

/// Two versions of the state trie, one block apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrieUpdate {
    /// Before the changes.
    pub before: StateTrie,
    /// After the changes.
    pub after: StateTrie,
    /// Storage root of every account the changes name and that still exists.
    pub storage_roots: BTreeMap<Address, B256>,
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

/// A stored node in two versions: RLP, or `None` where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeChange {
    /// Where the node belongs.
    pub at: NodeAt,
    /// In the older version.
    pub before: Option<Bytes>,
    /// In the newer one.
    pub after: Option<Bytes>,
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
    /// The reader has no trie to offer.
    #[error("the state trie could not be read")]
    Reader(#[source] Box<dyn core::error::Error + Send + Sync>),
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

impl StateTrie {
    /// The trie with this root, nothing of it in memory.
    #[must_use]
    pub fn at(root: B256) -> Self {
        Self {
            root: Link::root(root),
        }
    }

    /// The state root.
    #[must_use]
    pub fn root(&self) -> B256 {
        let hash = self.root.as_ref().and_then(Link::hash);
        hash.unwrap_or(EMPTY_ROOT_HASH)
    }

    /// Applies one block's changes. What is not in memory is read through `reader`; nothing is written.
    ///
    /// # Errors
    /// If a node cannot be read, is missing or is not the one its parent names, or if `changes` contradict themselves.
    pub fn update<R: TrieReader>(&self, reader: &R, changes: &StateChanges) -> Result<TrieUpdate, TrieError> {
        let mut storage_roots = BTreeMap::new();
        let named: BTreeSet<&Address> = changes.accounts.keys().chain(changes.storage.keys()).collect();
        let mut leaves = Vec::with_capacity(named.len());
        for &address in named {
            let owner = keccak256(address);
            let value = self.changed_account(reader, address, owner, changes)?;
            if let Some((root, _)) = &value {
                storage_roots.insert(address, *root);
            }
            leaves.push((owner, value.map(|(_, value)| value)));
        }
        leaves.sort_unstable_by_key(|(owner, _)| *owner);
        let leaves: Vec<_> = leaves
            .into_iter()
            .map(|(owner, value)| Change::new(owner, value))
            .collect();
        let source = Source { reader, owner: None };
        let root = edit::edit(&source, self.root.as_ref(), &leaves)?;
        Ok(TrieUpdate {
            before: self.clone(),
            after: Self { root },
            storage_roots,
        })
    }

    /// What the trie shall hold for an account that `changes` name, and its storage root; `None` if it is gone.
    fn changed_account<R: TrieReader>(
        &self,
        reader: &R,
        address: Address,
        owner: B256,
        changes: &StateChanges,
    ) -> Result<Option<(B256, Value)>, TrieError> {
        let source = Source { reader, owner: None };
        let leaf = proof::find(&source, self.root.as_ref(), owner, drop)?;
        let mut storage = leaf.and_then(|leaf| leaf.value.storage.clone());
        if let Some(slots) = changes.storage.get(&address) {
            let source = Source {
                reader,
                owner: Some(owner),
            };
            storage = edit::edit(&source, storage.as_ref(), &slot_changes(slots))?;
        }
        let storage_root = storage.as_ref().and_then(Link::hash).unwrap_or(EMPTY_ROOT_HASH);
        let account = match changes.accounts.get(&address) {
            None => {
                let leaf = leaf.ok_or(TrieError::StorageWithoutAccount { address })?;
                TrieAccount {
                    storage_root,
                    ..proof::decode_account(leaf, address)?
                }
            }
            Some(None) if storage.is_none() => return Ok(None),
            Some(None) => return Err(TrieError::RemovedWithStorage { address }),
            Some(Some(account)) => TrieAccount {
                nonce: account.nonce,
                balance: account.balance,
                storage_root,
                code_hash: account.code_hash,
            },
        };
        let rlp = alloy_rlp::encode(account).into();
        Ok(Some((storage_root, Value { rlp, storage })))
    }

    /// Stored nodes that differ from those of `before`: applied to the nodes of `before` they give the nodes of this trie. Where
    /// `before` is not in memory and differs, `reader` knows its nodes.
    ///
    /// # Errors
    /// If a node cannot be read, is missing, or is not the one its parent names.
    pub fn changes_since<R: TrieReader>(&self, before: &Self, reader: &R) -> Result<TrieChanges, TrieError> {
        let mut changes = TrieChanges::default();
        for NodeChange { at, after, .. } in self.node_changes(before, reader)? {
            let nodes = match at.owner {
                None => &mut changes.accounts,
                Some(owner) => changes.storage.entry(owner).or_default(),
            };
            nodes.insert(at.path, after);
        }
        Ok(changes)
    }

    /// As [`Self::changes_since`], with what was there before: the account trie first, then storage tries, each in order of paths.
    ///
    /// # Errors
    /// As [`Self::changes_since`].
    pub fn node_changes<R: TrieReader>(
        &self,
        before: &Self,
        reader: &R,
    ) -> Result<Vec<NodeChange>, TrieError> {
        let mut nodes = Vec::new();
        let roots = [before.root.as_ref(), self.root.as_ref()];
        let tries = changes::between(reader, None, roots, &mut nodes)?;
        for (owner, roots) in tries {
            let roots = [roots[0].as_ref(), roots[1].as_ref()];
            changes::between(reader, Some(owner), roots, &mut nodes)?;
        }
        Ok(nodes)
    }

    /// True if both are the same in memory, not only in contents: what one has read, the other has.
    #[must_use]
    pub fn shares_memory_with(&self, other: &Self) -> bool {
        match (&self.root, &other.root) {
            (None, None) => true,
            (Some(root), Some(other)) => root.is_shared_with(other),
            _ => false,
        }
    }

    /// Nodes in memory, storage tries included.
    #[must_use]
    pub fn nodes_in_memory(&self) -> usize {
        self.root.as_ref().map_or(0, count)
    }

    /// The same trie with the nodes above `depth` (in nibbles; at least 1) in memory, as far as they were, and nothing below.
    #[must_use]
    pub fn trimmed(&self, depth: usize) -> Self {
        Self {
            root: self.root.as_ref().map(|root| trim(root, depth)),
        }
    }
}

impl StateTrie {
    /// The same trie, with what it shares with `whole` in memory only as far as `trimmed` has it, which is `whole` with less in memory. A
    /// reader that knows what `trimmed` leaves out knows what this one does.
    #[must_use]
    pub fn trimmed_like(&self, whole: &Self, trimmed: &Self) -> Self {
        let root = match (&self.root, &whole.root) {
            (Some(root), Some(whole)) => Some(trim_like(root, whole, trimmed.root.as_ref())),
            (root, _) => root.clone(),
        };
        Self { root }
    }
}

impl TrieUpdate {
    /// Stored nodes that appeared, changed or went away.
    ///
    /// # Errors
    /// None after an update that read through the same reader: what differs is in memory.
    pub fn changes<R: TrieReader>(&self, reader: &R) -> Result<TrieChanges, TrieError> {
        self.after.changes_since(&self.before, reader)
    }
}

impl PartialEq for StateTrie {
    /// Roots name contents.
    fn eq(&self, other: &Self) -> bool {
        self.root() == other.root()
    }
}

impl Eq for StateTrie {}

impl fmt::Debug for StateTrie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateTrie({})", self.root())
    }
}

fn count(link: &Link) -> usize {
    1 + match link.loaded() {
        None => return 0,
        Some(Node::Leaf(leaf)) => leaf.value.storage.as_ref().map_or(0, count),
        Some(Node::Extension { child, .. }) => count(child),
        Some(Node::Branch(children)) => children.iter().flatten().map(count).sum(),
    }
}

fn trim(link: &Link, depth: usize) -> Link {
    let stored = || Link::stored(link.reference().clone());
    let node = match link.loaded() {
        Some(Node::Branch(children)) if depth > 0 => {
            let mut kept = Box::new([const { None }; 16]);
            for (place, child) in kept.iter_mut().zip(children.iter()) {
                *place = child.as_ref().map(|child| trim(child, depth - 1));
            }
            Node::Branch(kept)
        }
        Some(Node::Extension { key, child }) if depth > key.len() => Node::Extension {
            key: *key,
            child: trim(child, depth - key.len()),
        },
        _ => return stored(),
    };
    Link::made(link.reference().clone(), node)
}

/// See [`StateTrie::trimmed_like`]. All are at one path; `trimmed` is `None` where the node above it is not in memory.
fn trim_like(link: &Link, whole: &Link, trimmed: Option<&Link>) -> Link {
    if link.is_same(whole) {
        return trimmed
            .cloned()
            .unwrap_or_else(|| Link::stored(link.reference().clone()));
    }
    let trimmed = trimmed.and_then(Link::loaded);
    let node = match (link.loaded(), whole.loaded()) {
        (Some(Node::Branch(children)), Some(Node::Branch(before))) => {
            let mut kept = children.clone();
            for (nibble, (place, before)) in kept.iter_mut().zip(before.iter()).enumerate() {
                let trimmed = match trimmed {
                    Some(Node::Branch(trimmed)) => trimmed[nibble].as_ref(),
                    _ => None,
                };
                if let (Some(child), Some(before)) = (place.as_ref(), before) {
                    *place = Some(trim_like(child, before, trimmed));
                }
            }
            Node::Branch(kept)
        }
        (
            Some(Node::Extension { key, child }),
            Some(Node::Extension {
                key: same,
                child: before,
            }),
        ) if key == same => {
            let trimmed = match trimmed {
                Some(Node::Extension { child, .. }) => Some(child),
                _ => None,
            };
            Node::Extension {
                key: *key,
                child: trim_like(child, before, trimmed),
            }
        }
        (Some(Node::Leaf(leaf)), Some(Node::Leaf(before))) if leaf.key == before.key => {
            let trimmed = match trimmed {
                Some(Node::Leaf(trimmed)) => trimmed.value.storage.as_ref(),
                _ => None,
            };
            let mut leaf = leaf.clone();
            if let (Some(storage), Some(before)) = (&leaf.value.storage, &before.value.storage) {
                leaf.value.storage = Some(trim_like(storage, before, trimmed));
            }
            Node::Leaf(leaf)
        }
        // Forked or merged here: a little more stays in memory than must.
        _ => return link.clone(),
    };
    Link::made(link.reference().clone(), node)
}

fn slot_changes(slots: &BTreeMap<U256, U256>) -> Vec<Change> {
    let mut changes: Vec<_> = slots
        .iter()
        .map(|(slot, value)| {
            let value = (!value.is_zero()).then(|| Value {
                rlp: alloy_rlp::encode(value).into(),
                storage: None,
            });
            (keccak256(slot.to_be_bytes::<32>()), value)
        })
        .collect();
    changes.sort_unstable_by_key(|(key, _)| *key);
    changes
        .into_iter()
        .map(|(key, value)| Change::new(key, value))
        .collect()
}
