//! The RPC server over a real loopback socket, on a chain with a builder and a pool.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

mod abuse;
mod bad_input;
#[path = "../support/chain.rs"]
mod chain;
mod contracts;
mod history;
mod limited;
mod logs;
mod on_the_spot;
mod otterscan;
mod preconfirmations;
mod reorg;
mod rollup;
#[path = "../support/server.rs"]
mod server;
mod signing;
mod simulate;
#[path = "../support/story.rs"]
mod story;
mod tracing;
mod transactions;
mod websocket;
mod wire;

use alloy::primitives::{Address, address};
use serde_json::Value;

/// Receives whatever is sent.
const PAYEE: Address = address!("00000000000000000000000000000000000000aa");

fn quantity(value: &Value) -> u128 {
    u128::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}
