//! Channels: batches, strung together and compressed.
//!
//! ```text
//!  batches --RLP strings--> stream --compress--> channel --split--> frames
//! ```
//!
//! | bytes of the stream | meaning                                                          |
//! | ------------------- | ---------------------------------------------------------------- |
//! | RLP string          | first batch: type byte and body ([`crate::batch`])               |
//! | RLP string          | second batch, and so on to the end of the stream                 |
//!
//! | first byte of the channel       | the channel is                                       |
//! | ------------------------------- | ---------------------------------------------------- |
//! | 01                              | 01, then a brotli stream (RFC 7932, no large window) |
//! | low four bits 8 or 15           | a zlib stream (RFC 1950) from this byte on           |
//! | anything else                   | dropped                                              |
//!
//! A reader takes at most [`MAX_RLP_BYTES_PER_CHANNEL`] bytes out of a stream; what lies behind them does not count, what lies wholly
//! before them does. It stops at the first thing it cannot read and keeps the batches before it. Bytes behind the end of a
//! compressed stream are ignored. Assembling channels from frames, with order and timeouts, is for derivation.
//! Spec: OP Stack, protocol/derivation, channel format.

mod brotli_stream;
mod compress;
mod reader;
// The tests compress with brotli, which only `std` can.
#[cfg(all(test, feature = "std"))]
mod tests;
mod zlib_stream;

pub use compress::{Compression, Compressor, compress};
pub use reader::{ChannelError, ChannelReader, DecompressionError};

use crate::frame::{ChannelId, FRAME_DATA_SIZE_MAX, FRAME_ENVELOPE_SIZE, Frame};
use alloc::vec::Vec;
use alloy_primitives::Bytes;
use alloy_rlp::Encodable;

/// Most bytes a reader takes out of one channel, and most compressed bytes (with [`FRAME_OVERHEAD_BYTES`] for each frame) that
/// derivation collects for one. Since Fjord.
pub const MAX_RLP_BYTES_PER_CHANNEL: usize = 100_000_000;
/// What a frame counts for beyond its data against [`MAX_RLP_BYTES_PER_CHANNEL`] while a channel is assembled.
pub const FRAME_OVERHEAD_BYTES: usize = 200;
/// First byte of a channel compressed with brotli.
pub const BROTLI_VERSION: u8 = 0x01;
/// Most frames of one channel: what their numbers can count.
pub const FRAMES_MAX: usize = 1 << 16;

/// Appends an encoded batch to the stream of a channel that is not compressed yet.
pub fn append_batch(stream: &mut Vec<u8>, batch: &[u8]) {
    batch.encode(stream);
}

/// Why a channel does not split into frames.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// No room for data.
    #[error("frames of at most {found} bytes hold no data; at least 24 are needed")]
    FrameSize {
        /// The size asked for.
        found: usize,
    },
    /// More frames than numbers.
    #[error("a channel of {channel_size} bytes takes {frames} frames, more than {FRAMES_MAX}")]
    FrameCount {
        /// Bytes of the channel.
        channel_size: usize,
        /// Frames it would take.
        frames: usize,
    },
}

/// Cuts a compressed channel into frames of at most `max_frame_size` bytes each, envelope included; data never exceeds
/// [`FRAME_DATA_SIZE_MAX`]. At least one frame comes out, exactly the last one says so. Frames share the memory of `compressed`.
pub fn split_into_frames(
    id: ChannelId,
    compressed: &Bytes,
    max_frame_size: usize,
) -> Result<Vec<Frame>, SplitError> {
    let data_size = max_frame_size
        .checked_sub(FRAME_ENVELOPE_SIZE)
        .filter(|size| *size > 0)
        .ok_or(SplitError::FrameSize {
            found: max_frame_size,
        })?
        .min(FRAME_DATA_SIZE_MAX);
    let count = compressed.len().div_ceil(data_size).max(1);
    if count > FRAMES_MAX {
        return Err(SplitError::FrameCount {
            channel_size: compressed.len(),
            frames: count,
        });
    }
    let frames = (0..count).map(|index| {
        let start = index * data_size;
        let end = compressed.len().min(start + data_size);
        Frame {
            id,
            number: u16::try_from(index).expect("less than FRAMES_MAX"),
            data: compressed.slice(start..end),
            is_last: index + 1 == count,
        }
    });
    Ok(frames.collect())
}
