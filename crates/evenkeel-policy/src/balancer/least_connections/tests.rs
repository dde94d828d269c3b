//! The fewest for the weight, rotation where several have as few, and the bound.

use evenkeel_base::rules::BalancerRules;
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, proptest};

use super::super::traffic::{Site, Traffic, sites};
use super::*;
use crate::Tried;

/// So many picks, each of which stays in flight when `stay`.
fn picks(from: &[Site], count: usize, stay: bool) -> Vec<usize> {
    let mut traffic = Traffic::new(&BalancerRules::LeastConnections, from);
    let mut pick = || {
        let at = traffic.pick(from);
        let in_flight = &from[at].in_flight;
        in_flight.set(in_flight.get() + u32::from(stay));
        at
    };
    (0..count).map(|_| pick()).collect()
}

fn loaded(weights: &[u16], in_flight: &[u32]) -> Vec<Site> {
    let from = sites(weights);
    for (site, &load) in from.iter().zip(in_flight) {
        site.in_flight.set(load);
    }
    from
}

#[test]
fn those_with_equally_few_take_turns() {
    for (weights, in_flight, expected) in [
        ([1, 1, 1], [0, 0, 0], [0, 1, 2, 0, 1, 2, 0, 1]),
        ([3, 1, 0], [0, 0, 0], [0, 0, 0, 1, 0, 0, 0, 1]),
        ([1, 1, 1], [2, 1, 1], [1, 2, 1, 2, 1, 2, 1, 2]),
        ([1, 1, 1], [2, 2, 1], [2; 8]),
        ([2, 1, 1], [3, 1, 2], [0, 1, 0, 0, 1, 0, 0, 1]),
        // A busy heavy one before an idle light one, when it costs less all the same.
        ([10, 1, 1], [1, 0, 0], [0; 8]),
    ] {
        let from = loaded(&weights, &in_flight);
        let found = picks(&from, 8, false);
        assert_eq!(found, expected, "{weights:?} {in_flight:?}");
    }
}

#[test]
fn the_neighbor_of_a_full_endpoint_does_not_get_its_turns_on_top() {
    let from = sites(&[1; 4]);
    from[1].limit.set(0);
    assert_eq!(picks(&from, 7, false), [0, 2, 3, 0, 2, 3, 0]);
}

#[test]
fn a_new_set_goes_on_in_the_rotation() {
    let from = sites(&[1; 3]);
    let (tried, mut rng) = (Tried::new(), Rng::new(1));
    let first = LeastConnections::new(&[1; 3], 0);
    assert_eq!(first.pick(&from, Wanted::new(&tried), &mut rng), Some(0));
    let next = LeastConnections::new(&[1; 3], first.cursor());
    assert_eq!(next.pick(&from, Wanted::new(&tried), &mut rng), Some(1));
}

#[test]
fn slow_start_is_no_flood() {
    for (part, expected) in [(100, 0.1 / 9.1), (500, 0.5 / 9.5), (1_000, 0.1)] {
        let from = sites(&[1; 10]);
        from[3].share.set(part);
        let mut traffic = Traffic::new(&BalancerRules::LeastConnections, &from);
        let shares = traffic.run(&from, 64, 10);
        assert!((shares[3] - expected).abs() < 0.005, "{part}: {shares:?}");
    }
}

#[test]
fn a_cluster_that_is_back_as_a_whole_is_even_from_the_beginning() {
    let from = sites(&[1; 4]);
    from.iter().for_each(|site| site.share.set(100));
    picks(&from, 100, true);
    assert!(
        from.iter().all(|site| site.in_flight.get() == 25),
        "{from:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// No endpoint that was not idle got its last request while another would have been less loaded with it; so each has
    /// its part of all, less one.
    #[test]
    fn requests_in_flight_follow_the_weights(
        weights in prop::collection::vec(1..200_u16, 1..12), count in 0..400_usize, slow in any::<bool>(),
    ) {
        let from = sites(&weights);
        if slow {
            from.iter().for_each(|site| site.share.set(100));
        }
        picks(&from, count, true);
        let load = |site: &Site| f64::from(site.in_flight.get());
        let weight = |site: &Site| f64::from(site.weight());
        for last in from.iter().filter(|site| site.in_flight.get() > 1) {
            for other in &from {
                let (last, other) = (load(last) / weight(last), (load(other) + 1.0) / weight(other));
                prop_assert!(last <= other + 1e-9, "{:?}: {} {}", weights, last, other);
            }
        }
    }
}
