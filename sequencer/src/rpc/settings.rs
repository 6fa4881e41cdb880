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

/// Limits of the RPC server. The command line has a flag for each; texts of errors name the flag of the limit that was met.
#[derive(Clone, Debug)]
pub struct RpcSettings {
    /// Bytes of a request's body, or of one WebSocket message.
    pub body_bytes_max: usize,
    /// Requests in one batch.
    pub batch_items_max: usize,
    /// Bytes of all answers of one batch.
    pub batch_response_bytes_max: usize,
    /// Bytes of one answer.
    pub response_bytes_max: usize,
    /// Gas an `eth_call` or an estimate may use.
    pub call_gas_max: u64,
    /// How long an `eth_call` or a whole estimate may run.
    pub call_timeout: Duration,
    /// Bytes of EVM memory all frames of a call may have together.
    pub call_memory_bytes_max: u64,
    /// Blocks `eth_getLogs` looks at.
    pub logs_blocks_max: u64,
    /// Blocks `eth_getLogs` reads, of those.
    pub logs_blocks_read_max: usize,
    /// Logs `eth_getLogs` returns.
    pub logs_max: usize,
    /// Addresses, or alternatives of one topic, a filter may name.
    pub filter_alternatives_max: usize,
    /// Blocks of one `eth_simulateV1`, filled gaps included.
    pub simulate_blocks_max: u64,
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
    /// Slots one request may ask for: a proof of each, or the value.
    pub slots_max: usize,
    /// Filters of all clients together.
    pub filters_max: usize,
    /// Calls, log scans and proofs at the same time.
    pub heavy_max: usize,
    /// Of those, how many may wait for their turn; more are refused at once.
    pub heavy_waiting_max: usize,
    /// Connections of all clients.
    pub connections_max: usize,
    /// Connections from one address.
    pub connections_per_ip_max: usize,
    /// Connections that are WebSockets.
    pub ws_connections_max: usize,
    /// Subscriptions of one WebSocket.
    pub ws_subscriptions_max: usize,
    /// Requests of one WebSocket that are being carried out; it is not read further meanwhile.
    pub ws_requests_max: usize,
    /// Bytes of messages waiting for one WebSocket's client to read them; it is hung up on when a notification does not fit.
    pub ws_queue_bytes_max: usize,
    /// Units (see the table of methods) one address may use a second; 0 is no limit.
    pub units_per_second_per_ip: u32,
    /// Units all clients together may use a second; 0 is no limit.
    pub units_per_second: u32,
    /// Whether limits per address and of units hold for the loopback interface as well, from which the other roles and proxies ask.
    pub limit_loopback: bool,
    /// From the first byte of a request to the last of its headers.
    pub header_timeout: Duration,
    /// From the headers to the last byte of the body.
    pub body_timeout: Duration,
    /// How long a connection may be silent between requests, and a WebSocket without answering a ping.
    pub idle_timeout: Duration,
    /// How long a client may read nothing of what it is sent.
    pub write_timeout: Duration,
    /// How long any HTTP request may take.
    pub request_timeout: Duration,
    /// How long `eth_sendRawTransactionSync` waits if not told.
    pub sync_timeout: Duration,
    /// How long it waits at most.
    pub sync_timeout_max: Duration,
    /// Names under which the server may be asked; `*` for any. Addresses and requests without `Host` always pass.
    pub hosts: Vec<String>,
    /// Origins whose pages may ask; `*` for any.
    pub cors_origins: Vec<String>,
    /// Namespaces served; none named is all of them.
    pub namespaces: Vec<String>,
    /// Threads of the server's own runtime.
    pub threads: usize,
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
            // What one trace may be.
            response_bytes_max: 256 << 20,
            // As geth; with the gas limit of a block an estimate can still show any transaction that fits.
            call_gas_max: 50_000_000,
            // As geth.
            call_timeout: Duration::from_secs(5),
            // 50 million gas buy 5 MB in one frame, and 160 MB in a tower of a thousand.
            call_memory_bytes_max: 64 << 20,
            // As reth; the index skips blocks without a match.
            logs_blocks_max: 100_000,
            logs_blocks_read_max: 10_000,
            logs_max: 10_000,
            // The next two as geth.
            filter_alternatives_max: 1_000,
            simulate_blocks_max: 256,
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
            // As reth.
            slots_max: 1_024,
            // Each is small, and few clients use more than one.
            filters_max: 1_000,
            heavy_max: cores,
            // Half a second's work each way from ten milliseconds a call; who would wait longer should be told now.
            heavy_waiting_max: 128,
            // Each costs some ten kilobytes.
            connections_max: 2_000,
            connections_per_ip_max: 200,
            // As reth.
            ws_connections_max: 500,
            ws_subscriptions_max: 32,
            ws_requests_max: 1_024,
            ws_queue_bytes_max: 16 << 20,
            // A tenth of a core.
            units_per_second_per_ip: 10_000,
            units_per_second: 0,
            limit_loopback: false,
            header_timeout: Duration::from_secs(5),
            // The next three as geth.
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(120),
            write_timeout: Duration::from_secs(30),
            // Longer than the longest wait for a receipt, and then it is a hung client.
            request_timeout: Duration::from_secs(70),
            // Both as geth.
            sync_timeout: Duration::from_secs(20),
            sync_timeout_max: Duration::from_secs(60),
            hosts: vec!["localhost".into()],
            // Reads are public and there are no cookies, so pages of any origin may ask.
            cors_origins: vec!["*".into()],
            namespaces: Vec::new(),
            // One core is the builder's.
            threads: (cores - 1).max(1),
            client_version: concat!("tributary/v", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}
