//! What every balancer promises, then what each one adds.

use std::cell::Cell;

use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

use evenkeel_base::BalancerKind;

use super::*;

/// An endpoint in a test: counts what it is given.
#[derive(Clone, Debug)]
struct Endpoint {
    weight: u16,
    in_flight: Cell<u32>,
    share: Cell<u16>,
    room: Cell<bool>,
}

impl Candidate for Endpoint {
    fn weight(&self) -> u16 {
        self.weight
    }

    fn in_flight(&self) -> u32 {
        self.in_flight.get()
    }

    fn share(&self) -> u16 {
        self.share.get()
    }

    fn has_room(&self) -> bool {
        self.room.get()
    }
}

/// Those that give each endpoint its weight's share when all are idle and nothing is measured.
const BY_WEIGHT: [BalancerKind; 10] = [
    BalancerKind::LeastRequest,
    BalancerKind::RoundRobin,
    BalancerKind::Random,
    BalancerKind::LeastConnections,
    BalancerKind::PeakEwma,
    BalancerKind::LeastTime,
    BalancerKind::ReportedLoad,
    BalancerKind::RingHash,
    BalancerKind::Maglev,
    BalancerKind::Rendezvous,
];

fn endpoints(weights: &[u16]) -> Vec<Endpoint> {
    let endpoint = |&weight| Endpoint {
        weight,
        in_flight: Cell::new(0),
        share: Cell::new(1_000),
        room: Cell::new(true),
    };
    weights.iter().map(endpoint).collect()
}

/// A balancer of that kind with its default numbers, for endpoints with these weights.
fn balancer(kind: BalancerKind, weights: &[u16]) -> Balancer {
    made(&BalancerRules::of(kind), weights, None)
}

/// One that takes the place of another.
fn follow(before: &Balancer, weights: &[u16]) -> Balancer {
    made(&BalancerRules::RoundRobin, weights, Some(before))
}

fn made(rules: &BalancerRules, weights: &[u16], follows: Option<&Balancer>) -> Balancer {
    let ids: Vec<String> = (0..weights.len()).map(|at| format!("e{at}")).collect();
    let members: Vec<_> = ids
        .iter()
        .zip(weights)
        .map(|(id, &weight)| Member {
            id,
            weight,
            rank: 0,
        })
        .collect();
    Balancer::new(rules, &members, follows)
}

/// The endpoints of `count` picks.
fn picks(balancer: &Balancer, from: &[Endpoint], tried: &Tried, count: usize) -> Vec<usize> {
    let mut rng = Rng::new(1);
    (0..count)
        .map(|_| balancer.pick(from, Wanted::new(tried), &mut rng).unwrap())
        .collect()
}

