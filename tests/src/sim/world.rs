//! One world: everything in it, its moves, and which of them comes next.

use super::{
    batcher::Operator,
    da::SimulatedDa,
    env::Env,
    kinds::{FaultKind, Forgery},
    mempool::L1World,
    node::{Derived, Node},
    ports::NodeView,
    report::{Counts, Digest, Outcome},
    script::Script,
    sequencer::{Built, Sequencer},
    shape::Shape,
    violation::{Failure, Violation},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;
use tributary_batcher::{channel_manager::ChannelPolicy, node::SyncStatus};
use tributary_derivation::{
    driver::memory::MemoryL1,
    testing::{GENESIS_TIME, L1_CHAIN_ID, key},
};

/// Moves kept for the report of a failure.
const MOVES_KEPT: usize = 60;

/// Steps after which a node that has all answers must have come to an end.
pub(super) const STEPS_MAX: usize = 400_000;

/// What the caller chooses about a world.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// L1 blocks before it gets quiet.
    pub l1_blocks: u64,
}

impl Default for Options {
    /// 200 L1 blocks.
    fn default() -> Self {
        Self { l1_blocks: 200 }
    }
}

/// Which node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Sequencer,
    Follower,
}

/// One move, for the report.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "the fields are there to be printed")]
pub(super) enum Move {
    Mine { number: u64, transactions: usize },
    Reorg { from: u64, to: u64, head: u64 },
    FlipFlop { head: u64 },
    Build(Built),
    Derive(Role, Derived),
    Batcher(String),
    Crash(Role),
    BatcherCrash,
    JournalLost,
    JournalCut(usize),
    BatcherFault(FaultKind, usize),
    Prices(u128, u128),
    Funds(bool),
    Disk(Role, u64),
    L1Fault(Role, FaultKind, usize),
    DaFault(Role, FaultKind, usize),
    PutFault(FaultKind, usize),
    Forge(Forgery),
    NonceTaken,
    PoolForgets,
    KeyChange,
    Away,
    Quiet,
}

/// Everything there is.
pub(super) struct World {
    pub(super) rng: StdRng,
    pub(super) shape: Shape,
    pub(super) env: Env,
    pub(super) l1: L1World,
    pub(super) da: SimulatedDa,
    pub(super) sequencer: Sequencer,
    pub(super) follower: Node,
    pub(super) batcher: Operator,
    /// Unix seconds.
    pub(super) now: u64,
    /// The runtime's time at the world's first block. It stands still but where the batcher waits.
    began: Instant,
    pub(super) user_nonce: u64,
    /// L1 blocks until the batcher is back.
    pub(super) away: u64,
    pub(super) ticks: u64,
    /// The L1 block at which L1 is calm and the batcher has funds again.
    pub(super) calm_at: u64,
    /// Chance that L1 takes a transaction of the pool into the next block.
    pub(super) inclusion: f64,
    script: Script,
    /// Seconds by which the next L1 block is late, by script.
    pub(super) gap: u64,
    /// A forgery for the next L1 block, by script.
    pub(super) scripted: Option<Forgery>,
    pub(super) counts: Counts,
    pub(super) digest: Digest,
    moves: VecDeque<(u64, Move)>,
    is_loud: bool,
}

/// Runs the world of `seed` to its end.
///
/// # Errors
/// When something does not hold that must.
pub fn simulate(seed: u64, options: &Options) -> Result<Outcome, Box<Failure>> {
    run(seed, options, None, false)
}

/// The same, saying every move on standard output.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_aloud(seed: u64, options: &Options) -> Result<Outcome, Box<Failure>> {
    run(seed, options, None, true)
}

/// Runs a calm world of `l1_blocks`, in which only `script` happens.
///
/// # Errors
/// As [`simulate`].
pub fn play(seed: u64, l1_blocks: u64, script: Script) -> Result<Outcome, Box<Failure>> {
    run(seed, &Options { l1_blocks }, Some(script), false)
}

