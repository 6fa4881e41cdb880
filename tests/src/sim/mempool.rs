//! L1's side of posting: forks with what each holds, and a pool of the batcher's transactions between sending and inclusion.
//!
//! [`MemoryL1`] knows blocks; what an account's nonce is, which key SystemConfig names and where a transaction was included depends
//! on the fork, so it is kept by block hash. The pool has the rules of L1's clients that a batcher can trip over.

use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{Transaction, TxEip1559, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes, TxKind};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tributary_derivation::{
    driver::memory::{MemoryL1, MinedTransaction},
    testing::sign,
};
use tributary_protocol::{
    block::{L1BlockId, L1BlockNumber, L1BlockRef},
    config::{ConfigUpdate, RollupConfig},
};

/// What L1's pool asks of a replacement, per hundred of what it holds.
const REPLACEMENT_PERCENT: u128 = 110;

/// The same for a transaction with blobs.
const BLOB_REPLACEMENT_PERCENT: u128 = 200;

/// Wei per gas of a calm L1.
const BASE_FEE: u128 = 1_000_000_000;

/// Wei per gas of blobs of a calm L1.
const BLOB_FEE: u128 = 1_000_000;

/// What L1's state is after a block, as far as it matters here.
#[derive(Clone, Debug, Default)]
struct State {
    nonces: BTreeMap<Address, u64>,
    batcher: Address,
}

/// A transaction in L1's pool.
#[derive(Clone, Debug)]
struct PooledTransaction {
    sender: Address,
    transaction: TxEnvelope,
}

impl PooledTransaction {
    fn has_blobs(&self) -> bool {
        self.transaction.is_eip4844()
    }
}

/// What the pool made of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    Held,
    /// In the place of another one with its nonce.
    Replaced,
    Underpriced,
    NonceUsed,
    /// The account has transactions of the other kind, with blobs or without.
    Reserved,
}

/// What L1 asks for, in wei per gas and per gas of blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prices {
    pub(super) base_fee: u128,
    pub(super) blob_fee: u128,
}

/// Where a transaction is: its block, and whether it succeeded there.
type Place = (L1BlockId, bool);

#[derive(Debug)]
struct Inner {
    config: Arc<RollupConfig>,
    states: BTreeMap<B256, State>,
    mined: BTreeMap<B256, Vec<MinedTransaction>>,
    /// Blocks that hold a transaction, on whatever fork.
    inclusions: BTreeMap<B256, Vec<Place>>,
    pool: Vec<PooledTransaction>,
    prices: Prices,
    /// So many of the pool's next transactions are mined and fail.
    reverting: usize,
    /// The fork before the last reorg, by height.
    previous_fork: Option<Arc<Vec<B256>>>,
    finalized: u64,
    /// Height of the highest block ever mined.
    highest: u64,
    /// Canonical blocks, by height.
    canonical: Vec<B256>,
}

/// The simulated L1 with its pool; clones share it.
#[derive(Clone, Debug)]
pub(super) struct L1World {
    pub(super) chain: MemoryL1,
    inner: Arc<Mutex<Inner>>,
}

