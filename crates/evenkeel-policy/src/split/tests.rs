//! Shares that are exact by turns, and by key as steady as they can be.

use std::cell::Cell;

use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;

/// A cluster in a test.
#[derive(Clone)]
struct Cluster {
    name: String,
    weight: u16,
    open: Cell<bool>,
}

impl Candidate for Cluster {
    fn weight(&self) -> u16 {
        self.weight
    }

    fn in_flight(&self) -> u32 {
        0
    }

    fn share(&self) -> u16 {
        if self.open.get() { 1_000 } else { 0 }
    }

    fn has_room(&self) -> bool {
        true
    }
}

/// Clusters `a`, `b`, `c` … with these weights.
fn clusters(weights: &[u16]) -> Vec<Cluster> {
    let names = ('a'..='z').map(String::from);
    names
        .zip(weights)
        .map(|(name, &weight)| Cluster {
            name,
            weight,
            open: Cell::new(true),
        })
        .collect()
}

fn split(clusters: &[Cluster], by_key: bool) -> Split {
    follow(clusters, by_key, None)
}

fn follow(clusters: &[Cluster], by_key: bool, before: Option<&Split>) -> Split {
    let named: Vec<(&str, u16)> = clusters
        .iter()
        .map(|cluster| (cluster.name.as_str(), cluster.weight))
        .collect();
    Split::new(&named, by_key, before)
}

/// The names of the clusters that so many requests go to.
fn turns(split: &Split, clusters: &[Cluster], count: usize) -> String {
    let mut rng = Rng::new(1);
    (0..count)
        .map(|_| &*clusters[split.pick(clusters, None, &mut rng).unwrap()].name)
        .collect()
}

/// How many of the turns each cluster had.
fn counts(turns: &str, clusters: &[Cluster]) -> Vec<usize> {
    clusters
        .iter()
        .map(|cluster| turns.matches(&cluster.name).count())
        .collect()
}

/// Where each of so many keys goes.
fn keys(clusters: &[Cluster], count: u64) -> Vec<usize> {
    let (split, mut rng) = (split(clusters, true), Rng::new(1));
    // Far from each other, as hashes are.
    let mut hashes = Rng::new(7);
    (0..count)
        .map(|_| {
            let key = Some(hashes.next_u64());
            split.pick(clusters, key, &mut rng).unwrap()
        })
        .collect()
}

fn parts(weights: &[u16]) -> Vec<f64> {
    let total: f64 = weights.iter().copied().map(f64::from).sum();
    weights
        .iter()
        .map(|&weight| f64::from(weight) / total)
        .collect()
}

#[test]
fn five_of_a_hundred_are_five_of_a_hundred() {
    let all = clusters(&[95, 5]);
    let split = split(&all, false);
    let before = turns(&split, &all, 7);
    for _ in 0..3 {
        let round = turns(&split, &all, 100);
        assert_eq!(counts(&round, &all), [95, 5], "from {before} on");
        assert!(!round.contains("bb"), "{round}");
    }
}

#[test]
fn turns_go_on_over_a_change() {
    let all = clusters(&[1, 1, 1]);
    let first = split(&all, false);
    assert_eq!(turns(&first, &all, 4), "abca");
    let next = follow(&all, false, Some(&first));
    assert_eq!(turns(&next, &all, 4), "bcab");
}

#[test]
fn what_takes_nobody_gives_its_part_to_the_others_in_proportion() {
    let all = clusters(&[5, 3, 2]);
    let split = split(&all, false);
    all[0].open.set(false);
    assert_eq!(counts(&turns(&split, &all, 500), &all), [0, 300, 200]);
    all[1].open.set(false);
    assert_eq!(turns(&split, &all, 5), "ccccc");
    all[2].open.set(false);
    let none_is_open = turns(&split, &all, 10);
    assert_eq!(counts(&none_is_open, &all), [5, 3, 2], "{none_is_open}");
    all[0].open.set(true);
    assert_eq!(turns(&split, &all, 5), "aaaaa");
}

#[test]
fn a_cluster_without_weight_gets_nothing_and_the_last_one_everything() {
    for by_key in [false, true] {
        let mut all = clusters(&[0, 1, 0]);
        let mut rng = Rng::new(1);
        let mut picks = |all: &[Cluster], key| split(all, by_key).pick(all, key, &mut rng);
        for key in [None, Some(0), Some(u64::MAX)] {
            assert_eq!(picks(&all, key), Some(1));
        }
        all[1].open.set(false);
        assert_eq!(picks(&all, Some(9)), Some(1), "though it takes nobody");
        all[1].weight = 0;
        assert_eq!(picks(&all, Some(9)), None);
        assert_eq!(picks(&[], Some(9)), None);
    }
}

#[test]
fn requests_without_a_key_go_by_turns() {
    let all = clusters(&[2, 1]);
    assert_eq!(turns(&split(&all, true), &all, 6), "aabaab");
}