fn run(seed: u64, options: &Options, script: Option<Script>, is_loud: bool) -> Result<Outcome, Box<Failure>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without threads and sockets needs nothing");
    runtime.block_on(async {
        let mut world = World::new(seed, options, script, is_loud).map_err(|violation| {
            Box::new(Failure {
                seed,
                violation,
                moves: Vec::new(),
                counts: Box::default(),
            })
        })?;
        let held = world.live(options).await;
        world.collect();
        match held {
            Ok(()) => Ok(Outcome {
                seed,
                digest: world.digest.value(),
                counts: world.counts,
            }),
            Err(violation) => Err(Box::new(Failure {
                seed,
                violation,
                moves: world
                    .moves
                    .iter()
                    .map(|(l1, made)| format!("L1 {l1}: {made:?}"))
                    .collect(),
                counts: Box::new(world.counts),
            })),
        }
    })
}

impl World {
    fn new(seed: u64, options: &Options, script: Option<Script>, is_loud: bool) -> Result<Self, Violation> {
        let mut rng = StdRng::seed_from_u64(seed);
        let shape = match &script {
            Some(script) => Shape::calm(&mut rng, script),
            None => Shape::random(&mut rng, options.l1_blocks),
        };
        let env = Env::of(&shape);
        let chain = MemoryL1::new(L1_CHAIN_ID, GENESIS_TIME);
        let da = SimulatedDa::default();
        let node = |name| Node::new(name, &env, &chain, &da);
        let policy = ChannelPolicy {
            max_duration: Duration::from_secs(shape.channel_secs),
            max_input_bytes: shape.channel_bytes,
            safety_margin_l1_blocks: shape.seq_window_size / 3,
            seq_window_l1_blocks: shape.seq_window_size,
        };
        let keys = vec![key("batcher"), key("second batcher")];
        let l1 = L1World::new(chain.clone(), env.config.clone());
        Ok(Self {
            sequencer: Sequencer::new(&env, node("sequencer")?, rng.random_range(0..3)),
            follower: node("follower")?,
            batcher: Operator::new(&env, &l1, &da, shape.posting, policy, keys)?,
            l1,
            da,
            now: GENESIS_TIME,
            began: Instant::now(),
            user_nonce: 0,
            away: 0,
            ticks: 0,
            calm_at: 0,
            inclusion: 0.85,
            script: script.unwrap_or_default(),
            gap: 0,
            scripted: None,
            counts: Counts::default(),
            digest: Digest::default(),
            moves: VecDeque::new(),
            is_loud,
            rng,
            shape,
            env,
        })
    }

    async fn live(&mut self, options: &Options) -> Result<(), Violation> {
        if self.is_loud {
            println!("{:?}", self.shape);
        }
        for _ in 0..options.l1_blocks {
            self.tick().await?;
        }
        self.note(Move::Quiet);
        self.end_quietly().await
    }

    pub(super) fn note(&mut self, made: Move) {
        self.counts.moves += 1;
        let at = self.l1.head().number.0;
        if self.is_loud {
            println!("L1 {at}: {made:?}");
        }
        if self.moves.len() == MOVES_KEPT {
            self.moves.pop_front();
        }
        self.moves.push_back((at, made));
    }

    /// What happens between two L1 blocks, and the second of them.
    async fn tick(&mut self) -> Result<(), Violation> {
        self.ticks += 1;
        self.break_connections();
        self.break_machines()?;
        self.move_market();
        for act in self.script.acts(self.ticks) {
            self.act(act).await?;
        }
        for _ in 0..self.rng.random_range(4..10) {
            match self.rng.random_range(0..8) {
                0 | 1 => self.build(2).await?,
                2 => {
                    let steps = self.rng.random_range(1..60);
                    self.derive(Role::Sequencer, steps).await?;
                }
                3 => {
                    let steps = self.rng.random_range(1..60);
                    self.derive(Role::Follower, steps).await?;
                }
                4 if self.rng.random_bool(0.2) => self.use_l2(),
                4 => {}
                _ if self.away == 0 => self.post().await?,
                _ => {}
            }
        }
        if self.rng.random_bool(0.5) {
            self.derive(Role::Sequencer, STEPS_MAX).await?;
            self.build(8).await?;
        }
        if self.rng.random_bool(0.5) {
            self.derive(Role::Follower, STEPS_MAX).await?;
        }
        self.shake_l1()?;
        self.mine().await?;
        self.remember();
        Ok(())
    }

