//! How long a durable receipt takes: `eth_sendRawTransactionSync` on an idle node and at parts of its saturation, by an open loop.
//!
//! Requests are due at even times whatever the node does, and an answer's time counts from when its request was due, so a node that stalls
//! cannot hide it by being asked less (no coordinated omission). The node's journal says how many syncs there were, and how many executed
//! transactions they cover. That is held against the receipts that have arrived: on the idle node after each, under load again and again. A
//! receipt more than the journal had synced came too early, and the measurement fails.

use super::{
    chart::{Chart, Series},
    e2e,
    rig::{
        Genesis,
        client::{Connection, open_loop},
        load::{LoadPlan, Requests, Transfer},
        metrics::Metrics,
        side::{Running, Side},
    },
    sample,
    target::{self, Target},
};
use eyre::{OptionExt, ensure};
use memchr::memmem;
use serde::Serialize;
use std::{
    fmt, fs,
    io::Write,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
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

/// Parts of saturation, in per cent, that are always measured: the result names them.
const HALF: u8 = 50;
const MOST: u8 = 80;

/// How often the journal's counters are held against the receipts under load.
const CHECK_PAUSE: Duration = Duration::from_millis(20);

/// What is wanted: milliseconds over the run's fdatasync when idle, and at half of saturation.
const UNLOADED_OVER_SYNC_MS: f64 = 0.4;
const HALF_P50_MS: f64 = 2.0;
const HALF_P99_MS: f64 = 20.0;

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
    /// Parts of saturation beside 50 and 80 %, in per cent, for the curve.
    pub(crate) more_percent: Vec<u8>,
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
    /// How often the receipts so far were held against the journal's counter; none came before its sync.
    pub(crate) sync_checks: usize,
    pub(crate) targets: Vec<Target>,
    /// Every part of saturation that was measured, ascending.
    pub(crate) curve: Vec<AtPart>,
    pub(crate) genesis: Genesis,
    pub(crate) load_average: f64,
}

/// The latencies at one part of saturation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AtPart {
    pub(crate) percent: u8,
    #[serde(flatten)]
    pub(crate) phase: Phase,
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
    /// Of those, the ones whose execution is synced as well.
    executions: f64,
    p50_ms: f64,
}

impl Journal {
    fn read(connection: &mut Connection) -> eyre::Result<Self> {
        let metrics = Metrics::scrape(connection)?;
        let get = |name| metrics.get(name).unwrap_or_default();
        Ok(Self {
            syncs: get("journal_syncs_total"),
            transactions: get("journal_transactions_total"),
            executions: get("journal_executions_total"),
            p50_ms: get("journal_sync_seconds{quantile=\"0.5\"}") * 1e3,
        })
    }

    #[expect(
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
    let percents = percents(&plan.more_percent);
    let load_average = sample::begin(tell, about(plan, percents.len()));
    let load_plan = |transactions| LoadPlan::usual(transactions, plan.seed);
    let saturation = e2e::saturation(
        plan.saturation,
        load_plan(plan.transactions),
        SATURATION_CONNECTIONS,
        tell,
    )
    .await?;
    let rate = |percent: u8| saturation * f64::from(percent) / 100.0;
    let counts = percents
        .iter()
        .map(|percent| sample::count_in(rate(*percent), plan.seconds));
    let counts: Vec<usize> = counts.collect();
    tell("signing");
    let load = load_plan(UNLOADED_REQUESTS + counts.iter().sum::<usize>()).sign();
    let genesis = Genesis::unlimited(load.transfers.len());
    let folder = tempfile::Builder::new().prefix("tributary-bench-").tempdir()?;
    let running = Running::start(Side::Ours, &genesis, &load.senders, folder.path(), &[]).await?;
    tell(&format!("the node runs as process {}", running.id));
    let measured = tokio::task::block_in_place(|| {
        let disk_fdatasync_p50_ms = probe_disk(folder.path())?;
        let mut measured = Measured::new(&running)?;
        let (idle, mut loaded) = load.transfers.split_at(UNLOADED_REQUESTS);
        let unloaded = measured.unloaded(idle)?;
        tell(&format!("unloaded: {unloaded}"));
        let mut curve = Vec::new();
        for (percent, count) in percents.iter().zip(counts) {
            let (transfers, rest) = loaded.split_at(count);
            loaded = rest;
            let phase = measured.loaded(transfers, rate(*percent), plan.connections)?;
            tell(&format!("at {percent} %: {phase}"));
            curve.push(AtPart {
                percent: *percent,
                phase,
            });
        }
        let fdatasync = measured.syncs(unloaded.syncs.p50_ms)?;
        let at = |wanted| {
            let found = curve.iter().find(|part: &&AtPart| part.percent == wanted);
            found
                .map(|part| part.phase.clone())
                .ok_or_eyre("a part was not measured")
        };
        let (at_50_percent, at_80_percent) = (at(HALF)?, at(MOST)?);
        Ok(Report {
            targets: targets(&unloaded, &at_50_percent),
            fdatasync,
            unloaded,
            at_50_percent,
            at_80_percent,
            saturation_tx_per_second: saturation,
            disk_fdatasync_p50_ms,
            sync_checks: measured.checks,
            curve,
            genesis,
            load_average,
        })
    });
    running.stop().await;
    measured
}

