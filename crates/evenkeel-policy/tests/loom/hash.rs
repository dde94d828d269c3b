//! Bounded load with workers that pick at the same time.

use evenkeel_base::Rng;
use evenkeel_base::rules::{BalancerRules, HashRules, HashTable};
use evenkeel_policy::{Balancer, Candidate, Member, Tried, Wanted};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

/// An endpoint that counts what it is given.
struct Endpoint(AtomicU32);

impl Candidate for Endpoint {
    fn weight(&self) -> u16 {
        1
    }

    fn in_flight(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    fn share(&self) -> u16 {
        1_000
    }

    fn has_room(&self) -> bool {
        true
    }
}

/// A cluster of two, with a bound of 100 %.
struct Cluster {
    balancer: Balancer,
    from: [Endpoint; 2],
}

impl Cluster {
    fn new() -> Self {
        let rules = BalancerRules::Hash(HashRules {
            bound_percent: 100,
            ..HashRules::of(HashTable::Rendezvous)
        });
        let members = ["a", "b"].map(|id| Member {
            id,
            weight: 1,
            rank: 0,
        });
        Self {
            balancer: Balancer::new(&rules, &members, None),
            from: [0, 0].map(|load| Endpoint(AtomicU32::new(load))),
        }
    }

    /// A request with the one key that all have: picks, and counts.
    fn request(&self) {
        let tried = Tried::new();
        let wanted = Wanted {
            key: Some(7),
            in_flight: self.from.iter().map(Candidate::in_flight).sum(),
            ..Wanted::new(&tried)
        };
        let picked = self.balancer.pick(&self.from, wanted, &mut Rng::new(1));
        self.from[picked.unwrap()].0.fetch_add(1, Ordering::Relaxed);
    }

    fn most(&self) -> u32 {
        self.from
            .iter()
            .map(Candidate::in_flight)
            .max()
            .unwrap_or(0)
    }
}

#[test]
fn two_workers_exceed_a_bound_by_one_at_most() {
    loom::model(|| {
        let cluster = Arc::new(Cluster::new());
        let other = Arc::clone(&cluster);
        let other = thread::spawn(move || other.request());
        cluster.request();
        other.join().unwrap();
        // In turns it is one each: the bound is 1 for the first and for the second request.
        assert!(cluster.most() <= 1 + 1);
        cluster.request();
        assert_eq!(
            cluster.from.iter().map(Candidate::in_flight).sum::<u32>(),
            3
        );
        assert!(cluster.most() <= 2);
    });
}

#[test]
fn a_tick_beside_a_pick_hides_no_endpoint() {
    loom::model(|| {
        let cluster = Arc::new(Cluster::new());
        let other = Arc::clone(&cluster);
        let other = thread::spawn(move || other.balancer.tick(&other.from, 0));
        cluster.request();
        other.join().unwrap();
        assert_eq!(cluster.most(), 1);
    });
}
