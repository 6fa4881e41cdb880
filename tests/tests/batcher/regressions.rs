//! Defects of other batchers, by the number they were reported under (OP: ethereum-optimism/optimism, base: base/base, geth:
//! ethereum/go-ethereum). Each story does what brought the defect about; in ours everything becomes safe and nothing is posted twice.

use crate::world::*;
use alloy::eips::eip2718::Encodable2718;
use alloy_consensus::{Transaction, TxEip1559};
use alloy_primitives::{Address, Bytes, TxKind};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tributary_batcher::{
    channel_manager::{ChannelManager, ChannelPolicy, CloseReason, PendingBlock},
    dispersal::{DaChoice, Dispersal, L1Destination},
    driver::{Batcher, BatcherConfig},
    journal::testing::MemoryDisk,
};
use tributary_da_client::{BoxFuture, Capabilities, DaLayer, DropReason, Fetched, PutError, Unavailable};
use tributary_derivation::testing::{GENESIS_TIME, L2_CHAIN_ID, TestNet, TestNetOptions, sign, user};
use tributary_protocol::{
    batcher_tx::BatcherTx,
    block::{L1BlockNumber, L2BlockNumber},
    commitment::Commitment,
    frame::{FRAME_DATA_SIZE_MAX, parse_frames},
};

/// Most of what a transaction can say in these stories, in bytes.
const LARGE: usize = 60_000;

/// A transaction whose calldata cannot be compressed.
fn noise(from: u64, nonce: u64, size: usize) -> Bytes {
    let mut state = (from << 32) + nonce + 1;
    let input = core::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    });
    let transaction = TxEip1559 {
        chain_id: L2_CHAIN_ID,
        nonce,
        gas_limit: 21_000 + 40 * size as u64,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(0xbe)),
        input: input.take(size).collect(),
        ..TxEip1559::default()
    };
    sign(&user(from), transaction).encoded_2718().into()
}

/// The blocks of the sequencer as the batcher loads them.
fn pending(net: &TestNet, numbers: core::ops::RangeInclusive<u64>) -> Vec<PendingBlock> {
    numbers
        .map(|number| {
            let block = net.sequencer.block(L2BlockNumber(number)).unwrap();
            let hash = block.header.hash_slow();
            PendingBlock::from_block(&block, hash, &net.config).unwrap()
        })
        .collect()
}

/// Posts nine blocks that become safe, and of nine more a channel that every node drops. Returns the last safe block.
async fn lose_a_channel(world: &World, batcher: &mut Batcher<World, World>) -> u64 {
    world.build(9).await;
    until_safe(world, batcher).await;
    let (safe, posted) = (world.heads().await.1, world.posted().await.len());
    world.build(9).await;
    // Sent and not yet mined: the verdict is there before anybody reads the commitment.
    while world.0.lock().await.pool.is_empty() {
        turn(batcher).await.unwrap();
    }
    {
        let inner = world.0.lock().await;
        let first = inner.pool.values().next().unwrap().input().clone();
        let Ok(BatcherTx::Commitment(commitment)) = BatcherTx::decode(&first) else {
            panic!("a commitment was sent");
        };
        inner.net.da.drop_commitment(&commitment, DropReason::InvalidCert);
        // The same payload would have the same commitment in this layer, and the same verdict: what comes again goes around it.
        inner.net.da.fail_puts(usize::MAX);
    }
    world.mine().await;
    assert!(world.posted().await.len() > posted);
    safe
}

