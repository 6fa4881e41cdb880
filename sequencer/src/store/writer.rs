//! The only code that changes the store: commit a block, take one back, flush, move the heads.
//!
//! Every function here writes one batch and leaves the heads in memory equal to those on disk; on error the writer must be dropped. Flushes
//! are begun and ended in `flushing`.

use super::{
    BlockChanges, ChainReader, Durability, Heads, Snapshot, StateView, Store, StoreError, Table, WriteBatch,
    base::Base,
    batch::{delete_block, put_block, put_changes},
    codec::{self, meta},
    flush,
    flush_thread::{FlushThread, Retired},
    layer::Layer,
    reader::{encode_heads, optional},
};
use alloy::primitives::B256;
use std::{sync::Arc, time::Duration};
use tributary_protocol::{
    block::{L1BlockId, L2BlockNumber, L2BlockRef},
    execute::BlockOutcome,
    state::trie::StateTrie,
};

/// Safe-derivation entries that moving the safe head back may delete in one batch. One entry per L1 block that moved the safe
/// head, so this covers any reorg L1 can have before finality many times over; more remain for the next call.
const STALE_DERIVATIONS_MAX: usize = 100_000;

/// What the operator chooses about the store.
#[derive(Clone, Copy, Debug)]
pub struct StoreSettings {
    /// How many blocks below the unsafe head keep their state readable; blocks that are not finalized always do, since they may have to
    /// be taken back.
    pub history_blocks: u64,
    /// Keeps the state of every block readable, whatever [`Self::history_blocks`] says.
    pub archive: bool,
    /// Memory for accounts and slots read from disk, bytes.
    pub cache_bytes: u64,
    /// Trie nodes kept in memory at most, of all tries; more are cut off at a flush, the deepest first. A node takes about 300 bytes.
    pub trie_nodes_max: usize,
    /// Blocks after which what they changed is flushed; a few large ones are flushed earlier.
    pub flush_blocks: usize,
    /// Flushes on a thread of its own. Off, a flush is over before whoever committed the last block is answered, and the order of writes does
    /// not depend on threads.
    pub flush_in_background: bool,
    /// Writes that a flush makes at once; whoever writes meanwhile waits for as many.
    pub flush_writes: usize,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            // A day of blocks of one second and a little more: a withdrawal is proven against an output root of the last hours.
            history_blocks: 100_000,
            archive: false,
            cache_bytes: 256 << 20,
            trie_nodes_max: 2_000_000,
            flush_blocks: 16,
            flush_in_background: true,
            // One or two milliseconds on disk: nothing to a commit, and far more than a batch costs by itself.
            flush_writes: 1_000,
        }
    }
}

/// Sole owner of writes to the chain.
pub struct ChainWriter {
    pub(super) store: Arc<dyn Store>,
    pub(super) settings: StoreSettings,
    pub(super) heads: Heads,
    pub(super) history_from: L2BlockNumber,
    pub(super) base: Arc<Base>,
    /// Of every block above the base.
    pub(super) layers: Vec<Arc<Layer>>,
    /// Writes the first of the layers to disk.
    pub(super) flushing: Option<FlushThread>,
    /// What the last flush has written: whoever lets go of it last is the next one's thread, not a reader and not this one.
    pub(super) retired: Option<Retired>,
    /// Of flushes that have ended and nobody has asked for.
    pub(super) flush_times: Vec<Duration>,
}

impl core::fmt::Debug for ChainWriter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ChainWriter")
            .field("heads", &self.heads)
            .finish_non_exhaustive()
    }
}

impl ChainWriter {
    /// The tries at the unsafe head.
    pub(super) fn trie(&self) -> StateTrie {
        let newest = self.layers.last();
        newest.map_or(&self.base.trie, |layer| &layer.trie).clone()
    }

    /// The tries after a block on the head. If they were not made from ours, what they leave out is not what our base has, so the changes
    /// are applied to ours.
    fn trie_after(&self, outcome: &BlockOutcome) -> Result<StateTrie, StoreError> {
        let ours = self.trie();
        if outcome.trie.before.shares_memory_with(&ours) {
            return Ok(outcome.trie.after.clone());
        }
        let nodes = self.base.nodes_at(self.base.number)?;
        Ok(ours.update(&nodes, &outcome.changes)?.after)
    }

    fn head_view(&self) -> StateView {
        let (blocks, base) = (self.store.snapshot(), self.base.clone());
        StateView::new(blocks, base, &self.layers, self.heads.unsafe_head.number)
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
        Ok(ChainReader::new(
            self.store.snapshot(),
            self.heads,
            self.history_from,
            self.base.clone(),
            &self.layers,
        ))
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
        let view = self.head_view();
        let account = |address| view.account(address);
        let slot = |address, slot| view.slot(address, slot);
        let changes = BlockChanges::new(&outcome.changes, account, slot)?;
        let trie = self.trie_after(outcome)?;
        let mut batch = WriteBatch::default();
        put_block(&mut batch, outcome, &reference);
        put_changes(&mut batch, reference.number, &changes);
        batch.put(Table::Meta, meta::HEADS, encode_heads(&heads));
        self.store.write(batch, Durability::Synced)?;
        self.heads = heads;
        let layer = Layer::new(&self.layers, reference, changes, trie);
        self.layers.push(layer);
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
        if self.heads.unsafe_head.number > number {
            self.wait_for_flush()?;
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
        self.store.write(batch, Durability::Synced)?;
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
        let mut batch = WriteBatch::default();
        delete_block(&mut batch, &block);
        batch.put(Table::Meta, meta::HEADS, encode_heads(&heads));
        if self.layers.pop().is_some() {
            self.store.write(batch, Durability::Synced)?;
        } else {
            let trie = flush::unflush(&mut batch, &self.base)?;
            self.store.write(batch, Durability::Synced)?;
            self.base = Arc::new(Base {
                number: parent_number,
                snapshot: self.store.snapshot(),
                trie,
                cache: Arc::new(self.base.cache.emptied(parent_number)),
            });
        }
        self.heads = heads;
        Ok(())
    }
}

pub(super) fn check_order(heads: &Heads) -> Result<(), StoreError> {
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

pub(super) fn canonical_hash(
    snapshot: &dyn Snapshot,
    number: L2BlockNumber,
) -> Result<Option<B256>, StoreError> {
    let key = codec::number_key(number);
    let reference = optional(snapshot, Table::Headers, &key, codec::decode_header_reference)?;
    Ok(reference.map(|reference| reference.hash))
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
