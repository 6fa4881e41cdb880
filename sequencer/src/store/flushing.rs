//! When to flush, on which thread, and how the writer goes on from what was flushed.
//!
//! ```text
//!  base <- layer <- layer <- layer <- layer       commits put layers on top
//!         |______________|                        one flush at a time, on a thread of its own, of the first of them
//!  base' <---------------- layer <- layer         the writer puts its result in; no block is taken back before
//! ```
//! What is written meanwhile has other keys than what a flush writes: a commit adds what belongs to its block alone, heads are heads, and
//! what belongs to flushed blocks and to the tables of state is the flush's.

use super::{
    ChainWriter, StoreError,
    flush::{Flush, Flushed},
    flush_thread::FlushThread,
    portions::Pace,
};
use std::time::Duration;
use tributary_protocol::{block::L2BlockNumber, state::trie::StateTrie};

/// Blocks whose history a flush may prune for each block it flushes: more than one, so that a window made smaller catches up, and few, so
/// that no flush takes long.
const PRUNED_PER_BLOCK_MAX: u64 = 4;

/// Accounts and slots in memory after which they are flushed, whatever the number of blocks: about 50 MB.
const UNFLUSHED_MAX: usize = 200_000;

/// How many times as much as begins a flush may be in memory, what is being flushed included; then commits wait. One part goes to disk, and
/// the rest bridges a while in which more is committed than the disk takes.
const BACKLOG_MAX: usize = 4;

impl ChainWriter {
    /// True when enough has been committed since the last flush.
    #[must_use]
    pub fn is_flush_due(&self) -> bool {
        self.layers_holding(1).is_some()
    }

    /// How many of the first layers hold as much as begins `flushes` flushes; `None` if all of them hold less.
    fn layers_holding(&self, flushes: usize) -> Option<usize> {
        let blocks_max = self.settings.flush_blocks.max(1).saturating_mul(flushes);
        let mut changed = 0;
        let enough = self.layers.iter().zip(1..).find(|(layer, blocks)| {
            changed += layer.len();
            *blocks >= blocks_max || changed >= UNFLUSHED_MAX * flushes
        });
        enough.map(|(_, blocks)| blocks)
    }

    /// Begins a flush if one is due and none is under way. Waits for that one if far too much is in memory. True if one has ended.
    ///
    /// # Errors
    /// When a flush has failed.
    pub fn flush_if_due(&mut self) -> Result<bool, StoreError> {
        let is_too_much = self.layers_holding(BACKLOG_MAX).is_some();
        if let Some(flushing) = self
            .flushing
            .as_ref()
            .filter(|_| self.layers_holding(2).is_some())
        {
            // The next one is due as well.
            flushing.hurry();
        }
        let has_ended = if is_too_much {
            self.wait_for_flush()?
        } else {
            self.install_flush()?
        };
        let Some(due) = self.layers_holding(1).filter(|_| self.flushing.is_none()) else {
            return Ok(has_ended);
        };
        // No more than is due, however much there is: whoever has to wait for it waits for that.
        let flush = self.next_flush(self.base.number, due);
        if self.settings.flush_in_background {
            let flush = Flush {
                pace: Pace::slow(),
                ..flush.clone()
            };
            self.flushing = FlushThread::start(flush, self.retired.take());
        }
        if self.flushing.is_some() {
            return Ok(has_ended);
        }
        let flushed = flush.run()?;
        self.install(flushed);
        Ok(true)
    }

    /// Goes on from what a flush has written, if one has ended. True if so.
    ///
    /// # Errors
    /// When it has failed.
    pub fn install_flush(&mut self) -> Result<bool, StoreError> {
        let has_ended = self.flushing.as_ref().is_some_and(FlushThread::is_finished);
        Ok(has_ended && self.wait_for_flush()?)
    }

    /// Writes the state of the unsafe head to disk, and prunes history; all is done when this returns. Nothing is lost without it; starting
    /// takes longer, and memory grows with every block.
    ///
    /// # Errors
    /// When the write fails or what is stored does not fit together.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.wait_for_flush()?;
        if !self.layers.is_empty() {
            let flushed = self.next_flush(self.base.number, self.layers.len()).run()?;
            self.install(flushed);
        }
        Ok(())
    }

    /// How long each flush took that has ended since this was called last.
    pub fn take_flush_times(&mut self) -> Vec<Duration> {
        core::mem::take(&mut self.flush_times)
    }

    /// Waits for the flush under way and goes on from it. True if there was one.
    pub(super) fn wait_for_flush(&mut self) -> Result<bool, StoreError> {
        let Some(thread) = self.flushing.take() else {
            return Ok(false);
        };
        let flushed = thread.result()?;
        self.install(flushed);
        Ok(true)
    }

    /// A flush of the first `layers` layers, which begin above block `from`.
    pub(super) fn next_flush(&self, from: L2BlockNumber, layers: usize) -> Flush {
        Flush {
            store: self.store.clone(),
            base: self.base.clone(),
            from,
            layers: self.layers[..layers].to_vec(),
            history: [self.history_from, self.prune_to(from, layers)],
            nodes_max: self.settings.trie_nodes_max,
            writes_max: self.settings.flush_writes,
            pace: Pace::default(),
        }
    }

    /// Makes what was flushed the base of the layers above it.
    pub(super) fn install(&mut self, flushed: Flushed) {
        let above = self.layers.split_off(flushed.layers);
        let layers = core::mem::replace(&mut self.layers, above);
        let base = core::mem::replace(&mut self.base, flushed.base);
        self.history_from = flushed.history_from;
        self.flush_times.push(flushed.took);
        let whole = layers.last().map(|layer| layer.trie.clone());
        if let Some(whole) = whole.filter(|whole| !whole.shares_memory_with(&self.base.trie)) {
            self.trim_layers(whole);
        }
        self.retired = Some((base, layers));
    }

    /// The base keeps less of its tries in memory than `whole`, from which those of the layers were made: lets go of the rest there, too.
    fn trim_layers(&mut self, whole: StateTrie) {
        let (mut whole, mut trimmed) = (whole, self.base.trie.clone());
        for layer in &mut self.layers {
            let next = layer.trie.trimmed_like(&whole, &trimmed);
            whole = layer.trie.clone();
            *layer = layer.with_trie(next.clone());
            trimmed = next;
        }
    }

    /// The oldest block whose state can be read after a flush of `layers` layers above `flushed`: older ones are out of the window, finalized
    /// and flushed.
    fn prune_to(&self, flushed: L2BlockNumber, layers: usize) -> L2BlockNumber {
        if self.settings.archive {
            return self.history_from;
        }
        let blocks_max = PRUNED_PER_BLOCK_MAX.saturating_mul(layers as u64);
        self.heads
            .unsafe_head
            .number
            .saturating_sub(self.settings.history_blocks)
            .min(self.heads.finalized_head.number)
            .min(flushed)
            .min(L2BlockNumber(self.history_from.0.saturating_add(blocks_max)))
    }
}
