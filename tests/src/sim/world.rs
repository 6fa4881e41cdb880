//! One world: everything in it, its moves, and which of them comes next.

use super::{
    batcher::{NodeView, Poster},
    da::{NodeDa, SimulatedDa},
    env::Env,
    forge::{STRANGER, Sight},
    kinds::{FaultKind, Forgery},
    l1::L1Fault,
    mempool::L1World,
    node::{Derived, Node},
    report::{Counts, Digest, Outcome},
    script::Script,
    sequencer::{Built, Sequencer},
    shape::Shape,
    violation::{Failure, Violation},
};
use crate::history::users;
use alloy_consensus::{Transaction, TxEip1559, transaction::SignerRecoverable};
use alloy_primitives::{Log, LogData, TxKind};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use std::{collections::VecDeque, time::Duration};
use tributary_batcher::channel_manager::ChannelPolicy;
use tributary_derivation::{
    driver::memory::{MemoryL1, MinedTransaction},
    testing::{GENESIS_TIME, L1_CHAIN_ID, key, sign},
};
use tributary_protocol::{
    block::L1BlockNumber,
    config::{ConfigUpdate, MAX_SEQUENCER_DRIFT_SECS},
};

/// Moves kept for the report of a failure.
const MOVES_KEPT: usize = 60;

/// L1 blocks between L1's head and its finalized block: reorgs of two epochs stay possible.
const FINALITY_LAG: u64 = 70;

/// Moves for which the batcher is away: longer than the channel timeout of 50 L1 blocks.
const AWAY_L1_BLOCKS: u64 = 54;

/// Steps after which a node that has all answers must have come to an end.
pub(super) const STEPS_MAX: usize = 400_000;

