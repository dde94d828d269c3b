//! What a run found: counted as it goes, and handed out as an [`Outcome`].

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_base::Fault;

use crate::histogram::Histogram;
use crate::time::{Nanos, SECOND, from_duration, micros, seconds};

/// A series has at most so many samples; a longer run has coarser ones.
pub const MOST_SAMPLES: u64 = 600;

/// What a run with one balancer found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The balancer.
    pub balancer: String,
    /// Requests that began when the warm-up was over. Each of them was answered or failed.
    pub requests: u64,
    /// Requests of the whole run, the warm-up included.
    pub all_requests: u64,
    /// How long they took, as their client sees it, and how many failed.
    pub latency: Histogram,
    /// Why requests failed: the name of the fault, or the status of the response, and how many.
    pub failed: BTreeMap<String, u64>,
    /// Attempts at endpoints.
    pub attempts: u64,
    /// How many of these were hedges.
    pub hedges: u64,
    /// How often endpoints were ejected, by all nodes, in the whole run.
    pub ejections: u64,
    /// How often a node began to use all endpoints, well or not, in the whole run.
    pub panics: u64,
    /// What each endpoint had to do, after the warm-up and while clients asked.
    pub endpoints: Vec<EndpointOutcome>,
    /// From one sample to the next.
    pub interval: Duration,
    /// The whole run, the warm-up included.
    pub series: Vec<Sample>,
    /// For how long clients asked.
    pub asked_for: Duration,
    /// Events that were worked off: what the run cost.
    pub events: u64,
}

/// What an endpoint had to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointOutcome {
    /// Its id.
    pub id: String,
    /// Which part of its allocation was used; above 1 when its machine had cores to spare.
    pub utilization: f64,
    /// Attempts that it was given.
    pub attempts: u64,
}

/// What happened in one interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// When it ended, in seconds since the run began.
    pub at: f64,
    /// Requests that began.
    pub requests: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Attempts that began.
    pub attempts: u64,
    /// Of the requests that ended, failed ones counted as endless: none when that many failed, or none ended.
    pub p50: Option<Duration>,
    /// See `p50`.
    pub p99: Option<Duration>,
    /// For each endpoint, which part of its allocation was used.
    pub utilization: Vec<f32>,
    /// For each endpoint, requests in flight there when the interval ended.
    pub in_flight: Vec<u32>,
}

impl Outcome {
    /// The part of the requests that failed.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        part(self.latency.failed(), self.requests)
    }

    /// Attempts for each request.
    #[must_use]
    pub fn attempts_per_request(&self) -> f64 {
        part(self.attempts, self.requests)
    }

    /// How many times the mean utilization that of the busiest endpoint is.
    #[must_use]
    pub fn busiest(&self) -> f64 {
        let all = self.endpoints.iter().map(|one| one.utilization);
        let most = all.fold(0.0, f64::max);
        if self.mean_utilization() > 0.0 {
            most / self.mean_utilization()
        } else {
            0.0
        }
    }

    /// The coefficient of variation of the utilization: its standard deviation by its mean.
    #[must_use]
    pub fn variation(&self) -> f64 {
        let mean = self.mean_utilization();
        if mean <= 0.0 {
            return 0.0;
        }
        let square = |one: &EndpointOutcome| (one.utilization - mean) * (one.utilization - mean);
        let squares: f64 = self.endpoints.iter().map(square).sum();
        (squares / self.endpoints.len() as f64).sqrt() / mean
    }

    /// The mean utilization of the endpoints.
    #[must_use]
    pub fn mean_utilization(&self) -> f64 {
        let sum: f64 = self.endpoints.iter().map(|one| one.utilization).sum();
        sum / (self.endpoints.len().max(1) as f64)
    }
}

fn part(n: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { n as f64 / of as f64 }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It was answered.
    Answered,
    /// The response says that it failed.
    Status(u16),
    /// There was none.
    Fault(Fault),
}

/// A request that ended, for counting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) began: Nanos,
    pub(crate) attempts: u32,
    pub(crate) hedges: u32,
    pub(crate) end: End,
}

/// The counters of a run.
#[derive(Debug)]
pub(crate) struct Record {
    outcome: Outcome,
    warm_up: Nanos,
    pub(crate) interval: Nanos,
    /// Of this interval.
    now: Histogram,
    requests: u64,
    attempts: u64,
    /// What endpoints had used at the last sample, when the warm-up was over, and when clients had asked for the last time.
    used: Vec<f64>,
    used_before: Vec<f64>,
    /// The time that utilization is measured over.
    measured: [Nanos; 2],
    given: Vec<u64>,
    sampled_at: Nanos,
}

