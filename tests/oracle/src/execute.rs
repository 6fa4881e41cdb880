//! Executes with kona-executor, on another revm and another trie than Tributary's, and compares what comes out.
//!
//! ```text
//!  attributes as kona derives them --+
//!  header of the parent -------------+--> StatelessL2Builder --> header --compared with--> the recorded block
//!  trie nodes, codes, by hash -------+
//! ```
//! The executor starts each block from nothing but the parent's header. What it needs of the state it asks for by hash, and gets only what
//! has this hash; so the recorded preimages need not be believed. The state root of block 0 is in its header, whose hash is the
//! chain's; every other one is of a block that kona has computed itself before.

use crate::history::{History, RecordedBlock};
use alloy_consensus::{BlockHeader, Header, Sealed, transaction::Transaction};
use alloy_eips::eip2718::Decodable2718;
use alloy_evm::block::BlockExecutionError;
use alloy_op_evm::OpEvmFactory;
use alloy_primitives::{Address, B256, Bytes, address, keccak256};
use alloy_rlp::Decodable;
use kona_executor::{BlockBuildingOutcome, ExecutorError, StatelessL2Builder, TrieDBProvider};
use kona_mpt::{NoopTrieHinter, TrieNode, TrieProvider};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};
use op_alloy_rpc_types_engine::OpPayloadAttributes;
use std::{collections::HashMap, ops::AddAssign, sync::Arc};

/// The two attribution contracts.
const ATTRIBUTION: [Address; 2] = [
    address!("7A00000000000000000000000000000000000001"),
    address!("7A00000000000000000000000000000000000002"),
];
/// Withdrawals.
const MESSAGE_PASSER: Address = address!("4200000000000000000000000000000000000016");

/// Where kona's execution parts from ours.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// kona cannot execute the block.
    #[error("kona cannot execute L2 block {number}: {error}")]
    Failed {
        /// Height.
        number: u64,
        /// What kona says.
        error: ExecutorError,
    },
    /// kona makes a block of attributes that Tributary refused.
    #[error("kona makes a block of the attributes of L2 block {number}, which Tributary refused")]
    NotRefused {
        /// Height.
        number: u64,
    },
    /// A field of the header differs.
    #[error("L2 block {number}: {field} is {ours} to Tributary and {theirs} to kona's executor")]
    Header {
        /// Height.
        number: u64,
        /// Name of the field.
        field: &'static str,
        /// As recorded.
        ours: String,
        /// As kona computes it.
        theirs: String,
    },
}

/// What was executed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Executed {
    /// Blocks whose headers agree.
    pub blocks: u64,
    /// Of them, blocks whose first attributes kona refused too.
    pub refused: u64,
    /// Transactions, those of the L1 attributes included.
    pub transactions: u64,
    /// Deposits of users.
    pub deposits: u64,
    /// Of them, those that failed.
    pub failed_deposits: u64,
    /// Transactions that set code (EIP-7702).
    pub set_code: u64,
    /// Transactions and deposits that create a contract.
    pub creations: u64,
    /// Of them, those that succeeded.
    pub created: u64,
    /// Transactions and deposits to the attribution contracts.
    pub attribution_calls: u64,
    /// Of them, those that succeeded.
    pub attribution_succeeded: u64,
    /// Messages from L2 to L1.
    pub withdrawals: u64,
}

impl AddAssign for Executed {
    fn add_assign(&mut self, other: Self) {
        self.blocks += other.blocks;
        self.refused += other.refused;
        self.transactions += other.transactions;
        self.deposits += other.deposits;
        self.failed_deposits += other.failed_deposits;
        self.set_code += other.set_code;
        self.creations += other.creations;
        self.created += other.created;
        self.attribution_calls += other.attribution_calls;
        self.attribution_succeeded += other.attribution_succeeded;
        self.withdrawals += other.withdrawals;
    }
}

/// Executes block after block.
#[derive(Debug)]
pub struct Executor {
    history: Arc<History>,
    state: Preimages,
    executed: Executed,
}

impl Executor {
    /// Executes the blocks of `history`.
    pub fn new(history: Arc<History>) -> Self {
        Self {
            state: Preimages(history.clone()),
            history,
            executed: Executed::default(),
        }
    }

    /// What was executed so far.
    pub const fn executed(&self) -> Executed {
        self.executed
    }

    /// Executes the attributes that kona derived for block `number`, and compares the header with the recorded one.
    ///
    /// # Errors
    /// The first field that differs.
    pub fn execute(
        &mut self,
        number: u64,
        mut attributes: OpPayloadAttributes,
        refused: bool,
    ) -> Result<(), ExecutionError> {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        if refused {
            match self.build(index, attributes.clone()) {
                Ok(_) => return Err(ExecutionError::NotRefused { number }),
                Err(error) if is_refusal(&error) => {}
                Err(error) => return Err(ExecutionError::Failed { number, error }),
            }
            let transactions = attributes.transactions.iter_mut().flatten();
            let deposits = transactions
                .filter(|tx| tx.first() == Some(&0x7e))
                .map(|tx| tx.clone());
            attributes.transactions = Some(deposits.collect());
            self.executed.refused += 1;
        }
        let outcome = self
            .build(index, attributes.clone())
            .map_err(|error| ExecutionError::Failed { number, error })?;
        compare(number, &self.history.chain[index].0.header, &outcome.header)?;
        self.count(&attributes, &outcome);
        Ok(())
    }

