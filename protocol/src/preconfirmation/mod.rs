//! What the unsafe-block signer of a chain puts its name to: preconfirmations and sealed blocks; and how two of its statements are shown
//! to contradict each other.
//!
//! ```text
//!  header fields known when a block opens --opening_digest--> C0 --hash of transaction 0--> C1 --hash of transaction 1--> C2 ...
//!  statement: "block n on parent p has, from position `first` on, the transactions that lead from C(first) to C(first + count)"
//!  statement --signing_hash(chain id)--> signature of 65 bytes
//! ```
//! The digests are a chain, so two statements about one height can be compared wherever both say what the digest at a position is, however
//! they were cut. Nothing here decides which block counts: derivation does, and never looks at a signature.

mod digest;
mod evidence;
mod statement;
#[cfg(test)]
mod tests;

pub use self::{
    digest::{OpeningFields, ReceiptsHasher, TransactionsDigest},
    evidence::{Conflict, Evidence, EvidenceError, TRANSACTIONS_MAX, Verdict, Witnessed},
    statement::{
        BLOCK_STATEMENT_BYTES, Block, PRECONFIRMATION_STATEMENT_BYTES, Preconfirmation, SIGNATURE_BYTES,
        SIGNING_DOMAIN, SignedStatement, SignerError, Statement, StatementError, Subject,
    },
};
