//! The batcher, driven turn by turn, and its operator: who starts it again when it ended, and gives it another key when L1 names one.
//!
//! The batcher is the real one: its loop, its journal on a disk that loses what was not synced, its dispersal and its nonce machine,
//! over the world's L1, pool and DA layer ([`super::ports`]). Its clock is the runtime's, which stands still but for [`Operator::turn`].

use super::{
    da::{NodeDa, SimulatedDa},
    env::Env,
    kinds::FaultKind,
    mempool::L1World,
    ports::{BatcherL1, BatcherNode},
    shape::Posting,
    violation::Violation,
};
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, Bytes};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tributary_batcher::{
    channel_manager::{ChannelPolicy, PendingBlock},
    dispersal::Dispersal,
    driver::{Batcher, BatcherConfig, BatcherError},
    journal::{Journal, JournalChain, testing::MemoryDisk},
    l1::{Account, BlobProofs, FeeLimits, L1Error, PostError, Poster, PosterSettings},
};
use tributary_protocol::{block::L2BlockNumber, config::RollupConfig};
use tributary_sequencer::engine::Chain;

/// Time one turn takes, in which puts are answered.
const TURN: Duration = Duration::from_secs(1);

/// Least of brotli: what a world posts matters, not how small it is.
const BROTLI_QUALITY: u8 = 1;

/// The batcher process and all its operator has.
pub(super) struct Operator {
    env: Env,
    posting: Posting,
    policy: ChannelPolicy,
    /// Keys it can sign with; L1 says which counts.
    keys: Vec<PrivateKeySigner>,
    key: usize,
    pub(super) l1: BatcherL1,
    pub(super) node: BatcherNode,
    da: Arc<NodeDa>,
    disk: MemoryDisk,
    process: Batcher<BatcherNode, BatcherL1>,
    hits: BTreeMap<FaultKind, u64>,
    /// What the last turn came to.
    said: String,
}

impl Operator {
    pub(super) fn new(
        env: &Env,
        l1: &L1World,
        da: &SimulatedDa,
        posting: Posting,
        policy: ChannelPolicy,
        keys: Vec<PrivateKeySigner>,
    ) -> Result<Self, Violation> {
        let l1 = BatcherL1::new(l1.clone(), da.clone(), env.config.alt_da.is_some());
        let (node, da) = (BatcherNode::default(), Arc::new(NodeDa::new(da.clone())));
        let disk = MemoryDisk::default();
        let process = start(env, posting, policy, &keys[0], (&l1, &node, &da, &disk))?;
        Ok(Self {
            env: env.clone(),
            posting,
            policy,
            keys,
            key: 0,
            l1,
            node,
            da,
            disk,
            process,
            hits: BTreeMap::new(),
            said: String::new(),
        })
    }

    /// What the last turn came to, for reports.
    pub(super) fn said(&self) -> &str {
        &self.said
    }

    pub(super) fn account(&self) -> Address {
        self.key().address()
    }

    pub(super) fn key(&self) -> &PrivateKeySigner {
        &self.keys[self.key]
    }

    pub(super) fn take_hits(&mut self) -> BTreeMap<FaultKind, u64> {
        let mut hits = core::mem::take(&mut self.hits);
        for (kind, count) in self.l1.take_hits() {
            *hits.entry(kind).or_default() += count;
        }
        hits.insert(FaultKind::BatcherNodeDown, self.node.take_failed());
        hits
    }

    fn count(&mut self, kind: FaultKind) {
        *self.hits.entry(kind).or_default() += 1;
    }

    /// No more faults.
    pub(super) fn heal(&mut self) -> Result<(), Violation> {
        self.l1.heal();
        self.node.heal();
        if self.disk.is_cut() {
            return self.crash();
        }
        self.disk.power_up();
        Ok(())
    }

    /// Its process ends and another one starts on what its disk has kept.
    pub(super) fn crash(&mut self) -> Result<(), Violation> {
        self.disk.power_up();
        self.restart()
    }

    /// The power goes at the disk's `operations`th operation from now on.
    pub(super) fn cut_power_in(&self, operations: usize) {
        self.disk.cut_power_at(self.disk.operations() + operations);
    }

    /// Its process ends and another one starts on an empty disk.
    pub(super) fn lose_journal(&mut self) -> Result<(), Violation> {
        self.disk = MemoryDisk::default();
        self.l1.forget_effects();
        self.restart()
    }

