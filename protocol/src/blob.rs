//! Blobs: how content (version byte and frames, as [`crate::batcher_tx`] has it) travels in an EIP-4844 blob.
//!
//! A blob is 4,096 field elements of 32 bytes, each below a modulus of 255 bits, so of each only the low 254 bits carry data: 31 whole
//! bytes and 6 bits of its first one. Four elements make a round of 127 bytes of content.
//!
//! | offset          | bytes | first round                                                                         |
//! | --------------- | ----- | ----------------------------------------------------------------------------------- |
//! | 0               | 1     | 6 low bits of byte `x`                                                              |
//! | 1               | 1     | version of this encoding: 00                                                        |
//! | 2               | 3     | length of the content, u24, at most 130,044                                         |
//! | 5               | 27    | content                                                                             |
//! | 32, 64, 96      | 1     | 4 low bits of `y` and above them 2 high bits of `x`; 6 low of `z`; 4 high of `y` and above them 2 high of `z` |
//! | 33, 65, 97      | 31    | content                                                                             |
//!
//! In content order a round reads: the bytes of the first element, `x`, those of the second, `y`, those of the third, `z`, those of the
//! fourth. Later rounds have 31 bytes of content in their first element too. Whatever lies beyond the length is zero. A blob that does
//! not decode is dropped, the other blobs of its transaction count. Spec: OP Stack, protocol/ecotone/derivation, blob encoding.

use alloc::{vec, vec::Vec};
use alloy_primitives::Bytes;
use core::fmt;

/// Bytes of a blob.
pub const BLOB_SIZE: usize = 4096 * ELEMENT_SIZE;
/// Longest content of a blob, in bytes.
pub const BLOB_CONTENT_SIZE_MAX: usize = ROUNDS * ROUND_CONTENT_SIZE - HEADER_SIZE;
/// Version of the encoding.
pub const BLOB_ENCODING_VERSION: u8 = 0;

const ELEMENT_SIZE: usize = 32;
const ROUND_SIZE: usize = 4 * ELEMENT_SIZE;
const ROUND_CONTENT_SIZE: usize = 4 * 31 + 3;
const ROUNDS: usize = BLOB_SIZE / ROUND_SIZE;
/// Version and length, which take the place of the first content.
const HEADER_SIZE: usize = 4;
/// The two bits of a field element's first byte that must be clear.
const RESERVED_BITS: u8 = 0b1100_0000;

/// The bytes of one blob: exactly [`BLOB_SIZE`] of them. Whether they belong to a versioned hash is for whoever fetches them to check.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob(Bytes);

/// Bytes that cannot be a blob. They were not fetched right: ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a blob has {BLOB_SIZE} bytes, these are {found}")]
pub struct BlobSizeError {
    /// Bytes found.
    pub found: usize,
}

/// Why a blob has no content. What to do: drop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// Another encoding.
    #[error("blob encoding has version {found:02x}")]
    Version {
        /// The second byte.
        found: u8,
    },
    /// Longer than a blob can hold.
    #[error("blob says it holds {found} bytes, at most {BLOB_CONTENT_SIZE_MAX} fit")]
    Length {
        /// The length given.
        found: usize,
    },
    /// One of the two highest bits of a field element is set.
    #[error("field element {index} uses its reserved bits")]
    ReservedBits {
        /// Which, from 0.
        index: usize,
    },
    /// Something follows the content.
    #[error("blob has non-zero bytes after its content of {length} bytes")]
    Trailing {
        /// Length of the content.
        length: usize,
    },
}

/// Content that does not fit into one blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} bytes do not fit into a blob, at most {BLOB_CONTENT_SIZE_MAX} do")]
pub struct BlobContentTooLong {
    /// Bytes given.
    pub found: usize,
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 128 KiB of hexadecimal digits help nobody.
        f.debug_tuple("Blob")
            .field(&self.0.slice(..ELEMENT_SIZE))
            .finish()
    }
}

impl Blob {
    /// Takes the bytes of a blob.
    ///
    /// # Errors
    /// When they are not exactly [`BLOB_SIZE`].
    pub fn new(bytes: Bytes) -> Result<Self, BlobSizeError> {
        let found = bytes.len();
        if found == BLOB_SIZE {
            Ok(Self(bytes))
        } else {
            Err(BlobSizeError { found })
        }
    }

