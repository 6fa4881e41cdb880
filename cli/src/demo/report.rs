//! What a demo reports: one JSON object for machines, a few lines for people.

use super::chaos::ChaosReport;
use serde::Serialize;
use std::fmt;

/// The demo's result. Wei amounts are exact integers.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) records: u64,
    pub(crate) l2_blocks: u64,
    pub(crate) l2_txs: u64,
    pub(crate) safe_head: u64,
    pub(crate) verifier: VerifierReport,
    pub(crate) da: DaReport,
    pub(crate) l1: L1Report,
    pub(crate) da_bytes_per_record: f64,
    pub(crate) l2_gas_per_record: f64,
    pub(crate) records_per_second: f64,
    pub(crate) receipt_ms: Percentiles,
    pub(crate) fees_wei: u128,
    pub(crate) shares_wei: u128,
    pub(crate) carried_remainder_wei: u128,
    pub(crate) model_fees_wei: u128,
    pub(crate) wall_seconds: f64,
    /// Only with `--chaos`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chaos: Option<ChaosReport>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct VerifierReport {
    pub(crate) derived_blocks: u64,
    pub(crate) mismatches: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct DaReport {
    pub(crate) layer: &'static str,
    pub(crate) payloads: u64,
    pub(crate) bytes: u64,
    pub(crate) setup_bytes: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct L1Report {
    pub(crate) txs: u64,
    pub(crate) bytes: u64,
    pub(crate) gas: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, value: String| writeln!(f, "  {name:<22} {value}");
        line(
            "records",
            format!("{} ({:.0} a second)", self.records, self.records_per_second),
        )?;
        line(
            "L2",
            format!(
                "{} blocks, {} transactions, safe head {}",
                self.l2_blocks, self.l2_txs, self.safe_head
            ),
        )?;
        line(
            "fresh follower",
            format!(
                "{} blocks derived, {} mismatches",
                self.verifier.derived_blocks, self.verifier.mismatches
            ),
        )?;
        line(
            "DA",
            format!(
                "{} payloads, {} bytes ({:.1} a record), {} for the set-up",
                self.da.payloads, self.da.bytes, self.da_bytes_per_record, self.da.setup_bytes
            ),
        )?;
        line(
            "L1",
            format!(
                "{} batcher transactions, {} bytes, {} gas",
                self.l1.txs, self.l1.bytes, self.l1.gas
            ),
        )?;
        line("L2 gas a record", format!("{:.0}", self.l2_gas_per_record))?;
        line(
            "receipts",
            format!(
                "p50 {:.0} ms, p99 {:.0} ms",
                self.receipt_ms.p50, self.receipt_ms.p99
            ),
        )?;
        line(
            "fees",
            format!("{} wei; the model says {}", self.fees_wei, self.model_fees_wei),
        )?;
        line(
            "shares + carried",
            format!("{} + {} wei", self.shares_wei, self.carried_remainder_wei),
        )?;
        if let Some(chaos) = &self.chaos {
            line(
                "went wrong",
                format!(
                    "sequencer killed {} times, batcher {}, follower {}; no DA for {:.1} s; L1 reorgs of {:?} blocks",
                    chaos.kills.sequencer,
                    chaos.kills.batcher,
                    chaos.kills.follower,
                    chaos.da_down_s,
                    chaos.l1_reorgs
                ),
            )?;
        }
        line("took", format!("{:.1} s", self.wall_seconds))
    }
}
