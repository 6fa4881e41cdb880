//! Base fee, extraData, DA footprint and operator fee.

use super::fixture::*;
use crate::execute::{
    FeeParameters, FeeParametersError, HeaderError, InvalidTransaction, TxError, extra_data, next_base_fee,
    next_header,
};
use alloy_consensus::{Header, Sealed, TxEip1559};
use alloy_primitives::{B64, Bytes, U256, b64, hex};
use op_alloy_consensus::EIP1559ParamError;

#[test]
fn extra_data_has_the_form_of_the_fork() {
    let isthmus = Chain::new(Profile::Isthmus);
    let jovian = Chain::new(Profile::Jovian);
    let own = b64!("0000003c00000008");
    for (chain, parameters, expected) in [
        (&isthmus, B64::ZERO, &hex!("00 000000fa 00000006")[..]),
        (&isthmus, own, &hex!("00 0000003c 00000008")[..]),
        (
            &jovian,
            B64::ZERO,
            &hex!("01 000000fa 00000006 00000000000f4240")[..],
        ),
        (&jovian, own, &hex!("01 0000003c 00000008 00000000000f4240")[..]),
    ] {
        let mut attributes = chain.attributes(&[]);
        attributes.eip1559_params = parameters;
        let bytes = extra_data(&chain.config, &attributes).unwrap();
        assert_eq!(bytes, Bytes::copy_from_slice(expected));
    }
}

#[test]
fn attributes_that_contradict_the_fork_make_no_header() {
    let isthmus = Chain::new(Profile::Isthmus);
    let jovian = Chain::new(Profile::Jovian);
    let header = |chain: &Chain, change: fn(&mut crate::attributes::BlockAttributes)| {
        let mut attributes = chain.attributes(&[]);
        change(&mut attributes);
        next_header(&chain.config, &chain.tip, &attributes).unwrap_err()
    };
    assert_eq!(
        header(&isthmus, |attributes| attributes.min_base_fee = Some(1)),
        HeaderError::MinBaseFee {
            found: Some(1),
            jovian: false
        }
    );
    assert_eq!(
        header(&jovian, |attributes| attributes.min_base_fee = None),
        HeaderError::MinBaseFee {
            found: None,
            jovian: true
        }
    );
    assert_eq!(
        header(&jovian, |attributes| attributes.timestamp = GENESIS_TIME),
        HeaderError::Timestamp {
            timestamp: GENESIS_TIME,
            parent: GENESIS_TIME
        }
    );
    for half in [b64!("0000000000000006"), b64!("0000003200000000")] {
        let mut attributes = jovian.attributes(&[]);
        attributes.eip1559_params = half;
        let error = next_header(&jovian.config, &jovian.tip, &attributes).unwrap_err();
        assert!(
            matches!(error, HeaderError::Parameters(FeeParametersError::Zero { .. })),
            "{error:?}"
        );
    }
}

#[test]
fn malformed_extra_data_of_the_parent_is_refused() {
    let isthmus = Chain::new(Profile::Isthmus);
    let jovian = Chain::new(Profile::Jovian);
    let zero = FeeParametersError::Zero {
        denominator: 0,
        elasticity: 6,
    };
    let length = FeeParametersError::Encoding(EIP1559ParamError::InvalidExtraDataLength);
    let version = |byte| FeeParametersError::Encoding(EIP1559ParamError::InvalidVersion(byte));
    for (chain, bytes, expected) in [
        (&isthmus, &[][..], length),
        (&isthmus, &hex!("00 000000fa 000000")[..], length),
        (&isthmus, &hex!("00 000000fa 00000006 00")[..], length),
        (&isthmus, &hex!("01 000000fa 00000006")[..], version(1)),
        (&isthmus, &hex!("00 00000000 00000006")[..], zero),
        (&jovian, &hex!("00 000000fa 00000006")[..], length),
        (
            &jovian,
            &hex!("00 000000fa 00000006 00000000000f4240")[..],
            version(0),
        ),
        (&jovian, &hex!("01 00000000 00000006 00000000000f4240")[..], zero),
    ] {
        let parent = Header {
            extra_data: Bytes::copy_from_slice(bytes),
            ..chain.tip.inner().clone()
        };
        let error = next_base_fee(&chain.config, &parent).unwrap_err();
        assert_eq!(
            error,
            HeaderError::ExtraData {
                number: 0,
                error: expected
            }
        );
    }
}

/// A parent that used `gas_used`, with footprint `footprint`, at base fee 1000 and a target of 5,000,000.
fn parent(chain: &Chain, gas_used: u64, footprint: u64, min_base_fee: u64) -> Header {
    let mut attributes = chain.attributes(&[]);
    attributes.min_base_fee = attributes.min_base_fee.map(|_| min_base_fee);
    Header {
        gas_used,
        blob_gas_used: Some(footprint),
        base_fee_per_gas: Some(1_000),
        extra_data: extra_data(&chain.config, &attributes).unwrap(),
        ..chain.tip.inner().clone()
    }
}

