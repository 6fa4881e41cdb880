//! Opening a folder: whose it is, whether it holds together, and what was committed and not flushed back into memory.

use super::{
    ChainWriter, Durability, Heads, SCHEMA_VERSION, Snapshot, Store, StoreError, StoreSettings, Table,
    WriteBatch,
    base::Base,
    batch::put_block,
    cache::StateCache,
    codec::{self, DecodeError, meta},
    flush,
    layer::Layer,
    reader::{decode_heads, encode_heads, optional, required},
    writer::{canonical_hash, check_order},
};
use alloy::primitives::{Address, B256};
use std::sync::Arc;
use tributary_protocol::{
    block::{L2BlockNumber, L2BlockRef},
    execute::BlockOutcome,
    state::{NoNodes, trie::StateTrie},
};

/// What a data folder belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainIdentity {
    /// L2 chain id.
    pub chain_id: u64,
    /// Hash of L2 block 0.
    pub genesis_hash: B256,
}

impl core::fmt::Display for ChainIdentity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "chain id {} with genesis {}", self.chain_id, self.genesis_hash)
    }
}

impl ChainWriter {
    /// Opens the chain in `store`, or starts it with `genesis` if the store is empty. State that was not flushed is worked out again
    /// from what the blocks changed, and a flush that was cut short is done again.
    ///
    /// # Errors
    /// When the store holds another chain or layout, has forgotten states that an archive must have, or does not hold together.
    pub fn open(
        store: Arc<dyn Store>,
        chain_id: u64,
        genesis: &BlockOutcome,
        genesis_ref: L2BlockRef,
        settings: StoreSettings,
    ) -> Result<Self, StoreError> {
        let identity = ChainIdentity {
            chain_id,
            genesis_hash: genesis.hash,
        };
        let snapshot = store.snapshot();
        match optional(&*snapshot, Table::Meta, meta::IDENTITY, decode_identity)? {
            Some((found, _)) if found != SCHEMA_VERSION => {
                return Err(StoreError::Schema {
                    expected: SCHEMA_VERSION,
                    found,
                });
            }
            Some((_, found)) if found != identity => {
                return Err(StoreError::OtherChain {
                    expected: identity,
                    found,
                });
            }
            Some(_) => {}
            None => write_genesis(&*store, identity, genesis, genesis_ref)?,
        }
        let snapshot = store.snapshot();
        let heads = required(&*snapshot, Table::Meta, meta::HEADS, decode_heads)?;
        check_order(&heads)?;
        let history_from = required(&*snapshot, Table::Meta, meta::HISTORY_FROM, codec::decode_number)?;
        if settings.archive && history_from > L2BlockNumber(0) {
            return Err(StoreError::NoArchive { oldest: history_from });
        }
        let (flushed, cut_short) = required(&*snapshot, Table::Meta, meta::FLUSHED, codec::decode_flushed)?;
        // To a base that is where the flush would have led, the state it began with is an old one, which history tells.
        let number = cut_short.unwrap_or(flushed);
        let base = Arc::new(Base {
            number,
            trie: StateTrie::at(state_root(&*snapshot, flushed)?),
            cache: Arc::new(StateCache::new(settings.cache_bytes, number)),
            snapshot,
        });
        let mut writer = Self {
            store,
            settings,
            heads,
            history_from,
            base,
            layers: Vec::new(),
            flushing: None,
            retired: None,
            flush_times: Vec::new(),
        };
        if cut_short.is_some() {
            writer.replay(flushed, number)?;
            let flushed = writer.next_flush(flushed, writer.layers.len()).run()?;
            writer.install(flushed);
        }
        writer.check()?;
        writer.replay(writer.base.number, heads.unsafe_head.number)?;
        Ok(writer)
    }

