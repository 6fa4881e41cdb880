//! From the calls of a simulated block to the block: transactions without signature, receipts, roots.

use super::run::{Run, UNKNOWN_ROOT};
use crate::{
    rpc::{block_id::ReadState, error::RpcError, evm::Outcome},
    store::StoredBlock,
};
use alloy::consensus::Signed;
use alloy::{
    consensus::{
        BlockBody, Eip658Value, Header, Receipt, TxReceipt, TypedTransaction,
        proofs::{calculate_receipt_root, calculate_transaction_root},
    },
    primitives::{Bloom, Log, Signature, U256},
    rpc::types::TransactionRequest,
};
use op_alloy_consensus::{L2_TO_L1_MESSAGE_PASSER_ADDRESS, OpReceiptEnvelope, OpTxEnvelope};
use revm_inspectors::transfer::TRANSFER_LOG_EMITTER;
use tributary_protocol::{
    block::{L2Block, L2BlockNumber, L2BlockRef},
    execute::state_changes,
};

/// A call and what it did.
pub(super) struct Call {
    /// With everything a transaction has.
    pub(super) request: TransactionRequest,
    pub(super) outcome: Outcome,
}

/// The block these calls make.
pub(super) fn seal(run: &mut Run, header: Header, calls: &[Call]) -> Result<StoredBlock, RpcError> {
    let mut transactions = Vec::with_capacity(calls.len());
    let mut receipts: Vec<OpReceiptEnvelope> = Vec::with_capacity(calls.len());
    let mut gas_used = 0;
    for call in calls {
        let transaction = unsigned(call.request.clone())?;
        gas_used += call.outcome.result.tx_gas_used();
        receipts.push(receipt(&transaction, &call.outcome, gas_used));
        transactions.push(transaction);
    }
    let (state_root, withdrawals_root) = roots(run)?;
    let header = Header {
        state_root,
        transactions_root: calculate_transaction_root(&transactions),
        receipts_root: calculate_receipt_root(&receipts),
        logs_bloom: receipts
            .iter()
            .fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom()),
        gas_used,
        withdrawals_root: Some(withdrawals_root),
        ..header
    };
    let hash = header.hash_slow();
    let reference = L2BlockRef {
        hash,
        number: L2BlockNumber(header.number),
        parent_hash: header.parent_hash,
        timestamp: header.timestamp,
        ..run.base.reference
    };
    let body = BlockBody {
        transactions,
        ommers: Vec::new(),
        withdrawals: Some(Default::default()),
    };
    Ok(StoredBlock {
        reference,
        block: L2Block { header, body },
        hash,
        senders: calls
            .iter()
            .map(|call| call.request.from.unwrap_or_default())
            .collect(),
        receipts,
    })
}

/// The transaction this call would be, with nothing where its signature would be.
fn unsigned(request: TransactionRequest) -> Result<OpTxEnvelope, RpcError> {
    let signature = Signature::new(U256::ZERO, U256::ZERO, false);
    let typed = request
        .build_typed_tx()
        .map_err(|_| RpcError::params("call has fields of different transaction types"))?;
    Ok(match typed {
        TypedTransaction::Legacy(tx) => OpTxEnvelope::Legacy(Signed::new_unhashed(tx, signature)),
        TypedTransaction::Eip2930(tx) => OpTxEnvelope::Eip2930(Signed::new_unhashed(tx, signature)),
        TypedTransaction::Eip1559(tx) => OpTxEnvelope::Eip1559(Signed::new_unhashed(tx, signature)),
        TypedTransaction::Eip7702(tx) => OpTxEnvelope::Eip7702(Signed::new_unhashed(tx, signature)),
        TypedTransaction::Eip4844(_) => return Err(RpcError::server("transaction type not supported")),
    })
}

fn receipt(transaction: &OpTxEnvelope, outcome: &Outcome, cumulative_gas_used: u64) -> OpReceiptEnvelope {
    // Transfers shown as logs are shown, not emitted.
    let is_emitted = |log: &&Log| log.address != TRANSFER_LOG_EMITTER;
    let status = outcome.result.is_success();
    let logs = if status { outcome.result.logs() } else { &[] };
    let receipt = Receipt {
        status: Eip658Value::Eip658(status),
        cumulative_gas_used,
        logs: logs.iter().filter(is_emitted).cloned().collect(),
    }
    .with_bloom();
    match transaction {
        OpTxEnvelope::Eip2930(_) => OpReceiptEnvelope::Eip2930(receipt),
        OpTxEnvelope::Eip1559(_) => OpReceiptEnvelope::Eip1559(receipt),
        OpTxEnvelope::Eip7702(_) => OpReceiptEnvelope::Eip7702(receipt),
        _ => OpReceiptEnvelope::Legacy(receipt),
    }
}

/// Root of the state and of the storage of withdrawals, after everything simulated so far.
fn roots(run: &Run) -> Result<(alloy::primitives::B256, alloy::primitives::B256), RpcError> {
    let base = &run.base.block.header;
    let withdrawals_root = base.withdrawals_root.unwrap_or_default();
    let ReadState::At(start) = &run.start else {
        return Ok((UNKNOWN_ROOT, withdrawals_root));
    };
    if run.has_replaced_storage {
        return Ok((UNKNOWN_ROOT, withdrawals_root));
    }
    let changes = state_changes(&run.state.cache, start)?;
    let trie = start.state_trie()?;
    let outcome = trie.update(start, &changes).map_err(RpcError::internal)?;
    let withdrawals_root = outcome
        .storage_roots
        .get(&L2_TO_L1_MESSAGE_PASSER_ADDRESS)
        .copied()
        .unwrap_or(withdrawals_root);
    Ok((outcome.after.root(), withdrawals_root))
}
