//! What `/proc` tells: the CPU time and memory of processes, and how busy a core was. Nothing here waits.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// The kernel's tick, the unit of the times in `stat` files: 100 a second on every Linux (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// `pid` and all its descendants.
pub(super) fn family(pid: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        if let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) {
            // A process that has just ended is nobody's child any more.
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            parents.extend(stat_field(&stat, 4).map(|parent: u32| (pid, parent)));
        }
    }
    Ok(descend(pid, &parents))
}

fn descend(pid: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut family = vec![pid];
    let mut at = 0;
    while at < family.len() {
        let own = parents.iter().filter(|(_, parent)| *parent == family[at]);
        let children: Vec<u32> = own.map(|(child, _)| *child).collect();
        family.extend(children);
        at += 1;
    }
    family
}

/// The CPU time, user and kernel, that all threads of these processes have used so far.
///
/// From `schedstat`, which counts nanoseconds, where the kernel keeps it; else from `stat`, which counts ticks of 10 ms.
pub(super) fn cpu(pids: &[u32]) -> Result<Duration> {
    let each = pids.iter().map(|pid| {
        // All zero is what a kernel says that does not count.
        let exact = threads_cpu(*pid)
            .ok()
            .flatten()
            .filter(|time| !time.is_zero());
        exact.map_or_else(|| ticks_cpu(*pid), Ok)
    });
    each.sum()
}

fn threads_cpu(pid: u32) -> Result<Option<Duration>> {
    let mut sum = Some(Duration::ZERO);
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        sum = sum.zip(run_time(&text)).map(|(sum, own)| sum + own);
    }
    Ok(sum)
}

/// The time on a core, the first number of a `schedstat` file.
fn run_time(schedstat: &str) -> Option<Duration> {
    let nanos = schedstat.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

fn ticks_cpu(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("process {pid} has ended"))?;
    let ticks = |number| stat_field::<u32>(&text, number).with_context(|| path.clone());
    Ok(TICK * (ticks(14)? + ticks(15)?))
}

/// Field `number`, from 1, of a `stat` file. The second one is a name in parentheses and may hold anything.
fn stat_field<T: std::str::FromStr>(stat: &str, number: usize) -> Option<T> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(number.checked_sub(3)?)?.parse().ok()
}

/// The most memory that one of these processes ever held, in bytes.
pub(super) fn peak(pids: &[u32]) -> Result<u64> {
    let each = pids.iter().map(|pid| kilobytes(*pid, "status", "VmHWM:"));
    Ok(each
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .max()
        .unwrap_or(0))
}

/// The memory that these processes hold now, in bytes; what they share counts for each.
pub(super) fn resident(pids: &[u32]) -> Result<u64> {
    let each = pids
        .iter()
        .map(|pid| kilobytes(*pid, "smaps_rollup", "Rss:"));
    each.sum()
}

fn kilobytes(pid: u32, file: &str, key: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/{file}");
    let text = fs::read_to_string(&path).with_context(|| format!("process {pid} has ended"))?;
    let kilobytes = value(&text, key).with_context(|| format!("{path} has no {key}"))?;
    Ok(kilobytes * 1024)
}

/// The number behind `key` in a file of lines such as `VmHWM:  1234 kB`.
fn value(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What a core, or all of them, has done since the machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Core {
    /// Doing something, for whomever.
    busy: u64,
    /// Taken by the host of a virtual machine.
    stolen: u64,
    all: u64,
}

impl Core {
    /// The core of that name: `cpu0`, or `cpu` for all together.
    pub(super) fn now(name: &str) -> Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        Self::read(&text, name).with_context(|| format!("/proc/stat has no {name}"))
    }

    /// Lines are `cpu0 user nice system idle iowait irq softirq steal guest guest_nice`; `user` includes `guest`.
    fn read(stat: &str, name: &str) -> Option<Self> {
        let line = stat
            .lines()
            .find(|line| line.split(' ').next() == Some(name))?;
        let fields = line.split_whitespace().skip(1).take(8);
        let fields: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
        let [user, nice, system, idle, waiting, irq, soft, stolen] = fields.try_into().ok()?;
        let busy = user + nice + system + irq + soft;
        Some(Self {
            busy,
            stolen,
            all: busy + idle + waiting + stolen,
        })
    }

    /// The shares of the time since `before` that were busy and that were stolen.
    pub(super) fn shares_since(self, before: Self) -> (f64, f64) {
        let share = |now: u64, then: u64| {
            let all = self.all.saturating_sub(before.all).max(1);
            now.saturating_sub(then) as f64 / all as f64
        };
        (
            share(self.busy, before.busy),
            share(self.stolen, before.stolen),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_count_from_behind_the_name() {
        let stat = "42 (a) b (c) R 7 42 1 0 -1 0 1 2 3 4 150 50 0 0 20 0 1 0 9";
        assert_eq!(stat_field(stat, 4), Some(7));
        assert_eq!(stat_field(stat, 14), Some(150));
        assert_eq!(stat_field(stat, 15), Some(50));
        assert_eq!(stat_field::<u32>(stat, 99), None);
        assert_eq!(stat_field::<u32>("", 4), None);
    }

    #[test]
    fn a_family_is_the_process_and_all_below_it() {
        let parents = [(1, 0), (5, 1), (6, 5), (7, 6), (8, 1), (9, 5)];
        assert_eq!(descend(5, &parents), [5, 6, 9, 7]);
        assert_eq!(descend(8, &parents), [8]);
    }

    #[test]
    fn our_own_process_can_be_read() {
        let own = std::process::id();
        assert!(family(own).unwrap().contains(&own));
        assert!(peak(&[own]).unwrap() >= 100_000);
        assert!(resident(&[own]).unwrap() >= 100_000);
        let before = cpu(&[own]).unwrap();
        let mut spent = Duration::ZERO;
        let mut sum = 0_u64;
        while spent < TICK {
            sum = std::hint::black_box(sum.wrapping_add(1));
            if sum.trailing_zeros() >= 16 {
                spent = cpu(&[own]).unwrap() - before;
            }
        }
    }

    #[test]
    fn lines_of_memory_and_of_time_are_read() {
        let status = "Name:\tx\nVmPeak:\t  999 kB\nVmHWM:\t    1234 kB\n";
        assert_eq!(value(status, "VmHWM:"), Some(1234));
        assert_eq!(value(status, "VmRSS:"), None);
        assert_eq!(
            run_time("1727502 12 3\n"),
            Some(Duration::from_nanos(1_727_502))
        );
        assert_eq!(run_time(""), None);
    }

    #[test]
    fn shares_of_a_core_are_what_passed_between() {
        let at = |text| Core::read(text, "cpu0").unwrap();
        let before = at("cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 10 0 10 100 0 0 0 0 0 0\n");
        let after = at("cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 40 0 40 120 0 0 10 10 0 0\n");
        assert_eq!(after.shares_since(before), (0.7, 0.1));
        assert_eq!(Core::read("cpu0 1 2\n", "cpu0"), None);
        assert_eq!(Core::read("cpu1 1 2 3 4 5 6 7 8 9 10\n", "cpu0"), None);
    }
}
