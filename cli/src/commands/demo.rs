//! `tributary demo`.

use crate::{
    demo::{self, Progress, Scenario, from_csv, generated},
    devnet::{Devnet, Options, ports::Ports},
};
use clap::Args;
use eyre::{Context, OptionExt, bail};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// Replay inferences on a rollup of its own, then derive everything again from L1 and DA alone and compare.
///
/// Brings L1, DA, sequencer, batcher, proposer, follower and indexer up on free loopback ports in a temporary folder. Registers 64
/// models, 256 adapters, 1,000 payers and 10,000 contributions, records the inferences, waits until they are safe, stops everything
/// but L1 and DA, and starts a fresh follower that has only rollup.json, the L1 RPC and the DA endpoint. Exits with 0 only if every
/// block hash, every share and every wei agree.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// CSV with TIMESTAMP,ContextTokens,GeneratedTokens; without it a generator of the same shape is used.
    #[arg(long, env = "TRIBUTARY_TRACE", value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Inferences to replay.
    #[arg(long, env = "TRIBUTARY_RECORDS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) records: u64,
    /// Seed of everything that is drawn.
    #[arg(long, env = "TRIBUTARY_SEED", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Contributions each record credits; without it 1 to 5 are drawn.
    #[arg(long, env = "TRIBUTARY_SHARES", value_parser = clap::value_parser!(u32).range(1..=5))]
    pub(crate) shares: Option<u32>,
    /// Records in one transaction.
    #[arg(long, env = "TRIBUTARY_BUNDLE_ROWS", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) bundle_rows: u16,
    /// Stop at the Isthmus fork instead of Jovian.
    #[arg(long, env = "TRIBUTARY_ISTHMUS")]
    pub(crate) isthmus: bool,
    /// Seconds between L2 blocks.
    #[arg(long, env = "TRIBUTARY_BLOCK_TIME", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=2))]
    pub(crate) block_time: u64,
    /// Flip one byte of one DA payload before the fresh follower reads it; the demo must then fail and name it.
    #[arg(long)]
    pub(crate) tamper: bool,
    /// While records are sent: kill -9 sequencer, batcher and follower, take the DA server away, let L1 take blocks back.
    #[arg(long, conflicts_with = "tamper")]
    pub(crate) chaos: bool,
    /// End with one JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep the folder with logs and data, and say where it is.
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Runs the demo; whatever happens, no process is left.
pub(crate) async fn run(args: DemoArgs) -> eyre::Result<ExitCode> {
    crate::telemetry::init_logs("warn", crate::telemetry::LogFormat::Text)?;
    let count = usize::try_from(args.records)?;
    let inferences = match &args.trace {
        Some(path) => from_csv(path, count)?,
        None => generated(args.seed, count),
    };
    let scenario = Scenario {
        inferences,
        seed: args.seed,
        shares: args.shares,
        bundle_rows: usize::from(args.bundle_rows),
        tamper: args.tamper,
        chaos: args.chaos,
    };
    let folder = tempfile::Builder::new()
        .prefix("tributary-demo-")
        .tempdir()
        .context("no temporary folder")?;
    let folder = if args.keep {
        Folder::Kept(folder.keep())
    } else {
        Folder::Temporary(folder)
    };
    eprintln!(
        "tributary demo: {} records, seed {}, in {}",
        args.records,
        args.seed,
        folder.path().display()
    );

    let shutdown = crate::telemetry::shutdown_on_signal()?;
    let ports = Ports::free()?;
    let verifier_port = Ports::free()?.follower;
    let options = Options {
        folder: folder.path().to_owned(),
        ports,
        l1_rpc: None,
        jovian: !args.isthmus,
        block_time: args.block_time,
        max_channel_duration: Duration::from_secs(4),
        log_level: "info".to_owned(),
    };
    let mut devnet = None;
    let outcome = tokio::select! {
        outcome = start_and_run(&mut devnet, &options, &scenario, verifier_port) => outcome,
        () = shutdown.cancelled() => Err(eyre::eyre!("interrupted")),
    };
    if let Some(devnet) = devnet {
        devnet.stop_all().await;
    }
    let report = outcome?;
    eprintln!("\n{report}");
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    }
    if report.verifier.derived_blocks != report.safe_head {
        bail!(
            "the follower derived {} blocks of {}",
            report.verifier.derived_blocks,
            report.safe_head
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn start_and_run(
    devnet: &mut Option<Devnet>,
    options: &Options,
    scenario: &Scenario,
    verifier_port: u16,
) -> eyre::Result<demo::Report> {
    let tell = |step: &str| eprintln!("  {step}");
    *devnet = Some(Devnet::prepare(options, &tell).await?);
    let devnet = devnet.as_mut().ok_or_eyre("the devnet was just prepared")?;
    devnet.start_all(&tell).await?;
    demo::run(devnet, scenario, verifier_port, &Progress::new()).await
}

/// The demo's folder, removed at the end unless it is to be kept.
enum Folder {
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }
}
