//! The `txpool` namespace: what waits. What is in the block being built waits no more; `pending` blocks show that.

use super::{Rpc, args::Args, error::RpcError};
use crate::pool::{Pool, PooledTransaction};
use alloy::{
    consensus::{Transaction as _, transaction::TransactionInfo},
    primitives::{Address, U64},
};
use op_alloy_consensus::transaction::OpTransactionInfo;
use op_alloy_rpc_types::Transaction;
use serde::Serialize;
use std::collections::BTreeMap;

/// How many transactions wait.
#[derive(Serialize)]
pub(super) struct Status {
    pending: U64,
    queued: U64,
}

/// Transactions of one sender by nonce, in decimal as geth.
type ByNonce<T> = BTreeMap<String, T>;

/// What can execute and what waits behind a gap.
#[derive(Serialize)]
pub(super) struct Both<T> {
    pending: T,
    queued: T,
}

type BySender<T> = Both<BTreeMap<Address, ByNonce<T>>>;

pub(super) fn status(rpc: &Rpc, args: Args) -> Result<Status, RpcError> {
    args.end()?;
    let status = rpc.pool().map(Pool::status).unwrap_or_default();
    Ok(Status {
        pending: U64::from(status.pending),
        queued: U64::from(status.queued),
    })
}

pub(super) fn content(rpc: &Rpc, args: Args) -> Result<BySender<Transaction>, RpcError> {
    args.end()?;
    Ok(by_sender(rpc, shown))
}

pub(super) fn inspect(rpc: &Rpc, args: Args) -> Result<BySender<String>, RpcError> {
    args.end()?;
    Ok(by_sender(rpc, in_words))
}

pub(super) fn content_from(rpc: &Rpc, mut args: Args) -> Result<Both<ByNonce<Transaction>>, RpcError> {
    let sender: Address = args.required()?;
    args.end()?;
    let Both {
        mut pending,
        mut queued,
    } = by_sender(rpc, shown);
    Ok(Both {
        pending: pending.remove(&sender).unwrap_or_default(),
        queued: queued.remove(&sender).unwrap_or_default(),
    })
}

fn by_sender<T>(rpc: &Rpc, show: fn(&PooledTransaction) -> T) -> BySender<T> {
    let mut all = Both {
        pending: BTreeMap::<_, ByNonce<T>>::new(),
        queued: BTreeMap::<_, ByNonce<T>>::new(),
    };
    for (transaction, is_pending) in rpc.pool().map(Pool::contents).unwrap_or_default() {
        let part = if is_pending {
            &mut all.pending
        } else {
            &mut all.queued
        };
        part.entry(transaction.sender())
            .or_default()
            .insert(transaction.nonce().to_string(), show(&transaction));
    }
    all
}

fn shown(transaction: &PooledTransaction) -> Transaction {
    let info = OpTransactionInfo::new(TransactionInfo::default(), Default::default());
    Transaction::from_transaction(transaction.transaction().clone(), info)
}

/// geth's one line.
fn in_words(pooled: &PooledTransaction) -> String {
    let transaction = pooled.transaction();
    let to = transaction
        .to()
        .map_or_else(|| "contract creation".to_owned(), |to| to.to_string());
    let (value, gas, price) = (
        transaction.value(),
        transaction.gas_limit(),
        transaction.max_fee_per_gas(),
    );
    format!("{to}: {value} wei + {gas} gas × {price} wei")
}
