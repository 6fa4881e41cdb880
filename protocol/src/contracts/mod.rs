//! Contracts as Rust calls them: where they are, their functions, events and errors, and what genesis writes into their storage.
//!
//! The Solidity interfaces in `contracts/src/interfaces` are the documentation; a test (`tests/contracts_abi.rs`) fails when something
//! declared here is not in the committed artifacts. Bytecode is deliberately not here: rules do not need it, only who makes a genesis
//! does.
//!
//! ```text
//!  L1   L1Deployment --creates--> SystemConfig, OptimismPortal, DisputeGameFactory --clones--> dispute games
//!  L2   L1Block, L2ToL1MessagePasser, GasPriceOracle, fee vaults (0x4200…)     AttributionRegistry <-- AttributionLedger (0x7A00…)
//! ```

mod attribution;
mod l1;
mod l2;
mod storage;

pub use attribution::{IAttributionLedger, IAttributionRegistry};
pub use l1::{IDisputeGame, IDisputeGameFactory, IOptimismPortal, ISystemConfig, L1Deployment};
pub use l2::{IFeeVault, IGasPriceOracle, IL1Block, IL2ToL1MessagePasser};
pub use storage::{
    attribution_registry_storage, fee_vault_storage, gas_price_oracle_storage, message_passer_storage,
};

use alloy_primitives::{Address, address};

/// Fees as wallets and tools ask for them.
pub const GAS_PRICE_ORACLE: Address = address!("420000000000000000000000000000000000000F");
/// Takes the tips; the beneficiary of every block.
pub const SEQUENCER_FEE_VAULT: Address = address!("4200000000000000000000000000000000000011");
/// What L2 knows of L1.
pub const L1_BLOCK: Address = address!("4200000000000000000000000000000000000015");
/// Messages to L1; its storage root is part of every output root.
pub const L2_TO_L1_MESSAGE_PASSER: Address = address!("4200000000000000000000000000000000000016");
/// Takes the base fees.
pub const BASE_FEE_VAULT: Address = address!("4200000000000000000000000000000000000019");
/// Takes the L1 fees.
pub const L1_FEE_VAULT: Address = address!("420000000000000000000000000000000000001A");
/// Takes the operator fees.
pub const OPERATOR_FEE_VAULT: Address = address!("420000000000000000000000000000000000001b");
/// Who and what can stand behind an inference.
pub const ATTRIBUTION_REGISTRY: Address = address!("7A00000000000000000000000000000000000001");
/// Inferences, and who is owed what for them.
pub const ATTRIBUTION_LEDGER: Address = address!("7A00000000000000000000000000000000000002");

/// All four fee vaults: the same code at each.
pub const FEE_VAULTS: [Address; 4] = [
    SEQUENCER_FEE_VAULT,
    BASE_FEE_VAULT,
    L1_FEE_VAULT,
    OPERATOR_FEE_VAULT,
];

/// Game type of outputs that only the proposer may propose.
pub const GAME_TYPE_PERMISSIONED: u32 = 1;
/// Most shares of one record.
pub const RECORD_SHARES_MAX: usize = 5;
