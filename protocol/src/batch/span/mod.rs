//! The batch of a run of consecutive blocks, in columns so that it compresses well.
//!
//! | bytes     | field                                                                                              |
//! | --------- | -------------------------------------------------------------------------------------------------- |
//! | 1         | type: 01                                                                                           |
//! | uvarint   | time of the first block, in seconds after genesis of L2                                            |
//! | uvarint   | number of the last block's L1 origin                                                               |
//! | 20        | parent check: start of the hash of the block before the first                                      |
//! | 20        | L1 origin check: start of the hash of the last block's L1 origin                                   |
//! | uvarint   | blocks, at least 1                                                                                 |
//! | bits      | origin bits, one per block: its L1 origin is the next one after its parent's                       |
//! | uvarint … | transactions of each block                                                                         |
//! | bits      | contract creation bits, one per transaction                                                        |
//! | bits      | y parity bits, one per transaction                                                                 |
//! | 64 …      | signatures: r and s of each transaction                                                            |
//! | 20 …      | recipient of each transaction that creates no contract                                             |
//! | list …    | of each transaction: type byte (none for legacy), `rlp[value, gas price or tip and fee cap, data, …]` |
//! | uvarint … | nonce of each transaction                                                                          |
//! | uvarint … | gas limit of each transaction                                                                      |
//! | bits      | protected bits, one per legacy transaction: signed for this chain only (EIP-155)                   |
//!
//! uvarint: seven bits to a byte, lowest first, top bit set on all but the last byte. bits: a big-endian integer whose lowest bit is
//! the first element, in as few bytes as hold them; no other bit is set. Legacy, 01, 02 and 04 transactions have a place here;
//! blobs, deposits and anything unknown have not. No count exceeds [`MAX_SPAN_BATCH_ELEMENT_COUNT`].
//!
//! Two liberties of op-node's decoder are kept, for what one derives the other must: numbers in a longer form than needed, and bytes
//! behind the last field, are accepted. Our encoder uses neither. Spec: OP Stack, protocol/delta/span-batches, isthmus/derivation.

mod bits;
mod cursor;
mod error;
mod items;
#[cfg(test)]
mod tests;
mod transaction;
mod wire;

pub use error::{BlockTransactionError, MissingL1Origin, SpanEncodeError, SpanError};
pub use transaction::TransactionError;

use super::SingularBatch;
use crate::{block::L1BlockNumber, config::RollupConfig};
use alloc::vec::Vec;
use alloy_primitives::{B256, Bytes, FixedBytes};
use bits::Bits;

/// Type byte of span batches.
pub const SPAN_BATCH_TYPE: u8 = 0x01;
/// Most blocks of a span, most transactions of a block and of a span, and most bytes of one transaction's template.
pub const MAX_SPAN_BATCH_ELEMENT_COUNT: usize = 10_000_000;

/// Start of a hash.
type Check = FixedBytes<20>;

/// What of the chain's rules a span batch leaves out of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanParameters {
    /// Unix seconds of L2 genesis.
    pub genesis_time: u64,
    /// Seconds between L2 blocks.
    pub block_time_secs: u64,
    /// Chain id of L2.
    pub chain_id: u64,
}

impl From<&RollupConfig> for SpanParameters {
    fn from(config: &RollupConfig) -> Self {
        Self {
            genesis_time: config.genesis.l2_time,
            block_time_secs: config.block_time,
            chain_id: config.l2_chain_id,
        }
    }
}

/// What a run of consecutive L2 blocks was made from, deposits aside.
///
/// Invariants: at least one block; epochs do not fall below 0, times not above `u64::MAX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanBatch {
    parameters: SpanParameters,
    first_timestamp: u64,
    last_epoch: L1BlockNumber,
    parent_check: Check,
    l1_origin_check: Check,
    origin_bits: Bits,
    /// One per block; they add up to the length of `transactions`.
    transaction_counts: Vec<u32>,
    transactions: Vec<Bytes>,
}

/// One block of a span. Its parent's hash and its L1 origin's are not in the span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanBlock {
    /// Number of its L1 origin.
    pub epoch_number: L1BlockNumber,
    /// Unix seconds.
    pub timestamp: u64,
    /// EIP-2718 bytes, in order.
    pub transactions: Vec<Bytes>,
}

