//! Reading while writing: a writer at half of saturation, alone and beside 64 readers, and what a server that only answers can do.
//!
//! The bare server is axum with one route and a constant answer, in a process of its own like the node, under the same reader. Readers go at
//! a part of its rate, evenly; what is asked for is whether the writer notices.

use super::{
    e2e,
    rig::{
        Genesis,
        client::{Connection, drive_paced},
        load::{Load, LoadPlan, Requests},
        side::{Running, Side},
    },
    sample,
    target::{self, Target},
};
use crate::devnet::{
    ports::{Ports, loopback},
    processes::Process,
};
use alloy::primitives::U64;
use axum::{Router, http::header, routing::post};
use eyre::ensure;
use memchr::memmem;
use serde::Serialize;
use serde_json::json;
use std::{
    fmt,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Connections that read.
const READERS: usize = 64;
/// Connections that write.
const WRITERS: usize = 64;
/// Part of the bare server's rate that readers go at: a little above what must be reached.
const PACE: f64 = 0.32;
/// Reads beside the writer over the bare server's, and the part of its rate that the writer may lose.
const READS_OVER_BARE_MIN: f64 = 0.3;
const WRITER_SLOWDOWN_MAX: f64 = 0.1;
/// How long the bare server may take to start.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// What is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Seconds of each part.
    pub(crate) seconds: u64,
    /// Transfers a second taken for saturation, instead of measuring it.
    pub(crate) saturation: Option<f64>,
    /// Transfers of the saturating run.
    pub(crate) transactions: usize,
    pub(crate) seed: u64,
}

/// Rates alone and together.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// Reads a second beside the writer, over those of the bare server alone.
    pub(crate) reads_over_bare: f64,
    /// Part of its rate the writer lost to the readers.
    pub(crate) writer_slowdown: f64,
    pub(crate) bare_per_second: f64,
    pub(crate) reads_per_second: f64,
    pub(crate) writer_alone: Writer,
    pub(crate) writer_beside_readers: Writer,
    pub(crate) saturation_tx_per_second: f64,
    pub(crate) targets: Vec<Target>,
    pub(crate) readers: usize,
    pub(crate) genesis: Genesis,
    pub(crate) load_average: f64,
}

/// A writer that goes at an even rate.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Writer {
    pub(crate) offered_per_second: f64,
    /// Over the time until the last answer.
    pub(crate) answered_per_second: f64,
    /// Over the time until the last was in a committed block, which is one of up to a second later.
    pub(crate) committed_per_second: f64,
}

/// Runs the plan.
pub(crate) async fn run(plan: &Plan, tell: &dyn Fn(&str)) -> eyre::Result<Report> {
    let saturating = plan.saturation.map_or(plan.transactions as u64 / 3_000, |_| 0);
    let load_average = sample::begin(tell, Duration::from_secs(20 + saturating + plan.seconds * 4));
    let load_plan = |transactions| LoadPlan::usual(transactions, plan.seed);
    let saturation = e2e::saturation(plan.saturation, load_plan(plan.transactions), WRITERS, tell).await?;
    let bare = bare_rate(plan.seconds).await?;
    tell(&format!("bare axum: {bare:.0} requests/s"));
    let rate = saturation / 2.0;
    let load = load_plan(sample::count_in(rate, plan.seconds) * 2).sign();
    let genesis = Genesis::unlimited(load.transfers.len());
    let folder = tempfile::Builder::new().prefix("tributary-bench-").tempdir()?;
    let running = Running::start(Side::Ours, &genesis, &load.senders, folder.path(), &[]).await?;
    tell(&format!("the node runs as process {}", running.id));
    let measured = tokio::task::block_in_place(|| both(&running, &load, rate, bare, tell));
    running.stop().await;
    let (writer_alone, writer_beside_readers, reads_per_second) = measured?;
    let writer_slowdown = 1.0 - writer_beside_readers.answered_per_second / writer_alone.answered_per_second;
    Ok(Report {
        targets: vec![
            Target::at_least(
                "reads over bare axum",
                reads_per_second / bare,
                READS_OVER_BARE_MIN,
            ),
            Target::at_most("slowdown of the writer", writer_slowdown, WRITER_SLOWDOWN_MAX),
        ],
        reads_over_bare: reads_per_second / bare,
        writer_slowdown,
        bare_per_second: bare,
        reads_per_second,
        writer_alone,
        writer_beside_readers,
        saturation_tx_per_second: saturation,
        readers: READERS,
        genesis,
        load_average,
    })
}

