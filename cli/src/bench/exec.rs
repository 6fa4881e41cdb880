//! What the protocol's executor adds to a bare EVM: the same transfers, senders known, no signature, no root, no disk.
//!
//! ```text
//!  ours   BlockBuilder over the node's view of its store, block after block; sealing and committing are not timed
//!  bare   revm over a CacheDB, its changes committed to it at the end of every block
//! ```
//! Both begin with the same accounts, ours with all of them in the cache before the store, and execute the same transactions in the same blocks, in turn; the ratio is the median of the rounds'.
//! What ours does beyond the EVM is the OP Stack's: estimated DA bytes of each transaction, the L1 fee, receipts with logs, the block's limits.

use super::{
    rig::{Genesis, load::LoadPlan, side},
    sample::{self, Clock},
    target::{self, Target},
};
use crate::devnet::L2_CHAIN_ID;
use alloy::{
    consensus::{Header, Sealed, Transaction},
    genesis::GenesisAccount,
    primitives::{Address, B64, B256, U256},
};
use eyre::ensure;
use revm::{
    Context, DatabaseCommit, ExecuteEvm, MainBuilder, MainContext,
    context::TxEnv,
    database::{CacheDB, EmptyDB},
    state::AccountInfo,
};
use serde::Serialize;
use std::{fmt, sync::Arc, time::Duration};
use tributary_protocol::{
    attributes::BlockAttributes,
    block::{L2BlockNumber, L2BlockRef},
    config::RollupConfig,
    execute::{BlockBuilder, BlockOutcome, RecoveredTx, recover},
    genesis::GenesisBlock,
};
use tributary_sequencer::store::{ChainWriter, MemoryStore, StoreSettings};

/// Ours over bare revm, at most.
const RATIO_MAX: f64 = 1.5;

/// Wei each account begins with.
const FUNDS: u128 = 1_000_000_000_000_000_000;

/// What is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) transactions: usize,
    pub(crate) senders: usize,
    pub(crate) recipients: usize,
    /// Transfers in a block.
    pub(crate) block_transactions: usize,
    /// Rounds of both sides.
    pub(crate) rounds: usize,
    pub(crate) seed: u64,
}

/// Medians of the rounds, CPU time of one thread.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// Ours over bare: the median of the rounds' ratios.
    pub(crate) ratio: f64,
    pub(crate) us_per_tx: f64,
    pub(crate) bare_us_per_tx: f64,
    pub(crate) targets: Vec<Target>,
    pub(crate) transactions: usize,
    pub(crate) accounts: usize,
    pub(crate) block_transactions: usize,
    pub(crate) rounds: usize,
    pub(crate) seed: u64,
    pub(crate) load_average: f64,
}

/// Runs the plan.
pub(crate) fn run(plan: &Plan, tell: &dyn Fn(&str)) -> eyre::Result<Report> {
    let about = 5 + plan.transactions * (2 + plan.rounds * 3) / 50_000;
    let load_average = sample::begin(tell, Duration::from_secs(about as u64));
    let corpus = Corpus::new(plan, tell)?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        let of_round = [corpus.ours()?, corpus.bare()?];
        let [us, bare_us] = of_round.map(|seconds| seconds * 1e6 / plan.transactions as f64);
        tell(&format!("round {round}: {us:.2} us, bare {bare_us:.2} us"));
        ours.push(us);
        bare.push(bare_us);
    }
    let ratio = sample::middle(ours.iter().zip(&bare).map(|(us, bare_us)| us / bare_us).collect());
    Ok(Report {
        ratio,
        us_per_tx: sample::middle(ours),
        bare_us_per_tx: sample::middle(bare),
        targets: vec![Target::at_most("execution over bare revm", ratio, RATIO_MAX)],
        transactions: plan.transactions,
        accounts: plan.senders + plan.recipients,
        block_transactions: plan.block_transactions,
        rounds: plan.rounds,
        seed: plan.seed,
        load_average,
    })
}

/// A chain with nothing but funded accounts, and the blocks to execute on it.
struct Corpus {
    rollup: RollupConfig,
    genesis: GenesisBlock,
    funded: Vec<Address>,
    blocks: Vec<Vec<RecoveredTx>>,
}

impl Corpus {
    fn new(plan: &Plan, tell: &dyn Fn(&str)) -> eyre::Result<Self> {
        let load_plan = LoadPlan {
            chain_id: L2_CHAIN_ID,
            transactions: plan.transactions,
            senders: plan.senders,
            recipients: plan.recipients,
            seed: plan.seed,
        };
        tell(&format!("signing {} transfers", plan.transactions));
        let load = load_plan.sign();
        let recovered = load.transfers.iter().map(|transfer| recover(&transfer.encoded));
        let recovered = recovered.collect::<Result<Vec<_>, _>>()?;
        let blocks = recovered.chunks(plan.block_transactions.max(1));
        let funded = [load.senders, load_plan.recipients()].concat();
        let account = GenesisAccount::default().with_balance(U256::from(FUNDS));
        let accounts = funded.iter().map(|address| (*address, account.clone()));
        let network =
            side::network_anywhere(&Genesis::unlimited(plan.transactions))?.with_accounts(accounts)?;
        Ok(Self {
            genesis: network.genesis.seal(),
            rollup: network.rollup,
            blocks: blocks.map(<[_]>::to_vec).collect(),
            funded,
        })
    }

