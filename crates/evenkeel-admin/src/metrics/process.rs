//! The figures that every process has, under the names that Prometheus' own clients give them.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use crate::metrics::text::{Kind, Text};

/// Writes them, as far as the system tells.
pub(super) fn write(text: &mut Text) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let system = fs::read_to_string("/proc/stat").unwrap_or_default();
    if let Some(seen) = Seen::read(&stat, &system, clock_ticks_per_second()) {
        text.family(
            "process_cpu_seconds_total",
            Kind::Counter,
            "Processor time, of the system included.",
        );
        text.sample(&[], seen.cpu_seconds);
        text.family(
            "process_start_time_seconds",
            Kind::Gauge,
            "When it started, since 1970.",
        );
        text.sample(&[], seen.started);
        text.family(
            "process_resident_memory_bytes",
            Kind::Gauge,
            "Memory that is resident.",
        );
        text.sample(&[], seen.resident_pages.saturating_mul(page_size() as u64));
        text.family("process_threads", Kind::Gauge, "Its threads.");
        text.sample(&[], seen.threads);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        text.family(
            "process_open_fds",
            Kind::Gauge,
            "Descriptors that are open.",
        );
        text.sample(&[], open.count());
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        text.family(
            "process_max_fds",
            Kind::Gauge,
            "Descriptors that may be open.",
        );
        text.sample(&[], most);
    }
}

/// What `/proc/self/stat` says of it (proc(5)).
#[derive(Debug, PartialEq)]
struct Seen {
    cpu_seconds: f64,
    started: f64,
    resident_pages: u64,
    threads: u64,
}

impl Seen {
    /// Of the text of that file and of `/proc/stat`, which says when the system began.
    #[expect(
        clippy::cast_precision_loss,
        reason = "ticks and seconds: fewer than 2^52 of them"
    )]
    fn read(stat: &str, system: &str, ticks: u64) -> Option<Self> {
        // The name in parentheses may have spaces and parentheses of its own; what follows is field 3.
        let rest = stat.rsplit_once(')')?.1;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |number: usize| -> Option<u64> { fields.get(number - 3)?.parse().ok() };
        let seconds = |ticks_used: u64| ticks_used as f64 / ticks.max(1) as f64;
        let began = system
            .lines()
            .find_map(|line| line.strip_prefix("btime "))?;
        let began: u64 = began.trim().parse().ok()?;
        Some(Self {
            cpu_seconds: seconds(field(14)? + field(15)?),
            started: began as f64 + seconds(field(22)?),
            resident_pages: field(24)?,
            threads: field(20)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_own_words_are_read() {
        let stat = "42 (even) keel) S 1 42 42 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 7 0 12345 9 11 18446744073709551615 1";
        let system = "cpu  1 2 3\nbtime 1700000000\nprocesses 5\n";
        let seen = Seen::read(stat, system, 100);
        let expected = Seen {
            cpu_seconds: 3.0,
            started: 1_700_000_123.45,
            resident_pages: 11,
            threads: 7,
        };
        assert_eq!(seen, Some(expected));
        for (stat, system) in [
            ("", system),
            ("42 (x", system),
            ("42 (x) S 1", system),
            (stat, ""),
        ] {
            assert_eq!(Seen::read(stat, system, 100), None, "{stat}{system}");
        }
    }
}
