//! Measures of the balancers: one pick, for each algorithm, among a few, many and very many endpoints.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use evenkeel_base::rules::BalancerRules;
use evenkeel_base::{BalancerKind, Rng};
use evenkeel_policy::slow_start::Entry;
use evenkeel_policy::{
    Balancer, Candidate, Health, Load, Member, Observed, Standing, Tried, Wanted,
};

use crate::{Measure, Work};

/// When it is: what was observed is fresh.
const NOW_US: u64 = 1_000_000;

/// How many endpoints there are to pick from.
const CROWDS: [usize; 3] = [3, 100, 5_000];

/// An endpoint with some load, so that a comparison has something to compare.
struct Endpoint {
    in_flight: u32,
    limit: AtomicU32,
    standing: Standing,
    load: Load,
}

impl Candidate for Endpoint {
    fn weight(&self) -> u16 {
        1
    }

    fn in_flight(&self) -> u32 {
        black_box(self.in_flight)
    }

    fn share(&self) -> u16 {
        self.standing.share()
    }

    fn has_room(&self) -> bool {
        self.in_flight < self.limit.load(Ordering::Relaxed)
    }

    fn load(&self) -> Option<&Load> {
        Some(&self.load)
    }
}

pub(crate) fn measures() -> Vec<Measure> {
    let mut measures = Vec::new();
    for kind in BalancerKind::ALL {
        for crowd in CROWDS {
            let name = format!("pick-{}-{crowd}", kind.name());
            measures.push(Measure::new(&name, "pick", move || pick(kind, crowd)));
        }
    }
    measures
}

fn pick(kind: BalancerKind, crowd: usize) -> Work {
    let ids: Vec<String> = (0..crowd).map(|at| format!("10.0.0.1:{at}")).collect();
    let members: Vec<_> = ids
        .iter()
        .map(|id| Member {
            id,
            weight: 1,
            rank: 0,
        })
        .collect();
    let endpoints: Vec<_> = (0..7)
        .cycle()
        .take(crowd)
        .map(|in_flight| Endpoint {
            in_flight,
            limit: AtomicU32::new(u32::MAX),
            standing: Standing::new(Health::Up, Entry::Full),
            load: Load::new(),
        })
        .collect();
    let balancer = Balancer::new(&BalancerRules::of(kind), &members, None);
    // Each has answered once, so that latencies are compared, and is not asked for its load again.
    for (at, endpoint) in endpoints.iter().enumerate() {
        let observed = Observed {
            latency: Some(Duration::from_millis(u64::from(endpoint.in_flight) + 1)),
            in_flight: endpoint.in_flight,
            ..Observed::default()
        };
        balancer.observe(&endpoints, at, &observed, NOW_US);
    }
    balancer.tick(&endpoints, NOW_US);
    let mut rng = Rng::new(1);
    Box::new(move || {
        let tried = Tried::new();
        let wanted = Wanted {
            key: kind.hashes().then(|| rng.next_u64()),
            now_us: NOW_US,
            ..Wanted::new(&tried)
        };
        let picked = balancer.pick(black_box(&endpoints), wanted, &mut rng);
        assert!(picked.is_some(), "nothing is picked");
        picked.map_or(0, |position| position + 1)
    })
}
