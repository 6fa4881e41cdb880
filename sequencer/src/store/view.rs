//! State after one block: what execution, `eth_call` and proofs read.
//!
//! ```text
//!  layers of the blocks since the last flush, newest first -> cache -> flat tables
//! ```
//! Below the last flush, the first history entry after the view's block holds the value as it was then, and if there is none the flat
//! value still is; so an old block costs one range seek more, however old.

use super::{
    Snapshot, StoreError, Table,
    base::Base,
    codec,
    layer::{self, Layer},
    reader::{corrupt, optional},
};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy_trie::{KECCAK_EMPTY, Nibbles};
use revm::{bytecode::Bytecode, database_interface::DatabaseRef, state::AccountInfo};
use std::sync::Arc;
use tributary_protocol::{
    block::L2BlockNumber,
    state::{Account, TrieReader, trie::StateTrie},
};

/// Flat state and tries after one block, unaffected by anything committed later. Cheap to clone, owned, `Send`.
#[derive(Clone)]
pub struct StateView {
    /// Blocks and codes.
    blocks: Arc<dyn Snapshot>,
    base: Arc<Base>,
    /// Of the blocks after the base, up to and with this one.
    layers: Arc<[Arc<Layer>]>,
    number: L2BlockNumber,
}

impl core::fmt::Debug for StateView {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StateView")
            .field("number", &self.number)
            .field("base", &self.base.number)
            .finish_non_exhaustive()
    }
}

impl StateView {
    pub(super) fn new(
        blocks: Arc<dyn Snapshot>,
        base: Arc<Base>,
        layers: &[Arc<Layer>],
        number: L2BlockNumber,
    ) -> Self {
        let count = usize::try_from(number.saturating_sub(base.number.0).0).unwrap_or(usize::MAX);
        Self {
            blocks,
            base,
            layers: layers[..count.min(layers.len())].into(),
            number,
        }
    }

    /// The block this is the state after.
    #[must_use]
    pub const fn number(&self) -> L2BlockNumber {
        self.number
    }

    /// The account, or `None` if there is none.
    ///
    /// # Errors
    /// When the read fails or the entry is corrupt.
    pub fn account(&self, address: Address) -> Result<Option<Account>, StoreError> {
        match layer::account(&self.layers, address) {
            Some(account) => Ok(account),
            None => self.base.account(self.number.min(self.base.number), address),
        }
    }

    /// The value of a storage slot; zero if it was never written.
    ///
    /// # Errors
    /// When the read fails or the entry is corrupt.
    pub fn slot(&self, address: Address, slot: U256) -> Result<U256, StoreError> {
        match layer::slot(&self.layers, address, slot) {
            Some(value) => Ok(value),
            None => self.base.slot(self.number.min(self.base.number), address, slot),
        }
    }

    /// Code by its hash; empty for the empty hash.
    ///
    /// # Errors
    /// When the read fails or a code that an account names is missing.
    pub fn code(&self, hash: B256) -> Result<Bytes, StoreError> {
        if hash == KECCAK_EMPTY || hash.is_zero() {
            return Ok(Bytes::new());
        }
        self.blocks
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
            &*self.blocks,
            Table::Headers,
            &key,
            codec::decode_header_reference,
        )?;
        Ok(reference.map(|reference| reference.hash))
    }

    /// The tries after this view's block.
    ///
    /// # Errors
    /// When the read fails or what is stored does not fit together.
    pub fn state_trie(&self) -> Result<StateTrie, StoreError> {
        match self.layers.last() {
            Some(layer) => Ok(layer.trie.clone()),
            None => self.base.trie_at(self.number.min(self.base.number)),
        }
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

    /// For what [`Self::state_trie`] leaves out: nodes that have not changed since the base, or until the next flush.
    fn trie_node(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, StoreError> {
        let number = self.number.min(self.base.number);
        self.base.nodes_at(number)?.trie_node(owner, path, hash)
    }

    fn trie(&self, _: B256) -> Result<StateTrie, StoreError> {
        self.state_trie()
    }
}
