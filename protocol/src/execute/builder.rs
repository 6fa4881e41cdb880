//! Building one block, transaction by transaction.
//!
//! ```text
//!  new          check the header rules, EIP-2935 and EIP-4788 system calls
//!  execute(tx)  valid: state, receipts and gas move on     invalid: nothing moves
//!  finish       changes -> trie -> header -> block
//! ```
//!
//! Invariant: a transaction that is refused leaves no trace, and block hashes do not depend on what was refused. What a failed
//! validation loaded must not stay warm in the journal, or the next transaction is charged as if the accounts were its own. revm 38
//! empties the journal after a failure; op-revm's handler alone does not, and a sequencer once sealed invalid blocks over that, so
//! the builder does not rely on it: see `forget_refused`, and the test that interleaves refusals with valid transactions.

use super::{
    BlockOutcome, RecoveredTx,
    env::evm_env,
    error::{ExecuteError, FatalError, InvalidTransaction, TxError},
    executed::{ClosedBlock, ExecutedBlock, parent_hash_slot, unreadable},
    header::next_header,
};
use crate::{attributes::BlockAttributes, config::RollupConfig, state::TrieReader};
use alloc::{sync::Arc, vec::Vec};
use alloy_consensus::{Header, Sealed, transaction::Recovered};
use alloy_eips::{
    Typed2718,
    eip2718::{Encodable2718, WithEncoded},
    eip2935::HISTORY_STORAGE_ADDRESS,
};
use alloy_evm::{
    Evm, EvmFactory,
    block::{BlockExecutor, TxResult as _},
    precompiles::PrecompilesMap,
};
use alloy_op_evm::{
    OpBlockExecutionCtx, OpBlockExecutor, OpEvm, OpEvmContext, OpEvmFactory, OpTx,
    block::receipt_builder::OpAlloyReceiptBuilder,
};
use alloy_primitives::{Address, B256, Bytes, U256};
use core::fmt::Debug;
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope, OpTxType};
use op_revm::{L1BlockInfo, OpHaltReason};
use revm::{
    DatabaseRef, Inspector,
    context_interface::{
        JournalTr,
        result::{ExecutionResult, ResultAndState},
    },
    database::State,
    database_interface::WrapDatabaseRef,
    inspector::NoOpInspector,
    state::EvmState,
};

/// State a block can be built on: flat state whose errors can be carried out.
pub trait BlockState: DatabaseRef<Error: core::error::Error + Send + Sync + 'static> + Debug {}

impl<S> BlockState for S where S: DatabaseRef<Error: core::error::Error + Send + Sync + 'static> + Debug {}

/// State within a block: what the block has changed so far, over the state before it.
pub type OpenState<S> = State<WrapDatabaseRef<S>>;

/// The EVM a block is executed by.
pub type BlockEvm<S, I = NoOpInspector> = OpEvm<OpenState<S>, I, PrecompilesMap, OpTx>;

/// Watches the EVM while it executes a block.
pub trait BlockInspector<S: BlockState>: Inspector<OpEvmContext<OpenState<S>>> {}

impl<S: BlockState, I: Inspector<OpEvmContext<OpenState<S>>>> BlockInspector<S> for I {}

type Executor<S, I> = OpBlockExecutor<BlockEvm<S, I>, OpAlloyReceiptBuilder, Arc<RollupConfig>>;

/// A block in the making, on top of `state`.
///
/// It stays on the thread it was made on: revm's call frames share memory through `Rc`. What comes out of it may travel.
#[expect(missing_debug_implementations, reason = "the EVM inside has none")]
pub struct BlockBuilder<S: BlockState, I = NoOpInspector> {
    executor: Executor<S, I>,
    /// Roots, bloom and gas are filled in by [`Self::finish`].
    header: Header,
    /// `None` while its hash is not known.
    parent: Option<Sealed<Header>>,
    transactions: Vec<OpTxEnvelope>,
    senders: Vec<Address>,
    /// Set by the first fatal error, after which the state held here cannot be trusted.
    poisoned: bool,
}

