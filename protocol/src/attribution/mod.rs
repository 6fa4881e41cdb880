//! Shapes and arithmetic shared with the attribution contracts: what a gateway posts, and who gets how much of it.
//!
//! ```text
//!  rows --bundle--> AttributionLedger.recordBundle --split--> accrued balances
//!                                                  `-> InferenceRecorded.shares --record--> who got what
//! ```
//!
//! Nothing here is consensus: the chain is what the contracts' bytecode does. [`split`] is an independent model of their arithmetic,
//! by which anyone recomputes what a trace of inferences must have cost and paid.

pub mod bundle;
pub mod record;
pub mod split;

pub use bundle::{BundleError, Row, Share, decode_bundle, encode_bundle};
pub use record::{ContributorShare, RecordShares, RecordSharesError};
pub use split::{Carry, FeePolicy, FeePolicyError, Rates, Split, divide};
