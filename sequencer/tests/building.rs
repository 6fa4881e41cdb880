//! Stories of building blocks, on a clock that is moved by hand and an L1 that is mined by hand.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "support/chain.rs"]
mod chain;
#[path = "support/story.rs"]
mod story;

use alloy::primitives::{B256, U256, address};
use chain::{GAS_LIMIT, GENESIS_TIME, L1_BLOCK_TIME, World, call, call_with, deposit_log, key, transfer};
use op_alloy_consensus::OpReceiptEnvelope;
use revm::database_interface::DatabaseRef;
use std::{future::Future, time::Duration};
use tributary_protocol::{
    block::{L1BlockNumber, L2BlockNumber},
    execute::BlockOutcome,
    state::{
        StateChanges,
        memory::MemoryState,
        trie::{StateTrie, TrieUpdate},
    },
};
use tributary_sequencer::{
    builder::{
        Builder, BuilderSettings, DaLimits, DaSizes, Step, TransactionSource,
        reserve::{ATTRIBUTION_CONTRACTS, ordinary_gas_max},
    },
    engine::PendingState,
    health::Health,
    origin_selector::WaitReason,
    pool::{Pool, PoolError, PoolLimits},
    verifier::{Verifier, VerifierError},
};

/// Runs a story. Real time only bounds it, so that a story that hangs fails.
fn story(story: impl Future<Output = ()>) {
    story::on_one_thread(20, story);
}

/// Builds one block that has all the time it needs: the clock stands at its timestamp.
async fn build_one(world: &World) -> Step {
    world.clock.set(world.head().timestamp + 1);
    world.builder(0).step().await.unwrap()
}

#[test]
fn transactions_execute_as_they_arrive_and_the_block_seals_on_time() {
    story(async {
        let world = World::new();
        world.poll_l1().await;
        let builder = world.builder(0);
        let mut tips = world.chain().subscribe_pending();
        let teller = async {
            tips.wait_for(|tip| tip.transactions == 1).await.unwrap();
            world.list.push(transfer(1, 0));
            tips.wait_for(|tip| tip.transactions == 2).await.unwrap();
            let pending = world.chain().pending().unwrap();
            let hash = transfer(1, 0).1.inner().tx_hash();
            assert!(pending.transaction(hash).is_some());
            let seen = PendingState::of(pending.clone());
            let nonce =
                |state: &PendingState, account| state.basic_ref(account).unwrap().map_or(0, |it| it.nonce);
            let (first, second) = (key(1).address(), key(2).address());
            assert_eq!(
                nonce(&seen, first),
                1,
                "the pending state is the state after the last transaction"
            );
            assert_eq!(world.head().number.0, 0, "nothing is sealed before its time");
            world.list.push(transfer(2, 0));
            world.list.push(transfer(1, 1));
            tips.wait_for(|tip| tip.transactions == 4).await.unwrap();
            // What nobody had read before must not show either: a call reads some of its state late.
            assert_eq!(
                (nonce(&seen, first), nonce(&seen, second)),
                (1, 0),
                "a pending state that is being read does not move"
            );
            let now = PendingState::of(pending);
            assert_eq!((nonce(&now, first), nonce(&now, second)), (2, 1));
            world.clock.advance(Duration::from_secs(1));
        };
        let (step, ()) = tokio::join!(builder.step(), teller);
        let Step::Built(block) = step.unwrap() else {
            panic!()
        };
        assert_eq!((block.number.0, block.timestamp), (1, GENESIS_TIME + 1));
        assert_eq!(world.transaction_count(1), 4);
        assert!(world.chain().pending().is_none());
        let at = world
            .chain()
            .transaction(transfer(2, 0).1.inner().tx_hash())
            .unwrap();
        assert_eq!(at, Some((L2BlockNumber(1), 2)));
    });
}

