//! A latency histogram: fixed memory, one relaxed store per record, any percentile within 12.5 %.
//!
//! Log-linear as HdrHistogram (Tene): eight buckets to each doubling, from 1 µs to 2^36 µs (19 hours). One writer, the
//! worker it belongs to; any number of readers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets per doubling, as a power of two.
const SUB_BITS: u32 = 3;
const SUB: usize = 1 << SUB_BITS;
/// The largest power of two told apart; what is longer counts as this.
const MAX_BITS: u32 = 36;
const BUCKETS: usize = (MAX_BITS - SUB_BITS + 1) as usize * SUB;

/// Durations counted by size.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64; BUCKETS]>,
    sum_us: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: Box::new([const { AtomicU64::new(0) }; BUCKETS]),
            sum_us: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// Counts one duration. Only the worker that owns the histogram may call this: the add is a load and a store.
    #[inline]
    pub fn record(&self, duration: Duration) {
        self.record_sample(Sample::of(duration));
    }

    /// The same for one that other histograms count as well.
    #[inline]
    pub fn record_sample(&self, sample: Sample) {
        let Some(bucket) = self.buckets.get(usize::from(sample.bucket)) else {
            return;
        };
        bucket.store(bucket.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.sum_us.store(
            self.sum_us.load(Ordering::Relaxed).wrapping_add(sample.us),
            Ordering::Relaxed,
        );
    }

    /// Adds these counts to `total`, for reading.
    pub fn add_to(&self, total: &mut Counts) {
        for (to, from) in total.buckets.iter_mut().zip(self.buckets.iter()) {
            *to += from.load(Ordering::Relaxed);
        }
        total.sum_us = total
            .sum_us
            .wrapping_add(self.sum_us.load(Ordering::Relaxed));
    }
}

/// A duration as histograms count it: worked out once, however many of them do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    us: u64,
    bucket: u16,
}

impl Sample {
    /// That duration.
    #[inline]
    #[must_use]
    pub fn of(duration: Duration) -> Self {
        let seconds = duration.as_secs().saturating_mul(1_000_000);
        let us = seconds.saturating_add(u64::from(duration.subsec_micros()));
        let bucket = index(us);
        Self { us, bucket }
    }
}

/// The sum of several histograms at one moment.
#[derive(Clone, Debug)]
pub struct Counts {
    buckets: [u64; BUCKETS],
    sum_us: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            buckets: [0; BUCKETS],
            sum_us: 0,
        }
    }
}

impl Counts {
    /// How many durations were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What was recorded since `earlier`. Counts that went back (an endpoint left the sum) say nothing of that time.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        for (bucket, before) in since.buckets.iter_mut().zip(&earlier.buckets) {
            *bucket = bucket.saturating_sub(*before);
        }
        since.sum_us = since.sum_us.saturating_sub(earlier.sum_us);
        since
    }

    /// Adds what was recorded elsewhere or at another time.
    pub fn add(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += more;
        }
        self.sum_us = self.sum_us.wrapping_add(other.sum_us);
    }

    /// How many of them were shorter than 2^`bits` microseconds, exactly: that is where buckets begin. Of 8 µs and less it tells
    /// powers of two apart, and above 2^36 µs nothing.
    #[must_use]
    pub fn shorter_than(&self, bits: u32) -> u64 {
        let end = usize::from(index(1 << bits.min(MAX_BITS)));
        self.buckets.iter().take(end).sum()
    }

    /// The sum of all durations.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }

    /// The geometric mean, as exact as the middle of a bucket; none without records. A few that last for long weigh less in
    /// it than in the mean, and unlike the median it does not leap when two kinds of requests are about as many.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "fewer than 2^52 records, and durations are rounded to buckets anyway"
    )]
    pub fn geometric_mean(&self) -> Option<Duration> {
        let count = self.count();
        let log = |(i, n): (usize, &u64)| {
            let lower = if i == 0 { 0 } else { upper(i - 1) };
            let middle = (lower as f64).midpoint(upper(i) as f64).max(0.5);
            *n as f64 * middle.ln()
        };
        let logs: f64 = self.buckets.iter().enumerate().map(log).sum();
        (count > 0).then(|| Duration::from_secs_f64((logs / count as f64).exp() / 1e6))
    }

    /// The duration that `share` (0 to 1) of the records do not exceed, rounded up to its bucket; none without records.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among fewer than 2^52 records; share is clamped to 0..=1"
    )]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        let rank = ((count as f64 * share.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        for (i, n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen >= rank {
                return Some(Duration::from_micros(upper(i)));
            }
        }
        None
    }
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a bucket's index is below 272"
)]
fn index(us: u64) -> u16 {
    if us < SUB as u64 {
        return us as u16;
    }
    let bits = 63 - us.leading_zeros();
    if bits >= MAX_BITS {
        return BUCKETS as u16 - 1;
    }
    let sub = (us >> (bits - SUB_BITS)) as u16 & (SUB as u16 - 1);
    (bits - SUB_BITS + 1) as u16 * SUB as u16 + sub
}

