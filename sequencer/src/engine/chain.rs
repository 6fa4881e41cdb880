//! The readers' handle on the chain: cheap to clone, never blocks the writer, always shows one committed state.

use super::pending::{PendingBlock, PendingTip, PendingTransaction};
use crate::store::{ChainReader, Heads, SafeDerivation, StateView, StoreError, StoredBlock};
use alloy::primitives::B256;
use parking_lot::{Mutex, RwLock};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, OnceLock},
};
use tokio::sync::{broadcast, oneshot, watch};
use tributary_protocol::{
    block::{L1BlockNumber, L2BlockNumber, L2BlockRef},
    config::RollupConfig,
};

/// Decoded blocks kept in memory: followers, the batcher and wallets ask for the last few again and again.
const CACHED_BLOCKS: usize = 128;

/// Reorgs a listener may lag behind; each is rare and handled at once, so more means the listener is dead.
const QUEUED_REORGS_MAX: usize = 16;

/// Read access to blocks, state and heads.
#[derive(Clone, Debug)]
pub struct Chain {
    shared: Arc<Shared>,
    /// Whether a block that is only on disk is an error.
    in_memory: bool,
}

struct Shared {
    config: Arc<RollupConfig>,
    reader: RwLock<Arc<ChainReader>>,
    heads: watch::Sender<Heads>,
    pending: RwLock<PendingBlocks>,
    pending_tip: watch::Sender<PendingTip>,
    /// Who waits for a transaction to be executed and durable.
    awaited: Mutex<HashMap<B256, Vec<oneshot::Sender<()>>>>,
    /// Told before unsafe blocks are taken back.
    before_revert: OnceLock<BeforeRevert>,
    cache: Mutex<VecDeque<Arc<StoredBlock>>>,
    abandoned: broadcast::Sender<Abandoned>,
}

impl core::fmt::Debug for Shared {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Chain").finish_non_exhaustive()
    }
}

/// The blocks that are not committed yet: the open one, and before it the one that takes no more transactions and is being sealed.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingBlocks {
    sealing: Option<Arc<PendingBlock>>,
    open: Option<Arc<PendingBlock>>,
}

impl PendingBlocks {
    /// The block right after the unsafe head.
    pub(crate) const fn first(&self) -> Option<&Arc<PendingBlock>> {
        match &self.sealing {
            Some(sealing) => Some(sealing),
            None => self.open.as_ref(),
        }
    }

    /// The one that takes transactions.
    pub(crate) const fn open(&self) -> Option<&Arc<PendingBlock>> {
        self.open.as_ref()
    }

    /// The block that all others are below.
    pub(crate) const fn last(&self) -> Option<&Arc<PendingBlock>> {
        match &self.open {
            Some(open) => Some(open),
            None => self.sealing.as_ref(),
        }
    }

    /// The transaction with this hash as it is shown, and its block.
    pub(crate) fn transaction(&self, hash: B256) -> Option<(&Arc<PendingBlock>, PendingTransaction)> {
        let mut blocks = self.open.iter().chain(&self.sealing);
        blocks.find_map(|block| Some((block, block.transaction(hash)?)))
    }
}

/// Blocks taken off the unsafe chain together, lowest first. Their transactions were acknowledged and are owed another try.
pub type Abandoned = Arc<Vec<Arc<StoredBlock>>>;

/// Told of the block that stays and of the blocks that go.
pub(crate) type BeforeRevert =
    Box<dyn Fn(L2BlockNumber, &[Arc<StoredBlock>]) -> Result<(), String> + Send + Sync>;

/// A transaction somebody waits for.
#[derive(Debug)]
pub(crate) struct Awaited {
    chain: Chain,
    hash: B256,
    shown: oneshot::Receiver<()>,
}

impl Awaited {
    /// Resolves once it is shown.
    pub(crate) async fn shown(&mut self) {
        // Dropped unsent only with the chain itself.
        (&mut self.shown).await.ok();
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.shown.close();
        let mut awaited = self.chain.shared.awaited.lock();
        if let Some(waiting) = awaited.get_mut(&self.hash) {
            waiting.retain(|waiter| !waiter.is_closed());
            if waiting.is_empty() {
                awaited.remove(&self.hash);
            }
        }
    }
}

