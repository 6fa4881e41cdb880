//! The two kinds of statements, byte for byte, and their signatures.
//!
//! Numbers are big-endian and of fixed width.
//!
//! | offset | bytes | both kinds |
//! | --- | --- | --- |
//! | 0 | 1 | kind: 1 preconfirmation, 2 block |
//! | 1 | 8 | epoch of the signer |
//! | 9 | 8 | block number |
//! | 17 | 32 | hash of the parent |
//! | 49 | 8 | number of the L1 origin |
//! | 57 | 32 | hash of the L1 origin |
//!
//! | offset | bytes | preconfirmation |
//! | --- | --- | --- |
//! | 89 | 8 | index of the delta in its block, as long as the sequencer runs |
//! | 97 | 4 | transactions before it |
//! | 101 | 4 | transactions in it |
//! | 105 | 32 | digest before it |
//! | 137 | 32 | digest after it |
//! | 169 | 32 | hash over its receipts |
//!
//! | offset | bytes | block |
//! | --- | --- | --- |
//! | 89 | 32 | hash of the block |
//! | 121 | 4 | transactions in it |
//! | 125 | 32 | digest after all of them |
//!
//! A signature follows: `r` 32, `s` 32 (the lower one), parity of `R.y` 1. What is signed has the form op-node signs unsafe payloads in,
//! under a domain of its own: `keccak256(domain 32 ‖ chain id 32 ‖ keccak256(statement))`.

use super::digest::TransactionsDigest;
use crate::block::{L1BlockId, L1BlockNumber, L2BlockNumber};
use alloc::vec::Vec;
use alloy_consensus::crypto::secp256k1::recover_signer;
use alloy_primitives::{Address, B256, Signature, U256, keccak256};

/// Keeps these signatures apart from whatever else a key signs. op-node's own domain is 32 zeros.
pub const SIGNING_DOMAIN: [u8; 32] = *b"tributary/unsafe-block-signer/v1";

/// Bytes of a preconfirmation's statement.
pub const PRECONFIRMATION_STATEMENT_BYTES: usize = 201;

/// Bytes of a block's statement.
pub const BLOCK_STATEMENT_BYTES: usize = 157;

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 65;

const KIND_PRECONFIRMATION: u8 = 1;
const KIND_BLOCK: u8 = 2;

/// Some transactions of a block that is being built, and their receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preconfirmation {
    /// Index of the delta among those of its block. Starts anew with the sequencer, so it says nothing about what was left out.
    pub index: u64,
    /// Transactions of the block before these.
    pub first: u32,
    /// How many these are.
    pub count: u32,
    /// Digest before them.
    pub before: TransactionsDigest,
    /// Digest after them.
    pub after: TransactionsDigest,
    /// Hash over their receipts ([`ReceiptsHasher`](super::ReceiptsHasher)).
    pub receipts_hash: B256,
}

/// A sealed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its hash.
    pub hash: B256,
    /// Its transactions.
    pub count: u32,
    /// Digest after all of them.
    pub digest: TransactionsDigest,
}

/// What a statement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A part of an open block.
    Preconfirmation(Preconfirmation),
    /// A block.
    Block(Block),
}

/// What the unsafe-block signer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Which holder of the right to build says it; a later one has a higher epoch.
    pub epoch: u64,
    /// Number of the block.
    pub number: L2BlockNumber,
    /// Hash of the block's parent.
    pub parent_hash: B256,
    /// The L1 block it builds on. If L1 abandons that one, so does L2 whatever was said on it.
    pub l1_origin: L1BlockId,
    /// What is said of it.
    pub subject: Subject,
}

/// Why bytes are no statement, or no signed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Neither kind.
    #[error("statement of kind {0}, only 1 and 2 are known")]
    UnknownKind(u8),
    /// Too few or too many bytes for its kind.
    #[error("{found} bytes, expected {expected}")]
    Length {
        /// Bytes of the kind.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// Nothing at all.
    #[error("no bytes")]
    Empty,
    /// A delta of nothing, or of more positions than there are.
    #[error("transactions {first} to {first} + {count} are no range")]
    Range {
        /// Transactions before.
        first: u32,
        /// Transactions in it.
        count: u32,
    },
    /// The last byte of a signature is neither 0 nor 1.
    #[error("parity {0} of a signature, must be 0 or 1")]
    Parity(u8),
    /// A signature of which everyone can make another one.
    #[error("the signature's s is in the upper half")]
    HighS,
}

/// Why a signature stands for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// No key has made this signature.
    #[error("no key has made this signature")]
    NoKey,
    /// Somebody else has.
    #[error("signed by {found}, expected {expected}")]
    Other {
        /// Who should have.
        expected: Address,
        /// Who has.
        found: Address,
    },
}

