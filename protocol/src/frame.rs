//! Frames: the numbered slices in which a channel travels through the inbox or a DA payload.
//!
//! | offset | bytes  | field                                       |
//! | ------ | ------ | ------------------------------------------- |
//! | 0      | 16     | channel id                                  |
//! | 16     | 2      | frame number, u16, from 0                   |
//! | 18     | 4      | length of the data, u32, at most 1,000,000  |
//! | 22     | length | data: the next bytes of the channel         |
//! | last   | 1      | is last: 01 on a channel's final frame, else 00 |
//!
//! Frames stand one behind the other, with nothing before, between or after them. If one does not parse, none counts: a batcher
//! transaction is taken as a whole or not at all. Which frames make a channel is for derivation to say; see also
//! [`crate::channel::split_into_frames`]. Spec: OP Stack, protocol/derivation, frame format.

use alloc::vec::Vec;
use alloy_primitives::{Bytes, hex};
use core::fmt;

/// Bytes of a frame besides its data.
pub const FRAME_ENVELOPE_SIZE: usize = HEADER_SIZE + 1;
/// Longest data of a frame, in bytes.
pub const FRAME_DATA_SIZE_MAX: usize = 1_000_000;

const HEADER_SIZE: usize = 22;

/// Names a channel. The batcher picks it at random; equal ids in different channels only confuse people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub [u8; 16]);

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A slice of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The channel it belongs to.
    pub id: ChannelId,
    /// Place among the channel's frames, from 0.
    pub number: u16,
    /// The channel's bytes; may be empty; at most [`FRAME_DATA_SIZE_MAX`] in anything decoded.
    pub data: Bytes,
    /// Nothing of the channel comes after this frame.
    pub is_last: bool,
}

/// Why bytes are not frames. What to do: drop all of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not even one frame.
    #[error("no frames")]
    Empty,
    /// The bytes end inside a frame.
    #[error("frame {index} needs {expected} bytes, {found} are left")]
    Truncated {
        /// Which frame, counted from 0.
        index: usize,
        /// Bytes of the frame as far as they are known.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// More data than [`FRAME_DATA_SIZE_MAX`].
    #[error("frame {index} says it has {found} bytes of data, more than {FRAME_DATA_SIZE_MAX}")]
    DataSize {
        /// Which frame, counted from 0.
        index: usize,
        /// The length it states.
        found: u32,
    },
    /// The last byte of a frame is neither 00 nor 01.
    #[error("frame {index} ends with {found:02x}, expected 00 or 01")]
    IsLast {
        /// Which frame, counted from 0.
        index: usize,
        /// The byte.
        found: u8,
    },
}

/// Reads frames to the last byte. `bytes` is what follows the version byte of a batcher transaction or a DA payload.
pub fn parse_frames(bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
    if bytes.is_empty() {
        return Err(FrameError::Empty);
    }
    let mut frames = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        frames.push(parse_frame(&mut rest, frames.len())?);
    }
    Ok(frames)
}

fn parse_frame(rest: &mut &[u8], index: usize) -> Result<Frame, FrameError> {
    let truncated = |expected| FrameError::Truncated {
        index,
        expected,
        found: rest.len(),
    };
    let header = rest
        .first_chunk::<HEADER_SIZE>()
        .ok_or(truncated(FRAME_ENVELOPE_SIZE))?;
    let [id @ .., n0, n1, l0, l1, l2, l3] = *header;
    let size = u32::from_be_bytes([l0, l1, l2, l3]);
    let data_size = usize::try_from(size)
        .ok()
        .filter(|size| *size <= FRAME_DATA_SIZE_MAX)
        .ok_or(FrameError::DataSize { index, found: size })?;
    let expected = FRAME_ENVELOPE_SIZE + data_size;
    let (frame, after) = rest.split_at_checked(expected).ok_or(truncated(expected))?;
    let is_last = match frame[expected - 1] {
        0 => false,
        1 => true,
        found => return Err(FrameError::IsLast { index, found }),
    };
    let data = Bytes::copy_from_slice(&frame[HEADER_SIZE..expected - 1]);
    *rest = after;
    Ok(Frame {
        id: ChannelId(id),
        number: u16::from_be_bytes([n0, n1]),
        data,
        is_last,
    })
}

impl Frame {
    /// Bytes of the encoded frame.
    #[must_use]
    pub fn encoded_size(&self) -> usize {
        FRAME_ENVELOPE_SIZE + self.data.len()
    }

    /// Appends the frame to `out`.
    ///
    /// # Panics
    /// If the data is longer than [`FRAME_DATA_SIZE_MAX`]: nobody could read that frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        assert!(
            self.data.len() <= FRAME_DATA_SIZE_MAX,
            "frame data of {} bytes",
            self.data.len()
        );
        let size = u32::try_from(self.data.len()).expect("at most FRAME_DATA_SIZE_MAX");
        out.reserve(self.encoded_size());
        out.extend_from_slice(&self.id.0);
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&size.to_be_bytes());
        out.extend_from_slice(&self.data);
        out.push(u8::from(self.is_last));
    }
}

