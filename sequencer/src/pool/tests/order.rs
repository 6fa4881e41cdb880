//! The order the chain promises, and what waits for which reason.

use super::{RICH, Spec, add, drain, queue, taken};
use crate::{
    builder::reserve::ATTRIBUTION_CONTRACTS,
    pool::{InsufficientFunds, PoolError, queue::Queue},
};
use alloy::primitives::{
    Address, U256,
    map::{HashMap, HashSet},
};
use std::time::Instant;

#[test]
fn transactions_that_fit_go_in_arrival_order_whatever_they_pay() {
    let mut queue = queue();
    queue.begin_block(10);
    for (sender, tip) in [(1, 1), (2, 50), (3, 20)] {
        add(&mut queue, Spec::new(sender, 0, tip));
    }
    assert_eq!(drain(&mut queue), [(1, 0), (2, 0), (3, 0)]);
}

#[test]
fn once_something_did_not_fit_the_tip_decides_until_the_queue_has_drained() {
    let mut queue = queue();
    queue.begin_block(10);
    let first = add(&mut queue, Spec::new(1, 0, 1));
    for (sender, tip) in [(2, 5), (3, 50), (4, 5)] {
        add(&mut queue, Spec::new(sender, 0, tip));
    }
    assert_eq!(taken(&mut queue), Some((1, 0)));
    queue.defer(first);
    assert_eq!(taken(&mut queue), Some((3, 0)), "the highest tip goes first now");
    queue.settle(
        &HashSet::from_iter([Spec::new(3, 0, 50).make().hash]),
        Vec::new(),
        &HashMap::from_iter([(Address::repeat_byte(3), 1)]),
    );
    queue.begin_block(10);
    assert_eq!(
        drain(&mut queue),
        [(2, 0), (4, 0), (1, 0)],
        "then tip, then arrival"
    );
    add(&mut queue, Spec::new(5, 0, 1));
    add(&mut queue, Spec::new(6, 0, 9));
    assert_eq!(
        drain(&mut queue),
        [(5, 0), (6, 0)],
        "drained, so arrival decides again"
    );
}

#[test]
fn in_a_block_that_is_nearly_full_attribution_goes_before_the_rest() {
    let mut queue = queue();
    queue.begin_block(10);
    let big = add(&mut queue, Spec::new(1, 0, 99));
    add(&mut queue, Spec::new(2, 0, 50));
    let to = ATTRIBUTION_CONTRACTS[0];
    add(
        &mut queue,
        Spec {
            to,
            ..Spec::new(3, 0, 1)
        },
    );
    assert_eq!(taken(&mut queue), Some((1, 0)));
    queue.defer(big);
    assert_eq!(drain(&mut queue), [(3, 0), (2, 0)]);
}

#[test]
fn a_gap_waits_until_it_is_filled() {
    let mut queue = queue();
    queue.begin_block(10);
    add(&mut queue, Spec::new(1, 1, 1));
    assert_eq!((taken(&mut queue), queue.status()), (None, (0, 1)));
    add(&mut queue, Spec::new(1, 0, 1));
    assert_eq!(
        (queue.status(), queue.next_nonce(Address::repeat_byte(1))),
        ((2, 0), Some(2))
    );
    assert_eq!(drain(&mut queue), [(1, 0), (1, 1)]);
}

#[test]
fn replacing_takes_a_tenth_more_in_both_fee_fields() {
    let mut queue = queue();
    queue.begin_block(10);
    add(&mut queue, Spec::new(1, 0, 1_000));
    let insert = |queue: &mut Queue, tip| queue.insert(Spec::new(1, 0, tip).make(), 0, RICH);
    assert_eq!(insert(&mut queue, 1_000), Err(PoolError::AlreadyKnown));
    assert_eq!(
        insert(&mut queue, 1_100),
        Err(PoolError::ReplacementUnderpriced),
        "the fee cap rose by 5 % only"
    );
    assert_eq!(insert(&mut queue, 1_200), Ok(()));
    assert_eq!(queue.status(), (1, 0));
    assert_eq!(queue.next().unwrap().effective_tip(10), Some(1_200));
    assert_eq!(
        insert(&mut queue, 9_000),
        Err(PoolError::ReplacementTooLate { nonce: 0 })
    );
}

