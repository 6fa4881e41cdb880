//! `tributary bench e2e`.

use super::tell;
use crate::bench::{
    e2e::{self, Mode, Plan},
    rig::side::Side,
};
use clap::Args;
use eyre::ensure;

/// Transfers a second from signed bytes to receipts of committed blocks, beside anvil in the same run.
///
/// Signs the transfers, starts each side afresh for each measurement, sends everything as fast as it is taken, and counts the receipts.
/// Ratios are medians over interleaved pairs. For profiling: `--only ours --mode http --pairs 1 --transactions 100000`, and
/// `perf record -g -p PID` with the process id it prints.
#[derive(Args, Debug)]
pub(crate) struct E2eArgs {
    /// Peer to measure beside.
    #[arg(long, value_parser = ["anvil"], default_value = "anvil")]
    pub(crate) vs: String,
    /// Only one side: for profiling.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Side>,
    /// Only one way of sending: for profiling.
    #[arg(long, value_enum)]
    pub(crate) mode: Option<Mode>,
    /// Transfers of each measurement.
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub(crate) transactions: u32,
    /// Accounts that send.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) senders: u32,
    /// Accounts that receive.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) recipients: u32,
    /// Measurements of each side and each way of sending.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=50))]
    pub(crate) pairs: u8,
    /// HTTP connections, each with one request under way.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) connections: u16,
    /// Transfers with all roles on under the shipped rollup.json, until they are safe; 0 leaves that out, as --only does.
    #[arg(long, default_value_t = 60_000)]
    pub(crate) full_transactions: u32,
    /// Seed of keys and recipients.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// End with one JSON object on standard output; the table goes to standard error.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Measures and tells.
pub(super) async fn run(args: E2eArgs) -> eyre::Result<()> {
    let plan = Plan {
        transactions: usize::try_from(args.transactions)?,
        senders: usize::try_from(args.senders)?,
        recipients: usize::try_from(args.recipients)?,
        seed: args.seed,
        pairs: usize::from(args.pairs),
        connections: usize::from(args.connections),
        sides: args.only.map_or(vec![Side::Ours, Side::Anvil], |side| vec![side]),
        full_transactions: match args.only {
            Some(_) => 0,
            None => usize::try_from(args.full_transactions)?,
        },
        modes: args.mode.map_or(Mode::ALL.to_vec(), |mode| vec![mode]),
    };
    let under_way = plan.connections * plan.largest_request();
    ensure!(
        under_way <= plan.senders || plan.connections == 1,
        "--connections {} has {under_way} transactions under way, several of one sender; more --senders or fewer connections",
        plan.connections
    );
    let report = e2e::run(&plan, &|step| eprintln!("  {step}")).await?;
    tell(args.json, &report.to_string(), &serde_json::to_string(&report)?);
    Ok(())
}
