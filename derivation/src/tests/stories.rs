//! One rule each, from L1 to the derived chain.

use super::*;
use crate::testing::{PORTAL, SYSTEM_CONFIG, key};
use alloy_primitives::{Address, B256, Log, U256};
use op_alloy_consensus::TxDeposit;
use tributary_protocol::{
    batcher_tx::encode_payload, block::L2BlockNumber, config::CONFIG_UPDATE_TOPIC,
    deposit::encode_transaction_deposited, frame::encode_frames,
};

fn options() -> TestNetOptions {
    TestNetOptions::default()
}

#[tokio::test(start_paused = true)]
async fn posted_blocks_become_safe_in_either_profile_and_batch() {
    for is_jovian in [true, false] {
        for kind in [BatchKind::Singular, BatchKind::Span] {
            let mut net = net_with_blocks(
                TestNetOptions {
                    is_jovian,
                    ..options()
                },
                9,
            );
            post(&mut net, 1, 1..=9, kind);
            let (chain, status) = derive_anew(&net).await;
            assert_eq!(chain, net.sequencer.chain());
            assert_eq!(status.discards.iter().count(), 0, "{status:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn frames_may_lie_in_many_l1_blocks() {
    let mut net = net_with_blocks(options(), 9);
    let channel = net.channel(1..=9, BatchKind::Span);
    for frame in frames(1, &channel, 100) {
        let transaction = net.post_calldata(&[frame]);
        net.l1.mine(Vec::from([transaction.into()]));
    }
    let (chain, _) = derive_anew(&net).await;
    assert_eq!(chain, net.sequencer.chain());
}

#[tokio::test(start_paused = true)]
async fn sequencer_consolidates_what_it_built() {
    let mut net = net_with_blocks(options(), 9);
    post(&mut net, 1, 1..=9, BatchKind::Span);
    let executed = net.sequencer.executed();
    derive(&net, &net.sequencer).await;
    let heads = net.sequencer.current_heads();
    assert_eq!(heads.safe_head, heads.unsafe_head);
    assert_eq!(net.sequencer.executed(), executed);
}

#[tokio::test(start_paused = true)]
async fn without_batches_empty_blocks_follow_once_the_window_has_passed() {
    let net = TestNet::new(TestNetOptions {
        seq_window_size: 4,
        ..options()
    });
    net.l1.mine_empty(4);
    // At L1 block 4 the window of epoch 0 has just passed: its blocks up to the time of epoch 1 are derived.
    let (chain, _) = derive_anew(&net).await;
    assert_eq!(chain.len(), 2);
    net.l1.mine_empty(6);
    let (chain, _) = derive_anew(&net).await;
    let last = chain.last().unwrap();
    assert_eq!(last.l1_origin.number.0, 6);
    // Every second has a block, and every epoch but the first starts with the time of its L1 block.
    for (parent, block) in chain.iter().zip(&chain[1..]) {
        assert_eq!(block.timestamp, parent.timestamp + 1);
        assert!(block.l1_origin.number.0 - parent.l1_origin.number.0 <= 1);
        let origin = net.l1.block(block.l1_origin.number).unwrap();
        assert!(block.sequence_number != 0 || block.timestamp == origin.header().timestamp);
    }
}

#[tokio::test(start_paused = true)]
async fn deposits_come_in_with_the_first_block_of_their_epoch() {
    let mut net = TestNet::new(options());
    let deposit = TxDeposit {
        from: Address::repeat_byte(1),
        to: alloy_primitives::TxKind::Call(Address::repeat_byte(2)),
        mint: 77,
        value: U256::from(70),
        gas_limit: 50_000,
        ..TxDeposit::default()
    };
    let mut carrier: crate::driver::memory::MinedTransaction =
        net.inbox_transaction(&key("anyone"), Bytes::new()).into();
    carrier.logs = Vec::from([encode_transaction_deposited(PORTAL, &deposit)]);
    net.l1.mine(Vec::from([carrier.clone()]));
    carrier.succeeds = false;
    net.l1.mine(Vec::from([carrier]));
    build(&mut net, 6);
    post(&mut net, 1, 1..=6, BatchKind::Span);
    let (chain, _) = derive_anew(&net).await;
    assert_eq!(chain, net.sequencer.chain());
    let counts: Vec<_> = (1..=6)
        .map(|number| {
            net.sequencer
                .block(L2BlockNumber(number))
                .unwrap()
                .body
                .transactions
                .len()
        })
        .collect();
    // L1 block 1, with the deposit, is the origin from the second block on.
    assert_eq!(counts, [2, 3, 2, 2, 2, 2]);
}

fn config_update(update_type: u8, words: &[B256]) -> Log {
    let mut data = Vec::new();
    data.extend_from_slice(&B256::with_last_byte(32)[..]);
    data.extend_from_slice(&U256::from(words.len() * 32).to_be_bytes::<32>());
    words.iter().for_each(|word| data.extend_from_slice(&word[..]));
    let topics = Vec::from([CONFIG_UPDATE_TOPIC, B256::ZERO, B256::with_last_byte(update_type)]);
    Log::new_unchecked(SYSTEM_CONFIG, topics, data.into())
}

#[tokio::test(start_paused = true)]
async fn new_batcher_counts_from_the_very_l1_block_that_names_it() {
    let mut net = net_with_blocks(options(), 8);
    let new_batcher = key("new batcher");
    let channel = net.channel(1..=8, BatchKind::Span);
    let payload = encode_payload(&encode_frames(&frames(1, &channel, LARGE)));
    let old = net.batcher_transaction(payload.clone());
    let new = net.inbox_transaction(&new_batcher, payload);
    let mut change: crate::driver::memory::MinedTransaction =
        net.inbox_transaction(&key("owner"), Bytes::new()).into();
    change.logs = Vec::from([
        config_update(0, &[]),
        config_update(0, &[new_batcher.address().into_word()]),
        config_update(99, &[B256::ZERO]),
    ]);
    net.l1.mine(Vec::from([old.into(), change]));
    let (chain, status) = derive_anew(&net).await;
    assert_eq!(chain.len(), 1, "the old batcher no longer counts");
    assert_eq!(count(&status, DiscardReason::ConfigUpdateMalformed), 2);
    net.l1.mine(Vec::from([new.into()]));
    let (chain, _) = derive_anew(&net).await;
    assert_eq!(chain, net.sequencer.chain());
}

#[tokio::test(start_paused = true)]
async fn configuration_changes_with_the_first_block_of_its_epoch() {
    let mut net = TestNet::new(options());
    let mut change: crate::driver::memory::MinedTransaction =
        net.inbox_transaction(&key("owner"), Bytes::new()).into();
    let gas_limit = 40_000_000;
    change.logs = Vec::from([config_update(2, &[B256::from(U256::from(gas_limit))])]);
    // From another contract it means nothing.
    let mut foreign = config_update(2, &[B256::from(U256::from(1_000_000))]);
    foreign.address = PORTAL;
    change.logs.push(foreign);
    net.l1.mine(Vec::from([change]));
    net.l1.mine_empty(1);
    build(&mut net, 5);
    post(&mut net, 1, 1..=5, BatchKind::Span);
    let follower = net.follower();
    derive(&net, &follower).await;
    let found: Vec<_> = (1..=5)
        .map(|number| follower.block(L2BlockNumber(number)).unwrap().header.gas_limit)
        .collect();
    assert_eq!(found, [30_000_000, gas_limit, gas_limit, gas_limit, gas_limit]);
}

#[tokio::test(start_paused = true)]
async fn others_may_write_to_the_inbox_in_vain() {
    let mut net = net_with_blocks(options(), 4);
    let channel = net.channel(1..=4, BatchKind::Span);
    let payload = encode_payload(&encode_frames(&frames(1, &channel, LARGE)));
    let other = net.inbox_transaction(&key("other"), payload);
    net.l1.mine(Vec::from([other.into()]));
    let (chain, status) = derive_anew(&net).await;
    assert_eq!(chain.len(), 1);
    assert_eq!(status.discards.iter().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn failed_batcher_transaction_counts_all_the_same() {
    let mut net = net_with_blocks(options(), 4);
    let channel = net.channel(1..=4, BatchKind::Span);
    let mut mined: crate::driver::memory::MinedTransaction =
        net.post_calldata(&frames(1, &channel, LARGE)).into();
    mined.succeeds = false;
    net.l1.mine(Vec::from([mined]));
    let (chain, _) = derive_anew(&net).await;
    assert_eq!(chain, net.sequencer.chain());
}

#[tokio::test(start_paused = true)]
async fn channel_that_takes_too_long_is_dropped_and_can_be_posted_again() {
    let mut net = net_with_blocks(
        TestNetOptions {
            seq_window_size: 200,
            ..options()
        },
        4,
    );
    let channel = net.channel(1..=4, BatchKind::Span);
    let parts = frames(1, &channel, channel.len() / 2 + 24);
    assert_eq!(parts.len(), 2);
    let first = net.post_calldata(&parts[..1]);
    net.l1.mine(Vec::from([first.into()]));
    net.l1.mine_empty(50);
    let second = net.post_calldata(&parts[1..]);
    net.l1.mine(Vec::from([second.into()]));
    let (chain, status) = derive_anew(&net).await;
    assert_eq!(chain.len(), 1);
    assert_eq!(count(&status, DiscardReason::ChannelTimedOut), 1);
    post(&mut net, 2, 1..=4, BatchKind::Span);
    let (chain, _) = derive_anew(&net).await;
    assert_eq!(chain, net.sequencer.chain());
}

/// A batch with a transaction nobody can pay for.
fn spoil(net: &TestNet, number: u64) -> tributary_protocol::batch::SingularBatch {
    let mut batch = net.batch(number);
    let first = batch.transactions[0].clone();
    batch.transactions.push(first);
    batch
}

#[tokio::test(start_paused = true)]
async fn invalid_block_becomes_one_of_deposits_alone_and_the_rest_of_its_channel_goes() {
    for kind in [BatchKind::Singular, BatchKind::Span] {
        let mut net = net_with_blocks(options(), 6);
        let mut batches: Vec<_> = (1..=6).map(|number| net.batch(number)).collect();
        batches[2] = spoil(&net, 3);
        let channel = crate::testing::channel_with(&net.batches_of(&batches, kind));
        let transaction = net.post_calldata(&frames(1, &channel, LARGE));
        net.l1.mine(Vec::from([transaction.into()]));
        let follower = net.follower();
        let status = derive(&net, &follower).await;
        let chain = follower.chain();
        assert_eq!(chain.len(), 4);
        assert_built(&net, &chain, 2);
        let replaced = follower.block(L2BlockNumber(3)).unwrap();
        assert_eq!(replaced.body.transactions.len(), 1);
        assert_eq!(count(&status, DiscardReason::PayloadInvalid), 1);
        assert_eq!(count(&status, DiscardReason::ChannelFlushed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn gap_drops_the_channel_and_the_next_channel_can_fill_it() {
    let mut net = net_with_blocks(options(), 9);
    post(&mut net, 1, 4..=6, BatchKind::Span);
    post(&mut net, 2, 1..=3, BatchKind::Span);
    let (chain, status) = derive_anew(&net).await;
    assert_eq!(chain.len(), 4);
    assert_eq!(count(&status, DiscardReason::BatchFuture), 1);
    // The next one overlaps what is safe, and agrees with it.
    post(&mut net, 3, 2..=9, BatchKind::Span);
    let (chain, _) = derive_anew(&net).await;
    assert_eq!(chain, net.sequencer.chain());
    // One more time: nothing new.
    post(&mut net, 4, 2..=9, BatchKind::Span);
    post(&mut net, 5, 2..=9, BatchKind::Singular);
    let (chain, status) = derive_anew(&net).await;
    assert_eq!(chain, net.sequencer.chain());
    assert_eq!(count(&status, DiscardReason::BatchPast), 1 + 8);
}

#[tokio::test(start_paused = true)]
async fn op_22215_overlap_that_contradicts_the_safe_chain_is_refused() {
    let mut net = net_with_blocks(options(), 6);
    post(&mut net, 1, 1..=3, BatchKind::Span);
    let mut batches: Vec<_> = (2..=6).map(|number| net.batch(number)).collect();
    batches[1].transactions.clear();
    let channel = crate::testing::channel_with(&net.batches_of(&batches, BatchKind::Span));
    let transaction = net.post_calldata(&frames(2, &channel, LARGE));
    net.l1.mine(Vec::from([transaction.into()]));
    let (chain, status) = derive_anew(&net).await;
    assert_eq!(chain.len(), 4);
    assert_built(&net, &chain, 3);
    assert_eq!(count(&status, DiscardReason::SpanContradictsSafe), 1);
}

#[tokio::test(start_paused = true)]
async fn finalized_head_follows_finalized_l1() {
    let mut net = net_with_blocks(options(), 9);
    post(&mut net, 1, 1..=4, BatchKind::Span);
    let at = net.l1.head_block().number();
    net.l1.mine_empty(2);
    post(&mut net, 2, 5..=9, BatchKind::Span);
    net.l1.set_finalized(at);
    let follower = net.follower();
    let status = derive(&net, &follower).await;
    assert_eq!(status.heads.finalized_head.number.0, 4);
    assert_eq!(status.heads.safe_head.number.0, 9);
    assert_eq!(follower.current_heads(), status.heads);
}

#[tokio::test(start_paused = true)]
async fn confirmations_keep_derivation_behind_the_head() {
    let mut net = net_with_blocks(options(), 3);
    post(&mut net, 1, 1..=3, BatchKind::Span);
    let derive = async |net: &TestNet| {
        let follower = net.follower();
        let settings = crate::driver::DriverSettings {
            l1_confirmations: 2,
            ..Default::default()
        };
        let driver = net.driver_with(&follower, settings);
        net.run_until_caught_up(driver).await.unwrap();
        follower.current_heads().safe_head.number.0
    };
    net.l1.mine_empty(1);
    assert_eq!(derive(&net).await, 0);
    net.l1.mine_empty(1);
    assert_eq!(derive(&net).await, 3);
}

/// The pipeline repeats a question until it is answered, and takes no other answer.
#[test]
fn pipeline_asks_until_it_is_answered() {
    use crate::{
        pipeline::{Pipeline, ResetCause, Step},
        reset::ResetPoint,
    };
    let mut net = net_with_blocks(options(), 1);
    post(&mut net, 1, 1..=1, BatchKind::Singular);
    let genesis = net.config.genesis.clone();
    let mut pipeline = Pipeline::new(
        net.config.clone(),
        net.l1_config.clone(),
        &ResetPoint {
            safe_head: net.sequencer.chain()[0],
            system_config: genesis.system_config,
            resume_at: genesis.l1.number,
            l1_start: genesis.l1,
            l1_system_config: genesis.system_config,
        },
    );
    let l1_block = |number| {
        net.l1
            .block(tributary_protocol::block::L1BlockNumber(number))
            .unwrap()
    };
    let question = |pipeline: &mut Pipeline| loop {
        match pipeline.step() {
            Step::Progress | Step::Discarded(_) => {}
            step => break step,
        }
    };
    for number in 0..=7 {
        for _ in 0..2 {
            let expected = Step::NeedL1Block(tributary_protocol::block::L1BlockNumber(number));
            assert_eq!(question(&mut pipeline), expected);
        }
        if number > 0 {
            let wrong = pipeline.provide_l1_block(&l1_block(number - 1));
            assert!(matches!(wrong, Err(ResetCause::L1Reorg(_))));
        }
        pipeline.provide_l1_block(&l1_block(number)).unwrap();
    }
    let expected = Step::NeedEpoch(net.sequencer.chain()[1].l1_origin);
    assert_eq!(question(&mut pipeline), expected);
    pipeline.provide_epoch(&l1_block(5)).unwrap();
    assert_eq!(question(&mut pipeline), expected);
    pipeline
        .provide_epoch(&l1_block(expected_number(&expected)))
        .unwrap();
    let attributes = question(&mut pipeline);
    assert!(matches!(&attributes, Step::Attributes(derived) if derived.concluding && !derived.deposits_only));
    assert_eq!(question(&mut pipeline), attributes);
    pipeline.reject().unwrap();
    let Step::Attributes(derived) = question(&mut pipeline) else {
        panic!("deposits alone are offered");
    };
    assert!(derived.deposits_only);
    assert_eq!(derived.attributes.transactions.len(), 1);
    assert!(pipeline.reject().is_err());
}

fn expected_number(step: &crate::pipeline::Step) -> u64 {
    match step {
        crate::pipeline::Step::NeedEpoch(id) => id.number.0,
        other => panic!("{other:?} asks for no epoch"),
    }
}
