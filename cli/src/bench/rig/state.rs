//! State by the million: accounts go straight into a node's store, portion by portion, instead of through a genesis file.
//!
//! A `genesis.json` of ten million accounts is gigabytes of text that a node would hold in memory several times over. Here they are sorted as
//! the trie sorts them and imported, block 0 is written over them once L1 is there to begin on, and the node starts with `--stored-genesis`.

use crate::network::Network;
use alloy::primitives::{Address, B256, U256, keccak256};
use eyre::ensure;
use std::{path::Path, sync::Arc, time::Instant};
use tributary_protocol::{
    block::L2BlockRef,
    contracts::L2_TO_L1_MESSAGE_PASSER,
    genesis::GenesisBlock,
    state::{
        Account, StateChanges,
        trie::{StateTrie, TrieUpdate},
    },
};
use tributary_sequencer::store::{FjallStore, Import};

/// Accounts written at once: some hundred bytes each, several times over.
const PORTION: usize = 100_000;

/// Accounts whose loading is reported.
const REPORT_EVERY: usize = 1_000_000;

/// Room an account needs on disk, bytes: about 620 once it is loaded, and the store's own journal meanwhile.
const DISK_BYTES_PER_ACCOUNT: u64 = 1_000;

/// State in a store that is no chain yet.
pub(crate) struct Loaded {
    import: Import,
    contracts: StateChanges,
    pub(crate) accounts: usize,
    pub(crate) seconds: f64,
}

/// Brings the contracts of `network` and `accounts`, each with `funds` wei, into the store at `folder`, which is empty. No account may be in
/// there twice.
pub(crate) fn load(
    folder: &Path,
    network: &Network,
    accounts: &[Address],
    funds: u128,
    tell: &dyn Fn(&str),
) -> eyre::Result<Loaded> {
    std::fs::create_dir_all(folder)?;
    check_room(folder, accounts.len())?;
    let started = Instant::now();
    let mut import = Import::begin(Arc::new(FjallStore::open(folder)?))?;
    let contracts = network.genesis.seal().changes;
    import.add(&contracts)?;
    let mut sorted: Vec<(B256, Address)> = accounts
        .iter()
        .map(|address| (keccak256(address), *address))
        .collect();
    sorted.sort_unstable();
    let account = Account {
        balance: U256::from(funds),
        ..Account::default()
    };
    let mut done = 0;
    for portion in sorted.chunks(PORTION) {
        let named = portion.iter().map(|(_, address)| (*address, Some(account)));
        import.add(&StateChanges {
            accounts: named.collect(),
            ..StateChanges::default()
        })?;
        done += portion.len();
        if done.is_multiple_of(REPORT_EVERY) {
            tell(&format!(
                "{done} accounts after {:.0} s",
                started.elapsed().as_secs_f64()
            ));
        }
    }
    Ok(Loaded {
        import,
        contracts,
        accounts: accounts.len(),
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Fails before anything is written if the disk cannot hold the state: a full disk would stop more than this measurement.
fn check_room(folder: &Path, accounts: usize) -> eyre::Result<()> {
    let disk = nix::sys::statvfs::statvfs(folder)?;
    let free = disk.blocks_available() * disk.fragment_size();
    let needed = accounts as u64 * DISK_BYTES_PER_ACCOUNT;
    ensure!(
        free >= needed,
        "{accounts} accounts need about {} MiB below {}, which has {} MiB free (TMPDIR names another folder)",
        needed >> 20,
        folder.display(),
        free >> 20
    );
    Ok(())
}

impl Loaded {
    /// Makes it the chain of `network`, whose block 0 has this state from now on, and writes the network's files into `folder`.
    pub(crate) fn begin_chain(self, network: &mut Network, folder: &Path) -> eyre::Result<()> {
        let sealed = network.genesis.seal();
        ensure!(
            sealed.changes == self.contracts,
            "the contracts depend on where L1 begins: the state was loaded with others"
        );
        ensure!(
            sealed.header.withdrawals_root == Some(self.import.storage_root(L2_TO_L1_MESSAGE_PASSER)),
            "the message passer's storage is not the genesis's"
        );
        let mut header = sealed.header;
        header.state_root = self.import.state_root();
        let block = GenesisBlock {
            hash: header.hash_slow(),
            trie: TrieUpdate {
                before: StateTrie::default(),
                after: StateTrie::at(header.state_root),
                storage_roots: Default::default(),
            },
            changes: StateChanges::default(),
            header,
        };
        network.rollup.genesis.l2.hash = block.hash;
        network.deployment.l2_genesis_hash = block.hash;
        let reference = L2BlockRef::from_block(&block.block(), block.hash, &network.rollup.genesis)?;
        self.import
            .finish(network.rollup.l2_chain_id, &block, reference)?;
        network.write(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_the_disk_cannot_hold_is_refused_before_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        check_room(folder.path(), 1).unwrap();
        let error = check_room(folder.path(), 1 << 50).unwrap_err().to_string();
        assert!(error.contains("MiB free"), "{error}");
    }
}
