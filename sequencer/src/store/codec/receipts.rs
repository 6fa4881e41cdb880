//! Receipts: most have few logs, so most of a bloom's 256 bytes are zero.
//!
//! `count u32`, then each: `transaction type u8 ‖ status u8 ‖ cumulative gas u64 ‖ bloom ‖ RLP list of logs`, and of a deposit also its nonce
//! and its receipt version, each `00`, or `01 ‖ u64`. A bloom is `count u8 ‖ (position u8 ‖ byte u8) each` of the bytes that are not zero,
//! or `ff ‖ all 256` if there are more than 127 of those.

use super::{DecodeError, finish, take};
use alloy::{
    consensus::{Eip658Value, Receipt, ReceiptWithBloom},
    primitives::{Bloom, Log},
    rlp::Decodable,
};
use op_alloy_consensus::{OpDepositReceipt, OpReceiptEnvelope, OpTxType};

/// Bytes of a bloom that are not zero, at most, if they are listed one by one.
const LISTED_MAX: usize = 127;

/// What stands for their count if all bytes follow.
const WHOLE: u8 = 0xff;

/// Value in [`super::Table::Receipts`].
#[must_use]
pub fn encode_receipts(receipts: &[OpReceiptEnvelope]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + receipts.len() * 16);
    let count =
        u32::try_from(receipts.len()).expect("a block's gas limit keeps its transactions far below 2^32");
    out.extend_from_slice(&count.to_be_bytes());
    for receipt in receipts {
        put_receipt(&mut out, receipt);
    }
    out
}

/// Inverse of [`encode_receipts`].
///
/// # Errors
/// When bytes are missing or left over, or it could be shorter.
pub fn decode_receipts(mut value: &[u8]) -> Result<Vec<OpReceiptEnvelope>, DecodeError> {
    let count = u32::from_be_bytes(take(&mut value)?);
    let mut receipts = Vec::new();
    for _ in 0..count {
        receipts.push(take_receipt(&mut value)?);
    }
    finish(value, receipts)
}

fn put_receipt(out: &mut Vec<u8>, receipt: &OpReceiptEnvelope) {
    out.push(receipt.tx_type().into());
    out.push(receipt.status().into());
    out.extend_from_slice(&receipt.cumulative_gas_used().to_be_bytes());
    put_bloom(out, receipt.logs_bloom());
    alloy::rlp::encode_list(receipt.logs(), out);
    if let OpReceiptEnvelope::Deposit(deposit) = receipt {
        put_optional(out, deposit.receipt.deposit_nonce);
        put_optional(out, deposit.receipt.deposit_receipt_version);
    }
}

fn take_receipt(value: &mut &[u8]) -> Result<OpReceiptEnvelope, DecodeError> {
    let [kind, status] = take(value)?;
    let kind = OpTxType::try_from(kind).map_err(|_| "there is no such type of transaction")?;
    let status = match status {
        0 => false,
        1 => true,
        _ => return Err("neither failed nor succeeded"),
    };
    let cumulative_gas_used = u64::from_be_bytes(take(value)?);
    let logs_bloom = take_bloom(value)?;
    let logs = Vec::<Log>::decode(value).map_err(|_| "logs are not valid RLP")?;
    let receipt = Receipt {
        status: Eip658Value::Eip658(status),
        cumulative_gas_used,
        logs,
    };
    let with_bloom = |receipt| ReceiptWithBloom { receipt, logs_bloom };
    Ok(match kind {
        OpTxType::Legacy => OpReceiptEnvelope::Legacy(with_bloom(receipt)),
        OpTxType::Eip2930 => OpReceiptEnvelope::Eip2930(with_bloom(receipt)),
        OpTxType::Eip1559 => OpReceiptEnvelope::Eip1559(with_bloom(receipt)),
        OpTxType::Eip7702 => OpReceiptEnvelope::Eip7702(with_bloom(receipt)),
        OpTxType::PostExec => OpReceiptEnvelope::PostExec(with_bloom(receipt)),
        OpTxType::Deposit => OpReceiptEnvelope::Deposit(ReceiptWithBloom {
            receipt: OpDepositReceipt {
                inner: receipt,
                deposit_nonce: take_optional(value)?,
                deposit_receipt_version: take_optional(value)?,
            },
            logs_bloom,
        }),
    })
}

fn put_bloom(out: &mut Vec<u8>, bloom: &Bloom) {
    let listed = bloom.iter().zip(0_u8..=255).filter(|(byte, _)| **byte != 0);
    let count = listed.clone().count();
    match u8::try_from(count).ok().filter(|_| count <= LISTED_MAX) {
        Some(count) => {
            out.push(count);
            out.extend(listed.flat_map(|(byte, position)| [position, *byte]));
        }
        None => {
            out.push(WHOLE);
            out.extend_from_slice(bloom.as_slice());
        }
    }
}

fn take_bloom(value: &mut &[u8]) -> Result<Bloom, DecodeError> {
    let mut bloom = Bloom::ZERO;
    match take(value)? {
        [WHOLE] => {
            bloom = Bloom::from(take::<256>(value)?);
            if bloom.iter().filter(|byte| **byte != 0).count() <= LISTED_MAX {
                return Err("a bloom could be shorter");
            }
        }
        [count] if usize::from(count) <= LISTED_MAX => {
            let mut next = 0;
            for _ in 0..count {
                let [position, byte] = take(value)?;
                let position = usize::from(position);
                if position < next || byte == 0 {
                    return Err("a bloom's bytes are not in order");
                }
                bloom[position] = byte;
                next = position + 1;
            }
        }
        _ => return Err("a bloom lists too many bytes"),
    }
    Ok(bloom)
}

fn put_optional(out: &mut Vec<u8>, number: Option<u64>) {
    match number {
        None => out.push(0),
        Some(number) => {
            out.push(1);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

fn take_optional(value: &mut &[u8]) -> Result<Option<u64>, DecodeError> {
    match take(value)? {
        [0] => Ok(None),
        [1] => Ok(Some(u64::from_be_bytes(take(value)?))),
        _ => Err("neither absent nor a number"),
    }
}
