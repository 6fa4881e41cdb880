//! Compresses the stream of a channel, at once or bit by bit.

#[cfg(feature = "std")]
use super::BROTLI_VERSION;
use alloc::{boxed::Box, vec::Vec};
use miniz_oxide::{
    MZFlush,
    deflate::{core::CompressorOxide, core::create_comp_flags_from_zip_params, stream::deflate},
};
#[cfg(feature = "std")]
use std::io::Write;

/// Output is collected in pieces of this size.
const PIECE_SIZE: usize = 16 << 10;
/// Highest of zlib's usual levels: channels are small and posting them is dear.
const ZLIB_LEVEL: i32 = 9;

/// How a channel is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Brotli; only with feature `std`.
    #[cfg(feature = "std")]
    Brotli {
        /// 0 (fast) to 11 (small). From 10 on it costs more time than executing the transactions did.
        quality: u8,
        /// Binary logarithm of the window in bytes, 10 to 24.
        window_log: u8,
    },
    /// Zlib at level 9.
    Zlib,
}

impl Compression {
    /// Brotli with its usual window of 4 MiB; `quality` 0 to 11.
    #[cfg(feature = "std")]
    #[must_use]
    pub const fn brotli(quality: u8) -> Self {
        Self::Brotli {
            quality,
            window_log: 22,
        }
    }
}

/// Compresses a whole stream into a channel, version byte included.
#[must_use]
pub fn compress(compression: Compression, stream: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(compression);
    compressor.write(stream);
    compressor.finish()
}

/// Compresses a stream that grows.
///
/// How large the channel would be is not known before its end, since compressors hold input back. [`Self::size_max`] bounds it for
/// free; once that exceeds what the caller has room for, [`Self::flush`] says exactly, at the price of a slightly larger channel.
pub struct Compressor {
    inner: Inner,
    input_size: usize,
    /// Input the compressor may hold back.
    pending: usize,
    /// Output at the time `pending` was last known to be 0.
    flushed: usize,
    /// Most bytes that brotli is given at once.
    #[cfg_attr(
        not(feature = "std"),
        expect(dead_code, reason = "without brotli nothing is cut")
    )]
    write_size_max: usize,
}

enum Inner {
    #[cfg(feature = "std")]
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zlib {
        state: Box<CompressorOxide>,
        output: Vec<u8>,
    },
}

impl Compressor {
    /// An empty channel.
    #[must_use]
    pub fn new(compression: Compression) -> Self {
        let inner = match compression {
            #[cfg(feature = "std")]
            Compression::Brotli { quality, window_log } => {
                let output = Vec::from([BROTLI_VERSION]);
                let (quality, window_log) = (u32::from(quality), u32::from(window_log));
                Inner::Brotli(Box::new(brotli::CompressorWriter::new(
                    output, PIECE_SIZE, quality, window_log,
                )))
            }
            Compression::Zlib => {
                let flags = create_comp_flags_from_zip_params(ZLIB_LEVEL, 1, 0);
                Inner::Zlib {
                    state: Box::new(CompressorOxide::new(flags)),
                    output: Vec::new(),
                }
            }
        };
        Self {
            inner,
            input_size: 0,
            pending: 0,
            flushed: 0,
            write_size_max: write_size_max(compression),
        }
    }

    /// Adds bytes to the stream. At low qualities the output depends on how the stream is cut into writes; what it decodes to does
    /// not.
    pub fn write(&mut self, bytes: &[u8]) {
        match &mut self.inner {
            #[cfg(feature = "std")]
            Inner::Brotli(writer) => bytes
                .chunks(self.write_size_max)
                .try_for_each(|piece| writer.write_all(piece))
                .expect("writing to memory does not fail"),
            Inner::Zlib { state, output } => deflate_all(state, bytes, output, MZFlush::None),
        }
        self.input_size += bytes.len();
        self.pending += bytes.len();
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn input_size(&self) -> usize {
        self.input_size
    }

    /// Most bytes the channel can have if it is finished now: what came out before the last flush, and what went in since as it is.
    #[must_use]
    pub const fn size_max(&self) -> usize {
        // Incompressible input grows by a few bytes for every block of at least 16 KiB, and there are a header and a trailer.
        self.flushed + self.pending + self.pending / 1024 + 64
    }

    /// Forces out what is held back; returns the size of the channel so far. Finishing adds at most 8 bytes.
    pub fn flush(&mut self) -> usize {
        match &mut self.inner {
            #[cfg(feature = "std")]
            Inner::Brotli(writer) => writer.flush().expect("writing to memory does not fail"),
            Inner::Zlib { state, output } => deflate_all(state, &[], output, MZFlush::Sync),
        }
        self.flushed = self.output_size();
        self.pending = 0;
        self.flushed
    }

    /// Ends the stream; returns the channel.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        match self.inner {
            #[cfg(feature = "std")]
            Inner::Brotli(writer) => writer.into_inner(),
            Inner::Zlib {
                mut state,
                mut output,
            } => {
                deflate_all(&mut state, &[], &mut output, MZFlush::Finish);
                output
            }
        }
    }

    fn output_size(&self) -> usize {
        match &self.inner {
            #[cfg(feature = "std")]
            Inner::Brotli(writer) => writer.get_ref().len(),
            Inner::Zlib { output, .. } => output.len(),
        }
    }
}

/// Most bytes to give at once. What brotli sees ahead it takes for the size of the stream, and from quality 5 on it models a stream of a
/// mebibyte or more as text; channels are no text, and came out 1 % larger.
const fn write_size_max(compression: Compression) -> usize {
    match compression {
        #[cfg(feature = "std")]
        Compression::Brotli { quality: 5.., .. } => PIECE_SIZE,
        _ => usize::MAX,
    }
}

impl core::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Compressor")
            .field("input_size", &self.input_size)
            .field("output_size", &self.output_size())
            .finish_non_exhaustive()
    }
}

/// Gives all of `input` to the compressor and appends to `output` until it has no more to give.
fn deflate_all(state: &mut CompressorOxide, mut input: &[u8], output: &mut Vec<u8>, flush: MZFlush) {
    loop {
        let start = output.len();
        output.resize(start + PIECE_SIZE, 0);
        let result = deflate(state, input, &mut output[start..], flush);
        output.truncate(start + result.bytes_written);
        input = &input[result.bytes_consumed..];
        // It stops short of a full piece only when it waits for input or is done.
        if result.bytes_written < PIECE_SIZE {
            assert!(input.is_empty(), "deflate takes all input it has room for");
            return;
        }
    }
}
