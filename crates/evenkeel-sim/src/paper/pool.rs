//! The pool of probes that linear, C3 and `paper-hcl` choose from, as the paper has it (§4), written anew: plain, slow, and
//! nothing shared with the balancer of `evenkeel-policy`, so that each checks the other.
//!
//! Every request sends three probes to random endpoints, whose answers serve later requests. An answer leaves when it is a second
//! old, when it has served as often as equation 1 allows, when sixteen are newer, and, once a request, as the oldest and the
//! worst in turn. With fewer than two answers a random endpoint is picked. Each use counts one request in flight more.
//!
//! Asking takes no time here ([`Truth`]), but an answer is used by the next request of the node at the earliest, which is
//! later than a probe takes in a data center.

use std::fmt;

use evenkeel_base::Rng;
use evenkeel_policy::{Candidate, Observed, Wanted};

use crate::chance;
use crate::known::Known;
use crate::paper::{any, fits, lowest};
use crate::rule::{Rule, Truth};

/// Answers that are kept; probes sent for a request; answers removed at one; microseconds that an answer is good for; and how fast the pool
/// may grow (δ).
const POOL: usize = 16;
const PROBES: usize = 3;
const REMOVED: usize = 1;
const MOST_AGE_US: u64 = 1_000_000;
const GROWTH: f64 = 1.0;

/// What an endpoint says that nobody has used yet: microseconds.
const UNKNOWN_US: f64 = 1_000.0;

/// An answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// The position of the endpoint.
    pub(super) at: usize,
    /// Requests in flight there, with those sent since.
    pub(super) in_flight: f64,
    /// What a request takes there at present, in microseconds.
    pub(super) latency: f64,
    since: u64,
    left: u32,
}

/// Which of several answers is the best.
pub(super) trait Choice: fmt::Debug + 'static {
    /// The lower the better, of an endpoint of which this node knows that. `all` are the answers that there are.
    fn score(&self, reading: &Reading, known: &Known, all: &[Reading]) -> f64;

    /// An answer came in.
    fn probed(&mut self, reading: &Reading) {
        let _ = reading;
    }

    /// A response came in.
    fn answered(&mut self, at: usize, observed: &Observed) {
        let _ = (at, observed);
    }
}

/// A rule that chooses from the pool.
#[derive(Debug)]
pub(super) struct Pool<C> {
    choice: C,
    readings: Vec<Reading>,
    /// The next to be removed is the worst, not the oldest.
    worst_next: bool,
    endpoints: usize,
}

impl<C: Choice> Pool<C> {
    pub(super) const fn new(choice: C, endpoints: usize) -> Self {
        Self {
            choice,
            readings: Vec::new(),
            worst_next: false,
            endpoints,
        }
    }

    /// How often an answer may be used: equation 1, its fraction as a chance.
    fn uses(&self, rng: &mut Rng) -> u32 {
        let pooled = (POOL.min(self.endpoints) as f64) / (self.endpoints.max(1) as f64);
        let grows = (1.0 - pooled) * PROBES as f64 - REMOVED as f64;
        if grows <= 0.0 {
            return u32::MAX;
        }
        let uses = ((1.0 + GROWTH) / grows).max(1.0);
        whole(uses) + u32::from(chance::unit(rng) <= uses.fract())
    }

    fn score(&self, from: &[Known], reading: &Reading) -> f64 {
        let known = &from[reading.at];
        self.choice.score(reading, known, &self.readings)
    }

    fn remove(&mut self, from: &[Known]) {
        let scored = self.readings.iter().enumerate();
        let worst = scored.map(|(place, one)| (place, -self.score(from, one)));
        // The oldest stands first.
        let place = if self.worst_next {
            lowest(worst).unwrap_or(0)
        } else {
            0
        };
        if place < self.readings.len() {
            self.readings.remove(place);
        }
        self.worst_next = !self.worst_next;
    }

    fn probe(&mut self, from: &[Known], truth: &mut Truth<'_>, rng: &mut Rng) {
        let mut asked = [usize::MAX; PROBES];
        let count = u32::try_from(from.len()).unwrap_or(u32::MAX);
        for place in 0..PROBES.min(from.len()) {
            // Another one each time; with three of many, the third draw is new nearly always.
            let mut at = rng.below(count) as usize;
            while asked[..place].contains(&at) {
                at = (at + 1) % from.len();
            }
            asked[place] = at;
            let report = truth.ask(&from[at]);
            let latency = report.latency.map(|one| one.as_secs_f64() * 1e6);
            let reading = Reading {
                at,
                in_flight: f64::from(report.in_flight.unwrap_or(0)),
                latency: latency.unwrap_or(UNKNOWN_US),
                since: truth.now_us(),
                left: self.uses(rng),
            };
            self.choice.probed(&reading);
            if self.readings.len() >= POOL {
                self.readings.remove(0);
            }
            self.readings.push(reading);
        }
    }
}

impl<C: Choice> Rule for Pool<C> {
    fn pick(
        &mut self,
        from: &[Known],
        wanted: &Wanted<'_>,
        truth: &mut Truth<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        let now = truth.now_us();
        self.readings.retain(|one| now - one.since <= MOST_AGE_US);
        let usable = |one: &&Reading| fits(from, wanted, one.at);
        let picked = if self.readings.iter().filter(usable).count() < 2 {
            any(from, wanted, rng)
        } else {
            // The newest stands last, and wins where scores are equal.
            let usable = self.readings.iter().rev().filter(usable);
            lowest(usable.map(|one| (one.at, self.score(from, one))))
        };
        if let Some(at) = picked {
            for one in self.readings.iter_mut().filter(|one| one.at == at) {
                one.in_flight += 1.0;
            }
            if let Some(used) = self.readings.iter_mut().find(|one| one.at == at) {
                used.left = used.left.saturating_sub(1);
            }
            self.readings.retain(|one| one.left > 0);
        }
        for _ in 0..REMOVED {
            self.remove(from);
        }
        self.probe(from, truth, rng);
        picked
    }

    fn observe(&mut self, from: &[Known], at: usize, observed: &Observed, _: u64) {
        if from.get(at).is_some_and(|one| one.weight() > 0) {
            self.choice.answered(at, observed);
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small number of uses, at least 1"
)]
const fn whole(uses: f64) -> u32 {
    uses as u32
}
