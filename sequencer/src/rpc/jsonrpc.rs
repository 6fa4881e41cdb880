//! JSON-RPC 2.0: bytes to requests, answers to bytes.
//!
//! A body is one request or an array of them. Every request has an answer, in order, except notifications (requests without `id`),
//! which are carried out and answered by silence.

use super::{
    Rpc,
    caller::Caller,
    dispatch,
    error::{Answer, INVALID_REQUEST, PARSE_ERROR, RESPONSE_TOO_LARGE, RpcError},
};
use core::pin::pin;
use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    /// `Some("null")` when it is there and null: only a request without the member is a notification.
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
}

fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[derive(Serialize)]
struct Response<'a> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<RpcError>,
}

impl<'a> Response<'a> {
    fn new(id: Option<&'a RawValue>, answer: Answer) -> Self {
        let (result, error) = match answer {
            Ok(result) => (Some(result), None),
            Err(error) => (None, Some(error)),
        };
        Self {
            jsonrpc: "2.0",
            id,
            result,
            error,
        }
    }

    fn encode(&self) -> Box<RawValue> {
        to_raw_value(self).expect("a response is strings, numbers and JSON that was written before")
    }
}

/// Transactions of one batch that wait for the same sync: as many as batches usually have.
const SENT_TOGETHER_MAX: usize = 128;

/// What a body came to.
#[derive(Debug)]
pub(super) struct Reply {
    /// The answer, unless nothing in the body wants one.
    pub(super) json: Option<String>,
    /// It was one request, and its caller asks too much: over HTTP that is status 429.
    pub(super) is_over_limit: bool,
}

impl Reply {
    fn new(json: Option<Box<RawValue>>) -> Self {
        Self {
            json: json.map(|json| String::from(Box::<str>::from(json))),
            is_over_limit: false,
        }
    }
}

/// Carries out a body.
pub(super) async fn handle(rpc: &Rpc, caller: &Caller, body: &[u8]) -> Reply {
    let is_batch = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if is_batch {
        return Reply::new(handle_batch(rpc, caller, body).await);
    }
    let request = core::str::from_utf8(body).ok();
    let request = request.and_then(|body| serde_json::from_str::<Request<'_>>(body).ok());
    if let Some(request) = request {
        let (answer, is_over_limit) = carry_out(rpc, caller, request).await;
        return Reply {
            is_over_limit,
            ..Reply::new(answer)
        };
    }
    // Looked at again, to say what is wrong with it.
    Reply::new(Some(match serde_json::from_slice::<&RawValue>(body) {
        Ok(_) => invalid(),
        Err(error) => refuse(PARSE_ERROR, format!("parse error: {error}")),
    }))
}

async fn handle_batch(rpc: &Rpc, caller: &Caller, body: &[u8]) -> Option<Box<RawValue>> {
    let requests: Vec<&RawValue> = match serde_json::from_slice(body) {
        Ok(requests) => requests,
        Err(error) => return Some(refuse(PARSE_ERROR, format!("parse error: {error}"))),
    };
    if requests.is_empty() {
        return Some(refuse(INVALID_REQUEST, "empty batch"));
    }
    let max = rpc.settings().batch_items_max;
    if requests.len() > max {
        return Some(refuse(
            INVALID_REQUEST,
            format!(
                "batch too large: {} requests, rpc-batch-items-max is {max}",
                requests.len()
            ),
        ));
    }
    let requests: Vec<_> = requests
        .into_iter()
        .map(|request| (request, sends(request)))
        .collect();
    let mut answers = Vec::new();
    let mut bytes = 0;
    let mut handled = pin!(in_order(rpc, caller, &requests));
    while let Some(answer) = handled.next().await {
        let Some(answer) = answer else { continue };
        bytes += answer.get().len();
        let max = rpc.settings().batch_response_bytes_max;
        if bytes > max {
            answers.push(too_large(None, "rpc-batch-response-bytes-max", max));
            break;
        }
        answers.push(answer);
    }
    let nothing_to_say = answers.is_empty();
    (!nothing_to_say).then(|| to_raw_value(&answers).expect("answers are JSON already"))
}

/// Carries out requests one after the other. Those that send a transaction do not wait for the one before to be answered, only for it to
/// be in line: a wallet that sends nonces 1, 2, 3 in one batch means them in that order, and one sync of the journal covers them all.
/// Which those are is said beside each request.
fn in_order<'a>(
    rpc: &'a Rpc,
    caller: &'a Caller,
    requests: &'a [(&'a RawValue, bool)],
) -> impl Stream<Item = Option<Box<RawValue>>> + 'a {
    let runs = requests.chunk_by(|(_, one), (_, next)| *one && *next);
    stream::iter(runs).flat_map(move |run| {
        let handled = run
            .iter()
            .map(move |(request, _)| handle_one(rpc, caller, request.get()));
        stream::iter(handled).buffered(SENT_TOGETHER_MAX)
    })
}

/// Whether a request only puts a transaction in line. What merely looks like one waits for nothing else either.
fn sends(request: &RawValue) -> bool {
    serde_json::from_str::<Request<'_>>(request.get())
        .is_ok_and(|request| request.method.as_deref() == Some("eth_sendRawTransaction"))
}

async fn handle_one(rpc: &Rpc, caller: &Caller, request: &str) -> Option<Box<RawValue>> {
    match serde_json::from_str::<Request<'_>>(request) {
        Ok(request) => carry_out(rpc, caller, request).await.0,
        Err(_) => Some(invalid()),
    }
}

/// The answer, and whether it says to come again later.
async fn carry_out(rpc: &Rpc, caller: &Caller, request: Request<'_>) -> (Option<Box<RawValue>>, bool) {
    let has_bad_id = request.id.is_some_and(|id| id.get().starts_with(['{', '[']));
    let (Some("2.0"), Some(method), false) = (request.jsonrpc.as_deref(), &request.method, has_bad_id) else {
        return (Some(invalid()), false);
    };
    let answer = dispatch::call(rpc, caller, method, request.params).await;
    let is_for_later = matches!(&answer, Err(error) if error.is_for_later);
    let max = rpc.settings().response_bytes_max;
    let is_too_large = matches!(&answer, Ok(result) if result.get().len() > max);
    let answer = request.id.map(|id| match is_too_large {
        true => too_large(Some(id), "rpc-response-bytes-max", max),
        false => Response::new(Some(id), answer).encode(),
    });
    (answer, is_for_later)
}

fn invalid() -> Box<RawValue> {
    refuse(INVALID_REQUEST, "invalid request")
}

fn too_large(id: Option<&RawValue>, flag: &str, max: usize) -> Box<RawValue> {
    let message = format!("response too large: {flag} is {max}");
    Response::new(id, Err(RpcError::new(RESPONSE_TOO_LARGE, message))).encode()
}

fn refuse(code: i32, message: impl Into<String>) -> Box<RawValue> {
    Response::new(None, Err(RpcError::new(code, message))).encode()
}
