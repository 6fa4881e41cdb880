//! A follower's way to send: the request goes on to the sequencer, its answer comes back as it is.

use super::error::{Answer, RpcError};
use core::time::Duration;
use serde::Deserialize;
use serde_json::{json, value::RawValue};

/// Longer than the sequencer's own wait for a receipt.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(65);

/// A client of the sequencer's RPC.
#[derive(Clone, Debug)]
pub struct Forwarder {
    url: String,
    client: reqwest::Client,
}

#[derive(Deserialize)]
struct Reply {
    result: Option<Box<RawValue>>,
    error: Option<ReplyError>,
}

#[derive(Deserialize)]
struct ReplyError {
    code: i32,
    message: String,
    data: Option<Box<RawValue>>,
}

impl Forwarder {
    /// Forwards to `url`.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self {
            url,
            client: reqwest::Client::new(),
        }
    }

    pub(super) async fn call(&self, method: &str, params: Option<&RawValue>) -> Answer {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = self.client.post(&self.url).timeout(FORWARD_TIMEOUT).json(&body);
        let unreachable = |error: reqwest::Error| {
            RpcError::server(format!("the sequencer did not answer: {}", error.without_url()))
        };
        let reply: Reply = request
            .send()
            .await
            .map_err(unreachable)?
            .json()
            .await
            .map_err(unreachable)?;
        match (reply.result, reply.error) {
            (_, Some(ReplyError { code, message, data })) => Err(RpcError {
                data,
                ..RpcError::new(code, message)
            }),
            (Some(result), None) => Ok(result),
            (None, None) => Err(RpcError::server(
                "the sequencer answered neither result nor error",
            )),
        }
    }
}
