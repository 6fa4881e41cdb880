//! A segment: one file of the journal. Frames with a checksum each, grouped into batches that were synced together.
//!
//! ```text
//!  header | batch frame, record frame, record frame ... | batch frame, record frame ... | ...
//!            ^ written only once everything before it is durable
//! ```
//! That is how a torn tail and damage are told apart: a power cut may leave anything in the last batch, which nobody was told of, but a bad
//! frame with a whole batch frame after it was durable once, and somebody may have been told.

use super::{
    JournalError,
    record::{RECORD_BYTES_MAX, Record},
};
use crate::store::{ChainIdentity, codec::take};
use alloy::primitives::B256;

/// Layout version in every header.
pub const JOURNAL_VERSION: u32 = 1;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 72;

const MAGIC: &[u8; 8] = b"TRIBJRNL";

/// Length and checksum in front of a body.
const FRAME_OVERHEAD: usize = 8;

/// First byte of a batch frame's body; records begin with their kind, which is never this.
const BATCH: u8 = 0xb0;

/// A batch frame's body: the tag, the segment's number, the frame's own offset.
const BATCH_BODY_BYTES: usize = 17;

/// Name of a segment's file.
pub(super) fn file_name(number: u64) -> String {
    format!("{number:016x}.journal")
}

/// The number in a file's name, if it is one of ours.
pub(super) fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".journal")?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    (file_name(number) == name).then_some(number)
}

/// The header of segment `number`, which follows one of `previous_bytes`.
pub(super) fn header(identity: ChainIdentity, number: u64, previous_bytes: u64) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&JOURNAL_VERSION.to_be_bytes());
    out.extend_from_slice(&identity.chain_id.to_be_bytes());
    out.extend_from_slice(identity.genesis_hash.as_slice());
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&previous_bytes.to_be_bytes());
    let checksum = crc32fast::hash(&out);
    out.extend_from_slice(&checksum.to_be_bytes());
    out
}

/// Appends a record as a frame.
pub(super) fn put_record(out: &mut Vec<u8>, record: &Record) {
    put_frame(out, |body| record.encode(body));
}

/// Appends a batch frame that will stand at `offset` of segment `number`.
pub(super) fn put_batch(out: &mut Vec<u8>, number: u64, offset: u64) {
    put_frame(out, |body| {
        body.push(BATCH);
        body.extend_from_slice(&number.to_be_bytes());
        body.extend_from_slice(&offset.to_be_bytes());
    });
}

/// Bytes of a batch frame.
pub(super) const BATCH_FRAME_BYTES: usize = FRAME_OVERHEAD + BATCH_BODY_BYTES;

fn put_frame(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_OVERHEAD]);
    body(out);
    let length =
        u32::try_from(out.len() - start - FRAME_OVERHEAD).expect("a record is far shorter than 4 GiB");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    let checksum = checksum(&out[start..start + 4], &out[start + FRAME_OVERHEAD..]);
    out[start + 4..start + FRAME_OVERHEAD].copy_from_slice(&checksum.to_be_bytes());
}

fn checksum(length: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(length);
    hasher.update(body);
    hasher.finalize()
}

/// The body of the frame at the start of `bytes`, if there is a whole one.
fn frame(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (expected, rest) = rest.split_first_chunk::<4>()?;
    let size = u32::from_be_bytes(*length) as usize;
    let body = rest
        .get(..size)
        .filter(|_| size > 0 && size <= RECORD_BYTES_MAX)?;
    (checksum(length, body) == u32::from_be_bytes(*expected)).then_some(body)
}

fn is_batch(body: &[u8], number: u64, offset: usize) -> bool {
    let mut expected = [BATCH; BATCH_BODY_BYTES];
    expected[1..9].copy_from_slice(&number.to_be_bytes());
    expected[9..].copy_from_slice(&(offset as u64).to_be_bytes());
    body == expected
}

/// A segment with these records in one batch, as the first of its journal.
#[must_use]
pub fn write(records: &[Record], number: u64, identity: ChainIdentity) -> Vec<u8> {
    let mut out = header(identity, number, 0);
    let offset = out.len() as u64;
    put_batch(&mut out, number, offset);
    for record in records {
        put_record(&mut out, record);
    }
    out
}