impl Statement {
    /// The bytes that are signed for.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PRECONFIRMATION_STATEMENT_BYTES + SIGNATURE_BYTES);
        bytes.push(match self.subject {
            Subject::Preconfirmation(_) => KIND_PRECONFIRMATION,
            Subject::Block(_) => KIND_BLOCK,
        });
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.number.0.to_be_bytes());
        bytes.extend_from_slice(self.parent_hash.as_slice());
        bytes.extend_from_slice(&self.l1_origin.number.0.to_be_bytes());
        bytes.extend_from_slice(self.l1_origin.hash.as_slice());
        match &self.subject {
            Subject::Preconfirmation(delta) => {
                bytes.extend_from_slice(&delta.index.to_be_bytes());
                bytes.extend_from_slice(&delta.first.to_be_bytes());
                bytes.extend_from_slice(&delta.count.to_be_bytes());
                for word in [delta.before.0, delta.after.0, delta.receipts_hash] {
                    bytes.extend_from_slice(word.as_slice());
                }
            }
            Subject::Block(block) => {
                bytes.extend_from_slice(block.hash.as_slice());
                bytes.extend_from_slice(&block.count.to_be_bytes());
                bytes.extend_from_slice(block.digest.0.as_slice());
            }
        }
        bytes
    }

    /// Reads a statement; every byte must belong to it.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, StatementError> {
        let (&kind, rest) = bytes.split_first().ok_or(StatementError::Empty)?;
        let expected = statement_bytes(kind)?;
        let found = bytes.len();
        if found != expected {
            return Err(StatementError::Length { expected, found });
        }
        let mut fields = Fields(rest);
        let statement = fields.statement(kind);
        let statement = statement.ok_or(StatementError::Length { expected, found })?;
        if let Subject::Preconfirmation(Preconfirmation { first, count, .. }) = statement.subject
            && (count == 0 || first.checked_add(count).is_none())
        {
            return Err(StatementError::Range { first, count });
        }
        Ok(statement)
    }

    /// The hash that is signed, on the L2 chain `chain_id`.
    #[must_use]
    pub fn signing_hash(&self, chain_id: u64) -> B256 {
        let mut bytes = [0; 96];
        bytes[..32].copy_from_slice(&SIGNING_DOMAIN);
        bytes[32..64].copy_from_slice(&U256::from(chain_id).to_be_bytes::<32>());
        bytes[64..].copy_from_slice(keccak256(self.encode()).as_slice());
        keccak256(bytes)
    }
}

/// A statement and the signature under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedStatement {
    /// What is said.
    pub statement: Statement,
    /// By whom, once recovered.
    pub signature: Signature,
}

impl SignedStatement {
    /// Statement, `r`, `s`, parity.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.statement.encode();
        bytes.extend_from_slice(&signature_bytes(&self.signature));
        bytes
    }

    /// Reads a signed statement; every byte must belong to it. Who signed is not looked at.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, StatementError> {
        let expected = statement_bytes(*bytes.first().ok_or(StatementError::Empty)?)? + SIGNATURE_BYTES;
        let found = bytes.len();
        let length = StatementError::Length { expected, found };
        if found != expected {
            return Err(length);
        }
        let (statement, signature) = bytes.split_last_chunk::<SIGNATURE_BYTES>().ok_or(length)?;
        Ok(Self {
            statement: Statement::decode(statement)?,
            signature: read_signature(signature)?,
        })
    }

    /// The signature's 65 bytes.
    #[must_use]
    pub fn signature_bytes(&self) -> [u8; SIGNATURE_BYTES] {
        signature_bytes(&self.signature)
    }

    /// Who signed this for the L2 chain `chain_id`.
    ///
    /// # Errors
    /// When no key can have.
    pub fn signer(&self, chain_id: u64) -> Result<Address, SignerError> {
        recover_signer(&self.signature, self.statement.signing_hash(chain_id)).map_err(|_| SignerError::NoKey)
    }

    /// Checks that `expected` signed this for the L2 chain `chain_id`.
    ///
    /// # Errors
    /// When nobody or somebody else has.
    pub fn verify(&self, chain_id: u64, expected: Address) -> Result<(), SignerError> {
        let found = self.signer(chain_id)?;
        if found == expected {
            Ok(())
        } else {
            Err(SignerError::Other { expected, found })
        }
    }
}

const fn statement_bytes(kind: u8) -> Result<usize, StatementError> {
    match kind {
        KIND_PRECONFIRMATION => Ok(PRECONFIRMATION_STATEMENT_BYTES),
        KIND_BLOCK => Ok(BLOCK_STATEMENT_BYTES),
        other => Err(StatementError::UnknownKind(other)),
    }
}

fn signature_bytes(signature: &Signature) -> [u8; SIGNATURE_BYTES] {
    let mut bytes = [0; SIGNATURE_BYTES];
    bytes[..32].copy_from_slice(&signature.r().to_be_bytes::<32>());
    bytes[32..64].copy_from_slice(&signature.s().to_be_bytes::<32>());
    bytes[64] = u8::from(signature.v());
    bytes
}

fn read_signature(bytes: &[u8; SIGNATURE_BYTES]) -> Result<Signature, StatementError> {
    let (r, rest) = bytes.split_at(32);
    let (s, parity) = rest.split_at(32);
    let parity = match parity {
        [0] => false,
        [1] => true,
        other => return Err(StatementError::Parity(other.first().copied().unwrap_or_default())),
    };
    let signature = Signature::new(U256::from_be_slice(r), U256::from_be_slice(s), parity);
    if signature.normalize_s().is_some() {
        return Err(StatementError::HighS);
    }
    Ok(signature)
}

/// Fields one after the other; `None` behind the end.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn count(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn word(&mut self) -> Option<B256> {
        self.take().map(B256::new)
    }

    fn statement(&mut self, kind: u8) -> Option<Statement> {
        Some(Statement {
            epoch: self.number()?,
            number: L2BlockNumber(self.number()?),
            parent_hash: self.word()?,
            l1_origin: L1BlockId {
                number: L1BlockNumber(self.number()?),
                hash: self.word()?,
            },
            subject: self.subject(kind)?,
        })
    }

    fn subject(&mut self, kind: u8) -> Option<Subject> {
        if kind == KIND_BLOCK {
            return Some(Subject::Block(Block {
                hash: self.word()?,
                count: self.count()?,
                digest: TransactionsDigest(self.word()?),
            }));
        }
        Some(Subject::Preconfirmation(Preconfirmation {
            index: self.number()?,
            first: self.count()?,
            count: self.count()?,
            before: TransactionsDigest(self.word()?),
            after: TransactionsDigest(self.word()?),
            receipts_hash: self.word()?,
        }))
    }
}
