//! What blocks contain, what they commit to, and that executing one again gives the same block.

use super::fixture::*;
use crate::{
    execute::{BlockOutcome, ExecuteError, InvalidTransaction, execute_block},
    state::StateChanges,
};
use alloc::{vec, vec::Vec};
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, TxReceipt};
use alloy_eips::{eip2718::Encodable2718, eip2935, eip4788};
use alloy_primitives::{Address, B64, B256, Bytes, TxKind, U256, address, b256, bytes, hex};
use alloy_trie::EMPTY_ROOT_HASH;
use op_alloy_consensus::{L2_TO_L1_MESSAGE_PASSER_ADDRESS, OpReceiptEnvelope, OpTxEnvelope, TxDeposit};
use proptest::{collection::vec as many, prelude::*};

/// sha256 of nothing.
const NO_REQUESTS: B256 = b256!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
const RECIPIENT: Address = address!("00000000000000000000000000000000000000aa");
const DEPOSITOR: Address = address!("00000000000000000000000000000000000d0001");

fn assert_root(chain: &Chain) {
    assert_eq!(
        chain.tip.state_root,
        rebuilt_root(&chain.state),
        "state root differs from a full rebuild"
    );
}

fn deposit_receipt(outcome: &BlockOutcome, index: usize) -> (bool, Option<u64>, Option<u64>) {
    let OpReceiptEnvelope::Deposit(receipt) = &outcome.receipts[index] else {
        panic!("receipt {index} is no deposit receipt");
    };
    let receipt = &receipt.receipt;
    (
        receipt.status(),
        receipt.deposit_nonce,
        receipt.deposit_receipt_version,
    )
}

#[test]
fn block_with_every_kind_of_transaction_commits_to_all_of_it() {
    for profile in PROFILES {
        let mut chain = Chain::new(profile);
        let parent = chain.tip.clone();
        let txs = [
            sign(
                0,
                alloy_consensus::TxEip1559 {
                    value: U256::from(5),
                    ..tx(0)
                },
            ),
            sign(
                1,
                alloy_consensus::TxEip1559 {
                    to: TxKind::Create,
                    // Returns one byte of code, STOP.
                    input: bytes!("60015ff3"),
                    ..tx(0)
                },
            ),
            sign(0, call(1, STORE, store(3, 9))),
            sign(2, call(0, REVERT, bytes!(""))),
        ];
        let before = chain.clone();
        let outcome = chain.extend(&[deposit(RECIPIENT, 1_000, 400)], &txs);

        let statuses: Vec<bool> = outcome.receipts.iter().map(TxReceipt::status).collect();
        assert_eq!(statuses, [true, true, true, true, true, false]);
        assert_eq!(deposit_receipt(&outcome, 1), (true, Some(0), Some(1)));
        assert_eq!(chain.balance(RECIPIENT), U256::from(405));
        assert_eq!(chain.balance(DEPOSITOR), U256::from(600));
        assert_eq!(chain.slot(STORE, 3), U256::from(9));
        let created = sender(1).create(0);
        assert_eq!(chain.state.accounts()[&created].nonce, 1);
        assert_eq!(outcome.senders[2..], [sender(0), sender(1), sender(0), sender(2)]);

        let header = &outcome.block.header;
        assert_eq!(header.hash_slow(), outcome.hash);
        assert_eq!((header.parent_hash, header.number), (parent.hash(), 1));
        assert_eq!(header.ommers_hash, EMPTY_OMMER_ROOT_HASH);
        assert_eq!(
            (header.beneficiary, header.mix_hash),
            (FEE_VAULT, B256::repeat_byte(0x5a))
        );
        assert_eq!((header.difficulty, header.nonce), (U256::ZERO, B64::ZERO));
        assert_eq!(header.gas_limit, GAS_LIMIT);
        assert_eq!(
            header.gas_used,
            outcome.receipts.last().unwrap().cumulative_gas_used()
        );
        assert_eq!(header.withdrawals_root, Some(EMPTY_ROOT_HASH));
        assert_eq!(header.excess_blob_gas, Some(0));
        assert_eq!(header.parent_beacon_block_root, Some(B256::repeat_byte(0xbe)));
        assert_eq!(header.requests_hash, Some(NO_REQUESTS));
        assert_eq!(header.logs_bloom, outcome.receipts[4].bloom());
        assert!(!header.logs_bloom.is_zero());
        assert_eq!(
            outcome.block.body.withdrawals.as_ref().map(|list| list.len()),
            Some(0)
        );
        assert_root(&chain);
        assert_eq!(before.execute_again(&outcome).hash, outcome.hash);
    }
}

