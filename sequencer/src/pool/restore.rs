//! After a restart: what the journal promised and the chain does not hold comes back, with the senders and in the order it had.

use super::{Pool, PooledTransaction, check, transaction::authorities};
use crate::{
    journal::{Journal, Recovered, RecoveredBlock, RecoveredTransaction},
    store::{StoreError, StoredBlock},
};
use alloy::{
    consensus::transaction::Recovered as WithSender,
    eips::eip2718::{Decodable2718, Encodable2718, WithEncoded},
    primitives::{B256, map::HashMap},
};
use op_alloy_consensus::OpTxEnvelope;
use std::{collections::VecDeque, sync::Arc, time::Instant};
use tributary_protocol::block::L2BlockRef;

impl Pool {
    /// Keeps promises from now on: nothing that is taken or executed is told to anyone before `journal` has it on disk, and what
    /// `recovered` has of before comes back. Returns the blocks to open again, lowest first.
    ///
    /// # Errors
    /// When the chain cannot be read.
    pub fn keep_promises(
        &self,
        journal: Journal,
        recovered: Recovered,
    ) -> Result<Vec<RecoveredBlock>, StoreError> {
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
    /// blocks to open again, if the head is still the one they were opened on: their transactions are first in line here, in their order.
    ///
    /// # Errors
    /// When the chain cannot be read.
    fn restore(&self, journal: Journal, recovered: Recovered) -> Result<Vec<RecoveredBlock>, StoreError> {
        let (open, mut owed) = self.reopened(&journal, recovered.blocks)?;
        owed.extend(recovered.owed);
        let first = open.iter().flat_map(|open| open.executed.iter().cloned());
        let owed: Vec<_> = first.chain(owed).collect();
        let (owed, waiting) = (
            self.missing(&journal, owed)?,
            self.missing(&journal, recovered.waiting)?,
        );
        tracing::info!(
            target: "sequencer",
            executed = open.iter().map(|open| open.executed.len()).sum::<usize>(),
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
                let result = queue.insert_as(transaction, account.nonce, account.balance, place);
                if let Err(reason) = result {
                    tracing::info!(target: "sequencer", %hash, %reason, "a transaction of before the restart is not valid any more");
                    queue.add_gone(sequence);
                }
            }
        }
        self.keep_in(journal);
        self.tell_gone();
        Ok(open)
    }

    /// What to do about the blocks that were not committed: open them again, or nothing because they are in the store, or give their
    /// transactions back.
    fn reopened(
        &self,
        journal: &Journal,
        blocks: Vec<RecoveredBlock>,
    ) -> Result<(Vec<RecoveredBlock>, Vec<RecoveredTransaction>), StoreError> {
        let chain = &self.shared.chain;
        let head = chain.heads().unsafe_head;
        let mut blocks: VecDeque<_> = blocks.into();
        let mut below = None;
        while let Some(block) = blocks.front() {
            let Some(committed) = self.committed(block, below)? else {
                break;
            };
            journal.sealed(committed.number, committed.hash);
            below = Some(committed.hash);
            blocks.pop_front();
        }
        let is_next = |first: &RecoveredBlock| {
            let parent = below.filter(|_| first.opened.parent.is_zero());
            parent.unwrap_or(first.opened.parent) == head.hash
        };
        if blocks.front().is_none_or(is_next) {
            return Ok((blocks.into(), Vec::new()));
        }
        journal.abandoned();
        let owed = blocks.into_iter().flat_map(|block| block.executed);
        Ok((Vec::new(), owed.collect()))
    }

    /// Where a block is in the store, if it is there with all it had executed. `below` is what the one before it turned out to be.
    fn committed(
        &self,
        block: &RecoveredBlock,
        below: Option<B256>,
    ) -> Result<Option<L2BlockRef>, StoreError> {
        let opened = &block.opened;
        let parent = below.filter(|_| opened.parent.is_zero());
        let parent = parent.unwrap_or(opened.parent);
        let found = self.shared.chain.block_by_number(opened.number)?;
        let found = found.filter(|found| {
            let forced = opened.attributes.transactions.len();
            let users = found.block.body.transactions.iter().skip(forced);
            let users = users.map(OpTxEnvelope::tx_hash);
            found.reference.parent_hash == parent
                && users
                    .take(block.executed.len())
                    .eq(block.executed.iter().map(|executed| executed.hash))
        });
        Ok(found.map(|found| found.reference))
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
            authorities: authorities(inner.1.inner()),
            cost: facts
                .map(|facts| check::cost_of(&inner, &facts))
                .unwrap_or_default(),
            inner: Arc::new(inner),
            arrived: Instant::now(),
            sequence: found.sequence,
        }
    }
}
