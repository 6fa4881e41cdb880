//! How long a durable receipt takes: `eth_sendRawTransactionSync` on an idle node and at parts of its saturation, by an open loop.
//!
//! Requests are due at even times whatever the node does, and an answer's time counts from when its request was due, so a node that stalls
//! cannot hide it by being asked less (no coordinated omission). The node's journal says how many syncs there were. On the idle node its
//! counters are read after every answer: a receipt that is not among the transactions the journal has synced by then came too early,
//! and the measurement fails.

use super::{
    e2e,
    rig::{
        Genesis,
        client::{Connection, open_loop},
        load::{LoadPlan, Requests, Transfer},
        metrics::Metrics,
        side::{Running, Side},
    },
    sample,
};
use crate::devnet::L2_CHAIN_ID;
use eyre::{OptionExt, ensure};
use memchr::memmem;
use serde::Serialize;
use std::{
    fmt, fs,
    io::Write,
    path::Path,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

/// Requests on the idle node, and the pause between them.
const UNLOADED_REQUESTS: usize = 500;
const UNLOADED_PAUSE: Duration = Duration::from_millis(5);

/// Syncs of the probe beside the node.
const PROBE_SYNCS: usize = 300;

/// Connections of the saturating run; as `bench e2e`.
const SATURATION_CONNECTIONS: usize = 64;

/// What is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Seconds at each part of saturation.
    pub(crate) seconds: u64,
    /// Transfers a second taken for saturation, instead of measuring it.
    pub(crate) saturation: Option<f64>,
    /// Transfers of the saturating run.
    pub(crate) transactions: usize,
    /// Connections of the open loop.
    pub(crate) connections: usize,
    pub(crate) seed: u64,
}

/// Latencies and syncs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) unloaded: Phase,
    pub(crate) at_50_percent: Phase,
    pub(crate) at_80_percent: Phase,
    pub(crate) fdatasync: Syncs,
    /// Un-batched transfers a second (`bench e2e`) that the parts are parts of.
    pub(crate) saturation_tx_per_second: f64,
    /// What appending 4 KiB and fdatasync took on the same file system while the node was idle.
    pub(crate) disk_fdatasync_p50_ms: f64,
    /// Receipts on the idle node that were held against the journal's counter; none came before its sync.
    pub(crate) answers_checked: usize,
    pub(crate) genesis: Genesis,
    pub(crate) load_average: f64,
}

/// The latencies of one load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Phase {
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) requests: usize,
    pub(crate) requests_per_second: f64,
    pub(crate) syncs: Syncs,
}

/// The journal's syncs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Syncs {
    pub(crate) count: u64,
    pub(crate) p50_ms: f64,
    pub(crate) txs_per_sync: f64,
}

/// The journal's counters at one moment.
#[derive(Clone, Copy, Debug)]
struct Journal {
    syncs: f64,
    transactions: f64,
    p50_ms: f64,
}

impl Journal {
    fn read(connection: &mut Connection) -> eyre::Result<Self> {
        let metrics = Metrics::scrape(connection)?;
        let get = |name| metrics.get(name).unwrap_or_default();
        Ok(Self {
            syncs: get("journal_syncs_total"),
            transactions: get("journal_transactions_total"),
            p50_ms: get("journal_sync_seconds{quantile=\"0.5\"}") * 1e3,
        })
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a counter is a whole number far below 2^53"
    )]
    fn since(self, before: Self) -> Syncs {
        let count = self.syncs - before.syncs;
        Syncs {
            count: count as u64,
            p50_ms: self.p50_ms,
            txs_per_sync: (self.transactions - before.transactions) / count.max(1.0),
        }
    }
}

