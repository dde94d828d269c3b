//! The schedule against its promise.

use proptest::prelude::*;

use super::*;

fn turns(weights: &[u16]) -> Vec<u32> {
    schedule(weights).into_vec()
}

#[test]
fn schedules_read_like_this() {
    for (weights, expected) in [
        (&[1, 1, 1][..], &[0, 1, 2][..]),
        (&[7, 7], &[0, 1]),
        (&[0, 5, 0], &[1]),
        (&[2, 1, 1], &[0, 1, 0, 2]),
        (&[1, 2], &[1, 0, 1]),
        (&[5, 1, 1], &[0, 0, 0, 1, 0, 0, 2]),
        (&[600, 200, 0, 200], &[0, 0, 1, 0, 3]),
        (&[], &[]),
        (&[0, 0], &[]),
    ] {
        assert_eq!(turns(weights), expected, "{weights:?}");
    }
}

/// Whether after each of the turns of two rounds every endpoint is less than one turn from its share.
fn keeps_its_promise(weights: &[u16]) -> bool {
    let turns = turns(weights);
    let weights: Vec<i64> = weights.iter().copied().map(i64::from).collect();
    let total: i64 = weights.iter().sum();
    let mut had = vec![0_i64; weights.len()];
    (1..).zip(turns.iter().chain(&turns)).all(|(n, &at)| {
        had[at as usize] += 1;
        weights
            .iter()
            .zip(&had)
            .all(|(weight, had)| (had * total - n * weight).abs() < total)
    })
}

#[test]
fn every_combination_of_small_weights_keeps_the_promise() {
    for code in 0..9_u16.pow(4) {
        let weights = [code % 9, code / 9 % 9, code / 81 % 9, code / 729];
        assert!(
            keeps_its_promise(&weights),
            "{weights:?}: {:?}",
            turns(&weights)
        );
    }
}

#[test]
fn ten_thousand_equal_endpoints_are_one_round() {
    let expected: Vec<u32> = (0..10_000).collect();
    assert_eq!(turns(&[1_000; 10_000]), expected);
}

#[test]
fn sixty_five_endpoints_of_any_weight_are_exact() {
    let mut weights = [1_000; 65];
    weights[64] = 999;
    assert_eq!(turns(&weights).len(), 64_999);
}

/// How many turns each endpoint has.
fn counts(turns: &[u32], endpoints: usize) -> Vec<u64> {
    let mut counts = vec![0; endpoints];
    turns.iter().for_each(|&at| counts[at as usize] += 1);
    counts
}

#[test]
fn a_round_that_would_be_too_long_is_rounded_and_starves_no_one() {
    let mut weights: Vec<u16> = (0..2_000_u16).map(|n| 500 + n % 83 * 6).collect();
    weights[1_000] = 1;
    let turns = turns(&weights);
    let (length, total) = (
        turns.len() as u64,
        weights.iter().map(|&w| u64::from(w)).sum::<u64>(),
    );
    assert!((60_000..=70_000).contains(&length), "{length}");
    for (weight, count) in weights.iter().zip(counts(&turns, weights.len())) {
        let exact = u64::from(*weight) * MAX_TURNS;
        assert!(
            count > 0 && (count * total).abs_diff(exact) <= total,
            "{weight}: {count}"
        );
        if exact >= total {
            assert!(
                (count * total).abs_diff(exact) <= total / 2,
                "{weight}: {count}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// After any number of turns, over rounds too, every endpoint is less than one turn from its share.
    #[test]
    fn no_endpoint_is_ever_a_whole_turn_off(weights in prop::collection::vec(0..=1_000_u16, 1..20)) {
        prop_assert!(keeps_its_promise(&weights));
    }

    /// In any window of turns, wherever it begins, every endpoint is less than two turns from its share.
    #[test]
    fn windows_hold_their_shares(weights in prop::collection::vec(1..=12_u16, 1..8), start in 0..60_usize, length in 0..60_usize) {
        let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
        let turns: Vec<u32> = turns(&weights).into_iter().cycle().skip(start).take(length).collect();
        for (&weight, count) in weights.iter().zip(counts(&turns, weights.len())) {
            prop_assert!((count * total).abs_diff(length as u64 * u64::from(weight)) < 2 * total);
        }
    }
}
