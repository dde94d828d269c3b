//! What state an endpoint is in, in one word, how bad that is, and why, in words for people.
//!
//! One word of several truths: what an operator ordered comes first, because it is wanted; then what keeps requests away; then
//! what lessens them. The words of `GET /api/v1/status` (health, phase, admin) are the truths themselves.

use std::time::{Duration, SystemTime};

use evenkeel_base::rules::AdminState;
use evenkeel_policy::outlier::Cause;
use evenkeel_policy::{Candidate, Health, Phase, Standing};
use evenkeel_state::Endpoint;

use crate::view::live::Severity;

/// The state of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Up,
    Unprobed,
    SlowStart,
    Full,
    Waiting,
    Trial,
    Unweighted,
    Draining,
    Drained,
    Maint,
    Ejected,
    Down,
}

impl State {
    /// What that endpoint is now.
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        let standing = &endpoint.state.standing;
        match (endpoint.admin, standing.health(), standing.phase()) {
            (AdminState::Maint, ..) => Self::Maint,
            (AdminState::Drain, ..) if endpoint.state.in_flight() > 0 => Self::Draining,
            (AdminState::Drain, ..) => Self::Drained,
            (AdminState::Ready, ..) if endpoint.weight == 0 => Self::Unweighted,
            (AdminState::Ready, Health::Down, _) => Self::Down,
            (AdminState::Ready, _, Phase::Ejected) => Self::Ejected,
            (AdminState::Ready, Health::Waiting, _) => Self::Waiting,
            (AdminState::Ready, _, Phase::Trial) => Self::Trial,
            _ if endpoint.share() < Standing::FULL => Self::SlowStart,
            _ if !endpoint.has_room() => Self::Full,
            (_, Health::Unprobed, _) => Self::Unprobed,
            _ => Self::Up,
        }
    }

    /// Its word in the API.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Unprobed => "unprobed",
            Self::SlowStart => "slow-start",
            Self::Full => "full",
            Self::Waiting => "waiting",
            Self::Trial => "trial",
            Self::Unweighted => "unweighted",
            Self::Draining => "draining",
            Self::Drained => "drained",
            Self::Maint => "maint",
            Self::Ejected => "ejected",
            Self::Down => "down",
        }
    }

    /// How bad it is.
    pub(super) const fn severity(self) -> Severity {
        match self {
            Self::Up | Self::Unprobed => Severity::Ok,
            Self::SlowStart | Self::Unweighted | Self::Draining | Self::Drained | Self::Maint => {
                Severity::Note
            }
            Self::Full | Self::Waiting | Self::Trial => Severity::Warn,
            Self::Ejected | Self::Down => Severity::Bad,
        }
    }
}

/// Why an endpoint is what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) text: String,
    pub(super) since: Option<SystemTime>,
    pub(super) until: Option<SystemTime>,
}

/// The two clocks: of people, and of what endpoints remember.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) at: SystemTime,
    pub(super) ms: u64,
}

impl Now {
    fn when(self, ms: u64) -> Option<SystemTime> {
        let ago = Duration::from_millis(self.ms.saturating_sub(ms));
        (ms > 0).then(|| self.at.checked_sub(ago)).flatten()
    }
}

/// Why it is in that state.
pub(super) fn reason(endpoint: &Endpoint, state: State, now: Now) -> Reason {
    let standing = &endpoint.state.standing;
    match state {
        State::Up => said("its probes succeed".to_owned()),
        State::Unprobed => said("not probed: traffic alone tells".to_owned()),
        State::SlowStart => said(format!("slow start, {} of its share", share(endpoint))),
        State::Full => said(format!(
            "at its limit of {} requests in flight",
            endpoint.state.limit()
        )),
        State::Waiting => said("waits for its first good probe".to_owned()),
        State::Trial => Reason {
            since: now.when(standing.stood().since_ms),
            ..said(format!(
                "on trial after an ejection, {} of its share",
                share(endpoint)
            ))
        },
        State::Unweighted => said("its weight is 0".to_owned()),
        State::Draining | State::Drained | State::Maint => ordered(endpoint, state),
        State::Ejected => ejected(endpoint, now),
        State::Down => match endpoint.state.probes.last() {
            Some((last, since)) if !last.good => Reason {
                since: Some(since),
                ..said(last.reason)
            },
            // A good one on the way up: what it fell for is longer ago.
            Some((last, since)) => Reason {
                since: Some(since),
                ..said(format!("{}, not often enough yet to be up", last.reason))
            },
            None => said("its probes failed".to_owned()),
        },
    }
}

const fn said(text: String) -> Reason {
    Reason {
        text,
        since: None,
        until: None,
    }
}

fn share(endpoint: &Endpoint) -> String {
    let share = endpoint.share();
    match share % 10 {
        0 => format!("{} %", share / 10),
        tenths => format!("{}.{tenths} %", share / 10),
    }
}

fn ordered(endpoint: &Endpoint, state: State) -> Reason {
    let by = if endpoint.ordered.admin.is_some() {
        "an operator"
    } else {
        "the configuration"
    };
    let what = match state {
        State::Draining => format!(
            "drained by {by}, {} in flight still",
            requests(endpoint.state.in_flight())
        ),
        State::Maint => format!("in maintenance by {by}"),
        _ => format!("drained by {by}, nothing in flight"),
    };
    let last = endpoint.state.probes.last();
    match last.filter(|_| endpoint.state.standing.health() == Health::Down) {
        Some((last, _)) if state != State::Maint => {
            said(format!("{what}; its probes fail: {}", last.reason))
        }
        _ => said(what),
    }
}

fn requests(count: u32) -> String {
    match count {
        1 => "1 request".to_owned(),
        count => format!("{count} requests"),
    }
}

fn ejected(endpoint: &Endpoint, now: Now) -> Reason {
    let standing = &endpoint.state.standing;
    // Readmitted since the look before: the next picture says so.
    let Some((cause, left)) = endpoint.state.outlier.ejection(standing, now.ms) else {
        return said("ejected a moment ago".to_owned());
    };
    Reason {
        text: because(cause).to_owned(),
        since: now.when(standing.stood().since_ms),
        until: now.at.checked_add(left),
    }
}

const fn because(cause: Cause) -> &'static str {
    match cause {
        Cause::Connect => "no connection could be made",
        Cause::Reset => "connections ended before their responses did",
        Cause::Timeout => "it did not answer in time",
        Cause::Malformed => "its answers are no HTTP",
        Cause::Status => "it answered 502, 503 or 504 in a row",
        Cause::Percentage => "too many of its requests failed",
        Cause::Latency => "it was much slower than the others",
        Cause::GrpcStatus => "its calls ended as unavailable",
    }
}
