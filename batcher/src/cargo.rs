//! What a channel's L1 transactions carry: the commitment, or its frames cut for calldata or for blobs.

use crate::{
    channel_builder::BuildError,
    journal::{Journal, JournaledChannel, Route},
    l1::PostError,
};
use alloy::primitives::Bytes;
use tributary_protocol::{
    batcher_tx::{BatcherTx, encode_payload},
    blob::{BLOB_CONTENT_SIZE_MAX, Blob},
    channel::split_into_frames,
    frame::{encode_frames, parse_frames},
};

/// Longest calldata of one batcher transaction: under every client's 128 KiB pool limit.
pub(crate) const CALLDATA_SIZE_MAX: usize = 120_000;

/// Most blobs of one batcher transaction: what one block of L1 has room for many times over.
pub(crate) const BLOBS_MAX: usize = 6;

/// What one transaction carries.
#[derive(Clone, Debug)]
pub(crate) enum Cargo {
    Calldata(Bytes),
    Blobs(Vec<Blob>),
}

/// What the transactions of a channel that has a route carry, in order. The same channel and size give the same.
///
/// # Errors
/// [`PostError::Journal`] if the payload is damaged, [`PostError::Build`] if it does not hold frames.
pub(crate) fn channel_cargo(
    journal: &Journal,
    channel: &JournaledChannel,
    route: &Route,
    calldata_size_max: usize,
) -> Result<Vec<Cargo>, PostError> {
    Ok(match route {
        Route::Da { calldata } => Vec::from([Cargo::Calldata(calldata.clone())]),
        Route::DaParts { calldata } => calldata.iter().cloned().map(Cargo::Calldata).collect(),
        Route::Calldata => {
            let contents = split_payload(&journal.payload(channel.payload)?, calldata_size_max)?;
            contents.into_iter().map(Cargo::Calldata).collect()
        }
        Route::Blobs => {
            let contents = split_payload(&journal.payload(channel.payload)?, BLOB_CONTENT_SIZE_MAX)?;
            let blobs = contents.iter().map(|content| Blob::encode(content));
            let blobs = blobs.collect::<Result<Vec<_>, _>>().map_err(BuildError::from)?;
            blobs
                .chunks(BLOBS_MAX)
                .map(|blobs| Cargo::Blobs(blobs.to_vec()))
                .collect()
        }
    })
}

/// The payload's frames cut anew, so that each with its version byte has at most `size_max` bytes.
pub(crate) fn split_payload(payload: &Bytes, size_max: usize) -> Result<Vec<Bytes>, BuildError> {
    let BatcherTx::Frames(bytes) = BatcherTx::decode(payload)? else {
        return Err(BuildError::NotFrames);
    };
    let frames = parse_frames(&bytes)?;
    let id = frames.first().ok_or(BuildError::NoBlocks)?.id;
    let data: Vec<u8> = frames.iter().flat_map(|frame| frame.data.to_vec()).collect();
    let frames = split_into_frames(id, &data.into(), size_max - 1)?;
    Ok(frames
        .iter()
        .map(|frame| encode_payload(&encode_frames(core::slice::from_ref(frame))))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::frame::ChannelId;

    #[test]
    fn a_payload_is_cut_for_calldata_and_nothing_of_it_is_lost() {
        let data: Vec<u8> = (0..300_000_u32).flat_map(u32::to_be_bytes).collect();
        let data = Bytes::from(data);
        let id = ChannelId([7; 16]);
        let frames = split_into_frames(id, &data, 900_000).unwrap();
        let payload = encode_payload(&encode_frames(&frames));
        let calldata = split_payload(&payload, CALLDATA_SIZE_MAX).unwrap();
        assert!(calldata.iter().all(|data| data.len() <= CALLDATA_SIZE_MAX));
        let mut found = Vec::new();
        for (number, data) in calldata.iter().enumerate() {
            let BatcherTx::Frames(bytes) = BatcherTx::decode(data).unwrap() else {
                panic!("no frames")
            };
            let frames = parse_frames(&bytes).unwrap();
            assert_eq!(frames.len(), 1);
            assert_eq!(usize::from(frames[0].number), number);
            assert_eq!(frames[0].is_last, number + 1 == calldata.len());
            found.extend_from_slice(&frames[0].data);
        }
        assert_eq!(found, data);
    }
}
