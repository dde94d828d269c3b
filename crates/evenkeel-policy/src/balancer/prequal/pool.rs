//! The pool of readings: a few slots that all workers fill, use and empty, without a lock.
//!
//! Each slot is one word, so a change is one compare-and-swap, and whoever loses it looks again. A word that has gone and come
//! back in between is the same reading with the same uses left, so nothing is counted twice.

use std::time::Duration;

use super::reading::{Ages, Reading};
use crate::sync::{AtomicU64, Ordering, Padded};

/// The most slots a pool has: two cache lines, and as many as the paper found to be enough.
pub(super) const MOST: usize = 16;

/// How often a change is tried that other workers are in the way of. Then it is left: a reading is lost or stays a little
/// longer, and a request finds another.
const TRIES: usize = 4;

/// After so many parts without a look at the pool everything in it is thrown away unread, long before a stamp could be
/// taken for a later one.
const PAUSE: u64 = Ages::AMBIGUOUS / 2;

/// The readings of a cluster.
#[derive(Debug)]
pub struct Pool {
    slots: Padded<[AtomicU64; MOST]>,
    size: usize,
    ages: Ages,
    /// When it was last looked at, in parts; behind by as much as a reading's age at most.
    looked: Padded<AtomicU64>,
}

/// A reading and the slot that it was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooled {
    /// Which slot.
    pub slot: usize,
    /// What was in it.
    pub reading: Reading,
}

impl Pool {
    /// A pool of so many readings (1 to 16), which are not used when they are older than that.
    #[must_use]
    pub fn new(size: u8, max_age: Duration) -> Self {
        Self {
            slots: Padded(std::array::from_fn(|_| AtomicU64::new(0))),
            size: usize::from(size).clamp(1, MOST),
            ages: Ages::new(max_age),
            looked: Padded(AtomicU64::new(0)),
        }
    }

    /// How old its readings may be.
    #[must_use]
    pub const fn ages(&self) -> &Ages {
        &self.ages
    }

    /// How many fit in.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Gives `found` every reading that may be used at that time; those that are too old are thrown away.
    #[inline]
    pub fn each(&self, now_us: u64, mut found: impl FnMut(Pooled)) {
        self.wake(now_us);
        for (slot, cell) in self.cells() {
            let word = cell.load(Ordering::Relaxed);
            let Some(reading) = Reading::of(word) else {
                continue;
            };
            if self.ages.is_old(reading.taken, now_us) {
                // Whoever is faster has put a newer one in or thrown it away.
                let _ = swap(cell, word, 0);
            } else {
                found(Pooled { slot, reading });
            }
        }
    }

    /// Puts a reading in: in the place of one of the same endpoint, else in an empty slot, else in that of the oldest. False
    /// when it is no reading ([`Reading::word`]) or others were always faster.
    pub fn put(&self, reading: Reading, now_us: u64) -> bool {
        let Some(word) = reading.word() else {
            return false;
        };
        self.wake(now_us);
        (0..TRIES).any(|_| {
            let (cell, before) = self.place(reading.position, now_us);
            swap(cell, before, word)
        })
    }

    /// Whether there is a reading of that endpoint whose time is not half over, with many uses left.
    #[inline]
    pub(super) fn has_young(&self, position: u32, now_us: u64) -> bool {
        self.cells().any(|(_, cell)| {
            Reading::of(cell.load(Ordering::Relaxed)).is_some_and(|reading| {
                reading.position == position
                    && reading.uses > Reading::MOST_USES / 2
                    && self.ages.age(reading.taken, now_us) < self.ages.most() / 2
            })
        })
    }

    /// Where a reading of that endpoint goes, and what stands there now.
    fn place(&self, position: u32, now_us: u64) -> (&AtomicU64, u64) {
        let mut best = (&self.slots.0[0], 0);
        let mut best_age = None;
        for (_, cell) in self.cells() {
            let word = cell.load(Ordering::Relaxed);
            let age = match Reading::of(word) {
                Some(old) if old.position == position => return (cell, word),
                Some(old) => self.ages.age(old.taken, now_us),
                None => u64::MAX,
            };
            // Of equally old ones the first.
            if best_age.is_none_or(|best| age > best) {
                (best, best_age) = ((cell, word), Some(age));
            }
        }
        best
    }

    /// Takes one use of the reading of that endpoint in that slot. False when there is none any more.
    pub fn take(&self, slot: usize, position: u32, now_us: u64) -> bool {
        self.change(slot, position, |reading| {
            let usable = !self.ages.is_old(reading.taken, now_us);
            usable.then(|| reading.used().and_then(Reading::word).unwrap_or(0))
        })
    }

    /// Removes the reading of that endpoint from that slot. False when there is none any more.
    pub fn remove(&self, slot: usize, position: u32) -> bool {
        self.change(slot, position, |_| Some(0))
    }

    fn change(&self, slot: usize, position: u32, after: impl Fn(Reading) -> Option<u64>) -> bool {
        let Some(cell) = self.slots.0.get(slot) else {
            return false;
        };
        for _ in 0..TRIES {
            let before = cell.load(Ordering::Relaxed);
            let reading = Reading::of(before).filter(|reading| reading.position == position);
            let Some(word) = reading.and_then(&after) else {
                return false;
            };
            if swap(cell, before, word) {
                return true;
            }
        }
        false
    }

