//! Stories of the batcher that really posts, over a simulated L1, a DA layer in memory and a disk that loses what was not synced.
//! Single moves, fake time, no sockets; derivation is the real one, so a block counts as posted only if a node derives it.
//!
//! ```text
//!  users -> sequencer -> Batcher::turn -> journal (MemoryDisk), DA (MemoryLayer), L1 pool -> mined -> derivation -> safe head
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that panics has failed, which is what it is for"
)]

use alloy::eips::eip2718::Decodable2718;
use alloy_consensus::{
    Signed, Transaction, TxEip4844Variant, TxEnvelope, Typed2718, transaction::SignerRecoverable,
};
use alloy_primitives::{Address, B256, Bytes};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Mutex;
use tributary_batcher::{
    channel_manager::ChannelPolicy,
    dispersal::{DaChoice, Dispersal, L1Destination},
    driver::{Batcher, BatcherConfig, BatcherError},
    encoding::{EncodingPolicy, KindChoice, QualityChoice},
    journal::{Journal, JournalChain, JournaledChannel, Route, testing::MemoryDisk},
    l1::{
        Accepted, Account, BlobProofs, Call, FeeLimits, Fees, Inclusion, L1Error, L1Port, PostError, Poster,
        PosterSettings,
    },
    node::{NodeError, NodePort, SyncStatus},
    payload_size::{Billing, PayloadSizer},
    throttle::{BlockLimiter, DaSizes, LimitError, LimitFuture, ThrottlePolicy},
};
use tributary_derivation::testing::{INBOX, L1_CHAIN_ID, TestNet, TestNetOptions};
use tributary_protocol::{
    batcher_tx::BatcherTx,
    blob::Blob,
    block::{L1BlockId, L1BlockNumber, L2Block, L2BlockNumber},
};

#[path = "batcher/regressions.rs"]
mod regressions;

/// Most turns a story may take until everything is safe.
const TURNS_MAX: usize = 400;

/// What L1's pool asks of a replacement, per hundred of what it holds.
const REPLACEMENT_PERCENT: u128 = 110;

/// Everything around the batcher. Clones share it.
#[derive(Clone)]
struct World(Arc<Mutex<Inner>>);

struct Inner {
    net: TestNet,
    /// L1's pool, by nonce of the batcher's account.
    pool: BTreeMap<u64, TxEnvelope>,
    /// The pool forgets everything it is given.
    pool_is_leaky: bool,
    market: Fees,
    l1_fails: bool,
    /// How often a transaction was looked for.
    receipts_asked: usize,
}

impl World {
    fn new() -> Self {
        let market = Fees {
            max_fee_per_gas: 2_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            max_fee_per_blob_gas: Some(10),
        };
        Self(Arc::new(Mutex::new(Inner {
            net: TestNet::new(TestNetOptions::default()),
            pool: BTreeMap::new(),
            pool_is_leaky: false,
            market,
            l1_fails: false,
            receipts_asked: 0,
        })))
    }

    /// The sequencer builds `count` blocks, with a transfer in every second one.
    async fn build(&self, count: u64) {
        let net = &mut self.0.lock().await.net;
        for index in 0..count {
            let transactions = if index % 2 == 0 {
                vec![net.transfer(index, 1 + index)]
            } else {
                Vec::new()
            };
            net.build_block(transactions);
        }
    }

    /// L1 mines a block with what its pool can give: transactions whose nonces follow the chain's.
    async fn mine(&self) {
        let inner = &mut *self.0.lock().await;
        let mut next = inner.on_chain().len() as u64;
        let mut transactions = Vec::new();
        while let Some(transaction) = inner.pool.remove(&next) {
            transactions.push(transaction.into());
            next += 1;
        }
        inner.net.l1.mine(transactions);
        inner.pool = inner.pool.split_off(&next);
        let head = inner.net.l1.head_block().reference().number;
        inner
            .net
            .l1
            .set_finalized(L1BlockNumber(head.0.saturating_sub(8)));
    }

