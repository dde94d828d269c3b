//! The rule: cold before hot, the fastest of the cold ones, the least loaded of the hot ones ("hot-cold lexicographic", HCL).
//!
//! In a tie of latencies, which are told apart by 3 %, the less loaded one is chosen, and between equals chance decides,
//! so that idle endpoints get what their weights say.

use std::cmp::Ordering;

use evenkeel_base::Rng;

use super::pool::{MOST, Pooled};
use super::reading::{Latency, Reading};

/// Which of two is better, in one number: a lower one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(u64);

impl Rank {
    /// That of an endpoint with so many requests in flight for its weight, which is hot above `limit`. One that fails is behind all
    /// others: it would have the lowest latency and the fewest requests in flight ("sinkholing").
    #[inline]
    pub(super) const fn new(load: u32, latency: Latency, limit: u32, fails: bool) -> Self {
        let hot = load > limit || fails;
        let (load, latency) = (load as u64, latency.code() as u64);
        let within = if hot {
            load << 16 | latency
        } else {
            latency << 32 | load
        };
        Self((fails as u64) << 63 | (hot as u64) << 62 | within)
    }
}

/// A reading as it is compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) pooled: Pooled,
    pub(super) rank: Rank,
    /// Whether the request can go to its endpoint at all.
    pub(super) fits: bool,
    /// Whether it looks as if its endpoint had nothing to do and does not fail.
    pub(super) idle: bool,
    /// How much its endpoint counts between equals; 0 when it is not to be chosen this time, having but a part of its share. The
    /// pulls of a whole pool are a number of 32 bits.
    pub(super) pull: u32,
}

impl Seen {
    const NONE: Self = Self {
        pooled: Pooled {
            slot: 0,
            reading: Reading {
                position: 0,
                in_flight: 0,
                latency: Latency::NONE,
                taken: 0,
                uses: 0,
            },
        },
        rank: Rank(0),
        fits: false,
        idle: false,
        pull: 0,
    };

    pub(super) const fn is_of(&self, at: usize) -> bool {
        self.pooled.reading.position as usize == at
    }
}

/// All that one request saw of the pool.
#[derive(Debug)]
pub(super) struct View {
    seen: [Seen; MOST],
    count: usize,
}

impl View {
    pub(super) const fn new() -> Self {
        Self {
            seen: [Seen::NONE; MOST],
            count: 0,
        }
    }

    /// One more; the pool has no more than fit in.
    #[inline]
    pub(super) fn push(&mut self, one: Seen) {
        if let Some(place) = self.seen.get_mut(self.count) {
            *place = one;
            self.count += 1;
        }
    }

    #[inline]
    pub(super) fn all(&self) -> &[Seen] {
        &self.seen[..self.count]
    }

    /// The best of those that the request can go to, when there are two or more: of one alone nothing can be said.
    pub(super) fn best(&self, rng: &mut Rng) -> Option<usize> {
        let mut best: Option<usize> = None;
        let (mut usable, mut ties) = (0, 0_u32);
        for (at, one) in self.all().iter().enumerate() {
            usable += usize::from(one.fits);
            if one.pull == 0 {
                continue;
            }
            match best.map(|best| one.rank.cmp(&self.seen[best].rank)) {
                Some(Ordering::Greater) => {}
                Some(Ordering::Equal) => {
                    // Each takes the choice over with the probability of its weight among those so far.
                    ties += one.pull;
                    if rng.below(ties) < one.pull {
                        best = Some(at);
                    }
                }
                Some(Ordering::Less) | None => {
                    (best, ties) = (Some(at), one.pull);
                }
            }
        }
        best.filter(|_| usable >= 2)
    }

    /// The worst of all: a hot one with the most requests in flight, else the slowest.
    pub(super) fn worst(&self) -> Option<usize> {
        (0..self.count).max_by_key(|&at| self.seen[at].rank)
    }

    /// The oldest by that measure of age.
    pub(super) fn oldest(&self, age: impl Fn(&Reading) -> u64) -> Option<usize> {
        (0..self.count).max_by_key(|&at| age(&self.seen[at].pooled.reading))
    }

    /// That one is not to be chosen.
    pub(super) fn rule_out(&mut self, at: usize) {
        self.seen[at].fits = false;
        self.seen[at].pull = 0;
    }

