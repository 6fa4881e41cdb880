//! `tributary genesis`: genesis.json and rollup.json of a new chain.

use super::shared::{LogArgs, read};
use crate::network::{ChainSpec, DEPLOYMENT_FILE, Deployment, Network};
use alloy::primitives::Address;
use clap::{Args, ValueEnum};
use eyre::{Context, bail};
use std::path::PathBuf;

/// Forks a chain starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Everything through Jovian: minimum base fee and DA footprint limit.
    Jovian,
    /// Everything through Isthmus.
    Isthmus,
}

/// Parameters of a new chain.
#[derive(Args, Debug)]
pub(crate) struct SpecArgs {
    /// Chain id of L1.
    #[arg(long, env = "TRIBUTARY_L1_CHAIN_ID")]
    pub(crate) l1_chain_id: u64,
    /// Chain id of the new chain.
    #[arg(long, env = "TRIBUTARY_L2_CHAIN_ID")]
    pub(crate) l2_chain_id: u64,
    /// Forks active from block 0.
    #[arg(long, env = "TRIBUTARY_PROFILE", value_enum, default_value = "jovian")]
    pub(crate) profile: Profile,
    /// Seconds between blocks; at most the time between L1 blocks.
    #[arg(long, env = "TRIBUTARY_BLOCK_TIME", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=12))]
    pub(crate) block_time: u64,
    /// L1 blocks in which batches of an epoch may land.
    #[arg(long, env = "TRIBUTARY_SEQ_WINDOW_SIZE", default_value_t = 3600)]
    pub(crate) seq_window_size: u64,
    /// Gas limit of a block.
    #[arg(long, env = "TRIBUTARY_GAS_LIMIT", default_value_t = 200_000_000)]
    pub(crate) gas_limit: u64,
    /// Wei the base fee never falls below (Jovian).
    #[arg(long, env = "TRIBUTARY_MIN_BASE_FEE", default_value_t = 1_000_000)]
    pub(crate) min_base_fee: u64,
    /// Gas of footprint per estimated byte on DA (Jovian).
    #[arg(long, env = "TRIBUTARY_DA_FOOTPRINT_GAS_SCALAR", default_value_t = 400)]
    pub(crate) da_footprint_gas_scalar: u16,
    /// Account that posts batches.
    #[arg(long, env = "TRIBUTARY_BATCHER_ADDRESS", value_name = "ADDRESS")]
    pub(crate) batcher_address: Address,
    /// Account that proposes output roots.
    #[arg(long, env = "TRIBUTARY_PROPOSER_ADDRESS", value_name = "ADDRESS")]
    pub(crate) proposer_address: Address,
    /// Account that signs unsafe blocks.
    #[arg(long, env = "TRIBUTARY_UNSAFE_BLOCK_SIGNER", value_name = "ADDRESS")]
    pub(crate) unsafe_block_signer: Address,
    /// Account that may change parameters on L1.
    #[arg(long, env = "TRIBUTARY_OWNER_ADDRESS", value_name = "ADDRESS")]
    pub(crate) owner_address: Address,
}

impl SpecArgs {
    /// The parameters, checked together.
    pub(crate) fn spec(&self) -> eyre::Result<ChainSpec> {
        if self.l1_chain_id == self.l2_chain_id {
            bail!(
                "--l1-chain-id and --l2-chain-id are both {}; a transaction on one could be replayed on the other",
                self.l1_chain_id
            );
        }
        let jovian = self.profile == Profile::Jovian;
        Ok(ChainSpec {
            l1_chain_id: self.l1_chain_id,
            l2_chain_id: self.l2_chain_id,
            block_time: self.block_time,
            seq_window_size: self.seq_window_size,
            jovian,
            gas_limit: self.gas_limit,
            min_base_fee: if jovian { self.min_base_fee } else { 0 },
            da_footprint_gas_scalar: if jovian { self.da_footprint_gas_scalar } else { 0 },
            batcher: self.batcher_address,
            proposer: self.proposer_address,
            unsafe_block_signer: self.unsafe_block_signer,
            owner: self.owner_address,
        })
    }
}

/// Write genesis.json and rollup.json of a new chain whose L1 contracts are deployed.
///
/// Both are in the shape op-node, op-geth and op-reth read. The hash of block 0 is the same in both, and in l1-deployment.json.
#[derive(Args, Debug)]
pub(crate) struct GenesisArgs {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// Folder with l1-deployment.json; receives the other files.
    #[arg(long, env = "TRIBUTARY_NETWORK_DIR", value_name = "DIR")]
    pub(crate) network_dir: PathBuf,
}

/// Writes the files and prints the genesis hash.
pub(crate) async fn run(args: GenesisArgs) -> eyre::Result<()> {
    args.log.init()?;
    let path = args.network_dir.join(DEPLOYMENT_FILE);
    let text = read(&path, "--network-dir; `tributary deploy` writes it")?;
    let deployment: Deployment =
        serde_json::from_str(&text).with_context(|| format!("{} is not an L1 deployment", path.display()))?;
    let spec = args.spec.spec()?;
    if deployment.l1_chain_id != spec.l1_chain_id {
        bail!(
            "{} is of L1 {}, but --l1-chain-id is {}",
            path.display(),
            deployment.l1_chain_id,
            spec.l1_chain_id
        );
    }
    let network = Network::new(&spec, deployment)?;
    network.write(&args.network_dir)?;
    println!("{}", network.rollup.genesis.l2.hash);
    Ok(())
}