/// The writer alone, then beside readers.
fn both(
    running: &Running,
    load: &Load,
    rate: f64,
    bare: f64,
    tell: &dyn Fn(&str),
) -> eyre::Result<(Writer, Writer, f64)> {
    let (first, second) = load.transfers.split_at(load.transfers.len() / 2);
    let writes = Requests::send_raw(first, 1);
    let alone = write(running, &writes, rate)?;
    tell(&format!("alone: {alone}"));
    let reads = reads_of(load);
    let writes = Requests::send_raw(second, 1);
    let written = AtomicBool::new(false);
    let (beside, read) = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let done = |_| written.load(Ordering::Relaxed);
            let mut failed = 0_usize;
            let paced = drive_paced(running.address, READERS, &reads, bare * PACE, done, |body| {
                failed += usize::from(memmem::find(body, b"\"error\"").is_some());
            });
            paced.map(|paced| (paced, failed))
        });
        let beside = write(running, &writes, rate);
        written.store(true, Ordering::Relaxed);
        (beside, reader.join().expect("the reader does not panic"))
    });
    let (beside, (paced, failed)) = (beside?, read?);
    ensure!(failed == 0, "{failed} of {} reads were refused", paced.answered);
    tell(&format!("beside readers: {beside}; {} reads", paced.answered));
    Ok((alone, beside, paced.answered as f64 / paced.seconds))
}

/// Balances, receipts and calls, of accounts and transfers the writer touches.
fn reads_of(load: &Load) -> Requests {
    let known = load.transfers.iter().take(1_000).zip(load.senders.iter().cycle());
    Requests::calls(
        known
            .enumerate()
            .map(|(index, (transfer, sender))| match index % 3 {
                0 => ("eth_getBalance", json!([sender, "latest"])),
                1 => ("eth_getTransactionReceipt", json!([transfer.hash])),
                _ => ("eth_call", json!([{ "to": sender }, "latest"])),
            }),
    )
}

fn write(running: &Running, writes: &Requests, per_second: f64) -> eyre::Result<Writer> {
    let mut asking = Connection::open(running.address)?;
    let before: U64 = asking.call("eth_blockNumber", &json!([]))?;
    let started = Instant::now();
    let mut refused = 0_usize;
    let paced = drive_paced(
        running.address,
        WRITERS,
        writes,
        per_second,
        |sent| sent >= writes.len(),
        |body| refused += usize::from(memmem::find(body, b"\"error\"").is_some()),
    )?;
    ensure!(refused == 0, "{refused} transfers were refused");
    e2e::wait_until_committed(&mut asking, running, before.to(), writes.len() as u64)?;
    let committed = started.elapsed().as_secs_f64();
    Ok(Writer {
        offered_per_second: per_second,
        answered_per_second: paced.answered as f64 / paced.seconds,
        committed_per_second: writes.len() as f64 / committed,
    })
}

/// Requests a second of [`serve_bare`] in a process of its own.
async fn bare_rate(seconds: u64) -> eyre::Result<f64> {
    let folder = tempfile::tempdir()?;
    let address = loopback(Ports::free()?.sequencer);
    let args = ["bench", "bare-server", "--addr", &address.to_string()].map(std::ffi::OsString::from);
    let mut server = Process::start("bare", &std::env::current_exe()?, &args, folder.path())?;
    let started = Instant::now();
    while Connection::open(address).is_err() {
        server.check_running()?;
        ensure!(
            started.elapsed() < START_PATIENCE,
            "the bare server does not answer at {address}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let measured = tokio::task::block_in_place(|| {
        let requests = Requests::calls([("eth_blockNumber", json!([]))]);
        let end = Instant::now() + Duration::from_secs(seconds);
        drive_paced(
            address,
            READERS,
            &requests,
            f64::INFINITY,
            |_| Instant::now() >= end,
            |_| (),
        )
    });
    server.stop().await;
    let paced = measured?;
    Ok(paced.answered as f64 / paced.seconds)
}

/// The bare server: reads a body, answers a constant.
pub(crate) async fn serve_bare(address: SocketAddr) -> eyre::Result<()> {
    const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#;
    let answer = |_: axum::body::Bytes| async { ([(header::CONTENT_TYPE, "application/json")], ANSWER) };
    let listener = tokio::net::TcpListener::bind(address).await?;
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        stream.set_nodelay(true).ok();
    });
    let stop = crate::telemetry::shutdown_on_signal()?;
    let served = axum::serve(listener, Router::new().route("/", post(answer)));
    served.with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} transfers/s offered, {:.0} answered, {:.0} committed",
            self.offered_per_second, self.answered_per_second, self.committed_per_second
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} readers, load average {}\n",
            self.readers, self.load_average
        )?;
        writeln!(f, "| | requests/s |\n| --- | --: |")?;
        writeln!(f, "| bare axum | {:.0} |", self.bare_per_second)?;
        writeln!(
            f,
            "| reads beside the writer | {:.0} ({:.2} of bare) |",
            self.reads_per_second, self.reads_over_bare
        )?;
        writeln!(
            f,
            "| writer alone | {:.0} |",
            self.writer_alone.answered_per_second
        )?;
        writeln!(
            f,
            "| writer beside {} readers | {:.0} |",
            self.readers, self.writer_beside_readers.answered_per_second
        )?;
        write!(
            f,
            "\nthe writer slows by {:.1} %  \n{}",
            self.writer_slowdown * 100.0,
            target::lines(&self.targets)
        )
    }
}
