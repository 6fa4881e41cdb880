//! The seam to the pool: transactions for one block, best first, while the block is open.
//!
//! ```text
//!  pool --open(parent, base fee)--> BlockTransactions --next--> builder
//!                                        ^----- defer, reject -----+
//! ```
//! What was executed the pool learns from the pending block and from the unsafe head, like everyone else.

use alloy::{consensus::transaction::Recovered, eips::eip2718::WithEncoded};
use op_alloy_consensus::OpTxEnvelope;
use std::sync::Arc;
use tokio::sync::watch;
use tributary_protocol::{block::L2BlockRef, execute::InvalidTransaction};

/// A transaction with its sender and its EIP-2718 bytes, recovered once when it arrived.
pub type PoolTransaction = Arc<WithEncoded<Recovered<OpTxEnvelope>>>;

/// Where the builder takes transactions from: the pool, or a list in tests.
pub trait TransactionSource: Send + Sync + 'static {
    /// Opens the queue for a block on `parent` whose base fee is `base_fee` wei. The queue of an earlier block is closed by then.
    fn open(&self, parent: &L2BlockRef, base_fee: u64) -> Box<dyn BlockTransactions>;

    /// As [`Self::open`], for a block on the one whose queue was closed last, while that is being sealed.
    fn open_ahead(&self, base_fee: u64) -> Box<dyn BlockTransactions>;

    /// Changes whenever a transaction may have become executable, so that a builder that found none looks again.
    fn arrivals(&self) -> watch::Receiver<u64>;
}

/// Transactions for the block being built.
pub trait BlockTransactions: Send {
    /// The next one to execute: of the senders' lowest open nonces the one with the highest effective tip, then the earliest
    /// arrival. `None` when there is none now; one may come later. Each is handed out once per block, and the next of the same
    /// sender only after it.
    fn next(&mut self) -> Option<PoolTransaction>;

    /// It does not fit into this block: it stays in the pool, and nothing more of its sender comes in this block.
    fn defer(&mut self, transaction: &PoolTransaction);

    /// It cannot be executed on the state it was given to: the pool drops it and remembers why; what depends on it waits.
    fn reject(&mut self, transaction: &PoolTransaction, reason: &InvalidTransaction);
}
