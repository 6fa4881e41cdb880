//! Flags that several roles have, and how their values are read.

use crate::telemetry::LogFormat;
use clap::Args;
use eyre::{Context, bail};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tributary_protocol::config::{L1ChainConfig, RollupConfig};

/// Logging flags, the same for every role.
#[derive(Args, Clone, Debug)]
pub(crate) struct LogArgs {
    /// What to log: a level, or `target=level` pairs.
    #[arg(
        long,
        env = "TRIBUTARY_LOG_LEVEL",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub(crate) log_level: String,
    /// How log lines look.
    #[arg(long, env = "TRIBUTARY_LOG_FORMAT", value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
}

impl LogArgs {
    /// Starts logging as the flags say.
    pub(crate) fn init(&self) -> eyre::Result<()> {
        crate::telemetry::init_logs(&self.log_level, self.log_format)
    }
}

/// The chain's rules, the same for every role that follows the chain.
#[derive(Args, Clone, Debug)]
pub(crate) struct ChainArgs {
    /// The chain's rollup.json.
    #[arg(long, env = "TRIBUTARY_ROLLUP_CONFIG", value_name = "FILE")]
    pub(crate) rollup_config: PathBuf,
    /// JSON-RPC endpoint of L1.
    #[arg(long, env = "TRIBUTARY_L1_RPC", value_name = "URL")]
    pub(crate) l1_rpc: String,
    /// Forks and blob schedule of an L1 that is neither Ethereum, a public testnet nor a development chain (geth's chain config).
    #[arg(long, env = "TRIBUTARY_L1_CHAIN_CONFIG", value_name = "FILE")]
    pub(crate) l1_chain_config: Option<PathBuf>,
}

impl ChainArgs {
    /// Reads and checks rollup.json.
    pub(crate) fn rollup(&self) -> eyre::Result<RollupConfig> {
        read_rollup(&self.rollup_config)
    }

    /// L1's forks: the file given, or the preset of the chain id.
    pub(crate) fn l1_chain(&self, rollup: &RollupConfig) -> eyre::Result<L1ChainConfig> {
        if let Some(path) = &self.l1_chain_config {
            let text = read(path, "--l1-chain-config")?;
            return L1ChainConfig::from_json(&text).with_context(|| format!("{}", path.display()));
        }
        match L1ChainConfig::preset(rollup.l1_chain_id) {
            Some(config) => Ok(config),
            None => bail!(
                "the forks of L1 chain {} are not known; give them with --l1-chain-config",
                rollup.l1_chain_id
            ),
        }
    }
}

/// Reads and checks a rollup.json.
pub(crate) fn read_rollup(path: &Path) -> eyre::Result<RollupConfig> {
    let text = read(path, "--rollup-config")?;
    RollupConfig::from_json(&text).with_context(|| format!("{}", path.display()))
}

/// Reads a text file named by `flag`.
pub(crate) fn read(path: &Path, flag: &str) -> eyre::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {} ({flag})", path.display()))
}

/// `500ms`, `2s`, `1m 30s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; examples: 500ms, 2s, 5m"))
}
