//! From stored blocks to the JSON shapes of Ethereum with OP's additions.
//!
//! Deposits carry `depositNonce` and `depositReceiptVersion`; every other receipt says what it paid for L1 and which fee parameters
//! were in force, as op-geth derives them from the block's own L1-attributes transaction.

use crate::{
    engine::{PendingBlock, PendingTransaction},
    pool::head::{cost_info, l1_cost_info},
    store::StoredBlock,
};
use alloy::{
    consensus::{
        BlockHeader, ReceiptWithBloom, Sealed, Transaction as _, TxReceipt,
        transaction::{Recovered, TransactionInfo},
    },
    eips::eip2718::Encodable2718,
    network::primitives::BlockTransactions,
    primitives::{B256, U256},
    rlp::Encodable,
    rpc::types::{Block, Header, Log, TransactionReceipt},
};
use op_alloy_consensus::{
    OpReceipt, OpReceiptEnvelope, OpTxEnvelope,
    transaction::{OpDepositInfo, OpTransactionInfo},
};
use op_alloy_rpc_types::{L1BlockInfo, OpTransactionReceipt, Transaction};
use op_revm::OpSpecId;

/// A block with hashes or whole transactions.
pub(super) type RpcBlock = Block<Transaction, Header>;

/// The header with its hash; the size belongs to the whole block.
pub(super) fn header(block: &StoredBlock) -> Header {
    let sealed = Sealed::new_unchecked(block.block.header.clone(), block.hash);
    Header::from_consensus(sealed, None, None)
}

/// The block, with whole transactions if `full`.
pub(super) fn block(block: &StoredBlock, full: bool) -> RpcBlock {
    let count = block.block.body.transactions.len();
    let transactions = if full {
        BlockTransactions::Full((0..count).filter_map(|index| transaction(block, index)).collect())
    } else {
        let hashes = block.block.body.transactions.iter();
        BlockTransactions::Hashes(hashes.map(OpTxEnvelope::tx_hash).collect())
    };
    Block {
        header: header(block).with_size(Some(U256::from(block.block.length()))),
        uncles: Vec::new(),
        transactions,
        withdrawals: block.block.body.withdrawals.clone(),
    }
}

/// The transaction at `index`.
pub(super) fn transaction(block: &StoredBlock, index: usize) -> Option<Transaction> {
    let transaction = block.block.body.transactions.get(index)?;
    let recovered = Recovered::new_unchecked(transaction.clone(), *block.senders.get(index)?);
    let receipt = block.receipts.get(index)?;
    let info = TransactionInfo {
        hash: Some(transaction.tx_hash()),
        index: Some(index as u64),
        block_hash: Some(block.hash),
        block_number: Some(block.block.header.number),
        block_timestamp: Some(block.block.header.timestamp),
        base_fee: block.block.header.base_fee_per_gas,
    };
    Some(with_deposit(recovered, info, receipt))
}

/// A transaction of the block being built.
pub(super) fn pending_transaction(pending: &PendingTransaction, base_fee: u64) -> Transaction {
    let info = TransactionInfo {
        base_fee: Some(base_fee),
        ..TransactionInfo::default()
    };
    with_deposit(pending.transaction.clone(), info, &pending.receipt)
}

fn with_deposit(
    recovered: Recovered<OpTxEnvelope>,
    info: TransactionInfo,
    receipt: &OpReceiptEnvelope,
) -> Transaction {
    let deposit_meta = OpDepositInfo {
        deposit_nonce: receipt.deposit_nonce(),
        deposit_receipt_version: receipt.deposit_receipt_version(),
    };
    Transaction::from_transaction(recovered, OpTransactionInfo::new(info, deposit_meta))
}

/// Where a receipt's logs and gas start within its block.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    logs: u64,
    gas: u64,
}

/// The receipt of the transaction at `index`.
pub(super) fn receipt(block: &StoredBlock, index: usize, spec: OpSpecId) -> Option<OpTransactionReceipt> {
    let earlier = block.receipts.get(..index)?;
    let has_logs = !block.receipts.get(index)?.logs().is_empty();
    let before = Before {
        gas: earlier.last().map_or(0, OpReceiptEnvelope::cumulative_gas_used),
        // Thousands of receipts are counted only for who has a log to number.
        logs: match has_logs {
            true => earlier.iter().map(|receipt| receipt.logs().len() as u64).sum(),
            false => 0,
        },
    };
    one_receipt(block, index, before, l1_cost_info(&block.block), spec)
}

/// All receipts of the block.
pub(super) fn receipts(block: &StoredBlock, spec: OpSpecId) -> Vec<OpTransactionReceipt> {
    let costs = l1_cost_info(&block.block);
    let mut before = Before::default();
    let mut receipts = Vec::with_capacity(block.receipts.len());
    for (index, receipt) in block.receipts.iter().enumerate() {
        receipts.extend(one_receipt(block, index, before, costs.clone(), spec));
        before = after(before, receipt);
    }
    receipts
}

fn after(before: Before, receipt: &OpReceiptEnvelope) -> Before {
    Before {
        logs: before.logs + receipt.logs().len() as u64,
        gas: receipt.cumulative_gas_used(),
    }
}