#[test]
fn a_sequencer_that_is_behind_catches_up_back_to_back_and_takes_new_origins() {
    story(async {
        let world = World::new();
        for _ in 0..10 {
            world.l1.mine();
        }
        world.clock.set(GENESIS_TIME + 21);
        world.poll_l1().await;
        let builder = world.builder(0);
        for expected in 1..=21 {
            let Step::Built(block) = builder.step().await.unwrap() else {
                panic!()
            };
            assert_eq!(block.number.0, expected);
            let epoch = (expected / L1_BLOCK_TIME).min(10);
            assert_eq!(block.l1_origin.number.0, epoch, "block {expected}");
        }
    });
}

#[test]
fn confirmations_hold_an_origin_back() {
    story(async {
        let world = World::new();
        for _ in 0..5 {
            world.l1.mine();
        }
        world.poll_l1().await;
        world.clock.set(GENESIS_TIME + 12);
        let builder = world.builder(3);
        while world.head().timestamp < GENESIS_TIME + 12 {
            builder.step().await.unwrap();
        }
        assert_eq!(world.head().l1_origin.number.0, 2);
    });
}

#[test]
fn deposits_come_first_in_the_block_that_opens_their_epoch() {
    story(async {
        let world = World::new();
        let lucky = address!("00000000000000000000000000000000000000cc");
        world.l1.mine_with(0, vec![deposit_log(lucky, 5)]);
        world.poll_l1().await;
        for _ in 0..3 {
            world.list.push(transfer(1, world.head().number.0));
            build_one(&world).await;
        }
        assert_eq!(world.transaction_count(1), 2, "attributes and the transfer");
        assert_eq!(
            world.transaction_count(2),
            3,
            "the deposit too, for L1 block 1 is its origin"
        );
        assert_eq!(world.transaction_count(3), 2, "deposits enter once");
        let state = world.chain().state_at(L2BlockNumber(2)).unwrap();
        assert_eq!(state.account(lucky).unwrap().unwrap().balance, U256::from(5));
    });
}

#[test]
fn without_l1_blocks_go_on_with_the_origin_known_until_the_drift_is_used_up() {
    story(async {
        let world = World::new();
        world.poll_l1().await;
        world.l1.set_down(true);
        world.clock.set(GENESIS_TIME + 5_000);
        let builder = world.builder(0);
        let reason = loop {
            match builder.step().await.unwrap() {
                Step::Built(_) => {}
                Step::Waiting(reason) => break reason,
                Step::Abandoned => panic!(),
            }
        };
        assert_eq!(reason, WaitReason::DriftUsedUp);
        assert_eq!(world.head().timestamp, GENESIS_TIME + 1_800);
        world.l1.set_down(false);
        world.l1.mine();
        world.poll_l1().await;
        world.list.push(transfer(1, 0));
        assert!(matches!(builder.step().await.unwrap(), Step::Built(_)));
        assert_eq!(world.head().l1_origin.number.0, 1);
        assert_eq!(world.transaction_count(1_801), 2, "the new origin gives new room");
    });
}

#[test]
fn an_origin_that_left_l1_is_not_built_on() {
    story(async {
        let world = World::new();
        world.l1.mine();
        world.poll_l1().await;
        for _ in 0..2 {
            build_one(&world).await;
        }
        assert_eq!(world.head().l1_origin.number.0, 1);
        world.l1.reorg_from(1);
        world.l1.mine_with(7, Vec::new());
        world.poll_l1().await;
        assert_eq!(build_one(&world).await, Step::Waiting(WaitReason::OriginReorged));
    });
}

#[test]
fn the_view_of_l1_follows_a_reorg() {
    story(async {
        let world = World::new();
        for _ in 0..4 {
            world.l1.mine();
        }
        world.poll_l1().await;
        let before = world.view.around(L1BlockNumber(2)).next.unwrap();
        world.l1.reorg_from(2);
        for _ in 0..4 {
            world.l1.mine_with(9, Vec::new());
        }
        world.poll_l1().await;
        world.poll_l1().await;
        let after = world.view.around(L1BlockNumber(2)).next.unwrap();
        assert_ne!(before.hash, after.hash);
        assert_eq!(after, world.l1.get(3).unwrap().reference());
    });
}

