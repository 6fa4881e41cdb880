//! The L1 of a devnet: an anvil of our own, or an Ethereum RPC that already runs.

use super::{
    processes::{Process, ProcessError},
    programs,
};
use alloy::providers::{Provider, ProviderBuilder, RootProvider};
use eyre::{Context, bail};
use std::{
    ffi::OsString,
    path::Path,
    time::{Duration, Instant},
};

/// Chain id of the devnet's L1.
pub(crate) const L1_CHAIN_ID: u64 = 900;

/// Seconds between L1 blocks: more than an L2 block's, as the OP Stack requires.
pub(crate) const L1_BLOCK_TIME_SECS: u64 = 2;

/// How long anvil may take to answer; it takes a fraction of a second unless the machine is very busy.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// Starts anvil on loopback `port`, mining only when told to, so that the set-up costs no block times. It keeps its chain in `state`.
pub(crate) async fn start_anvil(port: u16, state: &Path, logs: &Path) -> eyre::Result<(Process, String)> {
    let program = programs::anvil()?;
    let args: Vec<OsString> = [
        "--host",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "--chain-id",
        &L1_CHAIN_ID.to_string(),
        // Prague is the last fork the Isthmus profile's independent deriver knows.
        "--hardfork",
        "prague",
        "--no-mining",
        // Finality two blocks behind the tip, so that a devnet shows finalized heads soon.
        "--slots-in-an-epoch",
        "1",
        // Batcher and proposer rely on their nonces, not on fees, for order.
        "--order",
        "fifo",
        "--quiet",
    ]
    .iter()
    .map(OsString::from)
    .chain(["--state".into(), state.into()])
    .collect();
    let mut process = Process::start("l1", &program, &args, logs)?;
    let url = format!("http://127.0.0.1:{port}");
    wait_until_it_answers(&url, Some(&mut process)).await?;
    Ok((process, url))
}

/// Waits for the L1 at `url` to answer and returns its chain id.
pub(crate) async fn wait_until_it_answers(url: &str, mut process: Option<&mut Process>) -> eyre::Result<u64> {
    let provider = provider(url)?;
    let started = Instant::now();
    loop {
        if let Some(process) = process.as_deref_mut() {
            process
                .check_running()
                .map_err(|error: ProcessError| eyre::eyre!(error))?;
        }
        match provider.get_chain_id().await {
            Ok(chain_id) => return Ok(chain_id),
            Err(error) if started.elapsed() > START_PATIENCE => {
                bail!("the L1 at {url} did not answer within {START_PATIENCE:?}: {error}");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Lets anvil mine on its own from now on.
pub(crate) async fn start_mining(url: &str) -> eyre::Result<()> {
    let provider = provider(url)?;
    let request = provider.raw_request("evm_setIntervalMining".into(), (L1_BLOCK_TIME_SECS,));
    let _: serde_json::Value = request.await.context("anvil refused evm_setIntervalMining")?;
    Ok(())
}

/// Makes anvil mine one block now.
pub(crate) async fn mine(url: &str) -> eyre::Result<()> {
    let _: serde_json::Value = provider(url)?
        .raw_request("evm_mine".into(), ())
        .await
        .context("anvil refused evm_mine")?;
    Ok(())
}

/// A provider for `url` without wallets or fillers.
pub(crate) fn provider(url: &str) -> eyre::Result<RootProvider> {
    let url = url.parse().with_context(|| format!("`{url}` is not a URL"))?;
    Ok(ProviderBuilder::new()
        .disable_recommended_fillers()
        .connect_http(url))
}
