//! `ConfigUpdate` logs: golden log, one field each, rejected logs, round trips.

use super::*;
use crate::config::{FeeScalars, RollupConfig};
use alloy_primitives::{b64, hex, keccak256};
use proptest::prelude::*;

const CONTRACT: Address = Address::repeat_byte(0x5c);

fn sample() -> SystemConfig {
    RollupConfig::from_json(include_str!("../../../testdata/rollup.json"))
        .unwrap()
        .genesis
        .system_config
}

fn samples() -> [ConfigUpdate; 8] {
    [
        ConfigUpdate::Batcher(Address::repeat_byte(1)),
        ConfigUpdate::FeeScalars(
            FeeScalars {
                base_fee: 2,
                blob_base_fee: 3,
            }
            .encode(),
        ),
        ConfigUpdate::GasLimit(30_000_000),
        ConfigUpdate::UnsafeBlockSigner(Address::repeat_byte(4)),
        ConfigUpdate::Eip1559Params(b64!("000000fa00000006")),
        ConfigUpdate::OperatorFee(B256::repeat_byte(5)),
        ConfigUpdate::MinBaseFee(6),
        ConfigUpdate::DaFootprintGasScalar(700),
    ]
}

#[test]
fn topic_is_the_hash_of_the_event_signature() {
    assert_eq!(
        CONFIG_UPDATE_TOPIC,
        keccak256("ConfigUpdate(uint256,uint8,bytes)")
    );
}

#[test]
fn golden_gas_limit_log() {
    let log = ConfigUpdate::GasLimit(30_000_000).encode(CONTRACT);
    assert_eq!(
        log.topics(),
        [CONFIG_UPDATE_TOPIC, B256::ZERO, B256::with_last_byte(2)]
    );
    let data = hex!(
        "0000000000000000000000000000000000000000000000000000000000000020"
        "0000000000000000000000000000000000000000000000000000000000000020"
        "0000000000000000000000000000000000000000000000000000000001c9c380"
    );
    assert_eq!(log.data.data.as_ref(), data);
}

#[test]
fn each_type_changes_its_own_field_and_no_other() {
    let before = sample();
    let after = samples().map(|update| {
        let mut config = sample();
        assert_eq!(config.apply(&update.encode(CONTRACT)), Ok(update));
        config
    });
    let expected = [
        SystemConfig {
            batcher_address: Address::repeat_byte(1),
            ..before
        },
        SystemConfig {
            scalar: FeeScalars {
                base_fee: 2,
                blob_base_fee: 3,
            }
            .encode(),
            ..before
        },
        SystemConfig {
            gas_limit: 30_000_000,
            ..before
        },
        before,
        SystemConfig {
            eip1559_params: b64!("000000fa00000006"),
            ..before
        },
        SystemConfig {
            operator_fee_params: B256::repeat_byte(5),
            ..before
        },
        SystemConfig {
            min_base_fee: 6,
            ..before
        },
        SystemConfig {
            da_footprint_gas_scalar: 700,
            ..before
        },
    ];
    assert_eq!(after, expected);
}

#[test]
fn overhead_in_a_fee_update_is_ignored() {
    let log = samples()[1].encode(CONTRACT);
    let mut data = log.data.data.to_vec();
    data[64..96].fill(9);
    let log = Log {
        data: LogData::new_unchecked(log.topics().to_vec(), data.into()),
        ..log
    };
    let mut config = sample();
    assert_eq!(config.apply(&log), Ok(samples()[1]));
    assert_eq!(config.overhead, B256::ZERO);
}

