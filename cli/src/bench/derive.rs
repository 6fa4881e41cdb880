//! How fast L1 and DA data become L2 blocks again: the pure pipeline on a chain in memory, alone and with execution.
//!
//! Nothing is fetched while time is taken. The set-up is derived first, without the clock; what is timed are the blocks with records.

use super::{
    chain::{Built, Chain, Content},
    rig::cpu,
    sample::{self, Clock, Lap, Took},
    target::{self, Target},
};
use alloy::{
    consensus::{Header, Sealed},
    primitives::Bytes,
};
use eyre::{OptionExt, bail, ensure};
use serde::Serialize;
use std::{fmt, time::Duration};
use tributary_derivation::{
    l1_block::L1Block,
    pipeline::{Pipeline, Step},
    reset::ResetPoint,
    stages::l1_retrieval::{DataAnswer, DataRequest},
};
use tributary_protocol::{
    attributes::BlockAttributes,
    block::{L1BlockNumber, L2BlockRef},
    commitment::Commitment,
    config::SystemConfig,
    execute::{BlockOutcome, RecoveredTx, execute_block, execute_recovered, recover},
    state::memory::MemoryState,
};

/// Time after which no further run begins: five runs of some seconds each fit.
const RUNS_BUDGET: Duration = Duration::from_secs(60);

/// The parts of the chain that are derived for the exponent: the whole, a quarter and a sixteenth.
const PARTS: [usize; 3] = [16, 4, 1];
/// Steps of the pipeline between two looks at the memory it takes.
const STEPS_PER_LOOK: usize = 4_096;
/// What is wanted: the part of the bound that is reached, and the exponent of time over length.
const OF_BOUND_MIN: f64 = 0.7;
const EXPONENT_MAX: f64 = 1.02;

/// One length of chain: what deriving and executing it took, and what the pipeline alone took in memory.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Length {
    pub(crate) blocks: usize,
    pub(crate) transactions: usize,
    pub(crate) cpu_seconds: f64,
    /// What the process grew by at most while the pipeline ran without execution.
    pub(crate) pipeline_memory_mib: f64,
}

/// What was derived, and how fast.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DeriveReport {
    pub(crate) blocks: usize,
    pub(crate) transactions: usize,
    /// Bytes read from DA, and bytes of transactions that came out.
    pub(crate) payload_bytes: usize,
    pub(crate) transaction_bytes: usize,
    pub(crate) pipeline: Speed,
    pub(crate) with_execution: Speed,
    /// Recovering the senders of the same transactions, and nothing else: execution cannot be faster on one core.
    pub(crate) recovery_alone: Speed,
    /// Executing the same blocks with senders that are known, and nothing else.
    pub(crate) execution_alone: Speed,
    /// CPU time of recovering and executing alone, over that of deriving and executing: 1 if deriving and comparing cost nothing.
    pub(crate) of_bound: f64,
    /// The same with recovery spread over all cores in the bound but not in what is measured, which is one thread.
    pub(crate) of_bound_all_cores: f64,
    pub(crate) cores: usize,
    /// Exponent of the time with execution over the number of transactions, by least squares over the lengths.
    pub(crate) exponent: f64,
    pub(crate) lengths: Vec<Length>,
    pub(crate) targets: Vec<Target>,
    /// CPU time with execution, times that of recovery alone.
    pub(crate) over_recovery: f64,
    /// Part of the CPU time with execution that is the pipeline's.
    pub(crate) pipeline_share: f64,
    pub(crate) load_average: f64,
}

/// Medians of several runs on one thread.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Speed {
    #[serde(flatten)]
    pub(crate) took: Took,
    /// By CPU time; MB are 10^6 bytes.
    pub(crate) blocks_per_second: f64,
    pub(crate) transactions_per_second: f64,
    pub(crate) payload_mb_per_second: f64,
    pub(crate) transaction_mb_per_second: f64,
}

/// The protocol's executor on a state in memory.
struct Executor<'a> {
    chain: &'a Chain,
    state: MemoryState,
    head: Sealed<Header>,
}

impl<'a> Executor<'a> {
    fn new(chain: &'a Chain) -> Self {
        Self {
            chain,
            state: chain.genesis_state.clone(),
            head: Sealed::new_unchecked(chain.genesis.header.clone(), chain.genesis_reference.hash),
        }
    }

    /// Executes what should become `built`.
    fn execute(
        &mut self,
        attributes: &BlockAttributes,
        built: &Built,
    ) -> eyre::Result<(L2BlockRef, SystemConfig)> {
        let outcome = execute_block(&self.chain.rollup, &self.head, attributes, &self.state)?;
        self.accept(outcome, built)
    }

