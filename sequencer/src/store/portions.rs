//! Many writes, a portion at a time: what others write comes in between, so nobody waits for more than one portion.

use super::{Durability, Store, StoreError, Write, WriteBatch};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How many times as long as it worked the writer pauses. A flush takes a few seconds of work, and there are many more before the next one.
const PAUSE_TIMES: u32 = 2;

/// No pause is longer: what took long was waiting for the disk, not work.
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// Whether to pause between portions, so that those who execute notice little of a flush.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// Somebody waits, or the next flush is due. None: no pauses at all.
    hurries: Option<Arc<AtomicBool>>,
}

impl Pace {
    /// With pauses, until told to hurry.
    pub(super) fn slow() -> Self {
        Self {
            hurries: Some(Arc::default()),
        }
    }

    /// No pauses any more.
    pub(super) fn hurry(&self) {
        if let Some(hurries) = &self.hurries {
            hurries.store(true, Ordering::Relaxed);
        }
    }

    /// How long to pause after so much work.
    fn pause_after(&self, worked: Duration) -> Duration {
        let hurries = self.hurries.as_ref();
        if hurries.is_none_or(|hurries| hurries.load(Ordering::Relaxed)) {
            return Duration::ZERO;
        }
        worked.saturating_mul(PAUSE_TIMES).min(PAUSE_MAX)
    }
}

/// Writes that go to the store in order. What survives a crash is some of them from the first on.
pub(super) struct Portions<'a> {
    store: &'a dyn Store,
    writes_max: usize,
    pace: &'a Pace,
    /// Since when it has worked without a pause.
    since: Instant,
    batch: WriteBatch,
}

impl<'a> Portions<'a> {
    /// Portions of up to `writes_max` writes.
    pub(super) fn new(store: &'a dyn Store, writes_max: usize, pace: &'a Pace) -> Self {
        Self {
            store,
            pace,
            since: Instant::now(),
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
                thread::sleep(self.pace.pause_after(self.since.elapsed()));
                self.since = Instant::now();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_flush_pauses_until_it_is_told_to_hurry() {
        let (slow, worked) = (Pace::slow(), Duration::from_millis(3));
        assert_eq!(slow.pause_after(worked), worked * PAUSE_TIMES);
        assert_eq!(slow.pause_after(Duration::MAX), PAUSE_MAX);
        // Whoever hurries it has a handle of his own.
        slow.clone().hurry();
        assert_eq!(slow.pause_after(worked), Duration::ZERO);
        assert_eq!(Pace::default().pause_after(worked), Duration::ZERO);
    }
}
