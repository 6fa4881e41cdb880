//! The three things a chain is configured by, kept apart: [`RollupConfig`] is agreed at genesis and never changes,
//! [`SystemConfig`] is set through L1 and changes with it, [`L1ChainConfig`] is what we must know of L1's own forks.
//!
//! ```text
//!  rollup.json ----> RollupConfig --genesis.system_config--> SystemConfig <--ConfigUpdate logs-- L1 receipts
//!                                                               ^
//!                                            from_l2_block, after a restart or reset
//!  L1 chain id, or l1-chain-config.json ----> L1ChainConfig ----> blob base fee in the L1 attributes
//! ```
//!
//! The JSON of the first two is op-node's `rollup.json`, so that an unmodified op-node reads our file.

mod l1_chain;
mod rollup;
mod rollup_check;
mod system;
mod update;

pub use l1_chain::{L1BlobFork, L1BlobForkName, L1ChainConfig, L1ChainConfigError};
pub use rollup::{AltDaConfig, ChainGenesis, ChainOpConfig, GENERIC_COMMITMENT, RollupConfig};
pub use rollup_check::{RollupConfigError, RollupConfigFileError};
pub use system::{
    Eip1559Params, FeeScalars, OperatorFee, SystemConfig, SystemConfigReadError, is_valid_fee_scalar,
};
pub use update::{CONFIG_UPDATE_TOPIC, ConfigUpdate, ConfigUpdateError};

/// Seconds an L2 block may run ahead of its L1 origin; a constant since Fjord.
pub const MAX_SEQUENCER_DRIFT_SECS: u64 = 1800;
/// L1 blocks, by inclusion, that an open channel lives; a constant since Granite.
pub const CHANNEL_TIMEOUT_L1_BLOCKS: u64 = 50;
/// Gas of DA footprint per estimated byte where the system configuration says 0.
pub const DA_FOOTPRINT_GAS_SCALAR_DEFAULT: u16 = 400;
