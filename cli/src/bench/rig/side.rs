//! The two sides: a sequencer of ours with an idle L1 beside it, and anvil. Each run has fresh processes and a fresh chain.
//!
//! Both start with the same funded senders, block time and gas limit, both in processes of their own on files of their own.

use super::{
    Genesis,
    client::Connection,
    state::{self, Loaded},
};
use crate::{
    devnet::{
        L2_CHAIN_ID, l1,
        ports::{Ports, loopback, url},
        processes::Process,
        programs,
    },
    keys::DEV_ACCOUNTS,
    network::{ChainSpec, Deployment, GENESIS_FILE, Network, ROLLUP_FILE, batch_inbox},
};
use alloy::{
    genesis::GenesisAccount,
    primitives::{Address, B256, U64, U256},
    providers::Provider,
};
use eyre::{Context, OptionExt, bail};
use serde::Serialize;
use std::{
    ffi::OsString,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tributary_protocol::block::{L1BlockId, L1BlockNumber};

/// How long a side may take until it builds blocks.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How often it is asked meanwhile.
const START_POLL: Duration = Duration::from_millis(5);

/// Wei each account starts with: 1 ETH.
const FUNDS: u128 = 1_000_000_000_000_000_000;

/// The sequencer's data folder below that of a run, and the store inside it.
const SEQUENCER_FOLDER: &str = "sequencer";
const STORE_FOLDER: &str = "chain";

/// Seconds between blocks of the L1 beside ours: Ethereum's, so that it is as idle as Ethereum is.
const L1_BLOCK_TIME_SECS: u64 = 12;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Ours,
    Anvil,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Anvil => "anvil",
        })
    }
}

/// A node that builds blocks.
pub(crate) struct Running {
    pub(crate) side: Side,
    pub(crate) address: SocketAddr,
    /// Process id of the node.
    pub(crate) id: u32,
    /// Process ids of what runs beside it.
    pub(crate) beside: Vec<u32>,
    /// In the order of starting, the node last.
    processes: Vec<Process>,
    folder: PathBuf,
    /// Of the node, without the flags a caller chose.
    base_args: Vec<OsString>,
    more_args: Vec<OsString>,
}

impl Running {
    /// Starts a side on files in `folder`, which is empty, and waits until its first block is there. `more` are flags for our sequencer.
    pub(crate) async fn start(
        side: Side,
        genesis: &Genesis,
        accounts: &[Address],
        folder: &Path,
        more: &[&str],
    ) -> eyre::Result<Self> {
        let mut processes = Vec::new();
        let ports = Ports::free()?;
        let address = loopback(ports.sequencer);
        match side {
            Side::Ours => start_beside(&mut processes, genesis, accounts, folder, &ports).await?,
            Side::Anvil => {}
        }
        let mut base_args = match side {
            Side::Ours => sequencer_args(genesis, folder, &ports),
            Side::Anvil => anvil_node_args(genesis, accounts, folder, ports.sequencer)?,
        };
        if side == Side::Ours {
            base_args.extend(["--genesis".into(), folder.join(GENESIS_FILE).into()]);
        }
        Self::begin(side, address, processes, folder, base_args, more).await
    }

    /// Starts the node itself, when what runs beside it does.
    async fn begin(
        side: Side,
        address: SocketAddr,
        processes: Vec<Process>,
        folder: &Path,
        base_args: Vec<OsString>,
        more: &[&str],
    ) -> eyre::Result<Self> {
        let running = Self {
            side,
            address,
            id: 0,
            beside: processes.iter().filter_map(Process::id).collect(),
            processes,
            folder: folder.to_owned(),
            base_args,
            more_args: more.iter().map(OsString::from).collect(),
        };
        running.begun().await
    }

    /// Starts ours on a state that was loaded into `folder` by [`Running::load`].
    pub(crate) async fn start_on(
        loaded: Loaded,
        genesis: &Genesis,
        folder: &Path,
        more: &[&str],
    ) -> eyre::Result<Self> {
        let mut processes = Vec::new();
        let ports = Ports::free()?;
        let start = start_l1(&mut processes, folder, &ports).await?;
        loaded.begin_chain(&mut network(genesis, start)?, folder)?;
        start_da(&mut processes, folder, &ports)?;
        let mut base_args = sequencer_args(genesis, folder, &ports);
        base_args.push("--stored-genesis".into());
        Self::begin(
            Side::Ours,
            loopback(ports.sequencer),
            processes,
            folder,
            base_args,
            more,
        )
        .await
    }

