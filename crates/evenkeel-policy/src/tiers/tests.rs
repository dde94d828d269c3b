//! Which tier a pick comes from, and that everything else reaches the right one.

use std::cell::Cell;

use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

use evenkeel_base::BalancerKind;
use evenkeel_base::rules::{PrequalRules, Signals};

use super::*;

/// An endpoint of a tier.
#[derive(Clone, Debug)]
struct Endpoint {
    rank: u16,
    weight: u16,
    share: Cell<u16>,
    room: Cell<bool>,
}

impl Candidate for Endpoint {
    fn weight(&self) -> u16 {
        self.weight
    }

    fn in_flight(&self) -> u32 {
        0
    }

    fn share(&self) -> u16 {
        self.share.get()
    }

    fn has_room(&self) -> bool {
        self.room.get()
    }
}

/// Endpoints of these ranks, all well.
fn endpoints(ranks: &[u16]) -> Vec<Endpoint> {
    let endpoint = |&rank| Endpoint {
        rank,
        weight: 1,
        share: Cell::new(1_000),
        room: Cell::new(true),
    };
    ranks.iter().map(endpoint).collect()
}

/// The tiers of these endpoints, with what they keep found out.
fn tiers(kind: BalancerKind, from: &[Endpoint]) -> Tiers {
    let tiers = following(kind, from, None);
    tiers.tick(from, 0);
    tiers
}

fn following(kind: BalancerKind, from: &[Endpoint], follows: Option<&Tiers>) -> Tiers {
    made(&BalancerRules::of(kind), from, follows)
}

fn made(rules: &BalancerRules, from: &[Endpoint], follows: Option<&Tiers>) -> Tiers {
    let ids: Vec<String> = (0..from.len()).map(|at| format!("e{at}")).collect();
    let members: Vec<_> = ids
        .iter()
        .zip(from)
        .map(|(id, endpoint)| Member {
            id,
            weight: endpoint.weight,
            rank: endpoint.rank,
        })
        .collect();
    Tiers::new(rules, &TierRules::DEFAULT, &members, follows)
}

fn tried(positions: &[usize]) -> Tried {
    let mut tried = Tried::new();
    positions.iter().for_each(|&at| tried.insert(at));
    tried
}

fn picks(tiers: &Tiers, from: &[Endpoint], tried: &Tried, count: usize) -> Vec<Option<usize>> {
    let mut rng = Rng::new(1);
    (0..count)
        .map(|_| tiers.pick(from, Wanted::new(tried), &mut rng))
        .collect()
}

/// The percentage of picks that come from each tier of a cluster with three of them, of which two, three and one endpoints
/// are well as these say.
#[track_caller]
fn check(well: [usize; 3], expected: [f64; 3]) {
    let from = endpoints(&[0, 0, 0, 0, 2, 2, 2, 2, 5, 5, 5, 5]);
    for (tier, well) in well.into_iter().enumerate() {
        let ill = &from[tier * 4 + well..tier * 4 + 4];
        ill.iter().for_each(|endpoint| endpoint.share.set(0));
    }
    let tiers = tiers(BalancerKind::Random, &from);
    let mut percent = [0.0; 3];
    for at in picks(&tiers, &from, &Tried::new(), 20_000) {
        percent[at.unwrap() / 4] += 100.0 / 20_000.0;
    }
    for (percent, expected) in percent.iter().zip(expected) {
        let close = (percent - expected).abs() < 1.5;
        assert!(close && (expected > 0.0 || *percent == 0.0), "{percent}");
    }
}

#[test]
fn a_tier_keeps_everything_until_too_little_of_it_admits() {
    check([4, 4, 4], [100.0, 0.0, 0.0]);
    check([3, 4, 4], [100.0, 0.0, 0.0]);
    check([2, 4, 4], [71.4, 28.6, 0.0]);
    check([1, 4, 4], [35.7, 64.3, 0.0]);
    check([1, 1, 4], [35.7, 35.7, 28.6]);
    check([0, 3, 4], [0.0, 100.0, 0.0]);
    check([0, 0, 1], [0.0, 0.0, 100.0]);
    check([1, 1, 0], [50.0, 50.0, 0.0]);
}

