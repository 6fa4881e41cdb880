//! A node that stops and starts again derives what one that never stopped derives.

use super::*;
use crate::driver::HaltCause;

/// Two channels in one L1 block: the first has an invalid block in the middle, the second goes on from the block of deposits alone that
/// takes its place.
#[tokio::test(start_paused = true)]
async fn restart_after_any_block_gives_the_same_chain() {
    let mut net = net_with_blocks(TestNetOptions::default(), 12);
    post(&mut net, 1, 1..=4, BatchKind::Span);
    net.l1.mine_empty(1);
    post(&mut net, 2, 5..=8, BatchKind::Singular);
    post(&mut net, 3, 9..=12, BatchKind::Span);
    net.l1.mine_empty(2);
    let (expected, _) = derive_anew(&net).await;
    assert_eq!(expected, net.sequencer.chain());
    for stop_after in 1..=expected.len() as u64 {
        let follower = net.follower();
        derive_blocks(&net, &follower, stop_after).await;
        derive(&net, &follower).await;
        assert_eq!(follower.chain(), expected, "stopped after {stop_after} blocks");
    }
}

/// Runs a driver until it has made `count` blocks safe, and stops it wherever it is then.
pub(super) async fn derive_blocks(net: &TestNet, engine: &MemoryEngine, count: u64) {
    let driver = net.driver(engine);
    let mut status = driver.status();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let task: tokio::task::JoinHandle<Result<(), HaltCause>> = tokio::spawn(driver.run(shutdown.clone()));
    status
        .wait_for(|status| status.heads.safe_head.number.0 >= count || status.is_caught_up)
        .await
        .unwrap();
    shutdown.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn failures_at_any_request_change_nothing() {
    let mut net = net_with_blocks(TestNetOptions::default(), 6);
    post(&mut net, 1, 1..=3, BatchKind::Span);
    post(&mut net, 2, 4..=6, BatchKind::Singular);
    let follower = net.follower();
    let driver = net.driver(&follower);
    let mut status = driver.status();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let task = tokio::spawn(driver.run(shutdown.clone()));
    // Every change of the status is followed by failures of both neighbours.
    let mut saw_stall = false;
    loop {
        status.changed().await.unwrap();
        let now = status.borrow_and_update().clone();
        saw_stall |= now.stall.is_some();
        if now.heads.safe_head.number.0 == 6 {
            break;
        }
        if now.stall.is_none() {
            net.l1.fail_next(2);
            follower.fail_next(2);
        }
    }
    shutdown.cancel();
    task.await.unwrap().unwrap();
    assert!(saw_stall);
    assert_eq!(follower.chain(), net.sequencer.chain());
}

#[tokio::test(start_paused = true)]
async fn another_l1_is_refused() {
    let net = net_with_blocks(TestNetOptions::default(), 1);
    let mut other = TestNet::new(TestNetOptions::default());
    other.l1 = crate::driver::memory::MemoryL1::new(900, crate::testing::GENESIS_TIME + 1);
    let result = other.derive(&net.follower()).await;
    let text = result.unwrap_err().to_string();
    assert!(text.contains("this is another L1"), "{text}");
}
