//! From what a request calls a block (number, tag, hash, EIP-1898 object) to the block or the state after it.

use super::{Rpc, error::RpcError};
use crate::{
    engine::{PendingBlock, PendingState},
    store::{StateView, StoreError, StoredBlock},
};
use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256, U256},
};
use alloy_evm::EvmEnv;
use op_revm::OpSpecId;
use revm::{bytecode::Bytecode, database_interface::DatabaseRef, state::AccountInfo};
use std::sync::Arc;
use tributary_protocol::{
    block::{L2BlockNumber, L2BlockRef},
    execute::evm_env,
};

/// A block that a request named.
pub(super) enum Named {
    /// On the canonical chain.
    Committed(L2BlockRef),
    /// Being built.
    Pending(Arc<PendingBlock>),
}

/// State a request named, and the environment calls on it run in.
#[derive(Clone, Debug)]
pub(super) enum ReadState {
    /// After a canonical block.
    At(StateView),
    /// After what the block being built has executed.
    Pending(PendingState),
}

impl Rpc {
    /// The block `id` names, if there is one.
    pub(super) fn find(&self, id: BlockId) -> Result<Option<Named>, RpcError> {
        let chain = self.chain();
        let heads = chain.heads();
        let tag = match id {
            BlockId::Hash(hash) => {
                let number = chain.reader().block_number(hash.block_hash)?;
                return self.numbered(number);
            }
            BlockId::Number(tag) => tag,
        };
        let reference = match tag {
            BlockNumberOrTag::Latest => heads.unsafe_head,
            BlockNumberOrTag::Safe => heads.safe_head,
            BlockNumberOrTag::Finalized => heads.finalized_head,
            BlockNumberOrTag::Earliest => return self.numbered(Some(chain.config().genesis.l2.number)),
            BlockNumberOrTag::Number(number) => return self.numbered(Some(L2BlockNumber(number))),
            BlockNumberOrTag::Pending => match chain.pending() {
                Some(pending) => return Ok(Some(Named::Pending(pending))),
                // Between blocks the next one will start from here.
                None => heads.unsafe_head,
            },
        };
        Ok(Some(Named::Committed(reference)))
    }

    fn numbered(&self, number: Option<L2BlockNumber>) -> Result<Option<Named>, RpcError> {
        let Some(number) = number else { return Ok(None) };
        Ok(self.chain().block_ref(number)?.map(Named::Committed))
    }

    /// The canonical block `id` names; `None` for a pending one.
    pub(super) fn find_block(&self, id: BlockId) -> Result<Option<Arc<StoredBlock>>, RpcError> {
        match self.find(id)? {
            Some(Named::Committed(reference)) => Ok(self.chain().block_by_hash(reference.hash)?),
            Some(Named::Pending(_)) | None => Ok(None),
        }
    }

    /// The state `id` names; latest if none.
    pub(super) fn state(&self, id: Option<BlockId>) -> Result<ReadState, RpcError> {
        match self.named(id)? {
            Named::Committed(reference) => Ok(ReadState::At(self.chain().state_at(reference.number)?)),
            Named::Pending(pending) => Ok(ReadState::Pending(PendingState::of(pending))),
        }
    }

    /// The state `id` names and what the EVM is told about the block.
    pub(super) fn state_and_env(
        &self,
        id: Option<BlockId>,
    ) -> Result<(ReadState, EvmEnv<OpSpecId>), RpcError> {
        let config = self.chain().config();
        match self.named(id)? {
            Named::Committed(reference) => {
                let block = self.committed(&reference)?;
                let state = ReadState::At(self.chain().state_at(reference.number)?);
                Ok((state, evm_env(config, &block.block.header)))
            }
            Named::Pending(pending) => {
                let env = evm_env(config, pending.header());
                Ok((ReadState::Pending(PendingState::of(pending)), env))
            }
        }
    }

    /// The canonical block that was just found under this reference.
    pub(super) fn committed(&self, reference: &L2BlockRef) -> Result<Arc<StoredBlock>, RpcError> {
        self.chain()
            .block_by_hash(reference.hash)?
            .ok_or_else(|| RpcError::server("header not found"))
    }

    fn named(&self, id: Option<BlockId>) -> Result<Named, RpcError> {
        let id = id.unwrap_or_default();
        let missing = match id {
            BlockId::Hash(_) => "header for hash not found",
            BlockId::Number(_) => "header not found",
        };
        self.find(id)?.ok_or_else(|| RpcError::server(missing))
    }
}

impl DatabaseRef for ReadState {
    type Error = StoreError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StoreError> {
        match self {
            Self::At(state) => state.basic_ref(address),
            Self::Pending(state) => state.basic_ref(address),
        }
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, StoreError> {
        match self {
            Self::At(state) => state.code_by_hash_ref(code_hash),
            Self::Pending(state) => state.code_by_hash_ref(code_hash),
        }
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, StoreError> {
        match self {
            Self::At(state) => state.storage_ref(address, index),
            Self::Pending(state) => state.storage_ref(address, index),
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StoreError> {
        match self {
            Self::At(state) => state.block_hash_ref(number),
            Self::Pending(state) => state.block_hash_ref(number),
        }
    }
}
