//! What was posted, what it cost and who got what: both chains into SQL, out over REST and one page.
//!
//! ```text
//!  node --blocks, receipts, heads--> follow::l2 --.
//!  L1 ----inbox transactions-------> follow::l1 --+--> store (SQLite) --> http: /v1/…, /readyz, /metrics
//!  DA ----payloads-----------------> follow::payloads                 `-> page: /, /batch/…, /record/…
//! ```
//!
//! Invariants: what a block said commits together with the block, so a process killed at any point goes on where its database
//! stands; a block that its chain abandons is taken back in one transaction; a payload that cannot be had delays nothing but itself.
//! The indexer decides nothing: safe and finalized are the node's word, and everything here can be built again from the outside.

mod clock;
mod config;
mod decode;
mod error;
mod follow;
mod health;
mod http;
mod indexer;
mod page;
mod rpc;
mod store;
#[cfg(test)]
mod testing;

pub use config::IndexerConfig;
pub use error::{ChainIdentity, IndexerError, Side};
pub use indexer::{Indexer, Running};
pub use rpc::RpcError;
