//! Pending transactions: checked on arrival, bounded, and handed to the builder in the order the chain promises.
//!
//! ```text
//!  eth_sendRawTransaction --add_raw--> [ check | Queue ] --open, next--> builder
//!                                            ^
//!                                   settle: what the chain took, what a reorg gave back
//! ```
//! One lock around the queue; the chain is read outside it. What the builder executed stays known here until a block holds it,
//! so that an abandoned block loses nothing: its transactions come again, first and in their order.

mod block;
mod check;
mod error;
pub(crate) mod head;
mod ingest;
mod limits;
mod queue;
mod restore;
mod transaction;
mod turns;

#[cfg(test)]
mod tests;

pub use self::{
    error::{InsufficientFunds, PoolError},
    ingest::UnderWay,
    limits::{INIT_CODE_BYTES_MAX, PoolLimits, TX_BYTES_MAX, WEI_PER_ETHER},
    transaction::PooledTransaction,
};
use head::{HeadError, HeadFacts};

use self::{
    ingest::{AnswerWhen, Ingest},
    queue::Queue,
    transaction::authorities,
};
use crate::{
    builder::DaLimits,
    engine::{Abandoned, Chain, PendingState},
    journal::{Journal, JournalError, Waiter},
    quarantine::Quarantine,
    sequencing::Sequencing,
    store::StoreError,
};
use alloy::{
    consensus::transaction::Recovered,
    eips::eip2718::WithEncoded,
    primitives::{Address, B256, Bytes},
};
use core::sync::atomic::{AtomicU64, Ordering};
use metrics::Counter;
use op_alloy_consensus::OpTxEnvelope;
use parking_lot::Mutex;
use revm::{database_interface::DatabaseRef, state::AccountInfo};
use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{broadcast, watch};
use tributary_protocol::block::L2BlockRef;

/// Accepted hashes a listener may be behind: half a megabyte, a second of the fastest traffic.
const ACCEPTED_QUEUED_MAX: usize = 16_384;

/// How many waiting transactions of each kind, for `txpool_status` and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Can execute one after the other.
    pub pending: usize,
    /// Wait behind a nonce gap.
    pub queued: usize,
    /// Encoded bytes of both.
    pub bytes: usize,
}

/// The pool. Cheap to clone; all clones are the same pool.
#[derive(Clone, Debug)]
pub struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    chain: Chain,
    limits: PoolLimits,
    queue: Mutex<Queue>,
    /// The queue's, readable without its lock.
    generation: Arc<AtomicU64>,
    counters: Counters,
    facts: Mutex<Option<Arc<HeadFacts>>>,
    settled: Mutex<Settled>,
    arrivals: watch::Sender<u64>,
    /// Hashes of what was taken, for who wants to be told.
    accepted: broadcast::Sender<B256>,
    quarantine: Quarantine,
    /// Where what is taken is remembered, if anywhere.
    journal: OnceLock<Journal>,
    /// What the batcher asks for, so that a full pool can say why.
    da_limits: OnceLock<DaLimits>,
    /// Whether anybody builds blocks.
    sequencing: OnceLock<Sequencing>,
    ingest: Ingest,
    /// Acknowledged transactions of abandoned blocks that no block holds again yet.
    owed: Mutex<HashSet<B256>>,
}

/// How many transactions were taken and refused. The handles are kept: finding one by name takes as long as a look-up in the pool.
#[derive(Debug, Default)]
struct Counters(OnceLock<(Counter, Counter)>);

impl Counters {
    fn count(&self, is_accepted: bool) {
        let handle =
            |outcome: &'static str| metrics::counter!("pool_transactions_total", "outcome" => outcome);
        // Made by the first transaction, which is after the recorder is there.
        let (accepted, refused) = self.0.get_or_init(|| (handle("accepted"), handle("refused")));
        let counter = if is_accepted { accepted } else { refused };
        counter.increment(1);
    }
}

/// Up to where the queue agrees with the chain.
#[derive(Debug)]
struct Settled {
    head: L2BlockRef,
    abandoned: broadcast::Receiver<Abandoned>,
}

