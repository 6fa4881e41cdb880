//! EigenDA's proxy over REST, and our own DA server, which speaks the same.
//!
//! Commitments of our own layer are checked here: the bytes a server returns count only if they hash to the commitment, and other
//! bytes are a stall, never a drop. Verdicts (HTTP 418) are taken only for EigenDA's layer.

use crate::{
    layer::{BoxFuture, Capabilities, DaLayer, PutError, Unavailable},
    server::PAYLOAD_SIZE_MAX,
    verdict::{DropReason, Fetched},
};
use alloy_primitives::{Bytes, hex};
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde::Deserialize;
use std::time::Duration;
use tributary_protocol::{
    block::L1BlockNumber,
    commitment::{COMMITMENT_SIZE_MAX, Commitment, EIGENDA_LAYER},
};

/// HTTP status of a verdict.
const TEAPOT: u16 = 418;

/// Bytes of an error body that are quoted.
const QUOTED_BYTES: usize = 300;

/// Settings of a client.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Servers; payloads are put to the first and read from each in turn.
    pub urls: Vec<String>,
    /// Longest wait for an answer to a get.
    pub get_timeout: Duration,
    /// Longest wait for an answer to a put; a dispersal to EigenDA takes a minute and more.
    pub put_timeout: Duration,
}

impl ProxySettings {
    /// A client of `urls` with waits that suit EigenDA.
    #[must_use]
    pub const fn new(urls: Vec<String>) -> Self {
        Self {
            urls,
            get_timeout: Duration::from_secs(30),
            put_timeout: Duration::from_secs(180),
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No server.
    #[error("a DA client needs at least one URL")]
    NoUrl,
    /// Not a URL of a server.
    #[error("`{url}` is not the http(s) URL of a DA server")]
    BadUrl {
        /// What was given.
        url: String,
    },
    /// HTTP cannot be used.
    #[error("no HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

/// A client of one or more servers.
#[derive(Clone, Debug)]
pub struct Proxy {
    client: reqwest::Client,
    settings: ProxySettings,
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(rename = "StatusCode")]
    status_code: u64,
}

impl Proxy {
    /// A client with these settings; nothing is sent yet.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(mut settings: ProxySettings) -> Result<Self, SettingsError> {
        if settings.urls.is_empty() {
            return Err(SettingsError::NoUrl);
        }
        for url in &mut settings.urls {
            let parsed = reqwest::Url::parse(url)
                .ok()
                .filter(|parsed| matches!(parsed.scheme(), "http" | "https"));
            parsed.ok_or_else(|| SettingsError::BadUrl { url: url.clone() })?;
            url.truncate(url.trim_end_matches('/').len());
        }
        Ok(Self {
            client: reqwest::Client::builder().build()?,
            settings,
        })
    }

    async fn put_payload(&self, payload: Bytes) -> Result<Commitment, PutError> {
        let expected = Commitment::local(&payload)?;
        let url = self.settings.urls[0].clone();
        let request = self
            .client
            .post(format!("{url}/put"))
            .header(CONTENT_TYPE, "application/octet-stream")
            .timeout(self.settings.put_timeout)
            .body(payload.0.clone());
        let transient = |reason: String| PutError::Transient {
            url: url.clone(),
            reason,
        };
        let response = request.send().await.map_err(|error| transient(chain(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(put_error(url, payload.len(), response).await);
        }
        let body = read_bounded(response, COMMITMENT_SIZE_MAX)
            .await
            .map_err(&transient)?;
        let found = Commitment::decode(&body).map_err(|error| PutError::Rejected {
            url: url.clone(),
            reason: error.to_string(),
        })?;
        if matches!(found, Commitment::Local(_)) && found != expected {
            return Err(PutError::WrongCommitment {
                url,
                expected: expected.encode(),
                found: found.encode(),
            });
        }
        Ok(found)
    }

    async fn get_payload(
        &self,
        commitment: &Commitment,
        l1_inclusion: L1BlockNumber,
    ) -> Result<Fetched, Unavailable> {
        let key = commitment.encode();
        let mut last = None;
        for url in &self.settings.urls {
            match self.get_from(url, commitment, &key, l1_inclusion).await {
                Ok(fetched) => return Ok(fetched),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Unavailable::UnknownLayer {
            commitment: key,
            layer: commitment.layer(),
        }))
    }

    async fn get_from(
        &self,
        url: &str,
        commitment: &Commitment,
        key: &Bytes,
        l1_inclusion: L1BlockNumber,
    ) -> Result<Fetched, Unavailable> {
        let no_answer = |reason: String| Unavailable::NoAnswer {
            commitment: key.clone(),
            url: url.to_owned(),
            reason,
        };
        let request = self
            .client
            .get(format!("{url}/get/{key}"))
            .query(&[("l1_inclusion_block_number", l1_inclusion.0)])
            .timeout(self.settings.get_timeout);
        let response = request.send().await.map_err(|error| no_answer(chain(&error)))?;
        let status = response.status();
        if status.as_u16() == TEAPOT && commitment.layer() == EIGENDA_LAYER {
            return verdict(response).await.map(Fetched::Drop).map_err(no_answer);
        }
        if status != StatusCode::OK {
            return Err(no_answer(format!("HTTP {status}: {}", quoted(response).await)));
        }
        let limit = match commitment {
            Commitment::Local(local) => local.payload_size as usize,
            Commitment::Other { .. } => PAYLOAD_SIZE_MAX,
        };
        let payload = read_bounded(response, limit).await.map_err(no_answer)?;
        if matches!(commitment, Commitment::Local(_)) {
            commitment
                .verify(&payload)
                .map_err(|mismatch| Unavailable::WrongPayload {
                    commitment: key.clone(),
                    url: url.to_owned(),
                    mismatch,
                })?;
        }
        Ok(Fetched::Data(payload))
    }

    async fn check_health(&self) -> Result<(), Unavailable> {
        let mut last = None;
        for url in &self.settings.urls {
            let request = self
                .client
                .get(format!("{url}/health"))
                .timeout(self.settings.get_timeout);
            match request.send().await.and_then(Response::error_for_status) {
                Ok(_) => return Ok(()),
                Err(error) => {
                    last = Some(Unavailable::Down {
                        url: url.clone(),
                        reason: chain(&error),
                    })
                }
            }
        }
        last.map_or(Ok(()), Err)
    }
}

impl DaLayer for Proxy {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "proxy",
            payload_size_max: PAYLOAD_SIZE_MAX,
        }
    }

    fn put(&self, payload: Bytes) -> BoxFuture<'_, Result<Commitment, PutError>> {
        Box::pin(self.put_payload(payload))
    }

