//! Takes fields off the front of bytes, naming the field when it is not there.

use super::{MAX_SPAN_BATCH_ELEMENT_COUNT, SpanError, bits::Bits};
use alloc::vec::Vec;

/// Most bytes of a u64 in seven-bit groups.
const UVARINT_SIZE_MAX: usize = 10;

/// What is left to read.
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn bytes(&mut self, size: usize, field: &'static str) -> Result<&'a [u8], SpanError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(size)
            .ok_or(SpanError::Truncated { field })?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], SpanError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(SpanError::Truncated { field })?;
        self.rest = rest;
        Ok(taken)
    }

    /// Seven bits to a byte, lowest first, the top bit set on all but the last byte. As Go's `binary.ReadUvarint`, and so op-node,
    /// has it: a longer form than needed is accepted, anything above a u64 is not.
    pub(super) fn uvarint(&mut self, field: &'static str) -> Result<u64, SpanError> {
        let mut value = 0;
        for index in 0..UVARINT_SIZE_MAX {
            let [byte] = *self.array::<1>(field)?;
            if index == UVARINT_SIZE_MAX - 1 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(SpanError::Overflow { field })
    }

    /// A number of elements, at most [`MAX_SPAN_BATCH_ELEMENT_COUNT`].
    pub(super) fn count(&mut self, field: &'static str) -> Result<usize, SpanError> {
        checked_count(self.uvarint(field)?, field)
    }

    pub(super) fn bits(&mut self, len: usize, field: &'static str) -> Result<Bits, SpanError> {
        let bytes = self.bytes(Bits::size(len), field)?;
        Bits::from_bytes(bytes, len).ok_or(SpanError::ExcessBits { field })
    }
}

/// `count` as a number of elements.
pub(super) fn checked_count(count: u64, field: &'static str) -> Result<usize, SpanError> {
    usize::try_from(count)
        .ok()
        .filter(|count| *count <= MAX_SPAN_BATCH_ELEMENT_COUNT)
        .ok_or(SpanError::TooManyElements { field, found: count })
}

/// Appends `value` in its shortest form.
pub(super) fn put_uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<(u64, usize), SpanError> {
        let mut cursor = Cursor { rest: bytes };
        cursor.uvarint("test").map(|value| (value, cursor.rest.len()))
    }

    #[test]
    fn golden_uvarints() {
        let golden: [(u64, &[u8]); 6] = [
            (0, &[0]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (1 << 63, &hex!("80808080808080808001")),
            (u64::MAX, &hex!("ffffffffffffffffff01")),
        ];
        for (value, bytes) in golden {
            let mut out = Vec::new();
            put_uvarint(&mut out, value);
            assert_eq!(out, bytes, "{value}");
            assert_eq!(read(bytes), Ok((value, 0)));
        }
    }

    #[test]
    fn uvarints_are_read_as_op_node_reads_them() {
        // Longer than needed, up to ten bytes: accepted.
        assert_eq!(read(&hex!("8000")), Ok((0, 0)));
        assert_eq!(read(&hex!("ff80808080808080800042")), Ok((127, 1)));
        // Cut off.
        for bytes in [&hex!("")[..], &hex!("80"), &hex!("ffffffffffffffffff")] {
            assert_eq!(read(bytes), Err(SpanError::Truncated { field: "test" }));
        }
        // Above u64::MAX, and an eleventh byte.
        for bytes in [&hex!("ffffffffffffffffff02")[..], &hex!("8080808080808080808001")] {
            assert_eq!(read(bytes), Err(SpanError::Overflow { field: "test" }));
        }
    }

    proptest! {
        #[test]
        fn uvarints_survive_the_round_trip(value in any::<u64>(), shift in 0u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_uvarint(&mut out, value);
            prop_assert_eq!(read(&out), Ok((value, 0)));
        }
    }
}
