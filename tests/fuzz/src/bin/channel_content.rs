//! What a channel holds: any stream, compressed and cut into frames, comes out as exactly the batches that a reader of RLP strings
//! finds in it within the limit.
//!
//! Input: compression u8, limit u16, frame size u16, the stream before compression.
#![no_main]

use alloy_primitives::Bytes;
use tributary_fuzz::{
    channels,
    input::Input,
    seeds::{Seeds, add},
    target,
};
use tributary_protocol::{
    channel::{Compression, compress, split_into_frames},
    frame::{ChannelId, encode_frames, parse_frames},
};

target!(run, seeds);

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let compression = match input.byte() {
        choice if choice & 1 == 0 => Compression::Zlib,
        choice => Compression::Brotli {
            quality: (choice >> 1) % 7,
            window_log: 10 + (choice >> 5),
        },
    };
    let limit = usize::from(input.number());
    let frame_size = 24 + usize::from(input.number());
    let stream = input.rest();

    let compressed = Bytes::from(compress(compression, stream));
    assert_eq!(through_frames(&compressed, frame_size), compressed);
    let (batches, error) = channels::read(&compressed, limit);
    let (expected, is_whole) = strings(stream, limit);
    assert_eq!(batches, expected);
    assert_eq!(error.is_none(), is_whole, "{error:?}");
}

fn through_frames(compressed: &Bytes, frame_size: usize) -> Vec<u8> {
    let frames = split_into_frames(ChannelId([7; 16]), compressed, frame_size)
        .expect("a frame holds a byte, numbers suffice");
    assert!(frames.iter().all(|frame| frame.encoded_size() <= frame_size));
    assert_eq!(
        frames.iter().position(|frame| frame.is_last),
        Some(frames.len() - 1)
    );
    let parsed = parse_frames(&encode_frames(&frames)).expect("our own frames parse");
    assert_eq!(parsed, frames);
    parsed.iter().flat_map(|frame| frame.data.to_vec()).collect()
}

/// The RLP strings at the start of `stream` that end within `limit`, and whether nothing else is there.
fn strings(stream: &[u8], limit: usize) -> (Vec<Bytes>, bool) {
    let mut strings = Vec::new();
    let mut at = 0;
    while at < stream.len() {
        match string_at(&stream[at..]) {
            Some((content, size)) if at + size <= limit => {
                strings.push(Bytes::copy_from_slice(content));
                at += size;
            }
            _ => return (strings, false),
        }
    }
    (strings, true)
}

/// The content of the string at the front, and how many bytes it takes with its header.
fn string_at(rest: &[u8]) -> Option<(&[u8], usize)> {
    let (header, size) = match rest[0] {
        0..=0x7f => (0, 1),
        first @ 0x80..=0xb7 => (1, usize::from(first - 0x80)),
        first @ 0xb8..=0xbf => {
            let digits = rest.get(1..1 + usize::from(first - 0xb7))?;
            let size = digits.iter().try_fold(0usize, |size, digit| {
                size.checked_mul(256)?.checked_add(usize::from(*digit))
            })?;
            if digits[0] == 0 || size < 56 {
                return None;
            }
            (1 + digits.len(), size)
        }
        _ => return None,
    };
    let content = rest.get(header..header.checked_add(size)?)?;
    if header == 1 && size == 1 && content[0] < 0x80 {
        return None;
    }
    Some((content, header + size))
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    for (name, choice) in [("zlib", 0), ("brotli", 0b101_1011)] {
        let header = [choice, 0xff, 0xff, 0x00, 0x40];
        add(
            &mut seeds,
            name,
            &[&header, &channels::sample_stream()[..]].concat(),
        );
    }
    seeds.push((
        "limit".into(),
        [&[0, 0, 100, 0, 0], &channels::sample_stream()[..]].concat(),
    ));
    seeds
}
