//! An L2 chain in memory: every block is executed, and any prefix is cheap to copy.

use alloy_consensus::Sealed;
use alloy_primitives::{Address, Bytes};
use std::sync::Arc;
use tributary_protocol::{
    attributes::BlockAttributes,
    batch::SingularBatch,
    block::{L2Block, L2BlockRef},
    config::{RollupConfig, SystemConfig},
    execute::{ExecuteError, execute_block},
    genesis::GenesisBlock,
    state::{StateChanges, memory::MemoryState, trie::TrieUpdate},
};

/// One block, with the state after it.
#[derive(Debug)]
pub struct ChainBlock {
    /// The block.
    pub block: L2Block,
    /// Where it stands.
    pub reference: L2BlockRef,
    /// System configuration in force in it.
    pub system_config: SystemConfig,
    /// State after it.
    pub state: MemoryState,
    /// Trie nodes and codes that came with this block: each is what its keccak256 stands for.
    pub preimages: Vec<Bytes>,
}

impl ChainBlock {
    /// EIP-2718 bytes of the transactions, deposits included.
    pub fn transactions(&self) -> Vec<Bytes> {
        use alloy::eips::eip2718::Encodable2718;
        let transactions = self.block.body.transactions.iter();
        transactions.map(|tx| tx.encoded_2718().into()).collect()
    }

    /// The batch that says what this block says.
    pub fn batch(&self) -> SingularBatch {
        let mut transactions = self.transactions();
        transactions.retain(|tx| tx.first() != Some(&op_alloy_consensus::DEPOSIT_TX_TYPE_ID));
        SingularBatch {
            parent_hash: self.reference.parent_hash,
            epoch_number: self.reference.l1_origin.number,
            epoch_hash: self.reference.l1_origin.hash,
            timestamp: self.reference.timestamp,
            transactions,
        }
    }

    /// Nonce of an account after this block.
    pub fn nonce(&self, address: Address) -> u64 {
        self.state
            .accounts()
            .get(&address)
            .map_or(0, |account| account.nonce)
    }
}

/// A chain from genesis on. A clone shares the blocks.
#[derive(Clone, Debug)]
pub struct Chain {
    config: Arc<RollupConfig>,
    blocks: Vec<Arc<ChainBlock>>,
}

impl Chain {
    /// A chain of its genesis block.
    ///
    /// # Panics
    /// If the configuration was made for another genesis.
    pub fn new(config: Arc<RollupConfig>, genesis: &GenesisBlock) -> Self {
        let block = genesis.block();
        let reference = L2BlockRef::from_block(&block, genesis.hash, &config.genesis)
            .expect("the configuration is of this genesis");
        let first = ChainBlock {
            block,
            reference,
            system_config: config.genesis.system_config,
            state: genesis.memory_state(),
            preimages: preimages(&genesis.changes, &genesis.trie, &MemoryState::default()),
        };
        Self {
            config,
            blocks: vec![Arc::new(first)],
        }
    }

    /// The last block.
    ///
    /// # Panics
    /// Never: the chain has its genesis.
    pub fn head(&self) -> &Arc<ChainBlock> {
        self.blocks.last().expect("the chain has its genesis")
    }

    /// The block at `number`.
    pub fn at(&self, number: u64) -> Option<&Arc<ChainBlock>> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    /// Whether this chain contains `block`.
    pub fn contains(&self, block: &L2BlockRef) -> bool {
        self.at(block.number.0)
            .is_some_and(|found| found.reference.hash == block.hash)
    }

    /// Executes attributes on the head.
    ///
    /// # Errors
    /// When they make no block; the chain stays as it is.
    ///
    /// # Panics
    /// If a block came out that does not say where it stands, which execution excludes.
    pub fn build(&mut self, attributes: &BlockAttributes) -> Result<&Arc<ChainBlock>, ExecuteError> {
        let parent = self.head();
        let header = Sealed::new_unchecked(parent.block.header.clone(), parent.reference.hash);
        let outcome = execute_block(&self.config, &header, attributes, &parent.state)?;
        let preimages = preimages(&outcome.changes, &outcome.trie, &parent.state);
        let mut state = parent.state.clone();
        state.apply(&outcome);
        let reference = L2BlockRef::from_block(&outcome.block, outcome.hash, &self.config.genesis)
            .expect("a block built from attributes starts with its L1 attributes");
        let system_config = SystemConfig::from_l2_block(&self.config, &outcome.block)
            .expect("a block built from attributes has its system configuration");
        self.blocks.push(Arc::new(ChainBlock {
            block: outcome.block,
            reference,
            system_config,
            state,
            preimages,
        }));
        Ok(self.head())
    }
}

fn preimages(changes: &StateChanges, trie: &TrieUpdate, parent: &MemoryState) -> Vec<Bytes> {
    let trie = trie
        .changes(parent)
        .expect("the update read its nodes from this state");
    let accounts = trie.accounts.values();
    let storage = trie.storage.values().flat_map(|nodes| nodes.values());
    let nodes = accounts.chain(storage).flatten();
    nodes.chain(changes.codes.values()).cloned().collect()
}
