//! Sending: into the pool of a sequencer, on to the sequencer from a follower.

use super::transactions;
use crate::{
    pool::PoolError,
    rpc::{
        Rpc, TransactionTarget,
        args::Args,
        dispatch::encode,
        error::{Answer, RpcError},
    },
};
use alloy::primitives::{B256, Bytes};
use core::time::Duration;
use serde::Deserialize;
use serde_json::value::RawValue;

pub(in crate::rpc) async fn send(
    rpc: &Rpc,
    method: &str,
    params: Option<&RawValue>,
    mut args: Args,
) -> Answer {
    let raw: Bytes = args.required()?;
    args.end()?;
    match &rpc.shared.target {
        TransactionTarget::Pool(pool) => encode(&pool.add_raw(&raw)?),
        TransactionTarget::Sequencer(sequencer) => sequencer.call(method, params).await,
        TransactionTarget::Nowhere => Err(no_target()),
    }
}

/// EIP-7966 as geth has it: returns the receipt once a block holds the transaction, or error 4 with the hash after the timeout.
pub(in crate::rpc) async fn send_sync(
    rpc: &Rpc,
    method: &str,
    params: Option<&RawValue>,
    mut args: Args,
) -> Answer {
    let (raw, timeout): (Bytes, Option<Milliseconds>) = (args.required()?, args.optional()?);
    args.end()?;
    let pool = match &rpc.shared.target {
        TransactionTarget::Pool(pool) => pool,
        TransactionTarget::Sequencer(sequencer) => return sequencer.call(method, params).await,
        TransactionTarget::Nowhere => return Err(no_target()),
    };
    let settings = rpc.settings();
    let timeout = timeout.map_or(settings.sync_timeout, |Milliseconds(count)| {
        Duration::from_millis(count)
    });
    let timeout = timeout.min(settings.sync_timeout_max);
    // Before it is sent, so that no block is missed.
    let mut heads = rpc.chain().subscribe();
    let hash = alloy::primitives::keccak256(&raw);
    match pool.add_raw(&raw) {
        Ok(_) | Err(PoolError::AlreadyKnown) => {}
        // Sent again because the first answer was lost: what is included has its receipt.
        Err(_) if rpc.chain().transaction(hash)?.is_some() => {}
        Err(error) => return Err(error.into()),
    }
    match tokio::time::timeout(timeout, included(rpc, hash, &mut heads)).await {
        Ok(answer) => answer,
        Err(_) => Err(RpcError::sync_timeout(hash, timeout)),
    }
}

async fn included(
    rpc: &Rpc,
    hash: B256,
    heads: &mut tokio::sync::watch::Receiver<crate::store::Heads>,
) -> Answer {
    loop {
        if let Some(receipt) = transactions::receipt_of(rpc, hash)? {
            return encode(&receipt);
        }
        if heads.changed().await.is_err() {
            return Err(RpcError::internal("the chain has stopped"));
        }
    }
}

/// A quantity, or a plain number as the EIP has it.
#[derive(Deserialize)]
#[serde(from = "NumberOrQuantity")]
struct Milliseconds(u64);

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrQuantity {
    Number(u64),
    Quantity(alloy::primitives::U64),
}

impl From<NumberOrQuantity> for Milliseconds {
    fn from(value: NumberOrQuantity) -> Self {
        match value {
            NumberOrQuantity::Number(count) => Self(count),
            NumberOrQuantity::Quantity(count) => Self(count.to()),
        }
    }
}

fn no_target() -> RpcError {
    RpcError::server("this node is a follower and knows no sequencer: send transactions to the sequencer")
}
