//! `ConfigUpdate` logs of L1's `SystemConfig` contract, and what each changes in [`SystemConfig`].
//!
//! `event ConfigUpdate(uint256 indexed version, uint8 indexed updateType, bytes data)`, version 0. `data` is one ABI `bytes`:
//! offset word 32, length word, and then whole words:
//!
//! | type | changes                 | length | words                                                  |
//! | ---- | ----------------------- | ------ | ------------------------------------------------------ |
//! | 0    | batcher                 | 32     | address                                                |
//! | 1    | fee scalars             | 64     | overhead (ignored), scalar of version 0 or 1           |
//! | 2    | gas limit               | 32     | u64                                                    |
//! | 3    | unsafe block signer     | 32     | address; for the node, not for derivation              |
//! | 4    | EIP-1559 parameters     | 32     | last 8 bytes: denominator u32, elasticity u32          |
//! | 5    | operator fee            | 32     | bytes 20..24 scalar, 24..32 constant                   |
//! | 6    | minimum base fee        | 32     | u64                                                    |
//! | 7    | DA footprint gas scalar | 32     | u16                                                    |
//!
//! Spec: OP Stack, protocol/derivation and protocol/system-config. Logs apply one by one: one that is malformed is counted, skipped
//! and changes nothing, and those after it still apply.

use super::{Eip1559Params, SystemConfig, is_valid_fee_scalar};
use alloc::vec::Vec;
use alloy_primitives::{Address, B64, B256, Log, LogData, U256, b256};

/// Topic 0 of `ConfigUpdate(uint256,uint8,bytes)`.
pub const CONFIG_UPDATE_TOPIC: B256 =
    b256!("1d2b0bda21d56b8bd12d4f94ebacffdfb35f5e226f84b461103bb8beab6353be");

/// Bytes of one ABI word.
const WORD: usize = 32;

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigUpdate {
    /// Type 0: who may post.
    Batcher(Address),
    /// Type 1: the word of [`SystemConfig::scalar`].
    FeeScalars(B256),
    /// Type 2: gas limit of L2 blocks.
    GasLimit(u64),
    /// Type 3: who signs unsafe blocks. Not part of [`SystemConfig`]; the node keeps it.
    UnsafeBlockSigner(Address),
    /// Type 4: `denominator u32 ‖ elasticity u32`.
    Eip1559Params(B64),
    /// Type 5: the word of [`SystemConfig::operator_fee_params`].
    OperatorFee(B256),
    /// Type 6: wei.
    MinBaseFee(u64),
    /// Type 7: gas of footprint per estimated byte.
    DaFootprintGasScalar(u16),
}

/// Why a log changes nothing. What to do: count it and go on with the next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigUpdateError {
    /// The event has exactly three topics.
    #[error("config update has {found} topics, expected 3")]
    TopicCount {
        /// Topics of the log.
        found: usize,
    },
    /// A different event.
    #[error("config update starts with topic {found}, expected {CONFIG_UPDATE_TOPIC}")]
    Topic {
        /// Topic 0 of the log.
        found: B256,
    },
    /// Only version 0 is defined.
    #[error("config update has version {found}, expected 0")]
    Version {
        /// Topic 1 of the log.
        found: B256,
    },
    /// Only types 0 to 7 are defined.
    #[error("config update has unknown type {found}")]
    UpdateType {
        /// Topic 2 of the log.
        found: B256,
    },
    /// The offset word must be 32.
    #[error("config update places its data at offset {found}, expected 32")]
    Offset {
        /// The offset word.
        found: U256,
    },
    /// Each type has one length.
    #[error("config update of type {update_type} claims {found} bytes, expected {expected}")]
    Length {
        /// The type.
        update_type: u8,
        /// Bytes its values take.
        expected: usize,
        /// The length word.
        found: U256,
    },
    /// Log data ends early or goes on after the values.
    #[error("config update of type {update_type} has {found} bytes of log data, expected {expected}")]
    DataSize {
        /// The type.
        update_type: u8,
        /// Head and values.
        expected: usize,
        /// Bytes of log data.
        found: usize,
    },
    /// A value does not fit its type: an address, a u64, a u16, a fee scalar, EIP-1559 parameters without a lone zero.
    #[error("config update of type {update_type} has value {found}, out of range")]
    Value {
        /// The type.
        update_type: u8,
        /// The word.
        found: B256,
    },
}

impl SystemConfig {
    /// Applies one log, which the caller has checked to come from the `SystemConfig` contract in a successful transaction.
    /// On error nothing has changed.
    pub fn apply(&mut self, log: &Log) -> Result<ConfigUpdate, ConfigUpdateError> {
        let update = ConfigUpdate::decode(log)?;
        match update {
            ConfigUpdate::Batcher(batcher) => self.batcher_address = batcher,
            ConfigUpdate::FeeScalars(scalar) => {
                self.scalar = scalar;
                self.overhead = B256::ZERO;
            }
            ConfigUpdate::GasLimit(gas_limit) => self.gas_limit = gas_limit,
            ConfigUpdate::UnsafeBlockSigner(_) => {}
            ConfigUpdate::Eip1559Params(params) => self.eip1559_params = params,
            ConfigUpdate::OperatorFee(params) => self.operator_fee_params = params,
            ConfigUpdate::MinBaseFee(min_base_fee) => self.min_base_fee = min_base_fee,
            ConfigUpdate::DaFootprintGasScalar(scalar) => self.da_footprint_gas_scalar = scalar,
        }
        Ok(update)
    }
}

