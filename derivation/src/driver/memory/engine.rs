//! An engine in memory: executes with the protocol's own rules and keeps every block with the state after it.

use crate::{
    driver::{Applied, ApplyError, BoxFuture, Engine, EngineError},
    fork_choice::{Heads, SafeDerivation},
};
use alloc::{boxed::Box, collections::BTreeMap, sync::Arc, vec::Vec};
use alloy_consensus::{Header, Sealed};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, Bytes};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tributary_protocol::{
    attributes::BlockAttributes,
    block::{BlockRefError, L1BlockId, L1BlockNumber, L2Block, L2BlockNumber, L2BlockRef},
    config::{RollupConfig, SystemConfig, SystemConfigReadError},
    execute::{ExecuteError, execute_block, extra_data},
    genesis::GenesisBlock,
    output::output_root_of,
    state::memory::MemoryState,
};

/// What the engine can complain about.
#[derive(Debug, thiserror::Error)]
pub enum MemoryEngineError {
    /// The attributes do not execute.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// The block does not say where on L1 it stands.
    #[error(transparent)]
    BlockRef(#[from] BlockRefError),
    /// The block does not say what configuration it was made under.
    #[error(transparent)]
    SystemConfig(#[from] SystemConfigReadError),
    /// There is no such block in the canonical chain.
    #[error("block {number} with hash {hash} is not canonical")]
    NotCanonical {
        /// Height.
        number: L2BlockNumber,
        /// Hash.
        hash: B256,
    },
    /// A safe block would have to go.
    #[error("block {number} is safe and differs from what was derived")]
    SafeBlockDiffers {
        /// Height.
        number: L2BlockNumber,
    },
    /// A test told it to fail.
    #[error("the engine was told to fail")]
    Told,
}

/// Handle to an engine; clones share it.
#[derive(Clone, Debug)]
pub struct MemoryEngine {
    config: Arc<RollupConfig>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    /// The canonical chain, by height.
    blocks: Vec<Entry>,
    safe_head: L2BlockRef,
    finalized_head: L2BlockRef,
    derivations: BTreeMap<L1BlockNumber, SafeDerivation>,
    failures_left: u32,
    executed: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    block: L2Block,
    reference: L2BlockRef,
    system_config: SystemConfig,
    state: Arc<MemoryState>,
}

impl MemoryEngine {
    /// A chain of its genesis block.
    ///
    /// # Errors
    /// When the configuration was made for another genesis block.
    pub fn new(config: Arc<RollupConfig>, genesis: &GenesisBlock) -> Result<Self, MemoryEngineError> {
        let block = genesis.block();
        let reference = L2BlockRef::from_block(&block, genesis.hash, &config.genesis)?;
        let entry = Entry {
            block,
            reference,
            system_config: config.genesis.system_config,
            state: Arc::new(genesis.memory_state()),
        };
        let inner = Inner {
            blocks: Vec::from([entry]),
            safe_head: reference,
            finalized_head: reference,
            derivations: BTreeMap::new(),
            failures_left: 0,
            executed: 0,
        };
        Ok(Self {
            config,
            inner: Arc::new(Mutex::new(inner)),
        })
    }

    /// Executes a block on top of the unsafe chain, as a sequencer would.
    ///
    /// # Errors
    /// When the attributes make no valid block.
    pub fn build(&self, attributes: &BlockAttributes) -> Result<L2BlockRef, MemoryEngineError> {
        let mut inner = self.lock();
        let parent = inner.blocks.len() - 1;
        let entry = inner.execute(&self.config, parent, attributes)?;
        let reference = entry.reference;
        inner.blocks.push(entry);
        Ok(reference)
    }

    /// The canonical block at `number`.
    #[must_use]
    pub fn block(&self, number: L2BlockNumber) -> Option<L2Block> {
        self.lock().at(number).map(|entry| entry.block.clone())
    }

    /// References of the canonical chain, genesis first.
    #[must_use]
    pub fn chain(&self) -> Vec<L2BlockRef> {
        self.lock().blocks.iter().map(|entry| entry.reference).collect()
    }

    /// The three heads.
    #[must_use]
    pub fn current_heads(&self) -> Heads {
        self.lock().heads()
    }

    /// System configuration in force in the unsafe head.
    #[must_use]
    pub fn head_system_config(&self) -> SystemConfig {
        self.lock().head().system_config
    }

    /// State after the unsafe head.
    #[must_use]
    pub fn head_state(&self) -> Arc<MemoryState> {
        self.lock().head().state.clone()
    }

    /// How many blocks have been executed.
    #[must_use]
    pub fn executed(&self) -> u64 {
        self.lock().executed
    }

    /// The next `count` requests that change something fail in passing.
    pub fn fail_next(&self, count: u32) {
        self.lock().failures_left = count;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A test that panicked elsewhere leaves whole blocks behind: each change below is complete or not made.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> BoxFuture<'_, Result<T, EngineError>> {
        Box::pin(async move { Ok(read(&self.lock())) })
    }

    fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Inner) -> Result<T, EngineError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, EngineError>> {
        Box::pin(async move {
            let mut inner = self.lock();
            inner.fail_if_told()?;
            change(&mut inner)
        })
    }

    fn apply_now(&self, attributes: &BlockAttributes, parent: &L2BlockRef) -> Result<Applied, ApplyError> {
        let mut inner = self.lock();
        inner.fail_if_told()?;
        let index = inner.index_of(parent)?;
        if let Some(existing) = inner.blocks.get(index + 1)
            && has_attributes(&self.config, existing, attributes)
        {
            return Ok(applied(existing, true));
        }
        let entry = match inner.execute(&self.config, index, attributes) {
            Ok(entry) => entry,
            Err(MemoryEngineError::Execute(
                error @ (ExecuteError::InvalidTransaction { .. } | ExecuteError::Header(_)),
            )) => return Err(ApplyError::InvalidPayload(Box::new(error))),
            Err(error) => return Err(ApplyError::Halt(Box::new(error))),
        };
        let number = entry.reference.number;
        if number <= inner.safe_head.number {
            return Err(ApplyError::Halt(Box::new(MemoryEngineError::SafeBlockDiffers {
                number,
            })));
        }
        inner.blocks.truncate(index + 1);
        let applied = applied(&entry, false);
        inner.blocks.push(entry);
        Ok(applied)
    }
}

const fn applied(entry: &Entry, consolidated: bool) -> Applied {
    Applied {
        block: entry.reference,
        system_config: entry.system_config,
        consolidated,
    }
}

/// Whether a block was made of these attributes. What is not compared follows from what is.
fn has_attributes(config: &RollupConfig, entry: &Entry, attributes: &BlockAttributes) -> bool {
    let header = &entry.block.header;
    header.timestamp == attributes.timestamp
        && header.mix_hash == attributes.prev_randao
        && header.beneficiary == attributes.fee_recipient
        && header.parent_beacon_block_root == Some(attributes.parent_beacon_block_root)
        && header.gas_limit == attributes.gas_limit
        && extra_data(config, attributes).is_ok_and(|extra_data| header.extra_data == extra_data)
        && encoded_transactions(&entry.block) == attributes.transactions
}

fn encoded_transactions(block: &L2Block) -> Vec<Bytes> {
    block
        .body
        .transactions
        .iter()
        .map(|tx| tx.encoded_2718().into())
        .collect()
}

impl Inner {
    fn head(&self) -> &Entry {
        self.blocks.last().expect("the chain has its genesis block")
    }

