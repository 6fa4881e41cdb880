//! State after one block: what execution, `eth_call` and proofs read.
//!
//! At the unsafe head a read is one lookup in a flat table. Below it, the first history entry after the view's block holds the
//! value as it was then, and if there is none the flat value still is; so an old block costs one range seek more, however old.

use super::{
    Snapshot, StoreError, Table,
    codec::{self, DecodeError},
    reader::{corrupt, optional},
};
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY, Nibbles};
use revm::{bytecode::Bytecode, database_interface::DatabaseRef, state::AccountInfo};
use std::sync::Arc;
use tributary_protocol::{
    block::L2BlockNumber,
    state::{Account, TrieReader},
};

/// Flat state and tries after one block, unaffected by anything committed later. Cheap to clone, owned, `Send`.
#[derive(Clone)]
pub struct StateView {
    snapshot: Arc<dyn Snapshot>,
    number: L2BlockNumber,
    head: L2BlockNumber,
}

impl core::fmt::Debug for StateView {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StateView")
            .field("number", &self.number)
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

impl StateView {
    pub(super) const fn new(snapshot: Arc<dyn Snapshot>, number: L2BlockNumber, head: L2BlockNumber) -> Self {
        Self {
            snapshot,
            number,
            head,
        }
    }

    /// The block whose state after execution this is.
    #[must_use]
    pub const fn number(&self) -> L2BlockNumber {
        self.number
    }

    /// The account, or `None` if it does not exist.
    ///
    /// # Errors
    /// When the read fails or the entry is corrupt.
    pub fn account(&self, address: Address) -> Result<Option<Account>, StoreError> {
        self.read(Table::Accounts, address.as_slice(), codec::decode_account)
    }

    /// The value of a storage slot; zero if it was never written.
    ///
    /// # Errors
    /// When the read fails or the entry is corrupt.
    pub fn slot(&self, address: Address, slot: U256) -> Result<U256, StoreError> {
        let key = codec::slot_key(address, slot);
        Ok(self
            .read(Table::Storage, &key, codec::decode_slot)?
            .unwrap_or_default())
    }

    /// Code by its hash; empty for the empty hash.
    ///
    /// # Errors
    /// When the read fails or a code that an account names is missing.
    pub fn code(&self, hash: B256) -> Result<Bytes, StoreError> {
        if hash == KECCAK_EMPTY || hash.is_zero() {
            return Ok(Bytes::new());
        }
        self.snapshot
            .get(Table::Codes, hash.as_slice())?
            .ok_or_else(|| corrupt(Table::Codes, hash.as_slice(), "code is missing"))
    }

    /// Hash of the canonical block `number`, if this state's block is that block or a descendant.
    ///
    /// # Errors
    /// When the read fails or the entry is corrupt.
    pub fn block_hash(&self, number: L2BlockNumber) -> Result<Option<B256>, StoreError> {
        if number > self.number {
            return Ok(None);
        }
        let key = codec::number_key(number);
        let reference = optional(
            &*self.snapshot,
            Table::Blocks,
            &key,
            codec::decode_block_reference,
        )?;
        Ok(reference.map(|reference| reference.hash))
    }

    /// Checks that the root node of the account trie is the one `state_root` promises.
    ///
    /// # Errors
    /// When it is another one or missing.
    pub fn check_root(&self, state_root: B256) -> Result<(), StoreError> {
        let path = Nibbles::default();
        if state_root == EMPTY_ROOT_HASH || self.trie_node(None, &path, state_root)?.is_some() {
            return Ok(());
        }
        let key = codec::node_key(None, &path);
        Err(corrupt(Table::Nodes, &key, "root of the state is missing"))
    }

    fn read<T>(
        &self,
        table: Table,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, StoreError> {
        self.raw(table, key)?
            .map(|value| decode(&value).map_err(|what| corrupt(table, key, what)))
            .transpose()
    }

    fn raw(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        if self.number < self.head {
            let prefix = codec::history_prefix(table, key);
            let from = codec::history_key(&prefix, self.number.next());
            if let Some((found, value)) = self.snapshot.first_at_or_after(Table::History, &from)?
                && found.len() == from.len()
                && found.starts_with(&prefix)
            {
                let previous =
                    codec::decode_previous(&value).map_err(|what| corrupt(Table::History, &found, what))?;
                return Ok(previous.map(|previous| value.slice_ref(previous)));
            }
        }
        self.snapshot.get(table, key)
    }
}

impl DatabaseRef for StateView {
    type Error = StoreError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StoreError> {
        Ok(self.account(address)?.map(Account::to_info))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, StoreError> {
        Bytecode::new_raw_checked(self.code(code_hash)?)
            .map_err(|_| corrupt(Table::Codes, code_hash.as_slice(), "code is malformed"))
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, StoreError> {
        self.slot(address, index)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StoreError> {
        Ok(self.block_hash(L2BlockNumber(number))?.unwrap_or_default())
    }
}

impl TrieReader for StateView {
    type Error = StoreError;

    /// Every node is checked against `hash`: a trie that was half written or damaged is found at the first node that differs.
    fn trie_node(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, StoreError> {
        let key = codec::node_key(owner, path);
        let Some(node) = self.raw(Table::Nodes, &key)? else {
            return Ok(None);
        };
        let found = keccak256(&node);
        if found != hash && !hash.is_zero() {
            return Err(StoreError::NodeHash {
                key: key.into(),
                expected: hash,
                found,
            });
        }
        Ok(Some(node))
    }
}