    /// L1 takes back its last `depth` blocks and mines one more than that, without what was in them.
    async fn reorg(&self, depth: u64) {
        let net = &self.0.lock().await.net;
        let head = net.l1.head_block().reference().number.0;
        drop(net.l1.reorg_to(L1BlockNumber(head.saturating_sub(depth))));
        net.l1.mine_empty(depth + 1);
    }

    /// What every batcher transaction on L1 says, in order: its calldata, or the hashes of its blobs.
    async fn posted(&self) -> Vec<Bytes> {
        let inner = self.0.lock().await;
        let said = |(transaction, _): &(TxEnvelope, L1BlockId)| match transaction.blob_versioned_hashes() {
            Some(hashes) => hashes.concat().into(),
            None => transaction.input().clone(),
        };
        inner.on_chain().iter().map(said).collect()
    }

    async fn heads(&self) -> (u64, u64) {
        let heads = self.0.lock().await.net.sequencer.current_heads();
        (heads.unsafe_head.number.0, heads.safe_head.number.0)
    }

    /// A node that knows nothing derives what the sequencer has, as far as it is safe.
    async fn check_fresh_follower(&self) {
        let inner = self.0.lock().await;
        let follower = inner.net.follower();
        inner.net.derive(&follower).await.unwrap();
        let ours = inner.net.sequencer.chain();
        let theirs = follower.chain();
        assert_eq!(ours[..theirs.len()], theirs[..]);
        assert_eq!(
            theirs.len() as u64 - 1,
            inner.net.sequencer.current_heads().safe_head.number.0
        );
    }
}

impl Inner {
    /// The batcher's transactions on L1, in order, each with its block.
    fn on_chain(&self) -> Vec<(TxEnvelope, L1BlockId)> {
        let batcher = self.net.batcher.address();
        let head = self.net.l1.head_block().reference().number.0;
        let mut found = Vec::new();
        for number in 0..=head {
            let block = self.net.l1.block(L1BlockNumber(number)).unwrap();
            for transaction in block.transactions() {
                if transaction.recover_signer().unwrap() == batcher {
                    found.push((transaction.clone(), block.id()));
                }
            }
        }
        found
    }

    /// A transaction with blobs as the chain has it; the blobs go to the beacon node.
    fn keep_blobs(&self, transaction: TxEnvelope) -> TxEnvelope {
        let TxEnvelope::Eip4844(signed) = transaction else {
            return transaction;
        };
        let (variant, signature, hash) = signed.into_parts();
        if let TxEip4844Variant::TxEip4844WithSidecar(with_sidecar) = &variant {
            let hashes = &with_sidecar.tx.blob_versioned_hashes;
            for (hash, blob) in hashes.iter().zip(with_sidecar.sidecar.blobs()) {
                let blob = Blob::new(Bytes::copy_from_slice(blob.as_slice())).unwrap();
                self.net.blobs.put_as(*hash, blob);
            }
        }
        let bare = TxEip4844Variant::TxEip4844(variant.into());
        TxEnvelope::Eip4844(Signed::new_unchecked(bare, signature, hash))
    }

    fn check_up(&self) -> Result<(), L1Error> {
        if self.l1_fails {
            return Err(L1Error::Rpc {
                what: "anything",
                source: alloy::transports::TransportErrorKind::custom_str("down"),
            });
        }
        Ok(())
    }
}

impl L1Port for World {
    async fn nonce(&self, account: Address, pending: bool) -> Result<u64, L1Error> {
        let inner = self.0.lock().await;
        inner.check_up()?;
        assert_eq!(account, inner.net.batcher.address());
        let mut nonce = inner.on_chain().len() as u64;
        while pending && inner.pool.contains_key(&nonce) {
            nonce += 1;
        }
        Ok(nonce)
    }

    async fn head(&self) -> Result<Option<L1BlockId>, L1Error> {
        let inner = self.0.lock().await;
        inner.check_up()?;
        Ok(Some(inner.net.l1.head_block().id()))
    }

    async fn block_hash(&self, number: L1BlockNumber) -> Result<Option<B256>, L1Error> {
        let inner = self.0.lock().await;
        inner.check_up()?;
        Ok(inner.net.l1.block(number).map(|block| block.id().hash))
    }

