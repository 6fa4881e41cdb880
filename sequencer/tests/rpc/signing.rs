//! Signed transactions as users would send them.

use crate::{PAYEE, chain::key};
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEip7702, TxLegacy},
    eips::{eip2718::Encodable2718, eip7702::Authorization},
    primitives::{Bytes, Signature, TxKind, U256, hex},
    signers::SignerSync,
};
use op_alloy_consensus::OpTxEnvelope;

pub(crate) fn raw(transaction: &tributary_sequencer::builder::PoolTransaction) -> String {
    transaction.encoded_bytes().to_string()
}

/// An EIP-1559 transaction of sender 1, changed by `change`, signed.
pub(crate) fn signed(change: impl FnOnce(&mut TxEip1559)) -> String {
    let mut transaction = TxEip1559 {
        chain_id: 901,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(PAYEE),
        value: U256::from(1),
        ..TxEip1559::default()
    };
    change(&mut transaction);
    let signature = key(1).sign_hash_sync(&transaction.signature_hash()).unwrap();
    with_signature(transaction, signature)
}

fn with_signature(transaction: TxEip1559, signature: Signature) -> String {
    let envelope = OpTxEnvelope::Eip1559(transaction.into_signed(signature));
    Bytes::from(envelope.encoded_2718()).to_string()
}

/// Signed with the larger of the two values of `s`, which EIP-2 forbids.
pub(crate) fn high_s() -> String {
    let transaction = TxEip1559 {
        chain_id: 901,
        gas_limit: 21_000,
        ..TxEip1559::default()
    };
    let order = U256::from_be_bytes(hex!(
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
    ));
    let good = key(1).sign_hash_sync(&transaction.signature_hash()).unwrap();
    with_signature(transaction, Signature::new(good.r(), order - good.s(), !good.v()))
}

/// A transaction without chain id.
pub(crate) fn unprotected() -> String {
    let transaction = TxLegacy {
        gas_limit: 21_000,
        gas_price: 1 << 30,
        ..TxLegacy::default()
    };
    let signature = key(1).sign_hash_sync(&transaction.signature_hash()).unwrap();
    Bytes::from(OpTxEnvelope::Legacy(transaction.into_signed(signature)).encoded_2718()).to_string()
}

/// Account 2 delegates account 1, whose nonce is 0, to a contract.
pub(crate) fn delegating() -> String {
    let authorization = Authorization {
        chain_id: U256::from(901),
        address: PAYEE,
        nonce: 0,
    };
    let signature = key(1).sign_hash_sync(&authorization.signature_hash()).unwrap();
    let transaction = TxEip7702 {
        chain_id: 901,
        gas_limit: 100_000,
        max_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 1,
        to: PAYEE,
        authorization_list: vec![authorization.into_signed(signature)],
        ..TxEip7702::default()
    };
    let signature = key(2).sign_hash_sync(&transaction.signature_hash()).unwrap();
    let envelope = OpTxEnvelope::Eip7702(transaction.into_signed(signature));
    Bytes::from(envelope.encoded_2718()).to_string()
}
