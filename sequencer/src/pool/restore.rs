//! After a restart: what the journal promised and the chain does not hold comes back, with the senders and in the order it had.

use super::{Pool, PooledTransaction, check};
use crate::{
    journal::{Journal, Recovered, RecoveredBlock, RecoveredTransaction},
    store::{StoreError, StoredBlock},
};
use alloy::{
    consensus::transaction::Recovered as WithSender,
    eips::eip2718::{Decodable2718, Encodable2718, WithEncoded},
    primitives::map::HashMap,
};
use op_alloy_consensus::OpTxEnvelope;
use std::{sync::Arc, time::Instant};

impl Pool {
    /// Keeps promises from now on: nothing that is taken or executed is told to anyone before `journal` has it on disk, and what
    /// `recovered` has of before comes back. Returns the block to open again, if there is one.
    ///
    /// # Errors
    /// When the chain cannot be read.
    pub fn keep_promises(
        &self,
        journal: Journal,
        recovered: Recovered,
    ) -> Result<Option<RecoveredBlock>, StoreError> {
        let chain = self.shared.chain.clone();
        journal.after_sync(move || chain.announce_pending());
        let told = journal.clone();
        let before_revert = move |kept, blocks: &[Arc<StoredBlock>]| {
            let users = blocks.iter().flat_map(|block| {
                let transactions = block.block.body.transactions.iter().zip(&block.senders);
                let users = transactions.filter(|(transaction, _)| !transaction.is_deposit());
                users.map(|(transaction, sender)| (*sender, transaction.encoded_2718().into()))
            });
            told.reverted(kept, users).map_err(|error| error.to_string())
        };
        self.shared.chain.before_revert(Box::new(before_revert));
        self.restore(journal, recovered)
    }

    /// Takes what `recovered` has, settles the journal with the chain, and keeps what it takes from now on in the journal. Returns the
    /// block to open again, if the head is still the one it was opened on: its transactions are first in line here, in their order.
    ///
    /// # Errors
    /// When the chain cannot be read.
    fn restore(&self, journal: Journal, recovered: Recovered) -> Result<Option<RecoveredBlock>, StoreError> {
        let (open, mut owed) = self.reopened(&journal, recovered.open)?;
        owed.extend(recovered.owed);
        let first = open.iter().flat_map(|open| open.executed.iter().cloned());
        let owed: Vec<_> = first.chain(owed).collect();
        let (owed, waiting) = (
            self.missing(&journal, owed)?,
            self.missing(&journal, recovered.waiting)?,
        );
        tracing::info!(
            target: "sequencer",
            executed = open.as_ref().map_or(0, |open| open.executed.len()),
            owed = owed.len(),
            waiting = waiting.len(),
            "read the journal back"
        );
        let state = self
            .shared
            .chain
            .state_at(self.shared.chain.heads().unsafe_head.number)?;
        let mut accounts: HashMap<_, _> = HashMap::default();
        for transaction in owed.iter().chain(&waiting) {
            let account = state.account(transaction.sender())?.unwrap_or_default();
            accounts.insert(transaction.sender(), account);
        }
        let nonces = accounts
            .iter()
            .map(|(sender, account)| (*sender, account.nonce))
            .collect();
        {
            let mut queue = self.shared.queue.lock();
            self.shared
                .owed
                .lock()
                .extend(owed.iter().map(|transaction| transaction.hash));
            queue.readmit(owed, &nonces);
            for sender in nonces.keys() {
                queue.refresh_sender(*sender);
            }
            for transaction in waiting {
                let (hash, sequence) = (transaction.hash, transaction.sequence);
                let account = accounts[&transaction.sender()];
                let place = &mut |_: &PooledTransaction| sequence;
                if let Err(reason) = queue.insert_as(transaction, account.nonce, account.balance, place) {
                    tracing::info!(target: "sequencer", %hash, %reason, "a transaction of before the restart is not valid any more");
                    queue.add_gone(sequence);
                }
            }
        }
        self.keep_in(journal);
        self.tell_gone();
        Ok(open)
    }

    /// What to do about the block that was open: open it again, or nothing because it is in the store, or give its transactions back.
    fn reopened(
        &self,
        journal: &Journal,
        open: Option<RecoveredBlock>,
    ) -> Result<(Option<RecoveredBlock>, Vec<RecoveredTransaction>), StoreError> {
        let Some(open) = open else {
            return Ok((None, Vec::new()));
        };
        let chain = &self.shared.chain;
        if chain.heads().unsafe_head.hash == open.opened.parent {
            return Ok((Some(open), Vec::new()));
        }
        let number = open.opened.number;
        let committed = chain.block_by_number(number)?;
        let holds_all = committed.as_ref().is_some_and(|block| {
            let forced = open.opened.attributes.transactions.len();
            let users = block.block.body.transactions.iter().skip(forced);
            let users = users.map(OpTxEnvelope::tx_hash);
            block.reference.parent_hash == open.opened.parent
                && users
                    .take(open.executed.len())
                    .eq(open.executed.iter().map(|executed| executed.hash))
        });
        match committed.filter(|_| holds_all) {
            Some(block) => {
                journal.sealed(number, block.hash);
                Ok((None, Vec::new()))
            }
            None => {
                journal.abandoned();
                Ok((None, open.executed))
            }
        }
    }

    /// Those the chain does not hold; the journal learns of the others.
    fn missing(
        &self,
        journal: &Journal,
        transactions: Vec<RecoveredTransaction>,
    ) -> Result<Vec<PooledTransaction>, StoreError> {
        let mut missing = Vec::with_capacity(transactions.len());
        let mut settled = Vec::new();
        for transaction in transactions {
            let decoded = OpTxEnvelope::decode_2718_exact(&transaction.raw).ok();
            match decoded {
                Some(decoded) if self.shared.chain.transaction(transaction.hash)?.is_none() => {
                    missing.push(self.pooled(decoded, transaction));
                }
                _ => settled.push(transaction.sequence),
            }
        }
        journal.dropped(settled);
        Ok(missing)
    }

    fn pooled(&self, decoded: OpTxEnvelope, found: RecoveredTransaction) -> PooledTransaction {
        // The sender was recovered from the signature when it came; the checksum around the record says it is that one.
        let recovered = WithSender::new_unchecked(decoded, found.sender);
        let inner = WithEncoded::new(found.raw, recovered);
        let facts = self.facts().ok();
        PooledTransaction {
            hash: found.hash,
            cost: facts
                .map(|facts| check::cost_of(&inner, &facts))
                .unwrap_or_default(),
            inner: Arc::new(inner),
            arrived: Instant::now(),
            sequence: found.sequence,
        }
    }
}
