//! One side under the whole load once.

use crate::bench::rig::{
    client::{Connection, drive},
    cpu,
    load::{Load, Requests},
    side::{Running, Side},
};
use alloy::primitives::{B256, U64};
use eyre::{Context, bail, ensure};
use memchr::memmem;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    ops::RangeInclusive,
    thread,
    time::{Duration, Instant},
};

/// How long the chain may stand still before its last transfer is in a block.
const STANDSTILL_MAX: Duration = Duration::from_secs(120);

/// How often the chain is looked at once everything is sent: a hundredth of a block.
const POLL: Duration = Duration::from_millis(10);

/// Left for what a node does behind a block, before its CPU time is read.
const SETTLE: Duration = Duration::from_secs(1);

/// Receipts read at once.
const RECEIPTS_PER_REQUEST: usize = 100;
/// Connections for that.
const RECEIPT_CONNECTIONS: usize = 8;
/// Receipts read from anvil.
const RECEIPTS_SAMPLE: usize = 200;

/// How transfers are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// One in an HTTP request.
    Http,
    /// A hundred in a JSON batch.
    Batch100,
}

impl Mode {
    pub(crate) const ALL: [Self; 2] = [Self::Http, Self::Batch100];

    pub(crate) const fn per_request(self) -> usize {
        match self {
            Self::Http => 1,
            Self::Batch100 => 100,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Batch100 => "batch100",
        }
    }
}

/// What one run gave.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) pair: usize,
    pub(crate) side: Side,
    pub(crate) mode: Mode,
    /// Transfers, each found in a committed block, over the time from the first request until the last of those blocks was committed.
    pub(crate) tx_per_second: f64,
    /// CPU of the node's process per transfer.
    pub(crate) cpu_us_per_tx: f64,
    /// CPU of L1 and DA beside the node, per transfer.
    pub(crate) beside_cpu_us_per_tx: f64,
    pub(crate) accepted_seconds: f64,
    pub(crate) committed_seconds: f64,
    /// Until the last block was executed again by a fresh executor; equal to `committed_seconds` where that does not exist.
    pub(crate) verified_seconds: f64,
    /// Receipts read afterwards, all with status 1.
    pub(crate) receipts: usize,
    pub(crate) blocks: u64,
    /// CPU of the load generator per transfer.
    pub(crate) generator_cpu_us_per_tx: f64,
    /// Cores that processes foreign to the run kept busy meanwhile.
    pub(crate) foreign_cores: f64,
    pub(crate) memory_peak_mib: u64,
    /// CPU per transfer by thread name, above a microsecond.
    pub(crate) threads_cpu_us_per_tx: BTreeMap<String, f64>,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pair {} {:<5} {:<8} {:>7.0} tx/s, {:>5.1} us CPU/tx, {} blocks, {} receipts read, accepted {:.2} s, committed {:.2} s, \
             verified {:.2} s, {} MiB, generator {:.1} us/tx, foreign {:.2} cores",
            self.pair,
            self.side.to_string(),
            self.mode.name(),
            self.tx_per_second,
            self.cpu_us_per_tx,
            self.blocks,
            self.receipts,
            self.accepted_seconds,
            self.committed_seconds,
            self.verified_seconds,
            self.memory_peak_mib,
            self.generator_cpu_us_per_tx,
            self.foreign_cores,
        )?;
        for (name, us) in &self.threads_cpu_us_per_tx {
            write!(f, "\n      {us:>6.1} us/tx {name}")?;
        }
        Ok(())
    }
}

/// CPU times at one moment.
struct Usage {
    node: Duration,
    beside: Duration,
    own: Duration,
    machine: Duration,
    threads: BTreeMap<String, Duration>,
}

impl Usage {
    fn now(running: &Running) -> Self {
        Self {
            node: cpu::of_process(running.id),
            beside: running.beside.iter().map(|id| cpu::of_process(*id)).sum(),
            own: cpu::of_process(std::process::id()),
            machine: cpu::of_machine(),
            threads: cpu::of_threads(running.id),
        }
    }
}

/// Sends everything, waits until all of it is committed and verified, and reads every receipt. Blocks the thread.
pub(crate) fn measure(
    running: &Running,
    load: &Load,
    requests: &Requests,
    connections: usize,
) -> eyre::Result<Run> {
    let total = load.transfers.len();
    let mut asking = Connection::open(running.address)?;
    let before = head(&mut asking)?;
    let usage_before = Usage::now(running);
    let started = Instant::now();
    let mut refused = None;
    drive(running.address, connections, requests, |body| {
        if refused.is_none() && memmem::find(body, b"\"error\"").is_some() {
            refused = Some(String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned());
        }
    })?;
    let accepted = started.elapsed();
    let own_after_sending = cpu::of_process(std::process::id());
    if let Some(body) = refused {
        bail!("{} refused a transfer: {body}", running.side);
    }
    let last = wait_until_committed(&mut asking, running, before, total as u64)?;
    let committed = started.elapsed();
    let verified = match running.side {
        Side::Ours => {
            wait_until_verified(&mut asking, last)?;
            started.elapsed()
        }
        Side::Anvil => committed,
    };
    thread::sleep(SETTLE);
    let wall = started.elapsed();
    let usage = Usage::now(running);
    let receipts = read_receipts(&mut asking, running, load, before + 1..=last)?;

    let per_tx = |time: Duration| time.as_secs_f64() * 1e6 / total as f64;
    let node = usage.node.saturating_sub(usage_before.node);
    let beside = usage.beside.saturating_sub(usage_before.beside);
    let own = usage.own.saturating_sub(usage_before.own);
    let foreign = (usage.machine.saturating_sub(usage_before.machine)).saturating_sub(node + beside + own);
    let threads = usage.threads.into_iter().map(|(name, time)| {
        let earlier = usage_before.threads.get(&name).copied().unwrap_or_default();
        (name, per_tx(time.saturating_sub(earlier)))
    });
    Ok(Run {
        pair: 0,
        side: running.side,
        mode: Mode::Http,
        tx_per_second: total as f64 / committed.as_secs_f64(),
        cpu_us_per_tx: per_tx(node),
        beside_cpu_us_per_tx: per_tx(beside),
        accepted_seconds: accepted.as_secs_f64(),
        committed_seconds: committed.as_secs_f64(),
        verified_seconds: verified.as_secs_f64(),
        receipts,
        blocks: last - before,
        generator_cpu_us_per_tx: per_tx(own_after_sending.saturating_sub(usage_before.own)),
        foreign_cores: foreign.as_secs_f64() / wall.as_secs_f64(),
        memory_peak_mib: cpu::memory_peak_mib(running.id),
        threads_cpu_us_per_tx: threads.filter(|(_, us)| *us >= 1.0).collect(),
    })
}

