//! Rendezvous: every endpoint has a score with a key, and the key belongs to the one with the highest.
//!
//! Sources: Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous" (1996); weights by the logarithmic method of
//! Schindelhauer and Schomaker, "Weighted Distributed Hash Tables" (SPAA 2005): with u the hash of key and endpoint as a number
//! between 0 and 1, the score is −w / ln u. The endpoint with the lowest −log u / w wins here, which is the same.
//!
//! **What moves.** A score does not know of other endpoints. So one that joins, or gets more weight, takes the keys that it
//! wins, and no other key moves; one that leaves gives back exactly these, each to its second.
//!
//! **How even.** −ln u / w is exponential with rate w, so each endpoint is the lowest with probability w / W. All nodes must agree,
//! and the logarithms of two mathematical libraries do not: it is computed in integers, by straight lines between 257 points
//! of the curve. That is too much by at most 0.1 % of its value (and 2^-41), so shares are exact to 0.1 % of themselves.
//!
//! A pick computes the score of every endpoint: about 25 instructions each, and 40 where weights differ.

use super::Member;
use crate::key::{identity, pair};

/// Fractional bits of a logarithm: with 6 bits before them and 16 of a weight, the product fits into 64.
const FRACTION: u32 = 41;
const ONE: u64 = 1 << FRACTION;

/// Points of the curve: −log2 of 256/512, 257/512 … 512/512. Two KiB.
static CURVE: [u64; 257] = curve();

/// What scores are made of.
#[derive(Debug)]
pub(super) struct Scores {
    endpoints: Box<[Scored]>,
}

#[derive(Clone, Copy, Debug)]
struct Scored {
    hash: u64,
    weight: u64,
}

/// A score of an endpoint with a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Score {
    hash: u64,
    weight: u64,
}

impl Scores {
    /// Those of these endpoints.
    pub(super) fn new(members: &[Member<'_>]) -> Self {
        let scored = |member: &Member<'_>| Scored {
            hash: identity(member.id, 0),
            weight: u64::from(member.weight),
        };
        Self {
            endpoints: members.iter().map(scored).collect(),
        }
    }

    /// The scores of all endpoints with `key`, in their order.
    #[inline]
    pub(super) fn with(&self, key: u64) -> impl Iterator<Item = Score> {
        self.endpoints.iter().map(move |endpoint| Score {
            hash: pair(key, endpoint.hash),
            weight: endpoint.weight,
        })
    }

    /// The endpoint whose score with `key` is the highest, whatever its standing; none without weight.
    #[inline]
    pub(super) fn first(&self, key: u64) -> Option<usize> {
        let mut highest = Score { hash: 0, weight: 0 };
        let mut first = None;
        for (at, score) in self.with(key).enumerate() {
            if score.beats(highest) {
                (first, highest) = (Some(at), score);
            }
        }
        first.filter(|_| highest.weight > 0)
    }
}

impl Score {
    /// Whether it is higher. Of two with the same, the one with the higher hash is. One with weight is higher than one without.
    #[inline]
    pub(super) fn beats(self, other: Self) -> bool {
        if self.hash <= other.hash && self.weight <= other.weight {
            return false;
        }
        (self.hash > other.hash && self.weight >= other.weight) || self.beats_by_weight(other)
    }

    fn beats_by_weight(self, other: Self) -> bool {
        // −log(u) / w < −log(u') / w' without division.
        let (one, two) = (
            minus_log2(self.hash) * other.weight,
            minus_log2(other.hash) * self.weight,
        );
        one < two || (one == two && self.hash > other.hash)
    }
}

/// −log2(hash / 2^64) in units of 2^-41. A higher hash never gives more.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "8 bits, and less than the fall"
)]
fn minus_log2(hash: u64) -> u64 {
    // 0 has no logarithm; with 1 in its place it has the highest there is.
    let hash = hash.max(1);
    let zeros = hash.leading_zeros();
    let mantissa = hash << zeros;
    let at = (mantissa >> 55) as usize & 0xff;
    let beyond = mantissa & ((1 << 55) - 1);
    let fall = CURVE[at] - CURVE[at + 1];
    let fallen = (u128::from(fall) * u128::from(beyond)) >> 55;
    u64::from(zeros) * ONE + CURVE[at] - fallen as u64
}

const fn curve() -> [u64; 257] {
    let mut points = [0; 257];
    let mut at = 0;
    while at < 256 {
        points[at] = ONE - log2((256 + at as u64) << 55);
        at += 1;
    }
    points
}

/// log2(mantissa / 2^63) for a number from 1 to 2, bit by bit: squaring a number doubles its logarithm.
const fn log2(mantissa: u64) -> u64 {
    let mut square = mantissa as u128;
    let mut bits = 0;
    let mut bit = 0;
    while bit < FRACTION {
        square = (square * square) >> 63;
        bits <<= 1;
        if square >> 64 != 0 {
            bits |= 1;
            square >>= 1;
        }
        bit += 1;
    }
    bits
}

#[cfg(test)]
mod tests {
    use evenkeel_base::Rng;

    use super::*;

    #[test]
    fn the_logarithm_is_within_a_thousandth() {
        let mut rng = Rng::new(1);
        // Numbers close to 1 decide most picks among many endpoints: as many bits as one likes are ones.
        let hashes = (0..200_000_u32).map(|n| {
            let hash = rng.next_u64();
            if n % 2 == 0 {
                hash
            } else {
                !(hash >> (n % 24))
            }
        });
        for hash in hashes {
            let exact = -((hash as f64 + 0.5) / 2_f64.powi(64)).log2() * ONE as f64;
            let bounds = exact * 0.999_999 - 1.0..exact * 1.001 + 1.0;
            assert!(bounds.contains(&(minus_log2(hash) as f64)), "{hash:x}");
        }
    }

    #[test]
    fn a_higher_hash_never_has_the_greater_logarithm() {
        let mut last = u64::MAX;
        for step in 0..1_000_000_u64 {
            let now = minus_log2(step * (u64::MAX / 1_000_000));
            assert!(now <= last, "{step}");
            last = now;
        }
        for shift in 0..64_u32 {
            let power = 1_u64 << shift;
            assert!(minus_log2(power - 1) >= minus_log2(power));
            assert_eq!(minus_log2(power), u64::from(64 - shift) * ONE);
        }
    }

    #[test]
    fn the_curve_is_the_same_everywhere() {
        assert_eq!(CURVE[0], ONE);
        assert_eq!(CURVE[128], 912_677_112_841);
        assert_eq!(CURVE[256], 0);
    }

    #[test]
    fn of_two_scores_one_is_higher() {
        let mut rng = Rng::new(2);
        for _ in 0..100_000 {
            let mut score = || Score {
                hash: rng.next_u64() >> rng.below(60),
                weight: 1 + u64::from(rng.below(3)),
            };
            let (one, two) = (score(), score());
            let same = (one.hash, one.weight) == (two.hash, two.weight);
            assert!(same || one.beats(two) != two.beats(one), "{one:?} {two:?}");
            assert!(!one.beats(one));
        }
    }
}
