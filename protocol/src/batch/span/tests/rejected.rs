//! Bytes that are no span batch, and blocks that make none.

use super::*;
use alloy_consensus::{TxEip4844, TxEip7702};
use alloy_rlp::Encodable;

#[test]
fn golden_span_is_cut_nowhere() {
    let golden = golden();
    let mut end = 0;
    for (field, bytes) in golden_fields() {
        for cut in end..end + bytes.len() {
            let error = decode(&golden[..cut]).expect_err("cut short");
            match (field, error) {
                ("type", SpanError::Type { found: None }) => {}
                ("templates", SpanError::Transaction(_)) => {}
                (_, SpanError::Truncated { field: found }) => assert_eq!(found, field),
                (_, error) => panic!("{field}: {error}"),
            }
        }
        end += bytes.len();
    }
}

#[test]
fn malformed_spans_are_rejected() {
    let too_many = |field, found| SpanError::TooManyElements { field, found };
    let transaction = |index, error| SpanError::Transaction(BlockTransactionError { index, error });
    let type_error = |found| transaction(1, TransactionError::Type { found: Some(found) });
    let template = |replaced: &[u8]| with_field("templates", &[&hex!("c5800782c0fe")[..], replaced].concat());
    let cases: Vec<(&str, Vec<u8>, SpanError)> = vec![
        ("empty", vec![], SpanError::Type { found: None }),
        (
            "singular type",
            with_field("type", &[0]),
            SpanError::Type { found: Some(0) },
        ),
        ("no blocks", with_field("block count", &[0]), SpanError::NoBlocks),
        (
            "too many blocks",
            with_field("block count", &hex!("81ade204")),
            too_many("block count", 10_000_001),
        ),
        (
            "blocks beyond a u64",
            with_field("block count", &hex!("ffffffffffffffffff02")),
            SpanError::Overflow { field: "block count" },
        ),
        (
            "origin bit of a fourth block",
            with_field("origin bits", &[0b1101]),
            SpanError::ExcessBits { field: "origin bits" },
        ),
        (
            "more epochs than L1 blocks",
            with_field("L1 origin number", &[0]),
            SpanError::Epoch {
                last_epoch: L1BlockNumber(0),
                opened: 1,
            },
        ),
        (
            "end after the end of time",
            with_field("relative timestamp", &hex!("fcffffffffffffffff01")),
            SpanError::Timestamp {
                relative_timestamp: u64::MAX - 3,
                blocks: 3,
            },
        ),
        (
            "too many transactions in a block",
            with_field("transaction count", &hex!("81ade204" "00" "00")),
            too_many("transaction count", 10_000_001),
        ),
        (
            "too many transactions",
            with_field("transaction count", &hex!("80ade204" "01" "00")),
            too_many("transactions", 10_000_001),
        ),
        (
            "most transactions, none there",
            with_field("transaction count", &hex!("80ade204" "00" "00")),
            SpanError::Truncated {
                field: "contract creation bits",
            },
        ),
        (
            "creation bit of a fourth transaction",
            with_field("contract creation bits", &[0b1101]),
            SpanError::ExcessBits {
                field: "contract creation bits",
            },
        ),
        (
            "y parity bit of a fourth transaction",
            with_field("y parity bits", &[0b1101]),
            SpanError::ExcessBits {
                field: "y parity bits",
            },
        ),
        (
            "protected bit of a third legacy transaction",
            with_field("protected bits", &[0b100]),
            SpanError::ExcessBits {
                field: "protected bits",
            },
        ),
        (
            "nonce beyond a u64",
            with_field("nonces", &hex!("05" "ffffffffffffffffff02" "05")),
            SpanError::Overflow { field: "nonces" },
        ),
        (
            "legacy with its type byte",
            template(&hex!("00c28080")),
            type_error(0),
        ),
        ("blob transaction", template(&hex!("03c28080")), type_error(3)),
        ("deposit", template(&hex!("7ec28080")), type_error(0x7e)),
        ("type 7d", template(&hex!("7dc28080")), type_error(0x7d)),
        ("a string", template(&hex!("83010203")), type_error(0x83)),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(decode(&bytes), Err(expected), "{name}");
    }
}

