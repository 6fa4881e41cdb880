#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

use super::{segment::file_name, testing::MemoryDisk, *};
use alloy::primitives::keccak256;
use std::collections::BTreeMap;
use std::sync::mpsc;
use tributary_protocol::attributes::BlockAttributes;

const IDENTITY: ChainIdentity = ChainIdentity {
    chain_id: 901,
    genesis_hash: B256::repeat_byte(7),
};

fn settings() -> Settings {
    Settings {
        segment_bytes: 4_000,
        segments_max: 3,
        linger: Duration::ZERO,
        pace: Duration::ZERO,
        free_bytes_min: 0,
        ..Settings::default()
    }
}

fn open(disk: &MemoryDisk) -> (Journal, Recovered) {
    Journal::open(Box::new(disk.clone()), IDENTITY, settings()).unwrap()
}

fn raw(salt: u64) -> Bytes {
    // Like a transfer in size.
    keccak256(salt.to_be_bytes()).0.repeat(4).into()
}

fn hash(salt: u64) -> B256 {
    keccak256(raw(salt))
}

const SENDER: Address = Address::repeat_byte(3);

fn opened(number: u64) -> Opened {
    Opened {
        number: L2BlockNumber(number),
        parent: B256::with_last_byte(number.to_be_bytes()[7]),
        attributes: BlockAttributes {
            timestamp: number,
            transactions: vec![Bytes::from_static(&[0x7e])],
            ..BlockAttributes::default()
        },
    }
}

/// Waits for the sync that covers everything so far.
fn settle(journal: &Journal) -> Result<(), Arc<JournalError>> {
    let (sender, receiver) = mpsc::channel();
    journal.when_durable(Box::new(move |result| drop(sender.send(result))));
    receiver.recv().unwrap()
}

fn admit(journal: &Journal, salt: u64) -> u64 {
    journal.admit(hash(salt), SENDER, &raw(salt), salt, None)
}

fn execute(journal: &Journal, salt: u64) {
    journal.executed(hash(salt), SENDER, &raw(salt), Box::new(|_| {}));
}

fn hashes(transactions: &[RecoveredTransaction]) -> Vec<B256> {
    transactions.iter().map(|transaction| transaction.hash).collect()
}

#[test]
fn what_was_open_owed_and_waiting_comes_back_as_it_was() {
    let disk = MemoryDisk::default();
    let (journal, recovered) = open(&disk);
    assert!(recovered.blocks.is_empty() && recovered.owed.is_empty() && recovered.waiting.is_empty());
    for salt in 1..=6 {
        assert_eq!(admit(&journal, salt), salt);
    }
    journal.opened(opened(1));
    execute(&journal, 2);
    execute(&journal, 1);
    journal.abandoned();
    journal.opened(opened(1));
    execute(&journal, 2);
    journal.dropped([5]);
    settle(&journal).unwrap();
    journal.close();

    let (_, recovered) = open(&disk);
    let [block] = &recovered.blocks[..] else {
        panic!("one block was open");
    };
    assert_eq!(block.opened, opened(1));
    assert!(!block.is_closed);
    assert_eq!(hashes(&block.executed), [hash(2)]);
    assert_eq!(
        hashes(&recovered.owed),
        [hash(1)],
        "executed before, and in no block now"
    );
    assert_eq!(hashes(&recovered.waiting), [hash(3), hash(4), hash(6)]);
    let third = &recovered.waiting[0];
    assert_eq!(
        (third.sequence, third.arrival_micros, third.sender, &third.raw),
        (3, 3, SENDER, &raw(3))
    );
}

