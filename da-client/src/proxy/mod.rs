//! EigenDA's proxy over REST, and our own DA server, which speaks the same.
//!
//! ```text
//!  put: payload --POST /put--> 200 commitment, checked     | 503 fail over | 429 slow down | 4xx refused | else: try again
//!  get: form checked --GET /get/0x..--> 200 payload, checked | 418 verdict (EigenDA's layer only)     | else: stall
//! ```
//! Commitments of our own layer are checked here: the bytes a server returns count only if they hash to the commitment, and other
//! bytes are a stall, never a drop. Payloads behind EigenDA's certificates are taken on the word of the proxy, which the operator runs.
//! Servers are trusted with nothing else: answers are read to their bound and no further, redirects are not followed, and what a
//! server says is quoted short. Errors name the server without user, password or path, which may be secrets.

mod http;

use crate::{
    PAYLOAD_SIZE_MAX,
    cert::{check_form, local_verdict},
    layer::{BoxFuture, Capabilities, DaLayer, PutError, Unavailable},
    verdict::Fetched,
};
use alloy_primitives::Bytes;
use reqwest::{Response, StatusCode, Url, header::CONTENT_TYPE, redirect::Policy};
use std::{fmt, time::Duration};
use tributary_protocol::{
    block::L1BlockNumber,
    commitment::{COMMITMENT_SIZE_MAX, Commitment, EIGENDA_LAYER},
};

/// HTTP status of a verdict.
const TEAPOT: u16 = 418;

/// Longest wait for a connection. It is much shorter than for an answer: a host that is not there should not hold up the next one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of a client.
#[derive(Clone)]
pub struct ProxySettings {
    /// Servers, `http` or `https`; payloads are put to the first and read from each in turn.
    pub urls: Vec<String>,
    /// Longest wait for an answer to a get, its body included.
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

impl fmt::Debug for ProxySettings {
    /// Without the URLs, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxySettings")
            .field("urls", &self.urls.len())
            .field("get_timeout", &self.get_timeout)
            .field("put_timeout", &self.put_timeout)
            .finish()
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
    servers: Vec<Server>,
    get_timeout: Duration,
    put_timeout: Duration,
}

/// One server.
#[derive(Clone)]
struct Server {
    /// URL without a slash at its end.
    base: String,
    /// What people may see of it: scheme, host and port.
    shown: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Server {
    fn parse(url: &str) -> Result<Self, SettingsError> {
        let is_usable = |parsed: &Url| {
            matches!(parsed.scheme(), "http" | "https")
                && parsed.query().is_none()
                && parsed.fragment().is_none()
        };
        let parsed = Url::parse(url)
            .ok()
            .filter(is_usable)
            .ok_or_else(|| SettingsError::BadUrl { url: url.to_owned() })?;
        Ok(Self {
            base: parsed.as_str().trim_end_matches('/').to_owned(),
            shown: parsed.origin().ascii_serialization(),
        })
    }
}

impl Proxy {
    /// A client with these settings; nothing is sent yet.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(settings: ProxySettings) -> Result<Self, SettingsError> {
        if settings.urls.is_empty() {
            return Err(SettingsError::NoUrl);
        }
        Ok(Self {
            client: reqwest::Client::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .redirect(Policy::none())
                .build()?,
            servers: settings
                .urls
                .iter()
                .map(|url| Server::parse(url))
                .collect::<Result<_, _>>()?,
            get_timeout: settings.get_timeout,
            put_timeout: settings.put_timeout,
        })
    }

    async fn put_payload(&self, payload: Bytes) -> Result<Commitment, PutError> {
        if payload.len() > PAYLOAD_SIZE_MAX {
            return Err(PutError::TooLarge {
                size: payload.len(),
                max: PAYLOAD_SIZE_MAX,
            });
        }
        let expected = Commitment::local(&payload)?;
        let server = &self.servers[0];
        let request = self
            .client
            .post(format!("{}/put", server.base))
            .header(CONTENT_TYPE, "application/octet-stream")
            .timeout(self.put_timeout)
            .body(payload.0.clone());
        let transient = |reason| PutError::Transient {
            url: server.shown.clone(),
            reason,
        };
        let response = request
            .send()
            .await
            .map_err(|error| transient(http::chain(error)))?;
        if response.status() != StatusCode::OK {
            return Err(http::put_error(server.shown.clone(), payload.len(), response).await);
        }
        let body = http::read_bounded(response, COMMITMENT_SIZE_MAX)
            .await
            .map_err(transient)?;
        accept_commitment(&body, expected, &server.shown)
    }

