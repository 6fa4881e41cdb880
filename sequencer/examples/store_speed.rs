//! How long a block's commit and a read of state take on the store, at the head and in history.
//!
//! `cargo run --release -p tributary-sequencer --example store_speed -- [blocks] [changes per block]`: made-up blocks, each changing
//! that many accounts, slots and trie nodes at random. Prints microseconds; the figures in `docs/decisions` come from here.

use std::{sync::Arc, time::Instant};

#[path = "../tests/support/mod.rs"]
mod support;

use alloy::primitives::{Address, U256, keccak256};
use alloy_trie::Nibbles;
use support::{Changes, genesis, make_block, node};
use tributary_protocol::{
    block::L2BlockNumber,
    state::{Account, StateChanges, TrieChanges},
};
use tributary_sequencer::store::{ChainWriter, FjallStore};

/// Accounts the blocks choose from.
const POPULATION: u64 = 1_000_000;
const READS: u64 = 2_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let blocks = arguments.next().transpose()?.unwrap_or(100);
    let changes = arguments.next().transpose()?.unwrap_or(5_000);
    let folder = tempfile::tempdir()?;
    let (outcome, reference) = genesis();
    let store = Arc::new(FjallStore::open(folder.path())?);
    let mut writer = ChainWriter::open(store, 901, &outcome, reference, 100_000)?;

    let mut commits = Vec::new();
    for number in 1..=blocks {
        let (mut outcome, reference) = make_block(&writer.heads().unsafe_head, number, &Changes::default());
        fill(&mut outcome.changes, &mut outcome.trie, number, changes);
        let started = Instant::now();
        writer.commit(&outcome, reference)?;
        commits.push(started.elapsed().as_micros());
    }
    report(&format!("commit of {changes} accounts, slots and nodes"), commits);

    let reader = writer.reader()?;
    for depth in [0, blocks / 2, blocks - 1] {
        let view = reader.state_at(L2BlockNumber(blocks - depth))?;
        let mut reads = Vec::new();
        for index in 0..READS {
            let started = Instant::now();
            view.account(account(index * 7_919))?;
            reads.push(started.elapsed().as_micros());
        }
        report(&format!("account {depth} blocks back"), reads);
    }
    Ok(())
}

fn account(seed: u64) -> Address {
    Address::from_slice(&keccak256((seed % POPULATION).to_be_bytes())[12..])
}

fn fill(state: &mut StateChanges, trie: &mut TrieChanges, number: u64, changes: u64) {
    for index in 0..changes {
        let seed = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(index * 104_729);
        let address = account(seed);
        let value = Account {
            nonce: number,
            ..Account::default()
        };
        state.accounts.insert(address, Some(value));
        state
            .storage
            .entry(address)
            .or_default()
            .insert(U256::from(seed % 16), U256::from(number));
        let path = Nibbles::unpack(keccak256(address)).slice(..5);
        trie.accounts.insert(path, Some(node(1, seed)));
    }
}

#[expect(clippy::print_stdout, reason = "printing is what it is for")]
fn report(what: &str, mut micros: Vec<u128>) {
    micros.sort_unstable();
    let at = |share: usize| micros[(micros.len() - 1) * share / 100];
    println!("{what}: median {} us, p99 {} us", at(50), at(99));
}
