//! Writing a genesis: from the few things an operator decides, and the contracts, to a complete `genesis.json`.

use super::{Genesis, GenesisError};
use crate::config::ChainOpConfig;
use alloc::{collections::BTreeMap, string::ToString};
use alloy_eips::{
    eip1559::BaseFeeParams,
    eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE},
    eip4788::{BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE},
};
use alloy_genesis::{ChainConfig, GenesisAccount};
use alloy_primitives::{Address, B64, Bytes, U256};
use op_alloy_consensus::{EIP1559ParamError, encode_holocene_extra_data, encode_jovian_extra_data};

/// What distinguishes one chain's genesis from another's.
#[derive(Clone, Debug)]
pub struct GenesisParts {
    /// Chain id of the L2.
    pub chain_id: u64,
    /// Unix seconds of block 0.
    pub timestamp: u64,
    /// Gas limit of block 0, and of every block until `SystemConfig` says otherwise.
    pub gas_limit: u64,
    /// Wei; base fee of block 0.
    pub base_fee: u64,
    /// EIP-1559 defaults; `extraData` of block 0 carries them too.
    pub fees: ChainOpConfig,
    /// Wei; written into `extraData` if Jovian is active at block 0.
    pub min_base_fee: u64,
    /// Unix seconds Jovian is active from; `None` for the Isthmus profile.
    pub jovian_time: Option<u64>,
    /// Contracts and balances. The contracts of EIP-2935 and EIP-4788 are added.
    pub alloc: BTreeMap<Address, GenesisAccount>,
}

impl GenesisParts {
    /// Puts the genesis together.
    ///
    /// # Errors
    /// If the allocation is in the way of a system contract, or the parts make a genesis that [`Genesis::new`] refuses.
    pub fn build(self) -> Result<Genesis, GenesisError> {
        let mut alloc = self.alloc.clone();
        for (address, code) in [
            (HISTORY_STORAGE_ADDRESS, &HISTORY_STORAGE_CODE),
            (BEACON_ROOTS_ADDRESS, &BEACON_ROOTS_CODE),
        ] {
            let contract = GenesisAccount::default()
                .with_nonce(Some(1))
                .with_code(Some(code.clone()));
            if alloc.insert(address, contract).is_some() {
                return Err(GenesisError::Occupied { address });
            }
        }
        Genesis::new(alloy_genesis::Genesis {
            config: self.chain_config()?,
            timestamp: self.timestamp,
            extra_data: self.extra_data().map_err(|error| GenesisError::ExtraData {
                found: Bytes::new(),
                error: error.into(),
            })?,
            gas_limit: self.gas_limit,
            base_fee_per_gas: Some(self.base_fee.into()),
            alloc,
            ..alloy_genesis::Genesis::default()
        })
    }

    fn extra_data(&self) -> Result<Bytes, EIP1559ParamError> {
        let defaults = BaseFeeParams::new(
            self.fees.eip1559_denominator_canyon.into(),
            self.fees.eip1559_elasticity.into(),
        );
        if self.jovian_time.is_some_and(|time| time <= self.timestamp) {
            encode_jovian_extra_data(B64::ZERO, defaults, self.min_base_fee)
        } else {
            encode_holocene_extra_data(B64::ZERO, defaults)
        }
    }

    /// Every fork at genesis, in the keys op-geth and op-reth read. No blob schedule: op-geth refuses one on an OP chain.
    fn chain_config(&self) -> Result<ChainConfig, GenesisError> {
        let mut config = ChainConfig {
            chain_id: self.chain_id,
            homestead_block: Some(0),
            eip150_block: Some(0),
            eip155_block: Some(0),
            eip158_block: Some(0),
            byzantium_block: Some(0),
            constantinople_block: Some(0),
            petersburg_block: Some(0),
            istanbul_block: Some(0),
            muir_glacier_block: Some(0),
            berlin_block: Some(0),
            london_block: Some(0),
            arrow_glacier_block: Some(0),
            gray_glacier_block: Some(0),
            merge_netsplit_block: Some(0),
            shanghai_time: Some(0),
            cancun_time: Some(0),
            prague_time: Some(0),
            terminal_total_difficulty: Some(U256::ZERO),
            terminal_total_difficulty_passed: true,
            ..ChainConfig::default()
        };
        let extra = &mut config.extra_fields;
        extra.insert_value("bedrockBlock".to_string(), 0u64)?;
        for fork in super::ACTIVE_FORKS {
            extra.insert_value(fork.to_string(), 0u64)?;
        }
        if let Some(time) = self.jovian_time {
            extra.insert_value("jovianTime".to_string(), time)?;
        }
        extra.insert_value("optimism".to_string(), self.fees)?;
        Ok(config)
    }
}
