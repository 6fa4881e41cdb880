//! `tributary da`: the embedded DA server.

use super::shared::LogArgs;
use crate::{health, telemetry};
use clap::Args;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};
use tributary_da_client::{
    proxy::{Proxy, ProxySettings, SettingsError},
    server::Server,
};

/// Keep payloads on this machine's disk and serve them over EigenDA proxy's REST routes.
///
/// One machine is one failure domain: this is for development, tests and small chains. Its commitments carry layer byte 0x7a, so
/// nobody mistakes it for EigenDA.
#[derive(Args, Debug)]
pub(crate) struct DaArgs {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    /// Folder for the payloads.
    #[arg(long, env = "TRIBUTARY_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// Address to serve on, with /livez, /readyz and /metrics.
    #[arg(long, env = "TRIBUTARY_ADDR", default_value = "127.0.0.1:3100")]
    pub(crate) addr: SocketAddr,
}

/// Serves until a signal.
pub(crate) async fn run(args: DaArgs) -> eyre::Result<()> {
    args.log.init()?;
    let metrics = telemetry::init_metrics()?;
    let shutdown = telemetry::shutdown_on_signal()?;
    // A server that could open its folder and listens can do its work.
    let readiness: health::Readiness = Arc::new(|| None);
    let server = Server::bind(&args.data_dir, args.addr, health::router(metrics, readiness)).await?;
    tracing::info!(address = %server.local_addr()?, folder = %args.data_dir.display(), "serving payloads");
    server.serve(shutdown.cancelled_owned()).await?;
    Ok(())
}

/// A client of the DA servers at `urls`.
pub(crate) fn client(urls: &[String]) -> Result<Proxy, SettingsError> {
    Proxy::new(ProxySettings::new(urls.to_vec()))
}
