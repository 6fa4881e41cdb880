//! Runs a story to its end. Real time only bounds it, so that a story that hangs fails.
#![allow(dead_code, reason = "each test binary uses the runtime its stories need")]

use core::{future::Future, time::Duration};
use tokio::runtime::Builder;

/// On two threads, as a node runs: what a story waits for goes on beside it.
pub(crate) fn on_threads(seconds_max: u64, story: impl Future<Output = ()>) {
    run(Builder::new_multi_thread().worker_threads(2), seconds_max, story);
}

/// On the thread of the test.
pub(crate) fn on_one_thread(seconds_max: u64, story: impl Future<Output = ()>) {
    run(&mut Builder::new_current_thread(), seconds_max, story);
}

fn run(runtime: &mut Builder, seconds_max: u64, story: impl Future<Output = ()>) {
    let runtime = runtime.enable_all().build().unwrap();
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(seconds_max), story).await })
        .expect("a story ends");
}