/// What is measured, ascending and each once.
fn percents(more: &[u8]) -> Vec<u8> {
    let mut percents = [more, &[HALF, MOST]].concat();
    percents.sort_unstable();
    percents.dedup();
    percents
}

fn about(plan: &Plan, parts: usize) -> Duration {
    let saturating = match plan.saturation {
        Some(_) => 0,
        // Signed, sent and read at some thousands a second.
        None => plan.transactions / 3_000 + 5,
    };
    Duration::from_secs(15 + saturating as u64 + plan.seconds * parts as u64 * 3 / 2)
}

fn targets(unloaded: &Phase, half: &Phase) -> Vec<Target> {
    vec![
        Target::at_most(
            "unloaded p50 (ms; the run's fdatasync p50 + 0.4)",
            unloaded.p50_ms,
            unloaded.syncs.p50_ms + UNLOADED_OVER_SYNC_MS,
        ),
        Target::at_most("p50 at 50 % (ms)", half.p50_ms, HALF_P50_MS),
        Target::at_most("p99 at 50 % (ms)", half.p99_ms, HALF_P99_MS),
    ]
}

/// A node under measurement.
struct Measured<'a> {
    running: &'a Running,
    asking: Connection,
    /// The journal's counters before the first request.
    first: Journal,
    /// Receipts since then.
    answered: usize,
    checks: usize,
}

impl<'a> Measured<'a> {
    fn new(running: &'a Running) -> eyre::Result<Self> {
        let mut asking = Connection::open(running.address)?;
        Ok(Self {
            running,
            first: Journal::read(&mut asking)?,
            asking,
            answered: 0,
            checks: 0,
        })
    }

    /// Fails unless the journal's syncs cover the `answered` receipts that had arrived before this call.
    fn check(&mut self, answered: usize) -> eyre::Result<()> {
        self.checks += 1;
        let synced = Journal::read(&mut self.asking)?.executions - self.first.executions;
        covers(synced, answered)
    }

