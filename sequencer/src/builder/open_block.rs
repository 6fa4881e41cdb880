//! One block while it is open: the EVM underneath, the pending block others read, and the rule of what goes in.

use super::{
    BlockTransactions, PoolTransaction,
    da_limits::{DaBudget, DaSizes},
    parent::Parent,
    reserve::Reserve,
};
use crate::{
    engine::{Chain, Closed, Ground, PendingBlock, Sealer, Touched},
    journal::{Journal, RecoveredTransaction, record::Opened},
};
use alloy::consensus::{Sealed, transaction::Recovered};
use op_alloy_consensus::OpTxEnvelope;
use std::sync::Arc;
use tributary_protocol::{
    attributes::BlockAttributes,
    block::L2BlockNumber,
    config::RollupConfig,
    execute::{BlockBuilder, ExecuteError, FatalError, TxError, TxResult, forced_transactions},
};

/// Transactions in a row that did not fit after which the block counts as full. Looking further would cost more than the gas that
/// is left is worth.
const MISFITS_MAX: u32 = 64;

/// What became of one attempt to add a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// A transaction was looked at: executed, deferred or rejected.
    One,
    /// There is none now.
    Nothing,
    /// Nothing more fits.
    Full,
}

/// A block being built. Dropping it abandons it.
pub(super) struct OpenBlock {
    builder: BlockBuilder<Ground>,
    pending: Arc<PendingBlock>,
    chain: Chain,
    journal: Option<Journal>,
    reserve: Reserve,
    da: DaBudget,
    misfits: u32,
}

/// Whether a block is new, or one that a crash interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    New,
    Again,
}

impl OpenBlock {
    /// Opens the block after `parent`, executes the deposits and shows it as pending.
    pub(super) fn open(
        chain: &Chain,
        journal: Option<&Journal>,
        opening: Opening,
        parent: &Parent,
        ground: Ground,
        attributes: &BlockAttributes,
    ) -> Result<Self, ExecuteError> {
        let config: &RollupConfig = chain.config();
        let header = parent.header();
        let builder = if parent.is_committed() {
            let header = Sealed::new_unchecked(header.clone(), parent.reference().hash);
            BlockBuilder::new(config, &header, attributes, ground.clone())?
        } else {
            BlockBuilder::ahead(config, header, attributes, ground.clone())?
        };
        let known = builder.header().clone();
        let pending = PendingBlock::new(*parent.reference(), attributes.clone(), known, ground);
        pending.begin(Touched::by_system_calls(&builder.pending_state().cache));
        let mut block = Self {
            builder,
            pending: Arc::new(pending),
            chain: chain.clone(),
            journal: journal.cloned(),
            reserve: Reserve::new(attributes.gas_limit),
            da: DaBudget::new(DaSizes::default()),
            misfits: 0,
        };
        for (index, transaction) in forced_transactions(attributes).enumerate() {
            let invalid = |error| ExecuteError::InvalidTransaction { index, error };
            let transaction = transaction.map_err(invalid)?;
            let included = transaction.1.clone();
            let (result, touched) =
                block
                    .builder
                    .execute_seen(transaction, Touched::of)
                    .map_err(|error| match error {
                        TxError::Invalid(error) => invalid(error),
                        TxError::Fatal(error) => error.into(),
                    })?;
            block.append(included, result, touched);
        }
        chain.publish_pending(Some(block.pending.clone()));
        if let (Some(journal), Opening::New) = (journal, opening) {
            journal.opened(Opened {
                number: block.pending.number(),
                parent: parent.reference().hash,
                attributes: attributes.clone(),
            });
        }
        block.show_forced();
        Ok(block)
    }

    /// Keeps what users send to these limits.
    pub(super) const fn limit_da(&mut self, sizes: DaSizes) {
        self.da = DaBudget::new(sizes);
    }

    /// Its number.
    pub(super) fn number(&self) -> L2BlockNumber {
        self.pending.number()
    }

    /// Wei per gas in this block.
    pub(super) fn base_fee(&self) -> u64 {
        self.pending.base_fee()
    }

    /// Transactions so far, deposits included.
    pub(super) const fn transaction_count(&self) -> usize {
        self.builder.transaction_count()
    }

