//! The little of L1 that posting needs, behind a seam: an Ethereum RPC, and in tests a chain in memory.

use super::{error::L1Error, fees::Fees};
use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, Bytes, U256},
    providers::{Provider, RootProvider},
    rpc::types::TransactionRequest,
    transports::{RpcError, TransportErrorKind},
};
use core::future::Future;
use tributary_protocol::{
    blob::Blob,
    block::{L1BlockId, L1BlockNumber},
};

/// What a transaction does.
#[derive(Clone, Debug)]
pub struct Call {
    /// Called account.
    pub to: Address,
    /// Calldata.
    pub data: Bytes,
    /// Wei sent along.
    pub value: U256,
    /// Blobs it carries.
    pub blobs: Vec<Blob>,
}

impl Call {
    /// A call without wei and blobs.
    #[must_use]
    pub const fn new(to: Address, data: Bytes) -> Self {
        Self {
            to,
            data,
            value: U256::ZERO,
            blobs: Vec::new(),
        }
    }
}

/// Where a mined transaction is, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// Hash of the transaction.
    pub hash: B256,
    /// The block that holds it.
    pub block: L1BlockId,
    /// False if it reverted.
    pub succeeded: bool,
    /// Gas it used.
    pub gas_used: u64,
}

/// What L1's pool made of a transaction. Whatever it says, only the chain tells whether it was mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// The pool holds it now, or held it before.
    Held,
    /// The pool holds another one with this nonce and wants more for a replacement.
    Underpriced,
    /// A transaction with this nonce has been mined.
    NonceUsed,
}

/// L1, as far as posting needs it.
pub trait L1Port: Send + Sync {
    /// Nonce of `account`: transactions it has on the chain, or with `pending` also in the pool.
    fn nonce(&self, account: Address, pending: bool) -> impl Future<Output = Result<u64, L1Error>> + Send;

    /// Where the transaction is; `None` if on no block of the chain as it is now.
    fn inclusion(&self, hash: B256) -> impl Future<Output = Result<Option<Inclusion>, L1Error>> + Send;

    /// The newest block; `None` from an L1 that does not say, where every transaction is looked for every time.
    fn head(&self) -> impl Future<Output = Result<Option<L1BlockId>, L1Error>> + Send {
        async { Ok(None) }
    }

    /// Hash of block `number` of the chain as it is now, if it is there and L1 says so.
    fn block_hash(
        &self,
        number: L1BlockNumber,
    ) -> impl Future<Output = Result<Option<B256>, L1Error>> + Send {
        let _ = number;
        async { Ok(None) }
    }

    /// Offers a signed transaction to the pool.
    fn broadcast(&self, raw: &Bytes) -> impl Future<Output = Result<Accepted, L1Error>> + Send;

    /// Gas the call takes now, without margin.
    fn estimate_gas(&self, from: Address, call: &Call) -> impl Future<Output = Result<u64, L1Error>> + Send;

    /// What the chain asks for gas, and for gas of blobs, now.
    fn market(&self) -> impl Future<Output = Result<Fees, L1Error>> + Send;
}

/// An Ethereum JSON-RPC endpoint.
#[derive(Clone, Debug)]
pub struct RpcL1 {
    provider: RootProvider,
}

impl RpcL1 {
    /// The L1 behind `provider`, which must have chain id `chain_id`.
    ///
    /// # Errors
    /// [`L1Error::WrongChain`], [`L1Error::Rpc`].
    pub async fn connect(provider: RootProvider, chain_id: u64) -> Result<Self, L1Error> {
        let found = provider.get_chain_id().await.map_err(rpc("eth_chainId"))?;
        if found == chain_id {
            return Ok(Self { provider });
        }
        Err(L1Error::WrongChain {
            expected: chain_id,
            found,
        })
    }

    async fn block(&self, number: BlockNumberOrTag) -> Result<Option<L1BlockId>, L1Error> {
        let block = self.provider.get_block_by_number(number).await;
        let block = block.map_err(rpc("eth_getBlockByNumber"))?;
        Ok(block.map(|block| L1BlockId {
            hash: block.header.hash,
            number: L1BlockNumber(block.header.number),
        }))
    }