impl Chain {
    pub(super) fn new(config: Arc<RollupConfig>, reader: ChainReader) -> Self {
        let heads = watch::Sender::new(reader.heads());
        Self {
            shared: Arc::new(Shared {
                config,
                reader: RwLock::new(Arc::new(reader)),
                heads,
                pending: RwLock::default(),
                pending_tip: watch::Sender::default(),
                awaited: Mutex::default(),
                before_revert: OnceLock::new(),
                cache: Mutex::default(),
                abandoned: broadcast::Sender::new(QUEUED_REORGS_MAX),
            }),
            in_memory: false,
        }
    }

    /// The same chain, for who has no time to read a whole block from disk: one that is not in memory is [`StoreError::NotInMemory`].
    #[must_use]
    pub(crate) fn in_memory(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            in_memory: true,
        }
    }

    /// Rules of the chain.
    #[must_use]
    pub fn config(&self) -> &Arc<RollupConfig> {
        &self.shared.config
    }

    /// The three heads.
    #[must_use]
    pub fn heads(&self) -> Heads {
        self.reader().heads()
    }

    /// One consistent view of everything: several questions asked of the same reader get answers of the same moment.
    #[must_use]
    pub fn reader(&self) -> Arc<ChainReader> {
        self.shared.reader.read().clone()
    }

    /// The canonical block at `number`.
    ///
    /// # Errors
    /// When the store fails or is corrupt.
    pub fn block_by_number(&self, number: L2BlockNumber) -> Result<Option<Arc<StoredBlock>>, StoreError> {
        self.load(&self.reader(), number)
    }

    /// The canonical block with `hash`.
    ///
    /// # Errors
    /// When the store fails or is corrupt.
    pub fn block_by_hash(&self, hash: B256) -> Result<Option<Arc<StoredBlock>>, StoreError> {
        let reader = self.reader();
        match reader.block_number(hash)? {
            Some(number) => self.load(&reader, number),
            None => Ok(None),
        }
    }

    /// Reference of the canonical block at `number`, without reading its transactions' receipts.
    ///
    /// # Errors
    /// When the store fails or is corrupt.
    pub fn block_ref(&self, number: L2BlockNumber) -> Result<Option<L2BlockRef>, StoreError> {
        self.reader().block_ref(number)
    }

    /// Where a committed transaction is: block number and index.
    ///
    /// # Errors
    /// When the store fails or is corrupt.
    pub fn transaction(&self, hash: B256) -> Result<Option<(L2BlockNumber, u32)>, StoreError> {
        self.reader().transaction(hash)
    }

    /// State after block `number`.
    ///
    /// # Errors
    /// [`StoreError::StateUnavailable`] above the unsafe head or below what is kept.
    pub fn state_at(&self, number: L2BlockNumber) -> Result<StateView, StoreError> {
        self.reader().state_at(number)
    }

    /// The safe head as it was once L1 had been read up to `l1_block`.
    ///
    /// # Errors
    /// When the store fails or is corrupt.
    pub fn safe_head_at(&self, l1_block: L1BlockNumber) -> Result<Option<SafeDerivation>, StoreError> {
        self.reader().safe_head_at(l1_block)
    }

    /// The block being built; `None` on a follower and between blocks. The one before it may not be committed yet.
    #[must_use]
    pub fn pending(&self) -> Option<Arc<PendingBlock>> {
        self.shared.pending.read().last().cloned()
    }

    /// All blocks that are not committed yet, of one moment.
    pub(crate) fn pending_blocks(&self) -> PendingBlocks {
        self.shared.pending.read().clone()
    }

    /// Wakes whenever a head moves.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Heads> {
        self.shared.heads.subscribe()
    }

    /// Wakes whenever the block being built opens, executes a transaction or closes.
    ///
    /// A block is committed before it stops being pending, so who looks in [`Self::pending`] first and in
    /// [`Self::transaction`] second does not miss a transaction in between.
    #[must_use]
    pub fn subscribe_pending(&self) -> watch::Receiver<PendingTip> {
        self.shared.pending_tip.subscribe()
    }

    /// Hears of blocks that were taken off the unsafe chain.
    #[must_use]
    pub fn subscribe_abandoned(&self) -> broadcast::Receiver<Abandoned> {
        self.shared.abandoned.subscribe()
    }

    /// Tells listeners of blocks taken off the unsafe chain. Called by the writer alone.
    pub(super) fn announce_abandoned(&self, blocks: Vec<Arc<StoredBlock>>) {
        if !blocks.is_empty() {
            // No listener, nobody to tell.
            self.shared.abandoned.send(Arc::new(blocks)).ok();
        }
    }

    /// Shows `pending` to readers as the open block, on top of the one being sealed if there is one. Called by the builder alone.
    pub(crate) fn publish_pending(&self, pending: Option<Arc<PendingBlock>>) {
        self.change_pending(|blocks| blocks.open = pending);
    }

    /// The open block takes no more transactions. Called by the builder alone.
    pub(crate) fn close_pending(&self) {
        self.change_pending(|blocks| blocks.sealing = blocks.open.take());
    }

    /// What was being sealed is committed, or never will be. Called by the builder alone.
    pub(crate) fn settle_pending(&self) {
        self.change_pending(|blocks| blocks.sealing = None);
    }

    fn change_pending(&self, change: impl FnOnce(&mut PendingBlocks)) {
        let gone = {
            let mut blocks = self.shared.pending.write();
            let before = blocks.clone();
            change(&mut blocks);
            before
        };
        // A block may hold much: it is let go of outside of the lock.
        drop(gone);
        let tip = self.pending().map(|block| block.tip()).unwrap_or_default();
        self.shared.pending_tip.send_replace(tip);
    }

    /// Shows readers the first `transactions` transactions of `pending`, the last of which is `hash`, and wakes who waits for that one.
    pub(crate) fn show_pending(&self, pending: &PendingBlock, transactions: usize, hash: B256) {
        pending.show(transactions);
        let waiting = self.shared.awaited.lock().remove(&hash);
        for waiter in waiting.into_iter().flatten() {
            // Whoever waited may have gone.
            waiter.send(()).ok();
        }
    }

    /// Tells readers that the block being built shows more.
    pub(crate) fn announce_pending(&self) {
        let tip = self.pending().map(|block| block.tip()).unwrap_or_default();
        self.shared
            .pending_tip
            .send_if_modified(|told| core::mem::replace(told, tip) != tip);
    }

    /// Resolves once the transaction with this hash is shown in the block being built. Ask before you look whether it is there already.
    pub(crate) fn await_transaction(&self, hash: B256) -> Awaited {
        let (sender, shown) = oneshot::channel();
        self.shared.awaited.lock().entry(hash).or_default().push(sender);
        Awaited {
            chain: self.clone(),
            hash,
            shown,
        }
    }

    /// Calls `tell` with the block that stays and the blocks above it before those are taken back; if it fails they stay. Called once.
    pub(crate) fn before_revert(&self, tell: BeforeRevert) {
        assert!(
            self.shared.before_revert.set(tell).is_ok(),
            "one journal is told of what is taken back"
        );
    }

    /// Called by the writer alone, before it takes blocks back.
    pub(super) fn tell_before_revert(
        &self,
        kept: L2BlockNumber,
        blocks: &[Arc<StoredBlock>],
    ) -> Result<(), String> {
        self.shared
            .before_revert
            .get()
            .map_or(Ok(()), |tell| tell(kept, blocks))
    }

    /// Shows a committed state to readers. Called by the writer alone, after the store has it on disk.
    pub(super) fn publish(&self, reader: ChainReader) {
        let heads = reader.heads();
        for (name, head) in [
            ("unsafe", heads.unsafe_head),
            ("safe", heads.safe_head),
            ("finalized", heads.finalized_head),
        ] {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, exact up to 2^53")]
            metrics::gauge!("chain_head_number", "head" => name).set(head.number.0 as f64);
        }
        *self.shared.reader.write() = Arc::new(reader);
        self.shared.heads.send_replace(heads);
    }

    /// Remembers a block that was just committed.
    pub(super) fn remember(&self, block: Arc<StoredBlock>) {
        let mut cache = self.shared.cache.lock();
        cache.push_back(block);
        if cache.len() > CACHED_BLOCKS {
            cache.pop_front();
        }
    }

    /// The cache is keyed by hash, so that a block taken back is never served for its number again.
    fn load(
        &self,
        reader: &ChainReader,
        number: L2BlockNumber,
    ) -> Result<Option<Arc<StoredBlock>>, StoreError> {
        let Some(reference) = reader.block_ref(number)? else {
            return Ok(None);
        };
        let cached = self
            .shared
            .cache
            .lock()
            .iter()
            .rev()
            .find(|block| block.hash == reference.hash)
            .cloned();
        if cached.is_some() {
            return Ok(cached);
        }
        if self.in_memory {
            return Err(StoreError::NotInMemory(number));
        }
        let block = reader.block_by_number(number)?.map(Arc::new);
        if let Some(block) = &block {
            self.remember(block.clone());
        }
        Ok(block)
    }
}
