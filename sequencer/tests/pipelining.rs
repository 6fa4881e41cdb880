//! A block is open while the one before it is being sealed: what users see meanwhile, what is asked of a hash that nobody knows yet, and what
//! stays true when the process dies or the chain moves in between.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "support/chain.rs"]
mod chain;
#[path = "support/gate.rs"]
mod gate;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/story.rs"]
mod story;

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Bytes, TxKind, U256, hex},
    signers::SignerSync,
};
use chain::{World, key, transfer};
use gate::GatedStore;
use machine::{Dice, Machine};
use op_alloy_consensus::OpTxEnvelope;
use revm::database_interface::DatabaseRef;
use std::{future::Future, sync::Arc};
use tokio::sync::oneshot;
use tributary_protocol::{
    block::L2BlockNumber,
    execute::{attributes_of, execute_block},
};
use tributary_sequencer::{builder::BuilderError, engine::PendingState, journal::Journal, pool::Pool};

fn story(story: impl Future<Output = ()>) {
    story::on_threads(120, story);
}

/// A life whose builder runs by itself, over a store behind a gate.
struct Running {
    world: World,
    pool: Pool,
    journal: Journal,
    builder: oneshot::Receiver<Result<(), BuilderError>>,
}

async fn start(machine: &Machine, gate: &Arc<GatedStore>) -> Running {
    let store = machine.open(gate.clone());
    let (world, pool, journal, builder) = machine.boot_on(store).await;
    let (ended, end) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    // On a thread of its own, as in a node.
    std::thread::spawn(move || ended.send(runtime.block_on(builder.run())));
    Running {
        world,
        pool,
        journal,
        builder: end,
    }
}

impl Running {
    async fn send(&self, encoded: Bytes) -> B256 {
        self.pool.submit(encoded).await.unwrap()
    }

    async fn transfer(&self, seed: u8, nonce: u64) -> B256 {
        self.send(transfer(seed, nonce).encoded_bytes().clone()).await
    }

    /// Until the block with this number is the open one and shows so many transactions.
    async fn shows(&self, number: u64, transactions: usize) {
        let mut tips = self.world.chain().subscribe_pending();
        tips.wait_for(|tip| tip.number.0 == number && tip.transactions >= transactions)
            .await
            .unwrap();
    }

    fn block_time_passes(&self) {
        self.world.clock.advance(std::time::Duration::from_secs(1));
    }

    async fn committed(&self, number: u64) {
        let mut heads = self.world.chain().subscribe();
        heads
            .wait_for(|heads| heads.unsafe_head.number.0 >= number)
            .await
            .unwrap();
    }

    /// Hashes of what users have in a committed block.
    fn users_of(&self, number: u64) -> Vec<B256> {
        let block = self.world.chain().block_by_number(L2BlockNumber(number));
        let block = block.unwrap().unwrap();
        let users = block.block.body.transactions.iter().skip(1);
        users.map(OpTxEnvelope::tx_hash).collect()
    }

    fn parent_of(&self, number: u64) -> B256 {
        let block = self.world.chain().block_by_number(L2BlockNumber(number));
        block.unwrap().unwrap().reference.parent_hash
    }

    fn pending_nonce(&self, seed: u8) -> u64 {
        let state = PendingState::of(self.world.chain().pending().unwrap());
        let account = state.basic_ref(key(seed).address()).unwrap();
        account.map_or(0, |account| account.nonce)
    }

    /// The process ends without a word. What it was writing fails, if the gate is told so before.
    async fn die(self) -> Result<(), BuilderError> {
        self.world.stop.cancel();
        self.journal.close();
        self.builder.await.unwrap()
    }
}

/// Every block, executed again from nothing but its contents.
fn execute_again(world: &World) {
    let chain = world.chain();
    let mut parent = world.genesis.sealed_header();
    for number in 1..=world.head().number.0 {
        let block = chain.block_by_number(L2BlockNumber(number)).unwrap().unwrap();
        let attributes = attributes_of(&world.config, &block.block).unwrap();
        let state = chain.state_at(L2BlockNumber(number - 1)).unwrap();
        let again = execute_block(&world.config, &parent, &attributes, &state).unwrap();
        assert_eq!(again.hash, block.hash, "block {number}");
        parent = alloy::consensus::Sealed::new_unchecked(again.block.header, again.hash);
    }
}

