//! Bounded load: an endpoint gets no request that would give it more than its part of all requests in flight, times a bound.
//!
//! Source: Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads" (SODA 2018). With a bound of b percent, F
//! requests in flight in the cluster and P the sum of what all endpoints pull (weight × share), one that pulls p may have at
//! most ⌈b/100 · (F + 1) · p/P⌉ with the new one. A key whose endpoint is there goes to the next in its own order.
//!
//! **What P counts.** Adding it up takes a look at all endpoints, so picks go by the number that [`Bound::tick`] made, a tenth of a second
//! ago at most. When endpoints fall out meanwhile, the limit is too low by that, and the look at all that a pick then ends
//! in counts anew; when endpoints come back, it is too high until the next tick. The look at all counts those that can
//! be picked (with room, not tried): there is always one of them below its part, so a pick is found whenever there is one.
//!
//! **Workers.** Those that pick at the same time do not see each other's request: with W of them, W − 1 more are possible.

use super::Wanted;
use crate::sync::{AtomicU64, Ordering};
use crate::{Candidate, Standing};

/// The bound of a cluster.
#[derive(Debug)]
pub(super) struct Bound {
    percent: u16,
    /// What all pull when standing does not matter.
    everyone: u64,
    /// What those that admit pull.
    admitting: AtomicU64,
}

/// What it is at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// What all together may have, in hundredths of a request.
    allowed: u128,
    /// What all together pull.
    pull: u128,
}

impl Bound {
    /// None for 0 percent. Less than 100 counts as that: all together must be able to have what there is.
    pub(super) fn new(percent: u16, weights: &[u16]) -> Option<Self> {
        let pull = |&weight: &u16| u64::from(weight) * u64::from(Standing::FULL);
        let everyone = weights.iter().map(pull).sum();
        (percent > 0).then(|| Self {
            percent: percent.max(100),
            everyone,
            admitting: AtomicU64::new(everyone),
        })
    }

    /// By what is known.
    #[inline]
    pub(super) fn limit(&self, wanted: Wanted<'_>) -> Limit {
        // Relaxed order is enough: one number, which publishes nothing else.
        let pull = if wanted.regardless {
            self.everyone
        } else {
            self.admitting.load(Ordering::Relaxed)
        };
        self.of(pull, wanted)
    }

    /// By a look at all, which it remembers.
    pub(super) fn limit_now<C: Candidate>(&self, from: &[C], wanted: Wanted<'_>) -> Limit {
        if !wanted.regardless {
            self.tick(from);
        }
        let fit = (0..from.len()).filter(|&at| wanted.fits(from, at));
        self.of(fit.map(|at| wanted.pull(&from[at])).sum(), wanted)
    }

    /// Counts what endpoints pull. Written only when it changed, so that workers keep the line in their caches.
    pub(super) fn tick<C: Candidate>(&self, from: &[C]) {
        let pull = |c: &C| u64::from(c.weight()) * u64::from(c.share());
        let pull = from.iter().map(pull).sum();
        if self.admitting.load(Ordering::Relaxed) != pull {
            self.admitting.store(pull, Ordering::Relaxed);
        }
    }

    fn of(&self, pull: u64, wanted: Wanted<'_>) -> Limit {
        Limit {
            allowed: u128::from(self.percent) * (u128::from(wanted.in_flight) + 1),
            pull: u128::from(pull),
        }
    }
}

impl Limit {
    /// Whether an endpoint may have one more request.
    #[inline]
    pub(super) fn admits_one_more<C: Candidate>(&self, candidate: &C, wanted: Wanted<'_>) -> bool {
        self.admits(wanted.pull(candidate), candidate.in_flight())
    }

    /// Never, when all together pull nothing: then the number is old, for this one does.
    ///
    /// n + 1 ≤ ⌈x⌉ is n < x, so nothing is divided. 32 + 7 + 64 bits on the left and 48 + 32 on the right fit into 128.
    #[inline]
    fn admits(&self, pull: u64, in_flight: u32) -> bool {
        self.pull > 0 && u128::from(in_flight) * 100 * self.pull < self.allowed * u128::from(pull)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tried;

    #[test]
    fn the_limit_is_rounded_up() {
        // (percent, in flight, weights) → the most that the first endpoint may have.
        for (percent, in_flight, weights, most) in [
            (100, 0, &[1, 1][..], 1),
            (100, 1, &[1, 1], 1),
            (100, 2, &[1, 1], 2),
            (125, 99, &[1, 1, 1, 1], 32),
            (125, 0, &[1, 1_000], 1),
            (150, 9, &[2, 1, 1], 8),
            (200, 99, &[1], 200),
            (50, 99, &[1, 1], 50),
            (u16::MAX, u32::MAX - 1, &[1_000], u32::MAX),
        ] {
            let tried = Tried::new();
            let bound = Bound::new(percent, weights).unwrap();
            let limit = bound.limit(Wanted {
                in_flight,
                ..Wanted::new(&tried)
            });
            let pull = u64::from(weights[0]) * 1_000;
            assert!(
                limit.admits(pull, most - 1),
                "{percent} {in_flight} {weights:?}"
            );
            assert!(
                !limit.admits(pull, most) || most == u32::MAX,
                "{percent} {in_flight} {weights:?}"
            );
        }
    }

    #[test]
    fn no_bound_is_none_and_nothing_known_admits_nobody() {
        assert!(Bound::new(0, &[1]).is_none());
        let tried = Tried::new();
        let limit = Bound::new(100, &[]).unwrap().limit(Wanted::new(&tried));
        assert!(!limit.admits(1, 0));
    }
}
