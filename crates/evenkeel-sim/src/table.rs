//! Outcomes for a terminal: one line for each balancer.

use std::fmt::Write as _;
use std::time::Duration;

use crate::record::Outcome;
use crate::scenario::Scenario;

/// The columns.
pub(crate) const HEAD: [&str; 9] = [
    "balancer",
    "p50",
    "p90",
    "p99",
    "p99.9",
    "errors",
    "attempts",
    "busiest",
    "variation",
];

/// What a percentile is when that many requests failed.
const FAILED: &str = "failed";

/// What is said of a run that ended too soon.
const NOTHING: &str = "\nNothing was counted: no request began after the warm-up. Let the run be longer, set `warm_up`, or look who asks.\n";

/// The outcomes side by side, and below what failed.
#[must_use]
pub fn table(scenario: &Scenario, seed: u64, outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    let requests = outcomes.first().map_or(0, |one| one.requests);
    let _ = writeln!(
        out,
        "{}: {} endpoints, {} nodes, {} requests counted, seed {seed}\n",
        scenario.name,
        scenario.endpoint_count(),
        scenario.nodes,
        requests,
    );
    let mut rows: Vec<Vec<String>> = vec![HEAD.map(str::to_owned).to_vec()];
    rows.extend(outcomes.iter().map(row));
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(String::len).max().unwrap_or(0)
        })
        .collect();
    for row in &rows {
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if at == 0 {
                write!(line, "{cell:<width$}")
            } else {
                write!(line, "  {cell:>width$}")
            };
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    if requests == 0 {
        out.push_str(NOTHING);
    }
    out.push_str(&failures(outcomes));
    out
}

/// The cells of one balancer's line.
pub(crate) fn row(outcome: &Outcome) -> Vec<String> {
    let at = |share| match outcome.requests {
        0 => "-".to_owned(),
        _ => quantile(outcome.latency.quantile(share)),
    };
    vec![
        outcome.balancer.clone(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        percent(outcome.error_rate()),
        format!("{:.3}", outcome.attempts_per_request()),
        format!("{:.2}x", outcome.busiest()),
        format!("{:.3}", outcome.variation()),
    ]
}

/// Why requests failed, for each balancer with which some did.
pub(crate) fn failures(outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    for outcome in outcomes.iter().filter(|one| !one.failed.is_empty()) {
        let all = outcome.failed.iter();
        let all: Vec<String> = all.map(|(why, n)| format!("{why} {n}")).collect();
        let _ = writeln!(out, "\n{}: {}", outcome.balancer, all.join(", "));
    }
    out
}

fn quantile(latency: Option<Duration>) -> String {
    latency.map_or_else(|| FAILED.to_owned(), milliseconds)
}

/// Three digits that count, in milliseconds or seconds.
pub(crate) fn milliseconds(latency: Duration) -> String {
    let ms = latency.as_secs_f64() * 1e3;
    if ms < 10.0 {
        format!("{ms:.2} ms")
    } else if ms < 100.0 {
        format!("{ms:.1} ms")
    } else if ms < 10_000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1e3)
    }
}

fn percent(part: f64) -> String {
    if part == 0.0 {
        "0 %".to_owned()
    } else {
        format!("{:.3} %", part * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_have_three_digits() {
        for (us, shown) in [
            (1_234, "1.23 ms"),
            (12_340, "12.3 ms"),
            (123_400, "123 ms"),
            (12_340_000, "12.3 s"),
        ] {
            assert_eq!(milliseconds(Duration::from_micros(us)), shown);
        }
        assert_eq!(
            (quantile(None), percent(0.0)),
            ("failed".into(), "0 %".into())
        );
    }
}
