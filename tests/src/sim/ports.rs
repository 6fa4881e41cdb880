//! What the batcher sees of the world: its node, and L1 with its pool; both fail at times.

use super::{
    da::SimulatedDa,
    kinds::FaultKind,
    mempool::{L1World, Offered},
};
use alloy::{
    eips::eip2718::Decodable2718,
    transports::{RpcError, TransportErrorKind},
};
use alloy_consensus::{Signed, Transaction, TxEip4844Variant, TxEnvelope, transaction::SignerRecoverable};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tributary_batcher::{
    l1::{Accepted, Call, Fees, Inclusion, L1Error, L1Port},
    node::{NodeError, NodePort, SyncStatus},
};
use tributary_protocol::{
    batcher_tx::BatcherTx,
    blob::Blob,
    block::{L1BlockId, L1BlockNumber, L2Block, L2BlockNumber},
};
use tributary_sequencer::engine::Chain;

/// Longest transaction without blobs that L1's pools take.
const TRANSACTION_SIZE_MAX: usize = 128 << 10;

/// Tip that L1's blocks ask for, wei per gas.
const TIP: u128 = 1_000_000;

/// Payloads kept for whoever wants to send them again.
const SENT_KEPT: usize = 64;

fn failure(reason: &'static str) -> RpcError<TransportErrorKind> {
    TransportErrorKind::custom_str(reason)
}

#[derive(Debug, Default)]
struct Shared {
    /// Requests that will not be answered.
    failing: usize,
    has_no_funds: bool,
    hits: BTreeMap<FaultKind, u64>,
    /// The newest payloads that were sent.
    sent: Vec<Bytes>,
    /// What each nonce of the process with the current journal is for.
    effects: BTreeMap<u64, B256>,
    /// A nonce that was used for two different things.
    conflict: Option<u64>,
    /// True if what is not a commitment is a failover.
    has_alt_da: bool,
}

/// The batcher's connection to L1; clones share it.
#[derive(Clone, Debug)]
pub(super) struct BatcherL1 {
    l1: L1World,
    da: SimulatedDa,
    shared: Arc<Mutex<Shared>>,
}