    /// Executes `built` again with senders that are known.
    fn execute_recovered(&mut self, built: &Built, transactions: Vec<RecoveredTx>) -> eyre::Result<()> {
        let transactions = transactions.into_iter().map(Ok);
        let outcome = execute_recovered(
            &self.chain.rollup,
            &self.head,
            &built.attributes,
            transactions,
            &self.state,
        )?;
        self.accept(outcome, built)?;
        Ok(())
    }

    /// Goes on from the block, which must be `built`.
    fn accept(&mut self, outcome: BlockOutcome, built: &Built) -> eyre::Result<(L2BlockRef, SystemConfig)> {
        let rollup = &self.chain.rollup;
        ensure!(
            outcome.hash == built.reference.hash,
            "block {} is derived as {}, it was built as {}",
            built.reference.number,
            outcome.hash,
            built.reference.hash
        );
        self.state.apply(&outcome);
        let made = (
            L2BlockRef::from_block(&outcome.block, outcome.hash, &rollup.genesis)?,
            SystemConfig::from_l2_block(rollup, &outcome.block)?,
        );
        self.head = Sealed::new_unchecked(outcome.block.header, outcome.hash);
        Ok(made)
    }
}

/// Measures on chains of `content`: all of it, and for the exponent the first parts of it.
pub(crate) fn run(content: &Content, tell: &dyn Fn(&str)) -> eyre::Result<DeriveReport> {
    // Building, then five runs of executing alone and five of deriving, at a fifth of a millisecond a transaction.
    let about = content.inferences.len() * 14 / 5_000 + 5;
    let load_average = sample::begin(tell, Duration::from_secs(about.min(300) as u64));
    let mut lengths = Vec::new();
    for part in PARTS {
        let part = Content {
            inferences: content.inferences[..(content.inferences.len() / part).max(1)].to_vec(),
            ..content.clone()
        };
        tell(&format!(
            "building a chain of {} inferences in memory",
            part.inferences.len()
        ));
        let chain = Chain::new(&part)?;
        if part.inferences.len() == content.inferences.len() {
            let mut report = measure(&chain)?;
            lengths.push(length(&chain, report.with_execution.took.cpu_seconds)?);
            report.exponent = exponent(&lengths);
            report.targets = vec![
                Target::at_least(
                    "of the bound of recovering and executing",
                    report.of_bound,
                    OF_BOUND_MIN,
                ),
                Target::at_least(
                    "of the bound with recovery on all cores",
                    report.of_bound_all_cores,
                    OF_BOUND_MIN,
                ),
                Target::at_most("exponent of time over length", report.exponent, EXPONENT_MAX),
            ];
            return Ok(DeriveReport {
                lengths,
                load_average,
                ..report
            });
        }
        let took = sample::median(RUNS_BUDGET, || derive(&chain, Some(Executor::new(&chain))))?;
        lengths.push(length(&chain, took.cpu_seconds)?);
    }
    bail!("the whole chain is one of the parts")
}

fn length(chain: &Chain, cpu_seconds: f64) -> eyre::Result<Length> {
    let records = &chain.blocks[chain.first_record..];
    let memory = || cpu::memory_kib(std::process::id());
    let (before, mut most) = (memory(), 0);
    derive_looking(chain, None, &mut || most = memory().max(most))?;
    Ok(Length {
        blocks: records.len(),
        transactions: records.iter().map(|built| built.batch.transactions.len()).sum(),
        cpu_seconds,
        pipeline_memory_mib: most.saturating_sub(before) as f64 / 1024.0,
    })
}

/// Slope of the line with the least squares through the logarithms.
fn exponent(lengths: &[Length]) -> f64 {
    let points = lengths
        .iter()
        .map(|length| ((length.transactions as f64).ln(), length.cpu_seconds.ln()));
    let points: Vec<_> = points.collect();
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    covariance / points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>()
}

