//! Batcher transactions with blobs: read like calldata, waited for as long as it takes, never skipped.

use super::*;
use crate::driver::StallKind;
use tokio_util::sync::CancellationToken;
use tributary_protocol::{batcher_tx::encode_payload, frame::encode_frames};

/// Posts the blocks in `range`, one frame in each blob.
fn post_in_blobs(net: &mut TestNet, id: u8, range: core::ops::RangeInclusive<u64>, frame_size: usize) {
    let channel = net.channel(range, BatchKind::Span);
    let contents: Vec<_> = frames(id, &channel, frame_size)
        .iter()
        .map(|frame| encode_payload(&encode_frames(core::slice::from_ref(frame))))
        .collect();
    let transaction = net.post_blobs(&contents);
    net.l1.mine(Vec::from([transaction.into()]));
}

#[tokio::test(start_paused = true)]
async fn blobs_payloads_and_calldata_make_one_chain() {
    for is_jovian in [true, false] {
        let options = TestNetOptions {
            is_jovian,
            ..TestNetOptions::default()
        };
        let mut net = net_with_blocks(options, 12);
        post_in_blobs(&mut net, 1, 1..=4, 100);
        post(&mut net, 2, 5..=6, BatchKind::Singular);
        let channel = net.channel(7..=8, BatchKind::Span);
        let (transaction, _) = net.post_commitment(&frames(3, &channel, LARGE)).await;
        net.l1.mine(Vec::from([transaction.into()]));
        post_in_blobs(&mut net, 4, 9..=12, LARGE);
        let (chain, status) = derive_anew(&net).await;
        assert_eq!(chain, net.sequencer.chain());
        assert_eq!(status.discards.iter().count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn blob_that_holds_nothing_is_skipped_alone() {
    let mut net = net_with_blocks(TestNetOptions::default(), 4);
    let channel = net.channel(1..=4, BatchKind::Span);
    let content = encode_payload(&encode_frames(&frames(1, &channel, LARGE)));
    let garbage = Bytes::from_static(b"\x00garbage");
    let transaction = net.post_blobs(&[garbage, content, Bytes::from_static(b"\x02")]);
    net.l1.mine(Vec::from([transaction.into()]));
    let (chain, status) = derive_anew(&net).await;
    assert_eq!(chain, net.sequencer.chain());
    assert_eq!(count(&status, DiscardReason::FramesMalformed), 1);
    assert_eq!(count(&status, DiscardReason::BatcherTxMalformed), 1);
}

#[tokio::test(start_paused = true)]
async fn outage_of_the_beacon_node_changes_nothing_but_the_time_it_takes() {
    let mut net = net_with_blocks(TestNetOptions::default(), 9);
    post_in_blobs(&mut net, 1, 1..=4, 200);
    post_in_blobs(&mut net, 2, 5..=9, 200);
    net.blobs.fail_next(50);
    let (chain, _) = derive_anew(&net).await;
    assert_eq!(chain, net.sequencer.chain());
}

/// OP #9962, #10638, #14562 and base/node #245, #377: nodes stuck over blobs that no beacon node of theirs had.
#[tokio::test(start_paused = true)]
async fn op_9962_op_10638_op_14562_node_245_node_377_pruned_blob_stalls_and_says_so_until_it_is_served() {
    let mut net = net_with_blocks(TestNetOptions::default(), 6);
    let channel = net.channel(1..=6, BatchKind::Span);
    let content = encode_payload(&encode_frames(&frames(1, &channel, LARGE)));
    let blob = tributary_protocol::blob::Blob::encode(&content).unwrap();
    let transaction = net.post_blobs(&[content]);
    net.l1.mine(Vec::from([transaction.into()]));
    let hash = net.blobs.put(blob.clone());
    net.blobs.prune(&hash).unwrap();
    // Time passes and other data comes: nothing may overtake, not even the end of the sequencing window.
    post(&mut net, 2, 1..=2, BatchKind::Span);
    net.l1.mine_empty(60);

    let follower = net.follower();
    let stalled = stalled_after(net.driver(&follower), 20).await;
    let stall = stalled.stall.unwrap();
    assert_eq!(stall.kind, StallKind::Da);
    assert!(stall.cause.contains("pruned"), "{}", stall.cause);
    assert_eq!(stalled.heads.safe_head.number.0, 0);

    assert_eq!(net.blobs.put(blob), hash);
    derive(&net, &follower).await;
    assert_built(&net, &follower.chain(), 6);
}

#[tokio::test(start_paused = true)]
async fn node_without_a_beacon_node_waits_and_names_the_remedy() {
    let mut net = net_with_blocks(TestNetOptions::default(), 3);
    post_in_blobs(&mut net, 1, 1..=3, LARGE);
    let follower = net.follower();
    let driver = crate::driver::Driver::new(
        net.config.clone(),
        net.l1_config.clone(),
        alloc::sync::Arc::new(net.l1.clone()),
        net.da.clone(),
        alloc::sync::Arc::new(follower.clone()),
        crate::driver::DriverSettings::default(),
    );
    let stall = stalled_after(driver, 3).await.stall.unwrap();
    assert_eq!(stall.kind, StallKind::Da);
    assert!(stall.cause.contains("--l1-beacon"), "{}", stall.cause);
}

/// Runs a driver until it has asked in vain this often, and stops it.
async fn stalled_after(driver: crate::driver::Driver, attempts: u32) -> DerivationStatus {
    let mut status = driver.status();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(driver.run(shutdown.clone()));
    let stalled = status
        .wait_for(|status| {
            status
                .stall
                .as_ref()
                .is_some_and(|stall| stall.attempts >= attempts)
        })
        .await
        .unwrap()
        .clone();
    shutdown.cancel();
    task.await.unwrap().unwrap();
    stalled
}