    /// Throws everything away that may have been in it for so long that its stamps say nothing, and notes the look.
    ///
    /// Emptied first and noted afterwards, and in that order for all who see the note: nobody who takes the pool for a living
    /// one finds what was in it before.
    #[inline]
    fn wake(&self, now_us: u64) {
        let now = self.ages.parts(now_us);
        let since = now.saturating_sub(self.looked.0.load(Ordering::Acquire));
        if since < self.ages.most() {
            return;
        }
        if since > PAUSE {
            self.cells()
                .for_each(|(_, cell)| cell.store(0, Ordering::Relaxed));
        }
        self.looked.0.fetch_max(now, Ordering::Release);
    }

    #[inline]
    fn cells(&self) -> impl Iterator<Item = (usize, &AtomicU64)> {
        self.slots.0[..self.size].iter().enumerate()
    }
}

/// Relaxed order is enough: a word publishes nothing but itself.
#[inline]
fn swap(cell: &AtomicU64, before: u64, after: u64) -> bool {
    let order = Ordering::Relaxed;
    cell.compare_exchange(before, after, order, order).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::reading::Latency;
    use super::*;

    const MS: u64 = 1_000;

    /// A pool whose readings live for a second, filled with readings of these endpoints at these milliseconds.
    fn pool(size: u8, readings: &[(u32, u64)]) -> Pool {
        let pool = Pool::new(size, Duration::from_secs(1));
        for &(position, ms) in readings {
            assert!(put(&pool, position, 3, ms));
        }
        pool
    }

    fn put(pool: &Pool, position: u32, uses: u8, ms: u64) -> bool {
        let reading = Reading {
            position,
            in_flight: 5,
            latency: Latency::micros(1_000),
            taken: pool.ages().stamp(ms * MS),
            uses,
        };
        pool.put(reading, ms * MS)
    }

    /// The endpoints that are in the pool then, slot by slot.
    fn positions(pool: &Pool, ms: u64) -> Vec<u32> {
        let mut positions = Vec::new();
        pool.each(ms * MS, |pooled| positions.push(pooled.reading.position));
        positions
    }

    #[test]
    fn a_new_reading_takes_the_place_of_its_endpoint_or_of_the_oldest() {
        let pool = pool(3, &[(7, 0), (8, 100), (9, 200)]);
        assert_eq!(positions(&pool, 200), [7, 8, 9]);
        assert!(put(&pool, 7, 3, 300));
        assert_eq!(positions(&pool, 300), [7, 8, 9]);
        assert!(put(&pool, 1, 3, 400));
        assert_eq!(positions(&pool, 400), [7, 1, 9], "8 was the oldest");
        assert!(pool.remove(2, 9) && !pool.remove(2, 9));
        assert!(put(&pool, 2, 3, 500));
        assert_eq!(positions(&pool, 500), [7, 1, 2]);
    }

    #[test]
    fn a_reading_serves_as_often_as_it_has_uses() {
        let pool = pool(2, &[]);
        assert!(put(&pool, 4, 3, 0));
        let in_flight = |pool: &Pool| {
            let mut all = Vec::new();
            pool.each(0, |pooled| all.push(pooled.reading.in_flight));
            all
        };
        assert_eq!(in_flight(&pool), [5]);
        assert!(!pool.take(0, 3, 0), "another endpoint's");
        assert!(pool.take(0, 4, 0));
        assert!(pool.take(0, 4, 0));
        assert_eq!(in_flight(&pool), [7], "two more are under way");
        assert!(pool.take(0, 4, 0));
        assert!(!pool.take(0, 4, 0) && in_flight(&pool).is_empty());
        assert!(!pool.take(99, 4, 0));
    }

    #[test]
    fn a_reading_that_is_too_old_is_not_used() {
        for age in [
            1_000,
            1_001,
            5_000,
            66_000,
            100_000,
            134_100,
            268_300,
            1 << 40,
        ] {
            let pool = pool(4, &[(1, 500)]);
            assert_eq!(positions(&pool, 500 + 950), [1]);
            assert!(!pool.take(0, 1, (500 + 1_000) * MS), "too old to be taken");
            assert!(positions(&pool, 500 + age).is_empty(), "{age}");
            assert!(positions(&pool, 500).is_empty(), "it is gone");
        }
    }

    #[test]
    fn one_that_is_looked_at_now_and_then_never_looks_young_again() {
        // Stamps begin anew after 134 s; whoever looks in between throws the reading away, however rarely that is.
        for step in [900, 30_000, 66_000, 100_000, 134_000, 134_400] {
            let pool = pool(4, &[(1, 0)]);
            for look in 1..20 {
                let now = look * step;
                let seen = positions(&pool, now);
                assert_eq!(seen.is_empty(), now >= 1_000, "{now} ms by {step}");
                assert!(put(&pool, 2, 1, now) && pool.remove(usize::from(now < 1_000), 2));
            }
        }
    }

    #[test]
    fn what_is_no_reading_is_not_put_in() {
        let pool = pool(1, &[]);
        assert!(!put(&pool, 1, 0, 0) && !put(&pool, 1 << 20, 1, 0));
        assert!(positions(&pool, 0).is_empty());
    }
}