#[test]
fn malformed_templates_are_rejected() {
    use alloy_rlp::Error;
    let large_value = [&hex!("04e7a101")[..], &[0; 32], &hex!("070780c0c0")].concat();
    let cases: Vec<(&str, &[u8], TransactionError)> = vec![
        ("no type", &[], TransactionError::Type { found: None }),
        ("type alone", &hex!("02"), Error::InputTooShort.into()),
        ("not a list", &hex!("0283010203"), Error::UnexpectedString.into()),
        (
            "value with a leading zero",
            &hex!("c4" "00" "07" "81c0"),
            Error::LeadingZero.into(),
        ),
        (
            "gas price with a leading zero",
            &hex!("c6" "80" "820001" "81c0"),
            Error::LeadingZero.into(),
        ),
        (
            "value is a list",
            &hex!("c4" "c0" "07" "81c0"),
            Error::UnexpectedList.into(),
        ),
        ("data missing", &hex!("c2" "80" "07"), Error::InputTooShort.into()),
        (
            "data is a list",
            &hex!("c3" "80" "07" "c0"),
            Error::UnexpectedList.into(),
        ),
        (
            "data in long form",
            &hex!("c4" "80" "07" "8105"),
            Error::NonCanonicalSingleByte.into(),
        ),
        (
            "one field too many",
            &hex!("c4" "80" "07" "80" "80"),
            Error::UnexpectedLength.into(),
        ),
        (
            "access list missing",
            &hex!("01" "c3" "80" "07" "80"),
            Error::InputTooShort.into(),
        ),
        (
            "access list is a string",
            &hex!("01" "c4" "80" "07" "80" "80"),
            Error::UnexpectedString.into(),
        ),
        (
            "short address",
            &hex!("01" "c7" "80" "07" "80" "c3" "c2" "80" "c0"),
            Error::UnexpectedLength.into(),
        ),
        (
            "fee cap missing",
            &hex!("02" "c4" "80" "07" "80" "c0"),
            Error::UnexpectedList.into(),
        ),
        (
            "no authorization list",
            &hex!("04" "c5" "80" "07" "07" "80" "c0"),
            Error::InputTooShort.into(),
        ),
        (
            "authorization of two fields",
            &hex!("04" "c9" "80" "07" "07" "80" "c0" "c3" "c2" "80" "80"),
            Error::UnexpectedLength.into(),
        ),
        (
            "value of 33 bytes in type 4",
            &large_value,
            Error::Overflow.into(),
        ),
    ];
    for (name, bytes, expected) in cases {
        let mut rest = bytes;
        assert_eq!(transaction::Template::decode(&mut rest), Err(expected), "{name}");
    }
}

#[test]
fn longest_template_is_accepted_and_no_longer_one() {
    // list header 4, value 1, gas price 1, data header 4
    for (data_size, fits) in [
        (MAX_SPAN_BATCH_ELEMENT_COUNT - 10, true),
        (MAX_SPAN_BATCH_ELEMENT_COUNT - 9, false),
    ] {
        let mut payload = vec![0x80, 0x07];
        vec![1u8; data_size].as_slice().encode(&mut payload);
        let mut template = Vec::new();
        alloy_rlp::Header {
            list: true,
            payload_length: payload.len(),
        }
        .encode(&mut template);
        template.extend_from_slice(&payload);
        assert_eq!(
            transaction::Template::decode(&mut &template[..]).is_ok(),
            fits,
            "{data_size}"
        );
    }
}

