//! The journal: what this sequencer has promised, on disk before anyone is told.
//!
//! ```text
//!  pool  --admit-----\                                            /--> answers (transaction taken)
//!  builder --opened,  > [ ledger | gathered bytes ] --thread--> fdatasync --> pending block shows, events, answers (executed)
//!            executed,/    one lock, microseconds     one sync covers whatever has gathered
//!            sealed
//! ```
//! The order of records is the order of the chain: a transaction's sequence is its place in line, and a block's records say what it
//! executed. After a crash the records are read back, the open block is opened again with the same inputs and the same transactions in the
//! same order, and what was taken but not executed is in the pool again, with its sender.
//!
//! Invariants: nobody is told of anything before the sync that covers it; after a failed write or sync nothing is written any more and
//! everyone who waits gets the error; segments are dropped from the oldest on, once everything in them is in committed blocks or has been
//! written again further on, so the journal never takes much more than what waits plus [`Settings::segments_max`] segments.

mod disk;
mod error;
mod ledger;
pub mod record;
mod recovery;
mod room;
pub mod segment;
pub mod testing;
#[cfg(test)]
mod tests;
mod writer;

pub use self::{
    disk::{Disk, Folder},
    error::JournalError,
    ledger::OrderEntry,
    recovery::{Recovered, RecoveredBlock, RecoveredTransaction},
};

use self::{
    ledger::Ledger,
    record::{Admission, DropReason, Opened, Record},
};
use crate::store::ChainIdentity;
use alloy::primitives::{Address, B256, Bytes};
use core::time::Duration;
use parking_lot::{Condvar, Mutex};
use std::{sync::Arc, thread};
use tokio::sync::{oneshot, watch};
use tributary_protocol::block::L2BlockNumber;

/// Bytes of transactions nobody waits for that gather before they are written all the same, far below what may wait for the disk.
const UNASKED_BYTES_MAX: usize = 1 << 20;

/// How much the journal holds, and how long a record may wait for company.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bytes after which a segment is closed.
    pub segment_bytes: u64,
    /// Segments kept before what is still needed of the oldest is written again.
    pub segments_max: u64,
    /// How long a record nobody waits for may stay in memory: another is usually about to follow it into the same sync.
    pub linger: Duration,
    /// Least time from one sync to the next while several wait for each: under load more share a sync, and syncs stop taking the CPU that
    /// execution needs.
    pub pace: Duration,
    /// Bytes that must stay free on the disk; below that nothing new is taken.
    pub free_bytes_min: u64,
    /// Bytes that may wait for a disk that does not answer before nothing new is taken.
    pub waiting_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // A few seconds at full load.
            segment_bytes: 64 << 20,
            segments_max: 8,
            linger: Duration::from_millis(1),
            pace: Duration::from_millis(1),
            // What waits at most, twice, and room for the store to commit what is under way.
            free_bytes_min: 512 << 20,
            waiting_bytes_max: 64 << 20,
        }
    }
}

/// Called with the outcome once what it stands for is durable, or never will be. Must not block.
pub(crate) type Waiter = Box<dyn FnOnce(Result<(), Arc<JournalError>>) + Send>;

/// Handle to the journal. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

struct Shared {
    gathered: Mutex<Gathered>,
    /// Something is worth writing.
    urgent: Condvar,
    failure: watch::Sender<Option<Arc<JournalError>>>,
    settings: Settings,
}

impl core::fmt::Debug for Shared {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

/// What waits for the next sync.
struct Gathered {
    ledger: Ledger,
    bytes: Vec<u8>,
    waiters: Vec<Waiter>,
    /// Transactions of users in `bytes`, for the metrics.
    transactions: u64,
    /// Records in `bytes` that a transaction was executed, for the metrics.
    executions: u64,
    /// The segment `bytes` will be written to.
    segment: u64,
    is_urgent: bool,
    is_closed: bool,
    /// Told after everyone whom a sync covers.
    after_sync: Option<Arc<dyn Fn() + Send + Sync>>,
    /// Bytes free on the disk when last looked.
    free_bytes: u64,
    failure: Option<Arc<JournalError>>,
}

impl Gathered {
    fn put(&mut self, record: &Record) {
        let applied = self.ledger.apply(record, self.segment);
        debug_assert!(applied.is_ok(), "{applied:?}: {record:?}");
        if let Err(contradiction) = applied {
            // What is written must be what can be read back.
            tracing::error!(target: "sequencer", contradiction, ?record, "left out of the journal");
            return;
        }
        segment::put_record(&mut self.bytes, record);
    }

    /// As [`Self::put`] of a transaction that was taken, for a caller who knows its hash.
    fn put_admission(&mut self, admission: Admission, hash: B256) {
        self.ledger.admit(&admission, hash, self.segment);
        segment::put_record(&mut self.bytes, &Record::Admitted(admission));
    }

