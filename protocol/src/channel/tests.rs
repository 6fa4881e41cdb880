use super::*;
use crate::frame::{encode_frames, parse_frames};
use alloc::{string::ToString, vec};
use alloy_primitives::hex;
use proptest::prelude::*;

const ID: ChannelId = ChannelId([7; 16]);
/// One batch of two bytes.
const GOLDEN_STREAM: [u8; 3] = hex!("82c0fe");

fn algorithms() -> [Compression; 4] {
    [
        Compression::brotli(1),
        Compression::brotli(9),
        Compression::Brotli {
            quality: 10,
            window_log: 16,
        },
        Compression::Zlib,
    ]
}

fn stream_of(batches: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = Vec::new();
    for batch in batches {
        append_batch(&mut stream, batch);
    }
    stream
}

/// Everything a channel yields, and how it ends.
fn read(compressed: impl Into<Bytes>, limit: usize) -> (Vec<Vec<u8>>, Option<ChannelError>) {
    let mut reader = ChannelReader::with_limit(compressed.into(), limit);
    let mut batches = Vec::new();
    loop {
        match reader.next_batch() {
            Ok(Some(batch)) => batches.push(batch.to_vec()),
            Ok(None) => return (batches, None),
            Err(error) => {
                assert_eq!(reader.next_batch(), Ok(None), "an error is given once");
                return (batches, Some(error));
            }
        }
    }
}

/// Bytes that compress somewhat, as calldata does.
fn calldata_like(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed | 1;
    core::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if state.is_multiple_of(3) {
            0
        } else {
            state.to_le_bytes()[1] & 0x3f
        }
    })
    .take(size)
    .collect()
}

#[test]
fn golden_channels() {
    let batch = vec![0xc0, 0xfe];
    assert_eq!(stream_of(core::slice::from_ref(&batch)), GOLDEN_STREAM);
    // Made by the reference implementations: brotli (C) and zlib.
    let golden: [(&str, &[u8]); 2] = [
        ("brotli", &hex!("01" "0b018082c0fe03")),
        ("zlib", &hex!("78da" "6b3af00f0004070241")),
    ];
    for (name, channel) in golden {
        assert_eq!(read(channel.to_vec(), 100), (vec![batch.clone()], None), "{name}");
    }
}

#[test]
fn unreadable_channels_are_rejected() {
    use ChannelError::*;
    use DecompressionError::*;
    let broken = |error| Some(Decompression(error));
    let raw = |stream: &[u8]| compress(Compression::Zlib, stream);
    let cases: [(&str, Vec<u8>, Option<ChannelError>); 17] = [
        ("empty", vec![], Some(Empty)),
        ("version 0", vec![0, 1, 2], Some(UnknownCompression { found: 0 })),
        ("version 2", vec![2, 1, 2], Some(UnknownCompression { found: 2 })),
        ("brotli without a stream", vec![1], broken(Truncated)),
        ("zlib method 15", vec![0x0f, 0x01, 0], broken(Zlib)),
        (
            "zlib with a dictionary",
            hex!("78f9" "00000001" "0300" "00000001").to_vec(),
            broken(Zlib),
        ),
        (
            "zlib window of 64 KiB",
            hex!("881c" "0300" "00000001").to_vec(),
            broken(Zlib),
        ),
        (
            "brotli with a large window",
            hex!("01" "111a04000282c0fe03").to_vec(),
            broken(Brotli),
        ),
        ("list", raw(&[0xc0]), Some(NotAString { found: 0xc0 })),
        ("long list", raw(&[0xf8, 56]), Some(NotAString { found: 0xf8 })),
        (
            "small byte in long form",
            raw(&[0x81, 0x7f]),
            Some(NonCanonicalLength),
        ),
        (
            "55 bytes in long form",
            raw(&[&[0xb8, 55][..], &[1; 55]].concat()),
            Some(NonCanonicalLength),
        ),
        (
            "length with a zero",
            raw(&[&[0xb9, 0, 60][..], &[1; 60]].concat()),
            Some(NonCanonicalLength),
        ),
        (
            "length cut",
            raw(&[0xb9, 1]),
            Some(BatchTruncated {
                expected: 2,
                found: 1,
            }),
        ),
        (
            "batch cut",
            raw(&[0x83, 1, 2]),
            Some(BatchTruncated {
                expected: 3,
                found: 2,
            }),
        ),
        (
            "longer than the limit",
            raw(&[0xb9, 0x04, 0x00]),
            Some(OverLimit {
                found: 1024,
                left: 997,
            }),
        ),
        (
            "longer than memory",
            raw(&hex!("bfffffffffffffffff")),
            Some(OverLimit {
                found: u64::MAX,
                left: 991,
            }),
        ),
    ];
    for (name, channel, expected) in cases {
        assert_eq!(read(channel, 1000), (vec![], expected), "{name}");
    }
}

