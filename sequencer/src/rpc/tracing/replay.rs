//! Executing a sealed block again, by the executor that sealed it.

use super::{
    budget::{Budgeted, Steps},
    root,
};
use crate::{
    rpc::{Rpc, error::RpcError, eth::transactions, evm::Outcome},
    store::{StateView, StoredBlock},
};
use alloy::{
    consensus::{
        Sealed,
        transaction::{Recovered, TransactionInfo},
    },
    eips::eip2718::{Encodable2718, WithEncoded},
    primitives::B256,
};
use alloy_evm::Evm;
use alloy_op_evm::OpEvmContext;
use core::ops::RangeInclusive;
use op_alloy_consensus::OpTxEnvelope;
use revm::inspector::Inspector;
use std::sync::Arc;
use tributary_protocol::{
    attributes::BlockAttributes,
    block::L2BlockNumber,
    execute::{BlockBuilder, BlockEvm, BlockState, OpenState, RecoveredTx, TxError, attributes_of},
};

/// The EVM at a transaction of a sealed block: inspector, environment, and the state before the transaction.
pub(super) type ReplayEvm<I> = BlockEvm<StateView, Budgeted<I>>;

/// What watches the EVM while a sealed block is executed again.
pub(super) trait ReplayInspector: Inspector<OpEvmContext<OpenState<StateView>>> + root::Root {}

impl<I: Inspector<OpEvmContext<OpenState<StateView>>> + root::Root> ReplayInspector for I {}

/// A sealed block and the state it was executed on.
pub(super) struct Replay {
    block: Arc<StoredBlock>,
    parent: Arc<StoredBlock>,
    state: StateView,
}

impl Replay {
    /// Finds what the block was executed on.
    pub(super) fn new(rpc: &Rpc, block: Arc<StoredBlock>) -> Result<Self, RpcError> {
        if block.reference.number == rpc.chain().config().genesis.l2.number {
            return Err(RpcError::server("genesis is not traceable"));
        }
        let parent = rpc
            .chain()
            .block_by_hash(block.reference.parent_hash)?
            .ok_or_else(|| RpcError::server("parent block not found"))?;
        let state = rpc.chain().state_at(parent.reference.number)?;
        Ok(Self { block, parent, state })
    }

    /// The block of a transaction, and its index in it.
    pub(super) fn of_transaction(rpc: &Rpc, hash: B256) -> Result<Option<(Self, usize)>, RpcError> {
        let Some((block, index)) = transactions::located(rpc, hash)? else {
            return Ok(None);
        };
        Ok(Some((Self::new(rpc, block)?, index)))
    }

    /// The block whose state the block was executed on.
    pub(super) fn parent(&self) -> L2BlockNumber {
        self.parent.reference.number
    }

    /// Where the transaction at `index` is, as traces say it.
    pub(super) fn place(&self, index: usize) -> TransactionInfo {
        let header = &self.block.block.header;
        TransactionInfo {
            hash: self
                .block
                .block
                .body
                .transactions
                .get(index)
                .map(OpTxEnvelope::tx_hash),
            index: Some(index as u64),
            block_hash: Some(self.block.hash),
            block_number: Some(header.number),
            block_timestamp: Some(header.timestamp),
            base_fee: header.base_fee_per_gas,
        }
    }

    /// Logs of the block before the transaction at `index`.
    pub(super) fn logs_before(&self, index: usize) -> u64 {
        let before = self.block.receipts.iter().take(index);
        before.map(|receipt| receipt.logs().len() as u64).sum()
    }

    /// The state after the system calls and the first `count` transactions of the block.
    pub(super) fn state_within<S: BlockState>(
        &self,
        rpc: &Rpc,
        state: S,
        count: usize,
    ) -> Result<OpenState<S>, RpcError> {
        let mut builder = BlockBuilder::new(
            rpc.chain().config(),
            &self.header(),
            &self.attributes(rpc)?,
            state,
        )
        .map_err(RpcError::internal)?;
        for index in 0..count {
            builder
                .execute_encoded(self.transaction(index)?)
                .map_err(RpcError::internal)?;
        }
        Ok(builder.into_state())
    }

