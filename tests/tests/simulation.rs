//! The simulator as tests: some dozens of random worlds, and one named scenario for each fault that this harness can tell.
//!
//! Every scenario is a whole world (sequencer, batcher, follower, L1, DA) in which only the named thing goes wrong. What it ends with
//! says most of what the scenario is about: heads in order at every move, no halt, what is built in quiet times becomes safe as it was
//! built, and a fresh node derives the same chain from L1 and DA. The rest is asserted here.

#![allow(
    clippy::unwrap_used,
    reason = "a helper that panics fails its test, which is what it is for"
)]

use alloy_primitives::{B256, Bytes};
use tributary_batcher::{
    dispersal::{DaChoice, L1Destination},
    self_check::check_channel,
};
use tributary_derivation::{
    discard::DiscardReason,
    testing::{BatchKind, TestNet, TestNetOptions, channel_with, frames},
};
use tributary_protocol::{batch::SingularBatch, block::L1BlockNumber};
use tributary_tests::sim::{
    Act, Env, Options, Outcome, Script, Violation,
    da::SimulatedDa,
    kinds::{FaultKind, Forgery},
    l1::L1Fault,
    node::{Derived, Node},
    play, simulate,
};

/// L1 blocks of a scenario.
const L1_BLOCKS: u64 = 60;

/// Random worlds among the tests; `tributary-tests simulate` runs as many as one likes.
const SEEDS: u64 = 24;

/// Plays a scenario under a few seeds, and puts what happened together.
#[track_caller]
fn scenario(script: &Script) -> Vec<Outcome> {
    (1..=3)
        .map(|seed| match play(seed, L1_BLOCKS, script.clone()) {
            Ok(outcome) => outcome,
            Err(failure) => panic!("{failure}"),
        })
        .collect()
}

#[track_caller]
fn assert_met(outcomes: &[Outcome], kind: FaultKind) {
    let met: u64 = outcomes
        .iter()
        .filter_map(|outcome| outcome.counts.faults.get(&kind))
        .sum();
    assert!(met > 0, "{} did not happen", kind.label());
}

fn met(outcomes: &[Outcome], kind: FaultKind) -> u64 {
    outcomes
        .iter()
        .filter_map(|outcome| outcome.counts.faults.get(&kind))
        .sum()
}

#[test]
fn random_worlds_hold_and_two_runs_of_a_seed_are_one() {
    let options = Options { l1_blocks: 80 };
    for seed in 1..=SEEDS {
        let run = || simulate(seed, &options).unwrap_or_else(|failure| panic!("{failure}"));
        let first = run();
        if seed % 4 == 0 {
            let second = run();
            assert_eq!(first.digest, second.digest, "seed {seed}");
            assert_eq!(first.counts, second.counts, "seed {seed}");
        }
    }
}

#[test]
fn a_calm_world_loses_nothing() {
    for outcome in scenario(&Script::new()) {
        let counts = outcome.counts;
        assert!(counts.safe > 40, "{counts:?}");
        assert_eq!(counts.faults.get(&FaultKind::UnsafeReplaced), None);
        assert_eq!(counts.faults.get(&FaultKind::PostLost), None);
    }
}

#[test]
fn f1_a_reorg_of_one_or_two_blocks_takes_deposits_back_and_batches_come_again() {
    for depth in [1, 2] {
        let outcomes = scenario(&Script::new().during(20..=22, Act::EmptyFork(depth)));
        assert_met(&outcomes, FaultKind::Reorg1To2);
        assert_met(&outcomes, FaultKind::NodeReset);
    }
}

#[test]
fn f2_a_reorg_of_seven_blocks() {
    let outcomes = scenario(&Script::new().at(30, Act::EmptyFork(7)).at(45, Act::Reorg(7)));
    assert_met(&outcomes, FaultKind::Reorg7);
    assert_met(&outcomes, FaultKind::TransactionOrphaned);
}

#[test]
fn f3_reorgs_of_32_and_64_blocks_above_finality() {
    assert_met(
        &scenario(&Script::new().at(40, Act::Reorg(32))),
        FaultKind::Reorg32,
    );
    let outcome = play(1, 90, Script::new().at(70, Act::Reorg(64))).unwrap();
    assert_met(&[outcome], FaultKind::Reorg64);
}

