//! The balancer of a cluster: one value per endpoint set, shared by all workers.
//!
//! An enum and not a trait object: the pick stands in the road of every request, the compiler can inline each algorithm
//! for the data plane's own [`Candidate`], and the set of algorithms is closed, so a `match` that forgets one does not
//! compile. A new algorithm is a file beside these and a variant here.
//!
//! Every algorithm keeps the same three promises: it never picks an endpoint that was tried in this exchange, that has
//! no weight, or that does not admit; it finds one when there is one; and it gives `None` when there is none. What to do
//! then (wait, clear the tried ones, use endpoints that do not admit, answer 503) is the caller's decision.

mod least_request;
mod random;
mod round_robin;
mod schedule;
mod weighted;

pub use least_request::LeastRequest;
pub use random::Random;
pub use round_robin::RoundRobin;

use evenkeel_base::{BalancerKind, Rng};

use crate::{Candidate, Tried};

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
    pub fn pick<C: Candidate>(&self, from: &[C], tried: &Tried, rng: &mut Rng) -> Option<usize> {
        match self {
            Self::RoundRobin(balancer) => balancer.pick(from, tried, rng),
            Self::LeastRequest(balancer) => balancer.pick(from, tried, rng),
            Self::Random(balancer) => balancer.pick(from, tried, rng),
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

/// Whether the endpoint at `position` may be picked. A position outside of `from` may not.
#[inline]
fn eligible<C: Candidate>(from: &[C], position: usize, tried: &Tried) -> bool {
    from.get(position)
        .is_some_and(|c| c.admits() && c.weight() > 0 && !tried.contains(position))
}

#[cfg(test)]
mod tests;
