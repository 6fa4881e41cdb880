//! Child processes of a devnet: each with a log file, each ended by its id, none left behind.
//!
//! Children do not share our process group, so a Ctrl-C on the terminal reaches only us and we end them in order. Should we be
//! killed ourselves, the kernel ends them: every child starts as `tributary supervised`, which asks for that and then becomes the
//! program (see [`become_program`]).

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    ffi::OsString,
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// How long a child may take to stop before it is killed: longer than any role needs to finish the block it is writing.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Lines of a child's log that an error message quotes.
const QUOTED_LINES: usize = 15;

/// Why a child could not be started or did not stay up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error("cannot start {name}: {source}")]
    Spawn { name: String, source: std::io::Error },
    #[error("cannot write the log {path}: {source}")]
    Log { path: PathBuf, source: std::io::Error },
    #[error("{name} ended ({status}); the end of {log}:\n{tail}", log = log.display())]
    Ended {
        name: String,
        status: std::process::ExitStatus,
        log: PathBuf,
        tail: String,
    },
    #[error("cannot ask the system about {name}: {source}")]
    Wait { name: String, source: std::io::Error },
}

/// A running child.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts `program` with `args`; its output goes to `<logs>/<name>.log`, appended.
    pub(crate) fn start(
        name: &str,
        program: &Path,
        args: &[OsString],
        logs: &Path,
    ) -> Result<Self, ProcessError> {
        let log = logs.join(format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(|source| ProcessError::Log {
                path: log.clone(),
                source,
            })?;
        let errors = output.try_clone().map_err(|source| ProcessError::Log {
            path: log.clone(),
            source,
        })?;
        let spawn_error = |source| ProcessError::Spawn {
            name: name.to_owned(),
            source,
        };
        let own_binary = std::env::current_exe().map_err(spawn_error)?;
        let child = Command::new(own_binary)
            .arg("supervised")
            .arg("--")
            .arg(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(spawn_error)?;
        Ok(Self {
            name: name.to_owned(),
            log,
            child,
        })
    }

    /// Process id; `None` once the child has been waited for.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Fails if the child has ended, quoting the end of its log.
    pub(crate) fn check_running(&mut self) -> Result<(), ProcessError> {
        let wait = |source| ProcessError::Wait {
            name: self.name.clone(),
            source,
        };
        match self.child.try_wait().map_err(wait)? {
            None => Ok(()),
            Some(status) => Err(ProcessError::Ended {
                name: self.name.clone(),
                status,
                tail: last_lines(&self.log, QUOTED_LINES),
                log: self.log.clone(),
            }),
        }
    }

    /// Asks the child to stop and waits; kills it if it does not.
    pub(crate) async fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        if timeout(STOP_PATIENCE, self.child.wait()).await.is_err() {
            tracing::warn!(process = %self.name, "did not stop in time, killing it");
            self.kill().await;
        }
    }

    /// Kills the child as a power cut would: no clean-up of its own.
    pub(crate) async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::debug!(process = %self.name, %error, "had already ended");
        }
    }

    fn signal(&self, signal: Signal) {
        let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) else {
            return;
        };
        if let Err(error) = kill(Pid::from_raw(id), signal) {
            tracing::debug!(process = %self.name, %error, "had already ended");
        }
    }
}

/// Becomes `program`, after asking the kernel to end it when our parent ends. Returns only on failure.
pub(crate) fn become_program(program: &OsString, args: &[OsString]) -> eyre::Report {
    if let Err(error) = nix::sys::prctl::set_pdeathsig(Signal::SIGTERM) {
        return eyre::eyre!(
            "cannot tie the life of {} to its parent's: {error}",
            program.to_string_lossy()
        );
    }
    let error = std::process::Command::new(program).args(args).exec();
    eyre::eyre!("cannot run {}: {error}", program.to_string_lossy())
}

fn last_lines(path: &Path, count: usize) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
