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
    batcher_tx::{BatcherTx, BatcherTxError, decode_payload},
    blob::Blob,
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
    /// The payload behind the commitment.
    Payload(Bytes),
    /// The blobs, in the order of their hashes, each checked against its own.
    Blobs(Vec<Blob>),
    /// By the rules of the DA layer, the same for every reader, this commitment counts for nothing. Blobs cannot be refused: they are
    /// there, or they are waited for.
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
        match self.pending_of(decoded, l1_inclusion) {
            Ok(pending) => self.pending.push_back(pending),
            Err(reason) => discards.add(reason),
        }
    }

    fn pending_of(
        &self,
        decoded: Result<BatcherTx, BatcherTxError>,
        l1_inclusion: L1BlockRef,
    ) -> Result<Pending, DiscardReason> {
        match decoded {
            Ok(BatcherTx::Frames(frames)) => Ok(Pending::Frames(frames)),
            Ok(BatcherTx::Commitment(_)) if !self.commitments_allowed => {
                Err(DiscardReason::CommitmentNotAllowed)
            }
            Ok(BatcherTx::Commitment(commitment)) => Ok(Pending::Request(DataRequest::Payload {
                commitment,
                l1_inclusion,
            })),
            Err(_) => Err(DiscardReason::BatcherTxMalformed),
        }
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

    /// Answers the request in front. An answer to another question changes nothing: the request stays.
    pub fn answer(&mut self, answer: DataAnswer, discards: &mut Discards) {
        let Some(Pending::Request(request)) = self.pending.front() else {
            return;
        };
        match (request, answer) {
            (DataRequest::Payload { .. }, DataAnswer::Payload(payload)) => {
                self.pending.pop_front();
                match decode_payload(&payload) {
                    Ok(frames) => self.pending.push_front(Pending::Frames(frames)),
                    Err(_) => discards.add(DiscardReason::PayloadMalformed),
                }
            }
            (DataRequest::Payload { .. }, DataAnswer::Refused) => {
                self.pending.pop_front();
                discards.add(DiscardReason::CommitmentRefused);
            }
            (DataRequest::Blobs { hashes, l1_inclusion }, DataAnswer::Blobs(blobs))
                if hashes.len() == blobs.len() =>
            {
                let l1_inclusion = *l1_inclusion;
                self.pending.pop_front();
                self.load_blobs(&blobs, l1_inclusion, discards);
            }
            _ => {}
        }
    }

    /// Each blob counts for itself; its content is read as calldata would be.
    fn load_blobs(&mut self, blobs: &[Blob], l1_inclusion: L1BlockRef, discards: &mut Discards) {
        for blob in blobs.iter().rev() {
            let content = blob.decode().map_err(|_| DiscardReason::BlobMalformed);
            let pending =
                content.and_then(|content| self.pending_of(BatcherTx::decode(&content), l1_inclusion));
            match pending {
                Ok(pending) => self.pending.push_front(pending),
                Err(reason) => discards.add(reason),
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
                Retrieved::Need(request) => {
                    let need = Retrieved::Need(request.clone());
                    assert_eq!(stage.pull(), need, "a request stays until it is answered");
                    retrieved.push(need);
                    let answer = match request {
                        DataRequest::Payload { .. } => DataAnswer::Refused,
                        DataRequest::Blobs { hashes, .. } => {
                            DataAnswer::Blobs(alloc::vec![broken_blob(); hashes.len()])
                        }
                    };
                    stage.answer(answer, &mut discards);
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

    fn waiting_for_blobs(count: usize) -> L1Retrieval {
        let mut stage = L1Retrieval::new(INBOX, true);
        stage.pending.push_back(Pending::Request(DataRequest::Blobs {
            hashes: alloc::vec![B256::ZERO; count],
            l1_inclusion: L1BlockRef::default(),
        }));
        stage
            .pending
            .push_back(Pending::Frames(Bytes::from_static(b"after")));
        stage
    }

    fn blob(content: &[u8]) -> Blob {
        Blob::encode(content).unwrap()
    }

    fn broken_blob() -> Blob {
        let mut bytes = blob(b"\0three").bytes().to_vec();
        bytes[1] = 7;
        Blob::new(bytes.into()).unwrap()
    }

    #[test]
    fn blobs_give_their_frames_in_order_and_a_broken_one_nothing() {
        let mut stage = waiting_for_blobs(5);
        let mut discards = Discards::default();
        let commitment = blob(b"\x01\x01\x00cert");
        let blobs = [
            blob(b"\0one"),
            broken_blob(),
            commitment,
            blob(b""),
            blob(b"\0two"),
        ];
        stage.answer(DataAnswer::Blobs(blobs.into()), &mut discards);
        assert_eq!(stage.pull(), Retrieved::Frames(Bytes::from_static(b"one")));
        // Other derivers look for commitments in blobs as well.
        assert!(matches!(
            stage.pull(),
            Retrieved::Need(DataRequest::Payload { .. })
        ));
        stage.answer(DataAnswer::Refused, &mut discards);
        for expected in [&b"two"[..], b"after"] {
            assert_eq!(stage.pull(), Retrieved::Frames(Bytes::from_static(expected)));
        }
        assert_eq!(stage.pull(), Retrieved::Exhausted);
        for reason in [R::BlobMalformed, R::BatcherTxMalformed, R::CommitmentRefused] {
            assert_eq!(discards.counts().get(reason), 1, "{reason:?}");
        }
    }

    #[test]
    fn answer_to_another_question_drops_nothing() {
        let mut stage = waiting_for_blobs(2);
        let mut discards = Discards::default();
        let asked = stage.pull();
        let answers = [
            DataAnswer::Refused,
            DataAnswer::Payload(Bytes::from_static(b"\0frames")),
            DataAnswer::Blobs(Vec::new()),
            DataAnswer::Blobs(Vec::from([blob(b"\0one")])),
        ];
        for answer in answers {
            stage.answer(answer, &mut discards);
            assert_eq!(stage.pull(), asked);
        }
        assert_eq!(discards.counts().iter().count(), 0);
        let blobs = Vec::from([blob(b"\0one"), blob(b"\0two")]);
        stage.answer(DataAnswer::Blobs(blobs), &mut discards);
        assert_eq!(stage.pull(), Retrieved::Frames(Bytes::from_static(b"one")));
        // Nobody asks any more.
        stage.answer(DataAnswer::Refused, &mut discards);
        assert_eq!(stage.pull(), Retrieved::Frames(Bytes::from_static(b"two")));
        assert_eq!(discards.counts().iter().count(), 0);
    }
}
