//! What HTTP answers mean, and how much of them is read.

use crate::{PAYLOAD_SIZE_MAX, layer::PutError, verdict::DropReason};
use alloy_primitives::Bytes;
use reqwest::{Response, header::RETRY_AFTER};
use serde::Deserialize;
use std::{error::Error, time::Duration};

/// Bytes of an error body that are quoted: a sentence or two.
const QUOTED_BYTES: usize = 300;

/// Longest body of a verdict. A status code and a message; far more than any proxy sends.
const VERDICT_BYTES_MAX: usize = 64 << 10;

/// Longest wait a server may ask for. Longer, and a wrong header would stop the batcher where another try might not.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Body of an answer with status 418. EigenDA's message is for its own logs; the code says it all.
#[derive(Deserialize)]
struct Verdict {
    #[serde(rename = "StatusCode")]
    status_code: u64,
}

/// What a refused put means for the one who puts.
pub(super) async fn put_error(url: String, size: usize, response: Response) -> PutError {
    let status = response.status();
    let retry_after = retry_after(&response);
    let reason = quoted(response).await;
    match status.as_u16() {
        503 => PutError::Failover {
            url,
            reason,
            retry_after,
        },
        429 => PutError::RateLimited { url, retry_after },
        413 => PutError::TooLarge {
            size,
            max: PAYLOAD_SIZE_MAX,
        },
        400..=499 => PutError::Rejected {
            url,
            reason: format!("HTTP {status}: {reason}"),
        },
        _ => PutError::Transient {
            url,
            reason: format!("HTTP {status}: {reason}"),
        },
    }
}

/// Seconds only; the header's other form, a date, would bring a clock into it.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// The reason in the body of a verdict; a body that names none is no verdict.
pub(super) async fn verdict(response: Response) -> Result<DropReason, String> {
    let body = read_bounded(response, VERDICT_BYTES_MAX).await?;
    let verdict: Verdict =
        serde_json::from_slice(&body).map_err(|error| format!("a verdict that does not parse: {error}"))?;
    DropReason::from_status_code(verdict.status_code)
        .ok_or_else(|| format!("a verdict with the unknown status code {}", verdict.status_code))
}

/// The body, if it is at most `limit` bytes long.
pub(super) async fn read_bounded(mut response: Response, limit: usize) -> Result<Bytes, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(chain)? {
        if body.len() + chunk.len() > limit {
            return Err(format!("the answer is longer than {limit} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// The beginning of an error body, for people: on one line, so that a server cannot write lines into our logs.
pub(super) async fn quoted(mut response: Response) -> String {
    let mut body = Vec::new();
    while body.len() < QUOTED_BYTES {
        let Ok(Some(chunk)) = response.chunk().await else {
            break;
        };
        body.extend_from_slice(&chunk[..chunk.len().min(QUOTED_BYTES - body.len())]);
    }
    let text = String::from_utf8_lossy(&body).replace(char::is_control, " ");
    match text.trim() {
        "" => "no reason given".to_owned(),
        text => text.to_owned(),
    }
}

/// An error with its causes, since the outermost alone rarely says what happened; without the URL, which may be a secret.
pub(super) fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
