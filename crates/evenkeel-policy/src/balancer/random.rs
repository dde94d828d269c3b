//! Random: each request goes to an endpoint by chance, in proportion to the weights.
//!
//! Nothing is shared and nothing remembered, so it costs least, and its bursts are those of chance: with n endpoints and
//! as many requests in flight, the busiest has about ln n / ln ln n of them (Mitzenmacher, "The Power of Two Choices in
//! Randomized Load Balancing", IEEE TPDS 12, 2001).

use evenkeel_base::Rng;

use super::Wanted;
use super::weighted::Weighted;
use crate::Candidate;

/// The balancer `random`.
#[derive(Debug)]
pub struct Random(Weighted);

impl Random {
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
        self.0.pick(from, wanted, rng)
    }
}
