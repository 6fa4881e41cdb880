//! A whole rollup on this machine: L1, contracts, DA, sequencer, batcher, proposer, follower, indexer, each a process of its own.
//!
//! ```text
//!  anvil <- deploy <- network files, keys, tributary.toml <- one process per role, each started with `--config tributary.toml`
//! ```

pub(crate) mod deployment;
pub(crate) mod folder;
pub(crate) mod l1;
pub(crate) mod ports;
pub(crate) mod processes;
pub(crate) mod programs;
mod settings_file;
pub(crate) mod status;

use crate::{
    admin::token::Secret,
    keys,
    network::{ChainSpec, DEPLOYMENT_FILE, Deployment, GENESIS_FILE, Network, ROLLUP_FILE},
};
use eyre::{Context, bail};
use ports::{Ports, url};
use processes::Process;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tributary_protocol::{config::RollupConfig, genesis::Genesis};

/// Chain id of the devnet.
pub(crate) const L2_CHAIN_ID: u64 = 901;

/// L1 blocks in which batches of an epoch may land: a minute, so that an expiring window can be watched.
const SEQ_WINDOW_SIZE: u64 = 30;

/// Seconds an output root of the devnet stands before it is final.
const CHALLENGE_PERIOD_SECS: u64 = 60;

/// How long a role may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Development accounts by their part in the devnet; the owner also pays for the set-up.
const OWNER: u32 = 0;
const BATCHER: u32 = 1;
const PROPOSER: u32 = 2;
const UNSAFE_BLOCK_SIGNER: u32 = 3;

/// A process of the devnet. The order is the order of starting; stopping goes backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    Da,
    Sequencer,
    Batcher,
    Proposer,
    Follower,
    Indexer,
}

impl Role {
    const ALL: [Self; 6] = [
        Self::Da,
        Self::Sequencer,
        Self::Batcher,
        Self::Proposer,
        Self::Follower,
        Self::Indexer,
    ];

    /// Name of the subcommand.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Da => "da",
            Self::Sequencer => "sequencer",
            Self::Batcher => "batcher",
            Self::Proposer => "proposer",
            Self::Follower => "follower",
            Self::Indexer => "indexer",
        }
    }
}

/// What a devnet is started with.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Folder for all files; what it holds of an earlier run is used again.
    pub(crate) folder: PathBuf,
    pub(crate) ports: Ports,
    /// An L1 that already runs, instead of an anvil of our own.
    pub(crate) l1_rpc: Option<String>,
    /// False stops at Isthmus.
    pub(crate) jovian: bool,
    /// Seconds between L2 blocks.
    pub(crate) block_time: u64,
    pub(crate) max_channel_duration: Duration,
    pub(crate) log_level: String,
}

/// Where the roles answer.
#[derive(Clone, Debug)]
pub(crate) struct Urls {
    pub(crate) l1: String,
    pub(crate) sequencer: String,
    pub(crate) follower: String,
    pub(crate) da: String,
    pub(crate) indexer: String,
    pub(crate) batcher: String,
    pub(crate) proposer: String,
}

impl Urls {
    fn new(l1: String, ports: &Ports) -> Self {
        Self {
            l1,
            sequencer: url(ports.sequencer),
            follower: url(ports.follower),
            da: url(ports.da),
            indexer: url(ports.indexer),
            batcher: url(ports.batcher),
            proposer: url(ports.proposer),
        }
    }

    pub(crate) fn of(&self, role: Role) -> &str {
        match role {
            Role::Da => &self.da,
            Role::Sequencer => &self.sequencer,
            Role::Batcher => &self.batcher,
            Role::Proposer => &self.proposer,
            Role::Follower => &self.follower,
            Role::Indexer => &self.indexer,
        }
    }
}

/// A running devnet. Dropping it kills its processes; [`Self::stop_all`] stops them in order.
pub(crate) struct Devnet {
    pub(crate) folder: PathBuf,
    pub(crate) urls: Urls,
    pub(crate) network: Network,
    l1: Option<Process>,
    roles: BTreeMap<Role, Process>,
}

