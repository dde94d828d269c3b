//! Least request: of two endpoints drawn by weight, the one with fewer requests in flight for its weight.
//!
//! Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12 (2001). Two choices, not a
//! look at all: it costs the same for any number of endpoints, and workers that see the same counters do not all run to
//! the one endpoint that is momentarily the least loaded.
//!
//! Loads are compared as (in flight + 1) / weight: what the load would be with this request. Two idle endpoints are a
//! tie, and in a tie the first draw stays. Without that rule the heavier of two idle endpoints would always win, and
//! weights 2 : 1 would send a client that waits for each response 100 % instead of 67 % to the heavier one.
//!
//! An endpoint with a smaller part of its share than the first draw is no second choice: idle as it is, it would win every
//! comparison and get twice what it should. Drawn first it may lose to another, so its part is the most it gets. Its part
//! does not count as a smaller weight in the comparison: with few requests in flight, one on trial would then lose to
//! every other, and its trial would never end.
//!
//! The choice for nearly everything: it needs no measurement, leaves out what hangs, and costs the same for any number of
//! endpoints. [`LeastOfMore`] compares more of them.

mod more;

pub use more::LeastOfMore;

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
        let better = less_loaded(&from[second], &from[first], wanted);
        Some(if better { second } else { first })
    }
}

/// Whether `a` would have less load for its weight than `b` with one more request. (a+1)/wa < (b+1)/wb without division.
#[inline]
fn less_loaded<C: Candidate>(a: &C, b: &C, wanted: Wanted<'_>) -> bool {
    let (a_load, b_load) = (u64::from(a.in_flight()), u64::from(b.in_flight()));
    if a_load == 0 && b_load == 0 {
        return false;
    }
    let (a_weight, b_weight) = (u64::from(a.weight()), u64::from(b.weight()));
    let less = (a_load + 1) * b_weight < (b_load + 1) * a_weight;
    less && (a.share() >= b.share() || wanted.regardless)
}
