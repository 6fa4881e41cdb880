//! A node of few words around the derivation pipeline: it answers what the pipeline asks from a recorded L1 and a recorded DA layer,
//! makes a block of whatever attributes it is offered without executing them, and checks that each block is due.

use crate::rules;
use alloy_primitives::{B256, Bytes, keccak256};
use std::{collections::BTreeMap, sync::Arc};
use tributary_derivation::{
    discard::DiscardCounts,
    driver::memory::MemoryL1,
    pipeline::{Pipeline, Step},
    reset::{ResetPoint, latest_l1_start},
    stages::{
        attributes_queue::DerivedAttributes,
        batch_stage::SafeBlock,
        l1_retrieval::{DataAnswer, DataRequest},
    },
};
use tributary_protocol::{
    blob::Blob,
    block::{L1BlockId, L1BlockNumber, L2BlockNumber, L2BlockRef},
    config::{L1ChainConfig, RollupConfig, SystemConfig},
    l1_info::L1Info,
};

/// First byte of a transaction that no block may hold: our stand-in for what execution refuses.
pub const REFUSED: u8 = 0xbd;

/// L1 and DA as they are, the same for every node.
#[derive(Clone, Debug)]
pub struct World {
    /// Rules of the chain.
    pub config: Arc<RollupConfig>,
    /// L1's forks.
    pub l1_config: Arc<L1ChainConfig>,
    /// L1.
    pub l1: MemoryL1,
    /// Payloads by their commitments. Others are refused.
    pub payloads: BTreeMap<Bytes, Bytes>,
    /// Blobs by their versioned hashes.
    pub blobs: BTreeMap<B256, Blob>,
    /// Somebody has posted what may be a batch.
    pub has_batches: bool,
}

/// A block of the safe chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// Where it stands.
    pub reference: L2BlockRef,
    /// Its transactions.
    pub transactions: Vec<Bytes>,
    /// Configuration in force in it.
    pub system_config: SystemConfig,
    /// L1 block that completed it.
    pub derived_from: L1BlockNumber,
}

/// The pipeline and the chain it has derived.
#[derive(Debug)]
pub struct Node {
    pipeline: Pipeline,
    chain: Vec<Derived>,
}

impl World {
    /// The system configuration after the logs of L1 block `number`.
    fn l1_system_config(&self, number: L1BlockNumber) -> SystemConfig {
        let mut system_config = self.config.genesis.system_config;
        for number in 1..=number.0 {
            self.apply_updates(L1BlockNumber(number), &mut system_config);
        }
        system_config
    }

    fn apply_updates(&self, number: L1BlockNumber, system_config: &mut SystemConfig) {
        let block = self.l1.block(number).expect("L1 has the block");
        for (_, log) in block.logs() {
            if log.address == self.config.l1_system_config_address {
                system_config.apply(log).ok();
            }
        }
    }

    fn answer(&self, request: &DataRequest) -> DataAnswer {
        match request {
            DataRequest::Payload { commitment, .. } => match self.payloads.get(&commitment.encode()) {
                Some(payload) => DataAnswer::Payload(payload.clone()),
                None => DataAnswer::Refused,
            },
            DataRequest::Blobs { hashes, .. } => {
                let blob = |hash| self.blobs.get(hash).cloned().expect("every blob posted is kept");
                DataAnswer::Blobs(hashes.iter().map(blob).collect())
            }
        }
    }
}

