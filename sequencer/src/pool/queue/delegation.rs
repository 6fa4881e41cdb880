//! Accounts that run code (EIP-7702): geth's rule of one transaction at a time.
//!
//! Anybody who calls a delegated account may spend its balance or use its nonce, and so make worthless all it has waiting, for the price of
//! one call. So of an account that is delegated, or about to be, one transaction waits at most, and the next comes when that is executed.

use super::{Account, Queue};
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
    /// Refuses a second transaction of an account that is delegated or about to be, and one that would make an account such which has several.
    pub(super) fn check_delegation(
        &self,
        account: &Account,
        new: &PooledTransaction,
        is_delegated: bool,
    ) -> Result<(), PoolError> {
        let replaces = account.waiting.contains_key(&new.nonce());
        if (is_delegated || self.delegations.0.contains_key(&new.sender())) && !replaces {
            if !account.waiting.is_empty() {
                return Err(PoolError::DelegatedInFlight);
            }
            if new.nonce() > account.next {
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
