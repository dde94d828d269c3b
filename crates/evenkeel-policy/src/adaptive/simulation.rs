//! Endpoints in simulated time: does the limit find what they bear, and follow when that changes?

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use evenkeel_base::Rng;
use evenkeel_base::rules::AdaptiveRules;

use super::{Adaptive, Sample};

/// From update to update.
const TICK: Duration = Duration::from_millis(100);

/// A part of a run: what the endpoint is, and how many clients want it all the time.
#[derive(Clone, Copy, Debug)]
struct Part {
    seconds: u32,
    hands: usize,
    service_ms: u64,
    clients: usize,
    /// One in ten takes so many times as long.
    longer: u64,
}

/// Nobody waits for anything.
const NOTHING: Part = Part {
    seconds: 0,
    hands: 1,
    service_ms: 1,
    clients: 0,
    longer: 1,
};

/// How a part went: the limit at every tick, what was allowed at every tick (dips included), requests that were answered.
#[derive(Debug, Default)]
struct Course {
    limits: Vec<u32>,
    allowed: Vec<u32>,
    answered: usize,
}

impl Course {
    /// The mean of the limit in the second half.
    fn rest(&self) -> f64 {
        let half = &self.limits[self.limits.len() / 2..];
        f64::from(half.iter().sum::<u32>()) / half.len() as f64
    }

    /// The first second from which on the limit stays within the bounds.
    fn settled(&self, from: f64, to: f64) -> usize {
        let outside = |limit: &u32| !(from..=to).contains(&f64::from(*limit));
        self.limits.iter().rposition(outside).map_or(0, |at| at + 1) / 10
    }
}

/// A closed world: every client sends its next request when the last one was answered, and those that the limit does not
/// admit wait outside. Inside, each hand serves one at a time and the others wait in a row.
struct World {
    adaptive: Adaptive,
    rng: Rng,
    now: Instant,
    allowed: usize,
    outside: usize,
    in_flight: usize,
    /// When each hand is free.
    hands: Vec<Instant>,
    /// When each request ends, and when it began.
    ends: BinaryHeap<Reverse<(Instant, Instant)>>,
    latencies: Vec<Duration>,
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "any instant will do to begin with"
    )]
    fn new(rules: AdaptiveRules) -> Self {
        let adaptive = Adaptive::new(rules, Rng::new(5));
        Self {
            allowed: adaptive.limit() as usize,
            adaptive,
            rng: Rng::new(9),
            now: Instant::now(),
            outside: 0,
            in_flight: 0,
            hands: Vec::new(),
            ends: BinaryHeap::new(),
            latencies: Vec::new(),
        }
    }

    fn run(&mut self, part: Part) -> Course {
        let mut course = Course::default();
        self.hands.resize(part.hands, self.now);
        self.outside = part.clients.saturating_sub(self.in_flight);
        for _ in 0..part.seconds * 10 {
            let until = self.now + TICK;
            self.send(part);
            while let Some(&Reverse((end, began))) =
                self.ends.peek().filter(|next| next.0.0 <= until)
            {
                self.ends.pop();
                self.now = end;
                self.in_flight -= 1;
                if self.in_flight + self.outside < part.clients {
                    self.outside += 1;
                }
                self.latencies.push(end - began);
                course.answered += 1;
                self.send(part);
            }
            self.now = until;
            self.allowed = self.update() as usize;
            course.limits.push(self.adaptive.limit());
            course.allowed.push(u32::try_from(self.allowed).unwrap());
        }
        course
    }

    fn send(&mut self, part: Part) {
        while self.outside > 0 && self.in_flight < self.allowed {
            self.outside -= 1;
            self.in_flight += 1;
            let free = self.hands.iter_mut().min().unwrap();
            // Half to one and a half times the mean.
            let is_long = self.rng.below(10) == 0;
            let times = if is_long { part.longer } else { 1 };
            let spread = 500 + u64::from(self.rng.below(1_001));
            let service = Duration::from_micros(part.service_ms * times * spread);
            *free = (*free).max(self.now) + service;
            self.ends.push(Reverse((*free, self.now)));
        }
    }

    fn update(&mut self) -> u32 {
        let requests = u32::try_from(self.latencies.len()).unwrap();
        let logs: f64 = self.latencies.iter().map(|l| l.as_secs_f64().ln()).sum();
        let mean = (logs / f64::from(requests.max(1))).exp();
        let sample = Sample {
            requests,
            latency: Duration::from_secs_f64(mean),
            in_flight: u32::try_from(self.in_flight).unwrap(),
        };
        self.latencies.clear();
        self.adaptive.update(sample, self.now)
    }
}

/// Where the limit of an endpoint with so many hands comes to rest: where what the gradient takes is what the root gives.
fn rest(hands: usize) -> f64 {
    let borne = 1.5 * hands as f64;
    ((1.0 + (1.0 + 4.0 * borne).sqrt()) / 2.0).powi(2)
}

fn near(limit: f64, expected: f64) -> bool {
    (0.7 * expected..=1.3 * expected).contains(&limit)
}

