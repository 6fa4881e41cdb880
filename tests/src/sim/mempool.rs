//! L1's side of posting: forks with what each holds, and a pool of the batcher's transactions between sending and inclusion.
//!
//! [`MemoryL1`] knows blocks; what an account's nonce is, which key SystemConfig names and where a transaction was included depends
//! on the fork, so it is kept by block hash.

use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{Transaction, TxEip1559, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes, TxKind};
use std::{collections::BTreeMap, sync::Arc};
use tributary_derivation::{
    driver::memory::{MemoryL1, MinedTransaction},
    testing::sign,
};
use tributary_protocol::{
    block::{L1BlockNumber, L1BlockRef},
    config::{ConfigUpdate, RollupConfig},
};

/// What L1's state is after a block, as far as it matters here.
#[derive(Clone, Debug, Default)]
struct State {
    nonces: BTreeMap<Address, u64>,
    batcher: Address,
}

/// A transaction in L1's pool.
#[derive(Clone, Debug)]
pub(super) struct PooledTransaction {
    pub(super) sender: Address,
    pub(super) transaction: TxEnvelope,
}

/// The simulated L1 with its pool.
#[derive(Debug)]
pub(super) struct L1World {
    pub(super) chain: MemoryL1,
    config: Arc<RollupConfig>,
    states: BTreeMap<B256, State>,
    mined: BTreeMap<B256, Vec<MinedTransaction>>,
    /// Blocks that hold a transaction, on whatever fork.
    inclusions: BTreeMap<B256, Vec<(L1BlockNumber, B256)>>,
    pool: Vec<PooledTransaction>,
    /// The fork before the last reorg, by height.
    pub(super) previous_fork: Option<Arc<Vec<B256>>>,
    finalized: u64,
    /// Height of the highest block ever mined.
    pub(super) highest: u64,
    /// Canonical blocks, by height.
    canonical: Vec<B256>,
}

impl L1World {
    pub(super) fn new(chain: MemoryL1, config: Arc<RollupConfig>) -> Self {
        let genesis = chain.head_block().hash();
        let state = State {
            nonces: BTreeMap::new(),
            batcher: config.genesis.system_config.batcher_address,
        };
        Self {
            states: BTreeMap::from([(genesis, state)]),
            mined: BTreeMap::new(),
            inclusions: BTreeMap::new(),
            pool: Vec::new(),
            previous_fork: None,
            finalized: 0,
            highest: 0,
            canonical: vec![genesis],
            chain,
            config,
        }
    }

    pub(super) fn head(&self) -> L1BlockRef {
        self.chain.head_block().reference()
    }

    fn state(&self) -> &State {
        let head = self.canonical.last().expect("L1 has its first block");
        &self.states[head]
    }

    /// The account SystemConfig names, as of the head.
    pub(super) fn batcher(&self) -> Address {
        self.state().batcher
    }

    /// The account's next nonce, as of the head.
    pub(super) fn nonce(&self, account: Address) -> u64 {
        self.state().nonces.get(&account).copied().unwrap_or_default()
    }

    /// The canonical L1 block that holds a transaction.
    pub(super) fn inclusion(&self, hash: &B256) -> Option<L1BlockNumber> {
        let places = self.inclusions.get(hash)?;
        let is_canonical = |number: L1BlockNumber, block: &B256| {
            usize::try_from(number.0).is_ok_and(|number| self.canonical.get(number) == Some(block))
        };
        places
            .iter()
            .find(|(number, block)| is_canonical(*number, block))
            .map(|(number, _)| *number)
    }

    /// Signs an inbox transaction with a nonce and a fee.
    pub(super) fn sign(&self, key: &PrivateKeySigner, nonce: u64, fee: u128, input: Bytes) -> TxEnvelope {
        let transaction = TxEip1559 {
            chain_id: self.config.l1_chain_id,
            nonce,
            gas_limit: 1_000_000,
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(self.config.batch_inbox_address),
            input,
            ..TxEip1559::default()
        };
        sign(key, transaction)
    }

