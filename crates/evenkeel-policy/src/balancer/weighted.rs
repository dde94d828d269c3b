//! Weighted random choice in constant time: Walker's alias method, with the tables built after Vose.
//!
//! Sources: A. J. Walker, "An Efficient Method for Generating Discrete Random Variables with General Distributions",
//! ACM TOMS 3 (1977); M. D. Vose, "A Linear Algorithm for Generating Random Numbers with a Given Distribution", IEEE TSE 17
//! (1991). Built in integers, so that every share is exact.

use evenkeel_base::Rng;

use super::Wanted;
use crate::Candidate;

/// How often a draw that does not fit is repeated before all endpoints are looked at. With half of the weight not
/// admitting, one pick in 256 takes the long way.
const DRAWS: usize = 8;

/// And at most, where there are so many endpoints that looking at all of them costs more.
const MAX_DRAWS: usize = 64;

/// Endpoints with weights, to draw from.
#[derive(Debug)]
pub(super) struct Weighted {
    columns: Box<[Column]>,
    /// The sum of all weights: the height of each column.
    height: u32,
    /// How many draws are worth it before all endpoints are looked at.
    draws: usize,
}

/// One column of the table: below `split` it stands for its own endpoint, above for another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) split: u32,
    pub(super) own: u32,
    pub(super) other: u32,
}

impl Weighted {
    /// The table for these weights. Endpoints without weight have no column and are never drawn.
    pub(super) fn new(weights: &[u16]) -> Self {
        let weighted = || (0_u32..).zip(weights).filter(|(_, weight)| **weight > 0);
        let total: u64 = weighted().map(|(_, &weight)| u64::from(weight)).sum();
        // A cluster's weights add up to 32 bits: 4 million endpoints of weight 1,000. Above, shares are rounded.
        let shift = (64 - total.leading_zeros()).saturating_sub(32);
        let weights: Vec<(u32, u64)> = weighted()
            .map(|(position, &weight)| (position, (u64::from(weight) >> shift).max(1)))
            .collect();
        let height: u64 = weights.iter().map(|(_, weight)| weight).sum();
        Self {
            draws: (weights.len() / 8).clamp(DRAWS, MAX_DRAWS),
            columns: columns(&weights, height),
            height: u32::try_from(height).unwrap_or(u32::MAX),
        }
    }

    /// A random endpoint, by weight alone.
    #[inline]
    pub(super) fn draw(&self, rng: &mut Rng) -> Option<usize> {
        let count = u32::try_from(self.columns.len()).ok()?;
        let (column, height) = rng.below_both(count, self.height);
        let column = self.columns.get(column as usize)?;
        let chosen = if height < column.split {
            column.own
        } else {
            column.other
        };
        Some(chosen as usize)
    }

    /// A random endpoint by weight and share, among those that fit.
    ///
    /// Draws that do not fit are repeated, which leaves the shares of the others as they are to each other; the look at all
    /// endpoints that follows has the same shares, so the two together have them too.
    #[inline(always)]
    pub(super) fn pick<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        match self.draw(rng) {
            Some(at) if wanted.draws(from, at, rng) => Some(at),
            _ => self.pick_again(from, wanted, rng),
        }
    }

    /// A random endpoint by weight alone, among those that fit and are not `except`: a second opinion beside it.
    #[inline(always)]
    pub(super) fn pick_other<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        except: usize,
        rng: &mut Rng,
    ) -> Option<usize> {
        match self.draw(rng) {
            Some(at) if at != except && wanted.fits(from, at) => Some(at),
            _ => self.pick_other_again(from, wanted, except, rng),
        }
    }

    /// The draws after the first one. Apart from it, so that the first stands where it is asked for.
    #[inline(never)]
    fn pick_again<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        for _ in 1..self.draws {
            match self.draw(rng) {
                Some(at) if wanted.draws(from, at, rng) => return Some(at),
                _ => {}
            }
        }
        let pull = |at: usize, candidate: &C| {
            if wanted.fits(from, at) {
                wanted.pull(candidate)
            } else {
                0
            }
        };
        look(from, pull, rng)
    }

    #[inline(never)]
    fn pick_other_again<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        except: usize,
        rng: &mut Rng,
    ) -> Option<usize> {
        let fits = |at: usize| at != except && wanted.fits(from, at);
        let weight = |at: usize, candidate: &C| {
            if fits(at) {
                u64::from(candidate.weight())
            } else {
                0
            }
        };
        (1..self.draws)
            .find_map(|_| self.draw(rng).filter(|&at| fits(at)))
            .or_else(|| look(from, weight, rng))
    }
}

/// A random one of those that pull, by how much they pull at this moment. In one pass, with one number each: each takes
/// the choice over with the probability of its pull among those so far (A-Chao, 1982).
#[cold]
pub(super) fn look<C: Candidate>(
    from: &[C],
    pull: impl Fn(usize, &C) -> u64,
    rng: &mut Rng,
) -> Option<usize> {
    let mut chosen = None;
    let mut total = 0_u64;
    for (at, candidate) in from.iter().enumerate() {
        let pull = pull(at, candidate);
        total = total.saturating_add(pull);
        if pull > 0 && rng.below_long(total) < pull {
            chosen = Some(at);
        }
    }
    chosen
}

/// Vose's tables: each weight times the number of columns is cut so that every column has the same height.
pub(super) fn columns(weights: &[(u32, u64)], height: u64) -> Box<[Column]> {
    let count = weights.len() as u64;
    let mut columns: Vec<Column> = weights
        .iter()
        .map(|&(position, _)| Column {
            split: u32::MAX,
            own: position,
            other: position,
        })
        .collect();
    let mut left: Vec<u64> = weights.iter().map(|(_, weight)| weight * count).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..left.len()).partition(|&at| left[at] < height);
    while let (Some(low), Some(&high)) = (small.pop(), large.last()) {
        columns[low].split = u32::try_from(left[low]).unwrap_or(u32::MAX);
        columns[low].other = columns[high].own;
        left[high] -= height - left[low];
        if left[high] < height {
            large.pop();
            small.push(high);
        }
    }
    columns.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// The area of the table that stands for an endpoint is its weight's exact share.
        #[test]
        fn shares_are_exact(weights in prop::collection::vec(0..=1_000_u16, 0..40)) {
            let table = Weighted::new(&weights);
            let mut area = vec![0_u64; weights.len()];
            for column in &table.columns {
                let own = column.split.min(table.height);
                area[column.own as usize] += u64::from(own);
                area[column.other as usize] += u64::from(table.height - own);
            }
            for (weight, area) in weights.iter().zip(area) {
                prop_assert_eq!(area, u64::from(*weight) * table.columns.len() as u64);
            }
        }
    }

    #[test]
    fn weights_that_add_up_to_more_than_32_bits_are_rounded() {
        let mut weights = vec![u16::MAX; 70_000];
        weights[0] = 1;
        let table = Weighted::new(&weights);
        assert_eq!((table.columns.len(), table.columns[0].own), (70_000, 0));
        assert!(table.height > u32::MAX / 4, "{}", table.height);
        let mut rng = Rng::new(1);
        let mean = (0..2_000)
            .filter_map(|_| table.draw(&mut rng))
            .sum::<usize>()
            / 2_000;
        assert!((33_000..37_000).contains(&mean), "{mean}");
    }
}
