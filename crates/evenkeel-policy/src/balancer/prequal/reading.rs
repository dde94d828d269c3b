//! A reading: how loaded and how fast an endpoint was at a moment, in one word of 64 bits, so that all workers can share it
//! without a lock and nobody sees half of one.
//!
//! ```text
//! 63       44 43         30 29      20 19     6 5    0
//!  position    in flight     latency    taken    uses
//!  20 bits     14 bits       10 bits   14 bits  6 bits
//! ```
//!
//! A word of 0 is no reading, for one that is left has a use. What does not fit is cut in a way that errs to the safe side:
//! more in flight than 16,383 are 16,383, and an endpoint beyond position 1,048,575 has no readings, so that it gets requests
//! only by chance.

use std::time::Duration;

const USES: u32 = 6;
const TAKEN: u32 = 14;
const LATENCY: u32 = 10;
const IN_FLIGHT: u32 = 14;
const POSITION: u32 = 20;

/// What was read of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The endpoint's position in the list that is picked from.
    pub position: u32,
    /// Requests in flight there; one more with each request that was sent by this reading.
    pub in_flight: u32,
    /// Its latency.
    pub latency: Latency,
    /// When it was taken ([`Ages::stamp`]).
    pub taken: u16,
    /// How many requests may yet be sent by it, 1 to [`Reading::MOST_USES`].
    pub uses: u8,
}

impl Reading {
    /// No reading serves more requests.
    pub const MOST_USES: u8 = (1 << USES) - 1;

    /// The highest position that has readings.
    pub const LAST_POSITION: u32 = (1 << POSITION) - 1;

    /// No more than so many requests are told apart.
    pub const MOST_IN_FLIGHT: u32 = (1 << IN_FLIGHT) - 1;

    /// The word that holds it; none for one without a use or of an endpoint too far behind.
    #[inline]
    #[must_use]
    pub const fn word(self) -> Option<u64> {
        if self.uses == 0 || self.uses > Self::MOST_USES || self.position > Self::LAST_POSITION {
            return None;
        }
        let in_flight = if self.in_flight > Self::MOST_IN_FLIGHT {
            Self::MOST_IN_FLIGHT
        } else {
            self.in_flight
        };
        let mut word = self.position as u64;
        word = word << IN_FLIGHT | in_flight as u64;
        word = word << LATENCY | self.latency.0 as u64;
        word = word << TAKEN | (self.taken & Ages::MASK) as u64;
        Some(word << USES | self.uses as u64)
    }

    /// What a word holds.
    #[inline]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "each part is masked")]
    pub const fn of(word: u64) -> Option<Self> {
        if word == 0 {
            return None;
        }
        Some(Self {
            uses: (word & Self::MOST_USES as u64) as u8,
            taken: (word >> USES) as u16 & Ages::MASK,
            latency: Latency((word >> (USES + TAKEN)) as u16 & Latency::LONGEST.0),
            in_flight: (word >> (USES + TAKEN + LATENCY)) as u32 & Self::MOST_IN_FLIGHT,
            position: (word >> (USES + TAKEN + LATENCY + IN_FLIGHT)) as u32,
        })
    }

    /// What is left of it when a request was sent by it: one use less, and one request more in flight.
    #[inline]
    #[must_use]
    pub const fn used(self) -> Option<Self> {
        if self.uses <= 1 {
            return None;
        }
        Some(Self {
            uses: self.uses - 1,
            in_flight: self.in_flight + 1,
            ..self
        })
    }
}

/// A latency by its logarithm: 32 steps for each doubling of microseconds, so that it is exact to 3 % from 1 µs to 19 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Latency(u16);

impl Latency {
    /// None at all.
    pub const NONE: Self = Self(0);

    /// The longest.
    pub const LONGEST: Self = Self((1 << LATENCY) - 1);

    /// Bits of the step within a doubling.
    const STEP: u32 = 5;

    /// So many microseconds.
    #[inline]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "compared before")]
    pub const fn micros(us: u64) -> Self {
        if us >> Self::STEP == 0 {
            return Self(us as u16);
        }
        let shift = us.ilog2() - Self::STEP;
        let code = ((shift as u64 + 1) << Self::STEP) | (us >> shift & ((1 << Self::STEP) - 1));
        if code > Self::LONGEST.0 as u64 {
            return Self::LONGEST;
        }
        Self(code as u16)
    }

    /// Its logarithm in steps: all that its order needs.
    #[inline]
    pub(super) const fn code(self) -> u16 {
        self.0
    }

    /// That long.
    #[must_use]
    pub fn of(time: Duration) -> Self {
        Self::micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
    }
}

/// The coarse time of readings: how old one is, in parts of the age at which it may no longer be used.
///
/// A part is a power of two of microseconds, at most 1/64 of that age. Stamps begin anew after 16,384 parts; the
/// [`Pool`](super::Pool) sees to it that no reading gets half as old.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    shift: u32,
    /// In parts.
    most: u64,
}

