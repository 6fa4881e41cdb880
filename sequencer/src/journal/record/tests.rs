//! Records as bytes: round trips, golden bytes, and bytes that are none.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

use super::*;
use alloy::primitives::hex;
use proptest::prelude::*;

fn admission() -> impl Strategy<Value = Admission> {
    (
        any::<u64>(),
        any::<u64>(),
        any::<[u8; 20]>(),
        prop::collection::vec(any::<u8>(), 1..300),
    )
        .prop_map(|(sequence, arrival_micros, sender, raw)| Admission {
            sequence,
            arrival_micros,
            sender: sender.into(),
            raw: raw.into(),
        })
}

fn opened() -> impl Strategy<Value = Opened> {
    let bytes = prop::collection::vec(any::<u8>(), 0..50).prop_map(Bytes::from);
    let attributes = (
        any::<(u64, [u8; 32], [u8; 20], [u8; 32], u64)>(),
        any::<([u8; 8], Option<u64>, bool)>(),
        prop::collection::vec(bytes, 0..4),
    );
    (any::<(u64, [u8; 32])>(), attributes).prop_map(|((number, parent), (first, second, transactions))| {
        Opened {
            number: L2BlockNumber(number),
            parent: parent.into(),
            attributes: BlockAttributes {
                timestamp: first.0,
                prev_randao: first.1.into(),
                fee_recipient: first.2.into(),
                parent_beacon_block_root: first.3.into(),
                gas_limit: first.4,
                eip1559_params: second.0.into(),
                min_base_fee: second.1,
                no_tx_pool: second.2,
                transactions,
            },
        }
    })
}

fn record() -> impl Strategy<Value = Record> {
    let number = any::<u64>().prop_map(L2BlockNumber);
    let sequences = || prop::collection::vec(any::<u64>(), 0..6);
    prop_oneof![
        admission().prop_map(Record::Admitted),
        any::<u64>().prop_map(|sequence| Record::Dropped(sequence, DropReason::Removed)),
        opened().prop_map(Record::Opened),
        (number.clone(), any::<(u32, u64)>()).prop_map(|(number, (index, sequence))| Record::Executed {
            number,
            index,
            sequence
        }),
        (number.clone(), any::<[u8; 32]>()).prop_map(|(number, hash)| Record::Sealed {
            number,
            hash: hash.into()
        }),
        number.clone().prop_map(Record::Abandoned),
        number.clone().prop_map(Record::Closed),
        number.prop_map(Record::Reverted),
        admission().prop_map(Record::Returned),
        (
            any::<u64>(),
            sequences(),
            prop::option::of((opened(), sequences())),
            prop::option::of((opened(), sequences())),
        )
            .prop_map(
                |(next_sequence, owed, closed, open)| Record::State(Box::new(State {
                    next_sequence,
                    owed,
                    closed,
                    open
                }))
            ),
    ]
}

fn encoded(record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    record.encode(&mut out);
    out
}

proptest! {
    #[test]
    fn records_round_trip_and_nothing_shorter_or_longer_is_one(record in record(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&record);
        prop_assert_eq!(Record::decode(&bytes), Ok(record.clone()));
        let takes_the_rest = matches!(record, Record::Admitted(_) | Record::Returned(_));
        let longer = [&bytes[..], &[0]].concat();
        prop_assert!(takes_the_rest || Record::decode(&longer).is_err());
        let shorter = &bytes[..cut.index(bytes.len())];
        prop_assert_ne!(Record::decode(shorter), Ok(record));
    }

    #[test]
    fn what_decodes_is_what_was_written(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(record) = Record::decode(&bytes) {
            prop_assert_eq!(encoded(&record), bytes);
        }
    }
}

#[test]
fn records_have_the_bytes_the_document_says() {
    let admitted = Record::Admitted(Admission {
        sequence: 7,
        arrival_micros: 0x0006_4000_0000_0001,
        sender: Address::repeat_byte(0xaa),
        raw: Bytes::from_static(&[2, 0xc0]),
    });
    let executed = Record::Executed {
        number: L2BlockNumber(3),
        index: 1,
        sequence: 7,
    };
    let sealed = Record::Sealed {
        number: L2BlockNumber(3),
        hash: B256::repeat_byte(0xbb),
    };
    let state = Record::State(Box::new(State {
        next_sequence: 8,
        owed: vec![7],
        ..State::default()
    }));
    let document = include_str!("../../../../docs/journal.md");
    for (name, record) in [
        ("admitted", admitted),
        ("dropped", Record::Dropped(7, DropReason::Removed)),
        ("executed", executed),
        ("sealed", sealed),
        ("closed", Record::Closed(L2BlockNumber(3))),
        ("state", state),
    ] {
        let marker = format!("```vector {name}\n");
        let (_, after) = document.split_once(&marker).unwrap();
        let text: String = after.split("```").next().unwrap().split_whitespace().collect();
        assert_eq!(hex::encode(encoded(&record)), text, "{name}");
    }
}

#[test]
fn malformed_bodies_are_refused() {
    let table: [(&[u8], DecodeError); 8] = [
        (&[], "value ends early"),
        (&[0], "unknown kind of record"),
        (&[11], "unknown kind of record"),
        (&[10, 0, 0, 0, 0, 0, 0, 0], "value ends early"),
        (&[2, 0, 0, 0, 0, 0, 0, 0, 1, 2], "unknown reason"),
        (&[6, 0, 0, 0, 0, 0, 0, 0, 1, 0], "value has trailing bytes"),
        // A count of four thousand million sequences in a few bytes.
        (
            &[9, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0],
            "value ends early",
        ),
        (
            &[9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 4],
            "unknown flag of a state",
        ),
    ];
    for (bytes, expected) in table {
        assert_eq!(Record::decode(bytes), Err(expected), "{bytes:02x?}");
    }
    let nothing_sent = [&[1][..], &[0; 36]].concat();
    assert_eq!(Record::decode(&nothing_sent), Err("no transaction"));
    assert_eq!(
        Record::decode(&vec![1; RECORD_BYTES_MAX + 1]),
        Err("record is over the limit")
    );
}