    /// The bytes, for a commitment or a transaction's sidecar.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Puts content into a blob.
    ///
    /// # Errors
    /// When it is longer than [`BLOB_CONTENT_SIZE_MAX`].
    pub fn encode(content: &[u8]) -> Result<Self, BlobContentTooLong> {
        let found = content.len();
        if found > BLOB_CONTENT_SIZE_MAX {
            return Err(BlobContentTooLong { found });
        }
        let [high @ .., a, b, c] = found.to_be_bytes();
        debug_assert!(high.iter().all(|byte| *byte == 0), "the limit fits into 24 bits");
        let mut stream = vec![BLOB_ENCODING_VERSION, a, b, c];
        stream.extend_from_slice(content);
        let mut blob = vec![0; BLOB_SIZE];
        for (content, round) in stream
            .chunks(ROUND_CONTENT_SIZE)
            .zip(blob.chunks_exact_mut(ROUND_SIZE))
        {
            encode_round(content, round);
        }
        Ok(Self(blob.into()))
    }

    /// Takes the content out.
    ///
    /// # Errors
    /// When the bytes are not this encoding's.
    pub fn decode(&self) -> Result<Bytes, BlobError> {
        let (version, length) = (self.0[1], u24(&self.0[2..5]));
        if version != BLOB_ENCODING_VERSION {
            return Err(BlobError::Version { found: version });
        }
        if length > BLOB_CONTENT_SIZE_MAX {
            return Err(BlobError::Length { found: length });
        }
        let used = (HEADER_SIZE + length).div_ceil(ROUND_CONTENT_SIZE);
        let mut stream = Vec::with_capacity(used * ROUND_CONTENT_SIZE);
        for (index, round) in self.0.chunks_exact(ROUND_SIZE).take(used).enumerate() {
            decode_round(index, round, &mut stream)?;
        }
        let unused = stream[HEADER_SIZE + length..].iter();
        if unused.chain(&self.0[used * ROUND_SIZE..]).any(|byte| *byte != 0) {
            return Err(BlobError::Trailing { length });
        }
        Ok(Bytes::from(stream).slice(HEADER_SIZE..HEADER_SIZE + length))
    }
}

fn u24(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | usize::from(*byte))
}

/// Spreads up to 127 bytes over four field elements; what is missing is zero.
fn encode_round(content: &[u8], round: &mut [u8]) {
    let mut full = [0; ROUND_CONTENT_SIZE];
    full[..content.len()].copy_from_slice(content);
    let (x, y, z) = (full[31], full[63], full[95]);
    let first_bytes = [
        x & 0b0011_1111,
        (y & 0b0000_1111) | ((x & 0b1100_0000) >> 2),
        z & 0b0011_1111,
        (y >> 4) | ((z & 0b1100_0000) >> 2),
    ];
    for ((element, first), content) in round
        .chunks_exact_mut(ELEMENT_SIZE)
        .zip(first_bytes)
        .zip(full.chunks(ELEMENT_SIZE))
    {
        element[0] = first;
        element[1..].copy_from_slice(&content[..31]);
    }
}

