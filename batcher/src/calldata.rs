//! A journaled payload as the calldata of batcher transactions, for channels that go to L1 themselves.

use crate::{
    channel_builder::BuildError,
    journal::{Journal, JournaledChannel},
    l1::PostError,
};
use alloy::primitives::Bytes;
use tributary_protocol::{
    batcher_tx::{BatcherTx, encode_payload},
    channel::split_into_frames,
    frame::{encode_frames, parse_frames},
};

/// Longest calldata of one batcher transaction: under every client's 128 KiB pool limit.
pub(crate) const CALLDATA_SIZE_MAX: usize = 120_000;

/// The channel's frames, cut to fit into calldata, one batcher transaction each. The same payload gives the same calldata.
///
/// # Errors
/// [`PostError::Journal`] if the payload is damaged, [`PostError::Build`] if it does not hold frames.
pub(crate) fn channel_calldata(
    journal: &Journal,
    channel: &JournaledChannel,
) -> Result<Vec<Bytes>, PostError> {
    Ok(split_payload(&journal.payload(channel.payload)?)?)
}

fn split_payload(payload: &Bytes) -> Result<Vec<Bytes>, BuildError> {
    let BatcherTx::Frames(bytes) = BatcherTx::decode(payload)? else {
        return Err(BuildError::NotFrames);
    };
    let frames = parse_frames(&bytes)?;
    let id = frames.first().ok_or(BuildError::NoBlocks)?.id;
    let data: Vec<u8> = frames.iter().flat_map(|frame| frame.data.to_vec()).collect();
    let frames = split_into_frames(id, &data.into(), CALLDATA_SIZE_MAX - 1)?;
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
        let calldata = split_payload(&payload).unwrap();
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
