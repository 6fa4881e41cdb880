//! What a scenario does to an otherwise calm world, and when.

use super::{
    kinds::{FaultKind, Forgery},
    l1::L1Fault,
    violation::Violation,
    world::{Move, Role, STEPS_MAX, World},
};
use core::ops::RangeInclusive;
use tributary_batcher::dispersal::DaChoice;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// A reorg so deep, after which most of what the old fork held is mined again.
    Reorg(u64),
    /// A reorg so deep, to a fork that holds nothing.
    EmptyFork(u64),
    /// L1 goes back to the fork before.
    FlipFlop,
    /// So many requests of both nodes to L1 fail in this way.
    L1(FaultKind, usize),
    /// So many requests of the follower to L1 are answered from the abandoned fork.
    OtherFork(usize),
    /// So many requests of both nodes are answered as of so many L1 blocks ago.
    Stale(u64, usize),
    /// So many gets of both nodes fail in this way.
    Get(FaultKind, usize),
    /// So many puts fail in this way.
    Put(FaultKind, usize),
    /// The sequencer's process ends.
    CrashSequencer,
    /// The follower takes so many steps, then its process ends.
    CrashFollower(usize),
    /// The batcher takes so many rounds, then its process ends.
    CrashBatcher(usize),
    /// The batcher starts on an empty disk.
    LoseJournal,
    /// The power goes at the journal's disk's next but so many operations.
    CutJournal(usize),
    /// L1 asks so many times as much for gas, and for gas of blobs, as a calm one.
    Prices(u128, u128),
    /// Whether the batcher's account can pay.
    Funds(bool),
    /// So many of the batcher's next transactions are mined and fail.
    Revert(usize),
    /// The node gives the batcher blocks that no span batch can say.
    Skew,
    /// The batcher does nothing for so many L1 blocks.
    Away(u64),
    /// A user sends a transaction with so many bytes that do not compress.
    Bulk(usize),
    /// The safe head must be no more than so many blocks behind the unsafe head.
    MustFollow(u64),
    /// So many requests of both nodes for blobs fail in this way.
    Blobs(FaultKind, usize),
    /// So many requests of the batcher to L1 are not answered.
    BatcherL1(usize),
    /// So many requests of the batcher to its node are not answered.
    BatcherNode(usize),
    /// The follower loses its store.
    WipeFollower,
    /// The next L1 block comes so many seconds later than it should.
    Gap(u64),
    /// L1's pool forgets the batcher's transactions.
    PoolForgets,
    /// Another process uses the batcher's next nonce.
    TakeNonce,
    /// Something in the inbox of the next L1 block.
    Forge(Forgery),
}

/// What happens, and after which L1 blocks.
#[derive(Clone, Debug, Default)]
pub struct Script {
    acts: Vec<(RangeInclusive<u64>, Act)>,
    pub(super) choice: Option<DaChoice>,
    pub(super) channel_bytes: Option<usize>,
    pub(super) seq_window_size: Option<u64>,
}

impl Script {
    /// Nothing happens.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `act` happens once, at the `tick`th L1 block.
    #[must_use]
    pub fn at(self, tick: u64, act: Act) -> Self {
        self.during(tick..=tick, act)
    }

    /// `act` happens at every L1 block of `ticks`.
    #[must_use]
    pub fn during(mut self, ticks: RangeInclusive<u64>, act: Act) -> Self {
        self.acts.push((ticks, act));
        self
    }

    /// Where the batcher's channels go, if not to the DA layer and in its place to calldata.
    #[must_use]
    pub const fn posting(mut self, choice: DaChoice) -> Self {
        self.choice = Some(choice);
        self
    }

    /// Channels hold up to so many bytes of batches, and are cut only where L1's pools want it.
    #[must_use]
    pub const fn channels_of(mut self, bytes: usize) -> Self {
        self.channel_bytes = Some(bytes);
        self
    }

    /// The sequencing window, in L1 blocks.
    #[must_use]
    pub const fn window(mut self, l1_blocks: u64) -> Self {
        self.seq_window_size = Some(l1_blocks);
        self
    }

    pub(super) fn acts(&self, tick: u64) -> Vec<Act> {
        let acts = self.acts.iter().filter(|(ticks, _)| ticks.contains(&tick));
        acts.map(|(_, act)| *act).collect()
    }
}

