//! Finds what the batcher posted in an L1 block: frames in calldata, or commitments to payloads on a DA layer.
//!
//! A transaction counts if it goes to the inbox, is signed by the batcher of that very L1 block and is of type 0 to 2; one of type
//! 3 (EIP-4844) counts by its blobs and not by its calldata. Whether it succeeded does not matter. What the stage holds is bounded
//! by what fits into one L1 block.

use crate::{
    discard::{DiscardReason, Discards},
    l1_block::L1Block,
};
use alloc::{collections::VecDeque, vec::Vec};
use alloy_consensus::{Transaction, TxEnvelope, transaction::SignerRecoverable};
use alloy_primitives::{Address, B256, Bytes, TxKind};
use tributary_protocol::{
    batcher_tx::{BatcherTx, decode_payload},
    block::L1BlockRef,
    commitment::Commitment,
};

/// Data the stage cannot read in the L1 block itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataRequest {
    /// The payload behind a commitment.
    Payload {
        /// As posted.
        commitment: Commitment,
        /// L1 block that includes it: layers judge the age of a commitment by it.
        l1_inclusion: L1BlockRef,
    },
    /// Blobs of an EIP-4844 transaction, in its order.
    Blobs {
        /// Versioned hashes.
        hashes: Vec<B256>,
        /// L1 block that includes them: beacon servers look blobs up by it.
        l1_inclusion: L1BlockRef,
    },
}

/// The answer to a [`DataRequest`]. There is no "could not fetch": ask again until there is an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataAnswer {
    /// The payload; or, for a request for blobs, the contents of each, in order.
    Data(Vec<Bytes>),
    /// By the rules of the DA layer, the same for every reader, this commitment counts for nothing.
    Refused,
}

/// What the stage has next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retrieved {
    /// Frames, without the version byte.
    Frames(Bytes),
    /// Data to be fetched first.
    Need(DataRequest),
    /// Nothing more in this L1 block.
    Exhausted,
}

/// What is left of the current L1 block.
#[derive(Clone, Debug)]
pub struct L1Retrieval {
    inbox: Address,
    commitments_allowed: bool,
    pending: VecDeque<Pending>,
}

#[derive(Clone, Debug)]
enum Pending {
    Frames(Bytes),
    Request(DataRequest),
}

impl L1Retrieval {
    /// Reads transactions to `inbox`.
    #[must_use]
    pub const fn new(inbox: Address, commitments_allowed: bool) -> Self {
        Self {
            inbox,
            commitments_allowed,
            pending: VecDeque::new(),
        }
    }

    /// Takes in the batcher's transactions of a block.
    pub fn load(&mut self, block: &L1Block, batcher: Address, discards: &mut Discards) {
        let l1_inclusion = block.reference();
        for tx in block.transactions() {
            if tx.kind() == TxKind::Call(self.inbox)
                && tx.recover_signer().is_ok_and(|signer| signer == batcher)
            {
                self.load_transaction(tx, l1_inclusion, discards);
            }
        }
    }

    fn load_transaction(&mut self, tx: &TxEnvelope, l1_inclusion: L1BlockRef, discards: &mut Discards) {
        let decoded = match tx {
            TxEnvelope::Legacy(_) | TxEnvelope::Eip2930(_) | TxEnvelope::Eip1559(_) => {
                BatcherTx::decode(tx.input())
            }
            TxEnvelope::Eip4844(blobs) => {
                let hashes = blobs.blob_versioned_hashes().unwrap_or_default().to_vec();
                self.pending
                    .push_back(Pending::Request(DataRequest::Blobs { hashes, l1_inclusion }));
                return;
            }
            TxEnvelope::Eip7702(_) => return discards.add(DiscardReason::BatcherTxType),
        };
        let pending = match decoded {
            Ok(BatcherTx::Frames(frames)) => Pending::Frames(frames),
            Ok(BatcherTx::Commitment(_)) if !self.commitments_allowed => {
                return discards.add(DiscardReason::CommitmentNotAllowed);
            }
            Ok(BatcherTx::Commitment(commitment)) => Pending::Request(DataRequest::Payload {
                commitment,
                l1_inclusion,
            }),
            Err(_) => return discards.add(DiscardReason::BatcherTxMalformed),
        };
        self.pending.push_back(pending);
    }

    /// Takes what comes next; a request stays until it is answered.
    pub fn pull(&mut self) -> Retrieved {
        match self.pending.front() {
            None => Retrieved::Exhausted,
            Some(Pending::Request(request)) => Retrieved::Need(request.clone()),
            Some(Pending::Frames(frames)) => {
                let frames = frames.clone();
                self.pending.pop_front();
                Retrieved::Frames(frames)
            }
        }
    }

    /// Answers the request in front. An answer nobody asked for changes nothing.
    pub fn answer(&mut self, answer: DataAnswer, discards: &mut Discards) {
        if !matches!(self.pending.front(), Some(Pending::Request(_))) {
            return;
        }
        self.pending.pop_front();
        let payloads = match answer {
            DataAnswer::Data(payloads) => payloads,
            DataAnswer::Refused => return discards.add(DiscardReason::CommitmentRefused),
        };
        for payload in payloads.iter().rev() {
            match decode_payload(payload) {
                Ok(frames) => self.pending.push_front(Pending::Frames(frames)),
                Err(_) => discards.add(DiscardReason::PayloadMalformed),
            }
        }
    }
}