    fn restart(&mut self) -> Result<(), Violation> {
        let key = self.key().clone();
        let world = (&self.l1, &self.node, &self.da, &self.disk);
        self.process = start(&self.env, self.posting, self.policy, &key, world)?;
        Ok(())
    }

    /// The operator gives it the key that counts, and an empty journal. False if there is no such key, or it has it.
    pub(super) fn use_key_of(&mut self, account: Address) -> Result<bool, Violation> {
        let index = self.keys.iter().position(|key| key.address() == account);
        match index {
            Some(index) if index != self.key => {
                self.key = index;
                self.lose_journal()?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// One turn of its loop, and the time until the next.
    pub(super) async fn turn(&mut self) -> Result<(), Violation> {
        let turned = self.process.turn().await;
        self.said.clear();
        match turned {
            Ok(()) => {
                let status = self.process.status();
                let status = status.borrow();
                let problem = status.problem.as_deref().unwrap_or("posts");
                self.said.push_str(problem);
            }
            Err(error) => {
                self.said = error.to_string();
                if error.is_fatal() {
                    self.help(error)?;
                }
            }
        }
        if self.said.contains("did not become safe") {
            self.count(FaultKind::PostLost);
        }
        // Puts run in this time, and in no other.
        tokio::time::sleep(TURN).await;
        match self.l1.conflict() {
            Some(nonce) => Err(Violation::TwoEffects { nonce }),
            None => Ok(()),
        }
    }

    /// The operator looks why it stopped.
    fn help(&mut self, error: BatcherError) -> Result<(), Violation> {
        match error {
            // Somebody used the key: what was begun cannot be ended as it was begun.
            BatcherError::Post(PostError::L1(L1Error::NonceTaken { .. })) => {
                self.count(FaultKind::ForeignNonceStop);
                self.lose_journal()
            }
            BatcherError::Journal(_) | BatcherError::Post(PostError::Journal(_)) if self.disk.is_cut() => {
                self.count(FaultKind::JournalPowerCut);
                self.crash()
            }
            BatcherError::Build(error) => Err(Violation::Channel(error.to_string())),
            error => Err(Violation::Batcher(error.to_string())),
        }
    }

    /// Payloads it has sent of late.
    pub(super) fn sent(&self) -> Vec<Bytes> {
        self.l1.sent()
    }
}

/// What a process connects to.
type Connections<'a> = (&'a BatcherL1, &'a BatcherNode, &'a Arc<NodeDa>, &'a MemoryDisk);

fn start(
    env: &Env,
    posting: Posting,
    policy: ChannelPolicy,
    key: &PrivateKeySigner,
    (l1, node, da, disk): Connections<'_>,
) -> Result<Batcher<BatcherNode, BatcherL1>, Violation> {
    let config = &env.config;
    let account = Account::new(key.clone(), config.l1_chain_id, BlobProofs::Unchecked);
    let chain = JournalChain {
        l1_chain_id: config.l1_chain_id,
        l2_chain_id: config.l2_chain_id,
        l2_genesis: config.genesis.l2.hash,
        batcher: account.address(),
    };
    let journal = Journal::open(Box::new(disk.clone()), chain)
        .map_err(|error| Violation::Restart(error.to_string()))?;
    let settings = PosterSettings {
        inbox: config.batch_inbox_address,
        limits: FeeLimits::default(),
        replace_after: posting.replace_after,
        in_flight_max: posting.in_flight_max,
    };
    let poster = Poster::new(l1.clone(), account, settings).with_calldata_size_max(posting.calldata_bytes);
    let dispersal = Dispersal::new(da.clone(), posting.choice);
    let batcher_config = BatcherConfig {
        poll_interval: TURN,
        policy,
        brotli_quality: BROTLI_QUALITY,
    };
    Ok(Batcher::new(
        batcher_config,
        (**config).clone(),
        node.clone(),
        journal,
        dispersal,
        poster,
    ))
}

/// A canonical block as the batcher loads it.
pub(super) fn pending_block(
    chain: &Chain,
    number: L2BlockNumber,
    config: &RollupConfig,
) -> Option<PendingBlock> {
    // A store in memory that cannot be read has lost its memory.
    let block = chain.block_by_number(number).expect("the store can be read")?;
    PendingBlock::from_block(&block.block, block.hash, config).ok()
}
