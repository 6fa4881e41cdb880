//! How often a method was called, how it ended and how long it took. The handles are kept, so that no call looks
//! them up by name.

use metrics::{Counter, Histogram};
use std::{sync::OnceLock, time::Instant};

/// The metrics of one method, made when it is called first, which is after the recorder is there.
#[derive(Debug)]
pub(super) struct Counted(OnceLock<Handles>);

#[derive(Debug)]
struct Handles {
    succeeded: Counter,
    failed: Counter,
    units: Counter,
    seconds: Histogram,
}

impl Handles {
    fn new(method: &'static str) -> Self {
        let requests = |outcome: &'static str| metrics::counter!("rpc_requests_total", "method" => method, "outcome" => outcome);
        Self {
            succeeded: requests("ok"),
            failed: requests("error"),
            units: metrics::counter!("rpc_units_total"),
            seconds: metrics::histogram!("rpc_request_seconds", "method" => method),
        }
    }
}

impl Counted {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Counts one call of `method` that cost `units` and began at `started`.
    pub(super) fn count(&self, method: &'static str, units: u32, is_success: bool, started: Instant) {
        let handles = self.0.get_or_init(|| Handles::new(method));
        if is_success {
            handles.succeeded.increment(1);
        } else {
            handles.failed.increment(1);
        }
        handles.units.increment(units.into());
        handles.seconds.record(started.elapsed());
    }
}
