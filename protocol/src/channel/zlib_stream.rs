//! Takes a zlib stream apart, without std and in 64 KiB.
//!
//! A broken stream yields every byte before the break; a wrong checksum shows only behind the last byte.

use super::DecompressionError;
use alloc::{boxed::Box, vec, vec::Vec};
use alloy_primitives::Bytes;
use miniz_oxide::inflate::{
    TINFLStatus,
    core::{
        DecompressorOxide, decompress,
        inflate_flags::{TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF},
    },
};

/// How far back the format can refer.
const HISTORY_SIZE: usize = 32 << 10;

/// A zlib stream being read.
pub(super) struct ZlibStream {
    input: Bytes,
    offset: usize,
    state: Box<DecompressorOxide>,
    /// History, then bytes the reader has not had yet. The decoder writes it without wrapping, for only then does it notice a
    /// reference to before the start of the stream.
    window: Vec<u8>,
    /// End of what the reader has had.
    taken: usize,
    /// End of what is decoded.
    decoded: usize,
    /// How the stream ends, once the decoder has got there.
    end: Option<Result<(), DecompressionError>>,
}

impl ZlibStream {
    pub(super) fn new(input: Bytes) -> Self {
        Self {
            input,
            offset: 0,
            state: Box::default(),
            window: vec![0; 2 * HISTORY_SIZE],
            taken: 0,
            decoded: 0,
            end: None,
        }
    }

    /// Fills the start of `out` and says how much of it; 0 at the end of the stream. `out` is not empty.
    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, DecompressionError> {
        while self.taken == self.decoded {
            if let Some(end) = self.end {
                return end.map(|()| 0);
            }
            self.decode_more();
        }
        let size = out.len().min(self.decoded - self.taken);
        out[..size].copy_from_slice(&self.window[self.taken..self.taken + size]);
        self.taken += size;
        Ok(size)
    }

    fn decode_more(&mut self) {
        if self.decoded == self.window.len() {
            self.window.copy_within(self.decoded - HISTORY_SIZE.., 0);
            self.decoded = HISTORY_SIZE;
            self.taken = HISTORY_SIZE;
        }
        let flags = TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let input = &self.input[self.offset..];
        let (status, read, written) =
            decompress(&mut self.state, input, &mut self.window, self.decoded, flags);
        self.offset += read;
        self.decoded += written;
        self.end = match status {
            TINFLStatus::HasMoreOutput => None,
            TINFLStatus::Done => Some(Ok(())),
            TINFLStatus::Adler32Mismatch => Some(Err(DecompressionError::Checksum)),
            TINFLStatus::FailedCannotMakeProgress | TINFLStatus::NeedsMoreInput => {
                Some(Err(DecompressionError::Truncated))
            }
            TINFLStatus::Failed | TINFLStatus::BadParam => Some(Err(DecompressionError::Zlib)),
        };
    }
}
