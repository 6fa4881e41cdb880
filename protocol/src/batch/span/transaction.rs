//! Takes transactions apart into the columns of a span batch and puts them together again, byte for byte.
//!
//! ```text
//!  legacy  [         nonce  fees  gas  to  value  rest  v  r  s]      fees: gas price             rest: data
//!  01      [chain id nonce  fees  gas  to  value  rest  y  r  s]      fees: gas price             rest: data, access list
//!  02      [chain id nonce  fees  gas  to  value  rest  y  r  s]      fees: tip cap, fee cap      rest: data, access list
//!  04      [chain id nonce  fees  gas  to  value  rest  y  r  s]      fees: tip cap, fee cap      rest: data, access list, authorizations
//!                      in the column of templates: type ‖ rlp[value  fees  rest]
//! ```
//!
//! Value, fees and rest travel as they are, so only their form is checked here, and against what op-node's decoder accepts:
//! amounts in types other than 04 have no bound. Whether such a transaction can be executed is for execution to say.

use super::{MAX_SPAN_BATCH_ELEMENT_COUNT, items::Items};
use alloc::vec::Vec;
use alloy_primitives::{Bytes, U256};
use alloy_rlp::{Encodable, Error as RlpError, Header};

/// Why a transaction cannot be in a span batch, or why what a span batch says of one is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// Empty, or of a type that has no place in a span batch: blobs, deposits, anything unknown.
    #[error("type {found:02x?} has no place in a span batch")]
    Type {
        /// The first byte.
        found: Option<u8>,
    },
    /// Not the canonical RLP of its type.
    #[error("{0}")]
    Rlp(RlpError),
    /// Bytes behind the transaction.
    #[error("{found} bytes behind the transaction")]
    Trailing {
        /// How many.
        found: usize,
    },
    /// For another chain.
    #[error("chain id {found}, expected {expected}")]
    ChainId {
        /// Ours.
        expected: u64,
        /// The transaction's.
        found: u64,
    },
    /// No signature looks like this.
    #[error("signature has v {found}, on chain {chain_id}")]
    SignatureV {
        /// Ours.
        chain_id: u64,
        /// The transaction's v or y parity.
        found: u128,
    },
    /// EIP-7702 transactions do not create contracts.
    #[error("an EIP-7702 transaction without a recipient")]
    NoRecipient,
    /// More than a span batch takes of one transaction.
    #[error(
        "{found} bytes besides signature, nonce, gas and recipient; the limit is {MAX_SPAN_BATCH_ELEMENT_COUNT}"
    )]
    Size {
        /// Bytes of the RLP list in the column of templates.
        found: usize,
    },
}

impl From<RlpError> for TransactionError {
    fn from(error: RlpError) -> Self {
        Self::Rlp(error)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Legacy,
    Eip2930,
    Eip1559,
    Eip7702,
}

impl Kind {
    /// Type byte of all but legacy transactions.
    const fn byte(self) -> Option<u8> {
        match self {
            Self::Legacy => None,
            Self::Eip2930 => Some(1),
            Self::Eip1559 => Some(2),
            Self::Eip7702 => Some(4),
        }
    }

    /// The kind of what starts with the first of `bytes`, and the list behind the type byte.
    fn of(bytes: &[u8]) -> Result<(Self, &[u8]), TransactionError> {
        match bytes {
            [1, list @ ..] => Ok((Self::Eip2930, list)),
            [2, list @ ..] => Ok((Self::Eip1559, list)),
            [4, list @ ..] => Ok((Self::Eip7702, list)),
            [0xc0..=0xff, ..] => Ok((Self::Legacy, bytes)),
            _ => Err(TransactionError::Type {
                found: bytes.first().copied(),
            }),
        }
    }
}

/// The items a span batch keeps as they are, headers included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Template<'a> {
    pub(super) kind: Kind,
    value: &'a [u8],
    fees: &'a [u8],
    rest: &'a [u8],
}

