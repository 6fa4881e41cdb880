//! What every node of a world agrees on: rules, genesis, L1's forks.

use super::shape::Shape;
use std::sync::{Arc, OnceLock};
use tributary_derivation::testing::{TestNet, TestNetOptions};
use tributary_protocol::{
    config::{L1ChainConfig, RollupConfig},
    genesis::GenesisBlock,
};

/// Rules and genesis of one chain.
#[derive(Clone, Debug)]
pub struct Env {
    /// Rules.
    pub config: Arc<RollupConfig>,
    /// L1's forks.
    pub l1_config: Arc<L1ChainConfig>,
    /// Block 0.
    pub genesis: Arc<GenesisBlock>,
}

impl Env {
    /// The chain of [`TestNet`] with other parameters.
    #[must_use]
    pub fn new(is_jovian: bool, block_time: u64, seq_window_size: u64, has_alt_da: bool) -> Self {
        let mut env = template(is_jovian).clone();
        let config = Arc::make_mut(&mut env.config);
        config.block_time = block_time;
        config.seq_window_size = seq_window_size;
        if !has_alt_da {
            config.alt_da = None;
        }
        env
    }

    /// The chain of a shape.
    pub(super) fn of(shape: &Shape) -> Self {
        Self::new(
            shape.is_jovian,
            shape.block_time,
            shape.seq_window_size,
            shape.has_alt_da,
        )
    }
}

/// Making a genesis state takes milliseconds, and there are two of them.
fn template(is_jovian: bool) -> &'static Env {
    static TEMPLATES: [OnceLock<Env>; 2] = [OnceLock::new(), OnceLock::new()];
    TEMPLATES[usize::from(is_jovian)].get_or_init(|| {
        let net = TestNet::new(TestNetOptions {
            is_jovian,
            ..TestNetOptions::default()
        });
        Env {
            config: net.config,
            l1_config: net.l1_config,
            genesis: Arc::new(net.genesis),
        }
    })
}
