//! Minutes under an even load: whether speed, memory and disk stay what they are.
//!
//! The load is below saturation, so a node that gets slower shows it twice: by committing less than was offered, and by needing more CPU
//! for it.

use super::{
    chart::{Chart, Series},
    e2e,
    rig::{
        Genesis,
        client::{Connection, drive_paced},
        cpu,
        load::{LoadPlan, Requests},
        side::{Running, Side},
    },
    sample,
    target::{self, Target},
};
use alloy::primitives::U64;
use eyre::{OptionExt, ensure};
use memchr::memmem;
use serde::Serialize;
use serde_json::json;
use std::{
    fmt,
    path::Path,
    time::{Duration, Instant},
};

/// Seconds of one row.
const ROW_SECS: u64 = 60;
/// Part of saturation that is offered.
const PART: f64 = 0.7;
/// The last minute's speed over the first's.
const LAST_OVER_FIRST_MIN: f64 = 0.97;
/// Growth of memory in a minute, as a part of it, that is as good as none.
const MEMORY_SLOPE_PART: f64 = 0.01;
/// Connections that write.
const WRITERS: usize = 64;

/// What is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) minutes: u64,
    /// Transfers a second taken for saturation, instead of measuring it.
    pub(crate) saturation: Option<f64>,
    /// Transfers of the saturating run.
    pub(crate) transactions: usize,
    pub(crate) seed: u64,
}

/// One row a minute, and how the last compares with the first.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// Answered transfers a second in the last minute over those in the first.
    pub(crate) last_over_first: f64,
    /// CPU per transfer in the last minute over that in the first.
    pub(crate) cpu_last_over_first: f64,
    /// Least-squares slope of resident memory over all minutes but the first, in which caches fill.
    pub(crate) memory_slope_mib_per_minute: f64,
    pub(crate) offered_per_second: f64,
    pub(crate) saturation_tx_per_second: f64,
    pub(crate) targets: Vec<Target>,
    pub(crate) minutes: Vec<Minute>,
    pub(crate) genesis: Genesis,
    pub(crate) load_average: f64,
}

/// What one minute gave.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Minute {
    pub(crate) answered_per_second: f64,
    pub(crate) cpu_us_per_tx: f64,
    pub(crate) memory_mib: u64,
    pub(crate) disk_mib: u64,
    pub(crate) blocks: u64,
}

/// Runs the plan.
pub(crate) async fn run(plan: &Plan, tell: &dyn Fn(&str)) -> eyre::Result<Report> {
    let saturating = plan.saturation.map_or(plan.transactions as u64 / 3_000, |_| 0);
    let about = plan.minutes * ROW_SECS * 5 / 4 + saturating + 10;
    let load_average = sample::begin(tell, Duration::from_secs(about));
    let load_plan = |transactions| LoadPlan::usual(transactions, plan.seed);
    let saturation = e2e::saturation(plan.saturation, load_plan(plan.transactions), WRITERS, tell).await?;
    let offered_per_second = saturation * PART;
    let per_row = sample::count_in(offered_per_second, ROW_SECS);
    tell(&format!(
        "signing {} transfers",
        per_row * usize::try_from(plan.minutes)?
    ));
    let load = load_plan(per_row * usize::try_from(plan.minutes)?).sign();
    let genesis = Genesis::unlimited(load.transfers.len());
    let folder = tempfile::Builder::new().prefix("tributary-bench-").tempdir()?;
    let running = Running::start(Side::Ours, &genesis, &load.senders, folder.path(), &[]).await?;
    tell(&format!("the node runs as process {}", running.id));
    let measured = tokio::task::block_in_place(|| {
        let mut minutes = Vec::new();
        for transfers in load.transfers.chunks(per_row) {
            let requests = Requests::send_raw(transfers, 1);
            let minute = minute(&running, &requests, offered_per_second, folder.path())?;
            tell(&format!("minute {}: {minute}", minutes.len() + 1));
            minutes.push(minute);
        }
        Ok::<_, eyre::Report>(minutes)
    });
    running.stop().await;
    let minutes = measured?;
    let (first, last) = (minutes.first(), minutes.last());
    let (first, last) = first.zip(last).ok_or_eyre("there was no minute")?;
    let last_over_first = last.answered_per_second / first.answered_per_second;
    let memory_slope = slope(minutes.iter().skip(1).map(|minute| minute.memory_mib as f64));
    Ok(Report {
        targets: targets(&minutes, last_over_first, memory_slope),
        last_over_first,
        cpu_last_over_first: last.cpu_us_per_tx / first.cpu_us_per_tx,
        memory_slope_mib_per_minute: memory_slope,
        offered_per_second,
        saturation_tx_per_second: saturation,
        minutes,
        genesis,
        load_average,
    })
}

/// Two minutes after the first are the least that memory has a slope over.
fn targets(minutes: &[Minute], last_over_first: f64, memory_slope: f64) -> Vec<Target> {
    let speed = Target::at_least(
        "tx/s of the last minute over the first's",
        last_over_first,
        LAST_OVER_FIRST_MIN,
    );
    let memory = minutes.last().filter(|_| minutes.len() > 2).map(|last| {
        Target::at_most(
            "growth of memory (MiB a minute; 1 % of it)",
            memory_slope,
            last.memory_mib as f64 * MEMORY_SLOPE_PART,
        )
    });
    [speed].into_iter().chain(memory).collect()
}

