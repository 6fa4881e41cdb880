//! Keys and values on disk. All integers are big-endian, so that byte order is numeric order.
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | meta | text | see [`meta`] |
//! | headers | number u64 | reference 128 ‖ RLP of the header |
//! | bodies | number u64 | sender count u32 ‖ senders 20 each ‖ RLP of the body |
//! | receipts | number u64 | see [`encode_receipts`] |
//! | block_numbers | hash 32 | number u64 |
//! | transactions | hash 32 | number u64 ‖ index u32 |
//! | accounts | address 20 | see [`encode_account`] |
//! | storage | address 20 ‖ slot 32 | value without leading zeros; absent when zero |
//! | codes | hash 32 | code |
//! | nodes | 00 ‖ nibbles, or 01 ‖ hashed address 32 ‖ nibbles; one byte per nibble | RLP of the node |
//! | history | tag u8 ‖ key of the flat table ‖ (ff after a path) ‖ number u64 | 00 if absent before, else 01 ‖ value before |
//! | changes | number u64 | account count u32 ‖ (address 20 ‖ account before ‖ account after) ‖ (address 20 ‖ slot 32 ‖ value before 32 ‖ value after 32), each repeated; an account is 00 if absent, else 01 ‖ its value |
//! | flushes | number u64 | (length u16 ‖ history key of a node without number), repeated |
//! | log_index | kind u8 ‖ last 8 bytes of an address or topic ‖ number u64 | nothing |
//! | safe_derivations | L1 number u64 | L1 hash 32 ‖ reference of the safe L2 block 128 |
//!
//! A reference is `hash 32 ‖ number u64 ‖ parent 32 ‖ timestamp u64 ‖ origin hash 32 ‖ origin number u64 ‖ sequence number u64`.

mod account;
mod receipts;
#[cfg(test)]
mod tests;

pub use self::{
    account::{decode_account, encode_account},
    receipts::{decode_receipts, encode_receipts},
};

use self::account::{put_account, take_account};
use super::{
    Table,
    layer::{BlockChanges, Change},
};
use alloy::consensus::Header;
use alloy::primitives::{Address, B256, U256};
use alloy::rlp::{Decodable, Encodable};
use alloy_trie::Nibbles;
use tributary_protocol::{
    block::{L1BlockId, L1BlockNumber, L2BlockNumber, L2BlockRef, L2Body},
    state::Account,
};

/// Keys of the meta table.
pub mod meta {
    /// Value: layout version u32 ‖ chain id u64 ‖ genesis hash 32.
    pub const IDENTITY: &[u8] = b"identity";
    /// Value: unsafe, safe and finalized head, one reference each.
    pub const HEADS: &[u8] = b"heads";
    /// Value: number u64 of the block whose state the flat tables and the nodes hold; while a flush is under way also the number u64 of the
    /// block it leads to, and the tables hold something in between.
    pub const FLUSHED: &[u8] = b"flushed";
    /// Value: number u64 of the oldest block whose state can be read.
    pub const HISTORY_FROM: &[u8] = b"history_from";
}

/// Bytes of an encoded [`L2BlockRef`].
pub const REFERENCE_BYTES: usize = 128;

/// Why bytes do not decode; becomes the `what` of a corruption error.
pub type DecodeError = &'static str;

/// Key of a block, receipts or changes entry.
#[must_use]
pub fn number_key(number: L2BlockNumber) -> [u8; 8] {
    number.0.to_be_bytes()
}

/// Value of [`meta::FLUSHED`] while a flush is under way.
#[must_use]
pub fn encode_flushing(from: L2BlockNumber, to: L2BlockNumber) -> Vec<u8> {
    [number_key(from), number_key(to)].concat()
}

/// What [`meta::FLUSHED`] says: the flushed block, and the one that a flush under way leads to.
///
/// # Errors
/// When it is neither one number nor two.
pub fn decode_flushed(mut value: &[u8]) -> Result<(L2BlockNumber, Option<L2BlockNumber>), DecodeError> {
    let flushed = L2BlockNumber(u64::from_be_bytes(take(&mut value)?));
    if value.is_empty() {
        return Ok((flushed, None));
    }
    let to = L2BlockNumber(u64::from_be_bytes(take(&mut value)?));
    finish(value, (flushed, Some(to)))
}