    async fn inclusion(&self, hash: B256) -> Result<Option<Inclusion>, L1Error> {
        let mut inner = self.0.lock().await;
        inner.check_up()?;
        inner.receipts_asked += 1;
        let found = inner
            .on_chain()
            .into_iter()
            .find(|(transaction, _)| *transaction.tx_hash() == hash);
        Ok(found.map(|(_, block)| Inclusion {
            hash,
            block,
            succeeded: true,
            gas_used: 21_000,
        }))
    }

    async fn broadcast(&self, raw: &Bytes) -> Result<Accepted, L1Error> {
        let mut inner = self.0.lock().await;
        inner.check_up()?;
        let transaction = TxEnvelope::decode_2718_exact(raw).unwrap();
        let transaction = inner.keep_blobs(transaction);
        let nonce = transaction.nonce();
        let is_mixed = |held: &TxEnvelope| held.is_eip4844() != transaction.is_eip4844();
        assert!(
            !inner.pool.values().any(is_mixed),
            "L1's pools refuse both kinds at a time"
        );
        if nonce < inner.on_chain().len() as u64 {
            return Ok(Accepted::NonceUsed);
        }
        if let Some(held) = inner.pool.get(&nonce) {
            if held.tx_hash() == transaction.tx_hash() {
                return Ok(Accepted::Held);
            }
            assert_eq!(held.input(), transaction.input(), "one nonce, two effects");
            if transaction.max_fee_per_gas() * 100 < held.max_fee_per_gas() * REPLACEMENT_PERCENT {
                return Ok(Accepted::Underpriced);
            }
        }
        if !inner.pool_is_leaky {
            inner.pool.insert(nonce, transaction);
        }
        Ok(Accepted::Held)
    }

    async fn estimate_gas(&self, _: Address, _: &Call) -> Result<u64, L1Error> {
        Ok(21_000)
    }

    async fn market(&self) -> Result<Fees, L1Error> {
        let inner = self.0.lock().await;
        inner.check_up()?;
        Ok(inner.market)
    }
}

impl NodePort for World {
    async fn sync_status(&self) -> Result<SyncStatus, NodeError> {
        let inner = self.0.lock().await;
        let engine = inner.net.sequencer.clone();
        let status = inner.net.derive(&engine).await.unwrap();
        let heads = engine.current_heads();
        Ok(SyncStatus {
            // Caught up: the block after the head is the one that would be read.
            current_l1: status.current_l1.unwrap_or_default(),
            head_l1: inner.net.l1.head_block().reference(),
            unsafe_l2: heads.unsafe_head,
            cross_unsafe_l2: heads.unsafe_head,
            safe_l2: heads.safe_head,
            finalized_l2: heads.finalized_head,
        })
    }

    async fn block(&self, number: L2BlockNumber) -> Result<(L2Block, B256), NodeError> {
        let block = self.0.lock().await.net.sequencer.block(number).unwrap();
        let hash = block.header.hash_slow();
        Ok((block, hash))
    }
}

/// A batcher that starts on what `disk` holds.
async fn start(world: &World, disk: &MemoryDisk) -> Batcher<World, World> {
    let failover = Some(L1Destination::Calldata);
    start_with(world, disk, DaChoice::Layer { failover }).await
}

async fn start_with(world: &World, disk: &MemoryDisk, choice: DaChoice) -> Batcher<World, World> {
    start_on(world, disk, choice, |config, dispersal| (config, dispersal)).await
}

async fn start_on(
    world: &World,
    disk: &MemoryDisk,
    choice: DaChoice,
    adapt: impl FnOnce(BatcherConfig, Dispersal) -> (BatcherConfig, Dispersal),
) -> Batcher<World, World> {
    let inner = world.0.lock().await;
    let rollup = (*inner.net.config).clone();
    let account = Account::new(inner.net.batcher.clone(), L1_CHAIN_ID, BlobProofs::Blob);
    let chain = JournalChain {
        l1_chain_id: L1_CHAIN_ID,
        l2_chain_id: rollup.l2_chain_id,
        l2_genesis: rollup.genesis.l2.hash,
        batcher: account.address(),
    };
    let journal = Journal::open(Box::new(disk.clone()), chain).unwrap();
    let poster = Poster::new(
        world.clone(),
        account,
        PosterSettings {
            inbox: INBOX,
            limits: FeeLimits::default(),
            replace_after: Duration::from_secs(12),
            in_flight_max: 2,
        },
    );
    let config = BatcherConfig {
        poll_interval: Duration::from_secs(1),
        policy: ChannelPolicy {
            max_duration: Duration::from_secs(4),
            max_input_bytes: 1_000,
            safety_margin_l1_blocks: 5,
            seq_window_l1_blocks: rollup.seq_window_size,
        },
        brotli_quality: 5,
    };
    let (config, dispersal) = adapt(config, Dispersal::new(inner.net.da.clone(), choice));
    drop(inner);
    Batcher::new(config, rollup, world.clone(), journal, dispersal, poster)
}

