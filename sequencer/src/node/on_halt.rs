//! What the operator wants done when the node halts: page somebody, stop the batcher, whatever a command can do.

use std::{
    process::{Command, Stdio},
    thread,
};

/// Environment variable with the cause.
const CAUSE_VARIABLE: &str = "TRIBUTARY_HALT_CAUSE";

/// Starts `command` in a shell and logs how it ended. The node does not wait for it: it has halted either way.
pub(super) fn run(command: &str, cause: &str) {
    let started = Command::new("sh")
        .args(["-c", command])
        .env(CAUSE_VARIABLE, cause)
        .stdin(Stdio::null())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            tracing::error!(target: "sequencer", %error, "the on-halt command could not be started");
            return;
        }
    };
    // Waiting takes the ended process off the system's list.
    let waiting = thread::Builder::new()
        .name("on-halt".into())
        .spawn(move || match child.wait() {
            Ok(status) if status.success() => {
                tracing::info!(target: "sequencer", "the on-halt command has run");
            }
            Ok(status) => tracing::error!(target: "sequencer", %status, "the on-halt command failed"),
            Err(error) => tracing::error!(target: "sequencer", %error, "the on-halt command was lost"),
        });
    if let Err(error) = waiting {
        tracing::error!(target: "sequencer", %error, "nobody waits for the on-halt command");
    }
}
