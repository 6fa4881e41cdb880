//! The file both sides meet in. Bytes are hex with 0x.

use alloy_primitives::{B256, Bytes};
use kona_protocol::SingleBatch;
use serde::Deserialize;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("it holds no transactions")]
    Empty,
}

/// Blocks, and what we made of them.
#[derive(Debug, Deserialize)]
pub struct BlocksFile {
    pub genesis_time: u64,
    pub block_time: u64,
    pub chain_id: u64,
    pub channels: Vec<Channel>,
    pub ours: Vec<Ours>,
}

/// The blocks of one channel.
#[derive(Debug, Deserialize)]
pub struct Channel {
    pub first_sequence_number: u64,
    pub batches: Vec<RecordedBatch>,
}

/// What one block was made from.
#[derive(Debug, Deserialize)]
pub struct RecordedBatch {
    pub parent_hash: B256,
    pub epoch_number: u64,
    pub epoch_hash: B256,
    pub timestamp: u64,
    pub transactions: Vec<Bytes>,
}

/// What one of our encodings made.
#[derive(Debug, Deserialize)]
pub struct Ours {
    pub batch: String,
    pub compression: String,
    pub cpu_seconds: f64,
    pub channels: Vec<Bytes>,
}

impl BlocksFile {
    /// Reads and checks a file.
    pub fn from_json(json: &[u8]) -> Result<Self, FileError> {
        let file: Self = serde_json::from_slice(json)?;
        if file.transactions().next().is_none() {
            return Err(FileError::Empty);
        }
        Ok(file)
    }

    /// All transactions, in order.
    pub fn transactions(&self) -> impl Iterator<Item = &Bytes> {
        let batches = self.channels.iter().flat_map(|channel| &channel.batches);
        batches.flat_map(|batch| &batch.transactions)
    }
}

impl From<&RecordedBatch> for SingleBatch {
    fn from(batch: &RecordedBatch) -> Self {
        Self {
            parent_hash: batch.parent_hash,
            epoch_num: batch.epoch_number,
            epoch_hash: batch.epoch_hash,
            timestamp: batch.timestamp,
            transactions: batch.transactions.clone(),
        }
    }
}
