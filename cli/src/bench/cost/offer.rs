//! The load: records that a gateway makes at an even rate and bundles once a second.
//!
//! Before anything is measured, one record has named every payer, adapter and contribution, so that no window pays for accounts that
//! are credited for the first time.

use crate::demo::{
    Inference, Sender,
    chain::Mined,
    model::row,
    population::{ADAPTERS, AttributedInference, CONTRIBUTIONS, PAYERS, SHARES_MAX},
};
use alloy::{primitives::U256, sol_types::SolCall};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tributary_protocol::{
    attribution::encode_bundle,
    contracts::{ATTRIBUTION_LEDGER, IAttributionLedger},
};

/// How long a record may wait for the others of its bundle: an L2 block's time.
pub(crate) const BUNDLE_INTERVAL: Duration = Duration::from_secs(1);

/// Most records of a bundle: about a tenth of a block's gas, so that blocks fill well.
pub(super) const BUNDLE_ROWS_MAX: usize = 500;

/// Gas for a bundle's fixed part and for each record of it, where every account has been credited before.
const GAS_FIXED: u64 = 1_000_000;
const GAS_PER_RECORD: u64 = 70_000;
/// The same where none has.
const GAS_PER_FRESH_RECORD: u64 = 400_000;

/// Records that name everyone of the population at least once.
pub(super) fn naming_everyone() -> Vec<AttributedInference> {
    let record = |index: u32| {
        let first = index * SHARES_MAX;
        AttributedInference {
            payer: index % PAYERS,
            adapter: index % ADAPTERS,
            tokens: Inference {
                tokens_in: 1_434,
                tokens_out: 154,
            },
            shares: (first..first + SHARES_MAX)
                .map(|contribution| (contribution, 1))
                .collect(),
        }
    };
    (0..CONTRIBUTIONS / SHARES_MAX).map(record).collect()
}

/// Sends `records` at once, in bundles that a block has room for, and waits for all receipts.
pub(super) async fn send_fresh(
    gateway: &mut Sender,
    records: &[AttributedInference],
) -> eyre::Result<Vec<Mined>> {
    let mut mined = Vec::new();
    for bundle in records.chunks(100) {
        let gas = GAS_FIXED + GAS_PER_FRESH_RECORD * bundle.len() as u64;
        mined.extend(send(gateway, bundle, gas).await?);
    }
    mined.extend(gateway.drain().await?);
    Ok(mined)
}

/// Sends `records` evenly over `span`, a bundle an interval and more where that is not enough, and waits for all receipts.
pub(super) async fn offer(
    gateway: &mut Sender,
    records: &[AttributedInference],
    span: Duration,
) -> eyre::Result<Vec<Mined>> {
    let intervals = intervals(span);
    let started = Instant::now();
    let mut mined = Vec::new();
    for index in 0..intervals {
        // A bundle leaves at the end of the interval its records were made in.
        sleep_until(started + BUNDLE_INTERVAL * (index + 1)).await;
        for bundle in made_in(records, index, intervals).chunks(BUNDLE_ROWS_MAX) {
            let gas = GAS_FIXED + GAS_PER_RECORD * bundle.len() as u64;
            mined.extend(send(gateway, bundle, gas).await?);
        }
    }
    mined.extend(gateway.drain().await?);
    Ok(mined)
}

fn intervals(span: Duration) -> u32 {
    let whole = span.as_millis() / BUNDLE_INTERVAL.as_millis();
    u32::try_from(whole).unwrap_or(u32::MAX).max(1)
}

/// The records made in interval `index` of `intervals`, when all are made at an even rate.
fn made_in(records: &[AttributedInference], index: u32, intervals: u32) -> &[AttributedInference] {
    let until = |index: u32| records.len() * index as usize / intervals as usize;
    &records[until(index)..until(index + 1)]
}

async fn send(
    gateway: &mut Sender,
    records: &[AttributedInference],
    gas: u64,
) -> eyre::Result<Option<Mined>> {
    let bundle = encode_bundle(&records.iter().map(row).collect::<Vec<_>>())?;
    let data = IAttributionLedger::recordBundleCall { bundle }.abi_encode();
    gateway
        .send(ATTRIBUTION_LEDGER, data.into(), U256::ZERO, gas)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{generated, population::attribute};
    use std::collections::BTreeSet;

    #[test]
    fn every_record_is_made_in_one_interval_and_the_rate_is_even() {
        for (count, intervals) in [(10, 24), (24, 24), (1_000, 24), (7, 1)] {
            let records = attribute(1, &generated(1, count), None);
            let parts: Vec<_> = (0..intervals)
                .map(|index| made_in(&records, index, intervals))
                .collect();
            assert_eq!(parts.concat(), records);
            let sizes: Vec<usize> = parts.iter().map(|part| part.len()).collect();
            assert!(
                sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1,
                "{sizes:?}"
            );
        }
    }

    #[test]
    fn everyone_of_the_population_is_named() {
        let records = naming_everyone();
        let payers: BTreeSet<u32> = records.iter().map(|record| record.payer).collect();
        let adapters: BTreeSet<u32> = records.iter().map(|record| record.adapter).collect();
        let shares = records.iter().flat_map(|record| &record.shares);
        let contributions: BTreeSet<u32> = shares.map(|(contribution, _)| *contribution).collect();
        assert_eq!(
            (payers.len(), adapters.len(), contributions.len()),
            (PAYERS as usize, ADAPTERS as usize, CONTRIBUTIONS as usize)
        );
    }
}
