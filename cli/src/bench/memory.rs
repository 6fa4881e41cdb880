//! A state larger than the node's cache, and what things take in memory.
//!
//! ```text
//!  the same state twice:   node with a small cache   |   node whose cache never has to give anything up
//!                          warm up, then runs in turn: speed, CPU, resident memory of both
//!  the store, in a process of its own:  every account read, every path of the trie brought into memory -> bytes an account
//!  a node with small blocks: transfers that wait in the pool -> bytes a pending transaction
//! ```
//! The transfers go to a part of the accounts that is itself larger than the small cache. The warm-up sends as many transfers as that part has
//! accounts, so that the large cache holds what the runs touch.

use super::{
    e2e::Run,
    rig::{
        Genesis,
        client::{Connection, drive},
        cpu,
        load::{Load, LoadPlan, Requests, Signer},
        side::{Running, Side},
    },
    sample,
    state::measure_one,
    target::{self, Target},
};
use crate::devnet::L2_CHAIN_ID;
use alloy::primitives::{Address, B256, U64, U256, keccak256};
use eyre::{OptionExt, ensure};
use memchr::memmem;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{collections::BTreeMap, fmt, path::Path, sync::Arc, time::Duration};
use tributary_protocol::{
    block::{L2BlockId, L2BlockRef},
    state::StateChanges,
};
use tributary_sequencer::store::{ChainWriter, FjallStore, Store, StoreSettings, import::stored_genesis};

/// Accounts that send.
const SENDERS: usize = 10_000;
/// Accounts that receive, of all: enough that neither they nor their trie nodes fit 256 MiB.
const ACTIVE_PART: f64 = 0.2;
/// Growth of the small cache's node between its first run and its last that counts as none.
const GROWTH_MAX: f64 = 1.15;
/// Bytes an account may take.
const ACCOUNT_BYTES_MAX: f64 = 600.0;
/// Accounts of one step in process.
const PORTION: usize = 50_000;
/// Gas of blocks that hold few transfers, so that the pool fills.
const SMALL_BLOCK_GAS: u64 = 5_000_000;
/// Connections that write.
const WRITERS: usize = 32;

/// What is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Of the node with the small cache.
    pub(crate) cache_mib: u64,
    pub(crate) accounts: usize,
    /// Transfers of a run.
    pub(crate) transactions: usize,
    /// Runs of each node.
    pub(crate) pairs: usize,
    /// Transfers in the pool.
    pub(crate) pending: usize,
    pub(crate) seed: u64,
}

/// Both nodes, and bytes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) small: Node,
    pub(crate) large: Node,
    /// Median over the pairs of the small cache's transfers a second over the large one's.
    pub(crate) small_over_large: f64,
    pub(crate) accounts: usize,
    pub(crate) active_accounts: usize,
    /// Of the state in the store before the first transfer.
    pub(crate) disk_mib: u64,
    /// In memory, for each account: the flat entry, and its share of the trie.
    pub(crate) entry_bytes_per_account: f64,
    pub(crate) trie_bytes_per_account: f64,
    pub(crate) bytes_per_pending: f64,
    pub(crate) pending: u64,
    pub(crate) targets: Vec<Target>,
    pub(crate) transactions: usize,
    pub(crate) pairs: usize,
    pub(crate) genesis: Genesis,
    pub(crate) load_average: f64,
}

/// One node over all its runs: medians.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Node {
    pub(crate) cache_mib: u64,
    pub(crate) tx_per_second: f64,
    pub(crate) cpu_us_per_tx: f64,
    pub(crate) memory_peak_mib: u64,
    /// After the warm-up, then after each run.
    pub(crate) memory_mib: Vec<u64>,
}

