//! The few file operations the journal needs, behind a seam: a real folder, and in tests one that loses what was not synced, or fails.

use std::{
    fmt::Debug,
    fs::{self, File},
    io::{self, Write},
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

    /// Creates a file, or empties the one that is there.
    ///
    /// # Errors
    /// Whatever the system says.
    fn create(&mut self, name: &str) -> io::Result<()>;

    /// Writes at the end of a file.
    ///
    /// # Errors
    /// Whatever the system says; part of the bytes may have been written.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Makes the bytes of a file durable.
    ///
    /// # Errors
    /// Whatever the system says.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Cuts a file off.
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
    open: Option<(String, File)>,
    /// Holds the lock.
    _lock: File,
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
        Ok(Self {
            path: path.to_path_buf(),
            open: None,
            _lock: lock,
        })
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        if self.open.as_ref().is_none_or(|(open, _)| open != name) {
            let file = File::options().append(true).open(self.path.join(name))?;
            self.open = Some((name.to_owned(), file));
        }
        let open = self.open.as_mut().expect("it was just opened");
        Ok(&mut open.1)
    }
}

impl Disk for Folder {
    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != LOCK_FILE {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(name))
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.open = None;
        File::create(self.path.join(name)).map(drop)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.file(name)?.write_all(bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.file(name)?.sync_data()
    }

    fn truncate(&mut self, name: &str, length: u64) -> io::Result<()> {
        self.file(name)?.set_len(length)
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
