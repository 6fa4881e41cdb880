//! How many traces run at once. The rest wait, but not without end: a queue that only grows answers nobody.

use crate::rpc::{
    error::{LIMIT_EXCEEDED, RpcError},
    settings::RpcSettings,
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The door to the threads that trace.
#[derive(Debug)]
pub(in crate::rpc) struct TraceGate {
    running: Arc<Semaphore>,
    running_max: usize,
    waiting: AtomicUsize,
    waiting_max: usize,
}

/// Counts one request as waiting, also when it is dropped because its client hung up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl TraceGate {
    pub(in crate::rpc) fn new(settings: &RpcSettings) -> Self {
        Self {
            running: Arc::new(Semaphore::new(settings.traces_running_max)),
            running_max: settings.traces_running_max,
            waiting: AtomicUsize::new(0),
            waiting_max: settings.traces_waiting_max,
        }
    }

    /// Waits for a place. It is free again when the permit is dropped.
    ///
    /// # Errors
    /// When too many wait already.
    pub(in crate::rpc) async fn enter(&self) -> Result<OwnedSemaphorePermit, RpcError> {
        if let Ok(permit) = self.running.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(&self.waiting);
        if before >= self.waiting_max {
            let (running, waits) = (self.running_max, self.waiting_max);
            return Err(RpcError::new(
                LIMIT_EXCEEDED,
                format!("too many traces at once: at most {running} run and {waits} wait"),
            ));
        }
        let permit = self.running.clone().acquire_owned().await;
        drop(waiting);
        permit.map_err(RpcError::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn gate(traces_running_max: usize, traces_waiting_max: usize) -> TraceGate {
        TraceGate::new(&RpcSettings {
            traces_running_max,
            traces_waiting_max,
            ..RpcSettings::default()
        })
    }

    #[test]
    fn one_runs_one_waits_and_the_third_hears_both_limits() {
        let gate = gate(1, 1);
        let running = gate.enter().now_or_never().unwrap().unwrap();
        let mut second = Box::pin(gate.enter());
        assert!(second.as_mut().now_or_never().is_none(), "waits");
        let refused = gate.enter().now_or_never().unwrap().unwrap_err();
        assert_eq!(refused.code, LIMIT_EXCEEDED);
        assert_eq!(
            refused.message,
            "too many traces at once: at most 1 run and 1 wait"
        );
        drop(running);
        drop(second.now_or_never().unwrap().unwrap());
    }

    #[test]
    fn a_client_that_hangs_up_leaves_its_place_in_the_queue() {
        let gate = gate(1, 1);
        let running = gate.enter().now_or_never().unwrap().unwrap();
        let mut second = Box::pin(gate.enter());
        assert!(second.as_mut().now_or_never().is_none());
        drop(second);
        let mut third = Box::pin(gate.enter());
        assert!(third.as_mut().now_or_never().is_none(), "waits, is not refused");
        drop(running);
        drop(third.now_or_never().unwrap().unwrap());
    }
}
