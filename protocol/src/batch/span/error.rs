//! What can be wrong with a span batch.

use super::{MAX_SPAN_BATCH_ELEMENT_COUNT, TransactionError};
use crate::block::L1BlockNumber;

/// Why bytes are not a span batch. What to do: drop them and the rest of their channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// Empty, or of another type.
    #[error("starts with {found:02x?}, expected type 01")]
    Type {
        /// The first byte.
        found: Option<u8>,
    },
    /// The bytes end inside this field.
    #[error("ends inside: {field}")]
    Truncated {
        /// Name of the field.
        field: &'static str,
    },
    /// A number above `u64::MAX`.
    #[error("more than 64 bits: {field}")]
    Overflow {
        /// Name of the field.
        field: &'static str,
    },
    /// A span without blocks.
    #[error("no blocks")]
    NoBlocks,
    /// More than [`MAX_SPAN_BATCH_ELEMENT_COUNT`].
    #[error("{field}: {found}, more than {MAX_SPAN_BATCH_ELEMENT_COUNT}")]
    TooManyElements {
        /// What is counted.
        field: &'static str,
        /// How many.
        found: u64,
    },
    /// Bits are set that stand for nothing.
    #[error("bits beyond the last element: {field}")]
    ExcessBits {
        /// Name of the field.
        field: &'static str,
    },
    /// The last block is later than a u64 can say.
    #[error("{blocks} blocks from {relative_timestamp} s after genesis on end after the end of time")]
    Timestamp {
        /// Seconds after genesis.
        relative_timestamp: u64,
        /// Number of blocks.
        blocks: usize,
    },
    /// The first L1 origins would have negative numbers.
    #[error("{opened} epochs are opened up to L1 block {last_epoch}")]
    Epoch {
        /// L1 origin of the last block.
        last_epoch: L1BlockNumber,
        /// Epochs that blocks after the first open.
        opened: u64,
    },
    /// What the span says of this transaction makes none.
    #[error(transparent)]
    Transaction(#[from] BlockTransactionError),
}

/// Something is wrong with one transaction of a span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("transaction {index}: {error}")]
pub struct BlockTransactionError {
    /// Which one, counted from 0 through all blocks of the span.
    pub index: usize,
    /// What is wrong.
    pub error: TransactionError,
}

/// Why batches make no span. What to do: post them in another way, or find out who built such blocks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanEncodeError {
    /// Nothing to join.
    #[error("no blocks")]
    NoBlocks,
    /// More than [`MAX_SPAN_BATCH_ELEMENT_COUNT`] blocks or transactions.
    #[error("{found} blocks or transactions, more than {MAX_SPAN_BATCH_ELEMENT_COUNT}")]
    TooManyElements {
        /// How many.
        found: usize,
    },
    /// The first block is earlier than genesis.
    #[error("first block at {found}, before genesis at {genesis_time}")]
    BeforeGenesis {
        /// Unix seconds of genesis.
        genesis_time: u64,
        /// Unix seconds of the block.
        found: u64,
    },
    /// Blocks are not a block time apart.
    #[error("block {index} at {found}, expected at {expected}")]
    Timestamp {
        /// Which block, counted from 0.
        index: usize,
        /// Unix seconds it should have.
        expected: u64,
        /// Unix seconds it has.
        found: u64,
    },
    /// The L1 origin is neither that of the block before, by number and hash, nor the next.
    #[error("block {index} is of epoch {found}, the block before of epoch {previous}")]
    Epoch {
        /// Which block, counted from 0.
        index: usize,
        /// L1 origin of the block before.
        previous: L1BlockNumber,
        /// L1 origin of the block.
        found: L1BlockNumber,
    },
    /// A transaction that has no place in a span.
    #[error(transparent)]
    Transaction(#[from] BlockTransactionError),
}

/// The caller does not know an L1 block that a span refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hash of L1 block {epoch_number} is not known")]
pub struct MissingL1Origin {
    /// Its number.
    pub epoch_number: L1BlockNumber,
}
