//! The machine a run is taken on, and whether it was quiet: what a figure means nothing without.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use super::proc::Core;

/// How long we listen whether something else is running.
const LISTEN: Duration = Duration::from_secs(1);

/// The share of all cores that may be busy with something else.
const QUIET: f64 = 0.05;

/// What is known about the machine.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Machine {
    /// As the processor calls itself.
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// What TCP connections use unless they ask for another; BBR paces them by timers, which costs everyone.
    pub(super) congestion: String,
    /// In GiB.
    pub(crate) memory: f64,
    /// Of the last minute; our own build raises it.
    pub(super) load_average: f64,
    /// The share of all cores that was busy before anything of ours ran.
    pub(super) company: f64,
    /// The share that the host of a virtual machine took away meanwhile.
    pub(super) stolen: f64,
}

impl Machine {
    /// Looks, and listens for a second.
    pub(crate) fn look() -> Result<Self> {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let before = Core::now("cpu")?;
        std::thread::sleep(LISTEN);
        let (company, stolen) = Core::now("cpu")?.shares_since(before);
        let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
        let kilobytes: f64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
        let load = read("/proc/loadavg");
        Ok(Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            congestion: read("/proc/sys/net/ipv4/tcp_congestion_control")
                .trim()
                .to_owned(),
            memory: kilobytes / 1_048_576.0,
            load_average: load
                .split(' ')
                .next()
                .and_then(|load| load.parse().ok())
                .unwrap_or(0.0),
            company,
            stolen,
        })
    }

    /// Whether figures taken now may be quoted.
    pub(super) fn is_quiet(&self) -> bool {
        self.company + self.stolen <= QUIET
    }
}

/// The value of a line such as `model name : AMD EPYC`.
fn field(text: &str, key: &str) -> Option<String> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(name, _)| name.trim() == key);
    found.map(|(_, value)| value.trim().to_owned())
}

/// The date and the time of day, in UTC: `2026-11-22` and `20:32`.
pub(crate) fn now() -> (String, String) {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = passed.unwrap_or_default().as_secs();
    let (hour, minute) = (seconds / 3_600 % 24, seconds / 60 % 60);
    (date(seconds / 86_400), format!("{hour:02}:{minute:02}"))
}

/// The date so many days after 1970-01-01, by counting: a run is dated once.
fn date(mut days: u64) -> String {
    let leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_454, "2026-01-01"),
            (20_818, "2026-12-31"),
        ] {
            assert_eq!(date(days), expected);
        }
    }

    #[test]
    fn fields_are_found_whatever_stands_around_them() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC\nMemTotal:       24684940 kB\n";
        assert_eq!(field(text, "model name").as_deref(), Some("AMD EPYC"));
        assert_eq!(field(text, "MemTotal").as_deref(), Some("24684940 kB"));
        assert_eq!(field(text, "model"), None);
    }
}
