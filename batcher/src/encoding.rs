//! Span or singular batches, and how hard to compress: fixed by the operator, or chosen by what is measured on real channels.
//!
//! ```text
//!  every 16th channel:  both kinds at the quality in force  -> the smaller one is posted, and is the kind from then on
//!                       quality - 1, quality, quality + 1   -> beside the turn; the one whose bytes and CPU cost least is next
//! ```
//! The kind is decided by bytes alone, so the same blocks give the same channels. A quality is weighed against the clock, which is why
//! it is fixed unless the operator gives a byte a price. Whatever is chosen, a channel is decoded and compared before it is posted.

use crate::{
    channel_builder::{BatchKind, BuildError, BuiltChannel, ChannelBuilder},
    channel_manager::PendingBlock,
};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tracing::{info, warn};
use tributary_protocol::config::RollupConfig;

/// Channels between two measurements: traffic changes within hours, a channel closes every minute or so.
const CHANNELS_PER_TRIAL: u64 = 16;

/// The quality a search begins with: most of the gain for a tenth of the CPU of the best.
const QUALITY_FIRST: u8 = 5;

/// Qualities that may be chosen. Quality 0 saves no CPU worth its bytes.
const QUALITIES: core::ops::RangeInclusive<u8> = 1..=11;

/// Which kind of batches to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindChoice {
    /// Always this one.
    Fixed(BatchKind),
    /// Whichever is smaller.
    Auto,
}

/// How hard to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QualityChoice {
    /// Brotli at this quality, 0 to 11.
    Fixed(u8),
    /// The quality that costs least in all.
    Auto {
        /// CPU time that a saved byte is worth.
        per_byte: Duration,
    },
}

/// What the operator chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodingPolicy {
    /// Span or singular.
    pub kind: KindChoice,
    /// Brotli's quality.
    pub quality: QualityChoice,
}

impl EncodingPolicy {
    /// Span batches, compressed with brotli at `quality`.
    #[must_use]
    pub const fn span(quality: u8) -> Self {
        Self {
            kind: KindChoice::Fixed(BatchKind::Span),
            quality: QualityChoice::Fixed(quality),
        }
    }
}

/// What compressing the same blocks at one quality came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trial {
    quality: u8,
    bytes: usize,
    took: Duration,
}

impl Trial {
    fn cost(&self, per_byte: Duration) -> u128 {
        self.took.as_nanos() + per_byte.as_nanos() * self.bytes as u128
    }
}

/// The cheapest; of equal ones the first.
fn cheapest(trials: &[Trial], per_byte: Duration) -> Option<Trial> {
    trials.iter().copied().min_by_key(|trial| trial.cost(per_byte))
}

/// How channels are encoded now.
#[derive(Debug)]
pub(crate) struct Encoder {
    policy: EncodingPolicy,
    kind: BatchKind,
    quality: u8,
    channels: u64,
    running: Option<JoinHandle<Vec<Trial>>>,
}

impl Encoder {
    pub(crate) const fn new(policy: EncodingPolicy) -> Self {
        Self {
            policy,
            kind: match policy.kind {
                KindChoice::Fixed(kind) => kind,
                KindChoice::Auto => BatchKind::Span,
            },
            quality: match policy.quality {
                QualityChoice::Fixed(quality) => quality,
                QualityChoice::Auto { .. } => QUALITY_FIRST,
            },
            channels: 0,
            running: None,
        }
    }

