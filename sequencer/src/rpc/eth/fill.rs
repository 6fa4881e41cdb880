//! `eth_fillTransaction`: what a wallet would ask for one by one before it signs, in one answer, as geth fills it in.

use super::{estimate, fees, state};
use crate::rpc::{Rpc, args::Args, error::RpcError};
use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    eips::{BlockId, BlockNumberOrTag, eip2718::Encodable2718},
    primitives::{Bytes, Signature, U256},
    rpc::types::TransactionRequest,
};
use serde::Serialize;
use serde_json::{Value, json};

/// What geth answers: the transaction with an empty signature, as bytes and as JSON.
#[derive(Serialize)]
pub(in crate::rpc) struct Filled {
    raw: Bytes,
    tx: Value,
}

pub(in crate::rpc) fn fill(rpc: &Rpc, mut args: Args) -> Result<Filled, RpcError> {
    let mut request: TransactionRequest = args.required()?;
    args.end()?;
    if request.blob_versioned_hashes.is_some() || request.sidecar.is_some() {
        return Err(RpcError::server(
            "transaction type not supported: there are no blobs on this chain",
        ));
    }
    fill_fees(rpc, &mut request)?;
    let chain_id = rpc.chain().config().l2_chain_id;
    if let Some(other) = request.chain_id.filter(|other| *other != chain_id) {
        return Err(RpcError::server(format!(
            "chainId does not match node's (have={other}, want={chain_id})"
        )));
    }
    request.chain_id = Some(chain_id);
    request.value.get_or_insert(U256::ZERO);
    request.to.get_or_insert(alloy::primitives::TxKind::Create);
    if request.nonce.is_none() {
        request.nonce = Some(state::next_nonce(rpc, request.from.unwrap_or_default())?);
    }
    if request.gas.is_none() {
        let at = BlockId::Number(BlockNumberOrTag::Pending);
        request.gas = Some(estimate::gas_needed(rpc, request.clone(), at, None, None)?);
    }
    let transaction = request
        .build_typed_tx()
        .map_err(|request| RpcError::params(format!("not a transaction: {request:?}")))?;
    let unsigned = Signature::new(U256::ZERO, U256::ZERO, false);
    let envelope: TxEnvelope = transaction.into_envelope(unsigned);
    let mut tx = serde_json::to_value(&envelope).map_err(RpcError::internal)?;
    // Wallets read one price from every type; the most it can be, since no block has set it yet.
    if tx.get("gasPrice").is_none() {
        tx["gasPrice"] = json!(format!("{:#x}", envelope.max_fee_per_gas()));
    }
    Ok(Filled {
        raw: envelope.encoded_2718().into(),
        tx,
    })
}

fn fill_fees(rpc: &Rpc, request: &mut TransactionRequest) -> Result<(), RpcError> {
    let names_dynamic = request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some();
    if request.gas_price.is_some() {
        return match names_dynamic {
            true => Err(RpcError::server(
                "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
            )),
            false => Ok(()),
        };
    }
    let (base_fee, suggested) = fees::next_base_fee_and_tip(rpc)?;
    let tip = *request.max_priority_fee_per_gas.get_or_insert(suggested);
    // As geth: room for the base fee to double.
    let fee_cap = *request
        .max_fee_per_gas
        .get_or_insert(tip.saturating_add(u128::from(base_fee).saturating_mul(2)));
    if fee_cap < tip {
        return Err(RpcError::server(format!(
            "maxFeePerGas ({fee_cap}) < maxPriorityFeePerGas ({tip})"
        )));
    }
    Ok(())
}
