//! Frames: what parses is, byte for byte, what its frames encode to, and nothing shorter or longer parses to the same.
#![no_main]

use tributary_fuzz::{
    memory,
    seeds::{Seeds, add, of_vectors, vector},
    target,
};
use tributary_protocol::frame::{FRAME_DATA_SIZE_MAX, encode_frames, parse_frames};

target!(run, seeds);

fn run(data: &[u8]) {
    // A frame takes 23 bytes at least and a few dozen in memory; vectors grow by doubling.
    let Ok(frames) = memory::within(1024 + 16 * data.len(), || parse_frames(data)) else {
        return;
    };
    assert!(!frames.is_empty(), "no frames at all is an error");
    assert!(frames.iter().all(|frame| frame.data.len() <= FRAME_DATA_SIZE_MAX));
    assert_eq!(encode_frames(&frames), data);
    assert!(
        parse_frames(&data[..data.len() - 1]).is_err(),
        "a cut frame is no frame"
    );
    assert!(
        parse_frames(&[data, &[0]].concat()).is_err(),
        "a byte behind the frames is an error"
    );
}

fn seeds() -> Seeds {
    let mut seeds = of_vectors(&["frame"]);
    let frame = vector("frame");
    add(&mut seeds, "two", &[&frame[..], &frame].concat());
    let mut too_long = frame;
    too_long[18..22].copy_from_slice(&1_000_001u32.to_be_bytes());
    seeds.push(("over-limit".into(), too_long));
    seeds
}
