//! Changing many keys of one trie at once: a new version beside the old one, which stays as it was.
//!
//! The changes are sorted, so each node on the way to any of them is opened once, changed once and hashed once:
//!
//! ```text
//!  apply(node, changes below it)          close(node)
//!    leaf       rebuild with the changes    encode children first, then the node;
//!    extension  go down, or split           its reference goes into its parent
//!    branch     one group per nibble
//!               one child left: collapse
//! ```
//!
//! Every step down consumes a nibble, so the recursion is at most [`KEY_NIBBLES`](super::node::KEY_NIBBLES) deep.

use super::{
    TrieError,
    node::{Leaf, Link, Node, Source, Value},
};
use crate::state::TrieReader;
use alloc::{boxed::Box, vec::Vec};
use alloy_primitives::{B256, keccak256};
use alloy_trie::{Nibbles, nodes::RlpNode};

/// A new value for a key; `None` removes it.
pub(super) struct Change {
    pub(super) key: Nibbles,
    pub(super) value: Option<Value>,
}

impl Change {
    pub(super) fn new(key: B256, value: Option<Value>) -> Self {
        Self {
            key: Nibbles::unpack(key),
            value,
        }
    }
}

/// The trie with root `root` after `changes`, which are sorted by key and name each key once.
pub(super) fn edit<R: TrieReader>(
    source: &Source<'_, R>,
    root: Option<&Link>,
    changes: &[Change],
) -> Result<Option<Link>, TrieError> {
    if changes.is_empty() {
        return Ok(root.cloned());
    }
    let edit = Edit { source };
    let top = Nibbles::new();
    let open = root.map(|root| edit.open(root, &top)).transpose()?;
    let edited = edit.apply(open, top, changes)?;
    Ok(edited.map(|node| Closer::default().close_root(node)))
}

/// A child of a node that is being changed.
enum Child {
    /// As it was.
    Kept(Link),
    /// Opened or made.
    Open(Box<Open>),
}

/// A node that is being changed.
enum Open {
    Leaf(Leaf),
    Extension { key: Nibbles, child: Child },
    Branch(Box<Children>),
}

type Children = [Option<Child>; 16];

impl From<Open> for Child {
    fn from(node: Open) -> Self {
        Self::Open(Box::new(node))
    }
}

impl From<&Node> for Open {
    fn from(node: &Node) -> Self {
        match node {
            Node::Leaf(leaf) => Self::Leaf(leaf.clone()),
            Node::Extension { key, child } => Self::Extension {
                key: *key,
                child: Child::Kept(child.clone()),
            },
            Node::Branch(children) => {
                let mut open = Box::new(Children::default());
                for (place, child) in open.iter_mut().zip(children.iter()) {
                    *place = child.clone().map(Child::Kept);
                }
                Self::Branch(open)
            }
        }
    }
}

