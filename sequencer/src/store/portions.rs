//! Many writes, a portion at a time: what others write comes in between, so nobody waits for more than one portion.

use super::{Durability, Store, StoreError, Write, WriteBatch};

/// Writes that go to the store in order. What survives a crash is some of them from the first on.
pub(super) struct Portions<'a> {
    store: &'a dyn Store,
    writes_max: usize,
    batch: WriteBatch,
}

impl<'a> Portions<'a> {
    /// Portions of up to `writes_max` writes.
    pub(super) fn new(store: &'a dyn Store, writes_max: usize) -> Self {
        Self {
            store,
            writes_max: writes_max.max(1),
            batch: WriteBatch::default(),
        }
    }

    /// Adds `writes`.
    pub(super) fn write(&mut self, writes: impl IntoIterator<Item = Write>) -> Result<(), StoreError> {
        for write in writes {
            if self.batch.writes.len() >= self.writes_max {
                let empty = WriteBatch::with_capacity(self.writes_max);
                let full = core::mem::replace(&mut self.batch, empty);
                self.store.write(full, Durability::Lazy)?;
            }
            self.batch.writes.push(write);
        }
        Ok(())
    }

    /// Writes the last portion.
    pub(super) fn finish(self) -> Result<(), StoreError> {
        self.store.write(self.batch, Durability::Lazy)
    }
}
