//! kona's encoder and decoder on the recorded blocks.

use crate::file::BlocksFile;
use alloy_primitives::Bytes;
use alloy_rlp::Encodable;
use kona_comp::{BrotliLevel, compress_brotli, compress_zlib};
use kona_genesis::{HardForkConfig, RollupConfig};
use kona_protocol::{Batch, BatchReader, SingleBatch, SpanBatch};
use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// First byte of a channel compressed with brotli.
const BROTLI_VERSION: u8 = 1;
/// Header of a zlib container: deflate with a window of 32 KiB, best compression.
const ZLIB_HEADER: [u8; 2] = [0x78, 0xda];
/// Most bytes out of a channel.
const RLP_BYTES_MAX: usize = 100_000_000;
/// Runs of an encoding, and the time after which none is begun: those of `tributary bench`.
const RUNS_MAX: usize = 5;
const RUNS_BUDGET: Duration = Duration::from_secs(4);

/// Why kona cannot be compared with.
#[derive(Debug, thiserror::Error)]
pub enum KonaError {
    #[error("kona does not encode channel {channel}: {reason}")]
    Encode { channel: usize, reason: String },
    #[error("channel {channel} does not decode to the blocks of the file: {reason}")]
    Differs { channel: usize, reason: &'static str },
    #[error("{found} channels, the file has {expected}")]
    Channels { found: usize, expected: usize },
    #[error("unknown encoding {0}")]
    Unknown(String),
}

/// What an encoding of kona's took.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub bytes: usize,
    pub cpu_seconds: f64,
}

#[derive(Clone, Copy, Debug)]
enum Compression {
    Zlib,
    Brotli(BrotliLevel),
}

/// kona, and the blocks.
pub struct Kona {
    config: RollupConfig,
    channels: Vec<(u64, Vec<SingleBatch>)>,
}

impl Kona {
    pub fn new(file: &BlocksFile) -> Self {
        let mut config = RollupConfig {
            block_time: file.block_time,
            l2_chain_id: file.chain_id.into(),
            hardforks: HardForkConfig {
                regolith_time: Some(0),
                canyon_time: Some(0),
                delta_time: Some(0),
                ecotone_time: Some(0),
                fjord_time: Some(0),
                granite_time: Some(0),
                holocene_time: Some(0),
                isthmus_time: Some(0),
                ..Default::default()
            },
            ..Default::default()
        };
        config.genesis.l2_time = file.genesis_time;
        let channels = file.channels.iter().map(|channel| {
            let batches = channel.batches.iter().map(SingleBatch::from).collect();
            (channel.first_sequence_number, batches)
        });
        Self {
            config,
            channels: channels.collect(),
        }
    }

    /// Encodes as kona does and checks what came out; `None` for a brotli quality that kona does not offer.
    pub fn measure(&self, batch: &str, compression: &str) -> Result<Option<Measured>, KonaError> {
        let compression = match compression {
            "zlib" => Compression::Zlib,
            "brotli-9" => Compression::Brotli(BrotliLevel::Brotli9),
            "brotli-10" => Compression::Brotli(BrotliLevel::Brotli10),
            "brotli-11" => Compression::Brotli(BrotliLevel::Brotli11),
            _ => return Ok(None),
        };
        let is_span = match batch {
            "span" => true,
            "singular" => false,
            other => return Err(KonaError::Unknown(other.to_owned())),
        };
        let (mut channels, mut times, begun) = (Vec::new(), Vec::new(), Instant::now());
        while times.is_empty() || (times.len() < RUNS_MAX && begun.elapsed() < RUNS_BUDGET) {
            let before = thread_cpu();
            channels = self.encode(is_span, compression)?;
            times.push(thread_cpu().saturating_sub(before).as_secs_f64());
        }
        self.check(&channels)?;
        times.sort_by(f64::total_cmp);
        Ok(Some(Measured {
            bytes: channels.iter().map(|channel| channel.len()).sum(),
            cpu_seconds: times[(times.len() - 1) / 2],
        }))
    }