#[test]
fn a_block_that_is_being_sealed_comes_back_before_the_open_one() {
    let disk = MemoryDisk::default();
    let (journal, _) = open(&disk);
    for salt in 1..=5 {
        admit(&journal, salt);
    }
    journal.opened(opened(1));
    execute(&journal, 2);
    journal.closed(L2BlockNumber(1));
    // Its hash is not known.
    let on_it = || Opened {
        parent: B256::ZERO,
        ..opened(2)
    };
    journal.opened(on_it());
    execute(&journal, 1);
    settle(&journal).unwrap();
    let place = |salt| journal.order(hash(salt)).unwrap().place.unwrap();
    let index = u32::try_from(opened(1).attributes.transactions.len()).unwrap();
    assert_eq!(place(2), (L2BlockNumber(1), index));
    assert_eq!(place(1), (L2BlockNumber(2), index));

    let blocks = |journal: &Journal| {
        settle(journal).unwrap();
        let (_, recovered) = open(&disk);
        let blocks = recovered.blocks.into_iter();
        let blocks: Vec<_> = blocks
            .map(|block| (block.opened, hashes(&block.executed), block.is_closed))
            .collect();
        (blocks, hashes(&recovered.owed))
    };
    let closed = (opened(1), vec![hash(2)], true);
    assert_eq!(blocks(&journal).0, [closed, (on_it(), vec![hash(1)], false)]);

    let sealed_as = B256::repeat_byte(7);
    journal.sealed(L2BlockNumber(1), sealed_as);
    let known = Opened {
        parent: sealed_as,
        ..on_it()
    };
    assert_eq!(blocks(&journal).0, [(known, vec![hash(1)], false)]);

    journal.closed(L2BlockNumber(2));
    journal.opened(Opened {
        number: L2BlockNumber(3),
        ..on_it()
    });
    execute(&journal, 4);
    journal.abandoned();
    let (none, owed) = blocks(&journal);
    assert!(none.is_empty());
    assert_eq!(owed, [hash(1), hash(4)], "in the order they were executed");
}

#[test]
fn what_a_reorg_takes_back_goes_before_what_was_open() {
    let disk = MemoryDisk::default();
    let (journal, _) = open(&disk);
    for salt in 1..=4 {
        admit(&journal, salt);
    }
    journal.opened(opened(1));
    execute(&journal, 1);
    execute(&journal, 2);
    journal.sealed(L2BlockNumber(1), B256::ZERO);
    journal.opened(opened(2));
    execute(&journal, 3);
    let blocks = [1, 2].map(|salt| (SENDER, raw(salt)));
    journal.reverted(L2BlockNumber(0), blocks.into_iter()).unwrap();
    // The builder learns of it a moment later.
    execute(&journal, 4);
    journal.abandoned();
    settle(&journal).unwrap();
    assert_eq!(
        journal.order(hash(1)).unwrap().arrival_micros,
        1,
        "when it came stays"
    );

    let (_, recovered) = open(&disk);
    assert!(recovered.blocks.is_empty());
    assert_eq!(hashes(&recovered.owed), [hash(1), hash(2), hash(3)]);
    assert_eq!(hashes(&recovered.waiting), [hash(4)]);
}

#[test]
fn order_is_known_while_waiting_in_the_open_block_and_after_sealing() {
    let disk = MemoryDisk::default();
    let (journal, _) = open(&disk);
    let place = |salt| {
        journal
            .order(hash(salt))
            .map(|entry| (entry.sequence, entry.place))
    };
    assert_eq!(place(1), None);
    admit(&journal, 1);
    assert_eq!(place(1), Some((1, None)));
    journal.opened(opened(9));
    execute(&journal, 1);
    let expected = Some((1, Some((L2BlockNumber(9), 1))));
    assert_eq!(place(1), expected, "behind the forced transaction");
    journal.sealed(L2BlockNumber(9), B256::ZERO);
    assert_eq!(place(1), expected);
}

#[test]
fn one_sync_covers_all_that_has_gathered_and_none_is_told_before_it() {
    let disk = MemoryDisk::default();
    let (journal, _) = open(&disk);
    let before = disk.syncs();
    let (sender, receiver) = mpsc::channel();
    for salt in 0..200 {
        let (sender, disk) = (sender.clone(), disk.clone());
        let waiter = move |result: Result<(), _>| sender.send((result.is_ok(), disk.syncs())).unwrap();
        journal.admit(hash(salt), SENDER, &raw(salt), 0, Some(Box::new(waiter)));
    }
    for _ in 0..200 {
        let (ok, syncs) = receiver.recv().unwrap();
        assert!(ok && syncs > before);
    }
}

#[test]
fn f31_a_failed_sync_is_final_and_everyone_who_waits_is_told() {
    let disk = MemoryDisk::default();
    disk.make_no_room();
    let (journal, _) = open(&disk);
    admit(&journal, 1);
    settle(&journal).unwrap();
    disk.fail_syncs();
    admit(&journal, 2);
    let error = settle(&journal).unwrap_err();
    assert!(
        error.to_string().contains("cannot sync 0000000000000001.journal"),
        "{error}"
    );
    let operations = disk.operations();
    disk.restart();
    assert!(settle(&journal).is_err(), "it is not tried again");
    let refusal = journal.check_writable().unwrap_err();
    assert!(refusal.contains("input/output error"), "{refusal}");
    assert_eq!(disk.operations(), operations, "nothing is written any more");
    let nothing = core::iter::empty();
    assert!(journal.reverted(L2BlockNumber(0), nothing).is_err());
}

