//! Field by field.

use crate::{execute::ExecutionError, history::RecordedAttributes};
use kona_derive::PipelineErrorKind;
use kona_protocol::OpAttributesWithParent;

/// Where the two derivations part.
#[derive(Debug, thiserror::Error)]
pub enum Disagreement {
    /// A field differs.
    #[error("L2 block {number}: {field} is {ours} to Tributary and {theirs} to kona")]
    Field {
        /// Height of the block.
        number: u64,
        /// Name of the field.
        field: String,
        /// As recorded.
        ours: String,
        /// As kona derives it.
        theirs: String,
    },
    /// kona derives a block that Tributary does not.
    #[error("kona derives L2 block {number}, Tributary does not")]
    Beyond {
        /// Height of the block.
        number: u64,
    },
    /// Tributary derives a block that kona does not.
    #[error("Tributary derives L2 block {number}, kona does not")]
    Short {
        /// Height of the block.
        number: u64,
    },
    /// Execution differs.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// kona stops.
    #[error("kona stops: {0}")]
    Stopped(Box<PipelineErrorKind>),
    /// kona panics.
    #[error("kona panics: {0}")]
    Panicked(String),
    /// The history has no L1 block.
    #[error("the history has no L1 block")]
    NoL1,
    /// kona says it has attributes and has none.
    #[error("kona prepared attributes and did not hand them out")]
    NothingPrepared,
}

impl From<PipelineErrorKind> for Disagreement {
    fn from(error: PipelineErrorKind) -> Self {
        Self::Stopped(error.into())
    }
}

/// Compares what was recorded with what kona derives.
///
/// # Errors
/// The first field that differs.
pub fn compare(ours: &RecordedAttributes, theirs: &OpAttributesWithParent) -> Result<(), Disagreement> {
    let number = theirs.block_number();
    let payload = &theirs.inner.payload_attributes;
    let derived_from = theirs.derived_from.unwrap_or_default();
    let field = |field: &str, ours: &dyn ToString, theirs: &dyn ToString| {
        let (ours, theirs) = (ours.to_string(), theirs.to_string());
        if ours == theirs {
            return Ok(());
        }
        let field = field.to_owned();
        Err(Disagreement::Field {
            number,
            field,
            ours,
            theirs,
        })
    };

    field("number", &ours.number, &number)?;
    field("parentHash", &ours.parent_hash, &theirs.parent.block_info.hash)?;
    field(
        "derivedFrom.number",
        &ours.derived_from_number,
        &derived_from.number,
    )?;
    field("derivedFrom.hash", &ours.derived_from_hash, &derived_from.hash)?;
    field("timestamp", &ours.timestamp, &payload.timestamp)?;
    field("prevRandao", &ours.prev_randao, &payload.prev_randao)?;
    field(
        "suggestedFeeRecipient",
        &ours.fee_recipient,
        &payload.suggested_fee_recipient,
    )?;
    field(
        "withdrawals",
        &"[]",
        &format!("{:?}", payload.withdrawals.clone().unwrap_or_default()),
    )?;
    field(
        "parentBeaconBlockRoot",
        &ours.parent_beacon_block_root,
        &payload
            .parent_beacon_block_root
            .map_or("none".into(), |root| root.to_string()),
    )?;
    field(
        "gasLimit",
        &ours.gas_limit,
        &theirs.inner.gas_limit.unwrap_or_default(),
    )?;
    field(
        "eip1559Params",
        &ours.eip1559_params,
        &theirs
            .inner
            .eip_1559_params
            .map_or("none".into(), |params| params.to_string()),
    )?;
    field(
        "noTxPool",
        &ours.no_tx_pool,
        &theirs.inner.no_tx_pool.unwrap_or_default(),
    )?;

    let transactions = theirs.inner.transactions.as_deref().unwrap_or_default();
    for (index, (ours, theirs)) in ours.transactions.iter().zip(transactions).enumerate() {
        field(&format!("transactions[{index}]"), ours, theirs)?;
    }
    field(
        "transactions.length",
        &ours.transactions.len(),
        &transactions.len(),
    )?;
    field("concludesSpan", &ours.concludes_span, &theirs.is_last_in_span)
}
