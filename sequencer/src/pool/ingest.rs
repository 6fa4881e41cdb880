//! Decoding and sender recovery of what users send, ahead of everything else.
//!
//! ```text
//!                            /--few under way: here--------------------\
//!  submit --> [ bytes bounded ]--many: recovery threads (one per core)--> turns --> Pool::admit --> answer
//! ```
//! Recovering a sender costs about ten times what a transfer costs to execute, so it happens here, once: pool, journal, block and store
//! keep the sender. While few wait for an answer whoever brings a transaction recovers its sender: a thread of its own would only cost two
//! switches. While many do, all cores recover, and what comes out goes through builder and journal in groups, which saves them more
//! switches than it costs here. A request waits while too many bytes are in line, which is how a flood is slowed at its source.
//! Transactions are admitted in the order in which they got in line, whichever is recovered first: a thread that is held up must not leave
//! what follows it behind a nonce gap.

use super::{
    Pool, PoolError, check,
    turns::{Place, Turns},
};
use alloy::{
    consensus::transaction::Recovered as WithSender,
    eips::eip2718::WithEncoded,
    primitives::{B256, Bytes},
};
use op_alloy_consensus::OpTxEnvelope;
use parking_lot::Mutex;
use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

/// Encoded bytes that may be in line: 64 of the largest transactions, or a second's worth of transfers at the machine's limit.
const BYTES_IN_LINE_MAX: usize = 32 << 20;

/// What a transaction counts at least, so that many small ones are bounded too: 32,768 in line.
const BYTES_COUNTED_MIN: usize = 1 << 10;

/// Requests under way up to which each recovers its own sender. As few as the journal does not pace.
const FEW: usize = 4;

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

/// A transaction that somebody waits for.
#[derive(Debug)]
pub struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn begin(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(all.clone())
    }

    fn is_one_of_few(&self) -> bool {
        self.0.load(Ordering::Relaxed) <= FEW
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Job {
    pool: Pool,
    raw: Bytes,
    when: AnswerWhen,
    answer: Answer,
    /// Given back when the job is done.
    _room: OwnedSemaphorePermit,
}

/// The line in front of the pool.
pub(super) struct Ingest {
    turns: Turns<Outcome>,
    room: Arc<Semaphore>,
    under_way: Arc<AtomicUsize>,
    /// To the recovery threads, which end with the last handle. Started by the first who needs them.
    threads: OnceLock<Sender<(Place<Outcome>, Job)>>,
}

impl core::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ingest").finish_non_exhaustive()
    }
}

impl Ingest {
    pub(super) fn new() -> Self {
        Self {
            turns: Turns::new(finish),
            room: Arc::new(Semaphore::new(BYTES_IN_LINE_MAX)),
            under_way: Arc::default(),
            threads: OnceLock::new(),
        }
    }

    /// Puts a transaction in line, once there is room, and waits for what becomes of it.
    pub(super) async fn submit(
        &self,
        pool: Pool,
        raw: Bytes,
        when: AnswerWhen,
    ) -> Result<(B256, UnderWay), PoolError> {
        let under_way = UnderWay::begin(&self.under_way);
        let (job, result) = self.job(pool, raw, when).await?;
        let place = self.turns.enter();
        if under_way.is_one_of_few() {
            work(place, job);
        } else {
            let threads = self.threads.get_or_init(start_threads);
            threads.send((place, job)).map_err(|_| PoolError::Stopped)?;
        }
        let hash = result.await.map_err(|_| PoolError::Stopped)??;
        Ok((hash, under_way))
    }

    async fn job(
        &self,
        pool: Pool,
        raw: Bytes,
        when: AnswerWhen,
    ) -> Result<(Job, oneshot::Receiver<Result<B256, PoolError>>), PoolError> {
        let bytes = raw.len().clamp(BYTES_COUNTED_MIN, BYTES_IN_LINE_MAX);
        let permits = u32::try_from(bytes).expect("the clamp's upper end fits");
        let room = self.room.clone();
        // Usually there is room. To wait for it would now and then yield to the runtime, and let what comes next overtake.
        let room = match room.clone().try_acquire_many_owned(permits) {
            Err(TryAcquireError::NoPermits) => room.acquire_many_owned(permits).await.ok(),
            tried => tried.ok(),
        };
        let (answer, result) = oneshot::channel();
        let job = Job {
            pool,
            raw,
            when,
            answer,
            _room: room.ok_or(PoolError::Stopped)?,
        };
        Ok((job, result))
    }
}

/// Starts as many threads as there are cores.
fn start_threads() -> Sender<(Place<Outcome>, Job)> {
    let (jobs, line) = channel();
    let line = Arc::new(Mutex::new(line));
    let threads = thread::available_parallelism().map_or(1, core::num::NonZero::get);
    for index in 0..threads {
        let line = line.clone();
        let started = thread::Builder::new()
            .name(format!("recover-{index}"))
            .spawn(move || work_through(&line));
        if let Err(error) = started {
            // With fewer threads, or none, `submit` still answers: slower, or with an error.
            tracing::error!(target: "sequencer", %error, "no thread to recover senders on");
        }
    }
    jobs
}

/// One thread: takes jobs until nobody can send any more.
fn work_through(line: &Mutex<Receiver<(Place<Outcome>, Job)>>) {
    loop {
        // The lock is held while waiting: the other threads wait for it instead of for the line, which is the same.
        let next = line.lock().recv();
        let Ok((place, job)) = next else { return };
        work(place, job);
    }
}

type Recovered = Result<WithEncoded<WithSender<OpTxEnvelope>>, PoolError>;
type Outcome = (Job, Recovered);

/// Recovers the sender, and admits the transaction if everyone before it has been.
fn work(place: Place<Outcome>, job: Job) {
    // Decoding does not panic, and if it did this request alone must pay.
    let recovered = panic::catch_unwind(AssertUnwindSafe(|| {
        check::recover_raw(&job.raw, job.pool.chain_id(), job.pool.limits())
    }));
    let recovered = recovered.unwrap_or_else(|_| Err(PoolError::Malformed("it cannot be decoded".into())));
    place.complete((job, recovered));
}

fn finish((job, recovered): Outcome) {
    match recovered {
        Ok(transaction) => job.pool.admit(transaction, job.answer, job.when),
        Err(error) => {
            job.pool.count_refused();
            // Whoever asked may have gone.
            job.answer.send(Err(error)).ok();
        }
    }
}
