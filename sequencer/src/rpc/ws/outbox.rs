//! Messages on their way to one WebSocket's client, bounded in bytes.
//!
//! An answer waits for room, and meanwhile nothing more is read from that client. A notification does not wait: a client that lets
//! them pile up is hung up on, since it would rather know that it missed something than be told late.

use axum::extract::ws::Message;
use futures::{Sink, SinkExt};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// What a message costs beside its text: frame, queue entry, allocation.
const MESSAGE_OVERHEAD_BYTES: usize = 64;

/// Messages written before the socket is flushed, if as many wait: a burst costs few system calls.
const FLUSH_EVERY: usize = 256;

/// How long a client has to take the closing frame.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// The connection is being closed.
#[derive(Clone, Copy, Debug)]
pub(in crate::rpc) struct HungUp;

/// Where messages are put. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::rpc) struct Outbox {
    queue: mpsc::UnboundedSender<Queued>,
    room: Arc<Semaphore>,
    bytes_max: usize,
    gone: CancellationToken,
}

/// A message with the room it takes.
#[derive(Debug)]
pub(super) struct Queued {
    message: Message,
    room: OwnedSemaphorePermit,
}

/// An outbox for `bytes_max` and its other end; `gone` is cancelled when the connection must end.
pub(super) fn outbox(bytes_max: usize, gone: CancellationToken) -> (Outbox, mpsc::UnboundedReceiver<Queued>) {
    let (queue, queued) = mpsc::unbounded_channel();
    let bytes_max = bytes_max.min(Semaphore::MAX_PERMITS);
    let outbox = Outbox {
        queue,
        room: Arc::new(Semaphore::new(bytes_max)),
        bytes_max,
        gone,
    };
    (outbox, queued)
}

impl Outbox {
    /// Room for a text of this length; the longest takes all there is.
    fn permits(&self, length: usize) -> u32 {
        let bytes = length.saturating_add(MESSAGE_OVERHEAD_BYTES).min(self.bytes_max);
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// Queues an answer once there is room.
    pub(super) async fn answer(&self, json: String) -> Result<(), HungUp> {
        let room = self.room.clone().acquire_many_owned(self.permits(json.len()));
        let room = room.await.map_err(|_| HungUp)?;
        self.put(Message::Text(json.into()), room)
    }

    /// Queues a notification, or hangs up if there is no room.
    pub(in crate::rpc) fn notify(&self, json: String) -> Result<(), HungUp> {
        let room = self.room.clone().try_acquire_many_owned(self.permits(json.len()));
        let room = room.map_err(|_| self.hang_up())?;
        self.put(Message::Text(json.into()), room)
    }

    /// Asks the client whether it is there.
    pub(super) fn ping(&self) -> Result<(), HungUp> {
        let room = self.room.clone().try_acquire_many_owned(self.permits(0));
        let room = room.map_err(|_| self.hang_up())?;
        self.put(Message::Ping(Default::default()), room)
    }

    /// Ends the connection: its client is too slow.
    pub(in crate::rpc) fn hang_up(&self) -> HungUp {
        if !self.gone.is_cancelled() {
            metrics::counter!("rpc_ws_slow_clients_total").increment(1);
        }
        self.gone.cancel();
        HungUp
    }

    fn put(&self, message: Message, room: OwnedSemaphorePermit) -> Result<(), HungUp> {
        self.queue.send(Queued { message, room }).map_err(|_| HungUp)
    }
}

/// Writes what is queued until the outbox is dropped, the connection is to end, the socket fails, or its client reads nothing for
/// `patience`.
pub(super) async fn write<S>(
    mut socket: S,
    mut queued: mpsc::UnboundedReceiver<Queued>,
    patience: Duration,
    gone: CancellationToken,
) where
    S: Sink<Message, Error = axum::Error> + Unpin,
{
    loop {
        let written = async {
            let first = queued.recv().await?;
            let batch = write_batch(&mut socket, first, &mut queued);
            Some(matches!(tokio::time::timeout(patience, batch).await, Ok(Ok(()))))
        };
        let written = tokio::select! {
            biased;
            () = gone.cancelled() => break,
            written = written => written,
        };
        if written != Some(true) {
            break;
        }
    }
    gone.cancel();
    tokio::time::timeout(CLOSE_PATIENCE, socket.close()).await.ok();
}

async fn write_batch<S>(
    socket: &mut S,
    first: Queued,
    queued: &mut mpsc::UnboundedReceiver<Queued>,
) -> Result<(), axum::Error>
where
    S: Sink<Message, Error = axum::Error> + Unpin,
{
    let mut next = Some(first);
    for _ in 0..FLUSH_EVERY {
        let Some(Queued { message, room }) = next else {
            break;
        };
        socket.feed(message).await?;
        drop(room);
        next = queued.try_recv().ok();
    }
    if let Some(Queued { message, .. }) = next {
        socket.feed(message).await?;
    }
    socket.flush().await
}
