//! Tiers whose parts the ticker changes while workers pick.

use evenkeel_base::Rng;
use evenkeel_base::rules::{BalancerRules, TierRules};
use evenkeel_policy::{Candidate, Member, Tiers, Tried, Wanted};
use loom::sync::Arc;
use loom::thread;

/// An endpoint with that share.
#[derive(Clone, Copy)]
struct Endpoint(u16);

impl Candidate for Endpoint {
    fn weight(&self) -> u16 {
        1
    }

    fn in_flight(&self) -> u32 {
        0
    }

    fn share(&self) -> u16 {
        self.0
    }

    fn has_room(&self) -> bool {
        true
    }
}

/// Whatever mixture of old and new parts a pick sees, it finds an endpoint that admits.
#[test]
fn a_pick_finds_somebody_while_the_parts_change() {
    for seed in 0..4 {
        loom::model(move || {
            let members: Vec<_> = (0..3)
                .map(|rank| Member {
                    id: "",
                    weight: 1,
                    rank,
                })
                .collect();
            let rules = (BalancerRules::Random, TierRules::DEFAULT);
            let tiers = Arc::new(Tiers::new(&rules.0, &rules.1, &members, None));
            tiers.weigh(&[350, 1_000, 1_000].map(Endpoint));
            let now = [0, 140, 1_000].map(Endpoint);
            let ticker = {
                let tiers = Arc::clone(&tiers);
                thread::spawn(move || tiers.weigh(&now))
            };
            let tried = Tried::new();
            let picked = tiers.pick(&now, Wanted::new(&tried), &mut Rng::new(seed));
            assert!(matches!(picked, Some(1 | 2)), "{picked:?}");
            ticker.join().unwrap();
            let kept: Vec<f64> = tiers
                .several()
                .map(|tier| (tier.keeps * 10.0).round())
                .collect();
            assert_eq!(kept, [0.0, 2.0, 8.0]);
        });
    }
}