#[test]
fn f3_a_reorg_below_finality_halts_and_the_finalized_head_stays() {
    block_on(async {
        let mut net = TestNet::new(TestNetOptions::default());
        let mut node = node_of(&net);
        post_blocks(&mut net, 1);
        let fork = net.l1.head_block().number();
        post_blocks(&mut net, 2);
        net.l1.set_finalized(net.l1.head_block().number());
        assert_eq!(node.derive(10_000).await.unwrap(), Derived::CaughtUp);
        // Finality is looked at with the next head of L1.
        net.l1.mine_empty(1);
        assert_eq!(node.derive(10_000).await.unwrap(), Derived::CaughtUp);
        let finalized = node.chain().heads().finalized_head;
        assert!(finalized.number.0 > 0);
        net.l1.reorg_to(fork);
        net.l1.mine_empty(9);
        // It is asked again and again whether that is really so.
        let mut halted = node.derive(10_000).await;
        let mut asked = 1;
        while asked < 100 && matches!(halted, Ok(Derived::Stalled)) {
            halted = node.derive(10_000).await;
            asked += 1;
        }
        assert!(asked > 10, "{asked} looks are too few to give up everything");
        assert!(
            matches!(&halted, Err(Violation::Halted { cause, .. }) if cause.contains("below finality")),
            "{halted:?}"
        );
        assert_eq!(node.chain().heads().finalized_head, finalized);
    });
}

#[test]
fn f4_l1_goes_to_a_fork_and_back_and_to_an_empty_one() {
    let script = Script::new()
        .at(20, Act::Reorg(3))
        .at(22, Act::FlipFlop)
        .at(24, Act::FlipFlop)
        .at(35, Act::EmptyFork(4))
        .at(36, Act::FlipFlop);
    let outcomes = scenario(&script);
    assert_met(&outcomes, FaultKind::FlipFlop);
    assert_met(&outcomes, FaultKind::EmptyFork);
}

#[test]
fn f5_a_batcher_transaction_that_is_orphaned_and_one_that_is_mined_twice_have_one_effect() {
    let script = Script::new()
        .during(20..=40, Act::Forge(Forgery::Repeated))
        .at(25, Act::Reorg(3))
        .at(35, Act::Reorg(2));
    let outcomes = scenario(&script);
    assert_met(&outcomes, FaultKind::TransactionOrphaned);
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.counts.forgeries.contains_key(&Forgery::Repeated))
    );
}

#[test]
fn f6_answers_of_two_forks_in_turn_do_not_make_a_third() {
    let script = Script::new()
        .at(20, Act::Reorg(4))
        .during(21..=40, Act::OtherFork(5));
    assert_met(&scenario(&script), FaultKind::L1OtherFork);
}

/// Two servers behind one name: the one finalizes its fork, the other still serves the fork that the node has read.
#[test]
fn f6_finality_of_one_fork_does_not_finalize_what_was_read_of_another() {
    block_on(async {
        let mut net = TestNet::new(TestNetOptions::default());
        let mut node = node_of(&net);
        let fork = net.l1.mine_empty(2).number;
        post_blocks(&mut net, 1);
        net.l1.mine_empty(3);
        assert_eq!(node.derive(10_000).await.unwrap(), Derived::CaughtUp);
        assert_eq!(node.chain().heads().safe_head.number.0, 3);
        let last = net.l1.mine_empty(1).number.0;
        let hash_at = |number| net.l1.block(L1BlockNumber(number)).unwrap().hash();
        let abandoned: Vec<_> = (0..=last).map(hash_at).collect();
        net.l1.reorg_to(fork);
        net.l1.mine_empty(30);
        net.l1.set_finalized(L1BlockNumber(last + 5));
        node.l1.fail(&L1Fault::OtherFork(abandoned.into()), 4);
        let derived = node.derive(10_000).await;
        assert!(derived.is_ok(), "{derived:?}");
        assert_eq!(node.derive(10_000).await.unwrap(), Derived::CaughtUp);
        assert_eq!(node.chain().heads().finalized_head.number.0, 0);
    });
}

