//! Makes deltas out of what readers are shown: the block being built, the heads, and nothing else.
//!
//! ```text
//!  look:  pending block, then heads          (in this order: a block is committed before it stops being pending)
//!    1. blocks told as sealed that left the chain         -> reverted, highest first
//!    2. blocks sealed since                               -> what was not told of them yet, then their seal
//!    3. the open block                                    -> what it shows more than was told
//! ```
//! Looks are caused by changes and are never queued: whatever happened in between is in the next one.

use super::{
    Preconfirmations,
    delta::{self, Delta, DeltaKind, payload_id},
};
use crate::{
    engine::{Chain, PendingBlock, PendingTransaction},
    store::{ChainReader, StoreError, StoredBlock},
};
use alloy::primitives::{B64, B256};
use core::time::Duration;
use op_alloy_consensus::OpTxEnvelope;
use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
};
use tributary_protocol::{
    block::{L1BlockId, L1BlockNumber, L2BlockNumber, L2BlockRef},
    execute::extra_data,
    preconfirmation::{OpeningFields, TransactionsDigest},
};

/// Sealed blocks remembered as told: how deep a reorg can be and still be told block by block.
const REMEMBERED_MAX: usize = 4_096;

/// Pause between a change and the look it causes. A fast disk syncs several times in it, and each is worth less than a signature.
const PACE: Duration = Duration::from_millis(1);

/// Blocks below the head that are taken for told when telling begins. Whoever heard of them did so in an earlier life of the node.
const TOLD_BEFORE_MAX: u64 = 256;

/// The block that is being told.
struct Open {
    parent: L2BlockRef,
    l1_origin: L1BlockId,
    base: OpeningFields,
    id: B64,
    /// Where its transactions come from, if from the block being built.
    source: Option<Arc<PendingBlock>>,
    hashes: Vec<B256>,
    digest: TransactionsDigest,
    gas_used: u64,
    next_index: u64,
}

impl Open {
    const fn number(&self) -> L2BlockNumber {
        self.parent.number.next()
    }
}

/// A block told to its end.
struct Told {
    reference: L2BlockRef,
    id: B64,
    next_index: u64,
}

pub(super) struct Producer {
    chain: Chain,
    to: Preconfirmations,
    open: Option<Open>,
    /// Lowest first; the last is what the open block builds on.
    told: VecDeque<Told>,
}

