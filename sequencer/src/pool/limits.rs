//! How much the pool holds, and why that much.

use core::time::Duration;

/// Wei in an ether.
pub const WEI_PER_ETHER: u128 = 1_000_000_000_000_000_000;

/// Bytes of one encoded transaction: a full bundle of 5,000 rows is about 282 kB, and the next power of two leaves room for it.
pub const TX_BYTES_MAX: usize = 512 * 1024;

/// Bytes of init code a creation may carry (EIP-3860).
pub const INIT_CODE_BYTES_MAX: usize = 49_152;

/// What the pool holds at most. Transactions already in the block being built do not count: the block bounds them.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Bytes of one encoded transaction.
    pub tx_bytes_max: usize,
    /// Transactions in the pool.
    pub transactions_max: usize,
    /// Bytes of encoded transactions in the pool.
    pub bytes_max: usize,
    /// Transactions of one sender.
    pub sender_transactions_max: usize,
    /// Bytes of one sender's transactions.
    pub sender_bytes_max: usize,
    /// Transactions of all senders that wait behind a nonce gap.
    pub queued_max: usize,
    /// Transactions of one sender that wait behind a nonce gap.
    pub sender_queued_max: usize,
    /// Percent by which a replacement must raise both the fee cap and the tip, and by which a newcomer must outbid whom it displaces.
    pub price_bump_percent: u64,
    /// How long a transaction that still cannot execute is kept.
    pub lifetime: Duration,
    /// Wei one transaction may pay in fees at most; zero is no limit.
    pub fee_wei_max: u128,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            tx_bytes_max: TX_BYTES_MAX,
            // Four seconds of blocks full of plain transfers (about 5,000 per second); who would wait longer should be told now.
            transactions_max: 20_000,
            // 128 MiB: more than 400 full bundles, ten blocks' worth at the devnet's limits.
            bytes_max: 128 << 20,
            // A gateway sends many transactions in a row from one account, but may not fill more than a twentieth of the pool.
            sender_transactions_max: 1_000,
            // An eighth of the pool: 56 full bundles from one account.
            sender_bytes_max: 16 << 20,
            // Nobody pays for what cannot execute, so there is little of it; as geth.
            queued_max: 1_024,
            // The rest as geth.
            sender_queued_max: 64,
            price_bump_percent: 10,
            lifetime: Duration::from_secs(3 * 60 * 60),
            // One ether: nobody means to pay more, so it is a wallet's mistake.
            fee_wei_max: WEI_PER_ETHER,
        }
    }
}