/// A server on an abandoned fork that answers a node which starts again: what it shows must be there to stay before anything is given up.
#[test]
fn f6_a_server_on_another_fork_does_not_halt_a_node_by_showing_it_below_finality() {
    block_on(async {
        let mut net = TestNet::new(TestNetOptions::default());
        let mut node = node_of(&net);
        let fork = net.l1.mine_empty(2).number;
        let abandoned: Vec<_> = {
            let last = net.l1.mine_empty(12).number.0;
            let hash_at = |number| net.l1.block(L1BlockNumber(number)).unwrap().hash();
            (0..=last).map(hash_at).collect()
        };
        net.l1.reorg_to(fork);
        post_blocks(&mut net, 1);
        let last = net.l1.mine_empty(9).number;
        net.l1.set_finalized(last);
        assert_eq!(node.derive(10_000).await.unwrap(), Derived::CaughtUp);
        net.l1.mine_empty(1);
        assert_eq!(node.derive(10_000).await.unwrap(), Derived::CaughtUp);
        let heads = node.chain().heads();
        assert_eq!((heads.finalized_head.number.0, heads.safe_head.number.0), (3, 3));
        node.restart().unwrap();
        node.l1.fail(&L1Fault::OtherFork(abandoned.into()), 8);
        let mut derived = node.derive(10_000).await.unwrap();
        assert_eq!(derived, Derived::Stalled, "the other fork is seen, and doubted");
        for _ in 0..8 {
            derived = node.derive(10_000).await.unwrap();
        }
        assert_eq!(derived, Derived::CaughtUp);
        assert_eq!(node.chain().heads(), heads);
    });
}

#[test]
fn f7_an_l1_server_that_answers_wrongly_or_not_at_all_holds_up_and_changes_nothing() {
    let kinds = [
        FaultKind::L1Unreachable,
        FaultKind::L1Timeout,
        FaultKind::L1RateLimited,
        FaultKind::L1Html,
        FaultKind::L1Null,
        FaultKind::L1WrongNumber,
        FaultKind::L1NoReceipts,
        FaultKind::L1Pruned,
    ];
    for kind in kinds {
        assert_met(&scenario(&Script::new().during(20..=28, Act::L1(kind, 20))), kind);
    }
    assert_met(
        &scenario(&Script::new().during(20..=40, Act::Stale(3, 6))),
        FaultKind::L1Stale,
    );
}

#[test]
fn f8_l1_rests_for_longer_than_the_drift_and_the_batcher_for_longer_than_the_window() {
    let outcomes = scenario(&Script::new().at(20, Act::Gap(2_400)));
    assert!(
        outcomes.iter().all(|outcome| outcome.counts.safe > 200),
        "2,400 seconds are 240 blocks"
    );
    let failing = Script::new()
        .during(10..=50, Act::PoolForgets)
        .during(10..=50, Act::CrashBatcher(0));
    let outcomes = scenario(&failing);
    assert_met(&outcomes, FaultKind::BatcherCrash);
}

/// Gas gets a thousand times dearer, which is above what the batcher may offer, and gas of blobs a million times. Every world also ends
/// with an error as soon as one nonce is used for two different things.
#[test]
fn f9_a_fee_spike_is_followed_up_to_the_ceiling_and_waited_out() {
    let mut replaced = 0;
    for choice in [
        DaChoice::L1(L1Destination::Calldata),
        DaChoice::L1(L1Destination::Blobs),
        DaChoice::L1(L1Destination::Cheaper),
    ] {
        // What is offered covers twice the price of gas and four times that of blobs: a price that rises faster outruns it.
        let spike = |most_gas: u128, most_blob_gas: u128| {
            let rise = (0..6).fold(Script::new().posting(choice), |script, tick| {
                let (gas, blob_gas) = (4_u128.pow(tick + 1), 10_u128.pow(tick + 1));
                let act = Act::Prices(gas.min(most_gas), blob_gas.min(most_blob_gas));
                script.at(20 + u64::from(tick), act)
            });
            scenario(&rise.at(38, Act::Prices(1, 1)))
        };
        for (gas, blob_gas) in [(1_000, 1_000_000), (64, 1_000), (1, 1_000_000)] {
            let outcomes = spike(gas, blob_gas);
            assert_met(&outcomes, FaultKind::FeeSpike);
            assert_eq!(met(&outcomes, FaultKind::UnsafeReplaced), 0);
            assert_eq!(met(&outcomes, FaultKind::PostLost), 0);
            replaced += met(&outcomes, FaultKind::TransactionReplaced);
        }
    }
    assert!(replaced > 0, "no transaction was replaced");
}

#[test]
fn f10_missed_slots_and_jumps_of_l1_time() {
    scenario(&Script::new().during(20..=30, Act::Gap(60)).at(40, Act::Gap(600)));
}