/// One turn of the batcher and a second for what it started.
async fn turn(batcher: &mut Batcher<World, World>) -> Result<(), BatcherError> {
    let result = batcher.turn().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    result
}

/// Turns and blocks of L1 until everything built is safe.
async fn until_safe(world: &World, batcher: &mut Batcher<World, World>) {
    for count in 0..TURNS_MAX {
        turn(batcher).await.unwrap();
        if count % 2 == 1 {
            world.mine().await;
        }
        let (head, safe) = world.heads().await;
        if safe == head {
            return;
        }
    }
    panic!(
        "not safe after {TURNS_MAX} turns: {:?}, {:?}",
        world.heads().await,
        batcher.status().borrow()
    );
}

/// Fails if the same bytes are on L1 twice.
async fn check_nothing_twice(world: &World) {
    let mut seen = HashMap::new();
    for (index, calldata) in world.posted().await.into_iter().enumerate() {
        if let Some(earlier) = seen.insert(calldata, index) {
            panic!("transactions {earlier} and {index} of the batcher say the same");
        }
    }
}

fn story(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(story);
}

#[test]
fn what_is_built_becomes_safe_in_order_and_once() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        for _ in 0..5 {
            world.build(7).await;
            until_safe(&world, &mut batcher).await;
        }
        check_nothing_twice(&world).await;
        world.check_fresh_follower().await;
        for _ in 0..12 {
            world.mine().await;
            turn(&mut batcher).await.unwrap();
        }
        assert!(
            batcher.journal().channels().is_empty(),
            "what is final is forgotten"
        );
        let posted = batcher.status().borrow().posted.map(|block| block.number.0);
        assert_eq!(
            posted,
            Some(world.heads().await.0),
            "and is still said to be posted"
        );
    });
}

/// Power lost, which takes what was not synced, and kill -9, which does not, at every boundary of the journal.
#[test]
fn a_crash_at_any_operation_of_the_disk_loses_nothing_and_posts_nothing_twice() {
    story(async {
        let whole = MemoryDisk::default();
        let world = World::new();
        let mut batcher = start(&world, &whole).await;
        world.build(20).await;
        until_safe(&world, &mut batcher).await;
        assert!(whole.operations() > 20, "a story with many boundaries");
        for (cut, is_power) in (0..whole.operations()).flat_map(|cut| [(cut, true), (cut, false)]) {
            let (world, disk) = (World::new(), MemoryDisk::default());
            let mut batcher = start(&world, &disk).await;
            world.build(20).await;
            disk.cut_power_at(cut);
            for count in 0.. {
                if turn(&mut batcher).await.is_err() {
                    break;
                }
                if count % 2 == 1 {
                    world.mine().await;
                }
                assert!(count < TURNS_MAX, "it ends at operation {cut}, which never came");
            }
            drop(batcher);
            if is_power {
                disk.power_up();
            } else {
                disk.restart_process();
            }
            let mut batcher = start(&world, &disk).await;
            until_safe(&world, &mut batcher).await;
            check_nothing_twice(&world).await;
            world.check_fresh_follower().await;
        }
    });
}

#[test]
fn transactions_that_l1_took_back_are_posted_again_with_their_nonces() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        for depth in [1, 2, 3] {
            world.build(9).await;
            until_safe(&world, &mut batcher).await;
            let before = world.posted().await.len();
            world.reorg(depth).await;
            assert!(
                world.posted().await.len() < before,
                "the reorg takes something back"
            );
            world.build(3).await;
            until_safe(&world, &mut batcher).await;
        }
        check_nothing_twice(&world).await;
        world.check_fresh_follower().await;
    });
}

