use super::*;
use alloc::{vec, vec::Vec};
use alloy_consensus::{SignableTransaction, Signed, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy};
use alloy_eips::{
    eip2718::Encodable2718,
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, Signature, TxKind, U256, hex};
use alloy_rlp::Encodable;
use proptest::{collection::vec as many, prelude::*};

const CHAIN_ID: u64 = 901;
const PARAMETERS: SpanParameters = SpanParameters {
    genesis_time: 1_700_000_000,
    block_time_secs: 2,
    chain_id: CHAIN_ID,
};

fn sign<T: SignableTransaction<Signature>>(transaction: T, signature: Signature) -> Bytes
where
    Signed<T>: Encodable2718,
{
    transaction.into_signed(signature).encoded_2718().into()
}

fn any_u256() -> impl Strategy<Value = U256> {
    (any::<[u8; 32]>(), 0usize..=256)
        .prop_map(|(bytes, shift)| U256::from_be_bytes(bytes).wrapping_shr(shift))
}

fn any_signature() -> impl Strategy<Value = Signature> {
    (any_u256(), any_u256(), any::<bool>()).prop_map(|(r, s, parity)| Signature::new(r, s, parity))
}

fn any_address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::from)
}

fn any_to() -> impl Strategy<Value = TxKind> {
    prop_oneof![1 => Just(TxKind::Create), 3 => any_address().prop_map(TxKind::Call)]
}

fn any_input() -> impl Strategy<Value = Bytes> {
    many(any::<u8>(), 0..70).prop_map(Bytes::from)
}

fn any_number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift)
}

fn any_fee() -> impl Strategy<Value = u128> {
    (any::<u128>(), 0u32..128).prop_map(|(value, shift)| value >> shift)
}

fn any_access_list() -> impl Strategy<Value = AccessList> {
    let item = (any_address(), many(any::<[u8; 32]>().prop_map(B256::from), 0..3)).prop_map(
        |(address, storage_keys)| AccessListItem {
            address,
            storage_keys,
        },
    );
    many(item, 0..3).prop_map(AccessList)
}

fn any_authorizations() -> impl Strategy<Value = Vec<SignedAuthorization>> {
    let authorization = (
        any_u256(),
        any_address(),
        any_number(),
        any_u256(),
        any_u256(),
        any::<u8>(),
    );
    let signed = authorization.prop_map(|(chain_id, address, nonce, r, s, parity)| {
        SignedAuthorization::new_unchecked(
            Authorization {
                chain_id,
                address,
                nonce,
            },
            parity,
            r,
            s,
        )
    });
    many(signed, 0..3)
}

prop_compose! {
    fn any_legacy()(
        protected in any::<bool>(), nonce in any_number(), gas_price in any_fee(), gas_limit in any_number(),
        to in any_to(), value in any_u256(), input in any_input(), signature in any_signature(),
    ) -> Bytes {
        let chain_id = protected.then_some(CHAIN_ID);
        sign(TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input }, signature)
    }
}

prop_compose! {
    fn any_eip2930()(
        nonce in any_number(), gas_price in any_fee(), gas_limit in any_number(), to in any_to(),
        value in any_u256(), input in any_input(), access_list in any_access_list(), signature in any_signature(),
    ) -> Bytes {
        let chain_id = CHAIN_ID;
        sign(TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input }, signature)
    }
}

prop_compose! {
    fn any_eip1559()(
        nonce in any_number(), fees in (any_fee(), any_fee()), gas_limit in any_number(), to in any_to(),
        value in any_u256(), input in any_input(), access_list in any_access_list(), signature in any_signature(),
    ) -> Bytes {
        let (max_fee_per_gas, max_priority_fee_per_gas) = fees;
        sign(TxEip1559 {
            chain_id: CHAIN_ID, nonce, gas_limit, max_fee_per_gas, max_priority_fee_per_gas, to, value, access_list, input,
        }, signature)
    }
}

prop_compose! {
    fn any_eip7702()(
        nonce in any_number(), fees in (any_fee(), any_fee()), gas_limit in any_number(), to in any_address(),
        value in any_u256(), input in any_input(), access_list in any_access_list(),
        authorization_list in any_authorizations(), signature in any_signature(),
    ) -> Bytes {
        let (max_fee_per_gas, max_priority_fee_per_gas) = fees;
        sign(TxEip7702 {
            chain_id: CHAIN_ID, nonce, gas_limit, max_fee_per_gas, max_priority_fee_per_gas, to, value, access_list,
            authorization_list, input,
        }, signature)
    }
}

fn any_transaction() -> impl Strategy<Value = Bytes> {
    prop_oneof![any_legacy(), any_eip2930(), any_eip1559(), any_eip7702()]
}

fn epoch_hash(number: L1BlockNumber) -> B256 {
    let mut hash = B256::repeat_byte(0xe0);
    hash[..8].copy_from_slice(&number.0.to_be_bytes());
    hash
}

