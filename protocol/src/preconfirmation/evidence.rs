//! Two statements that cannot both be kept, and how anyone checks that they cannot.
//!
//! A statement holds digests; which transactions lead from one to the other is beside it ([`Witnessed`]), and whoever checks works the
//! digests out again. Two statements about one height contradict each other when they
//!
//! - are of two blocks,
//! - stand on two parents,
//! - give two digests for one position, so that some transaction before it differs, or
//! - one is of a block, and the other of a transaction behind that block's last.
//!
//! It is no contradiction that one was cut otherwise than the other, or was said in another epoch. Whether a contradiction is a fault is
//! not decided here: if one of the two L1 origins was abandoned by L1, nobody could have kept both.

use super::{
    digest::TransactionsDigest,
    statement::{Block, Preconfirmation, SignedStatement, SignerError, Statement, StatementError, Subject},
};
use crate::block::{L1BlockId, L2BlockNumber};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

/// Transactions beside a statement: more than any block's gas limit has room for, few enough to hash in milliseconds.
pub const TRANSACTIONS_MAX: usize = 100_000;

/// A signed statement with the transactions it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Witnessed {
    /// The bytes of a [`SignedStatement`].
    pub signed: Bytes,
    /// Digest before the first of `transactions`: before the delta, or of the block's opening fields.
    pub before: TransactionsDigest,
    /// Hashes of the transactions of the delta or of the block; empty where they were not kept, and then only parents and block hashes
    /// can be compared.
    pub transactions: Vec<B256>,
}

/// Two signed statements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// EIP-155 id of the L2 chain.
    pub chain_id: u64,
    /// The one that was seen first.
    pub first: Witnessed,
    /// The one that contradicts it.
    pub second: Witnessed,
}

/// In what two statements contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Conflict {
    /// Two blocks.
    TwoBlocks {
        /// Of the first statement.
        first: B256,
        /// Of the second.
        second: B256,
    },
    /// Two parents.
    TwoParents {
        /// Of the first statement.
        first: B256,
        /// Of the second.
        second: B256,
    },
    /// Before `position` there stand different transactions, or the blocks open differently.
    TwoOrders {
        /// The lowest position at which both give a digest, and a different one.
        position: u32,
    },
    /// A transaction was preconfirmed at a position that the block does not have.
    LeftOut {
        /// That position.
        position: u32,
    },
}

/// What evidence shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The block both statements are about.
    pub number: L2BlockNumber,
    /// In what they differ.
    pub conflict: Conflict,
    /// Who signed the first and the second.
    pub signers: [Address; 2],
    /// Their epochs.
    pub epochs: [u64; 2],
    /// The L1 blocks they build on. If L1 has abandoned one of them, the signer could not have kept both.
    pub l1_origins: [L1BlockId; 2],
}

/// Why evidence shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Bytes that are no signed statement.
    #[error("not a signed statement: {0}")]
    Statement(#[from] StatementError),
    /// A signature of nobody.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// More transactions than a block can have.
    #[error("{found} transactions, at most {TRANSACTIONS_MAX}")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// The transactions do not lead to what was signed.
    #[error("the transactions lead to {found}, signed was {signed}")]
    Digest {
        /// In the statement.
        signed: B256,
        /// From the transactions.
        found: B256,
    },
    /// Another number of transactions than was signed.
    #[error("{found} transactions, signed were {signed}")]
    Count {
        /// In the statement.
        signed: u32,
        /// Given.
        found: usize,
    },
    /// Another start than was signed.
    #[error("the transactions start from {found}, signed was {signed}")]
    Before {
        /// In the statement.
        signed: B256,
        /// Given.
        found: B256,
    },
    /// Both can be true.
    #[error("the two statements do not contradict each other")]
    NoConflict,
}

/// A statement whose transactions were checked against what was signed.
struct Checked<'a> {
    signed: SignedStatement,
    first: u32,
    before: TransactionsDigest,
    transactions: &'a [B256],
}

impl Witnessed {
    /// Pairs a signed statement with its transactions.
    #[must_use]
    pub fn new(signed: &SignedStatement, before: TransactionsDigest, transactions: Vec<B256>) -> Self {
        Self {
            signed: signed.encode().into(),
            before,
            transactions,
        }
    }

