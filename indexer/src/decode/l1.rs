//! An L1 block and its receipts into posted batches.

use super::Unreadable;
use crate::rpc::{RpcBlock, RpcReceipt, RpcTransaction};
use alloy::primitives::{Address, B256, Bytes, Log, LogData, U256};
use tributary_protocol::{
    batcher_tx::BatcherTx,
    commitment::{Commitment, EIGENDA_LAYER},
    config::{ConfigUpdate, RollupConfig, SystemConfig},
};

/// EIP-2718 type of transactions with blobs.
const BLOB_TX_TYPE: u64 = 3;

/// A batcher transaction in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PostedRow {
    pub(crate) l1_tx_hash: B256,
    pub(crate) l1_tx_index: usize,
    pub(crate) l1_gas_used: u64,
    pub(crate) l1_fee: U256,
    /// Where the payload is, in Blockscout's words.
    pub(crate) da_kind: &'static str,
    pub(crate) commitment: Option<Commitment>,
    /// The payload itself, if it is here: calldata of frames is a payload byte for byte.
    pub(crate) payload: Option<Bytes>,
    /// Why there will never be anything to read.
    pub(crate) invalid: Option<Unreadable>,
}

/// Finds the batcher transactions of a block. `batcher` is whose transactions counted before it, and counts after it on return:
/// an update holds for the block that carries it.
pub(crate) fn posted_batches(
    rollup: &RollupConfig,
    block: &RpcBlock,
    receipts: &[RpcReceipt],
    batcher: &mut Address,
) -> Vec<PostedRow> {
    if let Some(update) = last_batcher(rollup, receipts) {
        *batcher = update;
    }
    let ours = |transaction: &RpcTransaction| {
        transaction.to == Some(rollup.batch_inbox_address) && transaction.from == *batcher
    };
    let transactions = block.transactions.iter().enumerate().zip(receipts);
    transactions
        .filter(|((_, transaction), _)| ours(transaction))
        .map(|((index, transaction), receipt)| posted_row(index, transaction, receipt))
        .collect()
}

/// Whether a block can have anything to say; if not, its receipts need not be fetched.
pub(crate) fn may_matter(rollup: &RollupConfig, block: &RpcBlock) -> bool {
    let to_inbox = |transaction: &RpcTransaction| transaction.to == Some(rollup.batch_inbox_address);
    block.transactions.iter().any(to_inbox)
        || block
            .logs_bloom
            .contains_input(alloy::primitives::BloomInput::Raw(
                rollup.l1_system_config_address.as_slice(),
            ))
}

/// Who may post, as the last update in these receipts has it.
fn last_batcher(rollup: &RollupConfig, receipts: &[RpcReceipt]) -> Option<Address> {
    // Only the batcher is of interest, so the rest of the configuration may start from anywhere.
    let mut scratch: SystemConfig = rollup.genesis.system_config;
    let succeeded = receipts.iter().filter(|receipt| !receipt.status.is_zero());
    let logs = succeeded.flat_map(|receipt| &receipt.logs);
    let logs = logs.filter(|log| log.address == rollup.l1_system_config_address);
    let updates = logs.filter_map(|log| {
        let data = LogData::new(log.topics.clone(), log.data.clone())?;
        match scratch.apply(&Log {
            address: log.address,
            data,
        }) {
            Ok(ConfigUpdate::Batcher(batcher)) => Some(batcher),
            _ => None,
        }
    });
    updates.last()
}