    fn encode(&self, is_span: bool, compression: Compression) -> Result<Vec<Bytes>, KonaError> {
        let channels = self.channels.iter().enumerate();
        channels
            .map(|(channel, (first_sequence_number, batches))| {
                let batches = if is_span {
                    vec![self.span(*first_sequence_number, batches)]
                } else {
                    batches
                        .iter()
                        .cloned()
                        .map(|batch| Ok(Batch::Single(batch)))
                        .collect()
                };
                let compressed = batches
                    .into_iter()
                    .collect::<Result<Vec<_>, _>>()
                    .and_then(|batches| stream(&batches))
                    .and_then(|stream| compress(compression, &stream));
                compressed.map_err(|reason| KonaError::Encode { channel, reason })
            })
            .collect()
    }

    fn span(&self, first_sequence_number: u64, batches: &[SingleBatch]) -> Result<Batch, String> {
        let mut span = SpanBatch {
            genesis_timestamp: self.config.genesis.l2_time,
            chain_id: self.config.l2_chain_id.id(),
            ..Default::default()
        };
        for batch in batches {
            // It is looked at for the first block alone.
            span.append_singular_batch(batch.clone(), first_sequence_number)
                .map_err(|error| error.to_string())?;
        }
        Ok(Batch::Span(span))
    }

    /// Fails unless kona reads exactly the blocks of the file out of `channels`.
    pub fn check(&self, channels: &[Bytes]) -> Result<(), KonaError> {
        if channels.len() != self.channels.len() {
            return Err(KonaError::Channels {
                found: channels.len(),
                expected: self.channels.len(),
            });
        }
        for (channel, (data, (_, expected))) in channels.iter().zip(&self.channels).enumerate() {
            self.check_channel(data, expected)
                .map_err(|reason| KonaError::Differs { channel, reason })?;
        }
        Ok(())
    }

    fn check_channel(&self, data: &Bytes, expected: &[SingleBatch]) -> Result<(), &'static str> {
        let mut reader = BatchReader::new(data.to_vec(), RLP_BYTES_MAX);
        let mut expected_blocks = expected.iter();
        while let Some(batch) = reader.next_batch(&self.config) {
            match batch {
                Batch::Single(batch) if Some(&batch) == expected_blocks.next() => {}
                Batch::Single(_) => return Err("a singular batch differs"),
                Batch::Span(span) => {
                    let ends = expected.first().zip(expected.last());
                    let (first, last) = ends.ok_or("there are no blocks")?;
                    if !span.check_parent_hash(first.parent_hash) || !span.check_origin_hash(last.epoch_hash)
                    {
                        return Err("a check of a span differs");
                    }
                    for block in span.batches {
                        let expected = expected_blocks
                            .next()
                            .ok_or("more blocks come out than went in")?;
                        let is_equal = block.epoch_num == expected.epoch_num
                            && block.timestamp == expected.timestamp
                            && block.transactions == expected.transactions;
                        if !is_equal {
                            return Err("a block of a span differs");
                        }
                    }
                }
            }
        }
        match expected_blocks.next() {
            None => Ok(()),
            Some(_) => Err("fewer blocks come out than went in"),
        }
    }
}

/// The batches as RLP strings, one behind the other.
fn stream(batches: &[Batch]) -> Result<Vec<u8>, String> {
    let mut stream = Vec::new();
    for batch in batches {
        let mut bytes = Vec::new();
        batch.encode(&mut bytes).map_err(|error| error.to_string())?;
        bytes.as_slice().encode(&mut stream);
    }
    Ok(stream)
}

fn compress(compression: Compression, stream: &[u8]) -> Result<Bytes, String> {
    let mut channel = Vec::new();
    match compression {
        Compression::Brotli(level) => {
            channel.push(BROTLI_VERSION);
            channel.extend(compress_brotli(stream, level).map_err(|error| error.to_string())?);
        }
        Compression::Zlib => {
            channel.extend(ZLIB_HEADER);
            channel.extend(compress_zlib(stream));
            channel.extend(adler32(stream).to_be_bytes());
        }
    }
    Ok(channel.into())
}

/// The checksum at the end of a zlib container (RFC 1950).
fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    // As many bytes as can be summed up before a `u32` overflows.
    const RUN: usize = 5_552;
    let (mut a, mut b) = (1, 0);
    for run in bytes.chunks(RUN) {
        for byte in run {
            a += u32::from(*byte);
            b += a;
        }
        a %= MODULUS;
        b %= MODULUS;
    }
    b << 16 | a
}

fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map(Duration::from)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        assert_eq!(adler32(b""), 1);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(adler32(&[0xff; 100_000]), 0x149a_302c);
    }
}
