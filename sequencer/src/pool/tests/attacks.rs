//! What an attacker may try with the pool's room: futures, displacement, churn.

use super::{RICH, Spec, add, drain, queue, taken};
use crate::pool::{PoolError, PoolLimits, queue::Queue};
use alloy::primitives::{Address, map::HashSet};

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
