//! Asks the admin RPC of a role.

use super::token::Secret;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest wait for an answer unless said otherwise: the other side is on this machine and mostly only notes what it is told.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminCallError {
    #[error("`{url}` is not the URL of an admin RPC")]
    BadUrl { url: String },
    #[error("no admin RPC at {url}: {source}")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("the admin RPC at {url} answers {status}: {reason}")]
    Status {
        url: String,
        status: reqwest::StatusCode,
        reason: String,
    },
    #[error("{method}: {reason}")]
    Refused { method: String, reason: String },
}

/// A client of one role's admin RPC.
#[derive(Clone, Debug)]
pub(crate) struct AdminClient {
    url: reqwest::Url,
    secret: Secret,
    http: reqwest::Client,
    timeout: Duration,
}

impl AdminClient {
    pub(crate) fn new(url: &str, secret: Secret) -> Result<Self, AdminCallError> {
        let parsed = reqwest::Url::parse(url).map_err(|_| AdminCallError::BadUrl { url: url.to_owned() })?;
        Ok(Self {
            url: parsed,
            secret,
            http: reqwest::Client::new(),
            timeout: TIMEOUT,
        })
    }

    /// Waits longer, or less long, for answers.
    pub(crate) const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The result of `method`.
    pub(crate) async fn call(&self, method: &str, params: &[Value]) -> Result<Value, AdminCallError> {
        let unreachable = |source: reqwest::Error| AdminCallError::Unreachable {
            url: self.url.to_string(),
            source: source.without_url(),
        };
        let request = self
            .http
            .post(self.url.clone())
            .timeout(self.timeout)
            .bearer_auth(self.secret.token());
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let response = request.json(&body).send().await.map_err(unreachable)?;
        let status = response.status();
        if !status.is_success() {
            let reason = response.text().await.unwrap_or_default();
            return Err(AdminCallError::Status {
                url: self.url.to_string(),
                status,
                reason: reason.trim().chars().take(300).collect(),
            });
        }
        let mut reply: Value = response.json().await.map_err(unreachable)?;
        if let Some(error) = reply.get("error") {
            let reason = error
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or("no reason given");
            return Err(AdminCallError::Refused {
                method: method.to_owned(),
                reason: reason.to_owned(),
            });
        }
        Ok(reply.get_mut("result").map(Value::take).unwrap_or_default())
    }
}