    /// Takes a transaction into the pool. It replaces one with the same nonce if it pays more.
    pub(super) fn send(&mut self, sender: Address, transaction: TxEnvelope) {
        let same = self
            .pool
            .iter()
            .position(|pooled| pooled.sender == sender && pooled.transaction.nonce() == transaction.nonce());
        match same {
            Some(index)
                if self.pool[index].transaction.max_fee_per_gas() >= transaction.max_fee_per_gas() => {}
            Some(index) => self.pool[index].transaction = transaction,
            None => self.pool.push(PooledTransaction { sender, transaction }),
        }
    }

    /// How many transactions of an account wait.
    pub(super) fn waiting(&self, account: Address) -> usize {
        self.pool.iter().filter(|pooled| pooled.sender == account).count()
    }

    /// The pool forgets what it holds of an account. Returns how much that was.
    pub(super) fn forget(&mut self, account: Address) -> usize {
        let before = self.pool.len();
        self.pool.retain(|pooled| pooled.sender != account);
        before - self.pool.len()
    }

    /// Mines the pool, as far as nonces follow each other and `includes` agrees, after `first`.
    pub(super) fn mine(
        &mut self,
        timestamp: u64,
        first: Vec<MinedTransaction>,
        mut includes: impl FnMut() -> bool,
    ) -> L1BlockRef {
        let mut state = self.state().clone();
        let mut mined = first;
        self.pool.sort_by_key(|pooled| pooled.transaction.nonce());
        let mut left = Vec::new();
        for pooled in core::mem::take(&mut self.pool) {
            let next = state.nonces.entry(pooled.sender).or_default();
            let nonce = pooled.transaction.nonce();
            if nonce == *next && includes() {
                *next += 1;
                mined.push(pooled.transaction.into());
            } else if nonce >= *next {
                left.push(pooled);
            }
        }
        self.pool = left;
        for log in mined
            .iter()
            .filter(|mined| mined.succeeds)
            .flat_map(|mined| &mined.logs)
        {
            if log.address == self.config.l1_system_config_address
                && let Ok(ConfigUpdate::Batcher(batcher)) = ConfigUpdate::decode(log)
            {
                state.batcher = batcher;
            }
        }
        let block = self.chain.mine_at(timestamp, mined.clone());
        for transaction in &mined {
            let places = self
                .inclusions
                .entry(*transaction.transaction.tx_hash())
                .or_default();
            places.push((block.number, block.hash));
        }
        self.canonical.push(block.hash);
        self.highest = self.highest.max(block.number.0);
        self.states.insert(block.hash, state);
        self.mined.insert(block.hash, mined);
        block
    }

    /// Drops the canonical blocks above `number`. Returns what they held, lowest first.
    pub(super) fn reorg_to(&mut self, number: u64) -> Vec<MinedTransaction> {
        let kept = usize::try_from(number).map_or(usize::MAX, |number| number + 1);
        self.previous_fork = Some(Arc::new(self.canonical.clone()));
        self.chain.reorg_to(L1BlockNumber(number));
        let dropped = self.canonical.split_off(kept.min(self.canonical.len()));
        dropped
            .iter()
            .flat_map(|hash| self.mined.get(hash).cloned().unwrap_or_default())
            .collect()
    }

    /// Goes back to the fork before the last reorg. False if finality forbids it, or there is none.
    pub(super) fn switch_back(&mut self) -> bool {
        let Some(fork) = self.previous_fork.clone() else {
            return false;
        };
        let finalized = usize::try_from(self.finalized).unwrap_or(usize::MAX);
        if fork.get(finalized) != self.canonical.get(finalized) {
            return false;
        }
        let Some(tip) = fork.last() else {
            return false;
        };
        self.previous_fork = Some(Arc::new(self.canonical.clone()));
        self.canonical = fork.to_vec();
        self.chain.switch_to(*tip)
    }

    pub(super) fn finalized(&self) -> u64 {
        self.finalized
    }

    /// Moves L1's finalized block up to `number`.
    pub(super) fn finalize(&mut self, number: u64) {
        if number > self.finalized {
            self.finalized = number;
            self.chain.set_safe(L1BlockNumber(number));
            self.chain.set_finalized(L1BlockNumber(number));
        }
    }
}