impl Ages {
    const MASK: u16 = (1 << TAKEN) - 1;

    /// After so many parts a stamp could be taken for a later one.
    pub(super) const AMBIGUOUS: u64 = 1 << (TAKEN - 1);

    /// For readings that may not be used when they are that old; at least 64 µs.
    #[must_use]
    pub fn new(max_age: Duration) -> Self {
        let us = u64::try_from(max_age.as_micros()).unwrap_or(u64::MAX);
        let us = us.clamp(64, u64::MAX >> 1);
        let shift = us.ilog2() - 6;
        Self {
            shift,
            most: us >> shift,
        }
    }

    /// The time in parts.
    #[inline]
    #[must_use]
    pub const fn parts(&self, now_us: u64) -> u64 {
        now_us >> self.shift
    }

    /// What stands in a reading that is taken at that time.
    #[inline]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    pub const fn stamp(&self, now_us: u64) -> u16 {
        self.parts(now_us) as u16 & Self::MASK
    }

    /// How old a reading is at a time, in whole parts. One that comes from a worker whose clock is ahead is new.
    #[inline]
    #[must_use]
    pub const fn age(&self, taken: u16, now_us: u64) -> u64 {
        let age = self.stamp(now_us).wrapping_sub(taken) & Self::MASK;
        let age = age as u64;
        if age >= Self::AMBIGUOUS { 0 } else { age }
    }

    /// Whether it may no longer be used. Both times are rounded down, so one that may be used is really younger.
    #[inline]
    #[must_use]
    pub const fn is_old(&self, taken: u16, now_us: u64) -> bool {
        self.age(taken, now_us) >= self.most
    }

    /// The age at which a reading may no longer be used, in parts.
    #[inline]
    pub(super) const fn most(&self) -> u64 {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_word_holds_what_was_put_in(
            position in 0..=Reading::LAST_POSITION,
            in_flight in 0..=Reading::MOST_IN_FLIGHT,
            latency in 0..=Latency::LONGEST.0,
            taken in 0..=Ages::MASK,
            uses in 1..=Reading::MOST_USES,
        ) {
            let reading = Reading { position, in_flight, latency: Latency(latency), taken, uses };
            prop_assert_eq!(Reading::of(reading.word().unwrap()), Some(reading));
        }

        #[test]
        fn latencies_keep_their_order_and_three_percent(a in 1_u64..1 << 35, b in 1_u64..1 << 35) {
            let (a, b) = (a.min(b), a.max(b));
            prop_assert!(Latency::micros(a) <= Latency::micros(b));
            if b * 32 > a * 33 + 32 {
                prop_assert!(Latency::micros(a) < Latency::micros(b));
            }
        }

        #[test]
        fn a_reading_that_may_be_used_is_younger_than_the_limit(
            max_age in 64_u64..10_000_000, taken in 0_u64..1 << 40, age in 0_u64..20_000_000,
        ) {
            let ages = Ages::new(Duration::from_micros(max_age));
            // Older ones the pool throws away in time.
            if age >> ages.shift < Ages::AMBIGUOUS - 1 {
                let old = ages.is_old(ages.stamp(taken), taken + age);
                prop_assert!(old || age < max_age);
                prop_assert!(!old || age * 64 >= max_age * 62, "by a part too early at most");
            }
        }
    }

    #[test]
    fn what_is_too_much_for_a_word_is_cut_or_has_none() {
        let reading = |position, in_flight, uses| Reading {
            position,
            in_flight,
            latency: Latency::micros(u64::MAX),
            taken: u16::MAX,
            uses,
        };
        let cut = Reading::of(reading(7, u32::MAX, 1).word().unwrap()).unwrap();
        assert_eq!((cut.position, cut.uses), (7, 1));
        assert_eq!(cut.in_flight, Reading::MOST_IN_FLIGHT);
        assert_eq!(cut.latency, Latency::LONGEST);
        for (position, uses) in [(0, 0), (0, 64), (1 << 20, 1)] {
            assert_eq!(reading(position, 0, uses).word(), None);
        }
        assert_eq!(Reading::of(0), None);
    }

    #[test]
    fn each_use_leaves_one_less_and_one_more_in_flight() {
        let mut reading = Reading {
            position: 3,
            in_flight: 9,
            latency: Latency::micros(250),
            taken: 1,
            uses: 3,
        };
        for (uses, in_flight) in [(2, 10), (1, 11)] {
            reading = reading.used().unwrap();
            assert_eq!((reading.uses, reading.in_flight), (uses, in_flight));
        }
        assert_eq!(reading.used(), None);
    }

    #[test]
    fn a_clock_that_is_a_little_ahead_makes_a_new_reading() {
        let ages = Ages::new(Duration::from_secs(1));
        assert_eq!(ages.age(ages.stamp(2_000_000), 1_900_000), 0);
        assert!(!ages.is_old(ages.stamp(2_000_000), 1_900_000));
        assert!(ages.is_old(ages.stamp(2_000_000), 3_000_000));
    }
}