    /// Tries the next transaction of the queue.
    pub(super) fn add_next(&mut self, queue: &mut dyn BlockTransactions) -> Result<Added, FatalError> {
        if self.misfits >= MISFITS_MAX {
            return Ok(Added::Full);
        }
        let Some(transaction) = queue.next() else {
            return Ok(Added::Nothing);
        };
        let gas_used = self.builder.gas_used();
        let footprint = self.builder.da_footprint_used();
        let da_bytes = self.da.size(transaction.encoded_bytes());
        let fits_da = self.da.admits(da_bytes);
        if !fits_da {
            metrics::counter!("sequencer_da_limited_transactions_total").increment(1);
        }
        if !fits_da || !self.reserve.admits(&transaction, gas_used, footprint) {
            self.defer(queue, &transaction);
            return Ok(Added::One);
        }
        let executed = self
            .builder
            .execute_seen(transaction.as_ref().clone(), Touched::of);
        match executed {
            Ok((result, touched)) => {
                self.misfits = 0;
                self.reserve.count(&transaction, result.gas_used);
                self.da.count(da_bytes);
                self.promise(&transaction, result, touched);
            }
            Err(TxError::Invalid(reason)) if reason.is_block_full() => self.defer(queue, &transaction),
            Err(TxError::Invalid(reason)) => queue.reject(&transaction, &reason),
            Err(TxError::Fatal(error)) => return Err(error),
        }
        Ok(Added::One)
    }

    /// Takes no more transactions.
    pub(super) fn close(self) -> Result<Closed, ExecuteError> {
        let (block, _) = self.builder.stop()?;
        Ok(Closed {
            block,
            sealer: Sealer::new(self.pending.seal().clone()),
            pending: self.pending,
        })
    }

    fn defer(&mut self, queue: &mut dyn BlockTransactions, transaction: &PoolTransaction) {
        self.misfits += 1;
        queue.defer(transaction);
    }

    fn append(&self, transaction: Recovered<OpTxEnvelope>, result: TxResult, touched: Touched) -> usize {
        self.pending
            .append(transaction, result.receipt, result.gas_used, touched)
    }

    /// Shows the forced transactions, once the journal has the block's inputs.
    fn show_forced(&self) {
        let (chain, pending) = (self.chain.clone(), self.pending.clone());
        let count = self.transaction_count();
        let show = move || {
            pending.show(count);
            chain.announce_pending();
        };
        match &self.journal {
            None => show(),
            Some(journal) => journal.when_durable(Box::new(move |result| {
                if result.is_ok() {
                    show();
                }
            })),
        }
    }

    /// Adds an executed transaction to the pending block, and shows it: at once, or when the journal has it on disk.
    fn promise(&self, transaction: &PoolTransaction, result: TxResult, touched: Touched) {
        let count = self.append(transaction.1.clone(), result, touched);
        let hash = transaction.1.inner().tx_hash();
        let Some(journal) = &self.journal else {
            self.chain.show_pending(&self.pending, count, hash);
            self.chain.announce_pending();
            return;
        };
        let (chain, pending) = (self.chain.clone(), self.pending.clone());
        let waiter = move |result: Result<(), _>| {
            if result.is_ok() {
                chain.show_pending(&pending, count, hash);
            }
        };
        let raw = transaction.encoded_bytes();
        journal.executed(hash, transaction.1.signer(), raw, Box::new(waiter));
    }

    /// Executes again what this block had executed before a crash, from a queue that hands it out first. False if that is not possible, and
    /// the block is of no use then.
    pub(super) fn replay(
        &mut self,
        queue: &mut dyn BlockTransactions,
        executed: &[RecoveredTransaction],
    ) -> Result<bool, FatalError> {
        for expected in executed {
            let next = queue.next();
            let Some(transaction) = next.filter(|next| next.1.inner().tx_hash() == expected.hash) else {
                tracing::error!(target: "sequencer", hash = %expected.hash, "an executed transaction is not next in line");
                return Ok(false);
            };
            // No limit of today applies: it was promised under those of before.
            let again = self
                .builder
                .execute_seen(transaction.as_ref().clone(), Touched::of);
            match again {
                Ok((result, touched)) => {
                    self.reserve.count(&transaction, result.gas_used);
                    let count = self.append(transaction.1.clone(), result, touched);
                    self.chain.show_pending(&self.pending, count, expected.hash);
                }
                Err(TxError::Invalid(reason)) => {
                    tracing::error!(target: "sequencer", hash = %expected.hash, %reason, "an executed transaction does not execute again");
                    queue.reject(&transaction, &reason);
                    return Ok(false);
                }
                Err(TxError::Fatal(error)) => return Err(error),
            }
        }
        self.chain.announce_pending();
        Ok(true)
    }
}