impl Pool {
    /// An empty pool for the chain's tip.
    #[must_use]
    pub fn new(chain: Chain, limits: PoolLimits) -> Self {
        let settled = Settled {
            abandoned: chain.subscribe_abandoned(),
            head: chain.heads().unsafe_head,
        };
        let queue = Queue::new(limits);
        Self {
            shared: Arc::new(Shared {
                generation: queue.generation(),
                queue: Mutex::new(queue),
                counters: Counters::default(),
                facts: Mutex::default(),
                settled: Mutex::new(settled),
                arrivals: watch::Sender::default(),
                accepted: broadcast::Sender::new(ACCEPTED_QUEUED_MAX),
                quarantine: Quarantine::default(),
                journal: OnceLock::new(),
                da_limits: OnceLock::new(),
                sequencing: OnceLock::new(),
                ingest: Ingest::new(),
                owed: Mutex::default(),
                limits,
                chain,
            }),
        }
    }

    /// Transactions it takes no more.
    #[must_use]
    pub fn quarantine(&self) -> &Quarantine {
        &self.shared.quarantine
    }

    /// Takes a transaction as a user sent it, EIP-2718 encoded, and returns its hash.
    ///
    /// # Errors
    /// Says, in geth's words, why not; nothing has changed then.
    pub fn add_raw(&self, raw: &Bytes) -> Result<B256, PoolError> {
        self.add(check::recover_raw(raw, self.chain_id(), &self.shared.limits)?)
    }

    /// As [`Self::add_raw`], in the order of the calls, and answered once it is durable; waits while too much is in line.
    ///
    /// # Errors
    /// As [`Self::add_raw`].
    pub async fn submit(&self, raw: Bytes) -> Result<B256, PoolError> {
        let ingest = &self.shared.ingest;
        let submitted = ingest.submit(self.clone(), raw, AnswerWhen::Durable).await;
        submitted.map(|(hash, _)| hash)
    }

    /// As [`Self::submit`], for a caller who goes on to wait for the transaction's execution: it answers before the transaction is durable,
    /// and the sync that covers the execution covers both. Whoever waits no longer asks [`Self::durable`] first. What it returns is held for as
    /// long as the caller waits.
    ///
    /// # Errors
    /// As [`Self::add_raw`].
    pub async fn submit_to_execute(&self, raw: Bytes) -> Result<UnderWay, PoolError> {
        let ingest = &self.shared.ingest;
        let submitted = ingest.submit(self.clone(), raw, AnswerWhen::Taken).await;
        submitted.map(|(_, under_way)| under_way)
    }

    /// Resolves once everything taken so far is durable; at once without a journal.
    ///
    /// # Errors
    /// When it never will be.
    pub async fn durable(&self) -> Result<(), PoolError> {
        match self.shared.journal.get() {
            None => Ok(()),
            Some(journal) => {
                let failed = |error: Arc<JournalError>| PoolError::NotWritable(error.to_string());
                journal.durable().await.map_err(failed)
            }
        }
    }

    /// Admits what was recovered and sees to the answer, here or once it is durable.
    fn admit(
        &self,
        transaction: WithEncoded<Recovered<OpTxEnvelope>>,
        answer: ingest::Answer,
        when: AnswerWhen,
    ) {
        let hash = transaction.1.inner().tx_hash();
        let mut answer = Some(answer);
        let result = self.add_with(transaction, &mut || {
            let answer = answer.take_if(|_| when == AnswerWhen::Durable)?;
            let waiter = move |result: Result<(), Arc<JournalError>>| {
                let result = result.map(|()| hash);
                let result = result.map_err(|error| PoolError::NotWritable(error.to_string()));
                // Whoever asked may have gone.
                answer.send(result).ok();
            };
            Some(Box::new(waiter))
        });
        if let Some(answer) = answer {
            answer.send(result).ok();
        }
    }

    /// Where what it takes is remembered.
    pub(crate) fn journal(&self) -> Option<&Journal> {
        self.shared.journal.get()
    }