    async fn get_payload(
        &self,
        commitment: &Commitment,
        l1_inclusion: L1BlockNumber,
    ) -> Result<Fetched, Unavailable> {
        let key = commitment.encode();
        if let Some(reason) = local_verdict(commitment) {
            return Ok(Fetched::Drop(reason));
        }
        if !matches!(
            commitment,
            Commitment::Local(_)
                | Commitment::Other {
                    layer: EIGENDA_LAYER,
                    ..
                }
        ) {
            return Err(Unavailable::UnknownLayer {
                layer: commitment.layer(),
                commitment: key,
            });
        }
        let mut worst = None;
        for server in &self.servers {
            match self.get_from(server, commitment, &key, l1_inclusion).await {
                Ok(fetched) => return Ok(fetched),
                Err(error) => {
                    tracing::warn!(target: "da_client", %error, "a DA server did not serve a payload");
                    // Other bytes tell an operator more than silence does.
                    if !matches!(worst, Some(Unavailable::WrongPayload { .. })) {
                        worst = Some(error);
                    }
                }
            }
        }
        Err(worst.expect("a client has at least one server"))
    }

    async fn get_from(
        &self,
        server: &Server,
        commitment: &Commitment,
        key: &Bytes,
        l1_inclusion: L1BlockNumber,
    ) -> Result<Fetched, Unavailable> {
        let no_answer = |reason| Unavailable::NoAnswer {
            commitment: key.clone(),
            url: server.shown.clone(),
            reason,
        };
        let request = self
            .client
            .get(format!("{}/get/{key}", server.base))
            .query(&[("l1_inclusion_block_number", l1_inclusion.0)])
            .timeout(self.get_timeout);
        let response = request
            .send()
            .await
            .map_err(|error| no_answer(http::chain(error)))?;
        let status = response.status();
        if status.as_u16() == TEAPOT && commitment.layer() == EIGENDA_LAYER {
            return http::verdict(response)
                .await
                .map(Fetched::Drop)
                .map_err(no_answer);
        }
        if status != StatusCode::OK {
            return Err(no_answer(format!(
                "HTTP {status}: {}",
                http::quoted(response).await
            )));
        }
        let size_max = match commitment {
            Commitment::Local(local) => local.payload_size as usize,
            Commitment::Other { .. } => PAYLOAD_SIZE_MAX,
        };
        let payload = http::read_bounded(response, size_max).await.map_err(no_answer)?;
        if let Commitment::Local(local) = commitment {
            local
                .verify(&payload)
                .map_err(|mismatch| Unavailable::WrongPayload {
                    commitment: key.clone(),
                    url: server.shown.clone(),
                    mismatch: Box::new(mismatch),
                })?;
        }
        Ok(Fetched::Data(payload))
    }

    async fn check_health(&self) -> Result<(), Unavailable> {
        let mut last = None;
        for server in &self.servers {
            let request = self
                .client
                .get(format!("{}/health", server.base))
                .timeout(self.get_timeout);
            match request.send().await.and_then(Response::error_for_status) {
                Ok(_) => return Ok(()),
                Err(error) => {
                    last = Some(Unavailable::Down {
                        url: server.shown.clone(),
                        reason: http::chain(error),
                    });
                }
            }
        }
        Err(last.expect("a client has at least one server"))
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

/// The commitment a server answered a put with, if every reader will accept it. What readers would drop or not find must not go to L1.
fn accept_commitment(body: &[u8], expected: Commitment, url: &str) -> Result<Commitment, PutError> {
    let rejected = |reason: String| PutError::Rejected {
        url: url.to_owned(),
        reason,
    };
    let found = Commitment::decode(body).map_err(|error| rejected(format!("it answered: {error}")))?;
    match &found {
        Commitment::Local(_) if found == expected => Ok(found),
        Commitment::Local(_) => Err(PutError::WrongCommitment {
            url: url.to_owned(),
            expected: expected.encode(),
            found: found.encode(),
        }),
        Commitment::Other {
            layer: EIGENDA_LAYER,
            bytes,
        } => {
            check_form(bytes).map_err(|error| rejected(format!("it answered: {error}")))?;
            Ok(found)
        }
        Commitment::Other { layer, .. } => Err(rejected(format!(
            "it answered with a commitment of DA layer 0x{layer:02x}"
        ))),
    }
}
