//! The engine's thread and its handle: commands in, committed chain out.

use super::{Chain, PendingBlock, seal::Sealer};
use crate::store::{ChainWriter, SafeDerivation, Store, StoreError, StoreSettings, StoredBlock};
use alloy::{consensus::Sealed, primitives::B256};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tributary_derivation::driver::Applied;
use tributary_protocol::{
    attributes::BlockAttributes,
    block::{BlockRefError, L1BlockId, L2BlockNumber, L2BlockRef},
    config::{RollupConfig, SystemConfigReadError},
    execute::{BlockOutcome, ClosedBlock, ExecuteError},
    genesis::GenesisBlock,
};

/// Commands that may wait. Builder and derivation each wait for their answer, so the queue holds a handful at most.
const QUEUED_COMMANDS_MAX: usize = 64;

/// Abandoned blocks whose transactions are offered to the pool again: far more than any reorg before L1 finality abandons, and
/// bounded, since all of them are in memory at once.
const ABANDONED_TOLD_MAX: usize = 4096;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The block does not say where on L1 it stands.
    #[error("block {number} cannot be placed on L1: {source}")]
    BlockRef {
        /// Number of the block.
        number: u64,
        /// What the rules say.
        source: BlockRefError,
    },
    /// No block has these attributes. Nothing has changed.
    #[error("attributes for block {number} make no valid block: {source}")]
    InvalidAttributes {
        /// Number of the block they were for.
        number: L2BlockNumber,
        /// What is wrong with them.
        source: Box<ExecuteError>,
    },
    /// Attributes were given for a parent that is not on our chain (any more).
    #[error("attributes build on {parent} at {number}, which is not on our chain")]
    UnknownParent {
        /// Number of the parent.
        number: L2BlockNumber,
        /// Hash of the parent.
        parent: B256,
    },
    /// A block was given as unsafe at a height that L1 has decided on.
    #[error("block {number} is given as unsafe, and another is safe")]
    BelowSafe {
        /// Its number.
        number: L2BlockNumber,
    },
    /// A block was given under a hash that it does not execute to.
    #[error("block {number} is said to be {claimed} and executes to {executed}")]
    OtherHash {
        /// Its number.
        number: L2BlockNumber,
        /// The hash it is said to have.
        claimed: B256,
        /// The hash it has.
        executed: B256,
    },
    /// Attributes contradict a safe block; what L1 says once it cannot unsay, so this node or its L1 is broken.
    #[error("attributes contradict block {number}, which is safe")]
    ContradictsSafe {
        /// Number of the safe block.
        number: L2BlockNumber,
    },
    /// Execution failed for a reason that is not the block's.
    #[error("block {number} could not be executed: {source}")]
    Execution {
        /// Number of the block.
        number: L2BlockNumber,
        /// What failed.
        source: Box<ExecuteError>,
    },
    /// A block of ours does not say which system configuration it was built under.
    #[error(transparent)]
    SystemConfig(#[from] SystemConfigReadError),
    /// What the blocks to be taken back hold could not be kept, so they stay.
    #[error("unsafe blocks cannot be taken back: {0}")]
    Journal(String),
    /// The engine has stopped, after a failed write or at shutdown.
    #[error("the engine has stopped")]
    Stopped,
}

impl EngineError {
    /// True when the block or head was refused and the engine goes on; false when it has stopped.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Store(error) => error.is_refusal(),
            Self::BlockRef { .. }
            | Self::InvalidAttributes { .. }
            | Self::UnknownParent { .. }
            | Self::BelowSafe { .. }
            | Self::OtherHash { .. } => true,
            Self::ContradictsSafe { .. }
            | Self::Execution { .. }
            | Self::SystemConfig(_)
            | Self::Journal(_)
            | Self::Stopped => false,
        }
    }
}

/// A block that takes no more transactions and has no hash yet.
#[derive(Debug)]
pub(crate) struct Closed {
    /// As the EVM left it.
    pub(crate) block: ClosedBlock,
    /// As readers see it until it is committed.
    pub(crate) pending: Arc<PendingBlock>,
    /// Tells the block after it.
    pub(crate) sealer: Sealer,
}

type Answer<T> = oneshot::Sender<Result<T, EngineError>>;

