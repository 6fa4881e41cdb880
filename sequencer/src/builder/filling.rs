//! The time in which a block is open: it takes what arrives until its timestamp, if it is wanted for so long.

use super::{
    Builder, BuilderError,
    open_block::{Added, OpenBlock},
    parent::Parent,
};
use crate::journal::RecoveredBlock;
use core::time::Duration;
use std::time::Instant;
use tributary_protocol::{attributes::BlockAttributes, execute::FatalError};

impl Builder {
    /// Executes pool transactions until the block's time has come. False if the block is not wanted any more.
    pub(super) async fn fill(
        &self,
        block: &mut OpenBlock,
        parent: &Parent,
        attributes: &BlockAttributes,
        interrupted: Option<&RecoveredBlock>,
    ) -> Result<bool, BuilderError> {
        let fatal = |error: FatalError| BuilderError::Execute {
            number: parent.reference().number.next(),
            source: Box::new(error.into()),
        };
        let seals_at = Duration::from_secs(attributes.timestamp);
        if attributes.no_tx_pool {
            return self.reached(seals_at, parent).await;
        }
        let mut arrivals = self.source.arrivals();
        let mut queue = if parent.is_committed() {
            self.source.open(parent.reference(), block.base_fee())
        } else {
            self.source.open_ahead(block.base_fee())
        };
        if let Some(interrupted) = interrupted {
            if !block
                .replay(queue.as_mut(), &interrupted.executed)
                .map_err(fatal)?
            {
                return Ok(false);
            }
            if interrupted.is_closed {
                return self.reached(seals_at, parent).await;
            }
        }
        // A block that is behind the clock before it has looked at the pool may take half its own time, so that transactions get
        // in and the distance shrinks whatever the load.
        let patience = Duration::from_secs(self.config().block_time) / 2;
        let opened = Instant::now();
        let mut behind = self.clock.now() >= seals_at;
        let mut looked = false;
        loop {
            if self.is_lost_by_now()? || !self.is_wanted(parent) || self.stopped.is_cancelled() {
                return Ok(false);
            }
            let time_has_come = self.clock.now() >= seals_at;
            behind = behind || time_has_come && !looked;
            if behind && opened.elapsed() >= patience || !behind && time_has_come {
                return Ok(true);
            }
            looked = true;
            arrivals.mark_unchanged();
            match block.add_next(queue.as_mut()).map_err(fatal)? {
                Added::One => {}
                Added::Nothing | Added::Full if behind => return Ok(true),
                Added::Full => return self.reached(seals_at, parent).await,
                Added::Nothing => {
                    tokio::select! {
                        () = self.clock.sleep_until(seals_at) => {}
                        () = self.unwanted(parent) => {}
                        () = self.stopped.cancelled() => {}
                        () = self.sealed() => {}
                        changed = arrivals.changed() => if changed.is_err() {
                            // The pool is gone, so nothing more arrives.
                            return self.reached(seals_at, parent).await;
                        },
                    }
                }
            }
        }
    }

    /// Waits for a moment. False if nothing can be built on `parent` any more, or building was stopped, before it came.
    pub(super) async fn reached(&self, moment: Duration, parent: &Parent) -> Result<bool, BuilderError> {
        loop {
            tokio::select! {
                biased;
                () = self.stopped.cancelled() => return Ok(false),
                () = self.unwanted(parent) => return Ok(false),
                () = self.clock.sleep_until(moment) => return Ok(true),
                () = self.sealed() => if self.is_lost_by_now()? {
                    return Ok(false);
                },
            }
        }
    }

    /// Resolves when nothing can be built on `parent` any more.
    async fn unwanted(&self, parent: &Parent) {
        let mut heads = self.chain().subscribe();
        heads
            .wait_for(|heads| !parent.is_or_follows(heads.unsafe_head.hash, self.is_sealing()))
            .await
            .ok();
    }

    pub(super) fn is_wanted(&self, parent: &Parent) -> bool {
        let head = self.chain().heads().unsafe_head.hash;
        parent.is_or_follows(head, self.is_sealing())
    }
}
