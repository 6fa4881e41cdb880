//! `tributary bench`.

mod e2e;
mod node;
mod rules;

use self::{
    e2e::E2eArgs,
    node::{
        AccountBytesArgs, BareServerArgs, CrashArgs, LatencyArgs, MemoryArgs, ReadsArgs, SoakArgs, StateArgs,
    },
    rules::{ExecArgs, RootArgs},
};
use super::shared::duration;
use crate::{
    bench::{
        batch::{self, BlocksFile, OursInFile},
        chain::{Chain, Content},
        cost, derive, reads,
    },
    demo::{Progress, from_csv, generated},
    devnet::{Devnet, Options, ports::Ports},
};
use clap::{Args, Subcommand};
use eyre::{Context, OptionExt, ensure};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Measure what the rollup costs and how fast it is.
///
/// docs/benchmarks.md quotes what these commands print.
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) measurement: Measurement,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Measurement {
    Cost(CostArgs),
    E2e(E2eArgs),
    Latency(LatencyArgs),
    Reads(ReadsArgs),
    Soak(SoakArgs),
    State(StateArgs),
    Memory(MemoryArgs),
    Crash(CrashArgs),
    /// Answer every request with a constant (the peer of `bench reads`).
    #[command(hide = true)]
    BareServer(BareServerArgs),
    /// Look at what the accounts of a store take in memory (for `bench memory`).
    #[command(hide = true)]
    AccountBytes(AccountBytesArgs),
    Exec(ExecArgs),
    Root(RootArgs),
    Derive(DeriveArgs),
    Batch(BatchArgs),
}

