//! `tributary bench latency`, `reads`, `soak`, `state`, `memory` and `crash`: what a running node does under load.

use super::{tell, write};
use crate::bench::{crash, latency, memory, reads, soak, state};
use clap::Args;
use eyre::ensure;
use serde::Serialize;
use std::{fmt::Display, net::SocketAddr, path::PathBuf};

/// Where a load's rate comes from, and its seed.
#[derive(Args, Debug)]
pub(crate) struct RateArgs {
    /// Transfers a second taken for saturation; without it the un-batched rate of `bench e2e` is measured first.
    #[arg(long, value_name = "TX_PER_SECOND")]
    pub(crate) saturation: Option<f64>,
    /// Transfers of that measurement.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub(crate) transactions: u32,
    /// Seed of keys and recipients.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// End with one JSON object on standard output; the table goes to standard error.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How long a durable receipt takes: idle, at 50 % and at 80 % of saturation, by an open loop.
#[derive(Args, Debug)]
pub(crate) struct LatencyArgs {
    #[command(flatten)]
    pub(crate) rate: RateArgs,
    /// Seconds at each part of saturation.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) connections: u16,
    /// Parts of saturation in per cent, beside 50 and 80, for the curve.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 25, 65, 90], value_parser = clap::value_parser!(u8).range(1..=200))]
    pub(crate) more_percent: Vec<u8>,
    /// Folder for latency.svg, the curve.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
}

/// What 64 readers do to a writer at half of saturation, and how fast they read beside a bare axum.
#[derive(Args, Debug)]
pub(crate) struct ReadsArgs {
    #[command(flatten)]
    pub(crate) rate: RateArgs,
    /// Seconds of each part.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
}

/// Minutes at 70 % of saturation: speed, CPU, memory and disk of each.
#[derive(Args, Debug)]
pub(crate) struct SoakArgs {
    #[command(flatten)]
    pub(crate) rate: RateArgs,
    /// How long.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=120))]
    pub(crate) minutes: u64,
    /// Folder for soak.svg, the minutes.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
}

/// What a transfer costs as the state grows.
///
/// Accounts go straight into the node's store, without a genesis file; ten million of them take some gigabytes of disk and of memory.
#[derive(Args, Debug)]
pub(crate) struct StateArgs {
    /// Accounts in the state, ascending.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 1_000_000, 10_000_000], value_parser = clap::value_parser!(u32).range(1..=20_000_000))]
    pub(crate) accounts: Vec<u32>,
    /// Transfers of each run.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub(crate) transactions: u32,
    /// Runs of each size.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
    pub(crate) runs: u8,
    /// Folder for state.svg, cost over accounts.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Seed of keys and recipients.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// End with one JSON object on standard output; the table goes to standard error.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A state larger than the node's cache, beside the same state in a cache that holds it; and bytes of an account and of a pending transaction.
#[derive(Args, Debug)]
pub(crate) struct MemoryArgs {
    /// MiB the smaller cache has (the node's --state-cache-mib).
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(16..=1 << 20))]
    pub(crate) cache_mib: u64,
    /// Accounts in the state.
    #[arg(long, default_value_t = 3_000_000, value_parser = clap::value_parser!(u32).range(50_000..=20_000_000))]
    pub(crate) accounts: u32,
    /// Transfers of each run.
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub(crate) transactions: u32,
    /// Runs of each node, in turn.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
    pub(crate) pairs: u8,
    /// Transfers sent into the pool of a node with small blocks.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    pub(crate) pending: u32,
    /// Seed of keys and recipients.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// End with one JSON object on standard output; the table goes to standard error.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Kill -9 under load: every receipt that was given must hold after the restart.
#[derive(Args, Debug)]
pub(crate) struct CrashArgs {
    /// How often.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) kills: u32,
    /// Seed of keys and moments.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// End with one JSON object on standard output; the result goes to standard error.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The process in which `bench memory` looks at a store.
#[derive(Args, Debug)]
pub(crate) struct AccountBytesArgs {
    /// The store, which no node has open.
    #[arg(long)]
    pub(crate) store: PathBuf,
    /// Accounts in it.
    #[arg(long)]
    pub(crate) accounts: usize,
    /// Seed they were made from.
    #[arg(long)]
    pub(crate) seed: u64,
}

/// The server that `bench reads` compares with.
#[derive(Args, Debug)]
pub(crate) struct BareServerArgs {
    /// Where it listens.
    #[arg(long)]
    pub(crate) addr: SocketAddr,
}

pub(super) async fn latency(args: LatencyArgs) -> eyre::Result<()> {
    let plan = latency::Plan {
        seconds: args.seconds,
        saturation: args.rate.saturation,
        transactions: usize::try_from(args.rate.transactions)?,
        connections: usize::from(args.connections),
        more_percent: args.more_percent,
        seed: args.rate.seed,
    };
    let report = latency::run(&plan, &progress).await?;
    if let Some(folder) = &args.out {
        write(folder, "latency.svg", &latency::chart(&report))?;
    }
    finish(args.rate.json, &report)
}

pub(super) async fn reads(args: ReadsArgs) -> eyre::Result<()> {
    let plan = reads::Plan {
        seconds: args.seconds,
        saturation: args.rate.saturation,
        transactions: usize::try_from(args.rate.transactions)?,
        seed: args.rate.seed,
    };
    finish(args.rate.json, &reads::run(&plan, &progress).await?)
}

pub(super) async fn soak(args: SoakArgs) -> eyre::Result<()> {
    let plan = soak::Plan {
        minutes: args.minutes,
        saturation: args.rate.saturation,
        transactions: usize::try_from(args.rate.transactions)?,
        seed: args.rate.seed,
    };
    let report = soak::run(&plan, &progress).await?;
    if let Some(folder) = &args.out {
        write(folder, "soak.svg", &soak::chart(&report))?;
    }
    finish(args.rate.json, &report)
}

pub(super) async fn state(args: StateArgs) -> eyre::Result<()> {
    ensure!(args.accounts.is_sorted(), "--accounts must be ascending");
    let accounts = args.accounts.iter().map(|count| usize::try_from(*count));
    let plan = state::Plan {
        accounts: accounts.collect::<Result<_, _>>()?,
        transactions: usize::try_from(args.transactions)?,
        runs: usize::from(args.runs),
        seed: args.seed,
    };
    let report = state::run(&plan, &progress).await?;
    if let Some(folder) = &args.out {
        write(folder, "state.svg", &state::chart(&report))?;
    }
    finish(args.json, &report)
}

pub(super) async fn memory(args: MemoryArgs) -> eyre::Result<()> {
    let plan = memory::Plan {
        cache_mib: args.cache_mib,
        accounts: usize::try_from(args.accounts)?,
        transactions: usize::try_from(args.transactions)?,
        pairs: usize::from(args.pairs),
        pending: usize::try_from(args.pending)?,
        seed: args.seed,
    };
    finish(args.json, &memory::run(&plan, &progress).await?)
}

pub(super) fn account_bytes(args: &AccountBytesArgs) -> eyre::Result<()> {
    let bytes = memory::bytes_per_account(&args.store, args.accounts, args.seed)?;
    println!("{}", serde_json::to_string(&bytes)?);
    Ok(())
}

pub(super) async fn crash(args: CrashArgs) -> eyre::Result<()> {
    let plan = crash::Plan {
        kills: args.kills,
        seed: args.seed,
    };
    finish(args.json, &crash::run(&plan, &progress).await?)
}

pub(super) fn progress(step: &str) {
    eprintln!("  {step}");
}

pub(super) fn finish<R: Display + Serialize>(json: bool, report: &R) -> eyre::Result<()> {
    tell(json, &report.to_string(), &serde_json::to_string(report)?);
    Ok(())
}
