//! Latencies as counts by size: 64 buckets to each doubling, so that a quantile is at most 1.6 % above the truth.
//!
//! The idea is HdrHistogram's (Tene): a bucket's index is the value's exponent and its next bits. `evenkeel-state` has the
//! same with 8 to a doubling, which is enough for operators; comparing balancers by their p99.9 is not done with 12 %.

use std::time::Duration;

/// Bits of a value below its highest that tell buckets apart.
const SUB_BITS: u32 = 6;
const SUB: usize = 1 << SUB_BITS;

/// Values from 2^40 µs (13 days) on count as that.
const MAX_BITS: u32 = 40;

const BUCKETS: usize = SUB * (MAX_BITS as usize - SUB_BITS as usize + 1);

/// How many latencies there were of each size, and of how many requests nobody got an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum_us: u64,
    failed: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
            count: 0,
            sum_us: 0,
            failed: 0,
        }
    }
}

impl Histogram {
    /// Counts a request that was answered after so many microseconds.
    pub fn record(&mut self, us: u64) {
        self.buckets[index(us)] += 1;
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// Counts a request that failed: to a quantile it is one that took for ever, so that failing fast is not being fast.
    pub const fn fail(&mut self) {
        self.failed += 1;
    }

    /// Adds what another has counted.
    pub fn add(&mut self, other: &Self) {
        for (mine, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += more;
        }
        self.count += other.count;
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.failed += other.failed;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.buckets.fill(0);
        (self.count, self.sum_us, self.failed) = (0, 0, 0);
    }

    /// Requests that were answered.
    #[must_use]
    pub const fn answered(&self) -> u64 {
        self.count
    }

    /// Requests that failed.
    #[must_use]
    pub const fn failed(&self) -> u64 {
        self.failed
    }

    /// The mean latency of those that were answered.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_micros(self.sum_us.checked_div(self.count).unwrap_or(0))
    }

    /// The latency that `share` (0 to 1) of all requests do not exceed, failed ones counted as endless: none when that many
    /// were not answered, or there are no requests.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        self.at_rank(share, self.count + self.failed)
    }

    /// The same among those that were answered.
    #[must_use]
    pub fn answered_quantile(&self, share: f64) -> Option<Duration> {
        self.at_rank(share, self.count)
    }

    /// Buckets that are not empty: the largest value of each in microseconds, and how many there are.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        let all = self.buckets.iter().enumerate();
        all.filter(|(_, n)| **n > 0).map(|(at, n)| (upper(at), *n))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among fewer than 2^52 records; share is clamped to 0..=1"
    )]
    fn at_rank(&self, share: f64, of: u64) -> Option<Duration> {
        let rank = ((of as f64 * share.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        for (at, n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen >= rank {
                return Some(Duration::from_micros(upper(at)));
            }
        }
        None
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the bits that are left are those of a bucket"
)]
fn index(us: u64) -> usize {
    if us < SUB as u64 {
        return us as usize;
    }
    let bits = 63 - us.leading_zeros();
    if bits >= MAX_BITS {
        return BUCKETS - 1;
    }
    let sub = (us >> (bits - SUB_BITS)) as usize & (SUB - 1);
    (bits - SUB_BITS + 1) as usize * SUB + sub
}

/// The largest value of a bucket, in microseconds.
const fn upper(index: usize) -> u64 {
    if index < SUB {
        return index as u64;
    }
    let shift = index / SUB - 1;
    (((SUB + index % SUB + 1) as u64) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_falls_into_its_bucket() {
        let wide = (7..40).flat_map(|b| [(1_u64 << b) - 1, 1 << b, (1 << b) + 12_345]);
        for us in (0..5_000).chain(wide) {
            let bound = upper(index(us));
            assert!(bound >= us && bound <= us + us / 64 + 1, "{us} {bound}");
        }
        assert_eq!(index(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn failed_ones_took_for_ever() {
        let mut all = Histogram::default();
        assert_eq!(all.quantile(0.5), None);
        (0..98).for_each(|_| all.record(10));
        all.fail();
        all.fail();
        let ten = Some(Duration::from_micros(10));
        assert_eq!((all.quantile(0.5), all.quantile(0.98)), (ten, ten));
        assert_eq!(
            (all.quantile(0.99), all.answered_quantile(1.0)),
            (None, ten)
        );
        let mut twice = all.clone();
        twice.add(&all);
        assert_eq!((twice.answered(), twice.failed()), (196, 4));
        assert_eq!(
            (twice.mean(), twice.buckets().count()),
            (Duration::from_micros(10), 1)
        );
        twice.clear();
        assert_eq!(twice, Histogram::default());
    }
}
