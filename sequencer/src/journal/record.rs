//! What the journal remembers, one record each, and their bytes. `docs/journal.md` has the byte table.

use crate::store::codec::{DecodeError, finish, take};
use alloy::primitives::{Address, B64, B256, Bytes};
use tributary_protocol::{attributes::BlockAttributes, block::L2BlockNumber};

/// Bytes of a record's body at most. The largest is the inputs of a block that opens an epoch with many deposits: all calldata that fits
/// into an L1 block is a few megabytes.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// A transaction that was taken, and its place in line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Place in line. Counts up from 1; never given twice.
    pub sequence: u64,
    /// Wall clock when it came, microseconds since 1970.
    pub arrival_micros: u64,
    /// Who signed it, recovered when it came.
    pub sender: Address,
    /// EIP-2718 bytes.
    pub raw: Bytes,
}

/// A block that has been opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Number it will have.
    pub number: L2BlockNumber,
    /// Hash of the block it builds on; zero if that is the block closed before it, which was being sealed.
    pub parent: B256,
    /// Its inputs; `transactions` are the forced ones that it starts with.
    pub attributes: BlockAttributes,
}

/// Why a transaction that was taken will not execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DropReason {
    /// Refused by execution, replaced, or stuck for too long.
    Removed = 1,
}

/// Everything known at the beginning of a segment but the transactions themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The next sequence to give.
    pub next_sequence: u64,
    /// Sequences that go first, in order: acknowledged, and in no block any more.
    pub owed: Vec<u64>,
    /// The block that takes no more transactions and is not in the store yet, and what it has executed, in order.
    pub closed: Option<(Opened, Vec<u64>)>,
    /// The open block and what it has executed, in order.
    pub open: Option<(Opened, Vec<u64>)>,
}

/// In the flag of a [`State`]: there is an open block.
const HAS_OPEN: u8 = 1;
/// In the flag of a [`State`]: there is a closed block.
const HAS_CLOSED: u8 = 2;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A transaction was taken. Again with the same sequence when its segment is about to be dropped.
    Admitted(Admission),
    /// A transaction will not execute.
    Dropped(u64, DropReason),
    /// A block was opened.
    Opened(Opened),
    /// The open block has executed the transaction with this sequence, at this index.
    Executed {
        /// Of the open block.
        number: L2BlockNumber,
        /// In the block, forced transactions included.
        index: u32,
        /// Which transaction.
        sequence: u64,
    },
    /// The open block takes no more transactions. The next one may be opened on it.
    Closed(L2BlockNumber),
    /// The closed block, or else the open one, is in the store.
    Sealed {
        /// Its number.
        number: L2BlockNumber,
        /// Its hash.
        hash: B256,
    },
    /// Neither the open block nor a closed one before it will be.
    Abandoned(L2BlockNumber),
    /// The store is about to take blocks above this one back; what they held follows, as [`Self::Returned`].
    Reverted(L2BlockNumber),
    /// A transaction of a block that is taken back.
    Returned(Admission),
    /// First in every segment.
    State(Box<State>),
}

impl Record {
    /// Appends the body to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Admitted(admission) => encode_admission(1, admission, out),
            Self::Dropped(sequence, reason) => {
                out.push(2);
                put(out, *sequence);
                out.push(*reason as u8);
            }
            Self::Opened(opened) => {
                out.push(3);
                encode_opened(opened, out);
            }
            Self::Executed {
                number,
                index,
                sequence,
            } => {
                out.push(4);
                put(out, number.0);
                out.extend_from_slice(&index.to_be_bytes());
                put(out, *sequence);
            }
            Self::Sealed { number, hash } => {
                out.push(5);
                put(out, number.0);
                out.extend_from_slice(hash.as_slice());
            }
            Self::Abandoned(number) => {
                out.push(6);
                put(out, number.0);
            }
            Self::Reverted(number) => {
                out.push(7);
                put(out, number.0);
            }
            Self::Returned(admission) => encode_admission(8, admission, out),
            Self::State(state) => {
                out.push(9);
                put(out, state.next_sequence);
                put_sequences(out, &state.owed);
                let has = |block: &Option<_>, flag| if block.is_some() { flag } else { 0 };
                out.push(has(&state.closed, HAS_CLOSED) | has(&state.open, HAS_OPEN));
                for (opened, executed) in state.closed.iter().chain(&state.open) {
                    put_sequences(out, executed);
                    encode_opened(opened, out);
                }
            }
            Self::Closed(number) => {
                out.push(10);
                put(out, number.0);
            }
        }
    }

    /// Reads a body to its last byte.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        if body.len() > RECORD_BYTES_MAX {
            return Err("record is over the limit");
        }
        let mut rest = body;
        let [kind] = take(&mut rest)?;
        let record = match kind {
            1 => Self::Admitted(take_admission(&mut rest)?),
            2 => {
                let sequence = take_u64(&mut rest)?;
                match take(&mut rest)? {
                    [1] => Self::Dropped(sequence, DropReason::Removed),
                    _ => return Err("unknown reason"),
                }
            }
            3 => Self::Opened(take_opened(&mut rest)?),
            4 => Self::Executed {
                number: L2BlockNumber(take_u64(&mut rest)?),
                index: u32::from_be_bytes(take(&mut rest)?),
                sequence: take_u64(&mut rest)?,
            },
            5 => Self::Sealed {
                number: L2BlockNumber(take_u64(&mut rest)?),
                hash: B256::from(take::<32>(&mut rest)?),
            },
            6 => Self::Abandoned(L2BlockNumber(take_u64(&mut rest)?)),
            7 => Self::Reverted(L2BlockNumber(take_u64(&mut rest)?)),
            8 => Self::Returned(take_admission(&mut rest)?),
            9 => {
                let (next_sequence, owed) = (take_u64(&mut rest)?, take_sequences(&mut rest)?);
                let [has] = take(&mut rest)?;
                if has > HAS_OPEN | HAS_CLOSED {
                    return Err("unknown flag of a state");
                }
                let mut block = |flag| -> Result<_, DecodeError> {
                    if has & flag == 0 {
                        return Ok(None);
                    }
                    let executed = take_sequences(&mut rest)?;
                    Ok(Some((take_opened(&mut rest)?, executed)))
                };
                let (closed, open) = (block(HAS_CLOSED)?, block(HAS_OPEN)?);
                Self::State(Box::new(State {
                    next_sequence,
                    owed,
                    closed,
                    open,
                }))
            }
            10 => Self::Closed(L2BlockNumber(take_u64(&mut rest)?)),
            _ => return Err("unknown kind of record"),
        };
        finish(rest, record)
    }
}

