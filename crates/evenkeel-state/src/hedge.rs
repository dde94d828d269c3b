//! How long a first attempt may take before a second one begins: one number for each percentile that routes name.
//!
//! The control plane writes them from the cluster's latency of the last seconds, workers read them. Whether and whom to
//! hedge is decided elsewhere.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Percentiles go from 1 to 99.
const PERCENTILES: usize = 99;

/// The delays of one cluster; their memory is taken when the first one is set.
#[derive(Debug, Default)]
pub struct HedgeDelays(OnceLock<Box<[AtomicU64; PERCENTILES]>>);

impl HedgeDelays {
    /// How long this percentage of the cluster's requests took at most; none as long as too few were seen.
    #[inline]
    #[must_use]
    pub fn get(&self, percentile: u8) -> Option<Duration> {
        let micros = self.0.get()?.get(index(percentile)?)?;
        match micros.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }

    /// Sets it; a delay below a microsecond counts as one. There is nothing to set beside 1 to 99.
    pub fn set(&self, percentile: u8, delay: Duration) {
        let delays = self
            .0
            .get_or_init(|| Box::new([const { AtomicU64::new(0) }; PERCENTILES]));
        if let Some(micros) = index(percentile).and_then(|index| delays.get(index)) {
            let delay = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
            micros.store(delay.max(1), Ordering::Relaxed);
        }
    }
}

fn index(percentile: u8) -> Option<usize> {
    usize::from(percentile).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_percentile_has_its_own_delay() {
        let delays = HedgeDelays::default();
        assert_eq!(delays.get(95), None);
        for (percentile, micros) in [(1, 0), (50, 700), (99, 9_000), (0, 5), (100, 5), (255, 5)] {
            delays.set(percentile, Duration::from_micros(micros));
        }
        let micros = |percentile| delays.get(percentile).map(|delay| delay.as_micros());
        assert_eq!(
            [1, 50, 95, 99].map(micros),
            [Some(1), Some(700), None, Some(9_000)]
        );
        assert_eq!([0, 100, 255].map(micros), [None; 3]);
    }
}
