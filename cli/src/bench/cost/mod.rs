//! C(N): what a record costs when N of them share a posting window of a fixed length.
//!
//! ```text
//!  one devnet (anvil, DA server, sequencer, batcher: processes)      one window after the other, each as long as a channel may be open
//!    register the population, credit everyone once  ->  batcher with the fixed age  ->  N records, wait for its transaction  ->  next N
//!    ->  read L1 and DA back  ->  gas, bytes, symbols (integers)  ->  times frozen prices
//! ```
//! A record's age is bounded by the batcher alone: a channel closes when its first block has waited for the fixed age, whether it is
//! full or not. So cost is not bought with latency; the age of the oldest record of each window is told beside its cost.

mod anchors;
mod curve;
mod offer;
mod prices;

use super::chart::{Chart, Series};
use crate::{
    demo::{
        self, GATEWAY, Progress, Reader, Sender,
        chain::Mined,
        costs,
        population::{self, AttributedInference},
    },
    devnet::{Devnet, Options, Role, l1},
    keys,
};
use alloy::{
    primitives::Address,
    providers::{Provider, RootProvider},
};
use anchors::Anchored;
pub(crate) use curve::Curve;
use curve::Window;
use eyre::{bail, ensure};
pub(crate) use offer::BUNDLE_INTERVAL;
use std::time::{Duration, Instant};

/// Windows of the published curve, in records.
pub(crate) const RECORDS: [u64; 9] = [10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000];

/// Time at the end of a window in which nothing is offered, so that the last records are in blocks before the channel closes.
const GUARD: Duration = Duration::from_millis(3_500);

/// How long after its age a channel may take to appear in L1's pool.
const POST_PATIENCE: Duration = Duration::from_secs(60);

/// What is swept.
#[derive(Clone, Debug)]
pub(crate) struct Sweep {
    /// Records of each window, ascending.
    pub(crate) records: Vec<u64>,
    pub(crate) seed: u64,
    /// Longest time a channel is open.
    pub(crate) max_age: Duration,
}

/// Measures the curve on a devnet that is prepared and of which nothing runs yet but L1.
pub(crate) async fn run(
    devnet: &mut Devnet,
    options: &Options,
    sweep: &Sweep,
    progress: &Progress,
) -> eyre::Result<Curve> {
    for role in [Role::Da, Role::Sequencer, Role::Batcher] {
        devnet.start(role)?;
        devnet.wait_until_live(role).await?;
    }
    let reader = Reader::new(&devnet.urls.sequencer)?;
    let mut gateway = set_up(devnet, &reader, progress).await?;
    devnet.stop(Role::Batcher).await;
    let options = Options {
        max_channel_duration: sweep.max_age,
        ..options.clone()
    };
    devnet.change_settings(&options)?;
    let l1_after_setup = costs::l1_head(&devnet.urls.l1).await?;
    devnet.start(Role::Batcher)?;

    let batcher = Batcher::new(devnet)?;
    let bar = progress.bar("windows");
    bar.set_length(sweep.records.len() as u64);
    let mut offered = Vec::new();
    for records in traffic(sweep)? {
        let mined = offer::offer(&mut gateway, &records, sweep.max_age.saturating_sub(GUARD)).await?;
        offered.push((records.len() as u64, mined));
        batcher
            .wait_for_next(devnet, sweep.max_age + POST_PATIENCE)
            .await?;
        bar.inc(1);
    }
    let last = offered.last().map_or(0, |(_, mined)| demo::last_block(mined));
    demo::wait_until_safe(devnet, Role::Sequencer, last, &progress.bar("records safe")).await?;

    let rollup = &devnet.network.rollup;
    let l1_last = costs::l1_head(&devnet.urls.l1).await?;
    let posted = costs::posted(&devnet.urls.l1, rollup, l1_after_setup, l1_last).await?;
    let da = crate::commands::da::client(std::slice::from_ref(&devnet.urls.da))?;
    let channels = anchors::read(&posted, &da, rollup).await?;
    let block_time = |block: u64| rollup.genesis.l2_time + block * rollup.block_time;
    let windows = windows(&channels, &offered, block_time)?;
    Ok(Curve::new(prices::FROZEN, windows))
}

/// Registers the population and credits everyone once; returns the gateway's account when all of that is on L1.
async fn set_up(devnet: &mut Devnet, reader: &Reader, progress: &Progress) -> eyre::Result<Sender> {
    demo::register(reader, progress).await?;
    let mut gateway = Sender::new(reader.clone(), keys::dev_signer(GATEWAY)).await?;
    let mined = offer::send_fresh(&mut gateway, &offer::naming_everyone()).await?;
    let bar = progress.bar("set-up safe");
    demo::wait_until_safe(devnet, Role::Sequencer, demo::last_block(&mined), &bar).await?;
    Ok(gateway)
}

