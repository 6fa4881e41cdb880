//! The few file operations the journal needs, behind a seam: a real folder, and in tests one that loses what was not synced, or fails.

use super::room::{ROOM_FILE, Room};
use std::{
    fmt::Debug,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// A flat folder of files that only grow at their end. Nothing is sure to survive a power cut before it is synced: bytes of a file by
/// [`Self::sync`], its name by [`Self::sync_folder`].
pub trait Disk: Debug + Send {
    /// Names of all files.
    ///
    /// # Errors
    /// Whatever the system says.
    fn list(&mut self) -> io::Result<Vec<String>>;

    /// All bytes of a file.
    ///
    /// # Errors
    /// Whatever the system says.
    fn read(&mut self, name: &str) -> io::Result<Vec<u8>>;

    /// Begins to make room for the next file: bytes that its first ones will replace. A hint, which may come to nothing.
    fn prepare(&mut self, bytes: u64);

    /// True when the next file would have room.
    fn is_prepared(&self) -> bool;

    /// Creates a file, or empties the one that is there. True if it has room: then zeros follow its end, which are in it when it is read,
    /// until it is truncated.
    ///
    /// # Errors
    /// Whatever the system says.
    fn create(&mut self, name: &str) -> io::Result<bool>;

    /// Writes at the end of a file: after what was written to it last, or if that was by another process, after its last byte.
    ///
    /// # Errors
    /// Whatever the system says; part of the bytes may have been written.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Makes the bytes of a file durable.
    ///
    /// # Errors
    /// Whatever the system says.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Cuts a file off, room and all.
    ///
    /// # Errors
    /// Whatever the system says.
    fn truncate(&mut self, name: &str, length: u64) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Whatever the system says.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Makes names durable: what was created and removed.
    ///
    /// # Errors
    /// Whatever the system says.
    fn sync_folder(&mut self) -> io::Result<()>;

    /// Bytes that can still be written.
    ///
    /// # Errors
    /// Whatever the system says.
    fn free_bytes(&mut self) -> io::Result<u64>;
}

/// Name of the file that is locked; it has no content.
const LOCK_FILE: &str = "lock";

/// A folder of the file system, locked for this process while it is open.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The file written last, kept open.
    open: Option<Open>,
    /// For the next one.
    room: Option<Room>,
    /// Holds the lock.
    _lock: File,
}

#[derive(Debug)]
struct Open {
    name: String,
    file: File,
    /// Where the next write goes.
    end: u64,
}

impl Folder {
    /// Opens `path`, creating it if needed.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process has it open; else whatever the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))?;
        lock.try_lock()?;
        match fs::remove_file(path.join(ROOM_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self {
            path: path.to_path_buf(),
            open: None,
            room: None,
            _lock: lock,
        })
    }

    fn open_file(&mut self, name: &str) -> io::Result<&mut Open> {
        if self.open.as_ref().is_none_or(|open| open.name != name) {
            let file = File::options().write(true).open(self.path.join(name))?;
            self.open = Some(Open {
                name: name.to_owned(),
                end: file.metadata()?.len(),
                file,
            });
        }
        Ok(self.open.as_mut().expect("it was just opened"))
    }
}

impl Disk for Folder {
    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != LOCK_FILE && name != ROOM_FILE {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(name))
    }

    fn prepare(&mut self, bytes: u64) {
        // One that is under way ends first.
        self.room = None;
        self.room = Room::begin(&self.path, bytes);
    }

    fn is_prepared(&self) -> bool {
        self.room.as_ref().is_some_and(Room::is_made)
    }

    fn create(&mut self, name: &str) -> io::Result<bool> {
        let path = self.path.join(name);
        let room = self.room.take_if(|room| room.is_made());
        let has_room = room.map_or(Ok(false), |room| room.move_to(&path))?;
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(!has_room).open(path)?;
        self.open = Some(Open {
            name: name.to_owned(),
            file,
            end: 0,
        });
        Ok(has_room)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let open = self.open_file(name)?;
        open.file.write_all_at(bytes, open.end)?;
        open.end += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.open_file(name)?.file.sync_data()
    }

    fn truncate(&mut self, name: &str, length: u64) -> io::Result<()> {
        let open = self.open_file(name)?;
        open.file.set_len(length)?;
        open.end = length;
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_folder(&mut self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn free_bytes(&mut self) -> io::Result<u64> {
        let space = nix::sys::statvfs::statvfs(&self.path)?;
        Ok(space.blocks_available().saturating_mul(space.fragment_size()))
    }
}
