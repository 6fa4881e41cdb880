//! L1 over JSON-RPC.
//!
//! A block is fetched in two requests, the second by the hash the first answered, and put together only if transactions and
//! receipts hash to the roots in the header. A server that answers from two forks, or leaves something out, causes a retry.

use super::{BoxFuture, L1Error, L1Source, L1Tag};
use crate::l1_block::{L1Block, header_reference};
use alloc::vec::Vec;
use alloy::{
    rpc::{
        client::RpcClient,
        json_rpc::{RpcRecv, RpcSend},
        types,
    },
    transports::http::reqwest::Url,
};
use alloy_consensus::{ReceiptEnvelope, TxEnvelope};
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{Address, B256, Bytes, U64};
use core::time::Duration;
use tributary_protocol::block::{L1BlockNumber, L1BlockRef};

/// How long one request may take. A mainnet block with its receipts is a few MB; a healthy server needs well under a second.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// How often a request is made before the caller hears of it. Short hiccups are common behind load balancers; anything longer is the
/// caller's to wait for.
const ATTEMPTS: u32 = 3;

/// Pause before the second attempt; doubles with each one that follows.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// L1 behind one JSON-RPC endpoint.
#[derive(Clone, Debug)]
pub struct RpcL1Source {
    client: RpcClient,
    timeout: Duration,
}

impl RpcL1Source {
    /// Asks the server at `url` (HTTP or HTTPS). Nothing is sent yet.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            client: RpcClient::new_http(url),
            timeout: REQUEST_TIMEOUT,
        }
    }

    /// Changes how long one request may take.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn request<P, R>(&self, method: &'static str, params: P) -> Result<R, L1Error>
    where
        P: RpcSend + Clone,
        R: RpcRecv,
    {
        let mut attempt = 1;
        loop {
            let error = match self.request_once(method, params.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(error) => error,
            };
            tracing::debug!(target: "derivation", method, attempt, %error, "L1 request failed");
            tokio::time::sleep(RETRY_PAUSE * (1 << (attempt - 1))).await;
            attempt += 1;
        }
    }

    async fn request_once<P, R>(&self, request: &'static str, params: P) -> Result<R, L1Error>
    where
        P: RpcSend,
        R: RpcRecv,
    {
        let call = self.client.request(request, params);
        match tokio::time::timeout(self.timeout, call).await {
            Ok(answer) => answer.map_err(|source| L1Error::Transport { request, source }),
            Err(_) => Err(L1Error::Timeout {
                request,
                after: self.timeout,
            }),
        }
    }

    async fn header(&self, block: BlockNumberOrTag) -> Result<Option<L1BlockRef>, L1Error> {
        let header: Option<types::Header> = self.request("eth_getBlockByNumber", (block, false)).await?;
        header.map(checked_reference).transpose()
    }

    /// Fetches what is missing of a block and checks that the parts are one block.
    async fn complete(&self, block: types::Block) -> Result<Option<L1Block>, L1Error> {
        let hash = block.header.hash;
        let receipts: Option<Vec<types::TransactionReceipt>> =
            self.request("eth_getBlockReceipts", (hash,)).await?;
        let receipts: Vec<ReceiptEnvelope> = receipts
            .ok_or(L1Error::NoReceipts { block: hash })?
            .into_iter()
            .map(|receipt| receipt.into_primitives_receipt().inner)
            .collect();
        let transactions: Vec<TxEnvelope> = block
            .transactions
            .into_transactions()
            .map(types::Transaction::into_inner)
            .collect();
        Ok(Some(L1Block::new(
            hash,
            block.header.inner,
            transactions,
            receipts,
        )?))
    }
}

fn checked_reference(header: types::Header) -> Result<L1BlockRef, L1Error> {
    let found = header.inner.hash_slow();
    if found != header.hash {
        return Err(crate::l1_block::L1BlockError::Header {
            expected: header.hash,
            found,
        }
        .into());
    }
    Ok(header_reference(&header.inner, found))
}

fn check_number(expected: L1BlockNumber, found: L1BlockNumber) -> Result<(), L1Error> {
    if expected == found {
        Ok(())
    } else {
        Err(L1Error::WrongNumber { expected, found })
    }
}

impl L1Source for RpcL1Source {
    fn chain_id(&self) -> BoxFuture<'_, Result<u64, L1Error>> {
        Box::pin(async {
            let id: U64 = self.request("eth_chainId", ()).await?;
            Ok(id.to())
        })
    }

    fn head(&self, tag: L1Tag) -> BoxFuture<'_, Result<Option<L1BlockRef>, L1Error>> {
        let tag = match tag {
            L1Tag::Latest => BlockNumberOrTag::Latest,
            L1Tag::Safe => BlockNumberOrTag::Safe,
            L1Tag::Finalized => BlockNumberOrTag::Finalized,
        };
        Box::pin(self.header(tag))
    }

    fn block_ref(&self, number: L1BlockNumber) -> BoxFuture<'_, Result<Option<L1BlockRef>, L1Error>> {
        Box::pin(async move {
            let Some(block) = self.header(BlockNumberOrTag::Number(number.0)).await? else {
                return Ok(None);
            };
            check_number(number, block.number)?;
            Ok(Some(block))
        })
    }

    fn block_by_number(&self, number: L1BlockNumber) -> BoxFuture<'_, Result<Option<L1Block>, L1Error>> {
        Box::pin(async move {
            let params = (BlockNumberOrTag::Number(number.0), true);
            let block: Option<types::Block> = self.request("eth_getBlockByNumber", params).await?;
            let Some(block) = block else {
                return Ok(None);
            };
            check_number(number, L1BlockNumber(block.header.inner.number))?;
            self.complete(block).await
        })
    }

    fn block_by_hash(&self, hash: B256) -> BoxFuture<'_, Result<Option<L1Block>, L1Error>> {
        Box::pin(async move {
            let block: Option<types::Block> = self.request("eth_getBlockByHash", (hash, true)).await?;
            let Some(mut block) = block else {
                return Ok(None);
            };
            // Whatever the server calls it, the block must hash to what was asked for.
            block.header.hash = hash;
            self.complete(block).await
        })
    }

    fn call(&self, to: Address, input: Bytes) -> BoxFuture<'_, Result<Option<Bytes>, L1Error>> {
        Box::pin(async move {
            let request = types::TransactionRequest::default().to(to).input(input.into());
            match self
                .request_once("eth_call", (request, BlockNumberOrTag::Latest))
                .await
            {
                Ok(answer) => Ok(Some(answer)),
                // The server answered: the contract reverts, or there is none.
                Err(L1Error::Transport { source, .. }) if source.is_error_resp() => Ok(None),
                Err(error) => Err(error),
            }
        })
    }
}
