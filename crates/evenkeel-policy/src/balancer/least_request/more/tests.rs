//! More than two choices, and all.

use evenkeel_base::rules::BalancerRules;

use super::super::super::traffic::{Site, Traffic, sites};
use super::*;

const SOME: [Choices; 4] = [
    Choices::Some(3),
    Choices::Some(5),
    Choices::Some(u8::MAX),
    Choices::All,
];

fn traffic(choices: Choices, from: &[Site]) -> Traffic {
    Traffic::new(&BalancerRules::LeastRequest { choices }, from)
}

/// The most requests in flight at one of a hundred endpoints after five for each.
fn busiest(choices: Choices) -> u32 {
    let from = sites(&[1; 100]);
    let mut traffic = traffic(choices, &from);
    for _ in 0..500 {
        let at = traffic.pick(&from);
        from[at].in_flight.set(from[at].in_flight.get() + 1);
    }
    let all = from.iter().map(|site| site.in_flight.get());
    all.max().unwrap()
}

#[test]
fn each_choice_more_brings_less() {
    assert_eq!(
        [2, 3, 16].map(|count| busiest(Choices::Some(count))),
        [7, 6, 6]
    );
    assert_eq!(busiest(Choices::All), 5);
}

#[test]
fn idle_endpoints_share_by_weight_and_slow_start() {
    for choices in SOME {
        let from = sites(&[1, 2, 5]);
        from[2].share.set(200);
        let mut traffic = traffic(choices, &from);
        let mut shares = [0.0_f64; 3];
        for _ in 0..20_000 {
            shares[traffic.pick(&from)] += 1.0 / 20_000.0;
        }
        for (share, expected) in shares.iter().zip([0.25, 0.5, 0.25]) {
            assert!((share - expected).abs() < 0.01, "{choices:?}: {shares:?}");
        }
    }
}

#[test]
fn under_load_slow_start_is_no_flood() {
    for choices in SOME {
        let from = sites(&[1; 10]);
        from[3].share.set(100);
        let shares = traffic(choices, &from).run(&from, 64, 10);
        assert!(
            (shares[3] - 0.1 / 9.1).abs() < 0.005,
            "{choices:?}: {shares:?}"
        );
    }
}

#[test]
fn all_finds_the_only_one_that_is_idle() {
    let from = sites(&[1; 50]);
    from.iter().for_each(|site| site.in_flight.set(1));
    from[42].in_flight.set(0);
    let mut traffic = traffic(Choices::All, &from);
    assert!((0..100).all(|_| traffic.pick(&from) == 42));
}
