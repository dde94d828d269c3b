//! What peaks and averages do to the picks: by table, then under traffic. What is tried here is the same for both.

use std::time::Duration;

use evenkeel_base::rules::BalancerRules;

use super::super::traffic::{Site, Traffic, sites};
use crate::load::Observed;

const BOTH: [BalancerRules; 2] = [
    BalancerRules::PeakEwma {
        decay: BalancerRules::PEAK_DECAY,
    },
    BalancerRules::LeastTime {
        decay: BalancerRules::AVERAGE_DECAY,
    },
];

/// The part of the requests of each endpoint, all of which take so many milliseconds, with so many clients for so many seconds.
fn shares(
    rules: &BalancerRules,
    weights: &[u16],
    millis: &[u64],
    clients: usize,
    seconds: u64,
) -> Vec<f64> {
    let from = sites(weights);
    take(&from, millis);
    Traffic::new(rules, &from).run(&from, clients, seconds)
}

fn take(from: &[Site], millis: &[u64]) {
    for (site, millis) in from.iter().zip(millis) {
        site.micros.set(millis * 1_000);
    }
}

/// An attempt that took so many milliseconds.
fn took(millis: u64) -> Observed {
    Observed {
        latency: Some(Duration::from_millis(millis)),
        ..Observed::default()
    }
}

#[test]
fn the_lower_product_of_latency_and_load_wins() {
    for rules in &BOTH {
        // Two endpoints: weight, latency in milliseconds (0: unknown), requests in flight. Which is always picked?
        for (a, b, expected) in [
            ((1, 10, 0), (1, 20, 0), 0),
            ((1, 10, 1), (1, 15, 0), 1),
            ((1, 10, 1), (1, 30, 0), 0),
            ((1, 10, 3), (1, 20, 2), 0),
            ((2, 30, 3), (1, 10, 3), 1),
            ((3, 20, 3), (1, 10, 3), 0),
            // Idle: the quicker one, whatever its weight.
            ((1, 10, 0), (9, 20, 0), 0),
            // Within a quarter latencies are equal, and load decides.
            ((1, 10, 3), (1, 12, 2), 1),
            // Unknown and idle is worth a try; unknown and busy is slow; both unknown are told apart by load.
            ((1, 10, 0), (1, 0, 0), 1),
            ((1, 900, 5), (1, 0, 1), 0),
            ((1, 0, 2), (1, 0, 1), 1),
        ] {
            let from = sites(&[a.0, b.0]);
            let mut traffic = Traffic::new(rules, &from);
            for (at, (_, millis, in_flight)) in [a, b].into_iter().enumerate() {
                from[at].in_flight.set(in_flight);
                if millis > 0 {
                    traffic.observe(&from, at, &took(millis));
                }
            }
            let picks: Vec<_> = (0..50).map(|_| traffic.pick(&from)).collect();
            assert!(
                picks.iter().all(|&at| at == expected),
                "{a:?} {b:?}: {picks:?}"
            );
        }
    }
}

/// By Little's law shares of requests that take equally long are shares of requests in flight. With N of them no look at all
/// endpoints leaves one more than one short of its part (see `least_connections.rs`), so a share may be 1/N too small; what the
/// lighter ones lack, the heaviest has. Two choices are no worse here, though nothing proves it.
#[test]
fn endpoints_as_quick_as_each_other_share_by_weight() {
    for rules in &BOTH {
        let expected = [0.125, 0.25, 0.625];
        for clients in [1, 4, 16, 200] {
            let shares = shares(
                rules,
                &[1, 2, 5],
                &[10, 10, 10],
                clients,
                200 / clients as u64,
            );
            // One at a time is drawn by weight: no load to compare, only chance.
            let bound = if clients == 1 {
                0.0
            } else {
                1.0 / clients as f64
            };
            for (share, expected) in shares.iter().zip(expected) {
                assert!(
                    (share - expected).abs() < bound + 0.015,
                    "{clients}: {shares:?}"
                );
            }
        }
    }
}

