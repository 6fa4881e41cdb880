//! What the operator chooses about an indexer.

use alloy::transports::http::reqwest::Url;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tributary_da_client::DaLayer;
use tributary_protocol::config::RollupConfig;

/// An indexer's configuration.
#[derive(Clone)]
pub struct IndexerConfig {
    /// JSON-RPC of a node of this chain: the sequencer or a follower.
    pub node_rpc: Url,
    /// JSON-RPC of L1.
    pub l1_rpc: Url,
    /// Where payloads behind DA commitments come from.
    pub da: Arc<dyn DaLayer>,
    /// The SQLite file; created if it is not there, with its `-wal` and `-shm` beside it.
    pub database: PathBuf,
    /// Where REST and the page are served; port 0 picks a free one.
    pub http_addr: SocketAddr,
    /// Rules of the chain, from `rollup.json`.
    pub rollup: RollupConfig,
    /// How long to wait before asking node and L1 again once they have nothing new.
    pub poll_interval: Duration,
    /// Renders `/metrics`, in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl core::fmt::Debug for IndexerConfig {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("IndexerConfig")
            .field("database", &self.database)
            .field("http_addr", &self.http_addr)
            .field("poll_interval", &self.poll_interval)
            .finish_non_exhaustive()
    }
}