const RULES: AdaptiveRules = AdaptiveRules::DEFAULT;

#[test]
fn it_finds_what_an_endpoint_bears() {
    for (hands, service_ms) in [(5, 2), (5, 300), (8, 20), (32, 20), (32, 300), (128, 300)] {
        let part = Part {
            seconds: 120,
            hands,
            service_ms,
            clients: 1_000,
            ..NOTHING
        };
        let found = World::new(RULES).run(part).rest();
        let expected = rest(hands);
        assert!(near(found, expected), "{part:?}: {found}, not {expected}");
    }
}

#[test]
fn requests_that_differ_by_far_do_not_mislead_it() {
    for (hands, service_ms) in [(8, 5), (32, 20), (64, 50)] {
        let part = Part {
            seconds: 300,
            hands,
            service_ms,
            clients: 1_000,
            longer: 20,
        };
        let course = World::new(RULES).run(part);
        let (found, expected) = (course.rest(), rest(hands));
        // They hide a part of the queue, never so much that a hand is idle for it. A request takes 2.9 times on average.
        assert!(found < expected, "{part:?}: {found}");
        let busy = course.answered as f64 * service_ms as f64 * 2.9 / 300_000.0;
        assert!(busy > 0.95 * hands as f64, "{part:?}: {busy}");
    }
}

#[test]
fn an_endpoint_with_fewer_hands_than_the_least_limit_is_not_flooded() {
    for hands in [1, 2, 3] {
        let part = Part {
            seconds: 120,
            hands,
            service_ms: 20,
            clients: 1_000,
            ..NOTHING
        };
        let rest = World::new(RULES).run(part).rest();
        assert!(rest < 12.0, "{hands}: {rest}");
    }
}

#[test]
fn it_halves_with_the_endpoint_and_comes_back_with_it() {
    let part = |hands: usize| Part {
        seconds: 60,
        hands,
        service_ms: 20,
        clients: 500,
        ..NOTHING
    };
    let mut world = World::new(RULES);
    let (before, less, after) = (
        world.run(part(32)),
        world.run(part(16)),
        world.run(part(32)),
    );
    for (course, hands) in [(&before, 32), (&less, 16), (&after, 32)] {
        assert!(
            near(course.rest(), rest(hands)),
            "{hands}: {}",
            course.rest()
        );
    }
    assert!(
        less.settled(0.0, rest(16) * 1.4) < 10,
        "{}",
        less.settled(0.0, rest(16) * 1.4)
    );
    let again = after.settled(rest(32) * 0.7, f64::MAX);
    assert!(again < 15, "{again}");
}

#[test]
fn an_endpoint_that_becomes_slower_for_good_is_learnt_anew() {
    let part = |service_ms: u64| Part {
        seconds: 120,
        hands: 16,
        service_ms,
        clients: 300,
        ..NOTHING
    };
    let mut world = World::new(RULES);
    let (fast, slow, again) = (
        world.run(part(10)),
        world.run(part(40)),
        world.run(part(10)),
    );
    let lowest = slow.limits[..300].iter().min().copied().unwrap();
    assert!(
        f64::from(lowest) < rest(16) / 2.0,
        "at first it is taken for overload: {lowest}"
    );
    for course in [&fast, &slow, &again] {
        assert!(near(course.rest(), rest(16)), "{}", course.rest());
    }
}

#[test]
fn under_a_steady_load_it_does_not_creep_and_costs_little() {
    let part = |clients: usize| Part {
        seconds: 1_200,
        hands: 16,
        service_ms: 50,
        clients,
        ..NOTHING
    };
    let course = World::new(RULES).run(part(400));
    let most = course.limits[600..].iter().max().copied().unwrap();
    assert!(f64::from(most) < rest(16) * 1.3, "{most}");
    // Sixteen hands answer 320 requests a second.
    let share = course.answered as f64 / (320.0 * 1_200.0);
    assert!(share > 0.985, "{share}");
    let dips = course
        .allowed
        .windows(2)
        .filter(|pair| pair[1] < pair[0] / 2)
        .count();
    assert!((33..=51).contains(&dips), "{dips} dips in 20 minutes");
}

#[test]
fn a_load_that_the_endpoint_bears_is_never_held_back() {
    let part = Part {
        seconds: 300,
        hands: 64,
        service_ms: 10,
        clients: 16,
        ..NOTHING
    };
    let mut world = World::new(RULES);
    let course = world.run(part);
    assert!(course.allowed.iter().all(|allowed| *allowed >= 6));
    let share = course.answered as f64 / (1_600.0 * 300.0);
    assert!(share > 0.98, "{share}");
}

#[test]
fn who_begins_in_an_overload_learns_better_soon() {
    let rules = AdaptiveRules {
        initial: 500,
        ..RULES
    };
    let part = Part {
        seconds: 60,
        hands: 8,
        service_ms: 10,
        clients: 1_000,
        ..NOTHING
    };
    let course = World::new(rules).run(part);
    let settled = course.settled(0.0, rest(8) * 1.4);
    assert!(settled < 50, "{settled} s");
}
