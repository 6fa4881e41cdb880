//! Puts an indexer together, and takes it apart again.

use crate::{
    config::IndexerConfig,
    error::IndexerError,
    follow::{l1::L1Follower, l2::L2Follower, payloads::PayloadReader},
    health::{Check, Health},
    http,
    rpc::Rpc,
    store::Store,
};
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

/// The indexer, as something to start.
#[derive(Clone, Copy, Debug)]
pub struct Indexer;

/// An indexer that runs.
#[derive(Debug)]
pub struct Running {
    /// Where REST and the page are served.
    pub local_addr: SocketAddr,
    /// Ends when everything has, with the error that ended it, if one did.
    pub join: JoinHandle<Result<(), IndexerError>>,
}

impl Indexer {
    /// Opens the database, starts serving, and follows both chains until `shutdown` is cancelled. Neither node, L1 nor DA need to be
    /// up: `/readyz` names what is missing, and the page shows what is known.
    ///
    /// # Errors
    /// If the database cannot be opened or is of another chain, or the address is taken. What shows only later, such as a node of
    /// another chain, comes out of [`Running::join`].
    pub async fn start(config: IndexerConfig, shutdown: CancellationToken) -> Result<Running, IndexerError> {
        let store = Store::open(config.database.clone(), &config.rollup).await?;
        let address = config.http_addr;
        let listen = |source| IndexerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let local_addr = listener.local_addr().map_err(listen)?;
        let join = tokio::spawn(run(config, store, listener, shutdown));
        tracing::info!(target: "indexer", %local_addr, "indexer started");
        Ok(Running { local_addr, join })
    }
}

/// Runs every task to its end. The first that fails ends the others.
async fn run(
    config: IndexerConfig,
    store: Store,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), IndexerError> {
    let shutdown = shutdown.child_token();
    let health = Health::default();
    health.update(|facts| facts.database = Check::Working);
    let rollup = Arc::new(config.rollup);
    let interval = config.poll_interval;

    let l2 = L2Follower {
        rpc: Rpc::new(config.node_rpc),
        store: store.clone(),
        health: health.clone(),
        rollup: Arc::clone(&rollup),
        is_identified: false,
    };
    let l1 = L1Follower {
        rpc: Rpc::new(config.l1_rpc),
        store: store.clone(),
        health: health.clone(),
        rollup: Arc::clone(&rollup),
        is_identified: false,
    };
    let payloads = PayloadReader {
        da: config.da,
        store: store.clone(),
        health: health.clone(),
        rollup: Arc::clone(&rollup),
    };
    let state = http::AppState {
        store: store.clone(),
        health,
        rollup,
        metrics: config.metrics,
    };

    let mut tasks = JoinSet::new();
    tasks.spawn(l2.run(interval, shutdown.clone()));
    tasks.spawn(l1.run(interval, shutdown.clone()));
    tasks.spawn(payloads.run(interval, shutdown.clone()));
    tasks.spawn(http::serve(listener, state, shutdown.clone()));

    let mut first_error = None;
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended.map_err(IndexerError::from).and_then(|result| result) {
            tracing::error!(target: "indexer", %error, "the indexer ends");
            first_error.get_or_insert(error);
        }
        shutdown.cancel();
    }
    store.close().await;
    first_error.map_or(Ok(()), Err)
}
