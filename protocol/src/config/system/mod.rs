//! What L1's `SystemConfig` contract says, in force for an epoch from the L1 block that changed it.
//!
//! Every L2 block repeats it, in its L1-attributes transaction and its header, so that it can be read back from any L2 block alone:
//! [`SystemConfig::from_l2_block`]. What is read back equals what was in force, in canonical form: defaults are spelled out.

use super::{ChainOpConfig, DA_FOOTPRINT_GAS_SCALAR_DEFAULT, RollupConfig};
use crate::{
    block::L2Block,
    l1_info::{L1Info, L1InfoError},
};
use alloy_primitives::{Address, B64, B256};
use op_alloy_consensus::OpTxEnvelope;
use serde::{Deserialize, Serialize};

/// Version byte of a fee scalar from before Ecotone: the base fee scalar alone.
const SCALAR_VERSION_BEDROCK: u8 = 0;
/// Version byte of a fee scalar with both scalars.
const SCALAR_VERSION_ECOTONE: u8 = 1;

/// What L1's `SystemConfig` contract says; in force for an epoch from the L1 block that changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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

/// The two numbers of the base-fee rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eip1559Params {
    /// Base-fee change denominator.
    pub denominator: u32,
    /// Gas limit divided by gas target.
    pub elasticity: u32,
}

/// Scalars of the L1 fee, millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeeScalars {
    /// Scales L1's base fee.
    pub base_fee: u32,
    /// Scales L1's blob base fee.
    pub blob_base_fee: u32,
}

/// The operator fee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperatorFee {
    /// Per gas: millionths of a wei (Isthmus), hundreds of wei (Jovian).
    pub scalar: u32,
    /// Per transaction, wei.
    pub constant: u64,
}

/// Why a block does not say its system configuration. A block of ours that gives this was not built by these rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SystemConfigReadError {
    /// The block at genesis height is a different one.
    #[error("block {number} has hash {found}, the rollup configuration says {expected}")]
    GenesisHash {
        /// Height of genesis.
        number: u64,
        /// Hash in the rollup configuration.
        expected: B256,
        /// Hash of the block.
        found: B256,
    },
    /// The first transaction is missing or not a deposit.
    #[error("block {number} does not start with an L1-attributes transaction")]
    NoL1Info {
        /// Height.
        number: u64,
    },
    /// The first transaction is a deposit with other content.
    #[error("L1 attributes of block {number}: {error}")]
    L1Info {
        /// Height.
        number: u64,
        /// What is wrong with it.
        error: L1InfoError,
    },
    /// The attributes are in the format of another fork.
    #[error("block {number} has L1 attributes of {}, expected {}", fork(*.jovian_found), fork(!*.jovian_found))]
    Format {
        /// Height.
        number: u64,
        /// Whether the format found is Jovian's.
        jovian_found: bool,
    },
    /// `extraData` of another length or version, or with a zero in it that the base-fee rule would divide by.
    #[error("block {number} has extraData {found}, not the form its fork prescribes")]
    ExtraData {
        /// Height.
        number: u64,
        /// The bytes.
        found: alloy_primitives::Bytes,
    },
}

fn fork(jovian: bool) -> &'static str {
    if jovian { "Jovian" } else { "Isthmus" }
}

impl SystemConfig {
    /// EIP-1559 parameters in force: its own, or the chain's default while they are all zero.
    ///
    /// `defaults` come from a checked configuration, so they fit 32 bits; one that does not saturates.
    #[must_use]
    pub fn eip1559_params_or(&self, defaults: &ChainOpConfig) -> Eip1559Params {
        if self.eip1559_params.is_zero() {
            return Eip1559Params {
                denominator: u32::try_from(defaults.eip1559_denominator_canyon).unwrap_or(u32::MAX),
                elasticity: u32::try_from(defaults.eip1559_elasticity).unwrap_or(u32::MAX),
            };
        }
        Eip1559Params::from_bytes(self.eip1559_params)
    }

    /// Both parameters zero (the chain's default) or neither: anything else would divide by zero.
    #[must_use]
    pub fn has_valid_eip1559_params(&self) -> bool {
        Eip1559Params::from_bytes(self.eip1559_params).is_valid_update()
    }

    /// Scalars of the L1 fee. A scalar from before Ecotone has no blob part.
    #[must_use]
    pub fn fee_scalars(&self) -> FeeScalars {
        let low = u64_tail(&self.scalar).to_be_bytes();
        let [b0, b1, b2, b3, f0, f1, f2, f3] = low;
        FeeScalars {
            base_fee: u32::from_be_bytes([f0, f1, f2, f3]),
            blob_base_fee: match self.scalar[0] {
                SCALAR_VERSION_ECOTONE => u32::from_be_bytes([b0, b1, b2, b3]),
                _ => 0,
            },
        }
    }

    /// The operator fee.
    #[must_use]
    pub fn operator_fee(&self) -> OperatorFee {
        let [.., s0, s1, s2, s3, _, _, _, _, _, _, _, _] = self.operator_fee_params.0;
        OperatorFee {
            scalar: u32::from_be_bytes([s0, s1, s2, s3]),
            constant: u64_tail(&self.operator_fee_params),
        }
    }

    /// Gas of DA footprint per estimated byte, with 0 read as the default.
    #[must_use]
    pub const fn da_footprint_gas_scalar_or_default(&self) -> u16 {
        match self.da_footprint_gas_scalar {
            0 => DA_FOOTPRINT_GAS_SCALAR_DEFAULT,
            scalar => scalar,
        }
    }