/// Runs the plan.
pub(crate) async fn run(plan: &Plan, tell: &dyn Fn(&str)) -> eyre::Result<Report> {
    let load_average = sample::begin(tell, about(plan));
    let active = active(plan.accounts);
    let load_plan = LoadPlan {
        chain_id: L2_CHAIN_ID,
        transactions: active + plan.transactions * plan.pairs,
        senders: SENDERS,
        recipients: active,
        seed: plan.seed,
    };
    tell(&format!("signing {} transfers", load_plan.transactions));
    let load = load_plan.sign();
    let everyone = everyone(plan.accounts, plan.seed);
    let genesis = Genesis::unlimited(load.transfers.len());
    let mut nodes = Vec::new();
    for cache_mib in [plan.cache_mib, large_cache_mib(plan.accounts)] {
        tell(&format!(
            "loading {} accounts for a cache of {cache_mib} MiB",
            everyone.len()
        ));
        nodes.push(Measured::start(cache_mib, &genesis, &everyone, tell).await?);
    }
    let outcome = tokio::task::block_in_place(|| run_both(&mut nodes, &load, active, plan, tell));
    let mut folders = Vec::new();
    for node in &mut nodes {
        if let Some(running) = node.running.take() {
            running.stop().await;
        }
        folders.push(node.folder.path().join("sequencer").join("chain"));
    }
    outcome?;
    tell("bytes of an account");
    let in_memory = in_own_process(&folders[1], plan).await?;
    tell("bytes of a pending transaction");
    let (pending, bytes_per_pending) = pending(plan, tell).await?;
    let [small, large] = [0, 1].map(|index: usize| nodes[index].summary());
    let ratios = nodes[0].runs.iter().zip(&nodes[1].runs);
    let ratios = ratios.map(|(small, large)| small.tx_per_second / large.tx_per_second);
    Ok(Report {
        targets: targets(&small, in_memory.entry + in_memory.trie),
        small_over_large: sample::middle(ratios.collect()),
        small,
        large,
        accounts: everyone.len(),
        active_accounts: active,
        disk_mib: nodes[0].disk_mib,
        entry_bytes_per_account: in_memory.entry,
        trie_bytes_per_account: in_memory.trie,
        bytes_per_pending,
        pending,
        transactions: plan.transactions,
        pairs: plan.pairs,
        genesis,
        load_average,
    })
}

fn about(plan: &Plan) -> Duration {
    let transfers = active(plan.accounts) + plan.transactions * plan.pairs;
    let seconds = 60 + plan.accounts * 2 / 25_000 + transfers * 2 / 4_000 + transfers / 25_000;
    Duration::from_secs(seconds as u64)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a count"
)]
fn active(accounts: usize) -> usize {
    ((accounts as f64 * ACTIVE_PART) as usize).max(1)
}

/// Enough for every account and every node of the trie, whatever quarter and half they are in.
fn large_cache_mib(accounts: usize) -> u64 {
    ((accounts as u64 * 4_000) >> 20).max(1_024)
}

/// Every account of the state: senders, active recipients, and those nobody pays.
fn everyone(accounts: usize, seed: u64) -> Vec<Address> {
    let active = active(accounts);
    let plan = LoadPlan {
        chain_id: L2_CHAIN_ID,
        transactions: 0,
        senders: SENDERS,
        recipients: active,
        seed,
    };
    let idle = (0..accounts.saturating_sub(active + SENDERS)).map(|index| idle_address(seed, index));
    let mut everyone = Signer::new(plan).addresses();
    everyone.extend(plan.recipients());
    everyone.extend(idle);
    everyone
}

fn idle_address(seed: u64, index: usize) -> Address {
    Address::from_slice(&keccak256(format!("tributary bench idle {seed} {index}"))[12..])
}

fn targets(small: &Node, account_bytes: f64) -> Vec<Target> {
    let memory = |at: Option<&u64>| at.copied().unwrap_or_default() as f64;
    vec![
        Target::at_most(
            "memory of the small cache's node, last run over first",
            memory(small.memory_mib.last()) / memory(small.memory_mib.get(1)),
            GROWTH_MAX,
        ),
        Target::at_most("bytes of an account in memory", account_bytes, ACCOUNT_BYTES_MAX),
    ]
}

/// A node with its files.
struct Measured {
    cache_mib: u64,
    running: Option<Running>,
    folder: tempfile::TempDir,
    disk_mib: u64,
    runs: Vec<Run>,
    memory_mib: Vec<u64>,
}

impl Measured {
    async fn start(
        cache_mib: u64,
        genesis: &Genesis,
        everyone: &[Address],
        tell: &dyn Fn(&str),
    ) -> eyre::Result<Self> {
        let folder = tempfile::Builder::new().prefix("tributary-bench-").tempdir()?;
        let loaded = tokio::task::block_in_place(|| Running::load(genesis, everyone, folder.path(), tell))?;
        let disk_mib = sample::bytes_in(folder.path()) >> 20;
        tell(&format!(
            "loaded in {:.0} s, {disk_mib} MiB on disk",
            loaded.seconds
        ));
        let flag = cache_mib.to_string();
        let more = ["--state-cache-mib", flag.as_str()];
        let running = Running::start_on(loaded, genesis, folder.path(), &more).await?;
        tell(&format!("the node runs as process {}", running.id));
        Ok(Self {
            cache_mib,
            running: Some(running),
            folder,
            disk_mib,
            runs: Vec::new(),
            memory_mib: Vec::new(),
        })
    }