/// Key in [`Table::Storage`].
#[must_use]
pub fn slot_key(address: Address, slot: U256) -> [u8; 52] {
    let mut key = [0; 52];
    key[..20].copy_from_slice(address.as_slice());
    key[20..].copy_from_slice(&slot.to_be_bytes::<32>());
    key
}

/// Key in [`Table::Nodes`].
#[must_use]
pub fn node_key(owner: Option<B256>, path: &Nibbles) -> Vec<u8> {
    let mut key = Vec::with_capacity(33 + path.len());
    match owner {
        None => key.push(0),
        Some(owner) => {
            key.push(1);
            key.extend_from_slice(owner.as_slice());
        }
    }
    key.extend((0..path.len()).map(|index| path.get_unchecked(index)));
    key
}

/// Key in [`Table::History`] without the block number: it names one entry of a flat table.
///
/// Paths differ in length, so one may begin another; the terminator, which is no nibble, keeps their histories apart.
#[must_use]
pub fn history_prefix(table: Table, key: &[u8]) -> Vec<u8> {
    let tag = match table {
        Table::Accounts => 0,
        Table::Storage => 1,
        _ => 2,
    };
    let mut prefix = Vec::with_capacity(key.len() + 10);
    prefix.push(tag);
    prefix.extend_from_slice(key);
    if tag == 2 {
        prefix.push(0xff);
    }
    prefix
}

/// Key in [`Table::History`].
#[must_use]
pub fn history_key(prefix: &[u8], number: L2BlockNumber) -> Vec<u8> {
    [prefix, &number_key(number)].concat()
}

/// Value in [`Table::History`].
#[must_use]
pub fn encode_previous(previous: Option<&[u8]>) -> Vec<u8> {
    match previous {
        None => vec![0],
        Some(value) => [&[1], value].concat(),
    }
}

/// Inverse of [`encode_previous`].
///
/// # Errors
/// When the first byte is neither 0 nor 1, or bytes follow a 0.
pub fn decode_previous(value: &[u8]) -> Result<Option<&[u8]>, DecodeError> {
    match value {
        [0] => Ok(None),
        [1, value @ ..] => Ok(Some(value)),
        _ => Err("neither absent nor a value"),
    }
}

/// Value in [`Table::Changes`].
#[must_use]
pub fn encode_changes(changes: &BlockChanges) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + changes.accounts.len() * 54 + changes.slots.len() * 116);
    let count = u32::try_from(changes.accounts.len())
        .expect("a block's gas limit keeps the accounts it touches far below 2^32");
    out.extend_from_slice(&count.to_be_bytes());
    for (address, change) in &changes.accounts {
        out.extend_from_slice(address.as_slice());
        for account in [&change.before, &change.after] {
            match account {
                None => out.push(0),
                Some(account) => {
                    out.push(1);
                    put_account(&mut out, account);
                }
            }
        }
    }
    for ((address, slot), change) in &changes.slots {
        out.extend_from_slice(&slot_key(*address, *slot));
        out.extend_from_slice(&change.before.to_be_bytes::<32>());
        out.extend_from_slice(&change.after.to_be_bytes::<32>());
    }
    out
}

/// Inverse of [`encode_changes`].
///
/// # Errors
/// When an entry is cut short or not what it should be.
pub fn decode_changes(mut value: &[u8]) -> Result<BlockChanges, DecodeError> {
    let mut changes = BlockChanges::default();
    let accounts = u32::from_be_bytes(take(&mut value)?);
    for _ in 0..accounts {
        let address = Address::from(take::<20>(&mut value)?);
        let before = take_optional_account(&mut value)?;
        let after = take_optional_account(&mut value)?;
        if changes
            .accounts
            .last_key_value()
            .is_some_and(|(last, _)| *last >= address)
        {
            return Err("accounts are not in order");
        }
        changes.accounts.insert(address, Change { before, after });
    }
    while !value.is_empty() {
        let address = Address::from(take::<20>(&mut value)?);
        let slot = U256::from_be_bytes(take::<32>(&mut value)?);
        let before = U256::from_be_bytes(take::<32>(&mut value)?);
        let after = U256::from_be_bytes(take::<32>(&mut value)?);
        let key = (address, slot);
        if changes
            .slots
            .last_key_value()
            .is_some_and(|(last, _)| *last >= key)
        {
            return Err("slots are not in order");
        }
        changes.slots.insert(key, Change { before, after });
    }
    Ok(changes)
}