    /// Brings funded `accounts` into the store of a sequencer that is going to run in `folder`; no account may be given twice.
    pub(crate) fn load(
        genesis: &Genesis,
        accounts: &[Address],
        folder: &Path,
        tell: &dyn Fn(&str),
    ) -> eyre::Result<Loaded> {
        let store = folder.join(SEQUENCER_FOLDER).join(STORE_FOLDER);
        state::load(&store, &network_anywhere(genesis)?, accounts, FUNDS, tell)
    }

    async fn begun(mut self) -> eyre::Result<Self> {
        self.start_node().await?;
        self.wait_for_block(1).await?;
        Ok(self)
    }

    /// Starts the node on the files it has, and waits until it answers.
    pub(crate) async fn start_node(&mut self) -> eyre::Result<()> {
        let program = match self.side {
            Side::Ours => std::env::current_exe()?,
            Side::Anvil => programs::anvil()?,
        };
        let args = [&self.base_args[..], &self.more_args].concat();
        let node = Process::start(&self.side.to_string(), &program, &args, &self.folder)?;
        self.id = node.id().ok_or_eyre("the node has ended")?;
        self.processes.push(node);
        self.wait_for_block(0).await
    }

    /// Kills the node as a power cut would.
    pub(crate) async fn kill_node(&mut self) {
        if let Some(mut node) = self.processes.pop() {
            node.kill().await;
        }
    }

    /// Transactions of a block that nobody sent: ours begins with the L1-attributes deposit.
    pub(crate) const fn deposits_per_block(&self) -> u64 {
        match self.side {
            Side::Ours => 1,
            Side::Anvil => 0,
        }
    }

    pub(crate) async fn stop(mut self) {
        while let Some(process) = self.processes.pop() {
            process.stop().await;
        }
    }

    /// Waits until the node answers and its head is at least `number`.
    pub(crate) async fn wait_for_block(&mut self, number: u64) -> eyre::Result<()> {
        let started = Instant::now();
        loop {
            for process in &mut self.processes {
                process.check_running()?;
            }
            let head = Connection::open(self.address)
                .and_then(|mut connection| connection.call::<U64>("eth_blockNumber", &serde_json::json!([])));
            match head {
                Ok(head) if head >= U64::from(number) => return Ok(()),
                _ if started.elapsed() > START_PATIENCE => {
                    bail!(
                        "{} is not at block {number} after {START_PATIENCE:?}: {head:?}",
                        self.side
                    );
                }
                _ => tokio::time::sleep(START_POLL).await,
            }
        }
    }
}

fn funded(accounts: &[Address]) -> impl Iterator<Item = (Address, GenesisAccount)> {
    let account = GenesisAccount::default().with_balance(U256::from(FUNDS));
    accounts.iter().map(move |address| (*address, account.clone()))
}

/// L1 and a DA server, and the files the sequencer starts from.
async fn start_beside(
    processes: &mut Vec<Process>,
    genesis: &Genesis,
    accounts: &[Address],
    folder: &Path,
    ports: &Ports,
) -> eyre::Result<()> {
    let start = start_l1(processes, folder, ports).await?;
    network(genesis, start)?
        .with_accounts(funded(accounts))?
        .write(folder)?;
    start_da(processes, folder, ports)
}

/// Where a chain begins on L1.
#[derive(Clone, Copy, Debug)]
struct L1Start {
    hash: B256,
    /// Unix seconds.
    time: u64,
}

/// An idle L1; returns its block 0.
async fn start_l1(processes: &mut Vec<Process>, folder: &Path, ports: &Ports) -> eyre::Result<L1Start> {
    let l1_url = url(ports.l1);
    let args = anvil_args(
        ports.l1,
        l1::L1_CHAIN_ID,
        L1_BLOCK_TIME_SECS,
        &["--hardfork", "prague"],
    );
    processes.push(Process::start("l1", &programs::anvil()?, &args, folder)?);
    l1::wait_until_it_answers(&l1_url, processes.last_mut()).await?;
    let start = l1::provider(&l1_url)?.get_block_by_number(0.into()).await?;
    let start = start.ok_or_eyre("L1 has no block 0")?.header;
    Ok(L1Start {
        hash: start.hash,
        time: start.timestamp,
    })
}

