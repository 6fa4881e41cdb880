//! What kona asks of L1 and of the safe chain, answered from the record.
//!
//! The L2 side is shown only up to the safe head: kona must not learn from a block it has yet to derive.

use crate::history::{History, L1Block};
use alloy_consensus::{Header, Receipt, TxEnvelope};
use alloy_primitives::B256;
use async_trait::async_trait;
use kona_derive::{ChainProvider, L2ChainProvider, PipelineError, PipelineErrorKind};
use kona_genesis::{RollupConfig, SystemConfig};
use kona_protocol::{BatchValidationProvider, BlockInfo, L2BlockInfo, to_system_config};
use op_alloy_consensus::OpBlock;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The record has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No such L1 block.
    #[error("no L1 block {0}")]
    NoL1Block(String),
    /// No such block in the safe chain.
    #[error("no safe L2 block {0}")]
    NoL2Block(u64),
    /// The block does not say which system configuration is in force.
    #[error("system configuration of L2 block {number}: {error}")]
    SystemConfig {
        /// Height.
        number: u64,
        /// What kona says.
        error: String,
    },
}

impl From<ProviderError> for PipelineErrorKind {
    fn from(error: ProviderError) -> Self {
        PipelineError::Provider(error.to_string()).crit()
    }
}

/// L1 as recorded.
#[derive(Clone, Debug)]
pub struct RecordedL1(pub Arc<History>);

impl RecordedL1 {
    fn by_hash(&self, hash: B256) -> Result<&L1Block, ProviderError> {
        let found = self.0.l1.iter().find(|block| block.info.hash == hash);
        found.ok_or_else(|| ProviderError::NoL1Block(hash.to_string()))
    }
}

#[async_trait]
impl ChainProvider for RecordedL1 {
    type Error = ProviderError;

    async fn header_by_hash(&mut self, hash: B256) -> Result<Header, ProviderError> {
        Ok(self.by_hash(hash)?.header.clone())
    }

    async fn block_info_by_number(&mut self, number: u64) -> Result<BlockInfo, ProviderError> {
        let found = self.0.l1.iter().find(|block| block.info.number == number);
        let block = found.ok_or_else(|| ProviderError::NoL1Block(number.to_string()))?;
        Ok(block.info)
    }

    async fn receipts_by_hash(&mut self, hash: B256) -> Result<Vec<Receipt>, ProviderError> {
        Ok(self.by_hash(hash)?.receipts.clone())
    }

    async fn block_info_and_transactions_by_hash(
        &mut self,
        hash: B256,
    ) -> Result<(BlockInfo, Vec<TxEnvelope>), ProviderError> {
        let block = self.by_hash(hash)?;
        Ok((block.info, block.transactions.clone()))
    }
}

/// The safe chain: the first blocks of the record, up to a head that moves as kona confirms them.
#[derive(Clone, Debug)]
pub struct SafeChain {
    history: Arc<History>,
    head: Arc<AtomicUsize>,
}

impl SafeChain {
    /// A safe chain that ends at genesis.
    pub fn new(history: Arc<History>) -> Self {
        Self {
            history,
            head: Arc::default(),
        }
    }

    /// The safe head.
    pub fn head(&self) -> L2BlockInfo {
        self.history.chain[self.head.load(Ordering::Relaxed)].1
    }

    /// The next recorded block has been derived.
    pub fn advance(&self) {
        self.head.fetch_add(1, Ordering::Relaxed);
    }

    /// The safe block of this time (Unix seconds); `None` before genesis, after the head and between blocks.
    pub fn at_time(&self, timestamp: u64) -> Option<&(OpBlock, L2BlockInfo)> {
        let rollup = &self.history.rollup;
        let since_genesis = timestamp.checked_sub(rollup.genesis.l2_time)?;
        if since_genesis % rollup.block_time != 0 {
            return None;
        }
        self.at(since_genesis / rollup.block_time).ok()
    }

    fn at(&self, number: u64) -> Result<&(OpBlock, L2BlockInfo), ProviderError> {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        if index > self.head.load(Ordering::Relaxed) {
            return Err(ProviderError::NoL2Block(number));
        }
        Ok(&self.history.chain[index])
    }
}

#[async_trait]
impl BatchValidationProvider for SafeChain {
    type Error = ProviderError;

    async fn l2_block_info_by_number(&mut self, number: u64) -> Result<L2BlockInfo, ProviderError> {
        Ok(self.at(number)?.1)
    }

    async fn block_by_number(&mut self, number: u64) -> Result<OpBlock, ProviderError> {
        Ok(self.at(number)?.0.clone())
    }
}

#[async_trait]
impl L2ChainProvider for SafeChain {
    type Error = ProviderError;

    async fn system_config_by_number(
        &mut self,
        number: u64,
        rollup: Arc<RollupConfig>,
    ) -> Result<SystemConfig, ProviderError> {
        to_system_config(&self.at(number)?.0, &rollup).map_err(|error| ProviderError::SystemConfig {
            number,
            error: error.to_string(),
        })
    }
}
