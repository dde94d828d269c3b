//! What is measured: one turn of one contestant, and the values that ratios are made of.

use std::collections::BTreeMap;

use super::perf::Instructions;

/// What one run of a client saw.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Report {
    /// Answered requests.
    pub(super) requests: f64,
    pub(super) seconds: f64,
    /// Bytes both ways.
    pub(super) bytes: f64,
    /// What went wrong: statuses other than 200, and errors by their kind.
    pub(super) errors: BTreeMap<String, u64>,
    /// Latencies, in microseconds; `None` where there are none, or the client does not tell.
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) p999: Option<f64>,
}

/// One turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Turn {
    pub(super) report: Report,
    /// CPU time of all threads of its processes, in microseconds.
    pub(super) cpu_micros: f64,
    pub(super) instructions: Option<Instructions>,
    /// The most memory one of its processes held so far, in bytes.
    pub(super) peak: f64,
    /// Share of the time in which the proxy's core did anything at all.
    pub(super) core_busy: f64,
    /// Share of the time that the host of a virtual machine took away from that core.
    pub(super) stolen: f64,
    /// Memory for each idle connection, in bytes.
    pub(super) idle_bytes: Option<f64>,
}

impl Turn {
    /// Share of the time in which the contestant itself ran.
    pub(super) fn own_busy(&self) -> f64 {
        self.cpu_micros / 1e6 / self.report.seconds.max(1e-6)
    }

    /// What went wrong, all kinds together.
    pub(super) fn failures(&self) -> u64 {
        self.report.errors.values().sum()
    }
}

/// A value of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// CPU microseconds for each request.
    Cpu,
    /// Megabytes of traffic for each CPU-second.
    Throughput,
    P99,
    P999,
    IdleBytes,
    /// Instructions for each request, user and kernel.
    Instructions,
    UserInstructions,
}

impl Measure {
    /// The value; `None` where this turn does not have it.
    pub(super) fn of(self, turn: &Turn) -> Option<f64> {
        let requests = turn.report.requests;
        let each = |sum: f64| (requests > 0.0).then(|| sum / requests);
        match self {
            Self::Cpu => each(turn.cpu_micros),
            Self::Throughput => {
                (turn.cpu_micros > 0.0).then(|| turn.report.bytes / turn.cpu_micros)
            }
            Self::P99 => turn.report.p99,
            Self::P999 => turn.report.p999,
            Self::IdleBytes => turn.idle_bytes,
            Self::Instructions => each(
                turn.instructions
                    .map(|count| (count.user + count.kernel) as f64)?,
            ),
            Self::UserInstructions => each(turn.instructions.map(|count| count.user as f64)?),
        }
    }

    /// Whether less is better.
    pub(super) const fn less_is_better(self) -> bool {
        !matches!(self, Self::Throughput)
    }

    /// Its name in a sentence.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU per request",
            Self::Throughput => "bytes per CPU-second",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::IdleBytes => "bytes per idle connection",
            Self::Instructions => "instructions per request",
            Self::UserInstructions => "user instructions per request",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_per_request_and_per_cpu_second() {
        let turn = Turn {
            report: Report {
                requests: 1_000.0,
                seconds: 2.0,
                bytes: 4e6,
                p99: Some(7.0),
                ..Report::default()
            },
            cpu_micros: 500_000.0,
            instructions: Some(Instructions {
                user: 5_000,
                kernel: 25_000,
            }),
            ..Turn::default()
        };
        assert_eq!(turn.own_busy(), 0.25);
        for (measure, expected) in [
            (Measure::Cpu, Some(500.0)),
            (Measure::Throughput, Some(8.0)),
            (Measure::P99, Some(7.0)),
            (Measure::P999, None),
            (Measure::IdleBytes, None),
            (Measure::Instructions, Some(30.0)),
            (Measure::UserInstructions, Some(5.0)),
        ] {
            assert_eq!(measure.of(&turn), expected, "{measure:?}");
        }
        assert_eq!(Measure::Cpu.of(&Turn::default()), None);
    }
}