impl World {
    pub(super) async fn act(&mut self, act: Act) -> Result<(), Violation> {
        if matches!(act, Act::Reorg(_) | Act::EmptyFork(_)) {
            // A reorg of what nobody has read is none.
            self.derive(Role::Sequencer, STEPS_MAX).await?;
            self.derive(Role::Follower, STEPS_MAX).await?;
        }
        match act {
            Act::Reorg(depth) => self.reorg_by(depth, Some(depth + 1), true),
            Act::EmptyFork(depth) => self.reorg_by(depth, Some(depth + 1), false),
            Act::FlipFlop => self.flip_flop(),
            Act::L1(FaultKind::L1Null, count) => self.fail_l1(&L1Fault::Null, count),
            Act::L1(kind, count) => self.fail_l1(&L1Fault::Error(kind), count),
            Act::Stale(blocks, count) => self.fail_l1(&L1Fault::Stale(blocks), count),
            Act::OtherFork(count) => {
                if let Some(fork) = self.l1.previous_fork() {
                    self.follower.l1.fail(&L1Fault::OtherFork(fork), count);
                }
            }
            Act::Get(kind, count) => {
                self.sequencer.node.da.fail(kind, count);
                self.follower.da.fail(kind, count);
                self.note(Move::DaFault(Role::Follower, kind, count));
            }
            Act::Put(kind, count) => {
                self.da.fail_puts(kind, count);
                self.note(Move::PutFault(kind, count));
            }
            Act::CrashSequencer => self.crash(Role::Sequencer, FaultKind::SequencerCrash)?,
            Act::CrashFollower(steps) => {
                self.derive(Role::Follower, steps).await?;
                self.crash(Role::Follower, FaultKind::FollowerCrash)?;
            }
            Act::CrashBatcher(rounds) => {
                for _ in 0..rounds {
                    self.post().await?;
                }
                self.crash_batcher()?;
            }
            Act::LoseJournal => self.lose_journal()?,
            Act::CutJournal(operations) => self.cut_journal(operations),
            Act::Prices(gas, blob_gas) => self.set_prices(gas, blob_gas),
            Act::Funds(has_funds) => self.set_funds(has_funds),
            Act::Revert(count) => self.revert(count),
            Act::Skew => self.batcher.node.skew(),
            Act::Away(l1_blocks) => self.away = l1_blocks,
            Act::Bulk(bytes) => self.use_l2_much(bytes),
            Act::MustFollow(blocks) => self.check_lag(blocks)?,
            Act::Blobs(kind, count) => {
                self.sequencer.node.da.fail_blobs(kind, count);
                self.follower.da.fail_blobs(kind, count);
                self.note(Move::DaFault(Role::Follower, kind, count));
            }
            Act::BatcherL1(count) => {
                self.batcher.l1.fail(count);
                self.note(Move::BatcherFault(FaultKind::BatcherL1Down, count));
            }
            Act::BatcherNode(count) => {
                self.batcher.node.fail(count);
                self.note(Move::BatcherFault(FaultKind::BatcherNodeDown, count));
            }
            Act::WipeFollower => self.follower.wipe()?,
            Act::Gap(secs) => self.gap = secs,
            Act::PoolForgets => self.forget_pool(),
            Act::TakeNonce => self.take_nonce(),
            Act::Forge(kind) => self.scripted = Some(kind),
        }
        Ok(())
    }

    fn check_lag(&self, blocks: u64) -> Result<(), Violation> {
        let heads = self.sequencer.node.chain().heads();
        let expected = heads.unsafe_head.number.0.saturating_sub(blocks);
        if heads.safe_head.number.0 >= expected {
            return Ok(());
        }
        Err(Violation::Stuck {
            what: "safe head follows the unsafe head",
            expected,
            found: heads.safe_head.number.0,
            stall: self.sequencer.node.status().stall.map(|stall| stall.cause),
        })
    }

    fn fail_l1(&mut self, fault: &L1Fault, count: usize) {
        self.sequencer.node.l1.fail(fault, count);
        self.follower.l1.fail(fault, count);
        self.note(Move::L1Fault(Role::Follower, fault.kind(), count));
    }
}
