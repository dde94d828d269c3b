//! What reports do to the shares, and for how long.

use std::time::Duration;

use evenkeel_base::rules::BalancerRules;
use proptest::prelude::{Just, ProptestConfig, prop, prop_assert, prop_oneof, proptest};

use super::super::traffic::{Site, Traffic, sites};
use super::*;
use crate::Tried;

const RULES: ReportedRules = ReportedRules::DEFAULT;

fn traffic(from: &[Site]) -> Traffic {
    Traffic::new(&BalancerRules::ReportedLoad(RULES), from)
}

/// A report of requests a second, utilization and errors a second.
fn report(rate: f32, used: f32, errors: f32) -> Report {
    Report {
        requests_per_second: Some(rate),
        utilization: Some(used),
        errors_per_second: Some(errors),
        ..Report::default()
    }
}

fn answers(report: Report) -> Observed {
    Observed {
        report,
        ..Observed::default()
    }
}

/// The shares of 40,000 picks.
fn shares(traffic: &mut Traffic, from: &[Site]) -> Vec<f64> {
    let mut shares = vec![0.0; from.len()];
    (0..40_000).for_each(|_| shares[traffic.pick(from)] += 1.0 / 40_000.0);
    shares
}

#[track_caller]
fn assert_close(shares: &[f64], expected: &[f64]) {
    for (share, expected) in shares.iter().zip(expected) {
        assert!(
            (share - expected).abs() < 0.01,
            "{shares:?}, expected {expected:?}"
        );
    }
}

#[test]
fn a_weight_is_what_the_endpoint_would_serve_if_it_were_used_as_a_whole() {
    let weight = |rate, used, errors| weight(&report(rate, used, errors), 1.0);
    assert_eq!(weight(100.0, 0.5, 0.0), Some(200.0));
    assert_eq!(weight(100.0, 0.25, 25.0), Some(200.0));
    assert_eq!(weight(100.0, 2.0, 0.0), Some(50.0));
    assert_eq!(weight(0.0, 0.5, 0.0), None);
    assert_eq!(weight(100.0, 0.0, 0.0), None);
    assert_eq!(super::weight(&Report::default(), 1.0), None);
    assert_eq!(super::weight(&report(100.0, 0.5, 50.0), -1.0), Some(200.0));
}

#[test]
fn shares_follow_configured_and_reported_weights() {
    let of = |rate, used| report(rate, used, 0.0);
    let idle = Report::default();
    for (weights, reports, expected) in [
        (
            [1, 1, 1],
            [of(100.0, 0.5), of(100.0, 0.5), of(50.0, 0.5)],
            [0.4, 0.4, 0.2],
        ),
        ([2, 1, 1], [of(10.0, 0.5); 3], [0.5, 0.25, 0.25]),
        (
            [2, 1, 1],
            [of(10.0, 1.0), of(10.0, 0.5), of(10.0, 0.5)],
            [1.0 / 3.0; 3],
        ),
        // Errors count as use.
        (
            [1, 1, 1],
            [of(100.0, 0.5), of(100.0, 0.5), report(100.0, 0.5, 50.0)],
            [0.4, 0.4, 0.2],
        ),
        // Nothing said: the mean of the others.
        (
            [1, 1, 1],
            [of(100.0, 0.5), of(50.0, 0.5), idle],
            [4.0 / 9.0, 2.0 / 9.0, 3.0 / 9.0],
        ),
        ([1, 2, 1], [idle; 3], [0.25, 0.5, 0.25]),
        ([1, 2, 1], [of(100.0, 0.5), idle, idle], [0.25, 0.5, 0.25]),
        ([0, 1, 1], [of(100.0, 0.5), idle, idle], [0.0, 0.5, 0.5]),
        // Nonsense: no more than ten times the median, no less than a tenth.
        (
            [1, 1, 1],
            [of(1e9, 1e-6), of(1.0, 1.0), of(1.0, 1.0)],
            [10.0 / 12.0, 1.0 / 12.0, 1.0 / 12.0],
        ),
        (
            [1, 1, 1],
            [of(1.0, 1e6), of(1.0, 1.0), of(1.0, 1.0)],
            [0.1 / 2.1, 1.0 / 2.1, 1.0 / 2.1],
        ),
    ] {
        let from = sites(&weights);
        let mut traffic = traffic(&from);
        for (at, &report) in reports.iter().enumerate() {
            traffic.observe(&from, at, &answers(report));
        }
        traffic.tick(&from);
        assert_close(&shares(&mut traffic, &from), &expected);
    }
}

