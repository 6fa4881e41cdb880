//! The few file operations the journal needs, behind a seam: the real folder, and in tests one that loses what was not synced.

use std::{
    fmt::Debug,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A flat folder of small files. Nothing is sure to survive a power cut before it is synced: bytes of a file by [`Self::sync`], its
/// name by [`Self::sync_folder`].
pub trait Disk: Debug + Send {
    /// All bytes of a file, or `None` if there is none of this name.
    ///
    /// # Errors
    /// Whatever the system says.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Names of all files.
    ///
    /// # Errors
    /// Whatever the system says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Creates or replaces a file.
    ///
    /// # Errors
    /// Whatever the system says.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Makes the bytes of a file durable.
    ///
    /// # Errors
    /// Whatever the system says.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Gives a file another name, replacing the one that had it.
    ///
    /// # Errors
    /// Whatever the system says.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Whatever the system says.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Makes names durable: what was created, renamed and removed.
    ///
    /// # Errors
    /// Whatever the system says.
    fn sync_folder(&mut self) -> io::Result<()>;
}

/// Replaces a file so that after a power cut it is either the old or the new one, whole, and once this returns the new one.
pub(super) fn replace(disk: &mut dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let fresh = format!("{name}.new");
    disk.write(&fresh, bytes)?;
    disk.sync(&fresh)?;
    disk.rename(&fresh, name)?;
    disk.sync_folder()
}

/// A folder of the file system, locked for this process while it is open.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
}

/// Name of the file that is locked; it has no content.
const LOCK_FILE: &str = "lock";

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
            _lock: lock,
        })
    }
}

impl Disk for Folder {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != LOCK_FILE {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        File::create(self.path.join(name))?.write_all(bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        File::open(self.path.join(name))?.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_folder(&mut self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

#[cfg(any(test, feature = "testing"))]
pub mod testing {
    //! A disk in memory that can lose what was not synced, and fail at any operation.

    use super::*;
    use std::{
        collections::BTreeMap,
        sync::{Arc, Mutex, MutexGuard, PoisonError},
    };

    /// Bytes of a file, and whether they survive a power cut.
    #[derive(Clone, Debug)]
    struct Content {
        bytes: Vec<u8>,
        is_synced: bool,
    }

    #[derive(Debug, Default)]
    struct State {
        /// Names as they are now.
        now: BTreeMap<String, Content>,
        /// Names as they survive a power cut.
        durable: BTreeMap<String, Content>,
        /// Operations that change something, so far.
        operations: usize,
        /// The operation at which the power goes.
        cut_at: Option<usize>,
    }

    /// A disk in memory. Clones share it.
    #[derive(Clone, Debug, Default)]
    pub struct MemoryDisk(Arc<Mutex<State>>);

    impl MemoryDisk {
        fn state(&self) -> MutexGuard<'_, State> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Operations that changed something, so far.
        #[must_use]
        pub fn operations(&self) -> usize {
            self.state().operations
        }

        /// Lets operation number `operation` from now on fail, and all after it.
        pub fn cut_power_at(&self, operation: usize) {
            self.state().cut_at = Some(operation);
        }

        /// True once an operation has met the cut, or would.
        #[must_use]
        pub fn is_cut(&self) -> bool {
            let state = self.state();
            state.cut_at.is_some_and(|cut| state.operations >= cut)
        }

        /// The process ended, the machine did not: what was written is there, synced or not.
        pub fn restart_process(&self) {
            self.state().cut_at = None;
        }

        /// Power is back: unsynced names are forgotten, unsynced bytes are lost.
        pub fn power_up(&self) {
            let mut state = self.state();
            state.cut_at = None;
            state.now = state.durable.clone();
            for content in state.now.values_mut().filter(|content| !content.is_synced) {
                content.bytes.truncate(content.bytes.len() / 2);
                content.is_synced = true;
            }
            state.durable = state.now.clone();
        }

        fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> io::Result<T> {
            let mut state = self.state();
            if state.cut_at.is_some_and(|cut| state.operations >= cut) {
                return Err(io::Error::other("the power is cut"));
            }
            state.operations += 1;
            Ok(change(&mut state))
        }
    }

    impl Disk for MemoryDisk {
        fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
            Ok(self.state().now.get(name).map(|content| content.bytes.clone()))
        }

        fn list(&self) -> io::Result<Vec<String>> {
            Ok(self.state().now.keys().cloned().collect())
        }

        fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
            self.change(|state| {
                let content = Content {
                    bytes: bytes.to_vec(),
                    is_synced: false,
                };
                // An existing file is overwritten in place: its name is durable, its new bytes are not.
                if let Some(old) = state.durable.get_mut(name) {
                    *old = content.clone();
                }
                state.now.insert(name.to_owned(), content);
            })
        }

        fn sync(&mut self, name: &str) -> io::Result<()> {
            self.change(|state| {
                if let Some(content) = state.now.get_mut(name) {
                    content.is_synced = true;
                    if let Some(durable) = state.durable.get_mut(name) {
                        *durable = content.clone();
                    }
                }
            })
        }

        fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
            self.change(|state| {
                if let Some(content) = state.now.remove(from) {
                    state.now.insert(to.to_owned(), content);
                }
            })
        }

        fn remove(&mut self, name: &str) -> io::Result<()> {
            self.change(|state| drop(state.now.remove(name)))
        }

        fn sync_folder(&mut self) -> io::Result<()> {
            self.change(|state| state.durable = state.now.clone())
        }
    }
}
