//! Taking what users send: in the order in which it came, whoever recovers the senders and whoever hangs up meanwhile.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "support/chain.rs"]
mod chain;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/story.rs"]
mod story;

use alloy::primitives::B256;
use chain::transfer;
use core::{future::Future, pin::Pin};
use futures::{FutureExt, future::join_all};
use machine::Machine;
use story::on_one_thread;
use tributary_sequencer::pool::{Pool, PoolError, PoolLimits};

type Submission<'a> = Pin<Box<dyn Future<Output = Result<B256, PoolError>> + 'a>>;

fn submit(pool: &Pool, nonce: u64) -> Submission<'_> {
    Box::pin(pool.submit(transfer(1, nonce).encoded_bytes().clone()))
}

/// The first few are recovered where they are submitted, then all cores recover, then, as answers come in, some are few again.
#[test]
fn what_one_sender_sends_at_once_is_taken_in_the_order_in_which_it_was_sent() {
    on_one_thread(20, async {
        let machine = Machine::new();
        let life = machine.boot().await;
        let mut accepted = life.pool.subscribe_accepted();
        let count = PoolLimits::default().sender_transactions_max as u64;
        let answers = join_all((0..count).map(|nonce| submit(&life.pool, nonce))).await;
        for (nonce, answer) in (0..).zip(answers) {
            let hash = transfer(1, nonce).1.inner().tx_hash();
            assert_eq!(answer, Ok(hash));
            assert_eq!(accepted.recv().await.unwrap(), hash, "nonce {nonce}");
        }
    });
}

#[test]
fn requests_that_are_given_up_leave_no_hole_in_the_line() {
    on_one_thread(20, async {
        let machine = Machine::new();
        let life = machine.boot().await;
        // Polled once, each is in line: the first few have their senders recovered by then, the others are with the threads.
        let mut given_up: Vec<_> = (0..12).map(|nonce| submit(&life.pool, nonce)).collect();
        for submission in &mut given_up {
            assert!(!matches!(submission.now_or_never(), Some(Err(_))));
        }
        drop(given_up);
        assert!(submit(&life.pool, 12).await.is_ok());
        assert_eq!(life.pool.next_nonce(transfer(1, 0).1.signer()), Some(13));
    });
}
