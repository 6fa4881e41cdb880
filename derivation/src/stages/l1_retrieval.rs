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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{INBOX, L1_CHAIN_ID, TestNet, TestNetOptions, key};
    use DiscardReason as R;
    use alloy::signers::SignerSync;
    use alloy_consensus::{
        SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip4844Variant, TxEip7702, TxLegacy,
    };

    fn signed<T: SignableTransaction<alloy_primitives::Signature>>(transaction: T) -> TxEnvelope
    where
        TxEnvelope: From<alloy_consensus::Signed<T>>,
    {
        let signature = key("batcher")
            .sign_hash_sync(&transaction.signature_hash())
            .unwrap();
        transaction.into_signed(signature).into()
    }

    /// Everything the stage has after reading one block with these transactions, and why the rest was dropped.
    fn retrieve(
        transactions: Vec<TxEnvelope>,
        commitments_allowed: bool,
    ) -> (Vec<Retrieved>, Vec<DiscardReason>) {
        let net = TestNet::new(TestNetOptions::default());
        net.l1.mine(transactions.into_iter().map(Into::into).collect());
        let mut stage = L1Retrieval::new(INBOX, commitments_allowed);
        let mut discards = Discards::default();
        stage.load(&net.l1.head_block(), key("batcher").address(), &mut discards);
        let mut retrieved = Vec::new();
        loop {
            match stage.pull() {
                Retrieved::Exhausted => break,
                Retrieved::Frames(frames) => retrieved.push(Retrieved::Frames(frames)),
                need @ Retrieved::Need(_) => {
                    assert_eq!(stage.pull(), need, "a request stays until it is answered");
                    retrieved.push(need);
                    stage.answer(DataAnswer::Refused, &mut discards);
                }
            }
        }
        let reasons = core::iter::from_fn(|| discards.take_listed()).map(|discarded| discarded.reason);
        (retrieved, reasons.collect())
    }

    fn eip1559(to: TxKind, input: &'static [u8]) -> TxEnvelope {
        signed(TxEip1559 {
            chain_id: L1_CHAIN_ID,
            to,
            input: Bytes::from_static(input),
            ..TxEip1559::default()
        })
    }

    #[test]
    fn calldata_of_types_0_to_2_is_read() {
        let (to, input) = (TxKind::Call(INBOX), Bytes::from_static(b"\0frames"));
        let legacy = TxLegacy {
            chain_id: Some(L1_CHAIN_ID),
            to,
            input: input.clone(),
            ..TxLegacy::default()
        };
        let eip2930 = TxEip2930 {
            chain_id: L1_CHAIN_ID,
            to,
            input,
            ..TxEip2930::default()
        };
        let transactions = [signed(legacy), signed(eip2930), eip1559(to, b"\0frames")];
        let (retrieved, reasons) = retrieve(transactions.into(), true);
        let frames = Retrieved::Frames(Bytes::from_static(b"frames"));
        assert_eq!(retrieved, alloc::vec![frames; 3]);
        assert_eq!(reasons, []);
    }

    #[test]
    fn blobs_are_asked_for_and_their_calldata_is_ignored() {
        let hashes = Vec::from([B256::repeat_byte(1), B256::repeat_byte(2)]);
        let transaction: TxEip4844Variant = TxEip4844Variant::TxEip4844(TxEip4844 {
            chain_id: L1_CHAIN_ID,
            to: INBOX,
            blob_versioned_hashes: hashes.clone(),
            input: Bytes::from_static(b"\0frames"),
            ..TxEip4844::default()
        });
        let (retrieved, _) = retrieve(Vec::from([signed(transaction)]), true);
        assert!(matches!(
            &retrieved[..],
            [Retrieved::Need(DataRequest::Blobs { hashes: found, .. })] if *found == hashes
        ));
    }

    #[test]
    fn what_carries_no_batches_is_passed_over() {
        let inbox = TxKind::Call(INBOX);
        let eip7702 = TxEip7702 {
            chain_id: L1_CHAIN_ID,
            to: INBOX,
            input: Bytes::from_static(b"\0frames"),
            ..TxEip7702::default()
        };
        let commitment = b"\x01\x01\x00cert";
        let cases = [
            (signed(eip7702), true, &[R::BatcherTxType][..]),
            (eip1559(TxKind::Create, b"\0frames"), true, &[]),
            (eip1559(TxKind::Call(Address::ZERO), b"\0frames"), true, &[]),
            (eip1559(inbox, b""), true, &[R::BatcherTxMalformed]),
            (eip1559(inbox, b"\x02"), true, &[R::BatcherTxMalformed]),
            (eip1559(inbox, b"\x01\x00keccak"), true, &[R::BatcherTxMalformed]),
            (eip1559(inbox, commitment), false, &[R::CommitmentNotAllowed]),
            (eip1559(inbox, commitment), true, &[R::CommitmentRefused]),
        ];
        for (transaction, commitments_allowed, expected) in cases {
            let (_, reasons) = retrieve(Vec::from([transaction]), commitments_allowed);
            assert_eq!(reasons, expected);
        }
    }

    #[test]
    fn blobs_give_their_frames_in_order_and_a_broken_one_nothing() {
        let mut stage = L1Retrieval::new(INBOX, false);
        let mut discards = Discards::default();
        stage.pending.push_back(Pending::Request(DataRequest::Blobs {
            hashes: Vec::new(),
            l1_inclusion: L1BlockRef::default(),
        }));
        stage
            .pending
            .push_back(Pending::Frames(Bytes::from_static(b"after")));
        let blobs = [&b"\0one"[..], b"", b"\0two"].map(Bytes::from_static);
        stage.answer(DataAnswer::Data(blobs.into()), &mut discards);
        for expected in [&b"one"[..], b"two", b"after"] {
            assert_eq!(stage.pull(), Retrieved::Frames(Bytes::from_static(expected)));
        }
        assert_eq!(stage.pull(), Retrieved::Exhausted);
        assert_eq!(discards.counts().get(R::PayloadMalformed), 1);
        // An answer nobody asked for changes nothing.
        stage.answer(DataAnswer::Refused, &mut discards);
        assert_eq!(discards.counts().get(R::CommitmentRefused), 0);
    }
}