/// A transaction in columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns<'a> {
    pub(super) template: Template<'a>,
    pub(super) nonce: u64,
    pub(super) gas_limit: u64,
    /// `None` creates a contract.
    pub(super) to: Option<&'a [u8; 20]>,
    pub(super) y_parity: bool,
    /// Signed for this chain only (EIP-155). True for all but old legacy transactions.
    pub(super) protected: bool,
    /// r and s.
    pub(super) signature: [u8; 64],
}

impl<'a> Template<'a> {
    /// Takes a template off the front of `bytes`.
    pub(super) fn decode(bytes: &mut &'a [u8]) -> Result<Self, TransactionError> {
        let (kind, list) = Kind::of(bytes)?;
        let (mut items, behind) = Items::of_list(list)?;
        check_size(list.len() - behind.len())?;
        let template = Self {
            kind,
            value: items.raw(|items| amount(items, kind))?,
            fees: items.raw(|items| fees(items, kind))?,
            rest: items.raw(|items| rest(items, kind))?,
        };
        items.end()?;
        *bytes = behind;
        Ok(template)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.kind.byte());
        self.header().encode(out);
        for part in [self.value, self.fees, self.rest] {
            out.extend_from_slice(part);
        }
    }

    fn header(&self) -> Header {
        Header {
            list: true,
            payload_length: self.value.len() + self.fees.len() + self.rest.len(),
        }
    }
}

impl<'a> Columns<'a> {
    /// Takes a transaction apart.
    pub(super) fn split(transaction: &'a [u8], chain_id: u64) -> Result<Self, TransactionError> {
        let (kind, list) = Kind::of(transaction)?;
        let (mut items, behind) = Items::of_list(list)?;
        if !behind.is_empty() {
            return Err(TransactionError::Trailing { found: behind.len() });
        }
        if kind != Kind::Legacy {
            check_chain_id(chain_id, items.u64()?)?;
        }
        let nonce = items.u64()?;
        let fees = items.raw(|items| fees(items, kind))?;
        let gas_limit = items.u64()?;
        let to = recipient(items.string()?, kind)?;
        let value = items.raw(|items| amount(items, kind))?;
        let rest = items.raw(|items| rest(items, kind))?;
        let (y_parity, protected) = parity(u128::from_be_bytes(items.uint()?), kind, chain_id)?;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&items.uint::<32>()?);
        signature[32..].copy_from_slice(&items.uint::<32>()?);
        items.end()?;
        let template = Template {
            kind,
            value,
            fees,
            rest,
        };
        check_size(template.header().length_with_payload())?;
        Ok(Self {
            template,
            nonce,
            gas_limit,
            to,
            y_parity,
            protected,
            signature,
        })
    }

    /// Puts a transaction together: its EIP-2718 bytes.
    pub(super) fn join(&self, chain_id: u64) -> Result<Bytes, TransactionError> {
        let Template {
            kind,
            value,
            fees,
            rest,
        } = self.template;
        if kind == Kind::Eip7702 && self.to.is_none() {
            return Err(TransactionError::NoRecipient);
        }
        let mut payload = Vec::with_capacity(128 + value.len() + fees.len() + rest.len());
        if kind != Kind::Legacy {
            chain_id.encode(&mut payload);
        }
        self.nonce.encode(&mut payload);
        payload.extend_from_slice(fees);
        self.gas_limit.encode(&mut payload);
        self.to.map_or(&[][..], |to| &to[..]).encode(&mut payload);
        payload.extend_from_slice(value);
        payload.extend_from_slice(rest);
        self.v(chain_id).encode(&mut payload);
        let (r, s) = self.signature.split_at(32);
        U256::from_be_slice(r).encode(&mut payload);
        U256::from_be_slice(s).encode(&mut payload);

        let header = Header {
            list: true,
            payload_length: payload.len(),
        };
        let mut transaction = Vec::with_capacity(1 + header.length_with_payload());
        transaction.extend(kind.byte());
        header.encode(&mut transaction);
        transaction.extend_from_slice(&payload);
        Ok(transaction.into())
    }

    fn v(&self, chain_id: u64) -> u128 {
        let base = match (self.template.kind, self.protected) {
            (Kind::Legacy, false) => 27,
            (Kind::Legacy, true) => protected_base(chain_id),
            _ => 0,
        };
        base + u128::from(self.y_parity)
    }
}