impl Producer {
    pub(super) fn new(to: Preconfirmations) -> Self {
        let chain = to.shared.chain.clone();
        Self {
            chain,
            to,
            open: None,
            told: VecDeque::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let stopped = self.to.shared.stopped.clone();
        let mut tips = self.chain.subscribe_pending();
        let mut heads = self.chain.subscribe();
        let mut listeners = self.to.shared.listeners.subscribe();
        loop {
            // Before looking: a node that stops closes its open block, and opens it again when it starts.
            if stopped.is_cancelled() {
                return;
            }
            if self.to.is_wanted() || !self.to.forget_unless_wanted() {
                if let Err(error) = self.look() {
                    tracing::error!(target: "sequencer", %error, "the chain cannot be read to tell of it");
                    self.begin_anew();
                }
            } else {
                self.begin_anew();
            }
            tokio::select! {
                biased;
                () = stopped.cancelled() => return,
                _ = tips.changed() => {}
                _ = heads.changed() => {}
                _ = listeners.changed() => {}
            }
            tokio::select! {
                () = stopped.cancelled() => return,
                () = tokio::time::sleep(PACE) => {}
            }
        }
    }

    fn begin_anew(&mut self) {
        self.open = None;
        self.told.clear();
    }

    fn look(&mut self) -> Result<(), StoreError> {
        // What follows a block that is being sealed is told once that has a hash.
        let pending = self.chain.pending_blocks().first().cloned();
        let reader = self.chain.reader();
        if self.told.is_empty() {
            self.take_for_told(&reader)?;
        }
        self.take_back(&reader)?;
        self.tell_sealed(&reader)?;
        self.tell_pending(pending);
        Ok(())
    }

    /// Says of what was told and is not on the chain any more that it is not.
    fn take_back(&mut self, reader: &ChainReader) -> Result<(), StoreError> {
        let is_canonical = |block: &L2BlockRef| {
            let held = reader.block_ref(block.number)?;
            Ok::<_, StoreError>(held.is_some_and(|held| held.hash == block.hash))
        };
        if let Some(open) = &self.open
            && !is_canonical(&open.parent)?
        {
            self.revert_open();
        }
        while let Some(last) = self.told.back()
            && !is_canonical(&last.reference)?
        {
            let (number, id, index) = (last.reference.number, last.id, last.next_index);
            let l1_origin = last.reference.l1_origin;
            self.told.pop_back();
            self.to.tell(reverted(number, id, index), l1_origin);
        }
        if self.told.is_empty() {
            self.take_for_told(reader)?;
        }
        Ok(())
    }

    /// Begins at the head, knowing the blocks right below it, so that it is said if they are taken back.
    fn take_for_told(&mut self, reader: &ChainReader) -> Result<(), StoreError> {
        let heads = reader.heads();
        let head = heads.unsafe_head.number;
        let lowest = heads.safe_head.number.max(head.saturating_sub(TOLD_BEFORE_MAX));
        for number in lowest.0..=head.0 {
            if let Some(reference) = reader.block_ref(L2BlockNumber(number))? {
                self.told.push_back(Told {
                    reference,
                    id: B64::ZERO,
                    next_index: 0,
                });
            }
        }
        Ok(())
    }

    fn tell_sealed(&mut self, reader: &ChainReader) -> Result<(), StoreError> {
        let head = reader.heads().unsafe_head.number;
        while let Some(last) = self.told.back()
            && last.reference.number < head
        {
            let parent = last.reference;
            let Some(block) = self.chain.block_by_number(parent.number.next())? else {
                break;
            };
            if block.reference.parent_hash != parent.hash {
                // The chain has moved under us; that wakes us once more.
                break;
            }
            self.tell_block(parent, &block);
        }
        Ok(())
    }

    fn tell_block(&mut self, parent: L2BlockRef, block: &StoredBlock) {
        let base = OpeningFields::of_header(&block.block.header);
        let transactions = &block.block.body.transactions;
        let is_told = |open: &Open| {
            let hashes = transactions.iter().map(OpTxEnvelope::tx_hash);
            let told = &open.hashes;
            open.base == base
                && told.len() <= transactions.len()
                && hashes.zip(told).all(|(sealed, told)| sealed == *told)
        };
        if self.open.as_ref().is_some_and(|open| !is_told(open)) {
            self.revert_open();
        }
        let mut open = self
            .open
            .take()
            .unwrap_or_else(|| opened(parent, base, block.reference.l1_origin));
        let rest = delta::of_block(block, open.hashes.len());
        self.tell_transactions(&mut open, rest);
        let header = block.block.header.clone();
        let mut seal = Delta {
            kind: DeltaKind::Sealed(Box::new((block.hash, header))),
            first: open.hashes.len(),
            before: open.digest,
            gas_used: open.gas_used,
            ..reverted(open.number(), open.id, open.next_index)
        };
        if let Some(signing) = self.to.signing() {
            let statement = delta::block_statement(block, signing.epoch());
            seal.signed = Some(signing.sign(self.chain.config().l2_chain_id, statement));
        }
        self.to.tell(seal, open.l1_origin);
        self.told.push_back(Told {
            reference: block.reference,
            id: open.id,
            next_index: open.next_index + 1,
        });
        if self.told.len() > REMEMBERED_MAX {
            self.told.pop_front();
        }
    }

    fn tell_pending(&mut self, pending: Option<Arc<PendingBlock>>) {
        let Some(head) = self.told.back().map(|told| told.reference) else {
            return;
        };
        let Some(pending) = pending else {
            // Nothing is open, and what was told is not what was sealed.
            self.revert_open();
            return;
        };
        if pending.parent().hash != head.hash {
            return;
        }
        if !self.goes_on(&pending) {
            return;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => match self.open_of(head, &pending) {
                Some(open) => open,
                None => return,
            },
        };
        let shown = pending.transactions_from(open.hashes.len());
        self.tell_transactions(&mut open, shown);
        self.open = Some(open);
    }

    /// Whether the pending block is the one that is being told, or may be told from its start; what was told of another is reverted. False
    /// while it is not clear yet.
    fn goes_on(&mut self, pending: &Arc<PendingBlock>) -> bool {
        let Some(open) = &mut self.open else {
            return true;
        };
        if open
            .source
            .as_ref()
            .is_some_and(|source| Arc::ptr_eq(source, pending))
        {
            return true;
        }
        let shown = pending.transactions_from(0);
        let told = shown.iter().map(|shown| shown.transaction.inner().tx_hash());
        let same_inputs = base_of(&self.chain, open.parent.hash, pending).as_ref() == Some(&open.base);
        if !same_inputs || !told.zip(&open.hashes).all(|(shown, told)| shown == *told) {
            self.revert_open();
            return true;
        }
        if shown.len() < open.hashes.len() {
            // Opened again as it was: it is being filled with what it had.
            return false;
        }
        open.source = Some(pending.clone());
        true
    }

    /// The pending block, nothing of it told. `None` before it shows its first transaction.
    fn open_of(&self, parent: L2BlockRef, pending: &Arc<PendingBlock>) -> Option<Open> {
        if pending.tip().transactions == 0 {
            return None;
        }
        let info = pending.l1_info()?;
        let l1_origin = L1BlockId {
            hash: info.block_hash,
            number: L1BlockNumber(info.number),
        };
        let base = base_of(&self.chain, parent.hash, pending)?;
        let mut open = opened(parent, base, l1_origin);
        open.source = Some(pending.clone());
        Some(open)
    }

    fn tell_transactions(&self, open: &mut Open, transactions: Vec<PendingTransaction>) {
        let Some(last) = transactions.last() else {
            return;
        };
        let mut delta = Delta {
            kind: DeltaKind::Transactions,
            base: (open.next_index == 0).then(|| open.base.clone()),
            first: open.hashes.len(),
            before: open.digest,
            gas_used: last.receipt.cumulative_gas_used(),
            transactions,
            ..reverted(open.number(), open.id, open.next_index)
        };
        for told in &delta.transactions {
            let hash = told.transaction.inner().tx_hash();
            open.hashes.push(hash);
            open.digest = open.digest.then(hash);
        }
        open.gas_used = delta.gas_used;
        open.next_index += 1;
        if let Some(signing) = self.to.signing() {
            let parent = open.parent.hash;
            let statement =
                delta::delta_statement(&delta, parent, open.l1_origin, open.digest, signing.epoch());
            delta.signed = Some(signing.sign(self.chain.config().l2_chain_id, statement));
        }
        self.to.tell(delta, open.l1_origin);
    }

    /// Says that the open block will not be as it was told, if anything of one was.
    fn revert_open(&mut self) {
        if let Some(open) = self.open.take()
            && open.next_index > 0
        {
            self.to
                .tell(reverted(open.number(), open.id, open.next_index), open.l1_origin);
        }
    }
}

fn opened(parent: L2BlockRef, base: OpeningFields, l1_origin: L1BlockId) -> Open {
    let digest = base.digest();
    Open {
        parent,
        l1_origin,
        id: payload_id(digest),
        base,
        source: None,
        hashes: Vec::new(),
        digest,
        gas_used: 0,
        next_index: 0,
    }
}

/// `None` for attributes that make no block, which no open block has.
fn base_of(chain: &Chain, parent: B256, pending: &PendingBlock) -> Option<OpeningFields> {
    let extra_data = extra_data(chain.config(), pending.attributes()).ok()?;
    Some(OpeningFields::new(
        parent,
        pending.attributes(),
        pending.base_fee(),
        extra_data,
    ))
}

fn reverted(number: L2BlockNumber, id: B64, index: u64) -> Delta {
    Delta {
        id,
        number,
        index,
        kind: DeltaKind::Reverted,
        base: None,
        first: 0,
        before: TransactionsDigest::default(),
        transactions: Vec::new(),
        gas_used: 0,
        signed: None,
        json: OnceLock::new(),
    }
}
