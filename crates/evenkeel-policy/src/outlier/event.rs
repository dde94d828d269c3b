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

/// A sentence for the operator's log; which endpoint it is about stands beside it.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ejected {
                cause,
                faults,
                times,
                lasts,
                again,
            } => {
                let how = if *again { "ejected again" } else { "ejected" };
                let lasts = format_duration(*lasts);
                write!(f, "endpoint {how} for at most {lasts}: {}", cause.name())?;
                if *faults > 0 {
                    write!(f, ", {faults} in a row")?;
                }
                write!(f, " (ejection {times})")
            }
            Self::Trial { by: Some(sign) } => {
                write!(f, "endpoint on trial: {}", sign.name())
            }
            Self::Trial { by: None } => f.write_str("endpoint on trial: its ejection is over"),
            Self::Readmitted { successes } => {
                write!(f, "endpoint readmitted after {successes} good requests")
            }
        }
    }
}
