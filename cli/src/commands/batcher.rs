//! `tributary batcher`: unsafe blocks into batches, batches to DA, commitments into the inbox.

use super::shared::{ChainArgs, LogArgs, duration};
use crate::{devnet::l1, health, keys, telemetry};
use clap::Args;
use eyre::bail;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tributary_batcher::{
    channel_manager::ChannelPolicy,
    driver::{Batcher, BatcherConfig, check_account},
    l1::{FeeLimits, Submitter},
    node::NodeClient,
};

/// Wei in a gwei.
const GWEI: u128 = 1_000_000_000;

/// Post the chain's batches to DA and anchor them on L1.
///
/// Keeps nothing on disk: after a restart it goes on where L1 and the node say it was.
#[derive(Args, Debug)]
pub(crate) struct BatcherArgs {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    pub(crate) chain: ChainArgs,
    /// JSON-RPC endpoint of the node whose blocks are posted.
    #[arg(long, env = "TRIBUTARY_NODE_RPC", value_name = "URL")]
    pub(crate) node_rpc: String,
    /// DA server that takes the payloads.
    #[arg(long, env = "TRIBUTARY_DA_URL", value_name = "URL")]
    pub(crate) da_url: String,
    /// File with the batcher's private key (64 hex digits, mode 600).
    #[arg(long, env = "TRIBUTARY_BATCHER_KEY_FILE", value_name = "FILE")]
    pub(crate) batcher_key_file: PathBuf,
    /// Pause between two looks at the node.
    #[arg(long, env = "TRIBUTARY_POLL_INTERVAL", value_parser = duration, default_value = "1s")]
    pub(crate) poll_interval: Duration,
    /// Longest time a channel stays open; longer is cheaper per record and later safe.
    #[arg(long, env = "TRIBUTARY_MAX_CHANNEL_DURATION", value_parser = duration, default_value = "60s")]
    pub(crate) max_channel_duration: Duration,
    /// Batch data before compression above which a channel closes, in bytes.
    #[arg(long, env = "TRIBUTARY_MAX_CHANNEL_BYTES", default_value_t = 4_000_000)]
    pub(crate) max_channel_bytes: usize,
    /// L1 blocks before the end of the sequencing window at which a channel closes early.
    #[arg(long, env = "TRIBUTARY_SUB_SAFETY_MARGIN", default_value_t = 10)]
    pub(crate) sub_safety_margin: u64,
    /// Brotli quality, 0 to 11: 10 saves a few per cent over 5 and costs over ten times the CPU.
    #[arg(long, env = "TRIBUTARY_BROTLI_QUALITY", default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=11))]
    pub(crate) brotli_quality: u8,
    /// Keep payloads off L1 even while the DA server is down (posting then waits).
    #[arg(long, env = "TRIBUTARY_NO_CALLDATA_FAILOVER")]
    pub(crate) no_calldata_failover: bool,
    /// Highest price per L1 gas to offer, in gwei.
    #[arg(long, env = "TRIBUTARY_MAX_FEE_GWEI", default_value_t = 500)]
    pub(crate) max_fee_gwei: u64,
    /// Time after which an L1 transaction that was not mined is replaced by one that pays more.
    #[arg(long, env = "TRIBUTARY_RESUBMISSION_TIMEOUT", value_parser = duration, default_value = "48s")]
    pub(crate) resubmission_timeout: Duration,
    /// Address of /livez, /readyz and /metrics.
    #[arg(long, env = "TRIBUTARY_METRICS_ADDR", default_value = "127.0.0.1:7301")]
    pub(crate) metrics_addr: SocketAddr,
}

/// Runs the batcher until a signal.
pub(crate) async fn run(args: BatcherArgs) -> eyre::Result<()> {
    args.log.init()?;
    let metrics = telemetry::init_metrics()?;
    let shutdown = telemetry::shutdown_on_signal()?;
    let rollup = args.chain.rollup()?;
    let signer = keys::load(&args.batcher_key_file, "batcher-key-file", rollup.l1_chain_id)?;
    let limits = FeeLimits {
        max_fee_per_gas: u128::from(args.max_fee_gwei) * GWEI,
        ..FeeLimits::default()
    };
    let provider = l1::provider(&args.chain.l1_rpc)?;
    let submitter = Submitter::new(
        provider,
        signer,
        rollup.l1_chain_id,
        limits,
        args.resubmission_timeout,
    )
    .await?;
    if let Err(warning) = check_account(submitter.account(), &rollup) {
        tracing::warn!("{warning}");
    }
    if args.max_channel_bytes == 0 {
        bail!("--max-channel-bytes must be at least 1");
    }
    let config = BatcherConfig {
        poll_interval: args.poll_interval,
        policy: ChannelPolicy {
            max_duration: args.max_channel_duration,
            max_input_bytes: args.max_channel_bytes,
            safety_margin_l1_blocks: args.sub_safety_margin,
            seq_window_l1_blocks: rollup.seq_window_size,
        },
        brotli_quality: args.brotli_quality,
        calldata_failover: !args.no_calldata_failover,
    };
    let da = Arc::new(super::da::client(std::slice::from_ref(&args.da_url))?);
    let batcher = Batcher::new(config, rollup, NodeClient::new(&args.node_rpc)?, da, submitter);
    let status = batcher.status();
    let readiness: health::Readiness = Arc::new(move || status.borrow().problem.clone());
    health::serve(
        args.metrics_addr,
        health::router(metrics, readiness),
        shutdown.clone(),
    )
    .await?;
    batcher.run(shutdown).await;
    Ok(())
}
