//! Both sides in one table of Markdown.

use crate::{
    file::{BlocksFile, Ours},
    kona::Measured,
};
use std::fmt::Write;

/// One encoding on both sides.
#[derive(Debug)]
pub struct Row {
    batch: String,
    compression: String,
    bytes: usize,
    cpu_seconds: f64,
    kona: Option<Measured>,
}

impl Row {
    pub fn new(ours: &Ours, kona: Option<Measured>) -> Self {
        Self {
            batch: ours.batch.clone(),
            compression: ours.compression.clone(),
            bytes: ours.channels.iter().map(|channel| channel.len()).sum(),
            cpu_seconds: ours.cpu_seconds,
            kona,
        }
    }
}

/// The table, and what it is about.
pub fn render(file: &BlocksFile, rows: &[Row]) -> String {
    let blocks: usize = file.channels.iter().map(|channel| channel.batches.len()).sum();
    let transactions = file.transactions().count();
    let bytes: usize = file.transactions().map(|transaction| transaction.len()).sum();
    let (count, mb) = (transactions as f64, bytes as f64 / 1e6);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let mut text = format!(
        "{transactions} transactions ({mb:.2} MB) in {blocks} blocks and {} channels; load average {load}\n\n\
         | batch | compression | bytes per transaction | kona | ours / kona | CPU ms per MB | kona | ours / kona |\n\
         | --- | --- | --: | --: | --: | --: | --: | --: |\n",
        file.channels.len()
    );
    for row in rows {
        let _ = write!(
            text,
            "| {} | {} | {:.2} |",
            row.batch,
            row.compression,
            row.bytes as f64 / count
        );
        let _ = match row.kona {
            Some(kona) => writeln!(
                text,
                " {:.2} | {:.4} | {:.1} | {:.1} | {:.2} |",
                kona.bytes as f64 / count,
                row.bytes as f64 / kona.bytes as f64,
                row.cpu_seconds * 1e3 / mb,
                kona.cpu_seconds * 1e3 / mb,
                row.cpu_seconds / kona.cpu_seconds,
            ),
            None => writeln!(text, " - | - | {:.1} | - | - |", row.cpu_seconds * 1e3 / mb),
        };
    }
    let _ = writeln!(
        text,
        "\nkona decodes every channel of both sides to the same {blocks} blocks."
    );
    text
}