    /// Adds somebody to tell; at once if the journal has failed.
    fn tell(&mut self, waiter: Waiter) {
        match &self.failure {
            Some(failure) => waiter(Err(failure.clone())),
            None => {
                self.waiters.push(waiter);
                self.is_urgent = true;
            }
        }
    }
}

impl Journal {
    /// Opens the journal on `disk` and reads back what it holds.
    ///
    /// # Errors
    /// When it cannot be read, is another chain's, or is damaged where it was durable.
    pub fn open(
        disk: Box<dyn Disk>,
        identity: ChainIdentity,
        settings: Settings,
    ) -> Result<(Self, Recovered), JournalError> {
        let mut writer = writer::Writer::open(disk, identity, settings)?;
        let recovered = recovery::recovered(&writer.ledger);
        let shared = Arc::new(Shared {
            gathered: Mutex::new(Gathered {
                ledger: core::mem::take(&mut writer.ledger),
                bytes: Vec::new(),
                waiters: Vec::new(),
                transactions: 0,
                executions: 0,
                segment: writer.segment(),
                is_urgent: false,
                is_closed: false,
                after_sync: None,
                free_bytes: u64::MAX,
                failure: None,
            }),
            urgent: Condvar::new(),
            failure: watch::Sender::new(None),
            settings,
        });
        let for_thread = shared.clone();
        thread::Builder::new()
            .name("journal".into())
            .spawn(move || writer.run(&for_thread))
            .map_err(JournalError::Thread)?;
        Ok((Self { shared }, recovered))
    }

    /// Remembers that a transaction was taken, `hash` being that of its bytes; its place in line. Called under the lock of the queue it
    /// goes into, so that both have the same order. `waiter` is told once it is durable; without one it goes with the next sync, which its
    /// execution asks for, and nobody is woken for it alone.
    pub(crate) fn admit(
        &self,
        hash: B256,
        sender: Address,
        raw: &Bytes,
        arrival_micros: u64,
        waiter: Option<Waiter>,
    ) -> u64 {
        let mut gathered = self.shared.gathered.lock();
        let sequence = gathered.ledger.next_sequence();
        let admission = Admission {
            sequence,
            arrival_micros,
            sender,
            raw: raw.clone(),
        };
        gathered.put_admission(admission, hash);
        gathered.transactions += 1;
        let wakes = waiter.is_some() || gathered.bytes.len() >= UNASKED_BYTES_MAX;
        if let Some(waiter) = waiter {
            gathered.tell(waiter);
        }
        drop(gathered);
        if wakes {
            self.shared.urgent.notify_one();
        }
        sequence
    }

    /// Remembers that a transaction will not execute.
    pub(crate) fn dropped(&self, sequences: impl IntoIterator<Item = u64>) {
        let mut gathered = self.shared.gathered.lock();
        gathered.ledger.let_go_of_sealed();
        for sequence in sequences {
            // What a sealed block holds is settled, whatever the queue says of it later.
            if gathered.ledger.live(sequence).is_some() {
                gathered.put(&Record::Dropped(sequence, DropReason::Removed));
            }
        }
    }

    /// Remembers that a block was opened.
    pub(crate) fn opened(&self, opened: Opened) {
        self.shared.gathered.lock().put(&Record::Opened(opened));
        self.shared.urgent.notify_one();
    }

    /// Remembers that the open block has executed a transaction. `waiter` is told once that is durable.
    pub(crate) fn executed(&self, hash: B256, sender: Address, raw: &Bytes, waiter: Waiter) {
        let mut gathered = self.shared.gathered.lock();
        let sequence = gathered.ledger.sequence_of(hash).unwrap_or_else(|| {
            // Not through the pool: only a list in a test does that.
            let sequence = gathered.ledger.next_sequence();
            let admission = Admission {
                sequence,
                arrival_micros: 0,
                sender,
                raw: raw.clone(),
            };
            gathered.put_admission(admission, hash);
            sequence
        });
        let Some((number, index)) = gathered.ledger.next_place() else {
            // The chain was taken from under the open block a moment ago: nothing of it is promised to anyone.
            return;
        };
        gathered.put(&Record::Executed {
            number,
            index,
            sequence,
        });
        gathered.executions += 1;
        gathered.tell(waiter);
        drop(gathered);
        self.shared.urgent.notify_one();
    }

    /// Tells `waiter` once everything so far is durable.
    pub(crate) fn when_durable(&self, waiter: Waiter) {
        self.shared.gathered.lock().tell(waiter);
        self.shared.urgent.notify_one();
    }

    /// Remembers that the open block takes no more transactions.
    pub(crate) fn closed(&self, number: L2BlockNumber) {
        let mut gathered = self.shared.gathered.lock();
        let open = gathered.ledger.open_block().map(|(opened, _)| opened.number);
        // Unless it was taken back already, or is closed already because it is one of before a restart.
        if open == Some(number) && gathered.ledger.closed_block().is_none() {
            gathered.put(&Record::Closed(number));
        }
    }