#[test]
fn a_batcher_without_its_journal_goes_on_after_the_safe_head() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        world.build(9).await;
        until_safe(&world, &mut batcher).await;
        drop(batcher);
        world.build(9).await;
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        until_safe(&world, &mut batcher).await;
        check_nothing_twice(&world).await;
        world.check_fresh_follower().await;
    });
}

#[test]
fn while_the_da_layer_is_down_channels_go_to_l1_and_return_when_it_is_up() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        world.build(5).await;
        until_safe(&world, &mut batcher).await;
        world.0.lock().await.net.da.fail_puts(6);
        world.build(5).await;
        until_safe(&world, &mut batcher).await;
        for _ in 0..15 {
            turn(&mut batcher).await.unwrap();
        }
        world.build(5).await;
        until_safe(&world, &mut batcher).await;
        let kinds: Vec<bool> = world
            .posted()
            .await
            .iter()
            .map(|calldata| matches!(BatcherTx::decode(calldata), Ok(BatcherTx::Commitment(_))))
            .collect();
        assert!(
            kinds[0] && kinds[kinds.len() - 1] && kinds.contains(&false),
            "{kinds:?}"
        );
        world.check_fresh_follower().await;
    });
}

#[test]
fn what_the_pool_loses_is_replaced_with_the_same_effect() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        world.build(5).await;
        world.0.lock().await.pool_is_leaky = true;
        for _ in 0..20 {
            turn(&mut batcher).await.unwrap();
            world.mine().await;
        }
        assert!(world.posted().await.is_empty());
        world.0.lock().await.pool_is_leaky = false;
        until_safe(&world, &mut batcher).await;
        let attempts = batcher.journal().channels()[0].transactions[0].attempts.clone();
        assert!(attempts.len() > 1, "{attempts:?}");
        assert!(attempts[1].fees.max_fee_per_gas > attempts[0].fees.max_fee_per_gas);
        check_nothing_twice(&world).await;
    });
}

#[test]
fn while_l1_does_not_answer_nothing_is_given_up() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        world.build(5).await;
        for _ in 0..30 {
            turn(&mut batcher).await.ok();
            let fails = !world.0.lock().await.l1_fails;
            world.0.lock().await.l1_fails = fails;
        }
        world.0.lock().await.l1_fails = false;
        until_safe(&world, &mut batcher).await;
        check_nothing_twice(&world).await;
    });
}

/// F13 of the fault list: two batchers with one key. The one whose nonce was used by the other stops and says so.
#[test]
fn f13_a_batcher_stops_on_a_nonce_that_another_process_used() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        world.build(5).await;
        world.0.lock().await.pool_is_leaky = true;
        while batcher
            .journal()
            .channels()
            .iter()
            .all(|channel| channel.transactions.is_empty())
        {
            turn(&mut batcher).await.unwrap();
        }
        {
            let inner = &mut *world.0.lock().await;
            let foreign = inner.net.batcher_transaction(Bytes::from_static(b"\x00not ours"));
            inner.net.l1.mine(vec![foreign.into()]);
        }
        let stopped = async {
            loop {
                if let Err(error) = turn(&mut batcher).await {
                    break error;
                }
            }
        };
        let error = tokio::time::timeout(Duration::from_secs(60), stopped)
            .await
            .unwrap();
        assert!(
            matches!(
                &error,
                BatcherError::Post(PostError::L1(L1Error::NonceTaken { nonce: 0, .. }))
            ) && error.is_fatal()
                && error.is_foreign_nonce(),
            "{error}"
        );
        assert_eq!(world.posted().await.len(), 1, "nothing was sent after it");
    });
}

