//! The trace goes on chain: the first records one by one, the rest in bundles, in the order of the trace.

use super::{
    chain::{Mined, Sender},
    model::row,
    population::AttributedInference,
};
use alloy::{
    primitives::{Bytes, U256},
    sol_types::SolCall,
};
use indicatif::ProgressBar;
use std::time::{Duration, Instant};
use tributary_protocol::{
    attribution::{Row, encode_bundle},
    contracts::{ATTRIBUTION_LEDGER, IAttributionLedger},
};

/// Records sent one by one before the bundles start, so that both ways are used.
const SINGLE_RECORDS: usize = 10;

/// Gas for a transaction's fixed part and for each record of it, with five shares at accounts never credited before.
const GAS_FIXED: u64 = 200_000;
const GAS_PER_RECORD: u64 = 400_000;

/// Most gas a transaction asks for: a third of a block, so that several fit whatever they really use.
const GAS_MAX: u64 = 60_000_000;

/// The records that were sent, and what sending them took.
pub(crate) struct Replay {
    gateway: Sender,
    bundle_rows: usize,
    bar: ProgressBar,
    /// Records still to be sent one by one.
    single: usize,
    pub(crate) mined: Vec<Mined>,
    /// From the first transaction sent to the last receipt.
    pub(crate) took: Duration,
}

impl Replay {
    /// Nothing sent yet; `gateway` records, `bundle_rows` a transaction.
    pub(crate) const fn new(gateway: Sender, bundle_rows: usize, bar: ProgressBar) -> Self {
        Self {
            gateway,
            bundle_rows,
            bar,
            single: SINGLE_RECORDS,
            mined: Vec::new(),
            took: Duration::ZERO,
        }
    }

    /// Says how many records will be sent in all, for the progress bar.
    pub(crate) fn expect(&self, records: usize) {
        self.bar.set_length(records as u64);
    }

    /// Records `inferences` and waits for every receipt.
    pub(crate) async fn send(&mut self, inferences: &[AttributedInference]) -> eyre::Result<()> {
        let started = Instant::now();
        let (single, bundled) = inferences.split_at(inferences.len().min(self.single));
        self.single -= single.len();
        for inference in single {
            self.call(single_record(row(inference)), 1).await?;
        }
        for rows in bundled.chunks(self.bundle_rows) {
            let bundle = encode_bundle(&rows.iter().map(row).collect::<Vec<_>>())?;
            let data = IAttributionLedger::recordBundleCall { bundle }.abi_encode();
            self.call(data.into(), rows.len()).await?;
        }
        self.mined.extend(self.gateway.drain().await?);
        self.took += started.elapsed();
        Ok(())
    }

    /// Sends a call to the ledger that makes `records` records.
    async fn call(&mut self, data: Bytes, records: usize) -> eyre::Result<()> {
        let sent = self
            .gateway
            .send(ATTRIBUTION_LEDGER, data, U256::ZERO, gas_limit(records));
        self.mined.extend(sent.await?);
        self.bar.inc(records as u64);
        Ok(())
    }

    /// Asks for every receipt once more, after a reorg.
    pub(crate) async fn look_again(&mut self) -> eyre::Result<()> {
        for mined in &mut self.mined {
            mined.receipt = self.gateway.receipt_again(mined.receipt.transaction_hash).await?;
        }
        Ok(())
    }

    /// The block of the last record.
    pub(crate) fn last_block(&self) -> u64 {
        self.mined
            .iter()
            .map(|mined| mined.receipt.block())
            .max()
            .unwrap_or_default()
    }

    /// Gas of all records.
    pub(crate) fn gas(&self) -> u64 {
        self.mined.iter().map(|mined| mined.receipt.gas()).sum()
    }

    /// How long senders waited for receipts: the value below which `percent` of them lie.
    pub(crate) fn receipt_percentile(&self, percent: usize) -> Duration {
        let mut waits: Vec<Duration> = self.mined.iter().map(|mined| mined.waited).collect();
        waits.sort_unstable();
        let index = (waits.len() * percent).div_ceil(100).saturating_sub(1);
        waits.get(index).copied().unwrap_or_default()
    }
}

fn gas_limit(records: usize) -> u64 {
    (GAS_FIXED + GAS_PER_RECORD * records as u64).min(GAS_MAX)
}

/// The call that makes one record.
pub(crate) fn single_record(row: Row) -> Bytes {
    let shares = row.shares.iter().map(|share| IAttributionLedger::Share {
        contribution: share.contribution,
        weight: share.weight,
    });
    let call = IAttributionLedger::recordInferenceCall {
        payer: row.payer,
        adapter: row.adapter,
        tokensIn: row.tokens_in,
        tokensOut: row.tokens_out,
        shares: shares.collect(),
    };
    call.abi_encode().into()
}
