//! Payloads on a DA layer: what it cannot say yet is waited for, what it refuses for good is skipped.

use super::*;
use crate::{discard::DiscardReason as R, driver::StallKind};
use tokio_util::sync::CancellationToken;
use tributary_da_client::DropReason;
use tributary_protocol::{batcher_tx::encode_payload, commitment::Commitment};

/// Posts the blocks in `range` as a payload.
async fn post_payload(
    net: &mut TestNet,
    id: u8,
    range: core::ops::RangeInclusive<u64>,
    kind: BatchKind,
) -> Commitment {
    let channel = net.channel(range, kind);
    let (transaction, commitment) = net.post_commitment(&frames(id, &channel, LARGE)).await;
    net.l1.mine(Vec::from([transaction.into()]));
    commitment
}

#[tokio::test(start_paused = true)]
async fn payloads_and_calldata_make_one_chain() {
    let mut net = net_with_blocks(TestNetOptions::default(), 9);
    post_payload(&mut net, 1, 1..=3, BatchKind::Span).await;
    post(&mut net, 2, 4..=6, BatchKind::Span);
    post_payload(&mut net, 3, 7..=9, BatchKind::Singular).await;
    let (chain, status) = derive_anew(&net).await;
    assert_eq!(chain, net.sequencer.chain());
    assert_eq!(status.discards.iter().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn f19_refused_commitment_is_skipped_for_good() {
    let mut net = net_with_blocks(TestNetOptions::default(), 6);
    let refused = post_payload(&mut net, 1, 1..=6, BatchKind::Span).await;
    post_payload(&mut net, 2, 1..=3, BatchKind::Span).await;
    net.da.drop_commitment(&refused, DropReason::Recency);
    let (chain, status) = derive_anew(&net).await;
    assert_eq!(chain.len(), 4);
    assert_built(&net, &chain, 3);
    assert_eq!(count(&status, R::CommitmentRefused), 1);
}

#[tokio::test(start_paused = true)]
async fn f20_other_bytes_stall_and_say_so_until_the_right_ones_come() {
    let mut net = net_with_blocks(TestNetOptions::default(), 6);
    let commitment = post_payload(&mut net, 1, 1..=6, BatchKind::Span).await;
    let channel = net.channel(1..=6, BatchKind::Span);
    let right = encode_payload(&tributary_protocol::frame::encode_frames(&frames(
        1, &channel, LARGE,
    )));
    let mut wrong = right.to_vec();
    wrong[30] ^= 1;
    net.da.replace_payload(&commitment, wrong.into());
    // Time passes and other data comes: nothing may overtake.
    post(&mut net, 2, 1..=2, BatchKind::Span);
    net.l1.mine_empty(40);

    let follower = net.follower();
    let driver = net.driver(&follower);
    let mut status = driver.status();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(driver.run(shutdown.clone()));
    let stalled = status
        .wait_for(|status| status.stall.as_ref().is_some_and(|stall| stall.attempts >= 20))
        .await
        .unwrap()
        .clone();
    let stall = stalled.stall.unwrap();
    assert_eq!(stall.kind, StallKind::Da);
    assert!(stall.cause.contains("serves other bytes"), "{}", stall.cause);
    assert_eq!(stalled.heads.safe_head.number.0, 0);

    net.da.replace_payload(&commitment, right);
    let done = status
        .wait_for(|status| status.is_caught_up)
        .await
        .unwrap()
        .clone();
    assert_eq!(done.stall, None);
    shutdown.cancel();
    task.await.unwrap().unwrap();
    let chain = follower.chain();
    assert_built(&net, &chain, 6);
}

#[tokio::test(start_paused = true)]
async fn outage_changes_nothing_but_the_time_it_takes() {
    let mut net = net_with_blocks(TestNetOptions::default(), 9);
    post_payload(&mut net, 1, 1..=4, BatchKind::Span).await;
    post_payload(&mut net, 2, 5..=9, BatchKind::Span).await;
    net.da.fail_gets(50);
    let (chain, _) = derive_anew(&net).await;
    assert_eq!(chain, net.sequencer.chain());
}

#[tokio::test(start_paused = true)]
async fn payload_that_is_no_payload_is_skipped() {
    use tributary_da_client::DaLayer;
    let mut net = net_with_blocks(TestNetOptions::default(), 3);
    for payload in [&b""[..], b"\x01\x01\x7a", b"\x00", b"\x00garbage"] {
        let commitment = net.da.put(Bytes::copy_from_slice(payload)).await.unwrap();
        let input = tributary_protocol::batcher_tx::BatcherTx::Commitment(commitment).encode();
        let transaction = net.batcher_transaction(input);
        net.l1.mine(Vec::from([transaction.into()]));
    }
    post_payload(&mut net, 1, 1..=3, BatchKind::Span).await;
    let (chain, status) = derive_anew(&net).await;
    assert_eq!(chain, net.sequencer.chain());
    assert_eq!(count(&status, R::PayloadMalformed), 2);
    assert_eq!(count(&status, R::FramesMalformed), 2);
}
