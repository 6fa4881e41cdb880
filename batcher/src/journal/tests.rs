//! The journal on a disk that loses what was not synced, and on one that holds something else.

use super::{testing::MemoryDisk, *};
use alloy::primitives::Address;
use tributary_protocol::block::L2BlockNumber;
use tributary_protocol::block::{L1BlockId, L1BlockNumber, L2BlockId};

fn chain() -> JournalChain {
    JournalChain {
        l1_chain_id: 900,
        l2_chain_id: 901,
        l2_genesis: B256::repeat_byte(1),
        batcher: Address::repeat_byte(2),
    }
}

fn block(number: u64) -> L2BlockId {
    L2BlockId {
        hash: B256::with_last_byte(u8::try_from(number).unwrap()),
        number: L2BlockNumber(number),
    }
}

fn channel(first: u64, last: u64, payload: &[u8]) -> JournaledChannel {
    JournaledChannel {
        first: block(first),
        last: block(last),
        deadline: L1BlockNumber(99),
        payload: keccak256(payload),
        payload_size: u32::try_from(payload.len()).unwrap(),
        route: None,
        transactions: Vec::new(),
    }
}

/// Adds a channel, routes it, takes a nonce, sees it included, forgets it: every kind of change.
fn live(journal: &mut Journal) -> Result<(), JournalError> {
    journal.add(channel(1, 3, b"first"), b"first")?;
    journal.add(channel(4, 4, b"second"), b"second")?;
    journal.change(|channels| channels[0].route = Some(Route::Calldata))?;
    journal.change(|channels| {
        channels[0].transactions.push(JournaledTransaction {
            nonce: 7,
            attempts: Vec::new(),
            included: None,
        });
    })?;
    journal.change(|channels| channels[0].transactions[0].included = Some(L1BlockId::default()))?;
    journal.change(|channels| drop(channels.remove(0)))
}

#[test]
fn what_was_written_is_read_back_and_done_payloads_are_removed() {
    let disk = MemoryDisk::default();
    let mut journal = Journal::open(Box::new(disk.clone()), chain()).unwrap();
    live(&mut journal).unwrap();
    let read = Journal::open(Box::new(disk.clone()), chain()).unwrap();
    assert_eq!(read.channels(), journal.channels());
    assert_eq!(read.channels(), [channel(4, 4, b"second")]);
    assert_eq!(
        read.next_nonce(),
        8,
        "a nonce stays taken when its channel is forgotten"
    );
    assert_eq!(read.payload(keccak256(b"second")).unwrap(), b"second"[..]);
    assert_eq!(disk.list().unwrap().len(), 2, "the document and one payload");
}

#[test]
fn power_lost_at_any_operation_leaves_the_state_before_or_after_a_change() {
    let whole = MemoryDisk::default();
    live(&mut Journal::open(Box::new(whole.clone()), chain()).unwrap()).unwrap();
    let mut seen_empty_handed = 0;
    for cut in 0..whole.operations() {
        let disk = MemoryDisk::default();
        let mut journal = Journal::open(Box::new(disk.clone()), chain()).unwrap();
        disk.cut_power_at(cut);
        live(&mut journal).unwrap_err();
        let before = journal.channels().to_vec();
        drop(journal);
        disk.power_up();
        // It opens, names only whole payloads, and is at most one change ahead of what the batcher had been told.
        let mut journal = Journal::open(Box::new(disk), chain()).unwrap();
        seen_empty_handed += usize::from(journal.channels().is_empty());
        let after = journal.channels().to_vec();
        let step = after.len().abs_diff(before.len());
        assert!(step <= 1, "operation {cut}: {before:?} became {after:?}");
        journal.change(Vec::clear).unwrap();
    }
    assert!(seen_empty_handed > 0 && seen_empty_handed < whole.operations());
}

#[test]
fn what_was_read_after_the_process_died_outlives_a_power_cut() {
    let whole = MemoryDisk::default();
    live(&mut Journal::open(Box::new(whole.clone()), chain()).unwrap()).unwrap();
    for cut in 1..whole.operations() {
        let disk = MemoryDisk::default();
        let mut journal = Journal::open(Box::new(disk.clone()), chain()).unwrap();
        disk.cut_power_at(cut);
        live(&mut journal).unwrap_err();
        drop(journal);
        disk.restart_process();
        let read = Journal::open(Box::new(disk.clone()), chain()).unwrap();
        let channels = read.channels().to_vec();
        drop(read);
        disk.power_up();
        let again = Journal::open(Box::new(disk), chain()).unwrap();
        assert_eq!(again.channels(), channels, "operation {cut}");
    }
}

#[test]
fn a_journal_of_another_chain_is_refused_with_both() {
    let disk = MemoryDisk::default();
    live(&mut Journal::open(Box::new(disk.clone()), chain()).unwrap()).unwrap();
    let other = JournalChain {
        l2_chain_id: 902,
        ..chain()
    };
    let error = Journal::open(Box::new(disk), other).unwrap_err().to_string();
    assert!(
        error.contains("L2 chain 901") && error.contains("L2 chain 902"),
        "{error}"
    );
}

#[test]
fn a_damaged_journal_is_refused_and_left_alone() {
    let disk = MemoryDisk::default();
    live(&mut Journal::open(Box::new(disk.clone()), chain()).unwrap()).unwrap();
    let document = disk.read(DOCUMENT).unwrap().unwrap();
    let text = String::from_utf8(document.clone()).unwrap();
    let damaged = [
        document[..document.len() / 2].to_vec(),
        [&document[..], b"x"].concat(),
        text.replace("\"deadline\"", "\"dead\"").into_bytes(),
        text.replace("\"version\": 1", "\"version\": 2").into_bytes(),
        Vec::new(),
    ];
    for bytes in damaged {
        disk.clone().write(DOCUMENT, &bytes).unwrap();
        Journal::open(Box::new(disk.clone()), chain()).unwrap_err();
        assert_eq!(disk.read(DOCUMENT).unwrap(), Some(bytes));
    }
    disk.clone().write(DOCUMENT, &document).unwrap();
    disk.clone()
        .write(&payload_name(keccak256(b"second")), b"secone")
        .unwrap();
    let error = Journal::open(Box::new(disk), chain()).unwrap_err();
    assert!(
        matches!(error, JournalError::Payload { found: "damaged", .. }),
        "{error}"
    );
}
