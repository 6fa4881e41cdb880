//! Accounts that run code (EIP-7702): geth's rule of one transaction at a time.
//!
//! Anybody who calls a delegated account may spend its balance or use its nonce, and so make worthless all it has waiting, for the price of
//! one call. So of an account that is delegated, or about to be, one transaction waits at most, and the next comes when that is executed.
//! The rule is for newcomers: what was taken before a restart was promised, and stays.

use super::Queue;
use crate::pool::{PoolError, PooledTransaction};
use alloy::primitives::{Address, map::HashMap};

/// How many waiting transactions delegate an account.
#[derive(Debug, Default)]
pub(super) struct Delegations(HashMap<Address, usize>);

impl Delegations {
    pub(super) fn add(&mut self, transaction: &PooledTransaction) {
        for authority in transaction.authorities.iter() {
            *self.0.entry(*authority).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, transaction: &PooledTransaction) {
        for authority in transaction.authorities.iter() {
            if let Some(count) = self.0.get_mut(authority) {
                *count -= 1;
                if *count == 0 {
                    self.0.remove(authority);
                }
            }
        }
    }
}

impl Queue {
    /// Refuses a second transaction of an account that is delegated (`is_delegated`) or about to be, and one that would make an account such
    /// which has several. `next` is the nonce of the sender, if nothing of it is here.
    pub(in crate::pool) fn check_delegation(
        &self,
        new: &PooledTransaction,
        next: u64,
        is_delegated: bool,
    ) -> Result<(), PoolError> {
        let account = self.accounts.get(&new.sender());
        let next = account.map_or(next, |account| account.next);
        let waits = |nonce| account.is_some_and(|account| account.waiting.contains_key(&nonce));
        // What comes too late is refused as that.
        let adds = new.nonce() >= next && !waits(new.nonce());
        if adds && (is_delegated || self.delegations.0.contains_key(&new.sender())) {
            if account.is_some_and(|account| !account.waiting.is_empty()) {
                return Err(PoolError::DelegatedInFlight);
            }
            if new.nonce() > next {
                return Err(PoolError::DelegatedGap);
            }
        }
        let has_several = |authority: &Address| {
            let account = self.accounts.get(authority);
            account.is_some_and(|account| account.waiting.len() > 1)
        };
        if new.authorities.iter().any(has_several) {
            return Err(PoolError::AuthorityReserved);
        }
        Ok(())
    }
}
