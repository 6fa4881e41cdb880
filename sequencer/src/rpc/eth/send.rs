//! Sending: into the pool of a sequencer, on to the sequencer from a follower.

use super::transactions;
use crate::{
    pool::PoolError,
    rpc::{
        Rpc, TransactionTarget,
        dispatch::encode,
        error::{Answer, RpcError},
    },
};
use alloy::primitives::Bytes;
use core::time::Duration;
use serde::Deserialize;
use serde_json::value::RawValue;

pub(in crate::rpc) async fn send(rpc: &Rpc, method: &str, params: Option<&RawValue>) -> Answer {
    let Parameters { raw, .. } = Parameters::parse(params, 1)?;
    match &rpc.shared.target {
        TransactionTarget::Pool(pool) => encode(&pool.submit(raw).await?),
        TransactionTarget::Sequencer(sequencer) => sequencer.call(method, params).await,
        TransactionTarget::Nowhere => Err(no_target()),
    }
}

/// EIP-7966 as geth has it, only sooner: returns the receipt once the transaction has executed in the block being built and the journal
/// has that on disk, or error 4 with the hash after the timeout.
pub(in crate::rpc) async fn send_sync(rpc: &Rpc, method: &str, params: Option<&RawValue>) -> Answer {
    let Parameters { raw, timeout } = Parameters::parse(params, 2)?;
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
    let hash = alloy::primitives::keccak256(&raw);
    // Before it is sent, so that its execution is not missed.
    let mut awaited = rpc.chain().await_transaction(hash);
    let under_way = match pool.submit_to_execute(raw).await {
        Ok(under_way) => Some(under_way),
        Err(PoolError::AlreadyKnown) => None,
        // Sent again because the first answer was lost: what is included has its receipt.
        Err(_) if rpc.chain().transaction(hash)?.is_some() => None,
        Err(error) => return Err(error.into()),
    };
    if under_way.is_none()
        && let Some(receipt) = transactions::earliest_receipt(rpc, hash)?
    {
        return encode(&receipt);
    }
    if tokio::time::timeout(timeout, awaited.shown()).await.is_err() {
        // What is said to be in the pool must be so after a crash as well.
        pool.durable().await?;
        return Err(RpcError::sync_timeout(hash, timeout));
    }
    match transactions::earliest_receipt(rpc, hash)? {
        Some(receipt) => encode(&receipt),
        // Shown, and gone again before we looked: the chain was taken back in between.
        None => Err(RpcError::sync_timeout(hash, timeout)),
    }
}

/// What both methods take. Read straight from the request's bytes: no tree, and of the transaction no copy but the decoded one.
struct Parameters {
    raw: Bytes,
    timeout: Option<Milliseconds>,
}

impl Parameters {
    /// Texts as [`Args`](crate::rpc::args::Args) has them, which the other methods use.
    fn parse(params: Option<&RawValue>, count_max: usize) -> Result<Self, RpcError> {
        let values: Vec<&RawValue> = match params.map(RawValue::get) {
            None | Some("null") => Vec::new(),
            Some(json) => serde_json::from_str(json).map_err(|_| RpcError::params("non-array args"))?,
        };
        let raw =
            argument(&values, 0)?.ok_or_else(|| RpcError::params("missing value for required argument 0"))?;
        let timeout = if count_max > 1 {
            argument(&values, 1)?
        } else {
            None
        };
        if values.len() > count_max {
            let text = format!("too many arguments, want at most {count_max}");
            return Err(RpcError::params(text));
        }
        Ok(Self { raw, timeout })
    }
}

fn argument<'a, T: Deserialize<'a>>(values: &[&'a RawValue], index: usize) -> Result<Option<T>, RpcError> {
    let value = values.get(index).map(|value| serde_json::from_str(value.get()));
    let value = value.transpose();
    value
        .map(Option::flatten)
        .map_err(|error| RpcError::params(format!("invalid argument {index}: {error}")))
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
