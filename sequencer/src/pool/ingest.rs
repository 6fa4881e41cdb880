//! Decoding and sender recovery of what users send, on threads of their own and ahead of everything else.
//!
//! ```text
//!  rpc task --submit--> [ bytes bounded ] --> recovery threads (one per core) --> Pool::admit --> answer
//! ```
//! Recovering a sender costs about ten times what a transfer costs to execute, so it happens here, once: pool, journal, block and store
//! keep the sender. A request waits while too many bytes are in line, which is how a flood is slowed at its source. Transactions are
//! admitted in the order in which they got in line, whichever is recovered first: a thread that is held up must not leave what follows it
//! behind a nonce gap.

use super::{Pool, PoolError, check};
use alloy::{
    consensus::transaction::Recovered as WithSender,
    eips::eip2718::WithEncoded,
    primitives::{B256, Bytes},
};
use op_alloy_consensus::OpTxEnvelope;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
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
    /// Counts up without gaps, from 0.
    place: u64,
    /// Given back when the job is done.
    _room: OwnedSemaphorePermit,
}

/// The line in front of the recovery threads. They end with the last handle.
#[derive(Debug)]
pub(super) struct Ingest {
    jobs: Mutex<(Sender<Job>, u64)>,
    room: Arc<Semaphore>,
}

impl Ingest {
    /// Starts as many threads as there are cores.
    pub(super) fn start() -> Self {
        let (jobs, line) = channel();
        let line = Arc::new(Mutex::new(line));
        let turns = Arc::new(Mutex::new(Turns::default()));
        let threads = thread::available_parallelism().map_or(1, core::num::NonZero::get);
        for index in 0..threads {
            let (line, turns) = (line.clone(), turns.clone());
            let started = thread::Builder::new()
                .name(format!("recover-{index}"))
                .spawn(move || work(&line, &turns));
            if let Err(error) = started {
                // With fewer threads, or none, `submit` still answers: slower, or with an error.
                tracing::error!(target: "sequencer", %error, "no thread to recover senders on");
            }
        }
        Self {
            jobs: Mutex::new((jobs, 0)),
            room: Arc::new(Semaphore::new(BYTES_IN_LINE_MAX)),
        }
    }

    /// Puts a transaction in line, once there is room, and waits for what becomes of it.
    pub(super) async fn submit(&self, pool: Pool, raw: Bytes, when: AnswerWhen) -> Result<B256, PoolError> {
        let bytes = raw.len().clamp(BYTES_COUNTED_MIN, BYTES_IN_LINE_MAX);
        let permits = u32::try_from(bytes).expect("the clamp's upper end fits");
        let room = self.room.clone().acquire_many_owned(permits).await;
        let (answer, result) = oneshot::channel();
        let room = room.map_err(|_| PoolError::Stopped)?;
        {
            let mut line = self.jobs.lock();
            let (jobs, next) = &mut *line;
            let job = Job {
                pool,
                raw,
                when,
                answer,
                place: *next,
                _room: room,
            };
            *next += 1;
            jobs.send(job).map_err(|_| PoolError::Stopped)?;
        }
        result.await.map_err(|_| PoolError::Stopped)?
    }
}

type Recovered = Result<WithEncoded<WithSender<OpTxEnvelope>>, PoolError>;

/// What has been recovered before its turn. Bounded by the line.
#[derive(Default)]
struct Turns {
    next: u64,
    early: BTreeMap<u64, (Job, Recovered)>,
}

/// One thread: takes jobs until nobody can send any more.
fn work(line: &Mutex<Receiver<Job>>, turns: &Mutex<Turns>) {
    loop {
        // The lock is held while waiting: the other threads wait for it instead of for the line, which is the same.
        let next = line.lock().recv();
        let Ok(job) = next else { return };
        // A panic would leave everyone behind it waiting for its turn; decoding does not panic, and if it did this one alone must pay.
        let recovered = panic::catch_unwind(AssertUnwindSafe(|| {
            check::recover_raw(&job.raw, job.pool.chain_id(), job.pool.limits())
        }));
        let recovered =
            recovered.unwrap_or_else(|_| Err(PoolError::Malformed("it cannot be decoded".into())));
        let mut turns = turns.lock();
        turns.early.insert(job.place, (job, recovered));
        while let Some((job, recovered)) = turns.take_next() {
            finish(job, recovered);
        }
    }
}

impl Turns {
    fn take_next(&mut self) -> Option<(Job, Recovered)> {
        let due = self.early.remove(&self.next)?;
        self.next += 1;
        Some(due)
    }
}

fn finish(job: Job, recovered: Recovered) {
    match recovered {
        Ok(transaction) => job.pool.admit(transaction, job.answer, job.when),
        Err(error) => {
            job.pool.count_refused();
            // Whoever asked may have gone.
            job.answer.send(Err(error)).ok();
        }
    }
}
