//! Whether this node builds blocks: what its operator wants, and whether the builder has come to rest.
//!
//! ```text
//!  admin RPC --stop, start--> Sequencing <--turn-- builder (holds one while a block may be open)
//!                              |      \--> pool (takes nothing while stopped)
//!                              v
//!                          state file
//! ```
//! The rules are op-node's: a sequencer is started only on the head its operator names, so that two of them cannot go on from different
//! blocks, and what an operator has asked for survives a restart. A stop is answered once the open block is sealed and on disk, so nothing
//! that was acknowledged is left behind.

use alloy::primitives::B256;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::{Mutex, watch};
use tributary_protocol::block::L2BlockId;

/// Why a sequencer was not stopped or started. The texts are op-node's, which operators' tools read.
#[derive(Debug, thiserror::Error)]
pub enum SequencingError {
    /// It builds already.
    #[error("sequencer already running")]
    AlreadyStarted,
    /// It is stopped already.
    #[error("sequencer not running")]
    AlreadyStopped,
    /// Whoever asked believes in another head than ours.
    #[error("block hash does not match: head {}:{}, received {received}", head.hash, head.number)]
    OtherHead {
        /// Our unsafe head.
        head: L2BlockId,
        /// What was asked for.
        received: B256,
    },
    /// The block that was open when it was stopped is not sealed yet.
    #[error("the sequencer opens no more blocks, but one is open still after {patience:?}: ask again")]
    BlockOpen {
        /// How long was waited.
        patience: Duration,
    },
    /// What was asked for could not be remembered, so it was not done.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Why the state file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be read.
    #[error("cannot read the state file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write the state file {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It holds something else.
    #[error(
        "the state file {path} is not {{\"sequencerStarted\": true}} or false: {source}; mend or remove it"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// What the file holds, as op-node writes it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Remembered {
    sequencer_started: bool,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// What the operator wants.
    active: bool,
    /// The builder may have a block open.
    in_turn: bool,
}

/// Whether blocks are built. Cheap to clone; all clones speak of the same sequencer.
#[derive(Clone, Debug)]
pub struct Sequencing {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: watch::Sender<State>,
    file: Option<PathBuf>,
    /// One request at a time.
    asking: Mutex<()>,
}

impl Default for Sequencing {
    fn default() -> Self {
        Self::new(false, None)
    }
}

/// Held by the builder while a block may be open.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Sequencing);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.shared.state.send_modify(|state| state.in_turn = false);
    }
}

impl Sequencing {
    fn new(stopped: bool, file: Option<PathBuf>) -> Self {
        let state = State {
            active: !stopped,
            in_turn: false,
        };
        Self {
            shared: Arc::new(Shared {
                state: watch::Sender::new(state),
                file,
                asking: Mutex::default(),
            }),
        }
    }

    /// As the operator left it, which `file` remembers; as `stopped` says if there is no such file.
    ///
    /// # Errors
    /// When there is a file and it says neither.
    pub fn remembered_in(file: Option<PathBuf>, stopped: bool) -> Result<Self, StateError> {
        let remembered = file.as_deref().map(read).transpose()?.flatten();
        if let Some(started) = remembered.filter(|started| *started == stopped) {
            tracing::warn!(target: "sequencer", started, "what was last asked over the admin RPC overrides --sequencer-stopped");
        }
        let sequencing = Self::new(remembered.map_or(stopped, |started| !started), file);
        show(sequencing.is_active());
        Ok(sequencing)
    }

    /// True unless it is stopped, or about to be.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.shared.state.borrow().active
    }

    /// Opens no more blocks, and returns once the one that was open is sealed.
    ///
    /// # Errors
    /// See [`SequencingError`]; after [`SequencingError::BlockOpen`] it is stopped all the same, and may be asked again.
    pub async fn stop(&self, patience: Duration) -> Result<(), SequencingError> {
        let _one_at_a_time = self.shared.asking.lock().await;
        let State { active, in_turn } = *self.shared.state.borrow();
        if !active && !in_turn {
            return Err(SequencingError::AlreadyStopped);
        }
        if active {
            self.remember(false).await?;
            self.set_active(false);
            tracing::warn!(target: "sequencer", "the sequencer is being stopped");
        }
        let mut state = self.shared.state.subscribe();
        let rest = state.wait_for(|state| !state.in_turn);
        let rested = tokio::time::timeout(patience, rest).await;
        rested.map_err(|_| SequencingError::BlockOpen { patience })?.ok();
        Ok(())
    }

    /// Builds on from `head`, which must be the `received` one.
    ///
    /// # Errors
    /// See [`SequencingError`]; nothing has changed then.
    pub async fn start(&self, head: L2BlockId, received: B256) -> Result<(), SequencingError> {
        let _one_at_a_time = self.shared.asking.lock().await;
        if self.is_active() {
            return Err(SequencingError::AlreadyStarted);
        }
        if head.hash != received {
            return Err(SequencingError::OtherHead { head, received });
        }
        self.remember(true).await?;
        self.set_active(true);
        tracing::info!(target: "sequencer", head = %head.hash, "the sequencer has been started");
        Ok(())
    }

    /// The builder's leave to open a block; none while stopped.
    pub(crate) fn turn(&self) -> Option<Turn<'_>> {
        let mut taken = false;
        self.shared.state.send_if_modified(|state| {
            taken = state.active && !state.in_turn;
            state.in_turn |= taken;
            taken
        });
        taken.then(|| Turn(self))
    }

    /// Resolves once it is to build.
    pub(crate) async fn started(&self) {
        // The sender lives as long as this handle.
        self.shared
            .state
            .subscribe()
            .wait_for(|state| state.active)
            .await
            .ok();
    }

    /// Resolves once it is to stop.
    pub(crate) async fn asked_to_stop(&self) {
        self.shared
            .state
            .subscribe()
            .wait_for(|state| !state.active)
            .await
            .ok();
    }

    fn set_active(&self, active: bool) {
        self.shared.state.send_modify(|state| {
            state.active = active;
            show(active);
        });
    }

    /// On disk before it counts: what the operator was told must be so after a crash.
    async fn remember(&self, started: bool) -> Result<(), StateError> {
        let Some(path) = self.shared.file.clone() else {
            return Ok(());
        };
        let failed = |source| StateError::Write {
            path: path.clone(),
            source,
        };
        let file = path.clone();
        let written = tokio::task::spawn_blocking(move || write(&file, started)).await;
        written
            .unwrap_or_else(|_| Err(io::Error::other("writing was cut short")))
            .map_err(failed)
    }
}

