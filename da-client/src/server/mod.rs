//! The embedded DA server: payloads on one disk, behind the REST routes of EigenDA's proxy.
//!
//! It is what it is: one machine. Its commitments carry our own layer byte, so nobody takes it for EigenDA, and every reader checks
//! what it serves.
//!
//! | route | answer |
//! |---|---|
//! | `POST /put`, `POST /put/` | body: payload; 200 with the commitment, `01 7a 00 ‖ hash ‖ size`, as raw bytes |
//! | `POST /put?commitment_mode=standard` | the same without `01 7a` |
//! | `GET /get/0x01 7a …`, `GET /get/0x00…?commitment_mode=standard` | 200 with the payload; 404 if it is not here; 500 if it is damaged |
//! | `POST /put/{key}`, `GET /get/0x00…` | 403: keccak commitments are not served |
//! | `GET /health`, `GET /config` | 200 |

mod disk;
mod routes;

pub use disk::{DiskError, PayloadStore};
pub use routes::{Fault, Faults, router};

use std::{net::SocketAddr, path::Path};
use tokio::net::TcpListener;

/// Longest payload: the largest that fits into EigenDA's largest blob of 16 MiB.
pub const PAYLOAD_SIZE_MAX: usize = 16_252_897;

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
            router: router(store, faults).merge(extra),
        })
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
