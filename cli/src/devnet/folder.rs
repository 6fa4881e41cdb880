//! The folder of a devnet, and how a devnet knows it for its own: nothing else is ever removed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Written before anything else. It says that all beside it may go.
const MARKER: &str = ".tributary-devnet";

/// What the marker says to whoever finds it.
const MARKER_TEXT: &str =
    "The files beside this one belong to a `tributary devnet`, and --reset removes them.\n";

/// Everything a devnet writes at the top of its folder; the database has companions while it is open.
const OURS: [&str; 15] = [
    MARKER,
    "batcher",
    "da",
    "follower",
    "genesis.json",
    "indexer.sqlite",
    "indexer.sqlite-shm",
    "indexer.sqlite-wal",
    "keys",
    "l1-deployment.json",
    "l1-state.json",
    "logs",
    "rollup.json",
    "sequencer",
    "tributary.toml",
];

/// Files that a devnet from before there was a marker has.
const OURS_WITHOUT_MARKER: [&str; 2] = ["tributary.toml", "rollup.json"];

/// Why a folder is not removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResetError {
    #[error("{folder} is no devnet's folder (it has no {MARKER}); --reset removes only what a devnet wrote", folder = .folder.display())]
    NotOurs { folder: PathBuf },
    #[error("{folder} also holds {found}, which no devnet wrote; move it away before --reset", folder = .folder.display())]
    Foreign { folder: PathBuf, found: String },
    #[error("cannot look at or remove {folder}: {source}", folder = .folder.display())]
    Io { folder: PathBuf, source: io::Error },
}

/// Makes `folder` and marks it. A folder that holds something already is marked only if a devnet wrote that.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    if fs::read_dir(folder)?.next().is_none() || is_old_devnet(folder) {
        fs::write(folder.join(MARKER), MARKER_TEXT)?;
    }
    Ok(())
}

/// Removes a devnet's folder. One that is not there, or is empty, is as good as removed.
pub(crate) fn reset(folder: &Path) -> Result<(), ResetError> {
    let failed = |source| ResetError::Io {
        folder: folder.into(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    if names.is_empty() {
        return Ok(());
    }
    if !names.iter().any(|name| name == MARKER) && !is_old_devnet(folder) {
        return Err(ResetError::NotOurs {
            folder: folder.into(),
        });
    }
    if let Some(found) = names.into_iter().find(|name| !OURS.contains(&name.as_str())) {
        return Err(ResetError::Foreign {
            folder: folder.into(),
            found,
        });
    }
    fs::remove_dir_all(folder).map_err(failed)
}

fn is_old_devnet(folder: &Path) -> bool {
    OURS_WITHOUT_MARKER.iter().all(|name| folder.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_devnets_own_folder_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().join("home");
        reset(&home).unwrap();
        fs::create_dir(&home).unwrap();
        reset(&home).unwrap();
        // Somebody's folder, which may have names of ours in it.
        for name in ["keys", "logs", "thesis.tex"] {
            fs::write(home.join(name), "dear").unwrap();
        }
        let error = reset(&home).unwrap_err().to_string();
        assert!(
            error.contains("no devnet's folder") && error.contains("home"),
            "{error}"
        );
        make(&home).unwrap();
        assert!(
            reset(&home).is_err(),
            "a folder with other things in it is never marked"
        );
        assert!(home.join("thesis.tex").exists());

        let devnet = place.path().join("devnet");
        make(&devnet).unwrap();
        fs::create_dir(devnet.join("sequencer")).unwrap();
        fs::write(devnet.join("notes.txt"), "dear").unwrap();
        let error = reset(&devnet).unwrap_err().to_string();
        assert!(error.contains("notes.txt"), "{error}");
        fs::remove_file(devnet.join("notes.txt")).unwrap();
        reset(&devnet).unwrap();
        assert!(!devnet.exists());
    }

    #[test]
    fn a_devnet_from_before_the_marker_is_known_by_its_files() {
        let place = tempfile::tempdir().unwrap();
        let devnet = place.path().join("devnet");
        fs::create_dir(&devnet).unwrap();
        for name in OURS_WITHOUT_MARKER {
            fs::write(devnet.join(name), "").unwrap();
        }
        reset(&devnet).unwrap();
        assert!(!devnet.exists());
    }
}
