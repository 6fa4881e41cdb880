//! Changing many keys of one trie at once.
//!
//! The changes are sorted, so each node on the way to any of them is opened once, changed once and hashed once:
//!
//! ```text
//!  apply(node, changes below it)          commit(node)
//!    leaf       rebuild with the changes    encode children first, then the node;
//!    extension  go down, or split           32 bytes or more: store it at its path,
//!    branch     one group per nibble        fewer: it lives inside its parent
//!               one child left: collapse
//! ```
//!
//! Every step down consumes a nibble, so the recursion is at most [`KEY_NIBBLES`](super::node::KEY_NIBBLES) deep.

use super::{
    TrieError,
    node::{Child, Children, Node, Nodes},
};
use crate::state::TrieReader;
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles, TrieMask,
    nodes::{BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode},
};

/// A new value for a key; `None` removes it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) key: Nibbles,
    pub(super) value: Option<Vec<u8>>,
}

/// New root of a trie, and its stored nodes that changed: RLP by path, `None` where a node is gone.
pub(super) type Updated = (B256, BTreeMap<Nibbles, Option<Bytes>>);

/// Applies `changes` (by hashed key) to the trie with root `root`.
pub(super) fn update<R: TrieReader>(
    nodes: &Nodes<'_, R>,
    root: B256,
    changes: BTreeMap<B256, Option<Vec<u8>>>,
) -> Result<Updated, TrieError> {
    if changes.is_empty() {
        return Ok((root, BTreeMap::new()));
    }
    let changes: Vec<Change> = changes
        .into_iter()
        .map(|(key, value)| Change {
            key: Nibbles::unpack(key),
            value,
        })
        .collect();
    let mut update = Update {
        nodes,
        read: BTreeMap::new(),
        written: BTreeMap::new(),
    };
    let top = Nibbles::new();
    let node = match root {
        EMPTY_ROOT_HASH => None,
        root => Some(update.open(Child::Stored(RlpNode::word_rlp(&root)), &top)?),
    };
    let root = match update.apply(node, top, &changes)? {
        None => EMPTY_ROOT_HASH,
        Some(node) => update.commit_root(node),
    };
    Ok((root, update.into_changes()))
}

struct Update<'a, 'b, R> {
    nodes: &'b Nodes<'a, R>,
    /// Stored nodes that were opened, which therefore may be gone from their path.
    read: BTreeMap<Nibbles, Bytes>,
    /// Stored nodes of the new trie among those that were opened or made.
    written: BTreeMap<Nibbles, Bytes>,
}

impl<R: TrieReader> Update<'_, '_, R> {
    /// The subtree at `path` after `changes`, all of which lie below `path`.
    fn apply(
        &mut self,
        node: Option<Node>,
        path: Nibbles,
        changes: &[Change],
    ) -> Result<Option<Node>, TrieError> {
        if changes.is_empty() {
            return Ok(node);
        }
        match node {
            None => Ok(build(path.len(), &inserted(changes))),
            Some(Node::Leaf { key, value }) => {
                let key = path.join(&key);
                let mut items = inserted(changes);
                if changes.iter().all(|change| change.key != key) {
                    let at = items.partition_point(|(other, _)| *other < key);
                    items.insert(at, (key, &value));
                }
                Ok(build(path.len(), &items))
            }
            Some(Node::Extension { key, child }) => self.apply_to_extension(key, child, path, changes),
            Some(Node::Branch(children)) => self.apply_to_branch(children, path, changes),
        }
    }

    fn apply_to_extension(
        &mut self,
        key: Nibbles,
        child: Child,
        path: Nibbles,
        changes: &[Change],
    ) -> Result<Option<Node>, TrieError> {
        // Only an inserted key can split the extension; a removed key that leaves it is not in the trie.
        let shared = changes
            .iter()
            .filter(|change| change.value.is_some())
            .map(|change| change.key.slice(path.len()..).common_prefix_length(&key))
            .min()
            .unwrap_or(key.len());
        let prefix = key.slice(..shared);
        let below = path.join(&prefix);
        let changes = starting_with(changes, &below);

        if shared == key.len() {
            if changes.is_empty() {
                return Ok(Some(Node::Extension { key, child }));
            }
            let node = self.open(child, &below)?;
            let node = self.apply(Some(node), below, changes)?;
            return Ok(node.map(|node| node.under(&prefix)));
        }

        let rest = key.slice(shared + 1..);
        let mut children = Box::new(Children::default());
        children[usize::from(key.get_unchecked(shared))] = Some(if rest.is_empty() {
            child
        } else {
            Node::Extension { key: rest, child }.into()
        });
        let node = self.apply_to_branch(children, below, changes)?;
        Ok(node.map(|node| node.under(&prefix)))
    }

    fn apply_to_branch(
        &mut self,
        mut children: Box<Children>,
        path: Nibbles,
        mut changes: &[Change],
    ) -> Result<Option<Node>, TrieError> {
        let depth = path.len();
        while let Some(first) = changes.first() {
            let nibble = first.key.get_unchecked(depth);
            let same = changes.partition_point(|change| change.key.get_unchecked(depth) == nibble);
            let (group, rest) = changes.split_at(same);
            changes = rest;

            let below = path.join(&Nibbles::from_nibbles([nibble]));
            let place = &mut children[usize::from(nibble)];
            let node = match place.take() {
                Some(child) => Some(self.open(child, &below)?),
                None => None,
            };
            *place = self.apply(node, below, group)?.map(Child::from);
        }
        self.collapse(children, path)
    }

