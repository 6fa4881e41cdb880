//! Blobs from a beacon node's REST API.
//!
//! ```text
//!  L1 block --timestamp--> slot --> /eth/v1/beacon/blobs/{slot}?versioned_hashes=..  (since Fulu)
//!                              \--> /eth/v1/beacon/blob_sidecars/{slot}              (if the first is not served)
//! ```
//! The slot follows from `/eth/v1/beacon/genesis` and `/eth/v1/config/spec`. A server without the latter is anvil, which keeps blobs
//! by execution block: it is asked by the block's hash. Whatever comes back is compared with the versioned hashes, so a server that is
//! wrong, behind or on another fork is waited for and never believed.

use super::{BlobFetchError, BlobSource, kzg::versioned_hash};
use crate::driver::BoxFuture;
use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};
use alloy::transports::http::reqwest::{Client, StatusCode, Url};
use alloy_eips::eip4844::kzg_to_versioned_hash;
use alloy_primitives::{B256, Bytes};
use core::time::Duration;
use serde::{Deserialize, de::DeserializeOwned};
use std::sync::OnceLock;
use tributary_protocol::{blob::Blob, block::L1BlockRef};

/// How long one request may take. The blobs of a slot are a few MB.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes of an answer. A slot of 72 blobs, more than any fork planned, is 19 MB of hexadecimal digits.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Bytes of an error's body that are quoted.
const QUOTED_BYTES_MAX: usize = 200;

/// Blobs behind one beacon node.
#[derive(Debug)]
pub struct BeaconBlobs {
    client: Client,
    /// Without a slash at the end.
    base: String,
    clock: OnceLock<SlotClock>,
}