impl BatcherL1 {
    pub(super) fn new(l1: L1World, da: SimulatedDa, has_alt_da: bool) -> Self {
        let shared = Shared {
            has_alt_da,
            ..Shared::default()
        };
        Self {
            l1,
            da,
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Every change below is complete or not made.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next `count` requests are not answered.
    pub(super) fn fail(&self, count: usize) {
        self.lock().failing += count;
    }

    /// Whether the batcher's account cannot pay.
    pub(super) fn set_funds(&self, has_funds: bool) {
        self.lock().has_no_funds = !has_funds;
    }

    pub(super) fn heal(&self) {
        let mut shared = self.lock();
        (shared.failing, shared.has_no_funds) = (0, false);
    }

    /// How often which fault was met since this was last asked.
    pub(super) fn take_hits(&self) -> BTreeMap<FaultKind, u64> {
        core::mem::take(&mut self.lock().hits)
    }

    /// A process without what the one before knew takes nonces anew.
    pub(super) fn forget_effects(&self) {
        self.lock().effects.clear();
    }

    /// The nonce that was used for two different things, if there is one.
    pub(super) fn conflict(&self) -> Option<u64> {
        self.lock().conflict
    }

    /// Payloads that were sent of late.
    pub(super) fn sent(&self) -> Vec<Bytes> {
        self.lock().sent.clone()
    }

    fn meet(&self, what: &'static str) -> Result<(), L1Error> {
        let mut shared = self.lock();
        if shared.failing == 0 {
            return Ok(());
        }
        shared.failing -= 1;
        shared.count(FaultKind::BatcherL1Down);
        let source = failure("down");
        Err(L1Error::Rpc { what, source })
    }

    /// The transaction as the chain has it, and what its blobs hold; the blobs go to the beacon node.
    fn keep_blobs(&self, transaction: TxEnvelope) -> (TxEnvelope, Vec<Bytes>) {
        let TxEnvelope::Eip4844(signed) = transaction else {
            return (transaction, Vec::new());
        };
        let (variant, signature, hash) = signed.into_parts();
        let mut contents = Vec::new();
        if let TxEip4844Variant::TxEip4844WithSidecar(with_sidecar) = &variant {
            let hashes = &with_sidecar.tx.blob_versioned_hashes;
            for (hash, blob) in hashes.iter().zip(with_sidecar.sidecar.blobs()) {
                if let Ok(blob) = Blob::new(Bytes::copy_from_slice(blob.as_slice())) {
                    contents.extend(blob.decode());
                    self.da.blobs.put_as(*hash, blob);
                }
            }
        }
        let bare = TxEip4844Variant::TxEip4844(variant.into());
        (
            TxEnvelope::Eip4844(Signed::new_unchecked(bare, signature, hash)),
            contents,
        )
    }

    /// What is new in the pool is written down.
    fn note(&self, transaction: &TxEnvelope, contents: Vec<Bytes>, offered: Offered) {
        let said = match transaction.blob_versioned_hashes() {
            Some(hashes) => keccak256(hashes.concat()),
            None => keccak256(transaction.input()),
        };
        let commitment = match BatcherTx::decode(transaction.input()) {
            Ok(BatcherTx::Commitment(commitment)) => Some(commitment),
            _ => None,
        };
        let payload = commitment.as_ref().map(|commitment| self.da.payload(commitment));
        let mut shared = self.lock();
        if offered == Offered::Replaced {
            shared.count(FaultKind::TransactionReplaced);
        }
        match shared.effects.insert(transaction.nonce(), said) {
            None => {}
            Some(earlier) if earlier == said => return,
            Some(_) => shared.conflict = Some(transaction.nonce()),
        }
        if shared.has_alt_da && commitment.is_none() {
            shared.count(FaultKind::Failover);
        }
        match payload {
            Some(payload) => shared.sent.extend(payload),
            None if contents.is_empty() => shared.sent.push(transaction.input().clone()),
            None => shared.sent.extend(contents),
        }
        let surplus = shared.sent.len().saturating_sub(SENT_KEPT);
        shared.sent.drain(..surplus);
    }
}

impl Shared {
    fn count(&mut self, kind: FaultKind) {
        *self.hits.entry(kind).or_default() += 1;
    }
}

impl L1Port for BatcherL1 {
    async fn nonce(&self, account: Address, pending: bool) -> Result<u64, L1Error> {
        self.meet("eth_getTransactionCount")?;
        Ok(if pending {
            self.l1.pending_nonce(account)
        } else {
            self.l1.nonce(account)
        })
    }

    async fn inclusion(&self, hash: B256) -> Result<Option<Inclusion>, L1Error> {
        self.meet("eth_getTransactionReceipt")?;
        let place = self.l1.inclusion(&hash);
        Ok(place.map(|(block, succeeded)| Inclusion {
            hash,
            block,
            succeeded,
            gas_used: 21_000,
        }))
    }

    async fn head(&self) -> Result<Option<L1BlockId>, L1Error> {
        self.meet("eth_getBlockByNumber")?;
        Ok(Some(self.l1.head().id()))
    }

    async fn block_hash(&self, number: L1BlockNumber) -> Result<Option<B256>, L1Error> {
        self.meet("eth_getBlockByNumber")?;
        Ok(self.l1.chain.block(number).map(|block| block.hash()))
    }

    async fn broadcast(&self, raw: &Bytes) -> Result<Accepted, L1Error> {
        const WHAT: &str = "eth_sendRawTransaction";
        self.meet(WHAT)?;
        let refused = |reason| {
            Err(L1Error::Rpc {
                what: WHAT,
                source: failure(reason),
            })
        };
        let Ok(transaction) = TxEnvelope::decode_2718_exact(raw) else {
            return refused("rlp: cannot be decoded");
        };
        let Ok(sender) = transaction.recover_signer() else {
            return refused("invalid sender");
        };
        if transaction.is_eip1559() && raw.len() > TRANSACTION_SIZE_MAX {
            return refused("oversized data");
        }
        if self.lock().has_no_funds {
            self.lock().count(FaultKind::OutOfFunds);
            return refused("insufficient funds for gas * price + value");
        }
        let (transaction, contents) = self.keep_blobs(transaction);
        let offered = self.l1.offer(sender, transaction.clone());
        match offered {
            Offered::Held | Offered::Replaced if transaction.to() == Some(sender) => {
                self.lock().count(FaultKind::GapFilled);
                Ok(Accepted::Held)
            }
            Offered::Held | Offered::Replaced => {
                self.note(&transaction, contents, offered);
                Ok(Accepted::Held)
            }
            Offered::Underpriced => Ok(Accepted::Underpriced),
            Offered::NonceUsed => Ok(Accepted::NonceUsed),
            Offered::Reserved => refused("address already reserved"),
        }
    }

    async fn estimate_gas(&self, _: Address, _: &Call) -> Result<u64, L1Error> {
        Ok(21_000)
    }

    async fn market(&self) -> Result<Fees, L1Error> {
        self.meet("eth_feeHistory")?;
        let prices = self.l1.prices();
        Ok(Fees {
            max_fee_per_gas: prices.base_fee * 2 + TIP,
            max_priority_fee_per_gas: TIP,
            max_fee_per_blob_gas: Some(prices.blob_fee * 4),
        })
    }
}

/// What the node says now.
#[derive(Clone)]
pub(super) struct NodeView {
    pub(super) chain: Chain,
    pub(super) sync: SyncStatus,
}

#[derive(Default)]
struct Node {
    view: Option<NodeView>,
    /// Requests that will not be answered.
    failing: usize,
    failed: u64,
    /// Every second block comes with another time than it has.
    is_skewed: bool,
}

/// The batcher's connection to its node; clones share it.
#[derive(Clone, Default)]
pub(super) struct BatcherNode(Arc<Mutex<Node>>);

impl BatcherNode {
    fn lock(&self) -> MutexGuard<'_, Node> {
        // Every change below is complete or not made.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the node answers from now on.
    pub(super) fn set(&self, view: NodeView) {
        self.lock().view = Some(view);
    }

    /// The next `count` requests are not answered.
    pub(super) fn fail(&self, count: usize) {
        self.lock().failing += count;
    }

    pub(super) fn heal(&self) {
        self.lock().failing = 0;
    }

    /// From now on every second block comes with another time than it has.
    pub(super) fn skew(&self) {
        self.lock().is_skewed = true;
    }

    /// How many requests were not answered since this was last asked.
    pub(super) fn take_failed(&self) -> u64 {
        core::mem::take(&mut self.lock().failed)
    }

    fn ask(&self, method: &'static str) -> Result<NodeView, NodeError> {
        let node = &mut *self.lock();
        if node.failing > 0 {
            node.failing -= 1;
            node.failed += 1;
        } else if let Some(view) = &node.view {
            return Ok(view.clone());
        }
        Err(NodeError::Call {
            method,
            source: failure("down"),
        })
    }
}

impl NodePort for BatcherNode {
    async fn sync_status(&self) -> Result<SyncStatus, NodeError> {
        Ok(self.ask("optimism_syncStatus")?.sync)
    }

    async fn block(&self, number: L2BlockNumber) -> Result<(L2Block, B256), NodeError> {
        const METHOD: &str = "debug_getRawBlock";
        let view = self.ask(METHOD)?;
        // A store in memory that cannot be read has lost its memory.
        let block = view.chain.block_by_number(number).expect("the store can be read");
        let block = block.ok_or_else(|| NodeError::Call {
            method: METHOD,
            source: failure("block not found"),
        })?;
        let mut answer = block.block.clone();
        if self.lock().is_skewed && number.0.is_multiple_of(2) {
            answer.header.timestamp += 1;
        }
        Ok((answer, block.hash))
    }
}
