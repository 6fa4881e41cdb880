//! Random histories of L1 and of the DA layer, with what our pipeline derives from them.
//!
//! ```text
//!  users --L2 transactions--> sequencer --blocks--> batcher --calldata, payloads--> L1, DA
//!    |                            ^                                                  |
//!    +--deposits, configuration---|--------------------------------------------> L1  |
//!                                 +---safe chain--- deriver <------------------------+
//!                                                      |
//!                                                      v record
//! ```
//! A history follows from its seed alone. The deriver is the pipeline that a node runs, so the record is what a node would derive; the
//! oracle in `tests/oracle` derives it again. Derivation goes along block by block: when it takes another way than the sequencer, the
//! sequencer builds on from there, so that a history goes on after every accident.

pub mod batcher;
pub mod chain;
pub mod contracts;
pub mod deriver;
pub mod l1;
mod mutate;
mod programs;
pub mod record;
pub mod shape;
pub mod users;

use self::{
    batcher::Batcher,
    chain::Chain,
    deriver::Deriver,
    l1::{L1Transaction, SimulatedL1},
    record::{RecordedHistory, RecordedPayload},
    shape::Shape,
};
use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, Log, TxKind};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{collections::BTreeMap, sync::Arc};
use tributary_derivation::{discard::DiscardReason, epoch::Epoch};
use tributary_protocol::config::{ConfigUpdate, L1ChainConfig, MAX_SEQUENCER_DRIFT_SECS, RollupConfig};

/// Most L2 blocks the sequencer builds between two L1 blocks.
const BLOCKS_PER_L1_BLOCK_MAX: usize = 16;

/// A history and what went wrong in it.
#[derive(Debug)]
pub struct History {
    /// What the oracle needs.
    pub recorded: RecordedHistory,
    /// What derivation threw away, by reason.
    pub discarded: BTreeMap<DiscardReason, u64>,
}

/// The history of this seed.
///
/// # Panics
/// If our own derivation halts on it, which is a defect.
#[must_use]
pub fn generate(seed: u64) -> History {
    let mut world = World::new(seed);
    for _ in 0..world.shape.l1_blocks {
        world.advance();
    }
    world.finish()
}

