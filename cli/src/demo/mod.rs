//! The demo: the whole rollup on real input, and a stranger's node that derives the same chain from L1 and DA alone.
//!
//! ```text
//!  start all -> register the population -> replay the trace -> wait until safe -> stop sequencer, batcher, indexer
//!     -> fresh follower with rollup.json, L1 and DA -> compare every hash -> read the books there -> compare with the model
//! ```

pub(crate) mod chain;
mod chaos;
pub(crate) mod costs;
pub(crate) mod model;
pub(crate) mod population;
pub(crate) mod replay;
mod report;
pub(crate) mod setup;
mod trace;
mod verify;

pub(crate) use chain::{Reader, Sender};
pub(crate) use report::Report;
pub(crate) use trace::{Inference, from_csv, generated};

use crate::{
    devnet::{Devnet, Role},
    keys,
};
use alloy::primitives::{B256, U256};
use chain::Mined;
use chaos::{ChaosReport, Fault};
use costs::Costs;
use eyre::{bail, ensure};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use model::Model;
use population::AttributedInference;
use replay::Replay;
use report::{DaReport, L1Report, Percentiles, VerifierReport};
use std::time::{Duration, Instant};
use tributary_batcher::node::NodeClient;
use verify::{Books, Verifier};

/// Development account that administers the registry, and the one that records as gateway.
pub(crate) const ADMIN: u32 = 0;
pub(crate) const GATEWAY: u32 = 4;

/// How long the safe head may stand still while blocks wait to become safe.
const SAFE_PATIENCE: Duration = Duration::from_secs(120);

/// What is replayed, and how.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) inferences: Vec<Inference>,
    pub(crate) seed: u64,
    /// Contributions each record credits; `None` for 1 to 5.
    pub(crate) shares: Option<u32>,
    pub(crate) bundle_rows: usize,
    /// Flip one byte of one payload before the follower reads it.
    pub(crate) tamper: bool,
    /// Let things go wrong while records are sent.
    pub(crate) chaos: bool,
}

/// Progress bars on standard error; nothing at all where that is no terminal.
pub(crate) struct Progress {
    bars: MultiProgress,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            bars: MultiProgress::new(),
        }
    }

    pub(crate) fn bar(&self, name: &'static str) -> ProgressBar {
        let style = ProgressStyle::with_template("  {prefix:<22} {bar:30} {pos}/{len}  {elapsed}")
            .expect("a fixed template")
            .progress_chars("━━─");
        self.bars
            .add(ProgressBar::no_length().with_prefix(name).with_style(style))
    }
}

/// Runs the scenario on a devnet whose roles all run. The report is only given if everything held.
pub(crate) async fn run(
    devnet: &mut Devnet,
    scenario: &Scenario,
    verifier_port: u16,
    progress: &Progress,
) -> eyre::Result<Report> {
    let started = Instant::now();
    let inferences = population::attribute(scenario.seed, &scenario.inferences, scenario.shares);
    let reader = Reader::new(&devnet.urls.sequencer)?;
    let setup = register(&reader, progress).await?;
    wait_until_safe(
        devnet,
        Role::Sequencer,
        last_block(&setup),
        &progress.bar("set-up safe"),
    )
    .await?;
    let l1_after_setup = costs::l1_head(&devnet.urls.l1).await?;

    let (mut replay, chaos) = record(devnet, &reader, &inferences, scenario, progress).await?;
    let safe_head = wait_until_records_safe(devnet, &mut replay, progress).await?;
    let l1_last = costs::l1_head(&devnet.urls.l1).await?;
    let hashes = block_hashes(&reader, safe_head).await?;
    check_follower(devnet, &hashes, &progress.bar("follower")).await?;
    for role in [
        Role::Sequencer,
        Role::Batcher,
        Role::Proposer,
        Role::Follower,
        Role::Indexer,
    ] {
        devnet.stop(role).await;
    }

    let rollup = &devnet.network.rollup;
    let setup_costs = costs::between(
        &devnet.urls.l1,
        rollup,
        rollup.genesis.l1.number.0,
        l1_after_setup,
    )
    .await?;
    let costs = costs::between(&devnet.urls.l1, rollup, l1_after_setup, l1_last).await?;
    let (derived_blocks, mismatches, books) = verify(
        devnet,
        scenario,
        &costs,
        &hashes,
        &inferences,
        verifier_port,
        progress,
    )
    .await?;

    let model_fees = Model::of(&inferences, keys::dev_signer(ADMIN).address()).fees;
    let l2_txs = setup.len() + replay.mined.len();
    let report = Report {
        records: books.records,
        l2_blocks: safe_head,
        l2_txs: l2_txs as u64,
        safe_head,
        verifier: VerifierReport {
            derived_blocks,
            mismatches,
        },
        da: DaReport {
            layer: "tributary",
            payloads: costs.payloads.len() as u64,
            bytes: costs.payload_bytes(),
            setup_bytes: setup_costs.payload_bytes(),
        },
        l1: L1Report {
            txs: costs.l1_txs,
            bytes: costs.l1_bytes,
            gas: costs.l1_gas,
        },
        da_bytes_per_record: per_record(costs.payload_bytes(), books.records),
        l2_gas_per_record: per_record(replay.gas(), books.records),
        records_per_second: books.records as f64 / replay.took.as_secs_f64(),
        receipt_ms: Percentiles {
            p50: milliseconds(replay.receipt_percentile(50)),
            p99: milliseconds(replay.receipt_percentile(99)),
        },
        fees_wei: books.fees.saturating_to(),
        shares_wei: books.shares.saturating_to(),
        carried_remainder_wei: books.carried.saturating_to(),
        model_fees_wei: model_fees.saturating_to(),
        wall_seconds: started.elapsed().as_secs_f64(),
        chaos,
    };
    ensure!(
        mismatches == 0,
        "the fresh follower derived {mismatches} blocks that differ from the sequencer's"
    );
    Ok(report)
}

