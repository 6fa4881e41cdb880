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

/// The finalized head that follows from what was derived once L1 had been read up to its finalized block; `None` if it stays.
///
/// `derivation` is the last entry at or below L1's finalized block, and on L1's canonical chain.
#[must_use]
pub fn next_finalized_head(heads: &Heads, derivation: &SafeDerivation) -> Option<L2BlockRef> {
    let head = derivation.safe_head;
    let moves = head.number > heads.finalized_head.number && head.number <= heads.safe_head.number;
    moves.then_some(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::block::L2BlockNumber;

    #[test]
    fn finalized_head_moves_forward_and_never_past_the_safe_head() {
        let block = |number| L2BlockRef {
            number: L2BlockNumber(number),
            ..L2BlockRef::default()
        };
        let heads = Heads {
            unsafe_head: block(9),
            safe_head: block(7),
            finalized_head: block(4),
        };
        for (derived, expected) in [(3, None), (4, None), (5, Some(5)), (7, Some(7)), (8, None)] {
            let derivation = SafeDerivation {
                l1: L1BlockId::default(),
                safe_head: block(derived),
            };
            assert_eq!(
                next_finalized_head(&heads, &derivation),
                expected.map(block),
                "{derived}"
            );
        }
    }
}
