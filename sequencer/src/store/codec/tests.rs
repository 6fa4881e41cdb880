//! What is written reads back, and what was never written is refused.

use super::*;
use alloy::primitives::Log;
use op_alloy_consensus::{OpReceiptEnvelope, OpTxType};
use proptest::prelude::*;

fn reference(seed: u8) -> L2BlockRef {
    L2BlockRef {
        hash: B256::repeat_byte(seed),
        number: L2BlockNumber(u64::from(seed) << 40),
        parent_hash: B256::repeat_byte(seed ^ 0xff),
        timestamp: u64::from(seed) + 7,
        l1_origin: L1BlockId {
            hash: B256::repeat_byte(seed.wrapping_add(1)),
            number: L1BlockNumber(u64::MAX - u64::from(seed)),
        },
        sequence_number: 3,
    }
}

#[test]
fn a_reference_has_the_bytes_the_table_says() {
    let mut bytes = Vec::new();
    encode_reference(&reference(1), &mut bytes);
    assert_eq!(bytes.len(), REFERENCE_BYTES);
    assert_eq!(bytes[..32], [1; 32]);
    assert_eq!(bytes[32..40], (1_u64 << 40).to_be_bytes());
    assert_eq!(bytes[120..], 3_u64.to_be_bytes());
    assert_eq!(decode_reference(&mut bytes.as_slice()), Ok(reference(1)));
}

#[test]
fn what_is_short_long_or_not_minimal_is_refused() {
    let account = encode_account(&Account::default());
    assert!(decode_account(&account[1..]).is_err());
    assert!(decode_account(&[&account[..], &[0]].concat()).is_err());
    assert!(decode_number(&[0; 7]).is_err() && decode_number(&[0; 9]).is_err());
    for length in [0, 7, 9, 15, 17] {
        assert!(decode_flushed(&[0; 17][..length]).is_err(), "{length}");
    }
    assert!(decode_position(&[0; 11]).is_err() && decode_position(&[0; 13]).is_err());
    assert!(decode_slot(&[]).is_err() && decode_slot(&[0, 1]).is_err() && decode_slot(&[1; 33]).is_err());
    assert!(
        decode_previous(&[]).is_err() && decode_previous(&[0, 1]).is_err() && decode_previous(&[2]).is_err()
    );
    assert!(decode_keys(&[0, 5, 1]).is_err());
    assert!(decode_changes(&[0, 0, 0, 1]).is_err() && decode_changes(&[0, 0, 0]).is_err());
    // A count that promises more senders than there are bytes allocates nothing for them.
    assert!(decode_body(&u32::MAX.to_be_bytes()).is_err());
    assert!(decode_header(&[0; REFERENCE_BYTES]).is_err());
}

#[test]
fn a_flush_under_way_says_where_it_leads() {
    let (from, to) = (L2BlockNumber(5), L2BlockNumber(9));
    assert_eq!(decode_flushed(&number_key(from)), Ok((from, None)));
    let flushing = [5_u64.to_be_bytes(), 9_u64.to_be_bytes()].concat();
    assert_eq!(encode_flushing(from, to), flushing);
    assert_eq!(decode_flushed(&flushing), Ok((from, Some(to))));
}

