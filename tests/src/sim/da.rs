//! Where a world's data is besides L1's blocks: the DA layer and the beacon node's blobs, and each node's faulty connection to both.
//!
//! Two kinds of answers must not be confused: a fault is one node's and passes, a verdict is everybody's and stays.

use super::kinds::FaultKind;
use alloy_primitives::{B256, Bytes};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tributary_da_client::{
    BoxFuture, Capabilities, DaLayer, DropReason, Fetched, PAYLOAD_SIZE_MAX, PutError, Unavailable,
    cert::local_verdict,
};
use tributary_derivation::driver::{BlobFetchError, BlobSource, memory::MemoryBlobs};
use tributary_protocol::{
    blob::Blob,
    block::{L1BlockNumber, L1BlockRef},
    commitment::Commitment,
};

const URL: &str = "simulated";

#[derive(Debug, Default)]
struct Shared {
    payloads: BTreeMap<Bytes, Bytes>,
    refused: BTreeMap<Bytes, DropReason>,
    /// Payloads too large to be hashed again at every get.
    trusted: BTreeSet<Bytes>,
    /// Gets to be answered with "not found" before a payload shows, by commitment.
    hidden: BTreeMap<Bytes, u32>,
    put_faults: VecDeque<FaultKind>,
    hits: BTreeMap<FaultKind, u64>,
}

/// The layer; clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDa {
    shared: Arc<Mutex<Shared>>,
    /// What the beacon node has.
    pub blobs: MemoryBlobs,
}

impl SimulatedDa {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Every change below is complete or not made.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next `count` puts meet this fault.
    pub fn fail_puts(&self, kind: FaultKind, count: usize) {
        self.lock().put_faults.extend(std::iter::repeat_n(kind, count));
    }

    /// No more faults of puts, and nothing hidden.
    pub fn heal(&self) {
        let mut shared = self.lock();
        shared.put_faults.clear();
        shared.hidden.clear();
    }

    /// How many requests met which fault of the layer since this was last asked.
    #[must_use]
    pub fn take_hits(&self) -> BTreeMap<FaultKind, u64> {
        core::mem::take(&mut self.lock().hits)
    }

    /// Stores a payload without asking anybody.
    ///
    /// # Panics
    /// If it is too large to be committed to.
    #[must_use]
    pub fn store(&self, payload: Bytes) -> Commitment {
        let commitment = Commitment::local(&payload).expect("payloads of the simulation can be committed to");
        self.lock().payloads.insert(commitment.encode(), payload);
        commitment
    }

    /// Stores a payload whose commitment is known to be right.
    pub fn store_trusted(&self, commitment: &Commitment, payload: Bytes) {
        let mut shared = self.lock();
        shared.trusted.insert(commitment.encode());
        shared.payloads.insert(commitment.encode(), payload);
    }

    /// Everybody is told that this commitment does not count.
    pub fn refuse(&self, commitment: &Commitment, reason: DropReason) {
        self.lock().refused.insert(commitment.encode(), reason);
    }

    /// The next `gets` of this commitment find nothing.
    pub fn hide(&self, commitment: &Commitment, gets: u32) {
        self.lock().hidden.insert(commitment.encode(), gets);
    }

    /// The payload, if it is stored.
    #[must_use]
    pub fn payload(&self, commitment: &Commitment) -> Option<Bytes> {
        self.lock().payloads.get(&commitment.encode()).cloned()
    }

    /// A payload is lost for good.
    pub fn lose(&self, commitment: &Commitment) {
        self.lock().payloads.remove(&commitment.encode());
    }
}

impl Shared {
    fn count(&mut self, kind: FaultKind) {
        *self.hits.entry(kind).or_default() += 1;
    }

    fn put(&mut self, payload: Bytes) -> Result<Commitment, PutError> {
        if let Some(kind) = self.put_faults.pop_front() {
            self.count(kind);
            return Err(put_error(kind));
        }
        let commitment = Commitment::local(&payload)?;
        self.payloads.insert(commitment.encode(), payload);
        Ok(commitment)
    }

    fn get(&mut self, commitment: &Commitment, fault: Option<FaultKind>) -> Result<Fetched, Unavailable> {
        let key = commitment.encode();
        let no_answer = |reason: &str| Unavailable::NoAnswer {
            commitment: key.clone(),
            url: URL.to_owned(),
            reason: reason.to_owned(),
        };
        match fault {
            Some(FaultKind::DaWrongBytes) | None => {}
            Some(kind) => return Err(no_answer(kind.label())),
        }
        if let Some(reason) = local_verdict(commitment).or_else(|| self.refused.get(&key).copied()) {
            return Ok(Fetched::Drop(reason));
        }
        if let Some(left) = self.hidden.get_mut(&key).filter(|left| **left > 0) {
            *left -= 1;
            self.count(FaultKind::DaNotFound);
            return Err(no_answer("404"));
        }
        let payload = self.payloads.get(&key).ok_or_else(|| no_answer("404"))?;
        if self.trusted.contains(&key) {
            return Ok(Fetched::Data(payload.clone()));
        }
        let served = if fault.is_some() {
            wrong_bytes(payload)
        } else {
            payload.clone()
        };
        match commitment.verify(&served) {
            Ok(()) => Ok(Fetched::Data(served)),
            Err(mismatch) => Err(Unavailable::WrongPayload {
                commitment: key.clone(),
                url: URL.to_owned(),
                mismatch: Box::new(mismatch),
            }),
        }
    }
}

