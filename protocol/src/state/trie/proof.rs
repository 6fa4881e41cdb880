//! Reading single keys with the nodes that prove them, in the form `eth_getProof` answers (EIP-1186).

use super::{
    StateTrie, TrieError,
    node::{Leaf, Link, Node, Source, account},
};
use crate::state::TrieReader;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{Nibbles, TrieAccount};

/// An account, or its absence, and the nodes from the state root that prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// Whose account.
    pub address: Address,
    /// The account with its storage root; `None` if the state has none.
    pub account: Option<TrieAccount>,
    /// RLP of the nodes from the root down; empty for an empty trie.
    pub proof: Vec<Bytes>,
}

/// A storage slot and the nodes from the account's storage root that prove its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageProof {
    /// The slot.
    pub slot: U256,
    /// Its value; zero is proved by absence.
    pub value: U256,
    /// RLP of the nodes from the root down; empty for an empty trie.
    pub proof: Vec<Bytes>,
}

impl StateTrie {
    /// Reads and proves one account.
    ///
    /// # Errors
    /// If a node cannot be read, is missing, or is not the one its parent names.
    pub fn account_proof<R: TrieReader>(
        &self,
        reader: &R,
        address: Address,
    ) -> Result<AccountProof, TrieError> {
        let source = Source { reader, owner: None };
        let mut proof = Vec::new();
        let leaf = find(&source, self.root.as_ref(), keccak256(address), |rlp| {
            proof.push(rlp);
        })?;
        let account = leaf.map(|leaf| decode_account(leaf, address)).transpose()?;
        Ok(AccountProof {
            address,
            account,
            proof,
        })
    }

    /// Reads and proves one slot of the account at `address`; an account that does not exist has none, and no proof of that.
    ///
    /// # Errors
    /// If a node cannot be read, is missing, or is not the one its parent names.
    pub fn storage_proof<R: TrieReader>(
        &self,
        reader: &R,
        address: Address,
        slot: U256,
    ) -> Result<StorageProof, TrieError> {
        let owner = keccak256(address);
        let source = Source { reader, owner: None };
        let leaf = find(&source, self.root.as_ref(), owner, drop)?;
        let root = leaf.and_then(|leaf| leaf.value.storage.as_ref());
        let source = Source {
            reader,
            owner: Some(owner),
        };
        let key = keccak256(slot.to_be_bytes::<32>());
        let mut proof = Vec::new();
        let value = match find(&source, root, key, |rlp| proof.push(rlp))? {
            None => U256::ZERO,
            Some(leaf) => U256::decode(&mut &leaf.value.rlp[..]).map_err(|_| TrieError::MalformedValue {
                owner: Some(owner),
                key,
            })?,
        };
        Ok(StorageProof { slot, value, proof })
    }
}

pub(super) fn decode_account(leaf: &Leaf, address: Address) -> Result<TrieAccount, TrieError> {
    account(&leaf.value.rlp).ok_or_else(|| TrieError::MalformedValue {
        owner: None,
        key: keccak256(address),
    })
}

/// Walks from `root` towards `key`, shows each stored node to `visit`, and returns the leaf with that key.
pub(super) fn find<'l, R: TrieReader>(
    source: &Source<'_, R>,
    root: Option<&'l Link>,
    key: B256,
    mut visit: impl FnMut(Bytes),
) -> Result<Option<&'l Leaf>, TrieError> {
    let key = Nibbles::unpack(key);
    let mut path = Nibbles::new();
    let mut next = root;
    while let Some(link) = next {
        let node = link.node(source, &path)?;
        if link.hash().is_some() {
            visit(node.rlp());
        }
        next = match node {
            Node::Leaf(leaf) => return Ok((path.join(&leaf.key) == key).then_some(leaf)),
            Node::Extension { key: run, child } => {
                path.extend(run);
                key.starts_with(&path).then_some(child)
            }
            Node::Branch(children) => {
                let nibble = key.get_unchecked(path.len());
                path.push(nibble);
                children[usize::from(nibble)].as_ref()
            }
        };
    }
    Ok(None)
}
