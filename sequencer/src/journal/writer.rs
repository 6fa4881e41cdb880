//! The journal's thread: writes what has gathered, syncs once, tells everyone. It alone touches the disk.

use super::{
    Disk, Gathered, JournalError, Settings, Shared, Waiter,
    ledger::Ledger,
    record::Record,
    recovery,
    segment::{self, BATCH_FRAME_BYTES, file_name},
};
use crate::store::ChainIdentity;
use std::{collections::VecDeque, io, sync::Arc, thread, time::Instant};

/// Bytes of room that are made for a segment; one that is meant to be longer grows beyond it.
const ROOM_BYTES_MAX: u64 = 64 << 20;

/// Bytes of room for the batch with which a segment is full. A larger one makes it grow.
pub(super) const ROOM_FOR_LAST_BATCH: u64 = 64 << 10;

/// Bytes written between two looks at how much room the disk has.
const LOOK_EVERY_BYTES: u64 = 4 << 20;

/// Waiters of one sync from which on the next is paced. Fewer are a load at which nobody gains by waiting.
const PACED_WAITERS_MIN: usize = 4;

/// Everything needed to write.
pub(super) struct Writer {
    disk: Box<dyn Disk>,
    identity: ChainIdentity,
    settings: Settings,
    /// Numbers of the segments there are, oldest first; the last is written to.
    segments: VecDeque<u64>,
    /// Bytes of the last segment.
    length: u64,
    /// Zeros follow them, so that it need not grow.
    has_room: bool,
    unlooked: u64,
    /// Moved to [`Gathered`] once running.
    pub(super) ledger: Ledger,
}

/// What one sync covers.
struct Batch {
    bytes: Vec<u8>,
    waiters: Vec<Waiter>,
    transactions: u64,
    executions: u64,
    after_sync: Option<Arc<dyn Fn() + Send + Sync>>,
    /// The next segment's first records, if this batch fills its segment.
    next_segment: Option<Vec<u8>>,
    /// Whether the oldest segment is still needed after that.
    drops_oldest: usize,
    closes: bool,
}

impl Writer {
    pub(super) fn open(
        mut disk: Box<dyn Disk>,
        identity: ChainIdentity,
        settings: Settings,
    ) -> Result<Self, JournalError> {
        let found = recovery::read(&mut *disk, identity)?;
        let mut writer = Self {
            disk,
            identity,
            settings,
            segments: found.segments,
            length: found.length,
            has_room: false,
            unlooked: LOOK_EVERY_BYTES,
            ledger: found.ledger,
        };
        if writer.segments.is_empty() {
            let mut first = Vec::new();
            segment::put_record(&mut first, &Record::State(Box::new(writer.ledger.state())));
            writer.begin_segment(found.next_number, &first)?;
        }
        writer.prepare()?;
        Ok(writer)
    }

    /// The segment that is written to.
    pub(super) fn segment(&self) -> u64 {
        *self
            .segments
            .back()
            .expect("opening begins a segment if there is none")
    }

