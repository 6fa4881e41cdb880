//! A connection that does not wait for ever: for the rest of a header, for the next request, or for its client to read.
//!
//! ```text
//!  Idle --first byte--> Receiving --headers complete--> Serving --answered--> Idle
//!                                                          \--WebSocket--> Upgraded (which minds its own silence)
//! ```
//! Bodies have a timeout of their own, where they are read. The stream's one timer fires seldom and then looks at the clock, so that a
//! request costs two looks at the clock and no timer.

use core::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Idle = 0,
    Receiving = 1,
    Serving = 2,
    Upgraded = 3,
}

/// The phase, shared with whoever serves the requests.
#[derive(Clone, Debug)]
pub(super) struct PhaseCell(Arc<AtomicU8>);

impl PhaseCell {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU8::new(Phase::Idle as u8)))
    }

    pub(super) fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }

    fn get(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Receiving,
            2 => Phase::Serving,
            _ => Phase::Upgraded,
        }
    }
}

/// How long each kind of silence may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) header: Duration,
    pub(super) idle: Duration,
    pub(super) write: Duration,
}

/// The stream.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    phase: PhaseCell,
    patience: Patience,
    /// Since when it is idle, or the header has been coming.
    since: Instant,
    seen: Phase,
    /// Since when the client reads nothing.
    blocked: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, phase: PhaseCell, patience: Patience) -> Self {
        let since = Instant::now();
        Self {
            stream,
            phase,
            patience,
            since,
            seen: Phase::Idle,
            blocked: None,
            timer: Box::pin(sleep_until(since + patience.header)),
        }
    }

    /// When the present silence has lasted too long; `None` if it may last.
    fn deadline(&mut self) -> Option<Instant> {
        let phase = self.phase.get();
        if phase != self.seen {
            self.seen = phase;
            self.since = Instant::now();
        }
        let read = match phase {
            Phase::Idle => Some(self.since + self.patience.idle),
            Phase::Receiving => Some(self.since + self.patience.header),
            Phase::Serving | Phase::Upgraded => None,
        };
        let write = self
            .blocked
            .filter(|_| phase != Phase::Upgraded)
            .map(|since| since + self.patience.write);
        read.into_iter().chain(write).min()
    }

    /// Ready when the client has been silent for too long; else the task is woken to look again.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let Some(deadline) = self.deadline() else {
            return Poll::Pending;
        };
        while self.timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if now >= deadline {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.timer
                .as_mut()
                .reset(deadline.min(now + self.patience.header));
        }
        Poll::Pending
    }

    fn or_silence<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        match polled {
            Poll::Pending => self.poll_silence(context).map(Err),
            ready => ready,
        }
    }

    fn after_write(
        &mut self,
        polled: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Pending => {
                self.blocked.get_or_insert_with(Instant::now);
            }
            Poll::Ready(_) => self.blocked = None,
        }
        self.or_silence(polled, context)
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_ready() && buffer.filled().len() > before && self.phase.get() == Phase::Idle {
            self.phase.set(Phase::Receiving);
        }
        self.or_silence(polled, context)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.after_write(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.after_write(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
