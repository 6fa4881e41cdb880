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

/// What the replay measured.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    pub(crate) mined: Vec<Mined>,
    /// From the first transaction sent to the last receipt.
    pub(crate) took: Duration,
}

impl Replay {
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

/// Records `inferences` with `gateway`, `bundle_rows` a transaction.
pub(crate) async fn replay(
    gateway: &mut Sender,
    inferences: &[AttributedInference],
    bundle_rows: usize,
    bar: &ProgressBar,
) -> eyre::Result<Replay> {
    bar.set_length(inferences.len() as u64);
    let started = Instant::now();
    let mut mined = Vec::new();
    let (single, bundled) = inferences.split_at(inferences.len().min(SINGLE_RECORDS));
    for inference in single {
        mined.extend(
            gateway
                .send(
                    ATTRIBUTION_LEDGER,
                    single_record(row(inference)),
                    U256::ZERO,
                    gas_limit(1),
                )
                .await?,
        );
        bar.inc(1);
    }
    for rows in bundled.chunks(bundle_rows) {
        let bundle = encode_bundle(&rows.iter().map(row).collect::<Vec<_>>())?;
        let data = IAttributionLedger::recordBundleCall { bundle }.abi_encode();
        mined.extend(
            gateway
                .send(ATTRIBUTION_LEDGER, data.into(), U256::ZERO, gas_limit(rows.len()))
                .await?,
        );
        bar.inc(rows.len() as u64);
    }
    mined.extend(gateway.drain().await?);
    Ok(Replay {
        mined,
        took: started.elapsed(),
    })
}

fn gas_limit(records: usize) -> u64 {
    (GAS_FIXED + GAS_PER_RECORD * records as u64).min(GAS_MAX)
}

fn single_record(row: Row) -> Bytes {
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