fn head(asking: &mut Connection) -> eyre::Result<u64> {
    let head: U64 = asking.call("eth_blockNumber", &json!([]))?;
    Ok(head.to())
}

/// Waits until the blocks after `before` hold `total` transfers; returns the number of the last of them.
pub(crate) fn wait_until_committed(
    asking: &mut Connection,
    running: &Running,
    before: u64,
    total: u64,
) -> eyre::Result<u64> {
    let (mut counted, mut number, mut moved) = (0, before, Instant::now());
    while counted < total {
        ensure!(
            moved.elapsed() < STANDSTILL_MAX,
            "{} has {counted} of {total} transfers in the blocks up to {number}, and no more arrive",
            running.side
        );
        if number == head(asking)? {
            thread::sleep(POLL);
            continue;
        }
        number += 1;
        let count: U64 = asking
            .call(
                "eth_getBlockTransactionCountByNumber",
                &json!([U64::from(number)]),
            )
            .with_context(|| format!("the transactions of block {number}"))?;
        let transfers = count.to::<u64>().saturating_sub(running.deposits_per_block());
        if transfers > 0 {
            (counted, moved) = (counted + transfers, Instant::now());
        }
    }
    Ok(number)
}

/// Waits until a fresh executor has executed block `last`.
fn wait_until_verified(asking: &mut Connection, last: u64) -> eyre::Result<()> {
    #[derive(Deserialize)]
    struct SyncStatus {
        cross_unsafe_l2: Block,
    }
    #[derive(Deserialize)]
    struct Block {
        number: u64,
    }
    let started = Instant::now();
    loop {
        let status: SyncStatus = asking.call("optimism_syncStatus", &json!([]))?;
        let verified = status.cross_unsafe_l2.number;
        if verified >= last {
            return Ok(());
        }
        ensure!(
            started.elapsed() < STANDSTILL_MAX,
            "verified up to block {verified}, built up to {last}"
        );
        thread::sleep(POLL);
    }
}

/// Checks that the blocks hold every transfer, and reads receipts, which must all have status 1: ours of every transfer, anvil's of a
/// sample, because reading one receipt costs it time proportional to the block and all of them would take many times the run. Returns how
/// many were read.
fn read_receipts(
    asking: &mut Connection,
    running: &Running,
    load: &Load,
    blocks: RangeInclusive<u64>,
) -> eyre::Result<usize> {
    let mut missing: HashSet<B256> = load.transfers.iter().map(|transfer| transfer.hash).collect();
    for number in blocks {
        let block: Block = asking.call("eth_getBlockByNumber", &json!([U64::from(number), false]))?;
        block.transactions.iter().for_each(|hash| {
            missing.remove(hash);
        });
    }
    let total = load.transfers.len();
    ensure!(
        missing.is_empty(),
        "{} of {total} transfers are not in the blocks of {}",
        missing.len(),
        running.side
    );
    let step = match running.side {
        Side::Ours => 1,
        Side::Anvil => (total / RECEIPTS_SAMPLE).max(1),
    };
    let wanted: Vec<_> = load.transfers.iter().step_by(step).cloned().collect();
    let requests = Requests::receipts(&wanted, RECEIPTS_PER_REQUEST);
    let mut unread: HashSet<B256> = wanted.iter().map(|transfer| transfer.hash).collect();
    drive(running.address, RECEIPT_CONNECTIONS, &requests, |body| {
        let answers: Vec<Answer> = serde_json::from_slice(body).unwrap_or_default();
        for receipt in answers.into_iter().filter_map(|answer| answer.result) {
            if receipt.status == U64::ONE {
                unread.remove(&receipt.transaction_hash);
            }
        }
    })?;
    ensure!(
        unread.is_empty(),
        "{} has no receipt of status 1 for {} of {} transfers asked for",
        running.side,
        unread.len(),
        wanted.len()
    );
    Ok(wanted.len())
}

/// What is looked at in a block.
#[derive(Deserialize)]
struct Block {
    transactions: Vec<B256>,
}

/// What is looked at in a receipt.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    transaction_hash: B256,
    status: U64,
}

/// One of a batch.
#[derive(Deserialize)]
struct Answer {
    result: Option<Receipt>,
}
