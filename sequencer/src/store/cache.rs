//! Flat state read from disk, kept in memory up to a bound: the accounts and slots that a chain uses again and again.
//!
//! It belongs to one line of flushed states. An entry says since which flush it holds; a reader of an earlier state passes it by. Nothing
//! read from an earlier state gets in once a flush has begun, so an entry is right for every state since then.

use alloy::primitives::{Address, U256, map::DefaultHashBuilder};
use parking_lot::RwLock;
use quick_cache::{UnitWeighter, sync};
use tributary_protocol::{block::L2BlockNumber, state::Account};

/// Bytes an entry takes, about: key, value, and what the cache keeps beside them.
const ENTRY_BYTES: u64 = 192;

type Map<K, V> = sync::Cache<K, Since<V>, UnitWeighter, DefaultHashBuilder>;

#[derive(Clone, Copy, Debug)]
struct Since<V> {
    flushed: L2BlockNumber,
    value: V,
}

/// See the module.
pub(super) struct StateCache {
    bytes: u64,
    accounts: Map<Address, Option<Account>>,
    slots: Map<(Address, U256), U256>,
    /// The newest flushed state: only what was read from it may come in.
    newest: RwLock<L2BlockNumber>,
}

impl core::fmt::Debug for StateCache {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StateCache")
            .field("accounts", &self.accounts.len())
            .field("slots", &self.slots.len())
            .finish_non_exhaustive()
    }
}

impl StateCache {
    /// An empty cache of about `bytes`, for the state flushed at `newest` and those that follow it.
    pub(super) fn new(bytes: u64, newest: L2BlockNumber) -> Self {
        let half = (bytes / ENTRY_BYTES / 2).max(1);
        Self {
            bytes,
            accounts: map(half),
            slots: map(half),
            newest: RwLock::new(newest),
        }
    }

    /// An empty one of the same size, for another line of states.
    pub(super) fn emptied(&self, newest: L2BlockNumber) -> Self {
        Self::new(self.bytes, newest)
    }

    /// The account in the state flushed at `base`; `None` when it is not known.
    pub(super) fn account(&self, base: L2BlockNumber, address: Address) -> Option<Option<Account>> {
        let found = self.accounts.get(&address)?;
        (found.flushed <= base).then_some(found.value)
    }

    /// The slot in the state flushed at `base`; `None` when it is not known.
    pub(super) fn slot(&self, base: L2BlockNumber, key: (Address, U256)) -> Option<U256> {
        let found = self.slots.get(&key)?;
        (found.flushed <= base).then_some(found.value)
    }

    /// Remembers an account read from the state flushed at `base`.
    pub(super) fn keep_account(&self, base: L2BlockNumber, address: Address, value: Option<Account>) {
        keep(&self.accounts, &self.newest, base, address, value);
    }

    /// Remembers a slot read from the state flushed at `base`.
    pub(super) fn keep_slot(&self, base: L2BlockNumber, key: (Address, U256), value: U256) {
        keep(&self.slots, &self.newest, base, key, value);
    }

    /// A flush has begun: what was read before does not come in any more.
    pub(super) fn begin_flush(&self, flushed: L2BlockNumber) {
        *self.newest.write() = flushed;
    }

    /// Sets what the flush begun before has changed. Until the new state is shown to readers all of it must be here.
    pub(super) fn flush_account(&self, address: Address, value: Option<Account>) {
        let flushed = *self.newest.read();
        self.accounts.insert(address, Since { flushed, value });
    }

    /// As [`Self::flush_account`].
    pub(super) fn flush_slot(&self, key: (Address, U256), value: U256) {
        let flushed = *self.newest.read();
        self.slots.insert(key, Since { flushed, value });
    }
}

fn map<K: Eq + core::hash::Hash, V: Clone>(entries: u64) -> Map<K, V> {
    let entries_usize = usize::try_from(entries).unwrap_or(usize::MAX);
    sync::Cache::with(
        entries_usize,
        entries,
        UnitWeighter,
        DefaultHashBuilder::default(),
        sync::DefaultLifecycle::default(),
    )
}

fn keep<K: Eq + core::hash::Hash, V: Clone>(
    map: &Map<K, V>,
    newest: &RwLock<L2BlockNumber>,
    base: L2BlockNumber,
    key: K,
    value: V,
) {
    // Held over the insertion: a flush that begins in between would miss the entry.
    let newest = newest.read();
    if *newest == base {
        let flushed = base;
        map.insert(key, Since { flushed, value });
    }
}
