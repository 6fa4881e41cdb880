//! Deposits: golden log, rejected logs, round trips.

use super::*;
use alloy_primitives::hex;
use proptest::prelude::*;

const PORTAL: Address = address!("7a00000000000000000000000000000000000abc");

fn sample() -> TxDeposit {
    TxDeposit {
        source_hash: user_source_hash(B256::repeat_byte(0x11), 7),
        from: Address::repeat_byte(0xaa),
        to: TxKind::Call(Address::repeat_byte(0xbb)),
        mint: 3,
        value: U256::from(2),
        gas_limit: 0x5208,
        is_system_transaction: false,
        input: hex!("c0ffee").into(),
    }
}

fn decode(log: &Log) -> Result<TxDeposit, DepositError> {
    decode_transaction_deposited(log, B256::repeat_byte(0x11), 7)
}

#[test]
fn topic_is_the_hash_of_the_event_signature() {
    assert_eq!(
        TRANSACTION_DEPOSITED_TOPIC,
        keccak256("TransactionDeposited(address,address,uint256,bytes)")
    );
}

#[test]
fn source_hashes_agree_with_op_alloy() {
    use op_alloy_consensus::{L1InfoDepositSource, UserDepositSource};
    let block = B256::repeat_byte(0x42);
    for index in [0, 1, 255, 256, u64::MAX] {
        assert_eq!(
            user_source_hash(block, index),
            UserDepositSource::new(block, index).source_hash()
        );
        assert_eq!(
            l1_info_source_hash(block, index),
            L1InfoDepositSource::new(block, index).source_hash()
        );
    }
}

#[test]
fn golden_log_decodes_and_encodes() {
    // Written by hand after the layout above: offset, length 76, mint, value, gas limit, isCreation, data, 20 bytes of padding.
    let data = hex!(
        "0000000000000000000000000000000000000000000000000000000000000020"
        "000000000000000000000000000000000000000000000000000000000000004c"
        "0000000000000000000000000000000000000000000000000000000000000003"
        "0000000000000000000000000000000000000000000000000000000000000002"
        "0000000000005208"
        "00"
        "c0ffee"
        "0000000000000000000000000000000000000000"
    );
    let log = encode_transaction_deposited(PORTAL, &sample());
    assert_eq!(log.address, PORTAL);
    assert_eq!(log.data.data.as_ref(), data);
    assert_eq!(decode(&log), Ok(sample()));
}

#[test]
fn creation_ignores_the_recipient() {
    let mut log = encode_transaction_deposited(
        PORTAL,
        &TxDeposit {
            to: TxKind::Create,
            ..sample()
        },
    );
    log.data.topics_mut_unchecked()[2] = Address::repeat_byte(0xcc).into_word();
    assert_eq!(decode(&log).unwrap().to, TxKind::Create);
}

#[test]
fn malformed_logs_are_rejected() {
    type Mutation = fn(&mut Vec<B256>, &mut Vec<u8>);
    let cases: [(&str, Mutation, DepositError); 15] = [
        (
            "no topics",
            |t, _| t.clear(),
            DepositError::TopicCount { found: 0 },
        ),
        (
            "three topics",
            |t, _| t.truncate(3),
            DepositError::TopicCount { found: 3 },
        ),
        (
            "other event",
            |t, _| t[0] = B256::ZERO,
            DepositError::Topic { found: B256::ZERO },
        ),
        (
            "version 1",
            |t, _| t[3] = B256::with_last_byte(1),
            DepositError::Version {
                found: B256::with_last_byte(1),
            },
        ),
        ("empty", |_, d| d.clear(), DepositError::DataSize { found: 0 }),
        (
            "one word",
            |_, d| d.truncate(32),
            DepositError::DataSize { found: 32 },
        ),
        (
            "half a word more",
            |_, d| d.resize(176, 0),
            DepositError::DataSize { found: 176 },
        ),
        (
            "offset 64",
            |_, d| d[31] = 64,
            DepositError::Offset {
                found: U256::from(64),
            },
        ),
        (
            "trailing word",
            |_, d| d.resize(192, 0),
            DepositError::Length {
                found: U256::from(76),
                available: 128,
            },
        ),
        (
            "exactly one word of padding",
            |_, d| d[63] = 64,
            DepositError::Length {
                found: U256::from(64),
                available: 96,
            },
        ),
        (
            "too long",
            |_, d| d[63] = 97,
            DepositError::Length {
                found: U256::from(97),
                available: 96,
            },
        ),
        (
            "length beyond memory",
            |_, d| d[32..64].fill(0xff),
            DepositError::Length {
                found: U256::MAX,
                available: 96,
            },
        ),
        ("dirty padding", |_, d| d[159] = 1, DepositError::Padding),
        (
            "mint of 2^128",
            |_, d| d[79] = 1,
            DepositError::MintOverflow {
                found: (U256::from(1) << 128) + U256::from(3),
            },
        ),
        (
            "isCreation 2",
            |_, d| d[136] = 2,
            DepositError::IsCreation { found: 2 },
        ),
    ];
    for (name, mutate, expected) in cases {
        let log = encode_transaction_deposited(PORTAL, &sample());
        let (mut topics, mut data) = (log.topics().to_vec(), log.data.data.to_vec());
        mutate(&mut topics, &mut data);
        let log = Log {
            address: PORTAL,
            data: LogData::new_unchecked(topics, data.into()),
        };
        assert_eq!(decode(&log), Err(expected), "{name}");
    }
}

#[test]
fn opaque_data_one_byte_short_is_rejected() {
    let mut data = [0u8; 64 + 96];
    data[31] = 32;
    data[63] = 72;
    let log = encode_transaction_deposited(PORTAL, &sample());
    let log = Log {
        data: LogData::new_unchecked(log.topics().to_vec(), data.to_vec().into()),
        ..log
    };
    assert_eq!(decode(&log), Err(DepositError::OpaqueDataShort { found: 72 }));
}

#[test]
fn aliasing_adds_the_offset_and_wraps() {
    let contract = address!("00000000000000000000000000000000000000ff");
    assert_eq!(
        alias_l1_address(contract),
        address!("1111000000000000000000000000000000001210")
    );
    let high = address!("ffffffffffffffffffffffffffffffffffffffff");
    assert_eq!(
        alias_l1_address(high),
        address!("1111000000000000000000000000000000001110")
    );
    assert_eq!(unalias_l1_address(alias_l1_address(high)), high);
}

proptest! {
    #[test]
    fn every_deposit_survives_the_round_trip(
        from: [u8; 20],
        to: Option<[u8; 20]>,
        mint: u128,
        value: [u8; 32],
        gas_limit: u64,
        input in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let deposit = TxDeposit {
            from: from.into(),
            to: to.map_or(TxKind::Create, |to| TxKind::Call(to.into())),
            mint,
            value: U256::from_be_bytes(value),
            gas_limit,
            input: input.into(),
            ..sample()
        };
        prop_assert_eq!(decode(&encode_transaction_deposited(PORTAL, &deposit)), Ok(deposit));
    }

    #[test]
    fn arbitrary_data_never_panics_and_decodes_only_to_itself(data in proptest::collection::vec(any::<u8>(), 0..256)) {
        let log = encode_transaction_deposited(PORTAL, &sample());
        let log = Log { data: LogData::new_unchecked(log.topics().to_vec(), data.into()), ..log };
        if let Ok(deposit) = decode(&log) {
            prop_assert_eq!(encode_transaction_deposited(PORTAL, &deposit).data.data, log.data.data);
        }
    }
}
