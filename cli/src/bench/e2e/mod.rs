//! Transfers a second from signed bytes to receipts of committed blocks, ours and anvil's, in one run on one machine.
//!
//! ```text
//!  for each pair, the order changing:   side x mode
//!    fresh processes -> requests (rendered before) -> blocks counted -> verified -> CPU read -> every receipt read
//! ```
//! A ratio is the median of the pairs' ratios. CPU is that of the node's process, from the first request until every block is committed,
//! executed once more and settled.

mod full;
mod report;
mod run;

pub(crate) use self::{
    report::Report,
    run::{Mode, Run, measure, wait_until_committed},
};

use crate::{
    bench::{
        rig::{
            Genesis,
            load::{Load, LoadPlan, Requests},
            recover,
            side::{Running, Side},
        },
        sample,
    },
    devnet::L2_CHAIN_ID,
};
use alloy::primitives::Address;
use std::{collections::BTreeMap, time::Duration};

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
    /// Transfers of the part with all roles under the shipped rollup.json; 0 leaves it out.
    pub(crate) full_transactions: usize,
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
        Genesis::unlimited(self.transactions)
    }
}

/// Runs the whole plan. `tell` hears of each run as it ends.
pub(crate) async fn run(plan: &Plan, tell: &dyn Fn(&str)) -> eyre::Result<Report> {
    let load_average = sample::begin(tell, about(plan));
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
                let attempt = Attempt {
                    side,
                    genesis: plan.genesis(),
                    accounts: &load.senders,
                    more: &[],
                    load: &load,
                    requests: &requests[mode],
                    connections: plan.connections,
                };
                let measured = attempt.run(tell).await?;
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
    let full = match plan.full_transactions {
        0 => None,
        count => Some(full::run(count, plan.seed, tell).await?),
    };
    Ok(Report {
        full,
        ..Report::new(plan, plan.genesis(), load_average, recover_us, runs)
    })
}

/// Signing, then for each measurement the transfers at some thousands a second with a start and an end around them.
fn about(plan: &Plan) -> Duration {
    let runs = plan.pairs * plan.modes.len() * plan.sides.len();
    let seconds = plan.transactions / 25_000 + runs * (plan.transactions / 4_000 + 12);
    Duration::from_secs((seconds + plan.full_transactions / 800) as u64)
}

/// One measurement of one side.
pub(crate) struct Attempt<'a> {
    pub(crate) side: Side,
    pub(crate) genesis: Genesis,
    /// Accounts with funds in block 0; the senders are among them.
    pub(crate) accounts: &'a [Address],
    /// Flags for our sequencer.
    pub(crate) more: &'a [&'a str],
    pub(crate) load: &'a Load,
    pub(crate) requests: &'a Requests,
    pub(crate) connections: usize,
}

impl Attempt<'_> {
    /// Starts the side afresh, measures it once, and stops it.
    pub(crate) async fn run(&self, tell: &dyn Fn(&str)) -> eyre::Result<Run> {
        let folder = tempfile::Builder::new().prefix("tributary-bench-").tempdir()?;
        let running =
            Running::start(self.side, &self.genesis, self.accounts, folder.path(), self.more).await?;
        tell(&format!("{} runs as process {}", self.side, running.id));
        let measured = tokio::task::block_in_place(|| {
            run::measure(&running, self.load, self.requests, self.connections)
        });
        running.stop().await;
        measured
    }
}

/// Our transfers a second, un-batched, until the last is committed: the saturation that other measurements load a node to a part of.
/// `given` stands for it where it is known.
pub(crate) async fn saturation(
    given: Option<f64>,
    plan: LoadPlan,
    connections: usize,
    tell: &dyn Fn(&str),
) -> eyre::Result<f64> {
    if let Some(given) = given {
        return Ok(given);
    }
    let load = &plan.sign();
    let attempt = Attempt {
        side: Side::Ours,
        genesis: Genesis::unlimited(load.transfers.len()),
        accounts: &load.senders,
        more: &[],
        load,
        requests: &Requests::send_raw(&load.transfers, 1),
        connections,
    };
    let run = attempt.run(tell).await?;
    tell(&run.to_string());
    Ok(run.tx_per_second)
}