impl Record {
    pub(crate) fn new(ids: Vec<String>, warm_up: Duration, duration: Duration) -> Self {
        let length = from_duration(duration);
        let count = ids.len();
        let endpoint = |id| EndpointOutcome {
            id,
            ..EndpointOutcome::default()
        };
        Self {
            outcome: Outcome {
                endpoints: ids.into_iter().map(endpoint).collect(),
                ..Outcome::default()
            },
            warm_up: from_duration(warm_up),
            interval: (length / SECOND).div_ceil(MOST_SAMPLES).max(1) * SECOND,
            now: Histogram::default(),
            requests: 0,
            attempts: 0,
            used: vec![0.0; count],
            used_before: vec![0.0; count],
            measured: [0, 0],
            given: vec![0; count],
            sampled_at: 0,
        }
    }

    pub(crate) const fn began(&mut self) {
        self.outcome.all_requests += 1;
        self.requests += 1;
    }

    /// An attempt at that endpoint begins.
    pub(crate) fn attempt(&mut self, endpoint: u32, now: Nanos) {
        self.attempts += 1;
        if now >= self.warm_up {
            self.given[endpoint as usize] += 1;
        }
    }

    pub(crate) fn ended(&mut self, ended: Ended, now: Nanos) {
        let us = micros(now - ended.began);
        let counts = ended.began >= self.warm_up;
        if ended.end == End::Answered {
            self.now.record(us);
        } else {
            self.now.fail();
        }
        if !counts {
            return;
        }
        let outcome = &mut self.outcome;
        outcome.requests += 1;
        outcome.attempts += u64::from(ended.attempts);
        outcome.hedges += u64::from(ended.hedges);
        let why = match ended.end {
            End::Answered => return outcome.latency.record(us),
            End::Status(status) => format!("status-{status}"),
            End::Fault(fault) => fault.name().to_owned(),
        };
        outcome.latency.fail();
        *outcome.failed.entry(why).or_insert(0) += 1;
    }

    pub(crate) const fn ejected(&mut self) {
        self.outcome.ejections += 1;
    }

    pub(crate) const fn panicked(&mut self) {
        self.outcome.panics += 1;
    }

    /// The warm-up is over, or clients have asked for the last time: what endpoints have used so far.
    pub(crate) fn mark(&mut self, used: &[f64], now: Nanos, is_over: bool) {
        if !is_over {
            self.used_before.copy_from_slice(used);
            self.measured[0] = now;
            return;
        }
        self.measured[1] = now;
        self.outcome.asked_for = Duration::from_nanos(now);
        // A run that ended in its warm-up is measured as a whole.
        if self.measured[0] >= now {
            self.measured[0] = 0;
            self.used_before.fill(0.0);
        }
        let passed = seconds(now - self.measured[0]).max(1e-9);
        let all = self
            .outcome
            .endpoints
            .iter_mut()
            .zip(used)
            .zip(&self.used_before);
        for ((endpoint, used), before) in all {
            endpoint.utilization = (used - before) / passed;
        }
    }

    /// An interval is over.
    pub(crate) fn sample(&mut self, used: Vec<f64>, in_flight: Vec<u32>, now: Nanos) {
        let passed = seconds(now - self.sampled_at);
        if passed <= 0.0 {
            return;
        }
        let of = |(used, before): (&f64, &f64)| narrow((used - before) / passed);
        self.outcome.series.push(Sample {
            at: seconds(now),
            requests: self.requests,
            answered: self.now.answered(),
            failed: self.now.failed(),
            attempts: self.attempts,
            p50: self.now.quantile(0.5),
            p99: self.now.quantile(0.99),
            utilization: used.iter().zip(&self.used).map(of).collect(),
            in_flight,
        });
        self.now.clear();
        (self.requests, self.attempts, self.sampled_at) = (0, 0, now);
        self.used = used;
    }

    pub(crate) fn finish(mut self, balancer: &str, events: u64) -> Outcome {
        balancer.clone_into(&mut self.outcome.balancer);
        self.outcome.interval = Duration::from_nanos(self.interval);
        self.outcome.events = events;
        for (endpoint, given) in self.outcome.endpoints.iter_mut().zip(self.given) {
            endpoint.attempts = given;
        }
        self.outcome
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "24 bits are more than a plot shows"
)]
const fn narrow(x: f64) -> f32 {
    x as f32
}
