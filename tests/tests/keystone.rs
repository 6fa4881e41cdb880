//! The keystone property, with the batcher that really posts: whatever a sequencer builds and however the batcher cuts it, what a fresh
//! node derives from L1 and DA is what was built; and whatever is lost, repeated or mixed up on the way, it is never another block
//! than that or the one of deposits alone that the rules put in its place once the sequencing window is over.
//!
//! ```text
//!  users -> sequencer -> ChannelManager -> ChannelBuilder -> frames -> (mishaps) -> calldata, DA payloads -> L1
//!                 |                                                                                       |
//!                 +------- same hashes <--- fresh node <--- derivation driver <---------------------------+
//! ```
//! A story follows from its seed. The first seed is printed; set `TRIBUTARY_SEED` to it to see the same stories again.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a helper that panics fails its test, and the numbers here are small"
)]

use alloy_consensus::{TxEip1559, TxEnvelope};
use alloy_primitives::{Bytes, TxKind};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use std::{collections::BTreeMap, future::Future, ops::RangeInclusive, time::Duration};
use tributary_batcher::{
    channel_builder::{BatchKind, ChannelBuilder},
    channel_manager::{ChannelManager, ChannelPolicy, PendingBlock},
};
use tributary_da_client::{DaLayer, DropReason};
use tributary_derivation::{
    driver::memory::{MemoryEngine, MinedTransaction},
    testing::{TestNet, TestNetOptions, key, sign},
};
use tributary_protocol::{
    batcher_tx::{BatcherTx, encode_payload},
    block::{L1BlockNumber, L2BlockNumber, L2BlockRef},
    frame::{Frame, encode_frames},
};
use tributary_tests::history::users;

/// Stories for each profile and property.
const STORIES: u64 = 16;

/// Most batcher transactions a channel is spread over, so that it never takes longer than the channel timeout of 50 L1 blocks.
const TRANSACTIONS_PER_CHANNEL_MAX: usize = 30;

/// What kind of story.
#[derive(Clone, Copy, Debug)]
struct Plot {
    is_jovian: bool,
    seq_window_l1_blocks: u64,
    /// How often something goes wrong with a frame or a batcher transaction, from 0 to 1.
    mishaps: f64,
    l1_blocks: u64,
}

/// Frames on their way to L1.
#[derive(Clone, Debug)]
struct Post {
    payload: Bytes,
    /// Behind a commitment; else in calldata.
    is_on_da: bool,
    /// Refused by the DA layer for good.
    is_refused: bool,
    /// Signed by somebody else than the batcher.
    is_strange: bool,
}

struct Story {
    rng: StdRng,
    plot: Plot,
    net: TestNet,
    manager: ChannelManager,
    /// First L2 block the batcher has not seen.
    unseen: u64,
    l1_nonce: u64,
    l2_nonces: [u64; 4],
    /// Deposits that succeeded, by L1 height.
    deposits: BTreeMap<L1BlockNumber, usize>,
    outgoing: Vec<Post>,
    /// Everything the batcher meant to post, before anything happened to it.
    meant: Vec<Post>,
}