/// What executing one transaction did.
#[derive(Clone, Debug)]
pub struct TxResult {
    /// Its receipt, with the gas used by the block so far.
    pub receipt: OpReceiptEnvelope,
    /// Gas the transaction used, after refunds.
    pub gas_used: u64,
    /// What it returned, or the data it reverted with.
    pub output: Bytes,
    /// Why it stopped, if it ran out of something or broke a rule.
    pub halt: Option<OpHaltReason>,
    /// Address of the contract it created, if it is a creation that succeeded.
    pub created: Option<Address>,
}

impl<S: BlockState> BlockBuilder<S> {
    /// Opens a block on `parent`: checks the header rules and makes the system calls. Executes none of the attributes' transactions,
    /// which [`super::forced_transactions`] hands out in order.
    ///
    /// # Errors
    /// [`ExecuteError::Header`] if no such block exists, [`ExecuteError::Fatal`] if state cannot be read.
    pub fn new(
        config: &RollupConfig,
        parent: &Sealed<Header>,
        attributes: &BlockAttributes,
        state: S,
    ) -> Result<Self, ExecuteError> {
        Self::inspected(config, parent, attributes, state, NoOpInspector)
    }

    /// As [`Self::new`], on a parent whose roots are still being computed, so that nobody knows its hash. What asks for that hash asks
    /// `state`: the parent's slot of the EIP-2935 history contract, and its block hash. [`ClosedBlock::settle`] is told the hash.
    ///
    /// `state` must hold the history contract with the code of the EIP; see [`parent_hash_slot`].
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn ahead(
        config: &RollupConfig,
        parent: &Header,
        attributes: &BlockAttributes,
        state: S,
    ) -> Result<Self, ExecuteError> {
        let slot = parent_hash_slot(parent.number);
        let history = state.basic_ref(HISTORY_STORAGE_ADDRESS).map_err(unreadable)?;
        let mut open = State::builder().with_database_ref(state).build();
        // The system call reads the slot before it writes it.
        let known = [(slot, U256::ZERO)].into_iter().collect();
        open.insert_account_with_storage(HISTORY_STORAGE_ADDRESS, history.unwrap_or_default(), known);
        // It writes this, which is taken out again.
        let stand_in = Sealed::new_unchecked(parent.clone(), B256::repeat_byte(0xff));
        let mut builder = Self::on(config, &stand_in, attributes, open, NoOpInspector)?;
        builder.parent = None;
        builder.header.parent_hash = B256::ZERO;
        let open: &mut OpenState<S> = builder.executor.evm.db_mut();
        if let Some(history) = open.cache.accounts.get_mut(&HISTORY_STORAGE_ADDRESS)
            && let Some(account) = &mut history.account
        {
            account.storage.remove(&slot);
        }
        Ok(builder)
    }
}

impl<S: BlockState, I: BlockInspector<S>> BlockBuilder<S, I> {
    /// As [`BlockBuilder::new`], with an inspector that sees the transactions [`Self::inspect`] executes, and no others.
    ///
    /// # Errors
    /// As [`BlockBuilder::new`].
    pub fn inspected(
        config: &RollupConfig,
        parent: &Sealed<Header>,
        attributes: &BlockAttributes,
        state: S,
        inspector: I,
    ) -> Result<Self, ExecuteError> {
        let mut state = State::builder().with_database_ref(state).build();
        state.block_hashes.insert(parent.number, parent.hash());
        Self::on(config, parent, attributes, state, inspector)
    }

    fn on(
        config: &RollupConfig,
        parent: &Sealed<Header>,
        attributes: &BlockAttributes,
        state: OpenState<S>,
        inspector: I,
    ) -> Result<Self, ExecuteError> {
        let header = next_header(config, parent, attributes)?;
        let env = evm_env(config, &header);
        let evm = OpEvmFactory::<OpTx>::default().create_evm_with_inspector(state, env, inspector);
        let context = OpBlockExecutionCtx {
            parent_hash: parent.hash(),
            parent_beacon_block_root: header.parent_beacon_block_root,
            extra_data: header.extra_data.clone(),
        };
        let mut executor = OpBlockExecutor::new(
            evm,
            context,
            Arc::new(config.clone()),
            OpAlloyReceiptBuilder::default(),
        );
        // Whatever fails here, no transaction is to blame.
        executor
            .apply_pre_execution_changes()
            .map_err(FatalError::Execution)?;
        executor.evm.set_inspector_enabled(false);
        Ok(Self {
            executor,
            header,
            parent: Some(parent.clone()),
            transactions: Vec::new(),
            senders: Vec::new(),
            poisoned: false,
        })
    }

