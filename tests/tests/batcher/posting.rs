//! Blocks get to L1 in order and once, whatever disk, L1 and DA layer do.

use crate::world::*;
use alloy_consensus::Typed2718;
use alloy_primitives::Bytes;
use std::time::Duration;
use tributary_batcher::{
    dispersal::{DaChoice, L1Destination},
    driver::{Batcher, BatcherError},
    journal::{JournaledChannel, testing::MemoryDisk},
    l1::{L1Error, PostError},
};
use tributary_protocol::batcher_tx::BatcherTx;

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
