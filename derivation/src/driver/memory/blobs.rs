//! Blobs in memory, under hashes that look like versioned ones and cost nothing to compute.

use crate::driver::{BlobFetchError, BlobSource, BoxFuture};
use alloc::{boxed::Box, collections::BTreeMap, sync::Arc, vec::Vec};
use alloy_primitives::{B256, keccak256};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tributary_protocol::{blob::Blob, block::L1BlockRef};

/// First byte of a versioned hash.
const VERSION_KZG: u8 = 1;

/// Handle to a source of blobs; clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryBlobs {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    blobs: BTreeMap<B256, Blob>,
    failures_left: u32,
    is_down: bool,
}

impl MemoryBlobs {
    /// Keeps a blob and says under which hash. It is not the KZG one: the simulated L1 does not look at it.
    #[must_use]
    pub fn put(&self, blob: Blob) -> B256 {
        let mut hash = keccak256(blob.bytes());
        hash[0] = VERSION_KZG;
        self.put_as(hash, blob);
        hash
    }

    /// Keeps a blob under a hash of the caller's, the KZG one for example.
    pub fn put_as(&self, hash: B256, blob: Blob) {
        self.lock().blobs.insert(hash, blob);
    }

    /// Forgets a blob, as beacon nodes do in time.
    pub fn prune(&self, hash: &B256) -> Option<Blob> {
        self.lock().blobs.remove(hash)
    }

    /// The next `count` requests fail.
    pub fn fail_next(&self, count: u32) {
        self.lock().failures_left = count;
    }

    /// Answers nothing until told otherwise.
    pub fn set_down(&self, is_down: bool) {
        self.lock().is_down = is_down;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is complete or not made, so a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, hashes: &[B256], l1_inclusion: &L1BlockRef) -> Result<Vec<Blob>, BlobFetchError> {
        let mut inner = self.lock();
        if inner.is_down || inner.failures_left > 0 {
            inner.failures_left = inner.failures_left.saturating_sub(1);
            return Err(BlobFetchError::Transport {
                path: "memory".into(),
                cause: "told to fail".into(),
            });
        }
        let find = |hash: &B256| {
            inner.blobs.get(hash).cloned().ok_or(BlobFetchError::Missing {
                hash: *hash,
                served: inner.blobs.len(),
                l1_inclusion: l1_inclusion.id(),
            })
        };
        hashes.iter().map(find).collect()
    }
}

impl BlobSource for MemoryBlobs {
    fn blobs<'a>(
        &'a self,
        hashes: &'a [B256],
        l1_inclusion: L1BlockRef,
    ) -> BoxFuture<'a, Result<Vec<Blob>, BlobFetchError>> {
        Box::pin(async move { self.read(hashes, &l1_inclusion) })
    }
}
