//! The file a history is handed over in. `tests/oracle/src/history.rs` reads it; the two share no code, only this shape.

use alloy_primitives::{Address, B64, B256, Bytes};
use serde::Serialize;
use tributary_protocol::config::RollupConfig;

/// A whole history.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedHistory {
    /// Names the history: the same seed gives the same file.
    pub seed: u64,
    /// `rollup.json`.
    pub rollup: RollupConfig,
    /// RLP of the header of L2 block 0.
    pub l2_genesis: Bytes,
    /// Trie nodes and codes of the state of L2 block 0, in no order of meaning.
    pub genesis_preimages: Vec<Bytes>,
    /// Every L1 block from the chain's L1 genesis on.
    pub l1_blocks: Vec<RecordedL1Block>,
    /// Payloads on the DA layer.
    pub payloads: Vec<RecordedPayload>,
    /// What was derived, in order, from block 1 on.
    pub derived: Vec<RecordedBlock>,
}

/// One L1 block.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedL1Block {
    /// RLP of the header.
    pub header: Bytes,
    /// EIP-2718 bytes of each transaction.
    pub transactions: Vec<Bytes>,
    /// EIP-2718 bytes of each receipt.
    pub receipts: Vec<Bytes>,
}

/// A payload and what was posted for it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedPayload {
    /// The commitment as it stands in L1 calldata, version byte included.
    pub commitment: Bytes,
    /// The payload.
    pub payload: Bytes,
}

/// One derived L2 block.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedBlock {
    /// The attributes derived first.
    pub attributes: RecordedAttributes,
    /// True if they made no valid block and were replaced by their deposits alone.
    pub rejected: bool,
    /// RLP of the whole block that came out.
    pub block: Bytes,
    /// Trie nodes and codes that the state after it has and the state before it did not have, in no order of meaning.
    pub preimages: Vec<Bytes>,
}

/// Attributes, one entry for each field that is compared.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
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
