//! Runs simulated worlds: `tributary-tests simulate --seeds N [--seed S] [--l1-blocks 200] [--threads T] [--twice-every N]`.
//!
//! With `--seed` alone it replays that one world and says every move. Ends with 1 and the seed when something does not hold; and after
//! 10,000 worlds or more also with 1 when a fault, a reason to drop or a forgery was too seldom to say that it was tested.

use clap::{Parser, Subcommand};
use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tributary_tests::sim::{Failure, Options, Outcome, Totals, Violation, simulate, simulate_aloud};

/// From so many worlds on everything that can happen must have happened often enough.
const SEEDS_FOR_ALL: u64 = 10_000;

/// How often progress is said when nobody watches.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

#[derive(Parser)]
#[command(about = "Stories across crates, as a program.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Drives sequencer, batcher, derivation and follower through seeded histories of L1 and DA.
    Simulate(Simulate),
}

#[derive(Clone, Parser)]
struct Simulate {
    /// How many worlds.
    #[arg(long)]
    seeds: Option<u64>,
    /// First seed; without `--seeds`, the one to replay.
    #[arg(long)]
    seed: Option<u64>,
    /// L1 blocks before a world gets quiet.
    #[arg(long, default_value_t = 200)]
    l1_blocks: u64,
    /// Worlds at a time; all cores if not given.
    #[arg(long)]
    threads: Option<usize>,
    /// With `--seed` alone: what the programs log meanwhile, for example `derivation=info`.
    #[arg(long)]
    log: Option<String>,
    /// Of so many worlds one is run a second time and must come out the same; 0 for none.
    #[arg(long, default_value_t = 1)]
    twice_every: u64,
}

fn main() -> ExitCode {
    let Command::Simulate(arguments) = Arguments::parse().command;
    match (arguments.seeds, arguments.seed) {
        (None, Some(seed)) => replay(seed, &arguments),
        (seeds, seed) => run(seed.unwrap_or(1), seeds.unwrap_or(100), &arguments),
    }
}

impl Simulate {
    const fn options(&self) -> Options {
        Options {
            l1_blocks: self.l1_blocks,
        }
    }

    /// One world, and at times the same once more.
    fn world(&self, seed: u64) -> Result<(Outcome, bool), Box<Failure>> {
        let first = simulate(seed, &self.options())?;
        let is_repeated = self.twice_every > 0 && seed.is_multiple_of(self.twice_every);
        if is_repeated {
            let second = simulate(seed, &self.options())?;
            if first.digest != second.digest {
                return Err(Box::new(Failure {
                    seed,
                    violation: Violation::Digest {
                        first: first.digest,
                        second: second.digest,
                    },
                    moves: Vec::new(),
                    counts: Box::new(first.counts),
                }));
            }
        }
        Ok((first, is_repeated))
    }
}

fn replay(seed: u64, arguments: &Simulate) -> ExitCode {
    if let Some(filter) = &arguments.log {
        // The programs' time is not the world's.
        let log = tracing_subscriber::fmt().with_env_filter(filter).without_time();
        log.with_writer(std::io::stdout).init();
    }
    let outcome = match simulate_aloud(seed, &arguments.options()) {
        Ok(outcome) => outcome,
        Err(failure) => {
            println!("seed {seed}: {}", failure.violation);
            return ExitCode::FAILURE;
        }
    };
    let mut totals = Totals::default();
    totals.add(&outcome);
    println!("{totals}");
    println!("seed {seed}: digest {}", outcome.digest);
    ExitCode::SUCCESS
}

struct Shared {
    next: AtomicU64,
    stop: AtomicBool,
    totals: Mutex<(Totals, Vec<Failure>)>,
}

fn run(first: u64, count: u64, arguments: &Simulate) -> ExitCode {
    let threads = arguments
        .threads
        .or_else(|| thread::available_parallelism().ok().map(Into::into))
        .unwrap_or(1);
    println!(
        "seeds {first} to {}, {} L1 blocks each, {threads} threads",
        first + count - 1,
        arguments.l1_blocks
    );
    let shared = Shared {
        next: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        totals: Mutex::default(),
    };
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&shared, first, count, arguments));
        }
        show_progress(&shared, count, started);
    });
    let (totals, failures) = shared.totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = started.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate, for people")]
    let rate = totals.seeds as f64 / seconds;
    println!("{totals}");
    println!("{seconds:.1} s, {rate:.1} seeds/s");
    let Some(failure) = failures.first() else {
        let seldom = totals.seldom();
        if count < SEEDS_FOR_ALL || seldom.is_empty() {
            return ExitCode::SUCCESS;
        }
        let names: Vec<&str> = seldom.iter().map(|(name, _)| *name).collect();
        println!("too seldom for {count} seeds: {}", names.join(", "));
        return ExitCode::FAILURE;
    };
    print!("{failure}");
    println!(
        "replay: tributary-tests simulate --seed {} --l1-blocks {}",
        failure.seed, arguments.l1_blocks
    );
    ExitCode::FAILURE
}

fn work(shared: &Shared, first: u64, count: u64, arguments: &Simulate) {
    loop {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        if index >= count || shared.stop.load(Ordering::Relaxed) {
            break;
        }
        let world = arguments.world(first + index);
        let mut totals = shared.totals.lock().unwrap_or_else(PoisonError::into_inner);
        match world {
            Ok((outcome, is_repeated)) => {
                totals.0.add(&outcome);
                totals.0.repeated += u64::from(is_repeated);
            }
            Err(failure) => {
                totals.0.disagreements += 1;
                totals.1.push(*failure);
                shared.stop.store(true, Ordering::Relaxed);
            }
        }
    }
    // A thread that ends ends the waiting for progress soon.
    shared.next.fetch_max(count, Ordering::Relaxed);
}

fn show_progress(shared: &Shared, count: u64, started: Instant) {
    let is_watched = std::io::stdout().is_terminal();
    let mut said = Instant::now();
    loop {
        let (done, disagreements) = {
            let totals = shared.totals.lock().unwrap_or_else(PoisonError::into_inner);
            (totals.0.seeds, totals.0.disagreements)
        };
        if done + disagreements >= count || shared.stop.load(Ordering::Relaxed) {
            break;
        }
        if is_watched || said.elapsed() >= PROGRESS_EVERY {
            said = Instant::now();
            let end = if is_watched { '\r' } else { '\n' };
            print!(
                "{done} of {count} seeds after {} s{end}",
                started.elapsed().as_secs()
            );
            std::io::stdout().flush().ok();
        }
        thread::sleep(Duration::from_millis(200));
    }
    if is_watched {
        println!();
    }
}
