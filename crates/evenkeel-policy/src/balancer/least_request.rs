//! Least request: of two endpoints drawn by weight, the one with fewer requests in flight for its weight.
//!
//! Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12 (2001). Two choices, not a
//! look at all: it costs the same for any number of endpoints, and workers that see the same counters do not all run to
//! the one endpoint that is momentarily the least loaded.
//!
//! Loads are compared as (in flight + 1) / weight: what the load would be with this request. Two idle endpoints are a
//! tie, and in a tie the first draw stays. Without that rule the heavier of two idle endpoints would always win, and
//! weights 2 : 1 would send a client that waits for each response 100 % instead of 67 % to the heavier one.

use evenkeel_base::Rng;

use super::Wanted;
use super::weighted::Weighted;
use crate::Candidate;

/// The balancer `least-request`.
#[derive(Debug)]
pub struct LeastRequest(Weighted);

impl LeastRequest {
    /// For endpoints with these weights.
    #[must_use]
    pub fn new(weights: &[u16]) -> Self {
        Self(Weighted::new(weights))
    }

    /// See [`Balancer::pick`](super::Balancer::pick).
    #[inline]
    pub fn pick<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        let first = self.0.pick(from, wanted, rng)?;
        if from.len() == 1 {
            return Some(first);
        }
        let Some(second) = self.0.pick_other(from, wanted, first, rng) else {
            return Some(first);
        };
        let better = less_loaded(&from[second], &from[first], wanted, rng);
        Some(if better { second } else { first })
    }
}

/// Whether `a` would have less load for its weight than `b` with one more request. (a+1)/wa < (b+1)/wb without division.
#[inline]
fn less_loaded<C: Candidate>(a: &C, b: &C, wanted: Wanted<'_>, rng: &mut Rng) -> bool {
    let (a_load, b_load) = (u64::from(a.in_flight()), u64::from(b.in_flight()));
    if a_load == 0 && b_load == 0 {
        return false;
    }
    let (a_weight, b_weight) = (u64::from(a.weight()), u64::from(b.weight()));
    let (a_load, b_load) = ((a_load + 1) * b_weight, (b_load + 1) * a_weight);
    let (a_share, b_share) = (a.share(), b.share());
    if a_share == b_share || wanted.regardless {
        return a_load < b_load;
    }
    less_loaded_in_part((a_load, a_share), (b_load, b_share), rng)
}

/// The same for endpoints of which one has a smaller part of its share. It is a smaller endpoint: that part of its weight
/// counts, and beside the other it stands for comparison only so often. Idle as it is, it would win every comparison else.
#[cold]
fn less_loaded_in_part(a: (u64, u16), b: (u64, u16), rng: &mut Rng) -> bool {
    let (a_share, b_share) = (u64::from(a.1), u64::from(b.1));
    a.0 * b_share < b.0 * a_share && (a_share > b_share || rng.below_long(b_share) < a_share)
}
