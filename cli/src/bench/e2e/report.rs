//! What a plan gave, for people and for machines.

use super::{Mode, Plan, Run, full::Full};
use crate::bench::{
    rig::{Genesis, side::Side},
    sample::{self, LOAD_AVERAGE_QUIET},
};
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// A number for each mode that was run.
type ByMode = BTreeMap<&'static str, f64>;

/// All runs, and what follows from them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// Median over the pairs of our transfers a second over anvil's.
    pub(crate) ratio: ByMode,
    /// CPU of our node's process per transfer: medians.
    pub(crate) cpu_us_per_tx: ByMode,
    /// CPU of recovering one sender with libsecp256k1 in this process: the median of those before each pair.
    pub(crate) recover_us: f64,
    /// The former over the latter.
    pub(crate) cpu_over_recover: ByMode,
    /// Medians of each side.
    pub(crate) tx_per_second: BTreeMap<Side, ByMode>,
    pub(crate) anvil_cpu_us_per_tx: ByMode,
    /// From the first request until a fresh executor had executed the last block.
    pub(crate) verified_tx_per_second: ByMode,
    pub(crate) transactions: usize,
    pub(crate) senders: usize,
    pub(crate) recipients: usize,
    pub(crate) seed: u64,
    pub(crate) pairs: usize,
    pub(crate) connections: usize,
    pub(crate) genesis: Genesis,
    /// Of the minute before the first run.
    pub(crate) load_average: f64,
    /// The machine had other work before the runs or during them: times are worse than they could be, ratios less so.
    pub(crate) loaded: bool,
    pub(crate) full: Option<Full>,
    pub(crate) runs: Vec<Run>,
}

impl Report {
    pub(super) fn new(
        plan: &Plan,
        genesis: Genesis,
        load_average: f64,
        recover_us: Vec<f64>,
        runs: Vec<Run>,
    ) -> Self {
        let of = |side: Side, mode: Mode| {
            runs.iter()
                .filter(move |run| (run.side, run.mode) == (side, mode))
        };
        let by_mode = |values: &dyn Fn(Mode) -> Vec<f64>| -> ByMode {
            let modes = plan.modes.iter().map(|mode| (mode.name(), values(*mode)));
            let measured = modes.filter(|(_, values)| !values.is_empty());
            measured
                .map(|(name, values)| (name, sample::middle(values)))
                .collect()
        };
        let ratios = |mode| {
            let pairs = of(Side::Ours, mode).zip(of(Side::Anvil, mode));
            pairs
                .map(|(ours, anvil)| ours.tx_per_second / anvil.tx_per_second)
                .collect()
        };
        let median_of =
            |side, value: &dyn Fn(&Run) -> f64| by_mode(&|mode| of(side, mode).map(value).collect());
        let recover_us = sample::middle(recover_us);
        let cpu_us_per_tx = median_of(Side::Ours, &|run| run.cpu_us_per_tx);
        Self {
            ratio: by_mode(&ratios),
            cpu_over_recover: cpu_us_per_tx
                .iter()
                .map(|(mode, us)| (*mode, us / recover_us))
                .collect(),
            cpu_us_per_tx,
            recover_us,
            tx_per_second: plan
                .sides
                .iter()
                .map(|side| (*side, median_of(*side, &|run| run.tx_per_second)))
                .collect(),
            anvil_cpu_us_per_tx: median_of(Side::Anvil, &|run| run.cpu_us_per_tx),
            verified_tx_per_second: median_of(Side::Ours, &|run| {
                plan.transactions as f64 / run.verified_seconds
            }),
            transactions: plan.transactions,
            senders: plan.senders,
            recipients: plan.recipients,
            seed: plan.seed,
            pairs: plan.pairs,
            connections: plan.connections,
            genesis,
            load_average,
            loaded: load_average > LOAD_AVERAGE_QUIET
                || runs.iter().any(|run| run.foreign_cores > LOAD_AVERAGE_QUIET),
            full: None,
            runs,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let genesis = &self.genesis;
        writeln!(
            f,
            "{} transfers, {} senders, {} recipients, {} pairs, {} connections; block time {} s, gas limit {}, DA footprint scalar {}, \
             load average {}{}\n",
            self.transactions,
            self.senders,
            self.recipients,
            self.pairs,
            self.connections,
            genesis.block_time_secs,
            genesis.gas_limit,
            genesis.da_footprint_gas_scalar,
            self.load_average,
            if self.loaded {
                " (the machine had other work)"
            } else {
                ""
            },
        )?;
        writeln!(
            f,
            "| | ours, tx/s | anvil, tx/s | ratio | ours, CPU us/tx | over recover | anvil, CPU us/tx |"
        )?;
        writeln!(f, "| --- | --: | --: | --: | --: | --: | --: |")?;
        for mode in Mode::ALL.map(Mode::name) {
            let cell = |column: Option<&ByMode>, digits: usize| {
                let value = column.and_then(|column| column.get(mode));
                value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
            };
            writeln!(
                f,
                "| {mode} | {} | {} | {} | {} | {} | {} |",
                cell(self.tx_per_second.get(&Side::Ours), 0),
                cell(self.tx_per_second.get(&Side::Anvil), 0),
                cell(Some(&self.ratio), 2),
                cell(Some(&self.cpu_us_per_tx), 1),
                cell(Some(&self.cpu_over_recover), 2),
                cell(Some(&self.anvil_cpu_us_per_tx), 1),
            )?;
        }
        if let Some(full) = &self.full {
            writeln!(f, "\n{full}")?;
        }
        write!(
            f,
            "\nrecovering a sender with libsecp256k1 costs {:.1} us",
            self.recover_us
        )
    }
}
