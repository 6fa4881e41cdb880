//! `/`: the three heads, the last posted batches, the last records.

use super::{
    format::{age, bytes, grouped, ratio, wei},
    parts::{amount, chip, hash, parts, share_bar, share_legend, share_words},
};
use crate::{
    http::StatusReport,
    store::{BatchRow, Head, RecordSummary},
};
use alloy::primitives::U256;
use maud::{Markup, html};

/// Everything on the page.
pub(super) struct HomeView {
    pub(super) status: StatusReport,
    /// Newest first.
    pub(super) batches: Vec<BatchRow>,
    /// Newest first.
    pub(super) records: Vec<RecordSummary>,
    /// What keeps the indexer from being ready.
    pub(super) causes: Vec<String>,
    /// Unix seconds.
    pub(super) now: i64,
}

pub(super) fn render(view: &HomeView) -> Markup {
    html! {
        @if !view.causes.is_empty() { (notice(&view.causes)) }
        (heads(view))
        (totals(view))
        (batches(view))
        (records(view))
    }
}

fn notice(causes: &[String]) -> Markup {
    html! {
        aside.notice role="status" {
            strong { "Not everything is up to date." }
            ul { @for cause in causes { li { (cause) } } }
        }
    }
}

fn heads(view: &HomeView) -> Markup {
    let heads = &view.status.heads;
    let cards = [
        ("unsafe", "built by the sequencer", &heads.unsafe_head),
        ("safe", "derived from L1 and DA", &heads.safe_head),
        ("finalized", "final on L1", &heads.finalized_head),
    ];
    let top = heads.unsafe_head.as_ref().map_or(0, |head| head.number);
    html! {
        section.heads aria-label="Heads" {
            div.cards {
                @for (name, meaning, head) in cards { (head_card(name, meaning, head.as_ref(), top, view.now)) }
            }
            (river(heads.finalized_head.as_ref(), heads.safe_head.as_ref(), top))
        }
    }
}

fn head_card(name: &str, meaning: &str, head: Option<&Head>, top: i64, now: i64) -> Markup {
    html! {
        article class={ "card " (name) } {
            h2 { i class={ "dot " (name) } {} (name) " head" }
            @match head {
                Some(head) => {
                    p.number title=(head.hash) { (grouped(head.number)) }
                    p.note {
                        (age(now, head.timestamp))
                        @if head.number < top { " · " (grouped(top - head.number)) " behind" }
                    }
                }
                None => { p.number { "–" } p.note { "waiting for the node" } }
            }
            p.meaning { (meaning) }
        }
    }
}

/// The stretch of chain from a little below the finalized head to the unsafe head.
fn river(finalized: Option<&Head>, safe: Option<&Head>, top: i64) -> Markup {
    let number = |head: Option<&Head>| head.map_or(0, |head| head.number);
    let (finalized, safe) = (number(finalized).min(top), number(safe).min(top));
    // A third of what is not final yet, so that the final part is seen too; never less than ten blocks.
    let below = ((top - finalized) / 3).max(10).min(finalized);
    let start = finalized - below;
    let span = (top - start).max(1);
    let x = |number: i64| (number - start).clamp(0, span) * 1_000 / span;
    html! {
        svg.river viewBox="0 0 1000 8" preserveAspectRatio="none" role="img"
            aria-label={ "finalized to " (finalized) ", safe to " (safe) ", unsafe to " (top) } {
            rect.unsafe x="0" y="0" width="1000" height="8" {}
            rect.safe x="0" y="0" width=(x(safe)) height="8" {}
            rect.finalized x="0" y="0" width=(x(finalized)) height="8" {}
        }
    }
}

fn totals(view: &HomeView) -> Markup {
    let counts = view.status.counts;
    let sum = |value: fn(&BatchRow) -> Option<i64>| view.batches.iter().filter_map(value).sum::<i64>();
    // Only batches whose both sizes are known.
    let raw = sum(|batch| batch.payload_bytes.and(batch.raw_bytes));
    let posted = sum(|batch| batch.raw_bytes.and(batch.payload_bytes));
    let with_records = view
        .batches
        .iter()
        .filter(|batch| batch.record_count.is_some_and(|count| count > 0));
    let (fee, records) = with_records.fold((U256::ZERO, 0), |(fee, records), batch| {
        let own: U256 = batch.l1_fee_wei.parse().unwrap_or_default();
        (fee.saturating_add(own), records + batch.record_count.unwrap_or(0))
    });
    let per_record = fee.checked_div(U256::from(records.unsigned_abs()));
    html! {
        dl.totals {
            div { dt { "records" } dd { (grouped(counts.records)) } }
            div { dt { "transactions" } dd { (grouped(counts.transactions)) } }
            div { dt { "posted batches" } dd { (grouped(counts.batches)) } }
            div { dt { "compression" } dd { (ratio(raw, posted).unwrap_or_else(|| "–".to_owned())) } }
            div { dt { "L1 cost per record" } dd { (per_record.map_or_else(|| "–".to_owned(), wei)) } }
        }
    }
}

