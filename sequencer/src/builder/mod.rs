//! Builds unsafe blocks: opens a block, executes transactions as they arrive, seals on time.

pub mod source;

pub use source::{BlockTransactions, NoTransactions, PoolTransaction, TransactionSource};