fn one_receipt(
    block: &StoredBlock,
    index: usize,
    before: Before,
    costs: Option<op_revm::L1BlockInfo>,
    spec: OpSpecId,
) -> Option<OpTransactionReceipt> {
    let envelope = block.receipts.get(index)?;
    let transaction = block.block.body.transactions.get(index)?;
    let from = *block.senders.get(index)?;
    let header = &block.block.header;
    let place = LogPlace {
        number: header.number,
        timestamp: header.timestamp,
        block_hash: block.hash,
        hash: transaction.tx_hash(),
        index: index as u64,
    };
    Some(receipt_of(
        transaction,
        from,
        envelope,
        place,
        before,
        costs,
        header.base_fee_per_gas(),
        spec,
    ))
}

/// The receipt of a transaction in the block being built. All of it is final but the block's hash, which is known once the block is
/// sealed: until then it is zero, which is what every client library takes for a hash.
pub(super) fn pending_receipt(
    block: &PendingBlock,
    pending: &PendingTransaction,
    spec: OpSpecId,
) -> OpTransactionReceipt {
    let place = LogPlace {
        number: block.number().0,
        timestamp: block.attributes().timestamp,
        block_hash: B256::ZERO,
        hash: pending.transaction.inner().tx_hash(),
        index: pending.index as u64,
    };
    let before = Before {
        logs: pending.logs_before,
        gas: pending.receipt.cumulative_gas_used() - pending.gas_used,
    };
    receipt_of(
        pending.transaction.inner(),
        pending.transaction.signer(),
        &pending.receipt,
        place,
        before,
        block.l1_info().as_ref().map(cost_info),
        Some(block.base_fee()),
        spec,
    )
}

#[expect(clippy::too_many_arguments, reason = "a receipt is where all of these meet")]
fn receipt_of(
    transaction: &OpTxEnvelope,
    from: alloy::primitives::Address,
    envelope: &OpReceiptEnvelope,
    place: LogPlace,
    before: Before,
    costs: Option<op_revm::L1BlockInfo>,
    base_fee: Option<u64>,
    spec: OpSpecId,
) -> OpTransactionReceipt {
    let mut number = before.logs;
    let logs = OpReceipt::from(envelope.clone()).map_logs(|log| {
        number += 1;
        place.log(log, number - 1)
    });
    // A deposit's `nonce` is the one its sender had, which only its receipt knows.
    let nonce = envelope.deposit_nonce().unwrap_or_else(|| transaction.nonce());
    let costs = costs.filter(|_| !transaction.is_deposit());
    let encoded = transaction.encoded_2718();
    let blob_gas_used = costs.as_ref().and_then(|costs| {
        let scalar = costs.da_footprint_gas_scalar?;
        let size = op_revm::estimate_tx_compressed_size(&encoded) / 1_000_000;
        Some(size * u64::from(scalar))
    });
    let inner = TransactionReceipt {
        inner: ReceiptWithBloom::new(logs, envelope.bloom()),
        transaction_hash: place.hash,
        transaction_index: Some(place.index),
        block_hash: Some(place.block_hash),
        block_number: Some(place.number),
        gas_used: envelope.cumulative_gas_used() - before.gas,
        effective_gas_price: if transaction.is_deposit() {
            0
        } else {
            transaction.effective_gas_price(base_fee)
        },
        blob_gas_used,
        blob_gas_price: None,
        from,
        to: transaction.to(),
        contract_address: transaction.is_create().then(|| from.create(nonce)),
    };
    let l1_block_info = costs
        .map(|costs| l1_fields(costs, &encoded, spec))
        .unwrap_or_default();
    OpTransactionReceipt {
        inner,
        l1_block_info,
        op_gas_refund: None,
    }
}

/// What op-geth adds to receipts of ordinary transactions.
fn l1_fields(mut costs: op_revm::L1BlockInfo, encoded: &[u8], spec: OpSpecId) -> L1BlockInfo {
    let small = |value: U256| value.saturating_to::<u128>();
    let operator = costs.operator_fee_scalar.zip(costs.operator_fee_constant);
    let operator = operator.filter(|(scalar, constant)| !(scalar.is_zero() && constant.is_zero()));
    L1BlockInfo {
        l1_gas_price: Some(small(costs.l1_base_fee)),
        l1_gas_used: Some(small(costs.data_gas(encoded, spec))),
        l1_fee: Some(small(costs.calculate_tx_l1_cost(encoded, spec))),
        l1_fee_scalar: None,
        l1_base_fee_scalar: Some(small(costs.l1_base_fee_scalar)),
        l1_blob_base_fee: costs.l1_blob_base_fee.map(small),
        l1_blob_base_fee_scalar: costs.l1_blob_base_fee_scalar.map(small),
        operator_fee_scalar: operator.map(|(scalar, _)| small(scalar)),
        operator_fee_constant: operator.map(|(_, constant)| small(constant)),
        da_footprint_gas_scalar: costs.da_footprint_gas_scalar,
    }
}

/// Where a log was emitted.
#[derive(Clone, Copy)]
pub(super) struct LogPlace {
    pub(super) number: u64,
    pub(super) timestamp: u64,
    pub(super) block_hash: B256,
    pub(super) hash: B256,
    pub(super) index: u64,
}

impl LogPlace {
    pub(super) fn log(&self, inner: alloy::primitives::Log, log_index: u64) -> Log {
        Log {
            inner,
            block_hash: Some(self.block_hash),
            block_number: Some(self.number),
            block_timestamp: Some(self.timestamp),
            transaction_hash: Some(self.hash),
            transaction_index: Some(self.index),
            log_index: Some(log_index),
            removed: false,
        }
    }
}
