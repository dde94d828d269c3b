//! What time alone changes, as the control plane's ticker does it: ten times a second ramps climb, ejections and trials
//! end and limits adapt; once a second endpoints are judged and the delay of hedges is measured.

use std::time::{Duration, Instant};

use evenkeel_base::Rng;
use evenkeel_base::rules::AdaptiveRules;
use evenkeel_config::model::Cluster;
use evenkeel_policy::adaptive::{Adaptive, Sample};
use evenkeel_policy::outlier::{Event, Reading, Seen, Window, judge};
use evenkeel_policy::panic::panics;
use evenkeel_policy::{Candidate, Phase, Standing};

use crate::chance::{exp, ln};
use crate::histogram::Histogram;
use crate::node::Node;
use crate::time::{Nanos, SECOND, micros, millis, seconds};

/// From one look to the next.
pub(crate) const TICK: Nanos = SECOND / 10;

/// So many of them make a second.
const PER_SECOND: u64 = 10;

/// From one connect to an endpoint that is ejected or down to the next.
pub(crate) const KNOCK: Nanos = SECOND;

/// A hedge's delay is measured over so many seconds,
const SECONDS: usize = 10;

/// and only from so many requests in them.
const LEAST_REQUESTS: u64 = 20;

impl Node {
    /// One look at everything. Tells what happened to endpoints, and whether all are used from now on (`None`: no change).
    pub(crate) fn tick(
        &mut self,
        cluster: &Cluster,
        now: Nanos,
        instant: Instant,
    ) -> (Vec<Event>, Option<bool>) {
        let mut told = Vec::new();
        let panic = self.look(cluster, millis(now), &mut told);
        for (known, adapter) in self.list.iter().zip(&mut self.adapters) {
            let limit = adapter.update(known.in_flight(), instant);
            known.limit.set(limit);
        }
        if self.ticks.is_multiple_of(PER_SECOND) {
            self.judge(cluster, now, &mut told);
            if let Some(recent) = &mut self.recent {
                recent.turn(cluster.retry.hedge.percentile);
            }
        }
        self.ticks += 1;
        (told, panic)
    }

    fn look(&mut self, cluster: &Cluster, now_ms: u64, told: &mut Vec<Event>) -> Option<bool> {
        if !self.unsettled {
            return None;
        }
        let (rules, slow_start) = (&cluster.outlier, cluster.slow_start);
        for known in &self.list {
            let standing = &known.standing;
            if standing.share() < Standing::FULL {
                standing.climb(slow_start, now_ms);
                told.extend(known.outlier.tick(standing, rules, slow_start, now_ms));
            }
        }
        self.unsettled = self.list.iter().any(|one| one.share() < Standing::FULL);
        let panicking = self.unsettled && panics(&self.list, cluster.panic_below_percent);
        let changed = panicking != self.panicking;
        self.panicking = panicking;
        changed.then_some(panicking)
    }

    fn judge(&mut self, cluster: &Cluster, now: Nanos, told: &mut Vec<Event>) {
        if self.judged.is_empty() {
            return;
        }
        let rules = &cluster.outlier;
        let list = self.list.iter().zip(&mut self.judged);
        let seen: Vec<Seen> = list
            .map(|(known, judged)| judged.read(known.standing.phase(), rules.window, now))
            .collect();
        for finding in judge(&seen, rules) {
            told.extend(self.eject(finding.at, finding.cause, rules, millis(now)));
        }
    }

    /// An attempt ended so long after it began, well or with a gateway fault.
    pub(crate) fn count(&mut self, at: usize, took: Nanos, is_fault: bool) {
        if let Some(judged) = self.judged.get_mut(at) {
            judged.reading.requests += 1;
            judged.reading.faults += u64::from(is_fault);
        }
        if is_fault {
            return;
        }
        if let Some(judged) = self.judged.get_mut(at) {
            let us = u32::try_from(micros(took)).unwrap_or(u32::MAX);
            judged.latencies.push(us.max(1));
        }
        if let Some(adapter) = self.adapters.get_mut(at) {
            adapter.count(took);
        }
        if let Some(recent) = &mut self.recent {
            recent.second.record(micros(took));
        }
    }
}

/// The window of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    window: Window,
    reading: Reading,
    /// Those of this second, in microseconds.
    latencies: Vec<u32>,
}

impl Judged {
    fn read(&mut self, phase: Phase, length: Duration, now: Nanos) -> Seen {
        let middle = self.latencies.len() / 2;
        self.reading.median_us = if self.latencies.is_empty() {
            0
        } else {
            *self.latencies.select_nth_unstable(middle).1
        };
        self.latencies.clear();
        if phase != Phase::Admitting {
            self.window.clear();
            return Seen::default();
        }
        self.window.read(length, self.reading, now / SECOND)
    }
}

/// The limit of one endpoint that adapts.
#[derive(Debug)]
pub(crate) struct Adapter {
    machine: Adaptive,
    requests: u32,
    /// The logarithms of their seconds, summed.
    logs: f64,
}

impl Adapter {
    pub(crate) fn new(rules: AdaptiveRules, rng: Rng) -> Self {
        Self {
            machine: Adaptive::new(rules, rng),
            requests: 0,
            logs: 0.0,
        }
    }

    fn count(&mut self, took: Nanos) {
        self.requests += 1;
        self.logs += ln(seconds(took.max(1)));
    }

    fn update(&mut self, in_flight: u32, now: Instant) -> u32 {
        let latency = if self.requests == 0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64(exp(self.logs / f64::from(self.requests)))
        };
        let sample = Sample {
            requests: self.requests,
            latency,
            in_flight,
        };
        (self.requests, self.logs) = (0, 0.0);
        self.machine.update(sample, now)
    }
}

/// The latencies of the last seconds, for hedging.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    second: Histogram,
    before: Vec<Histogram>,
    next: usize,
    /// How long the percentile took that hedges go by; none: too little is known.
    pub(crate) usual: Option<Duration>,
}

impl Recent {
    fn turn(&mut self, percentile: u8) {
        if self.before.len() < SECONDS {
            self.before.push(self.second.clone());
        } else {
            self.before[self.next] = self.second.clone();
            self.next = (self.next + 1) % SECONDS;
        }
        self.second.clear();
        let mut all = Histogram::default();
        self.before.iter().for_each(|second| all.add(second));
        if all.answered() >= LEAST_REQUESTS {
            self.usual = all.answered_quantile(f64::from(percentile) / 100.0);
        }
    }
}