#[test]
fn an_invalid_transaction_is_rejected_by_name_and_leaves_no_trace() {
    story(async {
        let world = World::new();
        world.poll_l1().await;
        world.list.push(transfer(1, 7));
        world.list.push(transfer(2, 0));
        build_one(&world).await;
        assert_eq!(world.transaction_count(1), 2);
        let rejected = world.list.rejected.lock().clone();
        assert!(rejected[0].contains("nonce 7"), "{rejected:?}");
    });
}

#[test]
fn ordinary_traffic_leaves_room_for_attribution() {
    story(async {
        let world = World::new();
        world.poll_l1().await;
        let to = address!("00000000000000000000000000000000000000aa");
        let ordinary_max = ordinary_gas_max(GAS_LIMIT);
        build_one(&world).await;
        let first = world.chain().block_by_number(L2BlockNumber(1)).unwrap().unwrap();
        // All that is open in a block with nothing but the L1 attributes, whose gas varies a little with their zero bytes.
        let all_open = GAS_LIMIT / 100 * 75 - first.block.header.gas_used - 1_000;
        world.list.push(call(1, 0, to, ordinary_max / 2));
        world.list.push(call(2, 0, to, all_open));
        world
            .list
            .push(call(3, 0, ATTRIBUTION_CONTRACTS[1], ordinary_max));
        build_one(&world).await;
        let included = |seed| {
            let nonce = world
                .chain()
                .state_at(world.head().number)
                .unwrap()
                .account(key(seed).address());
            nonce.unwrap().unwrap().nonce == 1
        };
        assert!(included(1), "fits outside the reserve");
        assert!(!included(2), "would need what is reserved");
        assert!(included(3), "may use the reserve");
        build_one(&world).await;
        assert!(included(2), "and what waited comes in the next block");
    });
}

#[test]
fn da_limits_shrink_blocks_and_refuse_no_bundle() {
    story(async {
        let world = World::new();
        world.poll_l1().await;
        let limits = DaLimits::default();
        let builder = world.builder(0).with_da_limits(limits.clone());
        let build = async || {
            world.clock.set(world.head().timestamp + 1);
            builder.step().await.unwrap();
            // Without the L1 attributes.
            world.transaction_count(world.head().number.0) - 1
        };
        // A bundle of a size for this chain: nothing in it compresses.
        let mut state = 1_u64;
        let bundle: Vec<u8> = (0..30_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state.to_be_bytes()[0]
            })
            .collect();
        let bundle = |seed, nonce| {
            call_with(
                seed,
                nonce,
                ATTRIBUTION_CONTRACTS[1],
                13_000_000,
                bundle.clone().into(),
            )
        };
        // Each counts for 100 bytes, the least there is.
        limits.set(DaSizes {
            transaction_bytes_max: 150,
            block_bytes_max: 250,
        });
        for seed in 1..=4 {
            world.list.push(transfer(seed, 0));
        }
        world.list.push(bundle(5, 0));
        world.list.push(bundle(6, 0));
        assert_eq!(
            build().await,
            3,
            "two transfers within the limit, and one bundle beyond it"
        );
        assert_eq!(world.list.len(), 3, "the others wait");
        assert_eq!(build().await, 3);
        assert_eq!(world.list.len(), 0);
        assert!(world.list.rejected.lock().is_empty());
        // What the batcher says counts from the next block on.
        for seed in 1..=4 {
            world.list.push(transfer(seed, 1));
        }
        limits.set(DaSizes::default());
        assert_eq!(build().await, 4);
    });
}