impl Node {
    /// A node with nothing but genesis.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let genesis = &world.config.genesis;
        let reference = L2BlockRef {
            hash: genesis.l2.hash,
            number: genesis.l2.number,
            parent_hash: B256::ZERO,
            timestamp: genesis.l2_time,
            l1_origin: genesis.l1,
            sequence_number: 0,
        };
        let start = Derived {
            reference,
            transactions: Vec::new(),
            system_config: genesis.system_config,
            derived_from: genesis.l1.number,
        };
        Self::starting_at(world, vec![start], genesis.l1.number)
    }

    /// A node that has `other`'s chain as far as it came before L1 block `resume_at`, and starts reading there.
    #[must_use]
    pub fn restarted(world: &World, other: &Self, resume_at: L1BlockNumber) -> Self {
        let before = |derived: &&Derived| derived.derived_from < resume_at || derived.reference.number.0 == 0;
        let chain = other.chain.iter().take_while(before).cloned().collect();
        Self::starting_at(world, chain, resume_at)
    }

    fn starting_at(world: &World, chain: Vec<Derived>, resume_at: L1BlockNumber) -> Self {
        let head = chain.last().expect("the chain has its genesis block");
        let l1_start = latest_l1_start(&head.reference, resume_at, world.config.genesis.l1.number);
        let start = ResetPoint {
            safe_head: head.reference,
            system_config: head.system_config,
            resume_at,
            l1_start: world.l1.block(l1_start).expect("L1 has the block").id(),
            l1_system_config: world.l1_system_config(l1_start),
        };
        Self {
            pipeline: Pipeline::new(world.config.clone(), world.l1_config.clone(), &start),
            chain,
        }
    }

    /// What has been derived.
    #[must_use]
    pub fn chain(&self) -> &[Derived] {
        &self.chain
    }

    /// The safe head.
    ///
    /// # Panics
    /// Never: the chain has its genesis block.
    #[must_use]
    pub fn head(&self) -> &Derived {
        self.chain.last().expect("the chain has its genesis block")
    }

    /// What was thrown away.
    #[must_use]
    pub fn discards(&self) -> &DiscardCounts {
        self.pipeline.discards().counts()
    }

    /// Derives until L1 has nothing more.
    ///
    /// # Panics
    /// If a block is not due, something due is missing, or the pipeline asks for what nobody can have.
    pub fn catch_up(&mut self, world: &World) {
        loop {
            match self.pipeline.step() {
                Step::Progress | Step::Discarded(_) => {}
                Step::NeedL1Block(number) => match world.l1.block(number) {
                    Some(block) => self
                        .pipeline
                        .provide_l1_block(&block)
                        .expect("L1 does not reorganise here"),
                    None => break,
                },
                Step::NeedData(request) => self.pipeline.provide_data(world.answer(&request)),
                Step::NeedSafeBlock(number) => self.pipeline.provide_safe_block(self.safe_block(number)),
                Step::NeedEpoch(id) => {
                    let block = world
                        .l1
                        .block(id.number)
                        .expect("only L1 blocks that were read are epochs");
                    assert_eq!(block.id(), id);
                    self.pipeline
                        .provide_epoch(&block)
                        .expect("the portal's deposits decode");
                }
                Step::Attributes(derived) => self.take(world, &derived),
            }
        }
        rules::nothing_due_is_missing(world, &self.head().reference);
    }

    fn safe_block(&self, number: L2BlockNumber) -> SafeBlock {
        let derived = usize::try_from(number.0)
            .ok()
            .and_then(|number| self.chain.get(number));
        let derived = derived.expect("only blocks of the safe chain are asked for");
        SafeBlock {
            reference: derived.reference,
            transactions: derived.transactions.clone(),
        }
    }

    fn take(&mut self, world: &World, offered: &DerivedAttributes) {
        let parent = self.head();
        rules::is_due(world, parent, offered);
        let is_refused = offered
            .attributes
            .transactions
            .iter()
            .any(|tx| tx.first() == Some(&REFUSED));
        if is_refused {
            assert!(!offered.deposits_only, "deposits are never refused");
            self.pipeline
                .reject()
                .expect("there are transactions to leave out");
            return;
        }
        let derived = block_of(world, parent, offered);
        self.pipeline.confirm(derived.reference, derived.system_config);
        self.chain.push(derived);
    }
}

/// The block that stands for these attributes: its hash depends on all of them.
fn block_of(world: &World, parent: &Derived, offered: &DerivedAttributes) -> Derived {
    let attributes = &offered.attributes;
    let info = rules::l1_info(attributes);
    let mut system_config = parent.system_config;
    if info.block_hash != parent.reference.l1_origin.hash {
        world.apply_updates(L1BlockNumber(info.number), &mut system_config);
    }
    rules::says_the_configuration(&info, attributes, &system_config);
    let mut preimage = parent.reference.hash.to_vec();
    preimage.extend_from_slice(format!("{attributes:?}").as_bytes());
    let reference = L2BlockRef {
        hash: keccak256(preimage),
        number: parent.reference.number.next(),
        parent_hash: parent.reference.hash,
        timestamp: attributes.timestamp,
        l1_origin: origin_of(&info),
        sequence_number: info.sequence_number,
    };
    Derived {
        reference,
        transactions: attributes.transactions.clone(),
        system_config,
        derived_from: offered.derived_from.number,
    }
}

const fn origin_of(info: &L1Info) -> L1BlockId {
    L1BlockId {
        hash: info.block_hash,
        number: L1BlockNumber(info.number),
    }
}