/// What a segment holds.
#[derive(Debug, Default)]
pub struct Contents {
    /// Bytes of the segment before this one, as its header has it; `None` if there is no whole header.
    pub previous_bytes: Option<u64>,
    /// The records, in order.
    pub records: Vec<Record>,
    /// Bytes up to the end of the last good frame; what follows is a torn tail.
    pub good_bytes: u64,
}

/// Reads segment `number` from the bytes of its file.
///
/// # Errors
/// When it is another chain's or another version's, or when bytes that were durable once are damaged. A torn tail is none.
pub fn read(bytes: &[u8], number: u64, identity: ChainIdentity) -> Result<Contents, JournalError> {
    let file = || file_name(number);
    let corrupt = |offset: usize, what| JournalError::Corrupt {
        file: file(),
        offset: offset as u64,
        what,
    };
    let Some(previous_bytes) = read_header(bytes, number, identity)? else {
        // Nobody is told of anything in a segment before its second batch is being written.
        return match next_batch(bytes, 1, number).and_then(|first| next_batch(bytes, first + 1, number)) {
            Some(_) => Err(corrupt(0, "the header does not hold")),
            None => Ok(Contents::default()),
        };
    };
    let mut contents = Contents {
        previous_bytes: Some(previous_bytes),
        ..Contents::default()
    };
    let mut offset = HEADER_BYTES;
    while offset < bytes.len() {
        let Some(body) = frame(&bytes[offset..]) else {
            // Room is not searched: it is long, and holds nothing.
            let searched = bytes.len().min(written_bytes(bytes) + BATCH_FRAME_BYTES);
            if next_batch(&bytes[..searched], offset + 1, number).is_some() {
                return Err(corrupt(offset, "the frame does not match its checksum"));
            }
            break;
        };
        if body[0] != BATCH {
            let record = Record::decode(body).map_err(|what| corrupt(offset, what))?;
            contents.records.push(record);
        } else if !is_batch(body, number, offset) {
            return Err(corrupt(offset, "a batch frame stands where it was not written"));
        }
        offset += FRAME_OVERHEAD + body.len();
    }
    contents.good_bytes = offset as u64;
    Ok(contents)
}

/// Bytes before the zeros at the end.
pub(super) fn written_bytes(bytes: &[u8]) -> usize {
    let last = bytes.iter().rposition(|byte| *byte != 0);
    last.map_or(0, |last| last + 1)
}

/// The first batch frame at or after `from`.
fn next_batch(bytes: &[u8], from: usize, number: u64) -> Option<usize> {
    let last = bytes.len().checked_sub(BATCH_FRAME_BYTES)?;
    let looks_like = |offset: &usize| bytes[offset + FRAME_OVERHEAD] == BATCH;
    (from..=last)
        .filter(looks_like)
        .find(|offset| frame(&bytes[*offset..]).is_some_and(|body| is_batch(body, number, *offset)))
}

/// Bytes of the segment before; `None` if the header is not whole.
fn read_header(bytes: &[u8], number: u64, identity: ChainIdentity) -> Result<Option<u64>, JournalError> {
    let Some(mut rest) = bytes.get(..HEADER_BYTES) else {
        return Ok(None);
    };
    let (checked, expected) = rest.split_at(HEADER_BYTES - 4);
    if expected != crc32fast::hash(checked).to_be_bytes() {
        return Ok(None);
    }
    let file = || file_name(number);
    let short = "a header has fixed length";
    if take::<8>(&mut rest).expect(short) != *MAGIC {
        return Err(JournalError::Corrupt {
            file: file(),
            offset: 0,
            what: "it is no segment",
        });
    }
    let version = u32::from_be_bytes(take(&mut rest).expect(short));
    if version != JOURNAL_VERSION {
        return Err(JournalError::Version {
            file: file(),
            expected: JOURNAL_VERSION,
            found: version,
        });
    }
    let found = ChainIdentity {
        chain_id: u64::from_be_bytes(take(&mut rest).expect(short)),
        genesis_hash: B256::from(take::<32>(&mut rest).expect(short)),
    };
    if found != identity {
        return Err(JournalError::OtherChain {
            file: file(),
            expected: identity,
            found,
        });
    }
    if u64::from_be_bytes(take(&mut rest).expect(short)) != number {
        return Err(JournalError::Corrupt {
            file: file(),
            offset: 0,
            what: "it was written under another number",
        });
    }
    Ok(Some(u64::from_be_bytes(take(&mut rest).expect(short))))
}
