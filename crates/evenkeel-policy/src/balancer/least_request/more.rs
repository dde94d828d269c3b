//! Least request with more than two choices, or among all endpoints. Apart from the two-choices pick, which stays as cheap as
//! it is.
//!
//! Choices beyond the second bring little (Mitzenmacher 2001: the first extra choice takes the busiest endpoint from about
//! ln n / ln ln n requests to ln ln n / ln 2, the third only to ln ln n / ln 3), and each costs an endpoint's counters. A look at
//! all gives the fewest requests in flight there can be, and is for few endpoints with long requests; with many nodes that
//! do not share what they know, all of them see the same endpoint as the emptiest.
//!
//! Weights, ties and slow start are as with two choices: the first draw stays in a tie, and no endpoint with a smaller part of its
//! share than the first draw takes its place.

use evenkeel_base::Rng;
use evenkeel_base::rules::Choices;

use super::super::scan::Scan;
use super::super::weighted::Weighted;
use super::{Wanted, less_loaded};
use crate::Candidate;

/// The balancer `least-request` with other than two choices.
#[derive(Debug)]
pub struct LeastOfMore {
    weighted: Weighted,
    choices: Choices,
}

impl LeastOfMore {
    /// For endpoints with these weights. More than [`Choices::MOST`] count as that.
    #[must_use]
    pub fn new(weights: &[u16], choices: Choices) -> Self {
        Self {
            weighted: Weighted::new(weights),
            choices: match choices {
                Choices::Some(count) => Choices::Some(count.min(Choices::MOST)),
                Choices::All => Choices::All,
            },
        }
    }

    /// See [`Balancer::pick`](crate::Balancer::pick).
    #[inline(never)]
    pub fn pick<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        let Choices::Some(count) = self.choices else {
            let scan = Scan::new(&self.weighted, from, wanted, rng)?;
            let least = scan.least(|_| 1.0);
            return Some(scan.one_of(least, |_| 1.0, rng));
        };
        let first = self.weighted.pick(from, wanted, rng)?;
        let mut best = first;
        for _ in 1..count {
            // One may be drawn twice: it only loses to itself.
            let Some(other) = self.weighted.pick_other(from, wanted, first, rng) else {
                break;
            };
            if less_loaded(&from[other], &from[best], wanted) {
                best = other;
            }
        }
        Some(best)
    }
}

#[cfg(test)]
mod tests;
