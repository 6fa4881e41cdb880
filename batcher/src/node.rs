//! The node, as the batcher and the proposer see it: over JSON-RPC only, so that each side restarts alone.

use alloy::{
    primitives::{B256, Bytes, hex},
    providers::{Provider, ProviderBuilder, RootProvider},
    rlp::Decodable,
    transports::{RpcError, TransportErrorKind},
};
use serde::{Deserialize, de::DeserializeOwned};
use tributary_protocol::{
    block::{L1BlockRef, L2Block, L2BlockNumber, L2BlockRef},
    config::RollupConfig,
};

/// Longest raw block accepted from the node: far above a full block at the largest gas limit.
const RAW_BLOCK_BYTES_MAX: usize = 64 << 20;

/// Why the node's answer could not be used. All of them mean: ask again later.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// No answer, or an error for an answer.
    #[error("{method} at the node failed: {source}")]
    Call {
        /// JSON-RPC method.
        method: &'static str,
        /// What the transport said.
        source: RpcError<TransportErrorKind>,
    },
    /// A block that does not decode.
    #[error("the node's block {number} does not decode: {reason}")]
    BadBlock {
        /// Height asked for.
        number: L2BlockNumber,
        /// Decoder's word.
        reason: String,
    },
    /// The URL is none.
    #[error("`{url}` is not a URL")]
    BadUrl {
        /// What was given.
        url: String,
    },
}

/// `optimism_syncStatus`, as far as we need it.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct SyncStatus {
    /// L1 block derivation is reading; blocks before it have been read whole.
    pub current_l1: L1BlockRef,
    /// L1 block derivation has seen as the latest.
    pub head_l1: L1BlockRef,
    /// Latest L2 block the node has.
    pub unsafe_l2: L2BlockRef,
    /// Latest L2 block that a second executor confirmed; nothing above it may be posted.
    pub cross_unsafe_l2: L2BlockRef,
    /// Latest L2 block derived from L1.
    pub safe_l2: L2BlockRef,
    /// Latest L2 block derived from finalized L1.
    pub finalized_l2: L2BlockRef,
}

/// `optimism_outputAtBlock`, as far as we need it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputAtBlock {
    /// Output root of the block.
    pub output_root: B256,
    /// The block.
    pub block_ref: L2BlockRef,
}

/// The node, as far as the batcher needs it: over JSON-RPC, and in tests in memory.
pub trait NodePort: Send + Sync {
    /// Heads of both chains, as the node sees them.
    fn sync_status(&self) -> impl Future<Output = Result<SyncStatus, NodeError>> + Send;

    /// Block `number` and its hash.
    fn block(&self, number: L2BlockNumber)
    -> impl Future<Output = Result<(L2Block, B256), NodeError>> + Send;
}

impl NodePort for NodeClient {
    async fn sync_status(&self) -> Result<SyncStatus, NodeError> {
        Self::sync_status(self).await
    }

    async fn block(&self, number: L2BlockNumber) -> Result<(L2Block, B256), NodeError> {
        Self::block(self, number).await
    }
}

/// A client of the node.
#[derive(Clone, Debug)]
pub struct NodeClient {
    provider: RootProvider,
}

impl NodeClient {
    /// A client of the node at `url`.
    ///
    /// # Errors
    /// [`NodeError::BadUrl`].
    pub fn new(url: &str) -> Result<Self, NodeError> {
        let parsed = url
            .parse()
            .map_err(|_| NodeError::BadUrl { url: url.to_owned() })?;
        Ok(Self {
            provider: ProviderBuilder::new()
                .disable_recommended_fillers()
                .connect_http(parsed),
        })
    }

    /// Heads of both chains, as the node sees them.
    ///
    /// # Errors
    /// [`NodeError::Call`].
    pub async fn sync_status(&self) -> Result<SyncStatus, NodeError> {
        self.call("optimism_syncStatus", ()).await
    }

    /// The chain's rules.
    ///
    /// # Errors
    /// [`NodeError::Call`].
    pub async fn rollup_config(&self) -> Result<RollupConfig, NodeError> {
        self.call("optimism_rollupConfig", ()).await
    }

    /// Output root of block `number`.
    ///
    /// # Errors
    /// [`NodeError::Call`].
    pub async fn output_at(&self, number: L2BlockNumber) -> Result<OutputAtBlock, NodeError> {
        self.call("optimism_outputAtBlock", (format!("{:#x}", number.0),))
            .await
    }

    /// Block `number` and its hash.
    ///
    /// # Errors
    /// [`NodeError::Call`], [`NodeError::BadBlock`].
    pub async fn block(&self, number: L2BlockNumber) -> Result<(L2Block, B256), NodeError> {
        let raw: Bytes = self
            .call("debug_getRawBlock", (format!("{:#x}", number.0),))
            .await?;
        decode_block(&raw)
            .map(|block| (block.header.hash_slow(), block))
            .map(|(hash, block)| (block, hash))
            .map_err(|reason| NodeError::BadBlock { number, reason })
    }

    async fn call<P, R>(&self, method: &'static str, params: P) -> Result<R, NodeError>
    where
        P: alloy::rpc::json_rpc::RpcSend,
        R: DeserializeOwned + alloy::rpc::json_rpc::RpcRecv,
    {
        self.provider
            .raw_request(method.into(), params)
            .await
            .map_err(|source| NodeError::Call { method, source })
    }
}

fn decode_block(raw: &[u8]) -> Result<L2Block, String> {
    if raw.len() > RAW_BLOCK_BYTES_MAX {
        return Err(format!(
            "{} bytes, at most {RAW_BLOCK_BYTES_MAX} are accepted",
            raw.len()
        ));
    }
    let mut rest = raw;
    let block = L2Block::decode(&mut rest).map_err(|error| error.to_string())?;
    if rest.is_empty() {
        Ok(block)
    } else {
        Err(format!(
            "{} trailing bytes: {}",
            rest.len(),
            hex::encode(&rest[..rest.len().min(8)])
        ))
    }
}
