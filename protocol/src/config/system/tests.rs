//! The system configuration: read back from blocks, taken apart, defaulted.

use super::*;
use alloc::vec;
use alloy_consensus::Sealable;
use alloy_primitives::{Bytes, b64, b256, hex};
use op_alloy_consensus::TxDeposit;

/// Version 1, denominator 250, elasticity 6, minimum base fee 8.
const JOVIAN_EXTRA: [u8; 17] = hex!("01" "000000fa" "00000006" "0000000000000008");

fn config() -> RollupConfig {
    RollupConfig::from_json(include_str!("../../../testdata/rollup.json")).unwrap()
}

fn info() -> L1Info {
    L1Info {
        batcher_address: Address::repeat_byte(1),
        base_fee_scalar: 2,
        blob_base_fee_scalar: 3,
        operator_fee_scalar: 4,
        operator_fee_constant: 5,
        da_footprint_gas_scalar: Some(6),
        ..L1Info::default()
    }
}

fn block(deposit: Option<TxDeposit>, extra_data: &[u8]) -> L2Block {
    let mut block = L2Block::default();
    block.header.number = 1;
    block.header.gas_limit = 7;
    block.header.extra_data = Bytes::copy_from_slice(extra_data);
    block.body.transactions = deposit
        .map(|deposit| OpTxEnvelope::Deposit(deposit.seal_slow()))
        .into_iter()
        .collect();
    block
}

fn in_force() -> SystemConfig {
    SystemConfig {
        batcher_address: Address::repeat_byte(1),
        overhead: B256::ZERO,
        scalar: b256!("0100000000000000000000000000000000000000000000000000000300000002"),
        gas_limit: 7,
        eip1559_params: b64!("000000fa00000006"),
        operator_fee_params: b256!("0000000000000000000000000000000000000000000000040000000000000005"),
        min_base_fee: 8,
        da_footprint_gas_scalar: 6,
    }
}

#[test]
fn configuration_is_read_from_attributes_and_header() {
    let block = block(Some(info().to_deposit()), &JOVIAN_EXTRA);
    assert_eq!(SystemConfig::from_l2_block(&config(), &block), Ok(in_force()));
}

#[test]
fn genesis_block_gives_the_genesis_configuration_if_it_is_ours() {
    let genesis = L2Block::default();
    let mut config = config();
    let (expected, found) = (config.genesis.l2.hash, genesis.header.hash_slow());
    let error = SystemConfigReadError::GenesisHash {
        number: 0,
        expected,
        found,
    };
    assert_eq!(SystemConfig::from_l2_block(&config, &genesis), Err(error));
    config.genesis.l2.hash = found;
    assert_eq!(
        SystemConfig::from_l2_block(&config, &genesis),
        Ok(config.genesis.system_config)
    );
}

#[test]
fn blocks_not_built_by_these_rules_are_rejected() {
    use SystemConfigReadError as Error;
    let number = 1;
    let good = || Some(info().to_deposit());
    let isthmus = L1Info {
        da_footprint_gas_scalar: None,
        ..info()
    };
    let extra = |bytes: &[u8]| Error::ExtraData {
        number,
        found: Bytes::copy_from_slice(bytes),
    };
    let cases = [
        ("empty", None, JOVIAN_EXTRA.to_vec(), Error::NoL1Info { number }),
        (
            "other deposit",
            Some(TxDeposit::default()),
            JOVIAN_EXTRA.to_vec(),
            Error::L1Info {
                number,
                error: L1InfoError::NoSelector { found: 0 },
            },
        ),
        (
            "Isthmus attributes under Jovian",
            Some(isthmus.to_deposit()),
            JOVIAN_EXTRA.to_vec(),
            Error::Format {
                number,
                jovian_found: false,
            },
        ),
        ("no extraData", good(), vec![], extra(&[])),
        (
            "short",
            good(),
            JOVIAN_EXTRA[..16].to_vec(),
            extra(&JOVIAN_EXTRA[..16]),
        ),
        (
            "trailing",
            good(),
            [&JOVIAN_EXTRA[..], &[0]].concat(),
            extra(&[&JOVIAN_EXTRA[..], &[0]].concat()),
        ),
        (
            "Holocene form under Jovian",
            good(),
            hex!("00000000fa00000006").to_vec(),
            extra(&hex!("00000000fa00000006")),
        ),
        (
            "denominator 0",
            good(),
            hex!("0100000000000000060000000000000008").to_vec(),
            extra(&hex!("0100000000000000060000000000000008")),
        ),
        (
            "elasticity 0",
            good(),
            hex!("01000000fa000000000000000000000008").to_vec(),
            extra(&hex!("01000000fa000000000000000000000008")),
        ),
    ];
    for (name, deposit, extra_data, expected) in cases {
        let found = SystemConfig::from_l2_block(&config(), &block(deposit, &extra_data));
        assert_eq!(found, Err(expected), "{name}");
    }
}

