//! What genesis writes into the storage of predeploys, which have no constructor. Predeploys not named here start empty.

use alloc::collections::BTreeMap;
use alloy_primitives::{Address, B256, U256};

/// Storage of `AttributionRegistry`: slot 0 the admin, slot 1 the payee of the platform's part. Neither may be zero if the chain is to
/// have gateways and policies.
#[must_use]
pub fn attribution_registry_storage(admin: Address, platform_payee: Address) -> BTreeMap<B256, B256> {
    BTreeMap::from([
        (slot(0), admin.into_word()),
        (slot(1), platform_payee.into_word()),
    ])
}

/// Storage of a `FeeVault`: slot 1 the recipient, slot 2 the least wei worth a withdrawal. Zeros are left out: genesis has none.
#[must_use]
pub fn fee_vault_storage(recipient: Address, min_withdrawal_wei: U256) -> BTreeMap<B256, B256> {
    let mut storage = BTreeMap::from([(slot(1), recipient.into_word())]);
    if !min_withdrawal_wei.is_zero() {
        storage.insert(slot(2), min_withdrawal_wei.into());
    }
    storage
}

/// Storage of `GasPriceOracle`: slot 0, one byte per fork from the lowest: Ecotone, Fjord, Isthmus, Jovian.
#[must_use]
pub fn gas_price_oracle_storage(jovian: bool) -> BTreeMap<B256, B256> {
    let forks: u64 = if jovian { 0x0101_0101 } else { 0x0001_0101 };
    BTreeMap::from([(slot(0), U256::from(forks).into())])
}

/// Storage of `L2ToL1MessagePasser`: one word in the last slot, which the contract never reads, so that its storage is not empty. On other
/// OP chains the predeploy is a proxy and its storage never is; op-geth leaves the withdrawals root out of the payloads it builds while it
/// is that of an empty trie, and then refuses them.
#[must_use]
pub fn message_passer_storage() -> BTreeMap<B256, B256> {
    BTreeMap::from([(B256::repeat_byte(0xff), slot(1))])
}

fn slot(index: u64) -> B256 {
    U256::from(index).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{address, b256};

    #[test]
    fn addresses_stand_right_aligned_in_their_slots() {
        let (admin, platform) = (
            address!("00000000000000000000000000000000000000aa"),
            address!("00000000000000000000000000000000000000bb"),
        );
        let storage = attribution_registry_storage(admin, platform);
        assert_eq!(
            storage[&B256::ZERO],
            b256!("00000000000000000000000000000000000000000000000000000000000000aa")
        );
        assert_eq!(storage.len(), 2);
    }

    #[test]
    fn zero_words_are_left_out() {
        assert_eq!(fee_vault_storage(Address::with_last_byte(1), U256::ZERO).len(), 1);
        assert_eq!(
            fee_vault_storage(Address::with_last_byte(1), U256::from(1)).len(),
            2
        );
    }
}