/// Blobs wait until what is under way without them is on L1, and the other way round.
#[test]
fn a_channel_in_blobs_becomes_safe_and_kinds_do_not_mix() {
    story(async {
        let world = World::new();
        let disk = MemoryDisk::default();
        let mut batcher = start(&world, &disk).await;
        world.build(5).await;
        until_safe(&world, &mut batcher).await;
        world.build(9).await;
        for _ in 0..6 {
            turn(&mut batcher).await.unwrap();
        }
        assert!(!world.0.lock().await.pool.is_empty(), "calldata is under way");
        drop(batcher);
        let mut batcher = start_with(&world, &disk, DaChoice::L1(L1Destination::Blobs)).await;
        for _ in 0..3 {
            world.build(5).await;
            until_safe(&world, &mut batcher).await;
        }
        drop(batcher);
        let mut batcher = start_with(&world, &disk, DaChoice::L1(L1Destination::Calldata)).await;
        world.build(5).await;
        until_safe(&world, &mut batcher).await;
        let types: Vec<u8> = {
            let inner = world.0.lock().await;
            inner
                .on_chain()
                .iter()
                .map(|(transaction, _)| transaction.ty())
                .collect()
        };
        assert!(types.contains(&2) && types.contains(&3), "{types:?}");
        check_nothing_twice(&world).await;
        world.check_fresh_follower().await;
    });
}

/// A look at L1 costs what it must: nothing while L1 stands still, and what was included only if blocks were taken back.
#[test]
fn transactions_are_looked_for_only_where_l1_may_have_moved_them() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        world.build(12).await;
        until_safe(&world, &mut batcher).await;
        turn(&mut batcher).await.unwrap();
        let included = batcher.journal().channels().len();
        assert!(
            included > 1
                && batcher
                    .journal()
                    .channels()
                    .iter()
                    .all(JournaledChannel::is_included)
        );
        let asked = async |batcher: &mut Batcher<World, World>| {
            let before = world.0.lock().await.receipts_asked;
            turn(batcher).await.unwrap();
            world.0.lock().await.receipts_asked - before
        };
        for _ in 0..5 {
            assert_eq!(asked(&mut batcher).await, 0, "L1 stands still");
        }
        for _ in 0..3 {
            world.mine().await;
            assert_eq!(asked(&mut batcher).await, 0, "what L1 grew on still holds");
        }
        world.reorg(1).await;
        assert!(
            asked(&mut batcher).await >= included,
            "nothing is sure after a reorg"
        );
    });
}

/// The operator stops it: what has a nonce goes on, nothing is begun; after a start nothing is missing.
#[test]
fn a_stopped_batcher_ends_what_has_a_nonce_and_begins_nothing() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        let control = batcher.control();
        // More channels than may be under way at once.
        world.build(30).await;
        world.0.lock().await.pool_is_leaky = true;
        while batcher
            .journal()
            .channels()
            .iter()
            .all(|it| it.transactions.is_empty())
        {
            turn(&mut batcher).await.unwrap();
        }
        control.stop().unwrap();
        let begun = batcher.journal().channels().to_vec();
        let nonces = begun
            .iter()
            .map(|channel| channel.transactions.len())
            .sum::<usize>();
        assert!(
            nonces > 0 && begun.iter().any(|it| it.transactions.is_empty()),
            "{begun:?}"
        );
        world.0.lock().await.pool_is_leaky = false;
        world.build(9).await;
        for _ in 0..30 {
            turn(&mut batcher).await.unwrap();
            world.mine().await;
        }
        assert_eq!(
            world.posted().await.len(),
            nonces,
            "what had a nonce, and no more"
        );
        let untouched: Vec<_> = begun
            .into_iter()
            .filter(|channel| channel.transactions.is_empty())
            .collect();
        assert_eq!(batcher.journal().channels(), untouched, "the journal is kept");
        let status = batcher.status().borrow().clone();
        assert!(status.is_stopped && status.problem.unwrap().contains("admin start"));
        control.start().unwrap();
        until_safe(&world, &mut batcher).await;
        check_nothing_twice(&world).await;
        world.check_fresh_follower().await;
    });
}