#[test]
fn a_block_executes_while_the_one_before_it_is_being_sealed() {
    story(async {
        let machine = Machine::new();
        let gate = GatedStore::over(machine.store.clone());
        let node = start(&machine, &gate).await;
        let first = node.transfer(1, 0).await;
        node.shows(1, 2).await;
        gate.hold();
        node.block_time_passes();
        gate.somebody_waits().await;
        // Block 1 is on its way to the disk; nobody has its hash.
        let second = node.transfer(1, 1).await;
        let third = node.transfer(2, 0).await;
        node.shows(2, 3).await;
        assert_eq!(node.world.head().number.0, 0);
        let pending = node.world.chain().pending().unwrap();
        assert_eq!(pending.parent().number.0, 1);
        assert!(pending.transaction(second).is_some() && pending.transaction(third).is_some());
        assert_eq!(
            (node.pending_nonce(1), node.pending_nonce(2)),
            (2, 1),
            "what is pending stands on what is being sealed"
        );
        let place = node.journal.order(first).unwrap().place;
        assert_eq!(place, Some((L2BlockNumber(1), 1)), "and that has its place");
        // The clock goes on; one block at most is being sealed.
        node.block_time_passes();
        gate.release();
        node.committed(2).await;
        assert_eq!(pending.parent().hash, node.parent_of(2));
        node.block_time_passes();
        node.committed(3).await;
        assert_eq!(node.users_of(1), [first]);
        assert_eq!(node.users_of(2), [second, third]);
        assert!(node.pool.status().pending == 0 && node.pool.get(second).is_none());
        execute_again(&node.world);
        node.die().await.unwrap();
    });
}

/// Creates a contract that keeps, in its first slot, the hash of the block before.
fn ask_for_parent(seed: u8, nonce: u64, code: Bytes) -> (Bytes, Address) {
    let signer = key(seed);
    let transaction = TxEip1559 {
        chain_id: 901,
        nonce,
        gas_limit: 200_000,
        max_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Create,
        input: code,
        ..TxEip1559::default()
    };
    let signature = signer.sign_hash_sync(&transaction.signature_hash()).unwrap();
    let encoded = OpTxEnvelope::Eip1559(transaction.into_signed(signature)).encoded_2718();
    (encoded.into(), signer.address().create(nonce))
}

#[test]
fn who_asks_for_a_hash_that_is_not_known_yet_gets_it() {
    // sstore(0, blockhash(number - 1)); the same of what the EIP-2935 contract answers.
    let by_opcode = Bytes::from_static(&hex!("60014303405f5500"));
    let by_contract = Bytes::from_static(&hex!(
        "600143035f5260205f60205f730000f90827f1c53a10cb7a02335b1753200029355afa505f515f5500"
    ));
    story(async {
        let machine = Machine::new();
        let gate = GatedStore::over(machine.store.clone());
        let node = start(&machine, &gate).await;
        node.shows(1, 1).await;
        gate.hold();
        node.block_time_passes();
        gate.somebody_waits().await;
        node.shows(2, 1).await;
        let (opcode, first) = ask_for_parent(1, 0, by_opcode);
        let (contract, second) = ask_for_parent(2, 0, by_contract);
        node.send(opcode).await;
        node.send(contract).await;
        let (block, tip) = (node.world.chain().pending().unwrap(), 1);
        assert_eq!(block.tip().transactions, tip, "they wait for the hash");
        gate.release();
        node.shows(2, 3).await;
        node.block_time_passes();
        node.committed(2).await;
        let expected = U256::from_be_bytes(node.parent_of(2).0);
        let state = node.world.chain().state_at(L2BlockNumber(2)).unwrap();
        for asked in [first, second] {
            assert_eq!(state.slot(asked, U256::ZERO).unwrap(), expected);
        }
        execute_again(&node.world);
        node.die().await.unwrap();
    });
}

#[test]
fn both_blocks_are_built_again_if_the_process_dies_while_one_is_being_sealed() {
    // The store may have got the block or not, and the journal's last words may be lost.
    for (store_has_it, power_cut) in [(false, false), (false, true), (true, false), (true, true)] {
        story(async {
            let machine = Machine::new();
            let gate = GatedStore::over(machine.store.clone());
            let node = start(&machine, &gate).await;
            let first = [node.transfer(3, 0).await, node.transfer(1, 0).await];
            node.shows(1, 3).await;
            gate.hold();
            node.block_time_passes();
            gate.somebody_waits().await;
            let second = [node.transfer(2, 0).await, node.transfer(1, 1).await];
            node.shows(2, 3).await;
            machine.disk.cut_power_after(0);
            if store_has_it {
                gate.release();
                node.committed(1).await;
            } else {
                gate.fail();
            }
            drop(node.die().await);
            if power_cut {
                machine.disk.power_up(|_| 0);
            } else {
                machine.disk.restart();
            }
            // The store is opened anew when nobody has it any more.
            drop(gate);

            let node = start(&machine, &GatedStore::over(machine.store.clone())).await;
            node.block_time_passes();
            node.block_time_passes();
            node.committed(2).await;
            assert_eq!(node.users_of(1), first, "{store_has_it} {power_cut}");
            assert_eq!(node.users_of(2), second, "{store_has_it} {power_cut}");
            execute_again(&node.world);
            node.die().await.unwrap();
        });
    }
}