/// Measures on `chain`.
fn measure(chain: &Chain) -> eyre::Result<DeriveReport> {
    let records = &chain.blocks[chain.first_record..];
    let transactions: Vec<_> = records
        .iter()
        .flat_map(|built| &built.batch.transactions)
        .collect();
    let transaction_bytes = transactions.iter().map(|transaction| transaction.len()).sum();
    let payload_bytes = chain.record_payload_bytes();
    let pipeline = sample::median(RUNS_BUDGET, || derive(chain, None))?;
    let with_execution = sample::median(RUNS_BUDGET, || derive(chain, Some(Executor::new(chain))))?;
    let recovery = sample::median(RUNS_BUDGET, || recover_all(&transactions))?;
    let execution = sample::median(RUNS_BUDGET, || execute_all(chain))?;
    let speed = |took: Took| Speed {
        blocks_per_second: records.len() as f64 / took.cpu_seconds,
        transactions_per_second: transactions.len() as f64 / took.cpu_seconds,
        payload_mb_per_second: payload_bytes as f64 / 1e6 / took.cpu_seconds,
        transaction_mb_per_second: transaction_bytes as f64 / 1e6 / took.cpu_seconds,
        took,
    };
    let cores = std::thread::available_parallelism().map_or(1, core::num::NonZero::get);
    let on_all_cores = recovery.cpu_seconds / cores as f64 + execution.cpu_seconds;
    Ok(DeriveReport {
        of_bound_all_cores: on_all_cores / with_execution.cpu_seconds,
        cores,
        exponent: 0.0,
        lengths: Vec::new(),
        targets: Vec::new(),
        blocks: records.len(),
        transactions: transactions.len(),
        payload_bytes,
        transaction_bytes,
        pipeline: speed(pipeline),
        with_execution: speed(with_execution),
        recovery_alone: speed(recovery),
        execution_alone: speed(execution),
        of_bound: (recovery.cpu_seconds + execution.cpu_seconds) / with_execution.cpu_seconds,
        over_recovery: with_execution.cpu_seconds / recovery.cpu_seconds,
        pipeline_share: pipeline.cpu_seconds / with_execution.cpu_seconds,
        load_average: sample::load_average(),
    })
}

fn recover_all(transactions: &[&Bytes]) -> eyre::Result<Lap> {
    let clock = Clock::start();
    for transaction in transactions {
        recover(transaction)?;
    }
    Ok(clock.stop())
}

/// Executes all blocks with known senders; the time is that of the blocks with records.
fn execute_all(chain: &Chain) -> eyre::Result<Lap> {
    let mut executor = Executor::new(chain);
    let mut lap = None;
    let prepared = chain.blocks.iter().map(|built| {
        let attributes = &built.attributes;
        let recovered: Vec<_> = attributes
            .transactions
            .iter()
            .map(recover)
            .collect::<Result<_, _>>()?;
        Ok((built, recovered))
    });
    let prepared = prepared.collect::<eyre::Result<Vec<_>>>()?;
    let mut clock = Clock::start();
    for (index, (built, recovered)) in prepared.into_iter().enumerate() {
        if index == chain.first_record {
            clock = Clock::start();
        }
        executor.execute_recovered(built, recovered)?;
        lap = Some(clock.stop());
    }
    lap.ok_or_eyre("there is no block to execute")
}

/// Derives the whole chain; the time is that of the blocks with records. Without an executor, what was built stands in for its result.
fn derive(chain: &Chain, executor: Option<Executor<'_>>) -> eyre::Result<Lap> {
    derive_looking(chain, executor, &mut || ())
}

/// As [`derive()`], calling `look` again and again.
fn derive_looking(
    chain: &Chain,
    mut executor: Option<Executor<'_>>,
    look: &mut dyn FnMut(),
) -> eyre::Result<Lap> {
    let genesis = &chain.rollup.genesis;
    let start = ResetPoint {
        safe_head: chain.genesis_reference,
        system_config: genesis.system_config,
        resume_at: genesis.l1.number,
        l1_start: genesis.l1,
        l1_system_config: genesis.system_config,
    };
    let mut pipeline = Pipeline::new(chain.rollup.clone(), chain.l1_config.clone(), &start);
    let mut clock = Clock::start();
    let (mut derived, mut steps) = (0, 0_usize);
    while derived < chain.blocks.len() {
        steps += 1;
        if steps.is_multiple_of(STEPS_PER_LOOK) {
            look();
        }
        match pipeline.step() {
            Step::Progress => {}
            Step::Discarded(discarded) => bail!("the pipeline discarded what was posted: {discarded:?}"),
            Step::NeedL1Block(number) => pipeline.provide_l1_block(l1_block(chain, number)?)?,
            Step::NeedEpoch(id) => pipeline.provide_epoch(l1_block(chain, id.number)?)?,
            Step::NeedData(request) => pipeline.provide_data(payload(chain, &request)?),
            Step::NeedSafeBlock(number) => bail!("no block is posted twice, but {number} is asked for"),
            Step::Attributes(offered) => {
                let built = &chain.blocks[derived];
                let (block, system_config) = match &mut executor {
                    Some(executor) => executor.execute(&offered.attributes, built)?,
                    None => (built.reference, built.system_config),
                };
                pipeline.confirm(block, system_config);
                derived += 1;
                if derived == chain.first_record {
                    clock = Clock::start();
                }
            }
        }
    }
    look();
    Ok(clock.stop())
}

fn l1_block(chain: &Chain, number: L1BlockNumber) -> eyre::Result<&L1Block> {
    let block = usize::try_from(number.0)
        .ok()
        .and_then(|index| chain.l1_blocks.get(index));
    block.ok_or_eyre(format!("L1 ends before block {number}, and blocks are missing"))
}

