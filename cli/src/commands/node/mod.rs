//! `tributary sequencer` and `tributary follower`: the same node, building blocks or only deriving them.

mod admin;
mod cache;
mod limits;

pub(crate) use self::admin::METHODS as ADMIN_METHODS;
use self::{
    cache::CacheSizes,
    limits::{JournalArgs, PoolArgs},
};
use super::{
    rpc::RpcArgs,
    shared::{ChainArgs, LogArgs, duration},
};
use crate::{
    admin::{server, token::Secret},
    keys,
    network::genesis_for,
    telemetry,
};
use alloy::primitives::Address;
use clap::Args;
use eyre::Context;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tributary_derivation::driver::{
    BeaconBlobs, BlobSource, DriverSettings, OutputWatchSettings, RpcL1Source,
};
use tributary_sequencer::{
    builder::BuilderSettings,
    clock::SystemClock,
    config::{NodeConfig, NodeParts},
    engine::StoreSettings,
    journal::{Disk, Folder, Settings as JournalSettings},
    node::Node,
    pool::PoolLimits,
    preconfirmation::{Signing, raise_epoch},
    store::FjallStore,
};

/// Remembers, inside the data folder, what an operator has asked of a sequencer.
const ADMIN_STATE_FILE: &str = "admin-state.json";

/// What both kinds of node have.
#[derive(Args, Debug)]
pub(crate) struct NodeArgs {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    pub(crate) chain: ChainArgs,
    /// The chain's genesis.json; not needed on a development L1.
    #[arg(long, env = "TRIBUTARY_GENESIS", value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// Take block 0 from the data folder, which holds the chain already, instead of working its state out again: a start does not depend on
    /// how large the genesis is.
    #[arg(long, env = "TRIBUTARY_STORED_GENESIS", conflicts_with = "genesis")]
    pub(crate) stored_genesis: bool,
    /// Folder for the chain's data.
    #[arg(long, env = "TRIBUTARY_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// DA servers to read payloads from, tried in order.
    #[arg(long, env = "TRIBUTARY_DA_URL", value_name = "URL", required = true)]
    pub(crate) da_url: Vec<String>,
    /// Beacon node of L1, to read batches from that were posted as blobs. With an anvil it is the same URL as --l1-rpc. Without it the
    /// safe head waits at the first blob; a beacon node keeps blobs for 18 days.
    #[arg(long, env = "TRIBUTARY_L1_BEACON", value_name = "URL")]
    pub(crate) l1_beacon: Option<String>,
    /// The dispute game factory on L1: output roots posted there are compared with what is derived. A root of --proposer-address, or of
    /// a game that resolved for its proposer, that differs halts the node; an open game of anyone else is an alarm.
    #[arg(long, env = "TRIBUTARY_DISPUTE_GAME_FACTORY", value_name = "ADDRESS")]
    pub(crate) dispute_game_factory: Option<Address>,
    /// Our own proposer's address.
    #[arg(
        long,
        env = "TRIBUTARY_PROPOSER_ADDRESS",
        value_name = "ADDRESS",
        requires = "dispute_game_factory"
    )]
    pub(crate) proposer_address: Option<Address>,
    /// Command for the shell, run once if the node halts; the cause is in TRIBUTARY_HALT_CAUSE.
    #[arg(long, env = "TRIBUTARY_ON_HALT", value_name = "COMMAND")]
    pub(crate) on_halt: Option<String>,
    /// Address of JSON-RPC, /livez, /readyz and /metrics.
    #[arg(long, env = "TRIBUTARY_HTTP_ADDR", default_value = "127.0.0.1:8545")]
    pub(crate) http_addr: SocketAddr,
    /// How often L1 is asked for new blocks.
    #[arg(long, env = "TRIBUTARY_L1_POLL_INTERVAL", value_parser = duration, default_value = "500ms")]
    pub(crate) l1_poll_interval: Duration,
    /// L1 blocks below L1's head that are not read yet.
    #[arg(long, env = "TRIBUTARY_VERIFIER_L1_CONFS", default_value_t = 0)]
    pub(crate) verifier_l1_confs: u64,
    /// Blocks below the head whose state can be read.
    #[arg(long, env = "TRIBUTARY_HISTORY_BLOCKS", default_value_t = StoreSettings::default().history_blocks)]
    pub(crate) history_blocks: u64,
    /// MiB of state kept in memory: a quarter for accounts and slots, a quarter for blocks of the store's tables, half for trie nodes. What
    /// does not fit is read from disk. By default about 1,100.
    #[arg(long, env = "TRIBUTARY_STATE_CACHE_MIB", value_name = "MIB", value_parser = clap::value_parser!(u64).range(16..=1 << 20))]
    pub(crate) state_cache_mib: Option<u64>,
    /// Keep the state and the proofs of all blocks, whatever --history-blocks says. Refused in a data folder that has forgotten some.
    #[arg(long, env = "TRIBUTARY_ARCHIVE")]
    pub(crate) archive: bool,
    #[command(flatten)]
    pub(crate) rpc: RpcArgs,
}