    /// A branch needs two children: with one it merges into that child, with none it is gone.
    fn collapse(&mut self, mut children: Box<Children>, path: Nibbles) -> Result<Option<Node>, TrieError> {
        let mut present = (0u8..)
            .zip(children.iter_mut())
            .filter(|(_, child)| child.is_some());
        let Some((nibble, place)) = present.next() else {
            return Ok(None);
        };
        if present.next().is_some() {
            return Ok(Some(Node::Branch(children)));
        }
        let prefix = Nibbles::from_nibbles([nibble]);
        let below = path.join(&prefix);
        let merged = match place.take().expect("the child was just seen") {
            Child::Open(node) => node.under(&prefix),
            Child::Stored(reference) => {
                let (node, rlp) = self.nodes.read(&below, &reference)?;
                if let Node::Branch(_) = node {
                    // The sibling stays where it is; only the way to it becomes an extension.
                    Node::Extension {
                        key: prefix,
                        child: Child::Stored(reference),
                    }
                } else {
                    self.read.extend(rlp.map(|rlp| (below, rlp)));
                    node.under(&prefix)
                }
            }
        };
        Ok(Some(merged))
    }

    /// Takes a child into memory.
    fn open(&mut self, child: Child, path: &Nibbles) -> Result<Node, TrieError> {
        match child {
            Child::Open(node) => Ok(*node),
            Child::Stored(reference) => {
                let (node, rlp) = self.nodes.read(path, &reference)?;
                self.read.extend(rlp.map(|rlp| (*path, rlp)));
                Ok(node)
            }
        }
    }

    /// Encodes the root, which is stored whatever its length.
    fn commit_root(&mut self, node: Node) -> B256 {
        let top = Nibbles::new();
        let rlp = self.encode(node, &top);
        let root = keccak256(&rlp);
        self.written.insert(top, rlp);
        root
    }

    /// Encodes a child at `path` and says how its parent refers to it.
    fn commit(&mut self, child: Child, path: &Nibbles) -> RlpNode {
        let node = match child {
            Child::Stored(reference) => return reference,
            Child::Open(node) => *node,
        };
        let rlp = self.encode(node, path);
        let reference = RlpNode::from_rlp(&rlp);
        if reference.is_hash() {
            self.written.insert(*path, rlp);
        }
        reference
    }

    fn encode(&mut self, node: Node, path: &Nibbles) -> Bytes {
        let mut rlp = Vec::new();
        match node {
            Node::Leaf { key, value } => {
                LeafNodeRef::new(&key, &value).rlp(&mut rlp);
            }
            Node::Extension { key, child } => {
                let child = self.commit(child, &path.join(&key));
                ExtensionNodeRef::new(&key, &child).rlp(&mut rlp);
            }
            Node::Branch(children) => {
                let mut stack = Vec::with_capacity(children.len());
                let mut mask = TrieMask::default();
                for (nibble, child) in (0u8..).zip(*children) {
                    if let Some(child) = child {
                        let below = path.join(&Nibbles::from_nibbles([nibble]));
                        stack.push(self.commit(child, &below));
                        mask.set_bit(nibble);
                    }
                }
                BranchNodeRef::new(&stack, mask).rlp(&mut rlp);
            }
        }
        rlp.into()
    }

    /// What differs between the nodes that were opened and those that stand now.
    fn into_changes(self) -> BTreeMap<Nibbles, Option<Bytes>> {
        let Self {
            read, mut written, ..
        } = self;
        let mut changes = BTreeMap::new();
        for (path, before) in read {
            match written.remove(&path) {
                Some(after) if after == before => {}
                after => {
                    changes.insert(path, after);
                }
            }
        }
        changes.extend(written.into_iter().map(|(path, rlp)| (path, Some(rlp))));
        changes
    }
}

/// Keys that get a value, in order.
fn inserted(changes: &[Change]) -> Vec<(Nibbles, &[u8])> {
    changes
        .iter()
        .filter_map(|change| Some((change.key, change.value.as_deref()?)))
        .collect()
}

/// The part of sorted `changes` whose keys start with `prefix`.
fn starting_with<'a>(changes: &'a [Change], prefix: &Nibbles) -> &'a [Change] {
    let from = changes.partition_point(|change| change.key < *prefix);
    let changes = &changes[from..];
    &changes[..changes.partition_point(|change| change.key.starts_with(prefix))]
}

/// A subtree of sorted, distinct keys that share their first `depth` nibbles.
fn build(depth: usize, items: &[(Nibbles, &[u8])]) -> Option<Node> {
    let ((first, value), (last, _)) = (items.first()?, items.last()?);
    if items.len() == 1 {
        return Some(Node::Leaf {
            key: first.slice(depth..),
            value: value.to_vec(),
        });
    }
    let fork = first.common_prefix_length(last);
    let mut children = Box::new(Children::default());
    let mut rest = items;
    while let Some((key, _)) = rest.first() {
        let nibble = key.get_unchecked(fork);
        let same = rest.partition_point(|(key, _)| key.get_unchecked(fork) == nibble);
        let (group, after) = rest.split_at(same);
        children[usize::from(nibble)] = build(fork + 1, group).map(Child::from);
        rest = after;
    }
    Some(Node::Branch(children).under(&first.slice(depth..fork)))
}
