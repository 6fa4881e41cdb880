//! Joins frames into one channel at a time.
//!
//! There is a single staging channel (Holocene): a first frame opens a new one and drops the old, every other frame must be the
//! next of the open one. A channel must be closed within the channel timeout, counted in L1 blocks from the one that opened it.

use crate::discard::{DiscardReason, Discards};
use alloc::vec::Vec;
use alloy_primitives::Bytes;
use tributary_protocol::{
    block::L1BlockNumber,
    channel::{FRAME_OVERHEAD_BYTES, MAX_RLP_BYTES_PER_CHANNEL},
    config::CHANNEL_TIMEOUT_L1_BLOCKS,
    frame::{ChannelId, Frame},
};

/// The staging channel, if one is open. Its bytes never exceed [`MAX_RLP_BYTES_PER_CHANNEL`].
#[derive(Clone, Debug, Default)]
pub struct ChannelAssembler {
    staging: Option<Staging>,
}

#[derive(Clone, Debug)]
struct Staging {
    id: ChannelId,
    opened_at: L1BlockNumber,
    next_number: u32,
    data: Vec<u8>,
    /// Data and overhead of all frames.
    size: usize,
}

impl ChannelAssembler {
    /// Derivation has moved on to `origin`: a channel open for too long is dropped.
    pub fn advance_origin(&mut self, origin: L1BlockNumber, discards: &mut Discards) {
        let timed_out =
            |staging: &Staging| staging.opened_at.0.saturating_add(CHANNEL_TIMEOUT_L1_BLOCKS) < origin.0;
        if self.staging.as_ref().is_some_and(timed_out) {
            self.staging = None;
            discards.add(DiscardReason::ChannelTimedOut);
        }
    }

    /// Adds a frame read at `origin`. Returns the compressed channel if it was the last one.
    pub fn ingest(&mut self, frame: Frame, origin: L1BlockNumber, discards: &mut Discards) -> Option<Bytes> {
        if frame.number == 0 {
            let staging = Staging {
                id: frame.id,
                opened_at: origin,
                next_number: 0,
                data: Vec::new(),
                size: 0,
            };
            if self.staging.replace(staging).is_some() {
                discards.add(DiscardReason::ChannelUnclosed);
            }
        }
        let Some(staging) = self.staging.as_mut().filter(|staging| staging.id == frame.id) else {
            discards.add(DiscardReason::FrameWithoutChannel);
            return None;
        };
        if staging.next_number != u32::from(frame.number) {
            discards.add(DiscardReason::FrameOutOfOrder);
            return None;
        }
        let size = staging.size + frame.data.len() + FRAME_OVERHEAD_BYTES;
        if size > MAX_RLP_BYTES_PER_CHANNEL {
            self.staging = None;
            discards.add(DiscardReason::ChannelTooLarge);
            return None;
        }
        staging.size = size;
        staging.data.extend_from_slice(&frame.data);
        staging.next_number += 1;
        if !frame.is_last {
            return None;
        }
        self.staging.take().map(|staging| staging.data.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DiscardReason as R;

    struct Table {
        assembler: ChannelAssembler,
        discards: Discards,
        closed: Vec<Bytes>,
    }

    impl Table {
        fn new() -> Self {
            Self {
                assembler: ChannelAssembler::default(),
                discards: Discards::default(),
                closed: Vec::new(),
            }
        }

        /// A frame is written as its channel, its number, and `!` if it is the last; its data is its name.
        fn ingest(&mut self, names: &str, origin: u64) -> &mut Self {
            let origin = L1BlockNumber(origin);
            self.assembler.advance_origin(origin, &mut self.discards);
            for name in names.split_whitespace() {
                let frame = Frame {
                    id: ChannelId([name.as_bytes()[0]; 16]),
                    number: u16::from(name.as_bytes()[1] - b'0'),
                    data: Bytes::copy_from_slice(name.as_bytes()),
                    is_last: name.ends_with('!'),
                };
                let closed = self.assembler.ingest(frame, origin, &mut self.discards);
                self.closed.extend(closed);
            }
            self
        }

        fn check(&mut self, closed: &[&str], reasons: &[DiscardReason]) {
            let closed: Vec<_> = closed
                .iter()
                .map(|data| Bytes::copy_from_slice(data.as_bytes()))
                .collect();
            assert_eq!(self.closed, closed);
            let found: Vec<_> = core::iter::from_fn(|| self.discards.take_listed())
                .map(|discarded| discarded.reason)
                .collect();
            assert_eq!(found, reasons);
        }
    }

    #[test]
    fn channel_is_joined_across_l1_blocks() {
        Table::new()
            .ingest("a0", 5)
            .ingest("a1 a2!", 7)
            .ingest("b0!", 7)
            .check(&["a0a1a2!", "b0!"], &[]);
    }

    #[test]
    fn first_frame_drops_the_channel_that_was_open() {
        Table::new()
            .ingest("a0 b0", 5)
            .ingest("a1! b1!", 6)
            .check(&["b0b1!"], &[R::ChannelUnclosed, R::FrameWithoutChannel]);
    }

    #[test]
    fn frame_out_of_order_is_dropped_and_the_channel_lives_on() {
        Table::new()
            .ingest("a0 a2 a1 a1 a2!", 5)
            .check(&["a0a1a2!"], &[R::FrameOutOfOrder, R::FrameOutOfOrder]);
    }

    #[test]
    fn frame_of_another_channel_changes_nothing() {
        Table::new()
            .ingest("a0", 5)
            .ingest("b1", 6)
            .ingest("b1!", 6)
            .ingest("a1!", 7)
            .check(&["a0a1!"], &[R::FrameWithoutChannel, R::FrameWithoutChannel]);
    }

    #[test]
    fn frame_after_last_is_discarded() {
        Table::new()
            .ingest("a0! a1", 5)
            .check(&["a0!"], &[R::FrameWithoutChannel]);
    }

    #[test]
    fn channel_lives_for_exactly_the_timeout() {
        Table::new()
            .ingest("a0", 100)
            .ingest("a1!", 150)
            .check(&["a0a1!"], &[]);
        Table::new()
            .ingest("a0", 100)
            .ingest("a1!", 151)
            .check(&[], &[R::ChannelTimedOut, R::FrameWithoutChannel]);
    }

    #[test]
    fn same_channel_may_begin_again() {
        Table::new()
            .ingest("a0", 5)
            .ingest("a0 a1!", 6)
            .check(&["a0a1!"], &[R::ChannelUnclosed]);
    }

    #[test]
    fn channel_over_the_limit_is_dropped() {
        let mut assembler = ChannelAssembler::default();
        let mut discards = Discards::default();
        let big = |number, size, is_last| Frame {
            id: ChannelId([1; 16]),
            number,
            data: alloc::vec![0; size].into(),
            is_last,
        };
        let origin = L1BlockNumber(1);
        let room = MAX_RLP_BYTES_PER_CHANNEL - 2 * FRAME_OVERHEAD_BYTES;
        for (second, expected) in [(room / 2, Some(room / 2 * 2)), (room / 2 + 1, None)] {
            assembler.ingest(big(0, room / 2, false), origin, &mut discards);
            let closed = assembler.ingest(big(1, second, true), origin, &mut discards);
            assert_eq!(closed.map(|channel| channel.len()), expected);
        }
        assert_eq!(discards.counts().get(R::ChannelTooLarge), 1);
    }
}
