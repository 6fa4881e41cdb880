//! What the node remembers: blocks, receipts, flat state, trie nodes, their history, and where the heads are.
//!
//! ```text
//!  engine --BlockOutcome--> writer --one WriteBatch--> Store (fjall | memory)
//!                             |                          ^  |
//!                             +--layers--> flush thread -+  |
//!  rpc, builder, derivation <-- reader, StateView <-- Snapshot
//! ```
//! Everything Tributary knows about layout lives in [`codec`], [`writer`], [`reader`] and [`view`], written once over the narrow
//! [`Store`] seam: atomic batches in, consistent snapshots out.
//!
//! Invariants:
//! - One batch per block: block, receipts, what it changed, and head pointer become visible and durable together.
//! - Flat state and trie nodes follow in a flush of several blocks, written lazily: until then they are in memory, and after a crash they
//!   are worked out again from what the blocks changed. A large flush is written in portions, on a thread of its own; what is committed
//!   meanwhile comes in between. One that was cut short is done again before anything is read.
//! - A snapshot never changes; a reader that holds one sees one head and the state of that head.
//! - What is read back is checked (headers against their hash, trie nodes against what their parent says); a mismatch is
//!   [`StoreError::Corrupt`], never an answer.

mod base;
mod batch;
mod cache;
pub mod codec;
mod fjall;
mod flush;
mod flush_thread;
mod flushing;
pub mod import;
mod layer;
mod log_index;
mod memory;
mod opening;
mod portions;
pub mod reader;
pub mod view;
pub mod writer;

pub use self::{
    fjall::FjallStore,
    import::Import,
    layer::{BlockChanges, Change},
    log_index::LogQuery,
    memory::MemoryStore,
    opening::ChainIdentity,
    reader::{ChainReader, Heads, SafeDerivation, StoredBlock},
    view::StateView,
    writer::{ChainWriter, StoreSettings},
};

use alloy::primitives::{B256, Bytes};
use std::{path::PathBuf, sync::Arc};
use tributary_protocol::block::L2BlockNumber;

/// Version of the layout in [`codec`]; a folder of another version is refused, since reading it would mean guessing.
pub const SCHEMA_VERSION: u32 = 5;

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// One ordered map from bytes to bytes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Table { $($(#[$doc])* $name,)* }

        impl Table {
            /// Every table, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Name on disk.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

tables! {
    /// Identity, schema version, heads, pruning position.
    Meta = "meta",
    /// L2 number -> where the block stands, and its header.
    Headers = "headers",
    /// L2 number -> senders and body: what is large, and rarely asked for.
    Bodies = "bodies",
    /// L2 number -> receipts.
    Receipts = "receipts",
    /// L2 block hash -> number, canonical blocks only.
    BlockNumbers = "block_numbers",
    /// Transaction hash -> number and index, canonical blocks only.
    Transactions = "transactions",
    /// Address -> account as of the last flush.
    Accounts = "accounts",
    /// Address and slot -> value as of the last flush.
    Storage = "storage",
    /// Code hash -> code; never deleted.
    Codes = "codes",
    /// Trie owner and path -> RLP of the node as of the last flush.
    Nodes = "nodes",
    /// Flat key and L2 number -> the value before that block; node key and L2 number -> the node before the flush up to that block.
    History = "history",
    /// L2 number -> what that block changed in flat state, before and after.
    Changes = "changes",
    /// L2 number -> which nodes the flush up to that block changed.
    Flushes = "flushes",
    /// Address or topic and L2 number -> nothing: that block has such a log.
    LogIndex = "log_index",
    /// L1 number -> L1 hash and the safe L2 block derived once that L1 block was read.
    SafeDerivations = "safe_derivations",
}

/// A value to write, or `None` to delete the key.
pub type Write = (Table, Vec<u8>, Option<Vec<u8>>);

/// Writes that happen together or not at all. A later write to the same key wins.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    writes: Vec<Write>,
}

impl Extend<Write> for WriteBatch {
    fn extend<I: IntoIterator<Item = Write>>(&mut self, writes: I) {
        self.writes.extend(writes);
    }
}

impl WriteBatch {
    /// An empty one with room for `writes`.
    #[must_use]
    pub fn with_capacity(writes: usize) -> Self {
        Self {
            writes: Vec::with_capacity(writes),
        }
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.push((table, key.into(), Some(value.into())));
    }

    /// Removes `key`.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.writes.push((table, key.into(), None));
    }

    /// Sets or removes `key`.
    pub fn set(&mut self, table: Table, key: impl Into<Vec<u8>>, value: Option<Vec<u8>>) {
        self.writes.push((table, key.into(), value));
    }

    /// The writes, in order.
    #[must_use]
    pub fn into_writes(self) -> Vec<Write> {
        self.writes
    }
}

/// Whether a write may be lost in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It survives power loss once it is acknowledged.
    Synced,
    /// It may be lost: what it says can be worked out again from what is synced.
    Lazy,
}

/// A durable ordered key-value store. Two implementations: [`FjallStore`] and [`MemoryStore`].
pub trait Store: Send + Sync + 'static {
    /// A view that no later write changes.
    fn snapshot(&self) -> Arc<dyn Snapshot>;

    /// Applies `batch` atomically and after all batches before it; what survives a crash is a prefix of them. When this returns `Ok`
    /// and `durability` asks for it, the batch survives power loss.
    ///
    /// # Errors
    /// When the write or the fsync failed. The store must then be treated as dead: what is on disk is either the state before or
    /// the state after, and only opening it again tells which.
    fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StoreError>;
}

