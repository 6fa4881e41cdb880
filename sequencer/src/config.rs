//! What the operator chooses about a node, parsed and checked by the command line; and what a node is put together from.

use crate::{
    builder::BuilderSettings,
    clock::Clock,
    engine::StoreSettings,
    journal::{Disk, Settings as JournalSettings},
    pool::PoolLimits,
    preconfirmation::Signing,
    rpc::{MetricsText, RpcSettings},
    store::Store,
};
use std::{net::SocketAddr, path::PathBuf, sync::Arc};
use tributary_da_client::DaLayer;
use tributary_derivation::driver::{BlobSource, DriverSettings, L1Source, OutputWatchSettings};
use tributary_protocol::{
    config::{L1ChainConfig, RollupConfig},
    genesis::Genesis,
};

/// A node's configuration. The three kinds stay apart: rules of the chain first, then the operator's choices.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Rules of the chain, from `rollup.json`.
    pub rollup: RollupConfig,
    /// Block 0 and the state in it: from `genesis.json`, or composed from what is built in. Its hash must be the one in `rollup`. Without it
    /// the store must hold the chain already.
    pub genesis: Option<Genesis>,
    /// Forks and blob schedule of L1.
    pub l1_chain: L1ChainConfig,
    /// Where the chain is kept; see [`NodeConfig::store_folder`].
    pub data_dir: PathBuf,
    /// Where JSON-RPC, metrics and health are served; port 0 picks a free one.
    pub http_addr: SocketAddr,
    /// True for the sequencer, false for a follower.
    pub sequencing: bool,
    /// RPC of the sequencer, to which a follower passes transactions on; without it a follower refuses them.
    pub sequencer_rpc: Option<String>,
    /// Starts a sequencer stopped, unless its operator has asked for something else since.
    pub sequencer_stopped: bool,
    /// Where it is remembered what an operator has asked of a sequencer; without it a restart forgets.
    pub admin_state: Option<PathBuf>,
    /// Building, if sequencing.
    pub builder: BuilderSettings,
    /// The store.
    pub engine: StoreSettings,
    /// Limits of the RPC server.
    pub rpc: RpcSettings,
    /// Bounds of the transaction pool.
    pub pool: PoolLimits,
    /// The journal of a sequencer.
    pub journal: JournalSettings,
    /// Pace of derivation.
    pub derivation: DriverSettings,
    /// Output roots on L1 to compare with what is derived.
    pub outputs: Option<OutputWatchSettings>,
    /// What a sequencer signs preconfirmations and blocks with; without it they are served unsigned.
    pub signing: Option<Signing>,
    /// Command for the shell, run once when the node halts, with the cause in `TRIBUTARY_HALT_CAUSE`.
    pub on_halt: Option<String>,
}

impl NodeConfig {
    /// The folder of the store inside the data folder.
    #[must_use]
    pub fn store_folder(&self) -> PathBuf {
        self.data_dir.join("chain")
    }

    /// The folder of a sequencer's journal inside the data folder.
    #[must_use]
    pub fn journal_folder(&self) -> PathBuf {
        self.data_dir.join("journal")
    }
}

/// The outside world of a node: chosen by the command line, simulated in tests.
pub struct NodeParts {
    /// L1.
    pub l1: Arc<dyn L1Source>,
    /// Where payloads behind DA commitments come from.
    pub da: Arc<dyn DaLayer>,
    /// Where blobs come from; without it derivation waits at a batcher transaction with blobs.
    pub blobs: Option<Arc<dyn BlobSource>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The chain's store, opened.
    pub store: Arc<dyn Store>,
    /// Where a sequencer keeps its journal; without it nothing that was only executed survives a crash.
    pub journal: Option<Box<dyn Disk>>,
    /// Renders what the whole process has counted.
    pub metrics_text: MetricsText,
}

impl core::fmt::Debug for NodeParts {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("NodeParts").finish_non_exhaustive()
    }
}