/// Order transactions into blocks and serve them over JSON-RPC.
///
/// Also derives the chain from L1 and DA, which moves the safe and finalized heads.
#[derive(Args, Debug)]
pub(crate) struct SequencerArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// L1 blocks that must follow an L1 block before it becomes an L1 origin.
    #[arg(long, env = "TRIBUTARY_SEQUENCER_L1_CONFS", default_value_t = 1)]
    pub(crate) sequencer_l1_confs: u64,
    #[command(flatten)]
    pub(crate) pool: PoolArgs,
    #[command(flatten)]
    pub(crate) journal: JournalArgs,
    /// File with the private key of the unsafe-block signer that SystemConfig on L1 names (64 hex digits, mode 600). Without it
    /// preconfirmations and blocks are served unsigned.
    #[arg(long, env = "TRIBUTARY_SIGNER_KEY_FILE", value_name = "FILE")]
    pub(crate) signer_key_file: Option<PathBuf>,
    /// Epoch to sign in, higher than that of whoever signed before. Kept in the data folder; it never goes down. 1 if never given.
    #[arg(long, env = "TRIBUTARY_SIGNER_EPOCH", requires = "signer_key_file")]
    pub(crate) signer_epoch: Option<u64>,
    /// File with the key of the admin RPC (64 hex digits, mode 600; `openssl rand -hex 32`). Without it there is no admin RPC, and the
    /// batcher cannot slow the sequencer down.
    #[arg(long, env = "TRIBUTARY_ADMIN_JWT_FILE", value_name = "FILE")]
    pub(crate) admin_jwt_file: Option<PathBuf>,
    /// Address of the sequencer's admin RPC, on the loopback interface: op-node's admin_* and miner_setMaxDASize.
    #[arg(long, env = "TRIBUTARY_ADMIN_ADDR", default_value = "127.0.0.1:7310")]
    pub(crate) admin_addr: SocketAddr,
    /// Start without building: derive only, until admin_startSequencer. What was last asked over the admin RPC counts more.
    #[arg(long, env = "TRIBUTARY_SEQUENCER_STOPPED")]
    pub(crate) sequencer_stopped: bool,
}

/// Derive the chain from L1 and DA alone, trusting nobody's blocks.
///
/// Needs rollup.json, an L1 RPC and a DA server. Serves the same JSON-RPC as the sequencer.
#[derive(Args, Debug)]
pub(crate) struct FollowerArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// JSON-RPC of the sequencer (http://). Transactions are passed on to it; without it they are refused. Blocks that it has sealed and that are
    /// signed by the unsafe-block signer of SystemConfig become the unsafe head.
    #[arg(long, env = "TRIBUTARY_SEQUENCER_RPC", value_name = "URL")]
    pub(crate) sequencer_rpc: Option<String>,
    /// File with the key of the admin RPC (64 hex digits, mode 600; `openssl rand -hex 32`). Without it there is no admin RPC.
    #[arg(long, env = "TRIBUTARY_ADMIN_JWT_FILE", value_name = "FILE")]
    pub(crate) admin_jwt_file: Option<PathBuf>,
    /// Address of the follower's admin RPC, on the loopback interface: admin_resetDerivationPipeline.
    #[arg(long, env = "TRIBUTARY_ADMIN_ADDR", default_value = "127.0.0.1:7312")]
    pub(crate) admin_addr: SocketAddr,
}

/// Runs a sequencer until a signal.
pub(crate) async fn run_sequencer(args: SequencerArgs) -> eyre::Result<()> {
    let builder = BuilderSettings {
        l1_confirmations: args.sequencer_l1_confs,
    };
    run(
        args.node,
        Kind {
            sequencing: true,
            sequencer_stopped: args.sequencer_stopped,
            sequencer_rpc: None,
            builder,
            pool: args.pool.limits(),
            journal: args.journal.settings(),
            admin: args.admin_jwt_file.map(|file| (file, args.admin_addr)),
            signer: args.signer_key_file.map(|file| (file, args.signer_epoch)),
        },
    )
    .await
}

/// Runs a follower until a signal.
pub(crate) async fn run_follower(args: FollowerArgs) -> eyre::Result<()> {
    let builder = BuilderSettings { l1_confirmations: 0 };
    run(
        args.node,
        Kind {
            sequencing: false,
            sequencer_stopped: false,
            sequencer_rpc: args.sequencer_rpc,
            builder,
            pool: PoolLimits::default(),
            journal: JournalSettings::default(),
            admin: args.admin_jwt_file.map(|file| (file, args.admin_addr)),
            signer: None,
        },
    )
    .await
}

