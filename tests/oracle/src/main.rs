//! The oracle: kona derives recorded histories and executes what it derived; attributes and blocks must be the same.
//!
//! ```text
//!  histories (main workspace) --one JSON file per history--> this program --> "500 histories, 0 disagreements (…)"
//! ```
//! `tributary-oracle [--self-test | --published COUNT] FILE...` asks kona as published about each history, and if that departs from
//! what was recorded, kona put right (`repairs.rs`). It prints one line for each history and exits 0 only if there was no disagreement.
//! With `--published COUNT` it goes on until kona as published has agreed about that many. With `--self-test` it damages the first
//! history field by field instead, and exits 0 only if it notices every time.

mod alt_da;
mod compare;
mod coverage;
mod derive;
mod execute;
mod history;
mod providers;
mod repairs;
mod self_test;

use coverage::Coverage;
use derive::{Kona, derive_caught};
use history::{History, HistoryError, RecordedHistory};
use std::{fs, io, process::ExitCode, sync::Arc};

/// Why a file could not be judged.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("{path}: {error}")]
    Read { path: String, error: io::Error },
    #[error("{path}: {error}")]
    History { path: String, error: HistoryError },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args().skip(1).collect();
    let is_self_test = arguments.first().is_some_and(|first| first == "--self-test");
    let published = match arguments.first().map(String::as_str) {
        Some("--published") => arguments.get(1).and_then(|count| count.parse().ok()),
        _ => Some(usize::MAX),
    };
    let flags = match arguments.first().map(String::as_str) {
        Some("--self-test") => 1,
        Some("--published") => 2,
        _ => 0,
    };
    let paths = arguments.split_off(flags.min(arguments.len()));
    let Some(published) = published.filter(|_| !paths.is_empty()) else {
        eprintln!("usage: tributary-oracle [--self-test | --published COUNT] FILE...");
        return ExitCode::from(2);
    };
    // A panic of kona's is reported with its history.
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = match is_self_test {
        true => self_test(&paths[0]).await,
        false => judge_all(&paths, published).await,
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn read(path: &str) -> Result<RecordedHistory, FileError> {
    let json = fs::read(path).map_err(|error| FileError::Read {
        path: path.into(),
        error,
    })?;
    serde_json::from_slice(&json).map_err(|error| FileError::History {
        path: path.into(),
        error: error.into(),
    })
}

fn check(path: &str, recorded: RecordedHistory) -> Result<Arc<History>, FileError> {
    let history = History::check(recorded).map_err(|error| FileError::History {
        path: path.into(),
        error,
    })?;
    Ok(Arc::new(history))
}

async fn judge_all(paths: &[String], wanted: usize) -> Result<bool, FileError> {
    let mut coverage = Coverage::default();
    let (mut as_published, mut put_right, mut disagreements) = (0, 0, 0);
    for path in paths {
        if as_published == wanted {
            break;
        }
        let history = check(path, read(path)?)?;
        let seed = history.seed;
        let (judged, departure) = match derive_caught(history.clone(), Kona::AsPublished).await {
            Ok(agreed) => (Ok(agreed), None),
            Err(departure) => (derive_caught(history, Kona::Repaired).await, Some(departure)),
        };
        match judged {
            Ok(agreed) => {
                let note = if departure.is_some() { " (kona put right)" } else { "" };
                println!(
                    "seed {seed}: {} L1 blocks, {} L2 blocks derived, {} executed{note}",
                    agreed.l1_blocks, agreed.l2_blocks, agreed.executed.blocks
                );
                *(if departure.is_some() { &mut put_right } else { &mut as_published }) += 1;
                coverage.counts += agreed.counts;
                coverage.executed += agreed.executed;
            }
            Err(disagreement) => {
                disagreements += 1;
                println!("seed {seed}: DISAGREEMENT ({path})\n  {disagreement}");
            }
        }
    }
    print!("{coverage}");
    println!("{put_right} further histories in which kona as published departs from the rules: put right, it agrees");
    println!(
        "{as_published} histories, {disagreements} disagreements ({} executed, {} blocks)",
        as_published + put_right,
        coverage.executed.blocks
    );
    if wanted != usize::MAX && as_published < wanted && disagreements == 0 {
        println!("{wanted} were wanted and the files ended");
        return Ok(false);
    }
    Ok(disagreements == 0)
}

async fn self_test(path: &str) -> Result<bool, FileError> {
    let recorded = read(path)?;
    check(path, recorded.clone())?;
    Ok(self_test::run(recorded).await)
}
