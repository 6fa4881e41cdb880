//! The store on disk: an LSM tree, one keyspace per table, one journal for all of them.
//!
//! Each batch also writes its sequence number into every table. The journal makes a batch atomic, so after a crash all tables
//! must end at the same number; if they do not, part of a write is missing and the folder is refused.

use super::{Durability, Snapshot, Store, StoreError, Table, WriteBatch};
use alloy::primitives::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};
use parking_lot::Mutex;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Memory for blocks of the tables. The hot state of a busy chain (accounts, upper trie nodes) fits several times over.
const CACHE_BYTES: u64 = 256 * 1024 * 1024;

/// Memory for one table's newest writes. A full block writes a few megabytes, so this holds tens of them before a flush.
const MEMTABLE_BYTES: u64 = 32 * 1024 * 1024;

/// Threads of the database that write memory to tables and merge tables. With more than one, fjall 3.1 keeps its first for writing memory: that
/// one puts a request to merge back into the queue and takes it out again, as fast as it can, for as long as another one merges.
const WORKERS: usize = 1;

/// Where each table keeps the number of the last batch. No key of ours has nine bytes, and none it could precede in a range
/// read is longer.
const WRITE_NUMBER_KEY: [u8; 9] = [0xff; 9];

/// The persistent [`Store`].
#[derive(Clone)]
pub struct FjallStore {
    database: Database,
    tables: Arc<Vec<Keyspace>>,
    last_write: Arc<Mutex<u64>>,
}

impl core::fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FjallStore").finish_non_exhaustive()
    }
}

impl FjallStore {
    /// Opens `folder`, creating it if needed, and locks it for this process.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it, [`StoreError::Torn`] when part of a write is missing.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_with_cache(folder, CACHE_BYTES)
    }

    /// As [`Self::open`], with another amount of memory for blocks of the tables.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_cache(folder: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).map_err(|source| StoreError::Folder {
            path: folder.to_path_buf(),
            source,
        })?;
        let database = Database::builder(folder)
            .cache_size(cache_bytes)
            .worker_threads(WORKERS)
            .open()
            .map_err(|error| open_error(folder.to_path_buf(), error))?;
        let tables = Table::ALL
            .iter()
            .map(|table| {
                database.keyspace(table.name(), || {
                    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let last_write = check_tables(&tables)?;
        Ok(Self {
            database,
            tables: Arc::new(tables),
            last_write: Arc::new(Mutex::new(last_write)),
        })
    }
}

impl Store for FjallStore {
    fn snapshot(&self) -> Arc<dyn Snapshot> {
        Arc::new(FjallSnapshot {
            snapshot: self.database.snapshot(),
            tables: self.tables.clone(),
        })
    }

    fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), StoreError> {
        let mut last_write = self.last_write.lock();
        let number = *last_write + 1;
        let persist = match durability {
            Durability::Synced => PersistMode::SyncData,
            Durability::Lazy => PersistMode::Buffer,
        };
        let mut writes = self.database.batch().durability(Some(persist));
        for (table, key, value) in batch.into_writes() {
            let keyspace = keyspace(&self.tables, table);
            match value {
                Some(value) => writes.insert(keyspace, key, value),
                None => writes.remove(keyspace, key),
            }
        }
        for keyspace in self.tables.iter() {
            writes.insert(keyspace, WRITE_NUMBER_KEY, number.to_be_bytes());
        }
        writes.commit()?;
        *last_write = number;
        Ok(())
    }
}

struct FjallSnapshot {
    snapshot: fjall::Snapshot,
    tables: Arc<Vec<Keyspace>>,
}

impl Snapshot for FjallSnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self.snapshot.get(keyspace(&self.tables, table), key)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn first_at_or_after(&self, table: Table, from: &[u8]) -> Result<Option<(Bytes, Bytes)>, StoreError> {
        let entries = self.snapshot.range(keyspace(&self.tables, table), from..);
        first_entry(entries)
    }

    fn last_at_or_before(&self, table: Table, to: &[u8]) -> Result<Option<(Bytes, Bytes)>, StoreError> {
        let entries = self.snapshot.range(keyspace(&self.tables, table), ..=to);
        first_entry(entries.rev())
    }
}

/// The first entry that is not our own mark.
fn first_entry(entries: impl Iterator<Item = fjall::Guard>) -> Result<Option<(Bytes, Bytes)>, StoreError> {
    for entry in entries {
        let (key, value) = entry.into_inner()?;
        if *key != WRITE_NUMBER_KEY {
            return Ok(Some((
                Bytes::copy_from_slice(&key),
                Bytes::copy_from_slice(&value),
            )));
        }
    }
    Ok(None)
}

fn keyspace(tables: &[Keyspace], table: Table) -> &Keyspace {
    &tables[table as usize]
}

/// The number of the last write, which must be the same in every table.
fn check_tables(tables: &[Keyspace]) -> Result<u64, StoreError> {
    let mut expected = None;
    for (table, keyspace) in Table::ALL.iter().zip(tables) {
        let found = match keyspace.get(WRITE_NUMBER_KEY)? {
            None => 0,
            Some(value) => {
                u64::from_be_bytes(value.as_ref().try_into().map_err(|_| StoreError::Corrupt {
                    table: *table,
                    key: Bytes::from_static(&WRITE_NUMBER_KEY),
                    what: "write number is not 8 bytes",
                })?)
            }
        };
        let expected = *expected.get_or_insert(found);
        if found != expected {
            return Err(StoreError::Torn {
                table: *table,
                expected,
                found,
            });
        }
    }
    Ok(expected.unwrap_or_default())
}

fn open_error(path: PathBuf, error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Locked => StoreError::Locked { path },
        fjall::Error::Io(source) => StoreError::Folder { path, source },
        other => StoreError::Backend(other),
    }
}
