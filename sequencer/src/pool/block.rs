//! The builder's side of the pool: transactions for one block, and agreeing with the chain before each.

use super::{Pool, PooledTransaction, Settled, queue::Queue, transaction::authorities};
use crate::{
    builder::{BlockTransactions, PoolTransaction, TransactionSource},
    engine::PendingState,
    journal::Journal,
    store::{StoreError, StoredBlock},
};
use alloy::{
    consensus::transaction::Recovered,
    eips::eip2718::{Encodable2718, WithEncoded},
    primitives::{
        Address, B256, U256,
        map::{HashMap, HashSet},
    },
};
use parking_lot::MutexGuard;
use revm::DatabaseRef;
use std::{sync::Arc, time::Instant};
use tokio::sync::watch;
use tributary_protocol::{
    block::{L2BlockNumber, L2BlockRef},
    execute::InvalidTransaction,
};

/// Blocks read one by one to find out what they took; after a longer absence every sender's nonce is read instead.
const BLOCKS_READ_MAX: u64 = 64;

impl TransactionSource for Pool {
    fn open(&self, parent: &L2BlockRef, base_fee: u64) -> Box<dyn BlockTransactions> {
        self.begin_block(self.settle(parent), base_fee)
    }

    fn open_ahead(&self, base_fee: u64) -> Box<dyn BlockTransactions> {
        self.begin_block(self.settle_ahead(), base_fee)
    }

    fn arrivals(&self) -> watch::Receiver<u64> {
        self.shared.arrivals.subscribe()
    }
}

/// The queue of one block.
struct OpenQueue {
    pool: Pool,
}

impl BlockTransactions for OpenQueue {
    fn next(&mut self) -> Option<PoolTransaction> {
        loop {
            let next = self.pool.shared.queue.lock().next()?;
            if !self.pool.shared.quarantine.contains(next.hash) {
                return Some(next.inner);
            }
            self.pool.shared.queue.lock().reject(next.hash);
            self.pool.tell_gone();
            self.pool.report_lost(next.hash, &"it is in quarantine");
        }
    }

    fn defer(&mut self, transaction: &PoolTransaction) {
        self.pool
            .shared
            .queue
            .lock()
            .defer(transaction.1.inner().tx_hash());
    }

    fn reject(&mut self, transaction: &PoolTransaction, reason: &InvalidTransaction) {
        let hash = transaction.1.inner().tx_hash();
        self.pool.shared.queue.lock().reject(hash);
        self.pool.tell_gone();
        self.pool.report_lost(hash, reason);
        metrics::counter!("pool_transactions_rejected_total").increment(1);
        tracing::info!(
            target: "sequencer", %hash, sender = %transaction.1.signer(), %reason, "dropped a transaction that cannot execute"
        );
    }
}

impl Drop for OpenQueue {
    fn drop(&mut self) {
        self.pool.shared.queue.lock().finish_taken();
    }
}

/// What happened to the chain since the queue last agreed with it.
#[derive(Default)]
struct Changes {
    included: HashSet<B256>,
    senders: HashSet<Address>,
    /// Accounts whose nonce went up although they sent nothing.
    authorities: HashSet<Address>,
}

impl Pool {
    /// Opens the queue for a block, after it was to agree with the chain.
    fn begin_block(&self, settled: Result<(), StoreError>, base_fee: u64) -> Box<dyn BlockTransactions> {
        if let Err(error) = settled {
            // Transactions the chain has already are refused by the builder one by one; nothing is lost.
            tracing::error!(target: "sequencer", %error, "the pool could not follow the chain");
        }
        self.shared.queue.lock().begin_block(base_fee);
        self.tell_gone();
        Box::new(OpenQueue { pool: self.clone() })
    }

    /// Makes the queue agree with the chain that ends in `parent`.
    fn settle(&self, parent: &L2BlockRef) -> Result<(), StoreError> {
        let mut settled = self.shared.settled.lock();
        let abandoned = self.abandoned(&mut settled);
        let changes = self.changes(&settled.head, parent)?;
        let mut queue = self.shared.queue.lock();
        queue.finish_taken();
        let mut changes = match changes {
            Some(changes) => changes,
            None => self.everything(&queue)?,
        };
        changes.senders.extend(&changes.authorities);
        changes
            .senders
            .extend(queue.executed().iter().map(PooledTransaction::sender));
        changes
            .senders
            .extend(abandoned.iter().map(PooledTransaction::sender));
        let state = self.shared.chain.state_at(parent.number)?;
        let mut nonces = HashMap::with_capacity_and_hasher(changes.senders.len(), Default::default());
        for sender in changes.senders {
            let nonce = state.account(sender)?.map_or(0, |account| account.nonce);
            nonces.insert(sender, nonce);
        }
        let again: Vec<_> = abandoned.iter().map(|transaction| transaction.hash).collect();
        queue.settle(&changes.included, abandoned, &nonces);
        let lost: Vec<_> = again
            .iter()
            .filter(|hash| !changes.included.contains(*hash) && queue.get(**hash).is_none())
            .copied()
            .collect();
        self.shared.owed.lock().extend(again);
        self.tidy(queue, &changes.included);
        for hash in lost {
            self.report_lost(hash, &"its sender's nonce has been used");
        }
        settled.head = *parent;
        Ok(())
    }

