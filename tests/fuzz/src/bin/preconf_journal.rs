//! The sequencer's journal on disk: a segment is read to the last good byte or refused, never to something that was not written, and what a
//! record decodes to encodes to the same bytes.
//!
//! Input: a segment, or a record's body.
#![no_main]

use alloy_primitives::{Address, B256, Bytes};
use tributary_fuzz::{
    memory,
    seeds::{Seeds, add},
    target,
};
use tributary_protocol::{attributes::BlockAttributes, block::L2BlockNumber};
use tributary_sequencer::{
    journal::{
        record::{Admission, DropReason, Opened, Record, State},
        segment,
    },
    store::ChainIdentity,
};

target!(run, seeds);

const IDENTITY: ChainIdentity = ChainIdentity {
    chain_id: 901,
    genesis_hash: B256::repeat_byte(1),
};

fn run(data: &[u8]) {
    // The smallest record is 17 bytes on disk and some hundreds in memory; lists grow by doubling.
    memory::within(16_384 + 128 * data.len(), || check(data));
}

fn check(data: &[u8]) {
    if let Ok(record) = Record::decode(data) {
        let mut written = Vec::new();
        record.encode(&mut written);
        assert_eq!(written, data, "a record has one encoding");
    }
    if let Ok(contents) = segment::read(data, 1, IDENTITY) {
        let good = usize::try_from(contents.good_bytes).expect("it was in memory");
        assert!(good <= data.len());
        if contents.previous_bytes.is_some() {
            let again = segment::read(&data[..good], 1, IDENTITY).expect("the good part is good");
            assert_eq!(again.records, contents.records);
        }
    }
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let opened = Opened {
        number: L2BlockNumber(3),
        parent: B256::repeat_byte(4),
        attributes: BlockAttributes {
            transactions: vec![Bytes::from_static(&[0x7e, 0xc0])],
            ..BlockAttributes::default()
        },
    };
    let admission = Admission {
        sequence: 7,
        arrival_micros: 8,
        sender: Address::repeat_byte(5),
        raw: Bytes::from_static(&[2, 0xc0]),
    };
    let state = State {
        next_sequence: 8,
        owed: vec![1, 2],
        closed: Some((opened.clone(), vec![4])),
        open: Some((opened.clone(), vec![3])),
    };
    let records = [
        Record::State(Box::new(State {
            next_sequence: 1,
            ..State::default()
        })),
        Record::Admitted(admission.clone()),
        Record::Opened(opened),
        Record::Executed {
            number: L2BlockNumber(3),
            index: 1,
            sequence: 7,
        },
        Record::Sealed {
            number: L2BlockNumber(3),
            hash: B256::repeat_byte(6),
        },
        Record::Dropped(9, DropReason::Removed),
        Record::Abandoned(L2BlockNumber(4)),
        Record::Reverted(L2BlockNumber(2)),
        Record::Returned(admission),
        Record::Closed(L2BlockNumber(5)),
        Record::State(Box::new(state)),
    ];
    for (index, record) in records.iter().enumerate() {
        let mut body = Vec::new();
        record.encode(&mut body);
        add(&mut seeds, &format!("record{index}"), &body);
    }
    let whole = segment::write(&records, 1, IDENTITY);
    add(&mut seeds, "torn", &whole[..whole.len() - 5]);
    add(&mut seeds, "segment", &whole);
    seeds
}
