//! Reads batches out of a compressed channel, one at a time.

use super::{
    BROTLI_VERSION, MAX_RLP_BYTES_PER_CHANNEL, brotli_stream::BrotliStream, zlib_stream::ZlibStream,
};
use alloc::{boxed::Box, vec, vec::Vec};
use alloy_primitives::Bytes;

/// Bytes decompressed at a time.
const BUFFER_SIZE: usize = 16 << 10;

/// Why nothing more comes out of a channel. What to do: keep the batches before it, drop the rest of the channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// A channel without a byte.
    #[error("channel is empty")]
    Empty,
    /// No known compression starts like this.
    #[error("channel starts with {found:02x}, which is neither brotli nor zlib")]
    UnknownCompression {
        /// The first byte.
        found: u8,
    },
    /// The compressed stream cannot be read further.
    #[error(transparent)]
    Decompression(#[from] DecompressionError),
    /// A list stands where a batch, a string, should.
    #[error("an RLP list, starting with {found:02x}, instead of a batch")]
    NotAString {
        /// First byte of the item.
        found: u8,
    },
    /// A length in a longer form than it needs.
    #[error("the length of a batch is not in its shortest form")]
    NonCanonicalLength,
    /// The stream ends inside a batch or inside its length.
    #[error("the stream ends inside a batch: {expected} bytes expected, {found} found")]
    BatchTruncated {
        /// Bytes of the batch, or of its length.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// The batch does not end within the bytes a channel may have.
    #[error("a batch of {found} bytes, where the limit of the channel leaves {left}")]
    OverLimit {
        /// Bytes of the batch, or of its length.
        found: u64,
        /// Bytes left of the limit.
        left: usize,
    },
}

/// Why a compressed stream cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecompressionError {
    /// The input ends before the stream does.
    #[error("the compressed stream is cut off")]
    Truncated,
    /// Not brotli, or not the brotli that is allowed here.
    #[error("the brotli stream is broken")]
    Brotli,
    /// Not zlib.
    #[error("the zlib stream is broken")]
    Zlib,
    /// The content of a zlib stream is not what its checksum says.
    #[error("the checksum of the zlib stream is wrong")]
    Checksum,
}

/// Reads a channel. Memory: the window of the compression (brotli 16 MiB, zlib 64 KiB) and one batch.
pub struct ChannelReader {
    state: ReaderState,
}

enum ReaderState {
    /// Not looked at yet.
    Fresh {
        compressed: Bytes,
        limit: usize,
    },
    Reading(Box<Stream>),
    Done,
}

impl ChannelReader {
    /// Reads a channel under the protocol's limit.
    #[must_use]
    pub const fn new(compressed: Bytes) -> Self {
        Self::with_limit(compressed, MAX_RLP_BYTES_PER_CHANNEL)
    }

    /// Reads at most `decoded_size_max` bytes of a channel.
    #[must_use]
    pub const fn with_limit(compressed: Bytes, decoded_size_max: usize) -> Self {
        Self {
            state: ReaderState::Fresh {
                compressed,
                limit: decoded_size_max,
            },
        }
    }

    /// The next batch, `None` at the end. After an error, too, comes the end: each error is given once.
    pub fn next_batch(&mut self) -> Result<Option<Bytes>, ChannelError> {
        let result = self.read_batch();
        if !matches!(result, Ok(Some(_))) {
            self.state = ReaderState::Done;
        }
        result
    }

    fn read_batch(&mut self) -> Result<Option<Bytes>, ChannelError> {
        if let ReaderState::Fresh { compressed, limit } = &mut self.state {
            let stream = Stream::open(core::mem::take(compressed), *limit)?;
            self.state = ReaderState::Reading(Box::new(stream));
        }
        match &mut self.state {
            ReaderState::Reading(stream) => stream.read_string(),
            ReaderState::Fresh { .. } | ReaderState::Done => Ok(None),
        }
    }
}