    /// What the digest is made of.
    pub(super) fn remember(&mut self) {
        let heads = self.sequencer.node.chain().heads();
        let parts = [
            self.l1.head().hash,
            heads.unsafe_head.hash,
            heads.safe_head.hash,
            heads.finalized_head.hash,
            self.follower.chain().heads().safe_head.hash,
        ];
        for part in parts {
            self.digest.add(part.as_slice());
        }
        self.digest.add(&self.counts.moves.to_be_bytes());
    }

    pub(super) fn node(&mut self, role: Role) -> &mut Node {
        match role {
            Role::Sequencer => &mut self.sequencer.node,
            Role::Follower => &mut self.follower,
        }
    }

    pub(super) fn crash(&mut self, role: Role, kind: FaultKind) -> Result<(), Violation> {
        self.counts.fault(kind);
        self.note(Move::Crash(role));
        match role {
            Role::Sequencer => self.sequencer.restart(),
            Role::Follower => self.follower.restart(),
        }
    }

    pub(super) async fn derive(&mut self, role: Role, steps: usize) -> Result<(), Violation> {
        let before = self.sequencer.head();
        let derived = self.node(role).derive(steps).await?;
        self.note(Move::Derive(role, derived));
        if steps == STEPS_MAX && derived == Derived::Moved {
            let node = self.node(role).name;
            return Err(Violation::Endless { node });
        }
        let is_replaced = |world: &Self| {
            let held = world.sequencer.node.block(before.number.0);
            held.is_none_or(|held| held.hash != before.hash)
        };
        if role == Role::Sequencer && is_replaced(self) {
            self.counts.fault(FaultKind::UnsafeReplaced);
        }
        match (derived, role) {
            (Derived::Failed, Role::Sequencer) => self.crash(role, FaultKind::SequencerDisk),
            (Derived::Failed, Role::Follower) => self.crash(role, FaultKind::FollowerDisk),
            _ => Ok(()),
        }
    }

    /// Up to `count` blocks, as far as their time has come.
    pub(super) async fn build(&mut self, count: usize) -> Result<(), Violation> {
        for _ in 0..count {
            if self.rng.random_bool(0.18) {
                self.use_l2();
            }
            let built = self.sequencer.build(self.now).await?;
            if built == Built::NotDue {
                return Ok(());
            }
            self.note(Move::Build(built));
            match built {
                Built::Block(..) => self.counts.built += 1,
                Built::Failed => return self.crash(Role::Sequencer, FaultKind::SequencerDisk),
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    fn use_l2(&mut self) {
        let is_taken = self.sequencer.send_transaction(&mut self.rng);
        self.counts.transactions += u64::from(is_taken);
    }

    pub(super) fn use_l2_much(&mut self, bytes: usize) {
        let is_taken = self.sequencer.send_bytes(&mut self.rng, bytes);
        self.counts.transactions += u64::from(is_taken);
    }

    /// One turn of the batcher.
    pub(super) async fn post(&mut self) -> Result<(), Violation> {
        let cross_unsafe_l2 = self.sequencer.verify()?;
        let node = &self.sequencer.node;
        let (status, heads) = (node.status(), node.chain().heads());
        self.batcher.node.set(NodeView {
            chain: node.chain().clone(),
            sync: SyncStatus {
                current_l1: status.current_l1.unwrap_or_default(),
                head_l1: status.head_l1.unwrap_or_default(),
                unsafe_l2: heads.unsafe_head,
                cross_unsafe_l2,
                safe_l2: heads.safe_head,
                finalized_l2: heads.finalized_head,
            },
        });
        tokio::time::sleep_until(self.began + Duration::from_secs(self.now - GENESIS_TIME)).await;
        self.batcher.turn().await?;
        self.note(Move::Batcher(self.batcher.said().to_owned()));
        Ok(())
    }

    /// Gathers what everybody has counted.
    fn collect(&mut self) {
        for hits in [
            self.sequencer.node.l1.take_hits(),
            self.sequencer.node.da.take_hits(),
            self.follower.l1.take_hits(),
            self.follower.da.take_hits(),
            self.da.take_hits(),
            self.batcher.take_hits(),
        ] {
            self.counts.faults(hits);
        }
        let resets = self.sequencer.node.resets() + self.follower.resets();
        self.counts.faults([(FaultKind::NodeReset, resets)].into());
        self.counts.discards = self.follower.discards();
        let summary = format!("{:?}", self.counts);
        self.digest.add(summary.as_bytes());
    }
}
