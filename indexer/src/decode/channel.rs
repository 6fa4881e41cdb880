//! A payload into frames, and a whole channel into what it holds.
//!
//! This says what was posted, not what was derived: which of it counts is decided by derivation alone, whose word is the safe head.

use alloy::primitives::Bytes;
use tributary_da_client::DropReason;
use tributary_protocol::{
    batch::{Batch, BatchError, SpanParameters},
    batcher_tx::{BatcherTxError, decode_payload},
    channel::{ChannelError, ChannelReader, MAX_RLP_BYTES_PER_CHANNEL},
    config::RollupConfig,
    frame::{Frame, FrameError, parse_frames},
};

/// What bounds the reading of channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadLimits {
    /// Most decompressed bytes of one channel.
    pub(crate) decoded_size_max: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            decoded_size_max: MAX_RLP_BYTES_PER_CHANNEL,
        }
    }
}

/// Why what was posted cannot be read, or not to its end. It is on L1 as it is, so this never changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// Neither frames nor a commitment.
    #[error(transparent)]
    BatcherTx(#[from] BatcherTxError),
    /// Not frames.
    #[error(transparent)]
    Frames(#[from] FrameError),
    /// The channel breaks off.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// A batch in it does not decode.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A batch of no block of this chain.
    #[error("no L2 block has timestamp {timestamp}")]
    NoBlock {
        /// Unix seconds.
        timestamp: u64,
    },
    /// Blobs need a beacon API, which the indexer has none of.
    #[error("blobs of an L1 transaction are not read here")]
    Blobs,
    /// The DA layer refuses the commitment by its rules, for everyone alike.
    #[error("the DA layer refuses the commitment: {0}")]
    Refused(DropReason),
}

/// What a channel holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChannelSummary {
    /// First and last L2 block; none if no batch could be read.
    pub(crate) blocks: Option<(u64, u64)>,
    /// Bytes of its batches.
    pub(crate) raw_bytes: usize,
    /// Transactions in them.
    pub(crate) tx_count: usize,
    /// Why reading stopped before the end, if it did.
    pub(crate) cause: Option<Unreadable>,
}

impl ChannelSummary {
    /// Both together, as when one payload carries two channels.
    pub(crate) fn join(self, other: Self) -> Self {
        let blocks = match (self.blocks, other.blocks) {
            (Some((first, last)), Some((other_first, other_last))) => {
                Some((first.min(other_first), last.max(other_last)))
            }
            (blocks, None) | (None, blocks) => blocks,
        };
        Self {
            blocks,
            raw_bytes: self.raw_bytes + other.raw_bytes,
            tx_count: self.tx_count + other.tx_count,
            cause: self.cause.or(other.cause),
        }
    }
}

/// Takes a payload apart.
pub(crate) fn payload_frames(payload: &Bytes) -> Result<Vec<Frame>, Unreadable> {
    Ok(parse_frames(&decode_payload(payload)?)?)
}

/// Reads a channel from its frames, `None` while one is missing. Repeated frames count once, the first time.
pub(crate) fn read_channel(
    mut frames: Vec<Frame>,
    rollup: &RollupConfig,
    limits: ReadLimits,
) -> Option<ChannelSummary> {
    frames.sort_by_key(|frame| frame.number);
    frames.dedup_by_key(|frame| frame.number);
    let end = frames.iter().position(|frame| frame.is_last)?;
    frames.truncate(end + 1);
    let has_gap = frames
        .iter()
        .enumerate()
        .any(|(index, frame)| usize::from(frame.number) != index);
    if has_gap {
        return None;
    }
    let compressed: Vec<u8> = frames
        .iter()
        .flat_map(|frame| frame.data.iter().copied())
        .collect();
    Some(summarise(compressed.into(), rollup, limits))
}

