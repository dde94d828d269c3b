//! How many requests one reading serves.
//!
//! The paper's equation 1: max(1, (1 + δ) / ((1 - m/n) · `r_probe` - `r_remove`)), where m readings fit into the pool and there
//! are n endpoints: as often as it takes for the pool to stay full, for so many new readings come with each request, of which m
//! in n only take the place of an older one of the same endpoint, and so many are removed. A fraction is exact over time: of
//! readings that serve 1.32 requests, 32 in 100 serve two.
//!
//! Where no number of uses keeps the pool full (few endpoints, few readings), a reading serves as many as its word can say, 63;
//! then age ends it. And what counts is how many readings really come: a probe takes its time, and of a thousand requests that
//! come meanwhile all but a few would find an empty pool by the rules' own rate.

use evenkeel_base::rules::PrequalRules;

use super::rate::{Rate, passed};
use super::reading::Reading;
use crate::sync::{AtomicU64, Ordering};

/// How fast the pool would grow, in readings per use: δ, which is 1 in the paper's evaluation.
const DRIFT: f32 = 1.0;

/// What comes per request is measured over at least so many.
const MEASURED: u64 = 64;

/// The uses of new readings.
#[derive(Debug)]
pub(super) struct Reuse {
    /// The part of new readings that are of endpoints not in the pool yet: 1 - m/n.
    fresh: f32,
    /// New readings per request, at best.
    supply: f32,
    /// Removed per request.
    removed: f32,
    /// Uses of a reading, as [`Rate::bits`].
    each: AtomicU64,
    given: AtomicU64,
    /// Requests and readings when the supply was last measured.
    measured: [AtomicU64; 2],
}

impl Reuse {
    /// For so many endpoints; `supply` readings come with each request at best.
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    pub(super) fn new(rules: &PrequalRules, endpoints: usize, supply: f32) -> Self {
        let pooled = f32::from(rules.pool.min(PrequalRules::MOST_POOLED));
        let reuse = Self {
            fresh: (1.0 - pooled / endpoints.max(1) as f32).max(0.0),
            supply,
            removed: rules.remove_rate,
            each: AtomicU64::new(0),
            given: AtomicU64::new(0),
            measured: [AtomicU64::new(0), AtomicU64::new(0)],
        };
        reuse.set(supply);
        reuse
    }

    fn set(&self, supply: f32) {
        let each = uses(self.fresh * supply - self.removed);
        let each = Rate::new(each, Reading::MOST_USES);
        self.each.store(each.bits(), Ordering::Relaxed);
    }

    /// The uses of the next reading.
    #[inline]
    pub(super) fn next(&self) -> u8 {
        let each = self.each.load(Ordering::Relaxed);
        let uses = passed(self.given.fetch_add(each, Ordering::Relaxed), each);
        u8::try_from(uses).map_or(Reading::MOST_USES, |uses| uses.clamp(1, Reading::MOST_USES))
    }

    /// Brings the uses to what really came, of so many requests and readings in all. One caller at a time.
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    pub(super) fn adapt(&self, requests: u64, readings: u64) {
        let [requests_before, readings_before] = &self.measured;
        let passed = requests.saturating_sub(requests_before.load(Ordering::Relaxed));
        if passed < MEASURED {
            return;
        }
        let came = readings.saturating_sub(readings_before.swap(readings, Ordering::Relaxed));
        requests_before.store(requests, Ordering::Relaxed);
        self.set(self.supply.min(came as f32 / passed as f32));
    }
}

/// The uses of a reading in a pool that grows so much with each request before any is used up.
fn uses(growth: f32) -> f32 {
    if growth <= 0.0 {
        return f32::from(Reading::MOST_USES);
    }
    ((1.0 + DRIFT) / growth).clamp(1.0, f32::from(Reading::MOST_USES))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reuse(pool: u8, endpoints: usize, probe_rate: f32, remove_rate: f32) -> Reuse {
        let rules = PrequalRules {
            pool,
            probe_rate,
            remove_rate,
            ..PrequalRules::DEFAULT
        };
        Reuse::new(&rules, endpoints, probe_rate)
    }

    /// The uses of 1,000 readings in all.
    fn given(reuse: &Reuse) -> u32 {
        (0..1_000).map(|_| u32::from(reuse.next())).sum()
    }

    #[test]
    fn the_papers_numbers() {
        for (pool, endpoints, probe_rate, remove_rate, expected) in [
            // The evaluation: 2 / (0.84 · 3 - 1).
            (16, 100, 3.0, 1.0, 1_315),
            (16, 100, 5.0, 1.0, 1_000),
            (16, 1_000, 1.5, 1.0, 4_201),
            // No number keeps the pool full.
            (16, 100, 1.0, 1.0, 63_000),
            (16, 16, 3.0, 1.0, 63_000),
            (16, 3, 3.0, 1.0, 63_000),
            (2, 0, 3.0, 0.0, 63_000),
        ] {
            assert_eq!(
                given(&reuse(pool, endpoints, probe_rate, remove_rate)),
                expected,
                "m {pool}, n {endpoints}, r_probe {probe_rate}, r_remove {remove_rate}"
            );
        }
    }

    #[test]
    fn a_fraction_is_one_more_now_and_then() {
        let reuse = reuse(16, 1_000, 1.5, 0.2);
        let each: Vec<u8> = (0..8).map(|_| reuse.next()).collect();
        assert_eq!(each, [1, 2, 1, 2, 1, 2, 1, 2], "1.5678 each");
    }

    #[test]
    fn when_fewer_readings_come_each_serves_more() {
        let reuse = reuse(16, 100, 3.0, 1.0);
        reuse.adapt(63, 0);
        assert_eq!(given(&reuse), 1_315, "too few requests to say");
        reuse.adapt(1_000, 2_000);
        assert_eq!(given(&reuse), 2_941, "2 / (0.84 · 2 - 1)");
        reuse.adapt(2_000, 2_010);
        assert_eq!(given(&reuse), 63_000);
        reuse.adapt(3_000, 9_000);
        assert_eq!(given(&reuse), 1_316, "no more than the rules say");
    }
}
