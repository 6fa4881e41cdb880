//! What the sequencer promises while it builds, delta by delta: the transactions that one or more syncs of the journal covered, then the
//! seal of the block, or that the block is taken back.
//!
//! ```text
//!  journal --sync--> PendingBlock shows --\
//!                                          > Producer --Delta--> newFlashblocks, rollup_preconfirmation
//!  engine --commit--> heads, blocks ------/     \--> Signing (one signature a delta)
//! ```
//! Invariants: a delta holds only what readers are shown, so nothing that a crash could take back; the transactions of the deltas of a
//! block, one after the other, are the sealed block's, and so are the receipts; what will not be sealed as told is said to be reverted.
//! The producer runs beside the builder and never holds it up: if it is slow, its deltas are larger.

mod delta;
mod kept;
mod message;
mod producer;
mod signing;

pub(crate) use self::signing::keep_number;
pub use self::{
    delta::{Delta, DeltaKind},
    kept::{PreconfirmedDelta, PreconfirmedPart},
    message::{FlashblockMessage, SignatureJson},
    signing::{EpochError, Signing, raise_epoch},
};

use self::{kept::Kept, producer::Producer};
use crate::engine::Chain;
use alloy::primitives::B256;
use core::sync::atomic::{AtomicBool, Ordering};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tributary_protocol::{
    block::{L1BlockId, L2BlockNumber},
    preconfirmation::SignedStatement,
};

/// Deltas a listener may be behind before it is hung up on: a second at a sync a millisecond.
const QUEUED_DELTAS_MAX: usize = 1_024;

/// Handle to the deltas. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Preconfirmations {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    chain: Chain,
    signing: Option<Signing>,
    state: Mutex<State>,
    deltas: broadcast::Sender<Arc<Delta>>,
    /// Wakes the producer for a new listener.
    listeners: watch::Sender<u64>,
    is_started: AtomicBool,
    stopped: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    /// What was told of the block that is being built.
    open: Vec<Arc<Delta>>,
    kept: Kept,
}

impl Preconfirmations {
    /// Deltas of `chain`, signed if there is something to sign with, until `stopped`. Without a key they are made only while somebody
    /// listens.
    #[must_use]
    pub fn new(chain: Chain, signing: Option<Signing>, stopped: CancellationToken) -> Self {
        Self {
            shared: Arc::new(Shared {
                chain,
                signing,
                state: Mutex::default(),
                deltas: broadcast::Sender::new(QUEUED_DELTAS_MAX),
                listeners: watch::Sender::new(0),
                is_started: AtomicBool::new(false),
                stopped,
            }),
        }
    }

    /// What deltas and blocks are signed with.
    #[must_use]
    pub fn signing(&self) -> Option<&Signing> {
        self.shared.signing.as_ref()
    }

    /// Makes deltas until stopped, unless somebody does so already.
    pub async fn run(&self) {
        if !self.shared.is_started.swap(true, Ordering::AcqRel) {
            Producer::new(self.clone()).run().await;
        }
    }

    /// What was told of the block that is being built, and everything from then on. Must be called on a runtime if nobody
    /// [runs](Self::run) the producer.
    #[must_use]
    pub fn listen(&self) -> (Vec<Arc<Delta>>, broadcast::Receiver<Arc<Delta>>) {
        if !self.shared.is_started.load(Ordering::Acquire) {
            let deltas = self.clone();
            tokio::spawn(async move { deltas.run().await });
        }
        let state = self.shared.state.lock();
        let listening = (state.open.clone(), self.shared.deltas.subscribe());
        drop(state);
        self.shared.listeners.send_modify(|count| *count += 1);
        listening
    }

    /// The delta that told of the transaction at `index` of block `number`, as far back as is kept.
    #[must_use]
    pub fn delta(&self, number: L2BlockNumber, index: usize, hash: B256) -> Option<PreconfirmedDelta> {
        self.shared.state.lock().kept.delta(number, index, hash)
    }

    /// The signature under block `number`: kept, or made now for a block that L1 has not decided on yet. `None` without a key, and for
    /// blocks of which none is kept and L1 says more than a signature would.
    ///
    /// # Errors
    /// When the chain cannot be read.
    pub fn block_signature(
        &self,
        number: L2BlockNumber,
    ) -> Result<Option<SignedStatement>, crate::store::StoreError> {
        let Some(block) = self.shared.chain.block_by_number(number)? else {
            return Ok(None);
        };
        let kept = self.shared.state.lock().kept.block(number, block.hash);
        if kept.is_some() || number <= self.shared.chain.heads().safe_head.number {
            return Ok(kept);
        }
        let chain_id = self.shared.chain.config().l2_chain_id;
        let statement = |signing: &Signing| delta::block_statement(&block, signing.epoch());
        let signing = self.shared.signing.as_ref();
        Ok(signing.map(|signing| signing.sign(chain_id, statement(signing))))
    }

    fn is_wanted(&self) -> bool {
        self.shared.signing.is_some() || self.shared.deltas.receiver_count() > 0
    }

    /// Gives up what was told, if nobody is listening any more.
    fn forget_unless_wanted(&self) -> bool {
        let mut state = self.shared.state.lock();
        let forgets = !self.is_wanted();
        if forgets {
            *state = State::default();
        }
        forgets
    }

    /// Tells everyone.
    fn tell(&self, delta: Delta, l1_origin: L1BlockId) {
        metrics::counter!("preconfirmation_deltas_total", "kind" => delta.kind.name()).increment(1);
        let delta = Arc::new(delta);
        let mut state = self.shared.state.lock();
        state.kept.add(&delta, l1_origin);
        match delta.kind {
            DeltaKind::Transactions => state.open.push(delta.clone()),
            DeltaKind::Sealed(_) | DeltaKind::Reverted => state.open.clear(),
        }
        // No listener, nobody to tell.
        self.shared.deltas.send(delta).ok();
    }
}
