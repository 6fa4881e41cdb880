//! JSON-RPC over a WebSocket: the same requests and batches as over HTTP, and subscriptions.
//!
//! ```text
//!  client --messages--> requests, many at a time --answers--> Outbox --> client
//!                            \--eth_subscribe--> subscriptions --^
//! ```
//! Requests start in the order they came and each answers when it is done: a sender of transactions can have hundreds on their way and
//! they reach the pool in order. A client that does not read, does not answer pings or asks too much at once is not read from, and
//! in the end hung up on.

pub(super) mod outbox;

use self::outbox::{HungUp, Outbox};
use super::{Rpc, caller::Caller, jsonrpc, meter::Meter, subscriptions::Subscriptions};
use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use core::{task::Poll, time::Duration};
use futures::{
    StreamExt,
    future::BoxFuture,
    stream::{FuturesUnordered, SplitStream},
};
use tokio_util::sync::CancellationToken;

/// Carries out what the client asks until it leaves, is hung up on or the server stops.
pub(super) async fn run(socket: WebSocket, rpc: Rpc, meter: Meter, stopped: CancellationToken) {
    let settings = rpc.settings();
    let gone = stopped.child_token();
    let (sink, stream) = socket.split();
    let (outbox, queued) = outbox::outbox(settings.ws_queue_bytes_max, gone.clone());
    let writer = tokio::spawn(outbox::write(sink, queued, settings.write_timeout, gone.clone()));
    let connection = Connection {
        rpc: rpc.clone(),
        meter,
        subscriptions: Subscriptions::new(outbox.clone(), settings.ws_subscriptions_max),
        outbox,
        running: FuturesUnordered::new(),
    };
    tokio::select! {
        () = gone.cancelled() => {}
        _ = connection.serve(stream) => {}
    }
    gone.cancel();
    writer.await.ok();
}

/// However short the operator's patience is, pings are not all we do.
const PING_INTERVAL_MIN: Duration = Duration::from_millis(50);

/// The answer to one message, `None` where it wants none, and the subscriptions it announces.
type Answering = BoxFuture<'static, (Option<String>, Subscriptions)>;

struct Connection {
    rpc: Rpc,
    meter: Meter,
    subscriptions: Subscriptions,
    outbox: Outbox,
    running: FuturesUnordered<Answering>,
}

impl Connection {
    async fn serve(mut self, mut messages: SplitStream<WebSocket>) -> Result<(), HungUp> {
        let settings = self.rpc.settings();
        let requests_max = settings.ws_requests_max.max(1);
        let mut ping = tokio::time::interval((settings.idle_timeout / 2).max(PING_INTERVAL_MIN));
        // Heard from since the last ping; an open connection counts as heard from.
        let mut is_there = true;
        loop {
            tokio::select! {
                Some(answer) = self.running.next(), if !self.running.is_empty() => self.tell(answer).await?,
                message = messages.next(), if self.running.len() < requests_max => {
                    is_there = true;
                    match message {
                        Some(Ok(Message::Text(text))) => self.begin(text).await?,
                        Some(Ok(Message::Binary(bytes))) => match Utf8Bytes::try_from(bytes) {
                            Ok(text) => self.begin(text).await?,
                            Err(_) => return Err(HungUp),
                        },
                        // Pings are answered by the library.
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                    }
                }
                _ = ping.tick() => {
                    if !core::mem::replace(&mut is_there, false) && self.running.is_empty() {
                        return Err(HungUp);
                    }
                    self.outbox.ping()?;
                }
            }
        }
    }

    /// Starts a request at once, so that requests start in order; one that is done at once is answered at once.
    async fn begin(&mut self, body: Utf8Bytes) -> Result<(), HungUp> {
        let rpc = self.rpc.clone();
        let subscriptions = self.subscriptions.for_request();
        let caller = Caller {
            meter: Some(self.meter.clone()),
            subscriptions: Some(subscriptions.clone()),
        };
        let mut answering: Answering = Box::pin(async move {
            let reply = jsonrpc::handle(&rpc, &caller, body.as_bytes()).await;
            (reply.json, subscriptions)
        });
        match futures::poll!(&mut answering) {
            Poll::Ready(answer) => self.tell(answer).await,
            Poll::Pending => {
                self.running.push(answering);
                Ok(())
            }
        }
    }

    async fn tell(&mut self, (answer, subscriptions): (Option<String>, Subscriptions)) -> Result<(), HungUp> {
        if let Some(json) = answer {
            self.outbox.answer(json).await?;
        }
        subscriptions.announce();
        Ok(())
    }
}
