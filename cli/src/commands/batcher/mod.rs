//! `tributary batcher`: unsafe blocks into batches, batches to DA, commitments into the inbox.

mod admin;
mod encoding;
mod throttle;

pub(crate) use self::admin::{BatcherCommand, METHODS as ADMIN_METHODS};

use self::{
    encoding::EncodingArgs,
    throttle::{RemoteSequencer, ThrottleArgs},
};
use super::shared::{ChainArgs, LogArgs, duration};
use crate::{
    admin::{client::AdminClient, server, token::Secret},
    devnet::l1,
    health, keys, telemetry,
};
use clap::{Args, ValueEnum};
use eyre::{Context, bail};
use std::{
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tributary_batcher::{
    channel_manager::ChannelPolicy,
    dispersal::{DaChoice, Dispersal, L1Destination},
    driver::{Batcher, BatcherConfig},
    journal::{Folder, Journal, JournalChain},
    l1::{Account, BlobProofs, FeeLimits, Poster, PosterSettings, RpcL1},
    node::NodeClient,
    preflight,
};
use tributary_protocol::config::{L1BlobForkName, L1ChainConfig, RollupConfig};

/// Wei in a gwei.
const GWEI: u128 = 1_000_000_000;

/// Exit code when somebody else posts with our key. The systemd unit does not restart on it: a restarted batcher would only do the same.
const EXIT_FOREIGN_NONCE: u8 = 3;

/// Post the chain's batches to DA and anchor them on L1.
///
/// What is begun is in a journal under --data-dir before it has an effect: after a restart, however hard, it goes on with the very
/// transactions it had begun, and nothing is posted twice. L1 is the truth: without the folder it starts after the safe head.
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
    /// Folder of the journal. One process at a time.
    #[arg(long, env = "TRIBUTARY_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
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
    #[command(flatten)]
    pub(crate) encoding: EncodingArgs,
    /// Where channels go.
    #[arg(
        long,
        env = "TRIBUTARY_DATA_AVAILABILITY_TYPE",
        value_enum,
        default_value = "da"
    )]
    pub(crate) data_availability_type: DataAvailabilityType,
    /// Where channels go while the DA server is down; with `none` posting waits for it.
    #[arg(long, env = "TRIBUTARY_DA_FAILOVER", value_enum, default_value = "calldata")]
    pub(crate) da_failover: DaFailover,
    /// Highest price per L1 gas to offer, in gwei.
    #[arg(long, env = "TRIBUTARY_MAX_FEE_GWEI", default_value_t = 500)]
    pub(crate) max_fee_gwei: u64,
    /// Highest price per gas of blobs to offer, in gwei.
    #[arg(long, env = "TRIBUTARY_MAX_BLOB_FEE_GWEI", default_value_t = 100)]
    pub(crate) max_blob_fee_gwei: u64,
    /// Time after which an L1 transaction that was not mined is replaced by one that pays more.
    #[arg(long, env = "TRIBUTARY_RESUBMISSION_TIMEOUT", value_parser = duration, default_value = "48s")]
    pub(crate) resubmission_timeout: Duration,
    /// L1 transactions offered and not yet mined; more wait for their turn.
    #[arg(long, env = "TRIBUTARY_MAX_PENDING_TX", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) max_pending_tx: u8,
    /// Address of /livez, /readyz and /metrics.
    #[arg(long, env = "TRIBUTARY_METRICS_ADDR", default_value = "127.0.0.1:7301")]
    pub(crate) metrics_addr: SocketAddr,
    /// Start stopped; `tributary batcher admin start` lets it begin.
    #[arg(long, env = "TRIBUTARY_STOPPED")]
    pub(crate) stopped: bool,
    /// File with the key of the admin RPC (64 hex digits, mode 600; `openssl rand -hex 32`). Without it there is no admin RPC.
    #[arg(long, env = "TRIBUTARY_ADMIN_JWT_FILE", value_name = "FILE", global = true)]
    pub(crate) admin_jwt_file: Option<PathBuf>,
    /// Address of the batcher's admin RPC, on the loopback interface.
    #[arg(
        long,
        env = "TRIBUTARY_ADMIN_ADDR",
        default_value = "127.0.0.1:7311",
        global = true
    )]
    pub(crate) admin_addr: SocketAddr,
    #[command(flatten)]
    pub(crate) throttle: ThrottleArgs,
}

