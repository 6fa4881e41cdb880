//! What a sequencer has answered stays true: after kill -9 and power cuts at random moments, over a disk that loses or tears what was not
//! synced, and when blocks are taken back.
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
use chain::{World, transfer};
use futures::future::join_all;
use machine::{Dice, Life, Machine, story};
use op_alloy_consensus::OpTxEnvelope;
use std::collections::BTreeMap;
use tributary_protocol::block::L2BlockNumber;

/// What users were told.
#[derive(Default)]
struct Promises {
    /// Hashes answered.
    taken: Vec<B256>,
    /// Block and index of what was shown as executed.
    shown: BTreeMap<(u64, usize), B256>,
}

impl Life {
    /// Notes whatever readers can see now.
    fn look(&self, promises: &mut Promises) {
        let Some(pending) = self.world.chain().pending() else {
            return;
        };
        for transaction in pending.transactions_from(0) {
            let hash = transaction.transaction.inner().tx_hash();
            promises
                .shown
                .insert((pending.number().0, transaction.index), hash);
        }
    }

    /// Sends transfers of a few accounts, noting what is answered; false once something is refused, which only a dead disk does here.
    async fn send(&self, dice: &mut Dice, promises: &mut Promises) -> bool {
        let mut next = BTreeMap::new();
        let burst: Vec<_> = (0..1 + dice.below(6))
            .map(|_| {
                let sender = u8::try_from(1 + dice.below(4)).unwrap();
                let nonce = next.entry(sender).or_insert_with(|| self.next_nonce(sender));
                *nonce += 1;
                transfer(sender, *nonce - 1)
            })
            .collect();
        let answers = burst
            .iter()
            .map(|sent| self.pool.submit(sent.encoded_bytes().clone()));
        let answers = join_all(answers).await;
        promises.taken.extend(answers.iter().flatten());
        self.look(promises);
        answers.iter().all(Result::is_ok)
    }
}

/// Every promise, against the chain as it is in the end.
fn assert_kept(seed: u64, life: &Life, promises: &Promises) {
    let chain = life.world.chain();
    for hash in &promises.taken {
        let place = chain.transaction(*hash).unwrap();
        // Sent at the same time, a higher nonce may have been taken before the crash and the one below it not: then it waits.
        let waiting = life.pool.get(*hash);
        let waits = waiting.is_some_and(|it| it.nonce() > life.sealed_nonce(it.sender()));
        assert!(
            place.is_some() || waits,
            "seed {seed}: {hash} was answered and is gone"
        );
    }
    for ((number, index), hash) in &promises.shown {
        let block = chain.block_by_number(L2BlockNumber(*number)).unwrap();
        let found = block.and_then(|block| {
            block
                .block
                .body
                .transactions
                .get(*index)
                .map(OpTxEnvelope::tx_hash)
        });
        assert_eq!(found, Some(*hash), "seed {seed}: block {number} index {index}");
    }
}

#[test]
fn f30_f37_whatever_was_answered_is_in_the_chain_after_crashes_at_random_moments() {
    let (mut cuts, mut again) = (0, 0);
    for seed in 0..120 {
        story(async {
            let machine = Machine::new();
            let mut dice = Dice(seed);
            let mut promises = Promises::default();
            for _ in 0..4 {
                let life = machine.boot().await;
                machine.disk.cut_power_after(1 + dice.below(60) as u64);
                let mut lives = true;
                while lives {
                    let bursts = 1 + dice.below(4);
                    lives = life
                        .build_while(async {
                            for _ in 0..bursts {
                                if !life.send(&mut dice, &mut promises).await {
                                    return false;
                                }
                            }
                            // The last of them may be shown now.
                            tokio::task::yield_now().await;
                            life.look(&mut promises);
                            true
                        })
                        .await;
                }
                cuts += 1;
                drop(life);
                if dice.below(3) == 0 {
                    machine.disk.restart();
                } else {
                    machine.disk.power_up(|limit| dice.below(limit));
                }
            }
            let life = machine.boot().await;
            again += usize::from(life.pool.status().pending > 0);
            for _ in 0..3 {
                assert!(
                    life.build_while(async { life.journal.durable().await.is_ok() })
                        .await
                );
            }
            assert_kept(seed, &life, &promises);
        });
    }
    assert!(again > 20, "transactions came back in {again} lives");
    println!("{cuts} crashes, seeds 0 to 119");
}