enum Command {
    Seal(Box<Closed>, Answer<L2BlockRef>),
    CommitUnsafe(Box<BlockOutcome>, Answer<L2BlockRef>),
    RevertUnsafeTo(L2BlockNumber, Answer<()>),
    SetSafe(L2BlockRef, L1BlockId, Answer<()>),
    SetFinalized(L2BlockRef, Answer<()>),
    Apply(Box<BlockAttributes>, L2BlockRef, Answer<Applied>),
    Import(Box<BlockAttributes>, B256, B256, Answer<L2BlockRef>),
    ResetTo(L2BlockRef, SafeDerivation, Answer<()>),
    Flush(Answer<()>),
}

/// Handle to the single writer.
#[derive(Clone, Debug)]
pub struct Engine {
    commands: mpsc::Sender<Command>,
    chain: Chain,
}

impl Engine {
    /// Opens the chain in `store` (or starts it with `genesis`) and starts the writer's thread, which ends when the last handle
    /// is dropped or a write fails, and a flush under way is over.
    ///
    /// # Errors
    /// When the store belongs to another chain or does not hold together.
    pub fn start(
        store: Arc<dyn Store>,
        config: Arc<RollupConfig>,
        genesis: &GenesisBlock,
        settings: StoreSettings,
    ) -> Result<Self, EngineError> {
        let genesis = genesis.outcome();
        let genesis_ref = block_ref(&config, &genesis)?;
        let writer = ChainWriter::open(store, config.l2_chain_id, &genesis, genesis_ref, settings)?;
        let chain = Chain::new(config.clone(), writer.reader()?);
        let (commands, queue) = mpsc::channel(QUEUED_COMMANDS_MAX);
        let owner = Owner {
            config,
            writer,
            chain: chain.clone(),
        };
        std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || {
                let mut queue = queue;
                // The queue closes last: then the writer is gone, and its store may be opened anew.
                owner.run(&mut queue);
            })
            .map_err(|_| EngineError::Stopped)?;
        Ok(Self { commands, chain })
    }

    /// The readers' handle.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Computes the roots of a block and appends it to the unsafe chain. On disk when this returns. The command is given when this is
    /// called, not when its result is awaited, so whoever calls may go on meanwhile.
    ///
    /// # Errors
    /// [`StoreError::NotNext`] when the unsafe head has moved; the block is then dropped.
    pub(crate) async fn seal(
        &self,
        closed: Closed,
    ) -> Result<oneshot::Receiver<Result<L2BlockRef, EngineError>>, EngineError> {
        let (answer, result) = oneshot::channel();
        let command = Command::Seal(Box::new(closed), answer);
        let sent = self.commands.send(command).await;
        sent.map_err(|_| EngineError::Stopped)?;
        Ok(result)
    }

    /// Appends a block to the unsafe chain. On disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::NotNext`] when the unsafe head has moved; the block is then dropped.
    pub async fn commit_unsafe(&self, outcome: BlockOutcome) -> Result<L2BlockRef, EngineError> {
        self.ask(|answer| Command::CommitUnsafe(Box::new(outcome), answer))
            .await
    }

    /// Takes back unsafe blocks above `number`.
    ///
    /// # Errors
    /// [`StoreError::HeadOrder`] when that would remove the safe head.
    pub async fn revert_unsafe_to(&self, number: L2BlockNumber) -> Result<(), EngineError> {
        self.ask(|answer| Command::RevertUnsafeTo(number, answer)).await
    }

    /// Moves the safe head to a canonical block, derived once L1 had been read up to `derived_from`.
    ///
    /// # Errors
    /// When the block is not canonical or the heads would be out of order.
    pub async fn set_safe(&self, safe_head: L2BlockRef, derived_from: L1BlockId) -> Result<(), EngineError> {
        self.ask(|answer| Command::SetSafe(safe_head, derived_from, answer))
            .await
    }

    /// Moves the finalized head to a canonical block.
    ///
    /// # Errors
    /// When the block is not canonical or the heads would be out of order.
    pub async fn set_finalized(&self, finalized_head: L2BlockRef) -> Result<(), EngineError> {
        self.ask(|answer| Command::SetFinalized(finalized_head, answer))
            .await
    }

    /// Makes the block with these attributes the child of `parent`: keeps the one that is there if its inputs are equal, else
    /// executes the attributes and abandons what followed `parent`.
    ///
    /// # Errors
    /// [`EngineError::InvalidAttributes`] when no such block exists; the chain is then as it was.
    pub async fn apply(
        &self,
        attributes: BlockAttributes,
        parent: L2BlockRef,
    ) -> Result<Applied, EngineError> {
        self.ask(|answer| Command::Apply(Box::new(attributes), parent, answer))
            .await
    }

    /// Makes the block with these attributes the child of the block `parent`, as unsafe, if it has this hash; what followed the parent is
    /// abandoned. A block that is there already stays.
    ///
    /// # Errors
    /// [`EngineError::OtherHash`], [`EngineError::BelowSafe`], [`EngineError::UnknownParent`] or [`EngineError::InvalidAttributes`]; the
    /// chain is then as it was.
    pub async fn import_unsafe(
        &self,
        attributes: BlockAttributes,
        parent: B256,
        hash: B256,
    ) -> Result<L2BlockRef, EngineError> {
        self.ask(|answer| Command::Import(Box::new(attributes), parent, hash, answer))
            .await
    }

    /// After an L1 reorg: moves the safe head back and abandons every block above `unsafe_head`.
    ///
    /// # Errors
    /// When a head would leave the chain or the order of the heads.
    pub async fn reset_to(&self, unsafe_head: L2BlockRef, safe: SafeDerivation) -> Result<(), EngineError> {
        self.ask(|answer| Command::ResetTo(unsafe_head, safe, answer))
            .await
    }

    /// Writes state to disk that is in memory only. Nothing is lost without it; the next start has less to work out.
    ///
    /// # Errors
    /// When the write fails.
    pub async fn flush(&self) -> Result<(), EngineError> {
        self.ask(Command::Flush).await
    }

    /// Resolves when the writer's thread has ended and nothing writes to the store any more.
    pub async fn stopped(&self) {
        self.commands.closed().await;
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, EngineError> {
        let (answer, result) = oneshot::channel();
        self.commands
            .send(command(answer))
            .await
            .map_err(|_| EngineError::Stopped)?;
        result.await.map_err(|_| EngineError::Stopped)?
    }
}

