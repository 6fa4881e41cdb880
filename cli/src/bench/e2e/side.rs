//! The two sides: a sequencer of ours with an idle L1 beside it, and anvil. Each run has fresh processes and a fresh chain.
//!
//! Both start with the same funded senders, block time and gas limit, both in processes of their own on files of their own.

use super::Genesis;
use crate::{
    bench::e2e::client::Connection,
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
    primitives::{Address, B256, U256},
    providers::Provider,
};
use eyre::{Context, OptionExt, bail};
use serde::Serialize;
use std::{
    ffi::OsString,
    fmt,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};
use tributary_protocol::block::{L1BlockId, L1BlockNumber};

/// How long a side may take until it builds blocks.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Wei each sender starts with: 1 ETH.
const FUNDS: u128 = 1_000_000_000_000_000_000;

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
    /// In the order of starting.
    processes: Vec<Process>,
}

impl Running {
    /// Starts a side on files in `folder`, which is empty, and waits until its first block is there.
    pub(crate) async fn start(
        side: Side,
        genesis: &Genesis,
        senders: &[Address],
        folder: &Path,
    ) -> eyre::Result<Self> {
        let mut processes = Vec::new();
        let ports = Ports::free()?;
        let address = loopback(ports.sequencer);
        match side {
            Side::Ours => start_ours(&mut processes, genesis, senders, folder, &ports).await?,
            Side::Anvil => processes.push(start_anvil(genesis, senders, folder, ports.sequencer)?),
        }
        let ids: Vec<u32> = processes.iter().filter_map(Process::id).collect();
        let (id, beside) = ids.split_last().ok_or_eyre("the node has ended")?;
        let mut running = Self {
            side,
            address,
            id: *id,
            beside: beside.to_vec(),
            processes,
        };
        running.wait_for_first_block().await?;
        Ok(running)
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

    async fn wait_for_first_block(&mut self) -> eyre::Result<()> {
        let started = Instant::now();
        loop {
            for process in &mut self.processes {
                process.check_running()?;
            }
            let head = Connection::open(self.address).and_then(|mut connection| {
                connection.call::<U256>("eth_blockNumber", &serde_json::json!([]))
            });
            match head {
                Ok(head) if !head.is_zero() => return Ok(()),
                _ if started.elapsed() > START_PATIENCE => {
                    bail!("{} has no block after {START_PATIENCE:?}: {head:?}", self.side);
                }
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

fn funded(senders: &[Address]) -> impl Iterator<Item = (Address, GenesisAccount)> {
    let account = GenesisAccount::default().with_balance(U256::from(FUNDS));
    senders.iter().map(move |sender| (*sender, account.clone()))
}

/// L1, a DA server and the sequencer, the last in `processes`.
async fn start_ours(
    processes: &mut Vec<Process>,
    genesis: &Genesis,
    senders: &[Address],
    folder: &Path,
    ports: &Ports,
) -> eyre::Result<()> {
    let l1_url = url(ports.l1);
    let args = anvil_args(
        ports.l1,
        l1::L1_CHAIN_ID,
        L1_BLOCK_TIME_SECS,
        &["--hardfork", "prague"],
    );
    processes.push(Process::start("l1", &programs::anvil()?, &args, folder)?);
    l1::wait_until_it_answers(&l1_url, processes.last_mut()).await?;
    network(genesis, senders, &l1_url).await?.write(folder)?;
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
    let sequencer: [OsString; 17] = [
        "sequencer".into(),
        "--log-level".into(),
        "warn".into(),
        "--rollup-config".into(),
        path(ROLLUP_FILE),
        "--genesis".into(),
        path(GENESIS_FILE),
        "--l1-rpc".into(),
        l1_url.into(),
        "--da-url".into(),
        url(ports.da).into(),
        "--data-dir".into(),
        path("sequencer"),
        "--http-addr".into(),
        loopback(ports.sequencer).to_string().into(),
        "--pool-transactions-max".into(),
        genesis.pool_transactions_max.to_string().into(),
    ];
    processes.push(Process::start("sequencer", &binary, &sequencer, folder)?);
    Ok(())
}

/// A chain on an L1 without contracts: nothing is posted there, so nobody misses them.
async fn network(genesis: &Genesis, senders: &[Address], l1_url: &str) -> eyre::Result<Network> {
    let start = l1::provider(l1_url)?.get_block_by_number(0.into()).await?;
    let start = start.ok_or_eyre("L1 has no block 0")?.header;
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
        l1_start_time: start.timestamp,
        system_config: Address::repeat_byte(1),
        optimism_portal: Address::repeat_byte(2),
        dispute_game_factory: Address::repeat_byte(3),
        batch_inbox: batch_inbox(L2_CHAIN_ID),
        l2_genesis_hash: B256::ZERO,
    };
    Network::new(&spec, deployment)?.with_accounts(funded(senders))
}

fn start_anvil(genesis: &Genesis, senders: &[Address], folder: &Path, port: u16) -> eyre::Result<Process> {
    let mut file = alloy::genesis::Genesis::default()
        .with_gas_limit(genesis.gas_limit)
        .extend_accounts(funded(senders));
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
    Ok(Process::start("anvil", &programs::anvil()?, &args, folder)?)
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
