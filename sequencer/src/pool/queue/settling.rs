//! Agreeing with the chain: what it took goes, what it gave back comes again, what can never move is dropped.

use super::{
    Queue,
    account::{Account, Entry},
};
use crate::pool::PooledTransaction;
use alloy::primitives::{
    Address, B256,
    map::{HashMap, HashSet},
};
use core::sync::atomic::Ordering;

impl Queue {
    /// Aligns the queue with the chain. `included` are the transactions of blocks added since the last time, `abandoned` the
    /// transactions of blocks taken back (in order), `nonces` the current nonces of every sender either touches. Executed
    /// transactions that are not in the chain come back as acknowledged, after the abandoned ones.
    pub(in crate::pool) fn settle(
        &mut self,
        included: &HashSet<B256>,
        abandoned: Vec<PooledTransaction>,
        nonces: &HashMap<Address, u64>,
    ) {
        self.finish_taken();
        self.generation.fetch_add(1, Ordering::AcqRel);
        let executed = core::mem::take(&mut self.executed);
        for transaction in &executed {
            self.hashes.remove(&transaction.hash);
            if let Some(account) = self.accounts.get_mut(&transaction.sender()) {
                account.executed -= 1;
            }
        }
        for (sender, nonce) in nonces {
            self.set_nonce(*sender, *nonce);
        }
        let owed: Vec<_> = abandoned
            .into_iter()
            .chain(executed)
            .filter(|transaction| !included.contains(&transaction.hash))
            .collect();
        self.readmit(owed, nonces);
        for sender in nonces.keys() {
            self.refresh(*sender);
            self.forget_if_empty(*sender);
        }
    }

    /// Lets go of executed transactions that are in the chain. The others stay executed: they are in blocks that are not committed yet.
    /// `nonces` are those of accounts whose nonce went up although they sent nothing.
    pub(in crate::pool) fn forget_included(
        &mut self,
        included: &HashSet<B256>,
        nonces: &HashMap<Address, u64>,
    ) {
        self.finish_taken();
        self.generation.fetch_add(1, Ordering::AcqRel);
        let executed = core::mem::take(&mut self.executed);
        let (gone, kept): (Vec<_>, Vec<_>) = executed
            .into_iter()
            .partition(|transaction| included.contains(&transaction.hash));
        self.executed = kept;
        for transaction in gone {
            let sender = transaction.sender();
            self.hashes.remove(&transaction.hash);
            if let Some(account) = self.accounts.get_mut(&sender) {
                account.executed -= 1;
            }
            self.forget_if_empty(sender);
        }
        for (sender, nonce) in nonces {
            self.set_nonce(*sender, *nonce);
            self.refresh(*sender);
            self.forget_if_empty(*sender);
        }
    }

    /// In front of everything readmitted before: reorgs reach back from the tip, so what is taken back later is older.
    pub(in crate::pool) fn readmit(&mut self, owed: Vec<PooledTransaction>, nonces: &HashMap<Address, u64>) {
        self.returns -= i64::try_from(owed.len()).expect("a reorg abandons a bounded number of transactions");
        for (order, transaction) in (self.returns..).zip(owed) {
            let sender = transaction.sender();
            let next = nonces.get(&sender).copied().unwrap_or_default();
            if transaction.nonce() < next || self.hashes.contains_key(&transaction.hash) {
                self.gone.push(transaction.sequence);
                continue;
            }
            let account = self.accounts.entry(sender).or_insert_with(|| Account {
                next,
                end: next,
                ..Account::default()
            });
            let nonce = transaction.nonce();
            if account.waiting.contains_key(&nonce) {
                self.remove(sender, nonce);
            }
            let entry = Entry {
                transaction,
                acknowledged: true,
                order,
            };
            self.put(sender, entry, next);
        }
    }

    fn set_nonce(&mut self, sender: Address, nonce: u64) {
        let Some(account) = self.accounts.get(&sender) else {
            return;
        };
        let stale: Vec<u64> = account.waiting.range(..nonce).map(|(nonce, _)| *nonce).collect();
        for nonce in stale {
            self.remove(sender, nonce);
        }
        let account = self
            .accounts
            .get_mut(&sender)
            .expect("removing entries keeps the account");
        self.queued -= account.queued();
        account.next = nonce;
        account.end = nonce;
        account.extend_run();
        self.queued += account.queued();
    }

    /// Drops what arrived before `cutoff` and cannot execute: behind a gap, or its lowest nonce below the base fee.
    pub(in crate::pool) fn drop_stuck(&mut self, cutoff: std::time::Instant) -> usize {
        let base_fee = self.base_fee;
        let stuck: Vec<(Address, u64)> = self
            .accounts
            .iter()
            .flat_map(|(sender, account)| {
                let pays = |entry: &Entry| entry.transaction.effective_tip(base_fee).is_some();
                let run_is_stuck = account.waiting.get(&account.next).is_some_and(|head| !pays(head));
                let from = if run_is_stuck { account.next } else { account.end };
                let old = account
                    .waiting
                    .range(from..)
                    .filter(|(_, entry)| entry.transaction.arrived < cutoff);
                old.map(|(nonce, _)| (*sender, *nonce))
            })
            .filter(|key| self.taken != Some(*key))
            .collect();
        for (sender, nonce) in &stuck {
            self.remove(*sender, *nonce);
            self.refresh(*sender);
            self.forget_if_empty(*sender);
        }
        stuck.len()
    }
}
