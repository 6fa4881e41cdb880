//! An account: there are many, most without code, with few digits in nonce and balance.
//!
//! `nonce length u8, plus 80 (hex) if there is code ‖ balance length u8 ‖ nonce ‖ balance ‖ code hash 32 if there is code`, both numbers
//! without leading zeros.

use super::{DecodeError, finish, take};
use alloy::{
    consensus::constants::KECCAK_EMPTY,
    primitives::{B256, U256},
};
use tributary_protocol::state::Account;

/// Set in the first byte of an account with code.
const HAS_CODE: u8 = 0x80;

/// Bytes of an account at most.
pub(super) const ACCOUNT_BYTES_MAX: usize = 2 + 8 + 32 + 32;

/// Value in [`super::Table::Accounts`].
#[must_use]
pub fn encode_account(account: &Account) -> Vec<u8> {
    let mut out = Vec::with_capacity(ACCOUNT_BYTES_MAX);
    put_account(&mut out, account);
    out
}

/// Inverse of [`encode_account`].
///
/// # Errors
/// When bytes are missing or left over, or it could be shorter.
pub fn decode_account(mut value: &[u8]) -> Result<Account, DecodeError> {
    let account = take_account(&mut value)?;
    finish(value, account)
}

pub(super) fn put_account(out: &mut Vec<u8>, account: &Account) {
    let (nonce, balance) = (account.nonce.to_be_bytes(), account.balance.to_be_bytes::<32>());
    let nonce = &nonce[account.nonce.leading_zeros() as usize / 8..];
    let balance = &balance[account.balance.leading_zeros() / 8..];
    let code = (account.code_hash != KECCAK_EMPTY).then_some(account.code_hash);
    let short = |bytes: &[u8]| u8::try_from(bytes.len()).expect("a word has 32 bytes");
    out.push(short(nonce) | code.map_or(0, |_| HAS_CODE));
    out.push(short(balance));
    out.extend_from_slice(nonce);
    out.extend_from_slice(balance);
    if let Some(hash) = code {
        out.extend_from_slice(hash.as_slice());
    }
}

pub(super) fn take_account(value: &mut &[u8]) -> Result<Account, DecodeError> {
    let [nonce_length, balance_length] = take(value)?;
    let nonce: [u8; 8] = take_number(value, nonce_length & !HAS_CODE)?;
    let balance: [u8; 32] = take_number(value, balance_length)?;
    let code_hash = if nonce_length & HAS_CODE == 0 {
        KECCAK_EMPTY
    } else {
        let hash = B256::from(take::<32>(value)?);
        if hash == KECCAK_EMPTY {
            return Err("an account has a hash for no code");
        }
        hash
    };
    Ok(Account {
        nonce: u64::from_be_bytes(nonce),
        balance: U256::from_be_bytes(balance),
        code_hash,
    })
}

/// Takes `length` bytes without leading zeros, as a number of `N`.
fn take_number<const N: usize>(value: &mut &[u8], length: u8) -> Result<[u8; N], DecodeError> {
    let length = usize::from(length);
    let mut number = [0; N];
    let place = N.checked_sub(length).ok_or("a number is longer than it can be")?;
    let (digits, rest) = value.split_at_checked(length).ok_or("value ends early")?;
    if digits.first() == Some(&0) {
        return Err("a number has leading zeros");
    }
    number[place..].copy_from_slice(digits);
    *value = rest;
    Ok(number)
}
