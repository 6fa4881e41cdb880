//! What goes wrong around a world's programs: connections, machines, prices, keys, and L1 itself.

use super::{
    kinds::FaultKind,
    l1::L1Fault,
    mempool::Offered,
    violation::Violation,
    world::{Move, Role, World},
};
use alloy_consensus::{Transaction, transaction::SignerRecoverable};
use rand::{Rng, seq::IndexedRandom};
use std::collections::VecDeque;
use tributary_derivation::driver::memory::MinedTransaction;

/// Nonces from here on are forgers', who do not care about nonces.
pub(super) const FORGED_NONCES: u64 = 1 << 40;

/// What somebody with the batcher's key pays, wei per gas: more than the batcher ever offers.
const FOREIGN_FEE: u128 = 1_000_000_000_000_000;

impl World {
    /// Faults of connections: to L1 and DA, of either node or of the batcher.
    pub(super) fn break_connections(&mut self) {
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
        match self.rng.random_range(0..6) {
            0 | 1 => {
                let fault = self.l1_fault();
                // A server does not serve an abandoned fork for ever; a node that is shown it for minutes would have to believe it.
                let count = match fault {
                    L1Fault::OtherFork(_) => count.min(20),
                    _ => count,
                };
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
            3 => {
                let kinds = [FaultKind::BlobsDown, FaultKind::BlobsMissing];
                let kind = *kinds.choose(&mut self.rng).unwrap_or(&kinds[0]);
                self.node(role).da.fail_blobs(kind, count);
                self.note(Move::DaFault(role, kind, count));
            }
            4 if role == Role::Sequencer => {
                self.batcher.node.fail(count);
                self.note(Move::BatcherFault(FaultKind::BatcherNodeDown, count));
            }
            4 => {
                self.batcher.l1.fail(count);
                self.note(Move::BatcherFault(FaultKind::BatcherL1Down, count));
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
        match (self.rng.random_range(0..10), self.l1.previous_fork()) {
            (0, _) => L1Fault::Null,
            (1 | 2, _) => L1Fault::Stale(self.rng.random_range(1..6)),
            (3 | 4, Some(fork)) => L1Fault::OtherFork(fork),
            _ => L1Fault::Error(*kinds.choose(&mut self.rng).unwrap_or(&kinds[0])),
        }
    }

    /// Processes that end, disks that fail.
    pub(super) fn break_machines(&mut self) -> Result<(), Violation> {
        if !self.rng.random_bool(self.shape.crashes) {
            return Ok(());
        }
        let writes = self.rng.random_range(0..12);
        match self.rng.random_range(0..8) {
            0 => self.crash(Role::Sequencer, FaultKind::SequencerCrash)?,
            1 => self.crash(Role::Follower, FaultKind::FollowerCrash)?,
            2 | 3 => self.crash_batcher()?,
            4 => self.lose_journal()?,
            5 => {
                let operations = self.rng.random_range(0..16);
                self.cut_journal(operations);
            }
            6 => {
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

    pub(super) fn crash_batcher(&mut self) -> Result<(), Violation> {
        self.counts.fault(FaultKind::BatcherCrash);
        self.note(Move::BatcherCrash);
        self.batcher.crash()
    }

    pub(super) fn lose_journal(&mut self) -> Result<(), Violation> {
        self.counts.fault(FaultKind::JournalLost);
        self.note(Move::JournalLost);
        self.batcher.lose_journal()
    }

    /// The power goes at the journal's disk's next but so many operations.
    pub(super) fn cut_journal(&mut self, operations: usize) {
        self.batcher.cut_power_in(operations);
        self.note(Move::JournalCut(operations));
    }

    /// Prices that rise out of reach, and an account that runs dry; both for a while.
    pub(super) fn move_market(&mut self) {
        if self.ticks == self.calm_at {
            self.set_prices(1, 1);
            self.set_funds(true);
        }
        if self.ticks <= self.calm_at || !self.rng.random_bool(self.shape.tides) {
            return;
        }
        self.calm_at = self.ticks + self.rng.random_range(2..8);
        match self.rng.random_range(0..4) {
            0 => self.set_funds(false),
            1 => self.set_prices(1, 1_000_000),
            2 => self.set_prices(10, 1),
            _ => self.set_prices(1_000, 1_000_000),
        }
    }

    /// So many times what a calm L1 asks for gas, and for gas of blobs.
    pub(super) fn set_prices(&mut self, gas: u128, blob_gas: u128) {
        if gas.max(blob_gas) > 1 {
            self.counts.fault(FaultKind::FeeSpike);
            self.note(Move::Prices(gas, blob_gas));
        }
        self.l1.set_prices(gas, blob_gas);
    }

    pub(super) fn set_funds(&mut self, has_funds: bool) {
        if !has_funds {
            self.note(Move::Funds(has_funds));
        }
        self.batcher.l1.set_funds(has_funds);
    }

    /// Reorgs, a pool that forgets, keys that change hands.
    pub(super) fn shake_l1(&mut self) -> Result<(), Violation> {
        if self.away > 0 {
            return Ok(());
        }
        if self.rng.random_bool(self.shape.reorgs) {
            self.reorg();
        } else if self.rng.random_bool(self.shape.reorgs * 0.3) {
            self.flip_flop();
        }
        if self.rng.random_bool(self.shape.faults * 0.05) {
            self.forget_pool();
        }
        if self.rng.random_bool(self.shape.faults * 0.05) {
            self.revert(1);
        }
        if self.rng.random_bool(self.shape.forgeries * 0.05) {
            self.take_nonce();
        }
        self.mind_key(0.5)
    }

    /// The next `count` batcher transactions are mined and fail.
    pub(super) fn revert(&mut self, count: usize) {
        self.l1.revert(count);
        self.counts.fault(FaultKind::TransactionReverted);
    }

    /// Somebody else with the batcher's key sends a transaction.
    pub(super) fn take_nonce(&mut self) {
        let account = self.batcher.account();
        let calldata = self.batcher.sent().choose(&mut self.rng).cloned();
        let nonce = self.l1.nonce(account);
        let transaction = self.l1.sign(
            self.batcher.key(),
            nonce,
            FOREIGN_FEE,
            calldata.unwrap_or_default(),
        );
        let offered = self.l1.offer(account, transaction);
        if matches!(offered, Offered::Held | Offered::Replaced) {
            self.counts.fault(FaultKind::NonceTaken);
            self.note(Move::NonceTaken);
        }
    }

    /// The batcher's operator looks whether its key still counts.
    pub(super) fn mind_key(&mut self, attention: f64) -> Result<(), Violation> {
        let named = self.l1.batcher();
        if named == self.batcher.account() {
            return Ok(());
        }
        if !self.rng.random_bool(attention) {
            self.counts.fault(FaultKind::KeyOutdated);
        } else if self.batcher.use_key_of(named)? {
            self.note(Move::KeyChange);
        }
        Ok(())
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
                    self.l1.offer(sender, mined.transaction);
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
}