/// Base #2349: with no safe head at hand it went on at block 1. OP #13061: it did not clear all it knew, and met the same gap for ever.
#[test]
fn base_2349_op_13061_a_batcher_that_starts_over_goes_on_after_the_safe_head() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        let safe = lose_a_channel(&world, &mut batcher).await;
        let begun = |batcher: &Batcher<World, World>| -> BTreeSet<u64> {
            let channels = batcher.journal().channels().iter();
            channels.map(|channel| channel.first.number.0).collect()
        };
        let before = begun(&batcher);
        let mut after = BTreeSet::new();
        for _ in 0..TURNS_MAX {
            turn(&mut batcher).await.unwrap();
            world.mine().await;
            after.extend(begun(&batcher));
            let (head, now_safe) = world.heads().await;
            if head == now_safe {
                break;
            }
        }
        until_safe(&world, &mut batcher).await;
        let again: Vec<u64> = after.difference(&before).copied().collect();
        assert!(
            !again.is_empty() && again.iter().all(|first| *first > safe),
            "{again:?}: the safe head was {safe}"
        );
        world.check_fresh_follower().await;
    });
}

/// OP #13356, #15582 and #6902: the safe head stood still, nothing said why, and an operator had to restart something.
#[test]
fn op_13356_op_15582_a_safe_head_that_stands_still_is_explained_and_mended() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        lose_a_channel(&world, &mut batcher).await;
        let mut said = Vec::new();
        for _ in 0..20 {
            turn(&mut batcher).await.unwrap();
            world.mine().await;
            said.extend(batcher.status().borrow().problem.clone());
        }
        assert!(
            said.iter().any(|problem| problem.contains("did not become safe")),
            "{said:?}"
        );
        until_safe(&world, &mut batcher).await;
        let problem = batcher.status().borrow().problem.clone();
        let stands_still = |problem: &String| problem.contains("did not become safe");
        assert!(!problem.as_ref().is_some_and(stands_still), "{problem:?}");
        world.check_fresh_follower().await;
    });
}

/// Base #1615: after a restart it did not look for what it had sent before, and posted it again.
#[test]
fn base_1615_a_restart_without_a_journal_waits_for_what_is_in_the_pool() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        world.build(9).await;
        while world.0.lock().await.pool.is_empty() {
            turn(&mut batcher).await.unwrap();
        }
        drop(batcher);
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        for _ in 0..10 {
            turn(&mut batcher).await.unwrap();
        }
        assert!(
            batcher.journal().channels().is_empty(),
            "nothing is begun before it is known what counts"
        );
        until_safe(&world, &mut batcher).await;
        check_nothing_twice(&world).await;
        world.check_fresh_follower().await;
    });
}

/// Base #1335: blocks got lost on the way into a span. Base #2641: the span's time did not count from the chain's first block.
#[test]
fn base_1335_base_2641_every_block_is_in_one_span_and_its_time_counts_from_genesis() {
    assert_ne!(GENESIS_TIME, 0);
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        let mut next = 1;
        for count in [1, 2, 17, 40] {
            world.build(count).await;
            for turns in 0..TURNS_MAX {
                turn(&mut batcher).await.unwrap();
                for channel in batcher.journal().channels() {
                    if channel.first.number.0 == next {
                        next = channel.last.number.0 + 1;
                    }
                    assert!(channel.last.number.0 < next, "block {next} is in no channel");
                }
                if turns % 2 == 1 {
                    world.mine().await;
                }
                let (head, safe) = world.heads().await;
                if head == safe {
                    break;
                }
            }
            assert_eq!(next, world.heads().await.1 + 1);
        }
        world.check_fresh_follower().await;
    });
}

/// Base #3565: a block larger than a channel may be made it spin. OP #18485: so did blocks that brotli cannot make smaller.
#[test]
fn base_3565_op_18485_blocks_that_are_too_large_or_do_not_compress_go_alone() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        for nonce in 0..4 {
            let net = &world.0.lock().await.net;
            let large = noise(0, nonce, LARGE);
            net.build_block(vec![large]);
            net.build_block(Vec::new());
        }
        until_safe(&world, &mut batcher).await;
        check_nothing_twice(&world).await;
        world.check_fresh_follower().await;
    });
}

