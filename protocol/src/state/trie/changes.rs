//! Which stored nodes differ between two versions of a trie: what has to be written, and deleted, to get from one to the other.
//!
//! Both versions are walked side by side, nibble by nibble. Where they refer to the same subtree the walk ends, so it visits what an
//! edit has touched and nothing else.

use super::{
    NodeAt, NodeChange, TrieError,
    node::{Link, Node, Source},
};
use crate::state::TrieReader;
use alloc::{collections::BTreeMap, vec::Vec};
use alloy_primitives::{B256, Bytes};
use alloy_trie::Nibbles;

/// Storage tries of the accounts whose leaves were met, by hashed address: before and after.
pub(super) type StorageTries = BTreeMap<B256, [Option<Link>; 2]>;

/// Where one version stands while both are walked.
#[derive(Clone)]
enum Cursor {
    /// Nothing here or below.
    Nothing,
    /// At the start of a node.
    At(Link),
    /// Inside an extension: nibbles left, then its child.
    Within(Nibbles, Link),
}

/// Compares two versions of one trie, older first, and adds what differs to `changes` in order of paths.
pub(super) fn between<R: TrieReader>(
    reader: &R,
    owner: Option<B256>,
    roots: [Option<&Link>; 2],
    changes: &mut Vec<NodeChange>,
) -> Result<StorageTries, TrieError> {
    let mut walk = Walk {
        source: Source { reader, owner },
        changes,
        storage: StorageTries::new(),
    };
    let cursors = roots.map(|link| link.cloned().map_or(Cursor::Nothing, Cursor::At));
    walk.compare(cursors, Nibbles::new())?;
    Ok(walk.storage)
}

struct Walk<'a, 'b, R> {
    source: Source<'a, R>,
    changes: &'b mut Vec<NodeChange>,
    storage: StorageTries,
}

impl<R: TrieReader> Walk<'_, '_, R> {
    fn compare(&mut self, cursors: [Cursor; 2], path: Nibbles) -> Result<(), TrieError> {
        match &cursors {
            [Cursor::Nothing, Cursor::Nothing] => return Ok(()),
            [Cursor::At(before), Cursor::At(after)] if before.is_same(after) => return Ok(()),
            [Cursor::Within(key, before), Cursor::Within(other, after)]
                if key == other && before.is_same(after) =>
            {
                return Ok(());
            }
            _ => {}
        }
        let [before, after] = &cursors;
        let (stored_before, ways_before) = self.enter(before, &path, 0)?;
        let (stored_after, ways_after) = self.enter(after, &path, 1)?;
        if stored_before != stored_after {
            self.changes.push(NodeChange {
                at: NodeAt {
                    owner: self.source.owner,
                    path,
                },
                before: stored_before,
                after: stored_after,
            });
        }
        for nibble in 0..16u8 {
            let next = [ways_before.child(nibble), ways_after.child(nibble)];
            if !matches!(next, [Cursor::Nothing, Cursor::Nothing]) {
                self.compare(next, path.join(&Nibbles::from_nibbles([nibble])))?;
            }
        }
        Ok(())
    }

    /// What is stored at `path` in one version, and where the ways down lead.
    fn enter(
        &mut self,
        cursor: &Cursor,
        path: &Nibbles,
        version: usize,
    ) -> Result<(Option<Bytes>, Below), TrieError> {
        let link = match cursor {
            Cursor::Nothing => return Ok((None, Below::Nothing)),
            Cursor::Within(key, child) => return Ok((None, Below::Within(*key, child.clone()))),
            Cursor::At(link) => link,
        };
        let node = link.node(&self.source, path)?;
        let stored = link.hash().map(|_| node.rlp());
        let below = match node {
            Node::Leaf(leaf) => {
                if self.source.owner.is_none() {
                    let owner = B256::from_slice(&path.join(&leaf.key).pack());
                    self.storage.entry(owner).or_default()[version].clone_from(&leaf.value.storage);
                }
                Below::Nothing
            }
            Node::Extension { key, child } => Below::Within(*key, child.clone()),
            Node::Branch(children) => Below::Branch(children.to_vec()),
        };
        Ok((stored, below))
    }
}

/// Ways down from a path.
enum Below {
    Nothing,
    Within(Nibbles, Link),
    Branch(Vec<Option<Link>>),
}

impl Below {
    fn child(&self, nibble: u8) -> Cursor {
        match self {
            Self::Within(key, child) if key.get_unchecked(0) == nibble => match key.len() {
                1 => Cursor::At(child.clone()),
                _ => Cursor::Within(key.slice(1..), child.clone()),
            },
            Self::Branch(children) => children[usize::from(nibble)]
                .clone()
                .map_or(Cursor::Nothing, Cursor::At),
            Self::Nothing | Self::Within(..) => Cursor::Nothing,
        }
    }
}