impl SpanBlock {
    /// The batch of this block alone.
    #[must_use]
    pub fn into_singular(self, parent_hash: B256, epoch_hash: B256) -> SingularBatch {
        SingularBatch {
            parent_hash,
            epoch_number: self.epoch_number,
            epoch_hash,
            timestamp: self.timestamp,
            transactions: self.transactions,
        }
    }
}

impl SpanBatch {
    /// Joins the batches of consecutive blocks. `first_sequence_number` is the sequence number of the first one: 0 if it opens its
    /// epoch. That transactions can be represented shows when the span is encoded.
    pub fn from_singular(
        batches: &[SingularBatch],
        first_sequence_number: u64,
        parameters: SpanParameters,
    ) -> Result<Self, SpanEncodeError> {
        let (Some(first), Some(last)) = (batches.first(), batches.last()) else {
            return Err(SpanEncodeError::NoBlocks);
        };
        if first.timestamp < parameters.genesis_time {
            let genesis_time = parameters.genesis_time;
            return Err(SpanEncodeError::BeforeGenesis {
                genesis_time,
                found: first.timestamp,
            });
        }
        for (index, pair) in batches.windows(2).enumerate() {
            check_follows(&pair[0], &pair[1], index + 1, parameters.block_time_secs)?;
        }
        let opens = batches
            .windows(2)
            .map(|pair| pair[0].epoch_number != pair[1].epoch_number);
        Ok(Self {
            parameters,
            first_timestamp: first.timestamp,
            last_epoch: last.epoch_number,
            parent_check: start_of(&first.parent_hash),
            l1_origin_check: start_of(&last.epoch_hash),
            origin_bits: core::iter::once(first_sequence_number == 0)
                .chain(opens)
                .collect(),
            transaction_counts: transaction_counts(batches)?,
            transactions: batches
                .iter()
                .flat_map(|batch| batch.transactions.iter().cloned())
                .collect(),
        })
    }

    /// Reads a batch, type byte included. The transactions are put together with the chain id of `parameters`.
    pub fn decode(bytes: &[u8], parameters: &SpanParameters) -> Result<Self, SpanError> {
        wire::decode(bytes, parameters)
    }

    /// Writes the batch, type byte included.
    pub fn encode(&self) -> Result<Vec<u8>, SpanEncodeError> {
        wire::encode(self)
    }

    /// Whether this can be the hash of the block before the first.
    #[must_use]
    pub fn matches_parent(&self, hash: &B256) -> bool {
        self.parent_check == start_of(hash)
    }

    /// Whether this can be the hash of the last block's L1 origin.
    #[must_use]
    pub fn matches_l1_origin(&self, hash: &B256) -> bool {
        self.l1_origin_check == start_of(hash)
    }

    /// Number of blocks, at least 1.
    #[must_use]
    pub const fn block_count(&self) -> usize {
        self.origin_bits.len()
    }

    /// Unix seconds of the first block.
    #[must_use]
    pub const fn first_timestamp(&self) -> u64 {
        self.first_timestamp
    }

    /// Unix seconds of the last block.
    #[must_use]
    pub const fn last_timestamp(&self) -> u64 {
        self.first_timestamp + self.parameters.block_time_secs * (self.block_count() as u64 - 1)
    }

    /// L1 origin of the first block.
    #[must_use]
    pub fn first_epoch(&self) -> L1BlockNumber {
        L1BlockNumber(self.last_epoch.0 - epochs_opened_after_first(&self.origin_bits))
    }

    /// L1 origin of the last block.
    #[must_use]
    pub const fn last_epoch(&self) -> L1BlockNumber {
        self.last_epoch
    }

    /// Whether the span says that its first block opens an epoch. Nothing follows from it: epochs are counted from the last block.
    #[must_use]
    pub fn opens_epoch(&self) -> bool {
        self.origin_bits.get(0)
    }