impl ConfigUpdate {
    /// Reads one log.
    pub fn decode(log: &Log) -> Result<Self, ConfigUpdateError> {
        let [topic, version, update_type] = log.topics() else {
            return Err(ConfigUpdateError::TopicCount {
                found: log.topics().len(),
            });
        };
        if *topic != CONFIG_UPDATE_TOPIC {
            return Err(ConfigUpdateError::Topic { found: *topic });
        }
        if !version.is_zero() {
            return Err(ConfigUpdateError::Version { found: *version });
        }
        let data = &log.data.data;
        Ok(match known_type(update_type)? {
            0 => Self::Batcher(address(0, one_word(0, data)?)?),
            1 => {
                let [_overhead, scalar] = words::<2>(1, data)?;
                check(1, scalar, is_valid_fee_scalar(&scalar))?;
                Self::FeeScalars(scalar)
            }
            2 => Self::GasLimit(number(2, one_word(2, data)?)?),
            3 => Self::UnsafeBlockSigner(address(3, one_word(3, data)?)?),
            4 => {
                let word = one_word(4, data)?;
                let params = B64::from_slice(&word[24..]);
                check(4, word, Eip1559Params::from_bytes(params).is_valid_update())?;
                Self::Eip1559Params(params)
            }
            5 => Self::OperatorFee(one_word(5, data)?),
            6 => Self::MinBaseFee(number(6, one_word(6, data)?)?),
            _ => Self::DaFootprintGasScalar(number(7, one_word(7, data)?)?),
        })
    }

    /// The log the contract emits for this change: the inverse of [`Self::decode`].
    #[must_use]
    pub fn encode(&self, system_config: Address) -> Log {
        let values: &[B256] = match self {
            Self::Batcher(address) | Self::UnsafeBlockSigner(address) => &[address.into_word()],
            Self::FeeScalars(scalar) => &[B256::ZERO, *scalar],
            Self::GasLimit(value) | Self::MinBaseFee(value) => &[U256::from(*value).into()],
            Self::Eip1559Params(params) => &[B256::left_padding_from(params.as_slice())],
            Self::OperatorFee(params) => &[*params],
            Self::DaFootprintGasScalar(scalar) => &[U256::from(*scalar).into()],
        };
        let mut data = Vec::with_capacity((2 + values.len()) * WORD);
        data.extend_from_slice(&U256::from(WORD).to_be_bytes::<WORD>());
        data.extend_from_slice(&U256::from(values.len() * WORD).to_be_bytes::<WORD>());
        for value in values {
            data.extend_from_slice(value.as_slice());
        }
        let topics = [
            CONFIG_UPDATE_TOPIC,
            B256::ZERO,
            B256::with_last_byte(self.update_type()),
        ]
        .to_vec();
        Log {
            address: system_config,
            data: LogData::new_unchecked(topics, data.into()),
        }
    }

    /// The type as the event has it.
    #[must_use]
    pub const fn update_type(&self) -> u8 {
        match self {
            Self::Batcher(_) => 0,
            Self::FeeScalars(_) => 1,
            Self::GasLimit(_) => 2,
            Self::UnsafeBlockSigner(_) => 3,
            Self::Eip1559Params(_) => 4,
            Self::OperatorFee(_) => 5,
            Self::MinBaseFee(_) => 6,
            Self::DaFootprintGasScalar(_) => 7,
        }
    }
}

fn known_type(topic: &B256) -> Result<u8, ConfigUpdateError> {
    u8::try_from(U256::from_be_bytes(topic.0))
        .ok()
        .filter(|update_type| *update_type <= 7)
        .ok_or(ConfigUpdateError::UpdateType { found: *topic })
}

fn one_word(update_type: u8, data: &[u8]) -> Result<B256, ConfigUpdateError> {
    let [word] = words::<1>(update_type, data)?;
    Ok(word)
}

/// Takes exactly `N` value words out of the log data.
fn words<const N: usize>(update_type: u8, data: &[u8]) -> Result<[B256; N], ConfigUpdateError> {
    let expected = (2 + N) * WORD;
    let (all, trailing) = data.as_chunks::<WORD>();
    let size = || ConfigUpdateError::DataSize {
        update_type,
        expected,
        found: data.len(),
    };
    let [offset, length, values @ ..] = all else {
        return Err(size());
    };
    let (offset, length) = (U256::from_be_bytes(*offset), U256::from_be_bytes(*length));
    if offset != U256::from(WORD) {
        return Err(ConfigUpdateError::Offset { found: offset });
    }
    if length != U256::from(N * WORD) {
        return Err(ConfigUpdateError::Length {
            update_type,
            expected: N * WORD,
            found: length,
        });
    }
    let values: [[u8; WORD]; N] = values.try_into().map_err(|_| size())?;
    if trailing.is_empty() {
        Ok(values.map(B256::from))
    } else {
        Err(size())
    }
}

fn address(update_type: u8, word: B256) -> Result<Address, ConfigUpdateError> {
    check(update_type, word, word[..12].iter().all(|byte| *byte == 0))?;
    Ok(Address::from_word(word))
}

fn number<T: TryFrom<U256>>(update_type: u8, word: B256) -> Result<T, ConfigUpdateError> {
    T::try_from(U256::from_be_bytes(word.0)).map_err(|_| ConfigUpdateError::Value {
        update_type,
        found: word,
    })
}

fn check(update_type: u8, word: B256, in_range: bool) -> Result<(), ConfigUpdateError> {
    if in_range {
        Ok(())
    } else {
        Err(ConfigUpdateError::Value {
            update_type,
            found: word,
        })
    }
}

#[cfg(test)]
mod tests;
