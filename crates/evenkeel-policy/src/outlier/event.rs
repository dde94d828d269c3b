//! What happened to an endpoint's phase: values for the shells to log and count.

use std::fmt;
use std::time::Duration;

use evenkeel_base::unit::format_duration;

use super::cause::{Cause, Sign};

/// A change of phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It takes no more requests.
    Ejected {
        /// Why.
        cause: Cause,
        /// How many gateway faults in a row it had.
        faults: u32,
        /// How often it was ejected since it is known, this time included.
        times: u32,
        /// How long at most: a sign that it is well again may end it.
        lasts: Duration,
        /// Whether it was on trial.
        again: bool,
    },
    /// It takes a trickle of requests.
    Trial {
        /// What showed that it may be well; `None`: its time was over.
        by: Option<Sign>,
    },
    /// It takes its share again, by slow start.
    Readmitted {
        /// How many requests of its trial went well.
        successes: u32,
    },
}

impl fmt::Display for Event {
    /// What stands in the log behind "endpoint", whoever writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ejected {
                cause,
                faults,
                lasts,
                again,
                ..
            } => {
                let again = if *again {
                    " again, its trial failed,"
                } else {
                    ""
                };
                write!(f, "ejected{again} for up to {}: ", format_duration(*lasts))?;
                match (cause, faults) {
                    (Cause::Percentage, _) => f.write_str("too many of its requests fail"),
                    (Cause::Latency, _) => f.write_str("it is much slower than the others"),
                    (cause, 0 | 1) => write!(f, "a fault ({})", cause.name()),
                    (cause, faults) => {
                        write!(f, "{faults} faults in a row, the last {}", cause.name())
                    }
                }
            }
            Self::Trial { by } => f.write_str(match by {
                Some(Sign::Connected) => "on trial: it accepts connections",
                Some(Sign::Probed) => "on trial: a probe was answered",
                Some(Sign::Served) => "on trial: a request was answered",
                None => "on trial: its time is over",
            }),
            Self::Readmitted { successes: 0 } => f.write_str("readmitted: no fault for a while"),
            Self::Readmitted { successes } => {
                write!(f, "readmitted: {successes} requests of its trial went well")
            }
        }
    }
}

/// What a gateway fault means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an ejection is the caller's to make"]
pub enum Outcome {
    /// It was counted, and that is all.
    Counted,
    /// The endpoint is to be ejected, if the cap allows.
    WantsEjection,
}

impl Outcome {
    pub(super) const fn wants(ejection: bool) -> Self {
        if ejection {
            Self::WantsEjection
        } else {
            Self::Counted
        }
    }
}

/// When an attempt took place, in the milliseconds of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// When it began. Nothing that began before the endpoint's phase did counts in it: requests that hung in a process that
    /// was stopped time out when it runs again, and must not throw it out of its trial.
    pub began_ms: u64,
    /// Now.
    pub ended_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_in_a_sentence() {
        let ejected = |cause, faults, again| Event::Ejected {
            cause,
            faults,
            times: 1,
            lasts: Duration::from_secs(10),
            again,
        };
        for (event, expected) in [
            (
                ejected(Cause::Connect, 5, false),
                "ejected for up to 10s: 5 faults in a row, the last connect",
            ),
            (
                ejected(Cause::Status, 1, true),
                "ejected again, its trial failed, for up to 10s: a fault (status)",
            ),
            (
                ejected(Cause::Percentage, 3, false),
                "ejected for up to 10s: too many of its requests fail",
            ),
            (
                ejected(Cause::Latency, 0, false),
                "ejected for up to 10s: it is much slower than the others",
            ),
            (
                Event::Trial {
                    by: Some(Sign::Connected),
                },
                "on trial: it accepts connections",
            ),
            (Event::Trial { by: None }, "on trial: its time is over"),
            (
                Event::Readmitted { successes: 5 },
                "readmitted: 5 requests of its trial went well",
            ),
            (
                Event::Readmitted { successes: 0 },
                "readmitted: no fault for a while",
            ),
        ] {
            assert_eq!(event.to_string(), expected);
        }
    }
}