/// The largest value of a bucket, in microseconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "an index below 272 divided by 8"
)]
const fn upper(index: usize) -> u64 {
    if index < SUB {
        return index as u64;
    }
    let shift = (index / SUB) as u32 - 1;
    ((SUB + index % SUB + 1) as u64) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_falls_into_its_bucket_within_an_eighth() {
        for us in
            (0..4000).chain((12..36).flat_map(|b| [(1_u64 << b) - 1, 1 << b, (1 << b) + 12345]))
        {
            let bound = upper(index(us).into());
            assert!(bound >= us && bound <= us + us / 8 + 1, "{us} {bound}");
        }
        assert_eq!(usize::from(index(u64::MAX)), BUCKETS - 1);
    }

    #[test]
    fn a_few_that_last_move_the_geometric_mean_by_little() {
        let mean = |records: &[(u64, u64)]| {
            let histogram = Histogram::default();
            for (millis, times) in records {
                (0..*times).for_each(|_| histogram.record(Duration::from_millis(*millis)));
            }
            let mut counts = Counts::default();
            histogram.add_to(&mut counts);
            counts.geometric_mean().map(|mean| mean.as_secs_f64() * 1e3)
        };
        assert_eq!(mean(&[]), None);
        for (records, expected) in [
            (&[(0, 9)][..], 0.0),
            (&[(10, 1)], 10.0),
            (&[(10, 9), (1_000, 1)], 15.8),
            (&[(1, 50), (100, 50)], 10.0),
            (&[(1_000_000_000, 3)], 70_000_000.0),
        ] {
            let found = mean(records).unwrap();
            assert!(
                (found - expected).abs() <= expected * 0.07 + 0.001,
                "{found} {expected}"
            );
        }
    }

    #[test]
    fn quantiles() {
        let histogram = Histogram::default();
        for ms in 1..=100 {
            histogram.record(Duration::from_millis(ms));
        }
        let mut counts = Counts::default();
        assert_eq!(counts.quantile(0.5), None);
        histogram.add_to(&mut counts);
        let p50 = counts.quantile(0.5).unwrap();
        let p99 = counts.quantile(0.99).unwrap();
        assert!(
            p50 >= Duration::from_millis(50) && p50 <= Duration::from_millis(57),
            "{p50:?}"
        );
        assert!(
            p99 >= Duration::from_millis(99) && p99 <= Duration::from_millis(112),
            "{p99:?}"
        );
        assert_eq!(
            (counts.count(), counts.sum()),
            (100, Duration::from_millis(5050))
        );
    }

    #[test]
    fn powers_of_two_are_where_buckets_begin() {
        let histogram = Histogram::default();
        for us in [0, 1, 7, 8, 255, 256, 257, 1 << 26, u64::MAX] {
            histogram.record(Duration::from_micros(us));
        }
        let mut counts = Counts::default();
        histogram.add_to(&mut counts);
        for (bits, expected) in [
            (0, 1),
            (1, 2),
            (3, 3),
            (8, 5),
            (9, 7),
            (26, 7),
            (27, 8),
            (63, 8),
        ] {
            assert_eq!(counts.shorter_than(bits), expected, "2^{bits} µs");
        }
    }

    #[test]
    fn the_difference_of_two_moments_is_what_came_between() {
        let histogram = Histogram::default();
        let now = || {
            let mut counts = Counts::default();
            histogram.add_to(&mut counts);
            counts
        };
        histogram.record(Duration::from_millis(1));
        let before = now();
        histogram.record(Duration::from_millis(80));
        let mut between = now().since(&before);
        assert_eq!(
            (between.count(), between.sum()),
            (1, Duration::from_millis(80))
        );
        assert!(between.quantile(0.0) >= Some(Duration::from_millis(80)));
        assert_eq!(before.since(&now()).count(), 0, "it went back");
        between.add(&before);
        assert_eq!(
            (between.count(), between.sum()),
            (2, Duration::from_millis(81))
        );
    }
}