    fn at(&self, number: L2BlockNumber) -> Option<&Entry> {
        self.blocks.get(usize::try_from(number.0).ok()?)
    }

    fn heads(&self) -> Heads {
        Heads {
            unsafe_head: self.head().reference,
            safe_head: self.safe_head,
            finalized_head: self.finalized_head,
        }
    }

    fn fail_if_told(&mut self) -> Result<(), EngineError> {
        if self.failures_left == 0 {
            return Ok(());
        }
        self.failures_left -= 1;
        Err(EngineError::Retry(Box::new(MemoryEngineError::Told)))
    }

    fn index_of(&self, block: &L2BlockRef) -> Result<usize, EngineError> {
        let index = usize::try_from(block.number.0).unwrap_or(usize::MAX);
        let is_canonical = self
            .blocks
            .get(index)
            .is_some_and(|entry| entry.reference.hash == block.hash);
        if is_canonical {
            return Ok(index);
        }
        Err(EngineError::Halt(Box::new(MemoryEngineError::NotCanonical {
            number: block.number,
            hash: block.hash,
        })))
    }

    fn execute(
        &mut self,
        config: &RollupConfig,
        parent: usize,
        attributes: &BlockAttributes,
    ) -> Result<Entry, MemoryEngineError> {
        let parent = &self.blocks[parent];
        let header: Sealed<Header> =
            Sealed::new_unchecked(parent.block.header.clone(), parent.reference.hash);
        let outcome = execute_block(config, &header, attributes, &*parent.state)?;
        let mut state = MemoryState::clone(&parent.state);
        state.apply(&outcome);
        self.executed += 1;
        Ok(Entry {
            reference: L2BlockRef::from_block(&outcome.block, outcome.hash, &config.genesis)?,
            system_config: SystemConfig::from_l2_block(config, &outcome.block)?,
            block: outcome.block,
            state: Arc::new(state),
        })
    }
}

impl Engine for MemoryEngine {
    fn heads(&self) -> BoxFuture<'_, Result<Heads, EngineError>> {
        self.read(Inner::heads)
    }

