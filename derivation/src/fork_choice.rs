//! The heads of the L2 chain, and what is remembered of how each safe head came about.

use tributary_protocol::block::{L1BlockId, L2BlockRef};

/// The three heads: `finalized_head <= safe_head <= unsafe_head`, each an ancestor of the next or the same block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// Latest block built, heard of or derived.
    pub unsafe_head: L2BlockRef,
    /// Latest block derived from L1.
    pub safe_head: L2BlockRef,
    /// Latest block derived from finalized L1.
    pub finalized_head: L2BlockRef,
}

/// The safe head as it was once derivation had read L1 up to and including a block.
///
/// While that L1 block is being read the entry grows with every block it yields; only the entries below it are complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafeDerivation {
    /// The L1 block.
    pub l1: L1BlockId,
    /// The last L2 block derived from L1 up to and including it.
    pub safe_head: L2BlockRef,
}
