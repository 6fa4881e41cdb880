//! `ConfigUpdate` logs: what decodes is what the contract emits for it; what does not changes nothing; what applies leaves a
//! configuration that the rules accept.
#![no_main]

use alloy_primitives::{Address, B64, B256};
use tributary_fuzz::{
    logs, memory,
    seeds::{Seeds, add, vector},
    target,
};
use tributary_protocol::config::{
    CONFIG_UPDATE_TOPIC, ConfigUpdate, Eip1559Params, FeeScalars, SystemConfig, is_valid_fee_scalar,
};

target!(run, seeds);

fn run(data: &[u8]) {
    let log = logs::arbitrary(data, CONFIG_UPDATE_TOPIC);
    let decoded = memory::within(0, || ConfigUpdate::decode(&log));
    let before = SystemConfig {
        batcher_address: Address::repeat_byte(1),
        overhead: B256::ZERO,
        scalar: FeeScalars {
            base_fee: 1,
            blob_base_fee: 2,
        }
        .encode(),
        gas_limit: 30_000_000,
        eip1559_params: B64::ZERO,
        operator_fee_params: B256::ZERO,
        min_base_fee: 0,
        da_footprint_gas_scalar: 0,
    };
    let mut after = before;
    assert_eq!(after.apply(&log).ok(), decoded.as_ref().ok().copied());
    let Ok(update) = decoded else {
        assert_eq!(after, before, "a malformed update changes nothing");
        return;
    };
    assert!(is_valid_fee_scalar(&after.scalar));
    assert!(after.has_valid_eip1559_params());
    let fees = after.fee_scalars();
    let again = FeeScalars {
        base_fee: fees.base_fee,
        blob_base_fee: fees.blob_base_fee,
    }
    .encode();
    assert!(is_valid_fee_scalar(&again));

    let emitted = update.encode(Address::ZERO);
    assert_eq!(ConfigUpdate::decode(&emitted), Ok(update));
    assert_eq!(emitted.topics(), log.topics());
    let mut found = log.data.data.to_vec();
    match update.update_type() {
        // The overhead is ignored and written as zero.
        1 => found[64..96].fill(0),
        // Only the last eight bytes of the word count.
        4 => found[64..88].fill(0),
        _ => {}
    }
    assert_eq!(emitted.data.data, found);
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let mut golden = ConfigUpdate::GasLimit(0).encode(Address::ZERO);
    golden.data.data = vector("config-update-gas-limit").into();
    add(&mut seeds, "vector", &logs::input_of(&golden));
    let updates = [
        ConfigUpdate::Batcher(Address::repeat_byte(2)),
        ConfigUpdate::FeeScalars(
            FeeScalars {
                base_fee: 7,
                blob_base_fee: 8,
            }
            .encode(),
        ),
        ConfigUpdate::GasLimit(60_000_000),
        ConfigUpdate::UnsafeBlockSigner(Address::repeat_byte(3)),
        ConfigUpdate::Eip1559Params(
            Eip1559Params {
                denominator: 250,
                elasticity: 6,
            }
            .to_bytes(),
        ),
        ConfigUpdate::OperatorFee(B256::with_last_byte(9)),
        ConfigUpdate::MinBaseFee(1_000_000),
        ConfigUpdate::DaFootprintGasScalar(400),
    ];
    for update in updates {
        let log = update.encode(Address::ZERO);
        seeds.push((format!("type-{}", update.update_type()), logs::input_of(&log)));
    }
    seeds
}