#[test]
fn a_block_that_derivation_replaces_is_abandoned_while_open() {
    story(async {
        let world = World::new();
        world.poll_l1().await;
        build_one(&world).await;
        let genesis = world.chain().block_ref(L2BlockNumber(0)).unwrap().unwrap();
        let builder = world.builder(0);
        let mut tips = world.chain().subscribe_pending();
        let derivation = async {
            tips.wait_for(|tip| tip.number.0 == 2).await.unwrap();
            // The attributes of an empty block 1 with another gas limit than ours had.
            let epoch = world.view.epoch(world.config.genesis.l1).unwrap();
            let system_config = world.config.genesis.system_config;
            let mut attributes = epoch.attributes(&world.config, &world.l1_config, &genesis, &system_config);
            attributes.gas_limit -= 1;
            let applied = world.engine.apply(attributes, genesis).await.unwrap();
            assert!(!applied.consolidated);
            applied.block
        };
        let (step, replaced) = tokio::join!(builder.step(), derivation);
        assert_eq!(step.unwrap(), Step::Abandoned);
        assert_eq!(world.head(), replaced);
        assert!(matches!(build_one(&world).await, Step::Built(block) if block.parent_hash == replaced.hash));
    });
}

#[test]
fn what_was_built_is_executed_again_before_it_counts_as_verified() {
    story(async {
        let world = World::new();
        world.poll_l1().await;
        let verifier = Verifier::new(world.chain().clone());
        let verified = verifier.verified_head();
        world.list.push(transfer(1, 5));
        for nonce in 0..3 {
            world.list.push(transfer(1, nonce));
            build_one(&world).await;
            assert_eq!(verified.borrow().number.0, nonce);
            while verifier.step().unwrap() {}
            assert_eq!(*verified.borrow(), world.head());
        }
        world.engine.revert_unsafe_to(L2BlockNumber(1)).await.unwrap();
        build_one(&world).await;
        while verifier.step().unwrap() {}
        assert_eq!(
            *verified.borrow(),
            world.head(),
            "a replaced block is verified anew"
        );
    });
}

fn no_tries() -> TrieUpdate {
    let changes = StateChanges::default();
    StateTrie::default()
        .update(&MemoryState::default(), &changes)
        .unwrap()
}

#[test]
fn a_block_that_does_not_execute_to_itself_is_found() {
    story(async {
        let world = World::new();
        world.poll_l1().await;
        build_one(&world).await;
        let genesis = world.chain().block_by_number(L2BlockNumber(0)).unwrap().unwrap();
        let block = world.chain().block_by_number(L2BlockNumber(1)).unwrap().unwrap();
        let mut forged = BlockOutcome {
            block: block.block.clone(),
            hash: block.hash,
            senders: block.senders.clone(),
            receipts: block.receipts.clone(),
            changes: StateChanges::default(),
            trie: no_tries(),
        };
        forged.block.header.gas_used += 1;
        forged.hash = forged.block.header.hash_slow();
        world
            .engine
            .revert_unsafe_to(genesis.reference.number)
            .await
            .unwrap();
        let sealed = world.engine.commit_unsafe(forged).await.unwrap();
        let verifier = Verifier::new(world.chain().clone());
        let error = verifier.step().unwrap_err();
        assert!(matches!(error, VerifierError::Mismatch { .. }), "{error}");
        assert!(error.to_string().contains(&sealed.hash.to_string()));
        assert_eq!(verifier.verified_head().borrow().number.0, 0);
    });
}

/// Commits block 1 of `world` again, changed by `forge`, as an executor with stale state would have.
async fn forge_block(world: &World, forge: impl FnOnce(&mut BlockOutcome)) {
    let block = world.chain().block_by_number(L2BlockNumber(1)).unwrap().unwrap();
    let mut forged = BlockOutcome {
        block: block.block.clone(),
        hash: block.hash,
        senders: block.senders.clone(),
        receipts: block.receipts.clone(),
        changes: StateChanges::default(),
        trie: no_tries(),
    };
    forge(&mut forged);
    forged.hash = forged.block.header.hash_slow();
    world.engine.revert_unsafe_to(L2BlockNumber(0)).await.unwrap();
    world.engine.commit_unsafe(forged).await.unwrap();
}

