//! The queue against a plain model, and the order the chain promises.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

use super::{
    InsufficientFunds, PoolError, PoolLimits, PooledTransaction,
    queue::{Queue, Sender},
};
use crate::builder::reserve::ATTRIBUTION_CONTRACTS;
use alloy::{
    consensus::{SignableTransaction, TxEip1559, transaction::Recovered},
    eips::eip2718::{Encodable2718, WithEncoded},
    primitives::{
        Address, B256, Bytes, Signature, TxKind, U256,
        map::{HashMap, HashSet},
    },
};
use op_alloy_consensus::OpTxEnvelope;
use proptest::prelude::*;
use std::{sync::Arc, time::Instant};

const RICH: U256 = U256::MAX;

#[derive(Clone, Copy, Debug)]
struct Spec {
    sender: u8,
    nonce: u64,
    tip: u128,
    size: usize,
    to: Address,
}

impl Spec {
    const fn new(sender: u8, nonce: u64, tip: u128) -> Self {
        Self {
            sender,
            nonce,
            tip,
            size: 0,
            to: Address::ZERO,
        }
    }

    fn make(self) -> PooledTransaction {
        self.made_by(Address::repeat_byte(self.sender))
    }

    fn made_by(self, sender: Address) -> PooledTransaction {
        let transaction = TxEip1559 {
            chain_id: 901,
            nonce: self.nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 1_000 + self.tip,
            max_priority_fee_per_gas: self.tip,
            to: TxKind::Call(self.to),
            input: Bytes::from(vec![1; self.size]),
            // Makes the hashes of different senders differ, which signatures would do otherwise.
            value: U256::from_be_slice(&sender[12..]),
            ..TxEip1559::default()
        };
        let envelope = OpTxEnvelope::Eip1559(transaction.into_signed(Signature::test_signature()));
        let hash = envelope.tx_hash();
        let encoded = envelope.encoded_2718().into();
        PooledTransaction {
            inner: Arc::new(WithEncoded::new(
                encoded,
                Recovered::new_unchecked(envelope, sender),
            )),
            hash,
            cost: U256::from(100),
            sequence: 0,
            arrived: Instant::now(),
            authorities: Arc::default(),
        }
    }
}

fn queue() -> Queue {
    Queue::new(PoolLimits::default())
}

fn add(queue: &mut Queue, spec: Spec) -> B256 {
    let transaction = spec.make();
    let hash = transaction.hash;
    queue.insert(transaction, 0, RICH).unwrap();
    hash
}

fn taken(queue: &mut Queue) -> Option<(u8, u64)> {
    queue
        .next()
        .map(|transaction| (transaction.sender()[0], transaction.nonce()))
}

fn drain(queue: &mut Queue) -> Vec<(u8, u64)> {
    core::iter::from_fn(|| taken(queue)).collect()
}

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

#[derive(Clone, Debug)]
enum Move {
    Add(u8, u64, u128, usize),
    Next,
    Defer,
    Reject,
    NewBlock { committed: bool },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => (1..5u8, 0..8u64, 0..2_000u128, 0..400usize).prop_map(|(a, b, c, d)| Move::Add(a, b, c, d)),
        4 => Just(Move::Next),
        1 => Just(Move::Defer),
        1 => Just(Move::Reject),
        1 => any::<bool>().prop_map(|committed| Move::NewBlock { committed }),
    ];
    proptest::collection::vec(one, 1..200)
}

fn tight() -> PoolLimits {
    PoolLimits {
        tx_bytes_max: 1_000,
        transactions_max: 12,
        bytes_max: 3_000,
        sender_transactions_max: 5,
        sender_bytes_max: 1_500,
        queued_max: 4,
        sender_queued_max: 2,
        ..PoolLimits::default()
    }
}