struct World {
    seed: u64,
    rng: StdRng,
    shape: Shape,
    config: Arc<RollupConfig>,
    l1_config: Arc<L1ChainConfig>,
    l1: SimulatedL1,
    deriver: Deriver,
    /// The unsafe chain.
    sequencer: Chain,
    batcher: Batcher,
    /// Keys the batcher may have; L1 says which counts.
    batcher_keys: [PrivateKeySigner; 2],
    /// The key the batcher signs with, which may lag behind what L1 says.
    batcher_key: usize,
    user_nonce: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let shape = Shape::random(seed, &mut rng);
        let batcher_keys = [users::key("batcher"), users::key("second batcher")];
        let l1 = SimulatedL1::new(shape::GENESIS_TIME, &mut rng);
        let (config, genesis) = shape.rules(l1.head().id(), batcher_keys[0].address());
        let config = Arc::new(config);
        let l1_config =
            Arc::new(L1ChainConfig::preset(config.l1_chain_id).expect("a development chain has a preset"));
        let chain = Chain::new(config.clone(), &genesis);
        Self {
            seed,
            l1_config: l1_config.clone(),
            deriver: Deriver::new(config.clone(), l1_config, chain.clone()),
            sequencer: chain,
            batcher: Batcher::new(&shape),
            batcher_keys,
            batcher_key: 0,
            user_nonce: 0,
            rng,
            shape,
            config,
            l1,
        }
    }

    /// One L1 block, and everything that happens until it is derived from.
    fn advance(&mut self) {
        self.build_blocks();
        let mut mined = self.user_transactions();
        let key = &self.batcher_keys[self.batcher_key];
        mined.extend(
            self.batcher
                .work(&self.config, &self.sequencer, &self.l1, key, &mut self.rng),
        );
        let timestamp =
            self.l1.head().header().timestamp + self.rng.random_range(self.shape.l1_block_time.clone());
        self.l1.mine(timestamp, mined, &mut self.rng);
        self.deriver.derive(&self.l1, self.batcher.payloads());
        self.follow_safe_chain();
    }

    /// The sequencer builds up to the time of L1, and sometimes a little beyond it.
    fn build_blocks(&mut self) {
        let ahead = self.rng.random_range(0..4) * self.config.block_time;
        let until = self.l1.head().header().timestamp + ahead;
        for _ in 0..BLOCKS_PER_L1_BLOCK_MAX {
            if self.sequencer.head().reference.timestamp + self.config.block_time > until {
                return;
            }
            self.build_block();
        }
    }

    fn build_block(&mut self) {
        let head = self.sequencer.head().clone();
        let timestamp = head.reference.timestamp + self.config.block_time;
        let current = self
            .l1
            .at(head.reference.l1_origin.number)
            .expect("the head's origin is on L1");
        let next = self.l1.at(head.reference.l1_origin.number.next());
        let next = next.filter(|next| next.header().timestamp <= timestamp);
        let is_drifting = timestamp > current.header().timestamp + MAX_SEQUENCER_DRIFT_SECS;
        let origin = match next {
            // Adopting the next epoch may be put off, but not beyond the drift.
            Some(next) if is_drifting || self.rng.random_bool(0.8) => next,
            _ => current,
        };
        let is_drifting = timestamp > origin.header().timestamp + MAX_SEQUENCER_DRIFT_SECS;
        let epoch = Epoch::of(origin, &self.config).expect("deposits decode");
        let mut attributes = epoch.attributes(
            &self.config,
            &self.l1_config,
            &head.reference,
            &head.system_config,
        );
        // Now and then the sequencer forgets what it may not do.
        if !is_drifting || self.rng.random_bool(self.shape.accidents * 0.1) {
            attributes
                .transactions
                .extend(users::transactions(&self.config, &head, &mut self.rng));
        }
        self.sequencer
            .build(&attributes)
            .expect("users send valid transactions");
    }

    /// Where the safe chain contradicts the unsafe one, the sequencer builds on the safe one.
    fn follow_safe_chain(&mut self) {
        let safe = self.deriver.chain();
        let safe_head = safe.head().reference;
        if !self.sequencer.contains(&safe_head) {
            self.sequencer = safe.clone();
            self.batcher.start_over(safe_head.number.0, &mut self.rng);
        } else if self.batcher.is_idle() && self.rng.random_bool(self.shape.accidents * 0.3) {
            self.batcher.start_over(safe_head.number.0, &mut self.rng);
        }
    }

    /// Deposits, changes of the configuration, and traffic that is neither.
    fn user_transactions(&mut self) -> Vec<L1Transaction> {
        let count = if self.rng.random_bool(0.5) {
            0
        } else {
            self.rng.random_range(1..4)
        };
        (0..count)
            .map(|_| {
                let logs = (0..self.rng.random_range(0..4)).map(|_| self.log()).collect();
                self.user_transaction(logs)
            })
            .collect()
    }

    fn log(&mut self) -> Log {
        let config = &self.config;
        match self.rng.random_range(0..20) {
            0..5 => users::deposit(config.deposit_contract_address, &mut self.rng),
            5..9 => {
                let head = self.sequencer.head();
                contracts::deposit(config.deposit_contract_address, head, &mut self.rng)
            }
            9..13 => users::config_update(&mut self.rng).encode(config.l1_system_config_address),
            13 => self.rotate_batcher(),
            // What an unknown contract says in the words of a known one does not count.
            14 => users::deposit(Address::repeat_byte(0xdd), &mut self.rng),
            15 => users::unrelated(config.l1_system_config_address, &mut self.rng),
            16 => users::unrelated(config.deposit_contract_address, &mut self.rng),
            _ => users::unrelated(Address::repeat_byte(0xee), &mut self.rng),
        }
    }

    /// The batcher changes its key; mostly it knows.
    fn rotate_batcher(&mut self) -> Log {
        let next = self.rng.random_range(0..self.batcher_keys.len());
        if self.rng.random_bool(0.8) {
            self.batcher_key = next;
        }
        ConfigUpdate::Batcher(self.batcher_keys[next].address()).encode(self.config.l1_system_config_address)
    }

    fn user_transaction(&mut self, logs: Vec<Log>) -> L1Transaction {
        self.user_nonce += 1;
        let transaction = TxEip1559 {
            chain_id: self.config.l1_chain_id,
            nonce: self.user_nonce - 1,
            gas_limit: 500_000,
            to: TxKind::Call(self.config.deposit_contract_address),
            ..TxEip1559::default()
        };
        L1Transaction {
            transaction: users::sign(&users::key("L1 user"), transaction),
            logs,
            succeeds: self.rng.random_bool(0.9),
        }
    }

    fn finish(self) -> History {
        let genesis = self.sequencer.at(0).expect("the chain has its genesis");
        let payloads = self
            .batcher
            .payloads()
            .iter()
            .map(|(commitment, payload)| RecordedPayload {
                commitment: commitment.clone(),
                payload: payload.clone(),
            });
        let discarded = self.deriver.discarded().clone();
        History {
            recorded: RecordedHistory {
                seed: self.seed,
                rollup: (*self.config).clone(),
                l2_genesis: alloy::rlp::encode(&genesis.block.header).into(),
                genesis_preimages: genesis.preimages.clone(),
                l1_blocks: self.l1.record(),
                payloads: payloads.collect(),
                derived: self.deriver.into_recorded(),
            },
            discarded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_follows_from_its_seed() {
        let json = |seed| serde_json::to_string(&generate(seed).recorded).unwrap();
        assert_eq!(json(1), json(1));
        assert_ne!(json(1), json(2));
    }

    #[test]
    fn without_accidents_the_unsafe_chain_becomes_safe() {
        let seed = (0..)
            .find(|seed| World::new(*seed).shape.accidents == 0.0)
            .unwrap();
        let mut world = World::new(seed);
        for _ in 0..world.shape.l1_blocks {
            world.advance();
        }
        let safe_head = world.deriver.chain().head().reference;
        assert!(safe_head.number.0 > 10, "seed {seed}: safe head {safe_head:?}");
        assert!(world.sequencer.contains(&safe_head), "seed {seed}");
    }
}