#[test]
fn smallest_batches_are_read() {
    let batches = vec![
        vec![],
        vec![0x05],
        vec![0x80],
        vec![9; 55],
        vec![9; 56],
        vec![9; 300],
    ];
    for algorithm in algorithms() {
        let channel = compress(algorithm, &stream_of(&batches));
        assert_eq!(read(channel, 1000), (batches.clone(), None), "{algorithm:?}");
    }
    assert_eq!(read(compress(Compression::Zlib, &[]), 10), (vec![], None));
}

#[test]
fn bytes_behind_the_compressed_stream_are_ignored() {
    let batches = vec![vec![1, 2, 3], vec![4; 100]];
    for algorithm in algorithms() {
        let mut channel = compress(algorithm, &stream_of(&batches));
        channel.extend_from_slice(b"anything");
        assert_eq!(read(channel, 1000), (batches.clone(), None), "{algorithm:?}");
    }
}

#[test]
fn batches_within_the_limit_count_and_the_rest_does_not() {
    let batches = vec![vec![1; 100], vec![2; 100], vec![3; 100]];
    let stream = stream_of(&batches);
    for algorithm in algorithms() {
        let channel = compress(algorithm, &stream);
        // 102 bytes each: at 204 two batches are inside, at 203 one is, and a clean end needs no room.
        for (limit, inside, clean) in [
            (306, 3, true),
            (305, 2, false),
            (204, 2, false),
            (203, 1, false),
            (0, 0, false),
        ] {
            let (found, error) = read(channel.clone(), limit);
            assert_eq!(found, batches[..inside], "{algorithm:?} at {limit}");
            assert_eq!(error.is_none(), clean, "{algorithm:?} at {limit}");
        }
    }
}

#[test]
fn zip_bomb_stops_at_the_limit() {
    // 64 MiB of empty batches, in few bytes: the reader yields what the limit allows and holds none of it.
    let mut compressor = Compressor::new(Compression::brotli(5));
    for _ in 0..64 {
        compressor.write(&[0x80; 1 << 20]);
    }
    let channel = compressor.finish();
    assert!(channel.len() < 1000, "{} bytes", channel.len());
    let mut reader = ChannelReader::with_limit(channel.into(), 10_000);
    let mut count = 0;
    let error = loop {
        match reader.next_batch() {
            Ok(batch) => assert!(batch.expect("the stream is far longer").is_empty()),
            Err(error) => break error,
        }
        count += 1;
    };
    assert_eq!(
        (count, error),
        (10_000, ChannelError::OverLimit { found: 1, left: 0 })
    );
}

#[test]
fn lengths_do_not_allocate() {
    // A batch that claims nearly all of the limit, and is not there.
    let stream = [&hex!("ba5f5e00")[..], &[1, 2, 3]].concat();
    let expected = ChannelError::BatchTruncated {
        expected: 0x5f5e00,
        found: 3,
    };
    let mut reader = ChannelReader::new(compress(Compression::Zlib, &stream).into());
    assert_eq!(reader.next_batch(), Err(expected));
}

