//! The key transactions are signed with.

use super::{error::L1Error, fees::Fees, port::Call};
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, TxKind},
    signers::local::PrivateKeySigner,
};

/// A signed transaction.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Its hash.
    pub hash: B256,
    /// EIP-2718 bytes.
    pub raw: Bytes,
}

/// An account of ours on L1.
#[derive(Clone, Debug)]
pub struct Account {
    signer: PrivateKeySigner,
    chain_id: u64,
}

impl Account {
    /// The account of `signer` on the chain with this id.
    #[must_use]
    pub const fn new(signer: PrivateKeySigner, chain_id: u64) -> Self {
        Self { signer, chain_id }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Signs an EIP-1559 transaction. The same input gives the same bytes.
    ///
    /// # Errors
    /// [`L1Error::Signer`].
    pub fn sign(&self, call: &Call, nonce: u64, gas_limit: u64, fees: Fees) -> Result<Signed, L1Error> {
        let mut transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: fees.max_fee_per_gas,
            max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
            to: TxKind::Call(call.to),
            value: call.value,
            access_list: Default::default(),
            input: call.data.clone(),
        };
        let signature = self.signer.sign_transaction_sync(&mut transaction)?;
        let signed = TxEnvelope::from(transaction.into_signed(signature));
        Ok(Signed {
            hash: *signed.tx_hash(),
            raw: signed.encoded_2718().into(),
        })
    }
}
