//! The block that the engine seals while the next one is open.

use super::{Builder, BuilderError, Progress, open_block::OpenBlock, parent::Parent};
use crate::{engine::EngineError, store::StoreError};
use core::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};
use std::time::Instant;
use tokio::sync::oneshot;
use tributary_protocol::block::L2BlockRef;

/// What is known of it until the engine answers.
pub(super) struct Sealing {
    pub(super) block: Parent,
    answer: oneshot::Receiver<Result<L2BlockRef, EngineError>>,
    /// Once there is one.
    answered: Option<Result<L2BlockRef, EngineError>>,
    transactions: usize,
    closed_at: Instant,
}

/// What became of the block that was being sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// There was none.
    Nothing,
    /// It is on the chain.
    Committed(L2BlockRef),
    /// The unsafe head had moved; the block is gone, and whatever was built on it.
    Lost,
}

impl Sealing {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.answered.is_some() {
            return Poll::Ready(());
        }
        Pin::new(&mut self.answer).poll(context).map(|answer| {
            self.answered = Some(answer.unwrap_or(Err(EngineError::Stopped)));
        })
    }
}

impl Builder {
    /// Hands a block over to be sealed. The one before it must be settled.
    pub(super) async fn seal(&self, block: OpenBlock) -> Result<Progress, BuilderError> {
        let closed_at = Instant::now();
        let transactions = block.transaction_count();
        let number = block.number();
        let closed = block.close().map_err(|source| BuilderError::Execute {
            number,
            source: Box::new(source),
        })?;
        let block = Parent::sealing(self.config(), &closed)?;
        if let Some(journal) = &self.journal {
            journal.closed(number);
        }
        self.chain().close_pending();
        let answer = self.engine.seal(closed).await?;
        *self.sealing.lock() = Some(Sealing {
            block,
            answer,
            answered: None,
            transactions,
            closed_at,
        });
        Ok(Progress::Closed)
    }

    pub(super) fn is_sealing(&self) -> bool {
        self.sealing.lock().is_some()
    }

    /// Resolves once the engine has answered about the block it seals; never if there is none.
    pub(super) async fn sealed(&self) {
        poll_fn(|context| match self.sealing.lock().as_mut() {
            Some(sealing) => sealing.poll(context),
            None => Poll::Pending,
        })
        .await;
    }

    /// Waits until the block that is being sealed is committed.
    pub(super) async fn settle(&self) -> Result<Settled, BuilderError> {
        if self.is_sealing() {
            self.sealed().await;
        }
        self.settle_answered()
    }

    /// True if the engine has answered by now and the block it was to seal will not be. Does not wait.
    pub(super) fn is_lost_by_now(&self) -> Result<bool, BuilderError> {
        let answered = match self.sealing.lock().as_mut() {
            Some(sealing) => sealing.poll(&mut Context::from_waker(core::task::Waker::noop())),
            None => return Ok(false),
        };
        Ok(answered.is_ready() && self.settle_answered()? == Settled::Lost)
    }

    fn settle_answered(&self) -> Result<Settled, BuilderError> {
        let Some(sealing) = self.sealing.lock().take() else {
            return Ok(Settled::Nothing);
        };
        let chain = self.chain();
        match sealing.answered {
            Some(Ok(reference)) => {
                if let Some(journal) = &self.journal {
                    journal.sealed(reference.number, reference.hash);
                }
                if let Some(open) = chain.pending_blocks().open() {
                    match chain.state_at(reference.number) {
                        Ok(state) => open.ground().commit(state),
                        // Taken back already: nothing will be built on it.
                        Err(StoreError::StateUnavailable { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                // Only after the commit: who does not find a transaction in the pending blocks then finds it in the chain.
                chain.settle_pending();
                metrics::counter!("sequencer_blocks_built_total").increment(1);
                metrics::counter!("sequencer_transactions_total").increment(sealing.transactions as u64);
                metrics::histogram!("sequencer_seal_seconds").record(sealing.closed_at.elapsed());
                // What it holds takes milliseconds to let go of.
                tokio::task::spawn_blocking(move || drop(sealing.block));
                Ok(Settled::Committed(reference))
            }
            Some(Err(EngineError::Store(StoreError::NotNext { .. }))) => {
                if let Some(journal) = &self.journal
                    && !self.stopped.is_cancelled()
                {
                    journal.abandoned();
                }
                chain.settle_pending();
                Ok(Settled::Lost)
            }
            Some(Err(error)) => Err(error.into()),
            None => Err(EngineError::Stopped.into()),
        }
    }
}
