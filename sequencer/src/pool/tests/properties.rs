//! The queue against a plain model.

use super::{RICH, Spec, drain};
use crate::pool::{PoolError, PoolLimits, PooledTransaction, queue::Queue};
use alloy::primitives::{
    Address, B256,
    map::{HashMap, HashSet},
};
use proptest::prelude::*;

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
