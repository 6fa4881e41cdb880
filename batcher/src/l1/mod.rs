//! Transactions on L1: explicit nonces, replacement under a ceiling, no two effects from one nonce.
//!
//! ```text
//!  proposer --Call--> Submitter ---\
//!                                   >-- Account (signs) -- L1Port (Ethereum RPC | in memory)
//!  batcher --Journal--> Poster ----/
//! ```
//! One account belongs to one process. While a transaction with nonce `n` may still be mined, only replacements of that same
//! transaction are sent with `n`.

mod account;
mod error;
mod fees;
mod gap;
mod port;
mod poster;
mod sight;
mod submitter;

pub use account::{Account, BlobProofs, Signed};
pub use error::L1Error;
pub use fees::{FeeLimits, Fees, Urgency};
pub use port::{Accepted, Call, Inclusion, L1Port, RpcL1};
pub use poster::{PostError, Poster, PosterSettings};
pub use submitter::Submitter;
