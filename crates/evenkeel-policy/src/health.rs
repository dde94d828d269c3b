//! Health: from the results of probes to a verdict, and when to probe next.
//!
//! ```text
//!                   rise good results in a row
//!            ┌──────────────────────────────────────┐
//!            │                                      ▼
//!          Down ◀──────────────────────────────── Up ◀───┐
//!            ▲       fall bad results in a row       ▲   │
//!            │                                       │   │ the first good result
//!            │ the first result decides:             │   │
//!            └─────────── bad ── at start ── good ───┘   │
//!                                                        │
//!                                           added later ─┘
//! ```
//!
//! At the start of the process the first result decides, because there is nothing else to go by. An endpoint that is added
//! to a running cluster waits for its first success, however long that takes: it has no claim on traffic yet.
//!
//! A result is what the shell made of a connection: in time, with the right answer, or not. The machine belongs to one
//! task, and knows neither the endpoint nor the clock.

use std::time::Duration;

use evenkeel_base::Rng;
use evenkeel_base::rules::ProbeRules;

use crate::standing::Health;

/// What is known of an endpoint when its probes begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing, as of all others: the process has just started, or probes were just configured. The first result decides.
    Process,
    /// Nothing, and the others carry the traffic: it waits for its first success.
    Added,
    /// It was up.
    Up,
    /// It was down.
    Down,
}

/// The probes of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    state: State,
    /// Results in a row that speak against the state.
    run: u16,
    probed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Added,
    Up,
    Down,
}

/// A change of health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the endpoint's standing is to follow"]
pub struct Change {
    /// What it was.
    pub from: Health,
    /// What it is.
    pub to: Health,
    /// Whether slow start applies: not to those whom the first result let in.
    pub slow_start: bool,
}

impl Probed {
    /// No result yet.
    #[must_use]
    pub const fn new(start: Start) -> Self {
        let state = match start {
            Start::Process => State::Start,
            Start::Added => State::Added,
            Start::Up => State::Up,
            Start::Down => State::Down,
        };
        Self {
            state,
            run: 0,
            probed: false,
        }
    }

    /// The verdict.
    #[must_use]
    pub const fn health(&self) -> Health {
        match self.state {
            State::Start | State::Added => Health::Waiting,
            State::Up => Health::Up,
            State::Down => Health::Down,
        }
    }

    /// Results in a row that speak against the verdict, for people: how far it is from changing.
    #[must_use]
    pub const fn run(&self) -> u16 {
        self.run
    }

    /// Takes a result. The verdict that changes is told once.
    pub fn result(&mut self, good: bool, rules: &ProbeRules) -> Option<Change> {
        self.probed = true;
        let against = match self.state {
            State::Start => true,
            State::Added | State::Down => good,
            State::Up => !good,
        };
        if !against {
            // While it waits for a first success, bad results slow the probes down.
            self.run = match self.state {
                State::Added => self.run.saturating_add(1),
                State::Start | State::Up | State::Down => 0,
            };
            return None;
        }
        self.run = self.run.saturating_add(1);
        let enough = match self.state {
            State::Start | State::Added => 1,
            State::Up => rules.fall.max(1),
            State::Down => rules.rise.max(1),
        };
        if self.state != State::Added && self.run < enough {
            return None;
        }
        let (from, slow_start) = (self.health(), self.state != State::Start);
        self.state = if good { State::Up } else { State::Down };
        self.run = 0;
        Some(Change {
            from,
            to: self.health(),
            slow_start: slow_start && good,
        })
    }

    /// The pause before the next probe; none before the first. Shorter while the verdict is about to change.
    #[must_use]
    pub fn next(&self, rules: &ProbeRules, rng: &mut Rng) -> Duration {
        if !self.probed {
            return Duration::ZERO;
        }
        let interval = match self.state {
            State::Up if self.run == 0 => rules.interval,
            State::Down if self.run == 0 => rules.down_interval,
            State::Added if self.run >= rules.fall.max(1) => rules.down_interval,
            State::Start | State::Added | State::Up | State::Down => rules.changing_interval,
        };
        jittered(interval, rules.jitter_percent, rng)
    }
}

/// `interval`, longer or shorter by at most `percent`, each length as likely as the next.
fn jittered(interval: Duration, percent: u8, rng: &mut Rng) -> Duration {
    let micros = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX / 2);
    let micros = micros.min(u64::MAX / 2);
    let spread = u64::try_from(u128::from(micros) * u128::from(percent.min(100)) / 100);
    let spread = spread.unwrap_or(micros);
    Duration::from_micros(micros - spread + rng.below_long(2 * spread + 1))
}

#[cfg(test)]
mod tests;
