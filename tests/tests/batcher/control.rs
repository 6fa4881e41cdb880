//! The operator stops, starts and flushes; the sequencer is slowed down while a backlog lasts.

use crate::world::*;
use std::sync::Arc;
use tributary_batcher::{
    driver::Batcher,
    journal::testing::MemoryDisk,
    throttle::{BlockLimiter, DaSizes, LimitError, LimitFuture, ThrottlePolicy},
};

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

/// A batcher that slows the sequencer down beyond a thousand bytes of backlog.
async fn start_throttled(world: &World) -> (Batcher<World, World>, Limited, ThrottlePolicy) {
    let limited = Limited::default();
    let policy = ThrottlePolicy {
        lower_bytes: 1_000,
        upper_bytes: 4_000,
        ..ThrottlePolicy::default()
    };
    let batcher = start(world, &MemoryDisk::default()).await;
    let batcher = batcher.with_throttle(policy, Arc::new(limited.clone()));
    (batcher, limited, policy)
}

/// F16 of the fault list: while nothing gets to L1 the sequencer is slowed down, and set free when the backlog is gone.
#[test]
fn f16_the_sequencer_is_slowed_down_while_a_backlog_lasts() {
    story(async {
        let world = World::new();
        let (mut batcher, limited, policy) = start_throttled(&world).await;
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
        let (mut batcher, limited, policy) = start_throttled(&world).await;
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