    /// CPU seconds of executing all blocks with the protocol's executor on the node's store, in memory.
    fn ours(&self) -> eyre::Result<f64> {
        let mut reference =
            L2BlockRef::from_block(&self.genesis.block(), self.genesis.hash, &self.rollup.genesis)?;
        let genesis = BlockOutcome {
            block: self.genesis.block(),
            hash: self.genesis.hash,
            senders: Vec::new(),
            receipts: Vec::new(),
            changes: self.genesis.changes.clone(),
            trie: self.genesis.trie.clone(),
        };
        let store = Arc::new(MemoryStore::default());
        let settings = StoreSettings::default();
        let mut writer = ChainWriter::open(store, self.rollup.l2_chain_id, &genesis, reference, settings)?;
        // What is timed reads the node's cache, as bare revm reads its own.
        let view = writer.reader()?.state_at(reference.number)?;
        for address in &self.funded {
            ensure!(
                view.account(*address)?.is_some(),
                "{address} is not in the genesis"
            );
        }
        let (mut parent, mut seconds) = (self.genesis.sealed_header(), 0.0);
        for transactions in &self.blocks {
            let view = writer.reader()?.state_at(reference.number)?;
            let attributes = attributes(&self.rollup, &parent);
            let owned = transactions.clone();
            let mut block = BlockBuilder::new(&self.rollup, &parent, &attributes, &view)?;
            let clock = Clock::start();
            for transaction in owned {
                block.execute_encoded(transaction)?;
            }
            seconds += clock.stop().cpu_seconds();
            let outcome = block.finish(&view)?;
            ensure!(
                outcome.receipts.len() == transactions.len(),
                "{} of {} transfers are in the block",
                outcome.receipts.len(),
                transactions.len()
            );
            reference = L2BlockRef {
                hash: outcome.hash,
                number: L2BlockNumber(reference.number.0 + 1),
                parent_hash: reference.hash,
                timestamp: attributes.timestamp,
                sequence_number: reference.sequence_number + 1,
                ..reference
            };
            writer.commit(&outcome, reference)?;
            if writer.is_flush_due() {
                writer.flush()?;
            }
            parent = Sealed::new_unchecked(outcome.block.header, outcome.hash);
        }
        Ok(seconds)
    }

    /// CPU seconds of executing the same on revm alone.
    fn bare(&self) -> eyre::Result<f64> {
        let mut database = CacheDB::new(EmptyDB::default());
        for address in &self.funded {
            let funded = AccountInfo::from_balance(U256::from(FUNDS));
            database.insert_account_info(*address, funded);
        }
        let mut evm = Context::mainnet()
            .with_db(database)
            .modify_cfg_chained(|config| config.chain_id = self.rollup.l2_chain_id)
            .modify_block_chained(|block| {
                block.number = U256::ONE;
                block.gas_limit = u64::MAX;
            })
            .build_mainnet();
        let mut seconds = 0.0;
        for transactions in &self.blocks {
            let transactions = transactions
                .iter()
                .map(environment)
                .collect::<Result<Vec<_>, _>>()?;
            let clock = Clock::start();
            for transaction in transactions {
                let result = evm.transact_one(transaction)?;
                ensure!(result.is_success(), "a transfer failed on bare revm: {result:?}");
            }
            let changes = evm.finalize();
            evm.ctx.journaled_state.database.commit(changes);
            seconds += clock.stop().cpu_seconds();
        }
        Ok(seconds)
    }
}

/// The transfer as revm takes it.
fn environment(transaction: &RecoveredTx) -> eyre::Result<TxEnv> {
    let (sender, transfer) = (transaction.1.signer(), transaction.1.inner());
    TxEnv::builder()
        .caller(sender)
        .kind(transfer.kind())
        .value(transfer.value())
        .nonce(transfer.nonce())
        .gas_limit(transfer.gas_limit())
        .gas_price(transfer.max_fee_per_gas())
        .gas_priority_fee(transfer.max_priority_fee_per_gas())
        .chain_id(transfer.chain_id())
        .build()
        .map_err(|error| eyre::eyre!("a transfer that revm does not take: {error:?}"))
}

/// Inputs of the block after `parent`, without deposits.
fn attributes(rollup: &RollupConfig, parent: &Header) -> BlockAttributes {
    BlockAttributes {
        timestamp: parent.timestamp + rollup.block_time,
        prev_randao: B256::ZERO,
        fee_recipient: Address::ZERO,
        parent_beacon_block_root: B256::ZERO,
        gas_limit: rollup.genesis.system_config.gas_limit,
        eip1559_params: B64::ZERO,
        min_base_fee: Some(rollup.genesis.system_config.min_base_fee),
        transactions: Vec::new(),
        no_tx_pool: false,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} transfers in blocks of {} on {} accounts, {} rounds in turn, medians, load average {}\n",
            self.transactions, self.block_transactions, self.accounts, self.rounds, self.load_average
        )?;
        writeln!(f, "| | CPU, us per transfer |\n| --- | --: |")?;
        writeln!(
            f,
            "| the protocol's executor on the node's view | {:.2} |",
            self.us_per_tx
        )?;
        writeln!(f, "| revm on a CacheDB | {:.2} |", self.bare_us_per_tx)?;
        write!(f, "\nratio {:.2}  \n{}", self.ratio, target::lines(&self.targets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_execute_every_transfer() {
        let plan = Plan {
            transactions: 60,
            senders: 20,
            recipients: 30,
            block_transactions: 25,
            rounds: 1,
            seed: 1,
        };
        let report = run(&plan, &|_| ()).unwrap();
        assert!(report.us_per_tx > 0.0 && report.bare_us_per_tx > 0.0);
        assert_eq!(report.accounts, 50);
    }
}
