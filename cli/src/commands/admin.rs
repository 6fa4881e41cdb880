//! `tributary admin`: asks the admin RPC of any role by the method's name, with a token made from the key file.

use crate::{
    admin::{client::AdminClient, token::Secret},
    commands::{batcher, node},
};
use clap::Args;
use serde_json::Value;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// How long an answer may take: a sequencer is stopped once its open block is sealed.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Ask the admin RPC of a running sequencer, follower or batcher of this machine.
///
/// Prints the answer as JSON.
#[derive(Args, Debug)]
#[command(after_help = methods_help())]
pub(crate) struct AdminArgs {
    /// As admin_stopSequencer.
    #[arg(value_name = "METHOD")]
    method: String,
    /// Its parameters: JSON, or text as it is.
    #[arg(value_name = "PARAMETER")]
    params: Vec<String>,
    /// Address of the admin RPC: by default a sequencer has 127.0.0.1:7310, a batcher 127.0.0.1:7311, a follower 127.0.0.1:7312.
    #[arg(long, env = "TRIBUTARY_ADMIN_ADDR", default_value = "127.0.0.1:7310")]
    admin_addr: SocketAddr,
    /// File with the key of that role's admin RPC.
    #[arg(long, env = "TRIBUTARY_ADMIN_JWT_FILE", value_name = "FILE", required = true)]
    admin_jwt_file: PathBuf,
}

fn methods_help() -> String {
    let of = |role: &str, names: &[&str]| format!("Of a {role}: {}.", names.join(", "));
    [
        of("sequencer", &node::ADMIN_METHODS),
        of("batcher", &batcher::ADMIN_METHODS),
    ]
    .join("\n")
}

/// Asks, and prints the answer.
pub(crate) async fn run(args: AdminArgs) -> eyre::Result<()> {
    let secret = Secret::load(&args.admin_jwt_file, "admin-jwt-file")?;
    let client = AdminClient::new(&format!("http://{}", args.admin_addr), secret)?.with_timeout(TIMEOUT);
    let params: Vec<Value> = args
        .params
        .iter()
        .map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())))
        .collect();
    println!("{}", client.call(&args.method, &params).await?);
    Ok(())
}
