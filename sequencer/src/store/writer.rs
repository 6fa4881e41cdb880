//! The only code that changes the store: commit a block, take one back, move the heads.
//!
//! Every function writes one batch and leaves the heads in memory equal to those on disk; on error the writer must be dropped.

use super::{
    ChainReader, Heads, SCHEMA_VERSION, Snapshot, Store, StoreError, Table, WriteBatch,
    batch::{changes_of, flat_writes, put_block, put_changes, put_codes, restore_state},
    codec::{self, DecodeError, meta},
    reader::{encode_heads, optional},
};
use alloy::primitives::B256;
use std::sync::Arc;
use tributary_protocol::{
    block::{L1BlockId, L2BlockNumber, L2BlockRef},
    execute::BlockOutcome,
};

/// Blocks whose history one commit may prune: more than one, so that a window made smaller catches up, and few, so that no
/// commit takes long.
const PRUNED_PER_COMMIT_MAX: u64 = 4;

/// Safe-derivation entries that moving the safe head back may delete in one batch. One entry per L1 block that moved the safe
/// head, so this covers any reorg L1 can have before finality many times over; more remain for the next call.
const STALE_DERIVATIONS_MAX: usize = 100_000;

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

/// Sole owner of writes to the chain.
pub struct ChainWriter {
    store: Arc<dyn Store>,
    heads: Heads,
    history_from: L2BlockNumber,
    history_blocks: u64,
}

impl core::fmt::Debug for ChainWriter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ChainWriter")
            .field("heads", &self.heads)
            .finish_non_exhaustive()
    }
}

impl ChainWriter {
    /// Opens the chain in `store`, or starts it with `genesis` if the store is empty.
    ///
    /// `history_blocks` is how many blocks below the unsafe head keep their state readable; blocks that are not finalized always
    /// do, since they may have to be taken back.
    ///
    /// # Errors
    /// When the store holds another chain or layout, or does not hold together.
    pub fn open(
        store: Arc<dyn Store>,
        chain_id: u64,
        genesis: &BlockOutcome,
        genesis_ref: L2BlockRef,
        history_blocks: u64,
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
        let reader = ChainReader::new(store.snapshot())?;
        let writer = Self {
            store,
            heads: reader.heads(),
            history_from: reader.history_from(),
            history_blocks,
        };
        writer.check(&reader)?;
        Ok(writer)
    }

    /// The heads on disk.
    #[must_use]
    pub const fn heads(&self) -> Heads {
        self.heads
    }

    /// A reader of what has been written so far.
    ///
    /// # Errors
    /// When the read fails.
    pub fn reader(&self) -> Result<ChainReader, StoreError> {
        ChainReader::new(self.store.snapshot())
    }

    /// Appends a block to the unsafe chain. Durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::NotNext`] when it does not continue the unsafe head (nothing is written); any other error is fatal.
    pub fn commit(&mut self, outcome: &BlockOutcome, reference: L2BlockRef) -> Result<(), StoreError> {
        let head = self.heads.unsafe_head;
        if reference.parent_hash != head.hash || reference.number != head.number.next() {
            return Err(StoreError::NotNext {
                number: reference.number,
                parent: reference.parent_hash,
                head_number: head.number,
                head: head.hash,
            });
        }
        let heads = Heads {
            unsafe_head: reference,
            ..self.heads
        };
        let snapshot = self.store.snapshot();
        let mut batch = WriteBatch::default();
        put_block(&mut batch, outcome, &reference);
        put_changes(&mut batch, &*snapshot, outcome, reference.number)?;
        batch.put(Table::Meta, meta::HEADS, encode_heads(&heads));
        let history_from = self.prune(&mut batch, &*snapshot, reference.number)?;
        self.store.write(batch)?;
        self.heads = heads;
        self.history_from = history_from;
        Ok(())
    }

    /// Takes blocks above `number` off the unsafe chain, one atomic write per block.
    ///
    /// # Errors
    /// [`StoreError::HeadOrder`] when that would remove the safe head; the caller moves it back first.
    pub fn revert_to(&mut self, number: L2BlockNumber) -> Result<(), StoreError> {
        if number < self.heads.safe_head.number {
            return Err(StoreError::HeadOrder {
                finalized: self.heads.finalized_head.number,
                safe: self.heads.safe_head.number,
                unsafe_head: number,
            });
        }
        while self.heads.unsafe_head.number > number {
            self.revert_head()?;
        }
        Ok(())
    }

    /// Moves the safe head, forwards or (after an L1 reorg) back, and remembers which L1 block it was derived from.
    ///
    /// # Errors
    /// When the block is not canonical or would leave the order of the heads; nothing is written then.
    pub fn set_safe(&mut self, safe_head: L2BlockRef, derived_from: L1BlockId) -> Result<(), StoreError> {
        let heads = Heads {
            safe_head,
            ..self.heads
        };
        let snapshot = self.store.snapshot();
        let mut batch = WriteBatch::default();
        forget_derivations_from(&mut batch, &*snapshot, derived_from.number.0)?;
        batch.put(
            Table::SafeDerivations,
            derived_from.number.0.to_be_bytes(),
            codec::encode_safe_derivation(derived_from.hash, &safe_head),
        );
        self.write_heads(batch, &*snapshot, heads, safe_head)
    }

    /// Moves the finalized head.
    ///
    /// # Errors
    /// When the block is not canonical or would leave the order of the heads; nothing is written then.
    pub fn set_finalized(&mut self, finalized_head: L2BlockRef) -> Result<(), StoreError> {
        let heads = Heads {
            finalized_head,
            ..self.heads
        };
        let snapshot = self.store.snapshot();
        self.write_heads(WriteBatch::default(), &*snapshot, heads, finalized_head)
    }

