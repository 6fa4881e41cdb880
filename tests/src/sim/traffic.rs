//! What L1's blocks hold: the pool's transactions, what forgers and users do, and changes of the configuration.

use super::{
    forge::{STRANGER, Sight},
    kinds::{FaultKind, Forgery},
    violation::Violation,
    world::{Move, Role, STEPS_MAX, World},
};
use crate::history::users;
use alloy_consensus::TxEip1559;
use alloy_primitives::{Log, LogData, TxKind};
use rand::{Rng, seq::IndexedRandom};
use tributary_derivation::{
    driver::memory::MinedTransaction,
    testing::{key, sign},
};
use tributary_protocol::config::{ConfigUpdate, MAX_SEQUENCER_DRIFT_SECS};

/// L1 blocks for which the batcher is away: longer than the channel timeout of 50 L1 blocks.
const AWAY_L1_BLOCKS: u64 = 54;

impl World {
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
    pub(super) async fn mine(&mut self) -> Result<(), Violation> {
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
            let kind = self.forgery();
            if kind != Forgery::OversizeChannel {
                first.extend(self.forge(kind));
            }
        }
        first.extend(self.use_l1());
        let transactions = first.len();
        self.mine_block(first);
        let head = self.l1.head().number.0;
        self.l1.finalize(head.saturating_sub(self.shape.finality_lag));
        self.note(Move::Mine {
            number: head,
            transactions,
        });
        Ok(())
    }

    fn forgery(&mut self) -> Forgery {
        // What only a chain ahead of L1's time can be made of is tried where there is one.
        let kinds: &[Forgery] = if self.shape.gaps > 0.0 && self.rng.random_bool(0.4) {
            &[Forgery::Drift, Forgery::EpochTime]
        } else {
            Forgery::ALL
        };
        *kinds.choose(&mut self.rng).unwrap_or(&Forgery::Noise)
    }

    fn forge(&mut self, kind: Forgery) -> Vec<MinedTransaction> {
        let sent = self.batcher.sent();
        let sight = Sight {
            config: &self.env.config,
            chain: self.sequencer.node.chain(),
            safe_head: self.sequencer.node.chain().heads().safe_head,
            l1: &self.l1,
            da: &self.da,
            sent: &sent,
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
}
