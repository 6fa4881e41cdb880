//! A store with a gate before it: a story holds up writes, lets some through, or breaks them.
#![allow(dead_code, reason = "each test binary uses the part of this module it needs")]

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::{sync::Arc, time::Duration};
use tributary_sequencer::store::{Durability, MemoryStore, Snapshot, Store, StoreError, WriteBatch};

/// Far more than any story takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// In memory, behind a gate.
pub(crate) struct GatedStore {
    memory: MemoryStore,
    /// Only what is written lazily, which flushes alone do, comes to the gate.
    flushes_only: bool,
    gate: Mutex<Gate>,
    moved: Condvar,
}

#[derive(Default)]
struct Gate {
    /// So many writes pass.
    permits: u64,
    waiting: usize,
    is_broken: bool,
    /// Opens with this many more writes that do not come to it.
    opens_after: Option<u64>,
    writes: Vec<Durability>,
}

impl GatedStore {
    /// Every write comes to the gate, which is open.
    pub(crate) fn over(memory: MemoryStore) -> Arc<Self> {
        let store = Self::new(memory, false);
        store.release();
        Arc::new(store)
    }

    /// Flushes come to the gate, which is closed.
    pub(crate) fn for_flushes() -> Arc<Self> {
        Arc::new(Self::new(MemoryStore::default(), true))
    }

    fn new(memory: MemoryStore, flushes_only: bool) -> Self {
        Self {
            memory,
            flushes_only,
            gate: Mutex::default(),
            moved: Condvar::new(),
        }
    }

    /// What comes waits from now on.
    pub(crate) fn hold(&self) {
        self.change(|gate| (gate.permits, gate.is_broken) = (0, false));
    }

    /// Lets this many more writes through.
    pub(crate) fn let_through(&self, writes: u64) {
        self.change(|gate| (gate.permits, gate.is_broken) = (gate.permits.saturating_add(writes), false));
    }

    /// What waits goes on, and so does all that comes.
    pub(crate) fn release(&self) {
        self.let_through(u64::MAX);
    }

    /// What waits fails, and so does all that comes.
    pub(crate) fn fail(&self) {
        self.change(|gate| gate.is_broken = true);
    }

    /// Opens as soon as somebody else has written `writes` times.
    pub(crate) fn open_after(&self, writes: u64) {
        self.change(|gate| gate.opens_after = Some(writes));
    }

    /// Returns once a write waits.
    pub(crate) fn wait_for_write(&self) {
        let mut gate = self.gate.lock();
        self.wait_while(&mut gate, |gate| gate.waiting == 0 || gate.permits > 0);
    }

    /// As [`Self::wait_for_write`], for who must not hold up the other tasks.
    pub(crate) async fn somebody_waits(self: &Arc<Self>) {
        let gate = self.clone();
        let waited = tokio::task::spawn_blocking(move || gate.wait_for_write());
        waited.await.unwrap();
    }

    /// Every write so far.
    pub(crate) fn writes(&self) -> Vec<Durability> {
        self.gate.lock().writes.clone()
    }

    fn change(&self, change: impl FnOnce(&mut Gate)) {
        change(&mut self.gate.lock());
        self.moved.notify_all();
    }

    /// Whoever waits for what does not come has found a defect.
    fn wait_while(&self, gate: &mut MutexGuard<'_, Gate>, condition: impl FnMut(&mut Gate) -> bool) {
        let waited = self.moved.wait_while_for(gate, condition, PATIENCE);
        assert!(!waited.timed_out(), "the gate does not move");
    }

    fn pass(&self, gate: &mut MutexGuard<'_, Gate>) -> Result<(), StoreError> {
        gate.waiting += 1;
        self.moved.notify_all();
        self.wait_while(gate, |gate| gate.permits == 0 && !gate.is_broken);
        gate.waiting -= 1;
        if gate.is_broken {
            return Err(StoreError::Injected(0));
        }
        gate.permits -= 1;
        Ok(())
    }
}

impl Store for GatedStore {
    fn snapshot(&self) -> Arc<dyn Snapshot> {
        self.memory.snapshot()
    }

    fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StoreError> {
        let mut gate = self.gate.lock();
        if durability == Durability::Lazy || !self.flushes_only {
            self.pass(&mut gate)?;
        } else if let Some(left) = gate.opens_after.take() {
            match left.checked_sub(1) {
                None | Some(0) => gate.permits = u64::MAX,
                left => gate.opens_after = left,
            }
            self.moved.notify_all();
        }
        gate.writes.push(durability);
        self.memory.write(batch, durability)
    }
}
