//! What one L1 block gives to the L2 blocks that build on it: header fields, deposits and configuration updates.
//!
//! Derivation and the sequencer both build attributes through here, so that a block built is the block that will be derived.

use crate::{l1_block::L1Block, stages::l1_traversal::config_updates};
use alloc::vec::Vec;
use alloy_consensus::Header;
use alloy_primitives::Log;
use op_alloy_consensus::TxDeposit;
use tributary_protocol::{
    attributes::{BlockAttributes, build_attributes},
    block::{L1BlockId, L1BlockRef, L2BlockRef},
    config::{L1ChainConfig, RollupConfig, SystemConfig},
    deposit::{DepositError, TRANSACTION_DEPOSITED_TOPIC, decode_transaction_deposited},
};

/// An L1 block as the L1 origin of L2 blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    id: L1BlockId,
    header: Header,
    deposits: Vec<TxDeposit>,
    updates: Vec<Log>,
}

/// The portal emitted a deposit that cannot be read: it is not the contract the chain was configured with. Skipping the deposit would
/// lose someone's money, so derivation halts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("deposit at log {log_index} of L1 block {number} does not decode: {source}", number = block.number)]
pub struct EpochError {
    /// The L1 block.
    pub block: L1BlockId,
    /// Index of the log in the block.
    pub log_index: u64,
    /// What is wrong with it.
    pub source: DepositError,
}

impl Epoch {
    /// Reads the deposits and updates of an L1 block.
    ///
    /// # Errors
    /// When a deposit does not decode.
    pub fn of(block: &L1Block, config: &RollupConfig) -> Result<Self, EpochError> {
        Ok(Self {
            id: block.id(),
            header: block.header().clone(),
            deposits: deposits(block, config)?,
            updates: config_updates(block, config.l1_system_config_address)
                .cloned()
                .collect(),
        })
    }

    /// Height and hash of the L1 block.
    #[must_use]
    pub const fn id(&self) -> L1BlockId {
        self.id
    }

    /// What links the L1 block to its neighbours.
    #[must_use]
    pub const fn reference(&self) -> L1BlockRef {
        crate::l1_block::header_reference(&self.header, self.id.hash)
    }

    /// User deposits, in order.
    #[must_use]
    pub fn deposits(&self) -> &[TxDeposit] {
        &self.deposits
    }

    /// Attributes of the block after `parent` with this L1 origin and no transactions but the forced ones. `system_config` is the
    /// configuration in force in `parent`; the updates of this epoch are applied if the block opens it. The caller has checked that the
    /// epoch is the parent's or the one after it, and not later than the block.
    #[must_use]
    pub fn attributes(
        &self,
        config: &RollupConfig,
        l1_config: &L1ChainConfig,
        parent: &L2BlockRef,
        system_config: &SystemConfig,
    ) -> BlockAttributes {
        let mut system_config = *system_config;
        if self.id != parent.l1_origin {
            for log in &self.updates {
                // One that is malformed changes nothing; it is counted where L1 is traversed.
                system_config.apply(log).ok();
            }
        }
        build_attributes(
            config,
            l1_config,
            parent,
            &system_config,
            &self.header,
            self.id.hash,
            &self.deposits,
        )
    }
}

fn deposits(block: &L1Block, config: &RollupConfig) -> Result<Vec<TxDeposit>, EpochError> {
    block
        .logs()
        .filter(|(_, log)| {
            log.address == config.deposit_contract_address
                && log.topics().first() == Some(&TRANSACTION_DEPOSITED_TOPIC)
        })
        .map(|(log_index, log)| {
            decode_transaction_deposited(log, block.hash(), log_index).map_err(|source| EpochError {
                block: block.id(),
                log_index,
                source,
            })
        })
        .collect()
}