/// What a record costs on L1, DA and L2 when N of them share a posting window.
///
/// Brings L1, DA, sequencer and batcher up on free loopback ports, offers N records in each window of a fixed length, and reads gas and
/// bytes back from L1 and DA. Only integers are measured; prices are constants that the JSON repeats.
#[derive(Args, Debug)]
pub(crate) struct CostArgs {
    /// Records of each window, ascending.
    #[arg(long, value_delimiter = ',', default_values_t = cost::RECORDS, value_parser = clap::value_parser!(u64).range(1..=200_000))]
    pub(crate) records: Vec<u64>,
    /// Longest time a channel is open: the window. At most 30 s, above which the devnet's sequencing window closes channels.
    #[arg(long, value_parser = duration, default_value = "28s")]
    pub(crate) max_age: Duration,
    /// Seed of everything that is drawn.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Folder for cost.md (the tables), cost.svg (the chart) and cost.json.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// End with one JSON object on standard output; the tables go to standard error.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What the blocks of a chain in memory hold.
#[derive(Args, Debug)]
pub(crate) struct ContentArgs {
    /// CSV with TIMESTAMP,ContextTokens,GeneratedTokens; without it a generator of the same shape is used.
    #[arg(long, env = "TRIBUTARY_TRACE", value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Inferences: by default as many as Azure's trace of 2023 has.
    #[arg(long, default_value_t = 19_366, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) records: u32,
    /// Records in one transaction.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) bundle_rows: u16,
    /// Plain transfers instead of records.
    #[arg(long)]
    pub(crate) transfers: bool,
    /// Transactions in one block of a second: by default about the rate of Azure's trace.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) block_transactions: u16,
    /// Bytes of transactions after which a channel closes.
    #[arg(long, default_value_t = 4_000_000)]
    pub(crate) channel_bytes: usize,
    /// Seed of everything that is drawn.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

impl ContentArgs {
    fn content(&self) -> eyre::Result<Content> {
        let count = usize::try_from(self.records)?;
        Ok(Content {
            inferences: match &self.trace {
                Some(path) => from_csv(path, count)?,
                None => generated(self.seed, count),
            },
            seed: self.seed,
            bundle_rows: usize::from(self.bundle_rows),
            transfers: self.transfers,
            block_transactions: usize::from(self.block_transactions),
            channel_bytes: self.channel_bytes,
        })
    }
}

/// How fast L1 and DA data become blocks again, with and without executing them.
///
/// Builds a chain of attribution records in memory, batches it, and derives all of it with the pipeline every node has, on one thread.
#[derive(Args, Debug)]
pub(crate) struct DeriveArgs {
    #[command(flatten)]
    pub(crate) content: ContentArgs,
    /// End with one JSON object on standard output; the table goes to standard error.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Bytes per transaction and CPU of span and singular batches under zlib and brotli.
///
/// `make bench-batch` puts kona's encoder beside it, on the same blocks.
#[derive(Args, Debug)]
pub(crate) struct BatchArgs {
    #[command(flatten)]
    pub(crate) content: ContentArgs,
    /// File for the blocks and for what became of them, for another encoder to read.
    #[arg(long, value_name = "FILE")]
    pub(crate) blocks_out: Option<PathBuf>,
    /// End with one JSON object on standard output; the table goes to standard error.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Runs a measurement.
pub(crate) async fn run(args: BenchArgs) -> eyre::Result<()> {
    crate::telemetry::init_logs("warn", crate::telemetry::LogFormat::Text)?;
    match args.measurement {
        Measurement::Cost(args) => run_cost(args).await,
        Measurement::E2e(args) => e2e::run(args).await,
        Measurement::Latency(args) => node::latency(args).await,
        Measurement::Reads(args) => node::reads(args).await,
        Measurement::Soak(args) => node::soak(args).await,
        Measurement::State(args) => node::state(args).await,
        Measurement::Memory(args) => node::memory(args).await,
        Measurement::Exec(args) => rules::exec(&args),
        Measurement::Root(args) => rules::root(&args),
        Measurement::Crash(args) => node::crash(args).await,
        Measurement::AccountBytes(args) => node::account_bytes(&args),
        Measurement::BareServer(args) => reads::serve_bare(args.addr).await,
        Measurement::Derive(args) => {
            let report = derive::run(&args.content.content()?, &node::progress)?;
            tell(args.json, &report.to_string(), &serde_json::to_string(&report)?);
            Ok(())
        }
        Measurement::Batch(args) => run_batch(&args),
    }
}

fn run_batch(args: &BatchArgs) -> eyre::Result<()> {
    eprintln!("  building the chain in memory");
    let chain = Chain::new(&args.content.content()?)?;
    let mut file = args.blocks_out.as_ref().map(|_| BlocksFile::new(&chain));
    let report = batch::run(&chain, |measured, channels| {
        eprintln!("  {} {}", measured.batch, measured.compression);
        if let Some(file) = &mut file {
            file.ours.push(OursInFile::new(measured, channels));
        }
    })?;
    if let (Some(path), Some(file)) = (&args.blocks_out, &file) {
        let json = serde_json::to_vec(file)?;
        std::fs::write(path, json)
            .with_context(|| format!("cannot write {} (--blocks-out)", path.display()))?;
    }
    tell(args.json, &report.to_string(), &serde_json::to_string(&report)?);
    Ok(())
}

/// A result with what must be known to judge it.
#[derive(Serialize)]
struct CostReport {
    #[serde(flatten)]
    curve: cost::Curve,
    seed: u64,
    max_age_secs: f64,
    bundle_interval_secs: f64,
    wall_seconds: f64,
}

async fn run_cost(args: CostArgs) -> eyre::Result<()> {
    ensure!(args.records.is_sorted(), "--records must be ascending");
    let allowed = Duration::from_secs(5)..=Duration::from_secs(30);
    ensure!(
        allowed.contains(&args.max_age),
        "--max-age must be between 5s and 30s"
    );
    let started = Instant::now();
    let sweep = cost::Sweep {
        records: args.records,
        seed: args.seed,
        max_age: args.max_age,
    };
    let curve = on_a_devnet(&sweep).await?;
    let report = CostReport {
        curve,
        seed: args.seed,
        max_age_secs: args.max_age.as_secs_f64(),
        bundle_interval_secs: cost::BUNDLE_INTERVAL.as_secs_f64(),
        wall_seconds: started.elapsed().as_secs_f64(),
    };
    let json = serde_json::to_string(&report)?;
    if let Some(folder) = &args.out {
        write(folder, "cost.md", &report.curve.to_string())?;
        write(folder, "cost.svg", &cost::chart(&report.curve))?;
        write(folder, "cost.json", &json)?;
    }
    tell(args.json, &report.curve.to_string(), &json);
    Ok(())
}

/// Measures on a devnet of its own; whatever happens, no process and no file is left.
async fn on_a_devnet(sweep: &cost::Sweep) -> eyre::Result<cost::Curve> {
    let folder = tempfile::Builder::new()
        .prefix("tributary-bench-")
        .tempdir()
        .context("no temporary folder")?;
    let shutdown = crate::telemetry::shutdown_on_signal()?;
    let options = Options {
        folder: folder.path().to_owned(),
        ports: Ports::free()?,
        l1_rpc: None,
        jovian: true,
        block_time: 1,
        // For the set-up, which need not wait.
        max_channel_duration: Duration::from_secs(1),
        log_level: "info".to_owned(),
    };
    let mut devnet = None;
    let measured = async {
        devnet = Some(Devnet::prepare(&options, &|step| eprintln!("  {step}")).await?);
        let devnet = devnet.as_mut().ok_or_eyre("the devnet was just prepared")?;
        cost::run(devnet, &options, sweep, &Progress::new()).await
    };
    let outcome = tokio::select! {
        outcome = measured => outcome,
        () = shutdown.cancelled() => Err(eyre::eyre!("interrupted")),
    };
    if let Some(devnet) = devnet {
        devnet.stop_all().await;
    }
    outcome
}

/// The text for people on standard output, unless a machine reads there.
fn tell(json_wanted: bool, text: &str, json: &str) {
    if json_wanted {
        eprintln!("\n{text}");
        println!("{json}");
    } else {
        println!("{text}");
    }
}

fn write(folder: &Path, name: &str, text: &str) -> eyre::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {} (--out)", folder.display()))?;
    let path = folder.join(name);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
