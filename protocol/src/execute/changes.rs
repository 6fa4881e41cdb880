//! What execution touched, as the changes to flat state it amounts to.

use crate::state::{Account, StateChanges};
use alloy_primitives::{B256, Bytes, U256};
use alloy_trie::KECCAK_EMPTY;
use revm::database::{BundleAccount, BundleState};

/// Net changes of a block: what was changed back, or created and destroyed within it, is not there.
#[must_use]
pub fn state_changes(bundle: &BundleState) -> StateChanges {
    let mut changes = StateChanges::default();
    for (&address, account) in &bundle.state {
        if account.is_info_changed() {
            let after = account.info.as_ref().map(Account::from_info);
            changes.accounts.insert(address, after);
            changes.codes.extend(new_code(bundle, account));
        }
        for (&slot, value) in &account.storage {
            // Under EIP-6780 only an account created in the same transaction is destroyed. So if this one was, the state before
            // the block holds no slot of it, whatever the bundle calls original.
            let before = if account.was_destroyed() {
                U256::ZERO
            } else {
                value.previous_or_original_value
            };
            if account.info.is_some() && value.present_value != before {
                changes
                    .storage
                    .entry(address)
                    .or_default()
                    .insert(slot, value.present_value);
            }
        }
    }
    changes
}

fn new_code(bundle: &BundleState, account: &BundleAccount) -> Option<(B256, Bytes)> {
    let info = account.info.as_ref()?;
    let before = account.original_info.as_ref().map(|info| info.code_hash);
    if info.code_hash == KECCAK_EMPTY || before == Some(info.code_hash) {
        return None;
    }
    let code = info
        .code
        .as_ref()
        .or_else(|| bundle.contracts.get(&info.code_hash))?;
    Some((info.code_hash, code.original_bytes()))
}
