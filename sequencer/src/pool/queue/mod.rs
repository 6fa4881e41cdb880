//! The pool's data: what waits, in which order it executes, and the bounds. Pure; it reads no chain and no clock.
//!
//! ```text
//!  insert --> account.waiting (by nonce) --lowest nonce, pays the base fee--> ready (by rank)
//!                                                                               | next
//!                                   defer: back, not in this block <--+-- taken (one at a time)
//!                                   reject: gone <--------------------+       | next again
//!                                                                            v
//!             settle: in the chain -> gone; not in the chain -> first in line <-- executed
//! ```
//! Rank: what was acknowledged before comes first, in its old order. Then arrival, as long as blocks have room. Once something
//! did not fit, the queue is contended until it has drained: effective tip first, then arrival, and in a block that something
//! did not fit into, callers of the attribution contracts before others, since the builder keeps room for them.
//!
//! Invariants: `next` hands out the transactions of one sender in nonce order without gaps; counts and bytes of what waits never
//! exceed the limits, except by acknowledged transactions that come back; `ready` holds exactly the accounts whose lowest nonce
//! can execute now.

mod account;
mod admission;
mod delegation;
mod settling;

use self::{
    account::{Account, Class, Entry, Exit, Rank},
    delegation::Delegations,
};
use super::{PoolError, PoolLimits, PooledTransaction};
use crate::builder::reserve::ATTRIBUTION_CONTRACTS;
use alloy::{
    consensus::Transaction,
    primitives::{Address, B256, U256, map::HashMap},
};
use core::{cmp::Reverse, sync::atomic::AtomicU64};
use std::{collections::BTreeMap, sync::Arc};

/// Everything that waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    limits: PoolLimits,
    accounts: HashMap<Address, Account>,
    hashes: HashMap<B256, (Address, u64)>,
    ready: BTreeMap<Rank, Address>,
    /// The last transaction of every account, by who would make room first.
    exits: BTreeMap<Exit, Address>,
    /// Handed out last: being executed, or executed without our knowing yet.
    taken: Option<(Address, u64)>,
    /// In the open block, and before it in the one that is being sealed, in execution order.
    executed: Vec<PooledTransaction>,
    transactions: usize,
    bytes: usize,
    queued: usize,
    arrivals: i64,
    returns: i64,
    base_fee: u64,
    contended: bool,
    favour: bool,
    deferred: Vec<Address>,
    delegations: Delegations,
    generation: Arc<AtomicU64>,
    /// Sequences of what was taken and will not execute, for the journal.
    gone: Vec<u64>,
}