struct Kind {
    sequencing: bool,
    sequencer_stopped: bool,
    sequencer_rpc: Option<String>,
    builder: BuilderSettings,
    pool: PoolLimits,
    journal: JournalSettings,
    /// Key file and address of the admin RPC, if there is to be one.
    admin: Option<(PathBuf, SocketAddr)>,
    /// Key file and epoch of the unsafe-block signer, if it is to sign.
    signer: Option<(PathBuf, Option<u64>)>,
}

async fn run(args: NodeArgs, kind: Kind) -> eyre::Result<()> {
    args.log.init()?;
    let metrics = telemetry::init_metrics()?;
    let shutdown = telemetry::shutdown_on_signal()?;
    let rollup = args.chain.rollup()?;
    let genesis = match args.stored_genesis {
        true => None,
        false => Some(genesis_for(&rollup, args.genesis.as_deref())?.0),
    };
    let cache = CacheSizes::of(args.state_cache_mib);
    let l1_chain = args.chain.l1_chain(&rollup)?;
    let l1_url = args.chain.l1_rpc.parse();
    let l1_url = l1_url.with_context(|| format!("--l1-rpc `{}` is not a URL", args.chain.l1_rpc))?;
    let da = super::da::client(&args.da_url).context("--da-url")?;
    let blobs = args.l1_beacon.as_deref().map(blob_source).transpose()?;
    let signer = kind.signer.as_ref();
    let signing = signer.map(|(file, epoch)| signing(file, *epoch, &args.data_dir, rollup.l1_chain_id));
    let config = NodeConfig {
        rollup,
        genesis,
        l1_chain,
        admin_state: kind.sequencing.then(|| args.data_dir.join(ADMIN_STATE_FILE)),
        data_dir: args.data_dir,
        http_addr: args.http_addr,
        sequencing: kind.sequencing,
        sequencer_stopped: kind.sequencer_stopped,
        sequencer_rpc: kind.sequencer_rpc,
        builder: kind.builder,
        engine: StoreSettings {
            history_blocks: args.history_blocks,
            cache_bytes: cache.entries,
            trie_nodes_max: cache.trie_nodes,
            archive: args.archive,
            ..StoreSettings::default()
        },
        rpc: args.rpc.settings(),
        pool: kind.pool,
        journal: kind.journal,
        derivation: DriverSettings {
            poll_interval: args.l1_poll_interval,
            l1_confirmations: args.verifier_l1_confs,
            ..DriverSettings::default()
        },
        outputs: args.dispute_game_factory.map(|factory| OutputWatchSettings {
            factory,
            proposer: args.proposer_address,
        }),
        signing: signing.transpose()?,
        on_halt: args.on_halt,
    };
    let store = FjallStore::open_with_cache(&config.store_folder(), cache.blocks)?;
    let journal = config.sequencing.then(|| open_journal(&config.journal_folder()));
    let parts = NodeParts {
        l1: Arc::new(RpcL1Source::new(l1_url)),
        da: Arc::new(da),
        blobs,
        clock: Arc::new(SystemClock),
        store: Arc::new(store),
        journal: journal.transpose()?,
        metrics_text: Arc::new(move || metrics.render()),
    };
    let admin = kind
        .admin
        .map(|(file, address)| Secret::load(&file, "admin-jwt-file").map(|secret| (secret, address)));
    let admin = admin.transpose()?;
    let node = Node::start(config, parts, shutdown.clone()).await?;
    if let Some((secret, address)) = admin {
        server::serve(address, secret, admin::methods(node.admin().clone()), shutdown).await?;
    }
    node.join().await?;
    Ok(())
}

/// The unsafe-block signer's key, and the epoch it signs in from now on.
fn signing(file: &Path, epoch: Option<u64>, data_dir: &Path, l1_chain_id: u64) -> eyre::Result<Signing> {
    let key = keys::load(file, "signer-key-file", l1_chain_id)?;
    let epoch = raise_epoch(data_dir, epoch)?;
    Ok(Signing::new(&key.to_bytes(), epoch).expect("a key that was loaded is one"))
}

fn open_journal(folder: &Path) -> eyre::Result<Box<dyn Disk>> {
    let opened = Folder::open(folder);
    let opened =
        opened.with_context(|| format!("the journal's folder {} cannot be used", folder.display()))?;
    Ok(Box::new(opened))
}

fn blob_source(url: &str) -> eyre::Result<Arc<dyn BlobSource>> {
    let parsed = url.parse();
    let parsed = parsed.with_context(|| format!("--l1-beacon `{url}` is not a URL"))?;
    Ok(Arc::new(BeaconBlobs::new(&parsed)))
}
