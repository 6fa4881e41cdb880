//! One trie node in memory, and how it is read from its stored form.
//!
//! A node refers to a child either by what is stored (a hash, or the child's own RLP where that is shorter than 32 bytes) or by
//! an [`Open`](Child::Open) node that was read or made and is not encoded yet. Only nodes on the way to a changed key are opened.

use super::{NodeAt, TrieError};
use crate::state::TrieReader;
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{
    Nibbles,
    nodes::{RlpNode, TrieNode},
};
use core::cell::RefCell;

/// Length of every key: a 32-byte hash, one nibble per half byte. It bounds the depth of every walk.
pub(super) const KEY_NIBBLES: usize = 64;

/// The sixteen places of a branch.
pub(super) type Children = [Option<Child>; 16];

/// A node with its path cut off.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// The end of a key and its value.
    Leaf { key: Nibbles, value: Vec<u8> },
    /// A run of nibbles all keys below share; its child is always a branch.
    Extension { key: Nibbles, child: Child },
    /// A fork. Keys all have one length, so a branch never holds a value of its own.
    Branch(Box<Children>),
}

/// How a node refers to one below it.
#[derive(Clone, Debug)]
pub(super) enum Child {
    /// As stored: a hash, or the RLP of a small node.
    Stored(RlpNode),
    /// In memory, perhaps changed.
    Open(Box<Node>),
}

impl From<Node> for Child {
    fn from(node: Node) -> Self {
        Self::Open(Box::new(node))
    }
}

impl Node {
    /// Reads the node at `path`, refusing whatever would lead past the length of a key.
    fn decode(mut rlp: &[u8], path: &Nibbles) -> Option<Self> {
        let node = TrieNode::decode(&mut rlp).ok()?;
        if !rlp.is_empty() {
            return None;
        }
        let left = KEY_NIBBLES.checked_sub(path.len())?;
        match node {
            TrieNode::Leaf(leaf) if leaf.key.len() == left => Some(Self::Leaf {
                key: leaf.key,
                value: leaf.value,
            }),
            TrieNode::Extension(extension) if (1..left).contains(&extension.key.len()) => {
                Some(Self::Extension {
                    key: extension.key,
                    child: Child::Stored(extension.child),
                })
            }
            TrieNode::Branch(branch) if left > 0 => {
                let mut children = Box::new(Children::default());
                for (nibble, child) in branch.as_ref().children() {
                    children[usize::from(nibble)] = child.cloned().map(Child::Stored);
                }
                Some(Self::Branch(children))
            }
            _ => None,
        }
    }

    /// This node moved up to stand `prefix` nibbles higher.
    pub(super) fn under(self, prefix: &Nibbles) -> Self {
        if prefix.is_empty() {
            return self;
        }
        match self {
            Self::Leaf { key, value } => Self::Leaf {
                key: prefix.join(&key),
                value,
            },
            Self::Extension { key, child } => Self::Extension {
                key: prefix.join(&key),
                child,
            },
            branch @ Self::Branch(_) => Self::Extension {
                key: *prefix,
                child: branch.into(),
            },
        }
    }
}

/// The stored nodes of one trie, each read and checked against its hash once.
pub(super) struct Nodes<'a, R> {
    reader: &'a R,
    owner: Option<B256>,
    /// What was read, by path. Looking an account up and then changing it walks the same nodes twice.
    checked: RefCell<BTreeMap<Nibbles, Bytes>>,
}

impl<'a, R: TrieReader> Nodes<'a, R> {
    pub(super) const fn new(reader: &'a R, owner: Option<B256>) -> Self {
        Self {
            reader,
            owner,
            checked: RefCell::new(BTreeMap::new()),
        }
    }

    /// The node a parent refers to as `reference`, and its RLP if it is stored under its own path.
    pub(super) fn read(
        &self,
        path: &Nibbles,
        reference: &RlpNode,
    ) -> Result<(Node, Option<Bytes>), TrieError> {
        let malformed = || TrieError::MalformedNode { at: self.at(path) };
        let Some(hash) = reference.as_hash() else {
            let node = Node::decode(reference, path).ok_or_else(malformed)?;
            return Ok((node, None));
        };
        let rlp = self.checked_rlp(path, hash)?;
        let node = Node::decode(&rlp, path).ok_or_else(malformed)?;
        Ok((node, Some(rlp)))
    }

    fn checked_rlp(&self, path: &Nibbles, hash: B256) -> Result<Bytes, TrieError> {
        if let Some(rlp) = self.checked.borrow().get(path) {
            return Ok(rlp.clone());
        }
        let rlp = self
            .reader
            .trie_node(self.owner, path, hash)
            .map_err(|source| TrieError::Read {
                at: self.at(path),
                source: Box::new(source),
            })?
            .ok_or_else(|| TrieError::MissingNode {
                at: self.at(path),
                hash,
            })?;
        let found = keccak256(&rlp);
        if found != hash {
            return Err(TrieError::WrongNode {
                at: self.at(path),
                expected: hash,
                found,
            });
        }
        self.checked.borrow_mut().insert(*path, rlp.clone());
        Ok(rlp)
    }

    fn at(&self, path: &Nibbles) -> Box<NodeAt> {
        Box::new(NodeAt {
            owner: self.owner,
            path: *path,
        })
    }
}
