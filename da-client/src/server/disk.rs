//! Payloads on disk, one file each, named by hash and size.
//!
//! A payload is written beside its place, synced, renamed, and the folder synced, before its commitment is given away: after a crash
//! a payload is there whole or not at all. What is read is checked again: a damaged file is an error, never an answer.
//!
//! ```text
//!  <folder>/lock                      held while a server runs
//!  <folder>/<hash, hex>-<size>        a payload
//!  <folder>/<anything>.part           being written; removed at the next start
//! ```

use alloy_primitives::{Bytes, hex};
use std::{
    fs::{self, File, TryLockError},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tributary_protocol::commitment::{Commitment, CommitmentError, LocalCommitment, PayloadMismatch};

/// File whose lock tells that the folder is in use.
const LOCK: &str = "lock";

/// Ending of files that are being written.
const PART: &str = "part";

/// Why the disk did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The system refused.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A file holds other bytes than it was written with.
    #[error("{path} is damaged: {mismatch}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How it differs from its name.
        mismatch: PayloadMismatch,
    },
    /// Another process has the folder open.
    #[error("{folder} is in use by another DA server")]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The payload cannot be committed to.
    #[error(transparent)]
    Commitment(#[from] CommitmentError),
}

/// The payloads in one folder, which nobody else has open. Clones share it.
#[derive(Clone, Debug)]
pub struct PayloadStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    /// Held for its lock, which ends with the process, however it ends.
    _lock: File,
    /// Why the last put failed, if it did.
    trouble: Mutex<Option<String>>,
}

impl PayloadStore {
    /// Opens `folder`, creates it if need be, and removes what a crash left half-written.
    ///
    /// # Errors
    /// [`DiskError::Io`]; [`DiskError::InUse`] if another process has it open.
    pub fn open(folder: &Path) -> Result<Self, DiskError> {
        create_durably(folder)?;
        let lock = lock(folder)?;
        for entry in fs::read_dir(folder).map_err(io("list", folder))? {
            let path = entry.map_err(io("list", folder))?.path();
            if path.extension().is_some_and(|extension| extension == PART) {
                fs::remove_file(&path).map_err(io("remove", &path))?;
            }
        }
        let shared = Shared {
            folder: folder.to_owned(),
            _lock: lock,
            trouble: Mutex::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Stores a payload durably; storing it again changes nothing.
    ///
    /// # Errors
    /// [`DiskError`]; nothing is stored then.
    pub fn put(&self, payload: &[u8]) -> Result<Commitment, DiskError> {
        let commitment = Commitment::local(payload)?;
        if let Commitment::Local(local) = &commitment {
            let stored = self.write(local, payload);
            *self.trouble() = stored.as_ref().err().map(ToString::to_string);
            stored?;
        }
        Ok(commitment)
    }

    /// The payload behind `commitment`, if it is here.
    ///
    /// # Errors
    /// [`DiskError::Io`], [`DiskError::Damaged`].
    pub fn get(&self, commitment: &LocalCommitment) -> Result<Option<Bytes>, DiskError> {
        let path = self.path(commitment);
        let payload = match fs::read(&path) {
            Ok(payload) => payload,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io("read", &path)(error)),
        };
        match commitment.verify(&payload) {
            Ok(()) => Ok(Some(payload.into())),
            Err(mismatch) => Err(DiskError::Damaged { path, mismatch }),
        }
    }

    /// Why payloads cannot be stored now, for `/readyz`; `None` if they can, as far as is known.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        if let Err(source) = fs::metadata(&self.shared.folder) {
            return Some(io("read", &self.shared.folder)(source).to_string());
        }
        self.trouble().clone()
    }

    fn write(&self, local: &LocalCommitment, payload: &[u8]) -> Result<(), DiskError> {
        let folder = &self.shared.folder;
        // A damaged file is replaced: whoever puts the payload again heals it.
        if !self.get(local).is_ok_and(|stored| stored.is_some()) {
            let path = self.path(local);
            let mut part = tempfile::Builder::new()
                .suffix(&format!(".{PART}"))
                .tempfile_in(folder)
                .map_err(io("create a file in", folder))?;
            part.write_all(payload).map_err(io("write", part.path()))?;
            part.as_file().sync_all().map_err(io("sync", part.path()))?;
            part.persist(&path)
                .map_err(|error| io("rename to", &path)(error.error))?;
        }
        // Also for a payload that was there: another put may have renamed it a moment ago, and not synced yet.
        sync_folder(folder)
    }

    fn path(&self, commitment: &LocalCommitment) -> PathBuf {
        let hash = hex::encode(commitment.payload_hash);
        self.shared
            .folder
            .join(format!("{hash}-{}", commitment.payload_size))
    }

    fn trouble(&self) -> MutexGuard<'_, Option<String>> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates `folder` so that it is still there after a power loss: a folder is an entry in the one above, to be synced there.
