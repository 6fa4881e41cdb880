//! Which blocks hold logs of an address or with a topic, so that a search for few logs in many blocks reads few blocks.
//!
//! ```text
//!  key   kind u8 ‖ last 8 bytes of the value ‖ block number u64      value   nothing
//!  kind  0 any log at all, 1 address, 2 to 5 topic 0 to 3, 255 more values in the block than are written down
//! ```
//! Written in the batch that commits a block and deleted in the one that takes it back, both from the block's receipts. A block without
//! logs writes nothing. Values are cut and may collide, and a block that matches address and topic may match them in different logs: what is
//! found here are candidates, and no block that is not one holds a match.

use super::{Snapshot, StoreError, Table, WriteBatch, reader::corrupt};
use alloy::primitives::{Address, B256};
use op_alloy_consensus::OpReceiptEnvelope;
use std::collections::BTreeSet;
use tributary_protocol::block::L2BlockNumber;

/// Values of one block that are written down: at two microseconds each about 10 ms. A block with more is a candidate for every search.
const VALUES_MAX: usize = 4_096;

const ANY: u8 = 0;
const ADDRESS: u8 = 1;
const TOPIC_0: u8 = 2;
const CROWDED: u8 = u8::MAX;

/// Kind and value: a key without its block number.
type Prefix = [u8; 9];

fn prefix(kind: u8, value: &[u8]) -> Prefix {
    let mut prefix = [kind; 9];
    prefix[1..].copy_from_slice(&value[value.len() - 8..]);
    prefix
}

const fn bare(kind: u8) -> Prefix {
    [kind, 0, 0, 0, 0, 0, 0, 0, 0]
}

fn of_address(address: &Address) -> Prefix {
    prefix(ADDRESS, address.as_slice())
}

fn of_topic(position: u8, topic: &B256) -> Prefix {
    prefix(TOPIC_0 + position, topic.as_slice())
}

fn key(prefix: &Prefix, number: u64) -> Vec<u8> {
    [&prefix[..], &number.to_be_bytes()].concat()
}

/// What is written for a block with these receipts.
fn prefixes(receipts: &[OpReceiptEnvelope]) -> BTreeSet<Prefix> {
    let mut found = BTreeSet::new();
    for log in receipts.iter().flat_map(OpReceiptEnvelope::logs) {
        found.insert(bare(ANY));
        found.insert(of_address(&log.address));
        for (topic, position) in log.topics().iter().zip(0..) {
            found.insert(of_topic(position, topic));
        }
        if found.len() > VALUES_MAX {
            return [bare(ANY), bare(CROWDED)].into();
        }
    }
    found
}

/// Writes down the logs of a block.
pub(super) fn put(batch: &mut WriteBatch, number: L2BlockNumber, receipts: &[OpReceiptEnvelope]) {
    for prefix in prefixes(receipts) {
        batch.put(Table::LogIndex, key(&prefix, number.0), []);
    }
}

/// Takes back what [`put`] wrote for the same block.
pub(super) fn delete(batch: &mut WriteBatch, number: L2BlockNumber, receipts: &[OpReceiptEnvelope]) {
    for prefix in prefixes(receipts) {
        batch.delete(Table::LogIndex, key(&prefix, number.0));
    }
}

/// A search for blocks: for each thing asked, a block must have one of the values that will do.
#[derive(Debug)]
pub struct LogQuery {
    wanted: Vec<Vec<Cursor>>,
}

impl LogQuery {
    /// Blocks with a log of one of `addresses`, and with one of the topics at each position; an empty list asks nothing.
    pub fn new<'a>(
        addresses: impl IntoIterator<Item = &'a Address>,
        topics: impl IntoIterator<Item = impl IntoIterator<Item = &'a B256>>,
    ) -> Self {
        let mut wanted: Vec<Vec<Prefix>> = vec![addresses.into_iter().map(of_address).collect()];
        for (topics, position) in topics.into_iter().zip(0..) {
            wanted.push(
                topics
                    .into_iter()
                    .map(|topic| of_topic(position, topic))
                    .collect(),
            );
        }
        wanted.retain(|values| !values.is_empty());
        let with_crowded = |mut values: Vec<Prefix>| {
            values.push(bare(CROWDED));
            values.into_iter().map(Cursor::new).collect()
        };
        if wanted.is_empty() {
            wanted.push(vec![bare(ANY)]);
        }
        Self {
            wanted: wanted.into_iter().map(with_crowded).collect(),
        }
    }

    /// The first block from `from` to `to`, both included, that may hold a match. Ask in ascending order.
    ///
    /// # Errors
    /// When the read fails or an entry is corrupt.
    pub fn next(
        &mut self,
        snapshot: &dyn Snapshot,
        from: L2BlockNumber,
        to: L2BlockNumber,
    ) -> Result<Option<L2BlockNumber>, StoreError> {
        let mut number = from.0;
        // What one thing asked cannot have, no other needs to be asked about.
        let mut agreed = 0;
        while agreed < self.wanted.len() {
            let mut nearest = None;
            for cursor in &mut self.wanted[agreed] {
                let next = cursor.at_or_after(snapshot, number)?;
                nearest = nearest.into_iter().chain(next).min();
            }
            match nearest {
                Some(next) if next <= to.0 => {
                    agreed = if next == number || agreed == 0 {
                        agreed + 1
                    } else {
                        0
                    };
                    number = next;
                }
                _ => return Ok(None),
            }
        }
        Ok((number <= to.0).then_some(L2BlockNumber(number)))
    }
}

