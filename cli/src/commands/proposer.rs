//! `tributary proposer`: output roots of finalized blocks to the dispute game factory.

use super::shared::{ChainArgs, LogArgs, duration};
use crate::{devnet::l1, health, keys, telemetry};
use alloy::primitives::Address;
use clap::Args;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tributary_batcher::{
    l1::{Account, BlobProofs, FeeLimits, RpcL1, Submitter},
    node::NodeClient,
    proposer::{Proposer, ProposerConfig},
};

/// Propose output roots of what is derived from L1.
///
/// Only finalized blocks are proposed: what the node has derived itself, from L1 blocks that cannot be replaced. Nothing is proposed
/// while the root has not changed.
#[derive(Args, Debug)]
pub(crate) struct ProposerArgs {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    pub(crate) chain: ChainArgs,
    /// JSON-RPC endpoint of the node whose finalized head is proposed.
    #[arg(long, env = "TRIBUTARY_NODE_RPC", value_name = "URL")]
    pub(crate) node_rpc: String,
    /// File with the proposer's private key (64 hex digits, mode 600).
    #[arg(long, env = "TRIBUTARY_PROPOSER_KEY_FILE", value_name = "FILE")]
    pub(crate) proposer_key_file: PathBuf,
    /// The dispute game factory on L1.
    #[arg(long, env = "TRIBUTARY_DISPUTE_GAME_FACTORY", value_name = "ADDRESS")]
    pub(crate) dispute_game_factory: Address,
    /// Game type of a proposal.
    #[arg(long, env = "TRIBUTARY_GAME_TYPE", default_value_t = 1)]
    pub(crate) game_type: u32,
    /// Time between two proposals.
    #[arg(long, env = "TRIBUTARY_PROPOSAL_INTERVAL", value_parser = duration, default_value = "1h")]
    pub(crate) proposal_interval: Duration,
    /// Propose the safe head instead of the finalized one. A root that an L1 reorg leaves behind halts the nodes that watch for it.
    #[arg(long, env = "TRIBUTARY_ALLOW_NON_FINALIZED")]
    pub(crate) allow_non_finalized: bool,
    /// Time after which an L1 transaction that was not mined is replaced by one that pays more.
    #[arg(long, env = "TRIBUTARY_RESUBMISSION_TIMEOUT", value_parser = duration, default_value = "48s")]
    pub(crate) resubmission_timeout: Duration,
    /// Address of /livez, /readyz and /metrics.
    #[arg(long, env = "TRIBUTARY_METRICS_ADDR", default_value = "127.0.0.1:7302")]
    pub(crate) metrics_addr: SocketAddr,
}

/// Runs the proposer until a signal.
pub(crate) async fn run(args: ProposerArgs) -> eyre::Result<()> {
    args.log.init()?;
    let metrics = telemetry::init_metrics()?;
    let shutdown = telemetry::shutdown_on_signal()?;
    let rollup = args.chain.rollup()?;
    let signer = keys::load(&args.proposer_key_file, "proposer-key-file", rollup.l1_chain_id)?;
    let provider = l1::provider(&args.chain.l1_rpc)?;
    let l1 = RpcL1::connect(provider, rollup.l1_chain_id).await?;
    let account = Account::new(signer, rollup.l1_chain_id, BlobProofs::default());
    let submitter = Submitter::new(l1, account, FeeLimits::default(), args.resubmission_timeout);
    let config = ProposerConfig {
        factory: args.dispute_game_factory,
        game_type: args.game_type,
        interval: args.proposal_interval,
        allow_non_finalized: args.allow_non_finalized,
    };
    let proposer = Proposer::new(config, NodeClient::new(&args.node_rpc)?, submitter);
    let status = proposer.status();
    let readiness: health::Readiness = Arc::new(move || status.borrow().problem.clone());
    health::serve(
        args.metrics_addr,
        health::router(metrics, readiness),
        shutdown.clone(),
    )
    .await?;
    proposer.run(shutdown).await;
    Ok(())
}
