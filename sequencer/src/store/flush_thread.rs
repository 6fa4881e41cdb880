//! The thread on which a flush runs while its owner goes on.

use super::{
    StoreError,
    base::Base,
    flush::{Flush, Flushed},
    layer::Layer,
    portions::Pace,
};
use std::{
    sync::Arc,
    thread::{self, JoinHandle},
};

/// How far the thread steps back for those that execute: while both want a core it gets a third of what one of them gets. At 10, a tenth, it
/// fell behind on a busy machine until commits had to wait for it.
const NICENESS: i32 = 5;

/// State that has been flushed, as it was in memory.
pub(super) type Retired = (Arc<Base>, Vec<Arc<Layer>>);

/// A flush under way. Dropping it waits for its end: nobody may open the store while it writes.
pub(super) struct FlushThread {
    thread: Option<JoinHandle<Result<Flushed, StoreError>>>,
    pace: Pace,
}

impl FlushThread {
    /// Starts it; `None` when the system has no thread for it now. Takes what an earlier one has written, since letting go of it takes a while.
    pub(super) fn start(flush: Flush, retired: Option<Retired>) -> Option<Self> {
        let pace = flush.pace.clone();
        let run = move || {
            step_back();
            drop(retired);
            flush.run()
        };
        let thread = thread::Builder::new().name("flush".into()).spawn(run);
        Some(Self {
            thread: Some(thread.ok()?),
            pace,
        })
    }

    /// Pauses no more.
    pub(super) fn hurry(&self) {
        self.pace.hurry();
    }

    /// True when its result can be had without waiting.
    pub(super) fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for its result.
    pub(super) fn result(mut self) -> Result<Flushed, StoreError> {
        self.hurry();
        let thread = self.thread.take().expect("only this and dropping it take it");
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for FlushThread {
    fn drop(&mut self) {
        self.hurry();
        if let Some(thread) = self.thread.take() {
            // Whoever drops it wants no result, and a flush that was cut short is finished when the store is opened.
            thread.join().ok();
        }
    }
}

/// Lowers the priority of the calling thread, which on Linux is what a process of its number is.
fn step_back() {
    let this = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(this), NICENESS) {
        tracing::debug!(target: "sequencer", %error, "a flush runs at the priority of everyone else");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stepping_back_concerns_one_thread() {
        let niceness = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let before = niceness();
        let lowered = thread::spawn(move || {
            step_back();
            niceness()
        });
        assert_eq!(lowered.join().unwrap(), NICENESS.max(before));
        assert_eq!(niceness(), before);
    }
}
