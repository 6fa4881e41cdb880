//! Of the waiting blocks those whose time has come, into channels and the journal: how many go together, how they are encoded.

use super::{Batcher, BatcherError, CHANNELS_BEGUN_MAX, Phase, begun};
use crate::{
    channel_builder::{BuildError, BuiltChannel},
    channel_manager::{CloseReason, Due, PendingBlock},
    journal::JournaledChannel,
    l1::L1Port,
    node::NodePort,
    payload_size::fit,
};
use alloy::primitives::{Bytes, keccak256};
use tracing::debug;
use tributary_protocol::block::L1BlockNumber;

/// A channel that is to be posted.
struct Closed {
    channel: BuiltChannel,
    payload: Bytes,
    blocks: usize,
    reason: CloseReason,
}

impl<N: NodePort, L: L1Port> Batcher<N, L> {
    /// Builds the channels that are due and writes them into the journal.
    pub(super) fn build_channels(&mut self, l1_head: L1BlockNumber) -> Result<(), BatcherError> {
        let flush = self.control.wants_flush();
        while begun(&self.journal) < CHANNELS_BEGUN_MAX
            && let Some(closed) = self.next_channel(l1_head, flush)?
        {
            self.count(&closed);
            let entry = journal_entry(&closed.channel, &closed.payload, self.rollup.seq_window_size);
            self.journal.add(entry, &closed.payload)?;
            // Only now: a channel that could not be written down leaves its blocks waiting.
            if let Phase::Posting(manager) = &mut self.phase {
                manager.take(closed.blocks);
            }
        }
        if flush && matches!(&self.phase, Phase::Posting(manager) if manager.pending() == 0) {
            self.control.flushed();
        }
        Ok(())
    }

    /// The next channel that is due. A full one is cut where it fills what the DA layer bills; if its blocks compress so well that
    /// more of them go in, it is not full after all.
    fn next_channel(&mut self, l1_head: L1BlockNumber, flush: bool) -> Result<Option<Closed>, BuildError> {
        let Phase::Posting(manager) = &mut self.phase else {
            return Ok(None);
        };
        let input_bytes_max = self.config.policy.max_input_bytes;
        let mut before = None;
        loop {
            manager.set_input_bytes_max(self.sizer.input_bytes(input_bytes_max));
            let Some(Due { count, reason }) = manager.due(self.started.elapsed(), l1_head, flush) else {
                return Ok(None);
            };
            let is_full = reason == CloseReason::Full;
            let limit = self.sizer.target().filter(|_| is_full).unwrap_or(usize::MAX);
            let blocks = manager.first(count);
            let inputs: Vec<usize> = blocks.iter().map(PendingBlock::input_bytes).collect();
            let builder = self.encoder.builder(&self.rollup);
            let fitted = fit(&inputs, limit, |count| {
                let channel = builder.build(&blocks[..count])?;
                let size = channel.payload()?.len();
                Ok::<_, BuildError>((size, channel))
            })?;
            let Some(fitted) = fitted else {
                return Ok(None);
            };
            let input = inputs[..fitted.count].iter().sum();
            self.sizer.learn(input, fitted.size);
            let is_whole = fitted.count == count;
            if is_full
                && is_whole
                && before != Some(count)
                && self.sizer.wants_more(fitted.size, input, input_bytes_max)
            {
                before = Some(count);
                continue;
            }
            let blocks = &blocks[..fitted.count];
            let channel = self.encoder.improve(&self.rollup, blocks, fitted.built)?;
            return Ok(Some(Closed {
                payload: channel.payload()?,
                channel,
                blocks: fitted.count,
                reason,
            }));
        }
    }

    fn count(&self, closed: &Closed) {
        let Closed {
            channel,
            payload,
            blocks,
            reason,
        } = closed;
        let billed = self.sizer.billed(payload.len());
        debug!(
            reason = reason.name(),
            blocks,
            bytes = payload.len(),
            billed,
            "closed a channel"
        );
        metrics::counter!("op_batcher_default_channel_closed_total", "reason" => reason.name()).increment(1);
        metrics::counter!("op_batcher_default_input_bytes_total").increment(channel.input_bytes as u64);
        metrics::counter!("op_batcher_default_output_bytes_total").increment(channel.data.len() as u64);
        metrics::counter!("tributary_batcher_payload_bytes_total").increment(payload.len() as u64);
        metrics::counter!("tributary_batcher_billed_bytes_total").increment(billed as u64);
    }
}

fn journal_entry(channel: &BuiltChannel, payload: &[u8], seq_window_l1_blocks: u64) -> JournaledChannel {
    let origin = channel.first.l1_origin.number.0;
    JournaledChannel {
        first: channel.first.id(),
        last: channel.last.id(),
        deadline: L1BlockNumber(origin.saturating_add(seq_window_l1_blocks)),
        payload: keccak256(payload),
        payload_size: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        route: None,
        transactions: Vec::new(),
    }
}