fn start_da(processes: &mut Vec<Process>, folder: &Path, ports: &Ports) -> eyre::Result<()> {
    let binary = std::env::current_exe()?;
    let path = |name: &str| OsString::from(folder.join(name));
    let da: [OsString; 5] = [
        "da".into(),
        "--addr".into(),
        loopback(ports.da).to_string().into(),
        "--data-dir".into(),
        path("da"),
    ];
    processes.push(Process::start("da", &binary, &da, folder)?);
    Ok(())
}

fn sequencer_args(genesis: &Genesis, folder: &Path, ports: &Ports) -> Vec<OsString> {
    let path = |name: &str| OsString::from(folder.join(name));
    let args: [OsString; 15] = [
        "sequencer".into(),
        "--log-level".into(),
        "warn".into(),
        "--rollup-config".into(),
        path(ROLLUP_FILE),
        "--l1-rpc".into(),
        url(ports.l1).into(),
        "--da-url".into(),
        url(ports.da).into(),
        "--data-dir".into(),
        path(SEQUENCER_FOLDER),
        "--http-addr".into(),
        loopback(ports.sequencer).to_string().into(),
        "--pool-transactions-max".into(),
        genesis.pool_transactions_max.to_string().into(),
    ];
    args.into()
}

/// The chain of a measurement wherever L1 begins: what its contracts are does not depend on that.
pub(crate) fn network_anywhere(genesis: &Genesis) -> eyre::Result<Network> {
    let anywhere = L1Start {
        hash: B256::repeat_byte(1),
        time: 1,
    };
    network(genesis, anywhere)
}

/// A chain on an L1 without contracts: nothing is posted there, so nobody misses them.
fn network(genesis: &Genesis, start: L1Start) -> eyre::Result<Network> {
    let spec = ChainSpec {
        l1_chain_id: l1::L1_CHAIN_ID,
        l2_chain_id: L2_CHAIN_ID,
        block_time: genesis.block_time_secs,
        seq_window_size: 3600,
        jovian: true,
        gas_limit: genesis.gas_limit,
        min_base_fee: genesis.min_base_fee,
        da_footprint_gas_scalar: genesis.da_footprint_gas_scalar,
        batcher: DEV_ACCOUNTS[1],
        proposer: DEV_ACCOUNTS[2],
        unsafe_block_signer: DEV_ACCOUNTS[3],
        owner: DEV_ACCOUNTS[0],
    };
    let deployment = Deployment {
        l1_chain_id: spec.l1_chain_id,
        l1_start: L1BlockId {
            hash: start.hash,
            number: L1BlockNumber(0),
        },
        l1_start_time: start.time,
        system_config: Address::repeat_byte(1),
        optimism_portal: Address::repeat_byte(2),
        dispute_game_factory: Address::repeat_byte(3),
        batch_inbox: batch_inbox(L2_CHAIN_ID),
        l2_genesis_hash: B256::ZERO,
    };
    Network::new(&spec, deployment)
}

fn anvil_node_args(
    genesis: &Genesis,
    accounts: &[Address],
    folder: &Path,
    port: u16,
) -> eyre::Result<Vec<OsString>> {
    let mut file = alloy::genesis::Genesis::default()
        .with_gas_limit(genesis.gas_limit)
        .extend_accounts(funded(accounts));
    file.config.chain_id = L2_CHAIN_ID;
    let path = folder.join("anvil-genesis.json");
    std::fs::write(&path, serde_json::to_vec(&file)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let gas_limit = genesis.gas_limit.to_string();
    let base_fee = genesis.min_base_fee.max(1).to_string();
    let mut args = anvil_args(
        port,
        L2_CHAIN_ID,
        genesis.block_time_secs,
        &[
            "--gas-limit",
            &gas_limit,
            "--base-fee",
            &base_fee,
            "--order",
            "fifo",
            "--init",
        ],
    );
    args.push(path.into());
    Ok(args)
}

fn anvil_args(port: u16, chain_id: u64, block_time: u64, more: &[&str]) -> Vec<OsString> {
    let (port, chain_id, block_time) = (port.to_string(), chain_id.to_string(), block_time.to_string());
    let common = [
        "--host",
        "127.0.0.1",
        "--port",
        &port,
        "--chain-id",
        &chain_id,
        "--block-time",
        &block_time,
        "--quiet",
    ];
    common.iter().chain(more).map(OsString::from).collect()
}
