//! A safe head and the L1 blocks after its origin, for the tests of the batch rules.
//!
//! ```text
//!  L1:  10 (time 9990)   11 (time 10002)   12 (time 10014)
//!  L2:  ... parent: number 50, time 10000, epoch 10; the block after it is at time 10002
//! ```

use super::epochs::Epochs;
use crate::testing::{TestNet, TestNetOptions};
use alloc::{sync::Arc, vec::Vec};
use alloy_primitives::{B256, keccak256};
use tributary_protocol::{
    batch::SingularBatch,
    block::{L1BlockId, L1BlockNumber, L1BlockRef, L2BlockNumber, L2BlockRef},
    config::RollupConfig,
};

/// Seconds.
pub(super) const BLOCK_TIME: u64 = 2;
/// Unix seconds of the parent.
pub(super) const PARENT_TIME: u64 = 10_000;

pub(super) struct Fixture {
    pub(super) config: Arc<RollupConfig>,
    pub(super) parent: L2BlockRef,
    pub(super) epochs: Epochs,
    blocks: Vec<L1BlockRef>,
}

/// The hash of the L1 block at `number`.
pub(super) fn l1_hash(number: u64) -> B256 {
    keccak256([1, number].map(u64::to_be_bytes).concat())
}

/// The hash of the L2 block at `number`.
pub(super) fn l2_hash(number: u64) -> B256 {
    keccak256([2, number].map(u64::to_be_bytes).concat())
}

impl Fixture {
    pub(super) fn new() -> Self {
        let net = TestNet::new(TestNetOptions {
            seq_window_size: 5,
            block_time: BLOCK_TIME,
            ..TestNetOptions::default()
        });
        let mut fixture = Self {
            config: net.config,
            parent: safe_block(50),
            epochs: Epochs::default(),
            blocks: Vec::new(),
        };
        fixture.blocks = (10..=12).map(l1_block).collect();
        fixture.rebuild();
        fixture
    }

    fn rebuild(&mut self) {
        self.epochs = Epochs::default();
        for block in &self.blocks {
            self.epochs.push(*block, &self.parent);
        }
    }

    /// Moves the L1 block `number` to another time.
    pub(super) fn set_epoch_time(&mut self, number: u64, timestamp: u64) {
        for block in &mut self.blocks {
            if block.number.0 == number {
                block.timestamp = timestamp;
            }
        }
        self.rebuild();
    }

    /// An empty batch for the block after the parent.
    pub(super) fn next(&self, epoch: u64) -> SingularBatch {
        SingularBatch {
            parent_hash: self.parent.hash,
            epoch_number: L1BlockNumber(epoch),
            epoch_hash: l1_hash(epoch),
            timestamp: self.parent.timestamp + BLOCK_TIME,
            transactions: Vec::new(),
        }
    }
}

pub(super) fn l1_block(number: u64) -> L1BlockRef {
    L1BlockRef {
        hash: l1_hash(number),
        number: L1BlockNumber(number),
        parent_hash: l1_hash(number - 1),
        timestamp: PARENT_TIME - 10 + number * 12 - 120,
    }
}

/// A block of the safe chain at or below 50. Blocks 50 and 49 are of epoch 10, 48 and 47 of epoch 9.
pub(super) fn safe_block(number: u64) -> L2BlockRef {
    let epoch = if number >= 49 { 10 } else { 9 };
    L2BlockRef {
        hash: l2_hash(number),
        number: L2BlockNumber(number),
        parent_hash: l2_hash(number - 1),
        timestamp: PARENT_TIME - (50 - number) * BLOCK_TIME,
        l1_origin: L1BlockId {
            hash: l1_hash(epoch),
            number: L1BlockNumber(epoch),
        },
        sequence_number: (number + 1) % 2,
    }
}
