//! The simulator: the real sequencer, batcher, derivation and follower, driven in single moves over an L1 and a DA layer that go wrong.
//!
//! ```text
//!            moves, one at a time, chosen by the seed
//!   +---------------+---------------+----------------+--------------+
//!   v               v               v                v              v
//!  sequencer -----> batcher -----> L1 (forks) -----> follower      forger (batcher's key, bad inbox)
//!   ^  builder       journal,       ^  pool, prices,     |
//!   |  engine        operator       |  faults per node   v
//!   +--- derivation <--- DA layer (faults per node) --- same chain as a fresh node's, at the end
//! ```
//! One seed is one world on one thread of its own, plus the engines' writer threads, each of which is waited for at every command; no
//! sockets, no sleeps, no clock but the world's, which is the runtime's too: it is paused, and moves on only while the batcher waits. What
//! happens follows from the seed alone, which the digest of a run shows.

mod batcher;
pub mod da;
mod env;
mod forge;
pub mod kinds;
pub mod l1;
mod mempool;
pub mod node;
mod ports;
mod quiet;
pub mod report;
mod script;
mod sequencer;
mod shape;
mod traffic;
mod violation;
mod weather;
mod world;

pub use self::{
    env::Env,
    report::{Outcome, Totals},
    script::{Act, Script},
    violation::{Failure, Violation},
    world::{Options, play, simulate, simulate_aloud},
};
