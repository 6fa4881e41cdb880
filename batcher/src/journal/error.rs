//! Why a journal cannot be used.

use super::{DOCUMENT, JournalChain, VERSION};
use alloy::primitives::B256;
use std::io;

/// Why the journal cannot be used. The batcher stops: without it it could post twice.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system failed.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// Not what a batcher writes.
    #[error(
        "{DOCUMENT} is damaged: {reason}; move the folder away and the batcher starts after the safe head (nothing is lost, some blocks may be \
         posted twice)"
    )]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// The folder was written by another version.
    #[error("{DOCUMENT} has layout version {found}, this program reads version {VERSION}")]
    Version {
        /// What the file says.
        found: u32,
    },
    /// The folder is of another chain or another key.
    #[error("{DOCUMENT} is of {found}, this batcher is for {expected}")]
    OtherChain {
        /// What the settings say.
        expected: Box<JournalChain>,
        /// What the file says.
        found: Box<JournalChain>,
    },
    /// A payload that the document names is missing or other bytes.
    #[error(
        "payload {hash} of {DOCUMENT} is {found}; move the folder away and the batcher starts after the safe head"
    )]
    Payload {
        /// Its hash.
        hash: B256,
        /// What is there instead.
        found: &'static str,
    },
}
