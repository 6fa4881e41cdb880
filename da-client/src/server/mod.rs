//! The embedded DA server: payloads on one disk, behind the REST routes of EigenDA's proxy.
//!
//! It is what it is: one machine. Its commitments carry our own layer byte, so nobody takes it for EigenDA, and every reader checks
//! what it serves.
//!
//! | route | answer |
//! |---|---|
//! | `POST /put`, `POST /put/` | body: payload; 200 with the commitment, `01 7a 00 ‖ hash ‖ size`, as raw bytes |
//! | `POST /put?commitment_mode=standard` | the same without `01 7a` |
//! | `GET /get/0x017a00…`, `GET /get/0x00…?commitment_mode=standard` | 200 with the payload; `0x` may be left out |
//! | `POST /put/{key}`, `GET /get/0x00…` | 403: keccak commitments are not served |
//! | `GET /health` | 200 |
//! | `GET /config` | 200 with JSON: limits and APIs |
//!
//! | status | means |
//! |---|---|
//! | 400 | no commitment of ours, payload too long, a parameter that is not what it should be |
//! | 404 | a payload that is not here; also an unknown route |
//! | 405 | wrong method |
//! | 429 | too many puts at once; `Retry-After` says when |
//! | 500 | the disk does not do as told, or holds damaged bytes: never served |
//!
//! It never answers 418: what is not here may be elsewhere, and only the bytes themselves can be judged.

mod disk;
mod faults;
mod routes;

pub use disk::{DiskError, PayloadStore};
pub use faults::{Fault, Faults};
pub use routes::router;

use std::{net::SocketAddr, path::Path};
use tokio::net::TcpListener;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The folder cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The address cannot be used.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Address asked for.
        address: SocketAddr,
        /// The system's word.
        source: std::io::Error,
    },
    /// Serving failed.
    #[error("the DA server ended: {0}")]
    Serve(std::io::Error),
}

/// A server that listens and does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    store: PayloadStore,
    router: axum::Router,
}

impl Server {
    /// Opens the payloads in `folder` and listens on `address`; `extra` routes are served beside ours.
    ///
    /// # Errors
    /// [`ServerError::Disk`], [`ServerError::Listen`].
    pub async fn bind(folder: &Path, address: SocketAddr, extra: axum::Router) -> Result<Self, ServerError> {
        Self::bind_with_faults(folder, address, extra, Faults::default()).await
    }

    /// Like [`Self::bind`], answering wrongly as `faults` say: for tests.
    ///
    /// # Errors
    /// [`ServerError::Disk`], [`ServerError::Listen`].
    pub async fn bind_with_faults(
        folder: &Path,
        address: SocketAddr,
        extra: axum::Router,
        faults: Faults,
    ) -> Result<Self, ServerError> {
        let store = PayloadStore::open(folder)?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ServerError::Listen { address, source })?;
        Ok(Self {
            listener,
            router: router(store.clone(), faults).merge(extra),
            store,
        })
    }

    /// Serves these routes too: health and metrics are the caller's.
    ///
    /// # Panics
    /// If a route is there already.
    #[must_use]
    pub fn merge(mut self, routes: axum::Router) -> Self {
        self.router = self.router.merge(routes);
        self
    }

    /// The payloads it serves; tells `/readyz` what is wrong with them.
    #[must_use]
    pub const fn store(&self) -> &PayloadStore {
        &self.store
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// [`ServerError::Serve`] if the system does not tell.
    pub fn local_addr(&self) -> Result<SocketAddr, ServerError> {
        self.listener.local_addr().map_err(ServerError::Serve)
    }

    /// Serves until `shutdown` is done; requests under way are finished.
    ///
    /// # Errors
    /// [`ServerError::Serve`].
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServerError> {
        axum::serve(self.listener, self.router)
            .with_graceful_shutdown(shutdown)
            .await
            .map_err(ServerError::Serve)
    }
}
