//! JSON-RPC over HTTP: what wallets, tools, the batcher and the indexer ask of the node, and its health.
//!
//! ```text
//!  HTTP --server--> jsonrpc --dispatch (one table: methods)--> eth | net | web3 | debug | optimism | txpool --> Chain, Pool
//!       \--> /livez, /readyz, /metrics
//! ```
//! Answers follow geth to the text of its errors, since tools match on it, and op-geth's and op-node's shapes where OP adds to
//! them. Nothing here changes the chain: transactions go to the pool, or on to the sequencer, and everything else reads.

mod args;
mod block_id;
mod convert;
mod debug;
mod dispatch;
mod error;
mod eth;
mod evm;
mod filters;
mod forward;
mod jsonrpc;
mod methods;
mod optimism;
mod server;
mod settings;
mod simulate;
mod tools;
mod tracing;

pub use self::{
    methods::method_names,
    server::serve,
    settings::{MetricsText, NodeStatus, RpcSettings, TransactionTarget},
};

use self::{filters::Filters, tracing::gate::TraceGate};
use crate::{engine::Chain, health::Health, pool::Pool};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Everything the methods read from. Cheap to clone.
#[derive(Clone)]
pub struct Rpc {
    shared: Arc<Shared>,
}

struct Shared {
    chain: Chain,
    target: TransactionTarget,
    health: Health,
    status: Arc<dyn Fn() -> NodeStatus + Send + Sync>,
    metrics_text: MetricsText,
    settings: RpcSettings,
    filters: Filters,
    /// Calls, estimates, log scans and proofs at the same time: as many as there are cores, so that they slow each other down
    /// and not the rest of the node.
    heavy: Arc<Semaphore>,
    traces: TraceGate,
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
        let cores = std::thread::available_parallelism().map_or(1, core::num::NonZero::get);
        Self {
            shared: Arc::new(Shared {
                chain,
                target,
                health,
                status,
                metrics_text,
                traces: TraceGate::new(&settings),
                settings,
                filters: Filters::default(),
                heavy: Arc::new(Semaphore::new(cores)),
            }),
        }
    }

    /// Carries out the body of one request, as [`serve`] does with a POST; `None` when nothing in it wants an answer.
    pub async fn handle(&self, body: &[u8]) -> Option<String> {
        jsonrpc::handle(self, body).await
    }

    fn chain(&self) -> &Chain {
        &self.shared.chain
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