/// Registers the population; returns the transactions that did.
pub(crate) async fn register(reader: &Reader, progress: &Progress) -> eyre::Result<Vec<Mined>> {
    let mut admin = Sender::new(reader.clone(), keys::dev_signer(ADMIN)).await?;
    setup::register(
        &mut admin,
        keys::dev_signer(GATEWAY).address(),
        &progress.bar("registering"),
    )
    .await
}

/// Sends the records; with chaos, a share of them during each fault.
async fn record(
    devnet: &mut Devnet,
    reader: &Reader,
    inferences: &[AttributedInference],
    scenario: &Scenario,
    progress: &Progress,
) -> eyre::Result<(Replay, Option<ChaosReport>)> {
    let gateway = Sender::new(reader.clone(), keys::dev_signer(GATEWAY)).await?;
    let mut replay = Replay::new(gateway, scenario.bundle_rows, progress.bar("recording"));
    replay.expect(inferences.len());
    if !scenario.chaos {
        replay.send(inferences).await?;
        return Ok((replay, None));
    }
    let mut report = ChaosReport::default();
    let bar = progress.bar("faults");
    bar.set_length(Fault::ALL.len() as u64);
    let share = inferences.len().div_ceil(Fault::ALL.len());
    let mut shares = inferences.chunks(share);
    for fault in Fault::ALL {
        let records = shares.next().unwrap_or_default();
        tokio::try_join!(
            replay.send(records),
            chaos::strike(devnet, fault, &mut report, &bar)
        )?;
    }
    Ok((replay, Some(report)))
}

/// Waits until every record is in a safe block; returns the safe head. A block that held records may be replaced after its receipts
/// were read, when L1 takes its origin back; the records are then in later ones.
async fn wait_until_records_safe(
    devnet: &mut Devnet,
    replay: &mut Replay,
    progress: &Progress,
) -> eyre::Result<u64> {
    let bar = progress.bar("records safe");
    loop {
        let safe_head = wait_until_safe(devnet, Role::Sequencer, replay.last_block(), &bar).await?;
        replay.look_again().await?;
        if replay.last_block() <= safe_head {
            return Ok(safe_head);
        }
    }
}

/// The follower that ran along must have come to the same blocks.
async fn check_follower(devnet: &mut Devnet, hashes: &[B256], bar: &ProgressBar) -> eyre::Result<()> {
    let last = hashes.len().saturating_sub(1) as u64;
    wait_until_safe(devnet, Role::Follower, last, bar).await?;
    let found = block_hashes(&Reader::new(&devnet.urls.follower)?, last).await?;
    let differing = hashes
        .iter()
        .zip(&found)
        .position(|(ours, theirs)| ours != theirs);
    ensure!(
        differing.is_none(),
        "the follower has another block {} than the sequencer",
        differing.unwrap_or_default()
    );
    Ok(())
}

