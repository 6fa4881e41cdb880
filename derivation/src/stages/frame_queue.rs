//! Splits batcher data into frames and drops at once those that can no longer become part of a channel.
//!
//! Data that does not parse to its last byte is ignored as a whole. The frames of one piece of data are then put in order against
//! each other (Holocene): frames of a channel must follow each other without a gap, and a first frame ends whatever channel was
//! still open before it. What order they have against frames of earlier data is for [`super::channel_assembler`].

use crate::discard::{DiscardReason, Discards};
use alloc::{collections::VecDeque, vec::Vec};
use alloy_primitives::Bytes;
use tributary_protocol::frame::{Frame, parse_frames};

/// Frames of the piece of data read last; bounded by its size.
#[derive(Clone, Debug, Default)]
pub struct FrameQueue {
    frames: VecDeque<Frame>,
}

impl FrameQueue {
    /// Takes in one piece of data, without its version byte. The queue is empty when this is called.
    pub fn load(&mut self, data: &Bytes, discards: &mut Discards) {
        match parse_frames(data) {
            Ok(frames) => self.frames.extend(prune(frames, discards)),
            Err(_) => discards.add(DiscardReason::FramesMalformed),
        }
    }

    /// The next frame.
    pub fn pop(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }
}

/// What is left of the frames of one piece of data once the order rules have been applied to neighbours.
fn prune(frames: Vec<Frame>, discards: &mut Discards) -> Vec<Frame> {
    let mut kept: Vec<Frame> = Vec::with_capacity(frames.len());
    for frame in frames {
        match kept.last() {
            Some(last) if last.id == frame.id => {
                if last.is_last {
                    discards.add(DiscardReason::FrameAfterLast);
                    continue;
                }
                if last.number.checked_add(1) != Some(frame.number) {
                    discards.add(DiscardReason::FrameOutOfOrder);
                    continue;
                }
            }
            Some(_) if frame.number != 0 => {
                discards.add(DiscardReason::FrameWithoutChannel);
                continue;
            }
            Some(_) => drop_unclosed(&mut kept, discards),
            None => {}
        }
        kept.push(frame);
    }
    kept
}

/// Takes back the frames of the channel at the end, if it is still open.
fn drop_unclosed(kept: &mut Vec<Frame>, discards: &mut Discards) {
    while kept.pop_if(|last| !last.is_last).is_some() {
        discards.add(DiscardReason::ChannelUnclosed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::frame::{ChannelId, encode_frames};

    fn frame(name: &str) -> Frame {
        let bytes = name.as_bytes();
        Frame {
            id: ChannelId([bytes[0]; 16]),
            number: u16::from(bytes[1] - b'0'),
            data: Bytes::from_static(b"data"),
            is_last: name.ends_with('!'),
        }
    }

    fn frames(names: &str) -> Vec<Frame> {
        names.split_whitespace().map(frame).collect()
    }

    /// A frame is written as its channel, its number, and `!` if it is the last.
    #[test]
    fn frames_of_one_transaction_are_put_in_order() {
        use DiscardReason as R;
        let cases: &[(&str, &str, &[DiscardReason])] = &[
            ("a0 a1 a2!", "a0 a1 a2!", &[]),
            ("a0! b0!", "a0! b0!", &[]),
            ("a0 a2 a1!", "a0 a1!", &[R::FrameOutOfOrder]),
            ("a0 a0 a1!", "a0 a1!", &[R::FrameOutOfOrder]),
            ("a0 a1! a2 b0!", "a0 a1! b0!", &[R::FrameAfterLast]),
            ("a0 a1 b0!", "b0!", &[R::ChannelUnclosed, R::ChannelUnclosed]),
            (
                "c0! a0 a1 b0!",
                "c0! b0!",
                &[R::ChannelUnclosed, R::ChannelUnclosed],
            ),
            ("a0 b1 a1!", "a0 a1!", &[R::FrameWithoutChannel]),
            ("a0! b3 c0!", "a0! c0!", &[R::FrameWithoutChannel]),
            // What the first frame continues is for the assembler to know.
            ("a5 a6 b0", "b0", &[R::ChannelUnclosed, R::ChannelUnclosed]),
            ("a5! b0", "a5! b0", &[]),
            ("a5 a6!", "a5 a6!", &[]),
        ];
        for (input, expected, reasons) in cases {
            let mut discards = Discards::default();
            let mut queue = FrameQueue::default();
            queue.load(&encode_frames(&frames(input)).into(), &mut discards);
            let kept: Vec<_> = core::iter::from_fn(|| queue.pop()).collect();
            assert_eq!(kept, frames(expected), "{input}");
            let found: Vec<_> = core::iter::from_fn(|| discards.take_listed())
                .map(|discarded| discarded.reason)
                .collect();
            assert_eq!(&found, reasons, "{input}");
        }
    }

    #[test]
    fn data_with_a_defect_is_ignored_as_a_whole() {
        let mut data = encode_frames(&frames("a0 a1!"));
        data.push(0);
        let mut discards = Discards::default();
        let mut queue = FrameQueue::default();
        queue.load(&data.into(), &mut discards);
        assert_eq!(queue.pop(), None);
        assert_eq!(discards.counts().get(DiscardReason::FramesMalformed), 1);
    }
}
