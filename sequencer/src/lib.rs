//! The node: JSON-RPC in, unsafe blocks out; with derivation alone it is a follower.
//!
//! ```text
//!  rpc > pool > builder --> engine --> store
//!                             ^
//!                         derivation (safe and finalized heads)
//! ```

pub mod builder;
pub mod clock;
pub mod config;
pub mod engine;
pub mod health;
pub mod journal;
pub mod l1_view;
pub mod node;
pub mod origin_selector;
pub mod pool;
pub mod preconfirmation;
pub mod quarantine;
pub mod rpc;
pub mod sequencing;
pub mod store;
pub mod unsafe_feed;
pub mod verifier;
