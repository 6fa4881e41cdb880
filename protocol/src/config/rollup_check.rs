//! Reading, writing and checking `rollup.json`: one named error per field, with the value that was found.
//!
//! The checks are op-node's, and on top of them what the rest of this workspace relies on: the fork schedule of
//! [`RollupConfig`], generic DA commitments, EIP-1559 parameters that cannot divide by zero.

use super::{GENERIC_COMMITMENT, RollupConfig, is_valid_fee_scalar};
use alloc::string::String;
use alloy_primitives::{Address, B64, B256};

/// A field of the rollup configuration that cannot be. The operator has to correct the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollupConfigError {
    /// Blocks need time between them.
    #[error("block_time is 0")]
    BlockTime,
    /// op-node refuses 0.
    #[error("channel_timeout is 0")]
    ChannelTimeout,
    /// Batches land at least one L1 block after their epoch.
    #[error("seq_window_size is {found}, expected at least 2")]
    SeqWindowSize {
        /// L1 blocks.
        found: u64,
    },
    /// Names no block.
    #[error("genesis.l1.hash is zero")]
    GenesisL1Hash,
    /// Names no block.
    #[error("genesis.l2.hash is zero")]
    GenesisL2Hash,
    /// One of the two was copied from the other.
    #[error("genesis.l1.hash and genesis.l2.hash are both {hash}")]
    GenesisHashesEqual {
        /// The hash.
        hash: B256,
    },
    /// There is no chain before ours.
    #[error("genesis.l2.number is {found}, expected 0")]
    GenesisL2Number {
        /// Height.
        found: u64,
    },
    /// op-node refuses 0.
    #[error("genesis.l2_time is 0")]
    GenesisL2Time,
    /// Nobody could post.
    #[error("genesis.system_config.batcherAddr is zero")]
    BatcherAddress,
    /// Not a scalar of version 0 or 1.
    #[error("genesis.system_config.scalar is {found}, neither version 0 nor version 1")]
    Scalar {
        /// The word.
        found: B256,
    },
    /// No transaction would fit.
    #[error("genesis.system_config.gasLimit is 0")]
    GasLimit,
    /// Both halves are zero (use the chain's default), or neither.
    #[error(
        "genesis.system_config.eip1559Params is {found}: denominator and elasticity must both be zero or both not"
    )]
    Eip1559Params {
        /// `denominator u32 ‖ elasticity u32`.
        found: B64,
    },
    /// Where batches go.
    #[error("batch_inbox_address is zero")]
    BatchInboxAddress,
    /// Where deposits come from.
    #[error("deposit_contract_address is zero")]
    DepositContractAddress,
    /// Where configuration comes from.
    #[error("l1_system_config_address is zero")]
    L1SystemConfigAddress,
    /// Not a chain id.
    #[error("l1_chain_id is 0")]
    L1ChainId,
    /// Not a chain id.
    #[error("l2_chain_id is 0")]
    L2ChainId,
    /// A signature for one chain would be good on the other.
    #[error("l1_chain_id and l2_chain_id are both {chain_id}")]
    ChainIdsEqual {
        /// The chain id.
        chain_id: u64,
    },
    /// Every fork through Isthmus is active from genesis on this chain.
    #[error("{fork}_time is {found:?}, expected 0")]
    ForkTime {
        /// Name as in the key.
        fork: &'static str,
        /// Unix seconds, if present.
        found: Option<u64>,
    },
    /// Jovian begins with the chain or not at all: nothing here builds its activation block.
    #[error("jovian_time is {found}, expected 0 or absent")]
    JovianTime {
        /// Unix seconds.
        found: u64,
    },
    /// The base-fee rule divides by it, and a header gives it 32 bits.
    #[error("chain_op_config.{key} is {found}, expected 1 to 4294967295")]
    ChainOpConfig {
        /// Key inside `chain_op_config`.
        key: &'static str,
        /// Its value.
        found: u64,
    },
    /// Keccak commitments and their challenges do not exist here.
    #[error("alt_da.da_commitment_type is {found:?}, expected {GENERIC_COMMITMENT:?}")]
    DaCommitmentType {
        /// The value.
        found: String,
    },
    /// Generic commitments have no challenge contract.
    #[error("alt_da.da_challenge_contract_address is {found}, expected zero")]
    DaChallengeContractAddress {
        /// The value.
        found: Address,
    },
    /// op-node refuses 0.
    #[error("alt_da.{key} is 0")]
    DaWindow {
        /// Key inside `alt_da`.
        key: &'static str,
    },
}