#[test]
fn a_tier_that_has_nobody_left_passes_on_to_the_others_in_their_order() {
    let from = endpoints(&[0, 0, 1, 2]);
    let tiers = tiers(BalancerKind::LeastRequest, &from);
    let pick = |positions: &[usize]| picks(&tiers, &from, &tried(positions), 1)[0];
    assert_eq!(pick(&[0]), Some(1));
    assert_eq!(pick(&[0, 1]), Some(2));
    assert_eq!(pick(&[0, 1, 2]), Some(3));
    assert_eq!(pick(&[0, 1, 2, 3]), None);
    from[..2]
        .iter()
        .for_each(|endpoint| endpoint.room.set(false));
    tiers.tick(&from, 0);
    assert_eq!(pick(&[]), Some(2), "those that are full are well");
    // The second tier is the one that is drawn, and the first comes before the third.
    from[..2].iter().for_each(|endpoint| {
        endpoint.room.set(true);
        endpoint.share.set(1);
    });
    tiers.tick(&from, 0);
    assert!(matches!(pick(&[2]), Some(0 | 1)));
}

#[test]
fn regardless_of_standing_it_is_the_same_tier_that_is_drawn() {
    let from = endpoints(&[0, 0, 1, 1]);
    let tiers = tiers(BalancerKind::RoundRobin, &from);
    let tried = Tried::new();
    let mut rng = Rng::new(1);
    let mut pick = || {
        let wanted = Wanted {
            regardless: true,
            ..Wanted::new(&tried)
        };
        tiers.pick(&from, wanted, &mut rng)
    };
    // The first tier is dead, half of the second is well: a panic uses all of the second.
    for at in [0, 1, 2] {
        from[at].share.set(0);
    }
    tiers.tick(&from, 0);
    assert_eq!([pick(), pick(), pick()], [Some(2), Some(3), Some(2)]);
    // Nobody is well: the first it is.
    from[3].share.set(0);
    tiers.tick(&from, 0);
    assert_eq!([pick(), pick(), pick()], [Some(0), Some(1), Some(0)]);
}

#[test]
fn until_it_is_weighed_the_first_tier_keeps_everything() {
    let from = endpoints(&[0, 0, 1]);
    from[0].share.set(0);
    let tiers = following(BalancerKind::Random, &from, None);
    let keeps = || tiers.several().map(|tier| tier.keeps).collect::<Vec<_>>();
    assert_eq!(keeps(), [1.0, 0.0]);
    tiers.weigh(&from);
    let kept = keeps();
    assert!((kept[0] - 0.714).abs() < 0.001 && (kept[0] + kept[1] - 1.0).abs() < 1e-9);
}

#[test]
fn a_rank_is_a_tier_and_within_it_the_own_zone_first() {
    let ranks = [(0, false), (0, true), (1, false), (255, true)].map(|(tier, far)| rank(tier, far));
    assert_eq!(ranks, [0, 1, 2, 511]);
    let from = endpoints(&ranks);
    let seen: Vec<_> = tiers(BalancerKind::Random, &from)
        .several()
        .map(|tier| (tier.number(), tier.is_elsewhere()))
        .collect();
    assert_eq!(seen, [(0, false), (0, true), (1, false), (255, true)]);
}

#[test]
fn people_see_ranks_ranges_and_who_spills() {
    let from = endpoints(&[0, 3, 3, 4]);
    from[0].share.set(0);
    from[1].share.set(0);
    let seen: Vec<_> = tiers(BalancerKind::Random, &from)
        .several()
        .map(|tier| (tier.rank, tier.endpoints.clone(), tier.spills()))
        .collect();
    assert_eq!(seen, [(0, 0..1, true), (3, 1..3, true), (4, 3..4, false)]);
    assert_eq!(
        tiers(BalancerKind::Random, &endpoints(&[3, 3]))
            .several()
            .count(),
        0
    );
}