    /// Remembers from now on what it takes in `journal`. Called once, before anything is taken.
    pub(crate) fn keep_in(&self, journal: Journal) {
        assert!(self.shared.journal.set(journal).is_ok(), "a pool has one journal");
    }

    /// Says so when a full pool is the batcher's lag. Called once.
    pub fn explain_with(&self, limits: DaLimits) {
        // The first one stays; there is one batcher.
        self.shared.da_limits.set(limits).ok();
    }

    /// Takes nothing while the sequencer is stopped. Called once.
    pub fn take_while(&self, sequencing: Sequencing) {
        // The first one stays; there is one sequencer.
        self.shared.sequencing.set(sequencing).ok();
    }

    fn explain(&self, error: PoolError) -> PoolError {
        let limits = self.shared.da_limits.get().map(DaLimits::get);
        match (error, limits) {
            (PoolError::Full, Some(limits)) if limits.block_bytes_max != 0 => PoolError::Throttled {
                block_bytes_max: limits.block_bytes_max,
            },
            (error, _) => error,
        }
    }

    /// Tells the journal what will not execute.
    fn tell_gone(&self) {
        let gone = self.shared.queue.lock().take_gone();
        self.tell_journal(gone);
    }

    fn tell_journal(&self, gone: Vec<u64>) {
        if let Some(journal) = self.shared.journal.get().filter(|_| !gone.is_empty()) {
            journal.dropped(gone);
        }
    }

    fn limits(&self) -> &PoolLimits {
        &self.shared.limits
    }

    fn chain_id(&self) -> u64 {
        self.shared.chain.config().l2_chain_id
    }

    fn count_refused(&self) {
        self.shared.counters.count(false);
    }

    /// Takes a transaction whose sender has been recovered.
    ///
    /// # Errors
    /// As [`Self::add_raw`].
    pub fn add(&self, transaction: WithEncoded<Recovered<OpTxEnvelope>>) -> Result<B256, PoolError> {
        self.add_with(transaction, &mut || None)
    }

    fn add_with(
        &self,
        transaction: WithEncoded<Recovered<OpTxEnvelope>>,
        waiter: &mut dyn FnMut() -> Option<Waiter>,
    ) -> Result<B256, PoolError> {
        let result = self
            .try_add(transaction, waiter)
            .map_err(|error| self.explain(error));
        if let Ok(hash) = result {
            // Nobody listens, nobody is told.
            self.shared.accepted.send(hash).ok();
        }
        self.shared.counters.count(result.is_ok());
        result
    }

    fn try_add(
        &self,
        transaction: WithEncoded<Recovered<OpTxEnvelope>>,
        waiter: &mut dyn FnMut() -> Option<Waiter>,
    ) -> Result<B256, PoolError> {
        let sequencing = self.shared.sequencing.get();
        if sequencing.is_some_and(|sequencing| !sequencing.is_active()) {
            return Err(PoolError::SequencerStopped);
        }
        let journal = self.shared.journal.get();
        if let Some(Err(cause)) = journal.map(Journal::check_writable) {
            return Err(PoolError::NotWritable(cause));
        }
        let mut place = |transaction: &PooledTransaction| {
            journal.map_or(0, |journal| {
                let raw = transaction.inner.encoded_bytes();
                journal.admit(
                    transaction.hash,
                    transaction.sender(),
                    raw,
                    unix_micros(),
                    waiter(),
                )
            })
        };
        let facts = self
            .facts()
            .map_err(|error| PoolError::Chain(error.to_string()))?;
        let hash = transaction.1.inner().tx_hash();
        if self.shared.quarantine.contains(hash) {
            return Err(PoolError::Quarantined(hash));
        }
        check::check_alone(&transaction, &facts)?;
        let pooled = PooledTransaction {
            hash,
            cost: check::cost_of(&transaction, &facts),
            authorities: authorities(transaction.1.inner()),
            inner: Arc::new(transaction),
            arrived: Instant::now(),
            sequence: 0,
        };
        let (wake, gone) = loop {
            let generation = self.shared.generation.load(Ordering::Acquire);
            let account = self
                .account(pooled.sender())
                .map_err(|error| PoolError::Chain(error.to_string()))??;
            let mut queue = self.shared.queue.lock();
            // A block was settled while the account was read: its nonce may be of before.
            if self.shared.generation.load(Ordering::Acquire) == generation {
                let nonce = pooled.nonce();
                // Contracts were refused before: what code there is, is another account's.
                let is_delegated = !account.is_empty_code_hash();
                queue.check_delegation(&pooled, account.nonce, is_delegated)?;
                match queue.insert_as(pooled, account.nonce, account.balance, &mut place) {
                    Err(PoolError::AlreadyKnown) if self.is_included(hash)? => {
                        let next = account.nonce;
                        return Err(PoolError::NonceTooLow { next, nonce });
                    }
                    other => other?,
                }
                break (queue.has_ready(), queue.take_gone());
            }
        };
        self.tell_journal(gone);
        if wake {
            self.shared.arrivals.send_modify(|count| *count += 1);
        }
        Ok(hash)
    }

