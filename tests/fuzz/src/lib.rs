//! What the fuzz targets share. A target is a file in `src/bin`: what it does with an input, and the seeds of its corpus.
//!
//! ```text
//!  corpus/<target>/*  --libFuzzer mutates-->  bytes --> run(bytes): decode, then assert what must hold
//!        ^                                                  a panic is a finding
//!        +-- seeds(): golden vectors of docs/wire.md, valid encodings, each also cut, lengthened and damaged
//! ```

pub mod channels;
pub mod input;
pub mod l1;
pub mod logs;
pub mod memory;
pub mod node;
pub mod rules;
pub mod seeds;

/// Makes a program of a target: `run` takes an input, `seeds` gives the inputs its corpus starts with.
#[macro_export]
macro_rules! target {
    ($run:ident, $seeds:ident) => {
        libfuzzer_sys::fuzz_target!(init: $crate::seeds::write_if_asked($seeds), |data: &[u8]| $run(data));
    };
}
