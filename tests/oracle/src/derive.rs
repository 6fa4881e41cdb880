//! Derives a history with kona and compares what it yields with what was recorded, block by block.

use crate::{
    alt_da::{AltDaSource, Drained},
    compare::{Disagreement, compare},
    coverage::{ChannelsCounted, Counters, Counts},
    execute::{Executed, Executor},
    history::History,
    providers::{RecordedL1, SafeChain},
    repairs::{BatchesInOrder, FramesInOrder, Repairs, SpansAgree},
};
use kona_derive::{
    AttributesQueue, BatchProvider, BatchStream, ChannelProvider, ChannelReader, DerivationPipeline,
    FrameQueue, L1Retrieval, OriginProvider, Pipeline, PipelineError, PipelineErrorKind, PollingTraversal,
    ResetSignal, Signal, SignalReceiver, StatefulAttributesBuilder, StepResult,
};
use std::sync::Arc;

/// More steps without a block than any history needs; a pipeline that takes more goes in circles.
const IDLE_STEPS_MAX: usize = 1_000_000;

/// What was compared.
#[derive(Clone, Copy, Debug)]
pub struct Agreement {
    /// L1 blocks read.
    pub l1_blocks: usize,
    /// L2 blocks compared.
    pub l2_blocks: usize,
    /// What was read.
    pub counts: Counts,
    /// What was executed.
    pub executed: Executed,
}

/// As [`derive`], with a panic of kona's as one more disagreement.
///
/// # Errors
/// The first disagreement.
pub async fn derive_caught(history: Arc<History>, kona: Kona) -> Result<Agreement, Disagreement> {
    let task = tokio::spawn(derive(history, kona));
    task.await
        .unwrap_or_else(|panic| Err(Disagreement::Panicked(panic.to_string())))
}

/// Which kona is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kona {
    /// As published.
    AsPublished,
    /// Put right where it departs from the rules.
    Repaired,
}

/// Derives `history` to the end of its L1.
///
/// # Errors
/// The first disagreement, after which nothing can be compared.
async fn derive(history: Arc<History>, kona: Kona) -> Result<Agreement, Disagreement> {
    let safe = SafeChain::new(history.clone());
    let counters = Arc::new(Counters::default());
    let repairs = Repairs {
        are_made: kona == Kona::Repaired,
        counters: counters.clone(),
    };
    let mut pipeline = pipeline(&history, &safe, &repairs);
    let reset = ResetSignal {
        l2_safe_head: safe.head(),
        l1_origin: history.l1.first().ok_or(Disagreement::NoL1)?.info,
        system_config: None,
    };
    pipeline.signal(reset.signal()).await?;
    let last = history.l1.last().ok_or(Disagreement::NoL1)?.info.number;

    let mut executor = Executor::new(history.clone());
    let mut recorded = history.derived.iter();
    let mut idle_steps = 0;
    loop {
        idle_steps += 1;
        match pipeline.step(safe.head()).await {
            StepResult::PreparedAttributes => {}
            StepResult::AdvancedOrigin => continue,
            // The one way out: everything L1 has was read.
            StepResult::OriginAdvanceErr(_)
                if pipeline.origin().is_some_and(|origin| origin.number == last) =>
            {
                break;
            }
            StepResult::StepFailed(PipelineErrorKind::Temporary(
                PipelineError::NotEnoughData | PipelineError::ChannelReaderEmpty,
            )) if idle_steps < IDLE_STEPS_MAX => {
                continue;
            }
            StepResult::OriginAdvanceErr(error) | StepResult::StepFailed(error) => return Err(error.into()),
        }
        idle_steps = 0;
        let derived = pipeline.next().ok_or(Disagreement::NothingPrepared)?;
        let recorded = recorded.next().ok_or(Disagreement::Beyond {
            number: derived.block_number(),
        })?;
        compare(&recorded.attributes, &derived)?;
        executor.execute(derived.block_number(), derived.inner, recorded.rejected)?;
        if recorded.rejected {
            // What the engine refuses, it refuses to either: the rest of the span and the channel goes.
            pipeline.signal(Signal::FlushChannel).await?;
        }
        safe.advance();
    }
    if let Some(block) = recorded.next() {
        return Err(Disagreement::Short {
            number: block.attributes.number,
        });
    }
    Ok(Agreement {
        l1_blocks: history.l1.len(),
        l2_blocks: history.derived.len(),
        counts: counters.counts(),
        executed: executor.executed(),
    })
}

/// kona's pipeline as its builder puts it together, with the repairs between the stages.
fn pipeline(
    history: &Arc<History>,
    safe: &SafeChain,
    repairs: &Repairs,
) -> impl Pipeline + SignalReceiver + use<> {
    let rollup = Arc::new(history.rollup.clone());
    let l1 = RecordedL1(history.clone());
    let drained = Drained::new();
    let mut traversal = PollingTraversal::new(l1.clone(), rollup.clone());
    traversal.block = history.l1.first().map(|block| block.info);
    let source = AltDaSource::new(history.clone(), drained.clone(), repairs.counters.clone());
    let retrieval = L1Retrieval::new(traversal, source);
    let frames = FramesInOrder::new(FrameQueue::new(retrieval, rollup.clone()), repairs.clone());
    let channels = ChannelProvider::new(rollup.clone(), frames);
    let channels = ChannelsCounted::new(channels, repairs.counters.clone());
    let reader = ChannelReader::new(channels, rollup.clone());
    let reader = SpansAgree::new(reader, safe.clone(), repairs.clone());
    let stream = BatchStream::new(reader, rollup.clone(), safe.clone());
    let stream = BatchesInOrder::new(stream, drained, repairs.clone());
    let batches = BatchProvider::new(rollup.clone(), stream, safe.clone());
    let builder = StatefulAttributesBuilder::new(rollup.clone(), safe.clone(), l1);
    let attributes = AttributesQueue::new(rollup.clone(), batches, builder);
    DerivationPipeline::new(attributes, rollup, safe.clone())
}
