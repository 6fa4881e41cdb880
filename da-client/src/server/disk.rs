//! Payloads on disk, one file each, named by hash and size.
//!
//! A payload is written beside its place, synced, renamed, and the folder synced, before its commitment is given away: after a crash
//! a payload is there whole or not at all. What is read is checked again: a damaged file is an error, never an answer.

use alloy_primitives::{Bytes, hex};
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};
use tributary_protocol::commitment::{Commitment, CommitmentError, LocalCommitment, PayloadMismatch};

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
    /// The payload cannot be committed to.
    #[error(transparent)]
    Commitment(#[from] CommitmentError),
}

/// The payloads in one folder.
#[derive(Clone, Debug)]
pub struct PayloadStore {
    folder: PathBuf,
}

impl PayloadStore {
    /// Opens `folder`, creates it if need be, and removes what a crash left half-written.
    ///
    /// # Errors
    /// [`DiskError::Io`].
    pub fn open(folder: &Path) -> Result<Self, DiskError> {
        fs::create_dir_all(folder).map_err(io("create", folder))?;
        for entry in fs::read_dir(folder).map_err(io("list", folder))? {
            let path = entry.map_err(io("list", folder))?.path();
            if path.extension().is_some_and(|extension| extension == "part") {
                fs::remove_file(&path).map_err(io("remove", &path))?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Stores a payload durably; storing it again changes nothing.
    ///
    /// # Errors
    /// [`DiskError`]; nothing is stored then.
    pub fn put(&self, payload: &[u8]) -> Result<Commitment, DiskError> {
        let commitment = Commitment::local(payload)?;
        let Commitment::Local(local) = &commitment else {
            unreachable!("a local commitment was made");
        };
        // A damaged file is replaced: whoever puts the payload again heals it.
        if self.get(local).is_ok_and(|stored| stored.is_some()) {
            return Ok(commitment);
        }
        let path = self.path(local);
        let mut part = tempfile::Builder::new()
            .suffix(".part")
            .tempfile_in(&self.folder)
            .map_err(io("create a file in", &self.folder))?;
        part.write_all(payload).map_err(io("write", part.path()))?;
        part.as_file().sync_all().map_err(io("sync", part.path()))?;
        part.persist(&path)
            .map_err(|error| io("rename to", &path)(error.error))?;
        let folder = File::open(&self.folder).map_err(io("open", &self.folder))?;
        folder.sync_all().map_err(io("sync", &self.folder))?;
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

    fn path(&self, commitment: &LocalCommitment) -> PathBuf {
        self.folder.join(format!(
            "{}-{}",
            hex::encode(commitment.payload_hash),
            commitment.payload_size
        ))
    }
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
}
