//! Reading single keys with the nodes that prove them, in the form `eth_getProof` answers (EIP-1186).

use super::{
    TrieError, decode_account,
    node::{Child, Node, Nodes},
};
use crate::state::TrieReader;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount, nodes::RlpNode};

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

/// Reads and proves one account of the state with root `state_root`.
///
/// # Errors
/// If a node cannot be read, is missing, or is not the one its parent names.
pub fn account_proof<R: TrieReader>(
    reader: &R,
    state_root: B256,
    address: Address,
) -> Result<AccountProof, TrieError> {
    let nodes = Nodes::new(reader, None);
    let mut proof = Vec::new();
    let value = walk(&nodes, state_root, keccak256(address), |rlp| proof.push(rlp))?;
    Ok(AccountProof {
        address,
        account: value.map(|rlp| decode_account(&rlp, address)).transpose()?,
        proof,
    })
}

/// Reads and proves one slot of the account `address`, whose storage root is `storage_root`.
///
/// # Errors
/// If a node cannot be read, is missing, or is not the one its parent names.
pub fn storage_proof<R: TrieReader>(
    reader: &R,
    storage_root: B256,
    address: Address,
    slot: U256,
) -> Result<StorageProof, TrieError> {
    let nodes = Nodes::new(reader, Some(keccak256(address)));
    let mut proof = Vec::new();
    let key = keccak256(slot.to_be_bytes::<32>());
    let value = walk(&nodes, storage_root, key, |rlp| proof.push(rlp))?;
    let value = match value {
        None => U256::ZERO,
        Some(rlp) => U256::decode(&mut &rlp[..]).map_err(|_| TrieError::MalformedValue {
            owner: Some(keccak256(address)),
            key,
        })?,
    };
    Ok(StorageProof { slot, value, proof })
}

/// Walks from `root` towards `key`, shows each stored node to `visit`, and returns the value under the key.
pub(super) fn walk<R: TrieReader>(
    nodes: &Nodes<'_, R>,
    root: B256,
    key: B256,
    mut visit: impl FnMut(Bytes),
) -> Result<Option<Vec<u8>>, TrieError> {
    if root == EMPTY_ROOT_HASH {
        return Ok(None);
    }
    let key = Nibbles::unpack(key);
    let mut path = Nibbles::new();
    let mut reference = RlpNode::word_rlp(&root);
    loop {
        let (node, rlp) = nodes.read(&path, &reference)?;
        rlp.into_iter().for_each(&mut visit);
        let child = match node {
            Node::Leaf { key: rest, value } => {
                return Ok((path.join(&rest) == key).then_some(value));
            }
            Node::Extension { key: run, child } => {
                path.extend(&run);
                key.starts_with(&path).then_some(child)
            }
            Node::Branch(mut children) => {
                let nibble = key.get_unchecked(path.len());
                path.push(nibble);
                children[usize::from(nibble)].take()
            }
        };
        match child {
            None => return Ok(None),
            Some(Child::Stored(next)) => reference = next,
            Some(Child::Open(_)) => unreachable!("a node just read has only stored children"),
        }
    }
}
