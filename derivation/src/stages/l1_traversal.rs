//! Walks L1 block by block, linked by hashes, and follows the system configuration along the way.
//!
//! It is the first stage: its current block is the *origin* of everything the later stages hold. The configuration after the logs
//! of a block says whose transactions count in that same block.

use crate::{
    discard::{DiscardReason, Discards},
    l1_block::L1Block,
};
use alloy_primitives::{Address, B256, Log};
use tributary_protocol::{
    block::{L1BlockId, L1BlockNumber, L1BlockRef},
    config::{CONFIG_UPDATE_TOPIC, SystemConfig},
};

/// Where derivation is on L1.
#[derive(Clone, Debug)]
pub struct L1Traversal {
    system_config_address: Address,
    system_config: SystemConfig,
    position: Position,
}

#[derive(Clone, Copy, Debug)]
enum Position {
    /// Waits for the block to start with; the configuration already includes its logs.
    Before(L1BlockId),
    /// At a block.
    At(L1BlockRef),
}

/// The block given is not the one that follows: L1 has reorganised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("L1 block {number} is not what follows: expected {expected}, found {found}")]
pub struct L1Reorg {
    /// Height of the block given.
    pub number: L1BlockNumber,
    /// Hash of the parent, or of the block itself if it is the one to start with.
    pub expected: B256,
    /// The hash found in its place.
    pub found: B256,
}

impl L1Traversal {
    /// Starts at `start`, with the configuration in force after its logs.
    #[must_use]
    pub const fn new(system_config_address: Address, start: L1BlockId, system_config: SystemConfig) -> Self {
        Self {
            system_config_address,
            system_config,
            position: Position::Before(start),
        }
    }

    /// Height of the block to give next.
    #[must_use]
    pub const fn next_number(&self) -> L1BlockNumber {
        match self.position {
            Position::Before(start) => start.number,
            Position::At(current) => current.number.next(),
        }
    }

    /// The current block; `None` before the first.
    #[must_use]
    pub const fn current(&self) -> Option<L1BlockRef> {
        match self.position {
            Position::Before(_) => None,
            Position::At(current) => Some(current),
        }
    }

    /// Configuration after the logs of the current block.
    #[must_use]
    pub const fn system_config(&self) -> &SystemConfig {
        &self.system_config
    }

    /// Moves to `block`.
    ///
    /// # Errors
    /// When it does not follow the current block; nothing has changed then.
    pub fn advance(&mut self, block: &L1Block, discards: &mut Discards) -> Result<(), L1Reorg> {
        let reference = block.reference();
        let (expected, found) = match self.position {
            Position::Before(start) => (start.hash, reference.hash),
            Position::At(current) => (current.hash, reference.parent_hash),
        };
        if reference.number != self.next_number() || expected != found {
            return Err(L1Reorg {
                number: reference.number,
                expected,
                found,
            });
        }
        if matches!(self.position, Position::At(_)) {
            // One that is malformed changes nothing, and those after it still apply.
            for log in config_updates(block, self.system_config_address) {
                if self.system_config.apply(log).is_err() {
                    discards.add(DiscardReason::ConfigUpdateMalformed);
                }
            }
        }
        self.position = Position::At(reference);
        Ok(())
    }
}

/// The configuration updates of `contract` among the logs of `block`, in order.
pub(crate) fn config_updates(block: &L1Block, contract: Address) -> impl Iterator<Item = &Log> {
    block
        .logs()
        .map(|(_, log)| log)
        .filter(move |log| log.address == contract && log.topics().first() == Some(&CONFIG_UPDATE_TOPIC))
}