/// Which slot a time belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SlotClock {
    /// Unix seconds of slot 0.
    genesis_time: u64,
    /// Never zero.
    seconds_per_slot: u64,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct GenesisData {
    genesis_time: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct SpecData {
    seconds_per_slot: String,
}

#[derive(Deserialize)]
struct Sidecar {
    blob: Bytes,
    kzg_commitment: Bytes,
}

impl BeaconBlobs {
    /// Asks the server at `url` (HTTP or HTTPS), which may include a path and an access key as query. Nothing is sent yet.
    #[must_use]
    pub fn new(url: &Url) -> Self {
        Self {
            client: Client::new(),
            base: url.as_str().trim_end_matches('/').into(),
            clock: OnceLock::new(),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, BlobFetchError> {
        let answer = tokio::time::timeout(REQUEST_TIMEOUT, self.body(path)).await;
        let body = answer.unwrap_or_else(|_| {
            Err(BlobFetchError::Transport {
                path: path.into(),
                cause: format!("no answer within {REQUEST_TIMEOUT:?}"),
            })
        })?;
        let answer: Answer<T> =
            serde_json::from_slice(&body).map_err(|error| BlobFetchError::Unreadable {
                path: path.into(),
                cause: error.to_string(),
            })?;
        Ok(answer.data)
    }

    async fn body(&self, path: &str) -> Result<Vec<u8>, BlobFetchError> {
        // The transport's error quotes the URL, which may hold an access key.
        let failed = |error: alloy::transports::http::reqwest::Error| BlobFetchError::Transport {
            path: path.into(),
            cause: error.without_url().to_string(),
        };
        let url = format!("{}{path}", self.base);
        let mut response = self.client.get(url).send().await.map_err(failed)?;
        let status = response.status();
        let limit = if status.is_success() {
            ANSWER_BYTES_MAX
        } else {
            QUOTED_BYTES_MAX
        };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > limit {
                break;
            }
        }
        if !status.is_success() {
            body.truncate(limit);
            return Err(BlobFetchError::Status {
                path: path.into(),
                status: status.as_u16(),
                body: String::from_utf8_lossy(&body).into(),
            });
        }
        if body.len() > limit {
            return Err(BlobFetchError::TooLong {
                path: path.into(),
                limit,
            });
        }
        Ok(body)
    }

    /// The clock; `None` for a server that has none and keeps blobs by execution block.
    async fn clock(&self) -> Result<Option<SlotClock>, BlobFetchError> {
        if let Some(clock) = self.clock.get() {
            return Ok(Some(*clock));
        }
        let spec_path = "/eth/v1/config/spec";
        let spec: SpecData = match self.get(spec_path).await {
            Ok(spec) => spec,
            // Asked again each time: a proxy's passing 404 must not be remembered.
            Err(error) if is_unknown(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let genesis_path = "/eth/v1/beacon/genesis";
        let genesis: GenesisData = self.get(genesis_path).await?;
        let clock = SlotClock {
            genesis_time: decimal(genesis_path, &genesis.genesis_time)?,
            seconds_per_slot: decimal(spec_path, &spec.seconds_per_slot)?,
        };
        if clock.seconds_per_slot == 0 {
            return Err(BlobFetchError::Unreadable {
                path: spec_path.into(),
                cause: "SECONDS_PER_SLOT is 0".into(),
            });
        }
        Ok(Some(*self.clock.get_or_init(|| clock)))
    }

    /// How the server calls the beacon block that includes the L1 block.
    async fn block_id(&self, l1_inclusion: &L1BlockRef) -> Result<String, BlobFetchError> {
        let Some(clock) = self.clock().await? else {
            return Ok(l1_inclusion.hash.to_string());
        };
        let age = l1_inclusion.timestamp.checked_sub(clock.genesis_time);
        let age = age.ok_or_else(|| BlobFetchError::BeforeGenesis {
            genesis_time: clock.genesis_time,
            l1_inclusion: l1_inclusion.id(),
        })?;
        Ok((age / clock.seconds_per_slot).to_string())
    }

    /// Whatever the server has that may be what is asked for.
    async fn candidates(&self, block_id: &str, hashes: &[B256]) -> Result<Vec<Blob>, BlobFetchError> {
        let wanted: Vec<_> = hashes.iter().map(ToString::to_string).collect();
        let path = format!(
            "/eth/v1/beacon/blobs/{block_id}?versioned_hashes={}",
            wanted.join(",")
        );
        match self.get::<Vec<Bytes>>(&path).await {
            Ok(blobs) => blobs.into_iter().map(|blob| Ok(Blob::new(blob)?)).collect(),
            Err(error) if is_unknown(&error) => self.sidecars(block_id, hashes).await.map_err(|second| {
                // If the older way is not served either, the newer one's answer says more.
                if is_unknown(&second) { error } else { second }
            }),
            Err(error) => Err(error),
        }
    }

    async fn sidecars(&self, block_id: &str, hashes: &[B256]) -> Result<Vec<Blob>, BlobFetchError> {
        let path = format!("/eth/v1/beacon/blob_sidecars/{block_id}");
        let sidecars: Vec<Sidecar> = self.get(&path).await?;
        let wanted = sidecars
            .into_iter()
            .filter(|sidecar| hashes.contains(&kzg_to_versioned_hash(&sidecar.kzg_commitment)));
        wanted.map(|sidecar| Ok(Blob::new(sidecar.blob)?)).collect()
    }

    async fn fetch(&self, hashes: &[B256], l1_inclusion: &L1BlockRef) -> Result<Vec<Blob>, BlobFetchError> {
        let block_id = self.block_id(l1_inclusion).await?;
        let candidates = self.candidates(&block_id, hashes).await?;
        let served = candidates.len();
        let checked = tokio::task::spawn_blocking(move || by_hash(candidates)).await;
        let checked = checked.map_err(|error| BlobFetchError::Unreadable {
            path: block_id,
            cause: error.to_string(),
        })?;
        let find = |hash: &B256| {
            checked.get(hash).cloned().ok_or(BlobFetchError::Missing {
                hash: *hash,
                served,
                l1_inclusion: l1_inclusion.id(),
            })
        };
        hashes.iter().map(find).collect()
    }
}

impl BlobSource for BeaconBlobs {
    fn blobs<'a>(
        &'a self,
        hashes: &'a [B256],
        l1_inclusion: L1BlockRef,
    ) -> BoxFuture<'a, Result<Vec<Blob>, BlobFetchError>> {
        alloc::boxed::Box::pin(async move { self.fetch(hashes, &l1_inclusion).await })
    }
}

fn by_hash(blobs: Vec<Blob>) -> BTreeMap<B256, Blob> {
    blobs
        .into_iter()
        .filter_map(|blob| Some((versioned_hash(&blob)?, blob)))
        .collect()
}

/// True if the server says that it does not know what was asked for: another server, or another way of asking, may.
fn is_unknown(error: &BlobFetchError) -> bool {
    let unknown = [
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::GONE,
        StatusCode::NOT_IMPLEMENTED,
    ];
    matches!(error, BlobFetchError::Status { status, .. } if unknown.iter().any(|code| code.as_u16() == *status))
}

fn decimal(path: &str, text: &str) -> Result<u64, BlobFetchError> {
    text.parse().map_err(|_| BlobFetchError::Unreadable {
        path: path.into(),
        cause: format!("`{text}` is not a number"),
    })
}