/// Lowest v of a legacy transaction signed for this chain only.
fn protected_base(chain_id: u64) -> u128 {
    2 * u128::from(chain_id) + 35
}

/// Y parity, and whether the signature holds on this chain only.
fn parity(v: u128, kind: Kind, chain_id: u64) -> Result<(bool, bool), TransactionError> {
    let bases: &[(u128, bool)] = if kind == Kind::Legacy {
        &[(27, false), (protected_base(chain_id), true)]
    } else {
        &[(0, true)]
    };
    bases
        .iter()
        .find_map(|(base, protected)| match v.checked_sub(*base)? {
            0 => Some((false, *protected)),
            1 => Some((true, *protected)),
            _ => None,
        })
        .ok_or(TransactionError::SignatureV { chain_id, found: v })
}

fn recipient(to: &[u8], kind: Kind) -> Result<Option<&[u8; 20]>, TransactionError> {
    match <&[u8; 20]>::try_from(to) {
        Ok(address) => Ok(Some(address)),
        Err(_) if !to.is_empty() => Err(RlpError::UnexpectedLength.into()),
        Err(_) if kind == Kind::Eip7702 => Err(TransactionError::NoRecipient),
        Err(_) => Ok(None),
    }
}

const fn check_chain_id(expected: u64, found: u64) -> Result<(), TransactionError> {
    if found == expected {
        Ok(())
    } else {
        Err(TransactionError::ChainId { expected, found })
    }
}

const fn check_size(found: usize) -> Result<(), TransactionError> {
    if found <= MAX_SPAN_BATCH_ELEMENT_COUNT {
        Ok(())
    } else {
        Err(TransactionError::Size { found })
    }
}

/// An amount of wei.
fn amount(items: &mut Items<'_>, kind: Kind) -> Result<(), RlpError> {
    match kind {
        Kind::Eip7702 => items.uint::<32>().map(drop),
        Kind::Legacy | Kind::Eip2930 | Kind::Eip1559 => items.integer().map(drop),
    }
}

fn fees(items: &mut Items<'_>, kind: Kind) -> Result<(), RlpError> {
    amount(items, kind)?;
    match kind {
        Kind::Legacy | Kind::Eip2930 => Ok(()),
        Kind::Eip1559 | Kind::Eip7702 => amount(items, kind),
    }
}

fn rest(items: &mut Items<'_>, kind: Kind) -> Result<(), RlpError> {
    items.string()?;
    if kind != Kind::Legacy {
        access_list(items.list()?)?;
    }
    if kind == Kind::Eip7702 {
        authorizations(items.list()?)?;
    }
    Ok(())
}

fn access_list(mut entries: Items<'_>) -> Result<(), RlpError> {
    while !entries.is_empty() {
        let mut entry = entries.list()?;
        entry.array::<20>()?;
        let mut keys = entry.list()?;
        while !keys.is_empty() {
            keys.array::<32>()?;
        }
        entry.end()?;
    }
    Ok(())
}

fn authorizations(mut entries: Items<'_>) -> Result<(), RlpError> {
    while !entries.is_empty() {
        let mut entry = entries.list()?;
        entry.uint::<32>()?; // chain id
        entry.array::<20>()?; // address
        entry.u64()?; // nonce
        entry.uint::<1>()?; // y parity
        entry.uint::<32>()?; // r
        entry.uint::<32>()?; // s
        entry.end()?;
    }
    Ok(())
}