#[test]
fn f11_the_batcher_ends_after_every_step_and_nothing_is_lost_or_counts_twice() {
    for rounds in 1..=8 {
        let outcomes = scenario(&Script::new().during(20..=32, Act::CrashBatcher(rounds)));
        assert_met(&outcomes, FaultKind::BatcherCrash);
        assert_eq!(met(&outcomes, FaultKind::UnsafeReplaced), 0, "{rounds} rounds");
    }
}

#[test]
fn f12_a_forgotten_transaction_and_a_nonce_gap_after_a_reorg_are_overcome() {
    let script = Script::new()
        .during(28..=40, Act::PoolForgets)
        .at(28, Act::Reorg(6));
    let outcomes = scenario(&script);
    assert_met(&outcomes, FaultKind::TransactionForgotten);
    assert_met(&outcomes, FaultKind::TransactionOrphaned);
}

#[test]
fn f12_a_nonce_that_a_lost_journal_knew_and_l1_took_back_is_filled() {
    let script = Script::new().at(25, Act::LoseJournal).at(29, Act::EmptyFork(8));
    let outcomes = scenario(&script);
    assert_met(&outcomes, FaultKind::JournalLost);
    assert_met(&outcomes, FaultKind::GapFilled);
}

#[test]
fn f13_derivation_does_not_mind_a_second_batcher_with_the_same_key() {
    assert_met(
        &scenario(&Script::new().during(20..=40, Act::TakeNonce)),
        FaultKind::NonceTaken,
    );
}

/// The alarm is the error of every turn, which `run` puts into the status; nobody starts the batcher again.
#[test]
fn f14_a_batcher_without_funds_goes_on_by_itself_once_it_has_some() {
    let script = Script::new()
        .at(15, Act::Funds(false))
        .at(30, Act::Funds(true))
        .at(50, Act::MustFollow(20));
    let outcomes = scenario(&script);
    assert_met(&outcomes, FaultKind::OutOfFunds);
    for kind in [
        FaultKind::BatcherCrash,
        FaultKind::UnsafeReplaced,
        FaultKind::PostLost,
    ] {
        assert_eq!(met(&outcomes, kind), 0, "{}", kind.label());
    }
}

#[test]
fn f15_a_batch_in_a_transaction_that_failed_counts_and_is_not_posted_again() {
    for choice in [
        DaChoice::Layer { failover: None },
        DaChoice::L1(L1Destination::Calldata),
        DaChoice::L1(L1Destination::Blobs),
    ] {
        let script = Script::new().posting(choice).during(15..=30, Act::Revert(2));
        let outcomes = scenario(&script);
        assert_met(&outcomes, FaultKind::TransactionReverted);
        for outcome in &outcomes {
            for reason in [DiscardReason::BatchPast, DiscardReason::BatchBeforeOrigin] {
                assert_eq!(outcome.counts.discards.get(&reason), None, "{}", reason.label());
            }
        }
    }
}

/// L1's pool of the simulation takes 128 KiB; the channel of the backlog is several times that.
#[test]
fn f15_a_channel_larger_than_a_transaction_may_be_goes_in_several() {
    let script = Script::new()
        .posting(DaChoice::L1(L1Destination::Calldata))
        .channels_of(600_000)
        .at(20, Act::Away(8))
        .during(20..=28, Act::Bulk(60_000))
        .at(50, Act::MustFollow(20));
    let outcomes = scenario(&script);
    assert_eq!(met(&outcomes, FaultKind::UnsafeReplaced), 0);
}

/// Half an hour of chain, 138 L1 blocks, waits when the batcher comes back; in a third of that time nothing waits any more. That the
/// sequencer is slowed down meanwhile is told in `tests/batcher/control.rs`.
#[test]
fn f16_the_safe_head_catches_up_with_half_an_hour_three_times_as_fast_as_time() {
    let script = Script::new()
        .window(200)
        .at(10, Act::Away(138))
        .at(10 + 138 + 46, Act::MustFollow(20));
    for seed in 1..=2 {
        let outcome = play(seed, 200, script.clone()).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(met(&[outcome], FaultKind::UnsafeReplaced), 0);
    }
}

