//! A disk in memory that loses or tears what was not synced, and fails when told to. For tests of whoever uses a journal.

use super::Disk;
use parking_lot::Mutex;
use std::{collections::BTreeMap, io, sync::Arc};

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// Bytes that survive a power cut for certain.
    synced: usize,
}

#[derive(Debug, Default)]
struct State {
    now: BTreeMap<String, Content>,
    /// Names that survive a power cut.
    durable: Vec<String>,
    operations: u64,
    syncs: u64,
    /// From this operation on everything fails, as without power.
    cut_at: Option<u64>,
    fail_syncs: bool,
    capacity: Option<u64>,
}

/// The disk. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

impl MemoryDisk {
    /// Operations that changed something, so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Syncs of files so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    /// Bytes in all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0
            .lock()
            .now
            .values()
            .map(|content| content.bytes.len() as u64)
            .sum()
    }

    /// Lets the operation after `operations` more fail, and all after it.
    pub fn cut_power_after(&self, operations: u64) {
        let mut state = self.0.lock();
        state.cut_at = Some(state.operations + operations);
    }

    /// Lets every sync fail from now on.
    pub fn fail_syncs(&self) {
        self.0.lock().fail_syncs = true;
    }

    /// Lets writes fail once this many bytes are there.
    pub fn set_capacity(&self, bytes: u64) {
        self.0.lock().capacity = Some(bytes);
    }

    /// The process died and starts again: what was written is there, synced or not.
    pub fn restart(&self) {
        let mut state = self.0.lock();
        (state.cut_at, state.fail_syncs) = (None, false);
    }

    /// The power went and is back. Names that were not synced are gone or stay, bytes that were not synced are lost, kept in part, or are
    /// zeros: as `dice` has it, which gives a number below its argument.
    pub fn power_up(&self, mut dice: impl FnMut(usize) -> usize) {
        self.restart();
        let mut state = self.0.lock();
        let durable = state.durable.clone();
        state.now.retain(|name, _| durable.contains(name) || dice(2) == 0);
        for content in state.now.values_mut() {
            let unsynced = content.bytes.len() - content.synced;
            let kept = content.synced + dice(unsynced + 1);
            match dice(3) {
                0 => content.bytes.truncate(kept),
                // Pages reach the disk in any order: a hole of zeros with good bytes after it.
                1 => {
                    let until = kept.saturating_add(dice(512)).min(content.bytes.len());
                    content.bytes[kept..until].fill(0);
                }
                _ => content.bytes[kept..].fill(0),
            }
            content.synced = content.bytes.len();
        }
        state.durable = state.now.keys().cloned().collect();
    }

    /// Flips a bit.
    pub fn flip(&self, name: &str, offset: usize) {
        if let Some(byte) = self
            .0
            .lock()
            .now
            .get_mut(name)
            .and_then(|content| content.bytes.get_mut(offset))
        {
            *byte ^= 0x10;
        }
    }

    /// Takes a file away.
    pub fn lose(&self, name: &str) {
        self.0.lock().now.remove(name);
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock();
        if state.cut_at.is_some_and(|cut| state.operations >= cut) {
            return Err(io::Error::other("the power is cut"));
        }
        state.operations += 1;
        change(&mut state)
    }
}

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Disk for MemoryDisk {
    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().now.keys().cloned().collect())
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.0.lock();
        state
            .now
            .get(name)
            .map(|content| content.bytes.clone())
            .ok_or_else(missing)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.change(|state| {
            state.now.insert(name.to_owned(), Content::default());
            Ok(())
        })
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change(|state| {
            let used: u64 = state.now.values().map(|content| content.bytes.len() as u64).sum();
            let room = state
                .capacity
                .map_or(u64::MAX, |capacity| capacity.saturating_sub(used));
            let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            let content = state.now.get_mut(name).ok_or_else(missing)?;
            content.bytes.extend_from_slice(&bytes[..fits]);
            if fits < bytes.len() {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            Ok(())
        })
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.change(|state| {
            if state.fail_syncs {
                return Err(io::Error::other("input/output error"));
            }
            state.syncs += 1;
            let content = state.now.get_mut(name).ok_or_else(missing)?;
            content.synced = content.bytes.len();
            Ok(())
        })
    }

    fn truncate(&mut self, name: &str, length: u64) -> io::Result<()> {
        self.change(|state| {
            let content = state.now.get_mut(name).ok_or_else(missing)?;
            content
                .bytes
                .truncate(usize::try_from(length).unwrap_or(usize::MAX));
            content.synced = content.synced.min(content.bytes.len());
            Ok(())
        })
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.change(|state| state.now.remove(name).map(drop).ok_or_else(missing))
    }

    fn sync_folder(&mut self) -> io::Result<()> {
        self.change(|state| {
            state.durable = state.now.keys().cloned().collect();
            Ok(())
        })
    }

    fn free_bytes(&mut self) -> io::Result<u64> {
        let state = self.0.lock();
        let used: u64 = state.now.values().map(|content| content.bytes.len() as u64).sum();
        Ok(state
            .capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(used)))
    }
}