/// Base #4546: with L1's head unknown, taken for 0, the first channel closed at once.
#[test]
fn base_4546_an_l1_head_of_zero_closes_no_channel() {
    let net = TestNet::new(TestNetOptions::default());
    for _ in 0..3 {
        net.build_block(Vec::new());
    }
    let policy = ChannelPolicy {
        max_duration: Duration::from_secs(60),
        max_input_bytes: 100_000,
        safety_margin_l1_blocks: 10,
        seq_window_l1_blocks: 3_600,
    };
    let mut manager = ChannelManager::new(policy, net.config.genesis.l2);
    for block in pending(&net, 1..=3) {
        manager.push(block, Duration::ZERO).unwrap();
    }
    assert!(manager.close(Duration::ZERO, L1BlockNumber(0), false).is_none());
    let later = manager.close(Duration::from_secs(60), L1BlockNumber(0), false);
    assert_eq!(
        later.map(|(blocks, reason)| (blocks.len(), reason)),
        Some((3, CloseReason::Duration))
    );
}

/// OP #11609, geth #28925: blobs and calldata in turn, while L1's pool holds the other kind and refuses.
#[test]
fn op_11609_geth_28925_the_kind_of_transaction_changes_only_when_nothing_is_under_way() {
    story(async {
        let (world, disk) = (World::new(), MemoryDisk::default());
        for round in 0..6 {
            let destination = [L1Destination::Blobs, L1Destination::Calldata][round % 2];
            // The pool of this world fails the test if it is offered both kinds.
            let mut batcher = start_with(&world, &disk, DaChoice::L1(destination)).await;
            world.build(5).await;
            for _ in 0..7 {
                turn(&mut batcher).await.unwrap();
            }
            assert!(
                !world.0.lock().await.pool.is_empty(),
                "something is under way when the kind changes"
            );
            if round % 3 == 2 {
                world.mine().await;
            }
        }
        let mut batcher = start(&world, &disk).await;
        until_safe(&world, &mut batcher).await;
        check_nothing_twice(&world).await;
        world.check_fresh_follower().await;
    });
}

/// ethereum-optimism/developers #893 and OP #10941: a transaction that is not mined holds up all that follow.
#[test]
fn developers_893_a_transaction_nobody_mines_is_paid_for_better_until_it_is_mined() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        world.build(20).await;
        for _ in 0..60 {
            turn(&mut batcher).await.unwrap();
        }
        let fees: Vec<u128> = batcher.journal().channels()[0].transactions[0]
            .attempts
            .iter()
            .map(|attempt| attempt.fees.max_fee_per_gas)
            .collect();
        assert!(fees.len() > 2 && fees.is_sorted(), "{fees:?}");
        assert!(
            world.0.lock().await.pool.len() <= 2,
            "no more nonces at once than allowed"
        );
        until_safe(&world, &mut batcher).await;
        check_nothing_twice(&world).await;
    });
}

/// OP #12948: a DA layer that is down stopped the batcher. #12400: only one frame could stand behind a commitment. #18507: payloads
/// that are dispersed at the same time reached L1 in the order of their answers.
#[test]
fn op_12948_op_12400_op_18507_many_frames_stand_behind_commitments_in_order_or_in_calldata() {
    story(async {
        let world = World::new();
        let failover = Some(L1Destination::Calldata);
        let choice = DaChoice::Layer { failover };
        let large = |mut config: BatcherConfig, dispersal| {
            config.policy.max_input_bytes = 4 * FRAME_DATA_SIZE_MAX;
            (config, dispersal)
        };
        let mut batcher = start_on(&world, &MemoryDisk::default(), choice, large).await;
        let mut nonce = 0;
        for round in 0..3 {
            {
                let net = &world.0.lock().await.net;
                // More than a frame holds.
                for _ in 0..FRAME_DATA_SIZE_MAX / (4 * LARGE) + 2 {
                    net.build_block((0..4).map(|from| noise(from, nonce, LARGE)).collect());
                    nonce += 1;
                }
                if round == 1 {
                    net.da.fail_puts(6);
                }
            }
            until_safe(&world, &mut batcher).await;
            for _ in 0..15 {
                turn(&mut batcher).await.unwrap();
            }
        }
        let posted = world.posted().await;
        let mut frames = Vec::new();
        for calldata in &posted {
            let Ok(BatcherTx::Commitment(commitment)) = BatcherTx::decode(calldata) else {
                frames.push(None);
                continue;
            };
            let fetched = world
                .0
                .lock()
                .await
                .net
                .da
                .get(&commitment, L1BlockNumber(0))
                .await;
            let Ok(Fetched::Data(payload)) = fetched else {
                panic!("{fetched:?}");
            };
            frames.push(Some(parse_frames(&payload[1..]).unwrap().len()));
        }
        let many = |count: &Option<usize>| count.is_some_and(|count| count > 1);
        assert!(
            many(&frames[0]) && frames[frames.len() - 1].is_some(),
            "{frames:?}"
        );
        assert!(
            frames.contains(&None),
            "what the layer did not take is in calldata: {frames:?}"
        );
        check_nothing_twice(&world).await;
        world.check_fresh_follower().await;
    });
}

