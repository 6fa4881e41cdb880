//! Header rules of the OP Stack from Isthmus on: base fee, `extraData`, and the fields that follow from parent and attributes.
//!
//! ```text
//!  extraData   bytes  field
//!  Isthmus     0      version, 0        Jovian  0      version, 1
//!              1..5   denominator u32           1..9   as Isthmus
//!              5..9   elasticity u32            9..17  minimum base fee, u64 wei
//! ```
//!
//! A block's base fee follows from its parent alone: the parent's `extraData`, gas used and, from Jovian on, its DA footprint,
//! which stands in `blobGasUsed`. Specification: Holocene and Jovian, "Execution engine".

use crate::{attributes::BlockAttributes, config::RollupConfig};
use alloy_consensus::{BlockHeader, EMPTY_OMMER_ROOT_HASH, Header, Sealed};
use alloy_eips::{
    eip1559::{BaseFeeParams, calc_next_block_base_fee},
    eip7685::EMPTY_REQUESTS_HASH,
};
use alloy_primitives::{B64, Bytes, U256};
use op_alloy_consensus::{
    EIP1559ParamError, decode_holocene_extra_data, decode_jovian_extra_data, encode_holocene_extra_data,
    encode_jovian_extra_data,
};

/// Why no block with these attributes can follow this parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Time must advance.
    #[error("timestamp {timestamp} is not after the parent's {parent}")]
    Timestamp {
        /// Unix seconds of the attributes.
        timestamp: u64,
        /// Unix seconds of the parent.
        parent: u64,
    },
    /// The parent's `extraData` does not hold the parameters its fork demands.
    #[error("extraData of block {number} is malformed: {error}")]
    ExtraData {
        /// Height of the parent.
        number: u64,
        /// What is wrong.
        error: FeeParametersError,
    },
    /// The attributes, or the chain's defaults they stand for, hold no usable parameters.
    #[error("EIP-1559 parameters are unusable: {0}")]
    Parameters(FeeParametersError),
    /// A minimum base fee belongs in the attributes from Jovian on, and only then.
    #[error("minimum base fee is {found:?}, Jovian is active: {jovian}")]
    MinBaseFee {
        /// What the attributes say.
        found: Option<u64>,
        /// Whether Jovian is active at their timestamp.
        jovian: bool,
    },
    /// The parent lacks a field every header has since Isthmus.
    #[error("block {number} has no {field}")]
    MissingField {
        /// Height of the parent.
        number: u64,
        /// Name of the field in JSON.
        field: &'static str,
    },
}

/// Why EIP-1559 parameters cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeeParametersError {
    /// Wrong length or version, or a value too large for its field.
    #[error(transparent)]
    Encoding(#[from] EIP1559ParamError),
    /// Both are divisors.
    #[error("denominator {denominator} and elasticity {elasticity} must not be zero")]
    Zero {
        /// Base-fee change denominator.
        denominator: u32,
        /// Gas limit divided by gas target.
        elasticity: u32,
    },
}

/// EIP-1559 parameters a header carries for its child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeParameters {
    /// Base-fee change denominator.
    pub denominator: u32,
    /// Gas limit divided by gas target.
    pub elasticity: u32,
    /// Wei below which the base fee does not fall; zero before Jovian.
    pub min_base_fee: u64,
}

impl FeeParameters {
    /// Reads `extraData` of a header in the form its fork demands.
    ///
    /// # Errors
    /// If length or version are not those of the fork, or a parameter is zero.
    pub fn from_header(config: &RollupConfig, header: &Header) -> Result<Self, HeaderError> {
        let jovian = config.is_jovian(header.timestamp);
        Self::decode(jovian, &header.extra_data).map_err(|error| HeaderError::ExtraData {
            number: header.number,
            error,
        })
    }