    /// One request after the other, each receipt held against the journal.
    fn unloaded(&mut self, transfers: &[Transfer]) -> eyre::Result<Phase> {
        let requests = Requests::send_raw_sync(transfers);
        let before = Journal::read(&mut self.asking)?;
        let mut connection = Connection::open(self.running.address)?;
        let (mut took, begun) = (Vec::new(), Instant::now());
        for index in 0..requests.len() {
            thread::sleep(UNLOADED_PAUSE);
            let sent = Instant::now();
            connection.send(requests.get(index))?;
            let body = connection.receive()?;
            took.push(sent.elapsed().as_secs_f64() * 1e3);
            check(body).map_err(|body| eyre::eyre!("no receipt for request {index}: {body}"))?;
            self.answered += 1;
            self.check(self.answered)?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        Phase::new(took, seconds, Journal::read(&mut self.asking)?.since(before))
    }

    /// An open loop; meanwhile the receipts so far are held against the journal.
    fn loaded(&mut self, transfers: &[Transfer], per_second: f64, connections: usize) -> eyre::Result<Phase> {
        let requests = Requests::send_raw_sync(transfers);
        let before = Journal::read(&mut self.asking)?;
        let (refused, answered) = (Mutex::new(None), AtomicUsize::new(self.answered));
        let ended = AtomicBool::new(false);
        let begun = Instant::now();
        let address = self.running.address;
        let (took, seconds, checked) = thread::scope(|scope| {
            let checker = scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    self.check(answered.load(Ordering::SeqCst))?;
                    thread::sleep(CHECK_PAUSE);
                }
                self.check(answered.load(Ordering::SeqCst))
            });
            let took = open_loop(
                address,
                connections,
                &requests,
                per_second,
                |_, body| match check(body) {
                    Ok(()) => drop(answered.fetch_add(1, Ordering::SeqCst)),
                    Err(body) => drop(refused.lock().expect("no holder panics").get_or_insert(body)),
                },
            );
            let seconds = begun.elapsed().as_secs_f64();
            ended.store(true, Ordering::Relaxed);
            (took, seconds, checker.join().expect("the checker does not panic"))
        });
        checked?;
        self.answered = answered.into_inner();
        if let Some(body) = refused.into_inner().expect("no holder panics") {
            eyre::bail!("a transfer has no receipt: {body}");
        }
        Phase::new(took?, seconds, Journal::read(&mut self.asking)?.since(before))
    }

    /// All syncs so far, with the median of the idle node's.
    fn syncs(&mut self, p50_ms: f64) -> eyre::Result<Syncs> {
        let syncs = Journal::read(&mut self.asking)?.since(self.first);
        ensure!(
            syncs.count > 0,
            "the node's journal counts no sync: nothing says that an answer is durable"
        );
        Ok(Syncs { p50_ms, ..syncs })
    }
}

/// Fails if more receipts had arrived than the journal has synced executions.
fn covers(synced: f64, answered: usize) -> eyre::Result<()> {
    ensure!(
        synced + 0.5 > answered as f64,
        "{answered} receipts had come when the journal had synced {synced} executed transactions"
    );
    Ok(())
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
        let idle = [("one at a time".to_owned(), &self.unloaded)];
        let parts = self.curve.iter();
        let parts = parts.map(|part| (format!("{} % of saturation", part.percent), &part.phase));
        for (name, phase) in idle.into_iter().chain(parts) {
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
            "\n{}  \nno receipt came before the sync that covers it: {} checks, one after each on the idle node",
            target::lines(&self.targets),
            self.sync_checks
        )
    }
}

/// Latency over load.
pub(crate) fn chart(report: &Report) -> String {
    let points = |value: &dyn Fn(&Phase) -> f64| {
        let idle = (report.unloaded.requests_per_second, value(&report.unloaded));
        let parts = report.curve.iter();
        let parts = parts.map(|part| (part.phase.requests_per_second, value(&part.phase)));
        [idle].into_iter().chain(parts).collect()
    };
    let sync = report.fdatasync.p50_ms;
    let ends = points(&|_| sync);
    Chart {
        title: "Durable receipts: latency over load",
        x_label: "receipts a second",
        y_label: "milliseconds from when the request was due",
        series: vec![
            Series {
                name: "p50",
                points: points(&|phase| phase.p50_ms),
            },
            Series {
                name: "p99",
                points: points(&|phase| phase.p99_ms),
            },
            Series {
                name: "max",
                points: points(&|phase| phase.max_ms),
            },
            Series {
                name: "fdatasync p50",
                points: ends,
            },
        ],
    }
    .to_svg()
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
    fn a_receipt_before_its_sync_fails_the_measurement() {
        assert!(covers(5.0, 5).is_ok() && covers(6.0, 5).is_ok());
        let error = covers(4.0, 5).unwrap_err().to_string();
        assert!(error.contains("5 receipts had come"), "{error}");
    }

    #[test]
    fn half_and_most_of_saturation_are_always_measured_and_each_part_once() {
        assert_eq!(percents(&[]), [50, 80]);
        assert_eq!(percents(&[90, 50, 10]), [10, 50, 80, 90]);
    }

    #[test]
    fn only_a_receipt_of_status_1_counts_as_an_answer() {
        assert!(check(br#"{"result":{"status":"0x1","x":1}}"#).is_ok());
        for body in [r#"{"result":{"status":"0x0"}}"#, r#"{"error":{"code":4}}"#] {
            assert_eq!(check(body.as_bytes()), Err(body.to_owned()));
        }
    }
}