proptest! {
    /// Never over the bounds, every sender's transactions in nonce order without gaps or repeats, nothing lost of what was executed
    /// into a block that was abandoned.
    #[test]
    fn bounds_and_order_hold_whatever_happens(moves in moves()) {
        let limits = tight();
        let mut queue = Queue::new(limits);
        // The chain: nonces after the last committed block, and what the open block has executed.
        let mut committed: HashMap<Address, u64> = HashMap::default();
        let mut open: Vec<PooledTransaction> = Vec::new();
        let mut last: Option<PooledTransaction> = None;
        // What an abandoned block held comes back over the bounds: it was acknowledged.
        let mut bounded = true;
        queue.begin_block(10);
        for step in moves {
            match step {
                Move::Add(sender, nonce, tip, size) => {
                    let spec = Spec { size, ..Spec::new(sender, nonce, tip) };
                    let address = Address::repeat_byte(sender);
                    let next = committed.get(&address).copied().unwrap_or_default()
                        + open.iter().filter(|tx| tx.sender() == address).count() as u64;
                    let result = queue.insert(spec.make(), next, RICH);
                    if let Err(PoolError::NonceTooLow { next: found, .. }) = result {
                        prop_assert!(nonce < found);
                    }
                    let (pending, queued) = queue.status();
                    if bounded {
                        prop_assert!(pending + queued <= limits.transactions_max);
                        prop_assert!(queue.bytes() <= limits.bytes_max);
                    }
                }
                Move::Next => {
                    open.extend(last.take());
                    last = queue.next();
                    if let Some(transaction) = &last {
                        let sender = transaction.sender();
                        let expected = committed.get(&sender).copied().unwrap_or_default()
                            + open.iter().filter(|tx| tx.sender() == sender).count() as u64;
                        prop_assert_eq!(transaction.nonce(), expected);
                    }
                }
                Move::Defer => if let Some(transaction) = last.take() {
                    queue.defer(transaction.hash);
                }
                Move::Reject => if let Some(transaction) = last.take() {
                    prop_assert!(queue.reject(transaction.hash).is_some());
                }
                Move::NewBlock { committed: taken } => {
                    open.extend(last.take());
                    let included: HashSet<B256> = if taken {
                        for transaction in &open {
                            committed.insert(transaction.sender(), transaction.nonce() + 1);
                        }
                        open.iter().map(|tx| tx.hash).collect()
                    } else {
                        HashSet::default()
                    };
                    let nonces = open
                        .iter()
                        .map(|tx| (tx.sender(), committed.get(&tx.sender()).copied().unwrap_or_default()))
                        .collect();
                    queue.settle(&included, Vec::new(), &nonces);
                    if !taken {
                        for transaction in &open {
                            prop_assert!(queue.get(transaction.hash).is_some(), "an acknowledged transaction is lost");
                        }
                        bounded &= open.is_empty();
                    }
                    open.clear();
                    queue.begin_block(10);
                }
            }
        }
        // What the counters say is what is there.
        open.extend(last.take());
        let (pending, _) = queue.status();
        queue.finish_taken();
        queue.begin_block(0);
        let drained = drain(&mut queue).len();
        prop_assert!(drained <= pending);
        prop_assert_eq!(queue.status().0, 0);
    }
}

/// A pool of `transactions_max` that is full of one pending transaction per sender, sender n with tip n.
fn full_queue(transactions_max: u8) -> Queue {
    let limits = PoolLimits {
        transactions_max: transactions_max.into(),
        queued_max: 10,
        ..PoolLimits::default()
    };
    let mut queue = Queue::new(limits);
    queue.begin_block(10);
    for sender in 1..=transactions_max {
        add(&mut queue, Spec::new(sender, 0, u128::from(sender) * 10));
    }
    queue
}

fn try_add(queue: &mut Queue, spec: Spec) -> Result<(), PoolError> {
    queue.insert(spec.make(), 0, RICH)
}

/// The sizes of the shipped limits, and as many accounts as it takes to be a nuisance.
#[test]
fn f53_a_hundred_thousand_futures_from_ten_thousand_accounts_take_the_room_of_a_thousand() {
    let limits = PoolLimits::default();
    let mut queue = Queue::new(limits);
    queue.begin_block(10);
    add(&mut queue, Spec::new(1, 0, 1));
    for account in 0..10_000_u64 {
        let sender = Address::left_padding_from(&(1 << 32 | account).to_be_bytes());
        for nonce in 1..=10 {
            let transaction = Spec::new(0, nonce, 1_000_000).made_by(sender);
            let refused = queue.insert(transaction, 0, RICH);
            assert!(
                matches!(refused, Ok(()) | Err(PoolError::QueueFull { .. })),
                "{refused:?}"
            );
        }
    }
    assert_eq!(queue.status(), (1, limits.queued_max));
    assert!(queue.bytes() < limits.queued_max * 1_000);
    // Honest transactions go in and out as before.
    for sender in 2..=250 {
        add(&mut queue, Spec::new(sender, 0, 1));
    }
    assert_eq!(drain(&mut queue).len(), 250);
}

