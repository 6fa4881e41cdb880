//! Whether a transaction may take a place in the queue: nonce, replacement, room, funds. Nothing changes here.

use super::{Account, Queue};
use crate::pool::{InsufficientFunds, PoolError, PooledTransaction};
use alloy::primitives::U256;

impl Queue {
    pub(super) fn check(
        &self,
        account: &Account,
        new: &PooledTransaction,
        balance: U256,
    ) -> Result<(), PoolError> {
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
            Some(old) if !new.outbids(old) => return Err(PoolError::ReplacementUnderpriced),
            _ => {}
        }
        self.check_room(account, new, old)?;
        self.check_funds(account, new, old, balance)
    }

    fn check_room(
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
        if self.transactions + extra > limits.transactions_max || grown(self.bytes) > limits.bytes_max {
            return Err(PoolError::Full);
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
