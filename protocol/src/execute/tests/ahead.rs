//! A block built before its parent has a hash is the block that is built afterwards.

use super::fixture::*;
use crate::{
    execute::{BlockBuilder, BlockOutcome, ClosedBlock, ExecuteError, forced_transactions, parent_hash_slot},
    state::memory::MemoryState,
};
use alloc::vec::Vec;
use alloy_consensus::{Header, Sealed, transaction::Recovered};
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_primitives::{Address, B256, Bytes, U256};
use core::cell::Cell;
use op_alloy_consensus::OpTxEnvelope;
use revm::{DatabaseRef, bytecode::Bytecode, state::AccountInfo};

/// The state after the parent, for a block that is ahead of it: knows the parent's hash where the EVM asks for it.
#[derive(Debug)]
struct Promised<'a> {
    state: &'a MemoryState,
    parent: Sealed<Header>,
    /// Times the hash was asked for.
    asked: &'a Cell<u32>,
}

impl Promised<'_> {
    fn hash(&self) -> B256 {
        self.asked.set(self.asked.get() + 1);
        self.parent.hash()
    }
}

impl DatabaseRef for Promised<'_> {
    type Error = <MemoryState as DatabaseRef>::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.state.basic_ref(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.state.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        if address == HISTORY_STORAGE_ADDRESS && slot == parent_hash_slot(self.parent.number) {
            return Ok(U256::from_be_bytes(self.hash().0));
        }
        self.state.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        if number == self.parent.number {
            return Ok(self.hash());
        }
        self.state.block_hash_ref(number)
    }
}

fn closed_ahead(chain: &Chain, txs: &[Recovered<OpTxEnvelope>]) -> (ClosedBlock, Vec<Bytes>) {
    let attributes = chain.attributes(&[]);
    let asked = Cell::new(0);
    let promised = Promised {
        state: &chain.state,
        parent: chain.tip.clone(),
        asked: &asked,
    };
    // All that is known of a parent before its roots.
    let known = Header {
        state_root: B256::ZERO,
        transactions_root: B256::ZERO,
        receipts_root: B256::ZERO,
        withdrawals_root: None,
        ..chain.tip.inner().clone()
    };
    let mut builder = BlockBuilder::ahead(&chain.config, &known, &attributes, promised).unwrap();
    for forced in forced_transactions(&attributes) {
        builder.execute_encoded(forced.unwrap()).unwrap();
    }
    assert_eq!(
        asked.get(),
        0,
        "opening a block does not ask for its parent's hash"
    );
    let outputs = txs.iter().map(|tx| builder.execute(tx.clone()).unwrap().output);
    let outputs = outputs.collect();
    (builder.stop().unwrap().0, outputs)
}

fn assert_same(ahead: &BlockOutcome, afterwards: &BlockOutcome) {
    assert_eq!(ahead.block, afterwards.block);
    assert_eq!(ahead.hash, afterwards.hash);
    assert_eq!(ahead.receipts, afterwards.receipts);
    assert_eq!(ahead.senders, afterwards.senders);
    assert_eq!(ahead.changes, afterwards.changes);
}

#[test]
fn a_block_built_ahead_is_the_one_built_afterwards_whatever_it_asks_of_its_parent() {
    for profile in PROFILES {
        let mut chain = Chain::new(profile);
        for round in 0..3_u64 {
            let parent = chain.tip.clone();
            let number = U256::from(parent.number).to_be_bytes_vec();
            let asks = [
                sign(0, call(round * 3, BLOCKHASH, number.clone())),
                sign(0, call(round * 3 + 1, HISTORY_STORAGE_ADDRESS, number)),
                sign(0, call(round * 3 + 2, STORE, U256::from(round).to_be_bytes_vec())),
            ];
            for txs in [&asks[..], &[]] {
                let (closed, outputs) = closed_ahead(&chain, txs);
                for answer in outputs.iter().take(2) {
                    assert_eq!(*answer, Bytes::from(parent.hash().0));
                }
                let ahead = closed.settle(&parent, &chain.state).unwrap().seal(&chain.state);
                let (afterwards, _) = chain.build(&[], txs);
                assert_same(&ahead.unwrap(), &afterwards);
            }
            chain.extend(&[], &asks);
        }
    }
}

#[test]
fn a_block_is_settled_on_its_own_parent_alone() {
    let mut chain = Chain::new(Profile::Jovian);
    let grandparent = chain.tip.clone();
    chain.extend(&[], &[]);
    let (ahead, _) = closed_ahead(&chain, &[]);
    let error = ahead.settle(&grandparent, &chain.state).unwrap_err();
    assert!(
        matches!(error, ExecuteError::OtherParent { number: 2, .. }),
        "{error}"
    );

    let (on_tip, _) = chain.open(&chain.attributes(&[])).stop().unwrap();
    let other = Sealed::new_unchecked(chain.tip.inner().clone(), B256::repeat_byte(1));
    let error = on_tip.settle(&other, &chain.state).unwrap_err();
    assert!(matches!(error, ExecuteError::OtherParent { .. }), "{error}");
}
