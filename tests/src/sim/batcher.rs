//! The batcher in single moves: the real channel manager, channel builder and self check; around them the order of work of the
//! batcher's driver (settle, load, close, disperse, submit, confirm) over the world's L1 and DA.
//!
//! This file is all that ties the simulation to how the batcher is driven: [`Poster::step`] is one round, [`NodeView`] all it knows of
//! the node.

use super::{da::NodeDa, kinds::FaultKind, mempool::L1World, violation::Violation};
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256, Bytes};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tributary_batcher::{
    channel_builder::ChannelBuilder,
    channel_manager::{ChannelManager, ChannelPolicy, PendingBlock},
};
use tributary_da_client::DaLayer;
use tributary_protocol::{
    batcher_tx::{BatcherTx, encode_payload},
    block::{L1BlockNumber, L2BlockNumber, L2BlockRef},
    config::RollupConfig,
    frame::encode_frames,
};
use tributary_sequencer::engine::Chain;

/// Failed puts of one payload after which its channel goes to L1 as calldata.
const PUTS_BEFORE_FAILOVER: u32 = 5;

/// Rounds after which a transaction that is not mined is sent again with a higher fee.
const ROUNDS_BEFORE_REPLACEMENT: u32 = 12;

/// Rounds to wait for earlier transactions of ours after a start.
const ROUNDS_OF_QUIET: u32 = 30;

/// Blocks loaded in one round.
const BLOCKS_PER_LOAD: usize = 64;

/// Frames in one transaction.
const FRAMES_PER_TRANSACTION: usize = 4;

/// Fee of a first attempt, wei per gas.
const FEE: u128 = 2_000_000_000;

/// What the batcher knows of the node.
pub(super) struct NodeView<'a> {
    pub(super) chain: &'a Chain,
    /// The newest block that may be posted.
    pub(super) verified_head: L2BlockRef,
    pub(super) safe_head: L2BlockRef,
    /// L1 block being read; every one before it has been read whole.
    pub(super) current_l1: L1BlockNumber,
    pub(super) head_l1: L1BlockNumber,
}

/// What was posted last, to be compared with what derivation makes of it.
#[derive(Clone, Copy, Debug)]
struct Posted {
    last: L2BlockRef,
    included_in: L1BlockNumber,
}

#[derive(Debug)]
struct InFlight {
    nonce: u64,
    fee: u128,
    hashes: Vec<B256>,
    rounds: u32,
}

#[derive(Debug)]
struct Channel {
    last: L2BlockRef,
    payloads: VecDeque<Bytes>,
    failures: u32,
    calldata: VecDeque<Bytes>,
    in_flight: Option<InFlight>,
    included_in: L1BlockNumber,
}

#[derive(Debug)]
enum State {
    /// Waits until what is on L1 is all there is, and the node has read it.
    Settling {
        target: Option<L1BlockNumber>,
        rounds: u32,
    },
    Posting {
        manager: Box<ChannelManager>,
        channel: Option<Box<Channel>>,
        posted: Option<Posted>,
    },
}

const SETTLING: State = State::Settling {
    target: None,
    rounds: 0,
};

/// A batcher process.
#[derive(Debug)]
pub(super) struct Poster {
    config: Arc<RollupConfig>,
    policy: ChannelPolicy,
    frame_bytes: usize,
    /// Keys it can sign with; L1 says which counts.
    keys: Vec<PrivateKeySigner>,
    key: usize,
    state: State,
    /// Payloads it has sent, for whoever wants to send them again.
    pub(super) sent: Vec<Bytes>,
    hits: BTreeMap<FaultKind, u64>,
}

impl Poster {
    pub(super) fn new(
        config: Arc<RollupConfig>,
        policy: ChannelPolicy,
        frame_bytes: usize,
        keys: Vec<PrivateKeySigner>,
    ) -> Self {
        Self {
            config,
            policy,
            frame_bytes,
            keys,
            key: 0,
            state: SETTLING,
            sent: Vec::new(),
            hits: BTreeMap::new(),
        }
    }

