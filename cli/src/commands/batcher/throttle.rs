//! Flags for slowing the sequencer down, under op-batcher's names, and the call that does it.

use crate::admin::client::AdminClient;
use clap::Args;
use serde_json::json;
use tributary_batcher::throttle::{
    BlockLimiter, DaSizes, LimitError, LimitFuture, ThrottlePolicy, ThrottlePolicyError,
};

/// When and how much the sequencer is slowed down.
#[derive(Args, Clone, Debug)]
pub(crate) struct ThrottleArgs {
    /// Admin RPC of the sequencer, whose blocks are made smaller while too much waits for L1; it needs --admin-jwt-file, the same as the
    /// sequencer's. Without it nobody is slowed down.
    #[arg(long, env = "TRIBUTARY_SEQUENCER_ADMIN_RPC", value_name = "URL")]
    pub(crate) sequencer_admin_rpc: Option<String>,
    /// Bytes not on L1 above which the sequencer's blocks are limited; below three quarters of it they no longer are.
    #[arg(long, env = "TRIBUTARY_THROTTLE_UNSAFE_DA_BYTES_LOWER_THRESHOLD", default_value_t = ThrottlePolicy::default().lower_bytes)]
    pub(crate) throttle_unsafe_da_bytes_lower_threshold: u64,
    /// Bytes not on L1 at which the limits are strictest.
    #[arg(long, env = "TRIBUTARY_THROTTLE_UNSAFE_DA_BYTES_UPPER_THRESHOLD", default_value_t = ThrottlePolicy::default().upper_bytes)]
    pub(crate) throttle_unsafe_da_bytes_upper_threshold: u64,
    /// Bytes of a block when limits begin. One transaction over the limits still goes into each block.
    #[arg(long, env = "TRIBUTARY_THROTTLE_BLOCK_SIZE_UPPER_LIMIT", default_value_t = ThrottlePolicy::default().block_bytes_upper)]
    pub(crate) throttle_block_size_upper_limit: u64,
    /// Bytes of a block at the strictest.
    #[arg(long, env = "TRIBUTARY_THROTTLE_BLOCK_SIZE_LOWER_LIMIT", default_value_t = ThrottlePolicy::default().block_bytes_lower)]
    pub(crate) throttle_block_size_lower_limit: u64,
    /// Bytes of a transaction when limits begin; of those beyond, one goes into each block.
    #[arg(long, env = "TRIBUTARY_THROTTLE_TX_SIZE_UPPER_LIMIT", default_value_t = ThrottlePolicy::default().transaction_bytes_upper)]
    pub(crate) throttle_tx_size_upper_limit: u64,
    /// Bytes of a transaction at the strictest.
    #[arg(long, env = "TRIBUTARY_THROTTLE_TX_SIZE_LOWER_LIMIT", default_value_t = ThrottlePolicy::default().transaction_bytes_lower)]
    pub(crate) throttle_tx_size_lower_limit: u64,
}

impl ThrottleArgs {
    pub(crate) fn policy(&self) -> Result<ThrottlePolicy, ThrottlePolicyError> {
        let policy = ThrottlePolicy {
            lower_bytes: self.throttle_unsafe_da_bytes_lower_threshold,
            upper_bytes: self.throttle_unsafe_da_bytes_upper_threshold,
            block_bytes_upper: self.throttle_block_size_upper_limit,
            block_bytes_lower: self.throttle_block_size_lower_limit,
            transaction_bytes_upper: self.throttle_tx_size_upper_limit,
            transaction_bytes_lower: self.throttle_tx_size_lower_limit,
        };
        policy.check().map(|()| policy)
    }
}

/// The sequencer behind its admin RPC.
#[derive(Clone, Debug)]
pub(crate) struct RemoteSequencer(pub(crate) AdminClient);

impl BlockLimiter for RemoteSequencer {
    fn set_max_da_size(&self, sizes: DaSizes) -> LimitFuture {
        let client = self.0.clone();
        Box::pin(async move {
            let hex = |bytes: u64| json!(format!("{bytes:#x}"));
            let params = [hex(sizes.transaction_bytes_max), hex(sizes.block_bytes_max)];
            let answer = client.call("miner_setMaxDASize", &params).await;
            answer.map(drop).map_err(|error| LimitError {
                reason: error.to_string(),
            })
        })
    }
}