/// Runs the plan.
pub(crate) async fn run(plan: &Plan, tell: &dyn Fn(&str)) -> eyre::Result<Report> {
    let load_average = sample::load_average();
    let load_plan = |transactions| LoadPlan {
        chain_id: L2_CHAIN_ID,
        transactions,
        senders: 10_000,
        recipients: 100_000,
        seed: plan.seed,
    };
    let saturation = match plan.saturation {
        Some(given) => given,
        None => e2e::saturation(&load_plan(plan.transactions).sign(), SATURATION_CONNECTIONS, tell).await?,
    };
    let counts = [0.5, 0.8].map(|part| part_of(saturation * part, plan.seconds));
    tell("signing");
    let load = load_plan(UNLOADED_REQUESTS + counts.iter().sum::<usize>()).sign();
    let genesis = Genesis::unlimited(load.transfers.len());
    let folder = tempfile::Builder::new().prefix("tributary-bench-").tempdir()?;
    let running = Running::start(Side::Ours, &genesis, &load.senders, folder.path(), &[]).await?;
    tell(&format!("the node runs as process {}", running.id));
    let measured = tokio::task::block_in_place(|| {
        let disk_fdatasync_p50_ms = probe_disk(folder.path())?;
        let mut asking = Connection::open(running.address)?;
        let first = Journal::read(&mut asking)?;
        let (idle, loaded) = load.transfers.split_at(UNLOADED_REQUESTS);
        let unloaded = unloaded(&running, &mut asking, idle)?;
        tell(&format!("unloaded: {unloaded}"));
        let (half, most) = loaded.split_at(counts[0]);
        let mut at = |transfers: &[Transfer], part: f64| {
            let phase = loaded_phase(
                &running,
                &mut asking,
                transfers,
                saturation * part,
                plan.connections,
            )?;
            tell(&format!("at {:.0} %: {phase}", part * 100.0));
            Ok::<_, eyre::Report>(phase)
        };
        let at_50_percent = at(half, 0.5)?;
        let at_80_percent = at(most, 0.8)?;
        let syncs = Journal::read(&mut asking)?.since(first);
        ensure!(
            syncs.count > 0,
            "the node's journal counts no sync: nothing says that an answer is durable"
        );
        Ok(Report {
            fdatasync: Syncs {
                p50_ms: unloaded.syncs.p50_ms,
                ..syncs
            },
            unloaded,
            at_50_percent,
            at_80_percent,
            saturation_tx_per_second: saturation,
            disk_fdatasync_p50_ms,
            answers_checked: UNLOADED_REQUESTS,
            genesis,
            load_average,
        })
    });
    running.stop().await;
    measured
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate times some seconds"
)]
fn part_of(per_second: f64, seconds: u64) -> usize {
    (per_second * seconds as f64).ceil() as usize
}

/// One request after the other; after each answer the journal must have synced as many transactions as were answered.
fn unloaded(running: &Running, asking: &mut Connection, transfers: &[Transfer]) -> eyre::Result<Phase> {
    let requests = Requests::send_raw_sync(transfers);
    let before = Journal::read(asking)?;
    let mut connection = Connection::open(running.address)?;
    let (mut took, begun) = (Vec::new(), Instant::now());
    for index in 0..requests.len() {
        thread::sleep(UNLOADED_PAUSE);
        let sent = Instant::now();
        connection.send(requests.get(index))?;
        let body = connection.receive()?;
        took.push(sent.elapsed().as_secs_f64() * 1e3);
        check(body).map_err(|body| eyre::eyre!("no receipt for request {index}: {body}"))?;
        let synced = Journal::read(asking)?.transactions - before.transactions;
        ensure!(
            synced + 0.5 > (index + 1) as f64,
            "receipt {} came when the journal had synced {synced} transactions",
            index + 1
        );
    }
    let seconds = begun.elapsed().as_secs_f64();
    Phase::new(took, seconds, Journal::read(asking)?.since(before))
}

