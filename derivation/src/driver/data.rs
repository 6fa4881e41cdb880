//! Fetches what batcher transactions refer to.

use super::{BlobSource, error::StallCause};
use crate::stages::l1_retrieval::{DataAnswer, DataRequest};
use tributary_da_client::{DaLayer, Fetched};

/// Asks the DA layer, or for blobs. What it refuses by its rules is refused for good; what it cannot say now is a stall.
pub(super) async fn fetch_data(
    da: &dyn DaLayer,
    blobs: Option<&dyn BlobSource>,
    request: &DataRequest,
) -> Result<DataAnswer, StallCause> {
    match request {
        DataRequest::Payload {
            commitment,
            l1_inclusion,
        } => match da.get(commitment, l1_inclusion.number).await? {
            Fetched::Data(payload) => Ok(DataAnswer::Payload(payload)),
            Fetched::Drop(reason) => {
                tracing::warn!(
                    target: "derivation",
                    layer = commitment.layer(),
                    l1_block = l1_inclusion.number.0,
                    %reason,
                    "the DA layer refuses a commitment for good"
                );
                Ok(DataAnswer::Refused)
            }
        },
        DataRequest::Blobs { hashes, l1_inclusion } => {
            let source = blobs.ok_or_else(|| StallCause::NoBlobSource {
                count: hashes.len(),
                l1_inclusion: l1_inclusion.id(),
            })?;
            Ok(DataAnswer::Blobs(source.blobs(hashes, *l1_inclusion).await?))
        }
    }
}
