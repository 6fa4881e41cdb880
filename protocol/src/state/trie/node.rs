//! Nodes of a trie in memory, shared between its versions, and how one is read from its stored form.
//!
//! ```text
//!  Link { reference, node }     reference: what the parent's RLP holds (a hash, or the node's own RLP where that is shorter)
//!           |                   node: there once it was needed; then every version that shares the link has it
//!           v
//!  Node: Leaf | Extension -> Link | Branch -> up to 16 Links
//! ```
//! A link never changes what it refers to, so a version of the trie is a link to its root: cheap to keep, to clone and to read while
//! the next version is made beside it. A leaf of the account trie carries the link to the account's storage trie.

use super::{NodeAt, TrieError};
use crate::state::TrieReader;
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles, TrieAccount,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode, TrieNode},
};
use once_cell::race::OnceBox;

/// Length of every key: a 32-byte hash, one nibble per half byte. It bounds the depth of every walk.
pub(super) const KEY_NIBBLES: usize = 64;

/// A reference to a node, and the node once it has been read or made.
#[derive(Clone)]
pub(super) struct Link(Arc<Place>);

struct Place {
    reference: RlpNode,
    node: OnceBox<Node>,
}

/// A node whose children are links.
pub(super) enum Node {
    /// The end of a key.
    Leaf(Leaf),
    /// A run of nibbles all keys below share; its child is always a branch.
    Extension { key: Nibbles, child: Link },
    /// A fork. Keys all have one length, so a branch never holds a value of its own.
    Branch(Box<[Option<Link>; 16]>),
}

/// The end of a key and its value.
#[derive(Clone)]
pub(super) struct Leaf {
    /// What is left of the key at this depth.
    pub(super) key: Nibbles,
    pub(super) value: Value,
}

/// What a trie holds under a key.
#[derive(Clone)]
pub(super) struct Value {
    /// An account or a slot, as RLP.
    pub(super) rlp: Bytes,
    /// The storage trie of an account that has one.
    pub(super) storage: Option<Link>,
}

impl Link {
    /// A node that is not in memory.
    pub(super) fn stored(reference: RlpNode) -> Self {
        Self(Arc::new(Place {
            reference,
            node: OnceBox::new(),
        }))
    }

    /// A node that is, with the reference its RLP amounts to.
    pub(super) fn made(reference: RlpNode, node: Node) -> Self {
        Self(Arc::new(Place {
            reference,
            node: OnceBox::with_value(Box::new(node)),
        }))
    }

    /// The root of a trie; `None` for the empty one.
    pub(super) fn root(root: B256) -> Option<Self> {
        (root != EMPTY_ROOT_HASH).then(|| Self::stored(RlpNode::word_rlp(&root)))
    }

    /// What the parent's RLP holds.
    pub(super) fn reference(&self) -> &RlpNode {
        &self.0.reference
    }

    /// Hash of the node, if it is stored under its own path rather than inside its parent.
    pub(super) fn hash(&self) -> Option<B256> {
        self.0.reference.as_hash()
    }

    /// True if both refer to the same subtree.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.is_shared_with(other) || self.0.reference == other.0.reference
    }

    /// True if both are one place in memory.
    pub(super) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The node, if it is in memory.
    pub(super) fn loaded(&self) -> Option<&Node> {
        self.0.node.get()
    }

    /// The node, read through `source` if it is not in memory yet, and checked against its hash.
    pub(super) fn node<R: TrieReader>(
        &self,
        source: &Source<'_, R>,
        path: &Nibbles,
    ) -> Result<&Node, TrieError> {
        if let Some(node) = self.0.node.get() {
            return Ok(node);
        }
        let node = match self.hash() {
            None => Node::decode(&self.0.reference, source.owner, path),
            Some(hash) => Node::decode(&source.read(path, hash)?, source.owner, path),
        };
        let node = node.ok_or_else(|| TrieError::MalformedNode { at: source.at(path) })?;
        Ok(self.0.node.get_or_init(|| Box::new(node)))
    }
}

impl Node {
    /// Reads the node at `path`, refusing whatever would lead past the length of a key.
    fn decode(mut rlp: &[u8], owner: Option<B256>, path: &Nibbles) -> Option<Self> {
        let node = TrieNode::decode(&mut rlp).ok()?;
        if !rlp.is_empty() {
            return None;
        }
        let left = KEY_NIBBLES.checked_sub(path.len())?;
        match node {
            TrieNode::Leaf(leaf) if leaf.key.len() == left => {
                let rlp = Bytes::from(leaf.value);
                let storage = match owner {
                    None => Link::root(account(&rlp)?.storage_root),
                    Some(_) => None,
                };
                Some(Self::Leaf(Leaf {
                    key: leaf.key,
                    value: Value { rlp, storage },
                }))
            }
            TrieNode::Extension(extension) if (1..left).contains(&extension.key.len()) => {
                Some(Self::Extension {
                    key: extension.key,
                    child: Link::stored(extension.child),
                })
            }
            TrieNode::Branch(branch) if left > 0 => {
                let mut children = Box::new([const { None }; 16]);
                for (nibble, child) in branch.as_ref().children() {
                    children[usize::from(nibble)] = child.cloned().map(Link::stored);
                }
                Some(Self::Branch(children))
            }
            _ => None,
        }
    }

    /// Appends the node's RLP.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Leaf(leaf) => {
                LeafNodeRef::new(&leaf.key, &leaf.value.rlp).rlp(out);
            }
            Self::Extension { key, child } => {
                ExtensionNodeRef::new(key, child.reference()).rlp(out);
            }
            Self::Branch(children) => encode_branch(children, out),
        }
    }

    /// The node's RLP.
    pub(super) fn rlp(&self) -> Bytes {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.into()
    }
}

/// Appends a branch: what its children are referred to by, and no value.
fn encode_branch(children: &[Option<Link>; 16], out: &mut Vec<u8>) {
    let reference = |child: &Option<Link>| child.as_ref().map_or(1, |child| child.reference().len());
    let header = alloy_rlp::Header {
        list: true,
        payload_length: 1 + children.iter().map(reference).sum::<usize>(),
    };
    out.reserve(header.length_with_payload());
    header.encode(out);
    for child in children {
        match child {
            Some(child) => out.extend_from_slice(child.reference()),
            None => out.push(alloy_rlp::EMPTY_STRING_CODE),
        }
    }
    out.push(alloy_rlp::EMPTY_STRING_CODE);
}

/// An account as the trie holds it; `None` if that is not what the bytes are.
pub(super) fn account(mut rlp: &[u8]) -> Option<TrieAccount> {
    let account = TrieAccount::decode(&mut rlp).ok()?;
    rlp.is_empty().then_some(account)
}

/// Where the stored nodes of one trie come from.
pub(super) struct Source<'a, R> {
    pub(super) reader: &'a R,
    /// Hashed address of the storage trie; `None` for the account trie.
    pub(super) owner: Option<B256>,
}

impl<R: TrieReader> Source<'_, R> {
    fn read(&self, path: &Nibbles, hash: B256) -> Result<Bytes, TrieError> {
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
        Ok(rlp)
    }

    fn at(&self, path: &Nibbles) -> Box<NodeAt> {
        Box::new(NodeAt {
            owner: self.owner,
            path: *path,
        })
    }
}
