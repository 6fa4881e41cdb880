//! A recorded history as the oracle reads it: L1 and DA data, and what Tributary derived from them.
//!
//! Nothing is believed that can be checked: every L1 block must hash to its successor's parent and its parts to the roots in its
//! header, every payload to its commitment, every derived block to its attributes. What remains open is only what kona is asked.

use crate::execute;
use alloy_consensus::{
    Header, Receipt, ReceiptEnvelope, TxEnvelope,
    proofs::{calculate_receipt_root, calculate_transaction_root},
};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B64, B256, Bytes, keccak256};
use alloy_rlp::Decodable;
use kona_genesis::RollupConfig;
use kona_protocol::{BlockInfo, L2BlockInfo};
use op_alloy_consensus::OpBlock;
use serde::Deserialize;
use std::collections::HashMap;

/// The file as it is written by `histories`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RecordedHistory {
    /// Names the history: the same seed gives the same file.
    pub seed: u64,
    /// `rollup.json`, read by kona as it is.
    pub rollup: serde_json::Value,
    /// RLP of the header of L2 block 0.
    pub l2_genesis: Bytes,
    /// Trie nodes and codes of its state.
    pub genesis_preimages: Vec<Bytes>,
    /// Every L1 block from the chain's L1 genesis on.
    pub l1_blocks: Vec<RecordedL1Block>,
    /// Payloads on the DA layer, by the calldata that commits to them.
    pub payloads: Vec<RecordedPayload>,
    /// What Tributary derived, in order, from block 1 on.
    pub derived: Vec<RecordedBlock>,
}

/// One L1 block.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RecordedL1Block {
    /// RLP of the header.
    pub header: Bytes,
    /// EIP-2718 bytes of each transaction.
    pub transactions: Vec<Bytes>,
    /// EIP-2718 bytes of each receipt.
    pub receipts: Vec<Bytes>,
}

/// A payload and what was posted for it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RecordedPayload {
    /// The commitment as it stands in L1 calldata, version byte included.
    pub commitment: Bytes,
    /// The payload.
    pub payload: Bytes,
}

/// One derived L2 block.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RecordedBlock {
    /// The attributes derived for it.
    pub attributes: RecordedAttributes,
    /// True if the attributes made no valid block and were replaced by their deposits alone.
    pub rejected: bool,
    /// RLP of the whole block that came out.
    pub block: Bytes,
    /// Trie nodes and codes that came with it.
    pub preimages: Vec<Bytes>,
}

/// Attributes, one entry for each field that is compared.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RecordedAttributes {
    /// Height of the block.
    pub number: u64,
    /// Hash of the block it follows.
    pub parent_hash: B256,
    /// Unix seconds.
    pub timestamp: u64,
    /// `mixHash` of the L1 origin.
    pub prev_randao: B256,
    /// Receives the priority fees.
    pub fee_recipient: Address,
    /// Beacon root of the L1 origin.
    pub parent_beacon_block_root: B256,
    /// Gas limit of the block.
    pub gas_limit: u64,
    /// Denominator and elasticity.
    pub eip1559_params: B64,
    /// EIP-2718 bytes, deposits first.
    pub transactions: Vec<Bytes>,
    /// True: nothing may be added.
    pub no_tx_pool: bool,
    /// Height of the L1 block that was being read.
    pub derived_from_number: u64,
    /// Its hash.
    pub derived_from_hash: B256,
    /// True if nothing more comes from the same span batch.
    pub concludes_span: bool,
}

/// One L1 block, checked.
#[derive(Clone, Debug)]
pub struct L1Block {
    /// Header.
    pub header: Header,
    /// Height, hashes and time.
    pub info: BlockInfo,
    /// Transactions.
    pub transactions: Vec<TxEnvelope>,
    /// Receipts, without their types.
    pub receipts: Vec<Receipt>,
}

/// One derived L2 block, checked against its attributes.
#[derive(Clone, Debug)]
pub struct L2Block {
    /// The attributes derived for it.
    pub attributes: RecordedAttributes,
    /// True if they were replaced by their deposits.
    pub rejected: bool,
}

