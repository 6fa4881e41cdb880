//! The flushed state: what the flat tables and the nodes hold, as of one block, and older states through their history.
//!
//! Accounts and slots have an entry of history for each block that changed them. Nodes have one for each flush, which may span several
//! blocks; the tries of a block in between are those of the next flush with the changes since then taken back, in memory.

use super::{
    Snapshot, StoreError, Table,
    cache::StateCache,
    codec::{self, DecodeError},
    layer::BlockChanges,
    reader::{corrupt, required},
};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy_trie::Nibbles;
use std::sync::Arc;
use tributary_protocol::{
    block::L2BlockNumber,
    state::{
        Account, TrieReader,
        trie::{StateTrie, TrieError},
    },
};

/// State as of the last flush. A reader that holds one sees it whatever is flushed later.
pub(super) struct Base {
    pub(super) number: L2BlockNumber,
    pub(super) snapshot: Arc<dyn Snapshot>,
    pub(super) trie: StateTrie,
    pub(super) cache: Arc<StateCache>,
}

impl core::fmt::Debug for Base {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Base")
            .field("number", &self.number)
            .field("trie", &self.trie)
            .finish_non_exhaustive()
    }
}

impl Base {
    /// The account after block `number`, which is not above this state.
    pub(super) fn account(
        &self,
        number: L2BlockNumber,
        address: Address,
    ) -> Result<Option<Account>, StoreError> {
        let is_newest = number == self.number;
        if is_newest && let Some(known) = self.cache.account(self.number, address) {
            return Ok(known);
        }
        let key = address.as_slice();
        let account = self.read(number, Table::Accounts, key, codec::decode_account)?;
        if is_newest {
            self.cache.keep_account(self.number, address, account);
        }
        Ok(account)
    }

    /// The slot after block `number`, which is not above this state.
    pub(super) fn slot(
        &self,
        number: L2BlockNumber,
        address: Address,
        slot: U256,
    ) -> Result<U256, StoreError> {
        let is_newest = number == self.number;
        if is_newest && let Some(known) = self.cache.slot(self.number, (address, slot)) {
            return Ok(known);
        }
        let key = codec::slot_key(address, slot);
        let value = self
            .read(number, Table::Storage, &key, codec::decode_slot)?
            .unwrap_or_default();
        if is_newest {
            self.cache.keep_slot(self.number, (address, slot), value);
        }
        Ok(value)
    }

    fn read<T>(
        &self,
        number: L2BlockNumber,
        table: Table,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, StoreError> {
        self.raw(number, table, key)?
            .map(|value| decode(&value).map_err(|what| corrupt(table, key, what)))
            .transpose()
    }

    fn raw(&self, number: L2BlockNumber, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        if number < self.number {
            let prefix = codec::history_prefix(table, key);
            let from = codec::history_key(&prefix, number.next());
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

    /// Nodes as they were flushed last before or at block `number`... see [`NodesAt`].
    pub(super) fn nodes_at(&self, number: L2BlockNumber) -> Result<NodesAt<'_>, StoreError> {
        let flush = if number == self.number {
            number
        } else {
            self.first_flush_from(number)?
        };
        Ok(NodesAt { base: self, flush })
    }

    /// The number of the first flush at or after block `number`.
    fn first_flush_from(&self, number: L2BlockNumber) -> Result<L2BlockNumber, StoreError> {
        let key = codec::number_key(number);
        let found = self.snapshot.first_at_or_after(Table::Flushes, &key)?;
        let Some((found, _)) = found else {
            return Ok(self.number);
        };
        codec::decode_number(&found).map_err(|what| corrupt(Table::Flushes, &found, what))
    }

    /// The tries after block `number`, which is not above this state.
    pub(super) fn trie_at(&self, number: L2BlockNumber) -> Result<StateTrie, StoreError> {
        if number == self.number {
            return Ok(self.trie.clone());
        }
        let nodes = self.nodes_at(number)?;
        let mut trie = if nodes.flush == self.number {
            self.trie.clone()
        } else {
            StateTrie::at(self.state_root(nodes.flush)?)
        };
        for above in (number.0 + 1..=nodes.flush.0).rev() {
            let changes = self.changes_of(L2BlockNumber(above))?;
            trie = trie.update(&nodes, &changes.backward())?.after;
        }
        Ok(trie)
    }

    /// What a flushed block changed.
    pub(super) fn changes_of(&self, number: L2BlockNumber) -> Result<BlockChanges, StoreError> {
        let key = codec::number_key(number);
        required(&*self.snapshot, Table::Changes, &key, codec::decode_changes)
    }

    fn state_root(&self, number: L2BlockNumber) -> Result<B256, StoreError> {
        let key = codec::number_key(number);
        let (_, header) = required(&*self.snapshot, Table::Headers, &key, codec::decode_header)?;
        Ok(header.state_root)
    }
}

/// Stored nodes as of one flush.
pub(super) struct NodesAt<'a> {
    base: &'a Base,
    flush: L2BlockNumber,
}

impl TrieReader for NodesAt<'_> {
    type Error = StoreError;

    fn trie_node(&self, owner: Option<B256>, path: &Nibbles, _: B256) -> Result<Option<Bytes>, StoreError> {
        let key = codec::node_key(owner, path);
        self.base.raw(self.flush, Table::Nodes, &key)
    }
}

impl From<TrieError> for StoreError {
    fn from(error: TrieError) -> Self {
        Self::Trie(Box::new(error))
    }
}