impl Story {
    fn new(seed: u64, plot: Plot) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let net = TestNet::new(TestNetOptions {
            is_jovian: plot.is_jovian,
            seq_window_size: plot.seq_window_l1_blocks,
            block_time: 1,
        });
        let policy = ChannelPolicy {
            max_duration: Duration::from_secs(rng.random_range(0..12)),
            max_input_bytes: rng.random_range(100..6_000),
            safety_margin_l1_blocks: plot.seq_window_l1_blocks / 3,
            seq_window_l1_blocks: plot.seq_window_l1_blocks,
        };
        Self {
            manager: ChannelManager::new(policy, net.config.genesis.l2),
            rng,
            plot,
            net,
            unseen: 1,
            l1_nonce: 0,
            l2_nonces: [0; 4],
            deposits: BTreeMap::new(),
            outgoing: Vec::new(),
            meant: Vec::new(),
        }
    }

    async fn tell(&mut self) {
        for _ in 0..self.plot.l1_blocks {
            for _ in 0..self.rng.random_range(0..5) {
                self.build_block();
            }
            self.batch(false);
            self.mine().await;
        }
        self.batch(true);
        while !self.outgoing.is_empty() {
            self.mine().await;
        }
    }

    /// A block with some transactions or none, in the earliest epoch it may be in or in its parent's.
    fn build_block(&mut self) {
        let transactions = match self.rng.random_range(0..3) {
            0 => Vec::new(),
            _ => (0..self.rng.random_range(1..5))
                .map(|_| self.l2_transaction())
                .collect(),
        };
        if self.rng.random_bool(0.2) {
            let head = self.net.sequencer.current_heads().unsafe_head;
            self.net.build_block_at(head.l1_origin.number, transactions);
        } else {
            self.net.build_block(transactions);
        }
    }

    fn l2_transaction(&mut self) -> Bytes {
        let from = self.rng.random_range(0..self.l2_nonces.len());
        self.l2_nonces[from] += 1;
        let nonce = self.l2_nonces[from] - 1;
        users::transaction(self.net.config.l2_chain_id, from as u64, nonce, &mut self.rng)
    }

    /// The batcher takes the new blocks, and puts on their way what channels it closes.
    fn batch(&mut self, flush: bool) {
        let now = Duration::from_secs(self.net.l1.head_block().number().0);
        let chain = self.net.sequencer.chain();
        for reference in &chain[usize::try_from(self.unseen).unwrap()..] {
            let block = self.net.sequencer.block(reference.number).unwrap();
            let pending = PendingBlock::from_block(&block, reference.hash, &self.net.config).unwrap();
            self.manager.push(pending, now).unwrap();
        }
        self.unseen = chain.len() as u64;
        let l1_head = self.net.l1.head_block().number();
        while let Some((blocks, _)) = self.manager.close(now, l1_head, flush) {
            self.send_channel(&blocks);
        }
    }

    fn send_channel(&mut self, blocks: &[PendingBlock]) {
        let quality = self.rng.random_range(0..7);
        let kind = if self.rng.random_bool(0.3) {
            BatchKind::Singular
        } else {
            BatchKind::Span
        };
        let channel = ChannelBuilder::new(&self.net.config, quality)
            .with_kind(kind)
            .build(blocks)
            .unwrap();
        // Every size there is: of one byte of data a frame, of the whole channel in one, and between.
        let size_max = 24 + (2_f64.powf(self.rng.random_range(0.0..15.0)) as usize - 1);
        let mut frames = channel.frames(size_max).unwrap();
        let meant = self.posts(&frames);
        self.meant.extend(meant.iter().cloned());
        if self.plot.mishaps == 0.0 {
            self.outgoing.extend(meant);
            return;
        }
        mix_up(&mut frames, self.plot.mishaps * 0.2, &mut self.rng);
        let mut posts = self.posts(&frames);
        mix_up(&mut posts, self.plot.mishaps, &mut self.rng);
        for mut post in posts {
            if self.rng.random_bool(self.plot.mishaps) {
                let garbage = self.garbage();
                self.outgoing.push(garbage);
            }
            post.is_strange = self.rng.random_bool(self.plot.mishaps * 0.2);
            post.is_refused = self.rng.random_bool(self.plot.mishaps * 0.2);
            self.outgoing.push(post);
        }
    }

    /// The frames in batcher transactions of one or several.
    fn posts(&mut self, frames: &[Frame]) -> Vec<Post> {
        let least = frames.len().div_ceil(TRANSACTIONS_PER_CHANNEL_MAX).max(1);
        let per_transaction = least + self.rng.random_range(0..3);
        let posts = frames.chunks(per_transaction).map(|frames| Post {
            payload: encode_payload(&encode_frames(frames)),
            is_on_da: self.rng.random_bool(0.5),
            is_refused: false,
            is_strange: false,
        });
        posts.collect()
    }

    /// Bytes that mean nothing, or nearly something: what was posted before, cut off or with a byte changed.
    fn garbage(&mut self) -> Post {
        let mut payload: Vec<u8> = match self.meant.choose(&mut self.rng) {
            Some(post) if self.rng.random_bool(0.5) => {
                let size = self.rng.random_range(0..post.payload.len());
                post.payload[..size].to_vec()
            }
            _ => (0..self.rng.random_range(0..200))
                .map(|_| self.rng.random())
                .collect(),
        };
        if let Some(version) = payload.first_mut() {
            // A commitment that parses by chance would be waited for.
            *version = 0;
        }
        Post {
            payload: payload.into(),
            is_on_da: self.rng.random_bool(0.5),
            is_refused: false,
            is_strange: false,
        }
    }

    /// Mines what users do, and some of what is on its way to the inbox.
    async fn mine(&mut self) {
        let number = self.net.l1.head_block().number().next();
        let mut mined = self.user_transactions(number);
        let most = self.outgoing.len().div_ceil(3).max(4);
        let count = self.rng.random_range(0..=most).min(self.outgoing.len());
        let posts: Vec<Post> = self.outgoing.drain(..count).collect();
        for post in posts {
            let transaction = self.post(post).await;
            mined.push(transaction.into());
        }
        self.net.l1.mine(mined);
    }

    async fn post(&mut self, post: Post) -> TxEnvelope {
        let input = if post.is_on_da && !post.payload.is_empty() {
            let commitment = self.net.da.put(post.payload).await.unwrap();
            if post.is_refused {
                self.net.da.drop_commitment(&commitment, DropReason::Recency);
            }
            BatcherTx::Commitment(commitment).encode()
        } else {
            post.payload
        };
        if post.is_strange {
            self.net.inbox_transaction(&key("stranger"), input)
        } else {
            self.net.batcher_transaction(input)
        }
    }

    /// Deposits and changes of the system configuration.
    fn user_transactions(&mut self, number: L1BlockNumber) -> Vec<MinedTransaction> {
        let count = self.rng.random_range(0..3);
        (0..count).map(|_| self.user_transaction(number)).collect()
    }

    fn user_transaction(&mut self, number: L1BlockNumber) -> MinedTransaction {
        let config = self.net.config.clone();
        let succeeds = self.rng.random_bool(0.9);
        let mut logs = Vec::new();
        for _ in 0..self.rng.random_range(0..3) {
            if self.rng.random_bool(0.7) {
                logs.push(users::deposit(config.deposit_contract_address, &mut self.rng));
                *self.deposits.entry(number).or_default() += usize::from(succeeds);
            } else {
                let update = users::config_update(&mut self.rng);
                logs.push(update.encode(config.l1_system_config_address));
            }
        }
        self.l1_nonce += 1;
        let transaction = TxEip1559 {
            chain_id: config.l1_chain_id,
            nonce: self.l1_nonce - 1,
            gas_limit: 500_000,
            to: TxKind::Call(config.deposit_contract_address),
            ..TxEip1559::default()
        };
        MinedTransaction {
            transaction: sign(&key("L1 user"), transaction),
            logs,
            succeeds,
        }
    }

    /// What a node derives that knows nothing but L1 and DA.
    async fn derive_anew(&self) -> (MemoryEngine, u64) {
        let node = self.net.follower();
        let status = self.net.derive(&node).await.unwrap();
        (node, status.discards.iter().map(|(_, count)| count).sum())
    }

    /// Every derived block is the sequencer's, or one of deposits alone that came when its window was over. Returns how many blocks
    /// are the sequencer's.
    fn check(&self, node: &MemoryEngine) -> usize {
        let built = self.net.sequencer.chain();
        let derived = node.chain();
        let same = derived.iter().zip(&built).take_while(|(a, b)| a == b).count();
        for reference in &derived[same..] {
            self.check_replacement(node, reference);
        }
        same
    }

    fn check_replacement(&self, node: &MemoryEngine, reference: &L2BlockRef) {
        let block = node.block(L2BlockNumber(reference.number.0)).unwrap();
        let transactions = &block.body.transactions;
        assert!(
            transactions
                .iter()
                .all(op_alloy_consensus::OpTxEnvelope::is_deposit),
            "block {} is not the sequencer's and has batch transactions",
            reference.number.0
        );
        let origin = reference.l1_origin.number;
        let opens_epoch = reference.sequence_number == 0;
        let deposits = self
            .deposits
            .get(&origin)
            .copied()
            .filter(|_| opens_epoch)
            .unwrap_or(0);
        assert_eq!(
            transactions.len(),
            1 + deposits,
            "deposits of block {}",
            reference.number.0
        );
        let head = self.net.l1.head_block().number();
        assert!(
            head.0 >= origin.0 + self.plot.seq_window_l1_blocks,
            "block {} was replaced before its window was over",
            reference.number.0
        );
    }
}