#[test]
fn the_block_that_was_open_is_opened_again_as_it_was() {
    story(async {
        let machine = Machine::new();
        let mut promises = Promises::default();
        let life = machine.boot().await;
        let lives = life.build_while(async {
            for (sender, nonce) in [(3, 0), (1, 0), (2, 0), (1, 1)] {
                life.pool
                    .submit(transfer(sender, nonce).encoded_bytes().clone())
                    .await
                    .unwrap();
            }
            let mut tips = life.world.chain().subscribe_pending();
            tips.wait_for(|tip| tip.transactions == 5).await.unwrap();
            life.look(&mut promises);
            false
        });
        assert!(!lives.await);
        let attributes = promises.shown.len();
        assert_eq!(attributes, 5);
        drop(life);
        // L1 went on: a block opened now would have another origin.
        machine.l1.mine();
        machine.disk.power_up(|_| 0);

        let life = machine.boot().await;
        assert!(
            life.build_while(async { life.journal.durable().await.is_ok() })
                .await
        );
        assert_kept(0, &life, &promises);
        assert_eq!(life.world.transaction_count(1), 5);
    });
}

#[test]
fn what_was_executed_on_a_head_that_is_gone_comes_first_and_in_order() {
    story(async {
        let machine = Machine::new();
        let life = machine.boot().await;
        assert!(life.build_while(async { true }).await);
        let order = [(3, 0), (1, 0), (2, 0), (1, 1)];
        let lives = life.build_while(async {
            for (sender, nonce) in order {
                life.pool
                    .submit(transfer(sender, nonce).encoded_bytes().clone())
                    .await
                    .unwrap();
            }
            let mut tips = life.world.chain().subscribe_pending();
            tips.wait_for(|tip| tip.transactions == 5).await.unwrap();
            false
        });
        assert!(!lives.await);
        drop(life);
        machine.disk.restart();
        // While it was down the head it built on was taken back.
        let bare = World::on(machine.store());
        bare.engine.revert_unsafe_to(L2BlockNumber(0)).await.unwrap();
        drop(bare);

        let life = machine.boot().await;
        assert!(
            life.build_while(async { life.journal.durable().await.is_ok() })
                .await
        );
        let block = life
            .world
            .chain()
            .block_by_number(L2BlockNumber(1))
            .unwrap()
            .unwrap();
        let users = block.block.body.transactions.iter().skip(1);
        let expected = order.map(|(sender, nonce)| transfer(sender, nonce).1.inner().tx_hash());
        assert!(users.map(OpTxEnvelope::tx_hash).eq(expected));
    });
}

#[test]
fn blocks_taken_back_lose_no_answer_even_if_the_process_dies_in_between() {
    for seed in 0..60 {
        story(async {
            let machine = Machine::new();
            let mut dice = Dice(seed);
            let mut promises = Promises::default();
            for _ in 0..3 {
                let life = machine.boot().await;
                for _ in 0..2 {
                    assert!(life.build_while(life.send(&mut dice, &mut promises)).await);
                }
                machine.disk.cut_power_after(dice.below(6) as u64);
                let safe = life.world.chain().heads().safe_head.number;
                let head = life.world.head().number.0;
                let to = L2BlockNumber(safe.0 + dice.below(usize::try_from(head - safe.0).unwrap()) as u64);
                // With a dead disk the blocks stay, and the engine stops.
                life.world.engine.revert_unsafe_to(to).await.ok();
                drop(life);
                machine.disk.power_up(|limit| dice.below(limit));
            }
            let life = machine.boot().await;
            for _ in 0..2 {
                assert!(
                    life.build_while(async { life.journal.durable().await.is_ok() })
                        .await
                );
            }
            promises.shown.clear();
            assert_kept(seed, &life, &promises);
        });
    }
}

#[test]
fn the_journals_order_is_the_chains() {
    story(async {
        let machine = Machine::new();
        let mut dice = Dice(5);
        let mut promises = Promises::default();
        let life = machine.boot().await;
        for _ in 0..10 {
            let one_by_one = async {
                for _ in 0..5 {
                    let sender = u8::try_from(1 + dice.below(4)).unwrap();
                    let sent = transfer(sender, life.next_nonce(sender));
                    life.pool.submit(sent.encoded_bytes().clone()).await.unwrap();
                }
                life.look(&mut promises);
                true
            };
            assert!(life.build_while(one_by_one).await);
        }
        assert!(life.build_while(async { true }).await);
        assert_kept(5, &life, &promises);
        let mut sequences = Vec::new();
        for number in 1..=life.world.head().number.0 {
            let block = life
                .world
                .chain()
                .block_by_number(L2BlockNumber(number))
                .unwrap()
                .unwrap();
            for (index, transaction) in block.block.body.transactions.iter().enumerate().skip(1) {
                let entry = life.journal.order(transaction.tx_hash()).unwrap();
                let index = u32::try_from(index).unwrap();
                assert_eq!(entry.place, Some((L2BlockNumber(number), index)));
                assert!(entry.arrival_micros > 0);
                sequences.push(entry.sequence);
            }
        }
        assert_eq!(sequences, (1..=50).collect::<Vec<_>>());
    });
}
