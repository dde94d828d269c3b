//! The order, and what moves traffic on in it.

use evenkeel_base::rules::BalancerRules;

use super::super::traffic::{Site, Traffic, sites};

/// The shares of 10,000 picks.
fn shares(from: &[Site]) -> Vec<f64> {
    let mut traffic = Traffic::new(&BalancerRules::FirstAvailable, from);
    let mut shares = vec![0.0; from.len()];
    (0..10_000).for_each(|_| shares[traffic.pick(from)] += 1e-4);
    shares
}

#[test]
fn the_first_that_stands_and_has_room_gets_everything() {
    let from = sites(&[1, 0, 1, 9]);
    from[3].in_flight.set(5);
    for (down, full, expected) in [
        (None, None, 0),
        (Some(0), None, 2),
        (None, Some(0), 2),
        (Some(0), Some(2), 3),
    ] {
        for (at, site) in from.iter().enumerate() {
            site.share.set(if down == Some(at) { 0 } else { 1_000 });
            site.limit.set(if full == Some(at) { 0 } else { u32::MAX });
        }
        assert!(
            (shares(&from)[expected] - 1.0).abs() < 1e-6,
            "{down:?} {full:?}"
        );
    }
}

#[test]
fn one_in_slow_start_gets_its_part_of_what_comes_to_its_place() {
    for (parts, expected) in [
        ([100, 1_000, 1_000], [0.1, 0.9, 0.0]),
        ([100, 500, 1_000], [0.1, 0.45, 0.45]),
        // Nobody is left after the last: then the first of them all the same.
        ([100, 500, 0], [0.55, 0.45, 0.0]),
        ([0, 0, 1], [0.0, 0.0, 1.0]),
    ] {
        let from = sites(&[1; 3]);
        from.iter()
            .zip(parts)
            .for_each(|(site, part)| site.share.set(part));
        for (share, expected) in shares(&from).iter().zip(expected) {
            assert!((share - expected).abs() < 0.015, "{parts:?}");
        }
    }
}

#[test]
fn load_is_packed() {
    let from = sites(&[1; 5]);
    from.iter().for_each(|site| site.limit.set(4));
    Traffic::new(&BalancerRules::FirstAvailable, &from).run(&from, 10, 5);
    let load: Vec<_> = from.iter().map(|site| site.in_flight.get()).collect();
    assert_eq!(load[3..], [0, 0], "{load:?}");
}
