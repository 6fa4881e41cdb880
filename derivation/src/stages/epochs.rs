//! The L1 blocks that may be epochs of the next L2 blocks: from the L1 origin of the safe head to the block being read.

use alloc::collections::VecDeque;
use tributary_protocol::block::{L1BlockNumber, L1BlockRef, L2BlockRef};

/// A run of L1 blocks linked by hashes, oldest first.
///
/// Bounded by the sequencing window and two more: before derivation reads another L1 block it has derived every block whose window
/// has expired, so the safe head's origin is never further behind.
#[derive(Clone, Debug, Default)]
pub(super) struct Epochs {
    blocks: VecDeque<L1BlockRef>,
}

impl Epochs {
    /// Derivation has moved on to `origin`. Blocks before the parent's own epoch are of no use.
    pub(super) fn push(&mut self, origin: L1BlockRef, parent: &L2BlockRef) {
        if origin.number < parent.l1_origin.number {
            self.blocks.clear();
        } else {
            self.blocks.push_back(origin);
        }
    }

    /// The safe head is now `parent`: forgets epochs before its own.
    pub(super) fn prune(&mut self, parent: &L2BlockRef) {
        while self
            .blocks
            .pop_front_if(|block| block.number < parent.l1_origin.number)
            .is_some()
        {}
    }

    /// The epoch of the safe head, and the one after it. Both are there once derivation has read past the former.
    pub(super) fn current_and_next(&self) -> Option<(L1BlockRef, L1BlockRef)> {
        Some((*self.blocks.front()?, *self.blocks.get(1)?))
    }

    /// The L1 block at `number`, if it may be an epoch.
    pub(super) fn at(&self, number: L1BlockNumber) -> Option<L1BlockRef> {
        let first = self.blocks.front()?.number.0;
        let index = usize::try_from(number.0.checked_sub(first)?).ok()?;
        self.blocks.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::block::L1BlockId;

    fn parent(origin: u64) -> L2BlockRef {
        L2BlockRef {
            l1_origin: L1BlockId {
                number: L1BlockNumber(origin),
                ..L1BlockId::default()
            },
            ..L2BlockRef::default()
        }
    }

    fn l1(number: u64) -> L1BlockRef {
        L1BlockRef {
            number: L1BlockNumber(number),
            ..L1BlockRef::default()
        }
    }

    #[test]
    fn epochs_run_from_the_parents_origin_to_the_block_being_read() {
        let mut epochs = Epochs::default();
        for number in 7..=12 {
            epochs.push(l1(number), &parent(10));
        }
        assert_eq!(epochs.current_and_next(), Some((l1(10), l1(11))));
        assert_eq!(epochs.at(L1BlockNumber(9)), None);
        assert_eq!(epochs.at(L1BlockNumber(12)), Some(l1(12)));
        assert_eq!(epochs.at(L1BlockNumber(13)), None);
        epochs.prune(&parent(12));
        assert_eq!(epochs.current_and_next(), None);
        assert_eq!(epochs.at(L1BlockNumber(12)), Some(l1(12)));
    }
}