#[test]
fn a_flush_closes_a_channel_that_is_not_due() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        // It learns where to begin, and takes one block.
        turn(&mut batcher).await.unwrap();
        world.build(1).await;
        turn(&mut batcher).await.unwrap();
        turn(&mut batcher).await.unwrap();
        assert_eq!(batcher.status().borrow().pending_blocks, 1);
        assert!(batcher.journal().channels().is_empty(), "not due for seconds");
        batcher.control().flush().unwrap();
        turn(&mut batcher).await.unwrap();
        assert_eq!(batcher.journal().channels().len(), 1);
        world.build(1).await;
        turn(&mut batcher).await.unwrap();
        assert_eq!(
            batcher.status().borrow().pending_blocks,
            1,
            "one flush, one channel"
        );
    });
}

/// A sequencer that notes its limits, and may be down.
#[derive(Clone, Default)]
struct Limited(Arc<std::sync::Mutex<(Vec<DaSizes>, bool)>>);

impl BlockLimiter for Limited {
    fn set_max_da_size(&self, sizes: DaSizes) -> LimitFuture {
        let limited = self.clone();
        Box::pin(async move {
            let mut inner = limited.0.lock().unwrap();
            if inner.1 {
                return Err(LimitError {
                    reason: "connection refused".into(),
                });
            }
            inner.0.push(sizes);
            Ok(())
        })
    }
}

/// F16 of the fault list: while nothing gets to L1 the sequencer is slowed down, and set free when the backlog is gone.
#[test]
fn f16_the_sequencer_is_slowed_down_while_a_backlog_lasts() {
    story(async {
        let world = World::new();
        let limited = Limited::default();
        let policy = ThrottlePolicy {
            lower_bytes: 1_000,
            upper_bytes: 4_000,
            ..ThrottlePolicy::default()
        };
        let mut batcher = start(&world, &MemoryDisk::default())
            .await
            .with_throttle(policy, Arc::new(limited.clone()));
        let last = || limited.0.lock().unwrap().0.last().copied();
        world.build(5).await;
        until_safe(&world, &mut batcher).await;
        assert_eq!(last(), Some(DaSizes::default()), "nothing is limited");
        world.0.lock().await.pool_is_leaky = true;
        let mut strictest = u64::MAX;
        for _ in 0..20 {
            world.build(4).await;
            turn(&mut batcher).await.unwrap();
            turn(&mut batcher).await.unwrap();
            let held = last().unwrap().block_bytes_max;
            assert!(
                held == 0 && strictest == u64::MAX || held <= strictest,
                "a backlog that grows never loosens limits"
            );
            if held > 0 {
                strictest = held;
            }
        }
        assert_eq!(strictest, policy.block_bytes_lower);
        // The sequencer does not answer: posting goes on, and the status says why limits do not move.
        limited.0.lock().unwrap().1 = true;
        world.0.lock().await.pool_is_leaky = false;
        until_safe(&world, &mut batcher).await;
        let status = batcher.status().borrow().clone();
        assert!(status.limits_problem.unwrap().contains("connection refused"));
        assert_eq!(status.problem, None);
        limited.0.lock().unwrap().1 = false;
        for _ in 0..5 {
            turn(&mut batcher).await.unwrap();
        }
        assert_eq!(last(), Some(DaSizes::default()), "the backlog is gone");
        assert_eq!(batcher.status().borrow().limits_problem, None);
    });
}

/// While L1 does not answer, nothing is posted and the backlog grows unseen by L1; the sequencer is slowed down all the same.
#[test]
fn the_sequencer_is_slowed_down_while_l1_is_away() {
    story(async {
        let world = World::new();
        let limited = Limited::default();
        let policy = ThrottlePolicy {
            lower_bytes: 1_000,
            upper_bytes: 4_000,
            ..ThrottlePolicy::default()
        };
        let mut batcher = start(&world, &MemoryDisk::default())
            .await
            .with_throttle(policy, Arc::new(limited.clone()));
        let last = || limited.0.lock().unwrap().0.last().copied();
        world.build(5).await;
        until_safe(&world, &mut batcher).await;
        world.0.lock().await.l1_fails = true;
        for _ in 0..30 {
            world.build(4).await;
            turn(&mut batcher).await.unwrap_err();
        }
        assert_eq!(last().unwrap().block_bytes_max, policy.block_bytes_lower);
        let status = batcher.status().borrow().clone();
        assert!(status.backlog_bytes > policy.upper_bytes && status.problem.is_some());
        world.0.lock().await.l1_fails = false;
        until_safe(&world, &mut batcher).await;
        for _ in 0..5 {
            turn(&mut batcher).await.unwrap();
        }
        assert_eq!(last(), Some(DaSizes::default()));
        world.check_fresh_follower().await;
    });
}

