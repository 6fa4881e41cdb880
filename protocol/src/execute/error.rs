//! What can go wrong between a parent and a sealed block, sorted by what the caller should do.

use super::header::HeaderError;
use crate::state::trie::TrieError;
use alloc::boxed::Box;
use alloy_evm::block::{BlockExecutionError, BlockValidationError};
use alloy_op_evm::{OpTxError, block::OpBlockExecutionError};
use alloy_primitives::B256;
use core::any::Any;
use op_revm::OpTransactionError;

/// Why a block could not be executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The parent or the attributes contradict the header rules: no such block exists.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The attributes hold a transaction that is not valid here: drop these attributes.
    #[error("transaction {index} is invalid")]
    InvalidTransaction {
        /// Its place in the attributes.
        index: usize,
        /// What is wrong with it.
        #[source]
        error: InvalidTransaction,
    },
    /// Execution itself failed: halt.
    #[error(transparent)]
    Fatal(#[from] FatalError),
    /// The block was built on another parent.
    #[error("block {number} was not built on {parent}")]
    OtherParent {
        /// Its number.
        number: u64,
        /// What it was to be settled on.
        parent: B256,
    },
    /// The trie could not be read: halt.
    #[error(transparent)]
    Trie(#[from] TrieError),
}

/// Why the builder did not take a transaction. Unless the error is fatal, the builder is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum TxError {
    /// The transaction is not part of the block, and why.
    #[error(transparent)]
    Invalid(#[from] InvalidTransaction),
    /// Execution itself failed. The builder takes nothing more.
    #[error(transparent)]
    Fatal(#[from] FatalError),
}

/// Why a transaction cannot be part of the block.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTransaction {
    /// It does not fit into what is left of the block's gas; the next block may take it.
    #[error("gas limit {gas_limit} exceeds the {available} left in the block")]
    NoGasLeft {
        /// Gas limit of the transaction.
        gas_limit: u64,
        /// Gas left in the block.
        available: u64,
    },
    /// It does not fit into what is left of the block's DA footprint; the next block may take it.
    #[error("DA footprint {footprint} exceeds the {available} left in the block")]
    NoFootprintLeft {
        /// Footprint of the transaction, in gas.
        footprint: u64,
        /// Footprint left in the block, in gas.
        available: u64,
    },
    /// The state does not allow it: nonce, balance, fee, code of the sender, chain id and the like.
    #[error(transparent)]
    Rejected(OpTransactionError),
    /// The bytes are not a transaction of this chain.
    #[error("not a transaction")]
    Malformed,
    /// Nobody's signature.
    #[error("signature does not recover")]
    BadSignature,
    /// A transaction type that is never valid here.
    #[error("transaction type {transaction_type:#04x} is not supported")]
    UnsupportedType {
        /// EIP-2718 type.
        transaction_type: u8,
    },
}

impl InvalidTransaction {
    /// True if the transaction may be valid in the next block as it is, because this one is full.
    #[must_use]
    pub const fn is_block_full(&self) -> bool {
        matches!(self, Self::NoGasLeft { .. } | Self::NoFootprintLeft { .. })
    }
}

/// Execution could not go on, and nothing is known about the transaction it was at.
#[derive(Debug, thiserror::Error)]
pub enum FatalError {
    /// State could not be read, or the EVM broke a promise.
    #[error("execution failed")]
    Execution(#[source] BlockExecutionError),
    /// This builder failed before.
    #[error("the builder failed before")]
    Poisoned,
}

impl From<BlockExecutionError> for TxError {
    fn from(error: BlockExecutionError) -> Self {
        match error {
            BlockExecutionError::Validation(error) => from_validation(error),
            internal @ BlockExecutionError::Internal(_) => FatalError::Execution(internal).into(),
        }
    }
}

fn from_validation(error: BlockValidationError) -> TxError {
    let fatal = |error| FatalError::Execution(BlockExecutionError::Validation(error)).into();
    match error {
        BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas {
            transaction_gas_limit: gas_limit,
            block_available_gas: available,
        } => InvalidTransaction::NoGasLeft { gas_limit, available }.into(),
        BlockValidationError::InvalidTx { hash, error } => rejected(hash, error),
        BlockValidationError::Other(error) => match error.downcast_ref() {
            Some(&OpBlockExecutionError::TransactionDaFootprintAboveGasLimit {
                transaction_da_footprint: footprint,
                available_block_da_footprint: available,
            }) => InvalidTransaction::NoFootprintLeft { footprint, available }.into(),
            _ => fatal(BlockValidationError::Other(error)),
        },
        other => fatal(other),
    }
}

/// The executor boxes its error; what is inside is the one type our EVM raises.
fn rejected(hash: B256, error: Box<dyn alloy_evm::InvalidTxError>) -> TxError {
    let any: &dyn Any = &*error;
    if !any.is::<OpTxError>() {
        return FatalError::Execution(BlockExecutionError::Validation(BlockValidationError::InvalidTx {
            hash,
            error,
        }))
        .into();
    }
    let any: Box<dyn Any> = error;
    let error = any.downcast::<OpTxError>().expect("the type was just checked");
    InvalidTransaction::Rejected(error.0).into()
}
