//! The table against the paper.

use proptest::prelude::{ProptestConfig, prop, prop_assert, prop_assert_eq, proptest};

use super::*;

fn members<'a>(ids: &'a [String], weights: &[u16]) -> Vec<Member<'a>> {
    ids.iter()
        .zip(weights)
        .map(|(id, &weight)| Member {
            id,
            weight,
            rank: 0,
        })
        .collect()
}

/// Ids in ascending order.
fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("e{n:05}")).collect()
}

/// How many entries each endpoint has in the table for these weights.
fn entries(weights: &[u16]) -> Vec<usize> {
    let table = Maglev::new(&members(&ids(weights.len()), weights));
    let mut counts = vec![0; weights.len()];
    table
        .entries
        .iter()
        .for_each(|&owner| counts[owner as usize] += 1);
    counts
}

/// The paper's pseudocode 1, word for word: `Populate` over a matrix of permutations.
fn populate(offsets_and_skips: &[(usize, usize)], m: usize) -> Vec<usize> {
    let n_backs = offsets_and_skips.len();
    let mut permutation = vec![vec![0; m]; n_backs];
    for (i, (offset, skip)) in offsets_and_skips.iter().enumerate() {
        for (j, place) in permutation[i].iter_mut().enumerate() {
            *place = (offset + j * skip) % m;
        }
    }
    let mut next = vec![0; n_backs];
    let mut entry = vec![None; m];
    let mut n = 0;
    loop {
        for i in 0..n_backs {
            let mut c = permutation[i][next[i]];
            while entry[c].is_some() {
                next[i] += 1;
                c = permutation[i][next[i]];
            }
            entry[c] = Some(i);
            next[i] += 1;
            n += 1;
            if n == m {
                return entry.into_iter().flatten().collect();
            }
        }
    }
}

/// Ours, when each has one turn a round.
fn filled(offsets_and_skips: &[(usize, usize)], size: usize) -> Vec<usize> {
    let order = |&(next, skip): &(usize, usize)| Permutation { next, skip };
    let orders: Vec<_> = offsets_and_skips.iter().map(order).collect();
    let turns: Vec<u32> = (0_u32..).zip(&orders).map(|(turn, _)| turn).collect();
    let entries = fill(size, orders, &turns);
    entries.iter().map(|&entry| entry as usize).collect()
}

#[test]
fn the_example_of_the_paper() {
    // Table 1: three endpoints and seven entries, then without the second.
    let all = [(3, 4), (0, 2), (3, 1)];
    assert_eq!(filled(&all, 7), [1, 0, 1, 0, 2, 2, 0]);
    assert_eq!(filled(&[all[0], all[2]], 7), [0, 0, 0, 0, 1, 1, 1]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_table_is_that_of_the_pseudocode(
        prime in prop::sample::select(vec![2_usize, 3, 7, 31, 101, 251]),
        hashes in prop::collection::vec((0..1_000_usize, 0..1_000_usize), 1..20),
    ) {
        let all: Vec<_> = hashes
            .iter()
            .map(|(offset, skip)| (offset % prime, skip % (prime - 1).max(1) + 1))
            .map(|(offset, skip)| (offset, if prime == 2 { 1 } else { skip }))
            .collect();
        prop_assert_eq!(filled(&all, prime), populate(&all, prime));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Fewer than one entry from the exact part while weights need no rounding, and at most four otherwise.
    #[test]
    fn entries_follow_weights(weights in prop::collection::vec(0..=1_000_u16, 1..60)) {
        let total: usize = weights.iter().map(|&weight| usize::from(weight)).sum();
        prop_assert!(total <= 32_768 || weights.len() > 32);
        let most = if total <= 32_768 { 1.0 } else { 4.0 };
        for (&weight, had) in weights.iter().zip(entries(&weights)) {
            let exact = SIZES[0] as f64 * f64::from(weight) / total.max(1) as f64;
            prop_assert!((had as f64 - exact).abs() <= most, "{} of {}", had, exact);
            prop_assert_eq!(weight > 0 && total > 0, had > 0);
        }
    }
}

#[test]
fn a_whole_table_is_that_of_the_pseudocode() {
    for count in [1, 2, 3, 7] {
        let ids = ids(count);
        let table = Maglev::new(&members(&ids, &vec![5; count]));
        let order = |id: &String| Permutation::new(id, SIZES[0]);
        let orders: Vec<_> = ids.iter().map(order).map(|o| (o.next, o.skip)).collect();
        let expected = populate(&orders, SIZES[0]);
        assert!(
            table.entries.iter().map(|&e| e as usize).eq(expected),
            "{count}"
        );
    }
}

#[test]
fn equal_endpoints_have_as_many_entries_but_for_one() {
    for count in [1, 2, 3, 100, 655] {
        let counts = entries(&vec![7; count]);
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - least <= 1, "{count}: {least} to {most}");
    }
}

#[test]
fn an_endpoint_of_the_least_weight_among_many_of_the_greatest_has_an_entry() {
    let mut weights = vec![1_000; 655];
    (weights[0], weights[300], weights[654]) = (1, 1, 1);
    assert!(entries(&weights).iter().all(|&had| had > 0));
}

#[test]
fn the_size_is_a_prime_with_a_hundred_entries_for_each() {
    for (endpoints, expected) in [
        (0, 65_537),
        (655, 65_537),
        (656, 131_101),
        (1_311, 131_101),
        (1_312, 262_147),
        (5_000, 524_309),
        (10_485, 1_048_583),
        (1_000_000, 1_048_583),
    ] {
        assert_eq!(size_for(endpoints), expected, "{endpoints}");
    }
    for size in SIZES {
        let divisor = (2..).take_while(|d| d * d <= size).find(|d| size % d == 0);
        assert_eq!(divisor, None, "{size}");
    }
}

#[test]
fn without_weights_there_is_no_table() {
    assert_eq!(entries(&[0, 0]), [0, 0]);
    assert_eq!(Maglev::new(&[]).order(7).next(), None);
}
