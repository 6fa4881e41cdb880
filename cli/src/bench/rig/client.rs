//! The load generator: HTTP/1.1 over keep-alive connections, one request under way on each, from one thread.
//!
//! Requests are rendered beforehand and connections are served in turn with blocking reads, so a request costs one write and one read:
//! the machine's cores are for the node. A connection whose answer is late holds up the ones behind it; as all are loaded alike, that
//! leaves throughput as it is. [`open_loop`] is for latencies: it has a thread for each connection.

use super::load::Requests;
use memchr::memmem;
use serde::de::DeserializeOwned;
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How long an answer may take: a node that is this slow has stopped.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes an answer may have: the receipts of 200,000 transfers in one block.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Shorter waits are not slept: the system would sleep longer.
const SLEEP_WORTH: Duration = Duration::from_micros(200);

/// Why a request had no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("the connection to {address}: {source}")]
    Io { address: SocketAddr, source: io::Error },
    #[error("{address} closed the connection")]
    Closed { address: SocketAddr },
    #[error(
        "{address} answered what is no HTTP with a Content-Length of at most {ANSWER_BYTES_MAX}: {start}"
    )]
    Http { address: SocketAddr, start: String },
    #[error("{address} answered: {body}")]
    Refused { address: SocketAddr, body: String },
}

/// The head of a POST with a body of `length` bytes.
pub(crate) fn head(length: usize) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// A keep-alive connection.
#[derive(Debug)]
pub(crate) struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self, ClientError> {
        let io = |source| ClientError::Io { address, source };
        let stream = TcpStream::connect(address).map_err(io)?;
        stream.set_nodelay(true).map_err(io)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(io)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(io)?;
        Ok(Self {
            address,
            stream,
            buffer: vec![0; 64 << 10],
        })
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> Result<(), ClientError> {
        let address = self.address;
        self.stream
            .write_all(request)
            .map_err(|source| ClientError::Io { address, source })
    }

    /// The body of the answer to what was sent last.
    pub(crate) fn receive(&mut self) -> Result<&[u8], ClientError> {
        let (mut filled, mut body): (usize, Option<(usize, usize)>) = (0, None);
        loop {
            if body.is_none() {
                body = self.body_of(filled)?;
            }
            if let Some((start, end)) = body {
                if filled >= end {
                    return Ok(&self.buffer[start..end]);
                }
                if self.buffer.len() < end {
                    self.buffer.resize(end, 0);
                }
            } else if filled == self.buffer.len() {
                return Err(self.no_http(filled));
            }
            let address = self.address;
            let read = self.stream.read(&mut self.buffer[filled..]);
            match read.map_err(|source| ClientError::Io { address, source })? {
                0 => return Err(ClientError::Closed { address }),
                count => filled += count,
            }
        }
    }

    /// Where the body starts and ends, once the head is there.
    fn body_of(&self, filled: usize) -> Result<Option<(usize, usize)>, ClientError> {
        let Some(end) = memmem::find(&self.buffer[..filled], b"\r\n\r\n") else {
            return Ok(None);
        };
        let length = content_length(&self.buffer[..end]).filter(|length| *length <= ANSWER_BYTES_MAX);
        let length = length.ok_or_else(|| self.no_http(filled))?;
        Ok(Some((end + 4, end + 4 + length)))
    }

    fn no_http(&self, filled: usize) -> ClientError {
        let start = String::from_utf8_lossy(&self.buffer[..filled.min(200)]).into_owned();
        ClientError::Http {
            address: self.address,
            start,
        }
    }

    /// Fetches `path`.
    pub(crate) fn fetch(&mut self, path: &str) -> Result<String, ClientError> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes())?;
        Ok(String::from_utf8_lossy(self.receive()?).into_owned())
    }

    /// Calls one method and reads its result.
    pub(crate) fn call<T: DeserializeOwned>(
        &mut self,
        method: &str,
        params: &serde_json::Value,
    ) -> Result<T, ClientError> {
        #[derive(serde::Deserialize)]
        struct Response<T> {
            result: T,
        }
        let body =
            serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        self.send((head(body.len()) + &body).as_bytes())?;
        let address = self.address;
        let body = self.receive()?;
        let parsed = serde_json::from_slice::<Response<T>>(body);
        parsed
            .map(|response| response.result)
            .map_err(|_| ClientError::Refused {
                address,
                body: String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned(),
            })
    }
}

