//! What kind of history: the rules of its chain, and how much goes wrong.

use super::{
    contracts,
    users::{USERS, user},
};
use alloy::genesis::GenesisAccount;
use alloy_primitives::{Address, B64, B256, U256, address};
use core::ops::RangeInclusive;
use rand::{Rng, rngs::StdRng};
use tributary_protocol::{
    block::{L1BlockId, L2BlockId, L2BlockNumber},
    config::{AltDaConfig, ChainGenesis, ChainOpConfig, GENERIC_COMMITMENT, RollupConfig, SystemConfig},
    genesis::{GenesisBlock, GenesisParts},
};

/// Unix seconds of both first blocks.
pub const GENESIS_TIME: u64 = 1_763_700_000;
/// Default gas limit of L2 blocks.
const GAS_LIMIT: u64 = 30_000_000;
/// EIP-1559 defaults of the chain.
const FEES: ChainOpConfig = ChainOpConfig {
    eip1559_elasticity: 6,
    eip1559_denominator: 50,
    eip1559_denominator_canyon: 250,
};

/// What kind of history.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Seconds between L2 blocks.
    pub block_time: u64,
    /// Seconds between L1 blocks.
    pub l1_block_time: RangeInclusive<u64>,
    /// L1 blocks of the sequencing window.
    pub seq_window_size: u64,
    /// Length of the history.
    pub l1_blocks: u64,
    /// How often something goes wrong, from 0 to 1.
    pub accidents: f64,
    /// For how long the batcher is away at most.
    pub away_l1_blocks_max: u64,
    /// How often a batcher transaction is far too late, if there are accidents at all.
    pub late: f64,
    /// Whether commitments to payloads on a DA layer count on this chain.
    pub has_alt_da: bool,
}

impl Shape {
    /// One of a few kinds, with random details; every eighth seed's chain has no DA layer but L1.
    pub fn random(seed: u64, rng: &mut StdRng) -> Self {
        let has_alt_da = seed % 8 != 5;
        let accidents = [0.0, 0.1, 0.3, 0.5][rng.random_range(0..4)];
        match rng.random_range(0..8) {
            // The sequencer runs away from L1's time.
            0 => Self {
                block_time: rng.random_range(200..400),
                l1_block_time: 12..=4_000,
                seq_window_size: rng.random_range(6..12),
                l1_blocks: 30,
                accidents,
                away_l1_blocks_max: 4,
                late: 0.0,
                has_alt_da,
            },
            // Channels time out before windows expire.
            1 => Self {
                block_time: 2,
                l1_block_time: 2..=3,
                seq_window_size: rng.random_range(70..90),
                l1_blocks: 150,
                accidents: 0.3,
                away_l1_blocks_max: 20,
                late: 0.6,
                has_alt_da,
            },
            // Windows expire.
            2 | 3 => Self {
                block_time: rng.random_range(1..3),
                l1_block_time: 1..=12,
                seq_window_size: rng.random_range(3..6),
                l1_blocks: 40,
                accidents,
                away_l1_blocks_max: 8,
                late: 0.0,
                has_alt_da,
            },
            // Quiet.
            _ => Self {
                block_time: rng.random_range(1..4),
                l1_block_time: 2..=8,
                seq_window_size: rng.random_range(10..30),
                l1_blocks: 40,
                accidents,
                away_l1_blocks_max: 12,
                late: 0.0,
                has_alt_da,
            },
        }
    }

    /// The rules of a chain of this kind, and its first block.
    ///
    /// # Panics
    /// If these parts make no genesis.
    pub fn rules(&self, l1: L1BlockId, batcher: Address) -> (RollupConfig, GenesisBlock) {
        let genesis = genesis();
        let config = RollupConfig {
            genesis: ChainGenesis {
                l1,
                l2: L2BlockId {
                    hash: genesis.hash,
                    number: L2BlockNumber(0),
                },
                l2_time: GENESIS_TIME,
                system_config: system_config(batcher),
            },
            block_time: self.block_time,
            max_sequencer_drift: 1800,
            seq_window_size: self.seq_window_size,
            channel_timeout: 50,
            l1_chain_id: 900,
            l2_chain_id: 901,
            regolith_time: Some(0),
            canyon_time: Some(0),
            delta_time: Some(0),
            ecotone_time: Some(0),
            fjord_time: Some(0),
            granite_time: Some(0),
            holocene_time: Some(0),
            isthmus_time: Some(0),
            // The oracle knows nothing later than Isthmus.
            jovian_time: None,
            batch_inbox_address: address!("00a4b2d5c6e7f8091a2b3c4d5e6f708192a3b4c5"),
            deposit_contract_address: address!("e7f1725e7734ce288f8367e1bb143e90bb3f0512"),
            l1_system_config_address: address!("5fbdb2315678afecb367f032d93f642f64180aa3"),
            protocol_versions_address: Address::ZERO,
            chain_op_config: FEES,
            alt_da: self.has_alt_da.then(|| AltDaConfig {
                da_challenge_contract_address: Address::ZERO,
                da_commitment_type: GENERIC_COMMITMENT.into(),
                da_challenge_window: 160,
                da_resolve_window: 160,
            }),
        };
        (config, genesis)
    }
}

const fn system_config(batcher_address: Address) -> SystemConfig {
    SystemConfig {
        batcher_address,
        overhead: B256::ZERO,
        scalar: B256::ZERO,
        gas_limit: GAS_LIMIT,
        eip1559_params: B64::ZERO,
        operator_fee_params: B256::ZERO,
        min_base_fee: 0,
        da_footprint_gas_scalar: 0,
    }
}

fn genesis() -> GenesisBlock {
    // More than any operator fee can take: what an account cannot pay for is no valid transaction.
    let balance = U256::from(10).pow(U256::from(30));
    let mut alloc = contracts::genesis_accounts();
    alloc.extend((0..USERS).map(|index| {
        (
            user(index).address(),
            GenesisAccount::default().with_balance(balance),
        )
    }));
    let parts = GenesisParts {
        chain_id: 901,
        timestamp: GENESIS_TIME,
        gas_limit: GAS_LIMIT,
        base_fee: 1_000_000_000,
        fees: FEES,
        min_base_fee: 0,
        jovian_time: None,
        alloc,
    };
    parts.build().expect("the parts make a genesis").seal()
}
