//! The balancer of a cluster: one value per endpoint set, shared by all workers.
//!
//! An enum and not a trait object: the pick stands in the road of every request, the compiler can inline each algorithm
//! for the data plane's own [`Candidate`], and the set of algorithms is closed, so a `match` that forgets one does not
//! compile. A new algorithm is a file beside these and a variant here.
//!
//! Every algorithm keeps the same promises: it never picks an endpoint that was tried in this exchange, that has no weight,
//! that has no room, or whose share is 0; one with a part of its share gets that part of what it would get otherwise; it
//! finds an endpoint when there is one; and it gives `None` when there is none. What to do then (wait, clear the tried
//! ones, pick regardless of standing, answer 503) is the caller's decision.

mod least_request;
mod random;
mod round_robin;
mod schedule;
mod weighted;

pub use least_request::LeastRequest;
pub use random::Random;
pub use round_robin::RoundRobin;

use evenkeel_base::{BalancerKind, Rng};

use crate::{Candidate, Standing, Tried};

/// What a pick is to respect beside the endpoints' own facts.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Not these.
    pub tried: &'a Tried,
    /// Whatever the standing says ([`panic`](crate::panic)); weight and room count all the same.
    pub regardless: bool,
}

impl<'a> Wanted<'a> {
    /// An endpoint that admits and was not tried.
    #[must_use]
    pub const fn new(tried: &'a Tried) -> Self {
        Self {
            tried,
            regardless: false,
        }
    }

    /// Whether the endpoint at `position` may be picked. A position outside of `from` may not.
    #[inline]
    fn fits<C: Candidate>(&self, from: &[C], position: usize) -> bool {
        from.get(position)
            .is_some_and(|c| (c.share() > 0 || self.regardless) && self.allows(c, position))
    }

    /// The same, but an endpoint with a part of its share fits only as often as that part says.
    #[inline]
    fn draws<C: Candidate>(&self, from: &[C], position: usize, rng: &mut Rng) -> bool {
        from.get(position).is_some_and(|c| {
            let share = c.share();
            (share >= Standing::FULL || in_part(share, self.regardless, rng))
                && self.allows(c, position)
        })
    }

    #[inline]
    fn allows<C: Candidate>(&self, candidate: &C, position: usize) -> bool {
        candidate.weight() > 0 && candidate.has_room() && !self.tried.contains(position)
    }

    /// The part of its weight that counts.
    #[inline]
    fn share<C: Candidate>(&self, candidate: &C) -> u16 {
        if self.regardless {
            Standing::FULL
        } else {
            candidate.share()
        }
    }

    /// Weight and share in one number.
    #[inline]
    fn pull<C: Candidate>(&self, candidate: &C) -> u64 {
        u64::from(candidate.weight()) * u64::from(self.share(candidate))
    }
}

/// True as often as `share` says, in thousandths; never for none. Always when standing does not matter.
#[cold]
fn in_part(share: u16, regardless: bool, rng: &mut Rng) -> bool {
    regardless || (share > 0 && rng.below(u32::from(Standing::FULL)) < u32::from(share))
}

/// Picks endpoints.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one value per cluster, which never moves; a box would be one more step to the cursor"
)]
pub enum Balancer {
    /// Smooth weighted rotation.
    RoundRobin(RoundRobin),
    /// The less loaded of two random choices.
    LeastRequest(LeastRequest),
    /// A random choice by weight.
    Random(Random),
}

impl Balancer {
    /// A balancer for endpoints with these weights. `cursor` is what [`Balancer::cursor`] said of the balancer that it
    /// follows, so that a change of the endpoint set does not begin the rotation anew; 0 begins with the first endpoint.
    #[must_use]
    pub fn new(kind: BalancerKind, weights: &[u16], cursor: u64) -> Self {
        match kind {
            BalancerKind::RoundRobin => Self::RoundRobin(RoundRobin::new(weights, cursor)),
            BalancerKind::LeastRequest => Self::LeastRequest(LeastRequest::new(weights)),
            BalancerKind::Random => Self::Random(Random::new(weights)),
        }
    }

    /// The position in `from` of the endpoint that gets the next attempt of an exchange. `from` has the order and the
    /// length of the weights the balancer was made with; a weight may have become 0 since.
    #[inline]
    pub fn pick<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        match self {
            Self::RoundRobin(balancer) => balancer.pick(from, wanted, rng),
            Self::LeastRequest(balancer) => balancer.pick(from, wanted, rng),
            Self::Random(balancer) => balancer.pick(from, wanted, rng),
        }
    }

    /// Which algorithm this is.
    #[must_use]
    pub const fn kind(&self) -> BalancerKind {
        match self {
            Self::RoundRobin(_) => BalancerKind::RoundRobin,
            Self::LeastRequest(_) => BalancerKind::LeastRequest,
            Self::Random(_) => BalancerKind::Random,
        }
    }

    /// Where a rotation stands, for the balancer that follows this one; 0 for one that does not rotate.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        match self {
            Self::RoundRobin(balancer) => balancer.cursor(),
            Self::LeastRequest(_) | Self::Random(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests;