/// What the writer's thread owns.
pub(super) struct Owner {
    pub(super) config: Arc<RollupConfig>,
    pub(super) writer: ChainWriter,
    pub(super) chain: Chain,
}

impl Owner {
    fn run(mut self, queue: &mut mpsc::Receiver<Command>) {
        while let Some(command) = queue.blocking_recv() {
            if !self.show_flush() || !self.carry_out(command) {
                return;
            }
        }
    }

    /// Shows readers what a flush has written that has ended; false when it has failed, and nothing may be written any more.
    fn show_flush(&mut self) -> bool {
        let shown = match self.writer.install_flush() {
            Ok(true) => self.publish(),
            Ok(false) => Ok(()),
            Err(error) => Err(error.into()),
        };
        shown
            .inspect_err(|cause| tracing::error!(target: "sequencer", %cause, "the engine stops"))
            .is_ok()
    }

    /// Carries out one command and answers it; false when nothing may be written any more.
    fn carry_out(&mut self, command: Command) -> bool {
        match command {
            Command::Seal(closed, answer) => reply(answer, self.seal(*closed)),
            Command::CommitUnsafe(outcome, answer) => reply(answer, self.commit(*outcome)),
            Command::RevertUnsafeTo(number, answer) => reply(answer, self.revert_to(number)),
            Command::SetSafe(head, derived_from, answer) => reply(answer, self.set_safe(head, derived_from)),
            Command::SetFinalized(head, answer) => reply(answer, self.set_finalized(head)),
            Command::Apply(attributes, parent, answer) => reply(answer, self.apply(&attributes, &parent)),
            Command::Import(attributes, parent, hash, answer) => {
                reply(answer, self.import(&attributes, parent, hash))
            }
            Command::ResetTo(unsafe_head, safe, answer) => reply(answer, self.reset_to(&unsafe_head, safe)),
            Command::Flush(answer) => reply(answer, self.flush()),
        }
    }

    /// Writes the state of the unsafe head to disk, before the answer to whoever asked. A flush that nobody asked for goes on after answers,
    /// unless [`StoreSettings::flush_in_background`] is off; then, as after this, an engine that has answered everything writes nothing
    /// until the next command, and its store can be opened anew. Otherwise it can once [`Engine::stopped`] resolves.
    fn flush(&mut self) -> Result<(), EngineError> {
        self.writer.flush()?;
        self.publish()
    }

