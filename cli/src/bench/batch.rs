//! Bytes and CPU of batches: span and singular, zlib and brotli at several qualities, on the blocks of a chain in memory.
//!
//! The blocks and what we made of them can be written to a file. `tests/oracle/encoder` reads it, encodes the same blocks with kona,
//! decodes both sides' channels with kona, and prints one table (`make bench-batch`).

use super::{
    chain::Chain,
    encode::{ChannelBlocks, Encoding},
    sample::{self, Clock, Took},
};
use alloy::primitives::{B256, Bytes};
use serde::Serialize;
use std::fmt;
use tributary_protocol::batch::{SingularBatch, SpanParameters};

/// What each encoding makes of the same blocks.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BatchReport {
    pub(crate) channels: usize,
    pub(crate) blocks: usize,
    pub(crate) transactions: usize,
    /// Bytes of the transactions as they were signed; what "per MB" refers to (10^6 bytes).
    pub(crate) transaction_bytes: usize,
    pub(crate) encodings: Vec<Measured>,
    pub(crate) load_average: f64,
}

/// One encoding.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) batch: &'static str,
    pub(crate) compression: String,
    /// Bytes of all channels.
    pub(crate) bytes: usize,
    pub(crate) bytes_per_transaction: f64,
    pub(crate) cpu_ms_per_mb: f64,
    pub(crate) cpu_us_per_transaction: f64,
    #[serde(flatten)]
    pub(crate) took: Took,
}

/// Measures every encoding on the blocks with records. Each channel is decoded again and compared. `made` hears what each made.
pub(crate) fn run(chain: &Chain, mut made: impl FnMut(&Measured, Vec<Vec<u8>>)) -> eyre::Result<BatchReport> {
    let parameters = SpanParameters::from(&*chain.rollup);
    let blocks = chain.record_channels();
    let (transactions, transaction_bytes) = blocks
        .iter()
        .map(ChannelBlocks::size)
        .fold((0, 0), |(count, bytes), (more, more_bytes)| {
            (count + more, bytes + more_bytes)
        });
    let mut encodings = Vec::new();
    for encoding in Encoding::all() {
        let mut channels = Vec::new();
        let took = sample::median(sample::RUNS_BUDGET, || {
            let clock = Clock::start();
            channels = encode_all(encoding, &blocks, parameters)?;
            Ok::<_, eyre::Report>(clock.stop())
        })?;
        for (blocks, channel) in blocks.iter().zip(&channels) {
            blocks.check(channel.clone(), parameters)?;
        }
        let bytes = channels.iter().map(Vec::len).sum();
        let measured = Measured {
            batch: encoding.batch_name(),
            compression: encoding.compression_name(),
            bytes,
            bytes_per_transaction: bytes as f64 / transactions as f64,
            cpu_ms_per_mb: took.cpu_seconds * 1e3 / (transaction_bytes as f64 / 1e6),
            cpu_us_per_transaction: took.cpu_seconds * 1e6 / transactions as f64,
            took,
        };
        made(&measured, channels);
        encodings.push(measured);
    }
    Ok(BatchReport {
        channels: blocks.len(),
        blocks: blocks.iter().map(|channel| channel.batches.len()).sum(),
        transactions,
        transaction_bytes,
        encodings,
        load_average: sample::load_average(),
    })
}

fn encode_all(
    encoding: Encoding,
    blocks: &[ChannelBlocks],
    parameters: SpanParameters,
) -> eyre::Result<Vec<Vec<u8>>> {
    blocks
        .iter()
        .map(|blocks| encoding.encode(blocks, parameters))
        .collect()
}

impl fmt::Display for BatchReport {
    /// A table in Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} transactions ({:.2} MB) in {} blocks and {} channels; load average {:.1}\n",
            self.transactions,
            self.transaction_bytes as f64 / 1e6,
            self.blocks,
            self.channels,
            self.load_average
        )?;
        writeln!(
            f,
            "| batch | compression | bytes | bytes per transaction | CPU ms per MB | CPU µs per transaction |"
        )?;
        write!(f, "| --- | --- | --: | --: | --: | --: |")?;
        for measured in &self.encodings {
            write!(
                f,
                "\n| {} | {} | {} | {:.2} | {:.1} | {:.2} |",
                measured.batch,
                measured.compression,
                measured.bytes,
                measured.bytes_per_transaction,
                measured.cpu_ms_per_mb,
                measured.cpu_us_per_transaction
            )?;
        }
        Ok(())
    }
}

/// The file for the other side: blocks, and what we made of them.
#[derive(Serialize)]
pub(crate) struct BlocksFile {
    genesis_time: u64,
    block_time: u64,
    chain_id: u64,
    channels: Vec<ChannelInFile>,
    pub(crate) ours: Vec<OursInFile>,
}

#[derive(Serialize)]
struct ChannelInFile {
    first_sequence_number: u64,
    batches: Vec<BatchInFile>,
}

#[derive(Serialize)]
struct BatchInFile {
    parent_hash: B256,
    epoch_number: u64,
    epoch_hash: B256,
    timestamp: u64,
    transactions: Vec<Bytes>,
}

/// What one encoding made.
#[derive(Serialize)]
pub(crate) struct OursInFile {
    batch: String,
    compression: String,
    cpu_seconds: f64,
    channels: Vec<Bytes>,
}

impl BlocksFile {
    /// The blocks with records; nothing made of them yet.
    pub(crate) fn new(chain: &Chain) -> Self {
        let in_file = |batch: SingularBatch| BatchInFile {
            parent_hash: batch.parent_hash,
            epoch_number: batch.epoch_number.0,
            epoch_hash: batch.epoch_hash,
            timestamp: batch.timestamp,
            transactions: batch.transactions,
        };
        let channel = |blocks: ChannelBlocks| ChannelInFile {
            first_sequence_number: blocks.first_sequence_number,
            batches: blocks.batches.into_iter().map(in_file).collect(),
        };
        Self {
            genesis_time: chain.rollup.genesis.l2_time,
            block_time: chain.rollup.block_time,
            chain_id: chain.rollup.l2_chain_id,
            channels: chain.record_channels().into_iter().map(channel).collect(),
            ours: Vec::new(),
        }
    }
}

impl OursInFile {
    pub(crate) fn new(measured: &Measured, channels: Vec<Vec<u8>>) -> Self {
        Self {
            batch: measured.batch.to_owned(),
            compression: measured.compression.clone(),
            cpu_seconds: measured.took.cpu_seconds,
            channels: channels.into_iter().map(Bytes::from).collect(),
        }
    }
}
