//! The state transition: (parent, attributes, state) -> (block, receipts, changes).
//!
//! ```text
//!  attributes --forced_transactions--> BlockBuilder --finish--> BlockOutcome --one commit--> store
//!                     pool ---------------^    ^--- flat state        ^--- trie nodes
//! ```
//!
//! Derivation runs [`execute_block`] on attributes that hold every transaction; the sequencer drives a [`BlockBuilder`] itself and
//! adds transactions from its pool. Both end in the same code, so a block that was built executes to the same hash again.

mod builder;
mod changes;
mod env;
mod error;
mod header;

#[cfg(test)]
mod tests;

pub use builder::{BlockBuilder, BlockState, TxResult};
pub use env::{evm_env, next_evm_env};
pub use error::{ExecuteError, FatalError, InvalidTransaction, TxError};
pub use header::{FeeParameters, FeeParametersError, HeaderError, extra_data, next_base_fee, next_header};

use crate::{
    attributes::BlockAttributes,
    block::L2Block,
    config::RollupConfig,
    state::{StateChanges, TrieChanges, TrieReader},
};
use alloc::vec::Vec;
use alloy_consensus::{
    Header, Sealed,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::eip2718::{Decodable2718, WithEncoded};
use alloy_primitives::{Address, B256, Bytes};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};

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

/// Executes a block all of whose transactions are in its attributes.
///
/// # Errors
/// [`ExecuteError::InvalidTransaction`] or [`ExecuteError::Header`] if the attributes make no block; the other errors say that
/// this node could not find out.
pub fn execute_block<S: BlockState + TrieReader>(
    config: &RollupConfig,
    parent: &Sealed<Header>,
    attributes: &BlockAttributes,
    state: &S,
) -> Result<BlockOutcome, ExecuteError> {
    let mut builder = BlockBuilder::new(config, parent, attributes, state)?;
    for (index, tx) in forced_transactions(attributes).enumerate() {
        tx.map_err(TxError::Invalid)
            .and_then(|tx| builder.execute_encoded(tx))
            .map_err(|error| match error {
                TxError::Invalid(error) => ExecuteError::InvalidTransaction { index, error },
                TxError::Fatal(error) => error.into(),
            })?;
    }
    builder.finish(state)
}

/// The transactions of the attributes with their senders, in order: what a block with these attributes starts with.
pub fn forced_transactions(
    attributes: &BlockAttributes,
) -> impl Iterator<Item = Result<WithEncoded<Recovered<OpTxEnvelope>>, InvalidTransaction>> {
    attributes.transactions.iter().map(recover)
}

/// Decodes one transaction, to its last byte, and recovers its sender.
///
/// # Errors
/// If the bytes are not a transaction, or the signature does not recover.
pub fn recover(encoded: &Bytes) -> Result<WithEncoded<Recovered<OpTxEnvelope>>, InvalidTransaction> {
    let tx = OpTxEnvelope::decode_2718_exact(encoded).map_err(|_| InvalidTransaction::Malformed)?;
    let sender = tx
        .recover_signer()
        .map_err(|_| InvalidTransaction::BadSignature)?;
    let recovered = Recovered::new_unchecked(tx, sender);
    Ok(WithEncoded::new(encoded.clone(), recovered))
}