impl Queue {
    pub(super) fn new(limits: PoolLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Transactions that can execute one after the other, and those behind a gap.
    pub(super) const fn status(&self) -> (usize, usize) {
        (self.transactions - self.queued, self.queued)
    }

    /// Changes, under the queue's lock, whenever accounts may have been forgotten: a nonce read from the chain under another generation may
    /// be stale.
    pub(super) fn generation(&self) -> Arc<AtomicU64> {
        self.generation.clone()
    }

    /// Encoded bytes of everything that waits.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Everything that waits, and whether it can execute; by sender and nonce.
    pub(super) fn contents(&self) -> Vec<(PooledTransaction, bool)> {
        let all = self.accounts.values().flat_map(|account| {
            let waiting = account.waiting.iter();
            waiting.map(|(nonce, entry)| (entry.transaction.clone(), *nonce < account.end))
        });
        all.collect()
    }

    /// The waiting transaction with this hash.
    pub(super) fn get(&self, hash: B256) -> Option<&PooledTransaction> {
        let (sender, nonce) = self.hashes.get(&hash)?;
        let entry = self.accounts.get(sender)?.waiting.get(nonce)?;
        (entry.transaction.hash == hash).then_some(&entry.transaction)
    }

    /// The nonce a sender's next transaction should have; `None` if the pool has none of it.
    pub(super) fn next_nonce(&self, sender: Address) -> Option<u64> {
        self.accounts.get(&sender).map(|account| account.end)
    }

    /// What is in the blocks that are not committed yet, in execution order.
    pub(super) fn executed(&self) -> &[PooledTransaction] {
        &self.executed
    }

    /// Senders the queue knows.
    pub(super) fn senders(&self) -> Vec<Address> {
        self.accounts.keys().copied().collect()
    }

    /// Adds one to those.
    pub(super) fn add_gone(&mut self, sequence: u64) {
        self.gone.push(sequence);
    }

    /// Puts a sender whose transactions were readmitted in line.
    pub(super) fn refresh_sender(&mut self, sender: Address) {
        self.refresh(sender);
        self.forget_if_empty(sender);
    }

    /// Sequences of what was removed without executing since the last call.
    pub(super) fn take_gone(&mut self) -> Vec<u64> {
        core::mem::take(&mut self.gone)
    }

    #[cfg(test)]
    pub(super) fn insert(
        &mut self,
        transaction: PooledTransaction,
        nonce: u64,
        balance: U256,
    ) -> Result<(), PoolError> {
        self.insert_as(transaction, nonce, balance, &mut |_| 0)
    }

    /// Adds a transaction whose sender has this nonce and balance. `place` gives it its place in line once it
    /// is sure to be taken; 0 is the end of the line.
    pub(super) fn insert_as(
        &mut self,
        mut transaction: PooledTransaction,
        nonce: u64,
        balance: U256,
        place: &mut dyn FnMut(&PooledTransaction) -> u64,
    ) -> Result<(), PoolError> {
        if self.hashes.contains_key(&transaction.hash) {
            return Err(PoolError::AlreadyKnown);
        }
        let sender = transaction.sender();
        let fresh = Account {
            next: nonce,
            end: nonce,
            ..Account::default()
        };
        let account = self.accounts.get(&sender).unwrap_or(&fresh);
        let going = self.check(account, &transaction, balance)?;
        for (sender, nonce) in going {
            metrics::counter!("pool_transactions_displaced_total").increment(1);
            self.remove(sender, nonce);
            self.refresh(sender);
            self.forget_if_empty(sender);
        }

        let account = self.accounts.entry(sender).or_insert(fresh);
        if account.waiting.contains_key(&transaction.nonce()) {
            self.remove(sender, transaction.nonce());
        }
        transaction.sequence = place(&transaction);
        let last = i64::try_from(transaction.sequence).expect("nobody counts to 2^63");
        let order = if last == 0 { self.arrivals + 1 } else { last };
        self.arrivals = self.arrivals.max(order);
        let entry = Entry {
            transaction,
            acknowledged: false,
            order,
        };
        self.put(sender, entry, nonce);
        self.refresh(sender);
        Ok(())
    }

    /// Opens a block: everything may be tried again.
    pub(super) fn begin_block(&mut self, base_fee: u64) {
        // With the same price and nobody favoured, everyone stands where they stood; there may be many.
        let moves = self.base_fee != base_fee || self.favour;
        self.base_fee = base_fee;
        self.favour = false;
        for sender in core::mem::take(&mut self.deferred) {
            if let Some(account) = self.accounts.get_mut(&sender) {
                account.deferred = false;
            }
            self.refresh(sender);
        }
        if moves {
            self.rank_again();
        }
    }

    /// The next transaction to execute; the one handed out before has been executed unless it was deferred or rejected.
    pub(super) fn next(&mut self) -> Option<PooledTransaction> {
        self.finish_taken();
        let Some((_, sender)) = self.ready.pop_first() else {
            if self.deferred.is_empty() {
                self.contended = false;
            }
            return None;
        };
        let account = self
            .accounts
            .get_mut(&sender)
            .expect("only known accounts are ready");
        account.rank = None;
        if let Some(exit) = account.exit.take() {
            self.exits.remove(&exit);
        }
        self.taken = Some((sender, account.next));
        let entry = account
            .waiting
            .get(&account.next)
            .expect("a ready account has its next nonce");
        Some(entry.transaction.clone())
    }

    /// What was handed out last has been executed into the open block.
    pub(super) fn finish_taken(&mut self) {
        let Some((sender, nonce)) = self.taken.take() else {
            return;
        };
        let entry = self.detach(sender, nonce);
        let account = self
            .accounts
            .get_mut(&sender)
            .expect("what is taken has an account");
        account.next = nonce + 1;
        account.extend_run();
        account.executed += 1;
        self.hashes.insert(entry.transaction.hash, (sender, nonce));
        self.executed.push(entry.transaction);
        self.refresh(sender);
    }

    /// What was handed out last does not fit into the open block; nothing more of its sender comes in this block.
    pub(super) fn defer(&mut self, hash: B256) {
        let Some(sender) = self.untake(hash) else { return };
        let account = self
            .accounts
            .get_mut(&sender)
            .expect("what is taken has an account");
        account.deferred = true;
        self.deferred.push(sender);
        if !(self.contended && self.favour) {
            self.contended = true;
            self.favour = true;
            self.rank_again();
        }
    }

    /// What was handed out last can never execute.
    pub(super) fn reject(&mut self, hash: B256) -> Option<PooledTransaction> {
        let nonce = self.taken?.1;
        let sender = self.untake(hash)?;
        let removed = self.remove(sender, nonce);
        self.refresh(sender);
        self.forget_if_empty(sender);
        Some(removed)
    }

    fn untake(&mut self, hash: B256) -> Option<Address> {
        let (sender, nonce) = self.taken?;
        let entry = self.accounts.get(&sender)?.waiting.get(&nonce)?;
        (entry.transaction.hash == hash).then(|| {
            self.taken = None;
            sender
        })
    }

    fn put(&mut self, sender: Address, entry: Entry, next: u64) {
        let account = self.accounts.entry(sender).or_insert_with(|| Account {
            next,
            end: next,
            ..Account::default()
        });
        let (size, cost, hash) = (
            entry.transaction.size(),
            entry.transaction.cost,
            entry.transaction.hash,
        );
        let nonce = entry.transaction.nonce();
        self.delegations.add(&entry.transaction);
        self.queued -= account.queued();
        account.bytes += size;
        account.cost = account.cost.saturating_add(cost);
        account.waiting.insert(nonce, entry);
        account.extend_run();
        self.queued += account.queued();
        self.bytes += size;
        self.transactions += 1;
        self.hashes.insert(hash, (sender, nonce));
    }

    /// Takes an entry out; what follows it stands behind a gap now.
    fn remove(&mut self, sender: Address, nonce: u64) -> PooledTransaction {
        let entry = self.detach(sender, nonce);
        let account = self
            .accounts
            .get_mut(&sender)
            .expect("detaching keeps the account");
        self.queued -= account.queued();
        if nonce >= account.next {
            account.end = account.end.min(nonce);
        }
        self.queued += account.queued();
        self.gone.push(entry.transaction.sequence);
        entry.transaction
    }

    fn detach(&mut self, sender: Address, nonce: u64) -> Entry {
        let account = self
            .accounts
            .get_mut(&sender)
            .expect("entries belong to accounts");
        self.queued -= account.queued();
        let entry = account
            .waiting
            .remove(&nonce)
            .expect("the caller has seen this entry");
        self.queued += account.queued();
        let size = entry.transaction.size();
        account.bytes -= size;
        account.cost = account.cost.saturating_sub(entry.transaction.cost);
        self.bytes -= size;
        self.transactions -= 1;
        self.hashes.remove(&entry.transaction.hash);
        self.delegations.remove(&entry.transaction);
        entry
    }

    fn forget_if_empty(&mut self, sender: Address) {
        let empty = |account: &Account| account.waiting.is_empty() && account.executed == 0;
        if self.accounts.get(&sender).is_some_and(empty) {
            self.accounts.remove(&sender);
        }
    }

    /// Puts the account into `ready`, at its present rank, or out of it.
    fn refresh(&mut self, sender: Address) {
        let Some(account) = self.accounts.get(&sender) else {
            return;
        };
        let takeable = !account.deferred && self.taken.is_none_or(|(taken, _)| taken != sender);
        let head = account.waiting.get(&account.next).filter(|_| takeable);
        let rank = head.and_then(|entry| self.rank(entry));
        let exit = self.exit(sender, account);
        let account = self.accounts.get_mut(&sender).expect("it was just there");
        if let Some(old) = account.rank.take() {
            self.ready.remove(&old);
        }
        if let Some(rank) = rank {
            account.rank = Some(rank);
            self.ready.insert(rank, sender);
        }
        if let Some(old) = account.exit.take() {
            self.exits.remove(&old);
        }
        if let Some(exit) = exit {
            account.exit = Some(exit);
            self.exits.insert(exit, sender);
        }
    }

    /// Where the last transaction of an account stands among those that may make room; `None` if it must stay.
    fn exit(&self, sender: Address, account: &Account) -> Option<Exit> {
        let (nonce, entry) = account.waiting.last_key_value()?;
        let must_stay = entry.acknowledged || self.taken == Some((sender, *nonce));
        (!must_stay).then(|| Exit {
            is_pending: *nonce < account.end,
            tip: entry.transaction.effective_tip(self.base_fee).unwrap_or_default(),
            order: Reverse(entry.order),
        })
    }

    fn rank(&self, entry: &Entry) -> Option<Rank> {
        let tip = entry.transaction.effective_tip(self.base_fee)?;
        let to_attribution = || {
            let to = entry.transaction.transaction().to();
            to.is_some_and(|to| ATTRIBUTION_CONTRACTS.contains(&to))
        };
        let class = match entry {
            Entry {
                acknowledged: true, ..
            } => Class::Acknowledged,
            _ if self.favour && to_attribution() => Class::Favoured,
            _ => Class::Ordinary,
        };
        let by_tip = self.contended && class != Class::Acknowledged;
        Some(Rank {
            class,
            tip: Reverse(if by_tip { tip } else { 0 }),
            order: entry.order,
        })
    }

    fn rank_again(&mut self) {
        for sender in self.senders() {
            self.refresh(sender);
        }
    }

    /// True when something can be handed out.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }
}
