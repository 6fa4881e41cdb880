//! The unsafe chain as a sequence of events: blocks added, and blocks taken off again, last first. Heads are only a value that changes;
//! whoever must not miss a block listens here.
//!
//! One task follows the chain for all listeners, and only while there are some.

use crate::{
    engine::{Abandoned, Chain},
    store::{Heads, StoreError, StoredBlock},
};
use alloy::primitives::B256;
use core::time::Duration;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, OnceLock},
};
use tokio::sync::{broadcast, watch};
use tributary_protocol::block::{L2BlockNumber, L2BlockRef};

/// Events a listener may be behind. Blocks are shared, so this bounds what one slow listener keeps alive.
const QUEUED_EVENTS_MAX: usize = 256;

/// Blocks remembered as told: how deep a reorg can be and still be told block by block.
const REMEMBERED_MAX: usize = 4_096;

/// The engine shows the chain after a reorg first and says what it took off right after.
const ABANDONED_PATIENCE: Duration = Duration::from_secs(1);

/// What happened to the chain.
#[derive(Clone, Debug)]
pub(super) enum ChainEvent {
    /// A block was added on top.
    Added(Arc<StoredBlock>),
    /// The block that was on top is on the chain no more.
    Removed(Arc<StoredBlock>),
}

/// The events, for as many listeners as there are.
#[derive(Debug, Default)]
pub(super) struct ChainFeed {
    events: OnceLock<broadcast::Sender<ChainEvent>>,
}

impl ChainFeed {
    /// Listens from now on. Must be called on the runtime that the server runs on.
    pub(super) fn listen(&self, chain: &Chain) -> broadcast::Receiver<ChainEvent> {
        let events = self.events.get_or_init(|| {
            let events = broadcast::Sender::new(QUEUED_EVENTS_MAX);
            let follower = Follower {
                heads: chain.subscribe(),
                abandoned: chain.subscribe_abandoned(),
                told: [chain.heads().unsafe_head].into(),
                chain: chain.clone(),
                events: events.clone(),
            };
            tokio::spawn(follower.run());
            events
        });
        events.subscribe()
    }
}

struct Follower {
    chain: Chain,
    heads: watch::Receiver<Heads>,
    abandoned: broadcast::Receiver<Abandoned>,
    /// The newest blocks that were told, lowest first.
    told: VecDeque<L2BlockRef>,
    events: broadcast::Sender<ChainEvent>,
}

impl Follower {
    async fn run(mut self) {
        while self.heads.changed().await.is_ok() {
            let head = self.heads.borrow_and_update().unsafe_head;
            if self.events.receiver_count() == 0 {
                self.told = [head].into();
                continue;
            }
            if let Err(error) = self.tell().await {
                tracing::error!(target: "sequencer", %error, "blocks cannot be read to tell subscribers");
                self.told = [head].into();
            }
        }
    }

    async fn tell(&mut self) -> Result<(), StoreError> {
        let reader = self.chain.reader();
        let mut gone = Vec::new();
        while let Some(last) = self.told.back() {
            let canonical = reader.block_ref(last.number)?;
            if canonical.is_some_and(|canonical| canonical.hash == last.hash) {
                break;
            }
            gone.extend(self.told.pop_back());
        }
        if let Some(lowest) = gone.last() {
            let next = lowest.number;
            self.tell_removed(&gone).await;
            self.tell_added(next)
        } else {
            let next = self
                .told
                .back()
                .map_or(next_of(&reader.heads()), |last| last.number.next());
            self.tell_added(next)
        }
    }

    /// Tells blocks from `next` to the head.
    fn tell_added(&mut self, next: L2BlockNumber) -> Result<(), StoreError> {
        let head = self.chain.heads().unsafe_head.number;
        for number in next.0..=head.0 {
            let Some(block) = self.chain.block_by_number(L2BlockNumber(number))? else {
                break;
            };
            // The chain has moved under us; that wakes us once more.
            if self
                .told
                .back()
                .is_some_and(|last| last.hash != block.reference.parent_hash)
            {
                break;
            }
            self.told.push_back(block.reference);
            if self.told.len() > REMEMBERED_MAX {
                self.told.pop_front();
            }
            self.events.send(ChainEvent::Added(block)).ok();
        }
        Ok(())
    }

    /// Tells that `gone` are on the chain no more, highest first.
    async fn tell_removed(&mut self, gone: &[L2BlockRef]) {
        let mut blocks: HashMap<B256, Arc<StoredBlock>> = HashMap::new();
        while !gone.iter().all(|reference| blocks.contains_key(&reference.hash)) {
            match tokio::time::timeout(ABANDONED_PATIENCE, self.abandoned.recv()).await {
                Ok(Ok(abandoned)) => {
                    blocks.extend(abandoned.iter().map(|block| (block.hash, block.clone())));
                }
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {}
                Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => break,
            }
        }
        for reference in gone {
            match blocks.remove(&reference.hash) {
                Some(block) => {
                    self.events.send(ChainEvent::Removed(block)).ok();
                }
                None => tracing::warn!(
                    target: "sequencer",
                    number = reference.number.0,
                    "subscribers are not told of a removed block: its contents are gone"
                ),
            }
        }
    }
}

fn next_of(heads: &Heads) -> L2BlockNumber {
    heads.unsafe_head.number
}
