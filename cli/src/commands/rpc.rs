//! Flags of a node's JSON-RPC server: who may ask, and how much.

use super::shared::duration;
use clap::Args;
use std::{num::NonZeroUsize, time::Duration};
use tributary_sequencer::rpc::RpcSettings;

fn defaults() -> RpcSettings {
    RpcSettings::default()
}

/// Limits of the server. An error names the flag of the limit that was met.
#[derive(Args, Debug)]
#[command(next_help_heading = "JSON-RPC")]
pub(crate) struct RpcArgs {
    /// Threads that answer requests; the builder, derivation and the engine have their own.
    #[arg(long, env = "TRIBUTARY_RPC_THREADS", default_value_t = NonZeroUsize::new(defaults().threads).unwrap_or(NonZeroUsize::MIN))]
    rpc_threads: NonZeroUsize,
    /// Namespaces to serve, as `eth,net,web3`; all if none is named.
    #[arg(long, env = "TRIBUTARY_RPC_NAMESPACES", value_delimiter = ',')]
    rpc_namespaces: Vec<String>,
    /// Names under which this node may be asked, or `*`. Addresses always pass. Stops web pages from reaching it by a name of theirs.
    #[arg(long, env = "TRIBUTARY_RPC_HOSTS", value_delimiter = ',', default_values_t = defaults().hosts)]
    rpc_hosts: Vec<String>,
    /// Origins whose web pages may read answers, or `*`.
    #[arg(long, env = "TRIBUTARY_RPC_CORS_ORIGINS", value_delimiter = ',', default_values_t = defaults().cors_origins)]
    rpc_cors_origins: Vec<String>,
    /// Bytes of a request's body, or of a WebSocket message.
    #[arg(long, env = "TRIBUTARY_RPC_BODY_BYTES_MAX", default_value_t = defaults().body_bytes_max)]
    rpc_body_bytes_max: usize,
    /// Requests in one batch.
    #[arg(long, env = "TRIBUTARY_RPC_BATCH_ITEMS_MAX", default_value_t = defaults().batch_items_max)]
    rpc_batch_items_max: usize,
    /// Bytes of all answers of one batch.
    #[arg(long, env = "TRIBUTARY_RPC_BATCH_RESPONSE_BYTES_MAX", default_value_t = defaults().batch_response_bytes_max)]
    rpc_batch_response_bytes_max: usize,
    /// Bytes of one answer.
    #[arg(long, env = "TRIBUTARY_RPC_RESPONSE_BYTES_MAX", default_value_t = defaults().response_bytes_max)]
    rpc_response_bytes_max: usize,
    /// Gas of an eth_call or an estimate.
    #[arg(long, env = "TRIBUTARY_RPC_GAS_CAP", default_value_t = defaults().call_gas_max)]
    rpc_gas_cap: u64,
    /// How long an eth_call or an estimate may run.
    #[arg(long, env = "TRIBUTARY_RPC_CALL_TIMEOUT", value_parser = duration, default_value = "5s")]
    rpc_call_timeout: Duration,
    /// Bytes of EVM memory of one eth_call or estimate.
    #[arg(long, env = "TRIBUTARY_RPC_CALL_MEMORY_MAX", default_value_t = defaults().call_memory_bytes_max)]
    rpc_call_memory_max: u64,
    /// Blocks one eth_getLogs looks at.
    #[arg(long, env = "TRIBUTARY_RPC_LOGS_BLOCKS_MAX", default_value_t = defaults().logs_blocks_max)]
    rpc_logs_blocks_max: u64,
    /// Logs one eth_getLogs returns.
    #[arg(long, env = "TRIBUTARY_RPC_LOGS_MAX", default_value_t = defaults().logs_max)]
    rpc_logs_max: usize,
    /// Of those, blocks whose logs may match and are read.
    #[arg(long, env = "TRIBUTARY_RPC_LOGS_BLOCKS_READ_MAX", default_value_t = defaults().logs_blocks_read_max)]
    rpc_logs_blocks_read_max: usize,
    /// Addresses, or alternatives of one topic, a filter may name.
    #[arg(long, env = "TRIBUTARY_RPC_FILTER_ALTERNATIVES_MAX", default_value_t = defaults().filter_alternatives_max)]
    rpc_filter_alternatives_max: usize,
    /// Blocks of one eth_simulateV1.
    #[arg(long, env = "TRIBUTARY_RPC_SIMULATE_BLOCKS_MAX", default_value_t = defaults().simulate_blocks_max)]
    rpc_simulate_blocks_max: u64,
    /// Steps of the EVM one request may record.
    #[arg(long, env = "TRIBUTARY_RPC_TRACE_STEPS_MAX", default_value_t = defaults().trace_steps_max)]
    rpc_trace_steps_max: u64,
    /// Bytes of everything one request may record.
    #[arg(long, env = "TRIBUTARY_RPC_TRACE_BYTES_MAX", default_value_t = defaults().trace_bytes_max)]
    rpc_trace_bytes_max: u64,
    /// Blocks one trace_filter looks at.
    #[arg(long, env = "TRIBUTARY_RPC_TRACE_FILTER_BLOCKS_MAX", default_value_t = defaults().trace_filter_blocks_max)]
    rpc_trace_filter_blocks_max: u64,
    /// Traces one trace_filter returns.
    #[arg(long, env = "TRIBUTARY_RPC_TRACE_FILTER_RESULTS_MAX", default_value_t = defaults().trace_filter_results_max)]
    rpc_trace_filter_results_max: usize,
    /// Blocks one ots_searchTransactionsBefore or After looks at.
    #[arg(long, env = "TRIBUTARY_RPC_SEARCH_BLOCKS_MAX", default_value_t = defaults().search_blocks_max)]
    rpc_search_blocks_max: u64,
    /// Storage slots one request may ask for.
    #[arg(long, env = "TRIBUTARY_RPC_SLOTS_MAX", default_value_t = defaults().slots_max)]
    rpc_slots_max: usize,
    /// Filters of all clients together.
    #[arg(long, env = "TRIBUTARY_RPC_FILTERS_MAX", default_value_t = defaults().filters_max)]
    rpc_filters_max: usize,
    /// Calls, log scans and proofs at the same time.
    #[arg(long, env = "TRIBUTARY_RPC_HEAVY_MAX", default_value_t = defaults().heavy_max)]
    rpc_heavy_max: usize,
    /// Of those, how many may wait; more are told to come again.
    #[arg(long, env = "TRIBUTARY_RPC_HEAVY_WAITING_MAX", default_value_t = defaults().heavy_waiting_max)]
    rpc_heavy_waiting_max: usize,
    /// Traces and simulations at the same time.
    #[arg(long, env = "TRIBUTARY_RPC_TRACES_RUNNING_MAX", default_value_t = defaults().traces_running_max)]
    rpc_traces_running_max: usize,
    /// Of those, how many may wait; more are told to come again.
    #[arg(long, env = "TRIBUTARY_RPC_TRACES_WAITING_MAX", default_value_t = defaults().traces_waiting_max)]
    rpc_traces_waiting_max: usize,
    /// Open connections.
    #[arg(long, env = "TRIBUTARY_RPC_CONNECTIONS_MAX", default_value_t = defaults().connections_max)]
    rpc_connections_max: usize,
    /// Open connections from one address.
    #[arg(long, env = "TRIBUTARY_RPC_CONNECTIONS_PER_IP_MAX", default_value_t = defaults().connections_per_ip_max)]
    rpc_connections_per_ip_max: usize,
    /// Open WebSockets.
    #[arg(long, env = "TRIBUTARY_RPC_WS_CONNECTIONS_MAX", default_value_t = defaults().ws_connections_max)]
    rpc_ws_connections_max: usize,
    /// Subscriptions of one WebSocket.
    #[arg(long, env = "TRIBUTARY_RPC_WS_SUBSCRIPTIONS_MAX", default_value_t = defaults().ws_subscriptions_max)]
    rpc_ws_subscriptions_max: usize,
    /// Requests of one WebSocket that are being carried out.
    #[arg(long, env = "TRIBUTARY_RPC_WS_REQUESTS_MAX", default_value_t = defaults().ws_requests_max)]
    rpc_ws_requests_max: usize,
    /// Bytes that wait for one WebSocket's client; a client further behind is hung up on.
    #[arg(long, env = "TRIBUTARY_RPC_WS_QUEUE_BYTES_MAX", default_value_t = defaults().ws_queue_bytes_max)]
    rpc_ws_queue_bytes_max: usize,
    /// Units of work one address may ask for a second, about ten microseconds of a core each; 0 is no limit.
    #[arg(long, env = "TRIBUTARY_RPC_UNITS_PER_SECOND_PER_IP", default_value_t = defaults().units_per_second_per_ip)]
    rpc_units_per_second_per_ip: u32,
    /// Units of work all addresses may ask for a second; 0 is no limit.
    #[arg(long, env = "TRIBUTARY_RPC_UNITS_PER_SECOND", default_value_t = defaults().units_per_second)]
    rpc_units_per_second: u32,
    /// Hold callers on the loopback interface to the limits per address, too.
    #[arg(long, env = "TRIBUTARY_RPC_LIMIT_LOOPBACK")]
    rpc_limit_loopback: bool,
    /// From the first byte of a request to the last of its headers.
    #[arg(long, env = "TRIBUTARY_RPC_HEADER_TIMEOUT", value_parser = duration, default_value = "5s")]
    rpc_header_timeout: Duration,
    /// From the headers of a request to the end of its body.
    #[arg(long, env = "TRIBUTARY_RPC_BODY_TIMEOUT", value_parser = duration, default_value = "30s")]
    rpc_body_timeout: Duration,
    /// How long a connection may be silent.
    #[arg(long, env = "TRIBUTARY_RPC_IDLE_TIMEOUT", value_parser = duration, default_value = "2m")]
    rpc_idle_timeout: Duration,
    /// How long a client may read nothing of its answer.
    #[arg(long, env = "TRIBUTARY_RPC_WRITE_TIMEOUT", value_parser = duration, default_value = "30s")]
    rpc_write_timeout: Duration,
    /// How long any HTTP request may take.
    #[arg(long, env = "TRIBUTARY_RPC_REQUEST_TIMEOUT", value_parser = duration, default_value = "70s")]
    rpc_request_timeout: Duration,
    /// How long eth_sendRawTransactionSync waits for execution if it is not told.
    #[arg(long, env = "TRIBUTARY_RPC_SYNC_TIMEOUT", value_parser = duration, default_value = "20s")]
    rpc_sync_timeout: Duration,
    /// How long it waits at most.
    #[arg(long, env = "TRIBUTARY_RPC_SYNC_TIMEOUT_MAX", value_parser = duration, default_value = "60s")]
    rpc_sync_timeout_max: Duration,
}

