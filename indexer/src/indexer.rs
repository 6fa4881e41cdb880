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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::Side,
        testing::{World, recording_tx, span_payload},
    };
    use core::time::Duration;
    use serde_json::Value;

    fn config(world: &World) -> IndexerConfig {
        IndexerConfig {
            node_rpc: world.node_url.parse().unwrap(),
            l1_rpc: world.l1_url.parse().unwrap(),
            da: world.da.clone(),
            database: world.folder.path().join("indexer.sqlite"),
            http_addr: "127.0.0.1:0".parse().unwrap(),
            rollup: (*world.rollup).clone(),
            poll_interval: Duration::from_millis(5),
            metrics: Arc::new(String::new),
        }
    }

    /// Asks until `accept` is content; the runner's own time limit ends a test that never is.
    async fn ask_until(url: &str, accept: impl Fn(&Value) -> bool) -> Value {
        loop {
            let answer = reqwest::get(url).await.unwrap().json::<Value>().await.unwrap();
            if accept(&answer) {
                return answer;
            }
        }
    }

    #[tokio::test]
    async fn an_indexer_catches_up_serves_and_leaves_nothing_behind() {
        let world = World::new().await;
        world.l2.lock().push(0, &[recording_tx(1..=4)]);
        world.l2.lock().push(0, &[]);
        world.l1.lock().push(0, &[world.inbox_tx(span_payload(1, 2))]);
        let shutdown = CancellationToken::new();
        let running = Indexer::start(config(&world), shutdown.clone()).await.unwrap();
        let url = |path: &str| format!("http://{}{path}", running.local_addr);
        ask_until(&url("/readyz"), |report| report["ready"] == true).await;
        let read = |list: &Value| list["batches"][0]["record_count"] == 4;
        ask_until(&url("/v1/batches"), read).await;

        world.l2.lock().set_heads(2, 2);
        ask_until(&url("/v1/batches/1"), |batch| batch["status"] == "finalized").await;
        world.l1.lock().is_down = true;
        let report = ask_until(&url("/readyz"), |report| report["ready"] == false).await;
        assert!(
            report["causes"][0].as_str().unwrap().starts_with("l1: "),
            "{report}"
        );

        shutdown.cancel();
        running.join.await.unwrap().unwrap();
        let left: Vec<_> = std::fs::read_dir(world.folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        assert_eq!(left, ["indexer.sqlite"], "the journal is folded in");
    }

    #[tokio::test]
    async fn a_node_of_another_chain_ends_the_indexer() {
        let world = World::new().await;
        let mut config = config(&world);
        std::mem::swap(&mut config.node_rpc, &mut config.l1_rpc);
        let running = Indexer::start(config, CancellationToken::new()).await.unwrap();
        let error = running.join.await.unwrap().unwrap_err();
        let IndexerError::OtherEndpoint { expected, found } = error else {
            panic!("{error}");
        };
        assert_eq!(expected.side, found.side);
        let ids = (expected.chain_id, found.chain_id);
        assert!(
            ids == if expected.side == Side::L2 {
                (901, 900)
            } else {
                (900, 901)
            },
            "{ids:?}"
        );
    }

    #[tokio::test]
    async fn a_taken_address_is_named() {
        let world = World::new().await;
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http_addr = taken.local_addr().unwrap();
        let config = IndexerConfig {
            http_addr,
            ..config(&world)
        };
        let error = Indexer::start(config, CancellationToken::new())
            .await
            .unwrap_err();
        assert!(error.to_string().contains(&http_addr.to_string()), "{error}");
    }
}
