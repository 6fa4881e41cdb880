//! Executes every sealed block once more, by an executor that has seen nothing else, before anyone may post it.
//!
//! A block is built with transactions that come and go; what a refused one leaves behind in the builder must not show in the block,
//! and if it ever does, no other node could derive it. So the block is executed again from its attributes alone, off the hot path.
//! The newest block that came out the same is the verified head, and the batcher posts nothing above it. If one comes out different the
//! verifier stops, with the verified head below it, and what made the difference goes into quarantine.

use crate::{
    engine::Chain,
    quarantine::Quarantine,
    store::{StoreError, StoredBlock},
};
use alloy::{
    consensus::{Header, Sealed, transaction::Recovered},
    eips::eip2718::WithEncoded,
    primitives::B256,
};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tributary_protocol::{
    block::{L2BlockNumber, L2BlockRef},
    execute::{ExecuteError, ExecutedBlock, HeaderError, attributes_of, execute_open},
};

/// Why verification stopped. Nothing above the verified head may be posted then.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    /// A block of ours does not execute to itself.
    #[error("block {number} was sealed as {sealed} but executes to {executed}")]
    Mismatch {
        /// Number of the block.
        number: L2BlockNumber,
        /// Hash it was sealed with.
        sealed: B256,
        /// Hash it executes to.
        executed: B256,
    },
    /// A block of ours was committed with other changes than it executes to.
    #[error("block {number} was committed with changes to the state that executing it does not make")]
    Changes {
        /// Number of the block.
        number: L2BlockNumber,
    },
    /// A block of ours cannot be executed again.
    #[error("block {number} was sealed but does not execute: {source}")]
    Execute {
        /// Number of the block.
        number: L2BlockNumber,
        /// What failed.
        source: Box<ExecuteError>,
    },
    /// A header of ours is none of this chain.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The chain could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Follows the unsafe head and executes what it finds. Runs on a thread of its own.
#[derive(Debug)]
pub struct Verifier {
    chain: Chain,
    verified: watch::Sender<L2BlockRef>,
    quarantine: Quarantine,
}

/// Of blocks with more transactions than this the roots are computed again for one in [`ROOTS_EVERY`] only. They cost more instructions than
/// executing plain transfers does, and follow from what is compared for every block.
const TRANSACTIONS_WITH_ROOTS_MAX: usize = 256;

/// See [`TRANSACTIONS_WITH_ROOTS_MAX`].
const ROOTS_EVERY: u64 = 16;

/// What a fresh executor made of a block.
struct Executed {
    hash: B256,
    receipts: Vec<OpReceiptEnvelope>,
    /// Whether it changed what the block was committed with.
    same_changes: bool,
}

impl Verifier {
    /// Starts from the safe head, which L1 has decided.
    #[must_use]
    pub fn new(chain: Chain) -> Self {
        let verified = watch::Sender::new(chain.heads().safe_head);
        Self {
            chain,
            verified,
            quarantine: Quarantine::default(),
        }
    }

    /// Puts transactions that made a difference on this list.
    #[must_use]
    pub fn with_quarantine(mut self, quarantine: Quarantine) -> Self {
        self.quarantine = quarantine;
        self
    }

    /// The newest block that executes to itself, together with all below it.
    #[must_use]
    pub fn verified_head(&self) -> watch::Receiver<L2BlockRef> {
        self.verified.subscribe()
    }

    /// Verifies until stopped.
    ///
    /// # Errors
    /// When a block does not execute to itself, or the chain cannot be read.
    pub async fn run(self, stopped: CancellationToken) -> Result<(), VerifierError> {
        let mut heads = self.chain.subscribe();
        loop {
            heads.mark_unchanged();
            while self.step()? {
                if stopped.is_cancelled() {
                    return Ok(());
                }
            }
            tokio::select! {
                () = stopped.cancelled() => return Ok(()),
                changed = heads.changed() => if changed.is_err() {
                    return Ok(());
                },
            }
        }
    }

