//! `tributary bench`.

use super::shared::duration;
use crate::{
    bench::cost,
    demo::Progress,
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

/// Runs a measurement.
pub(crate) async fn run(args: BenchArgs) -> eyre::Result<()> {
    crate::telemetry::init_logs("warn", crate::telemetry::LogFormat::Text)?;
    match args.measurement {
        Measurement::Cost(args) => run_cost(args).await,
    }
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
