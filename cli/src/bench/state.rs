//! What a transfer costs as the state grows, and whether a node with less cache than state goes on working.
//!
//! Every account of the state is in block 0, and the recipients are drawn from all of them, so that no cache holds what the next transfer
//! touches. What is measured is the whole of it: CPU of the node's process per transfer, with recovery, execution, root, disk and the second
//! execution.

use super::{
    e2e::{Attempt, Mode},
    rig::{
        Genesis,
        load::{LoadPlan, Requests},
        recover,
        side::Side,
    },
    sample,
};
use crate::devnet::L2_CHAIN_ID;
use eyre::OptionExt;
use serde::Serialize;
use std::fmt;

/// Connections that write.
const WRITERS: usize = 64;
/// Accounts that send, whatever the size of the state.
const SENDERS: usize = 10_000;

/// What is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Accounts in the state, ascending.
    pub(crate) accounts: Vec<usize>,
    pub(crate) transactions: usize,
    /// Runs of each size, in turn.
    pub(crate) runs: usize,
    /// MiB the node may cache of the state; its default if there is none.
    pub(crate) cache_mib: Option<u64>,
    pub(crate) seed: u64,
}

/// A row for each size.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// CPU per transfer at the largest size over that at the smallest.
    pub(crate) largest_over_smallest: f64,
    pub(crate) sizes: Vec<Size>,
    pub(crate) recover_us: f64,
    pub(crate) cache_mib: Option<u64>,
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
}

/// Runs the plan.
pub(crate) async fn run(plan: &Plan, tell: &dyn Fn(&str)) -> eyre::Result<Report> {
    let load_average = sample::load_average();
    let genesis = Genesis::unlimited(plan.transactions);
    let cache = plan.cache_mib.map(|mib| mib.to_string());
    let more: Vec<&str> = cache
        .iter()
        .flat_map(|mib| ["--state-cache-mib", mib.as_str()])
        .collect();
    let (mut sizes, mut recover_us) = (Vec::new(), Vec::new());
    for accounts in &plan.accounts {
        tell(&format!("{accounts} accounts"));
        let load_plan = LoadPlan {
            chain_id: L2_CHAIN_ID,
            transactions: plan.transactions,
            senders: SENDERS,
            recipients: *accounts,
            seed: plan.seed,
        };
        let load = load_plan.sign();
        let funded = [load.senders.clone(), load_plan.recipients()].concat();
        let requests = Requests::send_raw(&load.transfers, Mode::Batch100.per_request());
        recover_us.push(recover::cost_us(&load.transfers)?);
        let mut runs = Vec::new();
        for _ in 0..plan.runs {
            let attempt = Attempt {
                side: Side::Ours,
                genesis,
                accounts: &funded,
                more: &more,
                load: &load,
                requests: &requests,
                connections: WRITERS,
            };
            let run = attempt.run(tell).await?;
            tell(&run.to_string());
            runs.push(run);
        }
        sizes.push(Size {
            accounts: *accounts,
            cpu_us_per_tx: sample::middle(runs.iter().map(|run| run.cpu_us_per_tx).collect()),
            tx_per_second: sample::middle(runs.iter().map(|run| run.tx_per_second).collect()),
            memory_peak_mib: runs
                .iter()
                .map(|run| run.memory_peak_mib)
                .max()
                .unwrap_or_default(),
        });
    }
    let (first, last) = sizes.first().zip(sizes.last()).ok_or_eyre("no size was given")?;
    Ok(Report {
        largest_over_smallest: last.cpu_us_per_tx / first.cpu_us_per_tx,
        sizes,
        recover_us: sample::middle(recover_us),
        cache_mib: plan.cache_mib,
        transactions: plan.transactions,
        runs: plan.runs,
        genesis,
        load_average,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cache = self
            .cache_mib
            .map_or("as shipped".to_owned(), |mib| format!("{mib} MiB"));
        writeln!(
            f,
            "{} transfers in batches of 100, medians of {} runs, state cache {cache}, load average {}\n",
            self.transactions, self.runs, self.load_average
        )?;
        writeln!(
            f,
            "| accounts | CPU, us/tx | tx/s | memory, MiB |\n| --: | --: | --: | --: |"
        )?;
        for size in &self.sizes {
            writeln!(
                f,
                "| {} | {:.1} | {:.0} | {} |",
                size.accounts, size.cpu_us_per_tx, size.tx_per_second, size.memory_peak_mib
            )?;
        }
        write!(
            f,
            "\nlargest over smallest: {:.2}; recovering a sender {:.1} us of it",
            self.largest_over_smallest, self.recover_us
        )
    }
}