#[test]
fn base_fee_follows_gas_and_from_jovian_on_the_footprint_and_the_floor() {
    let isthmus = Chain::new(Profile::Isthmus);
    let jovian = Chain::new(Profile::Jovian);
    for (chain, gas_used, footprint, floor, expected) in [
        // At target, empty, full (the change is at most 5/250 upward with elasticity 6).
        (&isthmus, 5_000_000, 0, 0, 1_000),
        (&isthmus, 0, 0, 0, 996),
        (&isthmus, 30_000_000, 0, 0, 1_020),
        // Before Jovian blobGasUsed means nothing.
        (&isthmus, 0, 30_000_000, 0, 996),
        (&jovian, 0, 30_000_000, 0, 1_020),
        (&jovian, 30_000_000, 5_000_000, 0, 1_020),
        (&jovian, 0, 5_000_000, 0, 1_000),
        (&jovian, 0, 0, 999, 999),
        (&jovian, 0, 0, 5_000, 5_000),
        (&jovian, 30_000_000, 0, 1_000, 1_020),
    ] {
        let parent = parent(chain, gas_used, footprint, floor);
        let case = (gas_used, footprint, floor);
        assert_eq!(next_base_fee(&chain.config, &parent), Ok(expected), "{case:?}");
    }
}

#[test]
fn jovian_activation_reads_the_parent_in_the_old_form() {
    let mut chain = Chain::new(Profile::Isthmus);
    chain.config.jovian_time = Some(GENESIS_TIME + 1);
    let header = next_header(&chain.config, &chain.tip, &chain.attributes(&[])).unwrap();
    assert_eq!(header.extra_data.len(), 17);
    let parameters = FeeParameters::from_header(&chain.config, &header).unwrap();
    assert_eq!(
        parameters,
        FeeParameters {
            denominator: 250,
            elasticity: 6,
            min_base_fee: MIN_BASE_FEE
        }
    );
    let next = Sealed::new(header);
    assert!(next_base_fee(&chain.config, &next).unwrap() >= MIN_BASE_FEE);
}

#[test]
fn base_fee_of_an_idle_chain_falls_to_the_floor_and_stays() {
    let mut chain = Chain::new(Profile::Jovian);
    let mut header = chain.tip.inner().clone();
    header.base_fee_per_gas = Some(MIN_BASE_FEE + 5_000);
    chain.tip = Sealed::new(header);
    let fees: alloc::vec::Vec<_> = (0..4)
        .map(|_| {
            let outcome = chain.extend(&[], &[]);
            outcome.block.header.base_fee_per_gas.unwrap()
        })
        .collect();
    assert!(fees[0] > MIN_BASE_FEE);
    assert_eq!(fees[2..], [MIN_BASE_FEE, MIN_BASE_FEE]);
}

#[test]
fn footprint_stands_in_blob_gas_used_from_jovian_on() {
    let txs = [sign(0, tx(0)), sign(1, tx(0))];
    let isthmus = Chain::new(Profile::Isthmus).extend(&[], &txs);
    assert_eq!(isthmus.block.header.blob_gas_used, Some(0));
    let jovian = Chain::new(Profile::Jovian).extend(&[deposit(STORE, 0, 0)], &txs);
    // Two small transactions of 100 estimated bytes at 400 gas each; deposits count nothing.
    assert_eq!(jovian.block.header.blob_gas_used, Some(2 * 100 * 400));
}

#[test]
fn block_whose_footprint_is_full_refuses_more() {
    let mut chain = Chain::new(Profile::Jovian);
    chain.l1_info.da_footprint_gas_scalar = Some(u16::MAX);
    let noise: alloc::vec::Vec<u8> = (0u32..4_000)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24).to_be_bytes()[3])
        .collect();
    let big = |nonce| {
        sign(
            0,
            TxEip1559 {
                gas_limit: 1_000_000,
                ..call(nonce, STORE, noise.clone())
            },
        )
    };
    let mut builder = chain.open(&chain.attributes(&[]));
    let error = builder.execute(big(0)).unwrap_err();
    let TxError::Invalid(error) = error else {
        panic!("{error:?}")
    };
    assert!(
        matches!(
            error,
            InvalidTransaction::NoFootprintLeft {
                available: GAS_LIMIT,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.is_block_full());
    builder.execute(sign(0, tx(0))).unwrap();
}

#[test]
fn operator_fee_is_charged_by_the_rule_of_the_fork() {
    for (profile, expected) in [
        (Profile::Isthmus, 21_000 * 1_000_000 / 1_000_000 + 77),
        (Profile::Jovian, 21_000u64 * 1_000_000 * 100 + 77),
    ] {
        let mut chain = Chain::new(profile);
        chain.l1_info.operator_fee_scalar = 1_000_000;
        chain.l1_info.operator_fee_constant = 77;
        chain.extend(&[], &[sign(0, tx(0))]);
        assert_eq!(chain.balance(OPERATOR_FEE_VAULT), U256::from(expected));
    }
}

#[test]
fn nothing_is_paid_that_nobody_spent() {
    let mut chain = Chain::new(Profile::Jovian);
    chain.extend(&[], &[]);
    assert_eq!(chain.balance(FEE_VAULT), U256::ZERO, "there is no block reward");
    let before = chain.balance(sender(0));
    let outcome = chain.extend(&[], &[sign(0, tx(0))]);
    let base_fee = outcome.block.header.base_fee_per_gas.unwrap();
    assert_eq!(chain.balance(BASE_FEE_VAULT), U256::from(21_000 * base_fee));
    assert_eq!(chain.balance(FEE_VAULT), U256::from(21_000));
    assert_eq!(
        before - chain.balance(sender(0)),
        U256::from(21_000 * (base_fee + 1))
    );
}