/// Sends all requests over `connections` connections and hands every answer's body to `look`, in the order of the requests.
///
/// # Errors
/// The first request without an answer ends it.
pub(crate) fn drive(
    address: SocketAddr,
    connections: usize,
    requests: &Requests,
    mut look: impl FnMut(&[u8]),
) -> Result<(), ClientError> {
    let under_way = connections.min(requests.len());
    let mut open = Vec::with_capacity(under_way);
    for index in 0..under_way {
        let mut connection = Connection::open(address)?;
        connection.send(requests.get(index))?;
        open.push(connection);
    }
    for answered in 0..requests.len() {
        let connection = &mut open[answered % under_way];
        look(connection.receive()?);
        let next = answered + under_way;
        if next < requests.len() {
            connection.send(requests.get(next))?;
        }
    }
    Ok(())
}

/// What was sent at a pace, and how far behind the pace it ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paced {
    /// Answers.
    pub(crate) answered: usize,
    /// From the first request to the last answer.
    pub(crate) seconds: f64,
}

/// Sends requests at `per_second`, again from the first after the last, until `done` says so (asked before each); every answer's body goes
/// to `look`. Connections are served in turn: one thread is enough for tens of thousands a second.
///
/// # Errors
/// The first request without an answer ends it.
pub(crate) fn drive_paced(
    address: SocketAddr,
    connections: usize,
    requests: &Requests,
    per_second: f64,
    done: impl Fn(usize) -> bool,
    mut look: impl FnMut(&[u8]),
) -> Result<Paced, ClientError> {
    let mut open = (0..connections)
        .map(|_| Connection::open(address))
        .collect::<Result<Vec<_>, _>>()?;
    let started = Instant::now();
    let (mut sent, mut answered) = (0, 0);
    while !done(sent) {
        let due = started + Duration::from_secs_f64(sent as f64 / per_second);
        let early = due.saturating_duration_since(Instant::now());
        if early > SLEEP_WORTH {
            thread::sleep(early);
        }
        let connection = &mut open[sent % connections];
        if sent >= connections {
            look(connection.receive()?);
            answered += 1;
        }
        connection.send(requests.get(sent % requests.len()))?;
        sent += 1;
    }
    while answered < sent {
        look(open[answered % connections].receive()?);
        answered += 1;
    }
    Ok(Paced {
        answered,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Sends request after request at the times an even rate gives, one under way on each connection, and returns how long each answer took
/// in milliseconds **from the time it was due**: a request that had to wait for a free connection, or for this machine, has waited all the
/// same. Every answer's body goes to `look`.
///
/// # Errors
/// The first request without an answer ends it.
pub(crate) fn open_loop(
    address: SocketAddr,
    connections: usize,
    requests: &Requests,
    per_second: f64,
    look: impl Fn(usize, &[u8]) + Sync,
) -> Result<Vec<f64>, ClientError> {
    let next = AtomicUsize::new(0);
    let started = Instant::now() + Duration::from_millis(50);
    let worker = || {
        let mut connection = Connection::open(address)?;
        let mut took = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= requests.len() {
                return Ok(took);
            }
            let due = started + Duration::from_secs_f64(index as f64 / per_second);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            connection.send(requests.get(index))?;
            let body = connection.receive()?;
            took.push(due.elapsed().as_secs_f64() * 1e3);
            look(index, body);
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..connections).map(|_| scope.spawn(worker)).collect();
        let joined = workers
            .into_iter()
            .map(|worker| worker.join().expect("a worker does not panic"));
        joined.collect::<Result<Vec<_>, _>>().map(|parts| parts.concat())
    })
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    lines.next()?.starts_with("HTTP/1.1 ").then_some(())?;
    lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::TcpListener, thread};

    #[test]
    fn the_length_of_an_answer_is_in_its_head_in_any_spelling() {
        let length = |text: &str| content_length(text.as_bytes());
        assert_eq!(length("HTTP/1.1 200 OK\r\ncontent-length: 12"), Some(12));
        assert_eq!(length("HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length:7"), Some(7));
        assert_eq!(length("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked"), None);
        assert_eq!(length("HTTP/1.1 200 OK\r\ncontent-length: -1"), None);
        assert_eq!(length("SSH-2.0\r\ncontent-length: 1"), None);
    }

    #[test]
    fn answers_that_arrive_in_pieces_are_put_together() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for _ in 0..2 {
                let mut request = [0; 4];
                stream.read_exact(&mut request).unwrap();
                for piece in ["HTTP/1.1 200 OK\r\nContent-", "Length: 100000\r\n\r", "\n"] {
                    stream.write_all(piece.as_bytes()).unwrap();
                    stream.flush().unwrap();
                }
                stream.write_all(&vec![b'x'; 100_000]).unwrap();
            }
        });
        let mut connection = Connection::open(address).unwrap();
        for _ in 0..2 {
            connection.send(b"ping").unwrap();
            let body = connection.receive().unwrap();
            assert!(body.len() == 100_000 && body.iter().all(|byte| *byte == b'x'));
        }
        server.join().unwrap();
        connection.send(b"ping").ok();
        assert!(connection.receive().is_err(), "the server is gone");
    }
}