/// Loses, repeats and reorders.
fn mix_up<T: Clone>(items: &mut Vec<T>, mishaps: f64, rng: &mut StdRng) {
    for item in std::mem::take(items) {
        if rng.random_bool(mishaps) {
            match rng.random_range(0..3) {
                0 => {}
                1 => items.extend([item.clone(), item]),
                _ => {
                    let at = rng.random_range(0..=items.len());
                    items.insert(at, item);
                }
            }
        } else {
            items.push(item);
        }
    }
}

/// Runs a future on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

/// The seeds of a property: from `TRIBUTARY_SEED` on, or from a random one.
fn seeds() -> RangeInclusive<u64> {
    let first = std::env::var("TRIBUTARY_SEED")
        .map(|seed| seed.parse().expect("TRIBUTARY_SEED is a number"))
        .unwrap_or_else(|_| rand::rng().random_range(0..1_000_000_000));
    println!("seeds {first} to {}", first + STORIES - 1);
    first..=first + STORIES - 1
}

fn what_was_batched_is_derived(is_jovian: bool) {
    let mut blocks = 0;
    for seed in seeds() {
        println!("seed {seed}");
        let plot = Plot {
            is_jovian,
            seq_window_l1_blocks: 200,
            mishaps: 0.0,
            l1_blocks: 14,
        };
        let mut story = Story::new(seed, plot);
        block_on(async {
            story.tell().await;
            let (node, discards) = story.derive_anew().await;
            assert_eq!(node.chain(), story.net.sequencer.chain(), "seed {seed}");
            assert_eq!(node.current_heads().safe_head.number.0 + 1, story.unseen);
            assert_eq!(discards, 0, "seed {seed}");
        });
        blocks += story.unseen - 1;
    }
    println!("{blocks} blocks derived again");
    assert!(blocks >= 10 * STORIES, "the stories are empty");
}

