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
mod executed;
mod header;

#[cfg(test)]
mod tests;

pub use builder::{BlockBuilder, BlockEvm, BlockInspector, BlockState, OpenState, TxResult};
pub use changes::state_changes;
pub use env::{evm_env, next_evm_env};
pub use error::{ExecuteError, FatalError, InvalidTransaction, TxError};
pub use executed::{ClosedBlock, ExecutedBlock, parent_hash_slot};
pub use header::{FeeParameters, FeeParametersError, HeaderError, extra_data, next_base_fee, next_header};

use crate::{
    attributes::BlockAttributes,
    block::L2Block,
    config::RollupConfig,
    state::{StateChanges, TrieReader, trie::TrieUpdate},
};
use alloc::vec::Vec;
use alloy_consensus::{
    Header, Sealed,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::eip2718::{Decodable2718, Encodable2718, WithEncoded};
use alloy_primitives::{Address, B256, Bytes};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};

/// A transaction with its sender and the bytes it came as.
pub type RecoveredTx = WithEncoded<Recovered<OpTxEnvelope>>;

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
    /// The tries before and after.
    pub trie: TrieUpdate,
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
    execute_recovered(config, parent, attributes, forced_transactions(attributes), state)
}

/// As [`execute_block`], with `transactions` in place of those in the attributes: for a caller that knows their senders already, or
/// recovers them on other threads.
///
/// # Errors
/// As [`execute_block`].
pub fn execute_recovered<S: BlockState + TrieReader>(
    config: &RollupConfig,
    parent: &Sealed<Header>,
    attributes: &BlockAttributes,
    transactions: impl IntoIterator<Item = Result<RecoveredTx, InvalidTransaction>>,
    state: &S,
) -> Result<BlockOutcome, ExecuteError> {
    execute_open(config, parent, attributes, transactions, state)?.seal(state)
}

/// As [`execute_recovered`], up to where the trie is needed.
///
/// # Errors
/// As [`execute_block`].
pub fn execute_open<S: BlockState>(
    config: &RollupConfig,
    parent: &Sealed<Header>,
    attributes: &BlockAttributes,
    transactions: impl IntoIterator<Item = Result<RecoveredTx, InvalidTransaction>>,
    state: &S,
) -> Result<ExecutedBlock, ExecuteError> {
    let mut builder = BlockBuilder::new(config, parent, attributes, state)?;
    for (index, tx) in transactions.into_iter().enumerate() {
        tx.map_err(TxError::Invalid)
            .and_then(|tx| builder.execute_encoded(tx))
            .map_err(|error| match error {
                TxError::Invalid(error) => ExecuteError::InvalidTransaction { index, error },
                TxError::Fatal(error) => error.into(),
            })?;
    }
    builder.close()
}

/// The attributes a block was made from: executing them on its parent gives the block again.
///
/// # Errors
/// If the header lacks fields or its `extraData` is malformed, so that it is no block of this chain.
pub fn attributes_of(config: &RollupConfig, block: &L2Block) -> Result<BlockAttributes, HeaderError> {
    let header = &block.header;
    let fees = FeeParameters::from_header(config, header)?;
    let parent_beacon_block_root = header.parent_beacon_block_root.ok_or(HeaderError::MissingField {
        number: header.number,
        field: "parentBeaconBlockRoot",
    })?;
    Ok(BlockAttributes {
        timestamp: header.timestamp,
        prev_randao: header.mix_hash,
        fee_recipient: header.beneficiary,
        parent_beacon_block_root,
        gas_limit: header.gas_limit,
        eip1559_params: fees.to_params(),
        min_base_fee: config.is_jovian(header.timestamp).then_some(fees.min_base_fee),
        transactions: block
            .body
            .transactions()
            .map(|tx| tx.encoded_2718().into())
            .collect(),
        no_tx_pool: true,
    })
}

/// The transactions of the attributes with their senders, in order: what a block with these attributes starts with.
pub fn forced_transactions(
    attributes: &BlockAttributes,
) -> impl Iterator<Item = Result<RecoveredTx, InvalidTransaction>> {
    attributes.transactions.iter().map(recover)
}

/// What a transaction, as EIP-2718 bytes, will take on the DA layer, in bytes: Fjord's estimate from its FastLZ size, the same that the
/// DA footprint counts. It never falls below 100, and compressing many transactions together does better.
#[must_use]
pub fn estimated_da_bytes(encoded: &[u8]) -> u64 {
    /// The estimate comes scaled by this.
    const SCALE: u64 = 1_000_000;
    op_revm::estimate_tx_compressed_size(encoded) / SCALE
}

/// Decodes one transaction, to its last byte, and recovers its sender.
///
/// # Errors
/// If the bytes are not a transaction, or the signature does not recover.
pub fn recover(encoded: &Bytes) -> Result<RecoveredTx, InvalidTransaction> {
    let tx = OpTxEnvelope::decode_2718_exact(encoded).map_err(|_| InvalidTransaction::Malformed)?;
    let sender = tx
        .recover_signer()
        .map_err(|_| InvalidTransaction::BadSignature)?;
    let recovered = Recovered::new_unchecked(tx, sender);
    Ok(WithEncoded::new(encoded.clone(), recovered))
}
