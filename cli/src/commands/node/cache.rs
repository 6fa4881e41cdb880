//! How much of the state a node keeps in memory: one flag, divided among the three places that keep some.

use tributary_sequencer::engine::StoreSettings;

/// About what a trie node takes in memory.
const TRIE_NODE_BYTES: u64 = 300;

/// How much of the state is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CacheSizes {
    /// Bytes for accounts and slots.
    pub(super) entries: u64,
    /// Bytes for blocks of the store's tables.
    pub(super) blocks: u64,
    pub(super) trie_nodes: usize,
}

impl CacheSizes {
    /// A quarter for entries, a quarter for blocks and half for the tries; without a number what the store ships with.
    pub(super) fn of(mib: Option<u64>) -> Self {
        let default = StoreSettings::default();
        match mib {
            None => Self {
                entries: default.cache_bytes,
                blocks: default.cache_bytes,
                trie_nodes: default.trie_nodes_max,
            },
            Some(mib) => Self {
                entries: (mib << 20) / 4,
                blocks: (mib << 20) / 4,
                trie_nodes: usize::try_from((mib << 20) / 2 / TRIE_NODE_BYTES).unwrap_or(usize::MAX),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_state_takes_in_memory_adds_up_to_the_flag() {
        let sizes = CacheSizes::of(Some(256));
        let all = sizes.entries + sizes.blocks + sizes.trie_nodes as u64 * TRIE_NODE_BYTES;
        assert!((255 << 20..=256 << 20).contains(&all), "{sizes:?}");
        let shipped = CacheSizes::of(None);
        assert_eq!(shipped.entries + shipped.blocks, 512 << 20);
    }
}