    fn run(&mut self, load: &Load, from: usize, to: usize) -> eyre::Result<Run> {
        let running = self.running.as_ref().ok_or_eyre("the node was stopped")?;
        let run = measure_one(running, load, &load.transfers[from..to])?;
        self.memory_mib.push(cpu::memory_mib(running.id));
        Ok(run)
    }

    fn summary(&self) -> Node {
        let middle = |value: &dyn Fn(&Run) -> f64| sample::middle(self.runs.iter().map(value).collect());
        Node {
            cache_mib: self.cache_mib,
            tx_per_second: middle(&|run| run.tx_per_second),
            cpu_us_per_tx: middle(&|run| run.cpu_us_per_tx),
            memory_peak_mib: self
                .runs
                .iter()
                .map(|run| run.memory_peak_mib)
                .max()
                .unwrap_or_default(),
            memory_mib: self.memory_mib.clone(),
        }
    }
}

/// Warms both nodes up and measures them in turn.
fn run_both(
    nodes: &mut [Measured],
    load: &Load,
    warm_up: usize,
    plan: &Plan,
    tell: &dyn Fn(&str),
) -> eyre::Result<()> {
    for node in nodes.iter_mut() {
        let run = node.run(load, 0, warm_up)?;
        tell(&format!("warm-up with {} MiB: {run}", node.cache_mib));
    }
    for pair in 0..plan.pairs {
        let from = warm_up + pair * plan.transactions;
        for node in nodes.iter_mut() {
            let run = node.run(load, from, from + plan.transactions)?;
            let memory = node.memory_mib.last().copied().unwrap_or_default();
            tell(&format!(
                "{} MiB of cache, {memory} MiB resident: {run}",
                node.cache_mib
            ));
            node.runs.push(Run { pair, ..run });
        }
    }
    Ok(())
}

/// Bytes an account takes in memory: its entry, and its share of the trie.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct AccountBytes {
    entry: f64,
    trie: f64,
}

