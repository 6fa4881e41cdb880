//! Room kept in every block for the attribution contracts, so that ordinary traffic cannot crowd out records.

use super::PoolTransaction;
use alloy::{consensus::Transaction, primitives::Address};
use tributary_protocol::contracts::{ATTRIBUTION_LEDGER, ATTRIBUTION_REGISTRY};

/// Share of a block's gas that only transactions to the attribution contracts may use, in per cent. A full bundle takes well under
/// a tenth of a block; a quarter leaves room for a few of them in every block, whatever else is going on.
pub const ATTRIBUTION_RESERVE_PERCENT: u64 = 25;

/// The contracts the reserve is for.
pub const ATTRIBUTION_CONTRACTS: [Address; 2] = [ATTRIBUTION_REGISTRY, ATTRIBUTION_LEDGER];

/// Gas limit of the L1-attributes transaction, which every block starts with.
const L1_ATTRIBUTES_GAS: u64 = 1_000_000;

/// The largest gas limit with which an ordinary transaction can be sure to be included one day: what a block with this gas limit
/// holds besides the reserve and the L1-attributes transaction. The pool refuses more.
#[must_use]
pub const fn ordinary_gas_max(block_gas_limit: u64) -> u64 {
    block_gas_limit
        .saturating_sub(reserved(block_gas_limit))
        .saturating_sub(L1_ATTRIBUTES_GAS)
}

const fn reserved(block_gas_limit: u64) -> u64 {
    block_gas_limit / 100 * ATTRIBUTION_RESERVE_PERCENT
}

/// Keeps count of the reserve of one block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reserve {
    gas_limit: u64,
    used_by_attribution: u64,
}

impl Reserve {
    pub(super) const fn new(gas_limit: u64) -> Self {
        Self {
            gas_limit,
            used_by_attribution: 0,
        }
    }

    /// Whether the reserve leaves room for a transaction in a block in which `gas_used` and `footprint_used` are taken already.
    pub(super) fn admits(self, transaction: &PoolTransaction, gas_used: u64, footprint_used: u64) -> bool {
        if is_attribution(transaction) {
            return true;
        }
        let kept = reserved(self.gas_limit).saturating_sub(self.used_by_attribution);
        let open = self.gas_limit - kept;
        // Footprint is known only after execution, so there the transaction that crosses the line still gets in.
        gas_used.saturating_add(transaction.1.gas_limit()) <= open && footprint_used <= open
    }

    pub(super) fn count(&mut self, transaction: &PoolTransaction, gas_used: u64) {
        if is_attribution(transaction) {
            self.used_by_attribution = self.used_by_attribution.saturating_add(gas_used);
        }
    }
}

fn is_attribution(transaction: &PoolTransaction) -> bool {
    transaction
        .1
        .to()
        .is_some_and(|to| ATTRIBUTION_CONTRACTS.contains(&to))
}
