//! The load: wrk on its own core, and its report read back.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Kept-alive connections: enough to keep a proxy busy, few enough for its caches.
const CONNECTIONS: u32 = 64;

/// The core of wrk and of the origins; the proxy has core 0.
pub(super) const DRIVING_CORE: &str = "1";

/// What one run of wrk saw.
#[derive(Debug, PartialEq)]
pub(super) struct Round {
    /// Answered requests.
    pub(super) requests: f64,
    /// Socket errors and answers other than 2xx and 3xx.
    pub(super) errors: u64,
}

/// Drives the proxy on `port` for `time`.
pub(super) fn run(port: u16, time: Duration) -> Result<Round> {
    let output = Command::new("taskset")
        .args(["-c", DRIVING_CORE, "wrk", "--threads", "1"])
        .args(["--connections", &CONNECTIONS.to_string()])
        .args(["--duration", &format!("{}s", time.as_secs())])
        .arg(format!("http://127.0.0.1:{port}/"))
        .output()
        .context("wrk could not be started")?;
    let report = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("wrk: {report}{}", String::from_utf8_lossy(&output.stderr));
    }
    read(&report).with_context(|| format!("wrk reported something else than expected:\n{report}"))
}

fn read(report: &str) -> Option<Round> {
    let mut requests = None;
    let mut errors = 0;
    for line in report.lines().map(str::trim) {
        if let Some((number, _)) = line.split_once(" requests in ") {
            requests = number.parse().ok();
        } else if let Some(number) = line.strip_prefix("Non-2xx or 3xx responses:") {
            errors += number.trim().parse::<u64>().ok()?;
        } else if let Some(kinds) = line.strip_prefix("Socket errors:") {
            for kind in kinds.split(',') {
                let number = kind.split_whitespace().last()?;
                errors += number.parse::<u64>().ok()?;
            }
        }
    }
    requests.map(|requests| Round { requests, errors })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_with_their_errors() {
        let fine = "Running 5s test @ http://x/\n  1 threads and 64 connections\n  250000 requests in 5.00s, 40.00MB read\nRequests/sec: 50000.00\n";
        let fine_round = Round {
            requests: 250_000.0,
            errors: 0,
        };
        assert_eq!(read(fine), Some(fine_round));
        let broken = format!(
            "{fine}  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\n"
        );
        assert_eq!(read(&broken).map(|round| round.errors), Some(15));
        assert_eq!(read("unable to connect"), None);
    }
}