    /// Executes all transactions, each under the inspector; `look` makes an answer of what was seen and readies the inspector for the
    /// next one.
    pub(super) fn all<I: ReplayInspector, T>(
        &self,
        rpc: &Rpc,
        inspector: I,
        steps: Steps,
        look: impl FnMut(usize, &mut ReplayEvm<I>, &Outcome) -> Result<T, RpcError>,
    ) -> Result<Vec<T>, RpcError> {
        match self.block.block.body.transactions.len().checked_sub(1) {
            Some(last) => self.range(rpc, 0..=last, inspector, steps, look),
            None => Ok(Vec::new()),
        }
    }

    /// As [`Self::all`] for the transaction at `index`; those before it run unwatched.
    pub(super) fn one<I: ReplayInspector, T>(
        &self,
        rpc: &Rpc,
        index: usize,
        inspector: I,
        steps: Steps,
        look: impl FnMut(usize, &mut ReplayEvm<I>, &Outcome) -> Result<T, RpcError>,
    ) -> Result<T, RpcError> {
        let answers = self.range(rpc, index..=index, inspector, steps, look)?;
        let answer = answers.into_iter().next();
        Ok(answer.expect("one transaction was watched, or there was an error"))
    }

    fn range<I: ReplayInspector, T>(
        &self,
        rpc: &Rpc,
        watched: RangeInclusive<usize>,
        inspector: I,
        steps: Steps,
        mut look: impl FnMut(usize, &mut ReplayEvm<I>, &Outcome) -> Result<T, RpcError>,
    ) -> Result<Vec<T>, RpcError> {
        let inspector = Budgeted::new(inspector, steps, rpc.settings());
        let mut builder = BlockBuilder::inspected(
            rpc.chain().config(),
            &self.header(),
            &self.attributes(rpc)?,
            self.state.clone(),
            inspector,
        )
        .map_err(RpcError::internal)?;
        let mut answers = Vec::new();
        for index in 0..=*watched.end() {
            let transaction = self.transaction(index)?;
            if watched.contains(&index) {
                let (_, answer) = builder
                    .inspect(transaction, |evm, outcome| seen(index, evm, outcome, &mut look))
                    .map_err(failed)?;
                answers.push(answer?);
            } else {
                builder.execute_encoded(transaction).map_err(failed)?;
            }
            if builder.receipts().get(index) != self.block.receipts.get(index) {
                return Err(RpcError::internal(format_args!(
                    "transaction {index} of block {} has another receipt when it is executed again",
                    self.block.reference.number
                )));
            }
        }
        Ok(answers)
    }
}

impl Replay {
    fn header(&self) -> Sealed<alloy::consensus::Header> {
        Sealed::new_unchecked(self.parent.block.header.clone(), self.parent.hash)
    }

    fn attributes(&self, rpc: &Rpc) -> Result<BlockAttributes, RpcError> {
        attributes_of(rpc.chain().config(), &self.block.block).map_err(RpcError::internal)
    }

    /// The transaction with the sender that was recovered when it came in.
    fn transaction(&self, index: usize) -> Result<RecoveredTx, RpcError> {
        let transaction = self.block.block.body.transactions.get(index);
        let (transaction, sender) = transaction
            .zip(self.block.senders.get(index))
            .ok_or_else(|| RpcError::server("transaction not found"))?;
        let encoded = transaction.encoded_2718().into();
        Ok(WithEncoded::new(
            encoded,
            Recovered::new_unchecked(transaction.clone(), *sender),
        ))
    }
}

/// Shows `look` what the inspector saw, if it saw all of it.
fn seen<I: ReplayInspector, T>(
    index: usize,
    evm: &mut ReplayEvm<I>,
    outcome: &Outcome,
    look: &mut impl FnMut(usize, &mut ReplayEvm<I>, &Outcome) -> Result<T, RpcError>,
) -> Result<T, RpcError> {
    evm.inspector().check()?;
    if !evm.inspector().has_run() {
        let transaction = evm.ctx().tx.clone();
        root::fill(
            evm.inspector_mut().inner(),
            &transaction,
            outcome.result.tx_gas_used(),
        );
    }
    let answer = look(index, evm, outcome);
    evm.inspector_mut().next_transaction();
    answer
}

/// A block that was sealed executes; if this one does not, the fault is here.
fn failed(error: TxError) -> RpcError {
    RpcError::internal(error)
}