#[test]
fn a_slow_endpoint_gets_less_in_proportion() {
    for rules in &BOTH {
        // Proportion alone would be 1 / (1 + 3 × times); requests in flight count on top.
        let mut before = 0.25;
        for times in [2, 4, 10, 100] {
            let shares = shares(rules, &[1; 4], &[10 * times, 10, 10, 10], 16, 60);
            let share = shares[0];
            assert!(
                share < 1.0 / (1.0 + 3.0 * times as f64),
                "{times}: {shares:?}"
            );
            assert!(share <= before + 1e-4, "{times}: {share} after {before}");
            before = share;
        }
    }
}

#[test]
fn failing_fast_attracts_nothing() {
    for rules in &BOTH {
        let from = sites(&[1; 4]);
        take(&from, &[1, 20, 20, 20]);
        from[0].fails.set(true);
        let shares = Traffic::new(rules, &from).run(&from, 16, 60);
        assert!(shares[0] < 0.005, "{shares:?}");
    }
}

#[test]
fn after_a_bad_minute_an_endpoint_is_back_within_another() {
    for rules in &BOTH {
        let from = sites(&[1; 4]);
        let mut traffic = Traffic::new(rules, &from);
        traffic.run(&from, 16, 10);
        take(&from, &[500, 10, 10, 10]);
        let bad = traffic.run(&from, 16, 60);
        assert!(bad[0] < 0.001, "{bad:?}");
        take(&from, &[10, 10, 10, 10]);
        traffic.run(&from, 16, 60);
        let good = traffic.run(&from, 16, 10);
        assert!((good[0] - 0.25).abs() < 0.02, "{good:?}");
    }
}

#[test]
fn one_that_never_answers_gets_what_comes_before_the_first_answer_of_the_others() {
    for rules in &BOTH {
        let from = sites(&[1; 4]);
        from[0].micros.set(3_600_000_000);
        Traffic::new(rules, &from).run(&from, 16, 60);
        assert_eq!(from[0].in_flight.get(), 4);
    }
}

#[test]
fn a_new_one_gets_a_request_at_a_time_until_it_has_answered() {
    for rules in &BOTH {
        let from = sites(&[1; 4]);
        from[0].share.set(0);
        let mut traffic = Traffic::new(rules, &from);
        traffic.run(&from, 16, 1);
        from[0].micros.set(3_600_000_000);
        from[0].share.set(1_000);
        traffic.run(&from, 16, 60);
        assert_eq!(from[0].in_flight.get(), 1);
    }
}

#[test]
fn an_endpoint_in_slow_start_gets_at_most_its_share() {
    for rules in &BOTH {
        for (part, expected) in [(100, 0.1 / 3.1), (500, 0.5 / 3.5)] {
            let from = sites(&[1; 4]);
            from[0].share.set(part);
            let shares = Traffic::new(rules, &from).run(&from, 64, 10);
            assert!((shares[0] - expected).abs() < 0.01, "{part}: {shares:?}");
        }
    }
}

#[test]
fn answering_with_errors_at_once_attracts_no_crowd() {
    // Of twelve clients and four endpoints; who compares two draws gives the idle one of them at most half.
    for (rules, most) in BOTH.iter().zip([0.5, 0.05]) {
        for good_before in [0, 30] {
            let from = sites(&[1; 4]);
            take(&from, &[20; 4]);
            let mut traffic = Traffic::new(rules, &from);
            traffic.run(&from, 12, good_before);
            from[0].micros.set(1_000);
            from[0].errs.set(true);
            let shares = traffic.run(&from, 12, 60);
            assert!(shares[0] < most, "{rules:?} {good_before}: {shares:?}");
        }
    }
}

#[test]
fn an_error_now_and_then_hides_no_difference() {
    for rules in &BOTH {
        let from = sites(&[1; 4]);
        take(&from, &[100, 10, 10, 10]);
        let mut traffic = Traffic::new(rules, &from);
        let mut shares = vec![];
        for _ in 0..20 {
            shares = traffic.run(&from, 16, 1);
            for at in 0..4 {
                traffic.observe(
                    &from,
                    at,
                    &Observed {
                        erred: true,
                        ..took(1)
                    },
                );
            }
        }
        assert!(shares[0] < 0.05, "{rules:?}: {shares:?}");
    }
}