    /// A builder of channels as they are encoded now.
    pub(crate) const fn builder<'a>(&self, rollup: &'a RollupConfig) -> ChannelBuilder<'a> {
        ChannelBuilder::new(rollup, self.quality).with_kind(self.kind)
    }

    /// Takes what was measured beside the turn, once it is there.
    pub(crate) async fn take_trials(&mut self) {
        let Some(trials) = self.running.take_if(|trials| trials.is_finished()) else {
            return;
        };
        let QualityChoice::Auto { per_byte } = self.policy.quality else {
            return;
        };
        let trials = trials.await.unwrap_or_else(|error| {
            warn!(%error, "measuring brotli's quality ended early");
            Vec::new()
        });
        if let Some(best) = cheapest(&trials, per_byte)
            && best.quality != self.quality
        {
            info!(
                from = self.quality,
                to = best.quality,
                ?trials,
                "another brotli quality costs less"
            );
            self.quality = best.quality;
        }
        metrics::gauge!("tributary_batcher_brotli_quality").set(f64::from(self.quality));
    }

    /// Counts `channel`, made of `blocks`, and now and then measures whether it could be had for less. Returns the channel to post.
    pub(crate) fn improve(
        &mut self,
        rollup: &RollupConfig,
        blocks: &[PendingBlock],
        channel: BuiltChannel,
    ) -> Result<BuiltChannel, BuildError> {
        let is_measured = self.channels.is_multiple_of(CHANNELS_PER_TRIAL);
        self.channels += 1;
        if !is_measured {
            return Ok(channel);
        }
        if matches!(self.policy.quality, QualityChoice::Auto { .. }) && self.running.is_none() {
            self.measure_qualities(rollup, blocks);
        }
        if self.policy.kind != KindChoice::Auto {
            return Ok(channel);
        }
        let other = self.kind.other();
        let candidate = ChannelBuilder::new(rollup, self.quality)
            .with_kind(other)
            .build(blocks)?;
        if candidate.data.len() >= channel.data.len() {
            return Ok(channel);
        }
        info!(
            from = self.kind.name(),
            to = other.name(),
            bytes = channel.data.len(),
            bytes_then = candidate.data.len(),
            "the other kind of batches is smaller"
        );
        metrics::counter!("tributary_batcher_batch_kind_changes_total").increment(1);
        self.kind = other;
        Ok(candidate)
    }

    /// Compresses at the quality in force and at its neighbours, on a thread for such work.
    fn measure_qualities(&mut self, rollup: &RollupConfig, blocks: &[PendingBlock]) {
        let (rollup, blocks, kind) = (rollup.clone(), blocks.to_vec(), self.kind);
        let around = self.quality.saturating_sub(1)..=self.quality.saturating_add(1);
        self.running = Some(tokio::task::spawn_blocking(move || {
            let trial = |quality: u8| {
                let started = Instant::now();
                let channel = ChannelBuilder::new(&rollup, quality)
                    .with_kind(kind)
                    .build(&blocks);
                // What does not build here does not build on the turn either, which says so.
                channel.ok().map(|channel| Trial {
                    quality,
                    bytes: channel.data.len(),
                    took: started.elapsed(),
                })
            };
            around
                .filter(|quality| QUALITIES.contains(quality))
                .filter_map(trial)
                .collect()
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::B256;
    use tributary_protocol::{
        batch::SingularBatch,
        block::{L1BlockId, L1BlockNumber, L2BlockNumber, L2BlockRef},
    };

    fn rollup() -> RollupConfig {
        RollupConfig::from_json(include_str!("../../protocol/testdata/rollup.json")).unwrap()
    }

    /// Blocks 1 to `count` of the chain, without transactions.
    fn empty_blocks(rollup: &RollupConfig, count: u64) -> Vec<PendingBlock> {
        let hash = |number: u64| B256::with_last_byte(u8::try_from(number).unwrap());
        let origin = L1BlockId {
            number: L1BlockNumber(rollup.genesis.l1.number.0 + 1),
            hash: B256::repeat_byte(9),
        };
        let block = |number: u64| {
            let timestamp = rollup.genesis.l2_time + number * rollup.block_time;
            PendingBlock {
                block: L2BlockRef {
                    hash: hash(number),
                    number: L2BlockNumber(number),
                    parent_hash: hash(number - 1),
                    timestamp,
                    l1_origin: origin,
                    sequence_number: number - 1,
                },
                batch: SingularBatch {
                    parent_hash: hash(number - 1),
                    epoch_number: origin.number,
                    epoch_hash: origin.hash,
                    timestamp,
                    transactions: Vec::new(),
                },
            }
        };
        (1..=count).map(block).collect()
    }

    fn post(encoder: &mut Encoder, rollup: &RollupConfig, count: u64) -> BuiltChannel {
        let blocks = empty_blocks(rollup, count);
        let channel = encoder.builder(rollup).build(&blocks).unwrap();
        encoder.improve(rollup, &blocks, channel).unwrap()
    }

    fn size(rollup: &RollupConfig, kind: BatchKind, count: u64) -> usize {
        let builder = ChannelBuilder::new(rollup, 5).with_kind(kind);
        builder.build(&empty_blocks(rollup, count)).unwrap().data.len()
    }

    #[test]
    fn the_smaller_kind_is_taken_and_left_when_it_no_longer_is() {
        let rollup = rollup();
        let smaller = |count| {
            let [span, singular] =
                [BatchKind::Span, BatchKind::Singular].map(|kind| size(&rollup, kind, count));
            span.min(singular)
        };
        assert!(size(&rollup, BatchKind::Span, 100) * 4 < size(&rollup, BatchKind::Singular, 100));
        let mut encoder = Encoder::new(EncodingPolicy {
            kind: KindChoice::Auto,
            quality: QualityChoice::Fixed(5),
        });
        encoder.kind = BatchKind::Singular;
        assert_eq!(post(&mut encoder, &rollup, 100).data.len(), smaller(100));
        assert_eq!(encoder.kind, BatchKind::Span);
        // Between two measurements the kind stays; at the next one it is judged anew.
        encoder.kind = BatchKind::Singular;
        for _ in 1..CHANNELS_PER_TRIAL {
            post(&mut encoder, &rollup, 100);
            assert_eq!(encoder.kind, BatchKind::Singular);
        }
        post(&mut encoder, &rollup, 100);
        assert_eq!(encoder.kind, BatchKind::Span);
    }

    #[test]
    fn what_is_fixed_is_not_measured() {
        let rollup = rollup();
        let mut encoder = Encoder::new(EncodingPolicy {
            kind: KindChoice::Fixed(BatchKind::Singular),
            quality: QualityChoice::Fixed(5),
        });
        for _ in 0..=CHANNELS_PER_TRIAL {
            assert_eq!(
                post(&mut encoder, &rollup, 50).data.len(),
                size(&rollup, BatchKind::Singular, 50)
            );
        }
        assert!(encoder.running.is_none() && encoder.quality == 5);
    }

    #[tokio::test]
    async fn the_quality_follows_what_a_byte_is_worth() {
        let rollup = rollup();
        for (per_byte, expected) in [(Duration::ZERO, None), (Duration::from_secs(3_600), Some(true))] {
            let mut encoder = Encoder::new(EncodingPolicy {
                kind: KindChoice::Fixed(BatchKind::Singular),
                quality: QualityChoice::Auto { per_byte },
            });
            post(&mut encoder, &rollup, 100);
            assert!(encoder.running.is_some());
            while encoder.running.is_some() {
                encoder.take_trials().await;
                tokio::task::yield_now().await;
            }
            assert!((4..=6).contains(&encoder.quality), "one step at a time");
            if expected.is_some() {
                let bytes = |quality| {
                    let builder = ChannelBuilder::new(&rollup, quality).with_kind(BatchKind::Singular);
                    builder.build(&empty_blocks(&rollup, 100)).unwrap().data.len()
                };
                let least = (4..=6).map(bytes).min().unwrap();
                assert_eq!(
                    bytes(encoder.quality),
                    least,
                    "where bytes are dear the smallest wins"
                );
            }
        }
    }

    fn trial(quality: u8, bytes: usize, millis: u64) -> Trial {
        Trial {
            quality,
            bytes,
            took: Duration::from_millis(millis),
        }
    }

    #[test]
    fn a_quality_is_chosen_by_what_its_bytes_and_its_time_cost_together() {
        let trials = [trial(4, 1_050, 9), trial(5, 1_000, 10), trial(6, 990, 30)];
        let chosen = |micros| cheapest(&trials, Duration::from_micros(micros)).unwrap().quality;
        assert_eq!(chosen(0), 4, "bytes cost nothing");
        assert_eq!(chosen(100), 5);
        assert_eq!(chosen(10_000), 6);
        assert_eq!(cheapest(&[], Duration::ZERO), None);
        let equal = [trial(5, 10, 1), trial(6, 10, 1)];
        assert_eq!(cheapest(&equal, Duration::ZERO).unwrap().quality, 5);
    }
}