    /// The blocks, in order, each made when it is asked for: a span of empty blocks is small, all of them at once are not.
    pub fn blocks(&self) -> impl Iterator<Item = SpanBlock> + '_ {
        let mut next = NextBlock::first_of(self);
        core::iter::from_fn(move || next.take(self))
    }

    /// As [`Self::blocks`], keeping the span.
    #[must_use]
    pub fn into_blocks(self) -> SpanBlocks {
        SpanBlocks {
            next: NextBlock::first_of(&self),
            span: self,
        }
    }

    /// The batches of the single blocks. `epoch_hash` finds the hash of an L1 block by its number. Parent hashes are zero: each is
    /// known only when the block before has been executed.
    pub fn to_singular(
        &self,
        mut epoch_hash: impl FnMut(L1BlockNumber) -> Option<B256>,
    ) -> Result<Vec<SingularBatch>, MissingL1Origin> {
        self.blocks()
            .map(|block| {
                let epoch_number = block.epoch_number;
                let hash = epoch_hash(epoch_number).ok_or(MissingL1Origin { epoch_number })?;
                Ok(block.into_singular(B256::ZERO, hash))
            })
            .collect()
    }
}

/// The blocks of a span, and the span.
#[derive(Clone, Debug)]
pub struct SpanBlocks {
    span: SpanBatch,
    next: NextBlock,
}

impl SpanBlocks {
    /// The span the blocks are taken from.
    #[must_use]
    pub const fn span(&self) -> &SpanBatch {
        &self.span
    }
}

impl Iterator for SpanBlocks {
    type Item = SpanBlock;

    fn next(&mut self) -> Option<SpanBlock> {
        self.next.take(&self.span)
    }
}

/// Where in its span the next block stands.
#[derive(Clone, Debug)]
struct NextBlock {
    index: usize,
    epoch_number: L1BlockNumber,
    timestamp: u64,
    /// Transactions of the blocks before.
    transactions: usize,
}

impl NextBlock {
    fn first_of(span: &SpanBatch) -> Self {
        Self {
            index: 0,
            epoch_number: span.first_epoch(),
            timestamp: span.first_timestamp,
            transactions: 0,
        }
    }

    fn take(&mut self, span: &SpanBatch) -> Option<SpanBlock> {
        let count = *span.transaction_counts.get(self.index)? as usize;
        if self.index > 0 {
            self.timestamp += span.parameters.block_time_secs;
            self.epoch_number.0 += u64::from(span.origin_bits.get(self.index));
        }
        let start = self.transactions;
        self.index += 1;
        self.transactions += count;
        Some(SpanBlock {
            epoch_number: self.epoch_number,
            timestamp: self.timestamp,
            transactions: span.transactions[start..self.transactions].to_vec(),
        })
    }
}

fn start_of(hash: &B256) -> Check {
    Check::from_slice(&hash[..20])
}

/// How many of the blocks after the first open an epoch.
fn epochs_opened_after_first(origin_bits: &Bits) -> u64 {
    origin_bits.count_ones() as u64 - u64::from(origin_bits.get(0))
}

/// Checks that `next`, at `index`, can stand behind `previous`.
fn check_follows(
    previous: &SingularBatch,
    next: &SingularBatch,
    index: usize,
    block_time_secs: u64,
) -> Result<(), SpanEncodeError> {
    if previous.timestamp.checked_add(block_time_secs) != Some(next.timestamp) {
        let expected = previous.timestamp.saturating_add(block_time_secs);
        return Err(SpanEncodeError::Timestamp {
            index,
            expected,
            found: next.timestamp,
        });
    }
    let same_epoch = previous.epoch_number == next.epoch_number && previous.epoch_hash == next.epoch_hash;
    if !same_epoch && previous.epoch_number.0.checked_add(1) != Some(next.epoch_number.0) {
        return Err(SpanEncodeError::Epoch {
            index,
            previous: previous.epoch_number,
            found: next.epoch_number,
        });
    }
    Ok(())
}

/// Transactions of each block, if the span holds as many blocks and transactions.
fn transaction_counts(batches: &[SingularBatch]) -> Result<Vec<u32>, SpanEncodeError> {
    let total = batches
        .iter()
        .map(|batch| batch.transactions.len())
        .sum::<usize>();
    let found = total.max(batches.len());
    if found > MAX_SPAN_BATCH_ELEMENT_COUNT {
        return Err(SpanEncodeError::TooManyElements { found });
    }
    let count = |batch: &SingularBatch| u32::try_from(batch.transactions.len());
    Ok(batches
        .iter()
        .map(count)
        .collect::<Result<_, _>>()
        .expect("no block has more than all"))
}