fn minute(running: &Running, requests: &Requests, per_second: f64, folder: &Path) -> eyre::Result<Minute> {
    let mut asking = Connection::open(running.address)?;
    let before: U64 = asking.call("eth_blockNumber", &json!([]))?;
    let cpu_before = cpu::of_process(running.id);
    let started = Instant::now();
    let mut refused = 0_usize;
    let count = requests.len();
    drive_paced(
        running.address,
        WRITERS,
        requests,
        per_second,
        |sent| sent >= count,
        |body| refused += usize::from(memmem::find(body, b"\"error\"").is_some()),
    )?;
    let seconds = started.elapsed().as_secs_f64();
    ensure!(refused == 0, "{refused} transfers were refused");
    let after: U64 = asking.call("eth_blockNumber", &json!([]))?;
    let spent = cpu::of_process(running.id).saturating_sub(cpu_before);
    Ok(Minute {
        answered_per_second: count as f64 / seconds,
        cpu_us_per_tx: spent.as_secs_f64() * 1e6 / count as f64,
        memory_mib: cpu::memory_mib(running.id),
        disk_mib: sample::bytes_in(&folder.join("sequencer")) >> 20,
        blocks: (after - before).to(),
    })
}

/// Slope of the line through equally spaced values with the least squares; 0 of fewer than two.
fn slope(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    let count = values.len() as f64;
    if values.len() < 2 {
        return 0.0;
    }
    let (mean_x, mean_y) = ((count - 1.0) / 2.0, values.iter().sum::<f64>() / count);
    let numbered = || {
        values
            .iter()
            .enumerate()
            .map(|(x, y)| (x as f64 - mean_x, y - mean_y))
    };
    numbered().map(|(x, y)| x * y).sum::<f64>() / numbered().map(|(x, _)| x * x).sum::<f64>()
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} tx/s, {:.1} us CPU/tx, {} MiB of memory, {} MiB on disk, {} blocks",
            self.answered_per_second, self.cpu_us_per_tx, self.memory_mib, self.disk_mib, self.blocks
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:.0} transfers/s offered, {:.0} % of saturation; load average {}\n",
            self.offered_per_second,
            PART * 100.0,
            self.load_average
        )?;
        writeln!(
            f,
            "| minute | tx/s | CPU, us/tx | memory, MiB | disk, MiB | blocks |"
        )?;
        writeln!(f, "| --: | --: | --: | --: | --: | --: |")?;
        for (index, minute) in self.minutes.iter().enumerate() {
            writeln!(
                f,
                "| {} | {:.0} | {:.1} | {} | {} | {} |",
                index + 1,
                minute.answered_per_second,
                minute.cpu_us_per_tx,
                minute.memory_mib,
                minute.disk_mib,
                minute.blocks
            )?;
        }
        write!(
            f,
            "\nlast minute over first: {:.3} in speed, {:.3} in CPU; memory grows by {:.1} MiB a minute  \n{}",
            self.last_over_first,
            self.cpu_last_over_first,
            self.memory_slope_mib_per_minute,
            target::lines(&self.targets)
        )
    }
}

/// Speed, CPU, memory and disk over the minutes: flat lines, but for the disk.
pub(crate) fn chart(report: &Report) -> String {
    let line = |name, value: &dyn Fn(&Minute) -> f64| Series {
        name,
        points: (1..)
            .map(f64::from)
            .zip(report.minutes.iter().map(value))
            .collect(),
    };
    Chart {
        title: "Under an even load, minute by minute",
        x_label: "minute",
        y_label: "transfers/s, MiB, us",
        series: vec![
            line("transfers/s", &|minute| minute.answered_per_second),
            line("memory, MiB", &|minute| minute.memory_mib as f64),
            line("disk, MiB", &|minute| minute.disk_mib as f64),
            line("CPU, us/tx", &|minute| minute.cpu_us_per_tx),
        ],
    }
    .to_svg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_line() {
        assert!((slope([1.0, 3.0, 5.0, 7.0].into_iter()) - 2.0).abs() < 1e-12);
        assert!(slope([4.0, 4.0, 4.0].into_iter()).abs() < 1e-12);
        assert!(slope([4.0].into_iter()).abs() < 1e-12);
    }

    #[test]
    fn memory_is_not_said_to_be_flat_after_less_than_three_minutes() {
        let minute = Minute {
            answered_per_second: 1.0,
            cpu_us_per_tx: 1.0,
            memory_mib: 100,
            disk_mib: 1,
            blocks: 60,
        };
        assert_eq!(targets(&[minute; 2], 1.0, 0.0).len(), 1);
        let of_three = targets(&[minute; 3], 1.0, 2.0);
        assert!(of_three[0].holds && !of_three[1].holds, "{of_three:?}");
    }
}