impl L1World {
    pub(super) fn new(chain: MemoryL1, config: Arc<RollupConfig>) -> Self {
        let genesis = chain.head_block().hash();
        let state = State {
            nonces: BTreeMap::new(),
            batcher: config.genesis.system_config.batcher_address,
        };
        let inner = Inner {
            states: BTreeMap::from([(genesis, state)]),
            mined: BTreeMap::new(),
            inclusions: BTreeMap::new(),
            pool: Vec::new(),
            prices: Prices {
                base_fee: BASE_FEE,
                blob_fee: BLOB_FEE,
            },
            reverting: 0,
            previous_fork: None,
            finalized: 0,
            highest: 0,
            canonical: vec![genesis],
            config,
        };
        Self {
            chain,
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change below is complete or not made.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn head(&self) -> L1BlockRef {
        self.chain.head_block().reference()
    }

    /// The account SystemConfig names, as of the head.
    pub(super) fn batcher(&self) -> Address {
        self.lock().state().batcher
    }

    /// The account's next nonce, as of the head.
    pub(super) fn nonce(&self, account: Address) -> u64 {
        self.lock().nonce(account)
    }

    /// The account's next nonce after what the pool holds of it.
    pub(super) fn pending_nonce(&self, account: Address) -> u64 {
        let inner = self.lock();
        let mut nonce = inner.nonce(account);
        while inner.pooled(account, nonce).is_some() {
            nonce += 1;
        }
        nonce
    }

    /// The canonical L1 block that holds a transaction, and whether it succeeded.
    pub(super) fn inclusion(&self, hash: &B256) -> Option<Place> {
        let inner = self.lock();
        let is_canonical = |id: &L1BlockId| {
            usize::try_from(id.number.0).is_ok_and(|number| inner.canonical.get(number) == Some(&id.hash))
        };
        let mut places = inner.inclusions.get(hash)?.iter();
        places.find(|(id, _)| is_canonical(id)).copied()
    }

    /// What L1 asks for now.
    pub(super) fn prices(&self) -> Prices {
        self.lock().prices
    }

    /// Prices times `gas` and times `blob_gas` those of a calm L1.
    pub(super) fn set_prices(&self, gas: u128, blob_gas: u128) {
        self.lock().prices = Prices {
            base_fee: BASE_FEE * gas,
            blob_fee: BLOB_FEE * blob_gas,
        };
    }

    /// The next `count` transactions of the pool fail where they are mined.
    pub(super) fn revert(&self, count: usize) {
        self.lock().reverting += count;
    }

    /// Signs an inbox transaction with a nonce and a fee.
    pub(super) fn sign(&self, key: &PrivateKeySigner, nonce: u64, fee: u128, input: Bytes) -> TxEnvelope {
        let inner = self.lock();
        let transaction = TxEip1559 {
            chain_id: inner.config.l1_chain_id,
            nonce,
            gas_limit: 1_000_000,
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: fee,
            to: TxKind::Call(inner.config.batch_inbox_address),
            input,
            ..TxEip1559::default()
        };
        sign(key, transaction)
    }

    /// Offers a transaction to the pool.
    pub(super) fn offer(&self, sender: Address, transaction: TxEnvelope) -> Offered {
        let pooled = PooledTransaction { sender, transaction };
        let inner = &mut *self.lock();
        let (next, nonce) = (inner.nonce(sender), pooled.transaction.nonce());
        if nonce < next {
            return Offered::NonceUsed;
        }
        // What could be mined now holds the account for its kind.
        let mut mineable = (next..).map_while(|nonce| inner.pooled(sender, nonce));
        if mineable.any(|held| inner.pool[held].has_blobs() != pooled.has_blobs()) {
            return Offered::Reserved;
        }
        let Some(held) = inner.pooled(sender, nonce) else {
            inner.pool.push(pooled);
            return Offered::Held;
        };
        let held = &mut inner.pool[held];
        if held.transaction.tx_hash() == pooled.transaction.tx_hash() {
            return Offered::Held;
        }
        if !pays_more(&pooled.transaction, &held.transaction) {
            return Offered::Underpriced;
        }
        *held = pooled;
        Offered::Replaced
    }

    /// The pool forgets what it holds of an account. Returns how much that was.
    pub(super) fn forget(&self, account: Address) -> usize {
        let pool = &mut self.lock().pool;
        let before = pool.len();
        pool.retain(|pooled| pooled.sender != account);
        before - pool.len()
    }

    /// Mines the pool, as far as nonces follow each other, fees suffice and `includes` agrees, after `first`.
    pub(super) fn mine(
        &self,
        timestamp: u64,
        first: Vec<MinedTransaction>,
        includes: impl FnMut() -> bool,
    ) -> L1BlockRef {
        let inner = &mut *self.lock();
        let mut state = inner.state().clone();
        let mut mined = first;
        mined.extend(inner.take_from_pool(&mut state, includes));
        let logs = mined.iter().filter(|mined| mined.succeeds);
        for log in logs.flat_map(|mined| &mined.logs) {
            if log.address == inner.config.l1_system_config_address
                && let Ok(ConfigUpdate::Batcher(batcher)) = ConfigUpdate::decode(log)
            {
                state.batcher = batcher;
            }
        }
        let block = self.chain.mine_at(timestamp, mined.clone());
        for mined in &mined {
            let places = inner.inclusions.entry(*mined.transaction.tx_hash()).or_default();
            places.push((block.id(), mined.succeeds));
        }
        inner.canonical.push(block.hash);
        inner.highest = inner.highest.max(block.number.0);
        inner.states.insert(block.hash, state);
        inner.mined.insert(block.hash, mined);
        block
    }

    /// Drops the canonical blocks above `number`. Returns what they held, lowest first.
    pub(super) fn reorg_to(&self, number: u64) -> Vec<MinedTransaction> {
        let inner = &mut *self.lock();
        let kept = usize::try_from(number).map_or(usize::MAX, |number| number + 1);
        inner.previous_fork = Some(Arc::new(inner.canonical.clone()));
        self.chain.reorg_to(L1BlockNumber(number));
        let dropped = inner.canonical.split_off(kept.min(inner.canonical.len()));
        let mined = dropped.iter().filter_map(|hash| inner.mined.get(hash));
        mined.flatten().cloned().collect()
    }

    /// Goes back to the fork before the last reorg. False if finality forbids it, or there is none.
    pub(super) fn switch_back(&self) -> bool {
        let inner = &mut *self.lock();
        let Some(fork) = inner.previous_fork.clone() else {
            return false;
        };
        let finalized = usize::try_from(inner.finalized).unwrap_or(usize::MAX);
        if fork.get(finalized) != inner.canonical.get(finalized) {
            return false;
        }
        let Some(tip) = fork.last() else {
            return false;
        };
        inner.previous_fork = Some(Arc::new(inner.canonical.clone()));
        inner.canonical = fork.to_vec();
        self.chain.switch_to(*tip)
    }

    /// The fork before the last reorg, by height.
    pub(super) fn previous_fork(&self) -> Option<Arc<Vec<B256>>> {
        self.lock().previous_fork.clone()
    }

    /// Height of the highest block ever mined.
    pub(super) fn highest(&self) -> u64 {
        self.lock().highest
    }

    pub(super) fn finalized(&self) -> u64 {
        self.lock().finalized
    }

    /// Moves L1's finalized block up to `number`.
    pub(super) fn finalize(&self, number: u64) {
        let inner = &mut *self.lock();
        if number > inner.finalized {
            inner.finalized = number;
            let number = L1BlockNumber(number);
            self.chain.set_safe(number);
            self.chain.set_finalized(number);
        }
    }
}

impl Inner {
    fn state(&self) -> &State {
        let head = self.canonical.last().expect("L1 has its first block");
        &self.states[head]
    }

    fn nonce(&self, account: Address) -> u64 {
        self.state().nonces.get(&account).copied().unwrap_or_default()
    }

    /// Where in the pool the account's transaction with this nonce is.
    fn pooled(&self, account: Address, nonce: u64) -> Option<usize> {
        let is_it =
            |pooled: &PooledTransaction| pooled.sender == account && pooled.transaction.nonce() == nonce;
        self.pool.iter().position(is_it)
    }

    fn take_from_pool(
        &mut self,
        state: &mut State,
        mut includes: impl FnMut() -> bool,
    ) -> Vec<MinedTransaction> {
        self.pool.sort_by_key(|pooled| pooled.transaction.nonce());
        let (mut mined, mut left) = (Vec::new(), Vec::new());
        for pooled in core::mem::take(&mut self.pool) {
            let next = state.nonces.entry(pooled.sender).or_default();
            let nonce = pooled.transaction.nonce();
            if nonce == *next && self.prices.are_paid_by(&pooled.transaction) && includes() {
                *next += 1;
                let succeeds = self.reverting == 0;
                self.reverting = self.reverting.saturating_sub(1);
                mined.push(MinedTransaction {
                    succeeds,
                    ..pooled.transaction.into()
                });
            } else if nonce == *next || nonce > *next && !pooled.has_blobs() {
                // Pools keep no transactions with blobs whose nonces leave a gap.
                left.push(pooled);
            } else if nonce > *next && left.iter().any(|before| is_before(before, &pooled)) {
                left.push(pooled);
            }
        }
        self.pool = left;
        mined
    }
}

/// True if `before` is the same account's with the nonce before.
fn is_before(before: &PooledTransaction, pooled: &PooledTransaction) -> bool {
    before.sender == pooled.sender && before.transaction.nonce() + 1 == pooled.transaction.nonce()
}

impl Prices {
    fn are_paid_by(self, transaction: &TxEnvelope) -> bool {
        let blob_fee = transaction.max_fee_per_blob_gas();
        transaction.max_fee_per_gas() >= self.base_fee && blob_fee.is_none_or(|fee| fee >= self.blob_fee)
    }
}

fn pays_more(new: &TxEnvelope, held: &TxEnvelope) -> bool {
    let percent = if held.is_eip4844() {
        BLOB_REPLACEMENT_PERCENT
    } else {
        REPLACEMENT_PERCENT
    };
    let is_more = |new: u128, held: u128| new * 100 >= held * percent;
    let tip = |transaction: &TxEnvelope| transaction.max_priority_fee_per_gas().unwrap_or_default();
    let blob_fee = |transaction: &TxEnvelope| transaction.max_fee_per_blob_gas().unwrap_or_default();
    is_more(new.max_fee_per_gas(), held.max_fee_per_gas())
        && is_more(tip(new), tip(held))
        && is_more(blob_fee(new), blob_fee(held))
}