/// A `rollup.json` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RollupConfigFileError {
    /// Not JSON of this shape; the message names an unknown or missing key and where it stands.
    #[error("rollup configuration is not readable: {0}")]
    Json(serde_json::Error),
    /// Readable, with a field that cannot be.
    #[error("rollup configuration is not usable: {0}")]
    Field(RollupConfigError),
}

impl RollupConfig {
    /// Reads and checks a `rollup.json`.
    pub fn from_json(json: &str) -> Result<Self, RollupConfigFileError> {
        let config: Self = serde_json::from_str(json).map_err(RollupConfigFileError::Json)?;
        config.validate().map_err(RollupConfigFileError::Field)?;
        Ok(config)
    }

    /// The `rollup.json` an unmodified op-node reads, indented, with a final newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("plain structs with string keys serialise");
        json.push('\n');
        json
    }

    /// Checks every field; the first that cannot be is the error.
    pub fn validate(&self) -> Result<(), RollupConfigError> {
        use RollupConfigError as Error;
        ensure(self.block_time != 0, || Error::BlockTime)?;
        ensure(self.channel_timeout != 0, || Error::ChannelTimeout)?;
        ensure(self.seq_window_size >= 2, || Error::SeqWindowSize {
            found: self.seq_window_size,
        })?;
        self.validate_genesis()?;
        ensure(!self.batch_inbox_address.is_zero(), || Error::BatchInboxAddress)?;
        ensure(!self.deposit_contract_address.is_zero(), || {
            Error::DepositContractAddress
        })?;
        ensure(!self.l1_system_config_address.is_zero(), || {
            Error::L1SystemConfigAddress
        })?;
        ensure(self.l1_chain_id != 0, || Error::L1ChainId)?;
        ensure(self.l2_chain_id != 0, || Error::L2ChainId)?;
        ensure(self.l1_chain_id != self.l2_chain_id, || Error::ChainIdsEqual {
            chain_id: self.l1_chain_id,
        })?;
        self.validate_forks()?;
        self.validate_fee_defaults()?;
        self.validate_alt_da()
    }

    fn validate_genesis(&self) -> Result<(), RollupConfigError> {
        use RollupConfigError as Error;
        let genesis = &self.genesis;
        ensure(!genesis.l1.hash.is_zero(), || Error::GenesisL1Hash)?;
        ensure(!genesis.l2.hash.is_zero(), || Error::GenesisL2Hash)?;
        ensure(genesis.l1.hash != genesis.l2.hash, || Error::GenesisHashesEqual {
            hash: genesis.l1.hash,
        })?;
        ensure(genesis.l2.number.0 == 0, || Error::GenesisL2Number {
            found: genesis.l2.number.0,
        })?;
        ensure(genesis.l2_time != 0, || Error::GenesisL2Time)?;
        let system = &genesis.system_config;
        ensure(!system.batcher_address.is_zero(), || Error::BatcherAddress)?;
        ensure(is_valid_fee_scalar(&system.scalar), || Error::Scalar {
            found: system.scalar,
        })?;
        ensure(system.gas_limit != 0, || Error::GasLimit)?;
        ensure(system.has_valid_eip1559_params(), || Error::Eip1559Params {
            found: system.eip1559_params,
        })
    }

    fn validate_forks(&self) -> Result<(), RollupConfigError> {
        let from_genesis = [
            ("regolith", self.regolith_time),
            ("canyon", self.canyon_time),
            ("delta", self.delta_time),
            ("ecotone", self.ecotone_time),
            ("fjord", self.fjord_time),
            ("granite", self.granite_time),
            ("holocene", self.holocene_time),
            ("isthmus", self.isthmus_time),
        ];
        for (fork, found) in from_genesis {
            ensure(found == Some(0), || RollupConfigError::ForkTime { fork, found })?;
        }
        match self.jovian_time {
            None | Some(0) => Ok(()),
            Some(found) => Err(RollupConfigError::JovianTime { found }),
        }
    }

    fn validate_fee_defaults(&self) -> Result<(), RollupConfigError> {
        let defaults = [
            ("eip1559Elasticity", self.chain_op_config.eip1559_elasticity),
            ("eip1559Denominator", self.chain_op_config.eip1559_denominator),
            (
                "eip1559DenominatorCanyon",
                self.chain_op_config.eip1559_denominator_canyon,
            ),
        ];
        for (key, found) in defaults {
            ensure(found != 0 && u32::try_from(found).is_ok(), || {
                RollupConfigError::ChainOpConfig { key, found }
            })?;
        }
        Ok(())
    }

    fn validate_alt_da(&self) -> Result<(), RollupConfigError> {
        let Some(alt_da) = &self.alt_da else { return Ok(()) };
        ensure(alt_da.da_commitment_type == GENERIC_COMMITMENT, || {
            RollupConfigError::DaCommitmentType {
                found: alt_da.da_commitment_type.clone(),
            }
        })?;
        ensure(alt_da.da_challenge_contract_address.is_zero(), || {
            RollupConfigError::DaChallengeContractAddress {
                found: alt_da.da_challenge_contract_address,
            }
        })?;
        ensure(alt_da.da_challenge_window != 0, || RollupConfigError::DaWindow {
            key: "da_challenge_window",
        })?;
        ensure(alt_da.da_resolve_window != 0, || RollupConfigError::DaWindow {
            key: "da_resolve_window",
        })
    }
}

