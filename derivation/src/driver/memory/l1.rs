//! A simulated L1: real headers with correct roots, and as many forks as a test wants.
//!
//! Every block ever mined stays known by its hash, so a test can go from fork A to fork B and back. It has no state: whoever mines says
//! which logs a transaction emitted.

use crate::{
    driver::{BoxFuture, L1Error, L1Source, L1Tag},
    l1_block::L1Block,
};
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use alloy_consensus::{
    Eip658Value, Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, TxEnvelope,
    constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_WITHDRAWALS},
    proofs::{calculate_receipt_root, calculate_transaction_root},
};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, keccak256};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tributary_protocol::block::{L1BlockNumber, L1BlockRef};

/// Seconds between blocks unless a test says otherwise.
const BLOCK_TIME_SECS: u64 = 2;

/// A transaction to be mined, with what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinedTransaction {
    /// The signed transaction.
    pub transaction: TxEnvelope,
    /// Logs it emits; a failed transaction emits none.
    pub logs: Vec<Log>,
    /// Whether it succeeds.
    pub succeeds: bool,
}

impl From<TxEnvelope> for MinedTransaction {
    /// One that succeeds and emits nothing.
    fn from(transaction: TxEnvelope) -> Self {
        Self {
            transaction,
            logs: Vec::new(),
            succeeds: true,
        }
    }
}

/// Handle to a simulated L1; clones share it.
#[derive(Clone, Debug)]
pub struct MemoryL1 {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    chain_id: u64,
    blocks: BTreeMap<B256, L1Block>,
    /// Hashes of the canonical chain, by height.
    canonical: Vec<B256>,
    safe: Option<u64>,
    finalized: Option<u64>,
    /// Makes blocks of different forks differ.
    salt: u64,
    is_down: bool,
    failures_left: u32,
    /// What contracts answer: by address and input.
    answers: BTreeMap<(Address, Bytes), Bytes>,
}

impl MemoryL1 {
    /// A chain of one block, at `genesis_time` (Unix seconds).
    #[must_use]
    pub fn new(chain_id: u64, genesis_time: u64) -> Self {
        let mut inner = Inner {
            chain_id,
            blocks: BTreeMap::new(),
            canonical: Vec::new(),
            safe: None,
            finalized: None,
            salt: 0,
            is_down: false,
            failures_left: 0,
            answers: BTreeMap::new(),
        };
        inner.append(genesis_time, Vec::new());
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Mines a block two seconds after the last.
    pub fn mine(&self, transactions: Vec<MinedTransaction>) -> L1BlockRef {
        let mut inner = self.lock();
        let timestamp = inner.head().header().timestamp + BLOCK_TIME_SECS;
        inner.append(timestamp, transactions)
    }

    /// Mines a block at `timestamp` (Unix seconds).
    pub fn mine_at(&self, timestamp: u64, transactions: Vec<MinedTransaction>) -> L1BlockRef {
        self.lock().append(timestamp, transactions)
    }

    /// Mines `count` blocks without transactions.
    pub fn mine_empty(&self, count: u64) -> L1BlockRef {
        for _ in 0..count {
            self.mine(Vec::new());
        }
        self.head_block().reference()
    }

    /// Drops the canonical blocks above `number`; what is mined next is another fork. Returns the transactions that fell out.
    pub fn reorg_to(&self, number: L1BlockNumber) -> Vec<TxEnvelope> {
        let mut inner = self.lock();
        let kept = usize::try_from(number.0).map_or(usize::MAX, |number| number + 1);
        let kept = kept.min(inner.canonical.len());
        let dropped = inner.canonical.split_off(kept);
        inner.salt += 1;
        dropped
            .iter()
            .flat_map(|hash| inner.blocks[hash].transactions().to_vec())
            .collect()
    }

    /// Makes the block with `hash` the head, on whatever fork it is. False if there is no such block.
    pub fn switch_to(&self, hash: B256) -> bool {
        let mut inner = self.lock();
        let mut chain = Vec::new();
        let mut next = hash;
        while let Some(block) = inner.blocks.get(&next) {
            chain.push(next);
            next = block.header().parent_hash;
        }
        chain.reverse();
        let is_known = !chain.is_empty();
        if is_known {
            inner.canonical = chain;
        }
        is_known
    }

    /// The canonical head.
    #[must_use]
    pub fn head_block(&self) -> L1Block {
        self.lock().head().clone()
    }

    /// The canonical block at `number`.
    #[must_use]
    pub fn block(&self, number: L1BlockNumber) -> Option<L1Block> {
        self.lock().at(number).cloned()
    }

    /// Sets L1's safe block.
    pub fn set_safe(&self, number: L1BlockNumber) {
        self.lock().safe = Some(number.0);
    }

    /// Sets L1's finalized block.
    pub fn set_finalized(&self, number: L1BlockNumber) {
        self.lock().finalized = Some(number.0);
    }

    /// While down, every request fails.
    pub fn set_down(&self, is_down: bool) {
        self.lock().is_down = is_down;
    }

    /// From now on the contract at `to` answers `input` with `output`.
    pub fn set_answer(&self, to: Address, input: Bytes, output: Bytes) {
        self.lock().answers.insert((to, input), output);
    }

    /// The next `count` requests fail.
    pub fn fail_next(&self, count: u32) {
        self.lock().failures_left = count;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A test that panicked elsewhere leaves whole blocks behind: each change below is complete or not made.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> BoxFuture<'_, Result<T, L1Error>> {
        Box::pin(async move {
            let mut inner = self.lock();
            if inner.is_down || inner.failures_left > 0 {
                inner.failures_left = inner.failures_left.saturating_sub(1);
                return Err(L1Error::Down);
            }
            Ok(read(&inner))
        })
    }
}

impl Inner {
    fn head(&self) -> &L1Block {
        let hash = self.canonical.last().expect("the chain has its first block");
        &self.blocks[hash]
    }

