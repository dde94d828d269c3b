//! Update by update, with instants in milliseconds: what moves the limit and what does not.

use std::time::{Duration, Instant};

use evenkeel_base::Rng;
use evenkeel_base::rules::AdaptiveRules;
use proptest::prelude::*;

use super::{Adaptive, Sample};

/// Feeds one limit, ten times a second.
struct Rig {
    adaptive: Adaptive,
    now: Instant,
}

impl Rig {
    #[expect(
        clippy::disallowed_methods,
        reason = "any instant will do to begin with"
    )]
    fn new(min: u32, max: u32, initial: u32) -> Self {
        let tolerance_percent = 50;
        let rules = AdaptiveRules {
            min,
            max,
            initial,
            tolerance_percent,
        };
        Self {
            adaptive: Adaptive::new(rules, Rng::new(1)),
            now: Instant::now(),
        }
    }

    /// The limit after so many ticks like this.
    fn ticks(&mut self, ticks: u32, requests: u32, millis: u64, in_flight: u32) -> u32 {
        let latency = Duration::from_millis(millis);
        for _ in 0..ticks {
            self.now += Duration::from_millis(100);
            let sample = Sample {
                requests,
                latency,
                in_flight,
            };
            self.adaptive.update(sample, self.now);
        }
        self.adaptive.limit()
    }
}

#[test]
fn it_grows_by_the_root_while_latency_is_what_it_was() {
    let mut rig = Rig::new(3, 1_000, 16);
    // The first tells nothing, the second the base, and each from then on goes a fifth of the root.
    assert_eq!(rig.ticks(2, 50, 10, 16), 16, "16.8");
    assert_eq!(rig.ticks(1, 50, 10, 16), 17, "17.6");
    assert_eq!(rig.ticks(7, 50, 10, 20), 23);
    let before = rig.adaptive.limit();
    assert!(
        rig.ticks(10, 50, 15, 30) > before,
        "half as much again is tolerated"
    );
}

#[test]
fn it_falls_when_latency_rises_but_by_no_more_than_a_tenth_a_round() {
    let mut rig = Rig::new(3, 1_000, 100);
    rig.ticks(3, 50, 10, 100);
    let before = rig.adaptive.limit();
    let after = rig.ticks(1, 50, 10_000, 100);
    assert!(
        (before * 9 / 10..before).contains(&after),
        "{before} {after}"
    );
    assert_eq!(
        rig.ticks(10, 50, 10_000, 100),
        after,
        "a round lasts for as long as a request"
    );
}

#[test]
fn it_does_not_move_while_it_is_not_used() {
    let mut rig = Rig::new(3, 1_000, 100);
    rig.ticks(3, 50, 10, 40);
    assert_eq!(rig.ticks(15, 50, 10, 49), 100, "less than half: no growth");
    let mut rig = Rig::new(3, 1_000, 100);
    rig.ticks(3, 50, 10, 30);
    assert_eq!(
        rig.ticks(15, 50, 90, 33),
        100,
        "less than a third: it is not our doing"
    );
    assert!(rig.ticks(5, 50, 90, 34) < 100);
}

#[test]
fn few_requests_are_no_sample_until_they_are_enough_together() {
    let mut rig = Rig::new(3, 1_000, 100);
    assert_eq!(rig.ticks(20, 0, 0, 100), 100);
    rig.ticks(1, 9, 10, 100);
    assert_eq!(rig.adaptive.base(), None);
    rig.ticks(1, 1, 10, 100);
    assert_eq!(rig.adaptive.base(), Some(Duration::from_millis(10)));
}

#[test]
fn it_keeps_to_its_bounds() {
    for (min, max, initial, expected) in [
        (3, 1_000, 20, 20),
        (3, 10, 20, 10),
        (30, 100, 20, 30),
        (0, 0, 0, 1),
        (50, 10, 20, 50),
    ] {
        assert_eq!(Rig::new(min, max, initial).adaptive.limit(), expected);
    }
    let mut rig = Rig::new(5, 40, 20);
    assert_eq!(rig.ticks(500, 50, 10, 40), 40);
    rig.ticks(5, 50, 500, 40);
    assert!(rig.ticks(100, 50, 500, 40) >= 5);
}

#[test]
fn an_idle_endpoint_tells_its_latency_without_a_dip() {
    let mut rig = Rig::new(3, 1_000, 100);
    rig.ticks(20, 50, 10, 3);
    let base = |rig: &Rig| rig.adaptive.base().unwrap().as_millis();
    assert_eq!(base(&rig), 10);
    rig.ticks(60, 50, 40, 2);
    assert_eq!(base(&rig), 39);
    rig.ticks(60, 50, 5, 1);
    assert_eq!(base(&rig), 5);
    assert_eq!(rig.adaptive.limit(), 100);
}

#[test]
fn a_dip_drains_settles_and_measures() {
    let mut rig = Rig::new(3, 1_000, 90);
    let mut allowed = Vec::new();
    // Busy, and then with as few in flight as are let in.
    let mut in_flight = 90;
    for _ in 0..60 {
        rig.now += Duration::from_millis(100);
        let latency = Duration::from_millis(if in_flight > 60 { 30 } else { 20 });
        let sample = Sample {
            requests: 100,
            latency,
            in_flight,
        };
        in_flight = rig.adaptive.update(sample, rig.now);
        allowed.push(in_flight);
    }
    let begin = allowed.iter().position(|allowed| *allowed < 60).unwrap();
    let end = begin
        + allowed[begin..]
            .iter()
            .position(|allowed| *allowed > 60)
            .unwrap();
    assert!(
        (30..=32).contains(&begin),
        "three seconds after the first sample: {begin}"
    );
    assert_eq!(
        end - begin,
        3,
        "drained by the next tick, settled by the one after"
    );
    assert_eq!(rig.adaptive.base(), Some(Duration::from_millis(20)));
    assert!(
        allowed[begin..end]
            .iter()
            .all(|a| *a == allowed[begin] && *a > 30)
    );
}

#[test]
fn dips_that_come_to_nothing_become_rare() {
    let mut rig = Rig::new(3, 1_000, 100);
    // Requests that never end do not drain.
    let mut dips = Vec::new();
    let mut before = 100;
    for tick in 0..36_000 {
        rig.now += Duration::from_millis(100);
        let sample = Sample {
            requests: 50,
            latency: Duration::from_millis(10),
            in_flight: 1_000,
        };
        let allowed = rig.adaptive.update(sample, rig.now);
        if allowed < before / 2 {
            dips.push(tick);
        }
        before = allowed;
    }
    // In an hour: at 3 s, and then after 1, 2, 4, 8 and then always 8 minutes.
    assert!((9..=14).contains(&dips.len()), "{dips:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_measured_it_keeps_to_its_bounds(
        min in 0..50_u32,
        more in 0..200_u32,
        samples in prop::collection::vec((0..3_000_u64, 0..300_u32, 0..u64::MAX, 0..400_u32), 1..300),
    ) {
        let (least, most) = (min.max(1), (min + more).max(1));
        let mut rig = Rig::new(min, min + more, 20);
        for (pause, requests, latency, in_flight) in samples {
            rig.now += Duration::from_millis(pause);
            let latency = Duration::from_nanos(latency >> (latency % 64));
            let allowed = rig.adaptive.update(Sample { requests, latency, in_flight }, rig.now);
            prop_assert!((least..=most).contains(&allowed), "{allowed}");
            prop_assert!((least..=most).contains(&rig.adaptive.limit()));
        }
    }
}
