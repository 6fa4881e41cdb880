//! A block between execution and its hash: what the transactions did is known, the roots are not computed yet.
//!
//! The sequencer seals it beside the execution of the next block; whoever only wants to know whether a block executes to what was
//! committed compares its changes and receipts, and needs no trie.

use super::{BlockOutcome, error::ExecuteError, header::HeaderError};
use crate::{
    block::L2Block,
    state::{StateChanges, TrieReader, trie::TrieError},
};
use alloc::{boxed::Box, vec::Vec};
use alloy_consensus::{
    BlockBody, Header, Sealed, TxReceipt,
    proofs::{calculate_receipt_root, calculate_transaction_root},
};
use alloy_primitives::{Address, Bloom};
use op_alloy_consensus::{L2_TO_L1_MESSAGE_PASSER_ADDRESS, OpReceiptEnvelope, OpTxEnvelope};

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