    /// The one place where heads move other than by a block: checks order and ancestry first.
    fn write_heads(
        &mut self,
        mut batch: WriteBatch,
        snapshot: &dyn Snapshot,
        heads: Heads,
        moved: L2BlockRef,
    ) -> Result<(), StoreError> {
        check_order(&heads)?;
        let canonical = canonical_hash(snapshot, moved.number)?;
        if canonical != Some(moved.hash) {
            return Err(StoreError::NotCanonical {
                number: moved.number,
                hash: moved.hash,
                canonical: canonical.unwrap_or_default(),
            });
        }
        batch.put(Table::Meta, meta::HEADS, encode_heads(&heads));
        self.store.write(batch)?;
        self.heads = heads;
        Ok(())
    }

    fn revert_head(&mut self) -> Result<(), StoreError> {
        let head = self.heads.unsafe_head;
        let reader = self.reader()?;
        let parent_number = head.number.saturating_sub(1);
        let parent = reader
            .block_ref(parent_number)?
            .ok_or(StoreError::MissingBlock(parent_number))?;
        let block = reader
            .block_by_number(head.number)?
            .ok_or(StoreError::MissingBlock(head.number))?;
        let heads = Heads {
            unsafe_head: parent,
            ..self.heads
        };
        let key = codec::number_key(head.number);
        let mut batch = WriteBatch::default();
        restore_state(&mut batch, &**reader.snapshot(), head.number)?;
        batch.delete(Table::Blocks, key);
        batch.delete(Table::Receipts, key);
        batch.delete(Table::BlockNumbers, head.hash.as_slice());
        for transaction in &block.block.body.transactions {
            batch.delete(Table::Transactions, transaction.tx_hash().as_slice());
        }
        batch.put(Table::Meta, meta::HEADS, encode_heads(&heads));
        self.store.write(batch)?;
        self.heads = heads;
        Ok(())
    }

    /// Deletes history that is out of the window and finalized. Returns the new oldest block with state.
    fn prune(
        &self,
        batch: &mut WriteBatch,
        snapshot: &dyn Snapshot,
        head: L2BlockNumber,
    ) -> Result<L2BlockNumber, StoreError> {
        let target = head
            .saturating_sub(self.history_blocks)
            .min(self.heads.finalized_head.number);
        let mut oldest = self.history_from;
        while oldest < target && oldest.0 - self.history_from.0 < PRUNED_PER_COMMIT_MAX {
            oldest = oldest.next();
            for prefix in changes_of(snapshot, oldest)? {
                batch.delete(Table::History, codec::history_key(&prefix, oldest));
            }
            batch.delete(Table::Changes, codec::number_key(oldest));
        }
        if oldest != self.history_from {
            batch.put(Table::Meta, meta::HISTORY_FROM, codec::number_key(oldest));
        }
        Ok(oldest)
    }

    /// What a damaged folder would fail: order of the heads, the blocks they name, and the root of the state they promise.
    fn check(&self, reader: &ChainReader) -> Result<(), StoreError> {
        check_order(&self.heads)?;
        for head in [
            self.heads.unsafe_head,
            self.heads.safe_head,
            self.heads.finalized_head,
        ] {
            let canonical = canonical_hash(&**reader.snapshot(), head.number)?;
            if canonical != Some(head.hash) {
                return Err(StoreError::NotCanonical {
                    number: head.number,
                    hash: head.hash,
                    canonical: canonical.unwrap_or_default(),
                });
            }
        }
        let head = self.heads.unsafe_head.number;
        let block = reader
            .block_by_number(head)?
            .ok_or(StoreError::MissingBlock(head))?;
        reader.state_at(head)?.check_root(block.block.header.state_root)
    }
}

fn check_order(heads: &Heads) -> Result<(), StoreError> {
    let (finalized, safe, unsafe_head) = (
        heads.finalized_head.number,
        heads.safe_head.number,
        heads.unsafe_head.number,
    );
    if finalized <= safe && safe <= unsafe_head {
        return Ok(());
    }
    Err(StoreError::HeadOrder {
        finalized,
        safe,
        unsafe_head,
    })
}

fn canonical_hash(snapshot: &dyn Snapshot, number: L2BlockNumber) -> Result<Option<B256>, StoreError> {
    let key = codec::number_key(number);
    let reference = optional(snapshot, Table::Blocks, &key, codec::decode_block_reference)?;
    Ok(reference.map(|reference| reference.hash))
}

fn write_genesis(
    store: &dyn Store,
    identity: ChainIdentity,
    genesis: &BlockOutcome,
    reference: L2BlockRef,
) -> Result<(), StoreError> {
    let mut batch = WriteBatch::default();
    batch.put(Table::Meta, meta::IDENTITY, encode_identity(identity));
    put_block(&mut batch, genesis, &reference);
    for (table, key, value) in flat_writes(&genesis.changes, &genesis.trie) {
        batch.set(table, key, value);
    }
    put_codes(&mut batch, &genesis.changes);
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
    store.write(batch)
}

/// After an L1 reorg what was derived from the abandoned L1 blocks says nothing any more.
fn forget_derivations_from(
    batch: &mut WriteBatch,
    snapshot: &dyn Snapshot,
    l1_number: u64,
) -> Result<(), StoreError> {
    let mut from = l1_number.to_be_bytes().to_vec();
    for _ in 0..STALE_DERIVATIONS_MAX {
        let Some((key, _)) = snapshot.first_at_or_after(Table::SafeDerivations, &from)? else {
            break;
        };
        batch.delete(Table::SafeDerivations, key.to_vec());
        from = [&key, &[0][..]].concat();
    }
    Ok(())
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
