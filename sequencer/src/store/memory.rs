//! The store in memory: for tests, and for a node that is not meant to remember. Can fail on purpose.
//!
//! Every value is kept with the number of the write that made it, so that a snapshot is a number. Versions no snapshot can see
//! any more are dropped when their key is written again.

use super::{Durability, Snapshot, Store, StoreError, Table, WriteBatch};
use alloy::primitives::Bytes;
use parking_lot::{Mutex, RwLock};
use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The volatile [`Store`].
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    contents: RwLock<Contents>,
    /// How many snapshots look at each version.
    watched: Mutex<BTreeMap<u64, usize>>,
    /// Writes from this number on fail.
    failing_from: AtomicU64,
}

type Versions = Vec<(u64, Option<Bytes>)>;

#[derive(Debug, Default)]
struct Contents {
    version: u64,
    tables: BTreeMap<Table, BTreeMap<Vec<u8>, Versions>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            contents: RwLock::default(),
            watched: Mutex::default(),
            failing_from: AtomicU64::new(u64::MAX),
        }
    }
}

impl MemoryStore {
    /// Makes every write after the next `writes` fail without changing anything, as a dead disk does.
    pub fn fail_after(&self, writes: u64) {
        let next = self.shared.contents.read().version + 1;
        self.shared
            .failing_from
            .store(next.saturating_add(writes), Ordering::SeqCst);
    }

    /// Writes succeed again.
    pub fn heal(&self) {
        self.shared.failing_from.store(u64::MAX, Ordering::SeqCst);
    }
}

impl Store for MemoryStore {
    fn snapshot(&self) -> Arc<dyn Snapshot> {
        // Registered while the version cannot move, or a write in between could drop what this snapshot needs.
        let contents = self.shared.contents.read();
        *self.shared.watched.lock().entry(contents.version).or_default() += 1;
        Arc::new(MemorySnapshot {
            shared: self.shared.clone(),
            version: contents.version,
        })
    }

    fn write(&self, batch: WriteBatch, _: Durability) -> Result<(), StoreError> {
        let mut contents = self.shared.contents.write();
        let version = contents.version + 1;
        if version >= self.shared.failing_from.load(Ordering::SeqCst) {
            return Err(StoreError::Injected(version));
        }
        let oldest_watched = self.shared.watched.lock().keys().next().copied();
        let keep_from = oldest_watched.unwrap_or(contents.version);
        for (table, key, value) in batch.into_writes() {
            let versions = contents.tables.entry(table).or_default().entry(key).or_default();
            if versions.last().is_some_and(|(last, _)| *last == version) {
                versions.pop();
            }
            let visible = versions.partition_point(|(made, _)| *made <= keep_from);
            versions.drain(..visible.saturating_sub(1));
            versions.push((version, value.map(Bytes::from)));
        }
        contents.version = version;
        Ok(())
    }
}

struct MemorySnapshot {
    shared: Arc<Shared>,
    version: u64,
}

impl Drop for MemorySnapshot {
    fn drop(&mut self) {
        let mut watched = self.shared.watched.lock();
        if let Some(count) = watched.get_mut(&self.version) {
            *count -= 1;
            if *count == 0 {
                watched.remove(&self.version);
            }
        }
    }
}

impl MemorySnapshot {
    fn visible(&self, versions: &Versions) -> Option<Bytes> {
        let end = versions.partition_point(|(made, _)| *made <= self.version);
        versions[..end].last().and_then(|(_, value)| value.clone())
    }
}

impl Snapshot for MemorySnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let contents = self.shared.contents.read();
        let versions = contents.tables.get(&table).and_then(|entries| entries.get(key));
        Ok(versions.and_then(|versions| self.visible(versions)))
    }

    fn first_at_or_after(&self, table: Table, from: &[u8]) -> Result<Option<(Bytes, Bytes)>, StoreError> {
        let contents = self.shared.contents.read();
        let range = (Bound::Included(from), Bound::Unbounded);
        let mut entries = contents
            .tables
            .get(&table)
            .into_iter()
            .flat_map(|entries| entries.range::<[u8], _>(range));
        Ok(entries.find_map(|(key, versions)| Some((key.clone().into(), self.visible(versions)?))))
    }

    fn last_at_or_before(&self, table: Table, to: &[u8]) -> Result<Option<(Bytes, Bytes)>, StoreError> {
        let contents = self.shared.contents.read();
        let range = (Bound::Unbounded, Bound::Included(to));
        let mut entries = contents
            .tables
            .get(&table)
            .into_iter()
            .flat_map(|entries| entries.range::<[u8], _>(range).rev());
        Ok(entries.find_map(|(key, versions)| Some((key.clone().into(), self.visible(versions)?))))
    }
}
