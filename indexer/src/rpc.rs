//! What the indexer asks of the node and of L1, in the few fields it reads.

use alloy::{
    primitives::{Address, B256, Bloom, Bytes, U64, U256},
    rpc::{
        client::{ClientBuilder, RpcClient},
        json_rpc::{RpcRecv, RpcSend},
    },
    transports::{TransportErrorKind, http::reqwest::Url},
};
use serde::Deserialize;
use std::time::Duration;
use tributary_protocol::block::L2BlockRef;

/// Longest wait for one answer: a full block of 200 M gas is some megabytes, which is a second on a slow line.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Why an endpoint gave no usable answer. What to do: ask again later.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// It could not be reached, refused, or answered something else.
    #[error("{method}: {source}")]
    Call {
        /// The method.
        method: &'static str,
        /// What went wrong.
        source: alloy::transports::RpcError<TransportErrorKind>,
    },
    /// It did not answer in time.
    #[error("{method}: no answer within {TIMEOUT:?}")]
    Timeout {
        /// The method.
        method: &'static str,
    },
    /// It said it has this block and then that it has not.
    #[error("{method}: nothing known about block {block}")]
    Missing {
        /// The method.
        method: &'static str,
        /// The block.
        block: B256,
    },
    /// Receipts of another block, or not one for each transaction.
    #[error("receipts do not belong to block {block}")]
    ForeignReceipts {
        /// The block.
        block: B256,
    },
}

/// A JSON-RPC endpoint. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Rpc {
    client: RpcClient,
}

/// A block with whole transactions.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RpcBlock {
    pub(crate) hash: B256,
    pub(crate) number: U64,
    pub(crate) parent_hash: B256,
    pub(crate) timestamp: U64,
    pub(crate) gas_used: U64,
    pub(crate) logs_bloom: Bloom,
    pub(crate) transactions: Vec<RpcTransaction>,
}

/// A transaction of either chain.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RpcTransaction {
    pub(crate) hash: B256,
    pub(crate) from: Address,
    pub(crate) to: Option<Address>,
    #[serde(default)]
    pub(crate) value: U256,
    #[serde(default)]
    pub(crate) input: Bytes,
    #[serde(rename = "type", default)]
    pub(crate) tx_type: U64,
}

/// A receipt of either chain.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RpcReceipt {
    pub(crate) transaction_hash: B256,
    pub(crate) block_hash: B256,
    #[serde(default)]
    pub(crate) status: U64,
    pub(crate) gas_used: U64,
    #[serde(default)]
    pub(crate) effective_gas_price: U256,
    #[serde(default)]
    pub(crate) blob_gas_used: Option<U256>,
    #[serde(default)]
    pub(crate) blob_gas_price: Option<U256>,
    pub(crate) logs: Vec<RpcLog>,
}

/// A log.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RpcLog {
    pub(crate) address: Address,
    pub(crate) topics: Vec<B256>,
    pub(crate) data: Bytes,
    pub(crate) log_index: U64,
}

/// `eth_getBlockByNumber` as far as a hash is needed.
#[derive(Clone, Debug, Deserialize)]
struct RpcHash {
    hash: B256,
}

/// `optimism_syncStatus` as far as the three heads go.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct SyncStatus {
    pub(crate) unsafe_l2: L2BlockRef,
    pub(crate) safe_l2: L2BlockRef,
    pub(crate) finalized_l2: L2BlockRef,
}

impl Rpc {
    pub(crate) fn new(url: Url) -> Self {
        Self {
            client: ClientBuilder::default().http(url),
        }
    }

    async fn call<P: RpcSend, R: RpcRecv>(&self, method: &'static str, params: P) -> Result<R, RpcError> {
        tokio::time::timeout(TIMEOUT, self.client.request(method, params))
            .await
            .map_err(|_| RpcError::Timeout { method })?
            .map_err(|source| RpcError::Call { method, source })
    }

    pub(crate) async fn chain_id(&self) -> Result<u64, RpcError> {
        let id: U64 = self.call("eth_chainId", ()).await?;
        Ok(id.to())
    }

    pub(crate) async fn block_number(&self) -> Result<u64, RpcError> {
        let number: U64 = self.call("eth_blockNumber", ()).await?;
        Ok(number.to())
    }

    pub(crate) async fn sync_status(&self) -> Result<SyncStatus, RpcError> {
        self.call("optimism_syncStatus", ()).await
    }

    /// Hash of the canonical block of this number, if there is one.
    pub(crate) async fn hash_at(&self, number: u64) -> Result<Option<B256>, RpcError> {
        let block: Option<RpcHash> = self
            .call("eth_getBlockByNumber", (U64::from(number), false))
            .await?;
        Ok(block.map(|block| block.hash))
    }

    /// The canonical block of this number, if there is one.
    pub(crate) async fn block(&self, number: u64) -> Result<Option<RpcBlock>, RpcError> {
        self.call("eth_getBlockByNumber", (U64::from(number), true)).await
    }

    /// The receipts of this very block, one for each transaction, in order. Asked by hash: by number they could be of a block that
    /// has taken its place.
    pub(crate) async fn receipts(&self, block: &RpcBlock) -> Result<Vec<RpcReceipt>, RpcError> {
        let method = "eth_getBlockReceipts";
        let receipts: Option<Vec<RpcReceipt>> = self.call(method, (block.hash,)).await?;
        let receipts = receipts.ok_or(RpcError::Missing {
            method,
            block: block.hash,
        })?;
        let belongs = receipts.len() == block.transactions.len()
            && receipts
                .iter()
                .zip(&block.transactions)
                .all(|(receipt, transaction)| {
                    receipt.block_hash == block.hash && receipt.transaction_hash == transaction.hash
                });
        if belongs {
            Ok(receipts)
        } else {
            Err(RpcError::ForeignReceipts { block: block.hash })
        }
    }
}

impl RpcReceipt {
    /// What the transaction cost its sender, blobs included; wei, saturated.
    pub(crate) fn fee_wei(&self) -> U256 {
        let gas = U256::from(self.gas_used).saturating_mul(self.effective_gas_price);
        let blobs = self.blob_gas_used.zip(self.blob_gas_price);
        let blobs = blobs.map_or(U256::ZERO, |(used, price)| used.saturating_mul(price));
        gas.saturating_add(blobs)
    }
}