/// Walks the blocks of one value.
#[derive(Debug)]
struct Cursor {
    prefix: Prefix,
    /// The last block found, or where the search begins.
    seen: Option<u64>,
    is_exhausted: bool,
}

impl Cursor {
    const fn new(prefix: Prefix) -> Self {
        Self {
            prefix,
            seen: None,
            is_exhausted: false,
        }
    }

    fn at_or_after(&mut self, snapshot: &dyn Snapshot, number: u64) -> Result<Option<u64>, StoreError> {
        if self.is_exhausted || self.seen.is_some_and(|seen| seen >= number) {
            return Ok(self.seen.filter(|_| !self.is_exhausted));
        }
        let found = snapshot.first_at_or_after(Table::LogIndex, &key(&self.prefix, number))?;
        let found = found.filter(|(key, _)| key.starts_with(&self.prefix));
        let Some((key, _)) = found else {
            self.is_exhausted = true;
            return Ok(None);
        };
        let number = key[self.prefix.len()..]
            .try_into()
            .map_err(|_| corrupt(Table::LogIndex, &key, "key has another length"))?;
        self.seen = Some(u64::from_be_bytes(number));
        Ok(self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Durability, MemoryStore, Store},
        *,
    };
    use alloy::{
        consensus::Receipt,
        primitives::{Bytes, Log, LogData},
    };
    use parking_lot::Mutex;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn receipt(logs: Vec<Log>) -> OpReceiptEnvelope {
        let receipt = Receipt {
            logs,
            ..Receipt::default()
        };
        OpReceiptEnvelope::Legacy(receipt.with_bloom())
    }

    fn log(address: u8, topics: &[u8]) -> Log {
        let topics = topics.iter().map(|topic| B256::with_last_byte(*topic)).collect();
        Log {
            address: Address::with_last_byte(address),
            data: LogData::new_unchecked(topics, Bytes::new()),
        }
    }

    /// Counts seeks.
    struct Counting(Arc<dyn Snapshot>, Mutex<usize>);

    impl Snapshot for Counting {
        fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
            self.0.get(table, key)
        }

        fn first_at_or_after(&self, table: Table, from: &[u8]) -> Result<Option<(Bytes, Bytes)>, StoreError> {
            *self.1.lock() += 1;
            self.0.first_at_or_after(table, from)
        }

