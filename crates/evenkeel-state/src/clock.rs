//! The milliseconds of the process: the one clock by which both planes note when something happened to an endpoint.
//!
//! It does not tell the time; whoever has an [`Instant`] asks what it is in milliseconds. Numbers instead of instants,
//! because they stand in atomics.

use std::time::Instant;

/// Milliseconds since a moment before everything that is noted by them.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// The clock that begins at `zero`.
    #[must_use]
    pub const fn new(zero: Instant) -> Self {
        Self(zero)
    }

    /// The moment in milliseconds; 0 for what was before the clock began.
    #[inline]
    #[must_use]
    pub fn millis(&self, at: Instant) -> u64 {
        let millis = at.saturating_duration_since(self.0).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_counts_whole_milliseconds_from_its_beginning() {
        let zero = Instant::now();
        let clock = Clock::new(zero);
        for (micros, expected) in [(0, 0), (999, 0), (1_000, 1), (86_400_000_000, 86_400_000)] {
            assert_eq!(clock.millis(zero + Duration::from_micros(micros)), expected);
        }
        let later = Clock::new(zero + Duration::from_secs(1));
        assert_eq!(later.millis(zero), 0);
    }
}
