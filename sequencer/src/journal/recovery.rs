//! Reading the journal back.

use super::{
    Disk, JournalError,
    ledger::Ledger,
    record::Opened,
    segment::{self, HEADER_BYTES, file_name, number_of},
    writer::io_error,
};
use crate::store::ChainIdentity;
use alloy::primitives::{Address, B256, Bytes};
use std::collections::{HashSet, VecDeque};

/// A transaction that was taken before the crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredTransaction {
    /// Its place in line.
    pub sequence: u64,
    /// Wall clock when it came, microseconds since 1970.
    pub arrival_micros: u64,
    /// Who signed it.
    pub sender: Address,
    /// Keccak-256 of the bytes.
    pub hash: B256,
    /// EIP-2718 bytes.
    pub raw: Bytes,
}

/// A block that was open, or was being sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredBlock {
    /// What it was opened with.
    pub opened: Opened,
    /// What it had executed, in order.
    pub executed: Vec<RecoveredTransaction>,
    /// It takes no more transactions: it was being sealed, and the next one may have been opened on it.
    pub is_closed: bool,
}

/// What the journal promised and the store may not hold.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// The block that was being sealed and the block that was open, if there were such.
    pub blocks: Vec<RecoveredBlock>,
    /// Acknowledged, of blocks that were taken back or abandoned: these go first, in this order.
    pub owed: Vec<RecoveredTransaction>,
    /// Taken and not executed, by place in line.
    pub waiting: Vec<RecoveredTransaction>,
}

pub(super) fn recovered(ledger: &Ledger) -> Recovered {
    let transaction = |sequence: u64| {
        let live = ledger
            .live(sequence)
            .expect("the ledger was checked when it was read");
        RecoveredTransaction {
            sequence,
            arrival_micros: live.arrival_micros,
            sender: live.sender,
            hash: live.hash,
            raw: live.raw.clone(),
        }
    };
    let block = |is_closed| {
        move |(opened, executed): (&Opened, &[u64])| RecoveredBlock {
            opened: opened.clone(),
            executed: executed.iter().copied().map(transaction).collect(),
            is_closed,
        }
    };
    let closed = ledger.closed_block().map(block(true));
    let open = ledger.open_block().map(block(false));
    let blocks: Vec<_> = closed.into_iter().chain(open).collect();
    let owed: Vec<_> = ledger.owed().map(transaction).collect();
    let placed: HashSet<u64> = blocks
        .iter()
        .flat_map(|block| &block.executed)
        .chain(&owed)
        .map(|transaction| transaction.sequence)
        .collect();
    let waiting = ledger.all_live().map(|(sequence, _)| sequence);
    let waiting = waiting
        .filter(|sequence| !placed.contains(sequence))
        .map(transaction);
    Recovered {
        waiting: waiting.collect(),
        owed,
        blocks,
    }
}

/// What was found on the disk.
pub(super) struct Found {
    pub(super) segments: VecDeque<u64>,
    /// Bytes of the last one.
    pub(super) length: u64,
    pub(super) ledger: Ledger,
    /// Number for a segment if there is none.
    pub(super) next_number: u64,
}

/// Reads all segments, cuts a torn tail off the last, syncs what is left, and leaves the disk ready to be written to.
pub(super) fn read(disk: &mut dyn Disk, identity: ChainIdentity) -> Result<Found, JournalError> {
    let names = disk
        .list()
        .map_err(|source| io_error("list", "the folder", source))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
    numbers.sort_unstable();
    let mut found = Found {
        segments: VecDeque::new(),
        length: 0,
        ledger: Ledger::default(),
        next_number: 1,
    };
    for (index, number) in numbers.iter().enumerate() {
        let is_last = index + 1 == numbers.len();
        if let Some(previous) = found.segments.back()
            && previous + 1 != *number
        {
            return Err(JournalError::Missing {
                expected: previous + 1,
                found: *number,
            });
        }
        read_one(disk, identity, *number, is_last, &mut found)?;
        found.next_number = number + 1;
    }
    make_durable(disk, &found)?;
    found.ledger.check().map_err(|what| JournalError::Corrupt {
        file: file_name(found.segments.back().copied().unwrap_or_default()),
        offset: found.length,
        what,
    })?;
    Ok(found)
}

fn read_one(
    disk: &mut dyn Disk,
    identity: ChainIdentity,
    number: u64,
    is_last: bool,
    found: &mut Found,
) -> Result<(), JournalError> {
    let name = file_name(number);
    let failed = |what: &'static str| {
        let name = name.clone();
        move |source| io_error(what, &name, source)
    };
    let corrupt = |offset: u64, what| JournalError::Corrupt {
        file: name.clone(),
        offset,
        what,
    };
    let bytes = disk.read(&name).map_err(failed("read"))?;
    let length = bytes.len() as u64;
    let contents = segment::read(&bytes, number, identity)?;
    // What follows may be room that nothing was written to.
    let written = segment::written_bytes(&bytes) as u64;
    let torn = written.saturating_sub(contents.good_bytes);
    if !is_last && torn > 0 {
        return Err(corrupt(
            contents.good_bytes,
            "it ends early, and others follow it",
        ));
    }
    if contents.records.is_empty() {
        // The power went while it was being created: nobody was told of anything in it.
        tracing::warn!(target: "sequencer", file = name, bytes = length, "removed a segment that was never finished");
        disk.remove(&name).map_err(failed("remove"))?;
        return disk.sync_folder().map_err(failed("sync the folder of"));
    }
    if let (Some(_), Some(previous)) = (found.segments.back(), contents.previous_bytes)
        && previous != found.length
    {
        return Err(corrupt(
            HEADER_BYTES as u64 - 12,
            "the segment before it has another length than when it was closed",
        ));
    }
    for record in &contents.records {
        found
            .ledger
            .apply(record, number)
            .map_err(|what| corrupt(contents.good_bytes, what))?;
    }
    if torn > 0 {
        tracing::warn!(target: "sequencer", file = name, offset = contents.good_bytes, bytes = torn, "cut off a torn tail");
        metrics::counter!("journal_torn_bytes_total").increment(torn);
    }
    if contents.good_bytes < length {
        disk.truncate(&name, contents.good_bytes)
            .map_err(failed("truncate"))?;
    }
    found.segments.push_back(number);
    found.length = contents.good_bytes;
    Ok(())
}

/// Syncs what was read. A process that died between writing and syncing left bytes that are read like any other and that a power cut still
/// takes; what is recovered is shown and signed for, so it has to be on the disk first. Segments before the last were synced before the
/// next was begun.
fn make_durable(disk: &mut dyn Disk, found: &Found) -> Result<(), JournalError> {
    let Some(last) = found.segments.back() else {
        return Ok(());
    };
    let name = file_name(*last);
    disk.sync(&name)
        .map_err(|source| io_error("sync", &name, source))?;
    disk.sync_folder()
        .map_err(|source| io_error("sync the folder of", &name, source))
}
