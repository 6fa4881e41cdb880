//! Random transactions of every type that has a place in a span batch, and blocks of them. Signatures are random numbers: nothing here
//! recovers a sender.

use super::{CHAIN_ID, PARAMETERS, blocks, sign};
use crate::batch::SingularBatch;
use alloc::vec::Vec;
use alloy_consensus::{TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use proptest::{collection::vec as many, prelude::*};

fn any_u256() -> impl Strategy<Value = U256> {
    (any::<[u8; 32]>(), 0usize..=256)
        .prop_map(|(bytes, shift)| U256::from_be_bytes(bytes).wrapping_shr(shift))
}

fn any_signature() -> impl Strategy<Value = Signature> {
    (any_u256(), any_u256(), any::<bool>()).prop_map(|(r, s, parity)| Signature::new(r, s, parity))
}

fn any_address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::from)
}

fn any_to() -> impl Strategy<Value = TxKind> {
    prop_oneof![1 => Just(TxKind::Create), 3 => any_address().prop_map(TxKind::Call)]
}

fn any_input() -> impl Strategy<Value = Bytes> {
    many(any::<u8>(), 0..70).prop_map(Bytes::from)
}

fn any_number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift)
}

fn any_fee() -> impl Strategy<Value = u128> {
    (any::<u128>(), 0u32..128).prop_map(|(value, shift)| value >> shift)
}

fn any_access_list() -> impl Strategy<Value = AccessList> {
    let item = (any_address(), many(any::<[u8; 32]>().prop_map(B256::from), 0..3)).prop_map(
        |(address, storage_keys)| AccessListItem {
            address,
            storage_keys,
        },
    );
    many(item, 0..3).prop_map(AccessList)
}

fn any_authorizations() -> impl Strategy<Value = Vec<SignedAuthorization>> {
    let authorization = (
        any_u256(),
        any_address(),
        any_number(),
        any_u256(),
        any_u256(),
        any::<u8>(),
    );
    let signed = authorization.prop_map(|(chain_id, address, nonce, r, s, parity)| {
        SignedAuthorization::new_unchecked(
            Authorization {
                chain_id,
                address,
                nonce,
            },
            parity,
            r,
            s,
        )
    });
    many(signed, 0..3)
}

prop_compose! {
    fn any_legacy()(
        protected in any::<bool>(), nonce in any_number(), gas_price in any_fee(), gas_limit in any_number(),
        to in any_to(), value in any_u256(), input in any_input(), signature in any_signature(),
    ) -> Bytes {
        let chain_id = protected.then_some(CHAIN_ID);
        sign(TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input }, signature)
    }
}

prop_compose! {
    fn any_eip2930()(
        nonce in any_number(), gas_price in any_fee(), gas_limit in any_number(), to in any_to(),
        value in any_u256(), input in any_input(), access_list in any_access_list(), signature in any_signature(),
    ) -> Bytes {
        let chain_id = CHAIN_ID;
        sign(TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input }, signature)
    }
}

prop_compose! {
    fn any_eip1559()(
        nonce in any_number(), fees in (any_fee(), any_fee()), gas_limit in any_number(), to in any_to(),
        value in any_u256(), input in any_input(), access_list in any_access_list(), signature in any_signature(),
    ) -> Bytes {
        let (max_fee_per_gas, max_priority_fee_per_gas) = fees;
        sign(TxEip1559 {
            chain_id: CHAIN_ID, nonce, gas_limit, max_fee_per_gas, max_priority_fee_per_gas, to, value, access_list, input,
        }, signature)
    }
}

prop_compose! {
    fn any_eip7702()(
        nonce in any_number(), fees in (any_fee(), any_fee()), gas_limit in any_number(), to in any_address(),
        value in any_u256(), input in any_input(), access_list in any_access_list(),
        authorization_list in any_authorizations(), signature in any_signature(),
    ) -> Bytes {
        let (max_fee_per_gas, max_priority_fee_per_gas) = fees;
        sign(TxEip7702 {
            chain_id: CHAIN_ID, nonce, gas_limit, max_fee_per_gas, max_priority_fee_per_gas, to, value, access_list,
            authorization_list, input,
        }, signature)
    }
}

pub(super) fn any_transaction() -> impl Strategy<Value = Bytes> {
    prop_oneof![any_legacy(), any_eip2930(), any_eip1559(), any_eip7702()]
}

prop_compose! {
    pub(super) fn any_blocks()(
        first_epoch in 0u64..1 << 40,
        since_genesis in any::<u32>(),
        contents in many((any::<bool>(), many(any_transaction(), 0..4)), 1..12),
    ) -> Vec<SingularBatch> {
        blocks(first_epoch, PARAMETERS.genesis_time + u64::from(since_genesis), contents)
    }
}
