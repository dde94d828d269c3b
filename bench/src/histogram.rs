//! Latencies by size: fixed memory, any percentile within 1.6 %.
//!
//! Log-linear: 64 buckets to each doubling, from 1 ns to an hour and more. The largest value is kept as it was.

use std::time::Duration;

/// Buckets per doubling, as a power of two.
const SUB_BITS: u32 = 6;
const SUB: u64 = 1 << SUB_BITS;
/// What is longer than 2^42 ns (73 minutes) counts as that.
const MAX_BITS: u32 = 42;
const BUCKETS: usize = ((MAX_BITS - SUB_BITS + 1) as usize) << SUB_BITS;

/// Durations counted by size.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    longest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
            count: 0,
            longest: 0,
        }
    }
}

impl Histogram {
    /// Counts one.
    #[inline]
    pub fn record(&mut self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[index(ns)] += 1;
        self.count += 1;
        self.longest = self.longest.max(ns);
    }

    /// How many were counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The longest one, exactly.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }

    /// What `per_mille` of a thousand do not exceed, rounded up to its bucket; none when nothing was counted.
    #[must_use]
    pub fn quantile(&self, per_mille: u32) -> Option<Duration> {
        let rank = (u128::from(self.count) * u128::from(per_mille)).div_ceil(1000);
        let mut seen = 0;
        for (index, n) in self.buckets.iter().enumerate() {
            seen += u128::from(*n);
            if *n > 0 && seen >= rank {
                return Some(Duration::from_nanos(upper(index).min(self.longest)));
            }
        }
        None
    }
}

#[inline]
fn index(ns: u64) -> usize {
    if ns < SUB {
        return usize::try_from(ns).unwrap_or(0);
    }
    let bits = ns.ilog2();
    if bits >= MAX_BITS {
        return BUCKETS - 1;
    }
    let shift = bits - SUB_BITS;
    // `ns >> shift` lies between SUB and twice that.
    let within = usize::try_from((ns >> shift) - SUB).unwrap_or(0);
    ((shift as usize + 1) << SUB_BITS) + within
}

/// The largest value of a bucket.
fn upper(index: usize) -> u64 {
    let (row, within) = (index >> SUB_BITS, (index as u64) & (SUB - 1));
    match row {
        0 => within,
        _ => ((SUB + within + 1) << (row - 1)) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_falls_into_its_bucket_within_a_sixty_fourth() {
        let edges = (7..MAX_BITS).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 77]);
        for ns in (0..5000).chain(edges) {
            let bound = upper(index(ns));
            assert!(bound >= ns && bound - ns <= ns / SUB, "{ns} {bound}");
        }
        assert_eq!(index(u64::MAX), BUCKETS - 1);
        assert_eq!(index((1 << MAX_BITS) - 1), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_ranks() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(500), None);
        for us in 1..=1000 {
            histogram.record(Duration::from_micros(us));
        }
        for (per_mille, us) in [(500, 500.0), (990, 990.0), (999, 999.0), (1000, 1000.0)] {
            let found = histogram.quantile(per_mille).unwrap().as_secs_f64() * 1e6;
            assert!(found >= us && found <= us * 1.016, "{per_mille}: {found}");
        }
        assert_eq!(histogram.longest(), Duration::from_millis(1));
        assert_eq!(histogram.quantile(1000), Some(Duration::from_millis(1)));
        assert_eq!(histogram.count(), 1000);
    }
}
