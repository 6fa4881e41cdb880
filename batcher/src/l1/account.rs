//! The key transactions are signed with.

use super::{error::L1Error, fees::Fees, port::Call};
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEip4844, TxEip4844WithSidecar, TxEnvelope},
    eips::{
        eip2718::Encodable2718,
        eip4844::{BlobTransactionSidecar, env_settings::EnvKzgSettings},
        eip7594::{BlobTransactionSidecarEip7594, BlobTransactionSidecarVariant},
    },
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, FixedBytes, TxKind},
    signers::local::PrivateKeySigner,
};
use tributary_protocol::blob::Blob;

/// What L1 wants to see beside blobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlobProofs {
    /// One proof a blob: before Osaka.
    Blob,
    /// One proof a cell (EIP-7594): from Osaka on.
    #[default]
    Cells,
    /// None, and hashes that only look like versioned ones: for a simulated L1, which checks neither, since KZG takes most of a story's
    /// time.
    #[cfg(any(test, feature = "testing"))]
    Unchecked,
}

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
    blob_proofs: BlobProofs,
}

impl Account {
    /// The account of `signer` on the chain with this id.
    #[must_use]
    pub const fn new(signer: PrivateKeySigner, chain_id: u64, blob_proofs: BlobProofs) -> Self {
        Self {
            signer,
            chain_id,
            blob_proofs,
        }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Signs an EIP-1559 transaction, or an EIP-4844 one if there are blobs. The same input gives the same bytes.
    ///
    /// # Errors
    /// [`L1Error::Signer`], [`L1Error::Blobs`].
    pub fn sign(&self, call: &Call, nonce: u64, gas_limit: u64, fees: Fees) -> Result<Signed, L1Error> {
        if !call.blobs.is_empty() {
            return self.sign_blobs(call, nonce, gas_limit, fees);
        }
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

    fn sign_blobs(&self, call: &Call, nonce: u64, gas_limit: u64, fees: Fees) -> Result<Signed, L1Error> {
        let sidecar = self.sidecar(&call.blobs)?;
        let mut transaction = TxEip4844WithSidecar {
            tx: TxEip4844 {
                chain_id: self.chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: fees.max_fee_per_gas,
                max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
                to: call.to,
                value: call.value,
                access_list: Default::default(),
                blob_versioned_hashes: sidecar.versioned_hashes().collect(),
                max_fee_per_blob_gas: fees.max_fee_per_blob_gas.unwrap_or_default(),
                input: call.data.clone(),
            },
            sidecar,
        };
        let signature = self.signer.sign_transaction_sync(&mut transaction)?;
        let signed = TxEnvelope::from(transaction.into_signed(signature));
        Ok(Signed {
            hash: *signed.tx_hash(),
            raw: signed.encoded_2718().into(),
        })
    }

    /// Blobs with commitments and proofs.
    fn sidecar(&self, blobs: &[Blob]) -> Result<BlobTransactionSidecarVariant, L1Error> {
        let blobs: Vec<_> = blobs
            .iter()
            .map(|blob| FixedBytes::from_slice(blob.bytes()))
            .collect();
        let setup = || EnvKzgSettings::Default.get();
        let sidecar = match self.blob_proofs {
            #[cfg(any(test, feature = "testing"))]
            BlobProofs::Unchecked => return Ok(unchecked(blobs).into()),
            BlobProofs::Blob => {
                BlobTransactionSidecar::try_from_blobs_with_settings(blobs, setup()).map(Into::into)
            }
            BlobProofs::Cells => {
                BlobTransactionSidecarEip7594::try_from_blobs_with_settings(blobs, setup()).map(Into::into)
            }
        };
        sidecar.map_err(|error| L1Error::Blobs {
            reason: error.to_string(),
        })
    }
}

/// Commitments that differ where the blobs do, and nothing more.
#[cfg(any(test, feature = "testing"))]
fn unchecked(blobs: Vec<alloy::eips::eip4844::Blob>) -> BlobTransactionSidecar {
    let commitment = |blob: &alloy::eips::eip4844::Blob| {
        FixedBytes::left_padding_from(alloy::primitives::keccak256(blob).as_slice())
    };
    BlobTransactionSidecar {
        commitments: blobs.iter().map(commitment).collect(),
        proofs: vec![FixedBytes::ZERO; blobs.len()],
        blobs,
    }
}