    fn apply(
        &self,
        attributes: BlockAttributes,
        parent: L2BlockRef,
    ) -> BoxFuture<'_, Result<Applied, ApplyError>> {
        Box::pin(async move { self.apply_now(&attributes, &parent) })
    }

    fn set_safe(&self, block: L2BlockRef, derived_from: L1BlockId) -> BoxFuture<'_, Result<(), EngineError>> {
        self.change(move |inner| {
            inner.index_of(&block)?;
            inner.derivations.split_off(&derived_from.number);
            inner.derivations.insert(
                derived_from.number,
                SafeDerivation {
                    l1: derived_from,
                    safe_head: block,
                },
            );
            inner.safe_head = block;
            Ok(())
        })
    }

    fn set_finalized(&self, block: L2BlockRef) -> BoxFuture<'_, Result<(), EngineError>> {
        self.change(move |inner| {
            inner.index_of(&block)?;
            inner.finalized_head = block;
            Ok(())
        })
    }

    fn reset_to(
        &self,
        unsafe_head: L2BlockRef,
        safe: SafeDerivation,
    ) -> BoxFuture<'_, Result<(), EngineError>> {
        self.change(move |inner| {
            let last = inner.index_of(&unsafe_head)?;
            inner.index_of(&safe.safe_head)?;
            inner.derivations.split_off(&safe.l1.number.next());
            inner.safe_head = safe.safe_head;
            inner.blocks.truncate(last + 1);
            Ok(())
        })
    }

    fn safe_head_at(
        &self,
        l1_block: L1BlockNumber,
    ) -> BoxFuture<'_, Result<Option<SafeDerivation>, EngineError>> {
        self.read(move |inner| {
            let mut below = inner.derivations.range(..=l1_block);
            below.next_back().map(|(_, derivation)| *derivation)
        })
    }

    fn block_ref(&self, number: L2BlockNumber) -> BoxFuture<'_, Result<Option<L2BlockRef>, EngineError>> {
        self.read(move |inner| inner.at(number).map(|entry| entry.reference))
    }

    fn system_config(
        &self,
        number: L2BlockNumber,
    ) -> BoxFuture<'_, Result<Option<SystemConfig>, EngineError>> {
        self.read(move |inner| inner.at(number).map(|entry| entry.system_config))
    }

    fn output_root(&self, number: L2BlockNumber) -> BoxFuture<'_, Result<Option<B256>, EngineError>> {
        self.read(move |inner| {
            inner
                .at(number)
                .and_then(|entry| output_root_of(&entry.block.header, entry.reference.hash))
        })
    }

    fn transactions(&self, number: L2BlockNumber) -> BoxFuture<'_, Result<Option<Vec<Bytes>>, EngineError>> {
        self.read(move |inner| inner.at(number).map(|entry| encoded_transactions(&entry.block)))
    }
}
