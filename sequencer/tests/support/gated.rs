//! A store whose flushes wait until they are let through, a write at a time.
#![allow(dead_code, reason = "each test binary uses the part of this module it needs")]

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::{sync::Arc, time::Duration};
use tributary_sequencer::store::{Durability, MemoryStore, Snapshot, Store, StoreError, WriteBatch};

/// Far more than any story takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// In memory. What is written lazily, which flushes alone do, waits at the gate.
#[derive(Default)]
pub(crate) struct Gated {
    pub(crate) memory: MemoryStore,
    gate: Mutex<Gate>,
    moved: Condvar,
}

#[derive(Default)]
struct Gate {
    permits: u64,
    is_waited_at: bool,
    is_broken: bool,
    /// Opens with this many more writes of others.
    opens_after: Option<u64>,
    writes: Vec<Durability>,
}

impl Gated {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    fn change(&self, change: impl FnOnce(&mut Gate)) {
        change(&mut self.gate.lock());
        self.moved.notify_all();
    }

    /// Lets this many more writes through.
    pub(crate) fn let_through(&self, writes: u64) {
        self.change(|gate| gate.permits = gate.permits.saturating_add(writes));
    }

    pub(crate) fn open(&self) {
        self.let_through(u64::MAX);
    }

    pub(crate) fn close(&self) {
        self.change(|gate| gate.permits = 0);
    }

    /// Opens as soon as somebody else has written `writes` times.
    pub(crate) fn open_after(&self, writes: u64) {
        self.change(|gate| gate.opens_after = Some(writes));
    }

    /// While it is set every flush fails.
    pub(crate) fn set_broken(&self, is_broken: bool) {
        self.change(|gate| gate.is_broken = is_broken);
    }

    /// Returns once a flush waits.
    pub(crate) fn wait_for_flush(&self) {
        let mut gate = self.gate.lock();
        self.wait_while(&mut gate, |gate| !gate.is_waited_at || gate.permits > 0);
    }

    /// Whoever waits for what does not come has found a defect.
    fn wait_while(&self, gate: &mut MutexGuard<'_, Gate>, condition: impl FnMut(&mut Gate) -> bool) {
        let waited = self.moved.wait_while_for(gate, condition, PATIENCE);
        assert!(!waited.timed_out(), "the gate does not move");
    }

    /// Every write so far.
    pub(crate) fn writes(&self) -> Vec<Durability> {
        self.gate.lock().writes.clone()
    }
}

impl Store for Gated {
    fn snapshot(&self) -> Arc<dyn Snapshot> {
        self.memory.snapshot()
    }

    fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StoreError> {
        let mut gate = self.gate.lock();
        match durability {
            Durability::Lazy => {
                gate.is_waited_at = true;
                self.moved.notify_all();
                self.wait_while(&mut gate, |gate| gate.permits == 0 && !gate.is_broken);
                gate.is_waited_at = false;
                if gate.is_broken {
                    return Err(StoreError::Injected(0));
                }
                gate.permits -= 1;
            }
            Durability::Synced => {
                gate.opens_after = gate.opens_after.map(|left| left.saturating_sub(1));
                if gate.opens_after == Some(0) {
                    gate.opens_after = None;
                    gate.permits = u64::MAX;
                    self.moved.notify_all();
                }
            }
        }
        gate.writes.push(durability);
        self.memory.write(batch, durability)
    }
}
