//! L1 blocks as an RPC server gives them, JSON of a block and of its receipts: only parts that hash to one block become one, and
//! whatever such a block holds can be read.
//!
//! Input: length of the block's JSON u16, the block, the receipts.
#![no_main]

use alloy::rpc::types;
use alloy_consensus::{ReceiptEnvelope, TxEnvelope};
use alloy_primitives::B256;
use std::sync::LazyLock;
use tributary_derivation::{
    epoch::Epoch,
    l1_block::L1Block,
    testing::{TestNet, TestNetOptions},
};
use tributary_fuzz::{
    input::Input,
    seeds::{Seeds, add},
    target,
};

target!(run, seeds);

static NET: LazyLock<TestNet> = LazyLock::new(|| TestNet::new(TestNetOptions::default()));

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let block = serde_json::from_slice::<types::Block>(input.bytes());
    let receipts = serde_json::from_slice::<Vec<types::TransactionReceipt>>(input.rest());
    let Ok(block) = block else { return };
    let hash = block.header.hash;
    let header = block.header.inner;
    let transactions: Vec<TxEnvelope> = block
        .transactions
        .into_transactions()
        .map(types::Transaction::into_inner)
        .collect();
    let receipts: Vec<ReceiptEnvelope> = receipts
        .unwrap_or_default()
        .into_iter()
        .map(|receipt| receipt.into_primitives_receipt().inner)
        .collect();
    let Ok(block) = L1Block::new(hash, header.clone(), transactions.clone(), receipts.clone()) else {
        return;
    };
    assert_eq!(block.hash(), header.hash_slow());
    assert!(
        L1Block::new(
            B256::repeat_byte(1),
            header.clone(),
            transactions.clone(),
            receipts.clone()
        )
        .is_err()
    );
    if !transactions.is_empty() {
        assert!(
            L1Block::new(hash, header.clone(), Vec::new(), receipts.clone()).is_err(),
            "transactions are missing"
        );
    }
    if !receipts.is_empty() {
        assert!(
            L1Block::new(hash, header, transactions, Vec::new()).is_err(),
            "receipts are missing"
        );
    }
    let logs: usize = receipts.iter().map(|receipt| receipt.logs().len()).sum();
    assert_eq!(block.logs().count(), logs);
    if let Ok(epoch) = Epoch::of(&block, &NET.config) {
        assert_eq!(epoch.id(), block.id());
        assert!(epoch.deposits().len() <= logs);
    }
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let (block, receipts) = tributary_fuzz::l1::posted_block();
    for (name, receipts) in [("block", &receipts[..]), ("without-receipts", b"[]")] {
        let size = u16::try_from(block.len()).expect("a small block");
        add(
            &mut seeds,
            name,
            &[&size.to_be_bytes(), &block[..], receipts].concat(),
        );
    }
    seeds
}
