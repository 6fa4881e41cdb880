//! A sender's part of the queue, and where its lowest nonce stands in line.

use crate::pool::PooledTransaction;
use alloy::primitives::U256;
use core::cmp::Reverse;
use std::collections::BTreeMap;

/// Position in line; the smallest goes first. `order` is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) class: Class,
    pub(super) tip: Reverse<u128>,
    pub(super) order: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Acknowledged,
    Favoured,
    Ordinary,
}

/// Position among the transactions that may make room for a better one; the smallest goes first. One per account: its highest nonce, so
/// that nothing is left behind a gap by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Exit {
    /// False for what waits behind a gap: it goes before anything that can execute.
    pub(super) is_pending: bool,
    pub(super) tip: u128,
    /// The latest first.
    pub(super) order: Reverse<i64>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) transaction: PooledTransaction,
    pub(super) acknowledged: bool,
    /// Counts up with arrivals; acknowledged transactions that come back count down from zero.
    pub(super) order: i64,
}

/// A sender with something waiting or executed.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Nonce after everything of this sender that the chain or the open block holds.
    pub(super) next: u64,
    /// The first nonce at or after `next` that is missing.
    pub(super) end: u64,
    pub(super) waiting: BTreeMap<u64, Entry>,
    /// Sums over `waiting`.
    pub(super) bytes: usize,
    pub(super) cost: U256,
    /// Transactions in the open block.
    pub(super) executed: usize,
    pub(super) rank: Option<Rank>,
    /// Where its last transaction stands among those that may make room.
    pub(super) exit: Option<Exit>,
    pub(super) deferred: bool,
}

impl Account {
    pub(super) fn queued(&self) -> usize {
        self.waiting.range(self.end..).count()
    }

    pub(super) fn extend_run(&mut self) {
        self.end = self.end.max(self.next);
        while self.waiting.contains_key(&self.end) {
            self.end += 1;
        }
    }
}
