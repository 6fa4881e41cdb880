//! Brotli channels of any bytes: limits of bytes and memory hold, reading is a function of the bytes, a broken stream yields what its
//! start determines.
//!
//! Input: limit u16, place of a cut u16, the stream behind the version byte.
#![no_main]

use tributary_fuzz::{
    channels,
    input::Input,
    seeds::{Seeds, add, vector},
    target,
};
use tributary_protocol::channel::{BROTLI_VERSION, Compression, compress};

target!(run, seeds);

/// The window is at most 16 MiB; the decoder rounds its buffer up and keeps code tables.
const WINDOW: usize = 40 << 20;

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let limit = usize::from(input.number());
    let cut = usize::from(input.number());
    let compressed = [&[BROTLI_VERSION], input.rest()].concat();
    channels::check(&compressed, limit, cut, WINDOW);
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let header = [0xff, 0xff, 0x00, 0x20];
    add(
        &mut seeds,
        "vector",
        &[&header, &vector("channel-brotli")[1..]].concat(),
    );
    let batches = tributary_fuzz::channels::sample_stream();
    for quality in [0, 5, 11] {
        let channel = compress(Compression::brotli(quality), &batches);
        add(
            &mut seeds,
            &format!("quality-{quality}"),
            &[&header, &channel[1..]].concat(),
        );
    }
    // A bomb: a megabyte of zeros, 0 being a batch of one byte.
    let bomb = compress(Compression::brotli(5), &vec![0; 1 << 20]);
    seeds.push(("bomb".into(), [&header, &bomb[1..]].concat()));
    seeds
}