/// Where channels go. What is posted as blobs only followers with a beacon node can read.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DataAvailabilityType {
    /// To the DA server; L1 gets commitments.
    Da,
    /// To L1, as blobs.
    Blobs,
    /// To L1, as calldata.
    Calldata,
    /// To L1, as blobs or as calldata, whichever is cheaper at the time.
    Auto,
}

/// Where channels go while the DA server is down.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DaFailover {
    /// Nowhere.
    None,
    /// To L1, as blobs.
    Blobs,
    /// To L1, as calldata.
    Calldata,
    /// To L1, as blobs or as calldata, whichever is cheaper at the time.
    Auto,
}

impl BatcherArgs {
    /// Refuses flags that make no sense together.
    fn check(&self) -> eyre::Result<()> {
        if self.max_channel_bytes == 0 {
            bail!("--max-channel-bytes must be at least 1");
        }
        // Not clap's to check: either may stand in the settings file.
        if self.throttle.sequencer_admin_rpc.is_some() && self.admin_jwt_file.is_none() {
            bail!(
                "--sequencer-admin-rpc needs --admin-jwt-file, the key that the sequencer was started with"
            );
        }
        self.throttle.policy().context("--throttle-*")?;
        Ok(())
    }

    const fn da_choice(&self) -> DaChoice {
        DaChoice::L1(match self.data_availability_type {
            DataAvailabilityType::Blobs => L1Destination::Blobs,
            DataAvailabilityType::Calldata => L1Destination::Calldata,
            DataAvailabilityType::Auto => L1Destination::Cheaper,
            DataAvailabilityType::Da => {
                let failover = match self.da_failover {
                    DaFailover::None => None,
                    DaFailover::Blobs => Some(L1Destination::Blobs),
                    DaFailover::Calldata => Some(L1Destination::Calldata),
                    DaFailover::Auto => Some(L1Destination::Cheaper),
                };
                return DaChoice::Layer { failover };
            }
        })
    }
}

/// Runs the batcher until a signal, or asks one that runs.
pub(crate) async fn run(command: BatcherCommand) -> eyre::Result<ExitCode> {
    match command {
        BatcherCommand::Run(args) => run_batcher(*args).await,
        BatcherCommand::Admin(command) => admin::run(command).await.map(|()| ExitCode::SUCCESS),
    }
}

async fn run_batcher(args: BatcherArgs) -> eyre::Result<ExitCode> {
    args.log.init()?;
    let metrics = telemetry::init_metrics()?;
    let shutdown = telemetry::shutdown_on_signal()?;
    args.check()?;
    let rollup = args.chain.rollup()?;
    let signer = keys::load(&args.batcher_key_file, "batcher-key-file", rollup.l1_chain_id)?;
    let secret = args.admin_jwt_file.as_deref();
    let secret = secret
        .map(|path| Secret::load(path, "admin-jwt-file"))
        .transpose()?;
    let l1_chain = args.chain.l1_chain(&rollup)?;
    let account = Account::new(signer, rollup.l1_chain_id, blob_proofs(&l1_chain));
    let folder = Folder::open(&args.data_dir)
        .with_context(|| format!("cannot open {} (--data-dir)", args.data_dir.display()))?;
    let journal = Journal::open(Box::new(folder), journal_chain(&rollup, &account))
        .with_context(|| format!("the journal in {} (--data-dir)", args.data_dir.display()))?;
    let l1 = RpcL1::connect(l1::provider(&args.chain.l1_rpc)?, rollup.l1_chain_id).await?;
    let node = NodeClient::new(&args.node_rpc)?;
    tokio::select! {
        checked = check(&l1, &node, &rollup, &account) => checked?,
        () = shutdown.cancelled() => return Ok(ExitCode::SUCCESS),
    }
    let poster = Poster::new(l1, account, poster_settings(&args, &rollup));
    let da = Arc::new(super::da::client(std::slice::from_ref(&args.da_url))?);
    let dispersal = Dispersal::new(da, args.da_choice());
    let dispersal = dispersal.with_payload_size_max(args.encoding.da_payload_bytes_max);
    let config = BatcherConfig {
        poll_interval: args.poll_interval,
        policy: ChannelPolicy {
            max_duration: args.max_channel_duration,
            max_input_bytes: args.max_channel_bytes,
            safety_margin_l1_blocks: args.sub_safety_margin,
            seq_window_l1_blocks: rollup.seq_window_size,
        },
        brotli_quality: args.encoding.first_quality(),
    };
    let mut batcher = Batcher::new(config, rollup, node, journal, dispersal, poster)
        .with_payload_sizes(args.encoding.sizer())
        .with_encoding(args.encoding.policy());
    if let Some((secret, url)) = secret.as_ref().zip(args.throttle.sequencer_admin_rpc.as_deref()) {
        let sequencer = AdminClient::new(url, secret.clone()).context("--sequencer-admin-rpc")?;
        batcher = batcher.with_throttle(args.throttle.policy()?, Arc::new(RemoteSequencer(sequencer)));
    }
    if args.stopped {
        batcher.control().stop()?;
    }
    let status = batcher.status();
    if let Some(secret) = secret {
        let methods = admin::methods(batcher.control(), status.clone());
        server::serve(args.admin_addr, secret, methods, shutdown.clone()).await?;
    }
    let readiness: health::Readiness = Arc::new(move || status.borrow().problem.clone());
    health::serve(
        args.metrics_addr,
        health::router(metrics, readiness),
        shutdown.clone(),
    )
    .await?;
    match batcher.run(shutdown).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if error.is_foreign_nonce() => {
            tracing::error!(%error, "not starting again: two processes with one key undo each other's work");
            eprintln!("error: {error}");
            Ok(ExitCode::from(EXIT_FOREIGN_NONCE))
        }
        Err(error) => Err(error.into()),
    }
}