fn show(active: bool) {
    metrics::gauge!("sequencer_active").set(if active { 1.0 } else { 0.0 });
}

fn read(path: &Path) -> Result<Option<bool>, StateError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(StateError::Read {
                path: path.into(),
                source,
            });
        }
    };
    let remembered = serde_json::from_slice::<Remembered>(&text);
    let remembered = remembered.map_err(|source| StateError::Malformed {
        path: path.into(),
        source,
    })?;
    Ok(Some(remembered.sequencer_started))
}

fn write(path: &Path, sequencer_started: bool) -> io::Result<()> {
    let text = serde_json::to_vec(&Remembered { sequencer_started })?;
    let fresh = path.with_extension("new");
    fs::write(&fresh, text)?;
    fs::File::open(&fresh)?.sync_all()?;
    fs::rename(&fresh, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(20);

    fn head(byte: u8) -> L2BlockId {
        L2BlockId {
            hash: B256::repeat_byte(byte),
            number: tributary_protocol::block::L2BlockNumber(7),
        }
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_refused_in_op_nodes_words() {
        let sequencing = Sequencing::default();
        let ours = head(1);
        let error = sequencing.start(ours, ours.hash).await.unwrap_err();
        assert_eq!(error.to_string(), "sequencer already running");
        sequencing.stop(PATIENCE).await.unwrap();
        let error = sequencing.stop(PATIENCE).await.unwrap_err();
        assert_eq!(error.to_string(), "sequencer not running");
        let other = head(2).hash;
        let error = sequencing.start(ours, other).await.unwrap_err();
        let expected = format!(
            "block hash does not match: head {}:7, received {other}",
            ours.hash
        );
        assert_eq!(error.to_string(), expected);
        assert!(!sequencing.is_active());
        sequencing.start(ours, ours.hash).await.unwrap();
        assert!(sequencing.is_active());
    }

    #[tokio::test]
    async fn a_stop_waits_for_the_turn_and_gives_no_other() {
        let sequencing = Sequencing::default();
        let turn = sequencing.turn().unwrap();
        assert!(sequencing.turn().is_none(), "one block at a time");
        let error = sequencing.stop(PATIENCE).await.unwrap_err();
        assert!(matches!(error, SequencingError::BlockOpen { .. }), "{error}");
        assert!(!sequencing.is_active());
        let (stopped, ()) = tokio::join!(sequencing.stop(Duration::from_secs(30)), async { drop(turn) });
        stopped.unwrap();
        assert!(sequencing.turn().is_none());
        sequencing.start(head(1), head(1).hash).await.unwrap();
        assert!(sequencing.turn().is_some());
    }

    #[tokio::test]
    async fn what_was_asked_is_remembered_and_beats_the_flag() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("admin-state.json");
        let open = |stopped| Sequencing::remembered_in(Some(file.clone()), stopped);
        assert!(open(false).unwrap().is_active());
        let sequencing = open(true).unwrap();
        assert!(!sequencing.is_active(), "without a file the flag decides");
        sequencing.start(head(1), head(1).hash).await.unwrap();
        assert!(open(true).unwrap().is_active());
        open(true).unwrap().stop(PATIENCE).await.unwrap();
        assert!(!open(false).unwrap().is_active());
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            r#"{"sequencerStarted":false}"#
        );
        for broken in [
            "",
            "{}",
            r#"{"sequencerStarted":1}"#,
            r#"{"sequencerStarted":true,"more":1}"#,
        ] {
            fs::write(&file, broken).unwrap();
            let error = open(false).unwrap_err().to_string();
            assert!(error.contains("admin-state.json"), "{broken}: {error}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_remembered_is_not_done() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gone").join("admin-state.json");
        let sequencing = Sequencing::remembered_in(Some(file), false).unwrap();
        let error = sequencing.stop(PATIENCE).await.unwrap_err().to_string();
        assert!(error.contains("admin-state.json"), "{error}");
        assert!(sequencing.is_active());
    }
}
