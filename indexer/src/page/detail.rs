//! `/batch/{number}` and `/record/{id}`: one thing, whole.

use super::{
    format::{age, bytes, grouped, ratio},
    parts::{amount, chip, parts, share_bar},
};
use crate::store::{BatchRow, RecordDetail};
use alloy::primitives::hex;
use maud::{Markup, html};

pub(super) fn batch(batch: &BatchRow, now: i64) -> Markup {
    let range = batch.first_l2_block.zip(batch.last_l2_block);
    let compression = batch
        .raw_bytes
        .zip(batch.payload_bytes)
        .and_then(|(raw, posted)| ratio(raw, posted));
    html! {
        section.panel.detail {
            header { h1 { "Posted batch " (grouped(batch.number)) } (chip(&batch.status)) }
            dl.facts {
                @if let Some((first, last)) = range {
                    (fact("L2 blocks", &html! { (grouped(first)) " – " (grouped(last)) " (" (grouped(last - first + 1)) ")" }))
                }
                @if let Some(count) = batch.tx_count { (fact("Transactions", &html! { (grouped(count)) })) }
                @if let Some(count) = batch.record_count { (fact("Records", &html! { (grouped(count)) })) }
                @if let Some(size) = batch.raw_bytes { (fact("Before compression", &html! { (bytes(size)) })) }
                @if let Some(size) = batch.payload_bytes { (fact("As posted", &html! { (bytes(size)) })) }
                @if let Some(ratio) = compression { (fact("Ratio", &html! { (ratio) })) }
                (fact("L1 cost", &html! { (amount(&batch.l1_fee_wei)) " for " (grouped(batch.l1_gas_used)) " gas" }))
                @if let Some(fee) = batch.l1_fee_wei_per_record() {
                    (fact("L1 cost per record", &amount(&fee.to_string())))
                }
                (fact("L1 transaction", &html! { code { (batch.l1_tx_hash) } }))
                (fact("L1 block", &html! { (grouped(batch.l1_block)) " " code { (batch.l1_block_hash) } }))
                (fact("Payload is", &html! { (place(&batch.da_kind)) }))
                @if let Some(commitment) = &batch.commitment {
                    (fact("Commitment", &html! { code { (hex::encode_prefixed(commitment)) } }))
                }
                @if let Some(cause) = &batch.payload_cause { (fact("Payload", &html! { (cause) })) }
                (fact("Posted", &html! { (age(now, batch.submitted_at)) }))
                @if let Some(at) = batch.safe_at { (fact("Safe", &html! { (age(now, at)) })) }
                @if let Some(at) = batch.finalized_at { (fact("Finalized", &html! { (age(now, at)) })) }
                @if let Some(at) = batch.orphaned_at { (fact("Orphaned by L1", &html! { (age(now, at)) })) }
            }
            p.links {
                a href={ "/v1/batches/" (batch.number) } { "as JSON" }
                @if batch.payload_bytes.is_some() { a href={ "/v1/batches/" (batch.number) "/raw" } { "bytes as posted" } }
            }
        }
    }
}

fn place(da_kind: &str) -> &'static str {
    match da_kind {
        "in_calldata" => "in the L1 transaction itself",
        "in_alt_da" => "on the DA layer",
        "in_eigenda" => "on EigenDA",
        "in_blob4844" => "in L1 blobs",
        _ => "not to be found",
    }
}

pub(super) fn record(detail: &RecordDetail, now: i64) -> Markup {
    let record = &detail.summary.record;
    let parties = &detail.parties;
    let owners = [
        &parties.platform,
        &parties.gateway,
        &parties.model,
        &parties.adapter,
    ];
    let mut parts = parts(&detail.summary);
    for (part, owner) in parts.iter_mut().zip(owners) {
        part.address.clone_from(owner);
    }
    html! {
        section.panel.detail {
            header { h1 { "Record " (grouped(record.id)) } (chip(detail.summary.finality)) }
            p.lead {
                strong { (amount(&record.fee_wei)) }
                " for " (grouped(record.tokens_in)) " tokens in and " (grouped(record.tokens_out)) " out"
            }
            (share_bar(&parts))
            table.parts {
                thead { tr { th { "who" } th { "paid to" } th.num { "got" } } }
                tbody {
                    @for part in &parts {
                        tr {
                            td { i class={ "dot " (part.class) } {} (part.name) }
                            td { @match &part.address { Some(address) => code { (address) }, None => span.quiet title="no event says whose this is; it was set at genesis" { "–" } } }
                            td.num { (amount(&part.amount.to_string())) }
                        }
                    }
                }
            }
            dl.facts {
                (fact("Payer", &html! { (grouped(record.payer)) @if let Some(address) = &parties.payer { " " code { (address) } } }))
                (fact("Adapter", &html! { (grouped(record.adapter)) }))
                (fact("Gateway", &html! { (grouped(record.gateway)) }))
                (fact("L2 block", &html! { (grouped(record.block_number)) ", " (age(now, record.timestamp)) }))
                (fact("Transaction", &html! { code { (record.tx_hash) } }))
                (fact("Posted batch", &html! {
                    @match detail.batch {
                        Some(number) => a href={ "/batch/" (number) } { "#" (grouped(number)) },
                        None => span.quiet { "not posted yet" },
                    }
                }))
            }
            p.links { a href={ "/v1/records/" (record.id) } { "as JSON" } }
        }
    }
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}