#[test]
fn isthmus_block_is_read_in_its_own_form_only() {
    let config = RollupConfig {
        jovian_time: None,
        ..config()
    };
    let isthmus = L1Info {
        da_footprint_gas_scalar: None,
        ..info()
    };
    let block_of = |info: &L1Info, extra: &[u8]| block(Some(info.to_deposit()), extra);
    let found = SystemConfig::from_l2_block(&config, &block_of(&isthmus, &hex!("00000000fa00000006")));
    let expected = SystemConfig {
        min_base_fee: 0,
        da_footprint_gas_scalar: 0,
        ..in_force()
    };
    assert_eq!(found, Ok(expected));
    let found = SystemConfig::from_l2_block(&config, &block_of(&info(), &hex!("00000000fa00000006")));
    assert_eq!(
        found,
        Err(SystemConfigReadError::Format {
            number: 1,
            jovian_found: true
        })
    );
    let found = SystemConfig::from_l2_block(&config, &block_of(&isthmus, &JOVIAN_EXTRA));
    assert!(matches!(found, Err(SystemConfigReadError::ExtraData { .. })));
}

#[test]
fn accessors_take_the_words_apart() {
    let config = in_force();
    assert_eq!(
        config.fee_scalars(),
        FeeScalars {
            base_fee: 2,
            blob_base_fee: 3
        }
    );
    assert_eq!(config.fee_scalars().encode(), config.scalar);
    assert_eq!(
        config.operator_fee(),
        OperatorFee {
            scalar: 4,
            constant: 5
        }
    );
    assert_eq!(config.operator_fee().encode(), config.operator_fee_params);
    let bedrock = SystemConfig {
        scalar: b256!("0000000000000000000000000000000000000000000000000000000300000002"),
        ..config
    };
    assert_eq!(
        bedrock.fee_scalars(),
        FeeScalars {
            base_fee: 2,
            blob_base_fee: 0
        }
    );
}

#[test]
fn zeros_mean_the_defaults() {
    let config = SystemConfig {
        eip1559_params: B64::ZERO,
        da_footprint_gas_scalar: 0,
        ..in_force()
    };
    let defaults = self::config().chain_op_config;
    let expected = Eip1559Params {
        denominator: 250,
        elasticity: 6,
    };
    assert_eq!(config.eip1559_params_or(&defaults), expected);
    assert_eq!(config.da_footprint_gas_scalar_or_default(), 400);
    let own = SystemConfig {
        eip1559_params: b64!("0000000300000002"),
        ..config
    };
    let expected = Eip1559Params {
        denominator: 3,
        elasticity: 2,
    };
    assert_eq!(own.eip1559_params_or(&defaults), expected);
    assert_eq!(expected.to_bytes(), own.eip1559_params);
}

#[test]
fn fee_scalars_of_unknown_form_are_invalid() {
    let cases = [
        (
            "0000000000000000000000000000000000000000000000000000000000000005",
            true,
        ),
        (
            "0000000000000000000000000000000000000000000000000000000100000005",
            false,
        ),
        (
            "0100000000000000000000000000000000000000000000000000000100000005",
            true,
        ),
        (
            "0100000000000000000000000000000000000000000000010000000100000005",
            false,
        ),
        (
            "0200000000000000000000000000000000000000000000000000000000000000",
            false,
        ),
    ];
    for (scalar, valid) in cases {
        assert_eq!(is_valid_fee_scalar(&scalar.parse().unwrap()), valid, "{scalar}");
    }
}
