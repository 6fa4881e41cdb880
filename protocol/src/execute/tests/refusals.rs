//! Transactions that are not taken, and failures that are not theirs.

use super::fixture::*;
use crate::{
    execute::{BlockBuilder, ExecuteError, FatalError, InvalidTransaction, TxError},
    state::memory::{MemoryState, MemoryStateError},
};
use alloc::vec::Vec;
use alloy_consensus::{TxEip1559, transaction::Recovered};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, U256};
use op_alloy_consensus::OpTxEnvelope;
use revm::{DatabaseRef, bytecode::Bytecode, state::AccountInfo};

/// A transaction whose gas tells whether `whose` was already warm.
fn probe(who: u8, nonce: u64, whose: u8) -> Recovered<OpTxEnvelope> {
    sign(who, call(nonce, BALANCE, sender(whose).into_word().to_vec()))
}

/// One of each way to be refused, all by account 3.
fn refused() -> Vec<Recovered<OpTxEnvelope>> {
    let slot = AccessListItem {
        address: STORE,
        storage_keys: [B256::ZERO].into(),
    };
    [
        TxEip1559 {
            access_list: AccessList([slot].into()),
            ..tx(9)
        },
        TxEip1559 {
            value: U256::from(1_000 * ETHER),
            ..tx(0)
        },
        TxEip1559 { chain_id: 1, ..tx(0) },
        TxEip1559 {
            max_fee_per_gas: 1,
            max_priority_fee_per_gas: 0,
            ..tx(0)
        },
        TxEip1559 {
            max_priority_fee_per_gas: 20_000_000_000,
            ..tx(0)
        },
        TxEip1559 {
            gas_limit: 20_999,
            ..tx(0)
        },
        TxEip1559 {
            gas_limit: GAS_LIMIT,
            ..tx(0)
        },
        TxEip1559 {
            gas_limit: GAS_LIMIT + 1,
            ..tx(0)
        },
    ]
    .map(|tx| sign(3, tx))
    .into()
}

#[test]
fn refused_transactions_leave_no_trace() {
    for profile in PROFILES {
        let chain = Chain::new(profile);
        let valid = [
            probe(0, 0, 3),
            sign(1, call(0, STORE, store(0, 1))),
            probe(2, 0, 3),
            sign(0, call(1, STORE, store(0, 2))),
            // The account all the refused ones came from is as it was, too.
            sign(3, tx(0)),
        ];
        let (clean, results) = chain.build(&[], &valid);
        let clean_gas: Vec<u64> = results
            .into_iter()
            .map(|result| result.unwrap().gas_used)
            .collect();

        let mut mixed = Vec::new();
        for tx in &valid {
            mixed.extend(refused());
            mixed.push(tx.clone());
        }
        // The last one has account 3's nonce right after it ran; those before it must all be refused.
        let (outcome, results) = chain.build(&[], &mixed);
        let gas: Vec<u64> = results.iter().flatten().map(|result| result.gas_used).collect();
        assert_eq!(gas, clean_gas);
        assert_eq!(outcome.hash, clean.hash);
        assert_eq!(outcome.changes, clean.changes);
        assert_eq!(outcome.receipts, clean.receipts);
        for error in results.into_iter().filter_map(Result::err) {
            assert!(matches!(error, TxError::Invalid(_)), "{error:?}");
        }
    }
}

#[test]
fn each_refusal_names_its_reason() {
    let chain = Chain::new(Profile::Jovian);
    let (_, results) = chain.build(&[], &refused());
    let reasons: Vec<_> = results
        .into_iter()
        .map(|result| match result.unwrap_err() {
            TxError::Invalid(InvalidTransaction::Rejected(error)) => alloc::format!("{error:?}"),
            TxError::Invalid(error) => alloc::format!("{error:?}"),
            TxError::Fatal(error) => panic!("{error:?}"),
        })
        .collect();
    let expected = [
        "NonceTooHigh",
        "LackOfFundForMaxFee",
        "InvalidChainId",
        "GasPriceLessThanBasefee",
        "PriorityFeeGreaterThanMaxFee",
        "CallGasCostMoreThanGasLimit",
        "NoGasLeft",
        "NoGasLeft",
    ];
    for (reason, expected) in reasons.iter().zip(expected) {
        assert!(reason.contains(expected), "{reason} is not {expected}");
    }
}

