//! How long a block's commit and a read of state take on the store, at the head and in history.
//!
//! `cargo run --release -p tributary-sequencer --example store_speed -- [blocks] [changes per block]`: made-up blocks, each changing
//! that many accounts and as many slots at random. Prints microseconds; the figures in `docs/decisions` come from here.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

#[path = "../tests/support/mod.rs"]
mod support;

use alloy::primitives::{Address, U256, keccak256};
use support::{Changes, genesis};
use tributary_protocol::{
    block::L2BlockNumber,
    state::{Account, StateChanges},
};
use tributary_sequencer::store::{ChainWriter, FjallStore, StoreSettings};

/// Accounts the blocks choose from.
const POPULATION: u64 = 1_000_000;
const READS: u64 = 2_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let blocks = arguments.next().transpose()?.unwrap_or(100);
    let changes = arguments.next().transpose()?.unwrap_or(5_000);
    let folder = tempfile::tempdir()?;
    let (outcome, mut state) = genesis();
    let store = Arc::new(FjallStore::open(folder.path())?);
    let settings = StoreSettings::default();
    let mut writer = ChainWriter::open(store, 901, &outcome, state.reference, settings)?;

    let (mut roots, mut commits) = (Vec::new(), Vec::new());
    let (mut waits, mut flushes) = (Vec::new(), Vec::new());
    for number in 1..=blocks {
        let view = writer.reader()?.state_at(state.reference.number)?;
        let (mut outcome, next) = state.next(number, &Changes::default());
        fill(&mut outcome.changes, number, changes);
        let started = Instant::now();
        outcome.trie = view.state_trie()?.update(&view, &outcome.changes)?;
        roots.push(started.elapsed().as_micros());
        let started = Instant::now();
        writer.commit(&outcome, next.reference)?;
        commits.push(started.elapsed().as_micros());
        // What was flushed shall have one owner here.
        drop(view);
        // What whoever commits waits for besides.
        let started = Instant::now();
        writer.flush_if_due()?;
        waits.push(started.elapsed().as_micros());
        flushes.extend(writer.take_flush_times().iter().map(Duration::as_micros));
        state = next;
    }
    report(&format!("root after {changes} accounts and slots"), roots);
    report("commit of them", commits);
    report("wait for a flush", waits);
    report("flush", flushes);
    writer.flush()?;

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

fn fill(state: &mut StateChanges, number: u64, changes: u64) {
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
        let slots = state.storage.entry(address).or_default();
        slots.insert(U256::from(seed % 16), U256::from(number));
    }
}

#[expect(clippy::print_stdout, reason = "printing is what it is for")]
fn report(what: &str, mut micros: Vec<u128>) {
    if micros.is_empty() {
        return;
    }
    micros.sort_unstable();
    let at = |share: usize| micros[(micros.len() - 1) * share / 100];
    println!(
        "{what}: median {} us, p99 {} us, most {} us",
        at(50),
        at(99),
        at(100)
    );
}