fn posted_row(l1_tx_index: usize, transaction: &RpcTransaction, receipt: &RpcReceipt) -> PostedRow {
    let mut row = PostedRow {
        l1_tx_hash: transaction.hash,
        l1_tx_index,
        l1_gas_used: receipt.gas_used.to(),
        l1_fee: receipt.fee_wei(),
        da_kind: "unknown",
        commitment: None,
        payload: None,
        invalid: None,
    };
    if transaction.tx_type.to::<u64>() == BLOB_TX_TYPE {
        row.da_kind = "in_blob4844";
        row.invalid = Some(Unreadable::Blobs);
        return row;
    }
    match BatcherTx::decode(&transaction.input) {
        Ok(BatcherTx::Frames(_)) => {
            row.da_kind = "in_calldata";
            row.payload = Some(transaction.input.clone());
        }
        Ok(BatcherTx::Commitment(commitment)) => {
            row.da_kind = match commitment.layer() {
                EIGENDA_LAYER => "in_eigenda",
                _ => "in_alt_da",
            };
            row.commitment = Some(commitment);
        }
        Err(error) => row.invalid = Some(error.into()),
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        rpc::RpcLog,
        testing::{rollup, span_payload},
    };
    use alloy::{
        primitives::{Bloom, U64, address},
        sol_types::{SolEvent, SolValue},
    };
    use tributary_protocol::contracts::ISystemConfig::ConfigUpdate as ConfigUpdateEvent;

    const OTHER_BATCHER: Address = address!("bcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbc");

    fn transaction(from: Address, to: Address, input: Bytes) -> RpcTransaction {
        let (hash, tx_type) = (alloy::primitives::keccak256(&input), U64::from(2));
        RpcTransaction {
            hash,
            from,
            to: Some(to),
            value: U256::ZERO,
            input,
            tx_type,
        }
    }

    fn block(transactions: Vec<RpcTransaction>, logs: Vec<RpcLog>) -> (RpcBlock, Vec<RpcReceipt>) {
        let receipts = transactions.iter().map(|transaction| RpcReceipt {
            transaction_hash: transaction.hash,
            block_hash: B256::ZERO,
            status: U64::from(1),
            gas_used: U64::from(30_000),
            effective_gas_price: U256::from(7),
            blob_gas_used: Some(U256::from(131_072)),
            blob_gas_price: Some(U256::from(2)),
            logs: logs.clone(),
        });
        let receipts = receipts.collect();
        let block = RpcBlock {
            hash: B256::ZERO,
            number: U64::from(13),
            parent_hash: B256::ZERO,
            timestamp: U64::ZERO,
            gas_used: U64::ZERO,
            logs_bloom: Bloom::ZERO,
            transactions,
        };
        (block, receipts)
    }

    fn batcher_update(emitter: Address) -> RpcLog {
        let event = ConfigUpdateEvent {
            version: U256::ZERO,
            updateType: 0,
            data: OTHER_BATCHER.abi_encode().into(),
        };
        let data = event.encode_log_data();
        RpcLog {
            address: emitter,
            topics: data.topics().to_vec(),
            data: data.data,
            log_index: U64::ZERO,
        }
    }

    #[test]
    fn a_new_batcher_counts_from_the_block_that_names_it() {
        let rollup = rollup();
        let first = rollup.genesis.system_config.batcher_address;
        let post = |from| transaction(from, rollup.batch_inbox_address, span_payload(1, 2));
        for (emitter, expected) in [
            (rollup.l1_system_config_address, OTHER_BATCHER),
            (Address::ZERO, first),
        ] {
            let (block, receipts) = block(
                vec![post(first), post(OTHER_BATCHER)],
                vec![batcher_update(emitter)],
            );
            let mut batcher = first;
            let posted = posted_batches(&rollup, &block, &receipts, &mut batcher);
            assert_eq!(batcher, expected);
            let indexes: Vec<_> = posted.iter().map(|row| row.l1_tx_index).collect();
            assert_eq!(indexes, [usize::from(expected == OTHER_BATCHER)]);
        }
    }

    #[test]
    fn what_carries_the_payload_is_told_apart() {
        let rollup = rollup();
        let from = rollup.genesis.system_config.batcher_address;
        let commitment = |layer| Commitment::Other {
            layer,
            bytes: vec![2, 0xc0].into(),
        };
        let tx = |payload| BatcherTx::Commitment(payload).encode();
        let cases = [
            (span_payload(1, 2), "in_calldata", false),
            (tx(Commitment::local(b"x").unwrap()), "in_alt_da", false),
            (tx(commitment(EIGENDA_LAYER)), "in_eigenda", false),
            (Bytes::new(), "unknown", true),
            (Bytes::from_static(&[9]), "unknown", true),
            (Bytes::from_static(&[1, 1, 0x7a, 0]), "unknown", true),
        ];
        for (input, da_kind, is_invalid) in cases {
            let transactions = vec![transaction(from, rollup.batch_inbox_address, input.clone())];
            let (block, receipts) = block(transactions, Vec::new());
            let posted = posted_batches(&rollup, &block, &receipts, &mut from.clone());
            assert_eq!(
                (posted[0].da_kind, posted[0].invalid.is_some()),
                (da_kind, is_invalid),
                "{input}"
            );
            // Gas and blobs.
            assert_eq!(posted[0].l1_fee, U256::from(30_000 * 7 + 131_072 * 2));
        }
    }
}