/// The node says times that a span batch cannot say. The batcher stops before anything of such a channel is in its journal, hence before
/// any of it can be posted, and names the blocks.
#[test]
fn f17_a_channel_that_cannot_say_its_blocks_is_never_posted() {
    for seed in 1..=3 {
        let failure = play(seed, L1_BLOCKS, Script::new().at(20, Act::Skew)).unwrap_err();
        let Violation::Channel(cause) = &failure.violation else {
            panic!("{failure}");
        };
        assert!(cause.contains("blocks"), "{cause}");
        let expected = [DiscardReason::ConfigUpdateMalformed];
        let mut dropped = failure.counts.discards.keys();
        assert!(dropped.all(|reason| expected.contains(reason)), "{failure}");
    }
}

/// What every channel goes through between its encoder and the journal.
#[test]
fn f17_a_channel_that_decodes_to_other_blocks_is_noticed() {
    let mut net = TestNet::new(TestNetOptions::default());
    for index in 0..4 {
        let transfer = net.transfer(index, 1);
        net.build_block(vec![transfer]);
    }
    let batches: Vec<_> = (1..=4).map(|number| net.batch(number)).collect();
    let channel = net.channel(1..=4, BatchKind::Span);
    let check = |channel: &Bytes, batches: &[SingularBatch]| {
        let kind = tributary_batcher::channel_builder::BatchKind::Span;
        check_channel(&frames(1, channel, 1_000), batches, kind, &net.config)
    };
    check(&channel, &batches).unwrap();

    let changed = |change: &dyn Fn(&mut Vec<SingularBatch>)| {
        let mut batches = batches.clone();
        change(&mut batches);
        batches
    };
    let other = B256::repeat_byte(1);
    for batches in [
        changed(&|batches| drop(batches.pop())),
        changed(&|batches| drop(batches.remove(0))),
        changed(&|batches| batches.push(batches[3].clone())),
        changed(&|batches| batches.swap(1, 2)),
        changed(&|batches| batches[2].timestamp += 1),
        changed(&|batches| batches[2].epoch_number.0 += 1),
        changed(&|batches| batches[0].parent_hash = other),
        changed(&|batches| batches[3].epoch_hash = other),
        changed(&|batches| drop(batches[1].transactions.pop())),
        changed(&|batches| batches[1].transactions = batches[2].transactions.clone()),
    ] {
        assert!(check(&channel, &batches).is_err(), "{batches:?}");
    }
    for length in 0..channel.len() {
        assert!(
            check(&channel.slice(..length), &batches).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn f18_puts_that_fail_send_the_channel_to_l1_and_da_is_used_again_after() {
    for kind in [
        FaultKind::DaPutDown,
        FaultKind::DaPutRateLimited,
        FaultKind::DaPutFailover,
        FaultKind::DaPutRejected,
    ] {
        let outcomes = scenario(&Script::new().during(20..=30, Act::Put(kind, 10)));
        assert_met(&outcomes, kind);
        assert_met(&outcomes, FaultKind::Failover);
    }
}

#[test]
fn f19_gets_that_fail_stall_and_never_drop() {
    for kind in [FaultKind::DaGetDown, FaultKind::DaGetSlow] {
        let outcomes = scenario(&Script::new().during(15..=40, Act::Get(kind, 6)));
        assert_met(&outcomes, kind);
        for outcome in outcomes {
            assert_eq!(
                outcome.counts.discards.get(&DiscardReason::CommitmentRefused),
                None
            );
            assert_eq!(
                outcome.counts.discards.get(&DiscardReason::PayloadMalformed),
                None
            );
        }
    }
    for outcome in scenario(&Script::new().during(20..=24, Act::Forge(Forgery::RefusedPayload))) {
        assert!(outcome.counts.discards[&DiscardReason::CommitmentRefused] > 0);
    }
}

#[test]
fn f20_wrong_bytes_for_a_commitment_stall_until_the_right_ones_come() {
    let outcomes = scenario(&Script::new().during(15..=40, Act::Get(FaultKind::DaWrongBytes, 6)));
    assert_met(&outcomes, FaultKind::DaWrongBytes);
    assert!(outcomes.iter().all(|outcome| {
        !outcome
            .counts
            .discards
            .contains_key(&DiscardReason::FramesMalformed)
    }));
}

#[test]
fn f24_a_channel_over_the_size_limit_is_dropped_and_the_next_one_counts_slow() {
    let outcome = play(1, 20, Script::new().at(8, Act::Forge(Forgery::OversizeChannel))).unwrap();
    assert_eq!(outcome.counts.discards[&DiscardReason::ChannelTooLarge], 1);
}

#[test]
fn f25_forgeries_of_every_kind_leave_all_nodes_with_one_chain() {
    for kind in Forgery::ALL
        .iter()
        .filter(|kind| **kind != Forgery::OversizeChannel)
    {
        let script = Script::new().during(15..=30, Act::Forge(*kind));
        let outcome = play(5, 32, script).unwrap_or_else(|failure| panic!("{}: {failure}", kind.label()));
        let needs_drift = matches!(kind, Forgery::Drift | Forgery::EpochTime);
        assert!(
            needs_drift || outcome.counts.forgeries.contains_key(kind),
            "{}",
            kind.label()
        );
    }
}

#[test]
fn f26_a_failure_at_every_request_gives_the_chain_of_a_run_without_failures() {
    let script = Script::new()
        .during(5..=50, Act::L1(FaultKind::L1Timeout, 1))
        .during(5..=50, Act::Get(FaultKind::DaGetDown, 1));
    let outcomes = scenario(&script);
    assert_met(&outcomes, FaultKind::L1Timeout);
    assert_met(&outcomes, FaultKind::DaGetDown);
    assert_eq!(met(&outcomes, FaultKind::UnsafeReplaced), 0);
}

#[test]
fn f27_a_follower_that_restarts_after_any_step_derives_the_same_chain() {
    for steps in [1, 2, 3, 5, 8, 13, 21] {
        let script = Script::new()
            .during(10..=50, Act::CrashFollower(steps))
            .during(20..=22, Act::Forge(Forgery::Invalid));
        assert_met(&scenario(&script), FaultKind::FollowerCrash);
    }
}

#[test]
fn f38_unsafe_blocks_that_gave_way_are_built_upon_without_a_restart() {
    let outcomes = scenario(&Script::new().during(20..=30, Act::Forge(Forgery::Usurped)));
    assert_met(&outcomes, FaultKind::UnsafeReplaced);
}

#[test]
fn f39_a_follower_that_lost_its_store_derives_the_chain_again() {
    scenario(&Script::new().at(20, Act::WipeFollower).at(45, Act::WipeFollower));
}

/// Batcher state and races.
#[test]
fn base_4247_a_safe_head_that_an_l1_reorg_moved_back_leaves_no_gap() {
    let outcomes = scenario(&Script::new().at(25, Act::EmptyFork(12)).at(40, Act::EmptyFork(5)));
    assert_met(&outcomes, FaultKind::NodeReset);
}

/// Batcher state and races.
#[test]
fn base_2652_a_reorg_while_a_restarted_node_reads_up_to_its_safe_head_is_noticed() {
    block_on(async {
        let mut net = TestNet::new(TestNetOptions::default());
        let mut node = node_of(&net);
        net.l1.mine_empty(2);
        let fork = net.l1.head_block().number();
        post_blocks(&mut net, 1);
        net.l1.mine_empty(2);
        assert_eq!(node.derive(10_000).await.unwrap(), Derived::CaughtUp);
        assert_eq!(node.chain().heads().safe_head.number.0, 3);
        node.restart().unwrap();
        assert_eq!(node.derive(1).await.unwrap(), Derived::Moved);

        net.l1.reorg_to(fork);
        let other: Vec<_> = (1..=3)
            .map(|number| {
                let mut batch = net.batch(number);
                batch.transactions.clear();
                batch
            })
            .collect();
        let channel = channel_with(&net.batches_of(&other[..1], BatchKind::Singular));
        let transaction = net.post_calldata(&frames(2, &channel, 1_000));
        net.l1.mine(vec![transaction.into()]);
        net.l1.mine_empty(4);
        assert_eq!(node.derive(10_000).await.unwrap(), Derived::CaughtUp);
        let mut fresh = node_of(&net);
        assert_eq!(fresh.derive(10_000).await.unwrap(), Derived::CaughtUp);
        assert_eq!(node.chain().heads().safe_head, fresh.chain().heads().safe_head);
        assert_eq!(fresh.chain().heads().safe_head.number.0, 1);
    });
}

/// Batcher state and races.
#[test]
fn op_13061_a_sequencer_that_restarts_does_not_lock_the_batcher() {
    let outcomes = scenario(&Script::new().during(20..=30, Act::CrashSequencer));
    assert_met(&outcomes, FaultKind::SequencerCrash);
}

/// Batcher state and races.
#[test]
fn op_11234_after_the_batcher_was_away_beyond_the_window_the_safe_head_catches_up() {
    scenario(&Script::new().during(10..=50, Act::CrashBatcher(0)));
}

/// Stuck L1 transactions.
#[test]
fn op_10941_a_transaction_that_l1_forgot_does_not_hold_up_what_follows() {
    assert_met(
        &scenario(&Script::new().during(15..=45, Act::PoolForgets)),
        FaultKind::TransactionForgotten,
    );
}

/// Safe-head stalls.
#[test]
fn op_6902_a_channel_that_was_cut_off_is_posted_again_from_the_safe_head() {
    let outcomes = scenario(&Script::new().during(15..=40, Act::Forge(Forgery::OpenChannel)));
    assert!(outcomes.iter().any(|outcome| {
        outcome
            .counts
            .discards
            .contains_key(&DiscardReason::ChannelUnclosed)
    }));
}

/// Derivation splits.
#[test]
fn op_22629_a_transient_failure_amid_a_span_does_not_drop_it() {
    let script = Script::new()
        .during(5..=50, Act::L1(FaultKind::L1Unreachable, 3))
        .during(5..=50, Act::CrashFollower(11));
    let outcomes = scenario(&script);
    assert_met(&outcomes, FaultKind::L1Unreachable);
    assert_met(&outcomes, FaultKind::FollowerCrash);
}

/// Alt-DA.
#[test]
fn op_18507_commitments_reach_l1_in_the_order_of_their_payloads() {
    let script = Script::new().during(10..=45, Act::Put(FaultKind::DaPutDown, 2));
    for outcome in scenario(&script) {
        assert_eq!(outcome.counts.discards.get(&DiscardReason::FrameOutOfOrder), None);
        assert_eq!(outcome.counts.discards.get(&DiscardReason::BatchFuture), None);
    }
}

/// Data that is gone where it was, and comes back from elsewhere.
#[test]
fn op_9962_a_payload_that_is_gone_stalls_and_derivation_goes_on_when_it_is_served_again() {
    block_on(async {
        let mut net = TestNet::new(TestNetOptions::default());
        let da = SimulatedDa::default();
        let mut node = Node::new("follower", &env_of(&net), &net.l1, &da).unwrap();
        let (payload, commitment) = post_payload(&mut net, &da);
        da.lose(&commitment);
        for _ in 0..5 {
            assert_eq!(node.derive(10_000).await.unwrap(), Derived::Stalled);
        }
        assert_eq!(node.chain().heads().safe_head.number.0, 0);
        assert_eq!(da.store(payload), commitment);
        assert_eq!(node.derive(10_000).await.unwrap(), Derived::CaughtUp);
        assert_eq!(node.chain().heads().safe_head.number.0, 3);
    });
}

fn env_of(net: &TestNet) -> Env {
    Env {
        config: net.config.clone(),
        l1_config: net.l1_config.clone(),
        genesis: net.genesis.clone().into(),
    }
}

fn node_of(net: &TestNet) -> Node {
    Node::new("follower", &env_of(net), &net.l1, &SimulatedDa::default()).unwrap()
}

/// Builds three blocks and posts them in calldata.
fn post_blocks(net: &mut TestNet, id: u8) {
    let first = net.sequencer.current_heads().unsafe_head.number.0 + 1;
    for _ in 0..3 {
        let transfer = net.transfer(0, 1);
        net.build_block(vec![transfer]);
    }
    let channel = net.channel(first..=first + 2, BatchKind::Span);
    let transaction = net.post_calldata(&frames(id, &channel, 1_000));
    net.l1.mine(vec![transaction.into()]);
    assert!(net.l1.head_block().number() > L1BlockNumber(0));
}

/// Builds three blocks and posts a commitment to them.
fn post_payload(
    net: &mut TestNet,
    da: &SimulatedDa,
) -> (
    alloy_primitives::Bytes,
    tributary_protocol::commitment::Commitment,
) {
    use tributary_protocol::{
        batcher_tx::{BatcherTx, encode_payload},
        frame::encode_frames,
    };
    for _ in 0..3 {
        net.build_block(Vec::new());
    }
    let channel = net.channel(1..=3, BatchKind::Span);
    let payload = encode_payload(&encode_frames(&frames(1, &channel, 1_000)));
    let commitment = da.store(payload.clone());
    let transaction = net.batcher_transaction(BatcherTx::Commitment(commitment.clone()).encode());
    net.l1.mine(vec![transaction.into()]);
    (payload, commitment)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().build().unwrap().block_on(future)
}
