//! What the driver tells others about derivation: for `optimism_syncStatus`, `readyz` and metrics.

use crate::{discard::DiscardCounts, fork_choice::Heads};
use alloc::string::String;
use tributary_protocol::block::L1BlockRef;

/// Where derivation stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DerivationStatus {
    /// L1 block being read; `None` until the first has been.
    pub current_l1: Option<L1BlockRef>,
    /// L1's newest block, as far as we know.
    pub head_l1: Option<L1BlockRef>,
    /// L1's safe block.
    pub safe_l1: Option<L1BlockRef>,
    /// L1's finalized block.
    pub finalized_l1: Option<L1BlockRef>,
    /// The engine's heads when derivation last moved one.
    pub heads: Heads,
    /// True once everything L1 has is derived, until L1 has more.
    pub is_caught_up: bool,
    /// What derivation is waiting for, if it cannot go on.
    pub stall: Option<Stall>,
    /// Why derivation has stopped for good, if it has.
    pub halted: Option<String>,
    /// What has been thrown away, by reason.
    pub discards: DiscardCounts,
    /// Games whose root differs from the derived one, seen since the start.
    pub contradicting_games: u64,
    /// How often the pipeline was reset.
    pub resets: u64,
}

/// Whose answer is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StallKind {
    /// L1's, or L1 is behind what has been read.
    L1,
    /// The DA layer's, or there is no source for what was posted.
    Da,
    /// The engine's.
    Engine,
}

/// A question that has no answer yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stall {
    /// Whose answer is missing.
    pub kind: StallKind,
    /// What failed, with its causes.
    pub cause: String,
    /// How often it was asked in vain.
    pub attempts: u32,
}
