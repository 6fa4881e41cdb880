//! Everything that writes to L1: batches into the inbox, output roots to the dispute game factory.
//!
//! ```text
//!  node --blocks--> channel_manager --channel--> channel_builder --frames--> payload --DA--> commitment --l1--> inbox
//!  node --output root--> proposer ------------------------------------------------------------------l1--> factory
//! ```
//!
//! L1 is the truth, and the journal a cache of it: what is begun is on disk before it has an effect, so a batcher that is killed goes on
//! with the same transactions. Without a journal it waits until the node has read everything that is on L1 and goes on after the safe
//! head, so nothing is left out, and what might be posted twice derivation skips as past.

mod cargo;
pub mod channel_builder;
pub mod channel_manager;
pub mod control;
pub mod dispersal;
pub mod driver;
pub mod encoding;
pub mod journal;
pub mod l1;
pub mod node;
pub mod payload_size;
pub mod preflight;
pub mod proposer;
pub mod self_check;
pub mod throttle;
