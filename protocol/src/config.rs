//! The three things a chain is configured by, kept apart: [`RollupConfig`] is agreed at genesis and never changes,
//! [`SystemConfig`] is set through L1 and changes with it, [`L1ChainConfig`] is what we must know of L1's own forks.
//!
//! The JSON of the first two is op-node's `rollup.json`, so that an unmodified op-node reads our file.

use crate::block::{L1BlockId, L2BlockId};
use alloy_primitives::{Address, B64, B256};
use serde::{Deserialize, Serialize};

/// Rules of the chain, agreed at genesis. The shape is op-node's `rollup.json`; unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollupConfig {
    /// Where both chains start.
    pub genesis: ChainGenesis,
    /// Seconds between L2 blocks.
    pub block_time: u64,
    /// Seconds an L2 block may run ahead of its L1 origin. Since Fjord a constant: [`MAX_SEQUENCER_DRIFT_SECS`]; kept for op-node.
    pub max_sequencer_drift: u64,
    /// L1 blocks in which batches of an epoch may still land.
    pub seq_window_size: u64,
    /// L1 blocks an open channel lives. Since Granite a constant: [`CHANNEL_TIMEOUT_L1_BLOCKS`]; kept for op-node, must not be 0.
    pub channel_timeout: u64,
    /// Chain id of L1.
    pub l1_chain_id: u64,
    /// Chain id of L2.
    pub l2_chain_id: u64,
    /// Unix seconds each fork is active from; all forks through Isthmus must be 0 (active at genesis).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regolith_time: Option<u64>,
    /// See [`Self::regolith_time`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canyon_time: Option<u64>,
    /// See [`Self::regolith_time`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_time: Option<u64>,
    /// See [`Self::regolith_time`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecotone_time: Option<u64>,
    /// See [`Self::regolith_time`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fjord_time: Option<u64>,
    /// See [`Self::regolith_time`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granite_time: Option<u64>,
    /// See [`Self::regolith_time`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holocene_time: Option<u64>,
    /// See [`Self::regolith_time`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isthmus_time: Option<u64>,
    /// Zero for the default profile, absent for the Isthmus profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jovian_time: Option<u64>,
    /// L1 address that receives batcher transactions.
    pub batch_inbox_address: Address,
    /// The portal: the L1 contract whose `TransactionDeposited` events become deposits.
    pub deposit_contract_address: Address,
    /// The L1 contract whose `ConfigUpdate` events change [`SystemConfig`].
    pub l1_system_config_address: Address,
    /// Superchain protocol versions contract; zero, kept for op-node.
    #[serde(default)]
    pub protocol_versions_address: Address,
    /// EIP-1559 parameters in force while [`SystemConfig::eip1559_params`] is all zero.
    pub chain_op_config: ChainOpConfig,
    /// Present when batcher transactions may carry DA commitments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt_da: Option<AltDaConfig>,
}

/// First blocks and first system configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainGenesis {
    /// L1 block derivation starts after.
    pub l1: L1BlockId,
    /// L2 block 0.
    pub l2: L2BlockId,
    /// Unix seconds of L2 block 0.
    pub l2_time: u64,
    /// System configuration at genesis.
    pub system_config: SystemConfig,
}

/// EIP-1559 defaults, in geth's spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainOpConfig {
    /// Gas limit divided by gas target.
    #[serde(rename = "eip1559Elasticity")]
    pub eip1559_elasticity: u64,
    /// Base-fee change denominator before Canyon; kept for op-node.
    #[serde(rename = "eip1559Denominator")]
    pub eip1559_denominator: u64,
    /// Base-fee change denominator.
    #[serde(rename = "eip1559DenominatorCanyon")]
    pub eip1559_denominator_canyon: u64,
}

/// Alt-DA settings; generic commitments have no challenges, so the windows only satisfy op-node's check (> 0).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AltDaConfig {
    /// Must be zero for generic commitments.
    pub da_challenge_contract_address: Address,
    /// `GenericCommitment`.
    pub da_commitment_type: alloc::string::String,
    /// L1 blocks; unused.
    pub da_challenge_window: u64,
    /// L1 blocks; unused.
    pub da_resolve_window: u64,
}

/// What L1's `SystemConfig` contract says; in force for an epoch from the L1 block that changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemConfig {
    /// Account whose transactions to the inbox count.
    #[serde(rename = "batcherAddr")]
    pub batcher_address: Address,
    /// Pre-Ecotone fee overhead; always zero here.
    pub overhead: B256,
    /// Fee scalars, version byte 1: bytes 24..28 blob base fee scalar, 28..32 base fee scalar.
    pub scalar: B256,
    /// Gas limit of L2 blocks.
    pub gas_limit: u64,
    /// `denominator u32 ‖ elasticity u32`; all zero means [`RollupConfig::chain_op_config`].
    pub eip1559_params: B64,
    /// Bytes 20..24 operator fee scalar, 24..32 operator fee constant.
    pub operator_fee_params: B256,
    /// Wei; the base fee never falls below it. Jovian.
    #[serde(default)]
    pub min_base_fee: u64,
    /// Gas of footprint per estimated byte on DA; 0 means [`DA_FOOTPRINT_GAS_SCALAR_DEFAULT`]. Jovian.
    #[serde(default)]
    pub da_footprint_gas_scalar: u16,
}
