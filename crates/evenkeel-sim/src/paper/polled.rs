//! Two choices by polled load: every so often a client asks all endpoints how many requests they have in flight, and of two random
//! ones picks that with fewer. The paper calls it YARP-Po2C, after Microsoft's YARP. Between two polls nothing is added for what
//! was sent meanwhile.
//!
//! Checked against a description of the paper: that load is polled from all, periodically, and the name. The period is not: half a second
//! is from memory.

use evenkeel_base::Rng;
use evenkeel_policy::{Member, Wanted};

use crate::known::Known;
use crate::paper::{any, fits};
use crate::rule::{Rule, Truth};

/// Microseconds from poll to poll.
const PERIOD_US: u64 = 500_000;

/// The same for `paper-polled-slow`, which shows what the period is worth.
const SLOW_US: u64 = 2_000_000;

/// What the last poll said.
#[derive(Debug)]
struct Polled {
    in_flight: Vec<u32>,
    period: u64,
    due: Option<u64>,
}

impl Rule for Polled {
    fn pick(
        &mut self,
        from: &[Known],
        wanted: &Wanted<'_>,
        _: &mut Truth<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        let (one, other) = (any(from, wanted, rng)?, any(from, wanted, rng)?);
        let load = |at: usize| self.in_flight.get(at).copied().unwrap_or(0);
        let better = if load(other) < load(one) { other } else { one };
        fits(from, wanted, better).then_some(better)
    }

    fn tick(&mut self, from: &[Known], truth: &mut Truth<'_>, now_us: u64) {
        // The first of its polls is at a node's first tick, and those are spread.
        if self.due.is_some_and(|due| now_us < due) {
            return;
        }
        self.due = Some(now_us + self.period);
        let ask = |one: &Known| truth.ask(one).in_flight.unwrap_or(0);
        self.in_flight = from.iter().map(ask).collect();
    }
}

fn every(period: u64, members: &[Member<'_>]) -> Box<dyn Rule> {
    Box::new(Polled {
        in_flight: vec![0; members.len()],
        period,
        due: None,
    })
}

/// The rule.
pub(super) fn make(members: &[Member<'_>]) -> Box<dyn Rule> {
    every(PERIOD_US, members)
}

/// Four times as slow.
pub(super) fn slow(members: &[Member<'_>]) -> Box<dyn Rule> {
    every(SLOW_US, members)
}