#[test]
fn jovian_blocks_are_derived_as_they_were_built_for_any_cuts_and_frame_sizes() {
    what_was_batched_is_derived(true);
}

#[test]
fn isthmus_blocks_are_derived_as_they_were_built_for_any_cuts_and_frame_sizes() {
    what_was_batched_is_derived(false);
}

#[test]
fn mishaps_never_make_a_block_that_is_neither_built_nor_of_deposits_alone() {
    let (mut same, mut replaced) = (0, 0);
    for seed in seeds() {
        println!("seed {seed}");
        let mut story = Story::new(seed, mishaps(seed, 8));
        block_on(async {
            story.tell().await;
            story.net.l1.mine_empty(10);
            let (node, _) = story.derive_anew().await;
            let same_here = story.check(&node);
            same += same_here - 1;
            replaced += node.chain().len() - same_here;
        });
    }
    println!("{same} blocks as built, {replaced} of deposits alone");
    assert!(
        same > 0 && replaced > 0,
        "the stories do not show what they are told for"
    );
}

#[test]
fn what_got_lost_within_the_window_is_derived_once_it_is_posted_again() {
    let mut lost = 0;
    for seed in seeds() {
        println!("seed {seed}");
        let mut story = Story::new(seed, mishaps(seed, 400));
        block_on(async {
            story.tell().await;
            let built = story.net.sequencer.chain();
            let (node, _) = story.derive_anew().await;
            let derived = node.chain();
            assert!(
                derived[..] == built[..derived.len()],
                "seed {seed}: a wrong block was derived"
            );
            lost += built.len() - derived.len();

            // Longer than a channel may be open, so that no half of an old one is in the way.
            story.net.l1.mine_empty(51);
            // As calldata: a payload the layer has refused once stays refused, however often it is posted.
            story.outgoing = story.meant.clone();
            story.outgoing.iter_mut().for_each(|post| post.is_on_da = false);
            while !story.outgoing.is_empty() {
                story.mine().await;
            }
            let (node, _) = story.derive_anew().await;
            assert!(
                node.chain() == built,
                "seed {seed}: posting again did not bring the chain back"
            );
        });
    }
    println!("{lost} blocks were lost at first");
    assert!(lost > 0, "nothing was lost");
}

fn mishaps(seed: u64, seq_window_l1_blocks: u64) -> Plot {
    Plot {
        is_jovian: seed.is_multiple_of(2),
        seq_window_l1_blocks,
        mishaps: 0.15,
        l1_blocks: 14,
    }
}