fn take_optional_account(value: &mut &[u8]) -> Result<Option<Account>, DecodeError> {
    match take::<1>(value)? {
        [0] => Ok(None),
        [1] => take_account(value).map(Some),
        _ => Err("neither absent nor an account"),
    }
}

/// Value in [`Table::Flushes`].
#[must_use]
pub fn encode_keys(prefixes: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for prefix in prefixes {
        let length = u16::try_from(prefix.len())
            .expect("the longest key is a storage node's, 1 + 1 + 32 + 64 + 1 bytes");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(prefix);
    }
    out
}

/// Inverse of [`encode_keys`].
///
/// # Errors
/// When an entry is cut short.
pub fn decode_keys(mut value: &[u8]) -> Result<Vec<Vec<u8>>, DecodeError> {
    let mut prefixes = Vec::new();
    while !value.is_empty() {
        let length = u16::from_be_bytes(take(&mut value)?);
        let (prefix, rest) = value
            .split_at_checked(usize::from(length))
            .ok_or("list of keys ends early")?;
        prefixes.push(prefix.to_vec());
        value = rest;
    }
    Ok(prefixes)
}

/// Value in [`Table::Storage`], or `None` for zero, which is not stored.
#[must_use]
pub fn encode_slot(value: U256) -> Option<Vec<u8>> {
    (!value.is_zero()).then(|| value.to_be_bytes_trimmed_vec())
}

/// Inverse of [`encode_slot`].
///
/// # Errors
/// When the value is empty, longer than a word or has leading zeros.
pub fn decode_slot(value: &[u8]) -> Result<U256, DecodeError> {
    match value {
        [] | [0, ..] => Err("slot value is not minimal"),
        _ => U256::try_from_be_slice(value).ok_or("slot value is longer than a word"),
    }
}

/// Value of a block number index entry, and of [`meta::HISTORY_FROM`].
///
/// # Errors
/// When the length is not 8.
pub fn decode_number(mut value: &[u8]) -> Result<L2BlockNumber, DecodeError> {
    let number = L2BlockNumber(u64::from_be_bytes(take(&mut value)?));
    finish(value, number)
}

/// Value in [`Table::Transactions`].
#[must_use]
pub fn encode_position(number: L2BlockNumber, index: u32) -> Vec<u8> {
    [&number.0.to_be_bytes()[..], &index.to_be_bytes()].concat()
}

/// Inverse of [`encode_position`].
///
/// # Errors
/// When the length is not 12.
pub fn decode_position(mut value: &[u8]) -> Result<(L2BlockNumber, u32), DecodeError> {
    let number = L2BlockNumber(u64::from_be_bytes(take(&mut value)?));
    let index = u32::from_be_bytes(take(&mut value)?);
    finish(value, (number, index))
}

/// Appends a block reference.
pub fn encode_reference(reference: &L2BlockRef, out: &mut Vec<u8>) {
    out.extend_from_slice(reference.hash.as_slice());
    out.extend_from_slice(&reference.number.0.to_be_bytes());
    out.extend_from_slice(reference.parent_hash.as_slice());
    out.extend_from_slice(&reference.timestamp.to_be_bytes());
    out.extend_from_slice(reference.l1_origin.hash.as_slice());
    out.extend_from_slice(&reference.l1_origin.number.0.to_be_bytes());
    out.extend_from_slice(&reference.sequence_number.to_be_bytes());
}