    fn at(&self, number: L1BlockNumber) -> Option<&L1Block> {
        let hash = self.canonical.get(usize::try_from(number.0).ok()?)?;
        self.blocks.get(hash)
    }

    fn tagged(&self, tag: L1Tag) -> Option<L1BlockRef> {
        let number = match tag {
            L1Tag::Latest => return Some(self.head().reference()),
            L1Tag::Safe => self.safe?,
            L1Tag::Finalized => self.finalized?,
        };
        self.at(L1BlockNumber(number)).map(L1Block::reference)
    }

    fn append(&mut self, timestamp: u64, mined: Vec<MinedTransaction>) -> L1BlockRef {
        let receipts = receipts(&mined);
        let transactions: Vec<_> = mined.into_iter().map(|mined| mined.transaction).collect();
        let header = self.next_header(timestamp, &transactions, &receipts);
        let hash = header.hash_slow();
        let block = L1Block::new(hash, header, transactions, receipts)
            .expect("the roots have just been computed from the same parts");
        let reference = block.reference();
        self.canonical.push(hash);
        self.blocks.insert(hash, block);
        reference
    }

    fn next_header(
        &self,
        timestamp: u64,
        transactions: &[TxEnvelope],
        receipts: &[ReceiptEnvelope],
    ) -> Header {
        let number = self.canonical.len() as u64;
        let seed = keccak256([self.salt.to_be_bytes(), number.to_be_bytes()].concat());
        let logs_bloom = receipts
            .iter()
            .fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom());
        Header {
            parent_hash: self.canonical.last().copied().unwrap_or_default(),
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            transactions_root: calculate_transaction_root(transactions),
            receipts_root: calculate_receipt_root(receipts),
            withdrawals_root: Some(EMPTY_WITHDRAWALS),
            logs_bloom,
            number,
            gas_limit: 30_000_000,
            gas_used: receipts.last().map_or(0, ReceiptEnvelope::cumulative_gas_used),
            timestamp,
            mix_hash: seed,
            base_fee_per_gas: Some(1_000_000_000 + number),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(keccak256(seed)),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        }
    }
}

fn receipts(mined: &[MinedTransaction]) -> Vec<ReceiptEnvelope> {
    let gas_used = (1..).map(|count: u64| count * 21_000);
    mined
        .iter()
        .zip(gas_used)
        .map(|(mined, cumulative_gas_used)| {
            let receipt = Receipt {
                status: Eip658Value::Eip658(mined.succeeds),
                cumulative_gas_used,
                logs: if mined.succeeds {
                    mined.logs.clone()
                } else {
                    Vec::new()
                },
            };
            ReceiptEnvelope::from_typed(mined.transaction.tx_type(), ReceiptWithBloom::from(receipt))
        })
        .collect()
}

impl L1Source for MemoryL1 {
    fn chain_id(&self) -> BoxFuture<'_, Result<u64, L1Error>> {
        self.answer(|inner| inner.chain_id)
    }

    fn head(&self, tag: L1Tag) -> BoxFuture<'_, Result<Option<L1BlockRef>, L1Error>> {
        self.answer(move |inner| inner.tagged(tag))
    }

    fn block_ref(&self, number: L1BlockNumber) -> BoxFuture<'_, Result<Option<L1BlockRef>, L1Error>> {
        self.answer(move |inner| inner.at(number).map(L1Block::reference))
    }

    fn block_by_number(&self, number: L1BlockNumber) -> BoxFuture<'_, Result<Option<L1Block>, L1Error>> {
        self.answer(move |inner| inner.at(number).cloned())
    }

    fn block_by_hash(&self, hash: B256) -> BoxFuture<'_, Result<Option<L1Block>, L1Error>> {
        self.answer(move |inner| inner.blocks.get(&hash).cloned())
    }

    fn call(&self, to: Address, input: Bytes) -> BoxFuture<'_, Result<Option<Bytes>, L1Error>> {
        self.answer(move |inner| inner.answers.get(&(to, input)).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_differ_and_either_can_be_the_head() {
        let l1 = MemoryL1::new(900, 1_000);
        let a = l1.mine_empty(3);
        l1.reorg_to(L1BlockNumber(1));
        let b = l1.mine_empty(2);
        assert_eq!(a.number, b.number);
        assert_ne!(a.hash, b.hash);
        assert!(l1.switch_to(a.hash));
        assert_eq!(l1.head_block().reference(), a);
        assert_eq!(
            l1.block(L1BlockNumber(2)).map(|block| block.hash()),
            Some(a.parent_hash)
        );
        assert!(!l1.switch_to(B256::repeat_byte(1)));
    }
}
