//! Defects other derivers of this protocol had, each under the number it was reported with: `op` is ethereum-optimism/optimism. More of
//! them are named where the rest of their story is told, in the modules beside this one.

use super::*;
use crate::discard::DiscardReason as R;
use alloy_consensus::TxEnvelope;
use tributary_protocol::{
    channel::{Compression, append_batch, compress},
    frame::Frame,
};

fn mine_each(net: &mut TestNet, data: &[&[Frame]]) {
    for frames in data {
        let transaction = net.post_calldata(frames);
        net.l1.mine(Vec::from([transaction.into()]));
    }
}

/// The batcher was down for longer than the sequencing window; the safe head never caught up again.
#[tokio::test(start_paused = true)]
async fn op_11234_safe_head_catches_up_after_the_window_was_missed() {
    let mut net = net_with_blocks(TestNetOptions::default(), 5);
    net.l1.mine_empty(40);
    post(&mut net, 1, 1..=5, BatchKind::Span);
    let sequencer = net.sequencer.clone();
    let built = sequencer.chain();
    let status = derive(&net, &sequencer).await;
    // Nobody can make up for a window: the blocks became empty ones, and the late batches count for nothing.
    let heads = sequencer.current_heads();
    assert!(heads.safe_head.number.0 > 5);
    assert_ne!(sequencer.chain()[1], built[1]);
    assert_eq!(heads.unsafe_head, heads.safe_head);
    assert!(
        count(&status, R::BatchPast) + count(&status, R::BatchTooLate) + count(&status, R::ChannelFlushed)
            > 0
    );

    // What is built on the derived chain and posted in time is safe at once.
    let safe = heads.safe_head.number.0;
    (0..crate::testing::USERS).for_each(|user| net.set_nonce(user, 0));
    build(&mut net, 4);
    let before = net.l1.head_block().number();
    post(&mut net, 2, safe + 1..=safe + 4, BatchKind::Span);
    derive(&net, &sequencer).await;
    assert_eq!(before.next(), net.l1.head_block().number());
    assert_eq!(sequencer.current_heads().safe_head.number.0, safe + 4);
    let (chain, _) = derive_anew(&net).await;
    assert_eq!(chain, sequencer.chain());
}

/// Frames were pruned by the id of a channel that had ended.
#[tokio::test(start_paused = true)]
async fn op_22833_channel_id_can_be_used_again() {
    let mut net = net_with_blocks(TestNetOptions::default(), 8);
    let first = frames(7, &net.channel(1..=4, BatchKind::Span), 120);
    let second = frames(7, &net.channel(5..=8, BatchKind::Span), 120);
    assert!(first.len() > 1 && second.len() > 1);
    // Once in full, then a beginning that is given up, then again in full: one id throughout.
    mine_each(&mut net, &[&first, &second[..1], &second]);
    let (chain, status) = derive_anew(&net).await;
    assert_eq!(chain, net.sequencer.chain());
    assert_eq!(count(&status, R::ChannelUnclosed), 1);
}

/// Commitments fetched concurrently were posted out of order.
#[tokio::test(start_paused = true)]
async fn op_18507_frames_out_of_order_cost_their_channel_alone() {
    let mut net = net_with_blocks(TestNetOptions::default(), 8);
    let first = frames(1, &net.channel(1..=4, BatchKind::Span), 150);
    assert!(first.len() >= 2);
    let mut transactions: Vec<TxEnvelope> = Vec::new();
    for frame in first.iter().rev() {
        let (transaction, _) = net.post_commitment(core::slice::from_ref(frame)).await;
        transactions.push(transaction);
    }
    net.l1.mine(transactions.into_iter().map(Into::into).collect());
    let (chain, status) = derive_anew(&net).await;
    assert_eq!(chain.len(), 1);
    assert!(count(&status, R::FrameWithoutChannel) > 0);
    // Posted again in order everything is there.
    mine_each(&mut net, &[&first]);
    post(&mut net, 2, 5..=8, BatchKind::Span);
    let (chain, _) = derive_anew(&net).await;
    assert_eq!(chain, net.sequencer.chain());
}

/// Derivers differed in what they took of a brotli stream that is cut short.
#[tokio::test(start_paused = true)]
async fn op_21793_op_19333_batches_before_the_end_of_a_cut_stream_count() {
    for compression in [Compression::brotli(5), Compression::Zlib] {
        let mut net = net_with_blocks(TestNetOptions::default(), 60);
        let mut stream = Vec::new();
        for number in 1..=60 {
            let batch = tributary_protocol::batch::Batch::Singular(net.batch(number));
            append_batch(&mut stream, &batch.encode().unwrap());
        }
        let channel = compress(compression, &stream);
        let cut = Bytes::from(channel[..channel.len() * 9 / 10].to_vec());
        mine_each(&mut net, &[&frames(1, &cut, LARGE)]);
        let (chain, status) = derive_anew(&net).await;
        assert!(
            chain.len() > 5 && chain.len() < 61,
            "{compression:?}: {}",
            chain.len()
        );
        assert_built(&net, &chain, chain.len() - 1);
        assert_eq!(
            count(&status, R::ChannelUnreadable) + count(&status, R::BatchMalformed),
            1
        );
        // A node that stops on the way has the same.
        let stopped = net.follower();
        super::restarts::derive_blocks(&net, &stopped, 10).await;
        derive(&net, &stopped).await;
        assert_eq!(stopped.chain(), chain);
    }
}

/// A fetch that failed in passing made a batch undecided, and undecided was taken for dropped: nodes parted.
#[tokio::test(start_paused = true)]
async fn op_22629_passing_failures_of_every_neighbour_change_nothing() {
    let mut net = net_with_blocks(TestNetOptions::default(), 12);
    post(&mut net, 1, 1..=4, BatchKind::Span);
    // This one overlaps what is safe, so it is compared with the engine's blocks.
    let channel = net.channel(2..=8, BatchKind::Span);
    let (transaction, _) = net.post_commitment(&frames(2, &channel, LARGE)).await;
    net.l1.mine(Vec::from([transaction.into()]));
    let channel = net.channel(9..=12, BatchKind::Singular);
    let content = tributary_protocol::batcher_tx::encode_payload(&tributary_protocol::frame::encode_frames(
        &frames(3, &channel, LARGE),
    ));
    let transaction = net.post_blobs(&[content]);
    net.l1.mine(Vec::from([transaction.into()]));
    let (expected, discards) = {
        let (chain, status) = derive_anew(&net).await;
        (chain, status.discards)
    };
    assert_eq!(expected, net.sequencer.chain());
    for failures in 1..8 {
        let follower = net.follower();
        let driver = net.driver(&follower);
        let mut status = driver.status();
        let shutdown = tokio_util::sync::CancellationToken::new();
        let task = tokio::spawn(driver.run(shutdown.clone()));
        loop {
            status.changed().await.unwrap();
            let now = status.borrow_and_update().clone();
            if now.is_caught_up && now.heads.safe_head.number.0 == 12 {
                assert_eq!(now.discards, discards, "{failures} failures");
                break;
            }
            if now.stall.is_none() {
                net.l1.fail_next(failures);
                net.da.fail_gets(u64::from(failures).try_into().unwrap());
                net.blobs.fail_next(failures);
                follower.fail_next(failures);
            }
        }
        shutdown.cancel();
        task.await.unwrap().unwrap();
        assert_eq!(follower.chain(), expected, "{failures} failures");
    }
}
