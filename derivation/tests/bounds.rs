//! Memory under attack: zip bombs, giant claims and a million garbage frames through the stages that meet them, with the most memory the
//! process ever had. Nothing else may run in this process, hence one test.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use alloy_primitives::Bytes;
use tributary_derivation::{
    discard::{DiscardReason, Discards},
    stages::{
        channel_assembler::ChannelAssembler, channel_reader::ChannelReaderStage, frame_queue::FrameQueue,
    },
};
use tributary_protocol::{
    batch::SpanParameters,
    block::L1BlockNumber,
    channel::{Compression, MAX_RLP_BYTES_PER_CHANNEL, compress, split_into_frames},
    frame::{ChannelId, Frame, encode_frames},
};

/// What the issue of a node's memory allows in all.
const MEMORY_MAX_KIB: u64 = 512 * 1024;

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

struct Stages {
    frames: FrameQueue,
    assembler: ChannelAssembler,
    reader: ChannelReaderStage,
    discards: Discards,
}

impl Stages {
    fn new() -> Self {
        Self {
            frames: FrameQueue::default(),
            assembler: ChannelAssembler::default(),
            reader: ChannelReaderStage::new(SpanParameters {
                genesis_time: 0,
                block_time_secs: 1,
                chain_id: 901,
            }),
            discards: Discards::default(),
        }
    }

    /// Reads one piece of data to its end. Returns how many batches came out.
    fn read(&mut self, data: &Bytes) -> usize {
        let mut batches = 0;
        self.frames.load(data, &mut self.discards);
        while let Some(frame) = self.frames.pop() {
            if let Some(channel) = self.assembler.ingest(frame, L1BlockNumber(1), &mut self.discards) {
                self.reader.load(channel);
                while self.reader.pull(&mut self.discards).is_some() {
                    batches += 1;
                }
            }
        }
        batches
    }

    fn read_channel(&mut self, stream: &[u8], compression: Compression) -> usize {
        let channel = Bytes::from(compress(compression, stream));
        let frames = split_into_frames(ChannelId([1; 16]), &channel, 100_000).unwrap();
        self.read(&encode_frames(&frames).into())
    }

    fn count(&self, reason: DiscardReason) -> u64 {
        self.discards.counts().get(reason)
    }
}

/// An RLP byte string of `length` bytes that begins with `head` and goes on with zeros, `real` of which are there.
fn string(length: u32, head: &[u8], real: usize) -> Vec<u8> {
    let bytes = length.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut stream = Vec::new();
    match length {
        0..=55 => stream.push(0x80 + bytes[3]),
        _ => {
            stream.push(0xbb - u8::try_from(zeros).unwrap());
            stream.extend_from_slice(&bytes[zeros..]);
        }
    }
    stream.extend_from_slice(head);
    stream.resize(stream.len() + real, 0);
    stream
}

/// Type and prefix of a span that claims `block_count` blocks (as a uvarint).
fn span_claiming(block_count: &[u8]) -> Vec<u8> {
    let mut span = vec![1, 1, 1];
    span.extend_from_slice(&[0; 40]);
    span.extend_from_slice(block_count);
    span
}

#[test]
fn f24_f25_bombs_claims_and_garbage_stay_in_bounds() {
    let mut stages = Stages::new();
    let limit = u32::try_from(MAX_RLP_BYTES_PER_CHANNEL).unwrap();

    // A string one byte longer than the stream may be: refused by its claim, whatever is behind it.
    for compression in [Compression::Zlib, Compression::brotli(1)] {
        let bomb = string(limit, &[0], 120_000_000);
        assert_eq!(stages.read_channel(&bomb, compression), 0);
    }
    // The longest that fits is buffered, and is no batch.
    for compression in [Compression::Zlib, Compression::brotli(1)] {
        let bomb = string(limit - 5, &[0], MAX_RLP_BYTES_PER_CHANNEL - 6);
        assert_eq!(stages.read_channel(&bomb, compression), 0);
    }
    assert_eq!(stages.count(DiscardReason::BatchMalformed), 4);
    println!("after the zip bombs: {} MiB", peak_kib() / 1024);

    // Spans that claim millions of blocks, or as many transactions, and hold nothing.
    let ten_million = [0x80, 0xad, 0xe2, 0x04];
    for claim in [&ten_million[..], &[0xff; 9], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
        let span = span_claiming(claim);
        let length = u32::try_from(span.len()).unwrap();
        assert_eq!(
            stages.read_channel(&string(length, &span, 0), Compression::Zlib),
            0
        );
    }
    assert_eq!(stages.count(DiscardReason::BatchMalformed), 7);
    // One that holds all of its ten million empty blocks, in a few kilobytes: legal, and one batch.
    let mut span = span_claiming(&ten_million);
    let bits_and_counts = 10_000_000 / 8 + 10_000_000;
    span.resize(span.len() + bits_and_counts, 0);
    let length = u32::try_from(span.len()).unwrap();
    let batches = stages.read_channel(&string(length, &span, 0), Compression::Zlib);
    println!("after the spans: {} MiB, {batches} accepted", peak_kib() / 1024);

    // A million frames of every disorder, in pieces of the largest payload a DA layer takes, and as many that do not parse.
    let garbage = |index: u32| Frame {
        id: ChannelId([u8::try_from(index % 7).unwrap(); 16]),
        number: u16::try_from(index % 5).unwrap(),
        data: Bytes::new(),
        is_last: index.is_multiple_of(11),
    };
    let piece: Vec<Frame> = (0..500_000).map(garbage).collect();
    let mut data = encode_frames(&piece);
    drop(piece);
    for _ in 0..2 {
        stages.read(&Bytes::copy_from_slice(&data));
    }
    data.push(0);
    let before = stages.count(DiscardReason::FramesMalformed);
    for _ in 0..2 {
        stages.read(&Bytes::copy_from_slice(&data));
    }
    assert_eq!(stages.count(DiscardReason::FramesMalformed), before + 2);
    let frame_reasons = [
        DiscardReason::FrameOutOfOrder,
        DiscardReason::FrameAfterLast,
        DiscardReason::FrameWithoutChannel,
        DiscardReason::ChannelUnclosed,
    ];
    let dropped: u64 = frame_reasons.iter().map(|reason| stages.count(*reason)).sum();
    let peak = peak_kib();
    println!("{dropped} frames dropped; peak {} MiB", peak / 1024);
    assert!(dropped > 900_000);
    assert!(peak < MEMORY_MAX_KIB, "{peak} KiB");
}
