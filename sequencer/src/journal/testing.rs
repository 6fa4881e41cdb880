//! A disk in memory that loses or tears what was not synced, and fails when told to. For tests of whoever uses a journal.

use super::Disk;
use parking_lot::Mutex;
use std::{collections::BTreeMap, io, sync::Arc};

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// Bytes that survive a power cut for certain.
    synced: usize,
    /// Zeros follow up to here, and that survives too.
    room: usize,
    /// They were cut off, and that may not survive.
    is_cut: bool,
}

impl Content {
    /// Bytes in the file.
    fn length(&self) -> usize {
        let room = if self.is_cut { 0 } else { self.room };
        self.bytes.len().max(room)
    }

    fn whole(&self) -> Vec<u8> {
        let mut whole = self.bytes.clone();
        whole.resize(self.length(), 0);
        whole
    }
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
    /// How many processes have had it.
    lives: u64,
    /// Room for the next file.
    prepared: Option<usize>,
    makes_no_room: bool,
}

/// The disk. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
    /// The process that has looked through this handle at what there is: it changes nothing after its end.
    life: Option<u64>,
}

impl MemoryDisk {
    /// Operations that changed something, so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// Syncs of files so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// Bytes in all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.state
            .lock()
            .now
            .values()
            .map(|content| content.length() as u64)
            .sum()
    }

    /// Lets the operation after `operations` more fail, and all after it.
    pub fn cut_power_after(&self, operations: u64) {
        let mut state = self.state.lock();
        state.cut_at = Some(state.operations + operations);
    }

    /// Lets every sync fail from now on.
    pub fn fail_syncs(&self) {
        self.state.lock().fail_syncs = true;
    }

    /// Lets writes fail once this many bytes are there.
    pub fn set_capacity(&self, bytes: u64) {
        self.state.lock().capacity = Some(bytes);
    }

    /// Makes no room for files from now on.
    pub fn make_no_room(&self) {
        self.state.lock().makes_no_room = true;
    }

    /// The process died and starts again: what was written is there, synced or not.
    pub fn restart(&self) {
        let mut state = self.state.lock();
        (state.cut_at, state.fail_syncs, state.prepared) = (None, false, None);
        state.lives += 1;
        for content in state.now.values_mut() {
            content.bytes = content.whole();
        }
    }

    /// The power went and is back. Names that were not synced are gone or stay, bytes that were not synced are lost, kept in part, or are
    /// zeros: as `dice` has it, which gives a number below its argument.
    pub fn power_up(&self, mut dice: impl FnMut(usize) -> usize) {
        self.restart();
        let mut state = self.state.lock();
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
            content.is_cut = content.is_cut && content.room > content.bytes.len() && dice(2) == 0;
            content.bytes = content.whole();
            (content.synced, content.room) = (content.bytes.len(), 0);
        }
        state.durable = state.now.keys().cloned().collect();
    }

    /// Flips a bit.
    pub fn flip(&self, name: &str, offset: usize) {
        if let Some(byte) = self
            .state
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
        self.state.lock().now.remove(name);
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state.lock();
        let is_over = self.life.is_some_and(|life| life != state.lives);
        if is_over || state.cut_at.is_some_and(|cut| state.operations >= cut) {
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
        let state = self.state.lock();
        self.life = Some(state.lives);
        Ok(state.now.keys().cloned().collect())
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.state.lock();
        state.now.get(name).map(Content::whole).ok_or_else(missing)
    }

    fn prepare(&mut self, bytes: u64) {
        let mut state = self.state.lock();
        if !state.makes_no_room {
            state.prepared = usize::try_from(bytes).ok();
        }
    }

    fn is_prepared(&self) -> bool {
        self.state.lock().prepared.is_some()
    }

    fn create(&mut self, name: &str) -> io::Result<bool> {
        self.change(|state| {
            let room = state.prepared.take();
            let content = Content {
                room: room.unwrap_or_default(),
                ..Content::default()
            };
            state.now.insert(name.to_owned(), content);
            Ok(room.is_some())
        })
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change(|state| {
            let used: u64 = state.now.values().map(|content| content.length() as u64).sum();
            let room = state
                .capacity
                .map_or(u64::MAX, |capacity| capacity.saturating_sub(used));
            let content = state.now.get_mut(name).ok_or_else(missing)?;
            let there = content.length() - content.bytes.len();
            let fits = usize::try_from(room).unwrap_or(usize::MAX).saturating_add(there);
            let fits = fits.min(bytes.len());
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
            if content.is_cut {
                (content.room, content.is_cut) = (0, false);
            }
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
            content.is_cut = true;
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
        let state = self.state.lock();
        let used: u64 = state.now.values().map(|content| content.length() as u64).sum();
        Ok(state
            .capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(used)))
    }
}
