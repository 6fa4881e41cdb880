//! `tributary bench exec` and `root`: the rules in this process, without a node.

use super::{
    node::{finish, progress},
    write,
};
use crate::bench::{exec, root};
use clap::Args;
use eyre::ensure;
use std::path::PathBuf;

/// What the executor adds to a bare EVM: the same transfers replayed without signature, root and disk, beside revm.
#[derive(Args, Debug)]
pub(crate) struct ExecArgs {
    /// Transfers.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub(crate) transactions: u32,
    /// Accounts that send.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) senders: u32,
    /// Accounts that receive.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub(crate) recipients: u32,
    /// Transfers in a block.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) block_transactions: u32,
    /// Rounds of both sides.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=50))]
    pub(crate) rounds: u8,
    /// Seed of keys and recipients.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// End with one JSON object on standard output; the table goes to standard error.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a state root costs for each changed account as the state grows, beside hashing alone and a rebuild.
///
/// The whole trie is in memory: ten million accounts take some gigabytes.
#[derive(Args, Debug)]
pub(crate) struct RootArgs {
    /// Accounts in the state, ascending.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000, 10_000_000], value_parser = clap::value_parser!(u32).range(1..=20_000_000))]
    pub(crate) accounts: Vec<u32>,
    /// Accounts a block changes.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) dirty: u32,
    /// Blocks at each size.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) blocks: u16,
    /// Seed of the accounts.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Folder for root.svg, cost over accounts.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// End with one JSON object on standard output; the table goes to standard error.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(super) fn exec(args: &ExecArgs) -> eyre::Result<()> {
    let plan = exec::Plan {
        transactions: usize::try_from(args.transactions)?,
        senders: usize::try_from(args.senders)?,
        recipients: usize::try_from(args.recipients)?,
        block_transactions: usize::try_from(args.block_transactions)?,
        rounds: usize::from(args.rounds),
        seed: args.seed,
    };
    finish(args.json, &exec::run(&plan, &progress)?)
}

pub(super) fn root(args: &RootArgs) -> eyre::Result<()> {
    ensure!(args.accounts.is_sorted(), "--accounts must be ascending");
    let accounts = args.accounts.iter().map(|count| usize::try_from(*count));
    let plan = root::Plan {
        accounts: accounts.collect::<Result<_, _>>()?,
        dirty: usize::try_from(args.dirty)?,
        blocks: usize::from(args.blocks),
        seed: args.seed,
    };
    let report = root::run(&plan, &progress)?;
    if let Some(folder) = &args.out {
        write(folder, "root.svg", &root::chart(&report))?;
    }
    finish(args.json, &report)
}
