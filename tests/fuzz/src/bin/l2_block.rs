//! L2 blocks as a node hands them to others: where a block stands and which configuration holds in it, out of its first transaction
//! and its header's extra data.
//!
//! Input: flags u8 (1: genesis height, 2: Isthmus), extra data with its length, the first transaction.
#![no_main]

use alloy_consensus::{BlockBody, Header};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use op_alloy_consensus::OpTxEnvelope;
use std::sync::LazyLock;
use tributary_derivation::testing::{TestNet, TestNetOptions};
use tributary_fuzz::{
    input::Input,
    seeds::{Seeds, add, vector},
    target,
};
use tributary_protocol::{
    block::{L2Block, L2BlockRef, l1_info},
    config::{RollupConfig, SystemConfig},
    execute::FeeParameters,
    l1_info::L1Info,
};

target!(run, seeds);

static CONFIGS: LazyLock<[RollupConfig; 2]> = LazyLock::new(|| {
    [true, false].map(|is_jovian| {
        let net = TestNet::new(TestNetOptions {
            is_jovian,
            ..TestNetOptions::default()
        });
        (*net.config).clone()
    })
});

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let config = &CONFIGS[usize::from(flags >> 1 & 1)];
    let is_jovian = config.jovian_time.is_some();
    let extra_data = input.bytes().to_vec();
    let parameters = FeeParameters::decode(is_jovian, &extra_data);
    if let Ok(parameters) = parameters {
        assert!(parameters.denominator > 0 && parameters.elasticity > 0);
        assert_eq!(extra_data.len(), if is_jovian { 17 } else { 9 });
        assert_eq!(parameters.to_params().as_slice(), &extra_data[1..9]);
    }
    let encoded = input.rest();
    let transaction = OpTxEnvelope::decode_2718(&mut &encoded[..]).ok();
    let block = L2Block {
        header: Header {
            number: u64::from(flags & 1 == 0),
            timestamp: config.genesis.l2_time + 1,
            gas_limit: 30_000_000,
            extra_data: extra_data.into(),
            ..Header::default()
        },
        body: BlockBody {
            transactions: transaction.into_iter().collect(),
            ..BlockBody::default()
        },
    };
    let reference = L2BlockRef::from_block(&block, block.header.hash_slow(), &config.genesis);
    let system_config = SystemConfig::from_l2_block(config, &block);
    let info = l1_info(&block).and_then(Result::ok);
    assert!(
        info.is_some() || reference.is_err(),
        "without L1 attributes a block stands nowhere, and it is not genesis"
    );
    if let (Ok(reference), Some(info)) = (reference, &info) {
        assert_eq!(
            (reference.l1_origin.hash, reference.l1_origin.number.0),
            (info.block_hash, info.number)
        );
        assert_eq!(reference.sequence_number, info.sequence_number);
    }
    if let Ok(system_config) = system_config {
        check(&system_config, &info.expect("it came out of the L1 attributes"));
        assert!(parameters.is_ok());
    }
}

fn check(system_config: &SystemConfig, info: &L1Info) {
    assert_eq!(system_config.batcher_address, info.batcher_address);
    assert!(system_config.has_valid_eip1559_params());
    let fees = system_config.fee_scalars();
    assert_eq!(
        (fees.base_fee, fees.blob_base_fee),
        (info.base_fee_scalar, info.blob_base_fee_scalar)
    );
    let operator_fee = system_config.operator_fee();
    assert_eq!(
        (operator_fee.scalar, operator_fee.constant),
        (info.operator_fee_scalar, info.operator_fee_constant)
    );
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let jovian = L1Info::decode(&vector("l1-attributes-jovian")).expect("a golden vector");
    let isthmus = L1Info {
        da_footprint_gas_scalar: None,
        ..jovian.clone()
    };
    let mut extra = vector("extra-data-jovian");
    for (name, flags, info) in [("jovian", 0, jovian), ("isthmus", 2, isthmus)] {
        let mut seed = vec![flags];
        seed.extend_from_slice(&u16::try_from(extra.len()).expect("17 bytes").to_be_bytes());
        seed.extend_from_slice(&extra);
        seed.extend_from_slice(&OpTxEnvelope::from(info.to_deposit()).encoded_2718());
        add(&mut seeds, name, &seed);
        extra.truncate(9);
        extra[0] = 0;
    }
    seeds
}
