//! The driver's view of L1: the next block when there is one, epochs again when they are needed, heads and reorgs.

use super::{
    L1Tag,
    error::{HaltCause, Interrupt, StallCause},
    run::{Driver, Turn},
};
use crate::{
    fork_choice::next_finalized_head,
    l1_block::L1Block,
    pipeline::{Pipeline, ResetCause},
    stages::l1_traversal::L1Reorg,
};
use alloc::sync::Arc;
use core::time::Duration;
use tokio::time::Instant;
use tributary_protocol::block::{L1BlockId, L1BlockNumber, L1BlockRef};

/// L1 blocks kept in memory. Epochs of the blocks derived lie as far back as the batcher takes to post; what is no longer here is
/// fetched again. A mainnet block with receipts is about 2 MB.
const CACHED_L1_BLOCKS: usize = 32;

/// L1 blocks whose hashes are kept, so that finality is only believed of a chain that was read. L1's finalized block lies two epochs, 64
/// blocks, behind its head; a fork this long has no finality.
const READ_L1_BLOCKS: usize = 1024;

/// While there are L1 blocks left to read, the heads of L1 are only asked for this often.
const HEADS_REFRESH: Duration = Duration::from_secs(10);

impl Driver {
    pub(super) async fn read_l1_block(&mut self, number: L1BlockNumber) -> Result<Turn, Interrupt> {
        self.check_outputs().await?;
        self.finalize_what_was_read().await?;
        if !self.is_readable(number) || self.heads_are_stale() {
            self.refresh_heads(number).await?;
        }
        if !self.is_readable(number) {
            return Ok(Turn::CaughtUp);
        }
        let Some(block) = self.l1.block_by_number(number).await? else {
            // The head we know of is gone; ask for it again.
            self.heads_refreshed = None;
            self.status.send_modify(|status| status.head_l1 = None);
            return Ok(Turn::CaughtUp);
        };
        self.check_resumed_on(&block)?;
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.provide_l1_block(&block).map_err(Interrupt::Reset)?;
        }
        if let Some(outputs) = &mut self.outputs {
            outputs.read(&block);
        }
        self.remember(Arc::new(block));
        Ok(Turn::Moved)
    }

    /// L1 may have reorganised since the restart, above what has been read again: no parent hash shows that.
    fn check_resumed_on(&self, block: &L1Block) -> Result<(), Interrupt> {
        match self.resumed_on {
            Some(id) if id.number == block.number() && id.hash != block.hash() => {
                Err(Interrupt::Reset(ResetCause::L1Reorg(L1Reorg {
                    number: id.number,
                    expected: id.hash,
                    found: block.hash(),
                })))
            }
            _ => Ok(()),
        }
    }

    fn remember(&mut self, block: Arc<L1Block>) {
        self.read.push_back(block.id());
        if self.read.len() > READ_L1_BLOCKS {
            self.read.pop_front();
        }
        self.recent.push_back(block);
        if self.recent.len() > CACHED_L1_BLOCKS {
            self.recent.pop_front();
        }
    }

    /// True if the L1 block at `number` exists, as far as we know, and is deep enough to be read.
    fn is_readable(&self, number: L1BlockNumber) -> bool {
        let depth = self.settings.l1_confirmations;
        let head = self.status.borrow().head_l1;
        head.is_some_and(|head| number.0.saturating_add(depth) <= head.number.0)
    }

    fn heads_are_stale(&self) -> bool {
        self.heads_refreshed
            .is_none_or(|refreshed| refreshed.elapsed() >= HEADS_REFRESH)
    }

    /// Asks L1 for its heads, and whether the block read last is still there if nothing follows it.
    async fn refresh_heads(&mut self, next: L1BlockNumber) -> Result<(), Interrupt> {
        let head = self.l1.head(L1Tag::Latest).await?;
        self.heads_refreshed = Some(Instant::now());
        if head == self.status.borrow().head_l1 {
            return Ok(());
        }
        let safe = self.l1.head(L1Tag::Safe).await?;
        let finalized = self.l1.head(L1Tag::Finalized).await?;
        self.status.send_modify(|status| {
            status.head_l1 = head;
            status.safe_l1 = safe;
            status.finalized_l1 = finalized;
        });
        if !self.is_readable(next) {
            self.check_origin().await?;
        }
        if let Some(finalized) = finalized {
            self.finalize(finalized).await?;
        }
        Ok(())
    }

    /// Whether the block read last is still on L1. A server that does not have it (yet) says nothing about it.
    async fn check_origin(&self) -> Result<(), Interrupt> {
        let Some(origin) = self.pipeline.as_ref().and_then(Pipeline::origin) else {
            return Ok(());
        };
        self.check_canonical(origin.id()).await.map(|_| ())
    }

    /// Asks L1 about a block we have read. False if it has none at that height; a reset if it has another one.
    async fn check_canonical(&self, id: L1BlockId) -> Result<bool, Interrupt> {
        match self.l1.block_ref(id.number).await? {
            None => Ok(false),
            Some(block) if block.hash == id.hash => Ok(true),
            Some(block) => Err(Interrupt::Reset(ResetCause::L1Reorg(L1Reorg {
                number: id.number,
                expected: id.hash,
                found: block.hash,
            }))),
        }
    }

    /// The L1 block we have read at this height, if it is one of the latest.
    fn read_at(&self, number: L1BlockNumber) -> Option<L1BlockId> {
        let first = self.read.front()?;
        let index = number.0.checked_sub(first.number.0)?;
        self.read.get(usize::try_from(index).ok()?).copied()
    }

    /// Whatever L1 called finalized before it was read.
    async fn finalize_what_was_read(&mut self) -> Result<(), Interrupt> {
        match self.unread_finality {
            Some(finalized) if self.read_at(finalized.number).is_some() => {
                self.unread_finality = None;
                self.finalize(finalized).await
            }
            _ => Ok(()),
        }
    }

    /// Moves the finalized head to what was derived up to L1's finalized block, once that is a block we have read. Servers behind one
    /// name may follow two forks, so that one of them finalizes the height up to which another one has served us its fork; only while we
    /// are further behind than any fork is long, a height will do.
    async fn finalize(&mut self, finalized: L1BlockRef) -> Result<(), Interrupt> {
        match self.read_at(finalized.number) {
            Some(read) if read == finalized.id() => {}
            Some(_) => return Ok(()),
            None => {
                self.unread_finality = Some(finalized);
                let origin = self.pipeline.as_ref().and_then(Pipeline::origin);
                let is_far = |origin: L1BlockRef| {
                    origin.number.0.saturating_add(READ_L1_BLOCKS as u64) < finalized.number.0
                };
                if !origin.is_some_and(is_far) {
                    return Ok(());
                }
            }
        }
        let Some(derivation) = self.engine.safe_head_at(finalized.number).await? else {
            return Ok(());
        };
        let heads = self.engine.heads().await?;
        let Some(head) = next_finalized_head(&heads, &derivation) else {
            return Ok(());
        };
        let is_ours = match self.read_at(derivation.l1.number) {
            Some(read) => read == derivation.l1,
            None => self.check_canonical(derivation.l1).await?,
        };
        if is_ours {
            self.engine.set_finalized(head).await?;
            let heads = self.engine.heads().await?;
            self.status.send_modify(|status| status.heads = heads);
        }
        Ok(())
    }

    pub(super) async fn read_epoch(&mut self, id: L1BlockId) -> Result<Turn, Interrupt> {
        let cached = self.recent.iter().find(|block| block.hash() == id.hash).cloned();
        let block = match cached {
            Some(block) => block,
            None => match self.l1.block_by_hash(id.hash).await? {
                Some(block) => Arc::new(block),
                None => {
                    self.check_canonical(id).await?;
                    return Err(StallCause::UnknownL1Block(id).into());
                }
            },
        };
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.provide_epoch(&block).map_err(HaltCause::from)?;
        }
        Ok(Turn::Moved)
    }
}
