//! Blocks into a channel and back, for every batch type and compression, with the protocol's own encoders.

use eyre::{bail, ensure};
use tributary_protocol::{
    batch::{Batch, SingularBatch, SpanBatch, SpanParameters},
    channel::{ChannelReader, Compression, append_batch, compress},
};

/// Brotli qualities that are compared. OP's batcher uses 9 to 11.
const QUALITIES: [u8; 6] = [1, 3, 5, 9, 10, 11];

/// How blocks are put into batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchType {
    /// One batch for all blocks of a channel.
    Span,
    /// One batch a block.
    Singular,
}

/// One way of encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoding {
    pub(crate) batch: BatchType,
    pub(crate) compression: Compression,
}

impl Encoding {
    /// What our batcher does.
    pub(crate) const BATCHER: Self = Self {
        batch: BatchType::Span,
        compression: Compression::brotli(5),
    };

    /// Every way that is compared, in the order of the tables.
    pub(crate) fn all() -> Vec<Self> {
        let compressions = || {
            [Compression::Zlib]
                .into_iter()
                .chain(QUALITIES.map(Compression::brotli))
        };
        [BatchType::Span, BatchType::Singular]
            .into_iter()
            .flat_map(|batch| compressions().map(move |compression| Self { batch, compression }))
            .collect()
    }

    /// `span` or `singular`.
    pub(crate) const fn batch_name(&self) -> &'static str {
        match self.batch {
            BatchType::Span => "span",
            BatchType::Singular => "singular",
        }
    }

    /// `zlib` or `brotli-5`.
    pub(crate) fn compression_name(&self) -> String {
        match self.compression {
            Compression::Zlib => "zlib".to_owned(),
            Compression::Brotli { quality, .. } => format!("brotli-{quality}"),
        }
    }

    /// The channel of `blocks`.
    pub(crate) fn encode(&self, blocks: &ChannelBlocks, parameters: SpanParameters) -> eyre::Result<Vec<u8>> {
        let mut stream = Vec::new();
        match self.batch {
            BatchType::Span => {
                let span =
                    SpanBatch::from_singular(&blocks.batches, blocks.first_sequence_number, parameters)?;
                append_batch(&mut stream, &span.encode()?);
            }
            BatchType::Singular => {
                for batch in &blocks.batches {
                    append_batch(&mut stream, &batch.encode());
                }
            }
        }
        Ok(compress(self.compression, &stream))
    }
}

/// The blocks of one channel.
#[derive(Clone, Debug)]
pub(crate) struct ChannelBlocks {
    /// Sequence number of the first block in its epoch.
    pub(crate) first_sequence_number: u64,
    pub(crate) batches: Vec<SingularBatch>,
}

impl ChannelBlocks {
    /// Transactions, and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        let transactions = self.batches.iter().flat_map(|batch| &batch.transactions);
        transactions.fold((0, 0), |(count, bytes), transaction| {
            (count + 1, bytes + transaction.len())
        })
    }

    /// Fails unless `channel` decodes to these very blocks.
    pub(crate) fn check(&self, channel: Vec<u8>, parameters: SpanParameters) -> eyre::Result<()> {
        let mut reader = ChannelReader::new(channel.into());
        let mut expected = self.batches.iter();
        while let Some(bytes) = reader.next_batch()? {
            match Batch::decode(&bytes, &parameters)? {
                Batch::Singular(batch) => {
                    ensure!(Some(&batch) == expected.next(), "a singular batch differs");
                }
                Batch::Span(span) => {
                    for block in span.blocks() {
                        let Some(batch) = expected.next() else {
                            bail!("more blocks come out than went in");
                        };
                        // Hashes of parents and epochs are not in a span; its two checks stand for them.
                        let found = block.into_singular(batch.parent_hash, batch.epoch_hash);
                        ensure!(found == *batch, "a block of a span differs");
                    }
                }
            }
        }
        ensure!(expected.next().is_none(), "fewer blocks come out than went in");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::B256;
    use tributary_protocol::block::L1BlockNumber;

    const PARAMETERS: SpanParameters = SpanParameters {
        genesis_time: 1_000,
        block_time_secs: 1,
        chain_id: 901,
    };

    fn blocks() -> ChannelBlocks {
        let batch = |index: u64| SingularBatch {
            parent_hash: B256::with_last_byte(1),
            epoch_number: L1BlockNumber(3 + index / 2),
            epoch_hash: B256::with_last_byte(2),
            timestamp: 1_001 + index,
            transactions: Vec::new(),
        };
        ChannelBlocks {
            first_sequence_number: 1,
            batches: (0..5).map(batch).collect(),
        }
    }

    #[test]
    fn every_encoding_has_its_own_name_and_decodes_to_what_went_in() {
        let mut names = std::collections::BTreeSet::new();
        for encoding in Encoding::all() {
            names.insert((encoding.batch_name(), encoding.compression_name()));
            let channel = encoding.encode(&blocks(), PARAMETERS).unwrap();
            blocks().check(channel, PARAMETERS).unwrap();
        }
        assert_eq!(names.len(), 2 * (1 + QUALITIES.len()));
    }

    #[test]
    fn a_channel_of_other_blocks_is_noticed() {
        for encoding in Encoding::all() {
            let mut other = blocks();
            other.batches[4].timestamp = 1_005;
            other.batches[4].epoch_number = L1BlockNumber(4);
            let channel = encoding.encode(&other, PARAMETERS).unwrap();
            assert!(blocks().check(channel, PARAMETERS).is_err());
            other.batches.pop();
            let channel = encoding.encode(&other, PARAMETERS).unwrap();
            assert!(blocks().check(channel, PARAMETERS).is_err());
        }
    }
}