/// Consecutive blocks: for each, whether it opens an epoch, and its transactions.
fn blocks(first_epoch: u64, first_timestamp: u64, contents: Vec<(bool, Vec<Bytes>)>) -> Vec<SingularBatch> {
    let mut epoch_number = L1BlockNumber(first_epoch);
    let with_time = contents.into_iter().zip(0u64..);
    with_time
        .map(|((opens, transactions), index)| {
            if opens && index > 0 {
                epoch_number = epoch_number.next();
            }
            SingularBatch {
                parent_hash: if index == 0 {
                    B256::repeat_byte(0xaa)
                } else {
                    B256::ZERO
                },
                epoch_number,
                epoch_hash: epoch_hash(epoch_number),
                timestamp: first_timestamp + 2 * index,
                transactions,
            }
        })
        .collect()
}

prop_compose! {
    fn any_blocks()(
        first_epoch in 0u64..1 << 40,
        since_genesis in any::<u32>(),
        contents in many((any::<bool>(), many(any_transaction(), 0..4)), 1..12),
    ) -> Vec<SingularBatch> {
        blocks(first_epoch, PARAMETERS.genesis_time + u64::from(since_genesis), contents)
    }
}

/// `to_singular` cannot know parents.
fn without_parents(batches: &[SingularBatch]) -> Vec<SingularBatch> {
    let forget = |batch: &SingularBatch| SingularBatch {
        parent_hash: B256::ZERO,
        ..batch.clone()
    };
    batches.iter().map(forget).collect()
}

/// A legacy transaction of the other chain kind: unprotected, creating a contract.
fn legacy() -> Bytes {
    let signature = Signature::new(U256::from(0x0102), U256::from(0x0304), true);
    let legacy = TxLegacy {
        chain_id: None,
        nonce: 5,
        gas_price: 7,
        gas_limit: 21_000,
        to: TxKind::Create,
        value: U256::ZERO,
        input: hex!("c0fe").into(),
    };
    sign(legacy, signature)
}

fn eip1559() -> Bytes {
    let signature = Signature::new(U256::from(0x0506), U256::from(0x0708), false);
    let transaction = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce: 300,
        gas_limit: 100,
        max_fee_per_gas: 9,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(0xbb)),
        value: U256::from(3),
        access_list: AccessList::default(),
        input: Bytes::new(),
    };
    sign(transaction, signature)
}

fn golden_blocks() -> Vec<SingularBatch> {
    blocks(
        1000,
        PARAMETERS.genesis_time + 300,
        vec![
            (true, vec![legacy()]),
            (false, vec![]),
            (true, vec![eip1559(), legacy()]),
        ],
    )
}

/// The blocks above, written down by hand after the table in the module's documentation.
fn golden_fields() -> Vec<(&'static str, Vec<u8>)> {
    let word = |value: u16| [&[0; 30][..], &value.to_be_bytes()].concat();
    let legacy_signature = [word(0x0102), word(0x0304)].concat();
    vec![
        ("type", vec![1]),
        ("relative timestamp", hex!("ac02").to_vec()),
        ("L1 origin number", hex!("e907").to_vec()),
        ("parent check", vec![0xaa; 20]),
        (
            "L1 origin check",
            hex!("00000000000003e9" "e0e0e0e0e0e0e0e0e0e0e0e0").to_vec(),
        ),
        ("block count", vec![3]),
        ("origin bits", vec![0b101]),
        ("transaction count", vec![1, 0, 2]),
        ("contract creation bits", vec![0b101]),
        ("y parity bits", vec![0b101]),
        (
            "signatures",
            [
                &legacy_signature[..],
                &word(0x0506),
                &word(0x0708),
                &legacy_signature,
            ]
            .concat(),
        ),
        ("recipients", vec![0xbb; 20]),
        (
            "templates",
            hex!("c5" "80" "07" "82c0fe" "02" "c5" "03" "01" "09" "80" "c0" "c5" "80" "07" "82c0fe").to_vec(),
        ),
        ("nonces", hex!("05" "ac02" "05").to_vec()),
        ("gas limits", hex!("88a401" "64" "88a401").to_vec()),
        ("protected bits", vec![0]),
    ]
}

fn golden() -> Vec<u8> {
    golden_fields().into_iter().flat_map(|(_, bytes)| bytes).collect()
}

/// The golden batch with one field replaced.
fn with_field(name: &str, bytes: &[u8]) -> Vec<u8> {
    assert!(golden_fields().iter().any(|(field, _)| *field == name), "{name}");
    let replaced = golden_fields()
        .into_iter()
        .map(|(field, old)| if field == name { bytes.to_vec() } else { old });
    replaced.flatten().collect()
}

fn decode(bytes: &[u8]) -> Result<SpanBatch, SpanError> {
    SpanBatch::decode(bytes, &PARAMETERS)
}

