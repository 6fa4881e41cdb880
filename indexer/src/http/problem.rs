//! Errors as RFC 9457 has them: `application/problem+json`.

use axum::{
    Json,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// What went wrong, for programs (`type`, `status`) and people (`title`, `detail`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// A relative reference that stays the same; documented in `docs/indexer.md`.
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
}

impl Problem {
    const fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: String) -> Self {
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail,
        }
    }

    /// Something in the request is not what it should be; `detail` names it and what was found.
    pub(crate) const fn bad_request(detail: String) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "/problems/bad-request",
            "The request is not understood",
            detail,
        )
    }

    /// There is no such thing.
    pub(crate) const fn not_found(detail: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, "/problems/not-found", "Not found", detail)
    }

    /// It will be there, but is not yet.
    pub(crate) const fn not_yet(detail: String) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "/problems/not-yet",
            "Not there yet",
            detail,
        )
    }

    /// The payload is on a DA layer that does not give it now.
    pub(crate) const fn payload_unavailable(detail: String) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "/problems/payload-unavailable",
            "The payload is not available now",
            detail,
        )
    }

    pub(crate) fn method_not_allowed(method: &Method) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "/problems/method-not-allowed",
            "Only GET",
            format!("{method} changes nothing here; use GET"),
        )
    }

    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    pub(crate) const fn title(&self) -> &'static str {
        self.title
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(target: "indexer", %error, "the database did not answer");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "/problems/database",
            "The database did not answer",
            "see /readyz and the log".to_owned(),
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
