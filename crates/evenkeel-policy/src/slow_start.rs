//! Slow start: an endpoint that recovered or was added later gets its share bit by bit, so that cold caches and pools fill
//! before the full load arrives.
//!
//! ```text
//! share
//! 1000 ┤              ╭─────
//!      │         ╭────╯
//!      │    ╭────╯
//!  100 ┼────╯
//!      └────┬──────────────┬── time
//!         begins     the window is over
//! ```
//!
//! Linear, because that is what people expect when they set a window; it begins at a tenth, for an endpoint that gets
//! nothing warms up nothing. Who begins a ramp and who moves it is [`Standing`](crate::Standing)'s.

use std::time::Duration;

/// The full share.
pub const FULL: u16 = 1_000;

/// The share that a ramp begins with.
pub const FLOOR: u16 = 100;

/// How an endpoint comes (back) into the rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// With its full share at once.
    Full,
    /// By a ramp.
    Slow,
}

impl Entry {
    /// By a ramp when there is time for one.
    #[must_use]
    pub const fn of(window: Duration) -> Self {
        if window.is_zero() {
            Self::Full
        } else {
            Self::Slow
        }
    }

    /// The share at that moment.
    #[must_use]
    pub const fn share(self) -> u16 {
        match self {
            Self::Full => FULL,
            Self::Slow => FLOOR,
        }
    }
}

/// The share after `elapsed` of `window`.
#[must_use]
pub fn share(elapsed: Duration, window: Duration) -> u16 {
    if elapsed >= window {
        return FULL;
    }
    // `elapsed` is below `window`, so the product stays below 900 · 2^94 and the quotient below 900.
    let climbed = u128::from(FULL - FLOOR) * elapsed.as_nanos() / window.as_nanos();
    FLOOR + u16::try_from(climbed).unwrap_or(FULL - FLOOR)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

    use super::*;

    #[test]
    fn a_ramp_of_ten_seconds() {
        let window = Duration::from_secs(10);
        for (millis, expected) in [
            (0, 100),
            (1, 100),
            (12, 101),
            (1_000, 190),
            (5_000, 550),
            (9_999, 999),
            (10_000, 1_000),
            (60_000, 1_000),
        ] {
            assert_eq!(share(Duration::from_millis(millis), window), expected);
        }
    }

    #[test]
    fn without_a_window_the_share_is_full_at_once() {
        assert_eq!(share(Duration::ZERO, Duration::ZERO), FULL);
        assert_eq!(Entry::of(Duration::ZERO).share(), FULL);
        assert_eq!(Entry::of(Duration::from_nanos(1)).share(), FLOOR);
    }

    #[test]
    fn windows_beyond_any_clock_do_no_harm() {
        assert_eq!(share(Duration::ZERO, Duration::MAX), FLOOR);
        assert_eq!(share(Duration::from_secs(1 << 62), Duration::MAX), 325);
        assert_eq!(share(Duration::MAX, Duration::MAX), FULL);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// It never falls, begins at the floor and is full when the window is over.
        #[test]
        fn a_ramp_only_climbs(window in 1..10_000_000_u64, a in any::<u32>(), b in any::<u32>()) {
            let window = Duration::from_micros(window);
            let at = |us: u32| share(Duration::from_micros(u64::from(us)), window);
            let (early, late) = (a.min(b), a.max(b));
            prop_assert!(at(early) <= at(late));
            prop_assert!((FLOOR..=FULL).contains(&at(early)));
            prop_assert!((at(late) == FULL) || Duration::from_micros(u64::from(late)) < window);
        }
    }
}