#[test]
fn system_contracts_remember_the_parent_and_the_beacon_root() {
    let mut chain = Chain::new(Profile::Jovian);
    let parent = chain.tip.clone();
    chain.extend(&[], &[]);
    let history = chain.slot(eip2935::HISTORY_STORAGE_ADDRESS, parent.number % 8191);
    assert_eq!(B256::from(history), parent.hash());
    let index = chain.tip.timestamp % 8191;
    assert_eq!(
        chain.slot(eip4788::BEACON_ROOTS_ADDRESS, index),
        U256::from(chain.tip.timestamp)
    );
    let root = chain.slot(eip4788::BEACON_ROOTS_ADDRESS, index + 8191);
    assert_eq!(B256::from(root), B256::repeat_byte(0xbe));
}

#[test]
fn blockhash_knows_the_parent() {
    let mut chain = Chain::new(Profile::Jovian);
    chain.extend(&[], &[]);
    let parent = chain.tip.clone();
    let number = U256::from(parent.number).to_be_bytes_vec();
    let (_, results) = chain.build(&[], &[sign(0, call(0, BLOCKHASH, number))]);
    assert_eq!(results[0].as_ref().unwrap().output, Bytes::from(parent.hash().0));
}

#[test]
fn failed_deposit_still_mints_and_counts_its_nonce() {
    for profile in PROFILES {
        let mut chain = Chain::new(profile);
        let reverting = deposit(REVERT, 70, 0);
        // Sends more than the sender has.
        let broke = TxDeposit {
            value: U256::from(1_000_000),
            ..deposit(RECIPIENT, 5, 0)
        };
        // Too little gas to begin with.
        let starved = TxDeposit {
            gas_limit: 1,
            ..deposit(RECIPIENT, 3, 0)
        };
        let outcome = chain.extend(&[reverting, broke, starved], &[]);
        for (index, nonce) in [(1, 0), (2, 1), (3, 2)] {
            assert_eq!(deposit_receipt(&outcome, index), (false, Some(nonce), Some(1)));
        }
        assert_eq!(chain.balance(DEPOSITOR), U256::from(78));
        assert_eq!(chain.state.accounts()[&DEPOSITOR].nonce, 3);
        assert_eq!(chain.balance(RECIPIENT), U256::ZERO);
        assert_root(&chain);
    }
}

#[test]
fn withdrawals_root_is_the_storage_root_of_the_message_passer() {
    // STORE's code at the message passer's address stands in for the real contract: what counts is that its storage moves.
    let mut parts = parts(Profile::Jovian);
    let contract = parts.alloc[&STORE].clone();
    parts.alloc.insert(L2_TO_L1_MESSAGE_PASSER_ADDRESS, contract);
    let genesis = parts.build().unwrap().seal();
    let mut chain = Chain::new(Profile::Jovian);
    chain.tip = genesis.sealed_header();
    chain.state = genesis.memory_state();

    let write = sign(0, call(0, L2_TO_L1_MESSAGE_PASSER_ADDRESS, store(1, 1)));
    let written = chain.extend(&[], &[write]).block.header.withdrawals_root;
    let slots = [(B256::with_last_byte(1), U256::ONE)];
    assert_eq!(written, Some(alloy_trie::root::storage_root_unhashed(slots)));
    let untouched = chain.extend(&[], &[]).block.header.withdrawals_root;
    assert_eq!(untouched, written);
}

/// Without value: stores 7 in slot 0 and destroys itself. With value: stores 9 in slot 1 and stays.
const PHOENIX: [u8; 20] = hex!("34600b57600760005533ff5b60096001555f5ff3");

#[test]
fn account_created_and_destroyed_in_one_block_is_not_in_the_changes() {
    let mut chain = Chain::new(Profile::Jovian);
    let outcome = chain.extend(&[], &[sign(0, call(0, FACTORY, PHOENIX))]);
    assert!(outcome.receipts[1].status());
    let phoenix = FACTORY.create2_from_code(B256::ZERO, PHOENIX);
    assert!(!outcome.changes.accounts.contains_key(&phoenix));
    assert!(!outcome.changes.storage.contains_key(&phoenix));
    assert_root(&chain);
}

