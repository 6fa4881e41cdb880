//! Bit lists: one bit per element, as a big-endian integer whose lowest bit is element 0, in as few whole bytes as hold them.

use alloc::{vec, vec::Vec};

/// A list of bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits {
    /// As on the wire.
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    /// Bytes that `len` bits take.
    pub(super) const fn size(len: usize) -> usize {
        len.div_ceil(8)
    }

    /// Reads `len` bits from [`Self::size`] bytes; `None` if a bit beyond them is set.
    pub(super) fn from_bytes(bytes: &[u8], len: usize) -> Option<Self> {
        assert_eq!(
            bytes.len(),
            Self::size(len),
            "the caller takes as many bytes as the bits need"
        );
        let used = len % 8;
        let excess = used != 0 && bytes[0] >> used != 0;
        (!excess).then(|| Self {
            bytes: bytes.to_vec(),
            len,
        })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Bit of element `index`, which is less than [`Self::len`].
    pub(super) fn get(&self, index: usize) -> bool {
        self.bytes[self.bytes.len() - 1 - index / 8] >> (index % 8) & 1 == 1
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.len).map(|index| self.get(index))
    }

    /// How many bits are set.
    pub(super) fn count_ones(&self) -> usize {
        self.bytes.iter().map(|byte| byte.count_ones() as usize).sum()
    }
}

impl FromIterator<bool> for Bits {
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Self {
        let bits: Vec<bool> = bits.into_iter().collect();
        let mut bytes = vec![0; Self::size(bits.len())];
        let last = bytes.len().saturating_sub(1);
        for (index, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
            bytes[last - index / 8] |= 1 << (index % 8);
        }
        Self {
            bytes,
            len: bits.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn element_0_is_the_lowest_bit_of_the_last_byte() {
        let bits: Bits = (0..10).map(|index| index == 0 || index == 9).collect();
        assert_eq!(bits.as_bytes(), [0b10, 0b1]);
        assert_eq!((bits.get(0), bits.get(1), bits.get(9)), (true, false, true));
        assert_eq!(bits.count_ones(), 2);
    }

    #[test]
    fn bits_beyond_the_last_element_are_refused() {
        assert!(Bits::from_bytes(&[0b11, 0xff], 10).is_some());
        assert_eq!(Bits::from_bytes(&[0b100, 0xff], 10), None);
        assert_eq!(Bits::from_bytes(&[0x80], 7), None);
        assert!(Bits::from_bytes(&[0xff], 8).is_some());
        assert_eq!(Bits::from_bytes(&[], 0), Some(Bits::default()));
    }

    proptest! {
        #[test]
        fn bits_survive_the_round_trip(bits in proptest::collection::vec(any::<bool>(), 0..100)) {
            let list: Bits = bits.iter().copied().collect();
            prop_assert_eq!(list.iter().collect::<Vec<_>>(), bits.clone());
            prop_assert_eq!(list.count_ones(), bits.iter().filter(|bit| **bit).count());
            prop_assert_eq!(Bits::from_bytes(list.as_bytes(), bits.len()), Some(list));
        }
    }
}
