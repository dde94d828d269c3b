//! Adaptive concurrency: how many requests an endpoint can bear, learnt from how its latency answers.
//!
//! More requests than an endpoint has hands for wait inside of it, and latency rises. So latency now against latency
//! without load, the *gradient*, says how much too many there are. The idea is that of Netflix's concurrency-limits and of
//! Envoy's gradient controller; the machine is our own:
//!
//! ```text
//! gradient = (1 + tolerance) · base / latency, between ½ and 1
//! target   = limit · gradient + √limit                  the root: room for a short queue, by which growth is tried
//! limit   += (target − limit) / 5                       once for every round trip
//! ```
//!
//! An endpoint with c hands comes to rest a little above (1 + tolerance) · c.
//!
//! **The base is the difficulty.** A minimum over a window creeps up under steady load, for then all samples are of a loaded
//! endpoint, and the limit with it. A minimum for ever cannot learn that an endpoint has become slower for good. So now and
//! then the limit dips, to half of what the endpoint bears without a queue, for as long as a measurement takes; what is
//! measured there is the base, be it more or less than before. A dip costs half of the throughput for some tenths of a
//! second in every thirty, and only when there is load: an endpoint with few requests in flight is measured as it is.
//!
//! It is fed by one ticker, about ten times a second, with what happened since. Few requests are no sample, and a limit that
//! is not used does not move: what does not touch it can tell nothing about it.

mod base;

use std::time::{Duration, Instant};

use evenkeel_base::Rng;
use evenkeel_base::rules::AdaptiveRules;

use self::base::{Base, Phase};

/// What happened since the last update.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Requests that were answered.
    pub requests: u32,
    /// Their latency: the geometric mean. With the arithmetic one, a few requests that last for long would weigh most, and
    /// those are just the ones that do not end within a short measurement.
    pub latency: Duration,
    /// Requests in flight now.
    pub in_flight: u32,
}

/// The limit of one endpoint.
#[derive(Debug)]
pub struct Adaptive {
    rules: AdaptiveRules,
    /// With its fraction, or slow growth would be none.
    limit: f64,
    base: Base,
    /// What was measured since the last step.
    window: Window,
    /// When what the last step did can be seen in the latency, and the next one may follow.
    step_at: Option<Instant>,
}

/// The latency of several ticks together.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    requests: u32,
    /// The logarithms of seconds, all requests together.
    logs: f64,
}

/// So many requests are a measurement.
const ENOUGH: u32 = 10;

/// No latency is shorter, in seconds: it stands below a fraction line, and 0 has no logarithm.
const SHORTEST_LATENCY: f64 = 1e-6;

/// The gradient is no less: one slow moment must not close the door.
const STEEPEST: f64 = 0.5;

/// The part of the way to the target that one step goes.
const STEP: f64 = 0.2;

/// No two steps are closer than this, however fast the endpoint is.
const SHORTEST_ROUND: Duration = Duration::from_millis(90);

/// None is awaited longer, however slow it is.
const LONGEST_ROUND: Duration = Duration::from_secs(5);

impl Adaptive {
    /// Begins at the initial limit. The generator spreads the dips of endpoints over time.
    #[must_use]
    pub fn new(rules: AdaptiveRules, rng: Rng) -> Self {
        Self::at(rules.initial, rules, rng)
    }

    /// Begins at this limit: where another process had come to.
    #[must_use]
    pub fn at(limit: u32, rules: AdaptiveRules, rng: Rng) -> Self {
        let mut new = Self {
            limit: 0.0,
            base: Base::new(rng),
            window: Window::default(),
            step_at: None,
            rules,
        };
        new.set(f64::from(limit));
        new
    }

    /// Takes what happened since the last update, and says how many requests the endpoint may have in flight from now on.
    pub fn update(&mut self, sample: Sample, now: Instant) -> u32 {
        let quiet = self.quiet();
        let idle = sample.in_flight <= self.rules.min;
        match self.base.update(&sample, quiet, idle, now) {
            Phase::Dip => {
                self.window = Window::default();
                quiet
            }
            Phase::Open => {
                self.window.add(&sample);
                self.step(sample.in_flight, now);
                whole(self.limit)
            }
        }
    }

    /// How many requests it may have in flight, but for dips.
    #[must_use]
    pub fn limit(&self) -> u32 {
        whole(self.limit)
    }

    /// The latency without load, as far as it is known.
    #[must_use]
    pub fn base(&self) -> Option<Duration> {
        self.base.latency().map(Duration::from_secs_f64)
    }

    /// So few in flight wait for nothing inside of the endpoint: half of what it bears when the limit is at rest.
    fn quiet(&self) -> u32 {
        whole(self.limit / (2.0 * self.tolerated())).max(self.rules.min.max(1))
    }

    /// One step, when there was a round trip since the last one and enough to go by.
    fn step(&mut self, in_flight: u32, now: Instant) {
        let Some(latency) = self.window.latency() else {
            return;
        };
        let due = self.step_at.is_none_or(|at| now >= at);
        let Some(base) = self.base.latency().filter(|_| due) else {
            return;
        };
        self.window = Window::default();
        let trip = Duration::from_secs_f64(latency.min(LONGEST_ROUND.as_secs_f64()));
        self.step_at = now.checked_add(trip.max(SHORTEST_ROUND));
        let gradient = (self.tolerated() * base / latency).clamp(STEEPEST, 1.0);
        let target = self.limit * gradient + self.limit.sqrt();
        let way = (target - self.limit) * STEP;
        let in_flight = f64::from(in_flight);
        let used = if way > 0.0 {
            in_flight >= self.limit / 2.0
        } else {
            in_flight > f64::from(self.quiet())
        };
        if used {
            self.set(self.limit + way);
        }
    }

    fn tolerated(&self) -> f64 {
        1.0 + f64::from(self.rules.tolerance_percent) / 100.0
    }

    /// Sets the limit, within its bounds.
    fn set(&mut self, limit: f64) {
        let least = f64::from(self.rules.min.max(1));
        let most = f64::from(self.rules.max).max(least);
        self.limit = limit.clamp(least, most);
    }
}

impl Window {
    fn add(&mut self, sample: &Sample) {
        let latency = sample.latency.as_secs_f64().max(SHORTEST_LATENCY);
        self.requests = self.requests.saturating_add(sample.requests);
        self.logs += f64::from(sample.requests) * latency.ln();
    }

    /// Seconds; none when there was too little to go by.
    fn latency(&self) -> Option<f64> {
        (self.requests >= ENOUGH).then(|| (self.logs / f64::from(self.requests)).exp())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float to integer cast keeps to the bounds of the integer"
)]
fn whole(limit: f64) -> u32 {
    limit as u32
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
