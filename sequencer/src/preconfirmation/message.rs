//! What a subscriber of `newFlashblocks` is told: a Flashblocks payload, and beside it what it says and who signed it.
//!
//! Clients of Flashblocks read it as it is. Roots, bloom and block hash are zero until the last payload of a block, which has no
//! transactions and the finished header; `new_account_balances` stays empty, since `pending` state is there to be read.

use super::delta::{Delta, DeltaKind};
use alloy::primitives::{Address, Bytes, U64, U256};
use alloy::{consensus::Header, eips::eip2718::Encodable2718, rpc::types::engine::PayloadId};
use op_alloy_consensus::{OpReceipt, OpReceiptEnvelope};
use op_alloy_rpc_types_engine::{
    OpFlashblockPayload, OpFlashblockPayloadBase, OpFlashblockPayloadDelta, OpFlashblockPayloadMetadata,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tributary_protocol::preconfirmation::{OpeningFields, SignedStatement};

/// One message.
#[derive(Debug, Serialize, Deserialize)]
pub struct FlashblockMessage {
    /// As other Flashblocks have it.
    #[serde(flatten)]
    pub payload: OpFlashblockPayload,
    /// `transactions`, `sealed` or `reverted`.
    pub event: String,
    /// Who vouches for it.
    pub signature: SignatureJson,
}

/// A signature as it is shown.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SignatureJson {
    /// False if the sequencer has no key; everything else is `null` then.
    pub signed: bool,
    /// The signer's epoch.
    pub epoch: Option<U64>,
    /// The signer's address.
    pub signer: Option<Address>,
    /// The bytes that were signed for.
    pub statement: Option<Bytes>,
    /// `r`, `s`, parity.
    pub signature: Option<Bytes>,
}

impl SignatureJson {
    /// Shows a signature, or that there is none.
    #[must_use]
    pub fn new(signed: Option<&SignedStatement>, signer: Option<Address>) -> Self {
        Self {
            signed: signed.is_some(),
            epoch: signed.map(|signed| U64::from(signed.statement.epoch)),
            signer: signer.filter(|_| signed.is_some()),
            statement: signed.map(|signed| signed.statement.encode().into()),
            signature: signed.map(|signed| Bytes::copy_from_slice(&signed.signature_bytes())),
        }
    }

    /// The signed statement, if there is one and it is well-formed.
    #[must_use]
    pub fn read(&self) -> Option<SignedStatement> {
        let bytes = [&self.statement.as_ref()?[..], &self.signature.as_ref()?[..]].concat();
        SignedStatement::decode(&bytes).ok()
    }
}

impl FlashblockMessage {
    pub(super) fn new(delta: &Delta, signer: Option<Address>) -> Self {
        let sealed = match &delta.kind {
            DeltaKind::Sealed(sealed) => Some(&**sealed),
            _ => None,
        };
        let header = sealed.map(|(_, header)| header);
        let diff = OpFlashblockPayloadDelta {
            block_hash: sealed.map(|(hash, _)| *hash).unwrap_or_default(),
            transactions: delta
                .transactions
                .iter()
                .map(|told| told.transaction.inner().encoded_2718().into())
                .collect(),
            gas_used: delta.gas_used,
            withdrawals: Vec::new(),
            ..roots(header)
        };
        let receipts = delta.transactions.iter();
        let receipts =
            receipts.map(|told| (told.transaction.inner().tx_hash(), without_bloom(&told.receipt)));
        Self {
            payload: OpFlashblockPayload {
                payload_id: PayloadId(delta.id),
                index: delta.index,
                base: delta.base.as_ref().map(|base| opening(base, delta.number.0)),
                diff,
                metadata: OpFlashblockPayloadMetadata {
                    block_number: delta.number.0,
                    new_account_balances: BTreeMap::new(),
                    receipts: receipts.collect(),
                },
            },
            event: delta.kind.name().to_owned(),
            signature: SignatureJson::new(delta.signed.as_ref(), signer),
        }
    }
}

/// What only sealing decides.
fn roots(header: Option<&Header>) -> OpFlashblockPayloadDelta {
    let Some(header) = header else {
        return OpFlashblockPayloadDelta::default();
    };
    OpFlashblockPayloadDelta {
        state_root: header.state_root,
        receipts_root: header.receipts_root,
        logs_bloom: header.logs_bloom,
        withdrawals_root: header.withdrawals_root.unwrap_or_default(),
        blob_gas_used: header.blob_gas_used,
        ..OpFlashblockPayloadDelta::default()
    }
}

fn opening(base: &OpeningFields, block_number: u64) -> OpFlashblockPayloadBase {
    OpFlashblockPayloadBase {
        parent_beacon_block_root: base.parent_beacon_block_root,
        parent_hash: base.parent_hash,
        fee_recipient: base.fee_recipient,
        prev_randao: base.prev_randao,
        block_number,
        gas_limit: base.gas_limit,
        timestamp: base.timestamp,
        extra_data: base.extra_data.clone(),
        base_fee_per_gas: U256::from(base.base_fee),
    }
}

/// A bloom follows from the logs; Flashblocks leave it out.
fn without_bloom(receipt: &OpReceiptEnvelope) -> OpReceipt {
    match receipt {
        OpReceiptEnvelope::Legacy(it) => OpReceipt::Legacy(it.receipt.clone()),
        OpReceiptEnvelope::Eip2930(it) => OpReceipt::Eip2930(it.receipt.clone()),
        OpReceiptEnvelope::Eip1559(it) => OpReceipt::Eip1559(it.receipt.clone()),
        OpReceiptEnvelope::Eip7702(it) => OpReceipt::Eip7702(it.receipt.clone()),
        OpReceiptEnvelope::PostExec(it) => OpReceipt::PostExec(it.receipt.clone()),
        OpReceiptEnvelope::Deposit(it) => OpReceipt::Deposit(it.receipt.clone()),
    }
}