#[test]
fn a_rotation_goes_on_in_the_tier_of_its_rank() {
    let first = endpoints(&[2, 2, 2]);
    let before = tiers(BalancerKind::RoundRobin, &first);
    assert_eq!(picks(&before, &first, &Tried::new(), 1), [Some(0)]);
    let both = endpoints(&[0, 2, 2, 2]);
    both[0].share.set(0);
    let after = following(BalancerKind::RoundRobin, &both, Some(&before));
    after.tick(&both, 0);
    let all = [Some(2), Some(3), Some(1)];
    assert_eq!(picks(&after, &both, &Tried::new(), 3), all);
    let again = following(BalancerKind::RoundRobin, &first, Some(&after));
    assert_eq!(picks(&again, &first, &Tried::new(), 1), [Some(1)]);
}

#[test]
fn every_group_says_whom_to_probe_for_load() {
    let from = endpoints(&[0, 0, 2, 2, 2]);
    let rules = BalancerRules::Prequal(PrequalRules {
        signals: Signals::Probe("/load".into()),
        ..PrequalRules::DEFAULT
    });
    let tiers = made(&rules, &from, None);
    let mut rng = Rng::new(1);
    let mut asked = |tiers: &Tiers, least| {
        let mut asked = [0; 5];
        tiers.probes(&from, least, &mut rng, |at| asked[at] += 1);
        (asked[..2].iter().sum(), asked[2..].iter().sum())
    };
    assert_eq!(asked(&tiers, 0), (0, 0));
    assert_eq!(asked(&tiers, 2), (2, 2));
    drop(picks(&tiers, &from, &Tried::new(), 5));
    assert_eq!(asked(&tiers, 1), (15, 1), "three for each pick");
    let others = made(&BalancerRules::DEFAULT, &from, None);
    assert_eq!(asked(&others, 9), (0, 0));
}

#[test]
fn a_list_that_is_shorter_than_it_was_is_no_reason_to_panic() {
    let from = endpoints(&[0, 1, 1, 2]);
    for kind in BalancerKind::ALL {
        let tiers = tiers(kind, &from);
        for short in [&from[..0], &from[..1], &from[..2]] {
            tiers.tick(short, 0);
            tiers.observe(short, 3, &Observed::default(), 0);
            let picked = tiers.pick(short, Wanted::new(&Tried::new()), &mut Rng::new(1));
            assert_eq!(picked.is_some(), !short.is_empty(), "{kind}");
        }
    }
}

fn any_endpoint() -> impl Strategy<Value = Endpoint> {
    let share = prop_oneof![Just(0), Just(1_000), 0..=1_000_u16];
    (0..4_u16, 0..4_u16, share, any::<bool>()).prop_map(|(rank, weight, share, room)| Endpoint {
        rank,
        weight,
        share: Cell::new(share),
        room: Cell::new(room),
    })
}