/// Puts the 127 bytes of a round together again.
fn decode_round(index: usize, round: &[u8], stream: &mut Vec<u8>) -> Result<(), BlobError> {
    let mut first_bytes = [0; 4];
    for (place, element) in round.chunks_exact(ELEMENT_SIZE).enumerate() {
        let index = 4 * index + place;
        // The very first element is not looked at by other derivers either. A chain must not depend on who derives it.
        if index > 0 && element[0] & RESERVED_BITS != 0 {
            return Err(BlobError::ReservedBits { index });
        }
        first_bytes[place] = element[0];
    }
    let [a, b, c, d] = first_bytes;
    let between = [
        (a & 0b0011_1111) | ((b & 0b0011_0000) << 2),
        (b & 0b0000_1111) | ((d & 0b0000_1111) << 4),
        (c & 0b0011_1111) | ((d & 0b0011_0000) << 2),
    ];
    for (place, element) in round.chunks_exact(ELEMENT_SIZE).enumerate() {
        stream.extend_from_slice(&element[1..]);
        stream.extend(between.get(place));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{b256, keccak256};
    use proptest::prelude::*;

    fn content(length: usize) -> Vec<u8> {
        (0..length)
            .map(|index| u8::try_from(index % 251).expect("below 251"))
            .collect()
    }

    fn changed(blob: &Blob, at: usize, byte: u8) -> Blob {
        let mut bytes = blob.bytes().to_vec();
        bytes[at] = byte;
        Blob::new(bytes.into()).unwrap()
    }

    #[test]
    fn size_follows_from_the_rounds() {
        assert_eq!(
            (BLOB_SIZE, ROUNDS, BLOB_CONTENT_SIZE_MAX),
            (131_072, 1024, 130_044)
        );
    }

    #[test]
    fn golden_blob() {
        // 27 bytes end the first element; x = 1b, y = 3b, z = 5b lie between those of the next ones.
        let blob = Blob::encode(&(0..=0xff).collect::<Vec<u8>>()).unwrap();
        assert_eq!(blob.bytes()[..8], [0x1b, 0, 0, 1, 0, 0, 1, 2]);
        assert_eq!(blob.bytes()[32..35], [0x0b, 0x1c, 0x1d]);
        assert_eq!(blob.bytes()[64..67], [0x1b, 0x3c, 0x3d]);
        assert_eq!(blob.bytes()[96..99], [0x13, 0x5c, 0x5d]);
        assert_eq!(blob.bytes()[128..131], [0x1a, 0x7b, 0x7c]);
        assert_eq!(
            keccak256(blob.bytes()),
            b256!("a9845be19880db8491fff2bba5640ea68bf7d078ac0d54c97615848b4bf61dc6")
        );
    }

    #[test]
    fn malformed_blob_is_rejected() {
        // One round holds 123 bytes: what follows is in the second.
        let blob = Blob::encode(&content(123)).unwrap();
        let last = BLOB_SIZE - 1;
        let cases = [
            ("version", changed(&blob, 1, 1), BlobError::Version { found: 1 }),
            (
                "length over the limit",
                changed(&blob, 2, 0x02),
                BlobError::Length { found: 0x02_007b },
            ),
            (
                "reserved bit of the second element",
                changed(&blob, 32, 0x40),
                BlobError::ReservedBits { index: 1 },
            ),
            (
                "reserved bit of the fourth element",
                changed(&blob, 96, 0x80),
                BlobError::ReservedBits { index: 3 },
            ),
            (
                "content behind the length, in the same round",
                changed(&blob, 4, 122),
                BlobError::Trailing { length: 122 },
            ),
            (
                "a byte in the next round",
                changed(&blob, 128, 1),
                BlobError::Trailing { length: 123 },
            ),
            (
                "the last byte",
                changed(&blob, last, 1),
                BlobError::Trailing { length: 123 },
            ),
            (
                "content cut off",
                changed(&Blob::encode(&content(200)).unwrap(), 4, 100),
                BlobError::Trailing { length: 100 },
            ),
        ];
        for (name, blob, expected) in cases {
            assert_eq!(blob.decode(), Err(expected), "{name}");
        }
    }

    #[test]
    fn reserved_bits_of_the_very_first_element_are_passed_over() {
        let blob = Blob::encode(&content(50)).unwrap();
        let first = blob.bytes()[0];
        assert_eq!(changed(&blob, 0, first | 0x40).decode().unwrap(), content(50));
    }

    #[test]
    fn full_blob_holds_the_limit_and_not_a_byte_more() {
        let blob = Blob::encode(&content(BLOB_CONTENT_SIZE_MAX)).unwrap();
        assert_eq!(blob.decode().unwrap(), content(BLOB_CONTENT_SIZE_MAX));
        let found = BLOB_CONTENT_SIZE_MAX + 1;
        assert_eq!(Blob::encode(&content(found)), Err(BlobContentTooLong { found }));
    }

    #[test]
    fn blob_of_another_size_is_none() {
        for found in [0, BLOB_SIZE - 1, BLOB_SIZE + 1] {
            assert_eq!(Blob::new(vec![0; found].into()), Err(BlobSizeError { found }));
        }
    }

    proptest! {
        #[test]
        fn content_survives_the_round_trip(content in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let blob = Blob::encode(&content).unwrap();
            prop_assert!(blob.bytes().chunks(32).all(|element| element[0] & RESERVED_BITS == 0));
            prop_assert_eq!(blob.decode().unwrap(), content);
        }

        #[test]
        fn any_bytes_decode_only_to_what_encodes_to_them(
            length in 0..300_usize,
            seed in proptest::collection::vec(any::<u8>(), 512),
        ) {
            let mut bytes = vec![0; BLOB_SIZE];
            bytes[..seed.len()].copy_from_slice(&seed);
            bytes[1..3].fill(0);
            bytes[3..5].copy_from_slice(&u16::try_from(length).expect("below 300").to_be_bytes());
            bytes.chunks_mut(32).for_each(|element| element[0] &= !RESERVED_BITS);
            let used = (HEADER_SIZE + length).div_ceil(ROUND_CONTENT_SIZE) * ROUND_SIZE;
            bytes[used..].fill(0);
            let blob = Blob::new(bytes.into()).unwrap();
            if let Ok(content) = blob.decode() {
                prop_assert_eq!(Blob::encode(&content).unwrap(), blob);
            }
        }
    }
}
