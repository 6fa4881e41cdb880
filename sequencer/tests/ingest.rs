//! Taking what users send: in the order in which it came, whoever recovers the senders and whoever hangs up meanwhile.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "support/chain.rs"]
mod chain;
#[path = "support/story.rs"]
mod story;

use alloy::primitives::{B256, Bytes};
use chain::{World, transfer};
use core::{future::Future, pin::Pin};
use futures::{FutureExt, future::join_all};
use story::on_one_thread;
use tributary_sequencer::pool::{Pool, PoolError, PoolLimits};

type Submission<'a> = Pin<Box<dyn Future<Output = Result<B256, PoolError>> + 'a>>;

/// Alone, or on the threads for many, by turns of three so that one kind could overtake the other.
fn submit(pool: &Pool, nonce: u64) -> Submission<'_> {
    let raw: Bytes = transfer(1, nonce).encoded_bytes().clone();
    match nonce / 3 % 2 {
        0 => Box::pin(pool.submit_one_of_many(raw)),
        _ => Box::pin(pool.submit(raw)),
    }
}

#[test]
fn what_one_sender_sends_at_once_is_taken_in_the_order_in_which_it_was_sent() {
    on_one_thread(20, async {
        let world = World::new();
        let pool = Pool::new(world.chain().clone(), PoolLimits::default());
        let mut accepted = pool.subscribe_accepted();
        let count = PoolLimits::default().sender_transactions_max as u64;
        let answers = join_all((0..count).map(|nonce| submit(&pool, nonce))).await;
        for (nonce, answer) in (0..).zip(answers) {
            let hash = transfer(1, nonce).1.inner().tx_hash();
            assert_eq!(answer, Ok(hash));
            assert_eq!(accepted.recv().await.unwrap(), hash, "nonce {nonce}");
        }
    });
}

#[test]
fn a_request_that_is_given_up_leaves_no_hole_in_the_line() {
    on_one_thread(20, async {
        let world = World::new();
        let pool = Pool::new(world.chain().clone(), PoolLimits::default());
        for nonce in 0..12 {
            // Polled once, it is in line; then its client hangs up.
            let mut given_up = submit(&pool, nonce);
            let _ = (&mut given_up).now_or_never();
            drop(given_up);
        }
        assert!(submit(&pool, 12).await.is_ok());
        assert_eq!(pool.next_nonce(transfer(1, 0).1.signer()), Some(13));
    });
}
