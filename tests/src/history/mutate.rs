//! What can go wrong on the way from L2 blocks to L1, one kind of accident per function.

use super::{l1::SimulatedL1, users};
use alloy_primitives::{B256, Bytes};
use rand::{Rng, rngs::StdRng};
use tributary_derivation::l1_block::L1Block;
use tributary_protocol::{
    batch::SingularBatch,
    block::L1BlockNumber,
    channel::{BROTLI_VERSION, append_batch},
    config::RollupConfig,
    frame::{ChannelId, Frame},
};

/// Spoils batches: their place, their epochs or their transactions. Most forgeries touch one batch alone.
pub(super) fn forge(
    config: &RollupConfig,
    l1: &SimulatedL1,
    batches: &mut [SingularBatch],
    rng: &mut StdRng,
) {
    if batches.is_empty() {
        return;
    }
    let index = rng.random_range(0..batches.len());
    let batch = &mut batches[index];
    match rng.random_range(0..13) {
        0 => batch.parent_hash = B256::new(rng.random()),
        1 => batch.epoch_hash = B256::new(rng.random()),
        2 => batch.epoch_number = L1BlockNumber(batch.epoch_number.0 + rng.random_range(1..3)),
        3 => batch.epoch_number = batch.epoch_number.saturating_sub(1),
        4 => batch.timestamp += config.block_time,
        5 => batch.timestamp = batch.timestamp.saturating_sub(config.block_time),
        6 => batch.timestamp += 1,
        7 => batch.transactions.push(forged_bytes(rng)),
        8 => move_to_epoch(l1, &mut batches[index..], L1BlockNumber::next),
        9 => hurry(l1, &mut batches[index..]),
        10 => batches.iter_mut().for_each(|batch| batch.timestamp += 1),
        // Valid in form, refused by execution: the nonce is far off.
        _ => {
            let nonce = rng.random_range(1_000..2_000);
            let transaction = users::transaction(config.l2_chain_id, 0, nonce, rng);
            let position = rng.random_range(0..=batch.transactions.len());
            batch.transactions.insert(position, transaction);
        }
    }
}

/// Moves each batch to the epoch that `epoch` makes of its own, as far as L1 has it.
fn move_to_epoch(
    l1: &SimulatedL1,
    batches: &mut [SingularBatch],
    epoch: impl Fn(L1BlockNumber) -> L1BlockNumber,
) {
    for batch in batches {
        if let Some(block) = l1.at(epoch(batch.epoch_number)) {
            batch.epoch_number = block.number();
            batch.epoch_hash = block.hash();
        }
    }
}

/// Gives every batch an epoch of its own, so that epochs overtake L1's time and soon L1 itself.
fn hurry(l1: &SimulatedL1, batches: &mut [SingularBatch]) {
    let Some(first) = batches.first().map(|batch| batch.epoch_number) else {
        return;
    };
    for (number, batch) in (first.0..).zip(batches) {
        batch.epoch_number = L1BlockNumber(number);
        batch.epoch_hash = l1
            .at(batch.epoch_number)
            .map_or(B256::repeat_byte(1), L1Block::hash);
    }
}

/// Bytes that are no transaction, or none that a batch may carry.
fn forged_bytes(rng: &mut StdRng) -> Bytes {
    let first = match rng.random_range(0..6) {
        0 => return Bytes::new(),
        1 => 0x7e,
        2 => 0x03,
        3 => 0x7d,
        4 => 0x02,
        _ => rng.random(),
    };
    let mut bytes = vec![first];
    bytes.extend(rng.random::<[u8; 20]>());
    bytes.into()
}

/// Loses, repeats, reorders or mislabels frames of one channel.
pub(super) fn disorder(frames: &mut Vec<Frame>, rng: &mut StdRng) {
    let index = rng.random_range(0..frames.len());
    match rng.random_range(0..6) {
        0 => drop(frames.remove(index)),
        1 => frames.insert(index, frames[index].clone()),
        2 => {
            let other = rng.random_range(0..frames.len());
            frames.swap(index, other);
        }
        3 => frames[index].id = ChannelId(rng.random()),
        4 => {
            if let Some(last) = frames.last_mut() {
                last.is_last = false;
            }
        }
        _ => {
            // One more after the last.
            let mut extra = frames[frames.len() - 1].clone();
            extra.number += 1;
            frames.push(extra);
        }
    }
}

/// Distributes frames over transactions, in order. Frames of one channel stay next to each other within a transaction.
pub(super) fn group(frames: Vec<Frame>, rng: &mut StdRng) -> Vec<Vec<Frame>> {
    let mut groups: Vec<Vec<Frame>> = Vec::new();
    for frame in frames {
        match groups.last_mut() {
            Some(group) if rng.random_bool(0.5) && fits(group, &frame) => group.push(frame),
            _ => groups.push(vec![frame]),
        }
    }
    groups
}

/// kona 0.4.5 drops too much when a channel comes back within one transaction.
fn fits(group: &[Frame], frame: &Frame) -> bool {
    let is_last = group.last().is_some_and(|last| last.id == frame.id);
    is_last || group.iter().all(|other| other.id != frame.id)
}

/// Something behind the good batches that is none.
pub(super) fn append_garbage(stream: &mut Vec<u8>, rng: &mut StdRng) {
    let length = rng.random_range(1..60);
    let mut garbage: Vec<u8> = (0..length).map(|_| rng.random()).collect();
    match rng.random_range(0..3) {
        // A string without anything in it.
        0 => append_batch(stream, &[]),
        // A singular batch that is none. kona 0.4.5 panics over other types, and over spans that end early.
        1 => {
            garbage[0] = 0;
            append_batch(stream, &garbage);
        }
        // A string that ends too late.
        _ => stream.extend([0xb8, 0xff, 0x00]),
    }
}

/// A channel that is nothing.
pub(super) fn garbage_channel(rng: &mut StdRng) -> Bytes {
    let length = rng.random_range(1..300);
    let mut bytes: Vec<u8> = (0..length).map(|_| rng.random()).collect();
    bytes[0] = match rng.random_range(0..4) {
        0 => BROTLI_VERSION,
        1 => 0x78,
        _ => rng.random(),
    };
    if bytes[0] == BROTLI_VERSION {
        // A stream that ends at once: kona 0.4.5 takes what comes out of a defective one, and panics over it.
        bytes.insert(1, 0x06);
    }
    bytes.into()
}

/// A payload whose frames do not parse to the end.
pub(super) fn malformed_payload(payload: &Bytes, rng: &mut StdRng) -> Bytes {
    let mut bytes = payload.to_vec();
    match rng.random_range(0..4) {
        0 => bytes.push(0),
        1 => drop(bytes.pop()),
        2 => bytes[0] = 0x02,
        _ => bytes.truncate(1),
    }
    bytes.into()
}

/// Calldata that is neither frames nor a commitment to a payload.
pub(super) fn malformed_calldata(rng: &mut StdRng) -> Bytes {
    let mut bytes = match rng.random_range(0..5) {
        0 => Vec::new(),
        1 => vec![0x02, 0x00],
        2 => vec![0x01],
        // A commitment that is too short, and one that is too long.
        3 => vec![0x01, 0x01, 0x7a, 0x00],
        _ => vec![
            0x01, 0x01, 0x7a, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
    };
    if bytes.len() > 3 {
        bytes.extend(rng.random::<[u8; 20]>());
    }
    bytes.into()
}