    /// Writes until closed or failed.
    pub(super) fn run(mut self, shared: &Shared) {
        let mut spare = Vec::new();
        loop {
            let mut batch = self.gather(shared, spare);
            let result = self.write(&batch).map_err(Arc::new);
            if let Err(cause) = &result {
                // Before anyone is told, so that whoever asks again after an answer finds the journal failed.
                shared.gathered.lock().failure = Some(cause.clone());
            }
            let next =
                (batch.waiters.len() >= PACED_WAITERS_MIN).then(|| Instant::now() + self.settings.pace);
            for waiter in batch.waiters.drain(..) {
                waiter(result.clone());
            }
            if let Some(tell) = batch.after_sync.take() {
                tell();
            }
            if let Err(cause) = result.and_then(|()| self.turn_over(&batch, shared).map_err(Arc::new)) {
                fail(shared, &cause);
                return;
            }
            if batch.closes {
                refuse(shared, &Arc::new(JournalError::Closed));
                return;
            }
            spare = batch.bytes;
            if let Some(next) = next {
                // Asleep, not waiting: whoever adds a record meanwhile has nobody to wake.
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        }
    }

    /// Waits for something to write and takes it.
    fn gather(&self, shared: &Shared, spare: Vec<u8>) -> Batch {
        let mut gathered = shared.gathered.lock();
        while gathered.bytes.is_empty() && gathered.waiters.is_empty() && !gathered.is_closed {
            shared.urgent.wait(&mut gathered);
        }
        let deadline = Instant::now() + self.settings.linger;
        while !gathered.is_urgent && !gathered.is_closed {
            if shared.urgent.wait_until(&mut gathered, deadline).timed_out() {
                break;
            }
        }
        let mut bytes = spare;
        bytes.clear();
        core::mem::swap(&mut bytes, &mut gathered.bytes);
        let mut batch = Batch {
            bytes,
            waiters: core::mem::take(&mut gathered.waiters),
            transactions: core::mem::take(&mut gathered.transactions),
            executions: core::mem::take(&mut gathered.executions),
            after_sync: gathered.after_sync.clone(),
            next_segment: None,
            drops_oldest: 0,
            closes: gathered.is_closed,
        };
        gathered.is_urgent = false;
        let is_full = self.length + batch.bytes.len() as u64 >= self.settings.segment_bytes;
        if is_full || !self.has_room && self.disk.is_prepared() {
            self.plan_turn_over(&mut batch, &mut gathered);
        }
        batch
    }

    /// What the next segment begins with: the state, and from the oldest segment, if there are too many, what is still needed. Decided
    /// under the lock, so that it is the state after exactly this batch.
    fn plan_turn_over(&self, batch: &mut Batch, gathered: &mut Gathered) {
        gathered.ledger.let_go_of_sealed();
        let next = self.segment() + 1;
        gathered.segment = next;
        let mut first = Vec::new();
        segment::put_record(&mut first, &Record::State(Box::new(gathered.ledger.state())));
        let many = usize::try_from(self.settings.segments_max).unwrap_or(usize::MAX);
        for (index, oldest) in self.segments.iter().enumerate() {
            if gathered.ledger.needs_segment(*oldest) {
                if self.segments.len() + 1 - index <= many {
                    break;
                }
                for admission in gathered.ledger.admissions_in(*oldest) {
                    let record = Record::Admitted(admission);
                    gathered
                        .ledger
                        .apply(&record, next)
                        .expect("what is known may be taken again");
                    segment::put_record(&mut first, &record);
                }
            }
            batch.drops_oldest = index + 1;
        }
        batch.next_segment = Some(first);
    }

    fn write(&mut self, batch: &Batch) -> Result<(), JournalError> {
        if batch.bytes.is_empty() {
            return Ok(());
        }
        let name = file_name(self.segment());
        let mut bytes = Vec::with_capacity(BATCH_FRAME_BYTES + batch.bytes.len());
        segment::put_batch(&mut bytes, self.segment(), self.length);
        bytes.extend_from_slice(&batch.bytes);
        self.disk
            .append(&name, &bytes)
            .map_err(|source| io_error("write", &name, source))?;
        let started = Instant::now();
        self.disk
            .sync(&name)
            .map_err(|source| io_error("sync", &name, source))?;
        self.length += bytes.len() as u64;
        self.unlooked += bytes.len() as u64;
        metrics::histogram!("journal_sync_seconds").record(started.elapsed());
        metrics::counter!("journal_syncs_total").increment(1);
        metrics::counter!("journal_bytes_total").increment(bytes.len() as u64);
        metrics::counter!("journal_transactions_total").increment(batch.transactions);
        // Before anyone is told: who counts answers never finds fewer here.
        metrics::counter!("journal_executions_total").increment(batch.executions);
        Ok(())
    }

    /// After everyone was told: begins the next segment and drops old ones if this one is full, and looks how full the disk is.
    fn turn_over(&mut self, batch: &Batch, shared: &Shared) -> Result<(), JournalError> {
        if let Some(first) = &batch.next_segment {
            self.end_segment()?;
            self.begin_segment(self.segment() + 1, first)?;
            self.prepare()?;
            for _ in 0..batch.drops_oldest {
                let oldest = self.segments.pop_front().expect("the plan counted the segments");
                let name = file_name(oldest);
                self.disk
                    .remove(&name)
                    .map_err(|source| io_error("remove", &name, source))?;
            }
        }
        if self.unlooked >= LOOK_EVERY_BYTES {
            self.unlooked = 0;
            let free = self.disk.free_bytes();
            shared.gathered.lock().free_bytes =
                free.map_err(|source| io_error("look at", "the disk", source))?;
        }
        Ok(())
    }

    /// Has room made for the next segment, unless the disk has better use for it.
    fn prepare(&mut self) -> Result<(), JournalError> {
        let bytes = self.settings.segment_bytes.min(ROOM_BYTES_MAX) + ROOM_FOR_LAST_BATCH;
        let free = self.disk.free_bytes();
        let free = free.map_err(|source| io_error("look at", "the disk", source))?;
        if free.saturating_sub(bytes) >= self.settings.free_bytes_min {
            self.disk.prepare(bytes);
        }
        Ok(())
    }

    /// What is left of the room goes. If that is lost in a power cut, the next segment's header still says where this one ended.
    fn end_segment(&mut self) -> Result<(), JournalError> {
        if !self.has_room {
            return Ok(());
        }
        let name = file_name(self.segment());
        let cut = self.disk.truncate(&name, self.length);
        cut.map_err(|source| io_error("truncate", &name, source))
    }

    fn begin_segment(&mut self, number: u64, first: &[u8]) -> Result<(), JournalError> {
        let name = file_name(number);
        let failed = |what| {
            let name = name.clone();
            move |source| io_error(what, &name, source)
        };
        let mut bytes = segment::header(self.identity, number, self.length);
        let offset = bytes.len() as u64;
        segment::put_batch(&mut bytes, number, offset);
        bytes.extend_from_slice(first);
        self.has_room = self.disk.create(&name).map_err(failed("create"))?;
        self.disk.append(&name, &bytes).map_err(failed("write"))?;
        self.disk.sync(&name).map_err(failed("sync"))?;
        self.disk.sync_folder().map_err(failed("sync the folder of"))?;
        self.segments.push_back(number);
        self.length = bytes.len() as u64;
        metrics::gauge!("journal_segments").set(self.segments.len() as f64);
        Ok(())
    }
}

/// Nothing is written any more; everyone who waits is told.
fn fail(shared: &Shared, cause: &Arc<JournalError>) {
    tracing::error!(target: "sequencer", %cause, "the journal has failed");
    metrics::gauge!("journal_failed").set(1.0);
    refuse(shared, cause);
    shared.failure.send_replace(Some(cause.clone()));
}

/// Tells everyone who waits, now or later, that it will not be.
fn refuse(shared: &Shared, cause: &Arc<JournalError>) {
    let waiters = {
        let mut gathered = shared.gathered.lock();
        gathered.failure = Some(cause.clone());
        // It may hold what holds this journal.
        gathered.after_sync = None;
        core::mem::take(&mut gathered.waiters)
    };
    for waiter in waiters {
        waiter(Err(cause.clone()));
    }
}

pub(super) fn io_error(what: &'static str, file: &str, source: io::Error) -> JournalError {
    JournalError::Io {
        what,
        file: file.to_owned(),
        source,
    }
}
