//! Wall clock behind a seam, so that a test can tell a story of hours in milliseconds.

use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tributary_derivation::driver::BoxFuture;

/// Tells the time and wakes sleepers.
pub trait Clock: Send + Sync + 'static {
    /// Time since the Unix epoch.
    fn now(&self) -> Duration;

    /// Resolves once [`Self::now`] is at or past `at`.
    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()>;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// The longest the system clock sleeps without looking again: a wall clock that was set forward is noticed this soon.
const RECHECK: Duration = Duration::from_secs(1);

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        // A clock before 1970 is not set at all; time zero makes blocks wait, which is right.
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                let left = at.saturating_sub(Self.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(RECHECK)).await;
            }
        })
    }
}

/// A clock that stands still until it is moved.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: watch::Sender<Duration>,
}

impl ManualClock {
    /// A clock that shows `unix_secs`.
    #[must_use]
    pub fn new(unix_secs: u64) -> Self {
        Self {
            now: watch::Sender::new(Duration::from_secs(unix_secs)),
        }
    }

    /// Moves the clock to `unix_secs`, forwards or back.
    pub fn set(&self, unix_secs: u64) {
        self.now.send_replace(Duration::from_secs(unix_secs));
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now += by);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *self.now.borrow()
    }

    fn sleep_until(&self, at: Duration) -> BoxFuture<'static, ()> {
        let mut now = self.now.subscribe();
        Box::pin(async move {
            if now.wait_for(|now| *now >= at).await.is_err() {
                // The clock is gone; no time will come.
                core::future::pending::<()>().await;
            }
        })
    }
}
