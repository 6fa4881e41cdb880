//! kona's batch encoder on the blocks of `tributary bench batch --blocks-out FILE`, beside what we made of them.
//!
//! ```text
//!  tributary bench batch --> FILE (blocks, our channels, our CPU time) --> this program --> one table
//! ```
//! kona decodes the channels of both sides, and each must hold exactly the blocks of the file. Like ours, kona's CPU time is that of this
//! thread, the median of up to five runs, from blocks to compressed channel.
//!
//! `kona-comp` 0.4.5 makes channels that no deriver reads: its `ChannelOut` leaves out the RLP strings and brotli's version byte, its zlib
//! has no container; and it compresses everything anew at each batch. So its parts are used, each channel is compressed once, and what is
//! missing is put around it here, which costs kona next to no time and the bytes that any valid channel has.

mod file;
mod kona;
mod table;

use file::{BlocksFile, FileError};
use std::{fs, process::ExitCode};
use table::Row;

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("usage: tributary-oracle-encoder FILE [COMMAND]...")]
    Usage,
    #[error("{path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path}: {source}")]
    File { path: String, source: FileError },
    #[error(transparent)]
    Kona(#[from] kona::KonaError),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let path = std::env::args().nth(1).ok_or(Error::Usage)?;
    let json = fs::read(&path).map_err(|source| Error::Read {
        path: path.clone(),
        source,
    })?;
    let file = BlocksFile::from_json(&json).map_err(|source| Error::File { path, source })?;
    let encoder = kona::Kona::new(&file);
    let mut rows = Vec::new();
    for ours in &file.ours {
        eprintln!("  kona {} {}", ours.batch, ours.compression);
        encoder.check(&ours.channels)?;
        let kona = encoder.measure(&ours.batch, &ours.compression)?;
        rows.push(Row::new(ours, kona));
    }
    print!("{}", table::render(&file, &rows));
    Ok(())
}