/// OP #11234: after a day without a batcher everything it found was loaded, built and sent at once.
#[test]
fn op_11234_a_long_backlog_goes_in_parts_and_gets_through() {
    story(async {
        let world = World::new();
        let mut batcher = start(&world, &MemoryDisk::default()).await;
        world.build(1_000).await;
        let mut most = 0;
        for turns in 0..TURNS_MAX {
            turn(&mut batcher).await.unwrap();
            let channels = batcher.journal().channels().iter();
            most = most.max(channels.filter(|channel| !channel.is_included()).count());
            if turns % 2 == 1 {
                world.mine().await;
            }
            let (head, safe) = world.heads().await;
            if head == safe {
                break;
            }
        }
        until_safe(&world, &mut batcher).await;
        assert!((2..=32).contains(&most), "{most} channels were under way at once");
        check_nothing_twice(&world).await;
        world.check_fresh_follower().await;
    });
}

/// A layer that stores what it is given and says the first times that it did not.
struct StoresAndFails {
    layer: Arc<dyn DaLayer>,
    failures: AtomicUsize,
}

impl DaLayer for StoresAndFails {
    fn capabilities(&self) -> Capabilities {
        self.layer.capabilities()
    }

    fn put(&self, payload: Bytes) -> BoxFuture<'_, Result<Commitment, PutError>> {
        Box::pin(async move {
            let commitment = self.layer.put(payload).await?;
            let left = self
                .failures
                .try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            match left {
                Err(_) => Ok(commitment),
                Ok(_) => Err(PutError::Transient {
                    url: "http://localhost".into(),
                    reason: "HTTP 500 after the dispersal".into(),
                }),
            }
        })
    }

    fn get<'a>(
        &'a self,
        commitment: &'a Commitment,
        l1_inclusion: L1BlockNumber,
    ) -> BoxFuture<'a, Result<Fetched, Unavailable>> {
        self.layer.get(commitment, l1_inclusion)
    }

    fn health(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        self.layer.health()
    }
}

/// eigenda-proxy #242: a put answered 500 although the payload was dispersed and paid. It is offered again; the effect is one.
#[test]
fn eigenda_proxy_242_a_put_that_fails_after_the_dispersal_has_one_effect() {
    story(async {
        let world = World::new();
        let layer = StoresAndFails {
            layer: world.0.lock().await.net.da.clone(),
            failures: AtomicUsize::new(7),
        };
        let failover = Some(L1Destination::Calldata);
        let choice = DaChoice::Layer { failover };
        let adapt = |config, _| (config, Dispersal::new(Arc::new(layer), choice));
        let mut batcher = start_on(&world, &MemoryDisk::default(), choice, adapt).await;
        for _ in 0..4 {
            world.build(9).await;
            until_safe(&world, &mut batcher).await;
        }
        check_nothing_twice(&world).await;
        world.check_fresh_follower().await;
    });
}