#[test]
fn account_destroyed_and_recreated_in_one_block_keeps_only_its_new_storage() {
    let mut chain = Chain::new(Profile::Jovian);
    let phoenix = FACTORY.create2_from_code(B256::ZERO, PHOENIX);
    let destroyed = sign(0, call(0, FACTORY, PHOENIX));
    let kept = alloy_consensus::TxEip1559 {
        value: U256::ONE,
        ..call(1, FACTORY, PHOENIX)
    };
    let outcome = chain.extend(&[], &[destroyed, sign(0, kept)]);
    assert!(outcome.changes.accounts[&phoenix].is_some());
    assert_eq!(
        outcome.changes.storage[&phoenix],
        [(U256::ONE, U256::from(9))].into()
    );
    assert_root(&chain);
}

#[test]
fn account_that_had_a_balance_loses_it_when_created_and_destroyed() {
    let mut chain = Chain::new(Profile::Jovian);
    let phoenix = FACTORY.create2_from_code(B256::ZERO, PHOENIX);
    let fund = alloy_consensus::TxEip1559 {
        to: TxKind::Call(phoenix),
        value: U256::from(8),
        ..tx(0)
    };
    chain.extend(&[], &[sign(0, fund)]);
    assert_eq!(chain.balance(phoenix), U256::from(8));
    let outcome = chain.extend(&[], &[sign(0, call(1, FACTORY, PHOENIX))]);
    assert_eq!(outcome.changes.accounts[&phoenix], None);
    assert_eq!(chain.balance(FACTORY), U256::from(8));
    assert_root(&chain);
}

#[test]
fn delegated_account_keeps_its_designator_and_storage() {
    let mut chain = Chain::new(Profile::Jovian);
    let outcome = chain.extend(&[], &[delegate((0, 0), (1, 0), STORE)]);
    assert!(outcome.receipts[1].status());
    let delegated = chain.state.accounts()[&sender(1)];
    let designator = [&hex!("ef0100")[..], STORE.as_slice()].concat();
    assert_eq!(chain.state.codes()[&delegated.code_hash], Bytes::from(designator));
    assert_eq!(delegated.nonce, 1);

    // The code is read back from the state, and writes the storage of the account that delegated.
    chain.extend(&[], &[sign(0, call(1, sender(1), store(4, 6)))]);
    assert_eq!(chain.slot(sender(1), 4), U256::from(6));
    assert_root(&chain);

    // Taking the delegation back removes the code and not the storage.
    chain.extend(&[], &[delegate((0, 2), (1, 1), Address::ZERO)]);
    assert_eq!(
        chain.state.accounts()[&sender(1)].code_hash,
        alloy_trie::KECCAK_EMPTY
    );
    assert_eq!(chain.slot(sender(1), 4), U256::from(6));
    assert_root(&chain);
}

#[test]
fn touching_an_empty_account_changes_nothing() {
    let mut chain = Chain::new(Profile::Jovian);
    let outcome = chain.extend(&[], &[sign(0, tx(0))]);
    assert!(!outcome.changes.accounts.contains_key(&RECIPIENT));
    assert_root(&chain);
}

#[test]
fn slot_written_back_is_not_in_the_changes() {
    let mut chain = Chain::new(Profile::Jovian);
    let there_and_back = [
        sign(0, call(0, STORE, store(1, 5))),
        sign(0, call(1, STORE, store(1, 0))),
    ];
    let outcome = chain.extend(&[], &there_and_back);
    assert!(!outcome.changes.storage.contains_key(&STORE));
    assert_root(&chain);
}

