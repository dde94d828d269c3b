//! A cluster in simulated time: endpoints that misbehave by a script, a client that asks at a steady pace, and the two
//! planes as far as they call the policies. One thread, one seed, no clock.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use evenkeel_base::Rng;
use evenkeel_base::rules::{BalancerRules, OutlierRules};
use evenkeel_policy::outlier::{
    Attempted, Cause, Crowd, Event, Outcome, Reading, Seen, Window, judge, may_eject,
};
use evenkeel_policy::panic::panics;
use evenkeel_policy::slow_start::Entry;
use evenkeel_policy::{
    Balancer, Candidate, Health, Member, Outlier, Phase, Standing, Tried, Wanted,
};

/// What an endpoint does with a request at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// Answers after so many milliseconds.
    Answer(u64),
    /// Refuses connections.
    Refuse,
    /// Accepts and says nothing; the attempt times out.
    Freeze,
    /// Accepts and closes.
    Close,
    /// Answers 503 to so many of a hundred requests, at once, and 200 to the rest.
    Unwilling(u32),
}

/// What an endpoint does, as a function of time.
pub(crate) type Script = Box<dyn Fn(u64) -> Does>;

/// How long an attempt may take.
const ATTEMPT_TIMEOUT: u64 = 500;

/// More attempts after the first.
const RETRIES: usize = 2;

/// The window of slow start.
const SLOW_START: Duration = Duration::from_secs(10);

/// All alike.
const MEMBER: Member<'_> = Member {
    id: "",
    weight: 1,
    rank: 0,
};

/// An endpoint and what is kept of it.
struct Endpoint {
    does: Script,
    standing: Standing,
    outlier: Outlier,
    in_flight: Cell<u32>,
    reading: Reading,
    latencies: Vec<u32>,
    window: Window,
}

impl Candidate for Endpoint {
    fn weight(&self) -> u16 {
        1
    }

    fn in_flight(&self) -> u32 {
        self.in_flight.get()
    }

    fn share(&self) -> u16 {
        self.standing.share()
    }

    fn has_room(&self) -> bool {
        true
    }
}

/// An attempt that is under way.
struct Running {
    request: u64,
    at: usize,
    began: u64,
    result: Result<(), Cause>,
    tried: Tried,
    attempts: usize,
}

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Story {
    /// When which endpoint was asked.
    pub(crate) attempts: Vec<(u64, usize)>,
    /// When an attempt at which endpoint failed.
    pub(crate) faults: Vec<(u64, usize)>,
    /// When a request failed for good.
    pub(crate) failed: Vec<u64>,
    /// When an endpoint changed its phase, and how.
    pub(crate) events: Vec<(u64, usize, Event)>,
    /// From when to when all endpoints were used.
    pub(crate) panics: Vec<(u64, bool)>,
}

impl Story {
    /// How many attempts an endpoint had within that time.
    pub(crate) fn asked(&self, at: usize, from: u64, to: u64) -> usize {
        let within = |(now, to_whom): &&(u64, usize)| *to_whom == at && (from..to).contains(now);
        self.attempts.iter().filter(within).count()
    }

    /// When an endpoint was first asked from that time on.
    pub(crate) fn asked_after(&self, at: usize, from: u64) -> Option<u64> {
        let mut all = self.attempts.iter();
        all.find(|(now, to_whom)| *to_whom == at && *now >= from)
            .map(|(now, _)| *now)
    }

    /// How often an endpoint was ejected.
    pub(crate) fn ejections(&self, at: usize) -> usize {
        let ejected = |(_, who, event): &&(u64, usize, Event)| {
            *who == at && matches!(event, Event::Ejected { .. })
        };
        self.events.iter().filter(ejected).count()
    }
}

/// The cluster and its time.
pub(crate) struct World {
    endpoints: Vec<Endpoint>,
    balancer: Balancer,
    rules: OutlierRules,
    rng: Rng,
    panicking: bool,
    running: Vec<Option<Running>>,
    /// When which running attempt ends.
    ends: BinaryHeap<Reverse<(u64, usize)>>,
    story: Story,
}

impl World {
    /// A cluster of endpoints with these scripts.
    pub(crate) fn new(scripts: Vec<Script>, rules: OutlierRules, seed: u64) -> Self {
        let balancer = Balancer::new(&BalancerRules::DEFAULT, &vec![MEMBER; scripts.len()], None);
        let endpoint = |does| Endpoint {
            does,
            standing: Standing::new(Health::Unprobed, Entry::Full),
            outlier: Outlier::new(),
            in_flight: Cell::new(0),
            reading: Reading::default(),
            latencies: Vec::new(),
            window: Window::new(),
        };
        Self {
            endpoints: scripts.into_iter().map(endpoint).collect(),
            balancer,
            rules,
            rng: Rng::new(seed),
            panicking: false,
            running: Vec::new(),
            ends: BinaryHeap::new(),
            story: Story::default(),
        }
    }

    /// A request every so many milliseconds, for so many seconds.
    pub(crate) fn play(mut self, every: u64, seconds: u64) -> Story {
        for now in 1..=seconds * 1_000 {
            while let Some(&Reverse((at, running))) = self.ends.peek()
                && at <= now
            {
                self.ends.pop();
                self.end(running, now);
            }
            if now % 100 == 0 {
                self.tick(now);
            }
            if now % 1_000 == 500 {
                self.knock(now);
            }
            if now % 1_000 == 0 {
                self.judge(now);
            }
            if now % every == 0 {
                self.attempt(now, now, Tried::new(), 0);
            }
        }
        self.story
    }