    fn check(&self) -> Result<Checked<'_>, EvidenceError> {
        let found = self.transactions.len();
        if found > TRANSACTIONS_MAX {
            return Err(EvidenceError::TooMany { found });
        }
        let signed = SignedStatement::decode(&self.signed)?;
        let (first, count, after) = match signed.statement.subject {
            Subject::Preconfirmation(Preconfirmation {
                first,
                count,
                before,
                after,
                ..
            }) => {
                if before != self.before {
                    return Err(EvidenceError::Before {
                        signed: before.0,
                        found: self.before.0,
                    });
                }
                (first, count, after)
            }
            Subject::Block(Block { count, digest, .. }) => (0, count, digest),
        };
        if !self.transactions.is_empty() {
            if u32::try_from(found) != Ok(count) {
                return Err(EvidenceError::Count { signed: count, found });
            }
            let reached = self
                .transactions
                .iter()
                .fold(self.before, |digest, hash| digest.then(*hash));
            if reached != after {
                return Err(EvidenceError::Digest {
                    signed: after.0,
                    found: reached.0,
                });
            }
        }
        Ok(Checked {
            signed,
            first,
            before: self.before,
            transactions: &self.transactions,
        })
    }
}

impl Evidence {
    /// Checks both signatures and works out in what the statements differ.
    ///
    /// # Errors
    /// When one is not what it claims to be, or both can be true.
    pub fn verify(&self) -> Result<Verdict, EvidenceError> {
        let (first, second) = (self.first.check()?, self.second.check()?);
        let conflict = conflict(&first, &second).ok_or(EvidenceError::NoConflict)?;
        let (one, other) = (&first.signed.statement, &second.signed.statement);
        Ok(Verdict {
            number: one.number,
            conflict,
            signers: [
                first.signed.signer(self.chain_id)?,
                second.signed.signer(self.chain_id)?,
            ],
            epochs: [one.epoch, other.epoch],
            l1_origins: [one.l1_origin, other.l1_origin],
        })
    }
}

fn conflict(first: &Checked<'_>, second: &Checked<'_>) -> Option<Conflict> {
    let (one, other) = (&first.signed.statement, &second.signed.statement);
    if one.number != other.number {
        return None;
    }
    if let (Subject::Block(one), Subject::Block(other)) = (&one.subject, &other.subject) {
        return (one.hash != other.hash).then_some(Conflict::TwoBlocks {
            first: one.hash,
            second: other.hash,
        });
    }
    if one.parent_hash != other.parent_hash {
        return Some(Conflict::TwoParents {
            first: one.parent_hash,
            second: other.parent_hash,
        });
    }
    two_orders(first, second).or_else(|| left_out(one, other).or_else(|| left_out(other, one)))
}

/// The lowest position at which both give a digest and the digests differ.
fn two_orders(first: &Checked<'_>, second: &Checked<'_>) -> Option<Conflict> {
    let start = first.first.max(second.first);
    let mut one = first.digests_from(start);
    let mut other = second.digests_from(start);
    let mut position = start;
    loop {
        let (one, other) = (one.next()??, other.next()??);
        if one != other {
            return Some(Conflict::TwoOrders { position });
        }
        position = position.checked_add(1)?;
    }
}

fn left_out(block: &Statement, delta: &Statement) -> Option<Conflict> {
    let (Subject::Block(block), Subject::Preconfirmation(delta)) = (&block.subject, &delta.subject) else {
        return None;
    };
    (delta.first.saturating_add(delta.count) > block.count).then_some(Conflict::LeftOut {
        position: delta.first.max(block.count),
    })
}

impl Checked<'_> {
    /// Digests at `start` and the positions after it.
    fn digests_from(&self, start: u32) -> impl Iterator<Item = Option<TransactionsDigest>> + '_ {
        // The signed digests alone say something of where a statement without its transactions begins.
        let known_start = !self.transactions.is_empty() || self.is_preconfirmation();
        let mut digest = known_start.then_some(self.before);
        let mut transactions = self.transactions.iter();
        let mut begun = false;
        let mut digests = core::iter::from_fn(move || {
            if core::mem::replace(&mut begun, true) {
                let hash = transactions.next()?;
                digest = digest.map(|digest| digest.then(*hash));
            }
            Some(digest)
        });
        let skipped = start.saturating_sub(self.first);
        for _ in 0..skipped {
            digests.next();
        }
        digests
    }

    const fn is_preconfirmation(&self) -> bool {
        matches!(self.signed.statement.subject, Subject::Preconfirmation(_))
    }
}