fn put(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("a record is far shorter than 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
}

fn put_sequences(out: &mut Vec<u8>, sequences: &[u64]) {
    put_length(out, sequences.len());
    for sequence in sequences {
        put(out, *sequence);
    }
}

fn encode_admission(kind: u8, admission: &Admission, out: &mut Vec<u8>) {
    out.push(kind);
    put(out, admission.sequence);
    put(out, admission.arrival_micros);
    out.extend_from_slice(admission.sender.as_slice());
    out.extend_from_slice(&admission.raw);
}

fn encode_opened(opened: &Opened, out: &mut Vec<u8>) {
    let attributes = &opened.attributes;
    put(out, opened.number.0);
    out.extend_from_slice(opened.parent.as_slice());
    put(out, attributes.timestamp);
    out.extend_from_slice(attributes.prev_randao.as_slice());
    out.extend_from_slice(attributes.fee_recipient.as_slice());
    out.extend_from_slice(attributes.parent_beacon_block_root.as_slice());
    put(out, attributes.gas_limit);
    out.extend_from_slice(attributes.eip1559_params.as_slice());
    out.push(u8::from(attributes.min_base_fee.is_some()));
    put(out, attributes.min_base_fee.unwrap_or_default());
    out.push(u8::from(attributes.no_tx_pool));
    put_length(out, attributes.transactions.len());
    for transaction in &attributes.transactions {
        put_length(out, transaction.len());
        out.extend_from_slice(transaction);
    }
}

fn take_u64(rest: &mut &[u8]) -> Result<u64, DecodeError> {
    take(rest).map(u64::from_be_bytes)
}

fn take_flag(rest: &mut &[u8]) -> Result<bool, DecodeError> {
    match take(rest)? {
        [0] => Ok(false),
        [1] => Ok(true),
        _ => Err("a flag is neither 0 nor 1"),
    }
}

/// A count of things of at least `bytes_each` bytes that follow: never more than what is left can hold, so it is safe to allocate for.
fn take_count(rest: &mut &[u8], bytes_each: usize) -> Result<usize, DecodeError> {
    let count = u32::from_be_bytes(take(rest)?) as usize;
    if count > rest.len() / bytes_each {
        return Err("value ends early");
    }
    Ok(count)
}

fn take_sequences(rest: &mut &[u8]) -> Result<Vec<u64>, DecodeError> {
    let count = take_count(rest, 8)?;
    (0..count).map(|_| take_u64(rest)).collect()
}

fn take_admission(rest: &mut &[u8]) -> Result<Admission, DecodeError> {
    let admission = Admission {
        sequence: take_u64(rest)?,
        arrival_micros: take_u64(rest)?,
        sender: Address::from(take::<20>(rest)?),
        raw: Bytes::copy_from_slice(rest),
    };
    *rest = &[];
    if admission.raw.is_empty() {
        return Err("no transaction");
    }
    Ok(admission)
}

fn take_opened(rest: &mut &[u8]) -> Result<Opened, DecodeError> {
    let number = L2BlockNumber(take_u64(rest)?);
    let parent = B256::from(take::<32>(rest)?);
    let timestamp = take_u64(rest)?;
    let prev_randao = B256::from(take::<32>(rest)?);
    let fee_recipient = Address::from(take::<20>(rest)?);
    let parent_beacon_block_root = B256::from(take::<32>(rest)?);
    let gas_limit = take_u64(rest)?;
    let eip1559_params = B64::from(take::<8>(rest)?);
    let min_base_fee = match (take_flag(rest)?, take_u64(rest)?) {
        (true, fee) => Some(fee),
        (false, 0) => None,
        (false, _) => return Err("a fee that is not there is not zero"),
    };
    let no_tx_pool = take_flag(rest)?;
    let count = take_count(rest, 4)?;
    let mut transactions = Vec::with_capacity(count);
    for _ in 0..count {
        let length = take_count(rest, 1)?;
        let (transaction, after) = rest.split_at(length);
        transactions.push(Bytes::copy_from_slice(transaction));
        *rest = after;
    }
    Ok(Opened {
        number,
        parent,
        attributes: BlockAttributes {
            timestamp,
            prev_randao,
            fee_recipient,
            parent_beacon_block_root,
            gas_limit,
            eip1559_params,
            min_base_fee,
            transactions,
            no_tx_pool,
        },
    })
}

#[cfg(test)]
mod tests;