/// Waits until block `target` is safe at `role`; returns the safe head there.
pub(crate) async fn wait_until_safe(
    devnet: &mut Devnet,
    role: Role,
    target: u64,
    bar: &ProgressBar,
) -> eyre::Result<u64> {
    let node = NodeClient::new(devnet.urls.of(role))?;
    bar.set_length(target);
    let (mut safe, mut moved) = (0, Instant::now());
    loop {
        devnet.check_running()?;
        if let Ok(sync) = node.sync_status().await {
            if sync.safe_l2.number.0 > safe {
                (safe, moved) = (sync.safe_l2.number.0, Instant::now());
                bar.set_position(safe.min(target));
            }
            if safe >= target {
                return Ok(safe);
            }
        }
        if moved.elapsed() > SAFE_PATIENCE {
            bail!(
                "the safe head stands still at {safe}, block {target} does not become safe; see {}",
                devnet.log(role).display()
            );
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Hashes of blocks 0 to `last`.
async fn block_hashes(reader: &Reader, last: u64) -> eyre::Result<Vec<B256>> {
    let mut hashes = Vec::new();
    for number in 0..=last {
        hashes.push(reader.block_hash(number).await?);
    }
    Ok(hashes)
}

/// Lets a fresh follower derive everything, and compares blocks and books.
async fn verify(
    devnet: &Devnet,
    scenario: &Scenario,
    costs: &Costs,
    hashes: &[B256],
    inferences: &[AttributedInference],
    port: u16,
    progress: &Progress,
) -> eyre::Result<(u64, u64, Books)> {
    let tampered = if scenario.tamper {
        Some(tamper(devnet, costs)?)
    } else {
        None
    };
    let target = hashes.len().saturating_sub(1) as u64;
    let mut verifier = Verifier::start(devnet, port).await?;
    let derived = verifier
        .derive_up_to(target, &progress.bar("fresh follower"))
        .await;
    let derived = match (derived, tampered) {
        (Ok(derived), None) => derived,
        (Err(error), None) => return Err(error),
        (outcome, Some(tampered)) => {
            verifier.stop().await;
            let outcome = outcome.map_or_else(
                |error| error.to_string(),
                |block| format!("it derived block {block}"),
            );
            bail!(
                "payload {} was tampered with (byte {} of {}): {outcome}",
                tampered.payload,
                tampered.offset,
                tampered.file.display()
            );
        }
    };
    let mismatches = verifier.mismatches(hashes).await?;
    let books = verifier.books().await?;
    let model = Model::of(inferences, keys::dev_signer(ADMIN).address());
    check_books(&books, &model, inferences.len() as u64)?;
    let wrong = verifier.wrong_shares(&model).await?;
    if let Some((who, expected, found)) = wrong.first() {
        bail!(
            "{} shares are not what the model says; {who} has {found} wei instead of {expected}",
            wrong.len()
        );
    }
    verifier.stop().await;
    Ok((derived.min(target), mismatches, books))
}

fn tamper(devnet: &Devnet, costs: &Costs) -> eyre::Result<verify::Tampered> {
    let Some(payload) = costs.payloads.iter().max_by_key(|payload| payload.payload_size) else {
        bail!("nothing was posted to DA, so nothing can be tampered with");
    };
    verify::tamper(&devnet.folder.join("da"), payload.payload_hash)
}

/// The identities of the books: with themselves, with the coins behind them, and with the model.
fn check_books(books: &Books, model: &Model, records: u64) -> eyre::Result<()> {
    let equal = |what: &str, found: U256, expected: U256| {
        ensure!(
            found == expected,
            "{what}: the chain says {found} wei, {expected} wei follow from the trace"
        );
        Ok(())
    };
    ensure!(
        books.records == records,
        "{} records are on chain, {records} were sent",
        books.records
    );
    equal("fees", books.fees, model.fees)?;
    equal("shares", books.shares, model.shares)?;
    equal("carried remainders", books.carried, model.carry.total())?;
    equal(
        "fees as shares and remainders",
        books.fees,
        books.shares + books.carried,
    )?;
    ensure!(
        books.owed == books.balance,
        "the ledger owes {} wei and holds {} wei",
        books.owed,
        books.balance
    );
    Ok(())
}

/// The last block that holds any of `mined`.
pub(crate) fn last_block(mined: &[Mined]) -> u64 {
    mined
        .iter()
        .map(|mined| mined.receipt.block())
        .max()
        .unwrap_or_default()
}

fn per_record(amount: u64, records: u64) -> f64 {
    if records == 0 {
        0.0
    } else {
        amount as f64 / records as f64
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
