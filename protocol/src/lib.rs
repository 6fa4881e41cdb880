//! What two honest Tributary nodes must agree on, byte for byte.
//!
//! Everything here is a rule: pure, synchronous, `no_std`, without clock, randomness, floats or map-order dependence. The same
//! code runs in the node, in the simulator, under the fuzzer and, later, inside the fault-proof VM. Whatever comes from outside
//! enters as bytes through a decoder that takes its limits, or through the two read seams of [`state`].
//!
//! ```text
//!  L1 receipts --deposit, config--> attributes --execute--> block --batch--> channel --frame--> inbox or DA payload
//!       ^                                |          |                                                |
//!       +------------- derivation (its own crate) reads the same formats backwards <----------------+
//! ```
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod attributes;
pub mod attribution;
pub mod batch;
pub mod batcher_tx;
pub mod blob;
pub mod block;
pub mod channel;
pub mod commitment;
pub mod config;
pub mod contracts;
pub mod deposit;
pub mod execute;
pub mod frame;
pub mod genesis;
pub mod l1_info;
pub mod output;
pub mod preconfirmation;
pub mod state;