#[test]
fn f29_wrong_outcome_stops_verification_and_quarantines_what_made_it() {
    story(async {
        let world = World::new();
        world.poll_l1().await;
        for nonce in 0..3 {
            world.list.push(transfer(1, nonce));
        }
        build_one(&world).await;
        let block = world.chain().block_by_number(L2BlockNumber(1)).unwrap().unwrap();
        let hash_at = |index: usize| block.block.body.transactions[index].tx_hash();
        let pool = Pool::new(world.chain().clone(), PoolLimits::default());
        let health = Health::new(world.chain().clone()).with_quarantine(pool.quarantine().clone());

        // The executor charged the second transfer wrongly.
        forge_block(&world, |forged| {
            forged.block.header.gas_used += 5;
            match &mut forged.receipts[2] {
                OpReceiptEnvelope::Eip1559(receipt) => receipt.receipt.cumulative_gas_used += 5,
                other => panic!("a transfer is of type 2, not {other:?}"),
            }
        })
        .await;
        let verifier = Verifier::new(world.chain().clone()).with_quarantine(pool.quarantine().clone());
        for _ in 0..2 {
            assert!(matches!(
                verifier.step().unwrap_err(),
                VerifierError::Mismatch { .. }
            ));
        }
        assert_eq!(verifier.verified_head().borrow().number.0, 0);
        assert_eq!(health.report(0).quarantined, [hash_at(2)]);

        // The pool refuses it from now on, and the block being taken back does not bring it back.
        world.engine.revert_unsafe_to(L2BlockNumber(0)).await.unwrap();
        let refused = pool.add_raw(transfer(1, 1).encoded_bytes()).unwrap_err();
        assert_eq!(refused, PoolError::Quarantined(hash_at(2)));
        let head = world.head();
        let mut open = pool.open(&head, 0);
        let taken: Vec<_> = core::iter::from_fn(|| open.next())
            .map(|transaction| transaction.1.inner().tx_hash())
            .collect();
        assert!(
            taken.contains(&hash_at(1)) && !taken.contains(&hash_at(2)),
            "{taken:?}"
        );

        // A state nobody can trace to one transaction puts all of them away.
        build_one(&world).await;
        forge_block(&world, |forged| forged.block.header.state_root = B256::ZERO).await;
        verifier.step().unwrap_err();
        assert!(pool.quarantine().hashes().len() >= health.report(0).quarantined.len());
        assert_eq!(verifier.verified_head().borrow().number.0, 0);
    });
}

#[test]
fn f34_the_clock_may_jump_both_ways_and_timestamps_stay_a_second_apart() {
    story(async {
        let world = World::new();
        world.poll_l1().await;
        build_one(&world).await;
        // Forward a minute: back to back until it has caught up.
        world.clock.set(GENESIS_TIME + 61);
        let builder = world.builder(0);
        for expected in 2..=61 {
            let Step::Built(block) = builder.step().await.unwrap() else {
                panic!("block {expected}")
            };
            assert_eq!(
                (block.number.0, block.timestamp),
                (expected, GENESIS_TIME + expected)
            );
        }
        // Back a minute: nothing is built before the clock has come back, and nothing spins.
        world.clock.set(GENESIS_TIME + 1);
        let early = tokio::time::timeout(Duration::from_millis(50), builder.step());
        assert!(early.await.is_err(), "no block before its time");
        world.clock.set(GENESIS_TIME + 62);
        assert!(
            matches!(builder.step().await.unwrap(), Step::Built(block) if block.timestamp == GENESIS_TIME + 62)
        );
    });
}