#[test]
fn f31_a_full_disk_is_an_error_and_what_was_synced_is_read_back() {
    let disk = MemoryDisk::default();
    disk.make_no_room();
    let (journal, _) = open(&disk);
    admit(&journal, 1);
    settle(&journal).unwrap();
    disk.set_capacity(disk.bytes() + 30);
    admit(&journal, 2);
    let error = settle(&journal).unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    disk.set_capacity(u64::MAX);
    let (_, recovered) = open(&disk);
    assert_eq!(hashes(&recovered.waiting), [hash(1)]);
}

#[test]
fn f36_below_the_free_bytes_nothing_new_is_taken() {
    let disk = MemoryDisk::default();
    disk.set_capacity(1_000);
    let settings = Settings {
        free_bytes_min: 10_000,
        ..settings()
    };
    let (journal, _) = Journal::open(Box::new(disk), IDENTITY, settings).unwrap();
    admit(&journal, 1);
    // Two, so that the look after the first is over.
    settle(&journal).unwrap();
    settle(&journal).unwrap();
    let refusal = journal.check_writable().unwrap_err();
    assert!(
        refusal.contains("10000 must stay free (journal-free-bytes-min)"),
        "{refusal}"
    );
}

#[test]
fn f31_a_flipped_bit_names_file_and_offset_or_costs_only_the_last_batch() {
    let disk = MemoryDisk::default();
    disk.make_no_room();
    let (journal, _) = open(&disk);
    for salt in 1..=12 {
        admit(&journal, salt);
        settle(&journal).unwrap();
    }
    journal.close();
    let length = usize::try_from(disk.bytes()).unwrap();
    let name = file_name(1);
    let last_batch = length - (8 + 17 + 8 + 1 + 8 + 8 + 20 + 128);
    for offset in 0..length {
        disk.flip(&name, offset);
        let result = Journal::open(Box::new(crate::journal::tests::copy(&disk)), IDENTITY, settings());
        match result {
            Err(JournalError::Corrupt {
                file, offset: found, ..
            }) => {
                assert!(offset < last_batch, "offset {offset}");
                assert!(
                    file == name && found <= offset as u64,
                    "offset {offset}: {file} {found}"
                );
            }
            Err(error) => panic!("offset {offset}: {error}"),
            Ok((_, recovered)) => {
                assert!(offset >= last_batch, "offset {offset} was lost in silence");
                assert_eq!(recovered.waiting.len(), 11);
            }
        }
        disk.flip(&name, offset);
    }
}

/// Bytes in each of the files.
fn lengths(disk: &MemoryDisk) -> Vec<usize> {
    let mut disk = disk.clone();
    let names = disk.list().unwrap();
    let lengths = names.iter().map(|name| disk.read(name).unwrap().len());
    lengths.collect()
}