    fn attempt(&mut self, request: u64, now: u64, mut tried: Tried, attempts: usize) {
        let Some(at) = self.pick(&tried) else {
            self.story.failed.push(now);
            return;
        };
        tried.insert(at);
        self.story.attempts.push((now, at));
        let endpoint = &self.endpoints[at];
        endpoint.in_flight.set(endpoint.in_flight() + 1);
        let (takes, result) = match (endpoint.does)(now) {
            Does::Answer(takes) if takes > ATTEMPT_TIMEOUT => {
                (ATTEMPT_TIMEOUT, Err(Cause::Timeout))
            }
            Does::Answer(takes) => (takes, Ok(())),
            Does::Refuse => (0, Err(Cause::Connect)),
            Does::Freeze => (ATTEMPT_TIMEOUT, Err(Cause::Timeout)),
            Does::Close => (0, Err(Cause::Reset)),
            Does::Unwilling(percent) if self.rng.below(100) < percent => (1, Err(Cause::Status)),
            Does::Unwilling(_) => (10, Ok(())),
        };
        self.ends.push(Reverse((now + takes, self.running.len())));
        self.running.push(Some(Running {
            request,
            at,
            began: now,
            result,
            tried,
            attempts: attempts + 1,
        }));
    }

    fn pick(&mut self, tried: &Tried) -> Option<usize> {
        let regardless = self.panicking || panics(&self.endpoints, 0);
        let wanted = Wanted {
            regardless,
            ..Wanted::new(tried)
        };
        self.balancer.pick(&self.endpoints, wanted, &mut self.rng)
    }

    fn end(&mut self, running: usize, now: u64) {
        let Some(running) = self.running[running].take() else {
            return;
        };
        let at = running.at;
        let attempt = Attempted {
            began_ms: running.began,
            ended_ms: now,
        };
        let endpoint = &mut self.endpoints[at];
        endpoint.in_flight.set(endpoint.in_flight() - 1);
        endpoint.reading.requests += 1;
        let Err(cause) = running.result else {
            let micros = u32::try_from((now - running.began) * 1_000).unwrap();
            endpoint.latencies.push(micros.max(1));
            let event = endpoint
                .outlier
                .succeeded(&endpoint.standing, SLOW_START, attempt);
            self.note(now, at, event);
            return;
        };
        endpoint.reading.faults += 1;
        self.story.faults.push((now, at));
        let outcome = endpoint
            .outlier
            .failed(&endpoint.standing, &self.rules, attempt);
        if outcome == Outcome::WantsEjection {
            self.eject(at, cause, now);
        }
        if running.attempts <= RETRIES {
            self.attempt(running.request, now, running.tried, running.attempts);
        } else {
            self.story.failed.push(now);
        }
    }

    fn eject(&mut self, at: usize, cause: Cause, now: u64) {
        let others = || {
            let all = self.endpoints.iter().enumerate();
            all.filter(move |(position, _)| *position != at)
                .map(|(_, endpoint)| &endpoint.standing)
        };
        let out = |standing: &&Standing| standing.phase() != Phase::Admitting;
        let crowd = Crowd {
            endpoints: self.endpoints.len(),
            out: others().filter(out).count(),
            well: others().filter(|standing| !out(standing)).count(),
        };
        let Endpoint {
            standing, outlier, ..
        } = &self.endpoints[at];
        if may_eject(crowd, &self.rules) {
            let event = outlier.eject(standing, &self.rules, cause, now);
            self.note(now, at, event);
        } else {
            outlier.refused(standing, now);
        }
    }

    fn tick(&mut self, now: u64) {
        for at in 0..self.endpoints.len() {
            let endpoint = &self.endpoints[at];
            endpoint.standing.climb(SLOW_START, now);
            let event = endpoint
                .outlier
                .tick(&endpoint.standing, &self.rules, SLOW_START, now);
            self.note(now, at, event);
        }
        let panicking = panics(&self.endpoints, 0);
        if panicking != self.panicking {
            self.panicking = panicking;
            self.story.panics.push((now, panicking));
        }
    }

    /// The background connects.
    fn knock(&mut self, now: u64) {
        for at in 0..self.endpoints.len() {
            let endpoint = &self.endpoints[at];
            if endpoint.standing.phase() != Phase::Ejected {
                continue;
            }
            let event = if (endpoint.does)(now) == Does::Refuse {
                endpoint.outlier.connect_failed();
                None
            } else {
                endpoint.outlier.connected(&endpoint.standing, now)
            };
            self.note(now, at, event);
        }
    }

    fn judge(&mut self, now: u64) {
        let (rules, second) = (self.rules, now / 1_000);
        let look = |endpoint: &mut Endpoint| {
            endpoint.latencies.sort_unstable();
            let middle = endpoint.latencies.len() / 2;
            endpoint.reading.median_us = endpoint.latencies.get(middle).copied().unwrap_or(0);
            endpoint.latencies.clear();
            if endpoint.standing.phase() != Phase::Admitting {
                endpoint.window.clear();
                return Seen::default();
            }
            endpoint.window.read(rules.window, endpoint.reading, second)
        };
        let seen: Vec<Seen> = self.endpoints.iter_mut().map(look).collect();
        for finding in judge(&seen, &rules) {
            self.eject(finding.at, finding.cause, now);
        }
    }

    fn note(&mut self, now: u64, at: usize, event: Option<Event>) {
        if let Some(event) = event {
            self.story.events.push((now, at, event));
        }
    }
}
