//! A simulated L1 whose headers differ in every field that reaches L2.

use alloy::eips::{eip2718::Encodable2718, eip7685::EMPTY_REQUESTS_HASH};
use alloy_consensus::{
    Eip658Value, Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, TxEnvelope,
    constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_WITHDRAWALS},
    proofs::{calculate_receipt_root, calculate_transaction_root},
};
use alloy_primitives::{B256, Bloom, Log};
use rand::{Rng, rngs::StdRng};
use tributary_derivation::l1_block::L1Block;
use tributary_protocol::block::L1BlockNumber;

use super::record::RecordedL1Block;

/// Largest excess blob gas: the blob base fee then is about 500 million wei.
const EXCESS_BLOB_GAS_MAX: u64 = 100_000_000;

/// A transaction to be mined, with what it does.
#[derive(Clone, Debug)]
pub struct L1Transaction {
    /// Signed.
    pub transaction: TxEnvelope,
    /// Logs it emits if it succeeds.
    pub logs: Vec<Log>,
    /// Whether it succeeds.
    pub succeeds: bool,
}

/// The chain.
#[derive(Debug)]
pub struct SimulatedL1 {
    blocks: Vec<L1Block>,
}

impl SimulatedL1 {
    /// A chain of one block at `timestamp` (Unix seconds).
    pub fn new(timestamp: u64, rng: &mut StdRng) -> Self {
        let mut l1 = Self { blocks: Vec::new() };
        l1.mine(timestamp, Vec::new(), rng);
        l1
    }

    /// The last block.
    ///
    /// # Panics
    /// Never: the chain has its first block.
    pub fn head(&self) -> &L1Block {
        self.blocks.last().expect("the chain has its first block")
    }

    /// The block at `number`.
    pub fn at(&self, number: L1BlockNumber) -> Option<&L1Block> {
        self.blocks.get(usize::try_from(number.0).ok()?)
    }

    /// The block with `hash`.
    pub fn by_hash(&self, hash: B256) -> Option<&L1Block> {
        self.blocks.iter().find(|block| block.hash() == hash)
    }

    /// Every block, as it is written down.
    pub fn record(&self) -> Vec<RecordedL1Block> {
        self.blocks.iter().map(record).collect()
    }

    /// Mines a block at `timestamp` (Unix seconds).
    ///
    /// # Panics
    /// Never: the roots are computed from the parts.
    pub fn mine(&mut self, timestamp: u64, mined: Vec<L1Transaction>, rng: &mut StdRng) {
        let receipts = receipts(&mined);
        let transactions: Vec<_> = mined.into_iter().map(|mined| mined.transaction).collect();
        let bloom = receipts
            .iter()
            .fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom());
        let header = Header {
            parent_hash: self.blocks.last().map(L1Block::hash).unwrap_or_default(),
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            transactions_root: calculate_transaction_root(&transactions),
            receipts_root: calculate_receipt_root(&receipts),
            withdrawals_root: Some(EMPTY_WITHDRAWALS),
            logs_bloom: bloom,
            number: self.blocks.len() as u64,
            gas_limit: 36_000_000,
            gas_used: receipts.last().map_or(0, ReceiptEnvelope::cumulative_gas_used),
            timestamp,
            mix_hash: B256::new(rng.random()),
            base_fee_per_gas: Some(rng.random_range(7..100_000_000_000)),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(rng.random_range(0..EXCESS_BLOB_GAS_MAX)),
            parent_beacon_block_root: Some(B256::new(rng.random())),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        };
        let block = L1Block::new(header.hash_slow(), header, transactions, receipts)
            .expect("the roots are those of the parts");
        self.blocks.push(block);
    }
}

fn receipts(mined: &[L1Transaction]) -> Vec<ReceiptEnvelope> {
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

fn record(block: &L1Block) -> RecordedL1Block {
    RecordedL1Block {
        header: alloy::rlp::encode(block.header()).into(),
        transactions: block
            .transactions()
            .iter()
            .map(|tx| tx.encoded_2718().into())
            .collect(),
        receipts: block
            .receipts()
            .iter()
            .map(|receipt| receipt.encoded_2718().into())
            .collect(),
    }
}