#[test]
fn f35_overload_is_refused_by_name_while_blocks_go_on() {
    story(async {
        let world = World::new();
        world.poll_l1().await;
        let limits = PoolLimits {
            transactions_max: 50,
            ..PoolLimits::default()
        };
        let pool = Pool::new(world.chain().clone(), limits);
        let da_limits = DaLimits::default();
        pool.explain_with(da_limits.clone());
        let mut refused = 0;
        for nonce in 0..500 {
            let answer = pool.submit(transfer(1, nonce).encoded_bytes().clone()).await;
            refused += usize::from(answer == Err(PoolError::Full));
        }
        assert_eq!((pool.status().pending, refused), (50, 450));
        da_limits.set(DaSizes {
            transaction_bytes_max: 0,
            block_bytes_max: 2_000,
        });
        let throttled = pool.add_raw(transfer(1, 50).encoded_bytes()).unwrap_err();
        assert!(
            throttled
                .to_string()
                .starts_with("txpool is full: blocks are held to 2000 bytes"),
            "{throttled}"
        );
        world.clock.set(GENESIS_TIME + 1);
        let builder = Builder::new(
            world.engine.clone(),
            world.view.clone(),
            world.l1_config.clone(),
            std::sync::Arc::new(pool.clone()),
            std::sync::Arc::new(world.clock.clone()),
            BuilderSettings::default(),
            world.stop.clone(),
        );
        assert!(matches!(builder.step().await.unwrap(), Step::Built(_)));
        assert_eq!(world.transaction_count(1), 51);
        assert_eq!(pool.status().pending, 0);
    });
}

#[test]
fn f56_transactions_a_byte_over_the_limit_or_over_any_blocks_footprint_are_refused_by_name() {
    story(async {
        let world = World::new();
        world.poll_l1().await;
        build_one(&world).await;
        let limits = PoolLimits {
            tx_bytes_max: 128 * 1024,
            ..PoolLimits::default()
        };
        let pool = Pool::new(world.chain().clone(), limits);
        // Bytes that do not compress.
        let noise: Vec<u8> = (0..5_000_u64)
            .flat_map(|word| alloy::primitives::keccak256(word.to_be_bytes()).0)
            .collect();
        let to = address!("00000000000000000000000000000000000000aa");
        let sized = |bytes: usize| call_with(1, 0, to, 20_000_000, noise[..bytes].to_vec().into());
        let overhead = sized(100_000).encoded_bytes().len() - 100_000;
        let over = sized(128 * 1024 - overhead + 1);
        let refusal = pool.add_raw(over.encoded_bytes()).unwrap_err();
        assert_eq!(
            refusal,
            PoolError::Oversized {
                size: 128 * 1024 + 1,
                limit: 128 * 1024
            }
        );
        // Within the limit in bytes, and more footprint than a block of 30 M gas has.
        let refusal = pool
            .add_raw(sized(128 * 1024 - overhead).encoded_bytes())
            .unwrap_err();
        assert!(matches!(refusal, PoolError::Footprint { .. }), "{refusal}");
        assert!(
            refusal.to_string().starts_with("exceeds block gas limit"),
            "{refusal}"
        );
        pool.add_raw(call_with(1, 0, to, 20_000_000, noise[..50_000].to_vec().into()).encoded_bytes())
            .unwrap();
    });
}

#[test]
fn f57_thousands_that_fail_at_execution_do_not_stall_the_block() {
    story(async {
        let world = World::new();
        world.poll_l1().await;
        let stale = transfer(1, 7);
        for _ in 0..10_000 {
            world.list.push(stale.clone());
        }
        world.list.push(transfer(2, 0));
        build_one(&world).await;
        while world.list.len() > 0 {
            build_one(&world).await;
        }
        assert_eq!(world.list.rejected.lock().len(), 10_000);
        let hash = transfer(2, 0).1.inner().tx_hash();
        assert!(world.chain().transaction(hash).unwrap().is_some());
    });
}
