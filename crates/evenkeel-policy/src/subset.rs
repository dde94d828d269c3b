//! Subsets: the few endpoints of a very large cluster that one node works with.
//!
//! With 100 nodes and 5,000 endpoints, every endpoint would keep connections and answer probes of every node. Each node takes the
//! endpoints with the highest scores with its own name (rendezvous hashing, as gRPC's proposal A68, `random_subsetting`): no
//! node needs to know of the others, and when an endpoint joins or leaves, a node's subset changes by at most one.
//!
//! It is random: an endpoint in the subsets of k nodes in the mean is in those of k ± √k. Where that is too uneven, the
//! subset is too small.

use crate::key::{identity, pair};

/// The subset of the endpoints with these ids that `node` works with: positions, ascending. All of them when there are no
/// more than `size`.
#[must_use]
pub fn subset(node: &str, ids: &[&str], size: usize) -> Vec<usize> {
    let node = identity(node, 0);
    let mut positions: Vec<usize> = (0..ids.len()).collect();
    if size < ids.len() {
        let score = |&at: &usize| (pair(node, identity(ids[at], 0)), ids[at]);
        positions.sort_by_cached_key(score);
        positions.drain(..ids.len() - size);
        positions.sort_unstable();
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(prefix: &str, count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{prefix}{n}")).collect()
    }

    /// The ids of the subset, in the order of the list.
    fn ids<'a>(node: &str, all: &[&'a str], size: usize) -> Vec<&'a str> {
        subset(node, all, size).iter().map(|&at| all[at]).collect()
    }

    #[test]
    fn a_subset_has_its_size_and_the_order_of_the_list() {
        let names = names("e", 30);
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        for (size, expected) in [(0, 0), (1, 1), (7, 7), (29, 29), (30, 30), (31, 30)] {
            let positions = subset("node", &all, size);
            assert_eq!(positions.len(), expected);
            assert!(positions.is_sorted(), "{positions:?}");
        }
        assert!(subset("node", &[], 3).is_empty());
    }

    #[test]
    fn ids_decide_and_not_positions() {
        let names = names("e", 50);
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let reversed: Vec<&str> = all.iter().rev().copied().collect();
        let mut other = ids("node", &reversed, 10);
        other.reverse();
        assert_eq!(ids("node", &all, 10), other);
        assert_ne!(ids("node", &all, 10), ids("edge", &all, 10));
    }

    #[test]
    fn one_endpoint_more_or_less_changes_a_subset_by_one_at_most() {
        let names = names("e", 60);
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        for size in [1, 5, 20, 58, 59] {
            for gone in 0..all.len() {
                let mut left = all.clone();
                let gone = left.remove(gone);
                let (before, after) = (ids("node", &all, size), ids("node", &left, size));
                let lost: Vec<_> = before.iter().filter(|id| !after.contains(id)).collect();
                assert!(lost.is_empty() || lost == [&gone], "{lost:?} of {gone}");
                let new = after.iter().filter(|id| !before.contains(id)).count();
                assert_eq!(new, lost.len());
            }
        }
    }

    #[test]
    fn nodes_spread_over_the_endpoints() {
        let (nodes, names) = (names("node", 100), names("e", 500));
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut nodes_of = vec![0_u32; all.len()];
        for node in &nodes {
            subset(node, &all, 100)
                .iter()
                .for_each(|&at| nodes_of[at] += 1);
        }
        // 20 in the mean with a standard deviation of 4: five of them on either side.
        assert!(
            nodes_of.iter().all(|n| (2..=40).contains(n)),
            "{nodes_of:?}"
        );
        let variance = nodes_of
            .iter()
            .map(|&n| (f64::from(n) - 20.0).powi(2))
            .sum::<f64>()
            / 500.0;
        assert!(
            (12.0..20.0).contains(&variance),
            "16 for chance: {variance}"
        );
    }
}
