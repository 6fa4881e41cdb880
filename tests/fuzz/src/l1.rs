//! A simulated L1 for targets: signed transactions, and a block of it as an RPC server writes it.

use alloy::rpc::types;
use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip4844, TxEip4844Variant, TxEnvelope, transaction::SignerRecoverable,
};
use alloy_primitives::{Address, B256, Bytes, Log, Signature, TxKind, U256};
use secp256k1::{All, Message, Secp256k1, SecretKey};
use std::sync::LazyLock;
use tributary_derivation::{
    driver::memory::{MemoryL1, MinedTransaction},
    l1_block::L1Block,
    testing::{GENESIS_TIME, INBOX, L1_CHAIN_ID, PORTAL, key},
};
use tributary_protocol::deposit::encode_transaction_deposited;

static SECP: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);

/// Signs transactions; its address depends on its name alone.
#[derive(Clone, Copy, Debug)]
pub struct Signer {
    key: SecretKey,
    address: Address,
}

impl Signer {
    /// The signer of this name; "batcher" is the one of the test network.
    ///
    /// # Panics
    /// Never: a hash is a valid key but for one case in 2^128.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let signer = key(name);
        Self {
            key: SecretKey::from_slice(signer.to_bytes().as_slice()).expect("it is a key already"),
            address: signer.address(),
        }
    }

    /// Where its transactions come from.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    fn signature(&self, hash: B256) -> Signature {
        let signature = SECP.sign_ecdsa_recoverable(&Message::from_digest(hash.0), &self.key);
        let (recovery, bytes) = signature.serialize_compact();
        Signature::from_bytes_and_parity(&bytes, i32::from(recovery) == 1)
    }

    /// A transaction to the inbox with this calldata.
    #[must_use]
    pub fn calldata(&self, nonce: u64, input: Bytes) -> TxEnvelope {
        let transaction = TxEip1559 {
            chain_id: L1_CHAIN_ID,
            nonce,
            gas_limit: 1_000_000,
            max_fee_per_gas: 10_000_000_000,
            to: TxKind::Call(INBOX),
            input,
            ..TxEip1559::default()
        };
        let signature = self.signature(transaction.signature_hash());
        transaction.into_signed(signature).into()
    }

    /// A transaction to the inbox that carries one blob.
    #[must_use]
    pub fn blob(&self, nonce: u64, hash: B256) -> TxEnvelope {
        let transaction = TxEip4844 {
            chain_id: L1_CHAIN_ID,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 10_000_000_000,
            max_fee_per_blob_gas: 10,
            to: INBOX,
            blob_versioned_hashes: vec![hash],
            ..TxEip4844::default()
        };
        let signature = self.signature(transaction.signature_hash());
        // Without a sidecar, as transactions stand in blocks.
        let variant: TxEip4844Variant = transaction.into();
        variant.into_signed(signature).into()
    }
}

/// JSON of a block with a batcher transaction and a deposit, and of its receipts, as an RPC server writes them.
///
/// # Panics
/// Never: what is written is plain data.
#[must_use]
pub fn posted_block() -> (Vec<u8>, Vec<u8>) {
    let l1 = MemoryL1::new(L1_CHAIN_ID, GENESIS_TIME);
    let deposit = op_alloy_consensus::TxDeposit {
        mint: 5,
        gas_limit: 21_000,
        value: U256::from(3),
        ..Default::default()
    };
    l1.mine(vec![MinedTransaction {
        transaction: Signer::new("batcher").calldata(0, crate::seeds::vector("batcher-tx-commitment").into()),
        logs: vec![encode_transaction_deposited(PORTAL, &deposit)],
        succeeds: true,
    }]);
    let block = l1.head_block();
    (
        serde_json::to_vec(&rpc_block(&block)).expect("plain data"),
        serde_json::to_vec(&rpc_receipts(&block)).expect("plain data"),
    )
}

fn rpc_block(block: &L1Block) -> types::Block {
    let of = |transaction: &TxEnvelope| types::Transaction {
        inner: transaction.clone().try_into_recovered().expect("it is signed"),
        block_hash: Some(block.hash()),
        block_number: Some(block.number().0),
        transaction_index: Some(0),
        effective_gas_price: Some(1),
        block_timestamp: None,
    };
    let header = types::Header {
        hash: block.hash(),
        inner: block.header().clone(),
        total_difficulty: None,
        size: None,
    };
    let transactions = block.transactions().iter().map(of).collect();
    types::Block::new(header, types::BlockTransactions::Full(transactions))
}

fn rpc_receipts(block: &L1Block) -> Vec<types::TransactionReceipt> {
    let receipts = block.transactions().iter().zip(block.receipts());
    receipts
        .map(|(transaction, receipt)| types::TransactionReceipt {
            inner: receipt.clone().map_logs(|inner: Log| types::Log {
                inner,
                ..types::Log::default()
            }),
            transaction_hash: *transaction.tx_hash(),
            transaction_index: Some(0),
            block_hash: Some(block.hash()),
            block_number: Some(block.number().0),
            gas_used: 21_000,
            effective_gas_price: 1,
            blob_gas_used: None,
            blob_gas_price: None,
            from: Signer::new("batcher").address(),
            to: None,
            contract_address: None,
        })
        .collect()
}