#[test]
fn f53_futures_from_many_accounts_neither_fill_the_pool_nor_displace_what_can_execute() {
    let mut queue = full_queue(20);
    for sender in 21..=250 {
        for nonce in 1..40 {
            let refused = try_add(&mut queue, Spec::new(sender, nonce, 1_000_000));
            assert_eq!(refused, Err(PoolError::Full));
        }
    }
    assert_eq!(queue.status(), (20, 0));

    let mut queue = self::queue();
    queue.begin_block(10);
    for sender in 1..=250 {
        for nonce in 1..400 {
            try_add(&mut queue, Spec::new(sender, nonce, 1_000_000)).ok();
        }
    }
    assert_eq!(queue.status(), (0, 1_024), "behind gaps there is little room");
    add(&mut queue, Spec::new(251, 0, 1));
    assert_eq!(taken(&mut queue), Some((251, 0)), "the honest go on");
}

#[test]
fn f54_the_worst_paying_makes_room_for_who_outbids_it_by_a_tenth() {
    let mut queue = full_queue(20);
    assert_eq!(
        try_add(&mut queue, Spec::new(30, 0, 10)),
        Err(PoolError::Full),
        "equal"
    );
    assert_eq!(try_add(&mut queue, Spec::new(30, 0, 0)), Err(PoolError::Full));
    add(&mut queue, Spec::new(30, 0, 11));
    assert_eq!(queue.status(), (20, 0));
    let left: Vec<_> = drain(&mut queue).into_iter().map(|(sender, _)| sender).collect();
    assert_eq!(left, (2..=20).chain([30]).collect::<Vec<_>>(), "sender 1 went");
}

#[test]
fn f54_what_waits_behind_a_gap_goes_before_anything_that_can_execute() {
    let mut queue = full_queue(20);
    queue.reject(Spec::new(1, 0, 10).make().hash);
    // Sender 2 loses its first transaction by displacement, not by a gap: make one on purpose with room.
    let limits = PoolLimits {
        transactions_max: 3,
        ..PoolLimits::default()
    };
    let mut queue = Queue::new(limits);
    queue.begin_block(10);
    add(&mut queue, Spec::new(1, 0, 1));
    add(&mut queue, Spec::new(2, 5, 1_000));
    add(&mut queue, Spec::new(3, 0, 2));
    add(&mut queue, Spec::new(4, 0, 1));
    assert_eq!(
        queue.status(),
        (3, 0),
        "the one behind the gap went, whatever it bid"
    );
    assert_eq!(try_add(&mut queue, Spec::new(2, 5, 1_000)), Err(PoolError::Full));
}

#[test]
fn f54_no_displacement_leaves_another_behind_a_gap() {
    let limits = PoolLimits {
        transactions_max: 6,
        ..PoolLimits::default()
    };
    let mut queue = Queue::new(limits);
    queue.begin_block(10);
    // The cheapest of all is in the middle of its sender's run.
    for (nonce, tip) in [(0, 50), (1, 1), (2, 30), (3, 20)] {
        add(&mut queue, Spec::new(1, nonce, tip));
    }
    add(&mut queue, Spec::new(2, 0, 40));
    add(&mut queue, Spec::new(3, 0, 45));
    add(&mut queue, Spec::new(4, 0, 100));
    assert_eq!(queue.status(), (6, 0), "nobody waits behind a gap");
    assert_eq!(
        drain(&mut queue)
            .into_iter()
            .filter(|(sender, _)| *sender == 1)
            .collect::<Vec<_>>(),
        [(1, 0), (1, 1), (1, 2)]
    );
}

#[test]
fn f54_one_large_newcomer_must_pay_more_than_all_it_displaces() {
    let limits = PoolLimits {
        bytes_max: 10 * 1_200,
        ..PoolLimits::default()
    };
    let large = |tip| Spec {
        size: 3_300,
        ..Spec::new(40, 0, tip)
    };
    let mut queue = Queue::new(limits);
    queue.begin_block(10);
    for sender in 1..=10 {
        let spec = Spec {
            size: 1_000,
            ..Spec::new(sender, 0, 100)
        };
        try_add(&mut queue, spec).unwrap();
    }
    assert_eq!(
        try_add(&mut queue, large(120)),
        Err(PoolError::Full),
        "three or four go, it pays for one"
    );
    let before = queue.status().0;
    try_add(&mut queue, large(1_000)).unwrap();
    assert!(queue.bytes() <= limits.bytes_max && queue.status().0 < before);
}