/// A history whose parts fit together.
#[derive(Clone, Debug)]
pub struct History {
    /// Names the history.
    pub seed: u64,
    /// The rules, as kona reads them.
    pub rollup: RollupConfig,
    /// L1 blocks, the chain's L1 genesis first.
    pub l1: Vec<L1Block>,
    /// Payloads by commitment calldata.
    pub payloads: HashMap<Bytes, Bytes>,
    /// L2 blocks from genesis on, with their places on L1.
    pub chain: Vec<(OpBlock, L2BlockInfo)>,
    /// What was derived: entry `i` is block `i + 1`.
    pub derived: Vec<L2Block>,
    /// Trie nodes and codes by hash.
    pub preimages: HashMap<B256, Bytes>,
}

/// Why a file is not a history. That says nothing about derivation: the file is damaged, or its writer is wrong.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Not the JSON that was agreed, or a `rollup.json` kona cannot read.
    #[error("not a recorded history: {0}")]
    Json(#[from] serde_json::Error),
    /// Bytes that are not what their field says.
    #[error("{what}: {error}")]
    Encoding {
        /// Which bytes.
        what: String,
        /// What the decoder says.
        error: String,
    },
    /// Two parts that contradict each other.
    #[error("{what}: recorded as {found}, but the rest of the history says {expected}")]
    Mismatch {
        /// Which parts.
        what: String,
        /// What follows from the rest of the history.
        expected: String,
        /// What is recorded.
        found: String,
    },
}

impl History {
    /// Reads and checks a history.
    ///
    /// # Errors
    /// When its parts do not fit together.
    pub fn check(mut recorded: RecordedHistory) -> Result<Self, HistoryError> {
        let rollup: RollupConfig = serde_json::from_value(without_jovian(recorded.rollup)?)?;
        let l1 = check_l1(&rollup, &recorded.l1_blocks)?;
        let payloads = check_payloads(recorded.payloads)?;
        let genesis = OpBlock {
            header: decode_rlp(&recorded.l2_genesis, || "L2 genesis header".into())?,
            body: alloy_consensus::BlockBody::default(),
        };
        let place = place(&genesis, &rollup)?;
        let preimages = execute::by_hash(recorded.genesis_preimages, &mut recorded.derived);
        let mut history = Self {
            seed: recorded.seed,
            preimages,
            rollup,
            l1,
            payloads,
            chain: vec![(genesis, place)],
            derived: Vec::new(),
        };
        for block in recorded.derived {
            history.push(block)?;
        }
        Ok(history)
    }

    /// Appends a derived block.
    fn push(&mut self, recorded: RecordedBlock) -> Result<(), HistoryError> {
        let number = self.chain.len() as u64;
        let block: OpBlock = decode_rlp(&recorded.block, || format!("L2 block {number}"))?;
        same(
            || format!("number of L2 block {number}"),
            number,
            block.header.number,
        )?;
        let parent = self
            .chain
            .last()
            .map(|(_, place)| place.block_info.hash)
            .unwrap_or_default();
        same(
            || format!("parent of L2 block {number}"),
            parent,
            block.header.parent_hash,
        )?;
        let found: Vec<Bytes> = block
            .body
            .transactions
            .iter()
            .map(|tx| tx.encoded_2718().into())
            .collect();
        let mut expected = recorded.attributes.transactions.clone();
        if recorded.rejected {
            expected.retain(|tx| tx.first() == Some(&0x7e));
        }
        same(
            || format!("transaction count of L2 block {number}"),
            expected.len(),
            found.len(),
        )?;
        for (index, (expected, found)) in expected.into_iter().zip(found).enumerate() {
            same(
                || format!("transaction {index} of L2 block {number}"),
                expected,
                found,
            )?;
        }
        let place = place(&block, &self.rollup)?;
        self.chain.push((block, place));
        self.derived.push(L2Block {
            attributes: recorded.attributes,
            rejected: recorded.rejected,
        });
        Ok(())
    }
}

/// Takes Jovian's parameters out of the system configuration, which kona 0.4.5 does not know; before Jovian they must be unused.
fn without_jovian(mut rollup: serde_json::Value) -> Result<serde_json::Value, HistoryError> {
    let system_config = rollup.pointer_mut("/genesis/system_config");
    if let Some(system_config) = system_config.and_then(serde_json::Value::as_object_mut) {
        for key in ["minBaseFee", "daFootprintGasScalar"] {
            let value = system_config.remove(key).unwrap_or_default();
            let found = value.as_u64().unwrap_or_default();
            same(|| format!("{key} of the genesis system configuration"), 0, found)?;
        }
    }
    Ok(rollup)
}

