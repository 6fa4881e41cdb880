//! One transaction of the pool: checked, its sender recovered once, its bytes kept.

use alloy::{
    consensus::{Transaction, transaction::Recovered},
    eips::eip2718::WithEncoded,
    primitives::{Address, B256, U256},
};
use op_alloy_consensus::OpTxEnvelope;
use std::{sync::Arc, time::Instant};

/// A transaction that passed the checks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PooledTransaction {
    /// The transaction, who sent it, and its EIP-2718 bytes.
    pub inner: Arc<WithEncoded<Recovered<OpTxEnvelope>>>,
    /// Keccak-256 of the bytes.
    pub hash: B256,
    /// The most it can cost its sender, in wei: gas limit times fee cap, value, L1 and operator fee.
    pub cost: U256,
    /// When it came.
    pub arrived: Instant,
    /// Its place in line, from the journal; 0 without one.
    pub sequence: u64,
    /// Accounts that it delegates (EIP-7702): those whose signature makes sense.
    pub authorities: Arc<[Address]>,
}

/// Accounts that an EIP-7702 transaction delegates, and whose nonce it raises besides its sender's.
pub(super) fn authorities(transaction: &OpTxEnvelope) -> Arc<[Address]> {
    let list = transaction.authorization_list().unwrap_or_default();
    list.iter()
        .filter_map(|authorization| authorization.recover_authority().ok())
        .collect()
}

impl PooledTransaction {
    /// The transaction and who sent it.
    #[must_use]
    pub fn transaction(&self) -> &Recovered<OpTxEnvelope> {
        &self.inner.1
    }

    /// Who sent it.
    #[must_use]
    pub fn sender(&self) -> Address {
        self.transaction().signer()
    }

    /// Its nonce.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.transaction().nonce()
    }

    /// Encoded bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.inner.encoded_bytes().len()
    }

    /// Wei per gas above the base fee; `None` when it does not even pay that.
    #[must_use]
    pub fn effective_tip(&self, base_fee: u64) -> Option<u128> {
        self.transaction().effective_tip_per_gas(base_fee)
    }

    /// Whether it pays enough to take the place of `other`: both fee fields raised by so many percent.
    pub(super) fn outbids(&self, other: &Self, bump_percent: u64) -> bool {
        let enough = |old: u128, new: u128| {
            let percent = 100 + u128::from(bump_percent);
            new > old && new.saturating_mul(100) >= old.saturating_mul(percent)
        };
        let (new, old) = (self.transaction(), other.transaction());
        enough(old.max_fee_per_gas(), new.max_fee_per_gas())
            && enough(old.priority_fee_or_price(), new.priority_fee_or_price())
    }
}
