//! Whether a transaction may take a place in the queue: nonce, replacement, funds, room. Nothing changes here.
//!
//! When there is no room, the worst-paying may have to go for a better-paying one. What keeps that from being a weapon: only a transaction
//! that can execute makes room for itself; only the last transaction of an account goes, so that none is left behind a gap by it; and a
//! newcomer must outbid each one that goes by a tenth and pay more than all of them together. Who fills the pool with what cannot execute,
//! or overdraws by replacing, displaces nobody.

use super::{Account, Queue};
use crate::pool::{InsufficientFunds, PoolError, PooledTransaction};
use alloy::{
    consensus::Transaction,
    primitives::{Address, U256},
};

/// Transactions one newcomer may displace: a large one takes the room of several.
const GOING_MAX: usize = 16;

/// What the sequencer would earn at most, wei.
fn payment(transaction: &PooledTransaction, tip: u128) -> U256 {
    U256::from(tip) * U256::from(transaction.transaction().gas_limit())
}

impl Queue {
    /// Which transactions have to go if `new` is taken.
    pub(super) fn check(
        &self,
        account: &Account,
        new: &PooledTransaction,
        balance: U256,
    ) -> Result<Vec<(Address, u64)>, PoolError> {
        let nonce = new.nonce();
        if nonce < account.next {
            return Err(PoolError::NonceTooLow {
                next: account.next,
                nonce,
            });
        }
        let old = account.waiting.get(&nonce).map(|entry| &entry.transaction);
        match old {
            Some(_) if self.taken == Some((new.sender(), nonce)) => {
                return Err(PoolError::ReplacementTooLate { nonce });
            }
            Some(old) if !new.outbids(old, self.limits.price_bump_percent) => {
                return Err(PoolError::ReplacementUnderpriced);
            }
            _ => {}
        }
        self.check_own_room(account, new, old)?;
        self.check_funds(account, new, old, balance)?;
        self.make_room(account, new, old)
    }

    /// The transactions that must go so that `new` has room; usually none.
    fn make_room(
        &self,
        account: &Account,
        new: &PooledTransaction,
        old: Option<&PooledTransaction>,
    ) -> Result<Vec<(Address, u64)>, PoolError> {
        let transactions = self.transactions + usize::from(old.is_none());
        let bytes = self.bytes - old.map_or(0, PooledTransaction::size) + new.size();
        let mut excess_transactions = transactions.saturating_sub(self.limits.transactions_max);
        let mut excess_bytes = bytes.saturating_sub(self.limits.bytes_max);
        let mut going = Vec::new();
        if excess_transactions == 0 && excess_bytes == 0 {
            return Ok(going);
        }
        let tip = new
            .effective_tip(self.base_fee)
            .filter(|_| new.nonce() <= account.end);
        let tip = tip.ok_or(PoolError::Full)?;
        // As for a replacement.
        let outbid_percent = 100 + u128::from(self.limits.price_bump_percent);
        let mut paid = U256::ZERO;
        for (exit, sender) in &self.exits {
            if *sender == new.sender() {
                continue;
            }
            let (nonce, entry) = self.accounts[sender]
                .waiting
                .last_key_value()
                .expect("an account with an exit has something waiting");
            paid += payment(&entry.transaction, exit.tip);
            let outbids =
                tip > exit.tip && tip.saturating_mul(100) >= exit.tip.saturating_mul(outbid_percent);
            if exit.is_pending && !(outbids && payment(new, tip) > paid) || going.len() == GOING_MAX {
                break;
            }
            going.push((*sender, *nonce));
            excess_transactions = excess_transactions.saturating_sub(1);
            excess_bytes = excess_bytes.saturating_sub(entry.transaction.size());
            if excess_transactions == 0 && excess_bytes == 0 {
                return Ok(going);
            }
        }
        Err(PoolError::Full)
    }

    fn check_own_room(
        &self,
        account: &Account,
        new: &PooledTransaction,
        old: Option<&PooledTransaction>,
    ) -> Result<(), PoolError> {
        let limits = &self.limits;
        let grown = |bytes: usize| bytes - old.map_or(0, PooledTransaction::size) + new.size();
        let extra = usize::from(old.is_none());
        if account.waiting.len() + extra > limits.sender_transactions_max
            || grown(account.bytes) > limits.sender_bytes_max
        {
            return Err(PoolError::SenderFull {
                sender: new.sender(),
                transactions: account.waiting.len(),
                bytes: account.bytes,
            });
        }
        let opens_gap = old.is_none() && new.nonce() > account.end;
        let queued = account.queued();
        if opens_gap && (queued >= limits.sender_queued_max || self.queued >= limits.queued_max) {
            return Err(PoolError::QueueFull {
                next: account.end,
                nonce: new.nonce(),
                queued,
            });
        }
        Ok(())
    }

    fn check_funds(
        &self,
        account: &Account,
        new: &PooledTransaction,
        old: Option<&PooledTransaction>,
        balance: U256,
    ) -> Result<(), PoolError> {
        // What is being executed may or may not be paid for already in `balance`; counting it twice would refuse the honest.
        let in_flight = self
            .taken
            .filter(|(sender, _)| *sender == new.sender())
            .and_then(|(_, nonce)| account.waiting.get(&nonce))
            .map_or(U256::ZERO, |entry| entry.transaction.cost);
        let replaced = old.map_or(U256::ZERO, |old| old.cost);
        let queued = account.cost.saturating_sub(in_flight).saturating_sub(replaced);
        let needed = queued.saturating_add(new.cost);
        if needed > balance {
            return Err(PoolError::InsufficientFunds(Box::new(InsufficientFunds {
                balance,
                queued,
                cost: new.cost,
                overshot: needed - balance,
            })));
        }
        Ok(())
    }
}