#[test]
fn f54_what_is_being_executed_or_was_acknowledged_stays() {
    let mut queue = full_queue(2);
    assert_eq!(taken(&mut queue), Some((1, 0)));
    add(&mut queue, Spec::new(3, 0, 1_000));
    queue.finish_taken();
    assert_eq!(
        drain(&mut queue),
        [(3, 0)],
        "sender 2 made room, not the one that was executing"
    );
    let nonces = (1..=3).map(|sender| (Address::repeat_byte(sender), 0)).collect();
    // The block is abandoned: what it held comes again and cannot be displaced any more.
    queue.settle(&HashSet::default(), Vec::new(), &nonces);
    assert_eq!(
        try_add(&mut queue, Spec::new(9, 0, 1_000_000)),
        Err(PoolError::Full)
    );
}

#[test]
fn f55_replacement_churn_takes_a_tenth_each_time_and_no_room() {
    let mut queue = full_queue(20);
    let (transactions, mut tip) = (queue.status(), 10_u128);
    for _ in 0..50 {
        let nine = Spec::new(1, 0, tip + tip * 9 / 100);
        assert!(matches!(
            try_add(&mut queue, nine),
            Err(PoolError::ReplacementUnderpriced | PoolError::AlreadyKnown)
        ));
        // The fee cap is the tip and a thousand: both must rise by a tenth.
        let next = (tip + 1_000).div_ceil(10) + tip + tip.div_ceil(10);
        add(&mut queue, Spec::new(1, 0, next));
        tip = next;
        assert_eq!(queue.status(), transactions);
    }
    assert!(tip > 100_000, "after 50 replacements it costs {tip}");
}

/// Adds a transaction of a sender that is delegated or not, and which delegates these accounts.
fn add_delegating(
    queue: &mut Queue,
    spec: Spec,
    is_delegated: bool,
    authorities: &[u8],
) -> Result<(), PoolError> {
    let transaction = PooledTransaction {
        authorities: authorities
            .iter()
            .map(|byte| Address::repeat_byte(*byte))
            .collect(),
        ..spec.make()
    };
    let sender = Sender {
        nonce: 0,
        balance: RICH,
        is_delegated,
    };
    queue.insert_as(transaction, sender, &mut |_| 0)
}

#[test]
fn a_delegated_account_has_one_transaction_at_a_time() {
    let mut queue = queue();
    let gap = add_delegating(&mut queue, Spec::new(1, 1, 1), true, &[]);
    assert!(matches!(gap, Err(PoolError::DelegatedGap)));
    add_delegating(&mut queue, Spec::new(1, 0, 1), true, &[]).unwrap();
    let second = add_delegating(&mut queue, Spec::new(1, 1, 1), true, &[]);
    assert!(matches!(second, Err(PoolError::DelegatedInFlight)));
    // Replacing it is allowed.
    add_delegating(&mut queue, Spec::new(1, 0, 1_000), true, &[]).unwrap();
    assert_eq!(queue.next().unwrap().nonce(), 0);
    assert!(queue.next().is_none());
    // Executed: the next may come.
    add_delegating(&mut queue, Spec::new(1, 1, 1), true, &[]).unwrap();
}

#[test]
fn an_account_about_to_be_delegated_counts_as_delegated_until_that_is_gone() {
    let mut queue = queue();
    add_delegating(&mut queue, Spec::new(2, 0, 1), false, &[1]).unwrap();
    add_delegating(&mut queue, Spec::new(1, 0, 1), false, &[]).unwrap();
    let second = add_delegating(&mut queue, Spec::new(1, 1, 1), false, &[]);
    assert!(matches!(second, Err(PoolError::DelegatedInFlight)));
    // Replaced by one that delegates another.
    add_delegating(&mut queue, Spec::new(2, 0, 1_000), false, &[3]).unwrap();
    add_delegating(&mut queue, Spec::new(1, 1, 1), false, &[]).unwrap();
    let several = add_delegating(&mut queue, Spec::new(4, 0, 1), false, &[1]);
    assert!(matches!(several, Err(PoolError::AuthorityReserved)));
}