/// Nonces from here on are forgers', who do not care about nonces.
const FORGED_NONCES: u64 = 1 << 40;

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
    Batcher(&'static str),
    Crash(Role),
    BatcherCrash,
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
    pub(super) batcher: Poster,
    batcher_da: NodeDa,
    /// Unix seconds.
    pub(super) now: u64,
    user_nonce: u64,
    away: u64,
    ticks: u64,
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
        let shape = match script {
            Some(_) => Shape::calm(&mut rng),
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
        Ok(Self {
            sequencer: Sequencer::new(&env, node("sequencer")?, rng.random_range(0..3)),
            follower: node("follower")?,
            batcher: Poster::new(env.config.clone(), policy, shape.frame_bytes, keys),
            batcher_da: NodeDa::new(da.clone()),
            l1: L1World::new(chain, env.config.clone()),
            da,
            now: GENESIS_TIME,
            user_nonce: 0,
            away: 0,
            ticks: 0,
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
                _ if self.away == 0 => self.post(false).await?,
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
        self.shake_l1();
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

    /// Faults of connections: to L1 and DA, of either node or of the batcher.
    fn break_connections(&mut self) {
        if !self.rng.random_bool(self.shape.faults) {
            return;
        }
        // Mostly hiccups; at times an outage.
        let count = match self.rng.random_range(0..12) {
            0 => self.rng.random_range(20..80),
            _ => self.rng.random_range(1..6),
        };
        let role = *[Role::Sequencer, Role::Follower]
            .choose(&mut self.rng)
            .unwrap_or(&Role::Follower);
        match self.rng.random_range(0..4) {
            0 | 1 => {
                let fault = self.l1_fault();
                self.node(role).l1.fail(&fault, count);
                self.note(Move::L1Fault(role, fault.kind(), count));
            }
            2 => {
                let kinds = [
                    FaultKind::DaGetDown,
                    FaultKind::DaGetSlow,
                    FaultKind::DaWrongBytes,
                ];
                let kind = *kinds.choose(&mut self.rng).unwrap_or(&kinds[0]);
                self.node(role).da.fail(kind, count);
                self.note(Move::DaFault(role, kind, count));
            }
            _ => {
                let kinds = [
                    FaultKind::DaPutDown,
                    FaultKind::DaPutRateLimited,
                    FaultKind::DaPutFailover,
                    FaultKind::DaPutRejected,
                ];
                let kind = *kinds.choose(&mut self.rng).unwrap_or(&kinds[0]);
                self.da.fail_puts(kind, count.min(8));
                self.note(Move::PutFault(kind, count.min(8)));
            }
        }
    }

    fn l1_fault(&mut self) -> L1Fault {
        let kinds = [
            FaultKind::L1Unreachable,
            FaultKind::L1Timeout,
            FaultKind::L1RateLimited,
            FaultKind::L1Html,
            FaultKind::L1WrongNumber,
            FaultKind::L1NoReceipts,
            FaultKind::L1Pruned,
        ];
        match (self.rng.random_range(0..10), &self.l1.previous_fork) {
            (0, _) => L1Fault::Null,
            (1 | 2, _) => L1Fault::Stale(self.rng.random_range(1..6)),
            (3 | 4, Some(fork)) => L1Fault::OtherFork(fork.clone()),
            _ => L1Fault::Error(*kinds.choose(&mut self.rng).unwrap_or(&kinds[0])),
        }
    }

    fn node(&mut self, role: Role) -> &mut Node {
        match role {
            Role::Sequencer => &mut self.sequencer.node,
            Role::Follower => &mut self.follower,
        }
    }

    /// Processes that end, disks that fail.
    fn break_machines(&mut self) -> Result<(), Violation> {
        if !self.rng.random_bool(self.shape.crashes) {
            return Ok(());
        }
        let writes = self.rng.random_range(0..12);
        match self.rng.random_range(0..5) {
            0 => self.crash(Role::Sequencer, FaultKind::SequencerCrash)?,
            1 => self.crash(Role::Follower, FaultKind::FollowerCrash)?,
            2 => {
                self.batcher.restart();
                self.counts.fault(FaultKind::BatcherCrash);
                self.note(Move::BatcherCrash);
            }
            3 => {
                self.sequencer.node.fail_disk(writes);
                self.note(Move::Disk(Role::Sequencer, writes));
            }
            _ => {
                self.follower.fail_disk(writes);
                self.note(Move::Disk(Role::Follower, writes));
            }
        }
        Ok(())
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
            if self.rng.random_bool(0.25) {
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

    /// One round of the batcher.
    pub(super) async fn post(&mut self, flush: bool) -> Result<(), Violation> {
        let status = self.sequencer.node.status();
        let verified_head = self.sequencer.verify()?;
        let view = NodeView {
            chain: self.sequencer.node.chain(),
            verified_head,
            safe_head: self.sequencer.node.chain().heads().safe_head,
            current_l1: status.current_l1.map_or(L1BlockNumber(0), |block| block.number),
            head_l1: status.head_l1.map_or(L1BlockNumber(0), |block| block.number),
        };
        let now = Duration::from_secs(self.now - GENESIS_TIME);
        self.batcher
            .step(&view, &mut self.l1, &self.batcher_da, now, flush)
            .await?;
        self.note(Move::Batcher(self.batcher.state_name()));
        Ok(())
    }

    /// Reorgs, a pool that forgets, keys that change hands.
    fn shake_l1(&mut self) {
        if self.away > 0 {
            return;
        }
        if self.rng.random_bool(self.shape.reorgs) {
            self.reorg();
        } else if self.rng.random_bool(self.shape.reorgs * 0.3) {
            self.flip_flop();
        }
        if self.rng.random_bool(self.shape.faults * 0.05) {
            self.forget_pool();
        }
        if self.rng.random_bool(self.shape.forgeries * 0.05) {
            self.take_nonce();
        }
        self.mind_key(0.5);
    }

    /// Somebody else with the batcher's key sends a transaction.
    pub(super) fn take_nonce(&mut self) {
        let account = self.batcher.account();
        let calldata = self.batcher.sent.choose(&mut self.rng).cloned();
        let nonce = self.l1.nonce(account);
        let transaction = self.l1.sign(
            self.batcher.key(),
            nonce,
            1_000_000_000_000,
            calldata.unwrap_or_default(),
        );
        self.l1.send(account, transaction);
        self.counts.fault(FaultKind::NonceTaken);
        self.note(Move::NonceTaken);
    }

    /// The batcher's operator looks whether its key still counts.
    pub(super) fn mind_key(&mut self, attention: f64) {
        let named = self.l1.batcher();
        if named == self.batcher.account() {
            return;
        }
        if self.rng.random_bool(attention) {
            if self.batcher.use_key_of(named) {
                self.note(Move::KeyChange);
            }
        } else {
            self.counts.fault(FaultKind::KeyOutdated);
        }
    }

    fn reorg(&mut self) {
        let depth = match self.rng.random_range(0..20) {
            0..10 => self.rng.random_range(1..3),
            10..13 => self.rng.random_range(3..7),
            13 | 14 => 7,
            15 | 16 => self.rng.random_range(8..32),
            17 => 32,
            18 => self.rng.random_range(33..64),
            _ => 64,
        };
        match self.rng.random_range(0..5) {
            0 => self.reorg_by(depth, None, true),
            1 => self.reorg_by(depth, Some(depth + 1), false),
            _ => {
                let blocks = depth + self.rng.random_range(0..2);
                self.reorg_by(depth, Some(blocks), true);
            }
        }
    }

    /// A reorg so deep, as far as finality allows, to a fork of so many blocks: fewer than before if not given.
    pub(super) fn reorg_by(&mut self, depth: u64, blocks: Option<u64>, keeps: bool) {
        let head = self.l1.head().number.0;
        let depth = depth.min(head - self.l1.finalized().min(head));
        if depth == 0 {
            return;
        }
        self.counts.fault(FaultKind::reorg(depth));
        let blocks = blocks.unwrap_or_else(|| {
            self.counts.fault(FaultKind::ShorterFork);
            self.rng.random_range(0..depth)
        });
        let mut dropped = self.l1.reorg_to(head - depth);
        if !keeps {
            self.counts.fault(FaultKind::EmptyFork);
            dropped.clear();
        }
        self.mine_fork(blocks, head, depth, dropped);
    }

    pub(super) fn flip_flop(&mut self) {
        if self.l1.switch_back() {
            self.counts.fault(FaultKind::FlipFlop);
            let head = self.l1.head();
            self.now = self.now.max(head.timestamp);
            self.note(Move::FlipFlop { head: head.number.0 });
        }
    }

    pub(super) fn forget_pool(&mut self) {
        if self.l1.forget(self.batcher.account()) > 0 {
            self.counts.fault(FaultKind::TransactionForgotten);
            self.note(Move::PoolForgets);
        }
    }

    /// What the old fork held comes again, most of it, and the batcher's by way of the pool.
    fn mine_fork(&mut self, blocks: u64, from: u64, depth: u64, dropped: Vec<MinedTransaction>) {
        let mut again = VecDeque::new();
        for mined in dropped {
            let nonce = mined.transaction.nonce();
            let is_posted = mined.transaction.to() == Some(self.env.config.batch_inbox_address);
            if is_posted && nonce < FORGED_NONCES {
                self.counts.fault(FaultKind::TransactionOrphaned);
                let sender = mined.transaction.recover_signer();
                if let Ok(sender) = sender
                    && self.rng.random_bool(0.9)
                {
                    self.l1.send(sender, mined.transaction);
                }
            } else if self.rng.random_bool(0.7) {
                again.push_back(mined);
            }
        }
        for _ in 0..blocks {
            let count = self.rng.random_range(0..4).min(again.len());
            let first = again.drain(..count).collect();
            self.mine_block(first);
        }
        let head = self.l1.head().number.0;
        self.note(Move::Reorg {
            from,
            to: from - depth,
            head,
        });
    }

    pub(super) fn mine_block(&mut self, first: Vec<MinedTransaction>) {
        let mut gap = self.rng.random_range(self.shape.l1_block_time.clone());
        if self.rng.random_bool(self.shape.faults * 0.05) {
            self.counts.fault(FaultKind::MissedSlots);
            gap += *self.shape.l1_block_time.end() * self.rng.random_range(1..6);
        }
        gap += core::mem::take(&mut self.gap);
        if self.rng.random_bool(self.shape.gaps) {
            self.counts.fault(FaultKind::MissedSlots);
            gap += MAX_SEQUENCER_DRIFT_SECS + self.rng.random_range(0..1_500);
        }
        let timestamp = self.l1.head().timestamp + gap;
        let inclusion = self.inclusion;
        let (rng, counts) = (&mut self.rng, &mut self.counts);
        self.l1.mine(timestamp, first, || {
            let is_included = rng.random_bool(inclusion);
            if !is_included {
                counts.fault(FaultKind::TransactionDelayed);
            }
            is_included
        });
        self.counts.l1_blocks += 1;
        self.now = self.now.max(timestamp);
    }

    /// One L1 block: what forgers and users do, and what the pool holds.
    async fn mine(&mut self) -> Result<(), Violation> {
        let mut first = Vec::new();
        if self.away > 0 {
            self.away -= 1;
        } else if self.shape.away_at.is_some_and(|at| at <= self.ticks) {
            self.shape.away_at = None;
            self.away = AWAY_L1_BLOCKS;
            self.counts.fault(FaultKind::BatcherAway);
            self.note(Move::Away);
            first.extend(self.forge(Forgery::OpenChannel));
        } else if self.shape.oversize_at.is_some_and(|at| at <= self.ticks) {
            self.shape.oversize_at = None;
            first.extend(self.forge(Forgery::OversizeChannel));
        } else if let Some(kind) = self.scripted.take() {
            self.derive(Role::Sequencer, STEPS_MAX).await?;
            first.extend(self.forge(kind));
        } else if self.rng.random_bool(self.shape.forgeries) {
            // What is forged depends on what is safe now.
            self.derive(Role::Sequencer, STEPS_MAX).await?;
            let kind = *Forgery::ALL.choose(&mut self.rng).unwrap_or(&Forgery::Noise);
            if kind != Forgery::OversizeChannel {
                first.extend(self.forge(kind));
            }
        }
        first.extend(self.use_l1());
        let transactions = first.len();
        self.mine_block(first);
        let head = self.l1.head().number.0;
        self.l1.finalize(head.saturating_sub(FINALITY_LAG));
        self.note(Move::Mine {
            number: head,
            transactions,
        });
        Ok(())
    }

    fn forge(&mut self, kind: Forgery) -> Vec<MinedTransaction> {
        let sight = Sight {
            config: &self.env.config,
            chain: self.sequencer.node.chain(),
            safe_head: self.sequencer.node.chain().heads().safe_head,
            l1: &self.l1,
            da: &self.da,
            sent: &self.batcher.sent,
            key: self.batcher.key(),
        };
        let forged = sight.forge(kind, &mut self.rng);
        if !forged.is_empty() {
            *self.counts.forgeries.entry(kind).or_default() += 1;
            self.note(Move::Forge(kind));
        }
        forged.into_iter().map(Into::into).collect()
    }

    /// Deposits, changes of the configuration, and traffic that is neither.
    fn use_l1(&mut self) -> Option<MinedTransaction> {
        if !self.rng.random_bool(0.3) {
            return None;
        }
        let logs = (0..self.rng.random_range(1..3)).map(|_| self.log()).collect();
        self.user_nonce += 1;
        let transaction = TxEip1559 {
            chain_id: self.env.config.l1_chain_id,
            nonce: self.user_nonce - 1,
            gas_limit: 500_000,
            to: TxKind::Call(self.env.config.deposit_contract_address),
            ..TxEip1559::default()
        };
        Some(MinedTransaction {
            transaction: sign(&key("L1 user"), transaction),
            logs,
            succeeds: self.rng.random_bool(0.9),
        })
    }

    fn log(&mut self) -> Log {
        let config = self.env.config.clone();
        let system_config = config.l1_system_config_address;
        match self.rng.random_range(0..20) {
            0..14 => {
                self.counts.transactions += 1;
                users::deposit(config.deposit_contract_address, &mut self.rng)
            }
            14 => {
                self.counts.fault(FaultKind::KeyRotated);
                let next = *["batcher", "second batcher"]
                    .choose(&mut self.rng)
                    .unwrap_or(&"batcher");
                ConfigUpdate::Batcher(key(next).address()).encode(system_config)
            }
            15 => {
                let log = users::config_update(&mut self.rng).encode(system_config);
                let data = log.data.data.slice(..log.data.data.len() - 1);
                Log {
                    address: log.address,
                    data: LogData::new_unchecked(log.data.topics().to_vec(), data),
                }
            }
            16 => users::deposit(STRANGER, &mut self.rng),
            _ => {
                self.counts.fault(FaultKind::ConfigChanged);
                users::config_update(&mut self.rng).encode(system_config)
            }
        }
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
