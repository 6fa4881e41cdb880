//! A chain that begins with more state than a genesis file can hold: accounts in, portion by portion, then block 0 over all of them.
//!
//! ```text
//!  Import::begin(empty store) --add(portion)*--> state root --finish(header)--> a store that a node opens without a genesis file
//! ```
//! Each portion goes to disk before the next is taken, so memory is that of one portion, whatever the size of the state. Nothing is a chain
//! until [`Import::finish`]: a store on which it was not reached is refused by every other reader, and by another import.

use super::{
    ChainIdentity, Durability, Snapshot, Store, StoreError, Table, WriteBatch,
    batch::{put_block, put_codes},
    codec, flush,
    opening::put_beginning,
    reader,
};
use alloy::primitives::{Address, B256, Bytes};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use std::{collections::BTreeMap, sync::Arc};
use tributary_protocol::{
    block::{L2BlockNumber, L2BlockRef},
    genesis::GenesisBlock,
    state::{
        StateChanges, TrieReader,
        trie::{StateTrie, TrieUpdate},
    },
};

/// Nibbles below the root down to which nodes stay in memory between portions: 4,096 of the deepest.
const DEPTH_KEPT: usize = 3;

/// State on its way into an empty store.
pub struct Import {
    store: Arc<dyn Store>,
    trie: StateTrie,
    storage_roots: BTreeMap<Address, B256>,
}

impl core::fmt::Debug for Import {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Import")
            .field("trie", &self.trie)
            .finish_non_exhaustive()
    }
}

impl Import {
    /// Begins with nothing.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] when the store has accounts or a chain.
    pub fn begin(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let snapshot = store.snapshot();
        for table in [Table::Meta, Table::Accounts] {
            if snapshot.first_at_or_after(table, &[])?.is_some() {
                return Err(StoreError::NotEmpty { table });
            }
        }
        Ok(Self {
            store,
            trie: StateTrie::default(),
            storage_roots: BTreeMap::new(),
        })
    }

    /// Adds accounts, their storage and their code. No account may be added twice. Fast when a portion's accounts are neighbours in the
    /// trie, which is ordered by the hash of the address.
    ///
    /// # Errors
    /// When a write fails; the store must be thrown away then.
    pub fn add(&mut self, portion: &StateChanges) -> Result<(), StoreError> {
        let stored = Stored(self.store.snapshot());
        let after = self.trie.update(&stored, portion)?;
        let nodes = after.after.node_changes(&self.trie, &stored)?;
        let mut batch = WriteBatch::default();
        flush::put_state(&mut batch, portion, nodes);
        put_codes(&mut batch, portion);
        self.store.write(batch, Durability::Lazy)?;
        self.trie = after.after.trimmed(DEPTH_KEPT);
        let with_storage = after.storage_roots.into_iter();
        self.storage_roots
            .extend(with_storage.filter(|(_, root)| *root != EMPTY_ROOT_HASH));
        Ok(())
    }

    /// Root of what was added.
    #[must_use]
    pub fn state_root(&self) -> B256 {
        self.trie.root()
    }

    /// Root of an account's storage.
    #[must_use]
    pub fn storage_root(&self, address: Address) -> B256 {
        self.storage_roots
            .get(&address)
            .copied()
            .unwrap_or(EMPTY_ROOT_HASH)
    }

    /// Makes it a chain whose block 0 has this header; durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::StateRoot`] when the header names another state, or when the write fails.
    pub fn finish(
        self,
        chain_id: u64,
        genesis: &GenesisBlock,
        reference: L2BlockRef,
    ) -> Result<(), StoreError> {
        let expected = genesis.header.state_root;
        if self.state_root() != expected {
            return Err(StoreError::StateRoot {
                number: reference.number,
                expected,
                found: self.state_root(),
            });
        }
        let identity = ChainIdentity {
            chain_id,
            genesis_hash: genesis.hash,
        };
        let mut batch = WriteBatch::default();
        put_block(&mut batch, &genesis.outcome(), &reference);
        put_beginning(&mut batch, identity, reference);
        self.store.write(batch, Durability::Synced)
    }
}

/// Block 0 of the chain `store` holds, without its state: what a node needs that does not read its genesis again.
///
/// # Errors
/// When there is none, or the store does not hold together.
pub fn stored_genesis(store: &dyn Store) -> Result<GenesisBlock, StoreError> {
    let (snapshot, number) = (store.snapshot(), L2BlockNumber(0));
    let key = codec::number_key(number);
    let found = reader::optional(&*snapshot, Table::Headers, &key, codec::decode_header)?;
    let (reference, header) = found.ok_or(StoreError::MissingBlock(number))?;
    Ok(GenesisBlock {
        hash: reference.hash,
        changes: StateChanges::default(),
        trie: TrieUpdate {
            before: StateTrie::default(),
            after: StateTrie::at(header.state_root),
            storage_roots: BTreeMap::new(),
        },
        header,
    })
}

/// Nodes that earlier portions have written.
struct Stored(Arc<dyn Snapshot>);

impl TrieReader for Stored {
    type Error = StoreError;

    fn trie_node(&self, owner: Option<B256>, path: &Nibbles, _: B256) -> Result<Option<Bytes>, StoreError> {
        self.0.get(Table::Nodes, &codec::node_key(owner, path))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::MemoryStore, *};
    use crate::store::{ChainWriter, StoreSettings};
    use alloy::{
        genesis::GenesisAccount,
        primitives::{U256, keccak256},
    };
    use tributary_protocol::{config::ChainOpConfig, genesis::GenesisParts};

