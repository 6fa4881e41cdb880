//! Walks the items of an RLP list without building what they mean.

use alloy_rlp::{Error, Header};

/// Items of a list that are left.
pub(super) struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Items<'a> {
    /// The items of the list that `bytes` starts with, and what is behind it.
    pub(super) fn of_list(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Error> {
        let mut rest = bytes;
        let payload = Header::decode_bytes(&mut rest, true)?;
        Ok((Self { rest: payload }, rest))
    }

    /// The items of the next item, a list.
    pub(super) fn list(&mut self) -> Result<Self, Error> {
        let (items, rest) = Self::of_list(self.rest)?;
        self.rest = rest;
        Ok(items)
    }

    /// Content of the next item, a string.
    pub(super) fn string(&mut self) -> Result<&'a [u8], Error> {
        Header::decode_bytes(&mut self.rest, false)
    }

    /// The next item, a string of `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Error> {
        self.string()?.try_into().map_err(|_| Error::UnexpectedLength)
    }

    /// Content of the next item, an integer without leading zeros.
    pub(super) fn integer(&mut self) -> Result<&'a [u8], Error> {
        let digits = self.string()?;
        if digits.first() == Some(&0) {
            Err(Error::LeadingZero)
        } else {
            Ok(digits)
        }
    }

    /// The next item, an integer of at most `N` bytes, padded on the left.
    pub(super) fn uint<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let digits = self.integer()?;
        let mut padded = [0; N];
        let start = N.checked_sub(digits.len()).ok_or(Error::Overflow)?;
        padded[start..].copy_from_slice(digits);
        Ok(padded)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Error> {
        self.uint().map(u64::from_be_bytes)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Nothing more may come.
    pub(super) const fn end(&self) -> Result<(), Error> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Error::UnexpectedLength)
        }
    }

    /// The bytes of the items that `read` takes, headers included.
    pub(super) fn raw(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<&'a [u8], Error> {
        let start = self.rest;
        read(self)?;
        Ok(&start[..start.len() - self.rest.len()])
    }
}