    /// Brings what was committed after `flushed` up to `last` back into memory.
    fn replay(&mut self, flushed: L2BlockNumber, last: L2BlockNumber) -> Result<(), StoreError> {
        let snapshot = self.base.snapshot.clone();
        for number in flushed.0 + 1..=last.0 {
            let key = codec::number_key(L2BlockNumber(number));
            let reference = required(&*snapshot, Table::Headers, &key, codec::decode_header_reference)?;
            let changes = required(&*snapshot, Table::Changes, &key, codec::decode_changes)?;
            let trie = self.trie();
            let trie = trie
                .update(&self.base.nodes_at(flushed)?, &changes.forward())?
                .after;
            let expected = state_root(&*snapshot, reference.number)?;
            if trie.root() != expected {
                return Err(StoreError::StateRoot {
                    number: reference.number,
                    expected,
                    found: trie.root(),
                });
            }
            let layer = Layer::new(&self.layers, reference, changes, trie);
            self.layers.push(layer);
        }
        Ok(())
    }

    /// What a damaged folder would fail: the blocks the heads name, and the root of the state on disk.
    fn check(&self) -> Result<(), StoreError> {
        let snapshot = &*self.base.snapshot;
        for head in [
            self.heads.unsafe_head,
            self.heads.safe_head,
            self.heads.finalized_head,
        ] {
            let canonical = canonical_hash(snapshot, head.number)?;
            if canonical != Some(head.hash) {
                return Err(StoreError::NotCanonical {
                    number: head.number,
                    hash: head.hash,
                    canonical: canonical.unwrap_or_default(),
                });
            }
        }
        let nodes = self.base.nodes_at(self.base.number)?;
        // Reads the root node and checks it against the header's.
        self.base.trie.account_proof(&nodes, Address::ZERO)?;
        Ok(())
    }
}

fn write_genesis(
    store: &dyn Store,
    identity: ChainIdentity,
    genesis: &BlockOutcome,
    reference: L2BlockRef,
) -> Result<(), StoreError> {
    let mut batch = WriteBatch::default();
    put_block(&mut batch, genesis, &reference);
    let nodes = genesis.trie.after.node_changes(&StateTrie::default(), &NoNodes)?;
    flush::put_state(&mut batch, &genesis.changes, nodes);
    put_beginning(&mut batch, identity, reference);
    store.write(batch, Durability::Synced)
}

/// That a chain begins with block 0, whose state is there.
pub(super) fn put_beginning(batch: &mut WriteBatch, identity: ChainIdentity, reference: L2BlockRef) {
    batch.put(Table::Meta, meta::IDENTITY, encode_identity(identity));
    batch.extend(flush::flushed(reference.number, &[]));
    let heads = Heads {
        unsafe_head: reference,
        safe_head: reference,
        finalized_head: reference,
    };
    batch.put(Table::Meta, meta::HEADS, encode_heads(&heads));
    batch.put(
        Table::Meta,
        meta::HISTORY_FROM,
        codec::number_key(reference.number),
    );
}

/// State root in the header of block `number`.
fn state_root(snapshot: &dyn Snapshot, number: L2BlockNumber) -> Result<B256, StoreError> {
    let key = codec::number_key(number);
    let (_, header) = required(snapshot, Table::Headers, &key, codec::decode_header)?;
    Ok(header.state_root)
}

fn encode_identity(identity: ChainIdentity) -> Vec<u8> {
    let mut out = SCHEMA_VERSION.to_be_bytes().to_vec();
    out.extend_from_slice(&identity.chain_id.to_be_bytes());
    out.extend_from_slice(identity.genesis_hash.as_slice());
    out
}

/// The version first and whatever follows only if the version is ours.
fn decode_identity(mut value: &[u8]) -> Result<(u32, ChainIdentity), DecodeError> {
    let version = u32::from_be_bytes(codec::take(&mut value)?);
    if version != SCHEMA_VERSION {
        let unknown = ChainIdentity {
            chain_id: 0,
            genesis_hash: B256::ZERO,
        };
        return Ok((version, unknown));
    }
    let identity = ChainIdentity {
        chain_id: u64::from_be_bytes(codec::take(&mut value)?),
        genesis_hash: B256::from(codec::take::<32>(&mut value)?),
    };
    codec::finish(value, (version, identity))
}
