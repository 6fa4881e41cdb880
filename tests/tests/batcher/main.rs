//! Stories of the batcher that really posts, over a simulated L1, a DA layer in memory and a disk that loses what was not synced.
//! Single moves, fake time, no sockets; derivation is the real one, so a block counts as posted only if a node derives it.
//!
//! ```text
//!  users -> sequencer -> Batcher::turn -> journal (MemoryDisk), DA (MemoryLayer), L1 pool -> mined -> derivation -> safe head
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that panics has failed, which is what it is for"
)]

mod control;
mod payloads;
mod posting;
mod regressions;
mod world;