fn batches(view: &HomeView) -> Markup {
    html! {
        section.panel {
            header { h2 { "Posted batches" } p { "what went to L1, how small it got, and what it cost" } }
            @if view.batches.is_empty() {
                p.empty { "Nothing has been posted yet. The first batch appears here as soon as it is on L1." }
            } @else {
                div.scroll {
                    table {
                        thead { tr {
                            th { "batch" } th { "L2 blocks" } th.num { "records" } th { "size" } th.num { "ratio" }
                            th.num { "L1 cost" } th.num { "per record" } th { "L1 transaction" } th { "posted" } th { "status" }
                        } }
                        tbody { @for batch in &view.batches { (batch_row(batch, view.now)) } }
                    }
                }
            }
        }
    }
}

fn batch_row(batch: &BatchRow, now: i64) -> Markup {
    let per_record = batch.l1_fee_wei_per_record();
    html! {
        tr {
            td { a href={ "/batch/" (batch.number) } { "#" (grouped(batch.number)) } }
            td { (block_range(batch)) }
            td.num { @match batch.record_count { Some(count) => (grouped(count)), None => span.quiet { "–" } } }
            td { (sizes(batch)) }
            td.num { (batch.raw_bytes.zip(batch.payload_bytes).and_then(|(raw, posted)| ratio(raw, posted)).unwrap_or_default()) }
            td.num { (amount(&batch.l1_fee_wei)) }
            td.num { @match per_record { Some(fee) => (amount(&fee.to_string())), None => span.quiet { "–" } } }
            td { (hash(&batch.l1_tx_hash)) " " span.quiet { "in " (grouped(batch.l1_block)) } }
            td.quiet { (age(now, batch.submitted_at)) }
            td { (chip(&batch.status)) }
        }
    }
}

fn block_range(batch: &BatchRow) -> Markup {
    html! {
        @match batch.first_l2_block.zip(batch.last_l2_block) {
            Some((first, last)) if first == last => (grouped(first)),
            Some((first, last)) => { (grouped(first)) span.quiet { " – " } (grouped(last)) }
            None => span.quiet title=[batch.payload_cause.as_deref()] {
                @match batch.payload_state.as_str() {
                    "invalid" => "unreadable",
                    "partial" => "waits for the rest",
                    _ => "payload to come",
                }
            }
        }
    }
}

/// `48.2 kB → 12.1 kB`.
fn sizes(batch: &BatchRow) -> Markup {
    html! {
        @match (batch.raw_bytes, batch.payload_bytes) {
            (Some(raw), Some(posted)) => { (bytes(raw)) span.arrow { " → " } (bytes(posted)) }
            (None, Some(posted)) => (bytes(posted)),
            _ => span.quiet { "–" },
        }
    }
}

fn records(view: &HomeView) -> Markup {
    html! {
        section.panel {
            header { h2 { "Records" } p { "who got what of each fee" } (share_legend()) }
            @if view.records.is_empty() {
                p.empty { "No inference has been recorded yet." }
            } @else {
                ol.records { @for summary in &view.records { (record_row(summary, view.now)) } }
            }
        }
    }
}

fn record_row(summary: &RecordSummary, now: i64) -> Markup {
    let record = &summary.record;
    let parts = parts(summary);
    html! {
        li {
            div.who {
                a href={ "/record/" (record.id) } { "#" (grouped(record.id)) }
                span { "adapter " (grouped(record.adapter)) }
                span.quiet { (grouped(record.tokens_in)) " tokens in, " (grouped(record.tokens_out)) " out" }
            }
            div.split {
                (share_bar(&parts))
                span.quiet { (share_words(&parts)) }
            }
            div.fee {
                strong { (amount(&record.fee_wei)) }
                span.quiet { "block " (grouped(record.block_number)) " · " (age(now, record.timestamp)) }
            }
            div.state { (chip(summary.finality)) }
        }
    }
}
