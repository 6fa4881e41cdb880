//! Writes random histories for the oracle: `histories DIRECTORY FIRST_SEED COUNT`, one JSON file per seed. Says what is in them, since
//! agreement over histories in which nothing happens would mean nothing.

use eyre::{Result, WrapErr, bail};
use std::{
    collections::BTreeMap,
    fs,
    num::NonZero,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use tributary_tests::history::{History, generate};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, first_seed, count] = arguments.as_slice() else {
        bail!("usage: histories DIRECTORY FIRST_SEED COUNT");
    };
    let first_seed: u64 = first_seed.parse().wrap_err("FIRST_SEED")?;
    let count: u64 = count.parse().wrap_err("COUNT")?;
    let directory = Path::new(directory);
    fs::create_dir_all(directory).wrap_err_with(|| format!("cannot make {}", directory.display()))?;

    let next = AtomicU64::new(first_seed);
    let end = first_seed.saturating_add(count);
    let contents = Mutex::new(Contents::default());
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| write_histories(directory, &next, end, &contents)))
            .collect();
        workers.into_iter().try_for_each(|worker| {
            let outcome = worker.join();
            outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;
    contents.lock().unwrap_or_else(PoisonError::into_inner).print();
    Ok(())
}

/// Writes histories of seeds that nobody has taken yet. Each follows from its seed, so it does not matter who writes it.
fn write_histories(directory: &Path, next: &AtomicU64, end: u64, contents: &Mutex<Contents>) -> Result<()> {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return Ok(());
        }
        let history = generate(seed);
        let file = directory.join(format!("{seed}.json"));
        fs::write(&file, serde_json::to_vec(&history.recorded)?)
            .wrap_err_with(|| format!("cannot write {}", file.display()))?;
        contents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(&history);
    }
}

/// What is in all histories together.
#[derive(Default)]
struct Contents {
    l1_blocks: usize,
    payloads: usize,
    l2_blocks: usize,
    rejected: usize,
    transactions: BTreeMap<&'static str, usize>,
    discarded: BTreeMap<&'static str, u64>,
}

impl Contents {
    fn add(&mut self, history: &History) {
        self.l1_blocks += history.recorded.l1_blocks.len();
        self.payloads += history.recorded.payloads.len();
        self.l2_blocks += history.recorded.derived.len();
        for block in &history.recorded.derived {
            self.rejected += usize::from(block.rejected);
            for transaction in &block.attributes.transactions {
                *self.transactions.entry(kind(transaction)).or_default() += 1;
            }
        }
        for (reason, count) in &history.discarded {
            *self.discarded.entry(reason.label()).or_default() += count;
        }
    }

    fn print(&self) {
        println!(
            "{} L1 blocks, {} payloads, {} L2 blocks",
            self.l1_blocks, self.payloads, self.l2_blocks
        );
        println!("blocks replaced by their deposits: {}", self.rejected);
        println!("transactions: {}", list(&self.transactions));
        println!("discarded: {}", list(&self.discarded));
    }
}

fn kind(transaction: &[u8]) -> &'static str {
    match transaction.first() {
        Some(0x7e) => "deposit",
        Some(0x01) => "type 1",
        Some(0x02) => "type 2",
        Some(0x04) => "type 4",
        Some(0xc0..) => "legacy",
        _ => "forged",
    }
}

fn list<T: std::fmt::Display>(counts: &BTreeMap<&'static str, T>) -> String {
    let counts: Vec<_> = counts
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    counts.join(", ")
}