impl Open {
    /// This node moved up to stand `prefix` nibbles higher.
    fn under(self, prefix: &Nibbles) -> Self {
        if prefix.is_empty() {
            return self;
        }
        match self {
            Self::Leaf(Leaf { key, value }) => Self::Leaf(Leaf {
                key: prefix.join(&key),
                value,
            }),
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

struct Edit<'a, 'b, R> {
    source: &'b Source<'a, R>,
}

impl<R: TrieReader> Edit<'_, '_, R> {
    /// The subtree at `path` after `changes`, all of which lie below `path`.
    fn apply(
        &self,
        node: Option<Open>,
        path: Nibbles,
        changes: &[Change],
    ) -> Result<Option<Open>, TrieError> {
        if changes.is_empty() {
            return Ok(node);
        }
        match node {
            None => Ok(build(path.len(), &inserted(changes))),
            Some(Open::Leaf(Leaf { key, value })) => {
                let key = path.join(&key);
                let mut items = inserted(changes);
                if changes.iter().all(|change| change.key != key) {
                    let at = items.partition_point(|(other, _)| *other < key);
                    items.insert(at, (key, &value));
                }
                Ok(build(path.len(), &items))
            }
            Some(Open::Extension { key, child }) => self.apply_to_extension(key, child, path, changes),
            Some(Open::Branch(children)) => self.apply_to_branch(children, path, changes),
        }
    }

    fn apply_to_extension(
        &self,
        key: Nibbles,
        child: Child,
        path: Nibbles,
        changes: &[Change],
    ) -> Result<Option<Open>, TrieError> {
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
                return Ok(Some(Open::Extension { key, child }));
            }
            let node = self.open_child(child, &below)?;
            let node = self.apply(Some(node), below, changes)?;
            return Ok(node.map(|node| node.under(&prefix)));
        }

        let rest = key.slice(shared + 1..);
        let mut children = Box::new(Children::default());
        children[usize::from(key.get_unchecked(shared))] = Some(if rest.is_empty() {
            child
        } else {
            Open::Extension { key: rest, child }.into()
        });
        let node = self.apply_to_branch(children, below, changes)?;
        Ok(node.map(|node| node.under(&prefix)))
    }

    fn apply_to_branch(
        &self,
        mut children: Box<Children>,
        path: Nibbles,
        mut changes: &[Change],
    ) -> Result<Option<Open>, TrieError> {
        let depth = path.len();
        while let Some(first) = changes.first() {
            let nibble = first.key.get_unchecked(depth);
            let same = changes.partition_point(|change| change.key.get_unchecked(depth) == nibble);
            let (group, rest) = changes.split_at(same);
            changes = rest;

            let below = path.join(&Nibbles::from_nibbles([nibble]));
            let place = &mut children[usize::from(nibble)];
            let node = match place.take() {
                Some(child) => Some(self.open_child(child, &below)?),
                None => None,
            };
            *place = self.apply(node, below, group)?.map(Child::from);
        }
        self.collapse(children, path)
    }

    /// A branch needs two children: with one it merges into that child, with none it is gone.
    fn collapse(&self, mut children: Box<Children>, path: Nibbles) -> Result<Option<Open>, TrieError> {
        let mut present = (0u8..)
            .zip(children.iter_mut())
            .filter(|(_, child)| child.is_some());
        let Some((nibble, place)) = present.next() else {
            return Ok(None);
        };
        if present.next().is_some() {
            return Ok(Some(Open::Branch(children)));
        }
        let prefix = Nibbles::from_nibbles([nibble]);
        let below = path.join(&prefix);
        let merged = match place.take().expect("the child was just seen") {
            Child::Open(node) => node.under(&prefix),
            Child::Kept(link) => match link.node(self.source, &below)? {
                // The sibling stays where it is; only the way to it becomes an extension.
                Node::Branch(_) => Open::Extension {
                    key: prefix,
                    child: Child::Kept(link),
                },
                node => Open::from(node).under(&prefix),
            },
        };
        Ok(Some(merged))
    }

    fn open(&self, link: &Link, path: &Nibbles) -> Result<Open, TrieError> {
        link.node(self.source, path).map(Open::from)
    }

    fn open_child(&self, child: Child, path: &Nibbles) -> Result<Open, TrieError> {
        match child {
            Child::Open(node) => Ok(*node),
            Child::Kept(link) => self.open(&link, path),
        }
    }
}

/// Turns changed nodes into links, from the leaves up.
#[derive(Default)]
struct Closer {
    /// RLP of the node at hand; kept for its allocation.
    rlp: Vec<u8>,
}

impl Closer {
    /// A root is referred to by its hash, whatever its length.
    fn close_root(&mut self, node: Open) -> Link {
        let node = self.close_children(node);
        self.encode(&node);
        Link::made(RlpNode::word_rlp(&keccak256(&self.rlp)), node)
    }

    fn close(&mut self, child: Child) -> Link {
        let node = match child {
            Child::Kept(link) => return link,
            Child::Open(node) => self.close_children(*node),
        };
        self.encode(&node);
        Link::made(RlpNode::from_rlp(&self.rlp), node)
    }

    fn close_children(&mut self, node: Open) -> Node {
        match node {
            Open::Leaf(leaf) => Node::Leaf(leaf),
            Open::Extension { key, child } => Node::Extension {
                key,
                child: self.close(child),
            },
            Open::Branch(children) => Node::Branch(Box::new(
                children.map(|child| child.map(|child| self.close(child))),
            )),
        }
    }

    fn encode(&mut self, node: &Node) {
        self.rlp.clear();
        node.encode(&mut self.rlp);
    }
}

/// Keys that get a value, in order.
fn inserted(changes: &[Change]) -> Vec<(Nibbles, &Value)> {
    changes
        .iter()
        .filter_map(|change| Some((change.key, change.value.as_ref()?)))
        .collect()
}

/// The part of sorted `changes` whose keys start with `prefix`.
fn starting_with<'a>(changes: &'a [Change], prefix: &Nibbles) -> &'a [Change] {
    let from = changes.partition_point(|change| change.key < *prefix);
    let changes = &changes[from..];
    &changes[..changes.partition_point(|change| change.key.starts_with(prefix))]
}

/// A subtree of sorted, distinct keys that share their first `depth` nibbles.
fn build(depth: usize, items: &[(Nibbles, &Value)]) -> Option<Open> {
    let ((first, value), (last, _)) = (items.first()?, items.last()?);
    if items.len() == 1 {
        return Some(Open::Leaf(Leaf {
            key: first.slice(depth..),
            value: (*value).clone(),
        }));
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
    Some(Open::Branch(children).under(&first.slice(depth..fork)))
}