#[test]
fn cut_channel_yields_the_batches_before_the_cut() {
    let batches: Vec<Vec<u8>> = (0..20).map(|seed| calldata_like(seed, 500)).collect();
    for algorithm in algorithms() {
        let channel = compress(algorithm, &stream_of(&batches));
        let mut most = 0;
        for cut in (1..channel.len()).step_by(7) {
            let (found, error) = read(channel[..cut].to_vec(), usize::MAX);
            assert_eq!(found, batches[..found.len()], "{algorithm:?} cut at {cut}");
            let truncated = ChannelError::Decompression(DecompressionError::Truncated);
            assert_eq!(error, Some(truncated), "{algorithm:?} cut at {cut}");
            assert!(found.len() >= most, "a longer prefix yields no less");
            most = found.len();
        }
        assert!(most >= 15, "{algorithm:?}: {most} of 20");
    }
}

#[test]
fn broken_channel_yields_what_its_intact_prefix_does() {
    let batches: Vec<Vec<u8>> = (0..20).map(|seed| calldata_like(seed, 500)).collect();
    for algorithm in algorithms() {
        let channel = compress(algorithm, &stream_of(&batches));
        for position in (2..channel.len()).step_by(31) {
            let (before, _) = read(channel[..position].to_vec(), usize::MAX);
            let mut broken = channel.clone();
            for byte in &mut broken[position..] {
                *byte = !*byte;
            }
            let (found, _) = read(broken, 1 << 20);
            assert!(found.len() >= before.len(), "{algorithm:?} at {position}");
            assert_eq!(found[..before.len()], before, "{algorithm:?} at {position}");
        }
    }
}

#[test]
fn wrong_checksum_shows_behind_the_last_batch() {
    let batches = vec![vec![1; 100], calldata_like(3, 10_000)];
    let mut channel = compress(Compression::Zlib, &stream_of(&batches));
    *channel.last_mut().unwrap() ^= 1;
    let (found, error) = read(channel, usize::MAX);
    assert_eq!(found, batches);
    assert_eq!(
        error,
        Some(ChannelError::Decompression(DecompressionError::Checksum))
    );
}

#[test]
fn reference_before_the_start_is_an_error() {
    // Fixed Huffman block: literal 05, then a match of length 3 at distance 2.
    let channel = hex!("7801" "63054200" "00000000");
    let (found, error) = read(channel.to_vec(), 100);
    assert_eq!(found, [[5]]);
    assert_eq!(error, Some(ChannelError::Decompression(DecompressionError::Zlib)));
}

#[test]
fn size_bounds_hold_while_a_channel_grows() {
    for algorithm in algorithms() {
        let mut compressor = Compressor::new(algorithm);
        let mut stream = Vec::new();
        for seed in 0..30 {
            let piece = calldata_like(seed, 3000);
            compressor.write(&piece);
            stream.extend_from_slice(&piece);
            assert_eq!(compressor.input_size(), stream.len());
            if seed % 10 == 9 {
                let bound = compressor.size_max();
                let size = compressor.flush();
                assert!(size <= bound, "{algorithm:?}: {size} of {bound}");
                assert!(size < stream.len(), "{algorithm:?} compresses");
                assert!(compressor.size_max() < size + 100);
            }
        }
        let flushed = compressor.flush();
        let channel = compressor.finish();
        assert!(
            channel.len() <= flushed + 8,
            "{algorithm:?}: {} after {flushed}",
            channel.len()
        );
    }
}

#[test]
fn incompressible_input_stays_within_the_bound() {
    let mut state = 1u64;
    let noise: Vec<u8> = core::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .take(300_000)
    .collect();
    for algorithm in algorithms() {
        let mut compressor = Compressor::new(algorithm);
        compressor.write(&noise);
        let bound = compressor.size_max();
        let size = compressor.finish().len();
        assert!(size <= bound, "{algorithm:?}: {size} of {bound}");
    }
}