/// The batches up to the first error, without it.
impl Iterator for ChannelReader {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.next_batch().unwrap_or(None)
    }
}

impl core::fmt::Debug for ChannelReader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let state = match &self.state {
            ReaderState::Fresh { .. } => "fresh",
            ReaderState::Reading(_) => "reading",
            ReaderState::Done => "done",
        };
        f.debug_struct("ChannelReader")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

enum Decoder {
    Brotli(BrotliStream),
    Zlib(ZlibStream),
}

/// The decompressed stream, with its limit.
struct Stream {
    decoder: Decoder,
    buffer: Vec<u8>,
    /// What of `buffer` is decoded and not taken.
    ready: core::ops::Range<usize>,
    /// Bytes that may still be taken.
    left: usize,
}

impl Stream {
    fn open(compressed: Bytes, limit: usize) -> Result<Self, ChannelError> {
        let decoder = match compressed.first() {
            None => return Err(ChannelError::Empty),
            Some(&BROTLI_VERSION) => Decoder::Brotli(BrotliStream::new(compressed.slice(1..))),
            Some(first) if matches!(first & 0x0f, 8 | 15) => Decoder::Zlib(ZlibStream::new(compressed)),
            Some(&found) => return Err(ChannelError::UnknownCompression { found }),
        };
        Ok(Self {
            decoder,
            buffer: vec![0; BUFFER_SIZE],
            ready: 0..0,
            left: limit,
        })
    }

    /// The content of the next RLP string; `None` if the stream ends before it.
    fn read_string(&mut self) -> Result<Option<Bytes>, ChannelError> {
        if self.ready().map(<[u8]>::is_empty)? {
            return Ok(None);
        }
        let first = self.take(1)?[0];
        let size = match first {
            0x00..=0x7f => return Ok(Some(Bytes::copy_from_slice(&[first]))),
            0x80..=0xb7 => usize::from(first - 0x80),
            0xb8..=0xbf => self.read_length(usize::from(first - 0xb7))?,
            found => return Err(ChannelError::NotAString { found }),
        };
        let content = self.take(size)?;
        if let [single] = content[..]
            && single < 0x80
        {
            return Err(ChannelError::NonCanonicalLength);
        }
        Ok(Some(content.into()))
    }

    /// Reads the length of a string of 56 bytes or more.
    fn read_length(&mut self, size: usize) -> Result<usize, ChannelError> {
        let bytes = self.take(size)?;
        let length = bytes
            .iter()
            .fold(0u64, |length, byte| length << 8 | u64::from(*byte));
        if bytes[0] == 0 || length < 56 {
            return Err(ChannelError::NonCanonicalLength);
        }
        usize::try_from(length).map_err(|_| ChannelError::OverLimit {
            found: length,
            left: self.left,
        })
    }

    /// Takes `size` bytes. Memory grows with what is there, not with what a length says.
    fn take(&mut self, size: usize) -> Result<Vec<u8>, ChannelError> {
        if size > self.left {
            return Err(ChannelError::OverLimit {
                found: size as u64,
                left: self.left,
            });
        }
        let mut taken = Vec::new();
        while taken.len() < size {
            let ready = self.ready()?;
            if ready.is_empty() {
                return Err(ChannelError::BatchTruncated {
                    expected: size,
                    found: taken.len(),
                });
            }
            let count = ready.len().min(size - taken.len());
            taken.extend_from_slice(&ready[..count]);
            self.ready.start += count;
            self.left -= count;
        }
        Ok(taken)
    }

    /// Decoded bytes that are waiting; none at the end of the stream.
    fn ready(&mut self) -> Result<&[u8], DecompressionError> {
        if self.ready.is_empty() {
            let size = match &mut self.decoder {
                Decoder::Brotli(stream) => stream.read(&mut self.buffer)?,
                Decoder::Zlib(stream) => stream.read(&mut self.buffer)?,
            };
            self.ready = 0..size;
        }
        Ok(&self.buffer[self.ready.clone()])
    }
}
