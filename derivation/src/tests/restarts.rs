//! A node that stops and starts again derives what one that never stopped derives.

use super::*;
use crate::{driver::HaltCause, testing::channel_with};
use tributary_protocol::frame::{ChannelId, Frame};

#[tokio::test(start_paused = true)]
async fn op_12695_restart_after_any_block_gives_the_same_chain() {
    let mut net = net_with_blocks(TestNetOptions::default(), 12);
    post(&mut net, 1, 1..=4, BatchKind::Span);
    net.l1.mine_empty(1);
    post(&mut net, 2, 5..=8, BatchKind::Singular);
    post(&mut net, 3, 9..=12, BatchKind::Span);
    net.l1.mine_empty(2);
    let (expected, _) = derive_anew(&net).await;
    assert_eq!(expected, net.sequencer.chain());
    check_restarts(&net, &expected).await;
}

/// A batcher that knows how its invalid block will be replaced can go on from there in the same channel. The rest of that channel
/// has been flushed; a node that restarts in between must not read it after all.
#[tokio::test(start_paused = true)]
async fn op_12444_restart_does_not_bring_back_what_was_flushed() {
    let mut net = net_with_blocks(TestNetOptions::default(), 4);
    let mut batches: Vec<_> = (1..=2).map(|number| net.batch(number)).collect();
    let unpayable = batches[1].transactions[0].clone();
    batches[1].transactions.push(unpayable);
    // What takes the place of block 2, as the batcher would find out.
    let trial = net.follower();
    let channel = channel_with(&net.batches_of(&batches, BatchKind::Singular));
    let transaction = net.post_calldata(&frames(1, &channel, LARGE));
    let before = net.l1.mine_empty(1).number;
    net.l1.mine(Vec::from([transaction.into()]));
    derive(&net, &trial).await;
    let replaced = trial.chain()[2];
    net.l1.reorg_to(before);

    let mut next = net.batch(3);
    next.parent_hash = replaced.hash;
    next.transactions.clear();
    batches.push(next);
    let channel = channel_with(&net.batches_of(&batches, BatchKind::Singular));
    let transaction = net.post_calldata(&frames(1, &channel, LARGE));
    net.l1.mine(Vec::from([transaction.into()]));
    let (expected, status) = derive_anew(&net).await;
    assert_eq!(expected.len(), 3);
    assert_eq!(expected[2], replaced);
    assert_eq!(count(&status, DiscardReason::ChannelFlushed), 1);
    check_restarts(&net, &expected).await;

    // Another block 3 comes later. It is not for the flushed one to take its place.
    let mut other = net.batch(3);
    other.parent_hash = replaced.hash;
    let channel = channel_with(&net.batches_of(&[other], BatchKind::Singular));
    let transaction = net.post_calldata(&frames(2, &channel, LARGE));
    net.l1.mine(Vec::from([transaction.into()]));
    let (expected, _) = derive_anew(&net).await;
    assert_eq!(expected.len(), 4);
    check_restarts(&net, &expected).await;
}

/// A channel's first frame need not say anything of its blocks. It may be older than the safe head's origin, which went on without
/// batches; a node that restarts then reads the frame again all the same.
#[tokio::test(start_paused = true)]
async fn a_channel_that_opened_long_before_the_restart_is_read_to_its_end() {
    let mut net = net_with_blocks(TestNetOptions::default(), 0);
    // What the channel will begin with, whatever comes: brotli's version byte.
    let opening = Frame {
        id: ChannelId([9; 16]),
        number: 0,
        data: Bytes::from_static(&[1]),
        is_last: false,
    };
    let transaction = net.post_calldata(std::slice::from_ref(&opening));
    net.l1.mine(Vec::from([transaction.into()]));
    let opened_at = net.l1.head_block().reference().number.0;
    net.l1.mine_empty(45);
    let sequencer = net.sequencer.clone();
    derive(&net, &sequencer).await;
    let safe_head = sequencer.current_heads().safe_head;
    assert!(
        safe_head.l1_origin.number.0 > opened_at,
        "windows have passed since"
    );

    let transfer = net.transfer(1, 7);
    let block = net.build_block_at(safe_head.l1_origin.number.next(), Vec::from([transfer]));
    let channel = net.channel(block.number.0..=block.number.0, BatchKind::Span);
    assert_eq!(channel[..1], opening.data);
    let closing = Frame {
        number: 1,
        data: channel.slice(1..),
        is_last: true,
        ..opening
    };
    let transaction = net.post_calldata(&[closing]);
    net.l1.mine(Vec::from([transaction.into()]));
    let (expected, _) = derive_anew(&net).await;
    assert!(expected.contains(&block));
    check_restarts(&net, &expected).await;
}

/// Stops after each block and goes on.
async fn check_restarts(net: &TestNet, expected: &[L2BlockRef]) {
    for stop_after in 1..=expected.len() as u64 {
        let follower = net.follower();
        derive_blocks(net, &follower, stop_after).await;
        derive(net, &follower).await;
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
