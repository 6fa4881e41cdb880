//! A block of L1 as derivation takes it: whole, and checked against its own header before anyone reads it.
//!
//! An RPC server may answer with transactions of one block and receipts of another, or with nothing where something is. So an
//! [`L1Block`] exists only if its transactions and receipts hash to the roots in its header, and its header to its hash: whatever
//! derivation reads of L1 is linked by hashes, block to block and within the block.

use alloc::vec::Vec;
use alloy_consensus::{
    Header, ReceiptEnvelope, TxEnvelope,
    proofs::{calculate_receipt_root, calculate_transaction_root},
};
use alloy_primitives::{B256, Log};
use tributary_protocol::block::{L1BlockId, L1BlockNumber, L1BlockRef};

/// One L1 block, with everything derivation reads of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1Block {
    header: Header,
    hash: B256,
    transactions: Vec<TxEnvelope>,
    receipts: Vec<ReceiptEnvelope>,
}

/// Why the parts are not one block. The source is wrong or in between two answers: ask again, never read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum L1BlockError {
    /// The header is another block's.
    #[error("L1 header hashes to {found}, not {expected}")]
    Header {
        /// Hash that was asked for.
        expected: B256,
        /// Hash of the header given.
        found: B256,
    },
    /// The transactions are not those of the header.
    #[error("transactions of L1 block {block} have root {found}, its header says {expected}")]
    Transactions {
        /// Height of the block.
        block: u64,
        /// Root in the header.
        expected: B256,
        /// Root of the transactions given.
        found: B256,
    },
    /// The receipts are not those of the header.
    #[error("receipts of L1 block {block} have root {found}, its header says {expected}")]
    Receipts {
        /// Height of the block.
        block: u64,
        /// Root in the header.
        expected: B256,
        /// Root of the receipts given.
        found: B256,
    },
}

impl L1Block {
    /// Puts a block together and checks that it is one.
    ///
    /// # Errors
    /// When header, transactions or receipts are not those of the block with `hash`.
    pub fn new(
        hash: B256,
        header: Header,
        transactions: Vec<TxEnvelope>,
        receipts: Vec<ReceiptEnvelope>,
    ) -> Result<Self, L1BlockError> {
        let found = header.hash_slow();
        if found != hash {
            return Err(L1BlockError::Header {
                expected: hash,
                found,
            });
        }
        let found = calculate_transaction_root(&transactions);
        if found != header.transactions_root {
            return Err(L1BlockError::Transactions {
                block: header.number,
                expected: header.transactions_root,
                found,
            });
        }
        let found = calculate_receipt_root(&receipts);
        if found != header.receipts_root {
            return Err(L1BlockError::Receipts {
                block: header.number,
                expected: header.receipts_root,
                found,
            });
        }
        Ok(Self {
            header,
            hash,
            transactions,
            receipts,
        })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Hash of the header.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// Transactions, in order.
    #[must_use]
    pub fn transactions(&self) -> &[TxEnvelope] {
        &self.transactions
    }

    /// Receipts, one per transaction.
    #[must_use]
    pub fn receipts(&self) -> &[ReceiptEnvelope] {
        &self.receipts
    }

    /// Height.
    #[must_use]
    pub const fn number(&self) -> L1BlockNumber {
        L1BlockNumber(self.header.number)
    }

    /// Height and hash.
    #[must_use]
    pub const fn id(&self) -> L1BlockId {
        L1BlockId {
            hash: self.hash,
            number: self.number(),
        }
    }

    /// What links the block to its neighbours.
    #[must_use]
    pub const fn reference(&self) -> L1BlockRef {
        header_reference(&self.header, self.hash)
    }

    /// Every log, with its index in the block. A failed transaction has none.
    pub fn logs(&self) -> impl Iterator<Item = (u64, &Log)> {
        (0..).zip(self.receipts.iter().flat_map(ReceiptEnvelope::logs))
    }
}

/// The reference of the block with `header`, whose hash is `hash`.
#[must_use]
pub const fn header_reference(header: &Header, hash: B256) -> L1BlockRef {
    L1BlockRef {
        hash,
        number: L1BlockNumber(header.number),
        parent_hash: header.parent_hash,
        timestamp: header.timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestNet, TestNetOptions};

    #[test]
    fn parts_of_different_blocks_are_no_block() {
        let mut net = TestNet::new(TestNetOptions::default());
        let mine = |net: &mut TestNet| {
            let transaction = net.batcher_transaction(Default::default());
            net.l1.mine(Vec::from([transaction.into()]));
            net.l1.head_block()
        };
        let (a, b) = (mine(&mut net), mine(&mut net));
        let build = |hash, header: &L1Block, transactions: &L1Block, receipts: &[ReceiptEnvelope]| {
            let transactions = transactions.transactions.clone();
            L1Block::new(hash, header.header.clone(), transactions, receipts.to_vec())
        };
        assert_eq!(build(a.hash, &a, &a, &a.receipts).as_ref(), Ok(&a));
        assert_eq!(
            build(b.hash, &a, &a, &a.receipts),
            Err(L1BlockError::Header {
                expected: b.hash,
                found: a.hash
            })
        );
        assert!(matches!(
            build(a.hash, &a, &b, &a.receipts),
            Err(L1BlockError::Transactions { block: 1, .. })
        ));
        for receipts in [&[][..], &[a.receipts[0].clone(), a.receipts[0].clone()]] {
            assert!(matches!(
                build(a.hash, &a, &a, receipts),
                Err(L1BlockError::Receipts { block: 1, .. })
            ));
        }
    }
}