/// The records of each window: consecutive parts of one generated trace.
fn traffic(sweep: &Sweep) -> eyre::Result<Vec<Vec<AttributedInference>>> {
    let total = usize::try_from(sweep.records.iter().sum::<u64>())?;
    let inferences = demo::generated(sweep.seed, total);
    let mut rest = population::attribute(sweep.seed, &inferences, None);
    let mut windows = Vec::new();
    for records in &sweep.records {
        let behind = rest.split_off(usize::try_from(*records)?);
        windows.push(std::mem::replace(&mut rest, behind));
    }
    Ok(windows)
}

/// The batcher as L1's pool shows it: a transaction more means that a channel was closed and a new one is open.
struct Batcher {
    l1: RootProvider,
    address: Address,
}

impl Batcher {
    fn new(devnet: &Devnet) -> eyre::Result<Self> {
        Ok(Self {
            l1: l1::provider(&devnet.urls.l1)?,
            address: devnet.network.rollup.genesis.system_config.batcher_address,
        })
    }

    async fn transactions(&self) -> eyre::Result<u64> {
        Ok(self.l1.get_transaction_count(self.address).pending().await?)
    }

    async fn wait_for_next(&self, devnet: &mut Devnet, patience: Duration) -> eyre::Result<()> {
        let before = self.transactions().await?;
        let started = Instant::now();
        while self.transactions().await? == before {
            devnet.check_running()?;
            if started.elapsed() > patience {
                bail!(
                    "the batcher has posted nothing for {patience:?}; see {}",
                    devnet.log(Role::Batcher).display()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

/// What each window used: its channels are those that hold its blocks, and hold no record of another.
fn windows(
    channels: &[Anchored],
    offered: &[(u64, Vec<Mined>)],
    block_time: impl Fn(u64) -> u64,
) -> eyre::Result<Vec<Window>> {
    let mut windows = Vec::new();
    for (records, mined) in offered {
        let blocks = mined.iter().map(|mined| mined.receipt.block());
        let (Some(first), Some(last)) = (blocks.clone().min(), blocks.max()) else {
            bail!("a window of no records");
        };
        let own: Vec<&Anchored> = channels
            .iter()
            .filter(|channel| channel.first_block <= last && channel.last_block >= first)
            .collect();
        let found: u64 = own.iter().map(|channel| channel.records).sum();
        ensure!(
            found == *records,
            "the channels with blocks {first} to {last} hold {found} records, of {records} offered in their window: this machine is too busy for so \
             short a --max-age"
        );
        let anchored_at = own
            .iter()
            .map(|channel| channel.anchored_at)
            .max()
            .unwrap_or_default();
        windows.push(Window {
            records: *records,
            bundles: mined.len() as u64,
            l2_blocks: own
                .iter()
                .map(|channel| channel.last_block + 1 - channel.first_block)
                .sum(),
            l2_gas: mined.iter().map(|mined| mined.receipt.gas()).sum(),
            l1_txs: own.iter().map(|channel| channel.l1_txs).sum(),
            l1_gas: own.iter().map(|channel| channel.l1_gas).sum(),
            payloads: own
                .iter()
                .flat_map(|channel| channel.payloads.iter().copied())
                .collect(),
            zero_bytes: own.iter().map(|channel| channel.zero_bytes).sum(),
            // A record may have been made an interval before its bundle left.
            oldest_age_secs: anchored_at.saturating_sub(block_time(first)) + offer::BUNDLE_INTERVAL.as_secs(),
        });
    }
    Ok(windows)
}

/// The curve as a drawing.
pub(crate) fn chart(curve: &Curve) -> String {
    let line = |amount: fn(&curve::Point) -> f64| {
        let points = curve.points.iter();
        points
            .map(|point| (point.window.records as f64, amount(point)))
            .collect()
    };
    Chart {
        title: "Cost of a record as usage grows",
        x_label: "records per posting window",
        y_label: "gwei per record",
        series: vec![
            Series {
                name: "C(N): all",
                points: line(|point| point.gwei.total),
            },
            Series {
                name: "L1 anchor",
                points: line(|point| point.gwei.l1),
            },
            Series {
                name: "DA",
                points: line(|point| point.gwei.da),
            },
            Series {
                name: "L2 execution",
                points: line(|point| point.gwei.l2),
            },
            Series {
                name: "floor",
                points: curve
                    .points
                    .iter()
                    .map(|point| (point.window.records as f64, curve.floor_gwei))
                    .collect(),
            },
        ],
    }
    .to_svg()
}