/// [`bytes_per_account`] in a fresh process, where nothing that was freed before is used again.
async fn in_own_process(store: &Path, plan: &Plan) -> eyre::Result<AccountBytes> {
    let output = tokio::process::Command::new(std::env::current_exe()?)
        .args(["bench", "account-bytes", "--store"])
        .arg(store)
        .args(["--accounts", &plan.accounts.to_string()])
        .args(["--seed", &plan.seed.to_string()])
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "bench account-bytes: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What this process grows by when every account's entry, then every node of the trie, comes into memory; for each account.
pub(crate) fn bytes_per_account(store: &Path, accounts: usize, seed: u64) -> eyre::Result<AccountBytes> {
    let accounts = &everyone(accounts, seed)[..];
    let store: Arc<dyn Store> = Arc::new(FjallStore::open_with_cache(store, 16 << 20)?);
    let genesis = stored_genesis(&*store)?;
    let settings = StoreSettings {
        cache_bytes: accounts.len() as u64 * 1_000,
        trie_nodes_max: usize::MAX,
        ..StoreSettings::default()
    };
    let reference = reference_of_genesis(&genesis);
    let writer = ChainWriter::open(store, L2_CHAIN_ID, &genesis.outcome(), reference, settings)?;
    let head = writer.heads().unsafe_head.number;
    let view = writer.reader()?.state_at(head)?;
    let memory = || cpu::memory_kib(std::process::id()) as f64 * 1024.0;
    let per_account = |bytes: f64| bytes / accounts.len() as f64;

    // Some before, so that the store's own caches have what they take.
    for address in accounts.iter().take(accounts.len() / 100) {
        view.account(*address)?;
    }
    let at_first = memory();
    for address in accounts {
        ensure!(view.account(*address)?.is_some(), "{address} is not in the state");
    }
    let with_entries = memory();
    let mut sorted: Vec<(B256, Address)> = accounts.iter().map(|who| (keccak256(who), *who)).collect();
    sorted.sort_unstable();
    let before_trie = memory();
    let mut trie = view.state_trie()?;
    for portion in sorted.chunks(PORTION) {
        let mut changes = BTreeMap::new();
        for (_, address) in portion {
            let mut account = view.account(*address)?.ok_or_eyre("it was there a moment ago")?;
            account.balance += U256::ONE;
            changes.insert(*address, Some(account));
        }
        let changes = StateChanges {
            accounts: changes,
            ..StateChanges::default()
        };
        trie = trie.update(&view, &changes)?.after;
    }
    let with_trie = memory();
    drop(trie);
    Ok(AccountBytes {
        entry: per_account(with_entries - at_first),
        trie: per_account(with_trie - before_trie),
    })
}

fn reference_of_genesis(genesis: &tributary_protocol::genesis::GenesisBlock) -> L2BlockRef {
    let id = L2BlockId {
        hash: genesis.hash,
        ..L2BlockId::default()
    };
    L2BlockRef {
        hash: id.hash,
        number: id.number,
        parent_hash: B256::ZERO,
        timestamp: genesis.header.timestamp,
        l1_origin: Default::default(),
        sequence_number: 0,
    }
}

/// Fills the pool of a node with small blocks; how many wait then, and what the process has grown by for each.
async fn pending(plan: &Plan, tell: &dyn Fn(&str)) -> eyre::Result<(u64, f64)> {
    #[derive(Deserialize)]
    struct Status {
        pending: U64,
        queued: U64,
    }
    let load = LoadPlan {
        chain_id: L2_CHAIN_ID,
        transactions: plan.pending,
        senders: SENDERS,
        recipients: 1_000,
        seed: plan.seed + 1,
    }
    .sign();
    let genesis = Genesis {
        gas_limit: SMALL_BLOCK_GAS,
        ..Genesis::unlimited(plan.pending * 2)
    };
    let folder = tempfile::Builder::new().prefix("tributary-bench-").tempdir()?;
    let running = Running::start(Side::Ours, &genesis, &load.senders, folder.path(), &[]).await?;
    let measured = tokio::task::block_in_place(|| {
        let requests = Requests::send_raw(&load.transfers, 100);
        let before = cpu::memory_kib(running.id);
        let mut refused = None;
        drive(running.address, WRITERS, &requests, |body| {
            if refused.is_none() && memmem::find(body, b"\"error\"").is_some() {
                refused = Some(String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned());
            }
        })?;
        ensure!(refused.is_none(), "a transfer was refused: {refused:?}");
        let status: Status = Connection::open(running.address)?.call("txpool_status", &json!([]))?;
        let grown = cpu::memory_kib(running.id).saturating_sub(before);
        let waiting = (status.pending + status.queued).to::<u64>();
        ensure!(waiting > 0, "nothing waits");
        tell(&format!("{waiting} transactions wait, {} MiB more", grown >> 10));
        Ok((waiting, grown as f64 * 1024.0 / waiting as f64))
    });
    running.stop().await;
    measured
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} accounts ({} MiB on disk), transfers to {} of them; {} transfers a run in batches of 100, {} runs in turn, medians, load average {}\n",
            self.accounts,
            self.disk_mib,
            self.active_accounts,
            self.transactions,
            self.pairs,
            self.load_average
        )?;
        writeln!(
            f,
            "| cache, MiB | tx/s | CPU, us/tx | memory at most, MiB | memory after each run, MiB |"
        )?;
        writeln!(f, "| --: | --: | --: | --: | --- |")?;
        for node in [&self.small, &self.large] {
            let memory: Vec<_> = node.memory_mib.iter().map(u64::to_string).collect();
            writeln!(
                f,
                "| {} | {:.0} | {:.1} | {} | {} |",
                node.cache_mib,
                node.tx_per_second,
                node.cpu_us_per_tx,
                node.memory_peak_mib,
                memory.join(", ")
            )?;
        }
        write!(
            f,
            "\nthe small cache at {:.2} of the large one's speed; an account takes {:.0} bytes as an entry and {:.0} in the trie; \
             a pending transaction {:.0} ({} waiting)  \n{}",
            self.small_over_large,
            self.entry_bytes_per_account,
            self.trie_bytes_per_account,
            self.bytes_per_pending,
            self.pending,
            target::lines(&self.targets)
        )
    }
}