    /// Remembers that a closed block, or else the open one, is in the store.
    pub(crate) fn sealed(&self, number: L2BlockNumber, hash: B256) {
        let mut gathered = self.shared.gathered.lock();
        let ledger = &gathered.ledger;
        let first = ledger.closed_block().or_else(|| ledger.open_block());
        // Unless it was taken back already.
        if first.map(|(opened, _)| opened.number) == Some(number) {
            gathered.put(&Record::Sealed { number, hash });
        }
    }

    /// Remembers that the open block will not be, nor a closed one before it.
    pub(crate) fn abandoned(&self) {
        let mut gathered = self.shared.gathered.lock();
        let ledger = &gathered.ledger;
        let number = ledger.open_block().or_else(|| ledger.closed_block());
        if let Some(number) = number.map(|(opened, _)| opened.number) {
            gathered.put(&Record::Abandoned(number));
        }
    }

    /// Remembers, before the store takes blocks above `kept` back, what they hold, in order; durable when this returns.
    ///
    /// # Errors
    /// When the journal has failed: the blocks must stay then.
    pub(crate) fn reverted(
        &self,
        kept: L2BlockNumber,
        transactions: impl Iterator<Item = (Address, Bytes)>,
    ) -> Result<(), Arc<JournalError>> {
        let (sender, durable) = std::sync::mpsc::sync_channel(1);
        let mut gathered = self.shared.gathered.lock();
        gathered.put(&Record::Reverted(kept));
        for (sender, raw) in transactions {
            let arrival_micros = gathered
                .ledger
                .order(alloy::primitives::keccak256(&raw))
                .map_or(0, |entry| entry.arrival_micros);
            let sequence = gathered.ledger.next_sequence();
            gathered.put(&Record::Returned(Admission {
                sequence,
                arrival_micros,
                sender,
                raw,
            }));
        }
        gathered.tell(Box::new(move |result| {
            // The receiver waits below.
            sender.send(result).ok();
        }));
        drop(gathered);
        self.shared.urgent.notify_one();
        durable
            .recv()
            .unwrap_or_else(|_| Err(Arc::new(JournalError::Closed)))
    }

    /// Calls `tell` after every sync, once everyone it covers has been told.
    pub(crate) fn after_sync(&self, tell: impl Fn() + Send + Sync + 'static) {
        self.shared.gathered.lock().after_sync = Some(Arc::new(tell));
    }

    /// Where a transaction came in line and where it went, as far back as is known: what waits, and about as much of what was sealed as a
    /// minute of full load.
    #[must_use]
    pub fn order(&self, hash: B256) -> Option<OrderEntry> {
        self.shared.gathered.lock().ledger.order(hash)
    }

    /// The place in line of a transaction that waits or is in the open block.
    #[must_use]
    pub fn sequence_of(&self, hash: B256) -> Option<u64> {
        self.shared.gathered.lock().ledger.sequence_of(hash)
    }

    /// Why nothing may be taken now: the journal has failed, or the disk is nearly full.
    ///
    /// # Errors
    /// Names the cause.
    pub(crate) fn check_writable(&self) -> Result<(), String> {
        let gathered = self.shared.gathered.lock();
        let least = self.shared.settings.free_bytes_min;
        if let Some(failure) = &gathered.failure {
            return Err(failure.to_string());
        }
        let most = self.shared.settings.waiting_bytes_max;
        if gathered.bytes.len() > most {
            return Err(format!(
                "the disk does not keep up with the journal: journal-waiting-bytes-max is {most}"
            ));
        }
        if gathered.free_bytes < least {
            let free = gathered.free_bytes;
            return Err(format!(
                "the disk has {free} bytes left, {least} must stay free (journal-free-bytes-min)"
            ));
        }
        Ok(())
    }

    /// Resolves with the cause when the journal has failed for good; never if it is closed in peace.
    pub async fn failed(&self) -> Arc<JournalError> {
        let mut failure = self.shared.failure.subscribe();
        let failed = failure.wait_for(Option::is_some).await;
        let cause = failed.ok().and_then(|cause| cause.clone());
        cause.expect("the sender lives as long as this handle, and the condition asks for a cause")
    }

    /// Waits until everything so far is durable.
    ///
    /// # Errors
    /// When it never will be.
    pub async fn durable(&self) -> Result<(), Arc<JournalError>> {
        let (sender, receiver) = oneshot::channel();
        self.when_durable(Box::new(move |result| drop(sender.send(result))));
        receiver
            .await
            .unwrap_or_else(|_| Err(Arc::new(JournalError::Closed)))
    }

    /// Writes what has gathered and ends the thread.
    pub fn close(&self) {
        self.shared.gathered.lock().is_closed = true;
        self.shared.urgent.notify_one();
    }
}
