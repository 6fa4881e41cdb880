//! The inputs of one L2 block: what derivation produces, what the sequencer starts from, what execution takes.

use alloc::vec::Vec;
use alloy_primitives::{Address, B64, B256, Bytes};

/// Inputs that fix an L2 block given its parent. Field by field what op-node's `PayloadAttributesV3` carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockAttributes {
    /// Unix seconds: the parent's plus the block time.
    pub timestamp: u64,
    /// `mixHash` of the L1 origin.
    pub prev_randao: B256,
    /// Always the sequencer fee vault.
    pub fee_recipient: Address,
    /// Beacon root in the L1 origin's header; zero where that header has none.
    pub parent_beacon_block_root: B256,
    /// Gas limit from the system configuration.
    pub gas_limit: u64,
    /// EIP-1559 parameters from the system configuration, `denominator u32 ‖ elasticity u32`; all zero means the chain's default.
    pub eip1559_params: B64,
    /// Minimum base fee in wei; `Some` from Jovian on.
    pub min_base_fee: Option<u64>,
    /// EIP-2718 bytes: the L1-attributes deposit, user deposits, then the batch's transactions.
    pub transactions: Vec<Bytes>,
    /// True when nothing may be added from a pool (always, for derived blocks).
    pub no_tx_pool: bool,
}