    fn seal(&mut self, closed: Closed) -> Result<L2BlockRef, EngineError> {
        let parent = closed.pending.parent();
        let number = closed.pending.number();
        let head = self.writer.heads().unsafe_head;
        if head.hash != parent.hash {
            return Err(StoreError::NotNext {
                number,
                parent: parent.hash,
                head_number: head.number,
                head: head.hash,
            }
            .into());
        }
        let held = self.chain.block_by_hash(head.hash)?;
        let held = held.ok_or(StoreError::MissingBlock(head.number))?;
        let state = self.writer.reader()?.state_at(head.number)?;
        let header = Sealed::new_unchecked(held.block.header.clone(), held.hash);
        let executed = closed.block.settle(&header, &state);
        let sealed = executed.and_then(|executed| executed.seal(&state));
        let outcome = sealed.map_err(|error| EngineError::Execution {
            number,
            source: Box::new(error),
        })?;
        self.commit_and(outcome, |reference| closed.sealer.set(reference))
    }

    pub(super) fn commit(&mut self, outcome: BlockOutcome) -> Result<L2BlockRef, EngineError> {
        self.commit_and(outcome, |_| ())
    }

    /// Commits, and calls `tell` once the block is on disk and before readers see it.
    fn commit_and(
        &mut self,
        outcome: BlockOutcome,
        tell: impl FnOnce(L2BlockRef),
    ) -> Result<L2BlockRef, EngineError> {
        let reference = block_ref(&self.config, &outcome)?;
        self.writer.commit(&outcome, reference)?;
        self.chain.remember(Arc::new(StoredBlock {
            reference,
            block: outcome.block,
            hash: outcome.hash,
            senders: outcome.senders,
            receipts: outcome.receipts,
        }));
        tell(reference);
        self.publish()?;
        if self.writer.flush_if_due()? {
            self.publish()?;
        }
        Ok(reference)
    }

    /// Takes blocks back and tells who wants to know which; readers see each step.
    pub(super) fn revert_to(&mut self, number: L2BlockNumber) -> Result<(), EngineError> {
        let head = self.writer.heads().unsafe_head.number;
        let mut abandoned = Vec::new();
        for above in ((number.0 + 1)..=head.0).take(ABANDONED_TOLD_MAX) {
            abandoned.extend(self.chain.block_by_number(L2BlockNumber(above))?);
        }
        if head > number {
            self.chain
                .tell_before_revert(number, &abandoned)
                .map_err(EngineError::Journal)?;
        }
        self.writer.revert_to(number)?;
        self.publish()?;
        if head > number {
            let count = head.0 - number.0;
            metrics::counter!("engine_unsafe_blocks_taken_back_total").increment(count);
            tracing::info!(target: "sequencer", count, new_head = number.0, "took unsafe blocks back");
        }
        self.chain.announce_abandoned(abandoned);
        Ok(())
    }

    fn set_safe(&mut self, head: L2BlockRef, derived_from: L1BlockId) -> Result<(), EngineError> {
        self.writer.set_safe(head, derived_from)?;
        self.publish()
    }

    fn set_finalized(&mut self, head: L2BlockRef) -> Result<(), EngineError> {
        self.writer.set_finalized(head)?;
        self.publish()
    }

    fn publish(&mut self) -> Result<(), EngineError> {
        for took in self.writer.take_flush_times() {
            metrics::histogram!("engine_flush_seconds").record(took);
        }
        self.chain.publish(self.writer.reader()?);
        Ok(())
    }
}

/// Answers whoever asked. False after an error with which the writer must not go on.
fn reply<T>(answer: Answer<T>, result: Result<T, EngineError>) -> bool {
    let fatal = result.as_ref().err().filter(|error| !error.is_refusal());
    if let Some(cause) = fatal {
        tracing::error!(target: "sequencer", %cause, "the engine stops");
    }
    let goes_on = fatal.is_none();
    // Nobody waiting any more is no reason not to have done it.
    answer.send(result).ok();
    goes_on
}

/// Where the block stands, from its L1-attributes transaction.
pub(super) fn block_ref(config: &RollupConfig, outcome: &BlockOutcome) -> Result<L2BlockRef, EngineError> {
    L2BlockRef::from_block(&outcome.block, outcome.hash, &config.genesis).map_err(|source| {
        EngineError::BlockRef {
            number: outcome.block.header.number,
            source,
        }
    })
}