    fn get<'a>(
        &'a self,
        commitment: &'a Commitment,
        l1_inclusion: L1BlockNumber,
    ) -> BoxFuture<'a, Result<Fetched, Unavailable>> {
        Box::pin(self.get_payload(commitment, l1_inclusion))
    }

    fn health(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(self.check_health())
    }
}

async fn put_error(url: String, size: usize, response: Response) -> PutError {
    let status = response.status();
    let retry_after = retry_after(&response);
    match status.as_u16() {
        503 => PutError::Failover {
            url,
            reason: quoted(response).await,
            retry_after,
        },
        429 => PutError::RateLimited { url, retry_after },
        413 => PutError::TooLarge {
            size,
            max: PAYLOAD_SIZE_MAX,
        },
        400..=499 => PutError::Rejected {
            url,
            reason: format!("HTTP {status}: {}", quoted(response).await),
        },
        _ => PutError::Transient {
            url,
            reason: format!("HTTP {status}: {}", quoted(response).await),
        },
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    response
        .headers()
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()
        .map(Duration::from_secs)
}

/// The reason in the body of a verdict; a body that names none is no verdict.
async fn verdict(response: Response) -> Result<DropReason, String> {
    let body = read_bounded(response, 64 << 10).await?;
    let verdict: Verdict =
        serde_json::from_slice(&body).map_err(|error| format!("a verdict that does not parse: {error}"))?;
    DropReason::from_status_code(verdict.status_code)
        .ok_or_else(|| format!("a verdict with the unknown status code {}", verdict.status_code))
}

/// The body, if it is at most `limit` bytes long.
async fn read_bounded(mut response: Response, limit: usize) -> Result<Bytes, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| chain(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(format!("the answer is longer than {limit} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// The beginning of an error body, for people.
async fn quoted(response: Response) -> String {
    let body = read_bounded(response, 64 << 10).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&body[..body.len().min(QUOTED_BYTES)])
        .trim()
        .to_owned();
    if text.is_empty() {
        "no reason given".to_owned()
    } else {
        text
    }
}

/// An error with its causes: the outermost alone rarely says what happened.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Key of a commitment in URLs: `0x` and hex.
#[must_use]
pub fn url_key(commitment: &Commitment) -> String {
    hex::encode_prefixed(commitment.encode())
}