    fn build(
        &self,
        index: usize,
        attributes: OpPayloadAttributes,
    ) -> Result<BlockBuildingOutcome, ExecutorError> {
        let (parent, place) = &self.history.chain[index - 1];
        let parent = Sealed::new_unchecked(parent.header.clone(), place.block_info.hash);
        let mut builder = StatelessL2Builder::new(
            &self.history.rollup,
            OpEvmFactory::default(),
            self.state.clone(),
            NoopTrieHinter,
            parent,
        );
        builder.build_block(attributes)
    }

    fn count(&mut self, attributes: &OpPayloadAttributes, outcome: &BlockBuildingOutcome) {
        let executed = &mut self.executed;
        executed.blocks += 1;
        let transactions = attributes.transactions.iter().flatten();
        for (index, (bytes, receipt)) in transactions.zip(&outcome.execution_result.receipts).enumerate() {
            let Ok(transaction) = OpTxEnvelope::decode_2718_exact(bytes) else {
                continue;
            };
            let succeeded = u64::from(receipt.status());
            executed.transactions += 1;
            // The first is the L1 attributes'.
            if transaction.is_deposit() && index > 0 {
                executed.deposits += 1;
                executed.failed_deposits += 1 - succeeded;
            }
            executed.set_code += u64::from(matches!(transaction, OpTxEnvelope::Eip7702(_)));
            if transaction.is_create() {
                executed.creations += 1;
                executed.created += succeeded;
            }
            if transaction.to().is_some_and(|to| ATTRIBUTION.contains(&to)) {
                executed.attribution_calls += 1;
                executed.attribution_succeeded += succeeded;
            }
            executed.withdrawals += messages(receipt);
        }
    }
}

fn messages(receipt: &OpReceiptEnvelope) -> u64 {
    let logs = receipt.logs().iter();
    // `MessagePassed` has three indexed parameters, the other event of this contract has one.
    let messages = logs.filter(|log| log.address == MESSAGE_PASSER && log.topics().len() == 4);
    messages.count() as u64
}

/// Whether the block is invalid, rather than the executor unable to tell.
const fn is_refusal(error: &ExecutorError) -> bool {
    matches!(
        error,
        ExecutorError::ExecutionError(BlockExecutionError::Validation(_)) | ExecutorError::Recovery(_)
    )
}

/// Names the field that matters before the ones that follow from it; the hash comes last and covers everything else.
fn compare(number: u64, ours: &Header, theirs: &Sealed<Header>) -> Result<(), ExecutionError> {
    let field = |field: &'static str, ours: &dyn ToString, theirs: &dyn ToString| {
        let (ours, theirs) = (ours.to_string(), theirs.to_string());
        if ours == theirs {
            return Ok(());
        }
        Err(ExecutionError::Header {
            number,
            field,
            ours,
            theirs,
        })
    };
    let withdrawals_root = |header: &Header| header.withdrawals_root.unwrap_or_default();
    field("gasUsed", &ours.gas_used, &theirs.gas_used())?;
    field("receiptsRoot", &ours.receipts_root, &theirs.receipts_root())?;
    field(
        "withdrawalsRoot",
        &withdrawals_root(ours),
        &withdrawals_root(theirs),
    )?;
    field("stateRoot", &ours.state_root, &theirs.state_root())?;
    field(
        "baseFeePerGas",
        &ours.base_fee_per_gas.unwrap_or_default(),
        &theirs.base_fee_per_gas().unwrap_or_default(),
    )?;
    field("extraData", &ours.extra_data, theirs.extra_data())?;
    field("hash", &ours.hash_slow(), &theirs.seal())
}

/// The state, as answers to "what has this hash?".
#[derive(Clone, Debug)]
struct Preimages(Arc<History>);

/// The record has no answer.
#[derive(Debug, thiserror::Error)]
enum PreimageError {
    #[error("no {what} with hash {hash} is recorded")]
    Missing { what: &'static str, hash: B256 },
    #[error("trie node {hash}: {error}")]
    Node { hash: B256, error: alloy_rlp::Error },
}

impl Preimages {
    fn get(&self, what: &'static str, hash: B256) -> Result<&Bytes, PreimageError> {
        let found = self.0.preimages.get(&hash);
        found.ok_or(PreimageError::Missing { what, hash })
    }
}

impl TrieProvider for Preimages {
    type Error = PreimageError;

    fn trie_node_by_hash(&self, hash: B256) -> Result<TrieNode, PreimageError> {
        let mut rlp = self.get("trie node", hash)?.as_ref();
        TrieNode::decode(&mut rlp).map_err(|error| PreimageError::Node { hash, error })
    }
}

impl TrieDBProvider for Preimages {
    fn bytecode_by_hash(&self, hash: B256) -> Result<Bytes, PreimageError> {
        self.get("code", hash).cloned()
    }

    fn header_by_hash(&self, hash: B256) -> Result<Header, PreimageError> {
        let chain = self.0.chain.iter();
        let mut found = chain.filter(|(_, place)| place.block_info.hash == hash);
        let missing = PreimageError::Missing { what: "header", hash };
        found.next().map(|(block, _)| block.header.clone()).ok_or(missing)
    }
}

/// All preimages of a history, by the hash that was computed here.
pub fn by_hash(genesis: Vec<Bytes>, blocks: &mut [RecordedBlock]) -> HashMap<B256, Bytes> {
    let blocks = blocks
        .iter_mut()
        .flat_map(|block| std::mem::take(&mut block.preimages));
    let preimages = genesis.into_iter().chain(blocks);
    preimages
        .map(|preimage| (keccak256(&preimage), preimage))
        .collect()
}
