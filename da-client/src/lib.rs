//! Payload in, commitment out; commitment in, payload out: the DA layers behind one seam.
//!
//! ```text
//!  batcher --payload--> DaLayer::put --> commitment (to the inbox on L1)
//!  derivation --commitment--> DaLayer::get --> Data | Drop(reason)      or Unavailable: stall and ask again
//! ```
//! Invariant: a failure to read is never a verdict. Only what every honest reader decides alike from the bytes is a `Drop`.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod cert;
pub mod verdict;

#[cfg(feature = "std")]
pub mod layer;
#[cfg(feature = "std")]
pub mod memory;
#[cfg(feature = "std")]
pub mod proxy;
#[cfg(feature = "std")]
pub mod server;

#[cfg(feature = "std")]
pub use layer::{BoxFuture, Capabilities, DaLayer, PAYLOAD_SIZE_MAX, PutError, Unavailable};
pub use verdict::{DropReason, Fetched};
