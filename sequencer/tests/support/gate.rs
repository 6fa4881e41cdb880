//! A store that a story can hold up, or break, at its next write.
#![allow(dead_code, reason = "each test binary uses the part of this module it needs")]

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use tokio::sync::watch;
use tributary_sequencer::store::{Durability, MemoryStore, Snapshot, Store, StoreError, WriteBatch};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Passing {
    #[default]
    Free,
    Held,
    Failing,
}

/// Whether writes pass. All clones are the same gate.
#[derive(Clone)]
pub(crate) struct Gate {
    shared: Arc<(Mutex<Passing>, Condvar)>,
    /// Writes that stand before it.
    waiting: watch::Sender<usize>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            shared: Arc::default(),
            waiting: watch::Sender::new(0),
        }
    }
}

impl Gate {
    /// Writes wait from now on.
    pub(crate) fn hold(&self) {
        self.set(Passing::Held);
    }

    /// What waits goes on, and writes pass.
    pub(crate) fn release(&self) {
        self.set(Passing::Free);
    }

    /// What waits fails, and so do all writes.
    pub(crate) fn fail(&self) {
        self.set(Passing::Failing);
    }

    /// Resolves once a write waits.
    pub(crate) async fn somebody_waits(&self) {
        let mut waiting = self.waiting.subscribe();
        waiting.wait_for(|count| *count > 0).await.unwrap();
    }

    fn set(&self, passing: Passing) {
        *self.shared.0.lock() = passing;
        self.shared.1.notify_all();
    }

    fn pass(&self) -> Result<(), StoreError> {
        let (passing, changed) = &*self.shared;
        let mut passing = passing.lock();
        self.waiting.send_modify(|count| *count += 1);
        while *passing == Passing::Held {
            changed.wait(&mut passing);
        }
        self.waiting.send_modify(|count| *count -= 1);
        match *passing {
            Passing::Failing => Err(StoreError::Injected(0)),
            Passing::Free | Passing::Held => Ok(()),
        }
    }
}

/// A store behind a gate.
pub(crate) struct GatedStore {
    pub(crate) inner: MemoryStore,
    pub(crate) gate: Gate,
}

impl Store for GatedStore {
    fn snapshot(&self) -> Arc<dyn Snapshot> {
        self.inner.snapshot()
    }

    fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StoreError> {
        self.gate.pass()?;
        self.inner.write(batch, durability)
    }
}