fn create_durably(folder: &Path) -> Result<(), DiskError> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    create_durably(parent)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(io("create", folder)(error)),
        _ => sync_folder(parent),
    }
}

/// Keeps others out of `folder`: a second server would remove what the first is writing.
fn lock(folder: &Path) -> Result<File, DiskError> {
    let path = folder.join(LOCK);
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .map_err(io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DiskError::InUse {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(io("lock", &path)(source)),
    }
}

fn sync_folder(folder: &Path) -> Result<(), DiskError> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(io("sync", folder))
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> DiskError {
    let path = path.to_owned();
    move |source| DiskError::Io { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(commitment: &Commitment) -> &LocalCommitment {
        match commitment {
            Commitment::Local(local) => local,
            Commitment::Other { .. } => panic!("the store makes local commitments"),
        }
    }

    #[test]
    fn a_payload_survives_a_restart_and_leftovers_of_a_crash_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let commitment = PayloadStore::open(folder.path())
            .unwrap()
            .put(b"payload")
            .unwrap();
        let leftover = folder.path().join("torn.part");
        fs::write(&leftover, b"pay").unwrap();
        let store = PayloadStore::open(folder.path()).unwrap();
        assert_eq!(
            store.get(local(&commitment)).unwrap().unwrap(),
            Bytes::from_static(b"payload")
        );
        assert!(!leftover.exists());
    }

    #[test]
    fn a_damaged_file_is_an_error_and_putting_the_payload_again_heals_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = PayloadStore::open(folder.path()).unwrap();
        let commitment = store.put(b"payload").unwrap();
        let path = store.path(local(&commitment));
        fs::write(&path, b"pajload").unwrap();
        let error = store.get(local(&commitment)).unwrap_err();
        assert!(matches!(error, DiskError::Damaged { .. }), "{error}");
        assert_eq!(store.put(b"payload").unwrap(), commitment);
        assert!(store.get(local(&commitment)).unwrap().is_some());
    }

    #[test]
    fn a_payload_that_was_never_put_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = PayloadStore::open(folder.path()).unwrap();
        assert_eq!(
            store.get(local(&Commitment::local(b"other").unwrap())).unwrap(),
            None
        );
    }

    #[test]
    fn a_folder_in_use_is_refused_until_it_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let store = PayloadStore::open(folder.path()).unwrap();
        let error = PayloadStore::open(folder.path()).unwrap_err();
        assert!(
            matches!(&error, DiskError::InUse { folder: named } if named == folder.path()),
            "{error}"
        );
        drop(store);
        PayloadStore::open(folder.path()).unwrap();
    }

    #[test]
    fn a_failed_put_is_a_problem_until_one_succeeds() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b");
        let store = PayloadStore::open(&folder).unwrap();
        assert_eq!(store.problem(), None);
        // A folder where the file should be.
        let commitment = Commitment::local(b"payload").unwrap();
        let path = store.path(local(&commitment));
        fs::create_dir_all(path.join("full")).unwrap();
        let error = store.put(b"payload").unwrap_err();
        assert!(
            matches!(
                error,
                DiskError::Io {
                    what: "rename to",
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(store.problem(), Some(error.to_string()));
        store.put(b"other").unwrap();
        assert_eq!(store.problem(), None);
        fs::remove_dir_all(&folder).unwrap();
        assert!(store.problem().is_some());
    }

    #[test]
    fn puts_at_once_of_one_payload_all_succeed() {
        let folder = tempfile::tempdir().unwrap();
        let store = PayloadStore::open(folder.path()).unwrap();
        let payload = vec![7; 100_000];
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| store.put(&payload).unwrap());
            }
        });
        let commitment = Commitment::local(&payload).unwrap();
        assert_eq!(store.get(local(&commitment)).unwrap(), Some(payload.into()));
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "the lock and one payload"
        );
    }
}
