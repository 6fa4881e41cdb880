//! JSON-RPC over HTTP and WebSocket: what wallets, tools, the batcher and the indexer ask of the node, and its health.
//!
//! ```text
//!  HTTP ------server--> jsonrpc --dispatch (one table: methods)--> eth | net | web3 | debug | optimism | txpool --> Chain, Pool
//!  WebSocket --/  \--ws--/  ^--subscriptions <-- feed <-- Chain
//!       \--> /livez, /readyz, /metrics
//! ```
//! Answers follow geth to the text of its errors, since tools match on it, and op-geth's and op-node's shapes where OP adds to
//! them. Nothing here changes the chain: transactions go to the pool, or on to the sequencer, and everything else reads.

mod args;
mod block_id;
mod bounds;
mod caller;
mod convert;
mod counted;
mod debug;
mod dispatch;
mod error;
mod eth;
mod evm;
mod feed;
mod filters;
mod forward;
mod heavy;
mod jsonrpc;
mod meter;
mod methods;
mod optimism;
mod rollup;
mod server;
mod settings;
mod signatures;
mod simulate;
mod subscriptions;
mod tools;
mod tracing;
mod txpool;
mod ws;

pub use self::{
    methods::method_names,
    server::{bind, serve},
    settings::{MetricsText, NodeStatus, RpcSettings, TransactionTarget},
};

use self::{caller::Caller, feed::ChainFeed, filters::Filters, heavy::Heavy, meter::Meters, methods::Method};
use crate::{
    engine::Chain, health::Health, pool::Pool, preconfirmation::Preconfirmations, unsafe_feed::EvidenceBook,
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Everything the methods read from. Cheap to clone.
#[derive(Clone)]
pub struct Rpc {
    shared: Arc<Shared>,
    chain: Chain,
    /// Whether whoever asks has only microseconds: what takes longer ends with `RpcError::needs_thread`.
    on_the_spot: bool,
}

struct Shared {
    target: TransactionTarget,
    health: Health,
    status: Arc<dyn Fn() -> NodeStatus + Send + Sync>,
    metrics_text: MetricsText,
    settings: RpcSettings,
    filters: Filters,
    feed: ChainFeed,
    preconfirmations: Preconfirmations,
    evidence: EvidenceBook,
    meters: Arc<Meters>,
    /// Calls, estimates, log scans and proofs: they slow each other down and not the rest of the node.
    heavy: Heavy,
    traces: Heavy,
}

impl core::fmt::Debug for Rpc {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Rpc")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

impl Rpc {
    /// A server's worth of methods over one node. `status` says what derivation knows of L1 and what is verified, `metrics_text` renders the
    /// metrics in Prometheus' text format.
    #[must_use]
    pub fn new(
        chain: Chain,
        target: TransactionTarget,
        health: Health,
        status: Arc<dyn Fn() -> NodeStatus + Send + Sync>,
        metrics_text: MetricsText,
        settings: RpcSettings,
    ) -> Self {
        Self {
            chain: chain.clone(),
            on_the_spot: false,
            shared: Arc::new(Shared {
                preconfirmations: Preconfirmations::new(chain, None, CancellationToken::new()),
                evidence: EvidenceBook::default(),
                target,
                health,
                status,
                metrics_text,
                traces: Heavy::new(
                    "rpc-traces-waiting-max",
                    settings.traces_running_max,
                    settings.traces_waiting_max,
                ),
                filters: Filters::new(settings.filters_max),
                feed: ChainFeed::default(),
                meters: Meters::new(&settings),
                heavy: Heavy::new(
                    "rpc-heavy-waiting-max",
                    settings.heavy_max,
                    settings.heavy_waiting_max,
                ),
                settings,
            }),
        }
    }

    /// Tells of these preconfirmations instead of unsigned ones of its own. Called before anything is served.
    #[must_use]
    pub fn with_preconfirmations(mut self, preconfirmations: Preconfirmations) -> Self {
        let shared = Arc::get_mut(&mut self.shared).expect("nothing is served yet, so nobody else holds it");
        shared.preconfirmations = preconfirmations;
        self
    }

    /// Publishes this evidence. Called before anything is served.
    #[must_use]
    pub fn with_evidence(mut self, evidence: EvidenceBook) -> Self {
        let shared = Arc::get_mut(&mut self.shared).expect("nothing is served yet, so nobody else holds it");
        shared.evidence = evidence;
        self
    }

    /// Carries out the body of one request, as [`serve`] does with a POST but without limits on the caller; `None` when nothing in it
    /// wants an answer.
    pub async fn handle(&self, body: &[u8]) -> Option<String> {
        jsonrpc::handle(self, &Caller::default(), body).await.json
    }

    /// True if the operator serves the method's namespace.
    fn serves(&self, method: &Method) -> bool {
        let served = &self.settings().namespaces;
        let namespace = method.name.split_once('_').map_or("", |(namespace, _)| namespace);
        served.is_empty() || served.iter().any(|name| name == namespace)
    }

    /// Threads the operator gives the server.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.settings().threads.max(1)
    }

    fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The same node, for who has only microseconds.
    fn on_the_spot(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            chain: self.chain.in_memory(),
            on_the_spot: true,
        }
    }

    fn settings(&self) -> &RpcSettings {
        &self.shared.settings
    }

    fn pool(&self) -> Option<&Pool> {
        match &self.shared.target {
            TransactionTarget::Pool(pool) => Some(pool),
            _ => None,
        }
    }
}
