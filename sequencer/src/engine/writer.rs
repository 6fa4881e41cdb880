//! The engine's thread and its handle: commands in, committed chain out.

use super::Chain;
use crate::store::{ChainWriter, Store, StoreError, StoredBlock};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tributary_protocol::{
    block::{BlockRefError, L1BlockId, L2BlockNumber, L2BlockRef},
    config::RollupConfig,
    execute::BlockOutcome,
};

/// Commands that may wait. Builder and derivation each wait for their answer, so the queue holds a handful at most.
const QUEUED_COMMANDS_MAX: usize = 64;

/// What the operator chooses about the engine.
#[derive(Clone, Copy, Debug)]
pub struct EngineSettings {
    /// Blocks below the unsafe head whose state stays readable (`eth_call`, `eth_getProof`). Blocks above the finalized head
    /// always stay.
    pub history_blocks: u64,
}

impl Default for EngineSettings {
    /// A day of blocks of one second and a little more: a withdrawal is proven against an output root of the last hours.
    fn default() -> Self {
        Self {
            history_blocks: 100_000,
        }
    }
}

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
            Self::BlockRef { .. } => true,
            Self::Stopped => false,
        }
    }
}

type Answer<T> = oneshot::Sender<Result<T, EngineError>>;

enum Command {
    CommitUnsafe(Box<BlockOutcome>, Answer<L2BlockRef>),
    RevertUnsafeTo(L2BlockNumber, Answer<()>),
    SetSafe(L2BlockRef, L1BlockId, Answer<()>),
    SetFinalized(L2BlockRef, Answer<()>),
}

/// Handle to the single writer.
#[derive(Clone, Debug)]
pub struct Engine {
    commands: mpsc::Sender<Command>,
    chain: Chain,
}

impl Engine {
    /// Opens the chain in `store` (or starts it with `genesis`) and starts the writer's thread, which ends when the last handle
    /// is dropped or a write fails.
    ///
    /// # Errors
    /// When the store belongs to another chain or does not hold together.
    pub fn start(
        store: Arc<dyn Store>,
        config: Arc<RollupConfig>,
        genesis: &BlockOutcome,
        settings: EngineSettings,
    ) -> Result<Self, EngineError> {
        let genesis_ref = block_ref(&config, genesis)?;
        let writer = ChainWriter::open(
            store,
            config.l2_chain_id,
            genesis,
            genesis_ref,
            settings.history_blocks,
        )?;
        let chain = Chain::new(config.clone(), writer.reader()?);
        let (commands, queue) = mpsc::channel(QUEUED_COMMANDS_MAX);
        let owner = Owner {
            config,
            writer,
            chain: chain.clone(),
        };
        std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || owner.run(queue))
            .map_err(|_| EngineError::Stopped)?;
        Ok(Self { commands, chain })
    }

    /// The readers' handle.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
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

    /// Resolves when the writer's thread has ended.
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
struct Owner {
    config: Arc<RollupConfig>,
    writer: ChainWriter,
    chain: Chain,
}

impl Owner {
    fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        while let Some(command) = queue.blocking_recv() {
            if let Err(cause) = self.carry_out(command) {
                tracing::error!(target: "sequencer", %cause, "the engine stops: the store failed");
                return;
            }
        }
    }

    /// Carries out one command and answers it; an error is one after which nothing may be written any more.
    fn carry_out(&mut self, command: Command) -> Result<(), StoreError> {
        match command {
            Command::CommitUnsafe(outcome, answer) => reply(answer, self.commit(*outcome)),
            Command::RevertUnsafeTo(number, answer) => reply(answer, self.revert_to(number)),
            Command::SetSafe(head, derived_from, answer) => reply(answer, self.set_safe(head, derived_from)),
            Command::SetFinalized(head, answer) => reply(answer, self.set_finalized(head)),
        }
    }

    fn commit(&mut self, outcome: BlockOutcome) -> Result<L2BlockRef, EngineError> {
        let reference = block_ref(&self.config, &outcome)?;
        self.writer.commit(&outcome, reference)?;
        self.chain.remember(Arc::new(StoredBlock {
            reference,
            block: outcome.block,
            hash: outcome.hash,
            senders: outcome.senders,
            receipts: outcome.receipts,
        }));
        self.publish()?;
        Ok(reference)
    }

    fn revert_to(&mut self, number: L2BlockNumber) -> Result<(), EngineError> {
        self.writer.revert_to(number)?;
        self.publish()
    }

    fn set_safe(&mut self, head: L2BlockRef, derived_from: L1BlockId) -> Result<(), EngineError> {
        self.writer.set_safe(head, derived_from)?;
        self.publish()
    }

    fn set_finalized(&mut self, head: L2BlockRef) -> Result<(), EngineError> {
        self.writer.set_finalized(head)?;
        self.publish()
    }

    fn publish(&self) -> Result<(), EngineError> {
        self.chain.publish(self.writer.reader()?);
        Ok(())
    }
}

/// Answers whoever asked, and passes on an error after which the writer must not go on.
fn reply<T>(answer: Answer<T>, result: Result<T, EngineError>) -> Result<(), StoreError> {
    match result {
        Err(EngineError::Store(error)) if !error.is_refusal() => {
            // Who asked learns from the closed queue that the engine has stopped.
            drop(answer);
            Err(error)
        }
        result => {
            // Nobody waiting any more is no reason not to have done it.
            answer.send(result).ok();
            Ok(())
        }
    }
}

/// Where the block stands, from its L1-attributes transaction.
fn block_ref(config: &RollupConfig, outcome: &BlockOutcome) -> Result<L2BlockRef, EngineError> {
    L2BlockRef::from_block(&outcome.block, outcome.hash, &config.genesis).map_err(|source| {
        EngineError::BlockRef {
            number: outcome.block.header.number,
            source,
        }
    })
}
