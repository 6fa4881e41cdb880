//! Blocks into a channel: one span batch or singular batches, compressed, decoded again before anything of it is posted.

use crate::{
    channel_manager::PendingBlock,
    self_check::{SelfCheckError, check_channel},
};
use alloy::primitives::{Bytes, keccak256};
use tributary_protocol::{
    batch::{SingularBatch, SpanBatch, SpanEncodeError, SpanParameters},
    batcher_tx::{BatcherTxError, encode_payload},
    blob::BlobContentTooLong,
    block::{L2Block, L2BlockRef, l1_info},
    channel::{Compression, SplitError, append_batch, compress, split_into_frames},
    config::RollupConfig,
    frame::{ChannelId, FRAME_DATA_SIZE_MAX, Frame, FrameError, encode_frames},
};

/// Why blocks do not become a channel. Nothing was posted.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A channel of no blocks.
    #[error("a channel has at least one block")]
    NoBlocks,
    /// Blocks that do not fit into a span.
    #[error("blocks {first} to {last} do not make a span batch: {source}")]
    Span {
        /// First block.
        first: u64,
        /// Last block.
        last: u64,
        /// The encoder's word.
        source: SpanEncodeError,
    },
    /// A channel too long for its frames.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A payload that is no batcher data.
    #[error("a payload of ours does not decode: {0}")]
    Payload(#[from] BatcherTxError),
    /// A payload that does not hold frames but a commitment.
    #[error("a payload of ours does not hold frames")]
    NotFrames,
    /// Frames that do not fit into a blob.
    #[error(transparent)]
    Blob(#[from] BlobContentTooLong),
    /// A payload whose frames do not parse.
    #[error("a payload of ours does not decode: {0}")]
    Frames(#[from] FrameError),
    /// The channel decodes to something else than went in.
    #[error("the channel of blocks {first} to {last} does not decode to what went in: {source}")]
    SelfCheck {
        /// First block.
        first: u64,
        /// Last block.
        last: u64,
        /// What differs.
        source: SelfCheckError,
    },
}

/// How the blocks of a channel are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchKind {
    /// All of them as one batch, column by column: smaller, most of all for blocks with little in them.
    #[default]
    Span,
    /// Each as a batch of its own.
    Singular,
}

impl BatchKind {
    /// Name for logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Span => "span",
            Self::Singular => "singular",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Span => Self::Singular,
            Self::Singular => Self::Span,
        }
    }
}

/// A channel ready to be posted.
#[derive(Clone, Debug)]
pub struct BuiltChannel {
    /// First block in it.
    pub first: L2BlockRef,
    /// Last block in it.
    pub last: L2BlockRef,
    /// Compressed bytes.
    pub data: Bytes,
    /// Bytes of the batch before compression.
    pub input_bytes: usize,
    id: ChannelId,
}

/// Builds channels of one chain.
#[derive(Clone, Copy, Debug)]
pub struct ChannelBuilder<'a> {
    rollup: &'a RollupConfig,
    kind: BatchKind,
    compression: Compression,
}

impl<'a> ChannelBuilder<'a> {
    /// A builder that compresses with brotli at `quality` (0 to 11).
    #[must_use]
    pub const fn new(rollup: &'a RollupConfig, quality: u8) -> Self {
        Self {
            rollup,
            kind: BatchKind::Span,
            compression: Compression::brotli(quality),
        }
    }

    /// Writes blocks as batches of this kind.
    #[must_use]
    pub const fn with_kind(mut self, kind: BatchKind) -> Self {
        self.kind = kind;
        self
    }