impl Devnet {
    /// Starts L1 and the contracts, and writes the files the roles start from. `tell` hears of each step.
    pub(crate) async fn prepare(options: &Options, tell: &dyn Fn(&str)) -> eyre::Result<Self> {
        folder::make(&options.folder)
            .with_context(|| format!("cannot create {}", options.folder.display()))?;
        for folder in [options.folder.join("logs"), options.folder.join("keys")] {
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let logs = options.folder.join("logs");
        let (process, l1_rpc) = match &options.l1_rpc {
            Some(url) => (None, url.clone()),
            None => {
                tell("starting L1");
                let state = options.folder.join("l1-state.json");
                let (process, url) = l1::start_anvil(options.ports.l1, &state, &logs).await?;
                (Some(process), url)
            }
        };
        let l1_chain_id = l1::wait_until_it_answers(&l1_rpc, None).await?;
        let own_l1 = process.is_some();
        let network = match read_network(&options.folder)? {
            Some(network) => {
                check_same_l1(&network, &l1_rpc, l1_chain_id).await?;
                network
            }
            None => {
                tell("deploying the contracts on L1");
                deploy_network(options, &l1_rpc, l1_chain_id, own_l1).await?
            }
        };
        if own_l1 {
            l1::start_mining(&l1_rpc).await?;
        }
        Secret::create(&options.folder.join(settings_file::ADMIN_KEY_FILE))?;
        // Also where a devnet from before it signed anything is started again.
        keys::store(
            &options.folder.join(settings_file::SIGNER_KEY_FILE),
            &keys::dev_signer(UNSAFE_BLOCK_SIGNER),
        )?;
        let urls = Urls::new(l1_rpc, &options.ports);
        settings_file::write(options, &urls, &network)?;
        Ok(Self {
            folder: options.folder.clone(),
            urls,
            network,
            l1: process,
            roles: BTreeMap::new(),
        })
    }

    /// Starts every role and waits until all of them answer.
    pub(crate) async fn start_all(&mut self, tell: &dyn Fn(&str)) -> eyre::Result<()> {
        for role in Role::ALL {
            tell(&format!("starting {}", role.name()));
            self.start(role)?;
            if matches!(role, Role::Da | Role::Sequencer) {
                // The others would only log that these two are not there yet.
                self.wait_until_live(role).await?;
            }
        }
        for role in Role::ALL {
            self.wait_until_live(role).await?;
        }
        Ok(())
    }

    /// Writes the settings file anew; a role that is started after this starts with it.
    pub(crate) fn change_settings(&self, options: &Options) -> eyre::Result<()> {
        settings_file::write(options, &self.urls, &self.network)
    }

    /// Starts one role; its files are where they were if it ran before.
    pub(crate) fn start(&mut self, role: Role) -> eyre::Result<()> {
        let args: Vec<OsString> = [
            role.name().into(),
            "--config".into(),
            settings_file::path(&self.folder).into(),
        ]
        .into();
        let process = Process::start(
            role.name(),
            &std::env::current_exe()?,
            &args,
            &self.folder.join("logs"),
        )?;
        self.roles.insert(role, process);
        Ok(())
    }

    /// Waits until a role serves its health.
    pub(crate) async fn wait_until_live(&mut self, role: Role) -> eyre::Result<()> {
        let url = format!("{}/livez", self.urls.of(role));
        let started = Instant::now();
        loop {
            if let Some(process) = self.roles.get_mut(&role) {
                process.check_running()?;
            }
            match reqwest::get(&url)
                .await
                .and_then(reqwest::Response::error_for_status)
            {
                Ok(_) => return Ok(()),
                Err(error) if started.elapsed() > START_PATIENCE => {
                    bail!(
                        "{} does not answer at {url} after {START_PATIENCE:?}: {error}",
                        role.name()
                    );
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Fails if any process has ended by itself.
    pub(crate) fn check_running(&mut self) -> eyre::Result<()> {
        for process in self.l1.iter_mut().chain(self.roles.values_mut()) {
            process.check_running()?;
        }
        Ok(())
    }

    /// Stops one role and waits for it.
    pub(crate) async fn stop(&mut self, role: Role) {
        if let Some(process) = self.roles.remove(&role) {
            process.stop().await;
        }
    }

    /// Kills one role as a power cut would.
    pub(crate) async fn kill(&mut self, role: Role) {
        if let Some(mut process) = self.roles.remove(&role) {
            process.kill().await;
        }
    }

    /// Where a role's output goes.
    pub(crate) fn log(&self, role: Role) -> PathBuf {
        self.folder.join("logs").join(format!("{}.log", role.name()))
    }

    /// Stops everything, last started first, L1 at the end.
    pub(crate) async fn stop_all(mut self) {
        while let Some((_, process)) = self.roles.pop_last() {
            process.stop().await;
        }
        if let Some(l1) = self.l1.take() {
            l1.stop().await;
        }
    }
}

/// The network an earlier run left in `folder`, if it left one.
fn read_network(folder: &Path) -> eyre::Result<Option<Network>> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    if !folder.join(ROLLUP_FILE).exists() {
        return Ok(None);
    }
    let rollup = RollupConfig::from_json(&read(ROLLUP_FILE)?)?;
    let genesis = Genesis::from_json(read(GENESIS_FILE)?.as_bytes())?;
    let deployment: Deployment = serde_json::from_str(&read(DEPLOYMENT_FILE)?)?;
    Ok(Some(Network {
        rollup,
        genesis,
        deployment,
    }))
}

/// Refuses an L1 that is not the one the files in the folder were made for.
async fn check_same_l1(network: &Network, l1_rpc: &str, l1_chain_id: u64) -> eyre::Result<()> {
    use alloy::providers::Provider;
    let expected = network.rollup.genesis.l1;
    if l1_chain_id != network.rollup.l1_chain_id {
        bail!(
            "the L1 at {l1_rpc} has chain id {l1_chain_id}, the chain in this folder is on {}; use --reset",
            network.rollup.l1_chain_id
        );
    }
    let block = l1::provider(l1_rpc)?
        .get_block_by_number(expected.number.0.into())
        .await?;
    match block.map(|block| block.header.hash) {
        Some(hash) if hash == expected.hash => Ok(()),
        found => bail!(
            "L1 block {} at {l1_rpc} is {found:?}, the chain in this folder starts from {}; use --reset",
            expected.number,
            expected.hash
        ),
    }
}

async fn deploy_network(
    options: &Options,
    l1_rpc: &str,
    l1_chain_id: u64,
    own_l1: bool,
) -> eyre::Result<Network> {
    let owner = keys::dev_signer(OWNER);
    if !own_l1 {
        keys::refuse_dev_key(owner.address(), "l1-rpc", l1_chain_id)?;
    }
    let address = |index: u32| keys::dev_signer(index).address();
    let spec = ChainSpec {
        l1_chain_id,
        l2_chain_id: L2_CHAIN_ID,
        block_time: options.block_time,
        seq_window_size: SEQ_WINDOW_SIZE,
        jovian: options.jovian,
        gas_limit: 200_000_000,
        min_base_fee: if options.jovian { 1_000_000 } else { 0 },
        da_footprint_gas_scalar: if options.jovian { 400 } else { 0 },
        batcher: address(BATCHER),
        proposer: address(PROPOSER),
        unsafe_block_signer: address(UNSAFE_BLOCK_SIGNER),
        owner: owner.address(),
    };
    let deployment = deployment::deploy(l1_rpc, &owner, &spec, CHALLENGE_PERIOD_SECS, own_l1).await?;
    let network = Network::new(&spec, deployment)?;
    network.write(&options.folder)?;
    for (role, index) in [("batcher", BATCHER), ("proposer", PROPOSER)] {
        keys::store(&options.folder.join("keys").join(role), &keys::dev_signer(index))?;
    }
    Ok(network)
}
