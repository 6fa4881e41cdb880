//! Flags of what a sequencer holds at most: its pool and its journal. An error names the flag of the limit that was met.

use crate::commands::shared::duration;
use alloy::primitives::utils::parse_ether;
use clap::Args;
use std::time::Duration;
use tributary_sequencer::{journal::Settings, pool::PoolLimits};

fn pool() -> PoolLimits {
    PoolLimits::default()
}

fn journal() -> Settings {
    Settings::default()
}

/// Bounds of the pool.
#[derive(Args, Debug)]
#[command(next_help_heading = "Pool")]
pub(crate) struct PoolArgs {
    /// Bytes of one transaction.
    #[arg(long, env = "TRIBUTARY_TX_BYTES_MAX", default_value_t = pool().tx_bytes_max)]
    tx_bytes_max: usize,
    /// Ether one transaction may pay in fees; 0 is no limit.
    #[arg(long, env = "TRIBUTARY_TX_FEE_MAX", value_parser = ether, default_value = "1")]
    tx_fee_max: u128,
    /// Transactions waiting in the pool.
    #[arg(long, env = "TRIBUTARY_POOL_TRANSACTIONS_MAX", default_value_t = pool().transactions_max)]
    pool_transactions_max: usize,
    /// Bytes of transactions waiting in the pool.
    #[arg(long, env = "TRIBUTARY_POOL_BYTES_MAX", default_value_t = pool().bytes_max)]
    pool_bytes_max: usize,
    /// Transactions of one sender waiting in the pool.
    #[arg(long, env = "TRIBUTARY_POOL_SENDER_TRANSACTIONS_MAX", default_value_t = pool().sender_transactions_max)]
    pool_sender_transactions_max: usize,
    /// Bytes of one sender's transactions waiting in the pool.
    #[arg(long, env = "TRIBUTARY_POOL_SENDER_BYTES_MAX", default_value_t = pool().sender_bytes_max)]
    pool_sender_bytes_max: usize,
    /// Transactions waiting behind a nonce gap.
    #[arg(long, env = "TRIBUTARY_POOL_QUEUED_MAX", default_value_t = pool().queued_max)]
    pool_queued_max: usize,
    /// Transactions of one sender waiting behind a nonce gap.
    #[arg(long, env = "TRIBUTARY_POOL_SENDER_QUEUED_MAX", default_value_t = pool().sender_queued_max)]
    pool_sender_queued_max: usize,
    /// Percent by which a replacement must pay more.
    #[arg(long, env = "TRIBUTARY_POOL_PRICE_BUMP_PERCENT", default_value_t = pool().price_bump_percent)]
    pool_price_bump_percent: u64,
    /// How long a transaction that cannot execute is kept.
    #[arg(long, env = "TRIBUTARY_POOL_LIFETIME", value_parser = duration, default_value = "3h")]
    pool_lifetime: Duration,
}

impl PoolArgs {
    /// The limits the flags make.
    pub(crate) const fn limits(&self) -> PoolLimits {
        PoolLimits {
            tx_bytes_max: self.tx_bytes_max,
            fee_wei_max: self.tx_fee_max,
            transactions_max: self.pool_transactions_max,
            bytes_max: self.pool_bytes_max,
            sender_transactions_max: self.pool_sender_transactions_max,
            sender_bytes_max: self.pool_sender_bytes_max,
            queued_max: self.pool_queued_max,
            sender_queued_max: self.pool_sender_queued_max,
            price_bump_percent: self.pool_price_bump_percent,
            lifetime: self.pool_lifetime,
        }
    }
}

/// Bounds of the journal.
#[derive(Args, Debug)]
#[command(next_help_heading = "Journal")]
pub(crate) struct JournalArgs {
    /// Bytes after which a file of the journal is closed.
    #[arg(long, env = "TRIBUTARY_JOURNAL_SEGMENT_BYTES", default_value_t = journal().segment_bytes)]
    journal_segment_bytes: u64,
    /// Files kept before what is still needed of the oldest is written again.
    #[arg(long, env = "TRIBUTARY_JOURNAL_SEGMENTS_MAX", default_value_t = journal().segments_max)]
    journal_segments_max: u64,
    /// How long what nobody waits for may stay in memory for company.
    #[arg(long, env = "TRIBUTARY_JOURNAL_LINGER", value_parser = duration, default_value = "1ms")]
    journal_linger: Duration,
    /// Least time from one sync to the next while several wait for each.
    #[arg(long, env = "TRIBUTARY_JOURNAL_PACE", value_parser = duration, default_value = "1ms")]
    journal_pace: Duration,
    /// Bytes that must stay free on the disk; below that no transactions are taken.
    #[arg(long, env = "TRIBUTARY_JOURNAL_FREE_BYTES_MIN", default_value_t = journal().free_bytes_min)]
    journal_free_bytes_min: u64,
    /// Bytes that may wait for the disk; above that no transactions are taken.
    #[arg(long, env = "TRIBUTARY_JOURNAL_WAITING_BYTES_MAX", default_value_t = journal().waiting_bytes_max)]
    journal_waiting_bytes_max: usize,
}

impl JournalArgs {
    /// The settings the flags make.
    pub(crate) const fn settings(&self) -> Settings {
        Settings {
            segment_bytes: self.journal_segment_bytes,
            segments_max: self.journal_segments_max,
            linger: self.journal_linger,
            pace: self.journal_pace,
            free_bytes_min: self.journal_free_bytes_min,
            waiting_bytes_max: self.journal_waiting_bytes_max,
        }
    }
}

fn ether(text: &str) -> Result<u128, String> {
    let wei = parse_ether(text).map_err(|error| error.to_string())?;
    u128::try_from(wei).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        pool: PoolArgs,
        #[command(flatten)]
        journal: JournalArgs,
    }

    /// Durations and ether have their defaults here as text.
    #[test]
    fn no_flag_is_the_default_of_the_library() {
        let cli = Cli::parse_from(["node"]);
        assert_eq!(format!("{:?}", cli.pool.limits()), format!("{:?}", pool()));
        assert_eq!(
            format!("{:?}", cli.journal.settings()),
            format!("{:?}", journal())
        );
    }

    #[test]
    fn the_fee_is_in_ether() {
        let parsed = Cli::parse_from(["node", "--tx-fee-max", "0.25"]);
        assert_eq!(parsed.pool.limits().fee_wei_max, 250_000_000_000_000_000);
        assert!(Cli::try_parse_from(["node", "--tx-fee-max", "a lot"]).is_err());
    }
}
