//! One delta of a block, and the statements that are signed about deltas and blocks.

use super::message::FlashblockMessage;
use crate::{engine::PendingTransaction, store::StoredBlock};
use alloy::{
    consensus::{Header, TxReceipt, transaction::Recovered},
    primitives::{B64, B256},
};
use op_alloy_consensus::OpTxEnvelope;
use serde_json::value::RawValue;
use std::sync::OnceLock;
use tributary_protocol::{
    block::{L1BlockId, L2BlockNumber},
    preconfirmation::{
        Block, OpeningFields, Preconfirmation, ReceiptsHasher, SignedStatement, Statement, Subject,
        TransactionsDigest,
    },
};

/// What a delta says.
#[derive(Clone, Debug)]
pub enum DeltaKind {
    /// These transactions come next.
    Transactions,
    /// The block has this hash and header, and nothing more comes in it.
    Sealed(Box<(B256, Header)>),
    /// The block will not be, or is no more, on the chain as it was told.
    Reverted,
}

impl DeltaKind {
    /// For clients and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Transactions => "transactions",
            Self::Sealed(_) => "sealed",
            Self::Reverted => "reverted",
        }
    }
}

/// A step of a block on its way.
#[derive(Debug)]
pub struct Delta {
    /// Names the block's inputs.
    pub id: B64,
    /// Number of the block.
    pub number: L2BlockNumber,
    /// Position among the deltas of the block.
    pub index: u64,
    /// What it says.
    pub kind: DeltaKind,
    /// With index 0: what is fixed about the block from its opening.
    pub base: Option<OpeningFields>,
    /// Transactions of the block before these.
    pub first: usize,
    /// Digest before them.
    pub before: TransactionsDigest,
    /// The transactions.
    pub transactions: Vec<PendingTransaction>,
    /// Gas used by the block up to the end of this delta.
    pub gas_used: u64,
    /// What was signed, if there is a key.
    pub signed: Option<SignedStatement>,
    /// What a client is told, written once for all of them.
    pub(super) json: OnceLock<Box<RawValue>>,
}

impl Delta {
    /// What a client is told. `signer` has signed it, if it is signed.
    pub(crate) fn json(&self, signer: Option<alloy::primitives::Address>) -> &RawValue {
        self.json.get_or_init(|| {
            serde_json::value::to_raw_value(&FlashblockMessage::new(self, signer))
                .expect("a message can be written as JSON")
        })
    }
}

/// Eight bytes that two blocks with other inputs do not share.
pub(super) fn payload_id(opening: TransactionsDigest) -> B64 {
    B64::from_slice(&opening.0[..8])
}

/// Transactions of a committed block from `start` on, in the form the block being built has them.
pub(super) fn of_block(block: &StoredBlock, start: usize) -> Vec<PendingTransaction> {
    let receipts = &block.receipts;
    let before = |index: usize| {
        index
            .checked_sub(1)
            .and_then(|before| receipts.get(before))
            .map_or(0, TxReceipt::cumulative_gas_used)
    };
    let mut logs_before: u64 = receipts
        .iter()
        .take(start)
        .map(|receipt| receipt.logs().len() as u64)
        .sum();
    let transactions = block.block.body.transactions.iter().zip(&block.senders);
    let with_receipts = transactions.zip(receipts).enumerate().skip(start);
    with_receipts
        .map(|(index, ((transaction, sender), receipt))| {
            let logs = logs_before;
            logs_before += receipt.logs().len() as u64;
            PendingTransaction {
                index,
                transaction: Recovered::new_unchecked(transaction.clone(), *sender),
                receipt: receipt.clone(),
                gas_used: receipt.cumulative_gas_used() - before(index),
                logs_before: logs,
            }
        })
        .collect()
}

/// The digests at the start and the end of a block.
pub(super) fn block_digests(block: &StoredBlock) -> (TransactionsDigest, TransactionsDigest) {
    let opening = OpeningFields::of_header(&block.block.header).digest();
    let hashes = block.block.body.transactions.iter().map(OpTxEnvelope::tx_hash);
    (opening, hashes.fold(opening, TransactionsDigest::then))
}

/// What is signed about a block.
pub(super) fn block_statement(block: &StoredBlock, epoch: u64) -> Statement {
    let (_, digest) = block_digests(block);
    Statement {
        epoch,
        number: block.reference.number,
        parent_hash: block.reference.parent_hash,
        l1_origin: block.reference.l1_origin,
        subject: Subject::Block(Block {
            hash: block.hash,
            count: count(block.block.body.transactions.len()),
            digest,
        }),
    }
}

/// What is signed about transactions of an open block.
pub(super) fn delta_statement(
    delta: &Delta,
    parent_hash: B256,
    l1_origin: L1BlockId,
    after: TransactionsDigest,
    epoch: u64,
) -> Statement {
    let mut receipts = ReceiptsHasher::default();
    for transaction in &delta.transactions {
        receipts.add(&transaction.receipt);
    }
    Statement {
        epoch,
        number: delta.number,
        parent_hash,
        l1_origin,
        subject: Subject::Preconfirmation(Preconfirmation {
            index: delta.index,
            first: count(delta.first),
            count: count(delta.transactions.len()),
            before: delta.before,
            after,
            receipts_hash: receipts.finish(),
        }),
    }
}

fn count(transactions: usize) -> u32 {
    u32::try_from(transactions).expect("a block holds far fewer transactions")
}
