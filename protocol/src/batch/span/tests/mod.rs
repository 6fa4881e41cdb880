//! What the tests of span batches share, and the golden batch.

mod generate;
mod properties;
mod rejected;

use super::*;
use alloc::{vec, vec::Vec};
use alloy_consensus::{SignableTransaction, Signed, TxEip1559, TxLegacy};
use alloy_eips::{eip2718::Encodable2718, eip2930::AccessList};
use alloy_primitives::{Address, Signature, TxKind, U256, hex};

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