/// Refuses to start on a node, an L1 or a key that do not belong to the chain.
async fn check(l1: &RpcL1, node: &NodeClient, rollup: &RollupConfig, account: &Account) -> eyre::Result<()> {
    let passed = async {
        preflight::check_account(l1.provider(), rollup, account.address()).await?;
        preflight::check_node(node, rollup).await
    };
    passed.await.map_err(|problem: String| eyre::eyre!(problem))
}

/// What the L1 of this configuration wants beside blobs now.
fn blob_proofs(l1_chain: &L1ChainConfig) -> BlobProofs {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let has_cells = l1_chain
        .blob_forks()
        .iter()
        .any(|fork| fork.name >= L1BlobForkName::Osaka && fork.activation_time <= now.as_secs());
    if has_cells {
        BlobProofs::Cells
    } else {
        BlobProofs::Blob
    }
}

fn journal_chain(rollup: &RollupConfig, account: &Account) -> JournalChain {
    JournalChain {
        l1_chain_id: rollup.l1_chain_id,
        l2_chain_id: rollup.l2_chain_id,
        l2_genesis: rollup.genesis.l2.hash,
        batcher: account.address(),
    }
}

fn poster_settings(args: &BatcherArgs, rollup: &RollupConfig) -> PosterSettings {
    PosterSettings {
        inbox: rollup.batch_inbox_address,
        limits: FeeLimits {
            max_fee_per_gas: u128::from(args.max_fee_gwei) * GWEI,
            max_fee_per_blob_gas: u128::from(args.max_blob_fee_gwei) * GWEI,
            ..FeeLimits::default()
        },
        replace_after: args.resubmission_timeout,
        in_flight_max: usize::from(args.max_pending_tx),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command, FromArgMatches};

    #[test]
    fn flags_that_contradict_each_other_are_refused_by_name() {
        let needed = [
            "rollup-config",
            "l1-rpc",
            "node-rpc",
            "da-url",
            "batcher-key-file",
            "data-dir",
        ];
        let check = |more: &[&str]| {
            let given = needed
                .iter()
                .flat_map(|name| [format!("--{name}"), "x".to_owned()]);
            let words = ["batcher".to_owned()].into_iter().chain(given);
            let words = words.chain(more.iter().map(ToString::to_string));
            let matches = BatcherArgs::augment_args(Command::new("batcher")).get_matches_from(words);
            BatcherArgs::from_arg_matches(&matches).unwrap().check()
        };
        check(&[]).unwrap();
        let sequencer = ["--sequencer-admin-rpc", "http://127.0.0.1:7310"];
        check(&[&sequencer[..], &["--admin-jwt-file", "x"]].concat()).unwrap();
        let cases: [(&[&str], &str); 3] = [
            (&sequencer, "--admin-jwt-file"),
            (&["--max-channel-bytes", "0"], "--max-channel-bytes"),
            (&["--throttle-block-size-lower-limit", "0"], "--throttle"),
        ];
        for (flags, named) in cases {
            let error = format!("{:#}", check(flags).unwrap_err());
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn the_unit_does_not_restart_a_batcher_whose_nonces_others_use() {
        let unit = include_str!("../../../../deploy/units/tributary-batcher.service");
        let line = format!("RestartPreventExitStatus={EXIT_FOREIGN_NONCE}");
        assert!(unit.lines().any(|it| it == line), "{unit}");
    }
}