#[test]
fn a_key_stays_with_a_cluster_whatever_the_order_and_the_chance() {
    let all = clusters(&[50, 30, 20]);
    let reversed: Vec<Cluster> = all.iter().rev().cloned().collect();
    let (one, other) = (split(&all, true), split(&reversed, true));
    for seed in 0..1_000 {
        let key = Some(Rng::new(seed).next_u64());
        let here = one.pick(&all, key, &mut Rng::new(seed)).unwrap();
        let there = other.pick(&reversed, key, &mut Rng::new(!seed)).unwrap();
        assert_eq!(all[here].name, reversed[there].name);
    }
}

#[test]
fn keys_of_a_cluster_that_takes_nobody_move_and_come_back_and_no_others() {
    let all = clusters(&[50, 30, 20]);
    let before = keys(&all, 10_000);
    all[0].open.set(false);
    let without = keys(&all, 10_000);
    let mut moved = [0_usize; 3];
    for (before, without) in before.iter().zip(&without) {
        if *before == 0 {
            moved[*without] += 1;
        } else {
            assert_eq!(before, without);
        }
    }
    let part = moved[1] as f64 / (moved[1] + moved[2]) as f64;
    assert!(moved[0] == 0 && (part - 0.6).abs() < 0.03, "{moved:?}");
    all[0].open.set(true);
    assert_eq!(keys(&all, 10_000), before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Shares are exact over each round, and after any number of turns every cluster is less than one from its share.
    #[test]
    fn turns_hold_their_shares(weights in prop::collection::vec(0..=100_u16, 1..6), more in 1..=100_u16) {
        let mut weights = weights;
        weights[0] = weights[0].max(more);
        let all = clusters(&weights);
        let total: usize = weights.iter().copied().map(usize::from).sum();
        let all_turns = turns(&split(&all, false), &all, 2 * total);
        for n in 1..=2 * total {
            for (had, weight) in counts(&all_turns[..n], &all).into_iter().zip(&weights) {
                let off = (had * total).abs_diff(n * usize::from(*weight));
                prop_assert!(off < total, "{weights:?} after {n}: {had}");
                prop_assert!(!n.is_multiple_of(total) || off == 0);
            }
        }
    }

    /// By key every cluster has its share of the keys, up to chance: 5 standard deviations of 4,000 draws are below 0.04.
    #[test]
    fn keys_are_shared_by_weight(weights in prop::collection::vec(1..=1_000_u16, 1..5)) {
        let all = clusters(&weights);
        let found = keys(&all, 4_000);
        for (at, part) in parts(&weights).into_iter().enumerate() {
            let has = found.iter().filter(|side| **side == at).count() as f64 / 4_000.0;
            prop_assert!((has - part).abs() < 0.04, "{weights:?}: {has} of {at}");
        }
    }

    /// When one weight changes, keys move from that cluster or to it, never both, and so many as its shares differ.
    #[test]
    fn a_changed_weight_moves_the_difference(
        weights in prop::collection::vec(1..=1_000_u16, 2..5),
        changed in any::<prop::sample::Index>(),
        to in 0..=1_000_u16,
    ) {
        let at = changed.index(weights.len());
        let before = clusters(&weights);
        let mut after = before.clone();
        after[at].weight = to;
        let mut after_weights = weights.clone();
        after_weights[at] = to;
        let (before, after) = (keys(&before, 4_000), keys(&after, 4_000));
        let (mut came, mut went) = (0, 0);
        for (from, to) in before.iter().zip(&after).filter(|(from, to)| from != to) {
            prop_assert!(*from == at || *to == at, "{from} to {to}, but {at} changed");
            came += usize::from(*to == at);
            went += usize::from(*from == at);
        }
        prop_assert!(came == 0 || went == 0, "{came} came, {went} went");
        let difference = (parts(&weights)[at] - parts(&after_weights)[at]).abs();
        let moved = (came + went) as f64 / 4_000.0;
        prop_assert!((moved - difference).abs() < 0.04, "{moved}, {difference}");
    }

    /// A cluster that is added takes its share, and moves no key between the others.
    #[test]
    fn a_new_cluster_takes_only_what_becomes_its(weights in prop::collection::vec(1..=1_000_u16, 2..5)) {
        let after = clusters(&weights);
        let (before, after) = (keys(&after[1..], 1_000), keys(&after, 1_000));
        for (before, after) in before.into_iter().zip(after) {
            prop_assert!(after == 0 || after == before + 1);
        }
    }

    /// Any weights, any that are closed, any key: the pick is an open cluster with weight where there is one.
    #[test]
    fn a_pick_is_open_when_one_is(
        all in prop::collection::vec((0..3_u16, any::<bool>()), 0..6),
        by_key in any::<bool>(),
        key in any::<Option<u64>>(),
        seed in any::<u64>(),
    ) {
        let weights: Vec<u16> = all.iter().map(|(weight, _)| *weight).collect();
        let list = clusters(&weights);
        for (cluster, (_, open)) in list.iter().zip(&all) {
            cluster.open.set(*open);
        }
        let picked = split(&list, by_key).pick(&list, key, &mut Rng::new(seed));
        let weighted = |at: usize| all[at].0 > 0;
        let fits = |at: usize| weighted(at) && all[at].1;
        prop_assert_eq!(picked.is_some(), (0..all.len()).any(weighted));
        if (0..all.len()).any(fits) {
            prop_assert!(picked.is_some_and(fits));
        }
    }
}
