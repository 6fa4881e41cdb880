//! What a state root costs as the state grows: microseconds for each account a block changes, its key's hash included.
//!
//! The trie is the one nodes have, all of it in memory. Each block changes accounts drawn at random from all of them. Two things are measured
//! beside it in the same run: hashing again what the update has hashed (every new node, and the changed keys), which no trie of this shape
//! can do without; and alloy-trie's `HashBuilder` over all accounts, which is what a root costs that keeps nothing.

use super::{
    chart::{Chart, Series},
    rig::cpu,
    sample::{self, Clock},
    target::{self, Target},
};
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{HashBuilder, Nibbles, TrieAccount};
use eyre::ensure;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::Serialize;
use std::{collections::BTreeMap, convert::Infallible, fmt, hint::black_box, time::Duration};
use tributary_protocol::state::{
    Account, StateChanges, TrieReader,
    trie::{NodeChange, StateTrie},
};

/// Accounts brought into the trie at once.
const PORTION: usize = 100_000;

/// Accounts of a full rebuild at most: ten million take six seconds, and a leaf costs the same.
const REBUILD_MAX: usize = 1_000_000;

/// The update over hashing alone, at most.
const OVER_HASHING_MAX: f64 = 2.0;

/// Growth of the cost when accounts grow tenfold, at most: a hash of a full branch more, and the memory it is in.
const TENFOLD_MAX: f64 = 2.5;

/// What is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Accounts in the state, ascending.
    pub(crate) accounts: Vec<usize>,
    /// Accounts a block changes.
    pub(crate) dirty: usize,
    pub(crate) blocks: usize,
    pub(crate) seed: u64,
}

/// A row for each size.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) sizes: Vec<Size>,
    pub(crate) targets: Vec<Target>,
    pub(crate) dirty: usize,
    pub(crate) blocks: usize,
    pub(crate) seed: u64,
    pub(crate) load_average: f64,
}

/// Medians of the blocks at one size of state; microseconds of CPU for each changed account.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Size {
    pub(crate) accounts: usize,
    /// The root after a block.
    pub(crate) update_us: f64,
    /// Finding the nodes to write, afterwards.
    pub(crate) collect_us: f64,
    /// Hashing again what the update has hashed.
    pub(crate) hashing_us: f64,
    /// Nodes that changed, for each changed account.
    pub(crate) nodes: f64,
    /// `HashBuilder` over all accounts, for each account of the state.
    pub(crate) rebuild_us_per_leaf: f64,
    /// What the trie takes in memory for each account.
    pub(crate) bytes_per_account: f64,
}

/// Runs the plan.
pub(crate) fn run(plan: &Plan, tell: &dyn Fn(&str)) -> eyre::Result<Report> {
    let accounts: usize = plan.accounts.iter().sum();
    let about = 3 + accounts / 100_000 + plan.accounts.len() * plan.blocks * plan.dirty / 40_000;
    let load_average = sample::begin(tell, Duration::from_secs(about as u64));
    let mut sizes = Vec::new();
    for accounts in &plan.accounts {
        tell(&format!("{accounts} accounts"));
        let size = measure(*accounts, plan)?;
        tell(&size.to_string());
        sizes.push(size);
    }
    Ok(Report {
        targets: targets(&sizes),
        sizes,
        dirty: plan.dirty,
        blocks: plan.blocks,
        seed: plan.seed,
        load_average,
    })
}

fn targets(sizes: &[Size]) -> Vec<Target> {
    let over = sizes.iter().map(|size| {
        Target::at_most(
            format!("update over hashing alone at {} accounts", size.accounts),
            size.update_us / size.hashing_us,
            OVER_HASHING_MAX,
        )
    });
    let growth = sizes.windows(2).map(|pair| {
        let decades = (pair[1].accounts as f64 / pair[0].accounts as f64).log10();
        Target::at_most(
            format!(
                "growth per tenfold from {} to {} accounts",
                pair[0].accounts, pair[1].accounts
            ),
            (pair[1].update_us / pair[0].update_us).powf(1.0 / decades),
            TENFOLD_MAX,
        )
    });
    over.chain(growth).collect()
}

fn measure(accounts: usize, plan: &Plan) -> eyre::Result<Size> {
    let before_mib = cpu::memory_mib(std::process::id());
    let mut trie = build(accounts, plan.seed)?;
    let held_mib = cpu::memory_mib(std::process::id()).saturating_sub(before_mib);
    let mut random = StdRng::seed_from_u64(plan.seed);
    let (mut update, mut collect, mut hashing) = (Vec::new(), Vec::new(), Vec::new());
    let mut nodes = 0;
    for block in 1..=plan.blocks {
        let changes = block_changes(&mut random, accounts, plan, block as u64);
        let count = changes.accounts.len() as f64;
        let clock = Clock::start();
        let after = trie.update(&Nothing, &changes)?.after;
        update.push(clock.stop().cpu_seconds() * 1e6 / count);
        let clock = Clock::start();
        let changed = after.node_changes(&trie, &Nothing)?;
        collect.push(clock.stop().cpu_seconds() * 1e6 / count);
        ensure!(after.root() != trie.root(), "a block changed nothing");
        let keys: Vec<Address> = changes.accounts.keys().copied().collect();
        let clock = Clock::start();
        hash_again(&keys, &changed);
        hashing.push(clock.stop().cpu_seconds() * 1e6 / count);
        nodes += changed.len();
        trie = after;
    }
    Ok(Size {
        accounts,
        update_us: sample::middle(update),
        collect_us: sample::middle(collect),
        hashing_us: sample::middle(hashing),
        nodes: nodes as f64 / (plan.blocks * plan.dirty) as f64,
        rebuild_us_per_leaf: rebuild(accounts.min(REBUILD_MAX), plan.seed)?,
        bytes_per_account: held_mib as f64 * f64::from(1 << 20) / accounts as f64,
    })
}

