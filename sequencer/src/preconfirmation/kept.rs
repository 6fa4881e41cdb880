//! What was told of the last blocks, without the transactions themselves: enough to show a signature and what it stands for.

use super::delta::{Delta, DeltaKind};
use alloy::primitives::{B64, B256};
use std::collections::BTreeMap;
use tributary_protocol::{
    block::{L1BlockId, L2BlockNumber},
    preconfirmation::{SignedStatement, TransactionsDigest},
};

/// Blocks kept.
const BLOCKS_MAX: usize = 256;

/// Transactions of all of them: at 32 bytes each a few megabytes.
const TRANSACTIONS_MAX: usize = 200_000;

/// A delta as it was told.
#[derive(Clone, Debug)]
pub struct PreconfirmedDelta {
    /// Names the block's inputs.
    pub id: B64,
    /// Number of the block.
    pub number: L2BlockNumber,
    /// The L1 block it builds on.
    pub l1_origin: L1BlockId,
    /// The delta.
    pub part: PreconfirmedPart,
}

/// A delta without its transactions.
#[derive(Clone, Debug)]
pub struct PreconfirmedPart {
    /// Position among the deltas of the block.
    pub index: u64,
    /// Transactions of the block before it.
    pub first: usize,
    /// Digest before it.
    pub before: TransactionsDigest,
    /// Hashes of its transactions.
    pub hashes: Vec<B256>,
    /// What was signed.
    pub signed: Option<SignedStatement>,
}

#[derive(Debug)]
struct KeptBlock {
    id: B64,
    l1_origin: L1BlockId,
    parts: Vec<PreconfirmedPart>,
    sealed: Option<(B256, Option<SignedStatement>)>,
}

/// The last blocks.
#[derive(Debug, Default)]
pub(super) struct Kept {
    blocks: BTreeMap<L2BlockNumber, KeptBlock>,
    transactions: usize,
}

impl Kept {
    pub(super) fn add(&mut self, delta: &Delta, l1_origin: L1BlockId) {
        match &delta.kind {
            DeltaKind::Reverted => self.remove_from(delta.number),
            DeltaKind::Sealed(sealed) => {
                if let Some(block) = self.blocks.get_mut(&delta.number) {
                    block.sealed = Some((sealed.0, delta.signed));
                }
            }
            DeltaKind::Transactions => {
                if delta.index == 0 {
                    self.remove_from(delta.number);
                }
                let block = self.blocks.entry(delta.number).or_insert_with(|| KeptBlock {
                    id: delta.id,
                    l1_origin,
                    parts: Vec::new(),
                    sealed: None,
                });
                let transactions = delta.transactions.iter();
                let hashes = transactions.map(|told| told.transaction.inner().tx_hash());
                block.parts.push(PreconfirmedPart {
                    index: delta.index,
                    first: delta.first,
                    before: delta.before,
                    hashes: hashes.collect(),
                    signed: delta.signed,
                });
                self.transactions += delta.transactions.len();
                while self.blocks.len() > BLOCKS_MAX
                    || self.transactions > TRANSACTIONS_MAX && self.blocks.len() > 1
                {
                    self.remove_first();
                }
            }
        }
    }

    /// The delta that holds the transaction at `index` of block `number`, if it is the one with this hash.
    pub(super) fn delta(&self, number: L2BlockNumber, index: usize, hash: B256) -> Option<PreconfirmedDelta> {
        let block = self.blocks.get(&number)?;
        let after = block.parts.partition_point(|part| part.first <= index);
        let part = block.parts.get(after.checked_sub(1)?)?;
        (part.hashes.get(index - part.first) == Some(&hash)).then(|| PreconfirmedDelta {
            id: block.id,
            number,
            l1_origin: block.l1_origin,
            part: part.clone(),
        })
    }

    /// The signature under a block.
    pub(super) fn block(&self, number: L2BlockNumber, hash: B256) -> Option<SignedStatement> {
        let (sealed, signed) = self.blocks.get(&number)?.sealed?;
        signed.filter(|_| sealed == hash)
    }

    fn remove_from(&mut self, number: L2BlockNumber) {
        for block in self.blocks.split_off(&number).into_values() {
            self.transactions -= block.transactions();
        }
    }

    fn remove_first(&mut self) {
        if let Some((_, block)) = self.blocks.pop_first() {
            self.transactions -= block.transactions();
        }
    }
}

impl KeptBlock {
    fn transactions(&self) -> usize {
        self.parts.iter().map(|part| part.hashes.len()).sum()
    }
}
