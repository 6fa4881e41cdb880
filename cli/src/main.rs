//! The `tributary` binary: every role of the rollup, the devnet and the demo.
//!
//! This is the composition root: the only place that names concrete types of all crates and puts them together. Each role is a
//! process of its own; `tributary devnet` starts them all.

mod admin;
mod artifacts;
mod bench;
mod commands;
mod demo;
mod devnet;
mod health;
mod keys;
mod network;
mod preinstalls;
mod settings;
mod telemetry;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::{ffi::OsString, path::PathBuf, process::ExitCode};

/// A node makes many small allocations on one thread and frees them on another. The same load under glibc's allocator took more CPU and more
/// memory.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// An optimistic rollup for AI attribution.
///
/// Start with `tributary devnet`: a whole rollup on this machine. `tributary demo` replays inferences, stops everything, and lets a
/// fresh follower derive the same chain from L1 and DA alone.
///
/// Every flag has an environment variable of the same name (TRIBUTARY_…) and can stand in the file given by --config: at the top
/// level for all roles, or in a section named after the role. A flag beats the environment, which beats the file.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    /// TOML file with settings.
    #[arg(long, global = true, env = settings::CONFIG_ENV, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Devnet(commands::devnet::DevnetArgs),
    Demo(commands::demo::DemoArgs),
    Record(commands::record::RecordArgs),
    Sequencer(commands::node::SequencerArgs),
    Follower(commands::node::FollowerArgs),
    Batcher(commands::batcher::BatcherCommand),
    Proposer(commands::proposer::ProposerArgs),
    Admin(commands::admin::AdminArgs),
    Indexer(commands::indexer::IndexerArgs),
    Da(commands::da::DaArgs),
    Deploy(commands::deploy::DeployArgs),
    Genesis(commands::genesis::GenesisArgs),
    Evidence(commands::evidence::EvidenceArgs),
    Bench(commands::bench::BenchArgs),
    /// Run a program that ends when this process' parent ends (used by the devnet for its children).
    #[command(hide = true)]
    Supervised {
        /// Program and arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let command = match settings::with_file_defaults(Cli::command(), &args) {
        Ok(command) => command,
        Err(error) => return failed(&error.into()),
    };
    let cli = Cli::from_arg_matches(&command.get_matches_from(args)).unwrap_or_else(|error| error.exit());
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

#[tokio::main]
async fn run(command: Command) -> eyre::Result<ExitCode> {
    match command {
        Command::Devnet(args) => commands::devnet::run(args).await?,
        Command::Demo(args) => return commands::demo::run(args).await,
        Command::Record(args) => commands::record::run(args).await?,
        Command::Sequencer(args) => commands::node::run_sequencer(args).await?,
        Command::Follower(args) => commands::node::run_follower(args).await?,
        Command::Batcher(command) => return commands::batcher::run(command).await,
        Command::Proposer(args) => commands::proposer::run(args).await?,
        Command::Admin(args) => commands::admin::run(args).await?,
        Command::Indexer(args) => commands::indexer::run(args).await?,
        Command::Da(args) => commands::da::run(args).await?,
        Command::Deploy(args) => commands::deploy::run(args).await?,
        Command::Genesis(args) => commands::genesis::run(args).await?,
        Command::Evidence(args) => commands::evidence::run(args)?,
        Command::Bench(args) => commands::bench::run(args).await?,
        Command::Supervised { command } => {
            let (program, args) = command.split_first().expect("clap requires at least one word");
            return Err(devnet::processes::become_program(program, args));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells what went wrong and why, one cause a line.
fn failed(error: &eyre::Report) -> ExitCode {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn flags_and_help_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_settings_files_in_deploy_fit_every_role() {
        let networks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/networks");
        for network in ["devnet", "sepolia"] {
            let file = networks.join(network).join("tributary.toml");
            for role in ["da", "sequencer", "follower", "batcher", "proposer", "indexer"] {
                let args = ["tributary", role, "--config"].map(OsString::from);
                let args: Vec<OsString> = args.into_iter().chain([file.clone().into()]).collect();
                let command = settings::with_file_defaults(Cli::command(), &args).unwrap();
                command
                    .try_get_matches_from(args)
                    .unwrap_or_else(|error| panic!("{network} {role}: {error}"));
            }
        }
    }
}