fn check_l1(rollup: &RollupConfig, recorded: &[RecordedL1Block]) -> Result<Vec<L1Block>, HistoryError> {
    let mut blocks: Vec<L1Block> = Vec::with_capacity(recorded.len());
    for block in recorded {
        let block = check_l1_block(block)?;
        let number = block.info.number;
        match blocks.last() {
            None => {
                same(
                    || "first L1 block".into(),
                    rollup.genesis.l1.hash,
                    block.info.hash,
                )?;
                same(
                    || "number of the first L1 block".into(),
                    rollup.genesis.l1.number,
                    number,
                )?;
            }
            Some(parent) => {
                same(
                    || format!("parent of L1 block {number}"),
                    parent.info.hash,
                    block.info.parent_hash,
                )?;
                same(
                    || format!("number of L1 block {number}"),
                    parent.info.number + 1,
                    number,
                )?;
            }
        }
        blocks.push(block);
    }
    Ok(blocks)
}

fn check_l1_block(recorded: &RecordedL1Block) -> Result<L1Block, HistoryError> {
    let header: Header = decode_rlp(&recorded.header, || "L1 header".into())?;
    let number = header.number;
    let transactions = decode_all::<TxEnvelope>(
        &recorded.transactions,
        &format!("transaction of L1 block {number}"),
    )?;
    let receipts =
        decode_all::<ReceiptEnvelope>(&recorded.receipts, &format!("receipt of L1 block {number}"))?;
    same(
        || format!("transactions root of L1 block {number}"),
        header.transactions_root,
        calculate_transaction_root(&transactions),
    )?;
    same(
        || format!("receipts root of L1 block {number}"),
        header.receipts_root,
        calculate_receipt_root(&receipts),
    )?;
    Ok(L1Block {
        info: BlockInfo::new(header.hash_slow(), number, header.parent_hash, header.timestamp),
        receipts: receipts
            .iter()
            .filter_map(|receipt| receipt.as_receipt().cloned())
            .collect(),
        header,
        transactions,
    })
}

fn check_payloads(recorded: Vec<RecordedPayload>) -> Result<HashMap<Bytes, Bytes>, HistoryError> {
    recorded
        .into_iter()
        .map(|entry| {
            let posted = entry.commitment.get(4..36).unwrap_or_default();
            same(
                || "payload hash".into(),
                keccak256(&entry.payload).to_string(),
                Bytes::copy_from_slice(posted).to_string(),
            )?;
            Ok((entry.commitment, entry.payload))
        })
        .collect()
}

fn place(block: &OpBlock, rollup: &RollupConfig) -> Result<L2BlockInfo, HistoryError> {
    L2BlockInfo::from_block_and_genesis(block, &rollup.genesis).map_err(|error| HistoryError::Encoding {
        what: format!("L2 block {}", block.header.number),
        error: error.to_string(),
    })
}

fn same<T: PartialEq + ToString>(
    what: impl FnOnce() -> String,
    expected: T,
    found: T,
) -> Result<(), HistoryError> {
    if expected == found {
        return Ok(());
    }
    Err(HistoryError::Mismatch {
        what: what(),
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

fn decode_rlp<T: Decodable>(bytes: &Bytes, what: impl FnOnce() -> String) -> Result<T, HistoryError> {
    let mut rest = bytes.as_ref();
    let decoded = T::decode(&mut rest).map_err(|error| error.to_string());
    match decoded {
        Ok(value) if rest.is_empty() => Ok(value),
        Ok(_) => Err(HistoryError::Encoding {
            what: what(),
            error: "trailing bytes".into(),
        }),
        Err(error) => Err(HistoryError::Encoding { what: what(), error }),
    }
}

fn decode_all<T: Decodable2718>(encoded: &[Bytes], what: &str) -> Result<Vec<T>, HistoryError> {
    encoded
        .iter()
        .map(|bytes| {
            T::decode_2718_exact(bytes).map_err(|error| HistoryError::Encoding {
                what: what.into(),
                error: error.to_string(),
            })
        })
        .collect()
}
