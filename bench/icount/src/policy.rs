//! Measures of the balancers: one pick, for each algorithm, among a few, many and very many endpoints.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use evenkeel_base::{BalancerKind, Rng};
use evenkeel_policy::slow_start::Entry;
use evenkeel_policy::{Balancer, Candidate, Health, Standing, Tried, Wanted};

use crate::{Measure, Work};

/// How many endpoints there are to pick from.
const CROWDS: [usize; 3] = [3, 100, 5_000];

/// An endpoint with some load, so that a comparison has something to compare.
struct Endpoint {
    in_flight: u32,
    limit: AtomicU32,
    standing: Standing,
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
    let weights = vec![1; crowd];
    let endpoints: Vec<_> = (0..7)
        .cycle()
        .take(crowd)
        .map(|in_flight| Endpoint {
            in_flight,
            limit: AtomicU32::new(u32::MAX),
            standing: Standing::new(Health::Up, Entry::Full),
        })
        .collect();
    let balancer = Balancer::new(kind, &weights, 0);
    let mut rng = Rng::new(1);
    Box::new(move || {
        let tried = Tried::new();
        let picked = balancer.pick(black_box(&endpoints), Wanted::new(&tried), &mut rng);
        assert!(picked.is_some(), "nothing is picked");
        picked.map_or(0, |position| position + 1)
    })
}
