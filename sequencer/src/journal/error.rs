//! Why the journal cannot be read or written.

use crate::store::ChainIdentity;
use std::io;

/// What went wrong. All of it is for the operator: without its journal a sequencer could break promises it gave, so it halts.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system failed. After a failed sync nothing is tried again: what the system then holds in memory may never reach the disk.
    #[error("journal: cannot {what} {file}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes that were synced once are not what was written.
    #[error("journal: {file} is damaged at offset {offset}: {what}")]
    Corrupt {
        /// Which file.
        file: String,
        /// Where the first bad frame begins, in bytes.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A file between others is gone.
    #[error("journal: segment {expected} is missing, the next one there is {found}")]
    Missing {
        /// Number of the missing segment.
        expected: u64,
        /// Number of the one found instead.
        found: u64,
    },
    /// The folder was written by another version.
    #[error("journal: {file} has layout version {found}, this program reads version {expected}")]
    Version {
        /// Which file.
        file: String,
        /// Ours.
        expected: u32,
        /// What the file says.
        found: u32,
    },
    /// The folder belongs to another chain.
    #[error("journal: {file} is of another chain: expected {expected}, found {found}")]
    OtherChain {
        /// Which file.
        file: String,
        /// What the configuration says.
        expected: ChainIdentity,
        /// What the file says.
        found: ChainIdentity,
    },
    /// The node is ending.
    #[error("journal: it has been closed")]
    Closed,
    /// The system gave no thread to write on.
    #[error("journal: no thread to write on: {0}")]
    Thread(io::Error),
}
