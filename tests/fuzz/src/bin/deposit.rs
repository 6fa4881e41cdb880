//! `TransactionDeposited` logs: one encoding, so that what decodes is the log the portal would emit for it.
#![no_main]

use alloy_primitives::{Address, B256, TxKind, U256};
use op_alloy_consensus::TxDeposit;
use tributary_fuzz::{
    logs, memory,
    seeds::{Seeds, add, vector},
    target,
};
use tributary_protocol::deposit::{
    TRANSACTION_DEPOSITED_TOPIC, decode_transaction_deposited, encode_transaction_deposited, user_source_hash,
};

target!(run, seeds);

const L1_BLOCK: B256 = B256::repeat_byte(0x11);

fn run(data: &[u8]) {
    let log = logs::arbitrary(data, TRANSACTION_DEPOSITED_TOPIC);
    let decoded = memory::within(1024 + 2 * data.len(), || {
        decode_transaction_deposited(&log, L1_BLOCK, 3)
    });
    let Ok(deposit) = decoded else { return };
    assert_eq!(deposit.source_hash, user_source_hash(L1_BLOCK, 3));
    assert!(
        !deposit.is_system_transaction,
        "users make no system transactions"
    );

    let again = encode_transaction_deposited(Address::ZERO, &deposit);
    assert_eq!(again.data.data, log.data.data);
    assert_eq!(
        decode_transaction_deposited(&again, L1_BLOCK, 3).as_ref(),
        Ok(&deposit)
    );
    let mut long = log.clone();
    long.data.data = [&log.data.data[..], &[0; 32]].concat().into();
    assert!(
        decode_transaction_deposited(&long, L1_BLOCK, 3).is_err(),
        "a word behind the log data"
    );
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let base = TxDeposit {
        mint: 3,
        value: U256::from(2),
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(0xbb)),
        ..TxDeposit::default()
    };
    let creation = TxDeposit {
        to: TxKind::Create,
        input: vec![0x60; 70].into(),
        ..base.clone()
    };
    let mut golden = encode_transaction_deposited(Address::ZERO, &base);
    golden.data.data = vector("deposit-log-data").into();
    add(&mut seeds, "vector", &logs::input_of(&golden));
    add(
        &mut seeds,
        "creation",
        &logs::input_of(&encode_transaction_deposited(Address::ZERO, &creation)),
    );
    seeds
}
