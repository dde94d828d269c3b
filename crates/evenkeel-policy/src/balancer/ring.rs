//! The ring: every endpoint stands at many points of it, and a key belongs to the first point at or after it.
//!
//! Sources: Karger and others, "Consistent Hashing and Random Trees", STOC 1997; the number of points per endpoint is that of
//! ketama (Jones, 2007). The points are not ketama's own: those come from MD5 of an address, these from the SplitMix64
//! sequence that starts at the hash of the endpoint's id, so a client library that knows ketama finds other endpoints.
//!
//! **What moves.** An endpoint that joins takes the keys between its points and the points before them, and no other key
//! moves; when it leaves, exactly these go to what follows. That holds while the number of points per weight stays as it
//! is, see [`halvings`].
//!
//! **How even.** An endpoint with p points of P has a part of the keys whose standard deviation is p/P / √p or less: the gaps
//! between points are as good as exponential. With 160 points that is 8 % of its part, so that the fullest of a hundred
//! endpoints has about 20 % too much. Whoever wants it even takes Maglev or rendezvous, or a bound.

use evenkeel_base::Rng;

use super::Member;
use crate::key::identity;

/// Points of an endpoint of weight 1, in a cluster where that is the usual weight: ketama's number.
const POINTS: u64 = 160;

/// The most points, beside one for each endpoint: 12 MiB. Beyond, which is with 6,553 endpoints of weight 1, each gets
/// half as many.
const MAX_POINTS: u64 = 1 << 20;

/// Endpoints on a ring.
#[derive(Debug)]
pub(super) struct Ring {
    /// In ascending order.
    points: Box<[u64]>,
    /// Whose each point is: a position in the list of endpoints.
    owners: Box<[u32]>,
}

impl Ring {
    /// The ring of these endpoints; those without weight are not on it.
    pub(super) fn new(members: &[Member<'_>]) -> Self {
        let by_id = Member::by_id(members);
        let halvings = halvings(members);
        let mut all = Vec::new();
        for (rank, &position) in (0_u32..).zip(&by_id) {
            let member = &members[position as usize];
            let mut points = Rng::new(identity(member.id, 0));
            for _ in 0..points_of(member.weight, halvings) {
                all.push((points.next_u64(), rank));
            }
        }
        // Of two endpoints at one point, the one whose id comes first has it.
        all.sort_unstable();
        Self {
            points: all.iter().map(|&(point, _)| point).collect(),
            owners: all.iter().map(|&(_, rank)| by_id[rank as usize]).collect(),
        }
    }

    /// The endpoint that `key` meets first.
    #[inline]
    pub(super) fn first(&self, key: u64) -> Option<usize> {
        let next = self.owners.get(self.start(key));
        let owner = next.or_else(|| self.owners.first());
        owner.map(|&owner| owner as usize)
    }

    #[inline]
    fn start(&self, key: u64) -> usize {
        self.points.partition_point(|&point| point < key)
    }

    /// The endpoints in the order in which `key` meets them, once for each point, and all around.
    pub(super) fn order(&self, key: u64) -> impl Iterator<Item = usize> {
        let (before, after) = self.owners.split_at(self.start(key));
        after.iter().chain(before).map(|&owner| owner as usize)
    }
}

/// At least one for any weight.
const fn points_of(weight: u16, halvings: u32) -> u64 {
    let points = (weight as u64 * POINTS) >> halvings;
    if points == 0 && weight > 0 { 1 } else { points }
}

/// How often the number of points per weight is halved: so often that the mean endpoint has 113 to 226, and all together
/// have no more than the most.
///
/// The points of an endpoint must not follow from the weights of the others, or one that joins would move the keys of all.
/// So the scale has coarse steps: only when the mean weight passes √2 times a power of two (1.41, 2.83, 5.7, … 90.5, 181, …)
/// do the numbers double or halve, and about half of the keys move.
fn halvings(members: &[Member<'_>]) -> u32 {
    let weights = || {
        members
            .iter()
            .map(|m| m.weight)
            .filter(|&weight| weight > 0)
    };
    let count = weights().count() as u128;
    let total: u128 = weights().map(u128::from).sum();
    if count == 0 {
        return 0;
    }
    // The logarithm of the mean to the base of 2, rounded: 2·mean² ≥ 4^h.
    let by_mean = (2 * total * total / (count * count)).ilog2() / 2;
    let fits = |halvings: &u32| (total * u128::from(POINTS)) >> halvings <= u128::from(MAX_POINTS);
    (by_mean..).find(fits).unwrap_or(by_mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(weights: &[u16]) -> Vec<Member<'static>> {
        const IDS: [&str; 4] = ["a", "b", "c", "d"];
        weights
            .iter()
            .zip(IDS.iter().cycle())
            .map(|(&weight, id)| Member {
                id,
                weight,
                rank: 0,
            })
            .collect()
    }

    #[test]
    fn points_follow_weights() {
        for (weights, expected) in [
            (&[1, 1, 1][..], &[160, 160, 160][..]),
            (&[1, 2], &[80, 160]),
            (&[1, 1, 1, 2], &[160, 160, 160, 320]),
            (&[100, 100, 0], &[125, 125, 0]),
            (&[100, 50, 200], &[125, 62, 250]),
            (&[1_000, 1_000], &[156, 156]),
            (&[1_000, 1], &[312, 1]),
            (&[0, 0], &[0, 0]),
            (&[], &[]),
        ] {
            let ring = Ring::new(&members(weights));
            let points = |at: usize| ring.owners.iter().filter(|&&o| o as usize == at).count();
            let all: Vec<usize> = (0..weights.len()).map(points).collect();
            assert_eq!(all, expected, "{weights:?}");
        }
    }

    #[test]
    fn the_number_of_points_is_bounded() {
        for (weight, count, expected) in [
            (1, 6_553, 0),
            (1, 6_554, 1),
            (1, 13_107, 1),
            (1, 60_000, 4),
            (1_000, 60_000, 14),
            (u16::MAX, 2, 16),
        ] {
            let halvings = halvings(&members(&vec![weight; count]));
            assert_eq!(halvings, expected, "{weight} {count}");
            assert!(points_of(weight, halvings) * count as u64 <= MAX_POINTS + count as u64);
        }
    }

    #[test]
    fn a_key_meets_the_points_from_its_own_place_on() {
        let ring = Ring {
            points: [10, 20, 30].into(),
            owners: [2, 0, 1].into(),
        };
        for (key, expected) in [
            (0, [2, 0, 1]),
            (10, [2, 0, 1]),
            (11, [0, 1, 2]),
            (30, [1, 2, 0]),
            (31, [2, 0, 1]),
            (u64::MAX, [2, 0, 1]),
        ] {
            assert!(ring.order(key).eq(expected), "{key}");
            assert_eq!(ring.first(key), Some(expected[0]));
        }
    }
}
