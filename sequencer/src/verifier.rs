//! Executes every sealed block once more, by an executor that has seen nothing else, before anyone may post it.
//!
//! A block is built with transactions that come and go; what a refused one leaves behind in the builder must not show in the block,
//! and if it ever does, no other node could derive it. So the block is executed again from its attributes alone, off the hot path.
//! The newest block that came out the same is the verified head, and the batcher posts nothing above it.

use crate::{
    engine::Chain,
    store::{StoreError, StoredBlock},
};
use alloy::{
    consensus::{Sealed, transaction::Recovered},
    eips::eip2718::{Encodable2718, WithEncoded},
    primitives::B256,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tributary_protocol::{
    block::{L2BlockNumber, L2BlockRef},
    execute::{ExecuteError, HeaderError, attributes_of, execute_recovered},
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
}

impl Verifier {
    /// Starts from the safe head, which L1 has decided.
    #[must_use]
    pub fn new(chain: Chain) -> Self {
        let verified = watch::Sender::new(chain.heads().safe_head);
        Self { chain, verified }
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
            Ok(executed) if executed == block.hash => {
                self.verified.send_replace(block.reference);
                Ok(true)
            }
            // What was read may belong to two chains, one before a reorg and one after it.
            _ if !self.is_canonical(&block.reference)? => Ok(true),
            Ok(executed) => Err(VerifierError::Mismatch {
                number: block.reference.number,
                sealed: block.hash,
                executed,
            }),
            Err(error) => Err(error),
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

    fn execute(&self, parent: &StoredBlock, block: &StoredBlock) -> Result<B256, VerifierError> {
        let config = self.chain.config();
        let state = self.chain.state_at(parent.reference.number)?;
        let attributes = attributes_of(config, &block.block)?;
        let header = Sealed::new_unchecked(parent.block.header.clone(), parent.hash);
        // Senders were recovered from the signatures when the transactions came in, and are stored with the block.
        let transactions = block.block.body.transactions.iter().zip(&block.senders);
        let transactions = transactions.map(|(transaction, sender)| {
            let encoded = transaction.encoded_2718().into();
            let recovered = Recovered::new_unchecked(transaction.clone(), *sender);
            Ok(WithEncoded::new(encoded, recovered))
        });
        let outcome = execute_recovered(config, &header, &attributes, transactions, &state);
        outcome
            .map(|outcome| outcome.hash)
            .map_err(|source| VerifierError::Execute {
                number: block.reference.number,
                source: Box::new(source),
            })
    }
}
