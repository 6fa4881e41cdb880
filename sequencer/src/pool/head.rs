//! What admission needs to know of the chain's tip: the price of the next block, its size, and what L1 and the operator charge.

use crate::{engine::Chain, store::StoreError};
use alloy::primitives::{B256, U256};
use op_revm::{L1BlockInfo, OpSpecId};
use tributary_protocol::{
    block::{L2Block, l1_info},
    execute::{HeaderError, evm_env, next_base_fee},
    l1_info::L1Info,
};

/// Facts about the next block, as far as its parent decides them.
#[derive(Clone, Debug)]
pub(super) struct HeadFacts {
    /// Hash of the unsafe head these facts follow from.
    pub(super) head: B256,
    /// Wei per gas in the next block.
    pub(super) base_fee: u64,
    /// Gas limit of the head; the next block's differs only when L1 changed it.
    pub(super) gas_limit: u64,
    spec: OpSpecId,
    l1_cost: L1BlockInfo,
}

/// Why the tip could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A block of ours does not follow the header rules.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The unsafe head is not in the store.
    #[error("the unsafe head {0} is not in the store")]
    Missing(B256),
}

impl HeadFacts {
    pub(super) fn read(chain: &Chain) -> Result<Self, HeadError> {
        let head = chain.heads().unsafe_head.hash;
        let stored = chain.block_by_hash(head)?.ok_or(HeadError::Missing(head))?;
        let config = chain.config();
        let header = &stored.block.header;
        Ok(Self {
            head,
            base_fee: next_base_fee(config, header)?,
            gas_limit: header.gas_limit,
            spec: evm_env(config, header).cfg_env.spec,
            l1_cost: l1_cost_info(&stored.block).unwrap_or_default(),
        })
    }

    /// Gas of DA footprint per estimated byte.
    pub(super) fn footprint_scalar(&self) -> u16 {
        self.l1_cost.da_footprint_gas_scalar.unwrap_or_default()
    }

    /// What a transaction pays beyond gas and value, at most: L1 and operator fee, wei.
    pub(super) fn extra_cost(&self, encoded: &[u8], gas_limit: u64) -> U256 {
        if self.l1_cost.operator_fee_constant.is_none() {
            return U256::ZERO;
        }
        self.l1_cost
            .clone()
            .tx_cost(encoded, U256::from(gas_limit), self.spec)
    }
}

/// The fee parameters a block runs under, from its first transaction; `None` for the genesis block.
pub(crate) fn l1_cost_info(block: &L2Block) -> Option<L1BlockInfo> {
    // A block in our store starts with attributes that decode, or it is genesis.
    let info = l1_info(block)?.ok()?;
    Some(cost_info(&info))
}

/// As [`l1_cost_info`], of L1 attributes.
pub(crate) fn cost_info(info: &L1Info) -> L1BlockInfo {
    L1BlockInfo {
        l2_block: None,
        l1_base_fee: info.base_fee,
        l1_base_fee_scalar: U256::from(info.base_fee_scalar),
        l1_blob_base_fee: Some(info.blob_base_fee),
        l1_blob_base_fee_scalar: Some(U256::from(info.blob_base_fee_scalar)),
        operator_fee_scalar: Some(U256::from(info.operator_fee_scalar)),
        operator_fee_constant: Some(U256::from(info.operator_fee_constant)),
        da_footprint_gas_scalar: info.da_footprint_gas_scalar,
        ..L1BlockInfo::default()
    }
}
