//! CPU time of processes and of the machine, from /proc.

use std::{collections::BTreeMap, fs, time::Duration};

/// Ticks a second of the times in /proc: Linux shows user space 100 whatever its own clock does.
const TICKS_PER_SECOND: u32 = 100;

/// User and system time of all threads of process `id` so far; zero if it is gone.
pub(crate) fn of_process(id: u32) -> Duration {
    fs::read_to_string(format!("/proc/{id}/stat"))
        .ok()
        .and_then(|stat| of_stat(&stat))
        .map_or(Duration::ZERO, |(_, cpu)| cpu)
}

/// The same for every thread that still runs, added up by the threads' names.
pub(crate) fn of_threads(id: u32) -> BTreeMap<String, Duration> {
    let mut names = BTreeMap::new();
    let tasks = fs::read_dir(format!("/proc/{id}/task"))
        .into_iter()
        .flatten()
        .flatten();
    for task in tasks {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        if let Some((name, cpu)) = of_stat(&stat) {
            *names.entry(name).or_default() += cpu;
        }
    }
    names
}

/// Time all cores together were not idle since boot, time stolen by the hypervisor included.
pub(crate) fn of_machine() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let fields: Vec<u64> = line.split_whitespace().skip(1).flat_map(str::parse).collect();
    // user nice system idle iowait irq softirq steal; guest times are in user already.
    let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|index| fields.get(*index));
    ticks(busy.sum())
}

/// Most memory process `id` ever had, in MiB; 0 if it is gone.
pub(crate) fn memory_peak_mib(id: u32) -> u64 {
    of_status(id, "VmHWM:") >> 10
}

/// Memory process `id` has now, in MiB; 0 if it is gone.
pub(crate) fn memory_mib(id: u32) -> u64 {
    memory_kib(id) >> 10
}

/// The same in KiB.
pub(crate) fn memory_kib(id: u32) -> u64 {
    of_status(id, "VmRSS:")
}

/// A value in KiB; 0 if the process is gone.
fn of_status(id: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or_default()
}

/// Name and time of a `stat` line. The name is in parentheses and may hold anything, parentheses included.
fn of_stat(stat: &str) -> Option<(String, Duration)> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let mut times = after.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some((name.to_owned(), ticks(user + system)))
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1000 / u64::from(TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name_is() {
        let line = "17 (tokio) rt (x) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 3";
        let expected = ("tokio) rt (x".to_owned(), Duration::from_secs(3));
        assert_eq!(of_stat(line), Some(expected));
        assert_eq!(of_stat(""), None);
    }

    #[test]
    fn this_process_and_this_machine_have_used_time() {
        let id = std::process::id();
        let started = std::time::Instant::now();
        while of_process(id).is_zero() && started.elapsed() < Duration::from_secs(20) {
            std::hint::black_box((0..100_000_u64).sum::<u64>());
        }
        assert!(of_process(id) > Duration::ZERO && of_machine() > Duration::ZERO);
        assert!(!of_threads(id).is_empty() && memory_peak_mib(id) > 0);
        assert_eq!(of_process(u32::MAX), Duration::ZERO);
    }
}
