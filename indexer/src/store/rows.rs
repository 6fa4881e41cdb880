//! Rows as they are read, and the crossing between SQLite's types and ours.
//!
//! These are also what REST answers with: a field here is a field there, documented in `docs/wire.md`.

use super::DbResult;
use alloy::primitives::{Address, B256, U256, hex as hex_codec};
use serde::{Serialize, Serializer};
use std::error::Error;

/// A posted batch. Times are unix seconds, fees wei.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub(crate) struct BatchRow {
    pub(crate) number: i64,
    pub(crate) status: String,
    pub(crate) first_l2_block: Option<i64>,
    pub(crate) last_l2_block: Option<i64>,
    pub(crate) tx_count: Option<i64>,
    /// Records in its blocks, as far as they are indexed.
    pub(crate) record_count: Option<i64>,
    pub(crate) raw_bytes: Option<i64>,
    pub(crate) payload_bytes: Option<i64>,
    pub(crate) payload_state: String,
    pub(crate) payload_cause: Option<String>,
    pub(crate) da_kind: String,
    pub(crate) layer: Option<i64>,
    #[serde(serialize_with = "as_hex")]
    pub(crate) commitment: Option<Vec<u8>>,
    pub(crate) l1_tx_hash: String,
    pub(crate) l1_tx_index: i64,
    pub(crate) l1_block: i64,
    pub(crate) l1_block_hash: String,
    pub(crate) l1_gas_used: i64,
    pub(crate) l1_fee_wei: String,
    pub(crate) submitted_at: i64,
    pub(crate) safe_at: Option<i64>,
    pub(crate) finalized_at: Option<i64>,
    pub(crate) orphaned_at: Option<i64>,
}

impl BatchRow {
    /// What L1 cost for each record in it, wei, rounded down; `None` without records.
    pub(crate) fn l1_fee_wei_per_record(&self) -> Option<U256> {
        let records = self.record_count.and_then(|count| u64::try_from(count).ok())?;
        let fee: U256 = self.l1_fee_wei.parse().ok()?;
        fee.checked_div(U256::from(records))
    }
}

/// One inference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub(crate) struct RecordRow {
    pub(crate) id: i64,
    pub(crate) block_number: i64,
    pub(crate) timestamp: i64,
    pub(crate) tx_hash: String,
    pub(crate) log_index: i64,
    pub(crate) payer: i64,
    pub(crate) adapter: i64,
    pub(crate) gateway: i64,
    pub(crate) tokens_in: i64,
    pub(crate) tokens_out: i64,
    pub(crate) fee_wei: String,
    pub(crate) platform_wei: String,
    pub(crate) gateway_wei: String,
    pub(crate) model_wei: String,
    pub(crate) adapter_wei: String,
}

/// One contributor's share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub(crate) struct ShareDetail {
    #[serde(skip)]
    pub(crate) record_id: i64,
    pub(crate) contribution: i64,
    pub(crate) weight: i64,
    pub(crate) amount_wei: String,
    pub(crate) payee: Option<String>,
}

/// A record with its shares and how far its block has come: `unsafe`, `safe` or `finalized`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RecordSummary {
    #[serde(flatten)]
    pub(crate) record: RecordRow,
    pub(crate) finality: &'static str,
    pub(crate) shares: Vec<ShareDetail>,
}

/// A record, the posted batch that carries it, and who stood behind its indexes when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RecordDetail {
    #[serde(flatten)]
    pub(crate) summary: RecordSummary,
    pub(crate) batch: Option<i64>,
    pub(crate) parties: Parties,
}

/// Addresses behind a record; null where nothing on chain has said so yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Parties {
    pub(crate) payer: Option<String>,
    pub(crate) platform: Option<String>,
    pub(crate) gateway: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) adapter: Option<String>,
}

/// One of the node's heads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub(crate) struct Head {
    #[serde(skip)]
    pub(crate) name: String,
    pub(crate) number: i64,
    pub(crate) hash: String,
    pub(crate) timestamp: i64,
}

/// The three heads; none before the node has been asked for the first time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Heads {
    #[serde(rename = "unsafe")]
    pub(crate) unsafe_head: Option<Head>,
    #[serde(rename = "safe")]
    pub(crate) safe_head: Option<Head>,
    #[serde(rename = "finalized")]
    pub(crate) finalized_head: Option<Head>,
}

impl Heads {
    /// How far a block of this number has come.
    pub(crate) fn finality(&self, number: i64) -> &'static str {
        let reached = |head: &Option<Head>| head.as_ref().is_some_and(|head| number <= head.number);
        if reached(&self.finalized_head) {
            "finalized"
        } else if reached(&self.safe_head) {
            "safe"
        } else {
            "unsafe"
        }
    }
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub(crate) struct Counts {
    /// Transactions, deposits included.
    pub(crate) transactions: i64,
    pub(crate) records: i64,
    /// Posted batches that are not orphaned.
    pub(crate) batches: i64,
}

fn as_hex<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    bytes
        .as_ref()
        .map(hex_codec::encode_prefixed)
        .serialize(serializer)
}

/// Lower-case hex with 0x, the form of every hash and address in the database.
pub(super) fn hex(bytes: impl AsRef<[u8]>) -> String {
    hex_codec::encode_prefixed(bytes)
}

pub(super) fn hash(text: &str) -> DbResult<B256> {
    text.parse().map_err(decode_error)
}

pub(super) fn address(text: &str) -> DbResult<Address> {
    text.parse().map_err(decode_error)
}

pub(super) fn signed(number: u64) -> DbResult<i64> {
    i64::try_from(number).map_err(|error| sqlx::Error::Encode(error.into()))
}

pub(super) fn unsigned(number: i64) -> DbResult<u64> {
    u64::try_from(number).map_err(decode_error)
}

/// Something in the database that was not written by this code.
pub(super) fn decode_error(error: impl Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