    /// The endpoint.
    #[must_use]
    pub const fn provider(&self) -> &RootProvider {
        &self.provider
    }
}

impl L1Port for RpcL1 {
    async fn nonce(&self, account: Address, pending: bool) -> Result<u64, L1Error> {
        let tag = if pending {
            BlockNumberOrTag::Pending
        } else {
            BlockNumberOrTag::Latest
        };
        self.provider
            .get_transaction_count(account)
            .block_id(tag.into())
            .await
            .map_err(rpc("eth_getTransactionCount"))
    }

    async fn inclusion(&self, hash: B256) -> Result<Option<Inclusion>, L1Error> {
        let receipt = self
            .provider
            .get_transaction_receipt(hash)
            .await
            .map_err(rpc("eth_getTransactionReceipt"))?;
        Ok(receipt.and_then(|receipt| {
            Some(Inclusion {
                hash,
                block: L1BlockId {
                    hash: receipt.block_hash?,
                    number: L1BlockNumber(receipt.block_number?),
                },
                succeeded: receipt.status(),
                gas_used: receipt.gas_used,
            })
        }))
    }

    async fn head(&self) -> Result<Option<L1BlockId>, L1Error> {
        self.block(BlockNumberOrTag::Latest).await
    }

    async fn block_hash(&self, number: L1BlockNumber) -> Result<Option<B256>, L1Error> {
        let block = self.block(number.0.into()).await?;
        Ok(block.map(|block| block.hash))
    }

    async fn broadcast(&self, raw: &Bytes) -> Result<Accepted, L1Error> {
        match self.provider.send_raw_transaction(raw).await {
            Ok(_) => Ok(Accepted::Held),
            Err(RpcError::ErrorResp(error)) if is_known(&error.message) => Ok(Accepted::Held),
            Err(RpcError::ErrorResp(error)) if error.message.contains("underpriced") => {
                Ok(Accepted::Underpriced)
            }
            Err(RpcError::ErrorResp(error)) if error.message.contains("nonce too low") => {
                Ok(Accepted::NonceUsed)
            }
            Err(source) => Err(rpc("eth_sendRawTransaction")(source)),
        }
    }

    async fn estimate_gas(&self, from: Address, call: &Call) -> Result<u64, L1Error> {
        let request = TransactionRequest::default()
            .from(from)
            .to(call.to)
            .value(call.value)
            .input(call.data.clone().into());
        match self.provider.estimate_gas(request).await {
            Ok(gas) => Ok(gas),
            Err(RpcError::ErrorResp(error)) => Err(L1Error::Reverted {
                to: call.to,
                hash: None,
                reason: error.message.to_string(),
            }),
            Err(source) => Err(rpc("eth_estimateGas")(source)),
        }
    }

    async fn market(&self) -> Result<Fees, L1Error> {
        let estimate = self.provider.estimate_eip1559_fees().await;
        let estimate = estimate.map_err(rpc("eth_feeHistory"))?;
        // The blob base fee can rise by an eighth a block; four times as much lasts a dozen.
        let blob_base_fee = self.provider.get_blob_base_fee().await;
        let blob_base_fee = blob_base_fee.map_err(rpc("eth_blobBaseFee"))?;
        Ok(Fees {
            max_fee_per_blob_gas: Some(blob_base_fee.saturating_mul(4).max(1)),
            max_fee_per_gas: estimate.max_fee_per_gas,
            max_priority_fee_per_gas: estimate.max_priority_fee_per_gas,
        })
    }
}

fn rpc(what: &'static str) -> impl Fn(RpcError<TransportErrorKind>) -> L1Error {
    move |source| L1Error::Rpc { what, source }
}

/// L1 clients word it differently; all of these mean that this very transaction is in the pool.
fn is_known(message: &str) -> bool {
    ["already known", "already imported", "known transaction"]
        .iter()
        .any(|text| message.contains(text))
}
