//! What the unsafe-block signer has put its name to: `rollup_preconfirmation` and `rollup_blockSignature`; and where it has contradicted
//! itself: `rollup_evidence`.

use super::{Rpc, args::Args, error::RpcError, eth::transactions::located};
use crate::preconfirmation::{PreconfirmedDelta, SignatureJson, Signing};
use alloy::{
    eips::BlockId,
    primitives::{Address, B64, B256, U64},
};
use serde::Serialize;
use tributary_protocol::{
    block::{L1BlockId, L2BlockNumber},
    preconfirmation::{Evidence, TransactionsDigest, Verdict},
};

/// Pieces of evidence in one answer: each may list the transactions of two blocks.
const EVIDENCE_LISTED_MAX: usize = 16;

/// The delta that a transaction was promised with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Preconfirmation {
    transaction_hash: B256,
    block_number: U64,
    l1_origin: Option<L1BlockId>,
    payload_id: Option<B64>,
    index: Option<U64>,
    /// Index in the block of the first of `transaction_hashes`.
    first_transaction_index: U64,
    digest_before: Option<TransactionsDigest>,
    /// What the signed digests stand for.
    transaction_hashes: Vec<B256>,
    #[serde(flatten)]
    signature: SignatureJson,
}

/// The signature under a block.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockSignature {
    block_number: U64,
    block_hash: B256,
    parent_hash: B256,
    #[serde(flatten)]
    signature: SignatureJson,
}

/// `rollup_preconfirmation(hash)`; `null` for a transaction that is in no block, and for one in a block so old that nothing is kept of how
/// it was promised.
pub(super) fn preconfirmation(rpc: &Rpc, mut args: Args) -> Result<Option<Preconfirmation>, RpcError> {
    let hash: B256 = args.required()?;
    args.end()?;
    let Some((number, index, is_unsafe)) = place(rpc, hash)? else {
        return Ok(None);
    };
    let feed = &rpc.shared.preconfirmations;
    if let Some(delta) = feed.delta(number, index, hash) {
        return Ok(Some(Preconfirmation::of(hash, delta, signer(rpc))));
    }
    // Without a key nothing is kept while nobody listens: then the promise is what the receipt says, by nobody's signature.
    let is_promised = is_unsafe && rpc.pool().is_some() && feed.signing().is_none();
    Ok(is_promised.then(|| Preconfirmation {
        transaction_hash: hash,
        block_number: U64::from(number.0),
        l1_origin: None,
        payload_id: None,
        index: None,
        first_transaction_index: U64::from(index),
        digest_before: None,
        transaction_hashes: vec![hash],
        signature: SignatureJson::new(None, None),
    }))
}

/// `rollup_blockSignature(number, tag or hash)`; `null` for a block that is not there, unsigned for one that L1 has decided on before
/// anyone asked.
pub(super) fn block_signature(rpc: &Rpc, mut args: Args) -> Result<Option<BlockSignature>, RpcError> {
    let id: BlockId = args.required()?;
    args.end()?;
    let Some(block) = rpc.find_block(id)? else {
        return Ok(None);
    };
    let signed = rpc
        .shared
        .preconfirmations
        .block_signature(block.reference.number)?;
    Ok(Some(BlockSignature {
        block_number: U64::from(block.reference.number.0),
        block_hash: block.hash,
        parent_hash: block.reference.parent_hash,
        signature: SignatureJson::new(signed.as_ref(), signer(rpc)),
    }))
}

/// A contradiction and what it shows.
#[derive(Serialize)]
pub(super) struct Contradiction {
    verdict: Verdict,
    evidence: Evidence,
}

/// `rollup_evidence(first)`: contradictions this node has seen, oldest first, from the one with index `first` on (0 if not given), a few at a
/// time.
pub(super) fn evidence(rpc: &Rpc, mut args: Args) -> Result<Vec<Contradiction>, RpcError> {
    let first: U64 = args.optional()?.unwrap_or_default();
    args.end()?;
    let first = usize::try_from(first.to::<u64>()).unwrap_or(usize::MAX);
    let listed = rpc.shared.evidence.list(first, EVIDENCE_LISTED_MAX);
    Ok(listed
        .into_iter()
        .map(|(evidence, verdict)| Contradiction { verdict, evidence })
        .collect())
}

fn signer(rpc: &Rpc) -> Option<Address> {
    rpc.shared.preconfirmations.signing().map(Signing::address)
}

/// Block and index of a transaction, and whether L1 has not decided on the block yet.
fn place(rpc: &Rpc, hash: B256) -> Result<Option<(L2BlockNumber, usize, bool)>, RpcError> {
    if let Some((pending, transaction)) = rpc.chain().pending_blocks().transaction(hash) {
        return Ok(Some((pending.number(), transaction.index, true)));
    }
    let safe = rpc.chain().heads().safe_head.number;
    Ok(located(rpc, hash)?.map(|(block, index)| {
        let number = block.reference.number;
        (number, index, number > safe)
    }))
}

impl Preconfirmation {
    fn of(transaction_hash: B256, delta: PreconfirmedDelta, signer: Option<Address>) -> Self {
        let part = delta.part;
        Self {
            transaction_hash,
            block_number: U64::from(delta.number.0),
            l1_origin: Some(delta.l1_origin),
            payload_id: Some(delta.id),
            index: Some(U64::from(part.index)),
            first_transaction_index: U64::from(part.first),
            digest_before: Some(part.before),
            transaction_hashes: part.hashes,
            signature: SignatureJson::new(part.signed.as_ref(), signer),
        }
    }
}