#[test]
fn a_part_of_the_share_and_no_room_count_as_everywhere() {
    let from = sites(&[1; 3]);
    let mut traffic = traffic(&from);
    for (at, rate) in [100.0, 100.0, 400.0].into_iter().enumerate() {
        traffic.observe(&from, at, &answers(report(rate, 0.5, 0.0)));
    }
    traffic.tick(&from);
    from[2].share.set(500);
    assert_close(&shares(&mut traffic, &from), &[0.25, 0.25, 0.5]);
    from[0].limit.set(0);
    assert_close(&shares(&mut traffic, &from), &[0.0, 1.0 / 3.0, 2.0 / 3.0]);
    from[2].share.set(1);
    from[1].limit.set(0);
    assert_close(&shares(&mut traffic, &from), &[0.0, 0.0, 1.0]);
}

#[test]
fn weights_change_at_the_interval_and_are_forgotten_when_reports_stop() {
    let from = sites(&[1, 1]);
    let mut traffic = traffic(&from);
    traffic.tick(&from);
    traffic.observe(&from, 0, &answers(report(30.0, 0.5, 0.0)));
    traffic.observe(&from, 1, &answers(report(10.0, 0.5, 0.0)));
    let expire = RULES.expire.as_secs() * 1_000_000;
    for (now, expected) in [
        (900_000, [0.5, 0.5]),
        (1_000_000, [0.75, 0.25]),
        (expire, [0.75, 0.25]),
        (expire + 1_100_000, [0.5, 0.5]),
    ] {
        traffic.now_us = now;
        traffic.tick(&from);
        assert_close(&shares(&mut traffic, &from), &expected);
    }
}

#[test]
fn what_a_failed_attempt_reports_is_not_believed() {
    let from = sites(&[1, 1]);
    let mut traffic = traffic(&from);
    for (at, failed) in [(0, false), (1, false), (1, true)] {
        let rate = if failed { 1_000.0 } else { 10.0 };
        let observed = Observed {
            failed,
            ..answers(report(rate, 0.5, 0.0))
        };
        traffic.observe(&from, at, &observed);
    }
    traffic.tick(&from);
    assert_close(&shares(&mut traffic, &from), &[0.5, 0.5]);
}

#[test]
fn machines_of_two_sizes_are_used_alike() {
    // Each tells truly: the second has three times the cores.
    let from = sites(&[1, 1]);
    let cores = [1.0_f32, 3.0];
    let mut traffic = traffic(&from);
    let mut got = vec![0.5, 0.5];
    for _ in 0..20 {
        for (at, site) in from.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "below a thousand")]
            let rate = (1_000.0 * got[at]) as f32;
            site.report
                .set(report(rate, rate / (2_000.0 * cores[at]), 0.0));
        }
        got = traffic.run(&from, 10, 2);
    }
    assert!((got[1] - 0.75).abs() < 0.03, "{got:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The area of the table that stands for an endpoint is its weight's share, but for the rounding of 32 bits.
    #[test]
    fn shares_are_exact(weights in prop::collection::vec(prop_oneof![Just(0.0), 1e-6..1e9_f64], 1..40)) {
        let balancer = ReportedLoad::new(&vec![1; weights.len()], &RULES);
        balancer.set(&weights);
        let total: f64 = weights.iter().sum();
        let mut area = vec![0.0; weights.len()];
        for (at, column) in balancer.columns.iter().enumerate() {
            let column = column.load(Ordering::Relaxed);
            let own = (column >> 32) as f64 / f64::from(u32::MAX);
            area[at] += own;
            area[(column & 0xffff_ffff) as usize] += 1.0 - own;
        }
        for (weight, area) in weights.iter().zip(area) {
            // Without any weight the table stays as it was made.
            let expected = if total > 0.0 { weight / total } else { 1.0 / weights.len() as f64 };
            prop_assert!((area / weights.len() as f64 - expected).abs() < 1e-7, "{} {}", area, expected);
        }
    }
}

#[test]
fn no_weights_and_no_numbers_are_no_panic() {
    for weights in [&[][..], &[0], &[0, 0], &[u16::MAX; 3]] {
        let from = sites(weights);
        let balancer = ReportedLoad::new(weights, &RULES);
        balancer.tick(&from, 0);
        let tried = Tried::new();
        let picked = balancer.pick(&from, Wanted::new(&tried), &mut Rng::new(1));
        assert_eq!(picked.is_some(), weights.contains(&u16::MAX));
    }
    let rules = ReportedRules {
        interval: Duration::MAX,
        expire: Duration::MAX,
        error_penalty: f32::NAN,
    };
    let balancer = ReportedLoad::new(&[1], &rules);
    let from = sites(&[1]);
    balancer.observe(&from, 0, &answers(report(1.0, 1.0, 1.0)), u64::MAX);
    balancer.tick(&from, u64::MAX);
    assert_eq!(balancer.draw(&mut Rng::new(1)), Some(0));
}