#[test]
fn frames_have_the_size_asked_for() {
    let channel = Bytes::from(vec![1; 100]);
    let sizes = |max| -> Vec<usize> {
        let frames = split_into_frames(ID, &channel, max).unwrap();
        frames.iter().map(crate::frame::Frame::encoded_size).collect()
    };
    assert_eq!(sizes(123), [123]);
    assert_eq!(sizes(73), [73, 73]);
    assert_eq!(sizes(72), [72, 72, 25]);
    assert_eq!(sizes(24), [24; 100]);
    assert_eq!(sizes(usize::MAX), [123]);
    let empty = split_into_frames(ID, &Bytes::new(), 24).unwrap();
    assert_eq!(
        empty,
        [Frame {
            id: ID,
            number: 0,
            data: Bytes::new(),
            is_last: true
        }]
    );
}

#[test]
fn channels_that_do_not_fit_are_refused() {
    for found in [0, 1, 23] {
        assert_eq!(
            split_into_frames(ID, &Bytes::new(), found),
            Err(SplitError::FrameSize { found })
        );
    }
    let channel = Bytes::from(vec![1; FRAMES_MAX + 1]);
    let error = split_into_frames(ID, &channel, 24).unwrap_err();
    assert_eq!(
        error,
        SplitError::FrameCount {
            channel_size: 65_537,
            frames: 65_537
        }
    );
    assert!(error.to_string().contains("65537 frames"));
    let frames = split_into_frames(ID, &channel.slice(1..), 24).unwrap();
    assert_eq!((frames.len(), frames[65_535].number), (65_536, 65_535));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batches_survive_the_round_trip(
        batches in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 0..12),
        algorithm in 0usize..4,
        pieces in proptest::collection::vec(1usize..300, 1..20),
        flush in any::<bool>(),
        max_frame_size in 24usize..500,
    ) {
        let stream = stream_of(&batches);
        let mut compressor = Compressor::new(algorithms()[algorithm]);
        let mut rest = &stream[..];
        for piece in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at(rest.len().min(*piece));
            compressor.write(piece);
            if flush {
                compressor.flush();
            }
            rest = behind;
        }
        let channel = Bytes::from(compressor.finish());
        let frames = split_into_frames(ID, &channel, max_frame_size).unwrap();
        let frames = parse_frames(&encode_frames(&frames)).unwrap();
        for (index, frame) in frames.iter().enumerate() {
            prop_assert_eq!(usize::from(frame.number), index);
            prop_assert_eq!(frame.is_last, index + 1 == frames.len());
            prop_assert!(frame.encoded_size() <= max_frame_size);
        }
        let joined: Vec<u8> = frames.iter().flat_map(|frame| frame.data.to_vec()).collect();
        prop_assert_eq!(&joined, &channel[..]);
        prop_assert_eq!(read(joined, stream.len()), (batches, None));
    }

    #[test]
    fn arbitrary_channels_do_not_panic(
        first in prop_oneof![Just(vec![1]), Just(hex!("78da").to_vec()), Just(vec![])],
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        read([first, bytes].concat(), 100_000);
    }

    #[test]
    fn changed_channels_yield_the_batches_before_the_change(
        seed in any::<u64>(),
        algorithm in 0usize..4,
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let batches: Vec<Vec<u8>> = (0..10).map(|index| calldata_like(seed ^ index, 200)).collect();
        let mut channel = compress(algorithms()[algorithm], &stream_of(&batches));
        let position = position.index(channel.len() - 2) + 2;
        let (before, _) = read(channel[..position].to_vec(), usize::MAX);
        channel[position] = byte;
        let (found, _) = read(channel, 1 << 20);
        prop_assert_eq!(&found[..before.len()], &before[..]);
    }
}
