//! Zlib channels of any bytes: limits of bytes and memory hold, reading is a function of the bytes, a broken stream yields what its
//! start determines.
//!
//! Input: limit u16, place of a cut u16, the channel; whatever its first byte is.
#![no_main]

use tributary_fuzz::{
    channels,
    input::Input,
    seeds::{Seeds, add, vector},
    target,
};
use tributary_protocol::channel::{BROTLI_VERSION, Compression, compress};

target!(run, seeds);

/// Two windows of 32 KiB, the decoder's tables, a buffer of 16 KiB.
const WINDOW: usize = 256 << 10;

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let limit = usize::from(input.number());
    let cut = usize::from(input.number());
    let compressed = input.rest();
    // Brotli has its own target and its own bound.
    if compressed.first() != Some(&BROTLI_VERSION) {
        channels::check(compressed, limit, cut, WINDOW);
    }
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let header = [0xff, 0xff, 0x00, 0x20];
    add(
        &mut seeds,
        "vector",
        &[&header, &vector("channel-zlib")[..]].concat(),
    );
    let channel = compress(Compression::Zlib, &channels::sample_stream());
    add(&mut seeds, "batches", &[&header, &channel[..]].concat());
    // A bomb: a megabyte of zeros, 0 being a batch of one byte.
    let bomb = compress(Compression::Zlib, &vec![0; 1 << 20]);
    seeds.push(("bomb".into(), [&header, &bomb[..]].concat()));
    seeds
}
