//! `tributary deploy`: the contracts of a new chain on L1.

use super::genesis::SpecArgs;
use super::shared::LogArgs;
use crate::{
    devnet::deployment,
    keys,
    network::{DEPLOYMENT_FILE, Deployment},
};
use clap::Args;
use eyre::Context;
use std::path::{Path, PathBuf};

/// Deploy the contracts of a new chain on L1 and write their addresses to l1-deployment.json.
///
/// One transaction makes all of them, or none. `tributary genesis` then writes the chain's other files.
#[derive(Args, Debug)]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    /// JSON-RPC endpoint of L1.
    #[arg(long, env = "TRIBUTARY_L1_RPC", value_name = "URL")]
    pub(crate) l1_rpc: String,
    /// File with the private key that pays for the deployment (64 hex digits, mode 600).
    #[arg(long, env = "TRIBUTARY_DEPLOYER_KEY_FILE", value_name = "FILE")]
    pub(crate) deployer_key_file: PathBuf,
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// Seconds an output root stands before it is final.
    #[arg(long, env = "TRIBUTARY_CHALLENGE_PERIOD_SECS", default_value_t = 604_800)]
    pub(crate) challenge_period_secs: u64,
    /// Folder that receives l1-deployment.json.
    #[arg(long, env = "TRIBUTARY_NETWORK_DIR", value_name = "DIR")]
    pub(crate) network_dir: PathBuf,
}

/// Deploys and writes the addresses.
pub(crate) async fn run(args: DeployArgs) -> eyre::Result<()> {
    args.log.init()?;
    let spec = args.spec.spec()?;
    let signer = keys::load(&args.deployer_key_file, "deployer-key-file", spec.l1_chain_id)?;
    let deployment =
        deployment::deploy(&args.l1_rpc, &signer, &spec, args.challenge_period_secs, false).await?;
    write(&args.network_dir, &deployment)?;
    println!("{}", serde_json::to_string_pretty(&deployment)?);
    Ok(())
}

fn write(folder: &Path, deployment: &Deployment) -> eyre::Result<()> {
    let path = folder.join(DEPLOYMENT_FILE);
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    std::fs::write(&path, serde_json::to_string_pretty(deployment)?)
        .with_context(|| format!("cannot write {}", path.display()))
}
