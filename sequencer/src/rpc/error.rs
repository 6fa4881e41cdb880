//! Errors as they go over the wire. Codes and texts are geth's: libraries decide by them what to tell their user.

use crate::{pool::PoolError, store::StoreError};
use alloy::primitives::{B256, Bytes};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// What a method answers: the result as JSON, or why there is none.
pub(super) type Answer = Result<Box<RawValue>, RpcError>;

/// JSON could not be read.
pub(super) const PARSE_ERROR: i32 = -32700;
/// JSON, but no request.
pub(super) const INVALID_REQUEST: i32 = -32600;
/// No such method.
pub(super) const METHOD_NOT_FOUND: i32 = -32601;
/// Wrong parameters.
pub(super) const INVALID_PARAMS: i32 = -32602;
/// This node failed.
pub(super) const INTERNAL: i32 = -32603;
/// Everything else that a request asked for and cannot have.
pub(super) const SERVER: i32 = -32000;
/// The answers of a batch are too long together.
pub(super) const RESPONSE_TOO_LARGE: i32 = -32003;
/// More was asked for than a limit allows.
pub(super) const LIMIT_EXCEEDED: i32 = -32005;
/// The EVM reverted; `data` is what it returned.
pub(super) const REVERTED: i32 = 3;
/// A transaction was accepted but not included in time (EIP-7966).
pub(super) const SYNC_TIMEOUT: i32 = 4;
/// State or blocks that old are no longer kept.
pub(super) const PRUNED: i32 = 4444;

/// The `error` member of a response.
#[derive(Debug, Serialize)]
pub(super) struct RpcError {
    pub(super) code: i32,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<Box<RawValue>>,
    /// The same request may be carried out later: over HTTP that is status 429.
    #[serde(skip)]
    pub(super) is_for_later: bool,
    /// The request takes longer than was given to it on the spot, and is to be carried out on a thread of its own. Nobody outside sees this.
    #[serde(skip)]
    pub(super) needs_thread: bool,
}

impl RpcError {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
            is_for_later: false,
            needs_thread: false,
        }
    }

    pub(super) fn server(message: impl Into<String>) -> Self {
        Self::new(SERVER, message)
    }

    pub(super) fn params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// A limit of this server was met: which, by the name of its flag, and what it is.
    pub(super) fn limit(flag: &str, what: impl core::fmt::Display) -> Self {
        Self {
            is_for_later: true,
            ..Self::new(LIMIT_EXCEEDED, format!("limit exceeded: {flag} is {what}"))
        }
    }

    /// What was given on the spot is used up.
    pub(super) fn needs_thread() -> Self {
        Self {
            needs_thread: true,
            ..Self::new(INTERNAL, "takes too long to be carried out on the spot")
        }
    }

    /// Names the cap when what ran out of gas had as much as a call is given here; the first words stay geth's.
    pub(super) fn naming_gas_cap(mut self, is_at_cap: bool) -> Self {
        if is_at_cap && self.message == "out of gas" {
            self.message.push_str(" (rpc-gas-cap)");
        }
        self
    }

    /// Something of ours failed; the cause is logged, since the caller can do nothing with it.
    pub(super) fn internal(cause: impl core::fmt::Display) -> Self {
        tracing::error!(target: "sequencer", %cause, "a request failed inside the node");
        Self::new(INTERNAL, format!("internal error: {cause}"))
    }

    pub(super) fn unknown_method(method: &str) -> Self {
        // Cut: the method may be as long as the body.
        let method: String = method.chars().take(100).collect();
        Self::new(
            METHOD_NOT_FOUND,
            format!("the method {method} does not exist/is not available"),
        )
    }

    pub(super) fn reverted(output: &Bytes, reason: Option<String>) -> Self {
        let message = reason.map_or_else(
            || "execution reverted".into(),
            |reason| format!("execution reverted: {reason}"),
        );
        Self::new(REVERTED, message).with_data(output)
    }

    pub(super) fn sync_timeout(hash: B256, waited: core::time::Duration) -> Self {
        let message =
            format!("The transaction was added to the transaction pool but wasn't processed in {waited:?}.");
        Self::new(SYNC_TIMEOUT, message).with_data(&hash)
    }

    fn with_data(self, data: &impl Serialize) -> Self {
        Self {
            data: to_raw_value(data).ok(),
            ..self
        }
    }
}

impl From<StoreError> for RpcError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::StateUnavailable { .. } => Self::new(
                PRUNED,
                format!("pruned history unavailable: {error} (history-blocks)"),
            ),
            StoreError::NotInMemory(_) => Self::needs_thread(),
            error => Self::internal(error),
        }
    }
}

impl From<PoolError> for RpcError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Chain(cause) => Self::internal(cause),
            error => Self::server(error.to_string()),
        }
    }
}