fn wrong_bytes(payload: &Bytes) -> Bytes {
    let mut bytes = payload.to_vec();
    match bytes.last_mut() {
        Some(last) => *last ^= 1,
        None => bytes.push(0),
    }
    bytes.into()
}

fn put_error(kind: FaultKind) -> PutError {
    let url = URL.to_owned();
    let reason = kind.label().to_owned();
    match kind {
        FaultKind::DaPutRateLimited => PutError::RateLimited {
            url,
            retry_after: None,
        },
        FaultKind::DaPutFailover => PutError::Failover {
            url,
            reason,
            retry_after: None,
        },
        FaultKind::DaPutRejected => PutError::Rejected { url, reason },
        _ => PutError::Transient { url, reason },
    }
}

#[derive(Debug, Default)]
struct Connection {
    faults: VecDeque<FaultKind>,
    blob_faults: VecDeque<FaultKind>,
    hits: BTreeMap<FaultKind, u64>,
}

/// A node's connection to the layer; clones share it.
#[derive(Clone, Debug)]
pub struct NodeDa {
    layer: SimulatedDa,
    connection: Arc<Mutex<Connection>>,
}

impl NodeDa {
    /// A connection without faults.
    #[must_use]
    pub fn new(layer: SimulatedDa) -> Self {
        Self {
            layer,
            connection: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next `count` gets meet this fault.
    pub fn fail(&self, kind: FaultKind, count: usize) {
        self.lock().faults.extend(std::iter::repeat_n(kind, count));
    }

    /// The next `count` requests for blobs meet this fault.
    pub fn fail_blobs(&self, kind: FaultKind, count: usize) {
        self.lock().blob_faults.extend(std::iter::repeat_n(kind, count));
    }

    /// No more faults.
    pub fn heal(&self) {
        let mut connection = self.lock();
        connection.faults.clear();
        connection.blob_faults.clear();
    }

    /// How many gets met which fault since this was last asked.
    #[must_use]
    pub fn take_hits(&self) -> BTreeMap<FaultKind, u64> {
        core::mem::take(&mut self.lock().hits)
    }
}

impl DaLayer for NodeDa {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "simulated",
            payload_size_max: PAYLOAD_SIZE_MAX,
        }
    }

    fn put(&self, payload: Bytes) -> BoxFuture<'_, Result<Commitment, PutError>> {
        Box::pin(async move { self.layer.lock().put(payload) })
    }

    fn get<'a>(
        &'a self,
        commitment: &'a Commitment,
        _: L1BlockNumber,
    ) -> BoxFuture<'a, Result<Fetched, Unavailable>> {
        Box::pin(async move {
            let fault = {
                let mut connection = self.lock();
                let fault = connection.faults.pop_front();
                if let Some(kind) = fault {
                    *connection.hits.entry(kind).or_default() += 1;
                }
                fault
            };
            self.layer.lock().get(commitment, fault)
        })
    }

    fn health(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async {
            // A layer that would not answer a put does not say that it is well.
            let mut layer = self.layer.lock();
            let is_down = layer.put_faults.front() == Some(&FaultKind::DaPutDown);
            match layer.put_faults.pop_front_if(|_| is_down) {
                Some(kind) => {
                    layer.count(kind);
                    Err(Unavailable::NoAnswer {
                        commitment: Bytes::new(),
                        url: URL.to_owned(),
                        reason: kind.label().to_owned(),
                    })
                }
                None => Ok(()),
            }
        })
    }
}

impl BlobSource for NodeDa {
    fn blobs<'a>(
        &'a self,
        hashes: &'a [B256],
        l1_inclusion: L1BlockRef,
    ) -> BoxFuture<'a, Result<Vec<Blob>, BlobFetchError>> {
        let fault = {
            let mut connection = self.lock();
            let fault = connection.blob_faults.pop_front();
            if let Some(kind) = fault {
                *connection.hits.entry(kind).or_default() += 1;
            }
            fault
        };
        Box::pin(async move {
            match fault {
                None => self.layer.blobs.blobs(hashes, l1_inclusion).await,
                Some(FaultKind::BlobsMissing) => Err(BlobFetchError::Missing {
                    hash: hashes.first().copied().unwrap_or_default(),
                    served: 0,
                    l1_inclusion: l1_inclusion.id(),
                }),
                Some(kind) => Err(BlobFetchError::Transport {
                    path: URL.to_owned(),
                    cause: kind.label().to_owned(),
                }),
            }
        })
    }
}