    const CHAIN_ID: u64 = 901;

    fn holder(index: u64) -> Address {
        Address::from_slice(&keccak256(index.to_be_bytes())[12..])
    }

    /// A genesis with 500 accounts, one of which has code and storage.
    fn genesis() -> GenesisBlock {
        let rich = GenesisAccount::default().with_balance(U256::from(1_000));
        let contract = rich
            .clone()
            .with_code(Some(Bytes::from_static(&[0x60, 0])))
            .with_storage(Some([(B256::with_last_byte(1), B256::with_last_byte(2))].into()));
        let mut alloc: BTreeMap<_, _> = (0..500).map(|index| (holder(index), rich.clone())).collect();
        alloc.insert(holder(7), contract);
        let parts = GenesisParts {
            chain_id: CHAIN_ID,
            timestamp: 1,
            gas_limit: 30_000_000,
            base_fee: 1,
            fees: ChainOpConfig {
                eip1559_elasticity: 6,
                eip1559_denominator: 50,
                eip1559_denominator_canyon: 250,
            },
            min_base_fee: 0,
            jovian_time: None,
            alloc,
        };
        parts.build().unwrap().seal()
    }

    fn reference(genesis: &GenesisBlock) -> L2BlockRef {
        L2BlockRef {
            hash: genesis.hash,
            number: L2BlockNumber(0),
            parent_hash: B256::ZERO,
            timestamp: genesis.header.timestamp,
            l1_origin: Default::default(),
            sequence_number: 0,
        }
    }

    /// The state in portions of 60 accounts, in the trie's order or not.
    fn portions(genesis: &GenesisBlock, in_order: bool) -> Vec<StateChanges> {
        let mut addresses: Vec<_> = genesis.changes.accounts.keys().copied().collect();
        if in_order {
            addresses.sort_unstable_by_key(|address| keccak256(address));
        }
        let portion = |addresses: &[Address]| {
            let named = |address: &Address| (*address, genesis.changes.accounts[address]);
            let storage = addresses
                .iter()
                .filter_map(|address| Some((*address, genesis.changes.storage.get(address)?.clone())));
            StateChanges {
                accounts: addresses.iter().map(named).collect(),
                storage: storage.collect(),
                codes: genesis.changes.codes.clone(),
            }
        };
        addresses.chunks(60).map(portion).collect()
    }

    fn open(store: &Arc<dyn Store>, genesis: &GenesisBlock) -> Result<ChainWriter, StoreError> {
        let settings = StoreSettings::default();
        ChainWriter::open(
            store.clone(),
            CHAIN_ID,
            &genesis.outcome(),
            reference(genesis),
            settings,
        )
    }

    fn entries(store: &dyn Store) -> Vec<(Table, Bytes, Bytes)> {
        let snapshot = store.snapshot();
        let mut all = Vec::new();
        for table in Table::ALL {
            let mut from = Vec::new();
            while let Some((key, value)) = snapshot.first_at_or_after(*table, &from).unwrap() {
                from = [&key[..], &[0]].concat();
                all.push((*table, key, value));
            }
        }
        all
    }

    #[test]
    fn what_is_imported_in_portions_is_the_store_a_genesis_file_gives() {
        let genesis = genesis();
        let by_file: Arc<dyn Store> = Arc::new(MemoryStore::default());
        open(&by_file, &genesis).unwrap();
        for in_order in [true, false] {
            let imported: Arc<dyn Store> = Arc::new(MemoryStore::default());
            let mut import = Import::begin(imported.clone()).unwrap();
            for portion in portions(&genesis, in_order) {
                import.add(&portion).unwrap();
            }
            assert_eq!(import.state_root(), genesis.header.state_root);
            assert_ne!(import.storage_root(holder(7)), EMPTY_ROOT_HASH);
            assert_eq!(import.storage_root(holder(8)), EMPTY_ROOT_HASH);
            import.finish(CHAIN_ID, &genesis, reference(&genesis)).unwrap();
            assert_eq!(entries(&*imported), entries(&*by_file));
            let stored = stored_genesis(&*imported).unwrap();
            assert_eq!((stored.hash, &stored.header), (genesis.hash, &genesis.header));
            let reader = open(&imported, &stored).unwrap().reader().unwrap();
            let view = reader.state_at(L2BlockNumber(0)).unwrap();
            assert_eq!(view.slot(holder(7), U256::from(1)).unwrap(), U256::from(2));
        }
    }

    #[test]
    fn an_import_that_was_not_finished_is_no_chain_and_not_begun_again() {
        let genesis = genesis();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let mut import = Import::begin(store.clone()).unwrap();
        import.add(&portions(&genesis, true)[0]).unwrap();
        let error = import
            .finish(CHAIN_ID, &genesis, reference(&genesis))
            .unwrap_err();
        assert!(matches!(error, StoreError::StateRoot { .. }), "{error}");
        assert!(matches!(
            stored_genesis(&*store).unwrap_err(),
            StoreError::MissingBlock(L2BlockNumber(0))
        ));
        assert!(matches!(
            Import::begin(store).unwrap_err(),
            StoreError::NotEmpty {
                table: Table::Accounts
            }
        ));
    }
}
