//! What the queue promises, without a chain.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

mod attacks;
mod delegation;
mod order;
mod properties;

use super::{PoolLimits, PooledTransaction, queue::Queue};
use alloy::{
    consensus::{SignableTransaction, TxEip1559, transaction::Recovered},
    eips::eip2718::{Encodable2718, WithEncoded},
    primitives::{Address, B256, Bytes, Signature, TxKind, U256},
};
use op_alloy_consensus::OpTxEnvelope;
use std::{sync::Arc, time::Instant};

const RICH: U256 = U256::MAX;

#[derive(Clone, Copy, Debug)]
struct Spec {
    sender: u8,
    nonce: u64,
    tip: u128,
    size: usize,
    to: Address,
}

impl Spec {
    const fn new(sender: u8, nonce: u64, tip: u128) -> Self {
        Self {
            sender,
            nonce,
            tip,
            size: 0,
            to: Address::ZERO,
        }
    }

    fn make(self) -> PooledTransaction {
        self.made_by(Address::repeat_byte(self.sender))
    }

    fn made_by(self, sender: Address) -> PooledTransaction {
        let transaction = TxEip1559 {
            chain_id: 901,
            nonce: self.nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 1_000 + self.tip,
            max_priority_fee_per_gas: self.tip,
            to: TxKind::Call(self.to),
            input: Bytes::from(vec![1; self.size]),
            // Makes the hashes of different senders differ, which signatures would do otherwise.
            value: U256::from_be_slice(&sender[12..]),
            ..TxEip1559::default()
        };
        let envelope = OpTxEnvelope::Eip1559(transaction.into_signed(Signature::test_signature()));
        let hash = envelope.tx_hash();
        let encoded = envelope.encoded_2718().into();
        PooledTransaction {
            inner: Arc::new(WithEncoded::new(
                encoded,
                Recovered::new_unchecked(envelope, sender),
            )),
            hash,
            cost: U256::from(100),
            sequence: 0,
            arrived: Instant::now(),
            authorities: Arc::default(),
        }
    }
}

fn queue() -> Queue {
    Queue::new(PoolLimits::default())
}

fn add(queue: &mut Queue, spec: Spec) -> B256 {
    let transaction = spec.make();
    let hash = transaction.hash;
    queue.insert(transaction, 0, RICH).unwrap();
    hash
}

fn taken(queue: &mut Queue) -> Option<(u8, u64)> {
    queue
        .next()
        .map(|transaction| (transaction.sender()[0], transaction.nonce()))
}

fn drain(queue: &mut Queue) -> Vec<(u8, u64)> {
    core::iter::from_fn(|| taken(queue)).collect()
}