#[test]
fn all_that_waits_must_be_paid_for_together() {
    let mut queue = queue();
    queue
        .insert(Spec::new(1, 0, 1).make(), 0, U256::from(150))
        .unwrap();
    let error = queue
        .insert(Spec::new(1, 1, 1).make(), 0, U256::from(150))
        .unwrap_err();
    let [balance, queued, cost, overshot] = [150, 100, 100, 50].map(U256::from);
    assert_eq!(
        error,
        PoolError::InsufficientFunds(Box::new(InsufficientFunds {
            balance,
            queued,
            cost,
            overshot
        }))
    );
}

#[test]
fn a_rejected_transaction_leaves_what_follows_behind_a_gap() {
    let mut queue = queue();
    queue.begin_block(10);
    let first = add(&mut queue, Spec::new(1, 0, 1));
    add(&mut queue, Spec::new(1, 1, 1));
    queue.next().unwrap();
    queue.reject(first).unwrap();
    assert_eq!((taken(&mut queue), queue.status()), (None, (0, 1)));
    add(&mut queue, Spec::new(1, 0, 2));
    assert_eq!(drain(&mut queue), [(1, 0), (1, 1)]);
}

#[test]
fn what_an_abandoned_block_held_comes_back_first_and_in_its_order() {
    let mut queue = queue();
    queue.begin_block(10);
    for sender in [3, 1, 2] {
        add(&mut queue, Spec::new(sender, 0, 1));
    }
    assert_eq!(drain(&mut queue).len(), 3);
    assert_eq!(
        queue.insert(Spec::new(1, 0, 1).make(), 0, RICH),
        Err(PoolError::AlreadyKnown)
    );
    add(&mut queue, Spec::new(4, 0, 90));
    let nonces = [1, 2, 3, 5]
        .map(|sender| (Address::repeat_byte(sender), 0))
        .into_iter()
        .collect();
    let older = Spec::new(5, 0, 1).make();
    queue.settle(&HashSet::default(), vec![older], &nonces);
    queue.begin_block(10);
    assert_eq!(drain(&mut queue), [(5, 0), (3, 0), (1, 0), (2, 0), (4, 0)]);
}

#[test]
fn no_tip_overtakes_what_was_acknowledged() {
    let mut queue = queue();
    queue.begin_block(10);
    add(&mut queue, Spec::new(1, 0, 1));
    let misfit = add(&mut queue, Spec::new(2, 0, 1));
    assert_eq!(
        (taken(&mut queue), taken(&mut queue)),
        (Some((1, 0)), Some((2, 0)))
    );
    queue.defer(misfit);
    add(&mut queue, Spec::new(3, 0, 90));
    queue.settle(
        &HashSet::default(),
        Vec::new(),
        &HashMap::from_iter([(Address::repeat_byte(1), 0)]),
    );
    queue.begin_block(10);
    assert_eq!(drain(&mut queue), [(1, 0), (3, 0), (2, 0)]);
}

#[test]
fn what_the_chain_took_is_gone() {
    let mut queue = queue();
    queue.begin_block(10);
    add(&mut queue, Spec::new(1, 0, 1));
    add(&mut queue, Spec::new(1, 1, 1));
    let hash = queue.next().unwrap().hash;
    let nonces = HashMap::from_iter([(Address::repeat_byte(1), 1)]);
    queue.settle(&HashSet::from_iter([hash]), Vec::new(), &nonces);
    queue.begin_block(10);
    assert!(queue.get(hash).is_none());
    assert_eq!(drain(&mut queue), [(1, 1)]);
}

#[test]
fn below_the_base_fee_nothing_moves_until_it_falls() {
    let mut queue = queue();
    queue.begin_block(2_000);
    add(&mut queue, Spec::new(1, 0, 1));
    assert_eq!(taken(&mut queue), None);
    queue.begin_block(900);
    assert_eq!(taken(&mut queue), Some((1, 0)));
}

#[test]
fn what_is_stuck_for_too_long_is_dropped() {
    let mut queue = queue();
    queue.begin_block(10);
    add(&mut queue, Spec::new(1, 0, 1));
    add(&mut queue, Spec::new(2, 5, 1));
    let later = Instant::now() + std::time::Duration::from_secs(1);
    assert_eq!(queue.drop_stuck(later), 1);
    assert_eq!(queue.status(), (1, 0));
}