/// Encodes frames one behind the other: the input of [`parse_frames`].
///
/// # Panics
/// As [`Frame::encode`].
#[must_use]
pub fn encode_frames(frames: &[Frame]) -> Vec<u8> {
    let mut out = Vec::with_capacity(frames.iter().map(Frame::encoded_size).sum());
    for frame in frames {
        frame.encode(&mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloy_primitives::hex;
    use proptest::prelude::*;

    const GOLDEN: [u8; 26] = hex!("000102030405060708090a0b0c0d0e0f" "0102" "00000003" "c0ffee" "01");

    fn golden() -> Frame {
        let id = core::array::from_fn(|index| u8::try_from(index).unwrap());
        Frame {
            id: ChannelId(id),
            number: 0x0102,
            data: hex!("c0ffee").into(),
            is_last: true,
        }
    }

    fn with_length(length: u32) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_SIZE];
        bytes[18..].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    #[test]
    fn golden_frame() {
        assert_eq!(encode_frames(&[golden()]), GOLDEN);
        assert_eq!(parse_frames(&GOLDEN), Ok(vec![golden()]));
        assert_eq!(parse_frames(&GOLDEN.repeat(3)), Ok(vec![golden(); 3]));
    }

    #[test]
    fn malformed_frames_are_rejected() {
        let mut is_last_2 = GOLDEN;
        is_last_2[25] = 2;
        let short = |found| FrameError::Truncated {
            index: 0,
            expected: 23,
            found,
        };
        let cases: [(&str, Vec<u8>, FrameError); 8] = [
            ("empty", vec![], FrameError::Empty),
            ("one byte", vec![0], short(1)),
            ("header cut", GOLDEN[..21].to_vec(), short(21)),
            (
                "data cut",
                GOLDEN[..24].to_vec(),
                FrameError::Truncated {
                    index: 0,
                    expected: 26,
                    found: 24,
                },
            ),
            (
                "no is-last byte",
                GOLDEN[..25].to_vec(),
                FrameError::Truncated {
                    index: 0,
                    expected: 26,
                    found: 25,
                },
            ),
            (
                "is-last byte 2",
                is_last_2.to_vec(),
                FrameError::IsLast { index: 0, found: 2 },
            ),
            (
                "trailing byte",
                [&GOLDEN[..], &[0]].concat(),
                FrameError::Truncated {
                    index: 1,
                    expected: 23,
                    found: 1,
                },
            ),
            (
                "too long",
                with_length(1_000_001),
                FrameError::DataSize {
                    index: 0,
                    found: 1_000_001,
                },
            ),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(parse_frames(&bytes), Err(expected), "{name}");
        }
        // The longest length is no error of its own.
        let expected = FRAME_ENVELOPE_SIZE + FRAME_DATA_SIZE_MAX;
        assert_eq!(
            parse_frames(&with_length(1_000_000)),
            Err(FrameError::Truncated {
                index: 0,
                expected,
                found: 22
            })
        );
    }

    #[test]
    fn one_bad_frame_spoils_all() {
        let bytes = [&GOLDEN[..], &GOLDEN[..20]].concat();
        assert!(parse_frames(&bytes).is_err());
    }

    #[test]
    fn longest_frame_survives_the_round_trip() {
        let frame = Frame {
            data: vec![7; FRAME_DATA_SIZE_MAX].into(),
            ..golden()
        };
        assert_eq!(
            parse_frames(&encode_frames(core::slice::from_ref(&frame))),
            Ok(vec![frame])
        );
    }

    fn any_frame() -> impl Strategy<Value = Frame> {
        let data = proptest::collection::vec(any::<u8>(), 0..100);
        (any::<[u8; 16]>(), any::<u16>(), data, any::<bool>()).prop_map(|(id, number, data, is_last)| Frame {
            id: ChannelId(id),
            number,
            data: data.into(),
            is_last,
        })
    }

    proptest! {
        #[test]
        fn frames_survive_the_round_trip(frames in proptest::collection::vec(any_frame(), 1..10)) {
            prop_assert_eq!(parse_frames(&encode_frames(&frames)), Ok(frames));
        }

        #[test]
        fn arbitrary_bytes_parse_only_to_themselves(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..120),
            length in 0u8..100,
        ) {
            // A plausible length, so that some cases get past the header.
            if let Some(field) = bytes.get_mut(18..22) {
                field.copy_from_slice(&[0, 0, 0, length]);
            }
            if let Ok(frames) = parse_frames(&bytes) {
                prop_assert_eq!(encode_frames(&frames), bytes);
            }
        }
    }
}
