//! `tributary indexer`: blocks, posted batches and records into SQL, out over REST; the status page.

use super::shared::{ChainArgs, LogArgs, duration};
use crate::telemetry;
use clap::Args;
use eyre::Context;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tributary_indexer::{Indexer, IndexerConfig};

/// Follow the chain and L1 into a SQLite database; serve /v1/… and the status page.
///
/// Everything in the database can be built again from the node, L1 and DA; deleting it loses nothing.
#[derive(Args, Debug)]
pub(crate) struct IndexerArgs {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    pub(crate) chain: ChainArgs,
    /// JSON-RPC endpoint of a node of the chain.
    #[arg(long, env = "TRIBUTARY_NODE_RPC", value_name = "URL")]
    pub(crate) node_rpc: String,
    /// DA servers to read payloads from, tried in order.
    #[arg(long, env = "TRIBUTARY_DA_URL", value_name = "URL", required = true)]
    pub(crate) da_url: Vec<String>,
    /// The SQLite file; created if it is not there.
    #[arg(long, env = "TRIBUTARY_DATABASE", value_name = "FILE")]
    pub(crate) database: PathBuf,
    /// Address of the page, /v1/…, /livez, /readyz and /metrics.
    #[arg(long, env = "TRIBUTARY_HTTP_ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) http_addr: SocketAddr,
    /// Pause before node and L1 are asked again once they have nothing new.
    #[arg(long, env = "TRIBUTARY_POLL_INTERVAL", value_parser = duration, default_value = "500ms")]
    pub(crate) poll_interval: Duration,
}

/// Runs the indexer until a signal.
pub(crate) async fn run(args: IndexerArgs) -> eyre::Result<()> {
    args.log.init()?;
    let metrics = telemetry::init_metrics()?;
    let shutdown = telemetry::shutdown_on_signal()?;
    let url = |flag: &str, text: &str| {
        text.parse()
            .with_context(|| format!("{flag} `{text}` is not a URL"))
    };
    let config = IndexerConfig {
        node_rpc: url("--node-rpc", &args.node_rpc)?,
        l1_rpc: url("--l1-rpc", &args.chain.l1_rpc)?,
        da: Arc::new(super::da::client(&args.da_url).context("--da-url")?),
        database: args.database,
        http_addr: args.http_addr,
        rollup: args.chain.rollup()?,
        poll_interval: args.poll_interval,
        metrics: Arc::new(move || metrics.render()),
    };
    let running = Indexer::start(config, shutdown).await?;
    tracing::info!(address = %running.local_addr, "serving");
    running.join.await??;
    Ok(())
}