/// A consistent view of all tables.
pub trait Snapshot: Send + Sync {
    /// The value of `key`.
    ///
    /// # Errors
    /// When the read failed; a failed read is never `None`.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// The first entry whose key is at or after `from`.
    ///
    /// # Errors
    /// When the read failed.
    fn first_at_or_after(&self, table: Table, from: &[u8]) -> Result<Option<(Bytes, Bytes)>, StoreError>;

    /// The last entry whose key is at or before `to`.
    ///
    /// # Errors
    /// When the read failed.
    fn last_at_or_before(&self, table: Table, to: &[u8]) -> Result<Option<(Bytes, Bytes)>, StoreError>;
}

/// Why the store did not answer or did not write.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The block would have to be read from disk, and who asks has no time for that.
    #[error("block {} is not in memory", .0.0)]
    NotInMemory(L2BlockNumber),
    /// The engine underneath failed: an I/O error, a checksum, a poisoned journal.
    #[error("the store failed: {0}")]
    Backend(#[from] ::fjall::Error),
    /// Another process has the folder open.
    #[error("the data folder {path} is in use by another process")]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be created or read.
    #[error("the data folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The folder belongs to another chain.
    #[error("the data folder holds another chain: expected {expected}, found {found}")]
    OtherChain {
        /// What the configuration says.
        expected: ChainIdentity,
        /// What the folder says.
        found: ChainIdentity,
    },
    /// The folder was written by another version.
    #[error("the data folder has layout version {found}, this program reads version {expected}")]
    Schema {
        /// [`SCHEMA_VERSION`].
        expected: u32,
        /// What the folder says.
        found: u32,
    },
    /// A value does not decode or contradicts another.
    #[error("table {} is corrupt at key {key}: {what}", table.name())]
    Corrupt {
        /// Where.
        table: Table,
        /// Which entry.
        key: Bytes,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Tables were recovered to different batches: part of a write is missing.
    #[error("the store is torn: table {} ends at write {found}, the others at write {expected}", table.name())]
    Torn {
        /// The table that differs.
        table: Table,
        /// The write `meta` ends at.
        expected: u64,
        /// The write this table ends at.
        found: u64,
    },
    /// The tries do not fit together.
    #[error(transparent)]
    Trie(Box<tributary_protocol::state::trie::TrieError>),
    /// The state a block was committed with cannot be worked out again.
    #[error("the changes of block {number} lead to state root {found}, its header says {expected}")]
    StateRoot {
        /// The block.
        number: L2BlockNumber,
        /// In the header.
        expected: B256,
        /// What its changes lead to.
        found: B256,
    },
    /// State that old is no longer kept, or that block does not exist yet.
    #[error("state of block {requested} is not available: blocks {oldest} to {newest} are kept")]
    StateUnavailable {
        /// The block asked for.
        requested: L2BlockNumber,
        /// The oldest block whose state is kept.
        oldest: L2BlockNumber,
        /// The unsafe head.
        newest: L2BlockNumber,
    },
    /// What an archive has to answer for is gone already.
    #[error(
        "the data folder is no archive: states below block {oldest} were pruned; start without --archive, or derive into an empty folder with it"
    )]
    NoArchive {
        /// The oldest block whose state is kept.
        oldest: L2BlockNumber,
    },
    /// A block does not continue the unsafe head.
    #[error(
        "block {number} does not continue the unsafe head: its parent is {parent}, the head is {head_number} {head}"
    )]
    NotNext {
        /// Number of the block.
        number: L2BlockNumber,
        /// The parent it names.
        parent: B256,
        /// Number of the unsafe head.
        head_number: L2BlockNumber,
        /// Hash of the unsafe head.
        head: B256,
    },
    /// State cannot be brought into a store that has some.
    #[error("the store is not empty: table {} has entries", table.name())]
    NotEmpty {
        /// The first table with entries.
        table: Table,
    },
    /// A block that must be there is not.
    #[error("block {0} is not in the store")]
    MissingBlock(L2BlockNumber),
    /// A head would move to a block that is not canonical, or past another head.
    #[error("heads out of order: finalized {finalized}, safe {safe}, unsafe {unsafe_head}")]
    HeadOrder {
        /// Proposed finalized head.
        finalized: L2BlockNumber,
        /// Proposed safe head.
        safe: L2BlockNumber,
        /// Proposed unsafe head.
        unsafe_head: L2BlockNumber,
    },
    /// A head would move to a block that is not on our chain.
    #[error("block {number} {hash} is not on the canonical chain, which has {canonical} there")]
    NotCanonical {
        /// Number of the block.
        number: L2BlockNumber,
        /// Hash of the block.
        hash: B256,
        /// What we have at that number; zero if nothing.
        canonical: B256,
    },
    /// A fault injected by a test.
    #[error("injected fault at write {0}")]
    Injected(u64),
}

impl StoreError {
    /// True when a request was refused before anything was written, and the store is fine.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NotNext { .. }
                | Self::HeadOrder { .. }
                | Self::NotCanonical { .. }
                | Self::StateUnavailable { .. }
        )
    }
}

impl revm::database_interface::DBErrorMarker for StoreError {}
