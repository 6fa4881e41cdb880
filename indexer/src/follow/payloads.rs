//! Gets the payloads behind posted batches and reads what they hold.
//!
//! Payloads are fetched at once and read one after the other, since two of them can be parts of one channel. One that cannot be had
//! waits for its next turn, alone.

use super::{FollowError, Pace, wait};
use crate::{
    clock::unix_now_secs,
    decode::{ChannelSummary, ReadLimits, Unreadable, payload_frames, read_channel},
    error::IndexerError,
    health::{Check, Health},
    store::{PayloadOutcome, PendingPayload, Store},
};
use alloy::primitives::Bytes;
use core::time::Duration;
use futures::future::join_all;
use std::{collections::BTreeSet, sync::Arc};
use tokio_util::sync::CancellationToken;
use tributary_da_client::{DaLayer, Fetched};
use tributary_protocol::{
    config::RollupConfig,
    frame::{ChannelId, Frame},
};

/// Payloads fetched at once; each can be 16 MiB.
const PAYLOADS_PER_TICK: u32 = 4;
/// Longest wait for one payload; the DA client has shorter ones of its own.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads payloads.
pub(crate) struct PayloadReader {
    pub(crate) da: Arc<dyn DaLayer>,
    pub(crate) store: Store,
    pub(crate) health: Health,
    pub(crate) rollup: Arc<RollupConfig>,
}

impl PayloadReader {
    /// Ticks until told to end, or until the database fails.
    pub(crate) async fn run(
        self,
        interval: Duration,
        shutdown: CancellationToken,
    ) -> Result<(), IndexerError> {
        loop {
            // A tick that is dropped halfway has committed a whole number of writes.
            let result = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                result = self.tick() => result,
            };
            let pace = match result {
                Ok(pace) => pace,
                Err(error) => {
                    tracing::warn!(target: "indexer", %error, "payloads cannot be read now");
                    if let Some(fatal) = error.fatal(&self.store) {
                        return Err(fatal);
                    }
                    Pace::Wait
                }
            };
            if pace == Pace::Wait && wait(&shutdown, interval).await {
                return Ok(());
            }
        }
    }

    /// Fetches and reads the payloads whose turn it is.
    pub(crate) async fn tick(&self) -> Result<Pace, FollowError> {
        self.tick_at(unix_now_secs()).await
    }

    /// As [`Self::tick`], at a time given in unix seconds.
    pub(super) async fn tick_at(&self, now: i64) -> Result<Pace, FollowError> {
        let pending = self.store.pending_payloads(now, PAYLOADS_PER_TICK).await?;
        let fetched = join_all(pending.iter().map(|batch| self.fetch(batch))).await;
        for (batch, payload) in pending.iter().zip(fetched) {
            let (frames, outcome) = match &payload {
                Ok(payload) => self.read(batch.number, payload).await?,
                Err(outcome) => (Vec::new(), outcome.clone()),
            };
            let bytes = payload.as_ref().ok().map(|bytes| (bytes, &frames[..]));
            self.store
                .save_payload(batch.number, bytes, &outcome, now)
                .await?;
            log_outcome(batch.number, &outcome);
        }
        Ok(if pending.is_empty() {
            Pace::Wait
        } else {
            Pace::Again
        })
    }

    async fn fetch(&self, batch: &PendingPayload) -> Result<Bytes, PayloadOutcome> {
        if let Some(bytes) = &batch.bytes {
            return Ok(bytes.clone());
        }
        let Some(commitment) = &batch.commitment else {
            return Err(PayloadOutcome::Invalid(
                "there is neither a payload nor a commitment".to_owned(),
            ));
        };
        let fetched = match tokio::time::timeout(FETCH_TIMEOUT, self.da.get(commitment, batch.l1_block)).await
        {
            Ok(Ok(fetched)) => Ok(fetched),
            Ok(Err(unavailable)) => Err(unavailable.to_string()),
            Err(_) => Err(format!("the DA layer did not answer within {FETCH_TIMEOUT:?}")),
        };
        self.health.update(|facts| facts.da = Check::of(&fetched));
        match fetched {
            Ok(Fetched::Data(payload)) => Ok(payload),
            Ok(Fetched::Drop(reason)) => {
                Err(PayloadOutcome::Invalid(Unreadable::Refused(reason).to_string()))
            }
            Err(cause) => Err(PayloadOutcome::Unavailable(cause)),
        }
    }

    /// Takes a payload apart and reads the channels it completes.
    async fn read(&self, number: i64, payload: &Bytes) -> Result<(Vec<Frame>, PayloadOutcome), FollowError> {
        let frames = match payload_frames(payload) {
            Ok(frames) => frames,
            Err(cause) => return Ok((Vec::new(), PayloadOutcome::Invalid(cause.to_string()))),
        };
        let ids: BTreeSet<ChannelId> = frames.iter().map(|frame| frame.id).collect();
        let mut completes = BTreeSet::new();
        let mut summary: Option<ChannelSummary> = None;
        for id in ids {
            let own: Vec<Frame> = frames.iter().filter(|frame| frame.id == id).cloned().collect();
            let Some((channel, others)) = self.complete(id, number, own).await? else {
                continue;
            };
            completes.extend(others);
            summary = Some(summary.unwrap_or_default().join(channel));
        }
        let outcome = summary.map_or(PayloadOutcome::Partial, |summary| PayloadOutcome::Read {
            summary,
            completes,
        });
        Ok((frames, outcome))
    }

    /// Reads a channel, with the frames of other posted batches if this one's are not all; `None` while some are missing.
    async fn complete(
        &self,
        id: ChannelId,
        number: i64,
        own: Vec<Frame>,
    ) -> Result<Option<(ChannelSummary, BTreeSet<i64>)>, FollowError> {
        if let Some(summary) = self.summarise(own.clone()).await {
            return Ok(Some((summary, BTreeSet::new())));
        }
        let others = self.store.other_frames(id, number).await?;
        let numbers = others.iter().map(|(number, _)| *number).collect();
        let frames = own.into_iter().chain(others.into_iter().map(|(_, frame)| frame));
        let summary = self.summarise(frames.collect()).await;
        Ok(summary.map(|summary| (summary, numbers)))
    }

    /// Decompression takes a core for up to seconds, so it leaves the async threads.
    async fn summarise(&self, frames: Vec<Frame>) -> Option<ChannelSummary> {
        let rollup = Arc::clone(&self.rollup);
        tokio::task::spawn_blocking(move || read_channel(frames, &rollup, ReadLimits::default()))
            .await
            .expect("reading a channel does not panic, whatever its bytes")
    }
}

fn log_outcome(number: i64, outcome: &PayloadOutcome) {
    match outcome {
        PayloadOutcome::Unavailable(cause) => {
            metrics::counter!("tributary_indexer_payload_failures_total").increment(1);
            tracing::warn!(target: "indexer", batch = number, %cause, "a payload is not to be had now");
        }
        PayloadOutcome::Invalid(cause) => {
            tracing::warn!(target: "indexer", batch = number, %cause, "a posted batch holds nothing that can be read");
        }
        PayloadOutcome::Partial | PayloadOutcome::Read { .. } => {}
    }
}