    /// True if a block holds it; the queue may learn that later.
    fn is_included(&self, hash: B256) -> Result<bool, PoolError> {
        let found = self.shared.chain.transaction(hash);
        found
            .map(|place| place.is_some())
            .map_err(|error| PoolError::Chain(error.to_string()))
    }

    /// The sender's account after everything executed so far; an error if it is a contract.
    fn account(&self, sender: Address) -> Result<Result<AccountInfo, PoolError>, StoreError> {
        let chain = &self.shared.chain;
        match chain.pending() {
            Some(pending) => account_in(&PendingState::latest(pending), sender),
            None => account_in(&chain.state_at(chain.heads().unsafe_head.number)?, sender),
        }
    }

    /// Facts about the tip, read once per head.
    fn facts(&self) -> Result<Arc<HeadFacts>, HeadError> {
        let head = self.shared.chain.heads().unsafe_head.hash;
        let mut cached = self.shared.facts.lock();
        if let Some(facts) = cached.as_ref().filter(|facts| facts.head == head) {
            return Ok(facts.clone());
        }
        let facts = Arc::new(HeadFacts::read(&self.shared.chain)?);
        *cached = Some(facts.clone());
        Ok(facts)
    }

    /// The waiting transaction with this hash. What is in the open block waits no more.
    #[must_use]
    pub fn get(&self, hash: B256) -> Option<PooledTransaction> {
        self.shared.queue.lock().get(hash).cloned()
    }

    /// The nonce the next transaction of `sender` should have, if the pool has any of it.
    #[must_use]
    pub fn next_nonce(&self, sender: Address) -> Option<u64> {
        self.shared.queue.lock().next_nonce(sender)
    }

    /// Hears the hash of every transaction that is taken from now on.
    #[must_use]
    pub fn subscribe_accepted(&self) -> broadcast::Receiver<B256> {
        self.shared.accepted.subscribe()
    }

    /// Everything that waits, and whether it can execute.
    #[must_use]
    pub fn contents(&self) -> Vec<(PooledTransaction, bool)> {
        self.shared.queue.lock().contents()
    }

    /// How full it is.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let queue = self.shared.queue.lock();
        let (pending, queued) = queue.status();
        PoolStatus {
            pending,
            queued,
            bytes: queue.bytes(),
        }
    }
}

/// The wall clock, as the journal has it.
fn unix_micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

fn account_in<S: DatabaseRef<Error = StoreError>>(
    state: &S,
    sender: Address,
) -> Result<Result<AccountInfo, PoolError>, StoreError> {
    let account = state.basic_ref(sender)?.unwrap_or_default();
    if account.is_empty_code_hash() {
        return Ok(Ok(account));
    }
    let code = state.code_by_hash_ref(account.code_hash)?;
    if check::is_contract(&account, code.original_byte_slice()) {
        let code_hash = account.code_hash;
        return Ok(Err(PoolError::SenderNotEoa { sender, code_hash }));
    }
    Ok(Ok(account))
}
