//! How a world ends: every fault gone, some quiet L1 blocks, and then what must hold is looked at.

use super::{
    kinds::FaultKind,
    node::{Derived, Node},
    violation::Violation,
    world::{Role, STEPS_MAX, World},
};
use std::collections::BTreeMap;
use tributary_protocol::block::L2BlockRef;

/// Quiet L1 blocks, beyond the sequencing window, in which the safe head must pass everything built in bad times.
const CALMING_L1_BLOCKS: u64 = 20;

/// Quiet L1 blocks in which what is built and posted then must be safe, as it was built.
const POSTING_L1_BLOCKS: u64 = 40;

/// How many windows may expire over what bad times have left behind, before blocks must be kept.
const TARGETS_MAX: usize = 6;

impl World {
    pub(super) async fn end_quietly(&mut self) -> Result<(), Violation> {
        self.heal()?;
        // L1 outgrows its abandoned forks: until it does, nobody can tell a fork from a server that lags.
        while self.l1.head().number.0 < self.l1.highest() {
            self.mine_block(Vec::new());
        }
        self.mine_block(Vec::new());
        let stormy = self.sequencer.head().number.0;
        // A fork may be younger than the one before it: what was built there waits until L1's time is as late again.
        let behind_secs = self.now.saturating_sub(self.l1.head().timestamp);
        let behind_l1_blocks = behind_secs / self.shape.l1_block_time.start();
        let patience = self.shape.seq_window_size + CALMING_L1_BLOCKS + behind_l1_blocks;
        self.wait_for("safe head passes what was built in bad times", stormy, patience)
            .await?;
        self.keep_a_target().await?;
        self.settle().await?;
        self.check_nodes().await
    }

    /// What is built in quiet times becomes safe as it was built, once what was left behind in bad times is dealt with.
    async fn keep_a_target(&mut self) -> Result<(), Violation> {
        let mut kept = Ok(());
        for _ in 0..TARGETS_MAX {
            let target = self.sequencer.head();
            let what = "safe head passes what was built in quiet times";
            self.wait_for(what, target.number.0, POSTING_L1_BLOCKS).await?;
            kept = self.check_kept(&target);
            if kept.is_ok() {
                break;
            }
        }
        kept
    }

    /// No more faults, of anything.
    fn heal(&mut self) -> Result<(), Violation> {
        self.da.heal();
        self.follower.heal();
        self.sequencer.node.heal();
        self.batcher.heal()?;
        self.l1.set_prices(1, 1);
        self.shape.faults = 0.0;
        self.shape.gaps = 0.0;
        self.inclusion = 1.0;
        if self.sequencer.node.is_disk_failing() {
            self.crash(Role::Sequencer, FaultKind::SequencerDisk)?;
        }
        if self.follower.is_disk_failing() {
            self.crash(Role::Follower, FaultKind::FollowerDisk)?;
        }
        Ok(())
    }

    /// Quiet L1 blocks until the sequencer's safe head is at `number`.
    async fn wait_for(&mut self, what: &'static str, number: u64, l1_blocks: u64) -> Result<(), Violation> {
        for _ in 0..l1_blocks {
            if self.safe_number() >= number {
                return Ok(());
            }
            self.quiet_tick().await?;
        }
        if self.safe_number() >= number {
            return Ok(());
        }
        Err(Violation::Stuck {
            what,
            expected: number,
            found: self.safe_number(),
            stall: self.sequencer.node.status().stall.map(|stall| stall.cause),
        })
    }

    fn safe_number(&self) -> u64 {
        self.sequencer.node.chain().heads().safe_head.number.0
    }

    async fn quiet_tick(&mut self) -> Result<(), Violation> {
        self.mind_key(1.0)?;
        self.derive(Role::Sequencer, STEPS_MAX).await?;
        self.build(64).await?;
        for _ in 0..6 {
            self.post().await?;
        }
        self.derive(Role::Follower, STEPS_MAX).await?;
        self.mine_block(Vec::new());
        self.derive(Role::Sequencer, STEPS_MAX).await?;
        self.remember();
        Ok(())
    }

    fn check_kept(&self, target: &L2BlockRef) -> Result<(), Violation> {
        let safe = self.sequencer.node.block(target.number.0).map(|block| block.hash);
        if safe == Some(target.hash) {
            return Ok(());
        }
        Err(Violation::Replaced {
            number: target.number.0,
            built: target.hash,
            safe,
        })
    }

    /// Both nodes read all of L1.
    async fn settle(&mut self) -> Result<(), Violation> {
        self.derive(Role::Sequencer, STEPS_MAX).await?;
        self.derive(Role::Follower, STEPS_MAX).await
    }

    /// A node that knows nothing but L1 and DA arrives where the others are.
    async fn check_nodes(&mut self) -> Result<(), Violation> {
        let mut fresh = Node::new("fresh node", &self.env, &self.l1.chain, &self.da)?;
        match fresh.derive(STEPS_MAX).await? {
            Derived::CaughtUp => {}
            _ => return Err(Violation::Endless { node: fresh.name }),
        }
        check_same(&fresh, &self.sequencer.node)?;
        check_same(&fresh, &self.follower)?;
        self.counts.safe = fresh.chain().heads().safe_head.number.0;
        let discards: BTreeMap<_, _> = fresh.discards();
        self.digest.add(format!("{discards:?}").as_bytes());
        Ok(())
    }
}

/// Whether two nodes that have read the same L1 hold the same safe chain.
pub(super) fn check_same(left: &Node, right: &Node) -> Result<(), Violation> {
    let heads = [left, right].map(|node| node.chain().heads());
    let last = heads
        .map(|heads| heads.safe_head.number.0)
        .into_iter()
        .max()
        .unwrap_or(0);
    for number in 0..=last {
        let is_safe = |index: usize| number <= heads[index].safe_head.number.0;
        let left_hash = left.block(number).filter(|_| is_safe(0)).map(|block| block.hash);
        let right_hash = right.block(number).filter(|_| is_safe(1)).map(|block| block.hash);
        if left_hash != right_hash {
            return Err(Violation::Divergence {
                left: left.name,
                right: right.name,
                number,
                left_hash,
                right_hash,
            });
        }
    }
    Ok(())
}
