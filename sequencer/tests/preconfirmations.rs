//! The deltas of every block add up to the block, whatever happens: crashes, blocks taken back, blocks faster than anyone looks; and no
//! two signatures of an honest sequencer contradict each other unless a block was taken back in between.
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

use alloy::{
    consensus::{
        Header,
        proofs::{calculate_receipt_root, calculate_transaction_root},
    },
    primitives::{Address, B256},
};
use chain::{key, transfer};
use machine::{Dice, Life, Machine, story};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};
use std::{collections::BTreeMap, sync::Arc};
use tokio::{sync::broadcast, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tributary_protocol::{
    block::L2BlockNumber,
    preconfirmation::{Evidence, EvidenceError, OpeningFields, SignedStatement, Subject, Witnessed},
};
use tributary_sequencer::preconfirmation::{Delta, DeltaKind, Preconfirmations, Signing};

const CHAIN_ID: u64 = 901;

fn signing() -> Signing {
    Signing::new(&key(200).to_bytes(), 3).unwrap()
}

fn signer() -> Address {
    key(200).address()
}

/// What a listener makes of the deltas, checking each.
#[derive(Default)]
struct Listener {
    /// Blocks told to the end: hash by number.
    sealed: BTreeMap<u64, B256>,
    open: Option<OpenModel>,
    /// What was signed and not taken back.
    signed: Vec<(u64, Witnessed)>,
    deltas: usize,
    reverted: usize,
}

struct OpenModel {
    number: u64,
    id: alloy::primitives::B64,
    next_index: u64,
    base: OpeningFields,
    transactions: Vec<OpTxEnvelope>,
    receipts: Vec<OpReceiptEnvelope>,
}

impl Listener {
    fn take(&mut self, delta: &Delta) {
        self.deltas += 1;
        match &delta.kind {
            DeltaKind::Reverted => self.revert(delta),
            DeltaKind::Transactions => self.grow(delta),
            DeltaKind::Sealed(sealed) => self.seal(delta, sealed.0, &sealed.1),
        }
    }

    fn grow(&mut self, delta: &Delta) {
        let number = delta.number.0;
        if delta.index == 0 {
            assert!(self.open.is_none(), "block {number} begins inside another");
            assert!(!self.sealed.contains_key(&number), "{number} is sealed");
            self.open = Some(OpenModel {
                number,
                id: delta.id,
                next_index: 0,
                base: delta.base.clone().unwrap(),
                transactions: Vec::new(),
                receipts: Vec::new(),
            });
        }
        let open = self.open.as_mut().expect("a block begins with index 0");
        assert_eq!(
            (open.number, open.id, open.next_index),
            (number, delta.id, delta.index)
        );
        assert_eq!(delta.first, open.transactions.len());
        assert!(!delta.transactions.is_empty());
        open.next_index += 1;
        for told in &delta.transactions {
            open.transactions.push(told.transaction.inner().clone());
            open.receipts.push(told.receipt.clone());
        }
        let hashes = delta
            .transactions
            .iter()
            .map(|told| told.transaction.inner().tx_hash());
        self.keep(delta, delta.before, hashes.collect());
    }

    fn seal(&mut self, delta: &Delta, hash: B256, header: &Header) {
        let open = self.open.take().expect("what is sealed was open");
        assert_eq!(
            (open.number, open.id, open.next_index),
            (delta.number.0, delta.id, delta.index)
        );
        assert_eq!(open.base, OpeningFields::of_header(header));
        assert_eq!(
            calculate_transaction_root(&open.transactions),
            header.transactions_root
        );
        assert_eq!(calculate_receipt_root(&open.receipts), header.receipts_root);
        assert_eq!(header.hash_slow(), hash);
        self.sealed.insert(open.number, hash);
        let hashes = open.transactions.iter().map(OpTxEnvelope::tx_hash).collect();
        self.keep(delta, open.base.digest(), hashes);
    }

    fn revert(&mut self, delta: &Delta) {
        self.reverted += 1;
        let number = delta.number.0;
        match self.open.take() {
            Some(open) => assert_eq!((open.number, open.id), (number, delta.id)),
            None => {
                // Of blocks that an earlier life sealed as it died nobody was told.
                let highest = self.sealed.last_key_value().map_or(0, |(highest, _)| *highest);
                assert!(highest <= number, "{highest} is above {number}: highest first");
                self.sealed.remove(&number);
            }
        }
        self.signed.retain(|(signed, _)| *signed < number);
    }

    /// Whoever reconnects looks which of what it knows is still there: a node that dies right after it took blocks back tells nobody.
    fn reconnect(&mut self, life: &Life) {
        let chain = life.world.chain();
        let is_there = |number: u64, hash: B256| {
            let held = chain.block_by_number(L2BlockNumber(number)).unwrap();
            held.is_some_and(|held| held.hash == hash)
        };
        let gone = self
            .sealed
            .iter()
            .find(|(number, hash)| !is_there(**number, **hash));
        if let Some(lowest) = gone.map(|(number, _)| *number) {
            self.sealed.retain(|number, _| *number < lowest);
            self.signed.retain(|(number, _)| *number < lowest);
        }
        self.open = None;
    }

    fn keep(
        &mut self,
        delta: &Delta,
        before: tributary_protocol::preconfirmation::TransactionsDigest,
        hashes: Vec<B256>,
    ) {
        let Some(signed) = &delta.signed else { return };
        assert_eq!(signed.verify(CHAIN_ID, signer()), Ok(()));
        assert_eq!(
            (signed.statement.epoch, signed.statement.number),
            (3, delta.number)
        );
        self.signed
            .push((delta.number.0, Witnessed::new(signed, before, hashes)));
    }
}

/// A life with somebody listening.
struct Heard {
    life: Life,
    deltas: broadcast::Receiver<Arc<Delta>>,
    stop: CancellationToken,
    producer: JoinHandle<()>,
}

impl Heard {
    fn new(life: Life, signing: Option<Signing>, listener: &mut Listener) -> Self {
        listener.reconnect(&life);
        let stop = life.world.stop.child_token();
        let feed = Preconfirmations::new(life.world.chain().clone(), signing, stop.clone());
        let (told, deltas) = feed.listen();
        assert!(told.is_empty());
        let producer = tokio::spawn(async move { feed.run().await });
        Self {
            life,
            deltas,
            stop,
            producer,
        }
    }

    fn drain(&mut self, listener: &mut Listener) {
        while let Ok(delta) = self.deltas.try_recv() {
            listener.take(&delta);
        }
    }

    /// Takes blocks above `to` back, and listens until that is said. False if the disk has died, and the blocks stay.
    async fn take_back(&mut self, to: L2BlockNumber, listener: &mut Listener) -> bool {
        // What nobody was told of is not said to be gone either.
        self.catch_up(listener).await;
        if self.life.world.engine.revert_unsafe_to(to).await.is_err() {
            return false;
        }
        loop {
            let delta = self.deltas.recv().await.unwrap();
            listener.take(&delta);
            if matches!(delta.kind, DeltaKind::Reverted) && delta.number == to.next() {
                return true;
            }
        }
    }

    /// Listens until the head was told.
    async fn catch_up(&mut self, listener: &mut Listener) {
        let head = self.life.world.head();
        while listener.sealed.get(&head.number.0) != Some(&head.hash) {
            listener.take(&self.deltas.recv().await.unwrap());
        }
        assert_eq!(listener.sealed.keys().last(), Some(&head.number.0));
    }

    /// Ends as a process does: the listener hears nothing more.
    async fn end(mut self, listener: &mut Listener) {
        self.stop.cancel();
        (&mut self.producer).await.ok();
        self.drain(listener);
    }
}

async fn send(life: &Life, dice: &mut Dice) -> bool {
    for _ in 0..1 + dice.below(5) {
        let sender = u8::try_from(1 + dice.below(4)).unwrap();
        let sent = transfer(sender, life.next_nonce(sender));
        if life.pool.submit(sent.encoded_bytes().clone()).await.is_err() {
            return false;
        }
        if dice.below(2) == 0 {
            tokio::task::yield_now().await;
        }
    }
    true
}

/// Everything signed and not taken back is in the chain, and contradicts neither the chain nor each other.
fn assert_true(seed: u64, life: &Life, listener: &Listener) {
    for (number, witnessed) in &listener.signed {
        let block = life
            .world
            .chain()
            .block_by_number(L2BlockNumber(*number))
            .unwrap();
        let block =
            block.unwrap_or_else(|| panic!("seed {seed}: block {number} was signed and is not there"));
        let hashes: Vec<B256> = block
            .block
            .body
            .transactions
            .iter()
            .map(OpTxEnvelope::tx_hash)
            .collect();
        let signed = SignedStatement::decode(&witnessed.signed).unwrap();
        let opening = OpeningFields::of_header(&block.block.header).digest();
        let digest_at = |count: u32| {
            let count = usize::try_from(count).unwrap();
            hashes[..count]
                .iter()
                .fold(opening, |digest, hash| digest.then(*hash))
        };
        match signed.statement.subject {
            Subject::Block(sealed) => assert_eq!(sealed.hash, block.hash, "seed {seed}"),
            Subject::Preconfirmation(delta) => {
                assert_eq!(
                    digest_at(delta.first),
                    delta.before,
                    "seed {seed}, block {number}"
                );
                assert_eq!(
                    digest_at(delta.first + delta.count),
                    delta.after,
                    "seed {seed}, block {number}"
                );
            }
        }
    }
    for (index, (number, first)) in listener.signed.iter().enumerate() {
        for (_, second) in listener.signed[index + 1..]
            .iter()
            .filter(|(other, _)| other == number)
        {
            let evidence = Evidence {
                chain_id: CHAIN_ID,
                first: first.clone(),
                second: second.clone(),
            };
            assert_eq!(evidence.verify(), Err(EvidenceError::NoConflict), "seed {seed}");
        }
    }
}

#[test]
fn deltas_add_up_to_their_blocks_through_crashes_and_blocks_taken_back() {
    let (mut deltas, mut reverted, mut signed) = (0, 0, 0);
    for seed in 0..60 {
        story(async {
            let machine = Machine::new();
            let mut dice = Dice(seed);
            let mut listener = Listener::default();
            for _ in 0..4 {
                let mut heard = Heard::new(machine.boot().await, Some(signing()), &mut listener);
                machine.disk.cut_power_after(20 + dice.below(80) as u64);
                let mut lives = true;
                while lives {
                    let (life, bursts) = (&heard.life, 1 + dice.below(3));
                    lives = life
                        .build_while(async {
                            for _ in 0..bursts {
                                if !send(life, &mut dice).await {
                                    return false;
                                }
                            }
                            dice.below(4) > 0 || life.journal.durable().await.is_ok()
                        })
                        .await;
                    heard.drain(&mut listener);
                    if lives && dice.below(5) == 0 {
                        let (safe, head) = (0, usize::try_from(heard.life.world.head().number.0).unwrap());
                        let to = L2BlockNumber(safe + dice.below(head) as u64);
                        lives = heard.take_back(to, &mut listener).await;
                    }
                }
                heard.end(&mut listener).await;
                if dice.below(3) == 0 {
                    machine.disk.restart();
                } else {
                    machine.disk.power_up(|limit| dice.below(limit));
                }
            }
            let mut heard = Heard::new(machine.boot().await, Some(signing()), &mut listener);
            for _ in 0..2 {
                let life = &heard.life;
                assert!(
                    life.build_while(async { life.journal.durable().await.is_ok() })
                        .await
                );
            }
            heard.catch_up(&mut listener).await;
            assert_true(seed, &heard.life, &listener);
            deltas += listener.deltas;
            reverted += listener.reverted;
            signed += listener.signed.len();
            heard.end(&mut listener).await;
        });
    }
    println!("{deltas} deltas, {reverted} reverted, {signed} signatures that held; seeds 0 to 59");
    assert!(
        reverted > 20 && signed > 200,
        "{reverted} reverted, {signed} signed"
    );
}

#[test]
fn an_orderly_restart_goes_on_with_the_open_block_and_contradicts_no_signature() {
    story(async {
        let machine = Machine::new();
        let mut listener = Listener::default();
        let mut heard = Heard::new(machine.boot().await, Some(signing()), &mut listener);
        let life = &heard.life;
        let stopped = life.build_while(async {
            for (sender, nonce) in [(3, 0), (1, 0), (2, 0)] {
                life.pool
                    .submit(transfer(sender, nonce).encoded_bytes().clone())
                    .await
                    .unwrap();
            }
            let mut tips = life.world.chain().subscribe_pending();
            tips.wait_for(|tip| tip.transactions == 4).await.unwrap();
            let mut told = 0;
            while told < 4 {
                let delta = heard.deltas.recv().await.unwrap();
                told += delta.transactions.len();
                listener.take(&delta);
            }
            false
        });
        assert!(!stopped.await);
        heard.life.journal.durable().await.unwrap();
        heard.end(&mut listener).await;
        assert_eq!(listener.reverted, 0, "stopping takes nothing back");
        machine.disk.restart();
        // A block opened now would have another origin.
        machine.l1.mine();

        let mut heard = Heard::new(machine.boot().await, Some(signing()), &mut listener);
        let life = &heard.life;
        assert!(
            life.build_while(async { life.journal.durable().await.is_ok() })
                .await
        );
        heard.catch_up(&mut listener).await;
        assert_true(0, &heard.life, &listener);
        // At least a delta in each life, and the seal.
        assert!(listener.signed.len() >= 3);
        heard.end(&mut listener).await;
    });
}

#[test]
fn who_comes_later_hears_the_open_block_from_its_start_and_without_a_key_nothing_is_signed() {
    story(async {
        let machine = Machine::new();
        let mut listener = Listener::default();
        let mut heard = Heard::new(machine.boot().await, None, &mut listener);
        let stop = CancellationToken::new();
        let late = Preconfirmations::new(heard.life.world.chain().clone(), None, stop.clone());
        let life = &heard.life;
        let mut later = None;
        let built = life.build_while(async {
            life.pool
                .submit(transfer(1, 0).encoded_bytes().clone())
                .await
                .unwrap();
            let mut tips = life.world.chain().subscribe_pending();
            tips.wait_for(|tip| tip.transactions == 2).await.unwrap();
            later = Some(late.listen());
            life.pool
                .submit(transfer(2, 0).encoded_bytes().clone())
                .await
                .unwrap();
            true
        });
        assert!(built.await);
        heard.catch_up(&mut listener).await;
        let (told, mut deltas) = later.unwrap();
        let mut late_listener = Listener::default();
        told.iter().for_each(|delta| late_listener.take(delta));
        while late_listener.sealed.is_empty() {
            late_listener.take(&deltas.recv().await.unwrap());
        }
        assert_eq!(late_listener.sealed, listener.sealed);
        assert!(listener.signed.is_empty());
        stop.cancel();
        heard.end(&mut listener).await;
    });
}
