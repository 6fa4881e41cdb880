//! What a transfer costs as the state grows.
//!
//! Every account is in the state before block 1, loaded into the node's store without a genesis file ([`super::rig::state`]), and recipients are
//! drawn from all of them, so that no cache holds what the next transfer touches. What is measured is the whole of it: CPU of the node's
//! process per transfer, with recovery, execution, root, disk and the second execution. All runs of a size are on one node, one after the other.

use super::{
    chart::{Chart, Series},
    e2e::{self, Mode, Run},
    rig::{
        Genesis,
        load::{Load, LoadPlan, Requests},
        recover,
        side::Running,
    },
    sample,
    target::{self, Target},
};
use crate::devnet::L2_CHAIN_ID;
use eyre::OptionExt;
use serde::Serialize;
use std::{fmt, time::Duration};

/// Connections that write: few enough that what is under way at one time is of different senders at the smallest size.
const WRITERS: usize = 32;
/// Accounts that send, at most; half of them if there are fewer than twice as many.
const SENDERS_MAX: usize = 10_000;
/// CPU per transfer at the largest size over that at the smallest.
const GROWTH_MAX: f64 = 2.0;

/// What is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Accounts in the state, ascending.
    pub(crate) accounts: Vec<usize>,
    /// Transfers of a run.
    pub(crate) transactions: usize,
    /// Runs of each size, in turn.
    pub(crate) runs: usize,
    pub(crate) seed: u64,
}

/// A row for each size.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// CPU per transfer at the largest size over that at the smallest.
    pub(crate) largest_over_smallest: f64,
    pub(crate) sizes: Vec<Size>,
    pub(crate) targets: Vec<Target>,
    pub(crate) recover_us: f64,
    pub(crate) transactions: usize,
    pub(crate) runs: usize,
    pub(crate) genesis: Genesis,
    pub(crate) load_average: f64,
}

/// Medians of the runs with one size of state.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Size {
    pub(crate) accounts: usize,
    pub(crate) cpu_us_per_tx: f64,
    pub(crate) tx_per_second: f64,
    pub(crate) memory_peak_mib: u64,
    /// Of bringing the accounts into the store.
    pub(crate) load_seconds: f64,
    /// What they took there, before the first transfer.
    pub(crate) disk_mib: u64,
}

/// Runs the plan.
pub(crate) async fn run(plan: &Plan, tell: &dyn Fn(&str)) -> eyre::Result<Report> {
    let load_average = sample::begin(tell, about(plan));
    let genesis = Genesis::unlimited(plan.transactions * plan.runs);
    let (mut sizes, mut recover_us) = (Vec::new(), Vec::new());
    for accounts in &plan.accounts {
        tell(&format!("{accounts} accounts: signing"));
        let load_plan = load_plan(plan, *accounts);
        let load = load_plan.sign();
        recover_us.push(recover::cost_us(&load.transfers)?);
        let folder = tempfile::Builder::new().prefix("tributary-bench-").tempdir()?;
        let everyone = [load.senders.clone(), load_plan.recipients()].concat();
        let loaded = tokio::task::block_in_place(|| Running::load(&genesis, &everyone, folder.path(), tell))?;
        let load_seconds = loaded.seconds;
        let disk_mib = sample::bytes_in(folder.path()) >> 20;
        tell(&format!(
            "{} accounts loaded in {load_seconds:.0} s, {disk_mib} MiB on disk",
            loaded.accounts
        ));
        let running = Running::start_on(loaded, &genesis, folder.path(), &[]).await?;
        tell(&format!("the node runs as process {}", running.id));
        let runs = tokio::task::block_in_place(|| measure(&running, &load, plan, tell));
        running.stop().await;
        let runs = runs?;
        sizes.push(Size {
            accounts: *accounts,
            cpu_us_per_tx: sample::middle(runs.iter().map(|run| run.cpu_us_per_tx).collect()),
            tx_per_second: sample::middle(runs.iter().map(|run| run.tx_per_second).collect()),
            memory_peak_mib: runs
                .iter()
                .map(|run| run.memory_peak_mib)
                .max()
                .unwrap_or_default(),
            load_seconds,
            disk_mib,
        });
    }
    let (first, last) = sizes.first().zip(sizes.last()).ok_or_eyre("no size was given")?;
    let growth = last.cpu_us_per_tx / first.cpu_us_per_tx;
    Ok(Report {
        largest_over_smallest: growth,
        targets: vec![Target::at_most(
            "CPU per transfer, largest over smallest",
            growth,
            GROWTH_MAX,
        )],
        sizes,
        recover_us: sample::middle(recover_us),
        transactions: plan.transactions,
        runs: plan.runs,
        genesis,
        load_average,
    })
}

