//! What derivation throws away, and why. Every reason is a rule of the protocol; a failure to fetch is never among them.

use alloc::collections::VecDeque;
use tributary_protocol::block::L1BlockNumber;

/// Discards kept for the log until somebody takes them. One L1 block can hold millions of bad frames: beyond this they are counted
/// and not listed.
const LISTED_MAX: usize = 64;

macro_rules! discard_reasons {
    ($($(#[$doc:meta])* $name:ident => $label:literal,)*) => {
        /// Why something read from L1 or DA does not become part of the chain.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DiscardReason {
            $($(#[$doc])* $name,)*
        }

        impl DiscardReason {
            /// Every reason, in pipeline order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Name of the reason in metrics and logs.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

discard_reasons! {
    /// A `ConfigUpdate` log that does not decode; the logs after it still apply.
    ConfigUpdateMalformed => "config_update_malformed",
    /// An inbox transaction of the batcher with neither frames nor a commitment.
    BatcherTxMalformed => "batcher_tx_malformed",
    /// An inbox transaction of the batcher of a type that carries no batches (EIP-7702).
    BatcherTxType => "batcher_tx_type",
    /// A commitment on a chain without Alt-DA.
    CommitmentNotAllowed => "commitment_not_allowed",
    /// A commitment the DA layer's rules refuse for good.
    CommitmentRefused => "commitment_refused",
    /// A blob that is not in the encoding of batcher data.
    BlobMalformed => "blob_malformed",
    /// A DA payload that does not start with the version of frames.
    PayloadMalformed => "payload_malformed",
    /// Bytes that do not parse as frames to the last one.
    FramesMalformed => "frames_malformed",
    /// A frame whose number does not follow the frame before it.
    FrameOutOfOrder => "frame_out_of_order",
    /// A frame after the last one of its channel.
    FrameAfterLast => "frame_after_last",
    /// A frame, not the first of its channel, while that channel is not open.
    FrameWithoutChannel => "frame_without_channel",
    /// Frames of a channel that was still open when another one began.
    ChannelUnclosed => "channel_unclosed",
    /// A channel that was not closed in time.
    ChannelTimedOut => "channel_timed_out",
    /// A channel whose frames exceed the size limit.
    ChannelTooLarge => "channel_too_large",
    /// A channel that does not decompress; batches before the defect count.
    ChannelUnreadable => "channel_unreadable",
    /// Bytes in a channel that are no batch; the rest of the channel goes with them.
    BatchMalformed => "batch_malformed",
    /// The rest of a channel whose batch was refused.
    ChannelFlushed => "channel_flushed",
    /// A batch read before L1 has passed the L1 origin of the safe head: it cannot hold anything new.
    BatchBeforeOrigin => "batch_before_origin",
    /// A batch that ends at or before the safe head.
    BatchPast => "batch_past",
    /// A batch that leaves a gap after the safe head.
    BatchFuture => "batch_future",
    /// A batch on another parent.
    BatchParent => "batch_parent",
    /// A span batch whose blocks do not fall on the safe chain's times.
    BatchMisaligned => "batch_misaligned",
    /// A batch that came after its sequencing window.
    BatchTooLate => "batch_too_late",
    /// A batch whose epoch is before its parent's.
    EpochTooOld => "epoch_too_old",
    /// A batch whose epoch is more than one after its parent's.
    EpochTooNew => "epoch_too_new",
    /// A batch whose epoch is another L1 chain's.
    EpochHash => "epoch_hash",
    /// A span batch whose last epoch is not among the L1 blocks that may be its epoch. Only the span goes, not its channel.
    SpanEpochUnknown => "span_epoch_unknown",
    /// A batch earlier than its L1 origin.
    BatchBeforeEpochTime => "batch_before_epoch_time",
    /// A batch further ahead of its L1 origin than the sequencer may drift.
    SequencerDrift => "sequencer_drift",
    /// A batch with an empty transaction.
    TransactionEmpty => "transaction_empty",
    /// A batch with a deposit transaction: only derivation may add those.
    TransactionDeposit => "transaction_deposit",
    /// A span batch that says something else about blocks that are safe already.
    SpanContradictsSafe => "span_contradicts_safe",
    /// Attributes that make no valid block; a block of deposits alone takes their place.
    PayloadInvalid => "payload_invalid",
}

/// One thing thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discarded {
    /// Why.
    pub reason: DiscardReason,
    /// L1 block being read at the time.
    pub l1_block: L1BlockNumber,
}

/// How often each reason was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscardCounts([u64; DiscardReason::ALL.len()]);

impl Default for DiscardCounts {
    fn default() -> Self {
        Self([0; DiscardReason::ALL.len()])
    }
}

impl DiscardCounts {
    /// How often `reason` was given.
    #[must_use]
    pub const fn get(&self, reason: DiscardReason) -> u64 {
        self.0[reason as usize]
    }

    /// Every reason given at least once, with how often.
    pub fn iter(&self) -> impl Iterator<Item = (DiscardReason, u64)> {
        DiscardReason::ALL
            .iter()
            .map(|reason| (*reason, self.get(*reason)))
            .filter(|(_, count)| *count > 0)
    }
}

/// Counts discards by reason and lists the latest for the log.
#[derive(Clone, Debug, Default)]
pub struct Discards {
    counts: DiscardCounts,
    listed: VecDeque<Discarded>,
    l1_block: L1BlockNumber,
}

impl Discards {
    /// How often each reason was given so far.
    #[must_use]
    pub const fn counts(&self) -> &DiscardCounts {
        &self.counts
    }

    pub(crate) const fn set_l1_block(&mut self, number: L1BlockNumber) {
        self.l1_block = number;
    }

    pub(crate) fn add(&mut self, reason: DiscardReason) {
        self.counts.0[reason as usize] += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push_back(Discarded {
                reason,
                l1_block: self.l1_block,
            });
        }
    }

    pub(crate) fn take_listed(&mut self) -> Option<Discarded> {
        self.listed.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn labels_differ_and_follow_the_order() {
        let labels: BTreeSet<_> = DiscardReason::ALL.iter().map(|reason| reason.label()).collect();
        assert_eq!(labels.len(), DiscardReason::ALL.len());
        for (index, reason) in DiscardReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }

    #[test]
    fn list_is_bounded_and_counts_are_not() {
        let mut discards = Discards::default();
        for _ in 0..LISTED_MAX + 5 {
            discards.add(DiscardReason::FrameOutOfOrder);
        }
        assert_eq!(
            discards.counts().get(DiscardReason::FrameOutOfOrder),
            LISTED_MAX as u64 + 5
        );
        assert_eq!(core::iter::from_fn(|| discards.take_listed()).count(), LISTED_MAX);
    }
}
