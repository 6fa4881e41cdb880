//! One transaction of the pool: checked, its sender recovered once, its bytes kept.

use alloy::{
    consensus::{Transaction, transaction::Recovered},
    eips::eip2718::WithEncoded,
    primitives::{Address, B256, Bytes, U256},
};
use op_alloy_consensus::OpTxEnvelope;
use std::time::Instant;

/// A transaction that passed the checks.
#[derive(Clone, Debug)]
pub struct PoolTransaction {
    /// The transaction and who sent it.
    pub transaction: Recovered<OpTxEnvelope>,
    /// Keccak-256 of [`Self::encoded`].
    pub hash: B256,
    /// EIP-2718 bytes.
    pub encoded: Bytes,
    /// The most it can cost its sender, in wei: gas limit times fee cap, value, L1 and operator fee.
    pub cost: U256,
    /// When it came.
    pub arrived: Instant,
}

impl PoolTransaction {
    /// Who sent it.
    #[must_use]
    pub const fn sender(&self) -> Address {
        self.transaction.signer()
    }

    /// Its nonce.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.transaction.nonce()
    }

    /// Its gas limit.
    #[must_use]
    pub fn gas_limit(&self) -> u64 {
        self.transaction.gas_limit()
    }

    /// Encoded bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.encoded.len()
    }

    /// Wei per gas above the base fee; `None` when it does not even pay that.
    #[must_use]
    pub fn effective_tip(&self, base_fee: u64) -> Option<u128> {
        self.transaction.effective_tip_per_gas(base_fee)
    }

    /// What a block builder executes.
    #[must_use]
    pub fn to_execute(&self) -> WithEncoded<Recovered<OpTxEnvelope>> {
        WithEncoded::new(self.encoded.clone(), self.transaction.clone())
    }

    /// Whether it pays enough to take the place of `other`.
    #[must_use]
    pub(super) fn outbids(&self, other: &Self) -> bool {
        let enough = |old: u128, new: u128| {
            new > old && new.saturating_mul(100) >= old.saturating_mul(100 + super::REPLACEMENT_BUMP_PERCENT)
        };
        let tip = |tx: &Self| tx.transaction.priority_fee_or_price();
        enough(other.transaction.max_fee_per_gas(), self.transaction.max_fee_per_gas())
            && enough(tip(other), tip(self))
    }
}
