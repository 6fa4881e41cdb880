//! What measurements on a running node share: signed transfers, a client that costs little, nodes in processes of their own, CPU times.

pub(crate) mod client;
pub(crate) mod cpu;
pub(crate) mod load;
pub(crate) mod metrics;
pub(crate) mod recover;
pub(crate) mod side;
pub(crate) mod state;

use serde::Serialize;

/// What a chain for a measurement starts with, beside the funded accounts.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Genesis {
    pub(crate) block_time_secs: u64,
    /// Far above what a second can hold on any machine.
    pub(crate) gas_limit: u64,
    /// Gas of footprint per estimated byte: 1 is the least there is (0 means the default), so that gas decides and not bytes.
    pub(crate) da_footprint_gas_scalar: u16,
    pub(crate) min_base_fee: u64,
    /// Of our pool; anvil's has no bound.
    pub(crate) pool_transactions_max: usize,
}

impl Genesis {
    /// One whose limits are never reached by `transactions` transfers.
    pub(crate) fn unlimited(transactions: usize) -> Self {
        Self {
            block_time_secs: 1,
            gas_limit: 30_000_000_000,
            da_footprint_gas_scalar: 1,
            min_base_fee: 1,
            pool_transactions_max: transactions.max(20_000),
        }
    }
}