#[test]
fn golden_span() {
    let blocks = golden_blocks();
    let span = SpanBatch::from_singular(&blocks, 0, PARAMETERS).unwrap();
    assert_eq!(hex::encode(span.encode().unwrap()), hex::encode(golden()));
    assert_eq!(decode(&golden()), Ok(span.clone()));
    assert_eq!(
        span.to_singular(|number| Some(epoch_hash(number))),
        Ok(without_parents(&blocks))
    );
    assert_eq!((span.block_count(), span.opens_epoch()), (3, true));
    assert_eq!(
        (span.first_timestamp(), span.last_timestamp()),
        (1_700_000_300, 1_700_000_304)
    );
    assert_eq!(
        (span.first_epoch(), span.last_epoch()),
        (L1BlockNumber(1000), L1BlockNumber(1001))
    );
    assert!(span.matches_parent(&B256::repeat_byte(0xaa)) && !span.matches_parent(&B256::ZERO));
    assert!(span.matches_l1_origin(&epoch_hash(L1BlockNumber(1001))));
    assert!(!span.matches_l1_origin(&epoch_hash(L1BlockNumber(1000))));
}

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
fn op_node_s_liberties_are_kept() {
    let expected = decode(&golden()).unwrap();
    let mut trailing = golden();
    trailing.extend_from_slice(b"anything");
    assert_eq!(decode(&trailing), Ok(expected.clone()));
    assert_eq!(decode(&with_field("block count", &hex!("8300"))), Ok(expected));
}

#[test]
fn amounts_beyond_256_bits_pass_as_in_op_node() {
    let value = [&[0xa1, 1][..], &[0; 32]].concat();
    let legacy = [&hex!("e6")[..], &value, &hex!("07" "82c0fe")].concat();
    let span = decode(&with_field(
        "templates",
        &[&legacy[..], &hex!("02c503010980c0"), &hex!("c5800782c0fe")].concat(),
    ))
    .unwrap();
    let first = span.blocks().next().unwrap().transactions[0].clone();
    assert!(first.windows(value.len()).any(|window| window == value));
    assert_eq!(decode(&span.encode().unwrap()), Ok(span));
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

#[test]
fn unknown_l1_origin_is_named() {
    let span = decode(&golden()).unwrap();
    let known = |number: L1BlockNumber| (number.0 == 1000).then_some(B256::ZERO);
    let epoch_number = L1BlockNumber(1001);
    assert_eq!(span.to_singular(known), Err(MissingL1Origin { epoch_number }));
}

#[test]
fn sequence_number_sets_the_first_origin_bit_alone() {
    let blocks = golden_blocks();
    let opens = SpanBatch::from_singular(&blocks, 0, PARAMETERS).unwrap();
    let goes_on = SpanBatch::from_singular(&blocks, 3, PARAMETERS).unwrap();
    assert!(opens.opens_epoch() && !goes_on.opens_epoch());
    assert!(opens.blocks().eq(goes_on.blocks()));
    assert_eq!(goes_on.encode().unwrap(), with_field("origin bits", &[0b100]));
}

proptest! {
    #[test]
    fn transactions_survive_the_round_trip(transaction in any_transaction()) {
        let columns = transaction::Columns::split(&transaction, CHAIN_ID).unwrap();
        prop_assert_eq!(columns.join(CHAIN_ID), Ok(transaction.clone()));
        let mut template = Vec::new();
        columns.template.encode(&mut template);
        let mut rest = &template[..];
        prop_assert_eq!(transaction::Template::decode(&mut rest), Ok(columns.template));
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn spans_survive_the_round_trip(blocks in any_blocks(), sequence_number in 0u64..3) {
        let span = SpanBatch::from_singular(&blocks, sequence_number, PARAMETERS).unwrap();
        let decoded = decode(&span.encode().unwrap()).unwrap();
        prop_assert_eq!(&decoded, &span);
        prop_assert_eq!(decoded.to_singular(|number| Some(epoch_hash(number))), Ok(without_parents(&blocks)));
        prop_assert!(decoded.matches_parent(&blocks[0].parent_hash));
        prop_assert!(decoded.matches_l1_origin(&blocks[blocks.len() - 1].epoch_hash));
        prop_assert_eq!(decoded.opens_epoch(), sequence_number == 0);
        prop_assert_eq!(decoded.first_epoch(), blocks[0].epoch_number);
        prop_assert_eq!(decoded.last_timestamp(), blocks[blocks.len() - 1].timestamp);
    }

    /// What decodes can be encoded again, and then means the same.
    #[test]
    fn changed_spans_decode_to_something_sound(
        blocks in any_blocks(),
        changes in many((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = SpanBatch::from_singular(&blocks, 0, PARAMETERS).unwrap().encode().unwrap();
        for (position, byte) in changes {
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        if let Ok(span) = decode(&bytes) {
            prop_assert_eq!(span.blocks().count(), span.block_count());
            prop_assert_eq!(span.blocks().last().unwrap().epoch_number, span.last_epoch());
            prop_assert_eq!(decode(&span.encode().unwrap()), Ok(span));
        }
    }
}