        fn last_at_or_before(&self, table: Table, to: &[u8]) -> Result<Option<(Bytes, Bytes)>, StoreError> {
            self.0.last_at_or_before(table, to)
        }
    }

    fn all(query: &mut LogQuery, snapshot: &dyn Snapshot, from: u64, to: u64) -> Vec<u64> {
        let (mut found, mut next) = (Vec::new(), from);
        while let Some(number) = query
            .next(snapshot, L2BlockNumber(next), L2BlockNumber(to))
            .unwrap()
        {
            found.push(number.0);
            next = number.0 + 1;
        }
        found
    }

    #[test]
    fn a_block_without_logs_writes_nothing() {
        let mut batch = WriteBatch::default();
        put(
            &mut batch,
            L2BlockNumber(7),
            &[receipt(Vec::new()), receipt(Vec::new())],
        );
        assert!(batch.into_writes().is_empty());
    }

    #[test]
    fn a_crowded_block_writes_two_entries_and_is_a_candidate_for_everything() {
        let logs = (0..5_000_u64).map(|topic| Log {
            address: Address::ZERO,
            data: LogData::new_unchecked(
                vec![B256::from(alloy::primitives::U256::from(topic))],
                Bytes::new(),
            ),
        });
        let mut batch = WriteBatch::default();
        put(&mut batch, L2BlockNumber(7), &[receipt(logs.collect())]);
        let store = MemoryStore::default();
        assert_eq!(batch.clone().into_writes().len(), 2);
        store.write(batch, Durability::Lazy).unwrap();
        let snapshot = store.snapshot();
        let (address, topic) = (Address::with_last_byte(9), B256::with_last_byte(9));
        let mut query = LogQuery::new([&address], [[&topic]]);
        assert_eq!(all(&mut query, &*snapshot, 0, 10), [7]);
    }

    #[test]
    fn a_sparse_search_takes_seeks_for_what_it_finds_and_not_for_what_lies_between() {
        let store = MemoryStore::default();
        for number in 0..10_000 {
            let mut batch = WriteBatch::default();
            let logs = if number % 2_500 == 3 {
                vec![log(1, &[2])]
            } else {
                vec![log(3, &[2])]
            };
            put(&mut batch, L2BlockNumber(number), &[receipt(logs)]);
            store.write(batch, Durability::Lazy).unwrap();
        }
        let counting = Counting(store.snapshot(), Mutex::new(0));
        let (address, topic) = (Address::with_last_byte(1), B256::with_last_byte(2));
        let mut query = LogQuery::new([&address], [[&topic]]);
        assert_eq!(all(&mut query, &counting, 0, 9_999), [3, 2_503, 5_003, 7_503]);
        let seeks = *counting.1.lock();
        assert!(seeks <= 20, "{seeks} seeks for 4 of 10,000 blocks");
    }

    type Wanted = (Vec<u8>, Vec<Vec<u8>>);

    fn matches(log: &Log, (addresses, topics): &Wanted) -> bool {
        let has = |values: &Vec<u8>, value: Option<u8>| {
            values.is_empty() || value.is_some_and(|value| values.contains(&value))
        };
        has(addresses, Some(log.address[19]))
            && topics
                .iter()
                .enumerate()
                .all(|(position, wanted)| has(wanted, log.topics().get(position).map(|topic| topic[31])))
    }

    proptest! {
        /// Blocks are put and taken back as in a reorg; what is left must be found, and what is gone must leave nothing.
        #[test]
        fn no_match_is_missed_and_nothing_remains_of_what_was_taken_back(
            blocks in prop::collection::vec(
                prop::collection::vec((0..4_u8, prop::collection::vec(0..4_u8, 0..5)), 0..4), 1..40),
            reorgs in prop::collection::vec((0..40_usize, prop::collection::vec((0..4_u8, prop::collection::vec(0..4_u8, 0..5)), 0..4)), 0..6),
            wanted in (prop::collection::vec(0..4_u8, 0..3), prop::collection::vec(prop::collection::vec(0..4_u8, 0..3), 0..5)),
            range in (0..40_u64, 0..45_u64),
        ) {
            let store = MemoryStore::default();
            let block = |logs: &Vec<(u8, Vec<u8>)>| -> Vec<Log> {
                logs.iter().map(|(address, topics)| log(*address, &topics[..topics.len().min(4)])).collect()
            };
            let mut chain: Vec<Vec<Log>> = Vec::new();
            let write = |number: usize, logs: &Vec<Log>, revert: bool| {
                let mut batch = WriteBatch::default();
                let change = if revert { delete } else { put };
                change(&mut batch, L2BlockNumber(number as u64), &[receipt(logs.clone())]);
                store.write(batch, Durability::Lazy).unwrap();
            };
            for logs in &blocks {
                let logs = block(logs);
                write(chain.len(), &logs, false);
                chain.push(logs);
            }
            for (to, logs) in &reorgs {
                while chain.len() > *to {
                    let gone = chain.pop().unwrap();
                    write(chain.len(), &gone, true);
                }
                let logs = block(logs);
                write(chain.len(), &logs, false);
                chain.push(logs);
            }
            let snapshot = store.snapshot();
            let addresses: Vec<Address> = wanted.0.iter().map(|byte| Address::with_last_byte(*byte)).collect();
            let topics: Vec<Vec<B256>> = wanted.1.iter().take(4)
                .map(|topics| topics.iter().map(|byte| B256::with_last_byte(*byte)).collect()).collect();
            let mut query = LogQuery::new(&addresses, &topics);
            let found = all(&mut query, &*snapshot, range.0, range.1);
            prop_assert!(found.is_sorted());
            let wanted = (wanted.0, wanted.1.into_iter().take(4).collect::<Vec<_>>());
            for (number, logs) in chain.iter().enumerate() {
                let number = number as u64;
                let is_match = logs.iter().any(|log| matches(log, &wanted));
                let in_range = (range.0..=range.1).contains(&number);
                if is_match && in_range {
                    prop_assert!(found.contains(&number), "block {number} is missed");
                }
            }
            for number in found {
                prop_assert!(chain.get(usize::try_from(number).unwrap()).is_some_and(|logs| !logs.is_empty()));
            }
            for (number, logs) in chain.iter().enumerate().rev() {
                write(number, logs, true);
            }
            prop_assert_eq!(store.snapshot().first_at_or_after(Table::LogIndex, &[]).unwrap(), None);
        }
    }
}
