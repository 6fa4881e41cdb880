//! Two libraries recover senders: libsecp256k1 in the node, k256 where there is no C compiler and no std. Disputes are decided by the
//! second about blocks made by the first, so they must agree on every signature, good or bad.

use crate::execute::recover;
use alloy_consensus::{SignableTransaction, TxEip1559, crypto::secp256k1::sign_message};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Signature, U256};
use k256::ecdsa::{RecoveryId, VerifyingKey};
use op_alloy_consensus::OpTxEnvelope;
use proptest::prelude::*;

/// Half the order of the curve: a transaction's `s` may not be larger (EIP-2).
const HALF_ORDER: U256 = U256::from_limbs([
    0xdfe9_2f46_681b_20a0,
    0x5d57_6e73_57a4_501d,
    0xffff_ffff_ffff_ffff,
    0x7fff_ffff_ffff_ffff,
]);

fn transaction(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: 901,
        nonce,
        ..TxEip1559::default()
    }
}

/// What the node says of a transaction with this signature.
fn sender(nonce: u64, signature: Signature) -> Option<Address> {
    let envelope = OpTxEnvelope::Eip1559(transaction(nonce).into_signed(signature));
    let recovered = recover(&envelope.encoded_2718().into());
    recovered.ok().map(|recovered| recovered.1.signer())
}

/// What k256 says of it. Alloy would take libsecp256k1 for this as well, hence the library itself.
fn reference(nonce: u64, signature: Signature) -> Option<Address> {
    if signature.s() > HALF_ORDER {
        return None;
    }
    let inner = k256::ecdsa::Signature::from_scalars(
        signature.r().to_be_bytes::<32>(),
        signature.s().to_be_bytes::<32>(),
    );
    let hash = transaction(nonce).signature_hash();
    let key = VerifyingKey::recover_from_prehash(
        hash.as_slice(),
        &inner.ok()?,
        RecoveryId::new(signature.v(), false),
    );
    Some(Address::from_public_key(&key.ok()?))
}

fn key() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>()
        .prop_map(B256::from)
        .prop_filter("zero is no key", |key| !key.is_zero() && key[..16] != [0xff; 16])
}

/// Numbers at which libraries differ, if they do: the ends of the field and of the group, and small ones.
fn edge() -> impl Strategy<Value = U256> {
    let order = HALF_ORDER * U256::from(2) + U256::from(1);
    prop_oneof![
        any::<[u8; 32]>().prop_map(U256::from_be_bytes),
        (0_u64..4).prop_map(U256::from),
        (0_u64..4).prop_map(move |below| order - U256::from(below)),
        (0_u64..4).prop_map(move |above| order + U256::from(above)),
        (0_u64..4).prop_map(|below| HALF_ORDER - U256::from(below)),
        (0_u64..4).prop_map(|above| HALF_ORDER + U256::from(above)),
        (0_u64..4).prop_map(|below| U256::MAX - U256::from(below)),
    ]
}

proptest! {
    #[test]
    fn both_libraries_recover_the_signer(key in key(), nonce: u64) {
        let signature = sign_message(key, transaction(nonce).signature_hash()).unwrap();
        let found = sender(nonce, signature);
        prop_assert!(found.is_some());
        prop_assert_eq!(found, reference(nonce, signature));
    }

    #[test]
    fn both_libraries_agree_on_signatures_nobody_made(r in edge(), s in edge(), parity: bool, nonce: u64) {
        let signature = Signature::new(r, s, parity);
        prop_assert_eq!(sender(nonce, signature), reference(nonce, signature));
    }
}
