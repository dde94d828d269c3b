//! What Prequal promises with each source of readings, then the paper's mechanisms one by one.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

use super::*;
use crate::Tried;
use crate::load::Report;

const MS: u64 = 1_000;

/// An endpoint in a test.
#[derive(Debug)]
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

fn endpoint(weight: u16) -> Endpoint {
    Endpoint {
        weight,
        in_flight: Cell::new(0),
        share: Cell::new(1_000),
        room: Cell::new(true),
    }
}

fn own() -> Signals {
    Signals::Own
}

fn header() -> Signals {
    Signals::Header("load".into())
}

fn probe() -> Signals {
    Signals::Probe("/load".into())
}

fn rules(signals: Signals) -> PrequalRules {
    PrequalRules {
        signals,
        ..PrequalRules::DEFAULT
    }
}

/// Endpoints with a balancer, at a time.
#[derive(Debug)]
struct Cluster {
    from: Vec<Endpoint>,
    balancer: Prequal,
    rng: Rng,
    now_us: u64,
}

impl Cluster {
    fn new(signals: Signals, weights: &[u16]) -> Self {
        Self::by(&rules(signals), weights)
    }

    fn by(rules: &PrequalRules, weights: &[u16]) -> Self {
        Self {
            from: weights.iter().map(|&weight| endpoint(weight)).collect(),
            balancer: Prequal::new(rules, weights),
            rng: Rng::new(1),
            now_us: 5_000 * MS,
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now_us += ms * MS;
    }

    fn pick(&mut self) -> usize {
        let tried = Tried::new();
        let wanted = Wanted {
            now_us: self.now_us,
            ..Wanted::new(&tried)
        };
        self.balancer
            .pick(&self.from, wanted, &mut self.rng)
            .unwrap()
    }

    /// How often each endpoint is picked of so many times.
    fn picks(&mut self, count: usize) -> Vec<usize> {
        let mut counts = vec![0; self.from.len()];
        (0..count).for_each(|_| counts[self.pick()] += 1);
        counts
    }

    fn observe(&self, at: usize, observed: Observed) {
        self.balancer
            .observe(&self.from, at, &observed, self.now_us);
    }

    /// The endpoint answered a request in that time.
    fn answered(&self, at: usize, ms: u64) {
        self.observe(
            at,
            Observed {
                latency: Some(Duration::from_millis(ms)),
                ..Observed::default()
            },
        );
    }

    /// It failed, at once.
    fn failed(&self, at: usize) {
        self.observe(
            at,
            Observed {
                latency: Some(Duration::from_micros(50)),
                failed: true,
                ..Observed::default()
            },
        );
    }

    /// It said so much of itself, in answer to a probe.
    fn said(&self, at: usize, in_flight: u32, ms: u64) {
        let report = Report {
            in_flight: Some(in_flight),
            latency: Some(Duration::from_millis(ms)),
            ..Report::default()
        };
        self.observe(
            at,
            Observed {
                report,
                ..Observed::default()
            },
        );
    }

    /// The endpoints that readings are there of.
    fn pooled(&self) -> Vec<u32> {
        let mut pooled = Vec::new();
        self.balancer
            .pool
            .each(self.now_us, |one| pooled.push(one.reading.position));
        pooled.sort_unstable();
        pooled
    }
}

/// Any endpoint: without weight, share or room as often as with.
fn any_endpoint() -> impl Strategy<Value = Endpoint> {
    let weight = prop_oneof![Just(0_u16), 1..4_u16, Just(1_000)];
    let share = prop_oneof![Just(0_u16), 1..1_000_u16, Just(1_000)];
    (weight, share, any::<bool>(), 0..5_u32).prop_map(|(weight, share, room, load)| {
        let endpoint = endpoint(weight);
        endpoint.share.set(share);
        endpoint.room.set(room);
        endpoint.in_flight.set(load);
        endpoint
    })
}

/// What happens between two picks: which endpoint answers, fails or reports, and how much time passes.
fn any_event() -> impl Strategy<Value = (usize, u32, bool, u64)> {
    (0..12_usize, 0..2_000_u32, any::<bool>(), 0..400_u64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is in the pool: an endpoint is found when there is one, and never one that may not be picked.
    #[test]
    fn a_pick_is_eligible_and_there_is_one_when_one_is(
        mut all in prop::collection::vec(any_endpoint(), 0..12),
        positions in prop::collection::vec(0..12_usize, 0..6),
        regardless in any::<bool>(),
        events in prop::collection::vec(any_event(), 30),
        seed in any::<u64>(),
    ) {
        let weights: Vec<u16> = all.iter().map(|endpoint| endpoint.weight).collect();
        let mut tried = Tried::new();
        positions.iter().for_each(|&at| tried.insert(at));
        for signals in [own(), header(), probe()] {
            let mut cluster = Cluster::new(signals, &weights);
            std::mem::swap(&mut cluster.from, &mut all);
            cluster.rng = Rng::new(seed);
            for &(at, in_flight, failed, ms) in &events {
                if failed { cluster.failed(at) } else { cluster.answered(at, u64::from(in_flight)) }
                cluster.said(at, in_flight, u64::from(in_flight));
                cluster.pass(ms);
                cluster.balancer.tick();
                let wanted = Wanted { regardless, now_us: cluster.now_us, ..Wanted::new(&tried) };
                let picked = cluster.balancer.pick(&cluster.from, wanted, &mut cluster.rng);
                let fits = |at: usize| {
                    let endpoint = &cluster.from[at];
                    let stands = regardless || endpoint.share() > 0;
                    stands && endpoint.has_room() && endpoint.weight > 0 && !positions.contains(&at)
                };
                prop_assert_eq!(picked.is_some(), (0..cluster.from.len()).any(fits));
                prop_assert!(picked.is_none_or(fits), "{:?}", picked);
            }
            std::mem::swap(&mut cluster.from, &mut all);
        }
    }

    /// The same seed, the same order: the same picks.
    #[test]
    fn nothing_but_seed_and_order_decides(
        events in prop::collection::vec(any_event(), 60),
        seed in any::<u64>(),
    ) {
        let run = |signals| {
            let mut cluster = Cluster::new(signals, &[1, 2, 1, 5, 1, 1, 9, 1, 1, 1, 1, 1]);
            cluster.rng = Rng::new(seed);
            events
                .iter()
                .map(|&(at, number, failed, ms)| {
                    cluster.from[at].in_flight.set(number % 7);
                    if failed { cluster.failed(at) } else { cluster.answered(at, u64::from(number)) }
                    cluster.said(at, number % 7, u64::from(number));
                    cluster.pass(ms);
                    (cluster.pick(), cluster.balancer.probes_due())
                })
                .collect::<Vec<_>>()
        };
        for signals in [own, header, probe] {
            prop_assert_eq!(run(signals()), run(signals()));
        }
    }
}

#[test]
fn an_endpoint_set_of_another_length_than_the_weights_is_no_panic() {
    for signals in [own(), header(), probe()] {
        let mut cluster = Cluster::new(signals, &[1, 1, 1]);
        for count in [5, 2, 1, 3] {
            cluster.from = (0..count).map(|_| endpoint(1)).collect();
            (0..6).for_each(|at| cluster.said(at, 1, 1));
            (0..50).for_each(|_| assert!(cluster.pick() < count));
        }
    }
}

#[test]
fn with_fewer_than_two_readings_chance_decides_by_weight() {
    for reports in [&[][..], &[1]] {
        let mut cluster = Cluster::new(probe(), &[1, 2, 5]);
        let mut counts = [0_u32; 3];
        for _ in 0..8_000 {
            reports.iter().for_each(|&at| cluster.said(at, 0, 1));
            counts[cluster.pick()] += 1;
        }
        for (count, expected) in counts.into_iter().zip([1_000_u32, 2_000, 5_000]) {
            assert!(count.abs_diff(expected) < 150, "{counts:?}");
        }
    }
}

#[test]
fn the_fastest_cold_one_gets_requests_and_a_hot_one_none() {
    for signals in [header(), probe()] {
        let mut cluster = Cluster::new(signals, &[1; 8]);
        for _ in 0..50 {
            // The fourth is by far the fastest, and has more in flight than seven of eight.
            for (at, ms) in [10, 10, 10, 1, 10, 10, 8, 10].into_iter().enumerate() {
                cluster.said(at, if at == 3 { 40 } else { 2 }, ms);
            }
            assert_eq!(cluster.pick(), 6);
        }
    }
    let mut cluster = Cluster::new(own(), &[1; 16]);
    for at in 0..16 {
        cluster.from[at].in_flight.set(2);
        let ms = match at {
            3 => 1,
            6 => 8,
            _ => 10,
        };
        cluster.answered(at, ms);
    }
    cluster.from[3].in_flight.set(40);
    let counts = cluster.picks(1_000);
    assert_eq!(counts[3], 0, "{counts:?}");
    assert!(counts[6] > 990, "{counts:?}");
}

#[test]
fn when_all_are_hot_the_least_loaded_gets_requests() {
    let mut cluster = Cluster::new(probe(), &[1; 4]);
    // So many readings of idle endpoints that any load is hot.
    (0..64).for_each(|n| cluster.said(n % 2, 0, 1));
    for at in 0..4 {
        cluster.said(at, 9 - u32::try_from(at).unwrap(), 1 + at as u64);
    }
    assert_eq!(cluster.pick(), 3);
}

#[test]
fn one_that_is_not_probed_any_more_is_forgotten() {
    let mut cluster = Cluster::new(probe(), &[1; 3]);
    cluster.said(0, 0, 1);
    for ms in (0..2_000).step_by(50) {
        cluster.said(1, 5, 90);
        cluster.said(2, 5, 90);
        let picked = cluster.pick();
        // Removal leaves it while it is neither the oldest of the three nor more loaded by what it was given.
        assert!(picked != 0 || ms < 1_000, "{ms}");
        cluster.pass(50);
    }
    assert_eq!(cluster.pooled(), [1, 2]);
}

#[test]
fn the_oldest_and_the_worst_leave_in_turn() {
    let by = PrequalRules {
        pool: 6,
        probe_rate: 0.5,
        remove_rate: 0.5,
        ..rules(probe())
    };
    let mut cluster = Cluster::by(&by, &[1; 12]);
    // From the oldest to the newest; the fifth is hot, the sixth the slowest.
    for (at, (in_flight, ms)) in [(1, 9), (1, 8), (1, 7), (1, 6), (30, 5), (1, 90)]
        .into_iter()
        .enumerate()
    {
        cluster.said(at, in_flight, ms);
        cluster.pass(20);
    }
    (0..60).for_each(|_| cluster.balancer.hot.note(&[20_000]));
    let mut left = vec![cluster.pooled()];
    for _ in 0..10 {
        assert!(![4, 5].contains(&cluster.pick()));
        let pooled = cluster.pooled();
        if left.last() != Some(&pooled) {
            left.push(pooled);
        }
    }
    assert_eq!(
        left,
        [
            vec![0, 1, 2, 3, 4, 5],
            vec![1, 2, 3, 4, 5],
            vec![1, 2, 3, 5],
            // Half of what the pool can hold stays.
            vec![2, 3, 5],
        ]
    );
}

#[test]
fn probes_are_due_exactly_as_often_as_the_rules_say() {
    for (rate, expected) in [
        (3.0, [30, 0, 30]),
        (0.3, [3, 0, 3]),
        (0.05, [0, 0, 1]),
        (0.0, [0; 3]),
    ] {
        let by = PrequalRules {
            probe_rate: rate,
            ..rules(probe())
        };
        let mut cluster = Cluster::by(&by, &[1; 20]);
        let mut due = Vec::new();
        for picks in [10, 0, 10] {
            cluster.picks(picks);
            due.push(cluster.balancer.probes_due());
        }
        assert_eq!(due, expected, "{rate}");
    }
    let mut cluster = Cluster::new(probe(), &[1; 20]);
    cluster.picks(1_000);
    assert_eq!(cluster.balancer.probes_due(), Prequal::MOST_DUE);
    assert_eq!(cluster.balancer.probes_due(), 0, "the rest is given up");
    for signals in [own(), header()] {
        let mut cluster = Cluster::new(signals, &[1; 20]);
        cluster.picks(10);
        assert_eq!(cluster.balancer.probes_due(), 0);
    }
}

#[test]
fn targets_of_probes_are_drawn_by_weight_among_those_that_may_get_requests() {
    let mut cluster = Cluster::new(probe(), &[1, 2, 0, 5]);
    cluster.from[3].share.set(0);
    let tried = Tried::new();
    let mut counts = [0_u32; 4];
    for _ in 0..6_000 {
        let target = cluster
            .balancer
            .target(&cluster.from, Wanted::new(&tried), &mut cluster.rng);
        if let Some(at) = target {
            counts[at] += 1;
        }
    }
    assert_eq!((counts[2], counts[3]), (0, 0));
    assert!(counts[1].abs_diff(2 * counts[0]) < 300, "{counts:?}");
    let other = Cluster::new(own(), &[1, 1]);
    let target = other
        .balancer
        .target(&other.from, Wanted::new(&tried), &mut cluster.rng);
    assert_eq!(target, None);
}

#[test]
fn one_that_fails_or_errs_at_once_gets_next_to_nothing() {
    let signals = [own(), header(), probe()];
    for (signals, erred) in signals
        .into_iter()
        .flat_map(|s| [(s.clone(), false), (s, true)])
    {
        let mut cluster = Cluster::new(signals, &[1; 5]);
        let mut failed = 0;
        for _ in 0..5_000 {
            let picked = cluster.pick();
            cluster.pass(1);
            if picked == 2 {
                failed += 1;
                let observed = Observed {
                    latency: Some(Duration::from_millis(1)),
                    failed: !erred,
                    erred,
                    ..Observed::default()
                };
                cluster.observe(2, observed);
                // And it says that nobody is faster.
                cluster.said(2, 0, 0);
            } else {
                cluster.answered(picked, 20);
                cluster.said(picked, 1, 20);
            }
            if cluster.balancer.source == Source::Probe {
                let at = cluster.rng.below(5) as usize;
                cluster.said(at, 0, if at == 2 { 0 } else { 20 });
            }
        }
        assert!(failed <= 50, "{failed} of 5,000, {cluster:?}");
    }
}

#[test]
fn where_responses_are_the_source_what_is_unknown_is_tried_now_and_then() {
    let mut cluster = Cluster::new(header(), &[1; 40]);
    let mut counts = vec![0; 40];
    for _ in 0..8_000 {
        let picked = cluster.pick();
        counts[picked] += 1;
        cluster.answered(picked, 5);
        cluster.said(picked, 1, if picked == 7 { 50 } else { 5 });
        cluster.pass(1);
    }
    assert!(counts.iter().all(|&count| count > 3), "{counts:?}");
    assert!(counts[7] < 30, "the slow one, {counts:?}");
}

#[test]
fn an_endpoint_with_a_part_of_its_share_gets_that_part() {
    for (part, expected) in [(500_u16, 0.125), (100, 0.025), (0, 0.0)] {
        let mut cluster = Cluster::new(own(), &[1; 4]);
        cluster.from[1].share.set(part);
        let share = cluster.picks(20_000)[1] as f64 / 20_000.0;
        assert!((share - expected).abs() < 0.02, "{part}: {share}");
    }
}

/// The requests that each endpoint got of `count`, when so many are under way at once and each endpoint takes so long.
fn steady(cluster: &mut Cluster, in_flight: usize, count: usize, takes_ms: &[u64]) -> Vec<usize> {
    let mut running: VecDeque<(usize, u64)> = VecDeque::new();
    let mut counts = vec![0; cluster.from.len()];
    for _ in 0..count {
        while running.len() >= in_flight {
            cluster.pass(1);
            let now_ms = cluster.now_us / MS;
            running.retain(|&(at, until)| {
                let over = now_ms >= until;
                if over {
                    let endpoint = &cluster.from[at];
                    endpoint.in_flight.set(endpoint.in_flight.get() - 1);
                    cluster.answered(at, takes_ms[at]);
                }
                !over
            });
        }
        let at = cluster.pick();
        counts[at] += 1;
        cluster.from[at]
            .in_flight
            .set(cluster.from[at].in_flight.get() + 1);
        running.push_back((at, cluster.now_us / MS + takes_ms[at]));
    }
    for (at, _) in running {
        let endpoint = &cluster.from[at];
        endpoint.in_flight.set(endpoint.in_flight.get() - 1);
    }
    counts
}

#[test]
fn idle_endpoints_get_what_their_weights_say() {
    let mut cluster = Cluster::new(own(), &[1, 2, 5]);
    let counts = cluster.picks(8_000);
    for (count, expected) in counts.iter().zip([1_000_usize, 2_000, 5_000]) {
        assert!(count.abs_diff(expected) < 150, "{counts:?}");
    }
}

#[test]
fn under_load_equally_fast_endpoints_share_by_weight() {
    let mut cluster = Cluster::new(own(), &[1, 2, 5]);
    let counts = steady(&mut cluster, 80, 8_000, &[20; 3]);
    for (count, expected) in counts.iter().zip([1_000_usize, 2_000, 5_000]) {
        assert!(count.abs_diff(expected) < expected / 5, "{counts:?}");
    }
}

#[test]
fn a_slow_endpoint_gets_little_and_a_frozen_one_a_request_or_two() {
    let mut cluster = Cluster::new(own(), &[1; 10]);
    let mut takes = [10; 10];
    (takes[4], takes[7]) = (200, 1 << 40);
    let counts = steady(&mut cluster, 20, 10_000, &takes);
    assert!(counts[4] < 100 && counts[7] <= 3, "{counts:?}");
    let others = [0, 1, 2, 3, 5, 6, 8, 9].map(|at| counts[at]);
    assert!(others.iter().all(|&count| count > 600), "{counts:?}");
}

#[test]
fn a_slow_one_that_has_become_fast_is_found_again() {
    let mut cluster = Cluster::new(own(), &[1; 4]);
    steady(&mut cluster, 8, 2_000, &[10, 10, 10, 300]);
    // What was measured of it is forgotten in ten seconds; then it is tried.
    let counts = steady(&mut cluster, 8, 16_000, &[10; 4]);
    assert!(counts[3] > 400, "{counts:?}");
}

#[test]
fn a_node_that_knows_little_uses_what_it_knows() {
    // A hundred endpoints, a request each 100 ms: each endpoint is measured once in what is remembered.
    let mut cluster = Cluster::new(own(), &[1; 100]);
    let mut good = 0;
    for n in 0..2_000 {
        let at = cluster.pick();
        // A quarter of them is slow; by chance 75 % of requests would meet a good one.
        cluster.answered(at, if at.is_multiple_of(4) { 100 } else { 10 });
        good += usize::from(n >= 200 && !at.is_multiple_of(4));
        cluster.pass(100);
    }
    assert!(good > 1_700, "{good} of 1,800");
}

#[test]
fn few_nodes_with_many_requests_do_not_herd_by_chance() {
    // Ten equal endpoints whose latencies, as they report them, differ by chance alone.
    for signals in [header(), probe()] {
        let mut cluster = Cluster::new(signals, &[1; 10]);
        let mut most = 0;
        let mut running = VecDeque::new();
        for n in 0..4_000 {
            let at = cluster.pick();
            let load = &cluster.from[at].in_flight;
            load.set(load.get() + 1);
            running.push_back(at);
            if running.len() > 40 {
                let ended = running.pop_front().unwrap();
                let load = &cluster.from[ended].in_flight;
                load.set(load.get() - 1);
            }
            for _ in 0..3 {
                let at = cluster.rng.below(10) as usize;
                let ms = 10 + u64::from(cluster.rng.below(10));
                cluster.said(at, cluster.from[at].in_flight.get(), ms);
            }
            if n > 400 {
                most = most.max(
                    cluster
                        .from
                        .iter()
                        .map(|one| one.in_flight.get())
                        .max()
                        .unwrap(),
                );
            }
        }
        assert!(most <= 8, "{most} at one of ten that should have 4 each");
    }
}