#[test]
fn what_was_built_on_a_block_that_will_not_be_comes_back_in_its_order() {
    story(async {
        let machine = Machine::new();
        let gate = GatedStore::over(machine.store.clone());
        let node = start(&machine, &gate).await;
        let first = node.transfer(3, 0).await;
        node.shows(1, 2).await;
        node.block_time_passes();
        node.committed(1).await;
        let second = [node.transfer(2, 0).await, node.transfer(3, 1).await];
        node.shows(2, 3).await;
        // The engine is held up by a command before the one that takes block 1 back; block 2 comes third.
        gate.hold();
        let (engine, genesis) = (&node.world.engine, node.world.chain().heads().safe_head);
        let mut held_up = Box::pin(engine.set_finalized(genesis));
        let mut taken_back = Box::pin(engine.revert_unsafe_to(L2BlockNumber(0)));
        // Each gives its command when it is first asked for its result.
        assert!(futures::poll!(&mut held_up).is_pending());
        assert!(futures::poll!(&mut taken_back).is_pending());
        node.block_time_passes();
        let third = node.transfer(1, 0).await;
        node.shows(3, 2).await;
        gate.release();
        held_up.await.unwrap();
        taken_back.await.unwrap();
        node.block_time_passes();
        node.committed(1).await;
        node.block_time_passes();
        node.committed(2).await;
        let all: Vec<_> = (1..=node.world.head().number.0)
            .flat_map(|number| node.users_of(number))
            .collect();
        assert_eq!(all, [first, second[0], second[1], third]);
        execute_again(&node.world);
        node.die().await.unwrap();
    });
}

#[test]
fn f30_whatever_was_shown_of_two_blocks_at_a_time_is_in_the_chain_after_crashes() {
    let mut ahead = 0;
    for seed in 0..40 {
        story(async {
            let (machine, mut dice) = (Machine::new(), Dice(seed));
            // Block and index of what was shown.
            let mut shown = std::collections::BTreeMap::new();
            for _ in 0..4 {
                let gate = GatedStore::over(machine.store.clone());
                let node = start(&machine, &gate).await;
                machine.disk.cut_power_after(4 + dice.below(80) as u64);
                for _ in 0..60 {
                    let sender = u8::try_from(1 + dice.below(4)).unwrap();
                    let nonce = node.pool.next_nonce(key(sender).address());
                    let nonce = nonce.unwrap_or_default().max(sealed_nonce(&node.world, sender));
                    let sent = transfer(sender, nonce);
                    if node.pool.submit(sent.encoded_bytes().clone()).await.is_err() {
                        break;
                    }
                    match dice.below(8) {
                        0 => gate.hold(),
                        1 | 2 => gate.release(),
                        3 | 4 => node.block_time_passes(),
                        _ => {}
                    }
                    let Some(pending) = node.world.chain().pending() else {
                        continue;
                    };
                    ahead += u64::from(pending.number().0 > node.world.head().number.0 + 1);
                    for transaction in pending.transactions_from(0).iter().skip(1) {
                        let place = (pending.number().0, transaction.index);
                        shown.insert(place, transaction.transaction.inner().tx_hash());
                    }
                }
                if dice.below(2) == 0 {
                    gate.fail();
                } else {
                    gate.release();
                }
                drop(node.die().await);
                if dice.below(3) == 0 {
                    machine.disk.restart();
                } else {
                    machine.disk.power_up(|limit| dice.below(limit));
                }
            }
            let node = start(&machine, &GatedStore::over(machine.store.clone())).await;
            let last = shown.last_key_value().map_or(0, |((number, _), _)| *number);
            while node.world.head().number.0 < last {
                let next = node.world.head().number.0 + 1;
                node.block_time_passes();
                node.committed(next).await;
            }
            for ((number, index), hash) in &shown {
                let found = node.users_of(*number);
                assert_eq!(
                    found.get(index - 1),
                    Some(hash),
                    "seed {seed}: block {number} index {index}"
                );
            }
            execute_again(&node.world);
            node.die().await.unwrap();
        });
    }
    assert!(ahead > 0, "a block was ahead of the chain {ahead} times");
    println!("160 crashes, seeds 0 to 39, {ahead} looks at a block ahead of the chain");
}

fn sealed_nonce(world: &World, sender: u8) -> u64 {
    let state = world.chain().state_at(world.head().number).unwrap();
    let account = state.account(key(sender).address()).unwrap();
    account.map_or(0, |account| account.nonce)
}