fn payload(chain: &Chain, request: &DataRequest) -> eyre::Result<DataAnswer> {
    let DataRequest::Payload {
        commitment: Commitment::Local(local),
        ..
    } = request
    else {
        bail!("everything was posted behind commitments");
    };
    let payload = chain
        .payloads
        .get(&local.payload_hash)
        .ok_or_eyre("a payload is missing")?;
    Ok(DataAnswer::Payload(payload.clone()))
}

impl fmt::Display for DeriveReport {
    /// A table in Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} blocks, {} transactions ({:.2} MB), {:.2} MB of payload; one thread, medians, load average {:.1}\n",
            self.blocks,
            self.transactions,
            self.transaction_bytes as f64 / 1e6,
            self.payload_bytes as f64 / 1e6,
            self.load_average
        )?;
        writeln!(
            f,
            "| | CPU, s | blocks/s | transactions/s | payload, MB/s | transactions, MB/s | runs |"
        )?;
        writeln!(f, "| --- | --: | --: | --: | --: | --: | --: |")?;
        for (name, speed) in [
            ("pipeline alone", &self.pipeline),
            ("pipeline and execution", &self.with_execution),
            ("recovering senders alone", &self.recovery_alone),
            ("executing alone, senders known", &self.execution_alone),
        ] {
            writeln!(
                f,
                "| {name} | {:.3} | {:.0} | {:.0} | {:.2} | {:.1} | {} |",
                speed.took.cpu_seconds,
                speed.blocks_per_second,
                speed.transactions_per_second,
                speed.payload_mb_per_second,
                speed.transaction_mb_per_second,
                speed.took.runs
            )?;
        }
        write!(
            f,
            "\nwith execution {:.2} times the time of recovering senders alone; the pipeline is {:.1} % of it; {:.2} of the bound, which is \
             recovering and executing alone, or {:.2} if the bound recovers on all {} cores\n\n\
             | transactions | blocks | CPU with execution, s | memory of the pipeline alone, MiB |\n| --: | --: | --: | --: |\n",
            self.over_recovery,
            self.pipeline_share * 100.0,
            self.of_bound,
            self.of_bound_all_cores,
            self.cores
        )?;
        for length in &self.lengths {
            writeln!(
                f,
                "| {} | {} | {:.3} | {:.1} |",
                length.transactions, length.blocks, length.cpu_seconds, length.pipeline_memory_mib
            )?;
        }
        write!(
            f,
            "\ntime grows with length to the power {:.3}  \n{}",
            self.exponent,
            target::lines(&self.targets)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::generated;
    use alloy::primitives::B256;

    fn chain(bundle_rows: usize) -> Chain {
        Chain::new(&Content {
            inferences: generated(1, 60),
            seed: 1,
            bundle_rows,
            transfers: false,
            block_transactions: 3,
            channel_bytes: 5_000,
        })
        .unwrap()
    }

    #[test]
    fn what_is_derived_with_execution_has_the_hashes_that_were_built() {
        for (bundle_rows, transactions) in [(1, 60), (20, 3)] {
            let chain = chain(bundle_rows);
            let records: usize = chain.record_channels().iter().map(|blocks| blocks.size().0).sum();
            assert_eq!(records, transactions);
            derive(&chain, None).unwrap();
            derive(&chain, Some(Executor::new(&chain))).unwrap();
        }
    }

    #[test]
    fn a_length_twice_as_long_in_twice_the_time_is_linear() {
        let length = |transactions: usize, cpu_seconds: f64| Length {
            blocks: 1,
            transactions,
            cpu_seconds,
            pipeline_memory_mib: 0.0,
        };
        let of = |power: f64| {
            let lengths = [100_usize, 200, 400].map(|count| length(count, (count as f64).powf(power)));
            exponent(&lengths)
        };
        assert!((of(1.0) - 1.0).abs() < 1e-9 && (of(1.5) - 1.5).abs() < 1e-9);
    }

    #[test]
    fn transfers_are_derived_as_records_are() {
        let content = Content {
            inferences: generated(1, 64),
            seed: 1,
            bundle_rows: 1,
            transfers: true,
            block_transactions: 8,
            channel_bytes: 5_000,
        };
        let report = run(&content, &|_| ()).unwrap();
        assert_eq!(
            (report.transactions, report.blocks, report.lengths.len()),
            (64, 8, 3)
        );
    }

    #[test]
    fn another_block_than_was_built_ends_the_measurement() {
        let mut chain = chain(1);
        let last = chain.blocks.len() - 1;
        chain.blocks[last].reference.hash = B256::ZERO;
        let error = derive(&chain, Some(Executor::new(&chain)))
            .unwrap_err()
            .to_string();
        assert!(error.contains("it was built as 0x0000"), "{error}");
    }
}