    /// Reads `extraData` in Jovian's form or in the one before it.
    ///
    /// # Errors
    /// If length or version are not those of the form, or a parameter is zero.
    pub fn decode(jovian: bool, extra_data: &[u8]) -> Result<Self, FeeParametersError> {
        let (elasticity, denominator, min_base_fee) = if jovian {
            decode_jovian_extra_data(extra_data)?
        } else {
            let (elasticity, denominator) = decode_holocene_extra_data(extra_data)?;
            (elasticity, denominator, 0)
        };
        if denominator == 0 || elasticity == 0 {
            return Err(FeeParametersError::Zero {
                denominator,
                elasticity,
            });
        }
        Ok(Self {
            denominator,
            elasticity,
            min_base_fee,
        })
    }

    /// As attributes carry them: `denominator u32 ‖ elasticity u32`.
    #[must_use]
    pub fn to_params(self) -> B64 {
        B64::from((u64::from(self.denominator) << 32) | u64::from(self.elasticity))
    }
}

/// Base fee in wei of the child of `parent`.
///
/// # Errors
/// If the parent's `extraData` is malformed or it has no base fee.
pub fn next_base_fee(config: &RollupConfig, parent: &Header) -> Result<u64, HeaderError> {
    let parameters = FeeParameters::from_header(config, parent)?;
    let missing = |field| HeaderError::MissingField {
        number: parent.number,
        field,
    };
    let base_fee = parent.base_fee_per_gas.ok_or(missing("baseFeePerGas"))?;
    let gas_metered = if config.is_jovian(parent.timestamp) {
        let footprint = parent.blob_gas_used.ok_or(missing("blobGasUsed"))?;
        parent.gas_used.max(footprint)
    } else {
        parent.gas_used
    };
    let next = calc_next_block_base_fee(
        gas_metered,
        parent.gas_limit,
        base_fee,
        BaseFeeParams::new(parameters.denominator.into(), parameters.elasticity.into()),
    );
    Ok(next.max(parameters.min_base_fee))
}

/// `extraData` of a block with these attributes.
///
/// # Errors
/// If a parameter is zero (all zero stands for the chain's defaults), or the minimum base fee does not belong to the fork.
pub fn extra_data(config: &RollupConfig, attributes: &BlockAttributes) -> Result<Bytes, HeaderError> {
    let jovian = config.is_jovian(attributes.timestamp);
    let defaults = BaseFeeParams::new(
        config.chain_op_config.eip1559_denominator_canyon.into(),
        config.chain_op_config.eip1559_elasticity.into(),
    );
    let encoded = match (jovian, attributes.min_base_fee) {
        (false, None) => encode_holocene_extra_data(attributes.eip1559_params, defaults),
        (true, Some(min)) => encode_jovian_extra_data(attributes.eip1559_params, defaults, min),
        (jovian, found) => return Err(HeaderError::MinBaseFee { found, jovian }),
    };
    let checked = encoded.map_err(FeeParametersError::from).and_then(|bytes| {
        // The child of this block will have to read what is written here.
        FeeParameters::decode(jovian, &bytes)?;
        Ok(bytes)
    });
    checked.map_err(HeaderError::Parameters)
}

/// The header of the child as far as it is known before anything executes; roots, bloom and gas are still empty.
///
/// # Errors
/// If parent and attributes contradict each other or the rules of the fork.
pub fn next_header(
    config: &RollupConfig,
    parent: &Sealed<Header>,
    attributes: &BlockAttributes,
) -> Result<Header, HeaderError> {
    if attributes.timestamp <= parent.timestamp() {
        return Err(HeaderError::Timestamp {
            timestamp: attributes.timestamp,
            parent: parent.timestamp(),
        });
    }
    Ok(Header {
        parent_hash: parent.hash(),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: attributes.fee_recipient,
        difficulty: U256::ZERO,
        number: parent.number() + 1,
        gas_limit: attributes.gas_limit,
        timestamp: attributes.timestamp,
        extra_data: extra_data(config, attributes)?,
        mix_hash: attributes.prev_randao,
        nonce: B64::ZERO,
        base_fee_per_gas: Some(next_base_fee(config, parent)?),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(attributes.parent_beacon_block_root),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    })
}