    /// The channel of consecutive `blocks`, checked by decoding it again.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(&self, blocks: &[PendingBlock]) -> Result<BuiltChannel, BuildError> {
        let (first, last) = blocks.first().zip(blocks.last()).ok_or(BuildError::NoBlocks)?;
        let (first, last) = (first.block, last.block);
        let (from, to) = (first.number.0, last.number.0);
        let batches: Vec<SingularBatch> = blocks.iter().map(|block| block.batch.clone()).collect();
        let stream = match self.kind {
            BatchKind::Singular => singular_stream(&batches),
            BatchKind::Span => self
                .span_stream(&batches, first.sequence_number)
                .map_err(|source| BuildError::Span {
                    first: from,
                    last: to,
                    source,
                })?,
        };
        let data = Bytes::from(compress(self.compression, &stream));
        let channel = BuiltChannel {
            first,
            last,
            id: channel_id(&first, &data),
            data,
            input_bytes: stream.len(),
        };
        let frames = channel.frames(FRAME_DATA_SIZE_MAX)?;
        check_channel(&frames, &batches, self.kind, self.rollup).map_err(|source| BuildError::SelfCheck {
            first: from,
            last: to,
            source,
        })?;
        Ok(channel)
    }

    fn span_stream(
        &self,
        batches: &[SingularBatch],
        sequence_number: u64,
    ) -> Result<Vec<u8>, SpanEncodeError> {
        let span = SpanBatch::from_singular(batches, sequence_number, SpanParameters::from(self.rollup))?;
        let encoded = span.encode()?;
        let mut stream = Vec::with_capacity(encoded.len() + BATCH_PREFIX_BYTES_MAX);
        append_batch(&mut stream, &encoded);
        Ok(stream)
    }
}

/// What [`append_batch`] puts before a batch at most.
const BATCH_PREFIX_BYTES_MAX: usize = 9;

fn singular_stream(batches: &[SingularBatch]) -> Vec<u8> {
    let mut stream = Vec::new();
    for batch in batches {
        append_batch(&mut stream, &batch.encode());
    }
    stream
}

impl BuiltChannel {
    /// The channel in frames of at most `size_max` bytes each, envelope included.
    ///
    /// # Errors
    /// [`SplitError`].
    pub fn frames(&self, size_max: usize) -> Result<Vec<Frame>, SplitError> {
        split_into_frames(self.id, &self.data, size_max)
    }

    /// All of the channel as one DA payload.
    ///
    /// # Errors
    /// [`SplitError`].
    pub fn payload(&self) -> Result<Bytes, SplitError> {
        Ok(encode_payload(&encode_frames(&self.frames(FRAME_DATA_SIZE_MAX)?)))
    }
}

/// A channel id that differs whenever position or content differ, without asking for randomness: ids of one batcher must not repeat
/// within a channel timeout, and the same channel posted again may well carry the same id.
fn channel_id(first: &L2BlockRef, data: &[u8]) -> ChannelId {
    let hash = keccak256([first.hash.as_slice(), keccak256(data).as_slice()].concat());
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    ChannelId(id)
}

impl PendingBlock {
    /// The batch of `block`: what of it is not derived from L1.
    ///
    /// # Errors
    /// A sentence saying what the block lacks; a node never serves such a block.
    pub fn from_block(
        block: &L2Block,
        hash: alloy::primitives::B256,
        rollup: &RollupConfig,
    ) -> Result<Self, String> {
        use alloy::eips::eip2718::Encodable2718;
        let reference =
            L2BlockRef::from_block(block, hash, &rollup.genesis).map_err(|error| error.to_string())?;
        l1_info(block)
            .ok_or("it has no L1 attributes")?
            .map_err(|error| error.to_string())?;
        let transactions = block
            .body
            .transactions
            .iter()
            .filter(|transaction| !transaction.is_deposit());
        let batch = SingularBatch {
            parent_hash: block.header.parent_hash,
            epoch_number: reference.l1_origin.number,
            epoch_hash: reference.l1_origin.hash,
            timestamp: block.header.timestamp,
            transactions: transactions
                .map(|transaction| transaction.encoded_2718().into())
                .collect(),
        };
        Ok(Self {
            block: reference,
            batch,
        })
    }
}