#[test]
fn attributes_with_an_invalid_transaction_make_no_block() {
    let chain = Chain::new(Profile::Jovian);
    let valid = sign(0, tx(0)).encoded_2718();
    let mut trailing = valid.clone();
    trailing.push(0);
    let late = sign(0, tx(7)).encoded_2718();
    let mut high_s = valid.clone();
    let s = high_s.len() - 32;
    high_s[s..].copy_from_slice(&[0xff; 32]);
    for (bytes, expected) in [
        (trailing, "Malformed"),
        (vec![], "Malformed"),
        (vec![0x03, 0xc0], "Malformed"),
        (high_s, "BadSignature"),
        (late, "Rejected"),
    ] {
        let mut attributes = chain.attributes(&[]);
        attributes.transactions.push(bytes.into());
        match execute_block(&chain.config, &chain.tip, &attributes, &chain.state) {
            Err(ExecuteError::InvalidTransaction { index: 1, error }) => {
                assert!(
                    alloc::format!("{error:?}").starts_with(expected),
                    "{expected}: {error:?}"
                );
                assert!(!error.is_block_full());
            }
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn post_exec_transactions_are_refused() {
    let chain = Chain::new(Profile::Jovian);
    let mut builder = chain.open(&chain.attributes(&[]));
    let inner = op_alloy_consensus::TxPostExec::default();
    let tx = OpTxEnvelope::PostExec(alloy_consensus::Sealed::new_unchecked(inner, B256::ZERO));
    let tx = alloy_consensus::transaction::Recovered::new_unchecked(tx, Address::ZERO);
    let error = builder.execute(tx).unwrap_err();
    assert!(matches!(
        error,
        crate::execute::TxError::Invalid(InvalidTransaction::UnsupportedType {
            transaction_type: 0x7d
        })
    ));
}

#[test]
fn outcomes_and_errors_move_between_threads() {
    const fn movable<T: Send + Sync + 'static>() {}
    movable::<BlockOutcome>();
    movable::<ExecuteError>();
    movable::<crate::execute::TxResult>();
    movable::<crate::execute::TxError>();
}

#[test]
fn applying_changes_in_one_go_or_block_by_block_gives_one_state() {
    let mut chain = Chain::new(Profile::Jovian);
    let genesis = chain.state.clone();
    let outcomes: Vec<_> = (0..3)
        .map(|nonce| chain.extend(&[], &[sign(0, call(nonce, STORE, store(nonce % 2, nonce)))]))
        .collect();
    let mut state = genesis;
    outcomes.iter().for_each(|outcome| state.apply(outcome));
    assert_eq!(state, chain.state);
    assert_ne!(outcomes[0].changes, StateChanges::default());
}

/// Something a sender may try; many of these are invalid by the time they run.
#[derive(Clone, Debug)]
enum Try {
    Transfer { value: u64 },
    Store { slot: u64, value: u64 },
    Revert,
    Create,
    Phoenix { value: u64 },
    Balance { of: u8 },
    NonceGap,
    TooExpensive,
}

fn attempt() -> impl Strategy<Value = (u8, Try)> {
    let what = prop_oneof![
        (0u64..3).prop_map(|value| Try::Transfer { value }),
        (0u64..4, 0u64..3).prop_map(|(slot, value)| Try::Store { slot, value }),
        Just(Try::Revert),
        Just(Try::Create),
        (0u64..2).prop_map(|value| Try::Phoenix { value }),
        (0u8..4).prop_map(|of| Try::Balance { of }),
        Just(Try::NonceGap),
        Just(Try::TooExpensive),
    ];
    (0u8..4, what)
}

fn transaction(what: &Try, nonce: u64) -> alloy_consensus::TxEip1559 {
    match what {
        Try::Transfer { value } => alloy_consensus::TxEip1559 {
            value: U256::from(*value),
            ..tx(nonce)
        },
        Try::Store { slot, value } => call(nonce, STORE, store(*slot, *value)),
        Try::Revert => call(nonce, REVERT, bytes!("")),
        Try::Create => alloy_consensus::TxEip1559 {
            to: TxKind::Create,
            input: bytes!("60015ff3"),
            ..tx(nonce)
        },
        Try::Phoenix { value } => alloy_consensus::TxEip1559 {
            value: U256::from(*value),
            ..call(nonce, FACTORY, PHOENIX)
        },
        Try::Balance { of } => call(nonce, BALANCE, sender(*of).into_word().to_vec()),
        Try::NonceGap => tx(nonce + 5),
        Try::TooExpensive => alloy_consensus::TxEip1559 {
            value: U256::MAX,
            ..tx(nonce)
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_blocks_execute_again_to_the_same_hash_and_root(
        jovian in any::<bool>(),
        blocks in many((many(0u128..100, 0..3), many(attempt(), 0..8)), 1..5),
    ) {
        let mut chain = Chain::new(if jovian { Profile::Jovian } else { Profile::Isthmus });
        let mut nonces = [0u64; 4];
        for (mints, attempts) in blocks {
            let deposits: Vec<_> = mints.iter().map(|mint| deposit(RECIPIENT, *mint, 50)).collect();
            let attributes = chain.attributes(&deposits);
            let mut builder = chain.open(&attributes);
            for (who, what) in attempts {
                let nonce = &mut nonces[usize::from(who)];
                match builder.execute(sign(who, transaction(&what, *nonce))) {
                    Ok(_) => *nonce += 1,
                    Err(error) => prop_assert!(matches!(error, crate::execute::TxError::Invalid(_))),
                }
            }
            let outcome = builder.finish(&chain.state).unwrap();
            let again = chain.execute_again(&outcome);
            prop_assert_eq!(again.hash, outcome.hash);
            prop_assert_eq!(&again.changes, &outcome.changes);
            prop_assert_eq!(&again.trie, &outcome.trie);
            chain.accept(&outcome);
            prop_assert_eq!(chain.tip.state_root, rebuilt_root(&chain.state));
        }
    }
}
