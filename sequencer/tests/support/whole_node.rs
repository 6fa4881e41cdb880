//! What a whole node on a simulated L1 is started with; stories change a part of it.

use crate::chain::{SimulatedL1, genesis_of};
use std::sync::Arc;
use tributary_da_client::memory::MemoryLayer;
use tributary_derivation::driver::DriverSettings;
use tributary_protocol::config::L1ChainConfig;
use tributary_sequencer::{
    builder::BuilderSettings,
    clock::ManualClock,
    config::{NodeConfig, NodeParts},
    engine::StoreSettings,
    pool::PoolLimits,
    rpc::RpcSettings,
    store::Store,
};

/// A follower with every setting at its default, on a port of its own.
pub(crate) fn config(l1: &SimulatedL1) -> NodeConfig {
    let (rollup, genesis) = genesis_of(l1);
    NodeConfig {
        rollup,
        genesis: Some(genesis),
        l1_chain: L1ChainConfig::preset(900).unwrap(),
        data_dir: "unused".into(),
        http_addr: ([127, 0, 0, 1], 0).into(),
        sequencing: false,
        sequencer_rpc: None,
        sequencer_stopped: false,
        admin_state: None,
        rpc: RpcSettings::default(),
        builder: BuilderSettings::default(),
        engine: StoreSettings::default(),
        pool: PoolLimits::default(),
        journal: tributary_sequencer::journal::Settings::default(),
        derivation: DriverSettings::default(),
        outputs: None,
        signing: None,
        on_halt: None,
    }
}

/// What it is connected to; it has no journal.
pub(crate) fn parts(l1: &Arc<SimulatedL1>, clock: &ManualClock, store: impl Store) -> NodeParts {
    NodeParts {
        l1: l1.clone(),
        da: Arc::new(MemoryLayer::new()),
        blobs: None,
        clock: Arc::new(clock.clone()),
        store: Arc::new(store),
        journal: None,
        metrics_text: Arc::new(String::new),
    }
}
