//! Where derivation starts, at start-up and after an L1 reorg.
//!
//! ```text
//!  L1:   ... [ l1_start ] ............... [ safe head's origin ] ... [ resume_at ] ...
//!            first block read: a channel   epochs are kept            batches count
//!            open at resume_at cannot      from here on               from here on
//!            have begun before it
//! ```
//! A restart must give the chain an uninterrupted run gives, or two honest nodes could part ways. What the pipeline holds between two
//! L1 blocks follows from the safe head at that moment and the frames of the last channel timeout; what it holds in the middle of an
//! L1 block does not (a span may have been cut short, the rest of a channel flushed). So derivation always restarts *between* L1
//! blocks: from the last block derived before the L1 block that was being read, reading that L1 block again from its beginning. The
//! blocks it had already yielded are derived a second time and found equal.

use tributary_protocol::{
    block::{L1BlockId, L1BlockNumber, L2BlockRef},
    config::{CHANNEL_TIMEOUT_L1_BLOCKS, SystemConfig},
};

/// A state of the pipeline between two L1 blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetPoint {
    /// Last block derived from L1 blocks before `resume_at`.
    pub safe_head: L2BlockRef,
    /// System configuration in force in it.
    pub system_config: SystemConfig,
    /// L1 block whose batches are the first to count; everything before it has been dealt with.
    pub resume_at: L1BlockNumber,
    /// L1 block to start reading at.
    pub l1_start: L1BlockId,
    /// System configuration after the logs of `l1_start`.
    pub l1_system_config: SystemConfig,
}

/// The highest L1 block at which reading may start: the safe head's origin, and one channel timeout before `resume_at`, since a channel
/// that opened earlier has timed out by then. The chain's first L1 block if that is not so far back.
#[must_use]
pub fn latest_l1_start(
    safe_head: &L2BlockRef,
    resume_at: L1BlockNumber,
    genesis: L1BlockNumber,
) -> L1BlockNumber {
    resume_at
        .saturating_sub(CHANNEL_TIMEOUT_L1_BLOCKS)
        .min(safe_head.l1_origin.number)
        .max(genesis)
}
