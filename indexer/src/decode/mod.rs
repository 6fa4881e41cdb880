//! From what node, L1 and DA say to rows. Pure: bytes in, rows out.

mod channel;
mod l1;
mod l2;

pub(crate) use channel::{ChannelSummary, ReadLimits, Unreadable, payload_frames, read_channel};
pub(crate) use l1::{PostedRow, may_matter, posted_batches};
pub(crate) use l2::{BlockRow, RecordRow, block_row};
