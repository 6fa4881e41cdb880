//! What an operator asks of a running batcher: stop, start, flush. A handle for others; the batcher looks at it in every turn.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::Notify;

/// A request that makes no sense now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// It is running.
    #[error("the batcher is running already")]
    Running,
    /// It is stopped.
    #[error("the batcher is stopped; start it first")]
    Stopped,
}

/// A handle to a batcher. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct BatcherControl(Arc<Wishes>);

#[derive(Debug, Default)]
struct Wishes {
    is_stopped: AtomicBool,
    flush: AtomicBool,
    changed: Notify,
}

impl BatcherControl {
    /// Begins nothing from now on. What has a nonce is posted to its end, and the journal is kept.
    ///
    /// # Errors
    /// [`ControlError::Stopped`].
    pub fn stop(&self) -> Result<(), ControlError> {
        if self.0.is_stopped.swap(true, Ordering::SeqCst) {
            return Err(ControlError::Stopped);
        }
        self.0.flush.store(false, Ordering::SeqCst);
        self.0.changed.notify_one();
        Ok(())
    }

    /// Goes on where it stopped.
    ///
    /// # Errors
    /// [`ControlError::Running`].
    pub fn start(&self) -> Result<(), ControlError> {
        if !self.0.is_stopped.swap(false, Ordering::SeqCst) {
            return Err(ControlError::Running);
        }
        self.0.changed.notify_one();
        Ok(())
    }

    /// Closes the open channel now, though it is not due.
    ///
    /// # Errors
    /// [`ControlError::Stopped`].
    pub fn flush(&self) -> Result<(), ControlError> {
        if self.is_stopped() {
            return Err(ControlError::Stopped);
        }
        self.0.flush.store(true, Ordering::SeqCst);
        self.0.changed.notify_one();
        Ok(())
    }

    /// True after [`Self::stop`].
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped.load(Ordering::SeqCst)
    }

    /// True if all that waits is to be closed.
    pub(crate) fn wants_flush(&self) -> bool {
        self.0.flush.load(Ordering::SeqCst)
    }

    pub(crate) fn flushed(&self) {
        self.0.flush.store(false, Ordering::SeqCst);
    }

    /// Resolves when something was asked.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let control = BatcherControl::default();
        assert_eq!(control.start(), Err(ControlError::Running));
        control.flush().unwrap();
        control.stop().unwrap();
        assert!(!control.wants_flush(), "a stop beats an earlier flush");
        assert_eq!(control.stop(), Err(ControlError::Stopped));
        assert_eq!(control.flush(), Err(ControlError::Stopped));
        control.start().unwrap();
        assert!(!control.is_stopped());
    }
}
