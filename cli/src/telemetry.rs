//! Logs, metrics and the end of a process: what every role has in common.

use clap::ValueEnum;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, fmt};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Sends log lines of `level` (an `EnvFilter` expression) to standard error. Standard output stays for results.
pub(crate) fn init_logs(level: &str, format: LogFormat) -> eyre::Result<()> {
    let filter = EnvFilter::try_new(level).map_err(|error| eyre::eyre!("--log-level `{level}`: {error}"))?;
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Colours are for eyes; in a file they only hide words from a search.
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.with_target(true).compact().init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

/// Starts collecting metrics; the handle renders them in Prometheus' text format.
pub(crate) fn init_metrics() -> eyre::Result<PrometheusHandle> {
    Ok(PrometheusBuilder::new().install_recorder()?)
}

/// A token that is cancelled by the first SIGINT or SIGTERM. A second signal ends the process at once.
pub(crate) fn shutdown_on_signal() -> eyre::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let cancelled = token.clone();
    tokio::spawn(async move {
        for attempt in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if attempt == 0 {
                cancelled.cancel();
            }
        }
        std::process::exit(130);
    });
    Ok(token)
}
