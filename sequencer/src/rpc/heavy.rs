//! Room for work that takes a core for a while. As many at a time as the operator gives cores; some may wait; the rest are told at once
//! that the node is busy, which is better for everybody than an answer nobody waits for any more.

use super::error::RpcError;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The room for one kind of work.
#[derive(Debug)]
pub(super) struct Heavy {
    /// Flag of the limit that is met when too many wait.
    waiting_flag: &'static str,
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
}

/// Leaves the queue also when whoever waits hangs up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Heavy {
    pub(super) fn new(waiting_flag: &'static str, running_max: usize, waiting_max: usize) -> Self {
        Self {
            waiting_flag,
            running: Arc::new(Semaphore::new(running_max)),
            waiting: AtomicUsize::new(0),
            waiting_max,
        }
    }

    /// A place, if there is one now.
    pub(super) fn try_enter(&self) -> Option<OwnedSemaphorePermit> {
        self.running.clone().try_acquire_owned().ok()
    }

    /// Waits for a place, unless too many do.
    pub(super) async fn enter(&self) -> Result<OwnedSemaphorePermit, RpcError> {
        if let Some(permit) = self.try_enter() {
            return Ok(permit);
        }
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.waiting_max {
            let message = format!("{} requests of this kind already wait", self.waiting_max);
            return Err(RpcError::limit(self.waiting_flag, message));
        }
        let permit = self.running.clone().acquire_owned().await;
        drop(waiting);
        permit.map_err(RpcError::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_would_wait_too_long_is_refused_and_who_leaves_makes_room() {
        let heavy = Heavy::new("rpc-heavy-waiting-max", 1, 1);
        let running = heavy.enter().await.unwrap();
        let mut waits = Box::pin(heavy.enter());
        assert!(futures::poll!(&mut waits).is_pending());
        let refused = heavy.enter().await.unwrap_err();
        assert!(
            refused.message.contains("rpc-heavy-waiting-max"),
            "{}",
            refused.message
        );
        drop(waits);
        let mut waits = Box::pin(heavy.enter());
        assert!(futures::poll!(&mut waits).is_pending());
        drop(running);
        drop(waits.await.unwrap());
    }
}
