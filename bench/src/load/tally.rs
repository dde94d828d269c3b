//! What happened, counted, and the report that is made of it.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::histogram::Histogram;

/// The counts of a run.
#[derive(Debug)]
pub(super) struct Tally {
    /// Requests intended before this do not count; none when every response does.
    since: Option<Instant>,
    latencies: Histogram,
    status: Vec<u64>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) errors: Errors,
    /// Connections opened anew after the first.
    pub(super) reopened: u64,
}

/// Requests that failed, by how.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Errors {
    /// A connection could not be opened.
    pub(super) connect: u64,
    /// The connection ended before the response did.
    pub(super) read: u64,
    /// The connection ended before the request did.
    pub(super) write: u64,
    /// Nothing moved for too long.
    pub(super) timeout: u64,
    /// The response was not HTTP/1.1, unasked for, or not as long as it should be.
    pub(super) malformed: u64,
}

impl Errors {
    /// All of them.
    pub(super) const fn total(&self) -> u64 {
        self.connect + self.read + self.write + self.timeout + self.malformed
    }
}

impl Tally {
    /// Counts every response.
    pub(super) fn new() -> Self {
        Self {
            since: None,
            latencies: Histogram::default(),
            status: vec![0; 1000],
            bytes_in: 0,
            bytes_out: 0,
            errors: Errors::default(),
            reopened: 0,
        }
    }

    /// Forgets the warm-up, except its errors: a run with errors is not a result.
    /// With `since`, only requests count from here on that were intended then or later.
    pub(super) fn restart(&mut self, since: Option<Instant>) {
        *self = Self {
            since,
            errors: self.errors,
            ..Self::new()
        };
    }

    /// Counts a response to what was asked, or was to be asked, at `asked`.
    #[inline]
    pub(super) fn record(&mut self, status: u16, asked: Instant, now: Instant) {
        if self.since.is_some_and(|since| asked < since) {
            return;
        }
        self.latencies.record(now.saturating_duration_since(asked));
        if let Some(count) = self.status.get_mut(usize::from(status)) {
            *count += 1;
        }
    }

    /// The report over so much time; `unanswered` requests were outstanding when it ended.
    pub(super) fn report(&self, span: Duration, unanswered: u64) -> Value {
        let status: Map<_, _> = self
            .status
            .iter()
            .enumerate()
            .filter(|(_, n)| **n > 0)
            .map(|(status, n)| (status.to_string(), json!(n)))
            .collect();
        let quantile = |per_mille| self.latencies.quantile(per_mille).map(micros);
        json!({
            "requests": self.latencies.count(),
            "seconds": span.as_secs_f64(),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "status": status,
            "errors": {
                "connect": self.errors.connect,
                "read": self.errors.read,
                "write": self.errors.write,
                "timeout": self.errors.timeout,
                "malformed": self.errors.malformed,
            },
            "latency_us": {
                "p50": quantile(500),
                "p90": quantile(900),
                "p99": quantile(990),
                "p999": quantile(999),
                "max": (self.latencies.count() > 0).then(|| micros(self.latencies.longest())),
            },
            "reopened": self.reopened,
            "unanswered": unanswered,
        })
    }
}

/// Microseconds, to a tenth.
fn micros(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e7).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_what_was_counted() {
        let start = Instant::now();
        let after = |ns| start + Duration::from_nanos(ns);
        let mut tally = Tally::new();
        tally.record(404, start, after(9_000_000));
        tally.errors.read = 3;
        tally.restart(Some(after(10)));
        tally.record(500, after(9), after(1_000));
        tally.record(200, after(10), after(1_244));
        tally.record(200, after(10), after(1_010));
        tally.record(503, after(20), after(1_020));
        tally.bytes_in = 7;
        let report = tally.report(Duration::from_millis(1500), 2);
        let start = r#"{"requests":3,"seconds":1.5,"bytes_in":7,"bytes_out":0,"status":{"200":2,"503":1},"errors":{"connect":0,"read":3,"#;
        assert!(report.to_string().starts_with(start), "{report}");
        assert_eq!(report["latency_us"]["max"], 1.2);
        assert_eq!(report["latency_us"]["p50"], 1.0);
        assert_eq!(report["unanswered"], 2);
    }

    #[test]
    fn nothing_counted_is_no_latency() {
        let tally = Tally::new();
        let report = tally.report(Duration::from_secs(1), 0);
        assert_eq!(report["latency_us"]["p50"], Value::Null);
        assert_eq!(report["latency_us"]["max"], Value::Null);
    }
}
