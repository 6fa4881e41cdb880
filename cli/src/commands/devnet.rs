//! `tributary devnet`.

use super::shared::duration;
use crate::devnet::{
    Devnet, Options, folder,
    ports::Ports,
    status::{StatusLine, UPDATE_INTERVAL, banner},
};
use clap::Args;
use eyre::Context;
use std::{path::PathBuf, time::Duration};
use tributary_batcher::node::NodeClient;

/// Run a whole rollup on this machine.
///
/// Starts L1 (anvil), deploys the contracts, and starts DA server, sequencer, batcher, proposer, follower and indexer, each as a
/// process of its own. Prints what a wallet needs, then one line that follows the heads. Ctrl-C stops everything; without --data-dir
/// no file is left either.
#[derive(Args, Debug)]
pub(crate) struct DevnetArgs {
    /// Keep the chain in this folder, and go on with it next time.
    #[arg(long, env = "TRIBUTARY_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Start anew: remove what --data-dir holds, if a devnet wrote all of it.
    #[arg(long, requires = "data_dir")]
    pub(crate) reset: bool,
    /// Use an L1 that already runs instead of starting anvil; its development accounts must be funded.
    #[arg(long, env = "TRIBUTARY_L1_RPC", value_name = "URL")]
    pub(crate) l1_rpc: Option<String>,
    /// Use any free ports instead of the well-known ones.
    #[arg(long)]
    pub(crate) free_ports: bool,
    /// Stop at the Isthmus fork instead of Jovian.
    #[arg(long, env = "TRIBUTARY_ISTHMUS")]
    pub(crate) isthmus: bool,
    /// Seconds between L2 blocks.
    #[arg(long, env = "TRIBUTARY_BLOCK_TIME", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=2))]
    pub(crate) block_time: u64,
    /// Longest time a channel of the batcher stays open.
    #[arg(long, env = "TRIBUTARY_MAX_CHANNEL_DURATION", value_parser = duration, default_value = "6s")]
    pub(crate) max_channel_duration: Duration,
    /// What the roles log into their files.
    #[arg(
        long,
        env = "TRIBUTARY_LOG_LEVEL",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub(crate) log_level: String,
}

/// Runs the devnet until a signal, or until a process ends that should not.
pub(crate) async fn run(args: DevnetArgs) -> eyre::Result<()> {
    crate::telemetry::init_logs("warn", crate::telemetry::LogFormat::Text)?;
    let shutdown = crate::telemetry::shutdown_on_signal()?;
    let temporary = tempfile::Builder::new()
        .prefix("tributary-devnet-")
        .tempdir()
        .context("no temporary folder")?;
    let folder = args
        .data_dir
        .clone()
        .unwrap_or_else(|| temporary.path().to_owned());
    if args.reset {
        folder::reset(&folder)?;
    }
    let options = Options {
        folder,
        ports: if args.free_ports {
            Ports::free()?
        } else {
            Ports::well_known()?
        },
        l1_rpc: args.l1_rpc,
        jovian: !args.isthmus,
        block_time: args.block_time,
        max_channel_duration: args.max_channel_duration,
        log_level: args.log_level,
    };
    let mut devnet = None;
    let outcome = tokio::select! {
        outcome = start_and_watch(&mut devnet, &options) => outcome,
        () = shutdown.cancelled() => Ok(()),
    };
    if let Some(devnet) = devnet {
        eprintln!("\n  stopping");
        devnet.stop_all().await;
    }
    outcome
}

async fn start_and_watch(slot: &mut Option<Devnet>, options: &Options) -> eyre::Result<()> {
    let tell = |step: &str| eprintln!("  {step}");
    let devnet = slot.insert(Devnet::prepare(options, &tell).await?);
    devnet.start_all(&tell).await?;
    println!("{}", banner(devnet));
    let mut line = StatusLine::new(NodeClient::new(&devnet.urls.sequencer)?);
    loop {
        line.update().await;
        devnet.check_running()?;
        tokio::time::sleep(UPDATE_INTERVAL).await;
    }
}
