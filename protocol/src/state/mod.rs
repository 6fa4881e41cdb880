//! State: what execution reads, what it changed, and the Merkle Patricia trie over it.
//!
//! Execution reads flat state through revm's `DatabaseRef`; the root is kept by reading and writing single trie nodes through
//! [`TrieReader`]. Both seams are implemented by the node's store, by memory in tests, and later by the preimage oracle.

pub mod memory;
pub mod trie;

use alloc::collections::BTreeMap;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::{KECCAK_EMPTY, Nibbles};
use revm::state::AccountInfo;

/// Reads encoded trie nodes of one state.
pub trait TrieReader {
    /// Why a read failed; a failed read is never "no node".
    type Error: core::error::Error + Send + Sync + 'static;

    /// RLP of the node at `path` of the account trie (`owner` is `None`) or of the storage trie of the account with hashed address
    /// `owner`. `hash` is what its parent says it hashes to: a store keyed by path may ignore it, a store keyed by hash needs it.
    ///
    /// Nodes shorter than 32 bytes are embedded in their parent and are never asked for, except a root.
    fn trie_node(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, Self::Error>;

    /// The state trie with root `root`, whose nodes this reader knows. A reader that keeps tries in memory hands out what it has.
    ///
    /// # Errors
    /// When it has to read for that and the read fails.
    fn trie(&self, root: B256) -> Result<trie::StateTrie, Self::Error> {
        Ok(trie::StateTrie::at(root))
    }
}

/// No node at all: for tries that are in memory as a whole, or empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNodes;

impl TrieReader for NoNodes {
    type Error = core::convert::Infallible;

    fn trie_node(&self, _: Option<B256>, _: &Nibbles, _: B256) -> Result<Option<Bytes>, Self::Error> {
        Ok(None)
    }
}

/// An account as execution sees it; its storage root lives in the trie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// Keccak-256 of the code.
    pub code_hash: B256,
}

impl Default for Account {
    /// Nothing sent, nothing owned, no code.
    fn default() -> Self {
        Self {
            nonce: 0,
            balance: U256::ZERO,
            code_hash: KECCAK_EMPTY,
        }
    }
}

impl Account {
    /// As revm reads it; the code itself is read by its hash when it runs.
    #[must_use]
    pub fn to_info(self) -> AccountInfo {
        AccountInfo {
            nonce: self.nonce,
            balance: self.balance,
            code_hash: self.code_hash,
            account_id: None,
            code: None,
        }
    }

    /// From revm's form, without the code.
    #[must_use]
    pub const fn from_info(info: &AccountInfo) -> Self {
        Self {
            nonce: info.nonce,
            balance: info.balance,
            code_hash: info.code_hash,
        }
    }
}

/// What one block changed in flat state, in key order.
///
/// Since EIP-6780 an account that existed before the block never loses its storage, so there is no "wiped" mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateChanges {
    /// New value of each touched account; `None` if it ceased to exist.
    pub accounts: BTreeMap<Address, Option<Account>>,
    /// New value of each written slot; zero means deleted.
    pub storage: BTreeMap<Address, BTreeMap<U256, U256>>,
    /// Code that was not in the state before, by its hash.
    pub codes: BTreeMap<B256, Bytes>,
}

/// What one block changed in the tries: new RLP by path, `None` where a node is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrieChanges {
    /// Nodes of the account trie.
    pub accounts: BTreeMap<Nibbles, Option<Bytes>>,
    /// Nodes of storage tries, by hashed address.
    pub storage: BTreeMap<B256, BTreeMap<Nibbles, Option<Bytes>>>,
}
