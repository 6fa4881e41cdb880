//! The rules of the chain, agreed at genesis: op-node's `rollup.json` and the fork schedule in the words revm's executors ask in.
//!
//! Invariant of a checked configuration ([`RollupConfig::validate`]): every fork through Isthmus is active from genesis, Jovian from
//! genesis or never, everything later never. No rule in this workspace asks about a fork before Isthmus.

use super::SystemConfig;
use crate::block::{L1BlockId, L2BlockId, L2BlockNumber};
use alloy_op_hardforks::{EthereumHardforks, ForkCondition, OpHardfork, OpHardforks};
use alloy_primitives::{Address, B256, U256, keccak256};
use serde::{Deserialize, Serialize};

/// The only commitment type this chain posts, in op-node's spelling.
pub const GENERIC_COMMITMENT: &str = "GenericCommitment";

/// Rules of the chain, agreed at genesis. The shape is op-node's `rollup.json`; unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollupConfig {
    /// Where both chains start.
    pub genesis: ChainGenesis,
    /// Seconds between L2 blocks.
    pub block_time: u64,
    /// Seconds an L2 block may run ahead of its L1 origin. Since Fjord a constant:
    /// [`MAX_SEQUENCER_DRIFT_SECS`](super::MAX_SEQUENCER_DRIFT_SECS); kept for op-node.
    pub max_sequencer_drift: u64,
    /// L1 blocks in which batches of an epoch may still land.
    pub seq_window_size: u64,
    /// L1 blocks an open channel lives. Since Granite a constant:
    /// [`CHANNEL_TIMEOUT_L1_BLOCKS`](super::CHANNEL_TIMEOUT_L1_BLOCKS); kept for op-node, must not be 0.
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
    /// [`GENERIC_COMMITMENT`].
    pub da_commitment_type: alloc::string::String,
    /// L1 blocks; unused.
    pub da_challenge_window: u64,
    /// L1 blocks; unused.
    pub da_resolve_window: u64,
}

impl RollupConfig {
    /// Whether Jovian's rules hold in an L2 block of this timestamp (unix seconds).
    #[must_use]
    pub fn is_jovian(&self, timestamp: u64) -> bool {
        self.jovian_time.is_some_and(|activation| timestamp >= activation)
    }

    /// Timestamp every L2 block of this number has; saturates instead of wrapping.
    #[must_use]
    pub const fn timestamp_of(&self, number: L2BlockNumber) -> u64 {
        let blocks = number.0.saturating_sub(self.genesis.l2.number.0);
        self.genesis
            .l2_time
            .saturating_add(blocks.saturating_mul(self.block_time))
    }

    /// Names this set of rules: keccak-256 of the compact JSON. Nodes log it at start, so that two operators can compare.
    #[must_use]
    pub fn hash(&self) -> B256 {
        keccak256(serde_json::to_vec(self).expect("plain structs with string keys always serialise"))
    }
}

impl EthereumHardforks for RollupConfig {
    /// L1's forks as they reach L2 inside OP forks: everything through Prague (Isthmus) from genesis, nothing later.
    fn ethereum_fork_activation(&self, fork: alloy_hardforks::EthereumHardfork) -> ForkCondition {
        use alloy_hardforks::EthereumHardfork as Fork;
        match fork {
            Fork::Frontier
            | Fork::Homestead
            | Fork::Tangerine
            | Fork::SpuriousDragon
            | Fork::Byzantium
            | Fork::Constantinople
            | Fork::Petersburg
            | Fork::Istanbul
            | Fork::MuirGlacier
            | Fork::Berlin
            | Fork::London
            | Fork::ArrowGlacier
            | Fork::GrayGlacier => ForkCondition::ZERO_BLOCK,
            Fork::Paris => ForkCondition::TTD {
                activation_block_number: 0,
                fork_block: Some(0),
                total_difficulty: U256::ZERO,
            },
            Fork::Shanghai | Fork::Cancun | Fork::Prague => ForkCondition::ZERO_TIMESTAMP,
            _ => ForkCondition::Never,
        }
    }
}

impl OpHardforks for RollupConfig {
    fn op_fork_activation(&self, fork: OpHardfork) -> ForkCondition {
        match fork {
            OpHardfork::Bedrock => ForkCondition::ZERO_BLOCK,
            OpHardfork::Regolith
            | OpHardfork::Canyon
            | OpHardfork::Ecotone
            | OpHardfork::Fjord
            | OpHardfork::Granite
            | OpHardfork::Holocene
            | OpHardfork::Isthmus => ForkCondition::ZERO_TIMESTAMP,
            OpHardfork::Jovian => self
                .jovian_time
                .map_or(ForkCondition::Never, ForkCondition::Timestamp),
            // op-revm on crates.io does not yet agree with Karst; whatever comes later is unknown to these rules.
            _ => ForkCondition::Never,
        }
    }
}