proptest! {
    // Few, for the tables of some balancers take their time to be made.
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// There is a pick exactly when there is one in any tier, it may be picked, and equal seeds pick the same.
    #[test]
    fn whoever_may_be_picked_in_any_tier_is_found(
        mut from in prop::collection::vec(any_endpoint(), 0..12),
        positions in prop::collection::vec(0..12_usize, 0..6),
        regardless in any::<bool>(),
        seed in any::<u64>(),
    ) {
        from.sort_by_key(|endpoint| endpoint.rank);
        let tried = tried(&positions);
        let wanted = Wanted { regardless, ..Wanted::new(&tried) };
        let fits = |at: usize| {
            let one = &from[at];
            one.weight > 0 && (regardless || one.share() > 0) && one.has_room() && !tried.contains(at)
        };
        for kind in BalancerKind::ALL {
            let run = || {
                let (tiers, mut rng) = (tiers(kind, &from), Rng::new(seed));
                (0..5).map(|_| tiers.pick(&from, wanted, &mut rng)).collect::<Vec<_>>()
            };
            let all = run();
            for picked in &all {
                prop_assert_eq!(picked.is_some(), (0..from.len()).any(fits), "{}", kind);
                prop_assert!(picked.is_none_or(fits), "{} {:?}", kind, picked);
            }
            prop_assert_eq!(all, run(), "{}", kind);
        }
    }

    /// While the first tier keeps everything and has somebody, nobody else is asked.
    #[test]
    fn nobody_leaves_a_first_tier_that_is_well(
        mut from in prop::collection::vec(any_endpoint(), 1..12),
        seed in any::<u64>(),
    ) {
        from.sort_by_key(|endpoint| endpoint.rank);
        let first = from[0].rank;
        for endpoint in from.iter_mut().filter(|endpoint| endpoint.rank == first) {
            endpoint.weight += 1;
            endpoint.share.set(1_000);
            endpoint.room.set(true);
        }
        for kind in BalancerKind::ALL {
            let (tiers, mut rng) = (tiers(kind, &from), Rng::new(seed));
            for _ in 0..20 {
                let picked = tiers.pick(&from, Wanted::new(&Tried::new()), &mut rng);
                prop_assert!(picked.is_some_and(|at| from[at].rank == first), "{}", kind);
            }
        }
    }

    /// What one tier does, it does as its balancer would by itself.
    #[test]
    fn one_tier_is_its_balancer(weights in prop::collection::vec(0..4_u16, 0..8), seed in any::<u64>()) {
        let mut from = endpoints(&vec![7; weights.len()]);
        from.iter_mut().zip(&weights).for_each(|(endpoint, &weight)| endpoint.weight = weight);
        for kind in BalancerKind::ALL {
            let ids: Vec<String> = (0..from.len()).map(|at| format!("e{at}")).collect();
            let members: Vec<_> = ids.iter().zip(&weights).map(|(id, &weight)| Member { id, weight, rank: 0 }).collect();
            let alone = Balancer::new(&BalancerRules::of(kind), &members, None);
            let tiers = tiers(kind, &from);
            alone.tick(&from, 0);
            prop_assert_eq!(tiers.needs(), alone.needs());
            let (tried, mut a, mut b) = (Tried::new(), Rng::new(seed), Rng::new(seed));
            for _ in 0..5 {
                let wanted = Wanted::new(&tried);
                prop_assert_eq!(tiers.pick(&from, wanted, &mut a), alone.pick(&from, wanted, &mut b));
            }
        }
    }
}

/// The first picks of nodes with these names, in tiers of the same kind.
fn first_picks(kind: BalancerKind, nodes: &[&str], from: &[Endpoint]) -> Vec<usize> {
    let first = |node: &&str| {
        let tiers = tiers(kind, from);
        tiers.set_out(node);
        let none = tried(&[]);
        tiers
            .pick(from, Wanted::new(&none), &mut Rng::new(1))
            .unwrap()
    };
    nodes.iter().map(first).collect()
}

#[test]
fn nodes_that_start_together_do_not_rotate_in_step() {
    let names: Vec<String> = (0..100).map(|n| format!("lb-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for ranks in [&[0; 100][..], &[[0; 50], [1; 50]].concat()] {
        let from = endpoints(ranks);
        let of_first = ranks.iter().filter(|&&rank| rank == 0).count();
        for kind in [BalancerKind::RoundRobin, BalancerKind::LeastConnections] {
            let picks = first_picks(kind, &names, &from);
            assert_eq!(picks, first_picks(kind, &names, &from), "by the name alone");
            let mut places = vec![0; of_first];
            picks.iter().for_each(|&at| places[at] += 1);
            // As by chance: in the mean so many at each.
            let most = *places.iter().max().unwrap();
            assert!(most <= 100 / of_first + 6, "{kind:?}: {places:?}");
            assert_eq!(first_picks(kind, &["", ""], &from), [0, 0]);
        }
    }
}

#[test]
fn a_rotation_that_has_begun_goes_on_where_it_is() {
    let from = endpoints(&[0; 10]);
    let none = tried(&[]);
    let pick = |tiers: &Tiers| tiers.pick(&from, Wanted::new(&none), &mut Rng::new(1));
    let before = following(BalancerKind::RoundRobin, &from, None);
    before.set_out("lb-1");
    let first = pick(&before).unwrap();
    let after = following(BalancerKind::RoundRobin, &from, Some(&before));
    after.set_out("lb-1");
    assert_eq!(pick(&after), Some((first + 1) % 10));
    after.set_out("lb-2");
    assert_eq!(
        pick(&after),
        Some((first + 2) % 10),
        "a node of another name"
    );
}