/// Takes a block reference off the front.
///
/// # Errors
/// When fewer than [`REFERENCE_BYTES`] are left.
pub fn decode_reference(value: &mut &[u8]) -> Result<L2BlockRef, DecodeError> {
    Ok(L2BlockRef {
        hash: B256::from(take::<32>(value)?),
        number: L2BlockNumber(u64::from_be_bytes(take(value)?)),
        parent_hash: B256::from(take::<32>(value)?),
        timestamp: u64::from_be_bytes(take(value)?),
        l1_origin: L1BlockId {
            hash: B256::from(take::<32>(value)?),
            number: L1BlockNumber(u64::from_be_bytes(take(value)?)),
        },
        sequence_number: u64::from_be_bytes(take(value)?),
    })
}

/// Value in [`Table::SafeDerivations`].
#[must_use]
pub fn encode_safe_derivation(l1_hash: B256, safe: &L2BlockRef) -> Vec<u8> {
    let mut out = l1_hash.to_vec();
    encode_reference(safe, &mut out);
    out
}

/// Inverse of [`encode_safe_derivation`].
///
/// # Errors
/// When the length is wrong.
pub fn decode_safe_derivation(mut value: &[u8]) -> Result<(B256, L2BlockRef), DecodeError> {
    let hash = B256::from(take::<32>(&mut value)?);
    let safe = decode_reference(&mut value)?;
    finish(value, (hash, safe))
}

/// Value in [`Table::Headers`].
#[must_use]
pub fn encode_header(reference: &L2BlockRef, header: &Header) -> Vec<u8> {
    let mut out = Vec::with_capacity(REFERENCE_BYTES + header.length());
    encode_reference(reference, &mut out);
    header.encode(&mut out);
    out
}

/// Inverse of [`encode_header`]; also checks the header against the hash in the reference.
///
/// # Errors
/// When bytes are missing or left over, or the header is not the one the reference names.
pub fn decode_header(mut value: &[u8]) -> Result<(L2BlockRef, Header), DecodeError> {
    let reference = decode_reference(&mut value)?;
    let header = Header::decode(&mut value).map_err(|_| "header is not valid RLP")?;
    if header.hash_slow() != reference.hash {
        return Err("header does not hash to the block's hash");
    }
    finish(value, (reference, header))
}

/// The reference in front of an encoded header.
///
/// # Errors
/// When fewer than [`REFERENCE_BYTES`] are there.
pub fn decode_header_reference(mut value: &[u8]) -> Result<L2BlockRef, DecodeError> {
    decode_reference(&mut value)
}

/// Value in [`Table::Bodies`].
#[must_use]
pub fn encode_body(senders: &[Address], body: &L2Body) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + senders.len() * 20 + body.length());
    let count =
        u32::try_from(senders.len()).expect("a block's gas limit keeps its transactions far below 2^32");
    out.extend_from_slice(&count.to_be_bytes());
    for sender in senders {
        out.extend_from_slice(sender.as_slice());
    }
    body.encode(&mut out);
    out
}

/// Inverse of [`encode_body`].
///
/// # Errors
/// When bytes are missing or left over.
pub fn decode_body(mut value: &[u8]) -> Result<(Vec<Address>, L2Body), DecodeError> {
    let count = u32::from_be_bytes(take(&mut value)?);
    let mut senders = Vec::new();
    for _ in 0..count {
        senders.push(Address::from(take::<20>(&mut value)?));
    }
    let body = L2Body::decode(&mut value).map_err(|_| "body is not valid RLP")?;
    if body.transactions.len() != senders.len() {
        return Err("transactions and senders differ in number");
    }
    finish(value, (senders, body))
}

/// Takes `N` bytes off the front.
///
/// # Errors
/// When fewer are left.
pub fn take<const N: usize>(value: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    let (head, rest) = value.split_first_chunk::<N>().ok_or("value ends early")?;
    *value = rest;
    Ok(*head)
}

/// Returns `decoded` if nothing is left of `rest`.
///
/// # Errors
/// When bytes are left.
pub fn finish<T>(rest: &[u8], decoded: T) -> Result<T, DecodeError> {
    if rest.is_empty() {
        Ok(decoded)
    } else {
        Err("value has trailing bytes")
    }
}
