//! L1 transactions: one at a time, explicit nonce, replacement under a ceiling.
//!
//! One account, one [`Submitter`], one transaction in flight. A nonce never carries two effects: while a transaction with nonce `n`
//! may still be mined, only replacements of that same transaction are sent with `n`.

mod fees;
mod submitter;

pub use fees::FeeLimits;
pub use submitter::{Call, L1Error, Submitter};
