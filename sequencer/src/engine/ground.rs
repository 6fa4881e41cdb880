//! The state a block is built on: that after a committed block, or after one that takes no more transactions and is being sealed.
//!
//! ```text
//!  block n+1 --reads--> Ground --while n is being sealed--> what n has executed --> Ground of n
//!                          \-----once n is committed------> StateView after n
//! ```
//! The hash of a block that is being sealed is not known yet, and hardly anything asks for it: `BLOCKHASH`, and the EIP-2935 contract. What
//! does waits for it.

use super::{PendingBlock, PendingState, seal::Seal};
use crate::store::{StateView, StoreError};
use alloy::{
    eips::eip2935::HISTORY_STORAGE_ADDRESS,
    primitives::{Address, B256, U256},
};
use parking_lot::RwLock;
use revm::{bytecode::Bytecode, database_interface::DatabaseRef, state::AccountInfo};
use std::sync::Arc;
use tributary_protocol::{
    block::{L2BlockNumber, L2BlockRef},
    execute::parent_hash_slot,
};

/// The state before a block. Cheap to clone; all clones are the ground of the same block.
#[derive(Clone, Debug)]
pub struct Ground {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    under: RwLock<Under>,
    /// Of a parent that was being sealed when the block was opened.
    ahead: Option<Ahead>,
}

#[derive(Debug)]
enum Under {
    Committed(StateView),
    Executed(PendingState),
}

#[derive(Debug)]
struct Ahead {
    parent: L2BlockNumber,
    seal: Arc<Seal>,
}

impl Ahead {
    fn hash(&self) -> Result<B256, StoreError> {
        let sealed = self.seal.wait();
        sealed
            .map(|reference| reference.hash)
            .ok_or(StoreError::MissingBlock(self.parent))
    }
}

impl Ground {
    /// The state after a committed block.
    #[must_use]
    pub fn committed(state: StateView) -> Self {
        Self {
            shared: Arc::new(Shared {
                under: RwLock::new(Under::Committed(state)),
                ahead: None,
            }),
        }
    }

    /// The state after all that `block` has executed, which is to be sealed as it is.
    #[must_use]
    pub fn executed(block: Arc<PendingBlock>) -> Self {
        let ahead = Ahead {
            parent: block.number(),
            seal: block.seal().clone(),
        };
        Self {
            shared: Arc::new(Shared {
                under: RwLock::new(Under::Executed(PendingState::latest(block))),
                ahead: Some(ahead),
            }),
        }
    }

    /// Reads from the committed state from now on, which is the same, and lets go of the block.
    pub(crate) fn commit(&self, state: StateView) {
        *self.shared.under.write() = Under::Committed(state);
    }

    /// Where the block below stands, if it was being sealed when this one was opened and has been sealed since.
    pub(super) fn sealed_parent(&self) -> Option<L2BlockRef> {
        self.shared.ahead.as_ref()?.seal.known()
    }

    fn read<T>(
        &self,
        committed: impl FnOnce(&StateView) -> Result<T, StoreError>,
        executed: impl FnOnce(&PendingState) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &*self.shared.under.read() {
            Under::Committed(state) => committed(state),
            Under::Executed(state) => executed(state),
        }
    }
}

impl DatabaseRef for Ground {
    type Error = StoreError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StoreError> {
        self.read(|state| state.basic_ref(address), |state| state.basic_ref(address))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, StoreError> {
        self.read(
            |state| state.code_by_hash_ref(code_hash),
            |state| state.code_by_hash_ref(code_hash),
        )
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, StoreError> {
        if let Some(ahead) = &self.shared.ahead
            && address == HISTORY_STORAGE_ADDRESS
            && index == parent_hash_slot(ahead.parent.0)
        {
            return Ok(U256::from_be_bytes(ahead.hash()?.0));
        }
        self.read(
            |state| state.storage_ref(address, index),
            |state| state.storage_ref(address, index),
        )
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StoreError> {
        if let Some(ahead) = &self.shared.ahead
            && number == ahead.parent.0
        {
            return ahead.hash();
        }
        self.read(
            |state| state.block_hash_ref(number),
            |state| state.block_hash_ref(number),
        )
    }
}
