//! Decoding and sender recovery of what users send, on threads of their own and ahead of everything else.
//!
//! ```text
//!  rpc task --submit--> [ bytes bounded ] --> recovery threads (one per core) --> Pool::admit --> answer
//! ```
//! Recovering a sender costs about ten times what a transfer costs to execute, so it happens here, once: pool, journal, block and store
//! keep the sender. A request waits while too many bytes are in line, which is how a flood is slowed at its source. Transactions of one
//! connection may pass each other by as many places as there are threads; the queue orders them by nonce anyway.

use super::{Pool, PoolError, check};
use alloy::primitives::{B256, Bytes};
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Encoded bytes that may be in line: 64 of the largest transactions, or a second's worth of transfers at the machine's limit.
const BYTES_IN_LINE_MAX: usize = 32 << 20;

/// What a transaction counts at least, so that many small ones are bounded too: 32,768 in line.
const BYTES_COUNTED_MIN: usize = 1 << 10;

/// Where an answer goes.
pub(crate) type Answer = oneshot::Sender<Result<B256, PoolError>>;

/// When a transaction counts as taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerWhen {
    /// Once the pool has it.
    Taken,
    /// Once the journal has it on disk.
    Durable,
}

struct Job {
    pool: Pool,
    raw: Bytes,
    when: AnswerWhen,
    answer: Answer,
    /// Given back when the job is done.
    _room: OwnedSemaphorePermit,
}

/// The line in front of the recovery threads. They end with the last handle.
#[derive(Debug)]
pub(super) struct Ingest {
    jobs: Sender<Job>,
    room: Arc<Semaphore>,
}

impl Ingest {
    /// Starts as many threads as there are cores.
    pub(super) fn start() -> Self {
        let (jobs, line) = channel();
        let line = Arc::new(Mutex::new(line));
        let threads = thread::available_parallelism().map_or(1, core::num::NonZero::get);
        for index in 0..threads {
            let line = line.clone();
            let started = thread::Builder::new()
                .name(format!("recover-{index}"))
                .spawn(move || work(&line));
            if let Err(error) = started {
                // With fewer threads, or none, `submit` still answers: slower, or with an error.
                tracing::error!(target: "sequencer", %error, "no thread to recover senders on");
            }
        }
        Self {
            jobs,
            room: Arc::new(Semaphore::new(BYTES_IN_LINE_MAX)),
        }
    }

    /// Puts a transaction in line, once there is room, and waits for what becomes of it.
    pub(super) async fn submit(&self, pool: Pool, raw: Bytes, when: AnswerWhen) -> Result<B256, PoolError> {
        let bytes = raw.len().clamp(BYTES_COUNTED_MIN, BYTES_IN_LINE_MAX);
        let permits = u32::try_from(bytes).expect("the clamp's upper end fits");
        let room = self.room.clone().acquire_many_owned(permits).await;
        let (answer, result) = oneshot::channel();
        let job = Job {
            pool,
            raw,
            when,
            answer,
            _room: room.map_err(|_| PoolError::Stopped)?,
        };
        self.jobs.send(job).map_err(|_| PoolError::Stopped)?;
        result.await.map_err(|_| PoolError::Stopped)?
    }
}

/// One thread: takes jobs until nobody can send any more.
fn work(line: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: the other threads wait for it instead of for the line, which is the same.
        let next = line.lock().recv();
        let Ok(job) = next else { return };
        let chain_id = job.pool.chain_id();
        match check::recover_raw(&job.raw, chain_id, job.pool.limits()) {
            Ok(transaction) => job.pool.admit(transaction, job.answer, job.when),
            Err(error) => {
                job.pool.count_refused();
                // Whoever asked may have gone.
                job.answer.send(Err(error)).ok();
            }
        }
    }
}
