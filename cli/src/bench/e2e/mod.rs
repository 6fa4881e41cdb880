//! Transfers a second from signed bytes to receipts of committed blocks, ours and anvil's, in one run on one machine.
//!
//! ```text
//!  for each pair, the order changing:   side x mode
//!    fresh processes -> requests (rendered before) -> blocks counted -> verified -> CPU read -> every receipt read
//! ```
//! A ratio is the median of the pairs' ratios. CPU is that of the node's process, from the first request until every block is committed,
//! executed once more and settled.

mod client;
mod load;
mod recover;
mod report;
mod run;
mod side;

pub(crate) use self::{report::Report, run::Mode, side::Side};

use self::{
    load::{Load, LoadPlan, Requests},
    run::Run,
    side::Running,
};
use crate::{bench::sample, devnet::L2_CHAIN_ID};
use serde::Serialize;
use std::collections::BTreeMap;

/// Load average above which the output says that the machine was busy with other things.
const LOAD_AVERAGE_QUIET: f64 = 0.5;

/// What both chains start with, beside the funded senders.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Genesis {
    pub(crate) block_time_secs: u64,
    /// Far above what a second can hold on any machine.
    pub(crate) gas_limit: u64,
    /// Gas of footprint per estimated byte: 1 is the least there is (0 means the default), so that gas decides and not bytes.
    pub(crate) da_footprint_gas_scalar: u16,
    pub(crate) min_base_fee: u64,
    /// Of our pool; anvil's has no bound.
    pub(crate) pool_transactions_max: usize,
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) transactions: usize,
    pub(crate) senders: usize,
    pub(crate) recipients: usize,
    pub(crate) seed: u64,
    pub(crate) pairs: usize,
    pub(crate) connections: usize,
    pub(crate) sides: Vec<Side>,
    pub(crate) modes: Vec<Mode>,
}

impl Plan {
    /// Transfers in a request where there are most.
    pub(crate) fn largest_request(&self) -> usize {
        self.modes
            .iter()
            .map(|mode| mode.per_request())
            .max()
            .unwrap_or(1)
    }

    fn genesis(&self) -> Genesis {
        Genesis {
            block_time_secs: 1,
            gas_limit: 30_000_000_000,
            da_footprint_gas_scalar: 1,
            min_base_fee: 1,
            pool_transactions_max: self.transactions.max(20_000),
        }
    }
}

/// Runs the whole plan. `tell` hears of each run as it ends.
pub(crate) async fn run(plan: &Plan, tell: &dyn Fn(&str)) -> eyre::Result<Report> {
    let load_average = sample::load_average();
    tell(&format!("signing {} transfers", plan.transactions));
    let load = LoadPlan {
        chain_id: L2_CHAIN_ID,
        transactions: plan.transactions,
        senders: plan.senders,
        recipients: plan.recipients,
        seed: plan.seed,
    }
    .sign();
    let requests: BTreeMap<Mode, Requests> = plan
        .modes
        .iter()
        .map(|mode| (*mode, Requests::send_raw(&load.transfers, mode.per_request())))
        .collect();
    let mut runs = Vec::new();
    let mut recover_us = Vec::new();
    for pair in 0..plan.pairs {
        recover_us.push(recover::cost_us(&load.transfers)?);
        for mode in &plan.modes {
            let mut sides = plan.sides.clone();
            if pair % 2 == 1 {
                sides.reverse();
            }
            for side in sides {
                let measured = one(plan, &load, &requests[mode], side, tell).await?;
                let run = Run {
                    pair,
                    mode: *mode,
                    ..measured
                };
                tell(&run.to_string());
                runs.push(run);
            }
        }
    }
    Ok(Report::new(plan, plan.genesis(), load_average, recover_us, runs))
}

/// Starts `side` afresh, measures it once, and stops it.
async fn one(
    plan: &Plan,
    load: &Load,
    requests: &Requests,
    side: Side,
    tell: &dyn Fn(&str),
) -> eyre::Result<Run> {
    let folder = tempfile::Builder::new().prefix("tributary-bench-").tempdir()?;
    let running = Running::start(side, &plan.genesis(), &load.senders, folder.path()).await?;
    tell(&format!("{side} runs as process {}", running.id));
    let measured = tokio::task::block_in_place(|| run::measure(&running, load, requests, plan.connections));
    running.stop().await;
    measured
}