/// The share of `count` picks that each endpoint had.
fn shares(kind: BalancerKind, from: &[Endpoint], tried: &Tried, count: usize) -> Vec<f64> {
    let weights: Vec<u16> = from.iter().map(|e| e.weight).collect();
    let balancer = balancer(kind, &weights);
    let mut shares = vec![0.0; from.len()];
    for at in picks(&balancer, from, tried, count) {
        shares[at] += 1.0 / count as f64;
    }
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

fn tried(positions: &[usize]) -> Tried {
    let mut tried = Tried::new();
    positions.iter().for_each(|&at| tried.insert(at));
    tried
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every balancer finds an endpoint exactly when there is one, and never one that may not be picked.
    #[test]
    fn a_pick_is_eligible_and_there_is_one_when_one_is(
        all in prop::collection::vec(any_endpoint(), 0..12),
        positions in prop::collection::vec(0..12_usize, 0..6),
        regardless in any::<bool>(),
        seed in any::<u64>(),
        cursor in 0..u64::from(u32::MAX),
    ) {
        let weights: Vec<u16> = all.iter().map(|endpoint| endpoint.weight).collect();
        let tried = tried(&positions);
        let wanted = Wanted { regardless, ..Wanted::new(&tried) };
        let fits = |at: usize| {
            let endpoint = &all[at];
            let stands = regardless || endpoint.share() > 0;
            stands && endpoint.has_room() && endpoint.weight > 0 && !positions.contains(&at)
        };
        for kind in BalancerKind::ALL {
            let balancer = match kind {
                BalancerKind::RoundRobin => Balancer::RoundRobin(RoundRobin::new(&weights, cursor)),
                _ => balancer(kind, &weights),
            };
            let mut rng = Rng::new(seed);
            for _ in 0..20 {
                let picked = balancer.pick(&all, wanted, &mut rng);
                prop_assert_eq!(picked.is_some(), (0..all.len()).any(fits), "{}", kind);
                prop_assert!(picked.is_none_or(fits), "{}: {:?}", kind, picked);
            }
        }
    }
}

/// Any endpoint: without weight, share or room as often as with.
fn any_endpoint() -> impl Strategy<Value = Endpoint> {
    let weight = prop_oneof![Just(0_u16), 1..4_u16, Just(1_000)];
    let share = prop_oneof![Just(0_u16), 1..1_000_u16, Just(1_000)];
    (weight, share, any::<bool>(), 0..5_u32).prop_map(|(weight, share, room, load)| Endpoint {
        weight,
        in_flight: Cell::new(load),
        share: Cell::new(share),
        room: Cell::new(room),
    })
}

#[test]
fn an_endpoint_set_of_another_length_than_the_weights_is_no_panic() {
    for kind in BalancerKind::ALL {
        let balancer = balancer(kind, &[1, 1, 1]);
        for weights in [&[][..], &[1], &[1; 5]] {
            let from = endpoints(weights);
            for seed in 0..50 {
                let picked = balancer.pick(&from, Wanted::new(&Tried::new()), &mut Rng::new(seed));
                assert_eq!(picked.is_some(), !from.is_empty(), "{kind}");
            }
        }
    }
}

#[test]
fn a_client_keeps_its_endpoint_while_that_takes_requests_of_its_own() {
    let from = endpoints(&[1, 0]);
    let keeps = |at, regardless, tried: &Tried| {
        let wanted = Wanted {
            regardless,
            ..Wanted::new(tried)
        };
        wanted.keeps(&from, at)
    };
    let none = Tried::new();
    assert!(keeps(0, false, &none));
    assert!(keeps(1, false, &none), "that takes nobody new");
    assert!(!keeps(2, false, &none), "that is gone");
    assert!(!keeps(0, false, &tried(&[0])));
    let third = tried(&[2]);
    let second = Wanted {
        first: 1,
        ..Wanted::new(&third)
    };
    assert!(second.keeps(&from, 0) && !second.keeps(&from, 1));
    from[0].share.set(0);
    assert!(!keeps(0, false, &none) && keeps(0, true, &none));
    from[0].room.set(false);
    assert!(!keeps(0, true, &none));
}

#[test]
fn round_robin_is_strict_from_the_first_endpoint_on() {
    let from = endpoints(&[10, 10, 10]);
    let first = balancer(BalancerKind::RoundRobin, &[10, 10, 10]);
    assert_eq!(
        picks(&first, &from, &Tried::new(), 7),
        [0, 1, 2, 0, 1, 2, 0]
    );
    let next = follow(&first, &[10, 10, 10]);
    assert_eq!(picks(&next, &from, &Tried::new(), 3), [1, 2, 0]);
}

#[test]
fn the_neighbor_of_a_dead_endpoint_does_not_get_its_share_on_top() {
    let from = endpoints(&[1; 4]);
    let balancer = balancer(BalancerKind::RoundRobin, &[1; 4]);
    from[1].share.set(0);
    assert_eq!(
        picks(&balancer, &from, &Tried::new(), 7),
        [0, 2, 3, 0, 2, 3, 0]
    );
    from[2].share.set(0);
    assert_eq!(picks(&balancer, &from, &Tried::new(), 4), [3, 0, 3, 0]);
    assert_eq!(picks(&balancer, &from, &tried(&[0]), 2), [3, 3]);
    from[1].share.set(1_000);
    from[2].share.set(1_000);
    assert_eq!(picks(&balancer, &from, &Tried::new(), 4), [0, 1, 2, 3]);
}

#[test]
fn one_of_a_thousand_left_is_found_by_rotation() {
    let from = endpoints(&[1; 1_000]);
    let balancer = balancer(BalancerKind::RoundRobin, &[1; 1_000]);
    from.iter().for_each(|endpoint| endpoint.share.set(0));
    from[998].share.set(1_000);
    from[997].share.set(1_000);
    assert_eq!(
        picks(&balancer, &from, &Tried::new(), 4),
        [997, 998, 997, 998]
    );
}

#[test]
fn the_light_endpoints_go_on_in_rotation_when_the_heavy_one_is_dead() {
    let from = endpoints(&[20, 1, 1]);
    let balancer = balancer(BalancerKind::RoundRobin, &[20, 1, 1]);
    from[0].share.set(0);
    assert_eq!(
        picks(&balancer, &from, &Tried::new(), 9),
        [1, 2, 1, 2, 1, 2, 1, 2, 1]
    );
}

#[test]
fn light_endpoints_left_over_share_by_weight_without_a_walk_through_the_schedule() {
    let weights = [1_000, 1_000, 1_000, 2, 1];
    let from = endpoints(&weights);
    from[..3].iter().for_each(|endpoint| endpoint.share.set(0));
    let shares = shares(BalancerKind::RoundRobin, &from, &Tried::new(), 30_000);
    assert_close(&shares, &[0.0, 0.0, 0.0, 2.0 / 3.0, 1.0 / 3.0]);
}

#[test]
fn every_balancer_keeps_the_weights_of_idle_endpoints() {
    let from = endpoints(&[1, 0, 2, 5]);
    for kind in BY_WEIGHT {
        assert_close(
            &shares(kind, &from, &Tried::new(), 40_000),
            &[0.125, 0.0, 0.25, 0.625],
        );
        assert_close(
            &shares(kind, &from, &tried(&[3]), 40_000),
            &[1.0 / 3.0, 0.0, 2.0 / 3.0, 0.0],
        );
    }
}

#[test]
fn an_endpoint_with_a_part_of_its_share_gets_that_part() {
    for (weights, parts, expected) in [
        ([1, 1], [1_000, 500], [2.0 / 3.0, 1.0 / 3.0]),
        ([1, 1], [1_000, 100], [10.0 / 11.0, 1.0 / 11.0]),
        ([1, 1], [1_000, 50], [20.0 / 21.0, 1.0 / 21.0]),
        ([1, 1], [1_000, 1], [1_000.0 / 1_001.0, 1.0 / 1_001.0]),
        ([1, 4], [1_000, 500], [1.0 / 3.0, 2.0 / 3.0]),
        ([1, 1], [100, 100], [0.5, 0.5]),
        ([1, 1], [500, 100], [5.0 / 6.0, 1.0 / 6.0]),
        ([1, 1], [1, 0], [1.0, 0.0]),
    ] {
        for kind in BY_WEIGHT {
            let from = endpoints(&weights);
            from.iter()
                .zip(parts)
                .for_each(|(endpoint, part)| endpoint.share.set(part));
            assert_close(&shares(kind, &from, &Tried::new(), 40_000), &expected);
        }
    }
}

#[test]
fn with_one_endpoint_tried_or_full_the_others_parts_count() {
    let from = endpoints(&[1, 1, 1, 1]);
    from[1].share.set(500);
    from[2].room.set(false);
    for kind in BY_WEIGHT {
        let shares = shares(kind, &from, &tried(&[0]), 40_000);
        assert_close(&shares, &[0.0, 1.0 / 3.0, 0.0, 2.0 / 3.0]);
    }
}

#[test]
fn a_trickle_among_many_is_a_trickle() {
    let from = endpoints(&[1; 50]);
    from[17].share.set(50);
    for kind in BY_WEIGHT {
        let shares = shares(kind, &from, &Tried::new(), 50_000);
        assert!(
            (shares[17] * 50.0 - 0.05).abs() < 0.03,
            "{kind}: {}",
            shares[17]
        );
    }
}

#[test]
fn regardless_of_standing_the_weights_count_and_room_does() {
    let from = endpoints(&[1, 0, 2, 5]);
    from.iter().for_each(|endpoint| endpoint.share.set(0));
    let tried = Tried::new();
    let wanted = Wanted {
        regardless: true,
        ..Wanted::new(&tried)
    };
    for kind in BY_WEIGHT {
        let balancer = balancer(kind, &[1, 0, 2, 5]);
        let mut rng = Rng::new(1);
        assert_eq!(balancer.pick(&from, Wanted::new(&tried), &mut rng), None);
        let mut shares = [0.0; 4];
        for _ in 0..40_000 {
            shares[balancer.pick(&from, wanted, &mut rng).unwrap()] += 1.0 / 40_000.0;
        }
        assert_close(&shares, &[0.125, 0.0, 0.25, 0.625]);
        from.iter().for_each(|endpoint| endpoint.room.set(false));
        assert_eq!(balancer.pick(&from, wanted, &mut rng), None);
        from.iter().for_each(|endpoint| endpoint.room.set(true));
    }
}

#[test]
fn random_keeps_the_weights_of_those_left_when_most_do_not_admit() {
    // Draws seldom find the two that are left, so most picks look at all: the shares must be the same.
    let mut weights = [1_000; 50];
    (weights[7], weights[31]) = (3, 1);
    let from = endpoints(&weights);
    for (at, endpoint) in from.iter().enumerate() {
        endpoint
            .share
            .set(if at == 7 || at == 31 { 1_000 } else { 0 });
    }
    let shares = shares(BalancerKind::Random, &from, &Tried::new(), 40_000);
    assert!(
        (shares[7] - 0.75).abs() < 0.01 && (shares[31] - 0.25).abs() < 0.01,
        "{shares:?}"
    );
}

#[test]
fn least_request_takes_the_less_loaded_for_its_weight() {
    let balancer = |weights: &[u16]| balancer(BalancerKind::LeastRequest, weights);
    for (weights, in_flight, expected) in [
        ([1, 1], [1, 0], 1),
        ([1, 1], [4, 5], 0),
        ([3, 1], [1, 0], 0),
        ([3, 1], [3, 0], 1),
        ([1_000, 1], [900, 0], 0),
        ([1, 1], [u32::MAX, u32::MAX - 1], 1),
        ([1_000, 999], [u32::MAX, u32::MAX], 0),
    ] {
        let from = endpoints(&weights);
        from.iter()
            .zip(in_flight)
            .for_each(|(endpoint, load)| endpoint.in_flight.set(load));
        let all = picks(&balancer(&weights), &from, &Tried::new(), 50);
        assert!(
            all.iter().all(|&at| at == expected),
            "{weights:?} {in_flight:?}: {all:?}"
        );
    }
}

#[test]
fn in_a_tie_of_loads_least_request_keeps_the_weights() {
    let from = endpoints(&[3, 1]);
    from[0].in_flight.set(2);
    let shares = shares(BalancerKind::LeastRequest, &from, &Tried::new(), 40_000);
    assert_close(&shares, &[0.75, 0.25]);
}

#[test]
fn least_request_leaves_out_a_frozen_endpoint_after_a_few_requests() {
    // Nine endpoints answer each request before the next comes; the tenth never answers.
    let from = endpoints(&[1; 10]);
    let balancer = balancer(BalancerKind::LeastRequest, &[1; 10]);
    let mut rng = Rng::new(3);
    for _ in 0..10_000 {
        let at = balancer
            .pick(&from, Wanted::new(&Tried::new()), &mut rng)
            .unwrap();
        if at == 9 {
            from[9].in_flight.set(from[9].in_flight.get() + 1);
        }
    }
    assert_eq!(
        from[9].in_flight.get(),
        1,
        "rotation would have given it 1,000"
    );
}

#[test]
fn least_request_under_load_spreads_requests_in_flight_by_weight() {
    let weights = [1, 2, 5];
    let from = endpoints(&weights);
    let balancer = balancer(BalancerKind::LeastRequest, &weights);
    let mut rng = Rng::new(5);
    for _ in 0..800 {
        let at = balancer
            .pick(&from, Wanted::new(&Tried::new()), &mut rng)
            .unwrap();
        from[at].in_flight.set(from[at].in_flight.get() + 1);
    }
    for (endpoint, expected) in from.iter().zip([100_u32, 200, 500]) {
        assert!(endpoint.in_flight().abs_diff(expected) <= 20, "{from:?}");
    }
}

/// How many requests are in flight at each endpoint in the mean, when so many are at once and each takes as long as the
/// next.
fn steady_load(from: &[Endpoint], in_flight: usize) -> Vec<f64> {
    const PICKS: usize = 20_000;
    let weights: Vec<u16> = from.iter().map(|endpoint| endpoint.weight).collect();
    let balancer = balancer(BalancerKind::LeastRequest, &weights);
    let (tried, mut rng) = (Tried::new(), Rng::new(9));
    let mut running = std::collections::VecDeque::new();
    let mut mean = vec![0.0; from.len()];
    for _ in 0..PICKS {
        let at = balancer.pick(from, Wanted::new(&tried), &mut rng).unwrap();
        from[at].in_flight.set(from[at].in_flight.get() + 1);
        running.push_back(at);
        if running.len() > in_flight {
            let at = running.pop_front().unwrap();
            from[at].in_flight.set(from[at].in_flight.get() - 1);
        }
        for (mean, endpoint) in mean.iter_mut().zip(from) {
            *mean += f64::from(endpoint.in_flight()) / PICKS as f64;
        }
    }
    mean
}

#[test]
fn under_load_an_endpoint_in_slow_start_is_as_small_as_its_share() {
    // It is the less loaded one in every comparison: as a second choice it would get half of all requests.
    for (part, expected) in [(1_000, 50.0), (500, 33.3), (100, 9.1), (50, 4.8)] {
        for in_flight in [100, 20] {
            let from = endpoints(&[1, 1]);
            from[1].share.set(part);
            let percent = steady_load(&from, in_flight)[1] * 100.0 / in_flight as f64;
            assert!((percent - expected).abs() < 1.0, "{part}: {percent}");
        }
    }
}

#[test]
fn with_little_load_an_endpoint_on_trial_gets_its_trickle() {
    // Two requests in flight: it would lose every comparison if its part counted as a smaller weight.
    let from = endpoints(&[1, 1, 1]);
    from[0].share.set(50);
    let load = steady_load(&from, 2);
    assert!((load[0] * 50.0 - 2.4).abs() < 0.5, "{load:?}");
}

#[test]
fn a_cold_endpoint_that_is_more_loaded_than_the_others_gets_less_than_its_share() {
    let from = endpoints(&[1, 1]);
    from[1].share.set(500);
    from[0].in_flight.set(5);
    from[1].in_flight.set(9);
    let balancer = balancer(BalancerKind::LeastRequest, &[1, 1]);
    assert_eq!(picks(&balancer, &from, &Tried::new(), 100), [0; 100]);
}

#[test]
fn a_cluster_that_is_back_as_a_whole_is_balanced_by_load_from_the_beginning() {
    let from = endpoints(&[1; 4]);
    from.iter().for_each(|endpoint| endpoint.share.set(100));
    steady_load(&from, 100);
    let load: Vec<u32> = from.iter().map(Endpoint::in_flight).collect();
    assert!(load.iter().all(|n| (22..=28).contains(n)), "{load:?}");
}

#[test]
fn slow_start_rises_monotonically_in_the_share_of_picks() {
    for kind in BalancerKind::ALL {
        let mut before = 0.0;
        for part in [1, 100, 250, 500, 750, 1_000] {
            let from = endpoints(&[1, 1, 1, 1]);
            from[0].share.set(part);
            let share = shares(kind, &from, &Tried::new(), 20_000)[0];
            assert!(
                share > before - 0.005,
                "{kind}: {part}: {share} after {before}"
            );
            before = share;
        }
        assert!(before > 0.2, "{kind}: {before}");
    }
}

#[test]
fn the_same_seed_gives_the_same_picks() {
    let weights = [3, 1, 2, 5];
    let from = endpoints(&weights);
    from[2].share.set(300);
    for (load, endpoint) in (0..).zip(&from) {
        endpoint.in_flight.set(load);
    }
    for kind in BalancerKind::ALL {
        let picks = || picks(&balancer(kind, &weights), &from, &Tried::new(), 200);
        assert_eq!(picks(), picks(), "{kind}");
    }
}
