//! Wrong answers on demand, for tests: given in code, never over the network.

use crate::PAYLOAD_SIZE_MAX;
use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A wrong answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answer with this status and body, without doing anything.
    Status(u16, &'static str),
    /// Answer 200 with these bytes, without doing anything.
    Body(Vec<u8>),
    /// Answer after this long.
    Delay(Duration),
    /// Flip a bit in the first byte of the body.
    FlipBit,
}

/// Faults of the next requests, in order. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<VecDeque<Fault>>>);

impl Faults {
    /// Adds a fault behind those that wait.
    pub fn push(&self, fault: Fault) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(fault);
    }

    fn pop(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// The layer around all routes.
pub(super) async fn inject(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    match faults.pop() {
        None => next.run(request).await,
        Some(Fault::Status(status, body)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, body).into_response()
        }
        Some(Fault::Body(body)) => body.into_response(),
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            next.run(request).await
        }
        Some(Fault::FlipBit) => flip(next.run(request).await).await,
    }
}

async fn flip(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let mut bytes = to_bytes(body, PAYLOAD_SIZE_MAX)
        .await
        .unwrap_or_default()
        .to_vec();
    if let Some(first) = bytes.first_mut() {
        *first ^= 1;
    }
    Response::from_parts(parts, Body::from(bytes))
}
