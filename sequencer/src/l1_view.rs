//! What the sequencer knows of L1: the blocks its next epochs start from, read ahead so that building never waits for L1.
//!
//! ```text
//!  L1Source --poll--> [ epochs: origin of the unsafe head, the next, ... ] --> builder
//! ```
//! Invariant: epochs held are a run linked by hashes. After a reorg they are dropped and read again. When L1 cannot be reached, what
//! is held stays.

use crate::origin_selector::KnownL1;
use parking_lot::RwLock;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;
use tributary_derivation::{
    driver::{L1Error, L1Source, L1Tag},
    epoch::{Epoch, EpochError},
};
use tributary_protocol::{
    block::{L1BlockId, L1BlockNumber, L1BlockRef},
    config::RollupConfig,
};

/// L1 blocks read ahead of the unsafe head's origin. Enough for a sequencer that catches up to seldom wait, few enough that a
/// reorg wastes little.
const EPOCHS_AHEAD: u64 = 64;

/// Why L1 could not be read.
#[derive(Debug, thiserror::Error)]
pub enum L1ViewError {
    /// L1 did not answer. What is known stays.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// L1 has a deposit that nobody can read; derivation halts on it too.
    #[error(transparent)]
    Epoch(#[from] EpochError),
}

/// The L1 blocks ahead. Cheap to clone; one task calls [`Self::refresh`], anyone reads.
#[derive(Clone)]
pub struct L1View {
    config: Arc<RollupConfig>,
    source: Arc<dyn L1Source>,
    known: Arc<RwLock<Known>>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Known {
    head: Option<L1BlockRef>,
    epochs: BTreeMap<L1BlockNumber, Arc<Epoch>>,
}

impl core::fmt::Debug for L1View {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("L1View")
            .field("head", &self.head())
            .finish_non_exhaustive()
    }
}

impl L1View {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(config: Arc<RollupConfig>, source: Arc<dyn L1Source>) -> Self {
        Self {
            config,
            source,
            known: Arc::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// The newest L1 block heard of.
    #[must_use]
    pub fn head(&self) -> Option<L1BlockRef> {
        self.known.read().head
    }

    /// What is known around the origin `current`.
    #[must_use]
    pub fn around(&self, current: L1BlockNumber) -> KnownL1 {
        let known = self.known.read();
        let reference = |number| known.epochs.get(&number).map(|epoch| epoch.reference());
        KnownL1 {
            current: reference(current),
            next: reference(current.next()),
            head_number: known.head.map_or(0, |head| head.number.0),
        }
    }

    /// The epoch that starts at L1 block `id`, if it has been read.
    #[must_use]
    pub fn epoch(&self, id: L1BlockId) -> Option<Arc<Epoch>> {
        let known = self.known.read();
        let epoch = known.epochs.get(&id.number)?;
        (epoch.id().hash == id.hash).then(|| epoch.clone())
    }

    /// Changes whenever something new is known.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Asks L1 for its head and reads what is missing from `from`, the unsafe head's origin, on. One call is one poll.
    ///
    /// # Errors
    /// When L1 does not answer or has a deposit nobody can read; what was read before stays.
    pub async fn refresh(&self, from: L1BlockNumber) -> Result<(), L1ViewError> {
        let Some(head) = self.source.head(L1Tag::Latest).await? else {
            return Ok(());
        };
        let new_head = self.known.read().head != Some(head);
        self.forget_below(from);
        if new_head {
            self.forget_if_reorged().await?;
        }
        let read_any = self.read_ahead(from, head.number).await;
        if new_head || read_any.as_ref().is_ok_and(|read| *read) {
            self.known.write().head = Some(head);
            self.changes.send_modify(|count| *count += 1);
        }
        read_any.map(|_| ())
    }

    /// Reads blocks until the head or [`EPOCHS_AHEAD`]. True if there was one to read.
    async fn read_ahead(&self, from: L1BlockNumber, head: L1BlockNumber) -> Result<bool, L1ViewError> {
        let last = self.last();
        let start = last.map_or(from, |last| last.number.next());
        let end = head.min(L1BlockNumber(from.0.saturating_add(EPOCHS_AHEAD)));
        let mut previous = last.map(|last| last.hash);
        for number in start.0..=end.0 {
            let Some(block) = self.source.block_by_number(L1BlockNumber(number)).await? else {
                return Ok(number > start.0);
            };
            let epoch = Epoch::of(&block, &self.config)?;
            if previous.is_some_and(|previous| previous != epoch.reference().parent_hash) {
                // L1 moved while we read it; start over at the next poll.
                self.known.write().epochs.clear();
                return Ok(true);
            }
            previous = Some(epoch.id().hash);
            self.known
                .write()
                .epochs
                .insert(L1BlockNumber(number), Arc::new(epoch));
        }
        Ok(start <= end)
    }

    fn last(&self) -> Option<L1BlockRef> {
        let known = self.known.read();
        known.epochs.last_key_value().map(|(_, epoch)| epoch.reference())
    }

    fn forget_below(&self, from: L1BlockNumber) {
        let mut known = self.known.write();
        if known
            .epochs
            .first_key_value()
            .is_some_and(|(first, _)| *first > from)
        {
            // The chain went back to an older origin, so the run no longer starts where it must.
            known.epochs.clear();
        }
        known.epochs = known.epochs.split_off(&from);
    }

    async fn forget_if_reorged(&self) -> Result<(), L1ViewError> {
        let Some(last) = self.last() else {
            return Ok(());
        };
        let canonical = self.source.block_ref(last.number).await?;
        if canonical.map(|canonical| canonical.hash) != Some(last.hash) {
            self.known.write().epochs.clear();
        }
        Ok(())
    }
}