    /// Verifies the next block; false when there is none.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn step(&self) -> Result<bool, VerifierError> {
        let verified = self.canonical_verified()?;
        let Some(block) = self.chain.block_by_number(verified.number.next())? else {
            return Ok(false);
        };
        let Some(parent) = self.chain.block_by_hash(block.reference.parent_hash)? else {
            // Both were replaced in between.
            return Ok(true);
        };
        match self.execute(&parent, &block) {
            Ok(executed) if executed.hash == block.hash && executed.same_changes => {
                self.verified.send_replace(block.reference);
                Ok(true)
            }
            // What was read may belong to two chains, one before a reorg and one after it.
            _ if !self.is_canonical(&block.reference)? => Ok(true),
            Ok(executed) => {
                self.quarantine.add(suspects(&block, &executed.receipts));
                let number = block.reference.number;
                if executed.hash == block.hash {
                    return Err(VerifierError::Changes { number });
                }
                Err(VerifierError::Mismatch {
                    number,
                    sealed: block.hash,
                    executed: executed.hash,
                })
            }
            Err(error) => {
                self.quarantine.add(refused(&block, &error));
                Err(error)
            }
        }
    }

    /// The verified head, moved back to the safe head if it has left the chain.
    fn canonical_verified(&self) -> Result<L2BlockRef, VerifierError> {
        let safe = self.chain.heads().safe_head;
        let verified = *self.verified.borrow();
        if verified.number >= safe.number && self.is_canonical(&verified)? {
            return Ok(verified);
        }
        self.verified.send_replace(safe);
        Ok(safe)
    }

    fn is_canonical(&self, block: &L2BlockRef) -> Result<bool, VerifierError> {
        let held = self.chain.block_ref(block.number)?;
        Ok(held.is_some_and(|held| held.hash == block.hash))
    }

    fn execute(&self, parent: &StoredBlock, block: &StoredBlock) -> Result<Executed, VerifierError> {
        let config = self.chain.config();
        let state = self.chain.state_at(parent.reference.number)?;
        let attributes = attributes_of(config, &block.block)?;
        let header = Sealed::new_unchecked(parent.block.header.clone(), parent.hash);
        // Senders were recovered from the signatures when the transactions came in, and are stored with the block.
        let transactions = block.block.body.transactions.iter().zip(&block.senders);
        let transactions = transactions.zip(&attributes.transactions);
        let transactions = transactions.map(|((transaction, sender), encoded)| {
            let recovered = Recovered::new_unchecked(transaction.clone(), *sender);
            Ok(WithEncoded::new(encoded.clone(), recovered))
        });
        let failed = |source| VerifierError::Execute {
            number: block.reference.number,
            source: Box::new(source),
        };
        let executed = execute_open(config, &header, &attributes, transactions, &state).map_err(failed)?;
        let reader = self.chain.reader();
        let committed = reader.block_changes(block.reference.number)?.unwrap_or_default();
        let same_changes = committed.is_of(
            executed.changes(),
            |address| state.account(address),
            |address, slot| state.slot(address, slot),
        )?;
        if same_changes && !computes_roots(block) && same_results(&executed, block) {
            return Ok(Executed {
                hash: block.hash,
                receipts: Vec::new(),
                same_changes,
            });
        }
        let outcome = executed.seal(&state).map_err(failed)?;
        Ok(Executed {
            hash: outcome.hash,
            receipts: outcome.receipts,
            same_changes,
        })
    }
}

fn computes_roots(block: &StoredBlock) -> bool {
    block.block.body.transactions.len() <= TRANSACTIONS_WITH_ROOTS_MAX
        || block.reference.number.0.is_multiple_of(ROOTS_EVERY)
}

/// True if execution came to the block's receipts and to every field of its header that is no root.
fn same_results(executed: &ExecutedBlock, block: &StoredBlock) -> bool {
    let sealed = &block.block.header;
    let header = Header {
        state_root: sealed.state_root,
        transactions_root: sealed.transactions_root,
        receipts_root: sealed.receipts_root,
        logs_bloom: sealed.logs_bloom,
        withdrawals_root: sealed.withdrawals_root,
        ..executed.header().clone()
    };
    header == *sealed && executed.receipts() == block.receipts
}

/// The transaction from which on receipts differ. If all are equal the difference is in the state or the header, and every transaction
/// of the block may have made it.
fn suspects(block: &StoredBlock, executed: &[OpReceiptEnvelope]) -> Vec<B256> {
    let transactions = &block.block.body.transactions;
    let first = transactions
        .iter()
        .zip(block.receipts.iter().zip(executed))
        .find(|(_, (sealed, executed))| sealed != executed)
        .map(|(transaction, _)| transaction);
    match first {
        Some(transaction) => users(core::slice::from_ref(transaction)),
        None => users(transactions),
    }
}

/// The transaction that cannot be executed again.
fn refused(block: &StoredBlock, error: &VerifierError) -> Vec<B256> {
    let VerifierError::Execute { source, .. } = error else {
        return Vec::new();
    };
    match &**source {
        ExecuteError::InvalidTransaction { index, .. } => {
            let transaction = block.block.body.transactions.get(*index);
            users(transaction.map(core::slice::from_ref).unwrap_or_default())
        }
        ExecuteError::Header(_) => users(&block.block.body.transactions),
        // This node could not find out: that says nothing about the transactions.
        _ => Vec::new(),
    }
}

/// Deposits come from L1 and cannot be kept out.
fn users(transactions: &[OpTxEnvelope]) -> Vec<B256> {
    let users = transactions
        .iter()
        .filter(|transaction| !transaction.is_deposit());
    users.map(OpTxEnvelope::tx_hash).collect()
}