    /// Takes that one out; the last one takes its place.
    pub(super) fn leave_out(&mut self, at: usize) -> Pooled {
        let pooled = self.seen[at].pooled;
        self.count -= 1;
        self.seen[at] = self.seen[self.count];
        pooled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readings as (load, microseconds), each of an endpoint of weight 1.
    fn seen(readings: &[(u32, u64)], limit: u32) -> View {
        let mut view = View::new();
        let one = |(slot, &(load, us)): (usize, &(u32, u64))| {
            let latency = Latency::micros(us);
            Seen {
                pooled: Pooled {
                    slot,
                    reading: Reading {
                        position: u32::try_from(slot).unwrap(),
                        in_flight: load,
                        latency,
                        taken: 0,
                        uses: 1,
                    },
                },
                rank: Rank::new(load, latency, limit, false),
                fits: true,
                idle: false,
                pull: 1,
            }
        };
        readings
            .iter()
            .enumerate()
            .map(one)
            .for_each(|one| view.push(one));
        view
    }

    #[test]
    fn cold_before_hot_then_the_fastest_or_the_least_loaded() {
        for (readings, limit, chosen, removed) in [
            // All cold: the fastest, however loaded.
            (&[(4, 900), (9, 100), (0, 500)][..], 9, 1, 0),
            // One hot: it is out, though it is the fastest.
            (&[(4, 900), (10, 100), (0, 500)], 9, 2, 1),
            // One cold: it is in, though it is the slowest.
            (&[(20, 1), (10, 1), (9, 90_000)], 9, 2, 0),
            // All hot: the least loaded, however slow.
            (&[(20, 1), (10, 90_000), (30, 5)], 9, 1, 2),
            // As many in flight as the quantile is not more.
            (&[(9, 10), (8, 20)], 9, 0, 1),
            // The quantile of nothing but zeros: by load alone.
            (&[(1, 10), (0, 20), (0, 15)], 0, 2, 0),
            // Nothing is hot: by latency alone.
            (&[(1_000, 10), (0, 20)], u32::MAX, 0, 1),
            // As fast as each other: the less loaded, and the other way round.
            (&[(3, 1_000), (2, 1_001), (4, 999)], 9, 1, 2),
            (&[(12, 20), (12, 10)], 9, 1, 0),
        ] {
            let seen = seen(readings, limit);
            let best = seen.best(&mut Rng::new(1));
            assert_eq!(best, Some(chosen), "{readings:?} by {limit}");
            assert_eq!(seen.worst(), Some(removed), "{readings:?} by {limit}");
        }
    }

    #[test]
    fn one_that_fails_is_behind_the_hot_ones() {
        let rank = |load, us, fails| Rank::new(load, Latency::micros(us), 9, fails);
        assert!(rank(10_000, 90_000, false) < rank(0, 1, true));
        assert!(rank(0, 5, true) < rank(1, 1, true));
        assert!(Rank::new(u32::MAX, Latency::LONGEST, 9, false) < rank(0, 1, true));
        let slow = Rank::new(9, Latency::LONGEST, 9, false);
        assert!(slow < rank(10, 1, false), "cold is cold");
    }

    #[test]
    fn nothing_is_said_of_fewer_than_two() {
        assert_eq!(View::new().best(&mut Rng::new(1)), None);
        assert_eq!(seen(&[(1, 1)], 9).best(&mut Rng::new(1)), None);
        let mut two = seen(&[(1, 1), (1, 2)], 9);
        two.seen[1].pull = 0;
        assert_eq!(two.best(&mut Rng::new(1)), Some(0), "two fit");
        two.rule_out(1);
        assert_eq!(two.best(&mut Rng::new(1)), None);
        assert_eq!(View::new().worst(), None);
    }

    #[test]
    fn one_that_cannot_be_picked_is_not_but_can_be_the_worst() {
        let mut three = seen(&[(1, 1), (1, 2), (1, 3)], 9);
        three.rule_out(0);
        assert_eq!(three.best(&mut Rng::new(1)), Some(1));
        three.rule_out(2);
        assert_eq!(three.worst(), Some(2));
        assert_eq!(three.leave_out(0).slot, 0);
        assert_eq!(three.worst(), Some(0), "the last one took its place");
    }

    #[test]
    fn between_equals_chance_decides_by_weight() {
        let mut equal = seen(&[(5, 50); 3], 9);
        for (one, weight) in equal.seen.iter_mut().zip([1, 2, 5]) {
            one.pull = weight;
        }
        let mut rng = Rng::new(1);
        let mut counts = [0_u32; 3];
        (0..8_000).for_each(|_| counts[equal.best(&mut rng).unwrap()] += 1);
        for (count, expected) in counts.into_iter().zip([1_000_u32, 2_000, 5_000]) {
            assert!(count.abs_diff(expected) < 150, "{counts:?}");
        }
    }
}
