//! The state transition: (parent, attributes, state) -> (block, receipts, changes).

use crate::{
    block::L2Block,
    state::{StateChanges, TrieChanges},
};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256};
use op_alloy_consensus::OpReceiptEnvelope;

/// A sealed block and everything that must be committed with it.
#[derive(Clone, Debug)]
pub struct BlockOutcome {
    /// The block.
    pub block: L2Block,
    /// Hash of its header.
    pub hash: B256,
    /// Sender of each transaction, in order.
    pub senders: Vec<Address>,
    /// Receipt of each transaction, in order.
    pub receipts: Vec<OpReceiptEnvelope>,
    /// Changes to flat state.
    pub changes: StateChanges,
    /// Changes to the tries.
    pub trie: TrieChanges,
}
