//! Batcher transactions and payloads: canonical, so that what decodes encodes to the same bytes.
#![no_main]

use alloy_primitives::Bytes;
use tributary_fuzz::{
    memory,
    seeds::{Seeds, add, of_vectors, vector},
    target,
};
use tributary_protocol::batcher_tx::{BatcherTx, decode_payload, encode_payload};

target!(run, seeds);

fn run(data: &[u8]) {
    let calldata = Bytes::copy_from_slice(data);
    let decoded = memory::within(1024 + 4 * data.len(), || BatcherTx::decode(&calldata));
    let payload = decode_payload(&calldata);
    if let Ok(frames) = &payload {
        assert_eq!(encode_payload(frames), calldata);
    }
    match decoded {
        Ok(BatcherTx::Frames(frames)) => {
            assert_eq!(BatcherTx::Frames(frames.clone()).encode(), calldata);
            assert_eq!(payload.as_ref(), Ok(&frames), "calldata of frames is a payload");
        }
        Ok(commitment) => {
            assert_eq!(commitment.encode(), calldata);
            assert!(payload.is_err(), "a payload cannot refer to another payload");
        }
        Err(_) => assert!(payload.is_err(), "frames are the same in calldata and payload"),
    }
}

fn seeds() -> Seeds {
    let mut seeds = of_vectors(&["batcher-tx-commitment"]);
    add(&mut seeds, "frames", &[&[0], &vector("frame")[..]].concat());
    seeds
}