    /// Executes a transaction and takes it into the block.
    ///
    /// # Errors
    /// [`TxError::Invalid`] if the block must not hold it; the builder is then as it was before. [`TxError::Fatal`] if state could
    /// not be read; the builder is then of no further use.
    pub fn execute(&mut self, tx: Recovered<OpTxEnvelope>) -> Result<TxResult, TxError> {
        let encoded = tx.inner().encoded_2718().into();
        self.execute_encoded(WithEncoded::new(encoded, tx))
    }

    /// As [`Self::execute`], for a caller that holds the EIP-2718 bytes, which fees and footprint are computed from.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub fn execute_encoded(&mut self, tx: RecoveredTx) -> Result<TxResult, TxError> {
        if self.poisoned {
            return Err(FatalError::Poisoned.into());
        }
        let result = self.try_execute(&tx, |_, _| ());
        self.settle(tx, result).map(|(result, ())| result)
    }

    /// As [`Self::execute_encoded`]; `look` is shown the accounts and slots the transaction touched.
    ///
    /// # Errors
    /// As [`Self::execute`]; `look` is not called then.
    pub fn execute_seen<T>(
        &mut self,
        tx: RecoveredTx,
        look: impl FnOnce(&EvmState) -> T,
    ) -> Result<(TxResult, T), TxError> {
        if self.poisoned {
            return Err(FatalError::Poisoned.into());
        }
        let result = self.try_execute(&tx, |_, outcome| look(&outcome.state));
        self.settle(tx, result)
    }

    /// Executes a transaction under the inspector and takes it into the block. `look` is shown the EVM, with the state as it was
    /// before the transaction, and what the transaction did to it.
    ///
    /// # Errors
    /// As [`Self::execute`]; `look` is not called then.
    pub fn inspect<T>(
        &mut self,
        tx: RecoveredTx,
        look: impl FnOnce(&mut BlockEvm<S, I>, &ResultAndState<OpHaltReason>) -> T,
    ) -> Result<(TxResult, T), TxError> {
        if self.poisoned {
            return Err(FatalError::Poisoned.into());
        }
        self.executor.evm.set_inspector_enabled(true);
        let result = self.try_execute(&tx, look);
        self.executor.evm.set_inspector_enabled(false);
        self.settle(tx, result)
    }

    fn settle<T>(&mut self, tx: RecoveredTx, result: Result<T, TxError>) -> Result<T, TxError> {
        match &result {
            Ok(_) => {
                let (tx, sender) = tx.1.into_parts();
                self.transactions.push(tx);
                self.senders.push(sender);
            }
            Err(TxError::Invalid(_)) => self.forget_refused(),
            Err(TxError::Fatal(_)) => self.poisoned = true,
        }
        result
    }

    fn try_execute<T>(
        &mut self,
        tx: &RecoveredTx,
        look: impl FnOnce(&mut BlockEvm<S, I>, &ResultAndState<OpHaltReason>) -> T,
    ) -> Result<(TxResult, T), TxError> {
        // Types alloy knows and this chain does not; revm would wave a type it does not know through its checks.
        if tx.1.tx_type() == OpTxType::PostExec {
            let transaction_type = tx.1.ty();
            return Err(InvalidTransaction::UnsupportedType { transaction_type }.into());
        }
        let executed = self.executor.execute_transaction_without_commit(tx)?;
        let seen = look(&mut self.executor.evm, executed.result());
        let ended = Ended::new(&executed.result().result);
        let gas_used = self
            .executor
            .commit_transaction(executed)
            .map_err(FatalError::Execution)?
            .tx_gas_used();
        let receipt = self
            .executor
            .receipts
            .last()
            .expect("a committed transaction has a receipt")
            .clone();
        let result = TxResult {
            receipt,
            gas_used,
            output: ended.output,
            halt: ended.halt,
            created: ended.created,
        };
        Ok((result, seen))
    }

    /// Empties the journal and has the fee parameters read anew, whatever the EVM did about them itself.
    fn forget_refused(&mut self) {
        let context = self.executor.evm.ctx_mut();
        context.journaled_state.finalize();
        context.chain = L1BlockInfo::default();
    }

    /// Gas used so far.
    #[must_use]
    pub const fn gas_used(&self) -> u64 {
        self.executor.gas_used
    }

    /// DA footprint so far, in gas; zero before Jovian.
    #[must_use]
    pub const fn da_footprint_used(&self) -> u64 {
        self.executor.da_footprint_used
    }

    /// Transactions taken so far, deposits included.
    #[must_use]
    pub const fn transaction_count(&self) -> usize {
        self.transactions.len()
    }

    /// Transactions taken so far, in order.
    #[must_use]
    pub fn transactions(&self) -> &[OpTxEnvelope] {
        &self.transactions
    }

    /// Sender of each transaction, in order.
    #[must_use]
    pub fn senders(&self) -> &[Address] {
        &self.senders
    }

    /// Receipt of each transaction, in order.
    #[must_use]
    pub fn receipts(&self) -> &[OpReceiptEnvelope] {
        &self.executor.receipts
    }

    /// The header as far as it is known: base fee, limits and time; roots, bloom and gas are still empty.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The state as of the last transaction, for reading what is pending.
    #[must_use]
    pub fn pending_state(&self) -> &State<WrapDatabaseRef<S>> {
        self.executor.evm.components().0
    }

    /// The state as of the last transaction, for running on it what will not be in the block.
    #[must_use]
    pub fn into_state(self) -> OpenState<S> {
        self.executor.evm.finish().0
    }

    /// Seals the block: computes the state root with nodes from `reader` and assembles the header.
    ///
    /// # Errors
    /// [`ExecuteError::Trie`] if the trie cannot be read, [`ExecuteError::Fatal`] if the builder failed before.
    pub fn finish<R: TrieReader>(self, reader: &R) -> Result<BlockOutcome, ExecuteError> {
        self.close()?.seal(reader)
    }

    /// Ends execution; what is left needs the trie and no state.
    ///
    /// # Errors
    /// [`ExecuteError::Fatal`] if the builder failed before.
    pub fn close(self) -> Result<ExecutedBlock, ExecuteError> {
        let (closed, before) = self.stop()?;
        closed.settled(&before.0)
    }

    /// Ends execution and nothing else: what is left to do may be done on another thread. Also returns the state before the block.
    ///
    /// # Errors
    /// [`ExecuteError::Fatal`] if the builder failed before.
    pub fn stop(self) -> Result<(ClosedBlock, WrapDatabaseRef<S>), ExecuteError> {
        if self.poisoned {
            return Err(FatalError::Poisoned.into());
        }
        let (evm, executed) = self.executor.finish().map_err(FatalError::Execution)?;
        let (state, _) = evm.finish();
        let header = Header {
            gas_used: executed.gas_used,
            blob_gas_used: Some(executed.blob_gas_used),
            ..self.header
        };
        let closed = ClosedBlock {
            header,
            parent: self.parent,
            transactions: self.transactions,
            senders: self.senders,
            receipts: executed.receipts,
            cache: state.cache,
        };
        Ok((closed, state.database))
    }
}

/// How a transaction ended, of what the executor does not give back once it is committed.
struct Ended {
    output: Bytes,
    halt: Option<OpHaltReason>,
    created: Option<Address>,
}

impl Ended {
    fn new(result: &ExecutionResult<OpHaltReason>) -> Self {
        let (output, halt) = match result {
            ExecutionResult::Success { output, .. } => (output.data().clone(), None),
            ExecutionResult::Revert { output, .. } => (output.clone(), None),
            ExecutionResult::Halt { reason, .. } => (Bytes::new(), Some(reason.clone())),
        };
        Self {
            output,
            halt,
            created: result.created_address(),
        }
    }
}