fn loaded_phase(
    running: &Running,
    asking: &mut Connection,
    transfers: &[Transfer],
    per_second: f64,
    connections: usize,
) -> eyre::Result<Phase> {
    let requests = Requests::send_raw_sync(transfers);
    let before = Journal::read(asking)?;
    let refused = Mutex::new(None);
    let begun = Instant::now();
    let took = open_loop(running.address, connections, &requests, per_second, |_, body| {
        if let Err(body) = check(body) {
            refused.lock().expect("no holder panics").get_or_insert(body);
        }
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    if let Some(body) = refused.into_inner().expect("no holder panics") {
        eyre::bail!("a transfer has no receipt: {body}");
    }
    Phase::new(took, seconds, Journal::read(asking)?.since(before))
}

/// The body unless it is a receipt of status 1.
fn check(body: &[u8]) -> Result<(), String> {
    match memmem::find(body, br#""status":"0x1""#) {
        Some(_) => Ok(()),
        None => Err(String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned()),
    }
}

impl Phase {
    fn new(mut took_ms: Vec<f64>, seconds: f64, syncs: Syncs) -> eyre::Result<Self> {
        took_ms.sort_by(f64::total_cmp);
        let at =
            |part: usize| took_ms.get((took_ms.len() * part / 1000).min(took_ms.len().saturating_sub(1)));
        let value = |part| at(part).copied().ok_or_eyre("there was no request");
        Ok(Self {
            p50_ms: value(500)?,
            p90_ms: value(900)?,
            p99_ms: value(990)?,
            max_ms: value(1000)?,
            requests: took_ms.len(),
            requests_per_second: took_ms.len() as f64 / seconds,
            syncs,
        })
    }
}

/// Median of appending 4 KiB to a file in `folder` and fdatasync.
fn probe_disk(folder: &Path) -> eyre::Result<f64> {
    let mut file = fs::File::create(folder.join("probe"))?;
    let mut took = Vec::new();
    for _ in 0..PROBE_SYNCS {
        file.write_all(&[7; 4096])?;
        let started = Instant::now();
        file.sync_data()?;
        took.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(sample::middle(took))
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} receipts, {:.0}/s, p50 {:.2} ms, p90 {:.2}, p99 {:.2}, max {:.2}; {} syncs, p50 {:.2} ms, {:.1} transactions each",
            self.requests,
            self.requests_per_second,
            self.p50_ms,
            self.p90_ms,
            self.p99_ms,
            self.max_ms,
            self.syncs.count,
            self.syncs.p50_ms,
            self.syncs.txs_per_sync
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "saturation {:.0} transfers/s; fdatasync of 4 KiB on the idle machine p50 {:.2} ms; load average {}\n",
            self.saturation_tx_per_second, self.disk_fdatasync_p50_ms, self.load_average
        )?;
        writeln!(
            f,
            "| load | receipts/s | p50, ms | p90 | p99 | max | syncs | sync p50, ms | transactions per sync |"
        )?;
        writeln!(f, "| --- | --: | --: | --: | --: | --: | --: | --: | --: |")?;
        for (name, phase) in [
            ("one at a time", &self.unloaded),
            ("50 % of saturation", &self.at_50_percent),
            ("80 %", &self.at_80_percent),
        ] {
            writeln!(
                f,
                "| {name} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {} | {:.2} | {:.1} |",
                phase.requests_per_second,
                phase.p50_ms,
                phase.p90_ms,
                phase.p99_ms,
                phase.max_ms,
                phase.syncs.count,
                phase.syncs.p50_ms,
                phase.syncs.txs_per_sync
            )?;
        }
        write!(
            f,
            "\nno receipt of {} came before the sync that covers it",
            self.answers_checked
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_SYNCS: Syncs = Syncs {
        count: 0,
        p50_ms: 0.0,
        txs_per_sync: 0.0,
    };

    #[test]
    fn percentiles_are_of_all_requests() {
        let phase = Phase::new((1..=1000).rev().map(f64::from).collect(), 2.0, NO_SYNCS).unwrap();
        assert_eq!(
            [phase.p50_ms, phase.p90_ms, phase.p99_ms, phase.max_ms],
            [501.0, 901.0, 991.0, 1000.0]
        );
        assert!((phase.requests_per_second - 500.0).abs() < 1e-9);
        assert!(Phase::new(Vec::new(), 1.0, NO_SYNCS).is_err());
    }

    #[test]
    fn only_a_receipt_of_status_1_counts_as_an_answer() {
        assert!(check(br#"{"result":{"status":"0x1","x":1}}"#).is_ok());
        for body in [r#"{"result":{"status":"0x0"}}"#, r#"{"error":{"code":4}}"#] {
            assert_eq!(check(body.as_bytes()), Err(body.to_owned()));
        }
    }
}