/// Loading at some ten thousand accounts a second, then for each run sending, committing and reading back.
fn about(plan: &Plan) -> Duration {
    let accounts: usize = plan.accounts.iter().sum();
    let per_run = plan.transactions / 4_000 + 4;
    let seconds = accounts / 25_000 + plan.accounts.len() * (15 + plan.runs * per_run);
    Duration::from_secs(seconds as u64)
}

fn load_plan(plan: &Plan, accounts: usize) -> LoadPlan {
    let senders = SENDERS_MAX.min(accounts / 2).max(1);
    LoadPlan {
        chain_id: L2_CHAIN_ID,
        transactions: plan.transactions * plan.runs,
        senders,
        recipients: accounts.saturating_sub(senders).max(1),
        seed: plan.seed,
    }
}

fn measure(running: &Running, load: &Load, plan: &Plan, tell: &dyn Fn(&str)) -> eyre::Result<Vec<Run>> {
    let portions = load.transfers.chunks(plan.transactions.max(1));
    let runs = portions.map(|transfers| {
        let run = measure_one(running, load, transfers)?;
        tell(&run.to_string());
        Ok(run)
    });
    runs.collect()
}

/// One run with a part of a load, in batches.
pub(super) fn measure_one(
    running: &Running,
    load: &Load,
    transfers: &[super::rig::load::Transfer],
) -> eyre::Result<Run> {
    let part = Load {
        senders: load.senders.clone(),
        transfers: transfers.to_vec(),
    };
    let requests = Requests::send_raw(&part.transfers, Mode::Batch100.per_request());
    let run = e2e::measure(running, &part, &requests, WRITERS)?;
    Ok(Run {
        mode: Mode::Batch100,
        ..run
    })
}

/// Cost over accounts.
pub(crate) fn chart(report: &Report) -> String {
    let line = |name, value: &dyn Fn(&Size) -> f64| {
        Series::of(name, &report.sizes, |size| (size.accounts as f64, value(size)))
    };
    Chart {
        title: "CPU per transfer over accounts in the state",
        x_label: "accounts",
        y_label: "us of CPU a transfer",
        series: vec![
            line("transfer", &|size| size.cpu_us_per_tx),
            line("recovery", &|_| report.recover_us),
        ],
    }
    .to_svg()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} transfers in batches of 100, medians of {} runs, load average {}\n",
            self.transactions, self.runs, self.load_average
        )?;
        writeln!(
            f,
            "| accounts | CPU, us/tx | tx/s | memory, MiB | loading, s | on disk, MiB |\n| --: | --: | --: | --: | --: | --: |"
        )?;
        for size in &self.sizes {
            writeln!(
                f,
                "| {} | {:.1} | {:.0} | {} | {:.0} | {} |",
                size.accounts,
                size.cpu_us_per_tx,
                size.tx_per_second,
                size.memory_peak_mib,
                size.load_seconds,
                size.disk_mib
            )?;
        }
        write!(
            f,
            "\nlargest over smallest: {:.2}; recovering a sender {:.1} us of it  \n{}",
            self.largest_over_smallest,
            self.recover_us,
            target::lines(&self.targets)
        )
    }
}
