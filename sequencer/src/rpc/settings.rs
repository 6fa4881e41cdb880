//! What the operator chooses about the RPC server, and the seams the composition root fills.

use super::forward::Forwarder;
use crate::pool::Pool;
use core::time::Duration;
use std::sync::Arc;
use tributary_derivation::driver::DerivationStatus;
use tributary_protocol::block::{L1BlockRef, L2BlockRef};

/// Renders metrics in Prometheus' text format.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// Where transactions go that users send to this node.
#[derive(Clone, Debug)]
pub enum TransactionTarget {
    /// This node sequences: into its pool.
    Pool(Pool),
    /// This node follows: on to the sequencer.
    Sequencer(Forwarder),
    /// Nowhere: refused, with a text that says so.
    Nowhere,
}

impl TransactionTarget {
    /// Forwards to the sequencer's RPC at `url`.
    #[must_use]
    pub fn sequencer(url: String) -> Self {
        Self::Sequencer(Forwarder::new(url))
    }
}

/// What the chain itself does not know, for `optimism_syncStatus`; zero where nothing is known yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeStatus {
    /// L1 block being read.
    pub current_l1: L1BlockRef,
    /// L1's newest block.
    pub head_l1: L1BlockRef,
    /// L1's safe block.
    pub safe_l1: L1BlockRef,
    /// L1's finalized block.
    pub finalized_l1: L1BlockRef,
    /// On a sequencer, the last block that a fresh executor has executed to the same hash; batchers do not read past it.
    pub verified_l2: Option<L2BlockRef>,
}

impl From<&DerivationStatus> for NodeStatus {
    fn from(status: &DerivationStatus) -> Self {
        Self {
            current_l1: status.current_l1.unwrap_or_default(),
            head_l1: status.head_l1.unwrap_or_default(),
            safe_l1: status.safe_l1.unwrap_or_default(),
            finalized_l1: status.finalized_l1.unwrap_or_default(),
            verified_l2: None,
        }
    }
}

/// Limits of the RPC server.
#[derive(Clone, Debug)]
pub struct RpcSettings {
    /// Bytes of a request's body.
    pub body_bytes_max: usize,
    /// Requests in one batch.
    pub batch_items_max: usize,
    /// Bytes of all answers of one batch.
    pub batch_response_bytes_max: usize,
    /// Gas an `eth_call` or an estimate may use.
    pub call_gas_max: u64,
    /// Blocks `eth_getLogs` looks at.
    pub logs_blocks_max: u64,
    /// Logs `eth_getLogs` returns.
    pub logs_max: usize,
    /// Traces that run at the same time.
    pub traces_running_max: usize,
    /// Traces that wait for one of those to end.
    pub traces_waiting_max: usize,
    /// Steps of the EVM one request may record.
    pub trace_steps_max: u64,
    /// Bytes of everything one request may record, as JSON.
    pub trace_bytes_max: u64,
    /// Blocks `trace_filter` looks at.
    pub trace_filter_blocks_max: u64,
    /// Traces `trace_filter` returns.
    pub trace_filter_results_max: usize,
    /// Blocks one `ots_searchTransactions*` looks at.
    pub search_blocks_max: u64,
    /// How long `eth_sendRawTransactionSync` waits if not told.
    pub sync_timeout: Duration,
    /// How long it waits at most.
    pub sync_timeout_max: Duration,
    /// How long any HTTP request may take.
    pub request_timeout: Duration,
    /// What `web3_clientVersion` answers.
    pub client_version: String,
}

impl Default for RpcSettings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, core::num::NonZero::get);
        Self {
            // A transaction of 512 KiB is a little over 1 MiB in hex.
            body_bytes_max: 2 << 20,
            // Both as geth.
            batch_items_max: 1_000,
            batch_response_bytes_max: 25_000_000,
            // As geth; with the gas limit of a block an estimate can still show any transaction that fits.
            call_gas_max: 50_000_000,
            logs_blocks_max: 2_000,
            logs_max: 10_000,
            // One core is left to the rest of the node, if there is more than one.
            traces_running_max: cores.saturating_sub(1).max(1),
            traces_waiting_max: 64,
            // A transaction of 10 million gas takes about half a million steps.
            trace_steps_max: 1_000_000,
            trace_bytes_max: 256 << 20,
            // As reth.
            trace_filter_blocks_max: 100,
            trace_filter_results_max: 10_000,
            // About a second of one core.
            search_blocks_max: 10_000,
            // Both as geth.
            sync_timeout: Duration::from_secs(20),
            sync_timeout_max: Duration::from_secs(60),
            // Longer than the longest wait for a receipt, and then it is a hung client.
            request_timeout: Duration::from_secs(70),
            client_version: concat!("tributary/v", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}
