//! What a block is opened on: a committed block, or the one that was closed a moment ago and has no hash yet.

use crate::{
    engine::{Closed, Ground, PendingBlock},
    store::{StoreError, StoredBlock},
};
use alloy::{
    consensus::{BlockBody, Header},
    eips::eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE},
    primitives::{B256, keccak256},
};
use revm::DatabaseRef;
use std::sync::{Arc, LazyLock};
use tributary_protocol::{
    block::{BlockRefError, L2Block, L2BlockRef},
    config::RollupConfig,
};

static HISTORY_STORAGE_CODE_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(&HISTORY_STORAGE_CODE));

/// The block before the one to be built. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Parent {
    Committed(Arc<StoredBlock>),
    Sealing(Arc<SealingBlock>),
}

/// A block that is being sealed: the part of it that the next block needs.
#[derive(Debug)]
pub(super) struct SealingBlock {
    /// Without hash.
    reference: L2BlockRef,
    /// Without roots, and with the first transaction alone.
    block: L2Block,
    pending: Arc<PendingBlock>,
}

impl Parent {
    /// What is known of a block that was closed.
    pub(super) fn sealing(config: &RollupConfig, closed: &Closed) -> Result<Self, BlockRefError> {
        let block = L2Block {
            header: closed.block.header().clone(),
            body: BlockBody {
                transactions: closed.block.transactions().iter().take(1).cloned().collect(),
                ..BlockBody::default()
            },
        };
        let reference = L2BlockRef::from_block(&block, B256::ZERO, &config.genesis)?;
        Ok(Self::Sealing(Arc::new(SealingBlock {
            reference,
            block,
            pending: closed.pending.clone(),
        })))
    }

    /// Where it stands. Its hash is zero while it is being sealed.
    pub(super) fn reference(&self) -> &L2BlockRef {
        match self {
            Self::Committed(block) => &block.reference,
            Self::Sealing(block) => &block.reference,
        }
    }

    /// At least its header, as far as that is known, and its first transaction.
    pub(super) fn block(&self) -> &L2Block {
        match self {
            Self::Committed(block) => &block.block,
            Self::Sealing(block) => &block.block,
        }
    }

    pub(super) fn header(&self) -> &Header {
        &self.block().header
    }

    pub(super) const fn is_committed(&self) -> bool {
        matches!(self, Self::Committed(_))
    }

    /// True if it certainly will not be on the chain.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Committed(_) => false,
            Self::Sealing(block) => block.pending.seal().is_lost(),
        }
    }

    /// Whether it is the unsafe head, given the head's hash, or will be once it is sealed; `is_sealing` says that it is not known to us to be
    /// committed.
    pub(super) fn is_or_follows(&self, head: B256, is_sealing: bool) -> bool {
        match self {
            Self::Committed(block) => block.hash == head,
            Self::Sealing(block) => {
                let sealed = block.pending.seal().known();
                sealed.is_some_and(|sealed| sealed.hash == head)
                    || is_sealing && !self.is_lost() && block.pending.parent().hash == head
            }
        }
    }

    /// True if the block after it can be executed without its hash: if all that stores the hash is the contract of EIP-2935.
    pub(super) fn can_be_built_on(&self) -> Result<bool, StoreError> {
        let Self::Sealing(block) = self else {
            return Ok(true);
        };
        let history = Ground::executed(block.pending.clone()).basic_ref(HISTORY_STORAGE_ADDRESS)?;
        Ok(history.is_some_and(|account| account.code_hash == *HISTORY_STORAGE_CODE_HASH))
    }

    /// What was executed of it, if it is being sealed.
    pub(super) fn pending(&self) -> Option<&Arc<PendingBlock>> {
        match self {
            Self::Committed(_) => None,
            Self::Sealing(block) => Some(&block.pending),
        }
    }
}