#[test]
fn malformed_logs_are_rejected_and_change_nothing() {
    use ConfigUpdateError as Error;
    type Mutation = fn(&mut Vec<B256>, &mut Vec<u8>);
    let value = |update_type, last: &[u8]| Error::Value {
        update_type,
        found: B256::left_padding_from(last),
    };
    let size = |update_type, expected, found| Error::DataSize {
        update_type,
        expected,
        found,
    };
    let cases: [(&str, usize, Mutation, Error); 19] = [
        (
            "two topics",
            0,
            |t, _| t.truncate(2),
            Error::TopicCount { found: 2 },
        ),
        (
            "four topics",
            0,
            |t, _| t.push(B256::ZERO),
            Error::TopicCount { found: 4 },
        ),
        (
            "other event",
            0,
            |t, _| t[0] = B256::ZERO,
            Error::Topic { found: B256::ZERO },
        ),
        (
            "version 1",
            0,
            |t, _| t[1] = B256::with_last_byte(1),
            Error::Version {
                found: B256::with_last_byte(1),
            },
        ),
        (
            "type 8",
            0,
            |t, _| t[2] = B256::with_last_byte(8),
            Error::UpdateType {
                found: B256::with_last_byte(8),
            },
        ),
        (
            "type 256",
            0,
            |t, _| t[2] = U256::from(256).into(),
            Error::UpdateType {
                found: U256::from(256).into(),
            },
        ),
        ("no data", 0, |_, d| d.clear(), size(0, 96, 0)),
        ("head only", 2, |_, d| d.truncate(64), size(2, 96, 64)),
        ("one byte short", 2, |_, d| d.truncate(95), size(2, 96, 95)),
        ("one byte more", 2, |_, d| d.push(0), size(2, 96, 97)),
        ("one word more", 6, |_, d| d.resize(128, 0), size(6, 96, 128)),
        (
            "fee scalars one word short",
            1,
            |_, d| d.truncate(96),
            size(1, 128, 96),
        ),
        (
            "offset 64",
            2,
            |_, d| d[31] = 64,
            Error::Offset {
                found: U256::from(64),
            },
        ),
        (
            "length 31",
            2,
            |_, d| d[63] = 31,
            Error::Length {
                update_type: 2,
                expected: 32,
                found: U256::from(31),
            },
        ),
        (
            "address with a high byte",
            0,
            |_, d| d[75] = 1,
            value(0, &hex!("010101010101010101010101010101010101010101")),
        ),
        (
            "gas limit of 65 bits",
            2,
            |_, d| d[87] = 1,
            value(2, &hex!("010000000001c9c380")),
        ),
        (
            "scalar of version 2",
            1,
            |_, d| d[96] = 2,
            value(
                1,
                &hex!("0200000000000000000000000000000000000000000000000000000300000002"),
            ),
        ),
        (
            "elasticity without denominator",
            4,
            |_, d| d[88..92].fill(0),
            value(4, &hex!("06")),
        ),
        (
            "footprint scalar of 17 bits",
            7,
            |_, d| d[93] = 1,
            value(7, &hex!("0102bc")),
        ),
    ];
    for (name, update, mutate, expected) in cases {
        let log = samples()[update].encode(CONTRACT);
        let (mut topics, mut data) = (log.topics().to_vec(), log.data.data.to_vec());
        mutate(&mut topics, &mut data);
        let log = Log {
            data: LogData::new_unchecked(topics, data.into()),
            ..log
        };
        let mut config = sample();
        assert_eq!(config.apply(&log), Err(expected), "{name}");
        assert_eq!(config, sample(), "{name}");
    }
}

fn any_update() -> impl Strategy<Value = ConfigUpdate> {
    prop_oneof![
        any::<[u8; 20]>().prop_map(|address| ConfigUpdate::Batcher(address.into())),
        any::<[u32; 2]>().prop_map(|[base_fee, blob_base_fee]| {
            ConfigUpdate::FeeScalars(
                FeeScalars {
                    base_fee,
                    blob_base_fee,
                }
                .encode(),
            )
        }),
        any::<u64>().prop_map(ConfigUpdate::GasLimit),
        any::<[u8; 20]>().prop_map(|address| ConfigUpdate::UnsafeBlockSigner(address.into())),
        (1u32.., 1u32..).prop_map(|(denominator, elasticity)| {
            ConfigUpdate::Eip1559Params(
                Eip1559Params {
                    denominator,
                    elasticity,
                }
                .to_bytes(),
            )
        }),
        any::<[u8; 32]>().prop_map(|params| ConfigUpdate::OperatorFee(params.into())),
        any::<u64>().prop_map(ConfigUpdate::MinBaseFee),
        any::<u16>().prop_map(ConfigUpdate::DaFootprintGasScalar),
    ]
}

proptest! {
    #[test]
    fn updates_survive_the_round_trip(update in any_update()) {
        prop_assert_eq!(ConfigUpdate::decode(&update.encode(CONTRACT)), Ok(update));
    }

    #[test]
    fn arbitrary_data_never_panics(update_type in 0u8..9, data in proptest::collection::vec(any::<u8>(), 0..160)) {
        let topics = [CONFIG_UPDATE_TOPIC, B256::ZERO, B256::with_last_byte(update_type)].to_vec();
        let log = Log { address: CONTRACT, data: LogData::new_unchecked(topics, data.into()) };
        let mut config = sample();
        if config.apply(&log).is_err() {
            prop_assert_eq!(config, sample());
        }
    }
}