#[test]
fn a_segment_with_room_ends_where_it_was_written_to_whatever_becomes_of_the_room() {
    let disk = MemoryDisk::default();
    let room = usize::try_from(4_000 + writer::ROOM_FOR_LAST_BATCH).unwrap();
    let (journal, _) = open(&disk);
    // The first had none, and is left as soon as there is some.
    admit(&journal, 1);
    settle(&journal).unwrap();
    admit(&journal, 2);
    settle(&journal).unwrap();
    assert_eq!(lengths(&disk)[1..], [room]);
    // So many that it is full: what is left of its room goes.
    for salt in 3..30 {
        admit(&journal, salt);
        settle(&journal).unwrap();
    }
    let found = lengths(&disk);
    assert_eq!((found.len(), found[2]), (3, room));
    assert!((4_000..5_000).contains(&found[1]), "{found:?}");
    journal.close();
    let expected: Vec<_> = (1..30).map(hash).collect();
    for cut_survives in [false, true] {
        let disk = copy(&disk);
        // What happened to the second segment when it was full: the power may go before that is on the disk.
        let left = if cut_survives { 0 } else { room - found[1] };
        let mut changed = disk.clone();
        changed.append(&file_name(2), &vec![0; left]).unwrap();
        disk.restart();
        let (journal, recovered) = open(&disk);
        assert_eq!(hashes(&recovered.waiting), expected);
        // It goes on in the last segment, after what was written to that.
        admit(&journal, 30);
        settle(&journal).unwrap();
        disk.restart();
        let (_, recovered) = open(&disk);
        assert_eq!(recovered.waiting.last().unwrap().hash, hash(30));
    }
    // Anything but zeros there is damage.
    let mut damaged = copy(&disk);
    damaged.append(&file_name(2), &[0, 0, 1]).unwrap();
    let refused = Journal::open(Box::new(damaged), IDENTITY, settings());
    assert!(
        matches!(refused, Err(JournalError::Corrupt { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_folder_makes_room_and_forgets_it_when_it_is_opened_again() {
    let path = tempfile::tempdir().unwrap();
    let mut folder = Folder::open(path.path()).unwrap();
    assert!(!folder.create("a").unwrap(), "none was made");
    folder.prepare(3_000_000);
    while !folder.is_prepared() {
        thread::yield_now();
    }
    assert_eq!(folder.list().unwrap(), ["a"]);
    assert!(folder.create("b").unwrap());
    folder.append("b", &[1, 2]).unwrap();
    folder.append("b", &[3]).unwrap();
    folder.sync("b").unwrap();
    let bytes = folder.read("b").unwrap();
    assert_eq!((bytes.len(), &bytes[..4]), (3_000_000, &[1, 2, 3, 0][..]));
    folder.truncate("b", 3).unwrap();
    folder.append("b", &[4]).unwrap();
    assert_eq!(folder.read("b").unwrap(), [1, 2, 3, 4]);
    assert!(!folder.create("c").unwrap(), "it was used");
    // One that is being made when the process ends.
    folder.prepare(1 << 40);
    drop(folder);
    let mut folder = Folder::open(path.path()).unwrap();
    assert_eq!(
        std::fs::read_dir(path.path()).unwrap().count(),
        4,
        "three files and the lock"
    );
    folder.append("a", &[5]).unwrap();
    assert_eq!(folder.read("a").unwrap(), [5]);
}

/// A disk with the same bytes of its own.
fn copy(disk: &MemoryDisk) -> MemoryDisk {
    let (mut from, mut to) = (disk.clone(), MemoryDisk::default());
    for name in from.list().unwrap() {
        let bytes = from.read(&name).unwrap();
        to.create(&name).unwrap();
        to.append(&name, &bytes).unwrap();
        to.sync(&name).unwrap();
    }
    to.sync_folder().unwrap();
    to
}

#[test]
fn another_chains_or_an_incomplete_journal_is_refused() {
    let disk = MemoryDisk::default();
    let (journal, _) = open(&disk);
    for salt in 1..=100 {
        admit(&journal, salt);
        settle(&journal).unwrap();
    }
    journal.close();
    let other = ChainIdentity {
        chain_id: 1,
        ..IDENTITY
    };
    let error = Journal::open(Box::new(copy(&disk)), other, settings()).unwrap_err();
    assert!(matches!(error, JournalError::OtherChain { .. }), "{error}");
    let names = disk.clone().list().unwrap();
    assert!(names.len() > 2, "{names:?}");
    let holed = copy(&disk);
    holed.lose(&names[1]);
    let error = Journal::open(Box::new(holed), IDENTITY, settings()).unwrap_err();
    assert!(matches!(error, JournalError::Missing { .. }), "{error}");
}

#[test]
fn the_disk_stays_bounded_while_one_transaction_never_leaves() {
    let disk = MemoryDisk::default();
    let (journal, _) = open(&disk);
    admit(&journal, 1_000_000);
    let mut most = 0;
    for block in 1..=300 {
        journal.opened(opened(block));
        for salt in 0..5 {
            admit(&journal, block * 10 + salt);
            execute(&journal, block * 10 + salt);
        }
        journal.sealed(L2BlockNumber(block), B256::ZERO);
        settle(&journal).unwrap();
        most = most.max(disk.bytes());
    }
    assert!(most < 5 * 6_000 + writer::ROOM_FOR_LAST_BATCH, "{most} bytes");
    let (_, recovered) = open(&disk);
    assert_eq!(hashes(&recovered.waiting), [hash(1_000_000)]);
    assert_eq!(
        recovered.waiting[0].sequence, 1,
        "written again, it keeps its place"
    );
}

#[test]
fn what_was_recovered_after_the_process_died_outlives_a_power_cut() {
    let live = |journal: &Journal| {
        (1..=60).all(|salt| {
            admit(journal, salt);
            settle(journal).is_ok()
        })
    };
    let whole = MemoryDisk::default();
    assert!(live(&open(&whole).0));
    let segments = whole.clone().list().unwrap().len();
    assert!(segments > 1, "one segment has no turn to the next");
    for cut in 0..whole.operations() {
        let disk = MemoryDisk::default();
        disk.cut_power_after(cut);
        if let Ok((journal, _)) = Journal::open(Box::new(disk.clone()), IDENTITY, settings()) {
            live(&journal);
        }
        disk.restart();
        let (journal, recovered) = open(&disk);
        journal.close();
        // The worst that it can do: everything that was not synced is lost.
        disk.power_up(|limit| usize::from(limit == 2));
        let (_, again) = open(&disk);
        assert_eq!(again.waiting, recovered.waiting, "operation {cut}");
    }
}

/// A small generator of our own, so that a seed means the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % limit.max(1) as u64).unwrap()
    }
}

/// What had been promised when the power went: the answers that were given.
#[derive(Default)]
struct Promises {
    taken: BTreeMap<u64, u64>,
    /// By block, in order.
    executed: BTreeMap<u64, Vec<u64>>,
}

#[test]
fn f30_after_any_power_cut_what_was_answered_is_there_and_in_order() {
    for seed in 0..500 {
        let disk = MemoryDisk::default();
        let mut dice = Dice(seed);
        let (journal, _) = open(&disk);
        disk.cut_power_after(3 + dice.below(200) as u64);
        let (told, answers) = mpsc::channel();
        let mut model = Promises::default();
        let (mut block, mut sealing) = (0, None);
        let mut all_executed: Vec<u64> = Vec::new();
        for salt in 1..4_000 {
            let taken = told.clone();
            let waiter = move |result: Result<(), _>| {
                if result.is_ok() {
                    taken.send((0, salt)).unwrap();
                }
            };
            journal.admit(hash(salt), SENDER, &raw(salt), 0, Some(Box::new(waiter)));
            if block == 0 || dice.below(12) == 0 {
                if let Some(below) = sealing.take() {
                    journal.sealed(L2BlockNumber(below), B256::ZERO);
                }
                if block > 0 && dice.below(2) == 0 {
                    journal.sealed(L2BlockNumber(block), B256::ZERO);
                } else if block > 0 {
                    journal.closed(L2BlockNumber(block));
                    sealing = Some(block);
                }
                block += 1;
                journal.opened(opened(block));
            }
            if dice.below(4) > 0 {
                let (executed, this_block) = (told.clone(), block);
                let waiter = move |result: Result<(), _>| {
                    if result.is_ok() {
                        executed.send((this_block, salt)).unwrap();
                    }
                };
                all_executed.push(salt);
                journal.executed(hash(salt), SENDER, &raw(salt), Box::new(waiter));
            }
            if dice.below(3) == 0 && settle(&journal).is_err() {
                break;
            }
        }
        assert!(settle(&journal).is_err(), "seed {seed}: the power went");
        drop(told);
        for (at, salt) in answers.try_iter() {
            if at == 0 {
                model.taken.insert(salt, salt);
            } else {
                model.executed.entry(at).or_default().push(salt);
            }
        }
        disk.power_up(|limit| dice.below(limit));
        let (_, recovered) = open(&disk);
        let blocks = &recovered.blocks;
        let numbers: Vec<_> = blocks.iter().map(|block| block.opened.number.0).collect();
        assert!(
            numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]) && numbers.len() <= 2,
            "seed {seed}: {numbers:?}"
        );
        for (number, executed) in &model.executed {
            let promised: Vec<_> = executed.iter().map(|salt| hash(*salt)).collect();
            match blocks.iter().find(|block| block.opened.number.0 == *number) {
                Some(block) => assert!(
                    hashes(&block.executed).starts_with(&promised),
                    "seed {seed}: block {number} lost a transaction or its order"
                ),
                None => assert!(
                    numbers.iter().all(|other| other > number),
                    "seed {seed}: block {number} is neither sealed nor there"
                ),
            }
        }
        let sealed_or_known = |salt: &u64| {
            let hash = hash(*salt);
            let lists = [&recovered.owed, &recovered.waiting];
            let executed = blocks.iter().flat_map(|block| &block.executed);
            executed.clone().any(|it| it.hash == hash)
                || lists.iter().any(|list| list.iter().any(|it| it.hash == hash))
                || all_executed.contains(salt)
        };
        for salt in model.taken.keys() {
            assert!(
                sealed_or_known(salt),
                "seed {seed}: transaction {salt} was answered and is gone"
            );
        }
        let sequences: Vec<_> = recovered.waiting.iter().map(|waiting| waiting.sequence).collect();
        assert!(sequences.is_sorted(), "seed {seed}");
    }
    println!("500 power cuts, seeds 0 to 499");
}