    /// Reads back the configuration in force in `block`: the genesis configuration for the genesis block (whose hash is checked),
    /// otherwise from its L1-attributes transaction and its header's `gasLimit` and `extraData`.
    pub fn from_l2_block(config: &RollupConfig, block: &L2Block) -> Result<Self, SystemConfigReadError> {
        let header = &block.header;
        let number = header.number;
        if number == config.genesis.l2.number.0 {
            let (expected, found) = (config.genesis.l2.hash, header.hash_slow());
            return if found == expected {
                Ok(config.genesis.system_config)
            } else {
                Err(SystemConfigReadError::GenesisHash {
                    number,
                    expected,
                    found,
                })
            };
        }
        let Some(OpTxEnvelope::Deposit(deposit)) = block.body.transactions.first() else {
            return Err(SystemConfigReadError::NoL1Info { number });
        };
        let info = L1Info::decode(&deposit.inner().input)
            .map_err(|error| SystemConfigReadError::L1Info { number, error })?;
        let jovian = config.is_jovian(header.timestamp);
        if info.da_footprint_gas_scalar.is_some() != jovian {
            return Err(SystemConfigReadError::Format {
                number,
                jovian_found: !jovian,
            });
        }
        let (eip1559_params, min_base_fee) =
            read_extra_data(&header.extra_data, jovian).ok_or_else(|| SystemConfigReadError::ExtraData {
                number,
                found: header.extra_data.clone(),
            })?;
        Ok(Self {
            batcher_address: info.batcher_address,
            overhead: B256::ZERO,
            scalar: FeeScalars {
                base_fee: info.base_fee_scalar,
                blob_base_fee: info.blob_base_fee_scalar,
            }
            .encode(),
            gas_limit: header.gas_limit,
            eip1559_params: eip1559_params.to_bytes(),
            operator_fee_params: OperatorFee {
                scalar: info.operator_fee_scalar,
                constant: info.operator_fee_constant,
            }
            .encode(),
            min_base_fee,
            da_footprint_gas_scalar: info.da_footprint_gas_scalar.unwrap_or(0),
        })
    }
}

/// EIP-1559 parameters and minimum base fee of a header: `version 1 ‖ denominator ‖ elasticity ‖ min base fee u64` from Jovian on,
/// `version 0 ‖ denominator ‖ elasticity` before.
fn read_extra_data(extra_data: &[u8], jovian: bool) -> Option<(Eip1559Params, u64)> {
    let (params, min_base_fee) = match (jovian, extra_data) {
        (false, [0, params @ ..]) => (params, 0),
        (true, [1, rest @ ..]) => {
            let (params, min_base_fee) = rest.split_first_chunk::<8>()?;
            (
                params.as_slice(),
                u64::from_be_bytes(min_base_fee.try_into().ok()?),
            )
        }
        _ => return None,
    };
    let params = Eip1559Params::from_bytes(B64::try_from(params).ok()?);
    (params.denominator != 0 && params.elasticity != 0).then_some((params, min_base_fee))
}

impl Eip1559Params {
    /// Reads `denominator u32 ‖ elasticity u32`.
    #[must_use]
    pub fn from_bytes(bytes: B64) -> Self {
        let [d0, d1, d2, d3, e0, e1, e2, e3] = bytes.0;
        Self {
            denominator: u32::from_be_bytes([d0, d1, d2, d3]),
            elasticity: u32::from_be_bytes([e0, e1, e2, e3]),
        }
    }

    /// Writes `denominator u32 ‖ elasticity u32`.
    #[must_use]
    pub fn to_bytes(self) -> B64 {
        B64::from((u64::from(self.denominator) << 32 | u64::from(self.elasticity)).to_be_bytes())
    }

    /// Both zero, or neither.
    pub(super) const fn is_valid_update(self) -> bool {
        (self.denominator == 0) == (self.elasticity == 0)
    }
}

impl FeeScalars {
    /// The word of [`SystemConfig::scalar`], version 1.
    #[must_use]
    pub fn encode(self) -> B256 {
        let mut word = B256::ZERO;
        word[0] = SCALAR_VERSION_ECOTONE;
        word[24..28].copy_from_slice(&self.blob_base_fee.to_be_bytes());
        word[28..].copy_from_slice(&self.base_fee.to_be_bytes());
        word
    }
}

impl OperatorFee {
    /// The word of [`SystemConfig::operator_fee_params`].
    #[must_use]
    pub fn encode(self) -> B256 {
        let mut word = B256::ZERO;
        word[20..24].copy_from_slice(&self.scalar.to_be_bytes());
        word[24..].copy_from_slice(&self.constant.to_be_bytes());
        word
    }
}

/// Whether a fee scalar is of version 0 or 1 with zeros between the version and its values. Others never come into force.
#[must_use]
pub fn is_valid_fee_scalar(scalar: &B256) -> bool {
    let first_value_byte = match scalar[0] {
        SCALAR_VERSION_BEDROCK => 28,
        SCALAR_VERSION_ECOTONE => 24,
        _ => return false,
    };
    scalar[1..first_value_byte].iter().all(|byte| *byte == 0)
}

/// The last 8 bytes of a word as a number.
fn u64_tail(word: &B256) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = word.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests;
