//! The oracle judged: a history is damaged in one place at a time, and every damage must be noticed.

use crate::{
    derive::{Kona, derive_caught},
    history::{History, RecordedAttributes, RecordedHistory},
};
use std::sync::Arc;

type Damage = (&'static str, fn(&mut RecordedAttributes));

/// One damage for each field that is compared.
const DAMAGES: [Damage; 13] = [
    ("number", |attributes| attributes.number += 1),
    ("parentHash", |attributes| attributes.parent_hash.0[31] ^= 1),
    ("timestamp", |attributes| attributes.timestamp += 1),
    ("prevRandao", |attributes| attributes.prev_randao.0[0] ^= 1),
    ("feeRecipient", |attributes| attributes.fee_recipient.0[19] ^= 1),
    ("parentBeaconBlockRoot", |attributes| {
        attributes.parent_beacon_block_root.0[0] ^= 1
    }),
    ("gasLimit", |attributes| attributes.gas_limit ^= 1),
    ("eip1559Params", |attributes| attributes.eip1559_params.0[7] ^= 1),
    ("noTxPool", |attributes| attributes.no_tx_pool ^= true),
    ("derivedFromNumber", |attributes| {
        attributes.derived_from_number += 1
    }),
    ("derivedFromHash", |attributes| {
        attributes.derived_from_hash.0[0] ^= 1
    }),
    ("concludesSpan", |attributes| attributes.concludes_span ^= true),
    ("transactions", |attributes| {
        if let Some(first) = attributes.transactions.first_mut() {
            let mut bytes = first.to_vec();
            bytes[40] ^= 1;
            *first = bytes.into();
        }
    }),
];

/// Damages `recorded`, which must be intact, in every way. True if each was noticed.
pub async fn run(recorded: RecordedHistory) -> bool {
    let middle = recorded.derived.len() / 2;
    let mut all_noticed = true;
    for (field, damage) in DAMAGES {
        let mut damaged = recorded.clone();
        damage(&mut damaged.derived[middle].attributes);
        all_noticed &= report(&format!("{field} of block {}", middle + 1), damaged).await;
    }
    let mut shortened = recorded.clone();
    shortened.derived.pop();
    all_noticed &= report("last block left out", shortened).await;
    let mut longer = recorded.clone();
    longer.l1_blocks.truncate(longer.l1_blocks.len() / 2);
    all_noticed & report("second half of L1 left out", longer).await
}

/// Whether the damage is noticed, either because the history no longer fits together or because kona disagrees.
async fn report(what: &str, damaged: RecordedHistory) -> bool {
    let noticed = match History::check(damaged) {
        Err(error) => Some(error.to_string()),
        Ok(history) => derive_caught(Arc::new(history), Kona::Repaired)
            .await
            .err()
            .map(|error| error.to_string()),
    };
    match &noticed {
        Some(how) => println!("noticed: {what}: {how:.160}"),
        None => println!("NOT NOTICED: {what}"),
    }
    noticed.is_some()
}