fn summarise(compressed: Bytes, rollup: &RollupConfig, limits: ReadLimits) -> ChannelSummary {
    let parameters = SpanParameters::from(rollup);
    let mut reader = ChannelReader::with_limit(compressed, limits.decoded_size_max);
    let mut summary = ChannelSummary::default();
    loop {
        let one = match reader.next_batch() {
            Ok(None) => return summary,
            Ok(Some(batch)) => summarise_batch(&batch, &parameters, rollup),
            Err(error) => Err(error.into()),
        };
        match one {
            Ok(batch) => summary = summary.join(batch),
            Err(cause) => {
                summary.cause = Some(cause);
                return summary;
            }
        }
    }
}

fn summarise_batch(
    bytes: &Bytes,
    parameters: &SpanParameters,
    rollup: &RollupConfig,
) -> Result<ChannelSummary, Unreadable> {
    let batch = Batch::decode(bytes, parameters)?;
    let (first, last, tx_count) = match &batch {
        Batch::Singular(batch) => (batch.timestamp, batch.timestamp, batch.transactions.len()),
        Batch::Span(span) => (
            span.first_timestamp(),
            span.last_timestamp(),
            span.blocks().map(|block| block.transactions.len()).sum(),
        ),
    };
    let number = |timestamp| block_number(timestamp, rollup).ok_or(Unreadable::NoBlock { timestamp });
    Ok(ChannelSummary {
        blocks: Some((number(first)?, number(last)?)),
        raw_bytes: bytes.len(),
        tx_count,
        cause: None,
    })
}

/// Which L2 block has this timestamp.
fn block_number(timestamp: u64, rollup: &RollupConfig) -> Option<u64> {
    let elapsed = timestamp.checked_sub(rollup.genesis.l2_time)?;
    if elapsed.checked_rem(rollup.block_time)? != 0 {
        return None;
    }
    rollup
        .genesis
        .l2
        .number
        .0
        .checked_add(elapsed / rollup.block_time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{rollup, span_frames};

    #[test]
    fn a_channel_tells_its_blocks_and_sizes() {
        let (frames, raw_bytes) = span_frames(3, 7, 1_000);
        let summary = read_channel(frames, &rollup(), ReadLimits::default()).unwrap();
        assert_eq!(summary.blocks, Some((3, 7)));
        assert_eq!((summary.raw_bytes, summary.cause), (raw_bytes, None));
    }

    #[test]
    fn frames_come_in_any_order_and_more_than_once() {
        let (mut frames, _) = span_frames(3, 7, 30);
        assert!(frames.len() > 2, "{} frames", frames.len());
        frames.reverse();
        frames.push(frames[1].clone());
        let summary = read_channel(frames, &rollup(), ReadLimits::default()).unwrap();
        assert_eq!(summary.blocks, Some((3, 7)));
    }

    #[test]
    fn a_channel_with_a_missing_frame_waits() {
        let (frames, _) = span_frames(3, 7, 30);
        for missing in 0..frames.len() {
            let mut some = frames.clone();
            some.remove(missing);
            assert_eq!(
                read_channel(some, &rollup(), ReadLimits::default()),
                None,
                "without frame {missing}"
            );
        }
    }

    #[test]
    fn decompression_stops_at_the_limit() {
        let (frames, raw_bytes) = span_frames(3, 7, 1_000);
        let limits = ReadLimits {
            decoded_size_max: raw_bytes - 1,
        };
        let summary = read_channel(frames, &rollup(), limits).unwrap();
        assert_eq!(summary.blocks, None);
        assert!(summary.cause.is_some());
    }

    #[test]
    fn only_whole_blocks_have_numbers() {
        let mut rollup = rollup();
        rollup.block_time = 2;
        let time = rollup.genesis.l2_time;
        assert_eq!(block_number(time, &rollup), Some(0));
        assert_eq!(block_number(time + 3 * rollup.block_time, &rollup), Some(3));
        assert_eq!(block_number(time - 1, &rollup), None);
        assert_eq!(block_number(time + 1, &rollup), None);
    }
}
