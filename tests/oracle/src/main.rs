//! The oracle: kona derives recorded histories and executes what it derived; attributes and blocks must be the same.
//!
//! ```text
//!  histories (main workspace) --one JSON file per history--> this program --> "500 histories, 0 disagreements (…)"
//! ```
//! `tributary-oracle [--self-test] FILE...` prints one line for each history and exits 0 only if there was no disagreement. With
//! `--self-test` it damages the first history field by field instead, and exits 0 only if it notices every time.

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
    let (flags, paths): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let is_self_test = flags == ["--self-test"];
    if paths.is_empty() || !(flags.is_empty() || is_self_test) {
        eprintln!("usage: tributary-oracle [--self-test] FILE...");
        return ExitCode::from(2);
    }
    // A panic of kona's is reported with its history.
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = match is_self_test {
        true => self_test(&paths[0]).await,
        false => judge_all(&paths).await,
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

async fn judge_all(paths: &[String]) -> Result<bool, FileError> {
    let mut coverage = Coverage::default();
    let (mut disagreements, mut executed, mut deviating) = (0, 0, 0);
    for path in paths {
        let history = check(path, read(path)?)?;
        let seed = history.seed;
        let published = derive_caught(history.clone(), Kona::AsPublished).await;
        deviating += usize::from(published.is_err());
        match derive_caught(history, Kona::Repaired).await {
            Ok(agreed) => {
                println!(
                    "seed {seed}: {} L1 blocks, {} L2 blocks derived, {} executed",
                    agreed.l1_blocks, agreed.l2_blocks, agreed.executed.blocks
                );
                executed += 1;
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
    println!("without repairs, kona disagrees about {deviating} histories");
    println!(
        "{} histories, {disagreements} disagreements ({executed} executed, {} blocks)",
        paths.len(),
        coverage.executed.blocks
    );
    Ok(disagreements == 0)
}

async fn self_test(path: &str) -> Result<bool, FileError> {
    let recorded = read(path)?;
    check(path, recorded.clone())?;
    Ok(self_test::run(recorded).await)
}