impl RpcArgs {
    /// The settings the flags make.
    pub(crate) fn settings(self) -> RpcSettings {
        RpcSettings {
            threads: self.rpc_threads.get(),
            namespaces: self.rpc_namespaces,
            hosts: self.rpc_hosts,
            cors_origins: self.rpc_cors_origins,
            body_bytes_max: self.rpc_body_bytes_max,
            batch_items_max: self.rpc_batch_items_max,
            batch_response_bytes_max: self.rpc_batch_response_bytes_max,
            response_bytes_max: self.rpc_response_bytes_max,
            call_gas_max: self.rpc_gas_cap,
            call_timeout: self.rpc_call_timeout,
            call_memory_bytes_max: self.rpc_call_memory_max,
            logs_blocks_max: self.rpc_logs_blocks_max,
            logs_blocks_read_max: self.rpc_logs_blocks_read_max,
            logs_max: self.rpc_logs_max,
            filter_alternatives_max: self.rpc_filter_alternatives_max,
            simulate_blocks_max: self.rpc_simulate_blocks_max,
            trace_steps_max: self.rpc_trace_steps_max,
            trace_bytes_max: self.rpc_trace_bytes_max,
            trace_filter_blocks_max: self.rpc_trace_filter_blocks_max,
            trace_filter_results_max: self.rpc_trace_filter_results_max,
            search_blocks_max: self.rpc_search_blocks_max,
            slots_max: self.rpc_slots_max,
            filters_max: self.rpc_filters_max,
            heavy_max: self.rpc_heavy_max,
            heavy_waiting_max: self.rpc_heavy_waiting_max,
            traces_running_max: self.rpc_traces_running_max,
            traces_waiting_max: self.rpc_traces_waiting_max,
            connections_max: self.rpc_connections_max,
            connections_per_ip_max: self.rpc_connections_per_ip_max,
            ws_connections_max: self.rpc_ws_connections_max,
            ws_subscriptions_max: self.rpc_ws_subscriptions_max,
            ws_requests_max: self.rpc_ws_requests_max,
            ws_queue_bytes_max: self.rpc_ws_queue_bytes_max,
            units_per_second_per_ip: self.rpc_units_per_second_per_ip,
            units_per_second: self.rpc_units_per_second,
            limit_loopback: self.rpc_limit_loopback,
            header_timeout: self.rpc_header_timeout,
            body_timeout: self.rpc_body_timeout,
            idle_timeout: self.rpc_idle_timeout,
            write_timeout: self.rpc_write_timeout,
            request_timeout: self.rpc_request_timeout,
            sync_timeout: self.rpc_sync_timeout,
            sync_timeout_max: self.rpc_sync_timeout_max,
            client_version: defaults().client_version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        rpc: RpcArgs,
    }

    /// Durations have their defaults here as text.
    #[test]
    fn no_flag_is_the_default_of_the_library() {
        let settings = Cli::parse_from(["node"]).rpc.settings();
        assert_eq!(format!("{settings:?}"), format!("{:?}", RpcSettings::default()));
    }

    #[test]
    fn lists_are_given_with_commas() {
        let settings = Cli::parse_from([
            "node",
            "--rpc-hosts",
            "a.example,b.example",
            "--rpc-namespaces",
            "eth,net",
        ]);
        let settings = settings.rpc.settings();
        assert_eq!(settings.hosts, ["a.example", "b.example"]);
        assert_eq!(settings.namespaces, ["eth", "net"]);
    }
}
