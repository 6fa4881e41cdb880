//! The sequencer's RPC, as a follower asks it: bounded answers, bounded patience.

use super::gate::Refusal;
use crate::preconfirmation::{FlashblockMessage, SignatureJson};
use alloy::{
    primitives::{B256, Bytes, U64},
    rlp::Decodable,
};
use core::time::Duration;
use futures::{SinkExt, StreamExt};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};
use tributary_protocol::block::{L2Block, L2BlockNumber};

/// Bytes of one answer or message: a block of the largest gas limit in hex, with receipts.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// How long the sequencer may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long it may say nothing on its feed. It seals a block every block time, and pings when idle.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Why the sequencer could not be heard. Always worth another try.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    /// No connection, or it broke.
    #[error("no connection to the sequencer: {0}")]
    Connection(String),
    /// It has said nothing for too long.
    #[error("the sequencer is silent")]
    Silent,
    /// It has said something that is not believed.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
}

/// Asks the sequencer at one URL.
#[derive(Clone, Debug)]
pub(super) struct SequencerRpc {
    url: String,
    client: reqwest::Client,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockSignature {
    block_number: U64,
    block_hash: B256,
    parent_hash: B256,
    #[serde(flatten)]
    signature: SignatureJson,
}

/// What the sequencer has signed at a height.
pub(super) struct SignedBlock {
    pub(super) number: L2BlockNumber,
    pub(super) hash: B256,
    pub(super) parent_hash: B256,
    pub(super) signature: SignatureJson,
}

impl SequencerRpc {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            client: reqwest::Client::new(),
        }
    }

    /// The signature under block `number`, or under the newest one; `None` if there is no such block.
    pub(super) async fn block_signature(
        &self,
        number: Option<L2BlockNumber>,
    ) -> Result<Option<SignedBlock>, FeedError> {
        let block = number.map_or_else(|| "latest".to_owned(), |number| format!("{:#x}", number.0));
        let found: Option<BlockSignature> = self.ask("rollup_blockSignature", json!([block])).await?;
        Ok(found.map(|found| SignedBlock {
            number: L2BlockNumber(found.block_number.to()),
            hash: found.block_hash,
            parent_hash: found.parent_hash,
            signature: found.signature,
        }))
    }

    /// The block with this hash.
    pub(super) async fn block(&self, hash: B256) -> Result<L2Block, FeedError> {
        let raw: Bytes = self.ask("debug_getRawBlock", json!([hash])).await?;
        let malformed = |cause: &str| Refusal::Malformed(format!("block {hash}: {cause}"));
        let mut rest = &raw[..];
        let block = L2Block::decode(&mut rest).map_err(|error| malformed(&error.to_string()))?;
        if !rest.is_empty() {
            return Err(malformed("bytes behind its end").into());
        }
        if block.header.hash_slow() != hash {
            return Err(malformed("it is another block").into());
        }
        Ok(block)
    }

    async fn ask<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, FeedError> {
        #[derive(Deserialize)]
        struct Reply<T> {
            result: T,
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let failed = |error: reqwest::Error| FeedError::Connection(error.without_url().to_string());
        let request = self.client.post(&self.url).timeout(ANSWER_TIMEOUT).json(&body);
        let mut response = request.send().await.map_err(failed)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_BYTES_MAX {
                let text = format!("{method}: more than {ANSWER_BYTES_MAX} bytes");
                return Err(FeedError::Connection(text));
            }
        }
        let reply: Reply<T> = serde_json::from_slice(&bytes)
            .map_err(|error| FeedError::Connection(format!("{method}: {error}")))?;
        Ok(reply.result)
    }
}

/// The subscription.
pub(super) struct Feed {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

#[derive(Deserialize)]
struct Notification {
    params: Option<NotificationParams>,
}

#[derive(Deserialize)]
struct NotificationParams {
    result: FlashblockMessage,
}

impl Feed {
    /// Subscribes to the deltas of the sequencer at `url` (HTTP; the same port serves WebSockets).
    pub(super) async fn open(url: &str) -> Result<Self, FeedError> {
        let url = url
            .strip_prefix("http://")
            .map_or_else(|| url.to_owned(), |rest| format!("ws://{rest}"));
        let failed = |error: tokio_tungstenite::tungstenite::Error| FeedError::Connection(error.to_string());
        let config = WebSocketConfig::default()
            .max_message_size(Some(ANSWER_BYTES_MAX))
            .max_frame_size(Some(ANSWER_BYTES_MAX));
        let opening = async {
            let (mut stream, _) = connect_async_with_config(url, Some(config), true)
                .await
                .map_err(failed)?;
            let subscribe =
                json!({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newFlashblocks"]});
            let subscribe = Message::Text(subscribe.to_string().into());
            stream.send(subscribe).await.map_err(failed)?;
            Ok(Self { stream })
        };
        tokio::time::timeout(ANSWER_TIMEOUT, opening)
            .await
            .unwrap_or(Err(FeedError::Silent))
    }

    /// The next message about a block.
    pub(super) async fn next(&mut self) -> Result<FlashblockMessage, FeedError> {
        loop {
            let next = tokio::time::timeout(SILENCE_MAX, self.stream.next()).await;
            let message = next
                .map_err(|_| FeedError::Silent)?
                .ok_or_else(|| FeedError::Connection("closed".to_owned()))?
                .map_err(|error| FeedError::Connection(error.to_string()))?;
            let Message::Text(text) = message else { continue };
            let notification: Notification =
                serde_json::from_str(&text).map_err(|error| Refusal::Malformed(error.to_string()))?;
            if let Some(params) = notification.params {
                return Ok(params.result);
            }
        }
    }
}
