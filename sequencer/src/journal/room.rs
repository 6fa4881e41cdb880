//! Room for the next segment: a file of zeros that are on the disk already.
//!
//! A sync of bytes at the end of a file that grows also writes the file's length, which on most file systems is a second write that waits for
//! the first. In a file that has its length and its blocks, only the bytes are written.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Name of the file until it is a segment. It holds nothing.
pub(super) const ROOM_FILE: &str = "room";

/// Bytes written and synced at once: so few that a sync of the journal in between hardly waits.
const PIECE_BYTES: u64 = 128 << 10;

/// Pause between two pieces. The room for a segment takes ten seconds to make, and a segment lasts longer.
const PAUSE: Duration = Duration::from_millis(20);

/// Room that is being made, on a thread of its own. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Room {
    path: PathBuf,
    thread: Option<JoinHandle<io::Result<()>>>,
    stops: Arc<AtomicBool>,
}

impl Room {
    /// Begins to make `bytes` of room in `folder`; `None` when the system has no thread for it now.
    pub(super) fn begin(folder: &Path, bytes: u64) -> Option<Self> {
        let (path, stops) = (folder.join(ROOM_FILE), Arc::new(AtomicBool::new(false)));
        let make = {
            let (path, stops) = (path.clone(), stops.clone());
            move || fill(&path, bytes, &stops)
        };
        let thread = thread::Builder::new().name("journal-room".into()).spawn(make);
        Some(Self {
            path,
            thread: Some(thread.ok()?),
            stops,
        })
    }

    /// True when it can be moved without waiting.
    pub(super) fn is_made(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Makes it the file `to`, if it could be made. False if not: then nothing is there.
    pub(super) fn move_to(mut self, to: &Path) -> io::Result<bool> {
        let thread = self.thread.take().expect("only this and dropping it take it");
        if let Err(error) = thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        {
            tracing::debug!(target: "sequencer", %error, "no room was made for the journal's next segment");
            return Ok(false);
        }
        fs::rename(&self.path, to).map(|()| true)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Nobody wants it any more; what is left of it goes when the folder is opened.
            thread.join().ok();
        }
    }
}

fn fill(path: &Path, bytes: u64, stops: &AtomicBool) -> io::Result<()> {
    let mut file = File::create(path)?;
    let zeros = vec![0; usize::try_from(PIECE_BYTES.min(bytes)).unwrap_or_default()];
    let mut left = bytes;
    while left > 0 {
        if stops.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let piece = left.min(PIECE_BYTES);
        file.write_all(&zeros[..usize::try_from(piece).unwrap_or_default()])?;
        file.sync_data()?;
        left -= piece;
        thread::sleep(PAUSE);
    }
    file.sync_all()
}
