//! A block between execution and its hash: what the transactions did is known, the roots are not computed yet.
//!
//! ```text
//!  BlockBuilder --stop--> ClosedBlock --settle--> ExecutedBlock --seal--> BlockOutcome
//!                         what the EVM left       net changes             roots and hash
//! ```
//!
//! The sequencer seals it beside the execution of the next block; whoever only wants to know whether a block executes to what was
//! committed compares its changes and receipts, and needs no trie.

use super::{
    BlockOutcome, BlockState,
    changes::state_changes,
    error::{ExecuteError, FatalError},
    header::HeaderError,
};
use crate::{
    block::L2Block,
    state::{StateChanges, TrieReader, trie::TrieError},
};
use alloc::{boxed::Box, vec::Vec};
use alloy_consensus::{
    BlockBody, Header, Sealed, TxReceipt,
    proofs::{calculate_receipt_root, calculate_transaction_root},
};
use alloy_eips::eip2935::{HISTORY_SERVE_WINDOW, HISTORY_STORAGE_ADDRESS};
use alloy_evm::block::BlockExecutionError;
use alloy_primitives::{Address, B256, Bloom, U256};
use op_alloy_consensus::{L2_TO_L1_MESSAGE_PASSER_ADDRESS, OpReceiptEnvelope, OpTxEnvelope};
use revm::database::CacheState;

/// The slot of the EIP-2935 history contract that holds the hash of block `number`, while the next 8,191 blocks are built.
#[must_use]
pub fn parent_hash_slot(number: u64) -> U256 {
    U256::from(number % HISTORY_SERVE_WINDOW as u64)
}

/// A block that takes no more transactions, as the EVM left it. May travel to another thread.
#[derive(Debug)]
pub struct ClosedBlock {
    /// Gas is filled in; roots and bloom are empty, and so is the parent's hash if the block was built ahead of it.
    pub(super) header: Header,
    pub(super) parent: Option<Sealed<Header>>,
    pub(super) transactions: Vec<OpTxEnvelope>,
    pub(super) senders: Vec<Address>,
    pub(super) receipts: Vec<OpReceiptEnvelope>,
    pub(super) cache: CacheState,
}

impl ClosedBlock {
    /// The header so far: gas is known, roots and bloom are still empty.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The transactions, in order.
    #[must_use]
    pub fn transactions(&self) -> &[OpTxEnvelope] {
        &self.transactions
    }

    /// Works out what really changed, given the parent and the state after it.
    ///
    /// # Errors
    /// [`ExecuteError::OtherParent`] if the block was not built on `parent`, [`ExecuteError::Fatal`] if state cannot be read.
    pub fn settle<S: BlockState>(
        self,
        parent: &Sealed<Header>,
        before: &S,
    ) -> Result<ExecutedBlock, ExecuteError> {
        let is_parent = match &self.parent {
            Some(known) => known.hash() == parent.hash(),
            None => parent.number + 1 == self.header.number,
        };
        if !is_parent {
            return Err(ExecuteError::OtherParent {
                number: self.header.number,
                parent: parent.hash(),
            });
        }
        let is_ahead = self.parent.is_none();
        let header = Header {
            parent_hash: parent.hash(),
            ..self.header
        };
        let mut executed = Self {
            header,
            parent: Some(parent.clone()),
            ..self
        }
        .settled(before)?;
        if is_ahead {
            executed.put_parent_hash(before)?;
        }
        Ok(executed)
    }

    /// As [`Self::settle`] on the parent it was built on.
    pub(super) fn settled<S: BlockState>(self, before: &S) -> Result<ExecutedBlock, ExecuteError> {
        let changes = state_changes(&self.cache, before).map_err(unreadable)?;
        let parent = self.parent.ok_or_else(|| ExecuteError::OtherParent {
            number: self.header.number,
            parent: B256::ZERO,
        })?;
        Ok(ExecutedBlock {
            header: self.header,
            parent,
            transactions: self.transactions,
            senders: self.senders,
            receipts: self.receipts,
            changes,
        })
    }
}

pub(super) fn unreadable<E: core::error::Error + Send + Sync + 'static>(error: E) -> FatalError {
    FatalError::Execution(BlockExecutionError::other(error))
}

/// A block whose transactions have all been executed.
#[derive(Clone, Debug)]
pub struct ExecutedBlock {
    /// Gas is filled in; roots and bloom are empty.
    pub(super) header: Header,
    pub(super) parent: Sealed<Header>,
    pub(super) transactions: Vec<OpTxEnvelope>,
    pub(super) senders: Vec<Address>,
    pub(super) receipts: Vec<OpReceiptEnvelope>,
    pub(super) changes: StateChanges,
}

impl ExecutedBlock {
    /// The header so far: gas is known, roots and bloom are still empty.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Receipt of each transaction, in order.
    #[must_use]
    pub fn receipts(&self) -> &[OpReceiptEnvelope] {
        &self.receipts
    }

    /// Changes to flat state.
    #[must_use]
    pub const fn changes(&self) -> &StateChanges {
        &self.changes
    }

    /// What the EIP-2935 system call would have written had the parent's hash been known.
    fn put_parent_hash<S: BlockState>(&mut self, before: &S) -> Result<(), ExecuteError> {
        let slot = parent_hash_slot(self.parent.number);
        let value = U256::from_be_bytes(self.parent.hash().0);
        let value_before = before
            .storage_ref(HISTORY_STORAGE_ADDRESS, slot)
            .map_err(unreadable)?;
        if value != value_before {
            let history = self.changes.storage.entry(HISTORY_STORAGE_ADDRESS).or_default();
            history.insert(slot, value);
        }
        Ok(())
    }

    /// Computes the roots, with nodes of the parent's state from `reader`, and the hash.
    ///
    /// # Errors
    /// [`ExecuteError::Trie`] if the trie cannot be read.
    pub fn seal<R: TrieReader>(self, reader: &R) -> Result<BlockOutcome, ExecuteError> {
        let trie = reader
            .trie(self.parent.state_root)
            .map_err(|error| TrieError::Reader(Box::new(error)))?
            .update(reader, &self.changes)?;
        let withdrawals_root = match trie.storage_roots.get(&L2_TO_L1_MESSAGE_PASSER_ADDRESS) {
            Some(root) => *root,
            // Untouched, so its storage root is the one the parent committed to.
            None => self.parent.withdrawals_root.ok_or(HeaderError::MissingField {
                number: self.parent.number,
                field: "withdrawalsRoot",
            })?,
        };
        let header = Header {
            state_root: trie.after.root(),
            transactions_root: calculate_transaction_root(&self.transactions),
            receipts_root: calculate_receipt_root(&self.receipts),
            logs_bloom: self
                .receipts
                .iter()
                .fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom()),
            withdrawals_root: Some(withdrawals_root),
            ..self.header
        };
        let hash = header.hash_slow();
        let body = BlockBody {
            transactions: self.transactions,
            ommers: Vec::new(),
            withdrawals: Some(Default::default()),
        };
        Ok(BlockOutcome {
            block: L2Block { header, body },
            hash,
            senders: self.senders,
            receipts: self.receipts,
            changes: self.changes,
            trie,
        })
    }
}
