//! What execution touched, as the changes to flat state it amounts to.

use crate::state::{Account, StateChanges};
use alloc::collections::BTreeMap;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::KECCAK_EMPTY;
use revm::{
    DatabaseRef,
    database::{CacheState, PlainAccount},
    state::AccountInfo,
};

/// Net changes of what ran on `before`, as `cache` has them: what was changed back, or created and destroyed again, is not there.
///
/// revm can keep a journal of transitions for the same purpose. It costs two maps as large as what was touched, and all that counts is
/// what a value was before the block and is after it.
///
/// # Errors
/// If the state before cannot be read.
pub fn state_changes<S: DatabaseRef>(cache: &CacheState, before: &S) -> Result<StateChanges, S::Error> {
    let mut changes = StateChanges::default();
    for (&address, account) in &cache.accounts {
        if account.status.is_not_modified() {
            continue;
        }
        let info_before = before.basic_ref(address)?;
        let after = account.account.as_ref();
        let account_after = after.map(|plain| Account::from_info(&plain.info));
        if info_before.as_ref().map(Account::from_info) != account_after {
            changes.accounts.insert(address, account_after);
        }
        let Some(plain) = after else { continue };
        changes
            .codes
            .extend(new_code(cache, &plain.info, info_before.as_ref()));
        // Under EIP-6780 only an account created in the same transaction is destroyed. So if this one was, the state before holds no slot
        // of it.
        let held = info_before.is_some() && !account.status.was_destroyed();
        let slots = written_slots(address, plain, held.then_some(before))?;
        if !slots.is_empty() {
            changes.storage.insert(address, slots);
        }
    }
    Ok(changes)
}

/// Slots whose value is another than before; `before` is `None` where they were all zero.
fn written_slots<S: DatabaseRef>(
    address: Address,
    account: &PlainAccount,
    before: Option<&S>,
) -> Result<BTreeMap<U256, U256>, S::Error> {
    let mut written = BTreeMap::new();
    for (&slot, &value) in &account.storage {
        let value_before = match before {
            Some(state) => state.storage_ref(address, slot)?,
            None => U256::ZERO,
        };
        if value != value_before {
            written.insert(slot, value);
        }
    }
    Ok(written)
}

fn new_code(cache: &CacheState, info: &AccountInfo, before: Option<&AccountInfo>) -> Option<(B256, Bytes)> {
    let hash_before = before.map(|info| info.code_hash);
    if info.code_hash == KECCAK_EMPTY || hash_before == Some(info.code_hash) {
        return None;
    }
    let code = info
        .code
        .as_ref()
        .or_else(|| cache.contracts.get(&info.code_hash))?;
    Some((info.code_hash, code.original_bytes()))
}
