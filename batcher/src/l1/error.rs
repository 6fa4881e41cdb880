//! What can go wrong with transactions on L1.

use alloy::{
    primitives::{Address, B256},
    transports::{RpcError, TransportErrorKind},
};

/// Why a transaction did not get its receipt. None of them says that it will not be mined after all.
#[derive(Debug, thiserror::Error)]
pub enum L1Error {
    /// No answer, or an error for an answer.
    #[error("{what} at L1 failed: {source}")]
    Rpc {
        /// What was asked.
        what: &'static str,
        /// What the transport said.
        source: RpcError<TransportErrorKind>,
    },
    /// The transaction would revert or did.
    #[error("{to} refuses the transaction{hash}: {reason}", hash = .hash.map(|hash| format!(" {hash}")).unwrap_or_default())]
    Reverted {
        /// Called contract.
        to: Address,
        /// Hash, if it was mined.
        hash: Option<B256>,
        /// Revert reason, as far as L1 tells.
        reason: String,
    },
    /// Somebody else sent a transaction with our key.
    #[error(
        "nonce {nonce} of {account} was used by a transaction that is not ours; is a second process using this key?"
    )]
    NonceTaken {
        /// Our account.
        account: Address,
        /// The nonce.
        nonce: u64,
    },
    /// Still not mined after every allowed replacement.
    #[error(
        "nonce {nonce} of {account} is not mined after {replacements} replacements; is the fee ceiling below the market?"
    )]
    NotMined {
        /// Our account.
        account: Address,
        /// The nonce.
        nonce: u64,
        /// How often it was replaced.
        replacements: usize,
    },
    /// Blobs that have no commitment.
    #[error("no commitments to blobs of ours: {reason}")]
    Blobs {
        /// What the library says.
        reason: String,
    },
    /// The key could not sign.
    #[error("signing failed: {0}")]
    Signer(#[from] alloy::signers::Error),
    /// L1 is another chain than the one we were made for.
    #[error("L1 has chain id {found}, {expected} was expected")]
    WrongChain {
        /// From the rollup config.
        expected: u64,
        /// From L1.
        found: u64,
    },
}