fn ensure(holds: bool, error: impl FnOnce() -> RollupConfigError) -> Result<(), RollupConfigError> {
    if holds { Ok(()) } else { Err(error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_op_hardforks::{EthereumHardforks, OpHardforks};

    const ROLLUP_JSON: &str = include_str!("../../testdata/rollup.json");

    fn sample() -> RollupConfig {
        RollupConfig::from_json(ROLLUP_JSON).unwrap()
    }

    #[test]
    fn golden_file_reads_and_writes_back_unchanged() {
        assert_eq!(sample().to_json(), ROLLUP_JSON);
    }

    #[test]
    fn unknown_and_missing_keys_are_named() {
        let unknown = ROLLUP_JSON.replacen("\"block_time\"", "\"blocktime\": 1,\n  \"block_time\"", 1);
        assert!(
            RollupConfig::from_json(&unknown)
                .unwrap_err()
                .to_string()
                .contains("blocktime")
        );
        let missing = ROLLUP_JSON.replacen("\"block_time\": 1,", "", 1);
        assert!(
            RollupConfig::from_json(&missing)
                .unwrap_err()
                .to_string()
                .contains("block_time")
        );
        let nested = ROLLUP_JSON.replacen("\"gasLimit\"", "\"gaslimit\"", 1);
        assert!(
            RollupConfig::from_json(&nested)
                .unwrap_err()
                .to_string()
                .contains("gaslimit")
        );
    }

    #[test]
    fn every_field_has_its_own_error() {
        use RollupConfigError as Error;
        type Mutation = fn(&mut RollupConfig);
        let cases: [(Mutation, Error); 25] = [
            (|c| c.block_time = 0, Error::BlockTime),
            (|c| c.channel_timeout = 0, Error::ChannelTimeout),
            (|c| c.seq_window_size = 1, Error::SeqWindowSize { found: 1 }),
            (|c| c.genesis.l1.hash = B256::ZERO, Error::GenesisL1Hash),
            (|c| c.genesis.l2.hash = B256::ZERO, Error::GenesisL2Hash),
            (
                |c| c.genesis.l2.hash = c.genesis.l1.hash,
                Error::GenesisHashesEqual {
                    hash: sample().genesis.l1.hash,
                },
            ),
            (|c| c.genesis.l2.number.0 = 1, Error::GenesisL2Number { found: 1 }),
            (|c| c.genesis.l2_time = 0, Error::GenesisL2Time),
            (
                |c| c.genesis.system_config.batcher_address = Address::ZERO,
                Error::BatcherAddress,
            ),
            (
                |c| c.genesis.system_config.scalar = B256::repeat_byte(2),
                Error::Scalar {
                    found: B256::repeat_byte(2),
                },
            ),
            (|c| c.genesis.system_config.gas_limit = 0, Error::GasLimit),
            (
                |c| c.genesis.system_config.eip1559_params = B64::with_last_byte(1),
                Error::Eip1559Params {
                    found: B64::with_last_byte(1),
                },
            ),
            (
                |c| c.batch_inbox_address = Address::ZERO,
                Error::BatchInboxAddress,
            ),
            (
                |c| c.deposit_contract_address = Address::ZERO,
                Error::DepositContractAddress,
            ),
            (
                |c| c.l1_system_config_address = Address::ZERO,
                Error::L1SystemConfigAddress,
            ),
            (|c| c.l1_chain_id = 0, Error::L1ChainId),
            (|c| c.l2_chain_id = 0, Error::L2ChainId),
            (
                |c| c.l2_chain_id = c.l1_chain_id,
                Error::ChainIdsEqual { chain_id: 900 },
            ),
            (
                |c| c.isthmus_time = None,
                Error::ForkTime {
                    fork: "isthmus",
                    found: None,
                },
            ),
            (
                |c| c.canyon_time = Some(5),
                Error::ForkTime {
                    fork: "canyon",
                    found: Some(5),
                },
            ),
            (|c| c.jovian_time = Some(7), Error::JovianTime { found: 7 }),
            (
                |c| c.chain_op_config.eip1559_elasticity = 0,
                Error::ChainOpConfig {
                    key: "eip1559Elasticity",
                    found: 0,
                },
            ),
            (
                |c| c.chain_op_config.eip1559_denominator_canyon = 1 << 32,
                Error::ChainOpConfig {
                    key: "eip1559DenominatorCanyon",
                    found: 1 << 32,
                },
            ),
            (
                |c| alt_da(c).da_commitment_type = "KeccakCommitment".into(),
                Error::DaCommitmentType {
                    found: "KeccakCommitment".into(),
                },
            ),
            (
                |c| alt_da(c).da_resolve_window = 0,
                Error::DaWindow {
                    key: "da_resolve_window",
                },
            ),
        ];
        for (mutate, expected) in cases {
            let mut config = sample();
            mutate(&mut config);
            assert_eq!(config.validate(), Err(expected));
        }
    }

    fn alt_da(config: &mut RollupConfig) -> &mut super::super::AltDaConfig {
        config.alt_da.as_mut().unwrap()
    }

    #[test]
    fn isthmus_profile_is_valid_and_never_jovian() {
        let config = RollupConfig {
            jovian_time: None,
            ..sample()
        };
        assert_eq!(config.validate(), Ok(()));
        assert!(!config.is_jovian(u64::MAX));
        assert!(!config.is_jovian_active_at_timestamp(u64::MAX));
        assert!(config.is_isthmus_active_at_timestamp(0));
        assert_ne!(config.hash(), sample().hash());
    }

    #[test]
    fn forks_reach_the_executor_as_the_profile_says() {
        let config = sample();
        assert!(config.is_jovian_active_at_timestamp(0) && config.is_jovian(0));
        assert!(config.is_prague_active_at_timestamp(0) && config.is_paris_active_at_block(0));
        assert!(config.is_london_active_at_block(0) && config.is_bedrock_active_at_block(0));
        assert!(!config.is_osaka_active_at_timestamp(u64::MAX));
        assert!(!config.is_karst_active_at_timestamp(u64::MAX));
        assert!(!config.is_interop_active_at_timestamp(u64::MAX));
    }

    #[test]
    fn timestamps_follow_the_block_time() {
        let config = sample();
        let start = config.genesis.l2_time;
        assert_eq!(config.timestamp_of(crate::block::L2BlockNumber(0)), start);
        assert_eq!(
            config.timestamp_of(crate::block::L2BlockNumber(10)),
            start + 10 * config.block_time
        );
    }
}