    /// What it is doing, for reports.
    pub(super) fn state_name(&self) -> &'static str {
        match &self.state {
            State::Settling { target: None, .. } => "waits for quiet",
            State::Settling { .. } => "waits for the node",
            State::Posting { channel: None, .. } => "loads",
            State::Posting {
                channel: Some(channel),
                ..
            } => match (channel.payloads.is_empty(), &channel.in_flight) {
                (false, _) => "disperses",
                (true, None) => "submits",
                (true, Some(_)) => "waits for L1",
            },
        }
    }

    /// Its process ends and another one starts: nothing is left but what is on L1.
    pub(super) fn restart(&mut self) {
        self.state = SETTLING;
    }

    pub(super) fn account(&self) -> Address {
        self.keys[self.key].address()
    }

    pub(super) fn key(&self) -> &PrivateKeySigner {
        &self.keys[self.key]
    }

    pub(super) fn take_hits(&mut self) -> BTreeMap<FaultKind, u64> {
        core::mem::take(&mut self.hits)
    }

    fn count(&mut self, kind: FaultKind) {
        *self.hits.entry(kind).or_default() += 1;
    }

    /// The operator gives it the key that counts. What it was doing with another one it forgets.
    pub(super) fn use_key_of(&mut self, account: Address) -> bool {
        let index = self.keys.iter().position(|key| key.address() == account);
        match index {
            Some(index) if index != self.key => {
                self.key = index;
                self.state = SETTLING;
                true
            }
            _ => false,
        }
    }

    /// One round. `now` is the world's time since genesis.
    pub(super) async fn step(
        &mut self,
        node: &NodeView<'_>,
        l1: &mut L1World,
        da: &NodeDa,
        now: Duration,
        flush: bool,
    ) -> Result<(), Violation> {
        match core::mem::replace(&mut self.state, SETTLING) {
            State::Settling { target, rounds } => self.settle(node, l1, target, rounds),
            State::Posting {
                manager,
                channel,
                posted,
            } => {
                self.post(node, l1, da, (manager, channel, posted), (now, flush))
                    .await?;
            }
        }
        Ok(())
    }

    fn settle(&mut self, node: &NodeView<'_>, l1: &L1World, target: Option<L1BlockNumber>, rounds: u32) {
        let is_quiet = l1.waiting(self.account()) == 0 || rounds >= ROUNDS_OF_QUIET;
        let target = target.or_else(|| is_quiet.then_some(node.head_l1));
        self.state = match target {
            Some(target) if node.current_l1 >= target => State::Posting {
                manager: Box::new(ChannelManager::new(self.policy, node.safe_head.id())),
                channel: None,
                posted: None,
            },
            target => State::Settling {
                target,
                rounds: rounds + 1,
            },
        };
    }

    async fn post(
        &mut self,
        node: &NodeView<'_>,
        l1: &mut L1World,
        da: &NodeDa,
        (mut manager, channel, mut posted): (Box<ChannelManager>, Option<Box<Channel>>, Option<Posted>),
        (now, flush): (Duration, bool),
    ) -> Result<(), Violation> {
        let was_lost = |posted: Posted| {
            node.current_l1 > posted.included_in && node.safe_head.number < posted.last.number
        };
        if channel.is_none() && posted.is_some_and(was_lost) {
            self.count(FaultKind::PostLost);
            return Ok(());
        }
        let channel = match channel {
            Some(mut channel) => {
                if !channel.payloads.is_empty() {
                    self.disperse(&mut channel, da).await;
                } else if self.submit(&mut channel, l1).is_err() {
                    return Ok(());
                }
                if channel.payloads.is_empty() && channel.calldata.is_empty() && channel.in_flight.is_none() {
                    posted = Some(Posted {
                        last: channel.last,
                        included_in: channel.included_in,
                    });
                    None
                } else {
                    Some(channel)
                }
            }
            None => {
                if !self.load(node, &mut manager, now) {
                    return Ok(());
                }
                match manager.close(now, node.head_l1, flush) {
                    Some((blocks, _)) => Some(Box::new(self.channel(&blocks)?)),
                    None => None,
                }
            }
        };
        self.state = State::Posting {
            manager,
            channel,
            posted,
        };
        Ok(())
    }

    /// False if the node has replaced what was loaded before.
    fn load(&self, node: &NodeView<'_>, manager: &mut ChannelManager, now: Duration) -> bool {
        for _ in 0..BLOCKS_PER_LOAD {
            let wanted = manager.next_wanted();
            let Some(number) = wanted.filter(|number| *number <= node.verified_head.number) else {
                return true;
            };
            let Some(pending) = pending_block(node.chain, number, &self.config) else {
                return false;
            };
            if manager.push(pending, now).is_err() {
                return false;
            }
        }
        true
    }

    fn channel(&mut self, blocks: &[PendingBlock]) -> Result<Channel, Violation> {
        let failed = |error: &dyn core::fmt::Display| Violation::Channel(error.to_string());
        let channel = ChannelBuilder::new(&self.config, 1)
            .build(blocks)
            .map_err(|error| failed(&error))?;
        let frames = channel.frames(self.frame_bytes).map_err(|error| failed(&error))?;
        let payloads: VecDeque<Bytes> = frames
            .chunks(FRAMES_PER_TRANSACTION)
            .map(|frames| encode_payload(&encode_frames(frames)))
            .collect();
        self.sent.extend(payloads.iter().cloned());
        let mut channel = Channel {
            last: channel.last,
            payloads,
            failures: 0,
            calldata: VecDeque::new(),
            in_flight: None,
            included_in: L1BlockNumber(0),
        };
        if self.config.alt_da.is_none() {
            channel.calldata = core::mem::take(&mut channel.payloads);
        }
        Ok(channel)
    }

    /// Puts the next payload on DA. If the layer keeps refusing, what is left goes to L1 as it is.
    async fn disperse(&mut self, channel: &mut Channel, da: &NodeDa) {
        let Some(payload) = channel.payloads.front() else {
            return;
        };
        match da.put(payload.clone()).await {
            Ok(commitment) => {
                channel.payloads.pop_front();
                channel
                    .calldata
                    .push_back(BatcherTx::Commitment(commitment).encode());
            }
            Err(error) => {
                channel.failures += 1;
                if channel.failures >= PUTS_BEFORE_FAILOVER || !error.is_retryable() {
                    self.count(FaultKind::Failover);
                    let rest = core::mem::take(&mut channel.payloads);
                    channel.calldata.extend(rest);
                }
            }
        }
    }

    /// One transaction at a time, in order. An error means that our nonce is not the next any more: everything starts over.
    fn submit(&mut self, channel: &mut Channel, l1: &mut L1World) -> Result<(), ()> {
        let account = self.account();
        let Some(in_flight) = &mut channel.in_flight else {
            let Some(calldata) = channel.calldata.front() else {
                return Ok(());
            };
            let nonce = l1.nonce(account);
            let transaction = l1.sign(self.key(), nonce, FEE, calldata.clone());
            channel.in_flight = Some(InFlight {
                nonce,
                fee: FEE,
                hashes: vec![*transaction.tx_hash()],
                rounds: 0,
            });
            l1.send(account, transaction);
            return Ok(());
        };
        if let Some(number) = in_flight.hashes.iter().find_map(|hash| l1.inclusion(hash)) {
            channel.included_in = number;
            channel.calldata.pop_front();
            channel.in_flight = None;
            return Ok(());
        }
        // A reorg may have taken back what came before: nothing fills such a gap but starting over.
        if l1.nonce(account) != in_flight.nonce {
            return Err(());
        }
        in_flight.rounds += 1;
        if in_flight.rounds.is_multiple_of(ROUNDS_BEFORE_REPLACEMENT) {
            in_flight.fee += in_flight.fee.div_ceil(8);
            let (nonce, fee) = (in_flight.nonce, in_flight.fee);
            if let Some(calldata) = channel.calldata.front() {
                let transaction = l1.sign(&self.keys[self.key], nonce, fee, calldata.clone());
                in_flight.hashes.push(*transaction.tx_hash());
                l1.send(account, transaction);
                self.count(FaultKind::TransactionReplaced);
            }
        }
        Ok(())
    }
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
