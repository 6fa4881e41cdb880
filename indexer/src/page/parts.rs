//! Pieces that several pages share.

use super::format::{grouped, short_hash, wei, wei_text};
use crate::store::RecordSummary;
use alloy::primitives::U256;
use maud::{Markup, html};

/// Width of every drawing, in its own units; CSS stretches it.
const DRAWING_WIDTH: u64 = 1_000;
/// Gap between two parts of a bar, in the same units.
const GAP: u64 = 4;
/// Tints of contributors; after the last they repeat.
const CONTRIBUTOR_TINTS: usize = 5;

/// One recipient's part of a fee.
pub(super) struct Part {
    /// For people.
    pub(super) name: String,
    /// CSS class, which gives the colour.
    pub(super) class: String,
    pub(super) amount: U256,
    /// Whether it is a share of the contributors' pool.
    pub(super) is_contributor: bool,
    pub(super) address: Option<String>,
}

/// A record's fee, part by part, in the order of the ledger.
pub(super) fn parts(summary: &RecordSummary) -> Vec<Part> {
    let record = &summary.record;
    let pools = [
        ("platform", &record.platform_wei),
        ("gateway", &record.gateway_wei),
        ("model", &record.model_wei),
        ("adapter", &record.adapter_wei),
    ];
    let pools = pools.into_iter().map(|(name, amount)| Part {
        name: name.to_owned(),
        class: name.to_owned(),
        amount: amount.parse().unwrap_or_default(),
        is_contributor: false,
        address: None,
    });
    let shares = summary.shares.iter().enumerate().map(|(index, share)| Part {
        name: format!("contribution {}", grouped(share.contribution)),
        class: format!("c{}", index % CONTRIBUTOR_TINTS),
        amount: share.amount_wei.parse().unwrap_or_default(),
        is_contributor: true,
        address: share.payee.clone(),
    });
    pools.chain(shares).collect()
}

/// The parts side by side, each as wide as what it got.
pub(super) fn share_bar(parts: &[Part]) -> Markup {
    let total = parts
        .iter()
        .fold(U256::ZERO, |sum, part| sum.saturating_add(part.amount));
    let label = parts
        .iter()
        .map(|part| format!("{} {}", part.name, wei(part.amount)));
    let label = label.collect::<Vec<_>>().join(", ");
    let mut before = U256::ZERO;
    let widths = parts.iter().map(|part| {
        // From running sums, so that rounding adds up to the whole width.
        let x = scaled(before, total);
        before = before.saturating_add(part.amount);
        let end = scaled(before, total);
        let gap = if end == DRAWING_WIDTH { 0 } else { GAP };
        (part, x, end - x, gap)
    });
    html! {
        svg.sharebar viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=(label) {
            @for (part, x, width, gap) in widths {
                @if width > 0 {
                    rect class=(part.class) x=(x) y="0" width=(width.saturating_sub(gap).max(1)) height="10" {
                        title { (part.name) ": " (wei(part.amount)) }
                    }
                }
            }
        }
    }
}

/// `amount / total` of the drawing's width.
fn scaled(amount: U256, total: U256) -> u64 {
    let width = amount
        .saturating_mul(U256::from(DRAWING_WIDTH))
        .checked_div(total);
    width.map_or(0, |width| width.saturating_to::<u64>().min(DRAWING_WIDTH))
}

/// The largest parts in words, contributors together.
pub(super) fn share_words(parts: &[Part]) -> Markup {
    let contributors: Vec<_> = parts.iter().filter(|part| part.is_contributor).collect();
    let together = contributors
        .iter()
        .fold(U256::ZERO, |sum, part| sum.saturating_add(part.amount));
    let count = contributors.len();
    html! {
        @for part in parts.iter().filter(|part| matches!(part.class.as_str(), "model" | "adapter")) {
            (part.name) " " (wei(part.amount)) " · "
        }
        (count) @if count == 1 { " contributor " } @else { " contributors " } (wei(together))
    }
}

/// What the colours of a share bar mean.
pub(super) fn share_legend() -> Markup {
    html! {
        ul.legend {
            @for (class, name) in [("platform", "platform"), ("gateway", "gateway"), ("model", "model"), ("adapter", "adapter"), ("c0", "contributors")] {
                li { i class={ "dot " (class) } {} (name) }
            }
        }
    }
}

/// A coloured word; `status` is one of a few this code chose.
pub(super) fn chip(status: &str) -> Markup {
    html! { span class={ "chip " (status) } { (status) } }
}

/// A hash or address, short, whole when pointed at.
pub(super) fn hash(text: &str) -> Markup {
    html! { code title=(text) { (short_hash(text)) } }
}

/// An amount, short, exact when pointed at.
pub(super) fn amount(wei: &str) -> Markup {
    html! { span.amount title={ (wei) " wei" } { (wei_text(wei)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_divided_draws_nothing() {
        assert_eq!(scaled(U256::ZERO, U256::ZERO), 0);
        assert_eq!(scaled(U256::from(1), U256::from(3)), 333);
        assert_eq!(scaled(U256::MAX, U256::MAX), 1);
    }
}
