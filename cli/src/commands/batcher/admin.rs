//! `tributary batcher admin`: asks a running batcher; and what that batcher answers.

use super::BatcherArgs;
use crate::admin::{
    client::AdminClient,
    server::{MethodError, Methods, quick},
    token::Secret,
};
use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};
use eyre::OptionExt;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf};
use tokio::sync::watch;
use tributary_batcher::{
    control::{BatcherControl, ControlError},
    driver::BatcherStatus,
    throttle::DaSizes,
};
use tributary_protocol::block::L2BlockId;

/// `tributary batcher`, or `tributary batcher admin`.
#[derive(Debug)]
pub(crate) enum BatcherCommand {
    Run(Box<BatcherArgs>),
    Admin(AdminCommand),
}

/// Ask a running batcher of this machine to stop, start or flush, or what it is doing.
#[derive(Debug)]
pub(crate) struct AdminCommand {
    address: SocketAddr,
    jwt_file: Option<PathBuf>,
    question: Question,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Question {
    /// Begin nothing more. What has a nonce is posted to its end, and the journal is kept.
    Stop(Output),
    /// Go on where it was stopped.
    Start(Output),
    /// Close the open channel now, though it is not due.
    Flush(Output),
    /// What is posted, what waits, and what is in the way.
    Status(Output),
}

#[derive(Args, Clone, Copy, Debug)]
struct Output {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const ABOUT: &str = "Ask a running batcher of this machine to stop, start or flush, or what it is doing";

impl Args for BatcherCommand {
    fn augment_args(command: Command) -> Command {
        let admin =
            Question::augment_subcommands(Command::new("admin").about(ABOUT).subcommand_required(true));
        BatcherArgs::augment_args(command)
            .subcommand(admin)
            .subcommand_negates_reqs(true)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for BatcherCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let Some(("admin", admin)) = matches.subcommand() else {
            return BatcherArgs::from_arg_matches(matches).map(|args| Self::Run(Box::new(args)));
        };
        let address = admin.get_one("admin_addr").copied();
        Ok(Self::Admin(AdminCommand {
            address: address.expect("--admin-addr has a default"),
            jwt_file: admin.get_one("admin_jwt_file").cloned(),
            question: Question::from_arg_matches(admin)?,
        }))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What `admin_batcherStatus` answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    /// False after a stop.
    running: bool,
    /// Why nothing moves, if nothing does.
    problem: Option<String>,
    /// Last L2 block on L1, as far as this batcher posted it.
    posted: Option<L2BlockId>,
    /// Blocks that wait for a channel.
    pending_blocks: usize,
    /// Channels begun and not final.
    channels: usize,
    /// Bytes not on L1.
    backlog_bytes: u64,
    /// What the sequencer's blocks are limited to; zeros are no limit, null is nobody to limit.
    limits: Option<Limits>,
    /// Why the sequencer does not know its limits, if so.
    limits_problem: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    transaction_bytes_max: u64,
    block_bytes_max: u64,
}

impl From<&BatcherStatus> for Status {
    fn from(status: &BatcherStatus) -> Self {
        Self {
            running: !status.is_stopped,
            problem: status.problem.clone(),
            posted: status.posted,
            pending_blocks: status.pending_blocks,
            channels: status.channels,
            backlog_bytes: status.backlog_bytes,
            limits: status.limits.map(Limits::from),
            limits_problem: status.limits_problem.clone(),
        }
    }
}

impl From<DaSizes> for Limits {
    fn from(sizes: DaSizes) -> Self {
        Self {
            transaction_bytes_max: sizes.transaction_bytes_max,
            block_bytes_max: sizes.block_bytes_max,
        }
    }
}

/// What is served.
pub(crate) const METHODS: [&str; 4] = [
    "admin_startBatcher",
    "admin_stopBatcher",
    "admin_flushBatcher",
    "admin_batcherStatus",
];

/// What a batcher lets its operator ask; the names are op-batcher's, the status is ours.
pub(super) fn methods(control: BatcherControl, status: watch::Receiver<BatcherStatus>) -> Methods {
    quick(move |method, params| {
        if !params.is_empty() {
            return Err(MethodError::Params("no arguments are wanted".to_owned()));
        }
        let done = |outcome: Result<(), ControlError>| match outcome {
            Ok(()) => Ok(serde_json::Value::Null),
            Err(error) => Err(MethodError::Refused(error.to_string())),
        };
        match method {
            "admin_startBatcher" => done(control.start()),
            "admin_stopBatcher" => done(control.stop()),
            "admin_flushBatcher" => done(control.flush()),
            "admin_batcherStatus" => {
                let mut status = Status::from(&*status.borrow());
                // The batcher notes it in its next turn.
                status.running = !control.is_stopped();
                serde_json::to_value(status).map_err(|error| MethodError::Refused(error.to_string()))
            }
            _ => Err(MethodError::Unknown),
        }
    })
}

/// Asks, and prints the answer.
pub(super) async fn run(command: AdminCommand) -> eyre::Result<()> {
    let jwt_file = command
        .jwt_file
        .ok_or_eyre("--admin-jwt-file is needed: the batcher's, or --config with the batcher's settings")?;
    let secret = Secret::load(&jwt_file, "admin-jwt-file")?;
    let client = AdminClient::new(&format!("http://{}", command.address), secret)?;
    let (method, said, output) = match command.question {
        Question::Stop(output) => (
            "admin_stopBatcher",
            "stopped: what has a nonce is posted to its end",
            output,
        ),
        Question::Start(output) => ("admin_startBatcher", "started", output),
        Question::Flush(output) => (
            "admin_flushBatcher",
            "flushing: what waits is closed in the next turn",
            output,
        ),
        Question::Status(output) => {
            let answer = client.call("admin_batcherStatus", &[]).await?;
            if output.json {
                println!("{answer}");
            } else {
                print!("{}", serde_json::from_value::<Status>(answer)?);
            }
            return Ok(());
        }
    };
    client.call(method, &[]).await?;
    if output.json {
        println!("{}", serde_json::json!({ "done": method }));
    } else {
        println!("{said}");
    }
    Ok(())
}

impl core::fmt::Display for Status {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let posted = self.posted.map_or_else(
            || "nothing yet".to_owned(),
            |block| format!("up to block {} ({})", block.number, block.hash),
        );
        writeln!(
            f,
            "running   {}",
            if self.running {
                "yes"
            } else {
                "no, stopped by the operator"
            }
        )?;
        writeln!(f, "posted    {posted}")?;
        writeln!(
            f,
            "waiting   {} blocks; {} channels not final",
            self.pending_blocks, self.channels
        )?;
        writeln!(f, "backlog   {} bytes not on L1", self.backlog_bytes)?;
        let limits = match &self.limits {
            None => "nobody to limit (--sequencer-admin-rpc)".to_owned(),
            Some(Limits {
                transaction_bytes_max: 0,
                block_bytes_max: 0,
            }) => "none".to_owned(),
            Some(limits) => format!(
                "{} bytes a block, {} a transaction",
                limits.block_bytes_max, limits.transaction_bytes_max
            ),
        };
        writeln!(f, "limits    {limits}")?;
        for problem in [&self.problem, &self.limits_problem].into_iter().flatten() {
            writeln!(f, "problem   {problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use serde_json::json;

    #[test]
    fn the_methods_steer_the_batcher_and_refuse_what_makes_no_sense() {
        let control = BatcherControl::default();
        let (_sender, status) = watch::channel(BatcherStatus {
            pending_blocks: 3,
            limits: Some(DaSizes::default()),
            ..BatcherStatus::default()
        });
        let methods = methods(control.clone(), status);
        let methods = |method: &str, params: &[serde_json::Value]| {
            let answer = methods(method.to_owned(), params.to_vec());
            answer.now_or_never().expect("they only note what they are told")
        };
        assert!(matches!(
            methods("admin_startBatcher", &[]),
            Err(MethodError::Refused(_))
        ));
        methods("admin_flushBatcher", &[]).unwrap();
        methods("admin_stopBatcher", &[]).unwrap();
        assert!(control.is_stopped());
        assert!(matches!(
            methods("admin_flushBatcher", &[]),
            Err(MethodError::Refused(_))
        ));
        let answer = methods("admin_batcherStatus", &[]).unwrap();
        assert_eq!(
            (&answer["running"], &answer["pendingBlocks"]),
            (&json!(false), &json!(3))
        );
        assert_eq!(
            answer["limits"],
            json!({ "transactionBytesMax": 0, "blockBytesMax": 0 })
        );
        let text = serde_json::from_value::<Status>(answer).unwrap().to_string();
        assert!(
            text.contains("stopped by the operator") && text.contains("limits    none"),
            "{text}"
        );
        methods("admin_startBatcher", &[]).unwrap();
        assert!(!control.is_stopped());
        assert!(matches!(
            methods("admin_stopBatcher", &[json!(1)]),
            Err(MethodError::Params(_))
        ));
        assert!(matches!(methods("eth_chainId", &[]), Err(MethodError::Unknown)));
    }
}