/// A layer that takes less than a channel has: its frames go in several payloads, and their commitments to L1 in order, each once.
#[test]
fn a_channel_too_long_for_the_layer_goes_in_several_payloads() {
    story(async {
        let (world, disk) = (World::new(), MemoryDisk::default());
        let failover = Some(L1Destination::Calldata);
        let choice = DaChoice::Layer { failover };
        let mut batcher = start_on(&world, &disk, choice, |config, it| {
            (config, it.with_payload_size_max(150))
        })
        .await;
        world.build(20).await;
        until_safe(&world, &mut batcher).await;
        let channels = batcher.journal().channels();
        let parts = |channel: &JournaledChannel| match &channel.route {
            Some(Route::DaParts { calldata }) => calldata.len(),
            _ => 1,
        };
        let counts: Vec<usize> = channels.iter().map(parts).collect();
        assert!(counts.iter().any(|count| *count > 2), "{counts:?}");
        assert_eq!(world.posted().await.len(), counts.iter().sum::<usize>());
        let commitments = world.posted().await;
        assert!(
            commitments
                .iter()
                .all(|it| matches!(BatcherTx::decode(it), Ok(BatcherTx::Commitment(_))))
        );
        // A restart reads what it wrote.
        drop(batcher);
        world.build(5).await;
        let mut batcher = start(&world, &disk).await;
        until_safe(&world, &mut batcher).await;
        check_nothing_twice(&world).await;
        world.check_fresh_follower().await;
    });
}

/// Under load every payload but the last fills what EigenDA would bill for it; nothing waits longer than a channel may stay open.
#[test]
fn payloads_fill_what_is_billed_while_blocks_wait() {
    story(async {
        let world = World::new();
        let sizer = PayloadSizer::new(Billing::PowersOfTwo, 130_000);
        let choice = DaChoice::L1(L1Destination::Blobs);
        let large = |mut config: BatcherConfig, dispersal| {
            config.policy.max_input_bytes = 4_000_000;
            (config, dispersal)
        };
        let batcher = start_on(&world, &MemoryDisk::default(), choice, large).await;
        let mut batcher = batcher.with_payload_sizes(sizer);
        turn(&mut batcher).await.unwrap();
        {
            let net = &mut world.0.lock().await.net;
            for block in 0..60 {
                let transactions = (0..150).map(|index| net.transfer(index, 1 + block)).collect();
                net.build_block(transactions);
            }
        }
        while batcher.status().borrow().pending_blocks > 0 || batcher.journal().channels().is_empty() {
            turn(&mut batcher).await.unwrap();
        }
        let sizes: Vec<usize> = batcher
            .journal()
            .channels()
            .iter()
            .map(|it| it.payload_size as usize)
            .collect();
        let (last, full) = sizes.split_last().unwrap();
        assert!(full.len() >= 3, "{sizes:?}");
        for size in full {
            let billed = Billing::PowersOfTwo.billed(*size);
            assert!(billed == 131_072 && size * 100 >= billed * 90, "{sizes:?}");
        }
        assert!(*last > 0, "the last is due by age, and posted as it is");
        until_safe(&world, &mut batcher).await;
        world.check_fresh_follower().await;
    });
}

/// Whatever kind of batches is chosen, a node derives the blocks that went in.
#[test]
fn blocks_in_batches_of_the_smaller_kind_become_safe() {
    story(async {
        let world = World::new();
        let policy = EncodingPolicy {
            kind: KindChoice::Auto,
            quality: QualityChoice::Fixed(5),
        };
        let mut batcher = start(&world, &MemoryDisk::default()).await.with_encoding(policy);
        for count in [1, 9, 1, 1, 30] {
            world.build(count).await;
            until_safe(&world, &mut batcher).await;
        }
        check_nothing_twice(&world).await;
        world.check_fresh_follower().await;
    });
}