#[test]
fn full_block_refuses_what_the_next_block_may_take() {
    let chain = Chain::new(Profile::Jovian);
    let (_, results) = chain.build(
        &[],
        &[sign(
            0,
            TxEip1559 {
                gas_limit: GAS_LIMIT,
                ..tx(0)
            },
        )],
    );
    let Err(TxError::Invalid(error)) = &results[0] else {
        panic!("the L1-attributes deposit already used some of the gas");
    };
    assert!(error.is_block_full());
}

#[test]
fn builder_counts_what_it_holds() {
    let chain = Chain::new(Profile::Jovian);
    let mut builder = chain.open(&chain.attributes(&[]));
    let before = builder.gas_used();
    assert_eq!((builder.transaction_count(), builder.da_footprint_used()), (1, 0));
    let result = builder.execute(sign(0, tx(0))).unwrap();
    assert_eq!(result.gas_used, 21_000);
    assert_eq!(builder.gas_used(), before + 21_000);
    // 100 estimated bytes at least, 400 gas each.
    assert!(builder.da_footprint_used() >= 40_000);
    builder.execute(sign(0, tx(5))).unwrap_err();
    assert_eq!(builder.transaction_count(), 2);
    assert_eq!(builder.receipts().len(), 2);
    assert_eq!(builder.senders()[1], sender(0));
    let pending = builder.pending_state().basic_ref(sender(0)).unwrap().unwrap();
    assert_eq!(pending.nonce, 1);
}

/// A state in which one account cannot be read.
#[derive(Clone, Debug)]
struct Damaged<'a>(&'a MemoryState, Address);

impl DatabaseRef for Damaged<'_> {
    type Error = MemoryStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, MemoryStateError> {
        if address == self.1 {
            return Err(MemoryStateError::MissingBlock(0));
        }
        self.0.basic_ref(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, MemoryStateError> {
        self.0.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, MemoryStateError> {
        self.0.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, MemoryStateError> {
        self.0.block_hash_ref(number)
    }
}

#[test]
fn failed_read_is_fatal_and_never_the_transactions_fault() {
    let chain = Chain::new(Profile::Jovian);
    // Whose account fails: the sender of a transaction, an account its code reads, the contract behind the DA footprint.
    for broken in [sender(1), sender(2), crate::l1_info::L1_BLOCK_PREDEPLOY] {
        let state = Damaged(&chain.state, broken);
        let attributes = chain.attributes(&[]);
        let mut builder = BlockBuilder::new(&chain.config, &chain.tip, &attributes, state).unwrap();
        builder.execute(sign(0, tx(0))).ok();
        let error = builder.execute(probe(1, 0, 2)).unwrap_err();
        assert!(matches!(error, TxError::Fatal(_)), "{broken}: {error:?}");
        let error = builder.execute(sign(0, tx(1))).unwrap_err();
        assert!(matches!(error, TxError::Fatal(FatalError::Poisoned)));
        let error = builder.finish(&chain.state).unwrap_err();
        assert!(matches!(error, ExecuteError::Fatal(FatalError::Poisoned)));
    }
}

#[test]
fn failed_read_in_a_system_call_is_fatal() {
    let chain = Chain::new(Profile::Jovian);
    let state = Damaged(&chain.state, alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS);
    let result = BlockBuilder::new(&chain.config, &chain.tip, &chain.attributes(&[]), state);
    assert!(matches!(result.err(), Some(ExecuteError::Fatal(_))));
}

#[test]
fn trie_that_lacks_a_node_seals_nothing() {
    let chain = Chain::new(Profile::Jovian);
    let builder = chain.open(&chain.attributes(&[]));
    let error = builder.finish(&MemoryState::default()).unwrap_err();
    assert!(matches!(error, ExecuteError::Trie(_)));
}