    /// Lets go of what has been committed, while a block is being sealed: what that holds stays executed. If the chain has moved other
    /// than by what we executed, that is left for [`Self::settle`], since the block being sealed will not be.
    fn settle_ahead(&self) -> Result<(), StoreError> {
        let mut settled = self.shared.settled.lock();
        let chain = &self.shared.chain;
        let head = chain.heads().unsafe_head;
        let (Some(changes), Some(sealing)) = (self.changes(&settled.head, &head)?, chain.pending()) else {
            return Ok(());
        };
        let state = PendingState::latest(sealing);
        let mut nonces = HashMap::default();
        for authority in changes.authorities {
            let account = state.basic_ref(authority)?;
            nonces.insert(authority, account.map_or(0, |account| account.nonce));
        }
        let mut queue = self.shared.queue.lock();
        queue.forget_included(&changes.included, &nonces);
        self.tidy(queue, &changes.included);
        settled.head = head;
        Ok(())
    }

    /// What is left to do once the queue agrees with the chain, which `included` has reached: nothing waits for ever, and nobody is owed what
    /// he has.
    fn tidy(&self, mut queue: MutexGuard<'_, Queue>, included: &HashSet<B256>) {
        if let Some(cutoff) = Instant::now().checked_sub(self.limits().lifetime) {
            queue.drop_stuck(cutoff);
        }
        let (pending, queued) = queue.status();
        drop(queue);
        self.shared.owed.lock().retain(|hash| !included.contains(hash));
        metrics::gauge!("pool_pending_transactions").set(pending as f64);
        metrics::gauge!("pool_queued_transactions").set(queued as f64);
    }

    /// Says that an acknowledged transaction will not be in the chain after all, if this is one.
    fn report_lost(&self, hash: B256, reason: &dyn core::fmt::Display) {
        if self.shared.owed.lock().remove(&hash) {
            metrics::counter!("pool_acknowledged_transactions_lost_total").increment(1);
            tracing::warn!(
                target: "sequencer", %hash, %reason,
                "a transaction that was acknowledged in a replaced block is not valid any more"
            );
        }
    }

    /// Transactions of blocks taken back since the last time, in their order.
    fn abandoned(&self, settled: &mut Settled) -> Vec<PooledTransaction> {
        let mut blocks: Vec<Arc<StoredBlock>> = Vec::new();
        while let Ok(more) = settled.abandoned.try_recv() {
            // A later reorg reaches blocks built after an earlier one, or blocks further back: in front, if it starts lower.
            let position = blocks
                .iter()
                .position(|block| {
                    more.first()
                        .is_some_and(|first| block.reference.number >= first.reference.number)
                })
                .unwrap_or(blocks.len());
            blocks.splice(position..position, more.iter().cloned());
        }
        let journal = self.shared.journal.get();
        blocks
            .iter()
            .flat_map(|block| transactions_of(block, journal))
            .collect()
    }

    /// What the blocks from `from` (exclusive) to `to` took; `None` if `to` does not follow `from` closely.
    fn changes(&self, from: &L2BlockRef, to: &L2BlockRef) -> Result<Option<Changes>, StoreError> {
        let chain = &self.shared.chain;
        let is_close = to.number >= from.number && to.number.0 - from.number.0 <= BLOCKS_READ_MAX;
        let on_chain = chain
            .block_ref(from.number)?
            .is_some_and(|block| block.hash == from.hash);
        if !(is_close && on_chain) {
            return Ok(None);
        }
        let mut changes = Changes::default();
        for number in from.number.0 + 1..=to.number.0 {
            let Some(block) = chain.block_by_number(L2BlockNumber(number))? else {
                return Ok(None);
            };
            changes.senders.extend(block.senders.iter().copied());
            for transaction in &block.block.body.transactions {
                changes.included.insert(transaction.tx_hash());
                changes.authorities.extend(authorities(transaction).iter());
            }
        }
        Ok(Some(changes))
    }

    /// Every sender, and whichever executed transactions the chain has by now.
    fn everything(&self, queue: &Queue) -> Result<Changes, StoreError> {
        let mut changes = Changes::default();
        changes.senders.extend(queue.senders());
        for transaction in queue.executed() {
            if self.shared.chain.transaction(transaction.hash)?.is_some() {
                changes.included.insert(transaction.hash);
            }
        }
        Ok(changes)
    }
}

/// What users sent of a block.
fn transactions_of<'a>(
    block: &'a StoredBlock,
    journal: Option<&'a Journal>,
) -> impl Iterator<Item = PooledTransaction> + 'a {
    let transactions = block.block.body.transactions.iter().zip(&block.senders);
    transactions
        .filter(|(transaction, _)| !transaction.is_deposit())
        .map(move |(transaction, sender)| {
            let recovered = Recovered::new_unchecked(transaction.clone(), *sender);
            PooledTransaction {
                hash: transaction.tx_hash(),
                inner: Arc::new(WithEncoded::new(transaction.encoded_2718().into(), recovered)),
                // It was paid for when it was acknowledged; it does not stand against what comes after it.
                cost: U256::ZERO,
                arrived: Instant::now(),
                sequence: journal
                    .and_then(|journal| journal.sequence_of(transaction.tx_hash()))
                    .unwrap_or_default(),
                authorities: authorities(transaction),
            }
        })
}