#[test]
fn transactions_without_a_place_are_refused() {
    use alloy_rlp::Error;
    let signature = Signature::new(U256::from(1), U256::from(2), false);
    let other_chain = |chain_id| {
        sign(
            TxLegacy {
                chain_id: Some(chain_id),
                ..TxLegacy::default()
            },
            signature,
        )
    };
    let blob = sign(
        TxEip4844 {
            chain_id: CHAIN_ID,
            ..TxEip4844::default()
        },
        signature,
    );
    let foreign = sign(
        TxEip1559 {
            chain_id: 1,
            ..TxEip1559::default()
        },
        signature,
    );
    let trailing = [&eip1559()[..], &[0]].concat().into();
    let changed = |from: &[u8], offset: usize, byte: u8| {
        let mut bytes = from.to_vec();
        bytes[offset] = byte;
        Bytes::from(bytes)
    };
    let cases: Vec<(&str, Bytes, TransactionError)> = vec![
        ("empty", Bytes::new(), TransactionError::Type { found: None }),
        ("blob", blob, TransactionError::Type { found: Some(3) }),
        (
            "deposit",
            hex!("7ec0").into(),
            TransactionError::Type { found: Some(0x7e) },
        ),
        (
            "type 7d",
            hex!("7dc0").into(),
            TransactionError::Type { found: Some(0x7d) },
        ),
        (
            "other chain",
            foreign,
            TransactionError::ChainId {
                expected: 901,
                found: 1,
            },
        ),
        (
            "other chain, legacy",
            other_chain(902),
            TransactionError::SignatureV {
                chain_id: 901,
                found: 1839,
            },
        ),
        ("trailing byte", trailing, TransactionError::Trailing { found: 1 }),
        ("cut", eip1559().slice(..40), Error::InputTooShort.into()),
        // offsets: list header 1, nonce 1, gas price 1
        (
            "gas price with a leading zero",
            changed(&legacy(), 2, 0),
            Error::LeadingZero.into(),
        ),
        (
            "v of 30",
            changed(&legacy(), 11, 30),
            TransactionError::SignatureV {
                chain_id: 901,
                found: 30,
            },
        ),
    ];
    for (name, transaction, error) in cases {
        let block = blocks(
            1,
            PARAMETERS.genesis_time,
            vec![(false, vec![eip1559(), transaction])],
        );
        let found = SpanBatch::from_singular(&block, 1, PARAMETERS).unwrap().encode();
        assert_eq!(
            found,
            Err(BlockTransactionError { index: 1, error }.into()),
            "{name}"
        );
    }
}

#[test]
fn type_4_without_a_recipient_is_rejected() {
    let columns = {
        let signed = sign(
            TxEip7702 {
                chain_id: CHAIN_ID,
                ..TxEip7702::default()
            },
            Signature::test_signature(),
        );
        let columns = transaction::Columns::split(&signed, CHAIN_ID).unwrap();
        transaction::Columns { to: None, ..columns }.join(CHAIN_ID)
    };
    assert_eq!(columns, Err(TransactionError::NoRecipient));
}

#[test]
fn blocks_that_do_not_follow_each_other_make_no_span() {
    let make = |change: &dyn Fn(&mut Vec<SingularBatch>)| {
        let mut blocks = golden_blocks();
        change(&mut blocks);
        SpanBatch::from_singular(&blocks, 0, PARAMETERS).expect_err("refused")
    };
    assert_eq!(make(&|blocks| blocks.clear()), SpanEncodeError::NoBlocks);
    let (expected, found) = (1_700_000_302, 1_700_000_303);
    assert_eq!(
        make(&|blocks| blocks[1].timestamp += 1),
        SpanEncodeError::Timestamp {
            index: 1,
            expected,
            found
        }
    );
    let epoch = |found| SpanEncodeError::Epoch {
        index: 2,
        previous: L1BlockNumber(1000),
        found: L1BlockNumber(found),
    };
    assert_eq!(
        make(&|blocks| blocks[2].epoch_number = L1BlockNumber(1002)),
        epoch(1002)
    );
    assert_eq!(
        make(&|blocks| blocks[2].epoch_number = L1BlockNumber(999)),
        epoch(999)
    );
    // Same number, other hash.
    assert_eq!(
        make(&|blocks| blocks[2].epoch_number = L1BlockNumber(1000)),
        epoch(1000)
    );
    let genesis_time = PARAMETERS.genesis_time;
    let before = |blocks: &mut Vec<SingularBatch>| {
        blocks.truncate(1);
        blocks[0].timestamp = genesis_time - 1;
    };
    assert_eq!(
        make(&before),
        SpanEncodeError::BeforeGenesis {
            genesis_time,
            found: genesis_time - 1
        }
    );
}