/// All accounts, in memory as a whole.
fn build(accounts: usize, seed: u64) -> eyre::Result<StateTrie> {
    let sorted = sorted(accounts, seed);
    let mut trie = StateTrie::default();
    for portion in sorted.chunks(PORTION) {
        let named = portion
            .iter()
            .map(|(_, index)| (address(seed, *index), Some(account(0, *index))));
        let changes = StateChanges {
            accounts: named.collect(),
            ..StateChanges::default()
        };
        trie = trie.update(&Nothing, &changes)?.after;
    }
    Ok(trie)
}

/// Hashed addresses, ascending, with the number of the account.
fn sorted(accounts: usize, seed: u64) -> Vec<(B256, usize)> {
    let hashed = (0..accounts).map(|index| (keccak256(address(seed, index)), index));
    let mut sorted: Vec<_> = hashed.collect();
    sorted.sort_unstable();
    sorted
}

fn block_changes(random: &mut StdRng, accounts: usize, plan: &Plan, block: u64) -> StateChanges {
    let mut changed = BTreeMap::new();
    while changed.len() < plan.dirty.min(accounts) {
        let index = random.random_range(0..accounts);
        changed.insert(address(plan.seed, index), Some(account(block, index)));
    }
    StateChanges {
        accounts: changed,
        ..StateChanges::default()
    }
}

fn address(seed: u64, index: usize) -> Address {
    let digest = keccak256([seed.to_be_bytes(), (index as u64).to_be_bytes()].concat());
    Address::from_slice(&digest[12..])
}

/// An account as a chain's ordinary ones are.
fn account(block: u64, index: usize) -> Account {
    Account {
        nonce: block,
        balance: U256::from(1_000_000_000_000_000_000_u128 + index as u128),
        ..Account::default()
    }
}

fn hash_again(keys: &[Address], changed: &[NodeChange]) {
    for key in keys {
        black_box(keccak256(key));
    }
    for node in changed.iter().filter_map(|node| node.after.as_ref()) {
        black_box(keccak256(node));
    }
}

/// Microseconds a leaf of a root built from nothing.
fn rebuild(accounts: usize, seed: u64) -> eyre::Result<f64> {
    let leaves = sorted(accounts, seed).into_iter().map(|(key, index)| {
        let Account {
            nonce,
            balance,
            code_hash,
        } = account(0, index);
        let leaf = TrieAccount {
            nonce,
            balance,
            code_hash,
            ..TrieAccount::default()
        };
        (Nibbles::unpack(key), alloy::rlp::encode(leaf))
    });
    let leaves: Vec<_> = leaves.collect();
    let mut builder = HashBuilder::default();
    let clock = Clock::start();
    for (key, value) in &leaves {
        builder.add_leaf(*key, value);
    }
    let root = builder.root();
    let seconds = clock.stop().cpu_seconds();
    ensure!(
        root == build(accounts, seed)?.root(),
        "the trie and the HashBuilder have different roots over {accounts} accounts"
    );
    Ok(seconds * 1e6 / accounts as f64)
}

/// The trie is in memory as a whole, so nothing is ever read.
struct Nothing;

impl TrieReader for Nothing {
    type Error = Infallible;

    fn trie_node(&self, _: Option<B256>, _: &Nibbles, _: B256) -> Result<Option<Bytes>, Infallible> {
        Ok(None)
    }
}

/// Cost over accounts.
pub(crate) fn chart(report: &Report) -> String {
    let line = |name, value: &dyn Fn(&Size) -> f64| {
        Series::of(name, &report.sizes, |size| (size.accounts as f64, value(size)))
    };
    Chart {
        title: "State root: microseconds for each changed account",
        x_label: "accounts in the state",
        y_label: "us of CPU",
        series: vec![
            line("update", &|size| size.update_us),
            line("nodes to write", &|size| size.collect_us),
            line("hashing alone", &|size| size.hashing_us),
        ],
    }
    .to_svg()
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.2} us a changed account, {:.2} of hashing alone, {:.2} to find what to write, {:.1} nodes; rebuild {:.2} us a leaf; {:.0} bytes an account",
            self.update_us,
            self.hashing_us,
            self.collect_us,
            self.nodes,
            self.rebuild_us_per_leaf,
            self.bytes_per_account
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} blocks of {} changed accounts at each size, medians, CPU of one thread, load average {}\n",
            self.blocks, self.dirty, self.load_average
        )?;
        writeln!(
            f,
            "| accounts | root, us per changed account | hashing alone | ratio | nodes to write, us | changed nodes each | rebuild, us per leaf | bytes per account |"
        )?;
        writeln!(f, "| --: | --: | --: | --: | --: | --: | --: | --: |")?;
        for size in &self.sizes {
            writeln!(
                f,
                "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {:.2} | {:.0} |",
                size.accounts,
                size.update_us,
                size.hashing_us,
                size.update_us / size.hashing_us,
                size.collect_us,
                size.nodes,
                size.rebuild_us_per_leaf,
                size.bytes_per_account
            )?;
        }
        write!(f, "\n{}", target::lines(&self.targets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_agree_with_the_hash_builder_and_every_size_has_a_row() {
        let plan = Plan {
            accounts: vec![200, 2_000],
            dirty: 50,
            blocks: 3,
            seed: 7,
        };
        let report = run(&plan, &|_| ()).unwrap();
        assert_eq!(report.sizes.len(), 2);
        for size in &report.sizes {
            assert!(size.update_us > 0.0 && size.nodes >= 1.0, "{size}");
        }
        assert_eq!(report.targets.len(), 3);
    }
}
