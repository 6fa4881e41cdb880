//! How time is taken: the CPU time of this thread, so that what else the machine does hardly shows, and the median of several runs.

use nix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Runs of what is measured, unless it is slow.
const RUNS_MAX: usize = 5;
/// Time in all after which no further run of something slow begins.
pub(crate) const RUNS_BUDGET: Duration = Duration::from_secs(4);

/// Load average above which the output says that the machine was busy with other things.
pub(crate) const LOAD_AVERAGE_QUIET: f64 = 0.5;

/// What something took, in seconds: medians.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Took {
    pub(crate) cpu_seconds: f64,
    pub(crate) wall_seconds: f64,
    pub(crate) runs: usize,
}

/// A clock that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    cpu: Duration,
    wall: Instant,
}

/// Time between two moments on one thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lap {
    cpu: Duration,
    wall: Duration,
}

impl Lap {
    pub(crate) const fn cpu_seconds(&self) -> f64 {
        self.cpu.as_secs_f64()
    }
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            cpu: thread_cpu(),
            wall: Instant::now(),
        }
    }

    pub(crate) fn stop(self) -> Lap {
        Lap {
            cpu: thread_cpu().saturating_sub(self.cpu),
            wall: self.wall.elapsed(),
        }
    }
}

/// How many times something happens in `seconds` at an even rate; at least once.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate of some thousands times some minutes"
)]
pub(crate) fn count_in(per_second: f64, seconds: u64) -> usize {
    ((per_second * seconds as f64).ceil() as usize).max(1)
}

/// Measures several times what `measured` takes; after `budget` no further run begins.
///
/// # Errors
/// Those of `measured`; the first ends the measurement.
pub(crate) fn median<E>(budget: Duration, mut measured: impl FnMut() -> Result<Lap, E>) -> Result<Took, E> {
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    while cpu.is_empty() || (cpu.len() < RUNS_MAX && begun.elapsed() < budget) {
        let lap = measured()?;
        cpu.push(lap.cpu.as_secs_f64());
        wall.push(lap.wall.as_secs_f64());
    }
    Ok(Took {
        runs: cpu.len(),
        cpu_seconds: middle(cpu),
        wall_seconds: middle(wall),
    })
}

/// CPU time this thread has used.
fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map(Duration::from)
        .unwrap_or_default()
}

/// Says how long a measurement will take and whether the machine is quiet enough for it; returns the load average.
pub(crate) fn begin(tell: &dyn Fn(&str), about: Duration) -> f64 {
    let load_average = load_average();
    tell(&format!(
        "this takes about {}",
        humantime::format_duration(Duration::from_secs(about.as_secs().max(1)))
    ));
    if load_average > LOAD_AVERAGE_QUIET {
        tell(&format!(
            "THE MACHINE IS BUSY: load average {load_average}, above {LOAD_AVERAGE_QUIET}; what follows is slower than the machine is"
        ));
    }
    load_average
}

/// The machine's load average of the last minute, beside which times are to be read; 0 where the system tells none.
pub(crate) fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|first| first.parse().ok())
        .unwrap_or_default()
}

/// Bytes of all files below `folder`; one that goes away meanwhile counts nothing.
pub(crate) fn bytes_in(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => bytes_in(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}

/// The median; of an even number the lower one, so that it is a run that happened.
pub(crate) fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_a_value_that_was_measured() {
        assert!((middle(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
        assert!((middle(vec![4.0, 1.0, 2.0, 3.0]) - 2.0).abs() < 1e-12);
        assert!((middle(vec![7.0]) - 7.0).abs() < 1e-12);
    }

    #[test]
    fn fast_work_runs_several_times_and_an_error_ends_it() {
        let mut runs = 0;
        let took = median(RUNS_BUDGET, || {
            runs += 1;
            Ok::<Lap, ()>(Clock::start().stop())
        });
        assert_eq!((took.unwrap().runs, runs), (RUNS_MAX, RUNS_MAX));
        assert_eq!(median(RUNS_BUDGET, || Err("no")).unwrap_err(), "no");
    }

    #[test]
    fn files_in_folders_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::fs::write(folder.path().join("one"), [0; 10]).unwrap();
        std::fs::write(folder.path().join("inner/two"), [0; 32]).unwrap();
        assert_eq!(bytes_in(folder.path()), 42);
        assert_eq!(bytes_in(&folder.path().join("nowhere")), 0);
    }
}