#[test]
fn an_account_is_as_short_as_its_numbers() {
    let account = Account {
        nonce: 0x0102,
        balance: U256::from(7),
        ..Account::default()
    };
    assert_eq!(encode_account(&account), [2, 1, 1, 2, 7]);
    let contract = Account {
        code_hash: B256::repeat_byte(9),
        ..Account::default()
    };
    let encoded = encode_account(&contract);
    assert_eq!((&encoded[..2], &encoded[2..]), (&[0x80, 0][..], &[9; 32][..]));
    let too_long = [&[0x80, 0][..], Account::default().code_hash.as_slice()].concat();
    for refused in [
        &[1, 0, 0][..],
        &[0, 1, 0],
        &[9, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        &[0, 33],
        &[2, 0, 1],
        &too_long,
    ] {
        assert!(decode_account(refused).is_err(), "{refused:?}");
    }
}

fn receipt(kind: OpTxType, logs: &[Log]) -> OpReceiptEnvelope {
    OpReceiptEnvelope::from_parts(true, 21_000, logs, kind, None, None)
}

#[test]
fn a_receipt_has_the_bytes_the_document_says() {
    let plain = receipt(OpTxType::Eip1559, &[]);
    let expected = [&[0, 0, 0, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0x52, 0x08, 0][..], &[0xc0]].concat();
    assert_eq!(encode_receipts(&[plain]), expected);
    let deposit = OpReceiptEnvelope::from_parts(false, 1, &[], OpTxType::Deposit, Some(5), None);
    let expected = [
        &[0, 0, 0, 1, 0x7e, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0xc0][..],
        &[1, 0, 0, 0, 0, 0, 0, 0, 5, 0],
    ]
    .concat();
    assert_eq!(encode_receipts(core::slice::from_ref(&deposit)), expected);
    assert_eq!(decode_receipts(&expected), Ok(vec![deposit]));
}

#[test]
fn receipts_that_could_be_written_otherwise_are_refused() {
    let with_bloom = |bloom: &[u8]| {
        let head = [&[0, 0, 0, 1, 2, 1][..], &[0; 8]].concat();
        decode_receipts(&[&head, bloom, &[0xc0]].concat())
    };
    assert!(with_bloom(&[2, 3, 1, 4, 1]).is_ok());
    let whole = |bytes: &[u8]| [&[0xff][..], bytes].concat();
    assert!(with_bloom(&whole(&[1; 256])).is_ok());
    for refused in [
        &[2, 4, 1, 3, 1][..],
        &[2, 3, 1, 3, 1],
        &[1, 3, 0],
        &[128],
        &whole(&[0; 256]),
    ] {
        assert!(with_bloom(refused).is_err(), "{refused:?}");
    }
    // A count that promises more receipts than there are bytes allocates nothing for them.
    assert!(decode_receipts(&u32::MAX.to_be_bytes()).is_err());
    assert!(decode_receipts(&[0, 0, 0, 0, 0]).is_err());
}

#[test]
fn histories_of_paths_that_begin_alike_do_not_mix() {
    let key = |path: &[u8]| node_key(None, &Nibbles::from_nibbles(path));
    let short = history_prefix(Table::Nodes, &key(&[1]));
    let long = history_key(&history_prefix(Table::Nodes, &key(&[1, 0])), L2BlockNumber(0));
    assert!(!long.starts_with(&short));
}

fn receipts() -> impl Strategy<Value = Vec<OpReceiptEnvelope>> {
    let kinds = vec![
        OpTxType::Legacy,
        OpTxType::Eip2930,
        OpTxType::Eip1559,
        OpTxType::Eip7702,
        OpTxType::Deposit,
    ];
    // Up to so many logs that the bloom is nearly full.
    let log = (
        any::<[u8; 20]>(),
        prop::collection::vec(any::<[u8; 32]>(), 0..=4),
        any::<Vec<u8>>(),
    );
    let log = log.prop_map(|(address, topics, data)| {
        let topics = topics.into_iter().map(B256::from).collect();
        Log::new_unchecked(address.into(), topics, data.into())
    });
    let few_or_many = prop_oneof![0..3_usize, 0..150_usize];
    let logs = few_or_many.prop_flat_map(move |count| prop::collection::vec(log.clone(), count));
    let one = (
        prop::sample::select(kinds),
        any::<bool>(),
        any::<u64>(),
        logs,
        any::<Option<u64>>(),
    );
    let one = one.prop_map(|(kind, status, gas, logs, nonce)| {
        let nonce = nonce.filter(|_| kind == OpTxType::Deposit);
        OpReceiptEnvelope::from_parts(status, gas, &logs, kind, nonce, nonce.map(|_| 1))
    });
    prop::collection::vec(one, 0..6)
}

proptest! {
    #[test]
    fn receipts_round_trip_and_nothing_shorter_or_longer_is_one(receipts in receipts(), cut: prop::sample::Index) {
        let encoded = encode_receipts(&receipts);
        prop_assert_eq!(decode_receipts(&encoded), Ok(receipts));
        prop_assert!(decode_receipts(&encoded[..cut.index(encoded.len())]).is_err());
        prop_assert!(decode_receipts(&[&encoded[..], &[0]].concat()).is_err());
    }

    #[test]
    fn values_round_trip(
        nonce: u64,
        balance: [u8; 32],
        code_hash: [u8; 32],
        seed: u8,
        index: u32,
        nibbles in prop::collection::vec(0_u8..16, 0..=64),
        owner: Option<[u8; 32]>,
        previous: Option<Vec<u8>>,
    ) {
        let balance = U256::from_be_bytes(balance);
        let account = Account { nonce, balance, code_hash: B256::from(code_hash) };
        prop_assert_eq!(decode_account(&encode_account(&account)), Ok(account));
        if let Some(slot) = encode_slot(balance) {
            prop_assert_eq!(decode_slot(&slot), Ok(balance));
        }
        let number = L2BlockNumber(nonce);
        prop_assert_eq!(decode_position(&encode_position(number, index)), Ok((number, index)));
        let derivation = encode_safe_derivation(B256::from(code_hash), &reference(seed));
        prop_assert_eq!(decode_safe_derivation(&derivation), Ok((B256::from(code_hash), reference(seed))));
        let encoded = encode_previous(previous.as_deref());
        prop_assert_eq!(decode_previous(&encoded), Ok(previous.as_deref()));

        let node = node_key(owner.map(B256::from), &Nibbles::from_nibbles(&nibbles));
        let prefixes = vec![
            history_prefix(Table::Nodes, &node),
            history_prefix(Table::Accounts, &[seed; 20]),
            history_prefix(Table::Storage, &slot_key(Address::repeat_byte(seed), balance)),
        ];
        prop_assert_eq!(decode_keys(&encode_keys(&prefixes)), Ok(prefixes));

        let address = Address::repeat_byte(seed);
        let changes = BlockChanges {
            accounts: [(address, Change { before: None, after: Some(account) })].into(),
            slots: [((address, balance), Change { before: balance, after: U256::ZERO })].into(),
        };
        let encoded = encode_changes(&changes);
        prop_assert_eq!(decode_changes(&encoded), Ok(changes));
        prop_assert!(decode_changes(&[&encoded[..], &encoded[encoded.len() - 116..]].concat()).is_err());
        for end in [1, 4, 30, 100] {
            prop_assert!(decode_changes(&encoded[..encoded.len() - end]).is_err());
        }
    }
}
